/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab/doctor.h"

#include "io/cli.h"
#include "io/inject.h"
#include "io/queue.h"
#include "lab/hosts.h"
#include "lab/namespace.h"
#include "lab/services.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

/*
 * Each check tries the thing itself, in a lab, and so finds out what works, whatever the reason. It
 * runs in a process of its own, which exits with status 0 or says in one line what to do.
 */

struct check {
	const char *name;
	const char *use;	/* what it is for */
	unsigned any_of;	/* one of the checks with the same number is needed; 0: nothing
				 * fails without it */
	void (*run)(const char *arg);
	const char *arg;
};

static void queue(const char *arg)
{
	struct queue_config config = { .joined = true, .packets = 16, .buffer_bytes = 65536 };
	struct queue *q;
	uint32_t owner;
	int rc = queue_open(&q, &config, &owner);

	(void)arg;
	if (rc < 0)
		cli_die("load the module nfnetlink_queue (%s)", strerror(-rc));
}

/* Becomes reseg-rules. */
static _Noreturn void rules(const char *verb, const char *option, const char *value)
{
	char *path = services_find("reseg-rules");

	execl(path, path, verb, "--quiet", option, value, (char *)NULL);
	cli_die("%s: %s", path, strerror(errno));
}

static void load(const char *kind)
{
	rules("load", "--kind", kind);
}

static void inject(const char *kind)
{
	struct injector *in;
	int rc = inject_open(&in, 1, kind);

	if (rc == -ENOENT)
		cli_die("load the module tun; give a container --device /dev/net/tun");
	if (rc < 0)
		cli_die("run as root, or let this user open /dev/net/tun (%s)", strerror(-rc));
}

static void netem(const char *arg)
{
	const struct rtnl_netem delay = { .delay_ns = 1000000 };
	struct rtnl *r;

	(void)arg;
	if (rtnl_open(&r) < 0 || rtnl_add_netem(r, "toclient", &delay) < 0)
		cli_die("load the module sch_netem; testbed/vm runs labs under a kernel that has "
			"it");
}

static void loss(const char *arg)
{
	(void)arg;
	execlp("iptables", "iptables", "-w", "-t", "raw", "-A", "PREROUTING", "-m", "statistic",
	       "--mode", "random", "--probability", "0.5", "-j", "DROP", (char *)NULL);
	cli_die("install iptables");
}

static void sub_ids(const char *arg)
{
	FILE *f = fopen("/proc/self/uid_map", "re");
	unsigned long long count, sum = 0;

	(void)arg;
	while (f && fscanf(f, "%*u %*u %llu", &count) == 1)
		sum += count;
	if (sum <= 1)
		cli_die("install uidmap, and as root: usermod --add-subuids 100000-165535 "
			"--add-subgids 100000-165535 USER");
}

static const struct check checks[] = {
	{ "NFQUEUE", "resegd", 1, queue, NULL },
	{ "nftables", "rules; this or iptables", 2, load, "nft" },
	{ "iptables", "rules; this or nftables", 2, load, "iptables" },
	{ "iptables-legacy", "rules; this or nftables", 2, load, "iptables-legacy" },
	{ "raw sockets", "resegd", 3, inject, "raw" },
	{ "/dev/net/tun", "speed: --inject tun", 0, inject, "tun" },
	{ "statistic match", "--loss", 0, loss, NULL },
	{ "netem", "--burst, --delay, --jitter, --rate, --reorder, --duplicate", 0, netem, NULL },
	{ "sub-ids", "servers that change users", 0, sub_ids, NULL },
};
#define CHECKS (sizeof(checks) / sizeof(checks[0]))

/* Reads all that comes, and keeps the last line of it, without the program's name. */
static void read_reason(int fd, char *reason, size_t size)
{
	FILE *f = fdopen(fd, "r");
	char line[512];

	reason[0] = '\0';
	while (f && fgets(line, sizeof(line), f)) {
		const char *text = strstr(line, ": ");

		line[strcspn(line, "\n")] = '\0';
		text = strncmp(line, "reseg-", 6) == 0 && text ? text + 2 : line;
		snprintf(reason, size, "%s", text);
	}
	if (f)
		fclose(f);
}

/* Runs a function in a process of its own. Returns true if that exits with status 0; otherwise puts
 * the reason into `reason`. */
static bool attempt(void (*run)(void *), void *arg, char *reason, size_t size)
{
	int fds[2], status;
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) < 0)
		cli_die("pipe: %s", strerror(errno));
	fflush(stdout);
	child = fork();
	if (child < 0)
		cli_die("fork: %s", strerror(errno));
	if (child == 0) {
		dup2(fds[1], STDERR_FILENO);
		run(arg);
		fflush(stdout);
		_exit(EXIT_GOOD);
	}
	close(fds[1]);
	read_reason(fds[0], reason, size);
	waitpid(child, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_GOOD;
}

struct trial {
	const struct hosts *hosts;
	const struct check *check;
};

static void try(void *arg)
{
	const struct trial *t = arg;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(null, STDOUT_FILENO);
	hosts_enter(t->hosts, HOST_BOX);
	t->check->run(t->check->arg);
}

static void add_row(json_t *rows, const char *name, const char *use, bool good, const char *reason)
{
	json_array_append_new(rows, json_pack("{s:s, s:s, s:b, s:s}", "name", name, "use", use,
					      "ok", good, "advice", good ? "" : reason));
}

/* Runs in the first process of a lab: makes the hosts, tries everything, and writes what it found,
 * as JSON, to a descriptor. */
static void examine(void *arg)
{
	const struct hosts_options options = { .clients = 1,
					       .client.mtu = 1500,
					       .server.mtu = 1500 };
	json_t *rows = json_array();
	struct hosts hosts;

	hosts_create(&hosts, &options);
	services_set_environment();
	for (size_t i = 0; i < CHECKS; i++) {
		struct trial t = { &hosts, &checks[i] };
		char reason[512];
		bool good = attempt(try, &t, reason, sizeof(reason));

		add_row(rows, checks[i].name, checks[i].use, good, reason);
	}
	json_dumpfd(rows, *(int *)arg, JSON_COMPACT);
}

/* Makes the namespaces of a lab, whose first process is the next child. */
static void make_lab(void *arg)
{
	char reason[512];

	namespace_unshare();
	if (!attempt(examine, arg, reason, sizeof(reason)))
		cli_die("%s", reason);
}

static bool is_lab_possible(const json_t *rows)
{
	bool good[CHECKS + 1] = { false };

	for (size_t i = 0; i < CHECKS; i++) {
		const json_t *row = json_array_get(rows, i + 1);

		good[checks[i].any_of] |= json_is_true(json_object_get(row, "ok"));
	}
	for (size_t i = 0; i < CHECKS; i++) {
		if (checks[i].any_of > 0 && !good[checks[i].any_of])
			return false;
	}
	return true;
}

static const char *text_of(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

static void print_table(const json_t *rows)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		bool good = json_is_true(json_object_get(row, "ok"));

		printf("%-16s %-8s %s\n", text_of(row, "name"), good ? "ok" : "missing",
		       text_of(row, "use"));
		if (!good)
			printf("%-16s %-8s -> %s\n", "", "", text_of(row, "advice"));
	}
}

/* Does any program take packets here, outside a lab? */
static bool is_gateway(void)
{
	FILE *f = fopen("/proc/net/netfilter/nfnetlink_queue", "re");
	bool any = f && getc(f) != EOF;

	if (f)
		fclose(f);
	return any;
}

static void check_gateway(void *arg)
{
	(void)arg;
	rules("check", NULL, NULL);
}

int doctor_run(bool json)
{
	FILE *found = tmpfile();
	json_t *rows = json_array(), *lab = NULL;
	char reason[512];
	bool possible;
	int fd;

	if (!found)
		cli_die("cannot make a temporary file: %s", strerror(errno));
	fd = fileno(found);
	possible = attempt(make_lab, &fd, reason, sizeof(reason));
	add_row(rows, "namespaces", "the lab itself", possible, reason);
	rewind(found);
	if (possible)
		lab = json_loadf(found, 0, NULL);
	fclose(found);
	json_array_extend(rows, lab);
	json_decref(lab);
	possible = possible && is_lab_possible(rows);
	if (is_gateway())
		add_row(rows, "rules here", "resegd on this host",
			attempt(check_gateway, NULL, reason, sizeof(reason)), reason);

	if (json) {
		json_t *all = json_pack("{s:b, s:O}", "lab", possible, "rows", rows);

		json_dumpf(all, stdout, JSON_INDENT(1));
		printf("\n");
		json_decref(all);
	} else {
		print_table(rows);
		printf("%s\n", possible ? "The lab runs here."
					: "The lab cannot run here until this is fixed.");
	}
	json_decref(rows);
	return possible ? EXIT_GOOD : EXIT_FINDING;
}
