/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab/enter.h"

#include "io/cli.h"
#include "lab/hosts.h"
#include "lab/services.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Outside a lab, only its processes identify it: so its name is the process id of its reseg-lab.
 * The child of that reseg-lab is the first process of the lab's PID namespace, and is in all other
 * namespaces of the lab, too.
 */

/* What /proc/PID says about a process. */
struct process {
	pid_t pid;
	pid_t parent;
	uid_t uid;
	bool is_lab;		/* the first process of a lab whose hosts exist */
};

static bool read_process(pid_t pid, struct process *p)
{
	char path[64], line[256];
	bool named = false, first = false;
	FILE *f;

	*p = (struct process){ .pid = pid };
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return false;	/* it has ended */
	while (fgets(line, sizeof(line), f)) {
		named |= strcmp(line, "Name:\treseg-lab\n") == 0;
		sscanf(line, "PPid: %d", &p->parent);
		sscanf(line, "Uid: %*u %u", &p->uid);
		/* Its id here, followed by those in inner PID namespaces. Inside the lab, even the
		 * id here is 1. */
		if (strncmp(line, "NSpid:", 6) == 0)
			first = strcmp(strrchr(line, '\t'), "\t1\n") == 0;
	}
	fclose(f);
	/* Not the reseg-lab that is the first process of a container: that one has no hosts. */
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, HOSTS_FD);
	p->is_lab = named && first && access(path, F_OK) == 0;
	return true;
}

/* The next process of this machine; false after the last. */
static bool next_process(DIR *proc, struct process *p)
{
	struct dirent *entry;

	while ((entry = readdir(proc))) {
		int pid = atoi(entry->d_name);	/* NOLINT(cert-err34-c): 0 is none */

		if (pid > 0 && read_process(pid, p))
			return true;
	}
	return false;
}

static DIR *open_proc(void)
{
	DIR *proc = opendir("/proc");

	if (!proc)
		cli_die("/proc: %s", strerror(errno));
	return proc;
}

/* Finds the first process of a lab: of the one whose reseg-lab has the process id `wanted`. If that
 * is 0, of the lab that this process is in, or else of the only lab that is running. */
static pid_t find_lab(pid_t wanted)
{
	DIR *proc = open_proc();
	struct process p;
	char all[256] = "";
	pid_t found = 0;
	unsigned count = 0;

	if (wanted == 0 && read_process(1, &p) && p.is_lab) {
		closedir(proc);
		return 1;
	}
	while (next_process(proc, &p)) {
		size_t used = strlen(all);

		if (!p.is_lab || (geteuid() != 0 && p.uid != geteuid()))
			continue;
		snprintf(all + used, sizeof(all) - used, "%s%d", used > 0 ? ", " : "", p.parent);
		if (wanted != 0 && p.parent != wanted)
			continue;
		found = p.pid;
		count++;
	}
	closedir(proc);
	if (count == 1)
		return found;
	if (all[0] == '\0')
		cli_die("none of your labs is running: start one, for example with: reseg-lab -- "
			"bash");
	if (wanted != 0)
		cli_die("--lab %d: not one of your labs, which are: %s", wanted, all);
	cli_die("several labs are running: choose one with --lab: %s", all);
}

/* Is it a variable that a lab sets? */
static bool is_of_lab(const char *variable)
{
	static const char *const names[] = { "PATH=", "RESEG_", "XTABLES_LOCKFILE=" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

/* Copies the variables that the lab sets from the environment of one of its processes. */
static void take_environment(pid_t lab)
{
	DIR *proc = open_proc();
	struct process p;
	char path[64];
	char *text = NULL;
	size_t size = 0;
	FILE *f = NULL;

	while (!f && next_process(proc, &p)) {
		if (p.parent != lab)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/environ", p.pid);
		f = fopen(path, "re");
	}
	closedir(proc);
	while (f && getdelim(&text, &size, '\0', f) > 0) {
		char *value = strchr(text, '=');

		if (!value || !is_of_lab(text))
			continue;
		*value++ = '\0';
		setenv(text, value, 1);
	}
	free(text);
	if (f)
		fclose(f);
}

static int open_part(pid_t lab, const char *part)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", lab, part);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		cli_die("cannot enter the lab (%s: %s): it has ended, is another user's, or has no "
			"such host",
			path, strerror(errno));
	return fd;
}

static bool is_own_user_namespace(int fd)
{
	struct stat own, other;

	return stat("/proc/self/ns/user", &own) == 0 && fstat(fd, &other) == 0 &&
	       own.st_ino == other.st_ino;
}

/* Enters all namespaces of the lab; the next child is in its PID namespace. */
static void enter(pid_t lab, enum host host)
{
	char net[16];
	int user = open_part(lab, "ns/user"), pid = open_part(lab, "ns/pid"),
	    mounts = open_part(lab, "ns/mnt"), network;
	char *folder = getcwd(NULL, 0);

	snprintf(net, sizeof(net), "fd/%d", HOSTS_FD + (int)host);
	network = open_part(lab, net);
	if ((!is_own_user_namespace(user) && setns(user, CLONE_NEWUSER) < 0) ||
	    setns(network, CLONE_NEWNET) < 0 || setns(pid, CLONE_NEWPID) < 0 ||
	    setns(mounts, CLONE_NEWNS) < 0)
		cli_die("cannot enter the lab: %s", strerror(errno));
	/* The lab has the same files as the outside. */
	if (folder && chdir(folder) < 0)
		cli_say("%s does not exist in the lab", folder);
	free(folder);
}

static enum host host_option(const char *name)
{
	for (enum host host = HOST_CLIENT; host < HOSTS_MAX; host++) {
		if (strcmp(name, host_name(host)) == 0)
			return host;
	}
	cli_die("--on %s: give client, box, server or router, or client2 and so on", name);
}

static void print_help(void)
{
	printf("Usage: reseg-lab enter [--lab PID] [--on HOST] [-- COMMAND...]\n"
	       "Runs another command in a running lab; without COMMAND, a shell.\n"
	       "\n"
	       "  --lab PID   process id of the lab's reseg-lab; not needed in a lab, or if only\n"
	       "              one is running\n"
	       "  --on HOST   where to run it: client, box, server, router, client2 and so on\n"
	       "              (client)\n"
	       "  --help, --version\n");
}

int enter_main(int argc, char **argv)
{
	enum { LAB = 256, ON };
	static const struct option table[] = {
		{ "lab", required_argument, NULL, LAB },
		{ "on", required_argument, NULL, ON },
		CLI_COMMON_OPTIONS,
	};
	const char *shell[] = { getenv("SHELL") ? getenv("SHELL") : "/bin/sh", NULL };
	const char *const *command = shell;
	enum host host = HOST_CLIENT;
	pid_t wanted = 0, lab, child;
	int option;

	while ((option = cli_option(argc, argv, "+", table, print_help)) != -1) {
		switch (option) {
		case LAB:
			wanted = (pid_t)cli_number("--lab", optarg, 1, INT32_MAX);
			break;
		case ON:
			host = host_option(optarg);
			break;
		}
	}
	if (optind < argc)
		command = (const char *const *)argv + optind;
	lab = find_lab(wanted);
	take_environment(lab);
	enter(lab, host);

	services_hold_signals();
	child = fork();
	if (child < 0)
		cli_die("fork: %s", strerror(errno));
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		services_exec(host, command, -1);
	}
	return services_exit_status(services_wait(child));
}
