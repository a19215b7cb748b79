/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab/namespace.h"

#include "io/cli.h"
#include "io/decimal.h"
#include "lab/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Is this a chroot, other than one that is a mount point? */
static bool is_chroot(void)
{
	struct statx root;

	return statx(AT_FDCWD, "/", 0, 0, &root) == 0 &&
	       (root.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) &&
	       !(root.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

void namespace_die(int error)
{
	if (is_chroot())
		cli_die("Linux makes no user namespaces in a chroot: run the lab outside of it, or "
			"in a container");
	if (proc_number("/proc/sys/user/max_user_namespaces") == 0 || error == ENOSPC)
		cli_die("user namespaces are used up or switched off: run as root, or have root "
			"do: sysctl -w user.max_user_namespaces=10000");
	if (proc_number("/proc/sys/kernel/unprivileged_userns_clone") == 0)
		cli_die("user namespaces are switched off for ordinary users: run as root, or have "
			"root do: sysctl -w kernel.unprivileged_userns_clone=1");
	if (proc_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
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

/* Starts a process that stays outside the new user namespace, and maps its ids once the caller
 * closes go[1]. */
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

/* Becomes root of a new user namespace. If this user has sub-ids (subuid(5)), the namespace has
 * many more users, which servers that change users need. */
static void become_root(void)
{
	char map[32];
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int rc, go[2], status;
	pid_t mapper = start_mapper(go);

	if (unshare(CLONE_NEWUSER) < 0)
		namespace_die(errno);
	close(go[1]);
	if (waitpid(mapper, &status, 0) == mapper && status == 0) {
		if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || setgroups(0, NULL) < 0)
			cli_die("cannot become root of a user namespace: %s", strerror(errno));
		return;
	}
	rc = proc_write("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1\n", uid);
	if (rc == 0)
		rc = proc_write("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1\n", gid);
	if (rc == 0)
		rc = proc_write("/proc/self/gid_map", map);
	if (rc < 0)
		namespace_die(-rc);
}

void namespace_unshare(void)
{
	if (geteuid() == 0 && unshare(CLONE_NEWPID) == 0)
		return;
	become_root();
	if (unshare(CLONE_NEWPID) < 0)	/* AppArmor lets the previous step pass, and stops here */
		namespace_die(errno);
}

void namespace_make_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		namespace_die(errno);
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
