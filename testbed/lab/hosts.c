/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab/hosts.h"

#include "io/cli.h"
#include "io/decimal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

static const struct {
	const char *host;
	const char *name;	/* of the interface on the host */
	const char *box_name;	/* and of its other end, on the box */
	const char *ipv4;
	const char *box_ipv4;
	uint8_t ipv4_prefix;
	const char *ipv6;
	const char *box_ipv6;
} links[HOSTS_MAX] = {
#define MORE_CLIENT(n, own, box)                                                                   \
	{                                                                                          \
		"client" #n, "eth0", "toclient" #n, "198.51.100." #own, "198.51.100." #box, 28,    \
			"2001:db8:1:" #n "::2", "2001:db8:1:" #n "::1"                             \
	}
	/* The networks of further clients lie within this one, and are found first because their
	 * prefix is longer. */
	[HOST_CLIENT] = { "client", "eth0", "toclient", "198.51.100.2", "198.51.100.1", 24,
			  "2001:db8:1::2", "2001:db8:1::1" },
	[HOST_BOX] = { .host = "box" },
	/* If there is a router, it has what the box has here. */
	[HOST_SERVER] = { "server", "eth0", "toserver", HOST_SERVER_IPV4, "203.0.113.1", 28,
			  HOST_SERVER_IPV6, "2001:db8:2::1" },
	MORE_CLIENT(2, 18, 17),
	MORE_CLIENT(3, 34, 33),
	MORE_CLIENT(4, 50, 49),
	MORE_CLIENT(5, 66, 65),
	MORE_CLIENT(6, 82, 81),
	MORE_CLIENT(7, 98, 97),
	MORE_CLIENT(8, 114, 113),
	[HOST_ROUTER] = { "router", "tobox", "toserver", "203.0.113.18", "203.0.113.17", 28,
			  "2001:db8:3::2", "2001:db8:3::1" },
};

const char *host_name(enum host host)
{
	return links[host].host;
}

const char *host_link_of_box(enum host host)
{
	return links[host].box_name;
}

/* Files ------------------------------------------------------------------------- */

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

/* The number in a file of /proc/sys; -1 if there is no such file. */
static long read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	long value = -1;

	if (f && fscanf(f, "%ld", &value) != 1)
		value = -1;
	if (f)
		fclose(f);
	return value;
}

/* Namespaces ---------------------------------------------------------------------- */

/* Is this a chroot, other than one that is a mount point? */
static bool is_chroot(void)
{
	struct statx root;

	return statx(AT_FDCWD, "/", 0, 0, &root) == 0 &&
	       (root.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) &&
	       !(root.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static _Noreturn void die_no_user_namespace(int error)
{
	if (is_chroot())
		cli_die("Linux makes no user namespaces in a chroot: run the lab outside of it, or "
			"in a container");
	if (read_number("/proc/sys/user/max_user_namespaces") == 0 || error == ENOSPC)
		cli_die("user namespaces are used up or switched off: run as root, or have root "
			"do: sysctl -w user.max_user_namespaces=10000");
	if (read_number("/proc/sys/kernel/unprivileged_userns_clone") == 0)
		cli_die("user namespaces are switched off for ordinary users: run as root, or have "
			"root do: sysctl -w kernel.unprivileged_userns_clone=1");
	if (read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
		cli_die("AppArmor forbids user namespaces to ordinary users (as on Ubuntu 24.04): "
			"run as root, or have root do: sysctl -w "
			"kernel.apparmor_restrict_unprivileged_userns=0");
	if (geteuid() == 0)
		cli_die("root may not make namespaces here (%s): give this container --cap-add "
			"SYS_ADMIN --cap-add NET_ADMIN, or --privileged",
			strerror(error));
	cli_die("user namespaces are forbidden here (%s): run as root; in a container, allow them "
		"in its seccomp profile; a chroot allows none",
		strerror(error));
}

/* The first range of ids that this user may use besides its own: a line "NAME:FIRST:COUNT" of
 * /etc/subuid or /etc/subgid, where NAME is a name or a number (subuid(5)). */
static bool find_sub_ids(const char *path, unsigned *first, unsigned *count)
{
	const struct passwd *user = getpwuid(getuid());
	char line[256], name[128];
	FILE *f = fopen(path, "re");
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		uint64_t uid;

		if (sscanf(line, "%127[^:]:%u:%u", name, first, count) != 3 || *count == 0)
			continue;
		found = (user && strcmp(name, user->pw_name) == 0) ||
			(decimal_is(name, 0, UINT32_MAX, &uid) && uid == getuid());
	}
	if (f)
		fclose(f);
	return found;
}

/* Has a privileged program map this user to 0, and the range to the ids after it. */
static bool map_sub_ids(const char *program, const char *file, pid_t pid, unsigned own)
{
	char target[16], self[16], first_text[16], count_text[16];
	unsigned first, count;
	pid_t child;
	int status;

	if (!find_sub_ids(file, &first, &count))
		return false;
	snprintf(target, sizeof(target), "%d", pid);
	snprintf(self, sizeof(self), "%u", own);
	snprintf(first_text, sizeof(first_text), "%u", first);
	snprintf(count_text, sizeof(count_text), "%u", count);
	child = fork();
	if (child == 0) {
		/* Its messages do not matter: the lab can do without it. */
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		execlp(program, program, target, "0", self, "1", "1", first_text, count_text,
		       (char *)NULL);
		_exit(127);
	}
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

/* Starts a process that stays outside the new user namespace, and maps ids once it may: once `go`
 * is at its end. */
static pid_t start_mapper(int go[2])
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	pid_t target = getpid(), mapper;
	char byte;

	if (pipe2(go, O_CLOEXEC) < 0)
		cli_die("pipe: %s", strerror(errno));
	mapper = fork();
	if (mapper < 0)
		cli_die("fork: %s", strerror(errno));
	if (mapper > 0) {
		close(go[0]);
		return mapper;
	}
	close(go[1]);
	if (read(go[0], &byte, 1) != 0)
		_exit(1);
	_exit(map_sub_ids("newgidmap", "/etc/subgid", target, gid) &&
			      map_sub_ids("newuidmap", "/etc/subuid", target, uid)
		      ? 0
		      : 1);
}

/* Becomes root of a new user namespace. This user is known there as root and, if there are sub-ids
 * (subuid(5)), there are many more users: servers that change users need them. */
static void become_root(void)
{
	char map[32];
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int rc, go[2], status;
	pid_t mapper = start_mapper(go);

	if (unshare(CLONE_NEWUSER) < 0)
		die_no_user_namespace(errno);
	close(go[1]);
	if (waitpid(mapper, &status, 0) == mapper && status == 0) {
		if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || setgroups(0, NULL) < 0)
			cli_die("cannot become root of a user namespace: %s", strerror(errno));
		return;
	}
	rc = write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1\n", uid);
	if (rc == 0)
		rc = write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1\n", gid);
	if (rc == 0)
		rc = write_file("/proc/self/gid_map", map);
	if (rc < 0)
		die_no_user_namespace(-rc);
}

void hosts_unshare(void)
{
	if (geteuid() == 0 && unshare(CLONE_NEWPID) == 0)
		return;
	become_root();
	if (unshare(CLONE_NEWPID) < 0)	/* AppArmor lets the previous step pass, and stops here */
		die_no_user_namespace(errno);
}

static void make_netns(struct hosts *h, enum host host)
{
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		die_no_user_namespace(errno);
	/* On links made later, link-local addresses work at once, too. A kernel without IPv6 has no
	 * such file. */
	write_file("/proc/sys/net/ipv6/conf/all/accept_dad", "0");
	write_file("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
	write_file("/proc/sys/net/ipv6/conf/default/accept_ra", "0");
	h->netns[host] = HOSTS_FD + (int)host;
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || dup3(fd, h->netns[host], O_CLOEXEC) < 0)
		cli_die("/proc/self/ns/net: %s", strerror(errno));
	close(fd);
}

void hosts_enter(const struct hosts *h, enum host host)
{
	if (setns(h->netns[host], CLONE_NEWNET) < 0)
		cli_die("cannot enter the %s: %s", host_name(host), strerror(errno));
}

void hosts_take_name(enum host host)
{
	if (unshare(CLONE_NEWUTS) < 0 || sethostname(host_name(host), strlen(host_name(host))) < 0)
		cli_die("cannot take the name %s: %s", host_name(host), strerror(errno));
}

/* Network --------------------------------------------------------------------------- */

static void must(int rc, const char *what, const char *name)
{
	if (rc == -EOPNOTSUPP)
		cli_die("cannot %s %s: this kernel has no veth devices (module veth)", what, name);
	if (rc < 0)
		cli_die("cannot %s %s: %s", what, name, strerror(-rc));
}

/* Without offloads, checksums are computed and segments cut before the wire, so a capture shows the
 * packets as they would be on a real one. */
static void switch_offloads_off(const char *name)
{
	static const uint32_t commands[] = { ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO,
					     ETHTOOL_SGRO };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct ethtool_value value = { .cmd = commands[i], .data = 0 };
		struct ifreq request = { .ifr_data = (char *)&value };

		memcpy(request.ifr_name, name, strlen(name) + 1);
		if (ioctl(fd, SIOCETHTOOL, &request) < 0 && errno != EOPNOTSUPP)
			cli_die("cannot switch off offloads of %s: %s", name, strerror(errno));
	}
	close(fd);
}

static const struct hosts_link *link_of(const struct hosts_options *o, enum host host)
{
	return host == HOST_SERVER || host == HOST_ROUTER ? &o->server : &o->client;
}

/* The host at the other end of the box's link to the server. */
static enum host next_to_server(const struct hosts_options *o)
{
	return o->path_mtu > 0 ? HOST_ROUTER : HOST_SERVER;
}

static void set_up_link(struct rtnl *r, enum host host, const char *name, const char *ipv4,
			const char *ipv6, const struct hosts_options *o)
{
	const struct rtnl_netem *netem = &o->netem;

	if (!link_of(o, host)->offloads)
		switch_offloads_off(name);
	must(rtnl_add_address(r, name, ipv4, links[host].ipv4_prefix), "give an address to", name);
	must(rtnl_add_address(r, name, ipv6, 64), "give an IPv6 address to", name);
	must(rtnl_set_up(r, name), "bring up", name);
	if (netem->delay_ns > 0 || netem->duplicate > 0 || netem->rate_bytes > 0) {
		int rc = rtnl_add_netem(r, name, netem);

		if (rc == -ENOENT)
			cli_die("--delay, --rate, --reorder and --duplicate need netem, which this "
				"kernel lacks (module sch_netem); testbed/vm runs the lab under a "
				"kernel that has it");
		must(rc, "add netem to", name);
	}
}

static struct rtnl *enter_and_open(const struct hosts *h, enum host host)
{
	struct rtnl *r;
	int rc;

	hosts_enter(h, host);
	rc = rtnl_open(&r);
	must(rc, "talk rtnetlink on the", host_name(host));
	must(rtnl_set_up(r, "lo"), "bring up", "lo");
	return r;
}

/* Sets up the side of a link that is on the box or the router, and makes the link itself. */
static void add_link(struct rtnl *r, const struct hosts *h, enum host host,
		     const struct hosts_options *o)
{
	must(rtnl_add_veth(r, links[host].box_name, links[host].name, h->netns[host],
			   link_of(o, host)->mtu),
	     "make", links[host].box_name);
	set_up_link(r, host, links[host].box_name, links[host].box_ipv4, links[host].box_ipv6, o);
}

static void forward(enum host host)
{
	int rc = write_file("/proc/sys/net/ipv4/ip_forward", "1");

	if (rc == 0)
		rc = write_file("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	if (rc == -EROFS)
		cli_die("/proc/sys is read-only in this container, and it may not mount another: "
			"give it --privileged, or --security-opt systempaths=unconfined (Podman: "
			"unmask=ALL)");
	if (rc < 0)
		cli_die("cannot make the %s a router: %s", host_name(host), strerror(-rc));
	/* This setting may be inherited from the machine, and would drop what resegd sends. */
	write_file("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
}

static void add_route(struct rtnl *r, const char *name, const struct rtnl_route *route)
{
	must(rtnl_add_route(r, name, route), "route by", route->gateway ? route->gateway : name);
}

static void set_up_box(const struct hosts *h, const struct hosts_options *o)
{
	struct rtnl *r = enter_and_open(h, HOST_BOX);

	forward(HOST_BOX);
	for (enum host host = HOST_CLIENT; host < h->count; host++) {
		if (host != HOST_BOX)
			add_link(r, h, host == HOST_SERVER ? next_to_server(o) : host, o);
	}
	if (o->path_mtu > 0) {
		add_route(r, "toserver",
			  &(struct rtnl_route){ .to = HOST_SERVER_IPV4,
						.prefix = 32,
						.gateway = links[HOST_ROUTER].ipv4 });
		add_route(r, "toserver",
			  &(struct rtnl_route){ .to = HOST_SERVER_IPV6,
						.prefix = 128,
						.gateway = links[HOST_ROUTER].ipv6 });
	}
	rtnl_close(r);
}

#define IPV6_MTU_MIN 1280	/* RFC 8200 section 5 */

/* The router's links take what those of the box and the server take, so that no MSS option reveals
 * what the path does not take. Its routes have the MTU: larger packets go no further. */
static void set_up_router(const struct hosts *h, const struct hosts_options *o)
{
	struct rtnl *r = enter_and_open(h, HOST_ROUTER);
	const char *in = links[HOST_ROUTER].name, *out = links[HOST_SERVER].box_name;
	uint32_t ipv6_mtu = o->path_mtu > IPV6_MTU_MIN ? o->path_mtu : IPV6_MTU_MIN;

	forward(HOST_ROUTER);
	set_up_link(r, HOST_ROUTER, in, links[HOST_ROUTER].ipv4, links[HOST_ROUTER].ipv6, o);
	add_link(r, h, HOST_SERVER, o);
	add_route(r, in,
		  &(struct rtnl_route){ .gateway = links[HOST_ROUTER].box_ipv4,
					.mtu = o->path_mtu });
	add_route(r, in,
		  &(struct rtnl_route){ .gateway = links[HOST_ROUTER].box_ipv6, .mtu = ipv6_mtu });
	add_route(r, out,
		  &(struct rtnl_route){ .to = HOST_SERVER_IPV4, .prefix = 32, .mtu = o->path_mtu });
	add_route(r, out,
		  &(struct rtnl_route){ .to = HOST_SERVER_IPV6, .prefix = 128, .mtu = ipv6_mtu });
	rtnl_close(r);
}

static void set_up_end(const struct hosts *h, enum host host, const struct hosts_options *o)
{
	struct rtnl *r = enter_and_open(h, host);

	set_up_link(r, host, links[host].name, links[host].ipv4, links[host].ipv6, o);
	add_route(r, links[host].name, &(struct rtnl_route){ .gateway = links[host].box_ipv4 });
	add_route(r, links[host].name, &(struct rtnl_route){ .gateway = links[host].box_ipv6 });
	rtnl_close(r);
}

/* Mounts ---------------------------------------------------------------------------- */

/* Mounts made from now on are seen in the lab only. */
static void make_mounts_private(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		die_no_user_namespace(errno);
	if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0)
		return;
	if (errno == EINVAL && is_chroot())
		cli_die("this chroot is not a mount point, so the lab cannot have mounts of its "
			"own: leave it, run mount --bind DIR DIR for its folder, and enter it "
			"again");
	if (errno == EACCES || errno == EPERM)
		cli_die("nothing may be mounted here (%s): give this container --privileged, or "
			"--security-opt apparmor=unconfined",
			strerror(errno));
	cli_die("cannot make mounts private: %s", strerror(errno));
}

/* Mounts a /proc that shows the lab's own processes, and whose /proc/sys can be written to: that of
 * most containers is read-only. Where this is forbidden, /proc stays that of the outside. */
static void mount_proc(void)
{
	mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	if (access("/proc/self", F_OK) < 0)
		cli_die("there is no /proc here: run mount -t proc proc /proc");
}

/* The names of the hosts resolve by an /etc/hosts of the lab's own. It is on a file system that is
 * unmounted at once, and lives as long as the lab. */
static void mount_names(const struct hosts *h, const struct hosts_options *o)
{
	static const char path[] = "/tmp/hosts";
	FILE *f;

	if (access("/etc/hosts", F_OK) < 0)
		return;
	if (mount("reseg-lab", "/tmp", "tmpfs", 0, "size=1m") < 0)
		cli_die("cannot mount a tmpfs: %s", strerror(errno));
	f = fopen(path, "we");
	if (!f)
		cli_die("%s: %s", path, strerror(errno));
	fprintf(f, "127.0.0.1 localhost\n::1 localhost\n");
	for (enum host host = HOST_CLIENT; host < HOSTS_MAX; host++) {
		const char *other = host == HOST_SERVER ? host_name(next_to_server(o)) : "box";

		/* The router's link names the box; the server's link names the router. */
		if (host == HOST_BOX || h->netns[host] == 0)
			continue;
		if (o->names != 6)
			fprintf(f,
				"%s %s\n"
				"%s %s\n",
				links[host].ipv4, host_name(host), links[host].box_ipv4, other);
		if (o->names != 4)
			fprintf(f,
				"%s %s\n"
				"%s %s\n",
				links[host].ipv6, host_name(host), links[host].box_ipv6, other);
	}
	if (fclose(f) != 0 || mount(path, "/etc/hosts", "none", MS_BIND, NULL) < 0)
		cli_die("cannot give the lab an /etc/hosts: %s", strerror(errno));
	/* No name server can be reached from here, and each query would take 5 s to find that out.
	 * An empty list means this host, which refuses at once. */
	mount("/dev/null", "/etc/resolv.conf", "none", MS_BIND, NULL);
	if (umount2("/tmp", MNT_DETACH) < 0)
		cli_die("cannot unmount: %s", strerror(errno));
}

void hosts_create(struct hosts *h, const struct hosts_options *o)
{
	make_mounts_private();
	mount_proc();
	*h = (struct hosts){ .count = HOST_CLIENT2 + o->clients - 1 };
	for (enum host host = HOST_CLIENT; host < h->count; host++)
		make_netns(h, host);
	if (o->path_mtu > 0)
		make_netns(h, HOST_ROUTER);
	mount_names(h, o);
	set_up_box(h, o);
	if (o->path_mtu > 0)
		set_up_router(h, o);
	for (enum host host = HOST_CLIENT; host < h->count; host++) {
		if (host != HOST_BOX)
			set_up_end(h, host, o);
	}
}
