/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab/hosts.h"

#include "io/cli.h"
#include "lab/namespace.h"
#include "lab/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
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
	/* The networks of further clients lie within this one; their routes are preferred because
	 * their prefix is longer. */
	[HOST_CLIENT] = { "client", "eth0", "toclient", "198.51.100.2", "198.51.100.1", 24,
			  "2001:db8:1::2", "2001:db8:1::1" },
	[HOST_BOX] = { .host = "box" },
	/* If there is a router, it has the box's end of this link. */
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

/* Namespaces ---------------------------------------------------------------------- */

static void make_netns(struct hosts *h, enum host host)
{
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		namespace_die(errno);
	/* Lets the link-local addresses of later links work at once, too. A kernel without IPv6
	 * has no such files. */
	proc_write("/proc/sys/net/ipv6/conf/all/accept_dad", "0");
	proc_write("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
	proc_write("/proc/sys/net/ipv6/conf/default/accept_ra", "0");
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
		cli_die("cannot set the host name %s: %s", host_name(host), strerror(errno));
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

/* What an interface of a host's link sends goes this way. */
static enum way way_of(enum host host, const char *interface)
{
	bool on_box = strcmp(interface, links[host].box_name) == 0;
	bool beyond_box = host == HOST_SERVER || host == HOST_ROUTER;

	return on_box == beyond_box ? TO_SERVER : TO_CLIENT;
}

static void set_up_link(struct rtnl *r, enum host host, const char *name, const char *ipv4,
			const char *ipv6, const struct hosts_options *o)
{
	const struct rtnl_netem *netem = &o->netem[way_of(host, name)];

	if (!link_of(o, host)->offloads)
		switch_offloads_off(name);
	must(rtnl_add_address(r, name, ipv4, links[host].ipv4_prefix), "give an address to", name);
	must(rtnl_add_address(r, name, ipv6, 64), "give an IPv6 address to", name);
	must(rtnl_set_up(r, name), "bring up", name);
	if (netem->delay_ns > 0 || netem->duplicate > 0 || netem->rate_bytes > 0 ||
	    netem->burst > 0) {
		int rc = rtnl_add_netem(r, name, netem);

		if (rc == -ENOENT)
			cli_die("--burst, --delay, --jitter, --rate, --reorder and --duplicate "
				"need netem, which this kernel lacks (module sch_netem); "
				"testbed/vm runs the lab under a kernel that has it");
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
	int rc = proc_write("/proc/sys/net/ipv4/ip_forward", "1");

	if (rc == 0)
		rc = proc_write("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	if (rc == -EROFS)
		cli_die("/proc/sys is read-only in this container, and it may not mount another: "
			"give it --privileged, or --security-opt systempaths=unconfined (Podman: "
			"unmask=ALL)");
	if (rc < 0)
		cli_die("cannot make the %s a router: %s", host_name(host), strerror(-rc));
	/* This setting may be inherited from the machine, and would drop what resegd sends. */
	proc_write("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
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

/* The router's links have the MTU of the server's link, so that no MSS option reveals that of the
 * path, which is smaller. Only the router's routes have the path's MTU: larger packets go no
 * further. */
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

/* Mounts a /proc that shows the lab's own processes, and whose /proc/sys can be written to: that of
 * most containers is read-only. Where this is forbidden, /proc stays that of the outside. */
static void mount_proc(void)
{
	mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	if (access("/proc/self", F_OK) < 0)
		cli_die("there is no /proc here: run mount -t proc proc /proc");
}

/* Gives the lab an /etc/hosts of its own, which has the names of the hosts. It is on a file system
 * that is unmounted at once, and it lives as long as the lab. */
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
	namespace_make_mounts();
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
