/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * resegctl: talks to a running resegd
 *
 * A request is a JSON object in one line, and so is its answer; docs/control.md has them.
 */

#include "io/cli.h"
#include "io/control.h"

#include <errno.h>
#include <inttypes.h>
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
#include <unistd.h>

/* Where resegd listens as a service, and by hand. */
static const char *const sockets[] = { "/run/reseg/resegd.sock", "/run/resegd.sock" };


#define ANSWER_SECONDS 10

struct options {
	const char *socket;
	const char *policy;
	const char *sort;
	bool json;
	uint64_t watch_ns;	/* 0: once */
};

static void print_help(void)
{
	printf("Usage: resegctl [OPTION]... COMMAND\n"
	       "Talks to a running resegd, which was started with --control.\n"
	       "\n"
	       "  status                what it does, its faults, its counters\n"
	       "  flows                 its connections, those with most orphaned bytes first\n"
	       "  fault                 its faults, with their numbers\n"
	       "  fault on SPEC         one fault more, written as for resegd --fault\n"
	       "  fault off WHICH       no longer: a name, a number or all\n"
	       "  fault change WHICH SPEC  other parameters, or another fault in its place\n"
	       "  reload                read its configuration file again\n"
	       "  drain                 hand its connections over and end, as SIGTERM does\n"
	       "  metrics               counters in Prometheus' text format\n"
	       "\n"
	       "  --control SOCKET      where it listens (%s,\n"
	       "                        or %s)\n"
	       "  --policy NAME         fault: of this policy only (on: default; else all)\n"
	       "  --sort KEY            flows: by orphaned, acked, idle or flow, its number (orphaned)\n"
	       "  --watch SECONDS       status, flows, fault: again and again, until interrupted\n"
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
		cli_die("no resegd listens at %s: start it with --control %s, or give the right --control",
			path, path);
	if (fd == -EACCES)
		cli_die("%s: no permission: only who started resegd, whom its --control-owner names, and root may talk to it", path);
	if (fd < 0)
		cli_die("%s: %s", path, strerror(-fd));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

/* The answer, which is a good one: else the program ends. Takes the request. */
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
		cli_die("resegd answers what is no JSON: %s", error.text);
	if (!json_is_true(json_object_get(answer, "ok")))
		cli_die_lines(json_string_value(json_object_get(answer, "error")));
	free(line);
	free(text);
	json_decref(request);
	return answer;
}

/* Tables -------------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

static int64_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void print_faults(const json_t *status)
{
	const json_t *policy, *fault;
	size_t i, k;

	printf("%-16s %5s %-40s %10s\n", "policy", "id", "fault", "acted");
	json_array_foreach(json_object_get(status, "policies"), i, policy) {
		const json_t *faults = json_object_get(policy, "faults");

		if (json_array_size(faults) == 0)
			printf("%-16s %5s %-40s %10s\n", text_of(policy, "policy"), "-", "none", "-");
		json_array_foreach(faults, k, fault) {
			printf("%-16s %5" PRId64 " %-40s %10" PRId64 "\n", text_of(policy, "policy"),
			       number_of(fault, "id"), text_of(fault, "fault"), number_of(fault, "acted"));
		}
	}
}

static void print_status(const json_t *status)
{
	const json_t *policy, *value;
	const char *name;
	size_t i;

	printf("resegd %s, process %" PRId64 ", %.0f s%s\nqueue %" PRId64 ", workers %" PRId64 ", injector %s\n\n",
	       text_of(status, "version"), number_of(status, "pid"),
	       json_real_value(json_object_get(status, "uptime_s")),
	       json_is_true(json_object_get(status, "stopping")) ? ", being stopped" : "",
	       number_of(status, "queue"), number_of(status, "workers"), text_of(status, "injector"));
	printf("%-16s %6s %-9s %-7s\n", "policy", "S", "direction", "arrival");
	json_array_foreach(json_object_get(status, "policies"), i, policy) {
		printf("%-16s %6" PRId64 " %-9s %-7s\n", text_of(policy, "policy"), number_of(policy, "segment_size"),
		       text_of(policy, "direction"), text_of(policy, "arrival"));
	}
	printf("\n");
	print_faults(status);
	printf("\n");
	/* What never happened is no news. */
	json_object_foreach(json_object_get(status, "counters"), name, value) {
		if (json_integer_value(value) != 0)
			printf("%-24s %14" PRId64 "\n", name, (int64_t)json_integer_value(value));
	}
}

/* A number of a connection over both its halves. */
static int64_t both(const json_t *flow, const char *key)
{
	return number_of(json_object_get(flow, "c2s"), key) + number_of(json_object_get(flow, "s2c"), key);
}

static const char *sort_key;

static int compare(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	double difference;

	if (strcmp(sort_key, "idle") == 0)
		difference = json_real_value(json_object_get(y, "idle_s")) -
			     json_real_value(json_object_get(x, "idle_s"));
	else if (strcmp(sort_key, "flow") == 0)
		difference = 0;
	else
		difference = (double)(both(y, sort_key) - both(x, sort_key));
	if (difference == 0)
		difference = (double)(number_of(x, "flow") - number_of(y, "flow"));
	return difference < 0 ? -1 : difference > 0;
}

/* The flows of an answer, sorted; a new array. */
static json_t *sorted(const json_t *answer, const char *key)
{
	const json_t *flows = json_object_get(answer, "flows");
	size_t count = json_array_size(flows);
	json_t **list = calloc(count + 1, sizeof(json_t *)), *out = json_array();

	if (!list || !out)
		cli_die("out of memory");
	for (size_t i = 0; i < count; i++)
		list[i] = json_array_get(flows, i);
	sort_key = key;
	qsort(list, count, sizeof(json_t *), compare);
	for (size_t i = 0; i < count; i++)
		json_array_append(out, list[i]);
	free(list);
	return out;
}

static void print_end(const json_t *flow, const char *address_key, const char *port_key)
{
	char text[64];

	snprintf(text, sizeof(text), strchr(text_of(flow, address_key), ':') ? "[%s]:%" PRId64 : "%s:%" PRId64,
		 text_of(flow, address_key), number_of(flow, port_key));
	printf(" %-25s", text);
}

/* No more lines than the terminal has, where it is watched. */
static void print_flows(const json_t *flows, size_t most)
{
	const json_t *flow;
	size_t i;

	printf("%8s %-25s %-25s %-9s %8s %8s %8s %8s %7s\n", "flow", "client", "server", "state", "acked",
	       "delivrd", "orphaned", "pending", "idle");
	json_array_foreach(flows, i, flow) {
		bool stalled = json_is_true(json_object_get(json_object_get(flow, "c2s"), "stalled")) ||
			       json_is_true(json_object_get(json_object_get(flow, "s2c"), "stalled"));

		if (i == most) {
			printf("... and %zu more\n", json_array_size(flows) - most);
			break;
		}
		printf("%8" PRId64, number_of(flow, "flow"));
		print_end(flow, "client", "client_port");
		print_end(flow, "server", "server_port");
		printf(" %-9s %8" PRId64 " %8" PRId64 " %8" PRId64 " %8" PRId64 " %5.0f s\n",
		       stalled ? "stalled" : text_of(flow, "state"), both(flow, "acked"), both(flow, "delivered"),
		       both(flow, "orphaned"), both(flow, "pending"),
		       json_real_value(json_object_get(flow, "idle_s")));
	}
}

/* Commands ------------------------------------------------------------------------------- */

static json_t *request(const char *command)
{
	return json_pack("{s:s}", "command", command);
}

static size_t lines_of_terminal(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row < 4)
		return SIZE_MAX;
	return size.ws_row - 3u;
}

static void show_json(json_t *answer)
{
	json_dumpf(answer, stdout, JSON_INDENT(2));
	printf("\n");
}

static void show(const struct options *o, const char *command)
{
	bool is_flows = strcmp(command, "flows") == 0;
	json_t *answer = ask(o, request(is_flows ? "flows" : "status"));

	if (is_flows) {
		json_t *flows = sorted(answer, o->sort);

		json_object_set_new(answer, "flows", flows);
		if (!o->json)
			print_flows(flows, o->watch_ns ? lines_of_terminal() : SIZE_MAX);
	} else if (!o->json && strcmp(command, "status") == 0) {
		print_status(answer);
	} else if (!o->json) {
		print_faults(answer);
	}
	if (o->json)
		show_json(answer);
	fflush(stdout);
	json_decref(answer);
}

/* Shows it until a signal comes. */
static void watch(const struct options *o, const char *command)
{
	time_t seconds = (time_t)(o->watch_ns / 1000000000);
	struct timespec interval = { seconds, (long)(o->watch_ns % 1000000000) };
	struct itimerspec timer = { interval, interval };
	struct pollfd fds[2];
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	fds[0] = (struct pollfd){ .fd = signalfd(-1, &mask, SFD_CLOEXEC), .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), .events = POLLIN };
	if (fds[0].fd < 0 || fds[1].fd < 0 || timerfd_settime(fds[1].fd, 0, &timer, NULL) < 0)
		cli_die("%s", strerror(errno));
	for (;;) {
		uint64_t ticks;

		if (isatty(STDOUT_FILENO) && !o->json)
			printf("\033[H\033[2J");
		show(o, command);
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

	json_array_foreach(keys, i, key) {
		strncat(names, i > 0 ? ", " : "", sizeof(names) - strlen(names) - 1);
		strncat(names, json_string_value(key), sizeof(names) - strlen(names) - 1);
	}
	if (names[0] != '\0')
		cli_complain("restart resegd for these changed keys to take effect: %s", names);
}

/* What is not shown but done. */
static void act(const struct options *o, json_t *what)
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
		cli_die("fault: give on SPEC, off WHICH, change WHICH SPEC, or nothing; see --help");
	}
	act(o, r);
}

static void metrics(const struct options *o)
{
	json_t *answer = ask(o, request("metrics"));

	if (o->json)
		show_json(answer);
	else
		fputs(text_of(answer, "metrics"), stdout);
	json_decref(answer);
}

static void run(const struct options *o, int argc, char **argv)
{
	const char *command = argv[0];
	bool shows = strcmp(command, "status") == 0 || strcmp(command, "flows") == 0 ||
		     (strcmp(command, "fault") == 0 && argc == 1);

	if (!shows && o->watch_ns)
		cli_die("--watch: status, flows or fault can be watched");
	if (argc > 1 && strcmp(command, "fault") != 0)
		cli_die("%s: %s takes nothing more; see --help", argv[1], command);
	if (shows && o->watch_ns)
		watch(o, command);
	else if (shows)
		show(o, command);
	else if (strcmp(command, "fault") == 0)
		fault_command(o, argc - 1, argv + 1);
	else if (strcmp(command, "metrics") == 0)
		metrics(o);
	else if (strcmp(command, "reload") == 0 || strcmp(command, "drain") == 0)
		act(o, request(command));
	else
		cli_die("%s: no such command; see --help", command);
}

static const char *one_of(const char *option, const char *text, const char *const names[])
{
	for (size_t i = 0; names[i]; i++) {
		if (strcmp(text, names[i]) == 0)
			return names[i];
	}
	cli_die("%s %s: see --help for what there is", option, text);
}

int main(int argc, char **argv)
{
	enum { CONTROL = 256, POLICY, SORT, WATCH, FORMAT };
	static const struct option table[] = {
		{ "control", required_argument, NULL, CONTROL },
		{ "policy", required_argument, NULL, POLICY },
		{ "sort", required_argument, NULL, SORT },
		{ "watch", required_argument, NULL, WATCH },
		{ "format", required_argument, NULL, FORMAT },
		CLI_COMMON_OPTIONS,
	};
	static const char *const sorts[] = { "orphaned", "acked", "idle", "flow", NULL };
	static const char *const formats[] = { "table", "json", NULL };
	struct options o = { .socket = sockets[access(sockets[0], F_OK) != 0], .sort = "orphaned" };
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
			o.sort = one_of("--sort", optarg, sorts);
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
	run(&o, argc - optind, argv + optind);
	return EXIT_GOOD;
}
