/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * resegctl: talks to a running resegd
 *
 * A request is a JSON object on one line, and so is its answer; docs/control.md describes them.
 */

#include "tables.h"

#include "io/cli.h"
#include "io/clock.h"
#include "io/control.h"
#include "settings/faultspec.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* Where resegd listens as a service, and when started by hand. */
static const char *const sockets[] = { "/run/reseg/resegd.sock", "/run/resegd.sock" };

#define ANSWER_SECONDS 10

struct options {
	const char *socket;
	const char *policy;
	bool json;
	struct tables_choice flows;
	uint64_t watch_ns;	/* 0: once */
};

static void print_help(void)
{
	printf("Usage: resegctl [OPTION]... COMMAND\n"
	       "Queries and controls a running resegd that was started with --control.\n"
	       "\n"
	       "  status                show policies, faults and counters\n"
	       "  flows                 list connections, those with most orphaned bytes first\n"
	       "  fault                 list the faults in use, with their numbers\n"
	       "  fault on SPEC         add a fault, written as for resegd --fault\n"
	       "  fault off WHICH       remove faults: a name, a number or all\n"
	       "  fault change WHICH SPEC  replace these faults; they go on counting\n"
	       "  reload                have resegd read its configuration file again\n"
	       "  drain                 hand connections over and end, as SIGTERM does\n"
	       "  metrics               print all counters in Prometheus' text format\n"
	       "\n"
	       "  --control SOCKET      where resegd listens (%s,\n"
	       "                        or %s)\n"
	       "  --policy NAME         fault: only in this policy (fault on: default; else all)\n"
	       "  --sort KEY            flows: by orphaned, acked, idle, or flow (oldest first);\n"
	       "                        default orphaned\n"
	       "  --stalled             flows: only those in which a fault holds data back\n"
	       "  --client ADDRESS[/BITS]  flows: only those of these clients\n"
	       "  --watch SECONDS       status, flows, fault: repeat until interrupted\n"
	       "  --format table|json   (table)\n"
	       "  --help, --version\n",
	       sockets[0], sockets[1]);
}

/* Asking -------------------------------------------------------------------------------- */

static void send_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0)
			cli_die("resegd does not take the request: %s", strerror(errno));
		text += n;
		len -= (size_t)n;
	}
}

/* Reads a line, which the caller frees. */
static char *receive_line(int fd)
{
	FILE *in = fdopen(fd, "r");
	char *line = NULL;
	size_t room = 0;

	if (!in)
		cli_die("%s", strerror(errno));
	if (getline(&line, &room, in) <= 0)
		cli_die("resegd does not answer%s", errno == EAGAIN ? "" : ": it has ended");
	fclose(in);
	return line;
}

static int connect_to(const char *path)
{
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	int fd = control_connect(path);

	if (fd == -ENOENT || fd == -ECONNREFUSED)
		cli_die("no resegd listens at %s: start it with --control %s, or give the right "
			"--control",
			path, path);
	if (fd == -EACCES)
		cli_die("%s: no permission: only root, the user who started resegd, and those "
			"named by --control-owner may talk to it",
			path);
	if (fd < 0)
		cli_die("%s: %s", path, strerror(-fd));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

/* Sends a request, frees it, and returns the answer. Ends the program if the request failed. */
static json_t *ask(const struct options *o, json_t *request)
{
	int fd = connect_to(o->socket);
	char *text = json_dumps(request, JSON_COMPACT), *line;
	json_error_t error;
	json_t *answer;

	if (!text)
		cli_die("out of memory");
	send_all(fd, text, strlen(text));
	send_all(fd, "\n", 1);
	line = receive_line(fd);
	answer = json_loads(line, 0, &error);
	if (!answer)
		cli_die("resegd's answer is not JSON: %s", error.text);
	if (!json_is_true(json_object_get(answer, "ok")))
		cli_die_lines(json_string_value(json_object_get(answer, "error")));
	free(line);
	free(text);
	json_decref(request);
	return answer;
}

/* Commands ------------------------------------------------------------------------------- */

static json_t *request(const char *command)
{
	return json_pack("{s:s}", "command", command);
}

static size_t lines_of_terminal(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 ||
	    size.ws_row < 4)
		return SIZE_MAX;
	return size.ws_row - 3u;
}

static void show_json(json_t *answer)
{
	json_dumpf(answer, stdout, JSON_INDENT(2));
	printf("\n");
}

static void ask_and_show(const struct options *o, const char *command)
{
	bool is_flows = strcmp(command, "flows") == 0;
	json_t *answer = ask(o, request(is_flows ? "flows" : "status"));

	if (is_flows) {
		json_t *flows = tables_choose(&o->flows, answer);
		bool watched = o->watch_ns != 0;

		json_object_set_new(answer, "flows", flows);
		if (watched)
			tables_add_rates(flows);
		if (!o->json)
			tables_flows(flows, watched ? lines_of_terminal() : SIZE_MAX, watched);
	} else if (!o->json && strcmp(command, "status") == 0) {
		tables_status(answer);
	} else if (!o->json) {
		tables_faults(answer);
	}
	if (o->json)
		show_json(answer);
	fflush(stdout);
	json_decref(answer);
}

/* Repeats a command that shows something until a signal comes. */
static void watch(const struct options *o, const char *command)
{
	time_t seconds = (time_t)(o->watch_ns / NS_PER_S);
	struct timespec interval = { seconds, (long)(o->watch_ns % NS_PER_S) };
	struct itimerspec timer = { interval, interval };
	struct pollfd fds[2];
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	fds[0] = (struct pollfd){ .fd = signalfd(-1, &mask, SFD_CLOEXEC), .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC),
				  .events = POLLIN };
	if (fds[0].fd < 0 || fds[1].fd < 0 || timerfd_settime(fds[1].fd, 0, &timer, NULL) < 0)
		cli_die("%s", strerror(errno));
	for (;;) {
		uint64_t ticks;

		if (isatty(STDOUT_FILENO) && !o->json)
			printf("\033[H\033[2J");
		ask_and_show(o, command);
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			cli_die("poll: %s", strerror(errno));
		if (fds[0].revents || read(fds[1].fd, &ticks, sizeof(ticks)) < 0)
			return;
	}
}

/* Names the keys that a reload could not change. */
static void complain_of_keys(const json_t *keys)
{
	char names[512] = "";
	const json_t *key;
	size_t i;

	json_array_foreach(keys, i, key)
	{
		strncat(names, i > 0 ? ", " : "", sizeof(names) - strlen(names) - 1);
		strncat(names, json_string_value(key), sizeof(names) - strlen(names) - 1);
	}
	if (names[0] != '\0')
		cli_say("restart resegd for these changed keys to take effect: %s", names);
}

/* Sends a request that changes something rather than shows it. */
static void ask_for_change(const struct options *o, json_t *what)
{
	json_t *answer = ask(o, what);

	if (o->json)
		show_json(answer);
	else
		complain_of_keys(json_object_get(answer, "changed_keys"));
	json_decref(answer);
}

static void fault_command(const struct options *o, int argc, char **argv)
{
	json_t *r = request("fault");

	json_object_set_new(r, "do", json_string(argv[0]));
	if (o->policy)
		json_object_set_new(r, "policy", json_string(o->policy));
	if (strcmp(argv[0], "on") == 0 && argc == 2) {
		json_object_set_new(r, "fault", json_string(argv[1]));
	} else if (strcmp(argv[0], "off") == 0 && argc == 2) {
		json_object_set_new(r, "which", json_string(argv[1]));
	} else if (strcmp(argv[0], "change") == 0 && argc == 3) {
		json_object_set_new(r, "which", json_string(argv[1]));
		json_object_set_new(r, "fault", json_string(argv[2]));
	} else {
		cli_die("fault: give on SPEC, off WHICH, change WHICH SPEC, or nothing; see "
			"--help");
	}
	ask_for_change(o, r);
}

static void metrics(const struct options *o)
{
	json_t *answer = ask(o, request("metrics"));

	if (o->json)
		show_json(answer);
	else
		fputs(tables_text(answer, "metrics"), stdout);
	json_decref(answer);
}

static void run_command(const struct options *o, int argc, char **argv)
{
	const char *command = argv[0];
	bool shows = strcmp(command, "status") == 0 || strcmp(command, "flows") == 0 ||
		     (strcmp(command, "fault") == 0 && argc == 1);

	if ((o->flows.stalled || o->flows.of_client) && strcmp(command, "flows") != 0)
		cli_die("%s: it is for flows only", o->flows.stalled ? "--stalled" : "--client");
	if (!shows && o->watch_ns)
		cli_die("--watch: status, flows or fault can be watched");
	if (argc > 1 && strcmp(command, "fault") != 0)
		cli_die("%s: %s takes nothing more; see --help", argv[1], command);
	if (shows && o->watch_ns)
		watch(o, command);
	else if (shows)
		ask_and_show(o, command);
	else if (strcmp(command, "fault") == 0)
		fault_command(o, argc - 1, argv + 1);
	else if (strcmp(command, "metrics") == 0)
		metrics(o);
	else if (strcmp(command, "reload") == 0 || strcmp(command, "drain") == 0)
		ask_for_change(o, request(command));
	else
		cli_die("%s: no such command; see --help", command);
}

static const char *one_of(const char *option, const char *text, const char *const names[])
{
	for (size_t i = 0; names[i]; i++) {
		if (strcmp(text, names[i]) == 0)
			return names[i];
	}
	cli_die("%s %s: no such value; see --help", option, text);
}

int main(int argc, char **argv)
{
	enum { CONTROL = 256, POLICY, SORT, STALLED, CLIENT_PREFIX, WATCH, FORMAT };
	static const struct option table[] = {
		{ "control", required_argument, NULL, CONTROL },
		{ "policy", required_argument, NULL, POLICY },
		{ "sort", required_argument, NULL, SORT },
		{ "stalled", no_argument, NULL, STALLED },
		{ "client", required_argument, NULL, CLIENT_PREFIX },
		{ "watch", required_argument, NULL, WATCH },
		{ "format", required_argument, NULL, FORMAT },
		CLI_COMMON_OPTIONS,
	};
	static const char *const sorts[] = { "orphaned", "acked", "idle", "flow", NULL };
	static const char *const formats[] = { "table", "json", NULL };
	struct options o = { .socket = sockets[access(sockets[0], F_OK) != 0],
			     .flows.sort = "orphaned" };
	int option;

	cli_program = "resegctl";
	while ((option = cli_option(argc, argv, "", table, print_help)) != -1) {
		switch (option) {
		case CONTROL:
			o.socket = optarg;
			break;
		case POLICY:
			o.policy = optarg;
			break;
		case SORT:
			o.flows.sort = one_of("--sort", optarg, sorts);
			break;
		case STALLED:
			o.flows.stalled = true;
			break;
		case CLIENT_PREFIX:
			o.flows.of_client = true;
			if (!faultspec_prefix(&o.flows.match.client, optarg, strlen(optarg)))
				cli_die("--client %s: give an address, or a prefix such as "
					"198.51.100.0/24",
					optarg);
			break;
		case WATCH:
			o.watch_ns = cli_seconds("--watch", optarg, 0.1, 86400);
			break;
		case FORMAT:
			o.json = strcmp(one_of("--format", optarg, formats), "json") == 0;
			break;
		}
	}
	if (optind == argc)
		cli_die("give a command; see --help");
	run_command(&o, argc - optind, argv + optind);
	return EXIT_GOOD;
}
