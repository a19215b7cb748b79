/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * resegctl: talks to a running resegd
 *
 * A request is a JSON object in one line, and so is its answer; docs/control.md describes them.
 */

#include "io/cli.h"
#include "io/clock.h"
#include "io/control.h"
#include "settings/faultspec.h"

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
#include <time.h>
#include <unistd.h>

/* Where resegd listens as a service, and when started by hand. */
static const char *const sockets[] = { "/run/reseg/resegd.sock", "/run/resegd.sock" };

#define ANSWER_SECONDS 10
#define COLUMNS 80
#define END_BYTES 64	/* of a text "[ADDRESS]:PORT" */

struct options {
	const char *socket;
	const char *policy;
	const char *sort;
	bool json;
	bool stalled;		/* flows: only stalled ones, */
	bool of_client;		/* and only of these clients */
	struct match match;
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
	       "  --sort KEY            flows: by orphaned, acked, idle or flow, its number\n"
	       "                        (orphaned)\n"
	       "  --stalled             flows: only those in which a fault holds data back\n"
	       "  --client ADDRESS[/BITS]  flows: only those of these clients\n"
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

/* Sends a request and returns the answer. If that is not a good one, ends the program. Takes the
 * request over. */
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
	json_array_foreach(json_object_get(status, "policies"), i, policy)
	{
		const json_t *faults = json_object_get(policy, "faults");

		if (json_array_size(faults) == 0)
			printf("%-16s %5s %-40s %10s\n", text_of(policy, "policy"), "-", "none",
			       "-");
		json_array_foreach(faults, k, fault)
		{
			printf("%-16s %5" PRId64 " %-40s %10" PRId64 "\n",
			       text_of(policy, "policy"), number_of(fault, "id"),
			       text_of(fault, "fault"), number_of(fault, "acted"));
		}
	}
}

static void print_status(const json_t *status)
{
	const json_t *policy, *value;
	const char *name;
	size_t i;

	printf("resegd %s, process %" PRId64 ", %.0f s%s\nqueue %" PRId64 ", workers %" PRId64
	       ", injector %s\n\n",
	       text_of(status, "version"), number_of(status, "pid"),
	       json_real_value(json_object_get(status, "uptime_s")),
	       json_is_true(json_object_get(status, "stopping")) ? ", being stopped" : "",
	       number_of(status, "queue"), number_of(status, "workers"),
	       text_of(status, "injector"));
	printf("%-16s %6s %-9s %-7s\n", "policy", "S", "direction", "arrival");
	json_array_foreach(json_object_get(status, "policies"), i, policy)
	{
		printf("%-16s %6" PRId64 " %-9s %-7s\n", text_of(policy, "policy"),
		       number_of(policy, "segment_size"), text_of(policy, "direction"),
		       text_of(policy, "arrival"));
	}
	printf("\n");
	print_faults(status);
	printf("\n");
	/* Counters that are 0 are not worth a line. */
	json_object_foreach(json_object_get(status, "counters"), name, value)
	{
		if (json_integer_value(value) != 0)
			printf("%-24s %14" PRId64 "\n", name, (int64_t)json_integer_value(value));
	}
}

/* A number of a connection, summed over both halves. */
static int64_t both(const json_t *flow, const char *key)
{
	return number_of(json_object_get(flow, "c2s"), key) +
	       number_of(json_object_get(flow, "s2c"), key);
}

static const char *sort_key;

static int compare(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	double difference;

	if (strcmp(sort_key, "idle") == 0)
		difference = json_number_value(json_object_get(y, "idle_s")) -
			     json_number_value(json_object_get(x, "idle_s"));
	else if (strcmp(sort_key, "flow") == 0)
		difference = 0;
	else
		difference = (double)(both(y, sort_key) - both(x, sort_key));
	if (difference == 0)
		difference = (double)(number_of(x, "flow") - number_of(y, "flow"));
	return difference < 0 ? -1 : difference > 0;
}

static bool is_stalled(const json_t *flow)
{
	return json_is_true(json_object_get(json_object_get(flow, "c2s"), "stalled")) ||
	       json_is_true(json_object_get(json_object_get(flow, "s2c"), "stalled"));
}

static bool is_of_client(const struct options *o, const json_t *flow)
{
	const char *client = text_of(flow, "client");
	static const uint8_t any[16];
	struct prefix address;

	return faultspec_prefix(&address, client, strlen(client)) &&
	       match_has(&o->match, address.address, any, 0);
}

/* The flows of an answer that the options choose, sorted; a new array. */
static json_t *choose(const struct options *o, const json_t *answer)
{
	const json_t *flows = json_object_get(answer, "flows");
	size_t count = json_array_size(flows), chosen = 0;
	json_t **list = calloc(count + 1, sizeof(json_t *)), *out = json_array();

	if (!list || !out)
		cli_die("out of memory");
	for (size_t i = 0; i < count; i++) {
		json_t *flow = json_array_get(flows, i);

		if ((!o->stalled || is_stalled(flow)) && (!o->of_client || is_of_client(o, flow)))
			list[chosen++] = flow;
	}
	sort_key = o->sort;
	qsort(list, chosen, sizeof(json_t *), compare);
	for (size_t i = 0; i < chosen; i++)
		json_array_append(out, list[i]);
	free(list);
	return out;
}

/* Adds to each flow its rate of delivery since the last call, if it was there then. */
static void add_rates(const json_t *flows)
{
	static json_t *before;		/* octets by flow number */
	static uint64_t before_ns;
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	json_t *flow, *now = json_object();
	char number[24];
	size_t i;

	json_array_foreach(flows, i, flow)
	{
		const json_t *then;

		snprintf(number, sizeof(number), "%" PRId64, number_of(flow, "flow"));
		then = json_object_get(before, number);
		if (then && now_ns > before_ns)
			json_object_set_new(flow, "delivered_per_s",
					    json_real((double)(both(flow, "delivered") -
							       json_integer_value(then)) *
						      NS_PER_S / (double)(now_ns - before_ns)));
		json_object_set_new(now, number, json_integer(both(flow, "delivered")));
	}
	json_decref(before);
	before = now;
	before_ns = now_ns;
}

static void end_text(char text[END_BYTES], const json_t *flow, const char *address_key,
		     const char *port_key)
{
	snprintf(text, END_BYTES,
		 strchr(text_of(flow, address_key), ':') ? "[%s]:%" PRId64 : "%s:%" PRId64,
		 text_of(flow, address_key), number_of(flow, port_key));
}

/* Writes a number in no more characters than there is room for. */
static void short_number(char *text, size_t size, double number)
{
	static const char units[] = " kMGTPE";
	size_t unit = 0;

	do
		snprintf(text, size, unit > 0 ? "%.0f%c" : "%.0f", number, units[unit]);
	while (strlen(text) == size - 1 && units[++unit] != '\0' && (number /= 1000) > 0);
}

static void short_time(char *text, size_t size, double seconds)
{
	if (seconds < 999.5)
		snprintf(text, size, "%.0fs", seconds);
	else if (seconds < 100 * 60)
		snprintf(text, size, "%.0fm", seconds / 60);
	else if (seconds < 100 * 3600)
		snprintf(text, size, "%.0fh", seconds / 3600);
	else
		snprintf(text, size, "%.0fd", seconds / 86400);
}

/* The layout of the table: how wide its first columns are, and whether a flow fits in one line. */
struct columns {
	int flow, client, server;
	bool in_one_line;
};

static void print_row(const struct columns *c, const char *flow, const char *client,
		      const char *server, const char *state, const char *numbers)
{
	int indent = c->in_one_line ? 0 : c->flow;

	printf("%*s %-*s", c->flow, flow, c->in_one_line ? c->client : 0, client);
	printf("%s%*s %-*s", c->in_one_line ? "" : "\n", indent, "", c->in_one_line ? c->server : 0,
	       server);
	printf("%s%*s %-9s %s\n", c->in_one_line ? "" : "\n", indent, "", state, numbers);
}

#define NUMBERS_FORMAT "%8s %7s %4s"

static void print_flow(const struct columns *c, const json_t *flow, bool watched)
{
	char number[24], client[END_BYTES], server[END_BYTES], numbers[64];
	char orphaned[10], more[9], idle[8];
	const json_t *rate = json_object_get(flow, "delivered_per_s");

	snprintf(number, sizeof(number), "%" PRId64, number_of(flow, "flow"));
	end_text(client, flow, "client", "client_port");
	end_text(server, flow, "server", "server_port");
	short_number(orphaned, sizeof(orphaned), (double)both(flow, "orphaned"));
	if (watched && !rate)
		snprintf(more, sizeof(more), "-");
	else
		short_number(more, sizeof(more),
			     watched ? json_real_value(rate) : (double)both(flow, "acked"));
	short_time(idle, sizeof(idle), json_number_value(json_object_get(flow, "idle_s")));
	snprintf(numbers, sizeof(numbers), NUMBERS_FORMAT, orphaned, more, idle);
	print_row(c, number, client, server, is_stalled(flow) ? "stalled" : text_of(flow, "state"),
		  numbers);
}

static void widen(int *column, const char *text)
{
	if ((int)strlen(text) > *column)
		*column = (int)strlen(text);
}

/* Columns as wide as their contents; if that is too wide, a line for each part of a flow. */
static struct columns columns_of(const json_t *flows)
{
	struct columns c = { .flow = 4, .client = 6, .server = 6 };
	char text[END_BYTES];
	const json_t *flow;
	size_t i;

	json_array_foreach(flows, i, flow)
	{
		snprintf(text, sizeof(text), "%" PRId64, number_of(flow, "flow"));
		widen(&c.flow, text);
		end_text(text, flow, "client", "client_port");
		widen(&c.client, text);
		end_text(text, flow, "server", "server_port");
		widen(&c.server, text);
	}
	c.in_one_line = c.flow + 1 + c.client + 1 + c.server + 1 + 9 + 1 + 8 + 1 + 7 + 1 + 4 <=
			COLUMNS;
	return c;
}

/* When watched, prints no more lines than the terminal has. */
static void print_flows(const json_t *flows, size_t most_lines, bool watched)
{
	struct columns c = columns_of(flows);
	size_t most = c.in_one_line ? most_lines : most_lines / 3, i;
	char numbers[64];
	const json_t *flow;

	snprintf(numbers, sizeof(numbers), NUMBERS_FORMAT, "orphaned",
		 watched ? "bytes/s" : "acked", "idle");
	print_row(&c, "flow", "client", "server", "state", numbers);
	json_array_foreach(flows, i, flow)
	{
		if (i == most) {
			printf("... and %zu more\n", json_array_size(flows) - most);
			break;
		}
		print_flow(&c, flow, watched);
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
		json_t *flows = choose(o, answer);
		bool watched = o->watch_ns != 0;

		json_object_set_new(answer, "flows", flows);
		if (watched)
			add_rates(flows);
		if (!o->json)
			print_flows(flows, watched ? lines_of_terminal() : SIZE_MAX, watched);
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
		fputs(text_of(answer, "metrics"), stdout);
	json_decref(answer);
}

static void run_command(const struct options *o, int argc, char **argv)
{
	const char *command = argv[0];
	bool shows = strcmp(command, "status") == 0 || strcmp(command, "flows") == 0 ||
		     (strcmp(command, "fault") == 0 && argc == 1);

	if ((o->stalled || o->of_client) && strcmp(command, "flows") != 0)
		cli_die("%s: it is for flows only", o->stalled ? "--stalled" : "--client");
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
	cli_die("%s %s: see --help for what there is", option, text);
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
		case STALLED:
			o.stalled = true;
			break;
		case CLIENT_PREFIX:
			o.of_client = true;
			if (!faultspec_prefix(&o.match.client, optarg, strlen(optarg)))
				cli_die("--client %s: give an address, or a prefix as "
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
