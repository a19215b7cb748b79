/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * resegd: the daemon on a gateway
 *
 *      NFQUEUE --packet--> engine --verdict--> NFQUEUE
 *                             \--packet--> injector
 *
 * A worker for each queue, which is a thread with one loop: it waits for a packet or for
 * the engine's deadline. The first thread waits for signals.
 */

#include "core/engine.h"
#include "io/cli.h"
#include "io/clock.h"
#include "io/eventlog.h"
#include "io/faultspec.h"
#include "io/inject.h"
#include "io/queue.h"
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

#define WORKERS_MAX 64

/* How long to hand connections over after a signal. */
#define GRACE_SECONDS 5
#define GRACE_MAX_SECONDS 86400

/* Bounds of options: what a machine may have. */
#define FLOWS_MAX (1 << 24)
#define MEMORY_MIN (1 << 20)
#define MEMORY_MAX (UINT64_C(1) << 40)

/* Packets that may wait in the kernel; its own default is 1,024. */
#define QUEUE_LENGTH 16384
#define QUEUE_LENGTH_MAX (1 << 24)
/* For as many small packets. */
#define QUEUE_BUFFER (32 << 20)
#define QUEUE_BUFFER_MIN (1 << 16)
#define QUEUE_BUFFER_MAX (1 << 30)

struct options {
	struct engine_config engine;
	struct queue_config queue;	/* of the first worker */
	unsigned workers;
	bool queue_buffer_given;
	const char *inject;
	const char *events;
	bool has_fault;
	int ready_fd;
	uint64_t grace_ns;
	bool quiet;
};

struct daemon {
	struct worker workers[WORKERS_MAX];
	unsigned count;
	struct eventlog *log;
	int signals;
	int draining;		/* eventfd: workers that have begun to hand over */
	int ended;		/* the same: that have ended */
};

static void print_help(void)
{
	struct engine_config config;

	engine_config_init(&config);
	printf("Usage: resegd [OPTION]...\n"
	       "The firewall of 2008, on purpose: takes TCP packets from an NFQUEUE, acknowledges\n"
	       "the client's data itself and sends it on in pieces. See reseg-rules for the rules\n"
	       "that fill the queue, and reseg-lab for a network to try it in.\n"
	       "\n"
	       "  --queue N[:M]         queue number, 0 to 65535; N:M, a worker for each from N to M, %d\n"
	       "                        at most, among which the connections are divided (0)\n"
	       "  --segment-size BYTES  S, the size of a full piece, 1 to %d (%d)\n"
	       "  --fault NAME[:K=V,...]  what goes wrong (%s); may be repeated\n"
	       "  --list-faults         what can go wrong, and its parameters\n"
	       "  --direction WHICH     halves to intercept: c2s, s2c (server to client) or both (c2s)\n"
	       "  --arrival UNIT        what is handled at once: segment, as it was on the wire; wire,\n"
	       "                        the same whatever offloads did, and slow; or burst, what\n"
	       "                        offloads may have joined out of many (segment)\n"
	       "  --flows N             connections at once (%" PRIu32 ")\n"
	       "  --window BYTES        what a connection may have in the box each way, %d to %d (%d)\n"
	       "  --memory BYTES        of all buffers together (%" PRIu64 ")\n"
	       "  --overload WHAT       new connections beyond that: pass them by, or refuse them (pass)\n"
	       "  --queue-length N      packets that may wait in each queue (%d)\n"
	       "  --queue-buffer BYTES  the kernel's memory for each queue (%d)\n"
	       "  --inject KIND         how packets are sent: auto or one of those below (auto)\n"
	       "  --events FILE         append the event log, JSON Lines, to FILE; - is standard output\n"
	       "  --ready-fd N          write a line feed to descriptor N once packets are taken\n"
	       "  --grace SECONDS       after a signal, deliver what is held for so long, %d at most (%d)\n"
	       "  --quiet               say nothing but errors and warnings\n"
	       "  --help, --version\n"
	       "\n"
	       "Injectors:\n",
	       WORKERS_MAX, ENGINE_SEGMENT_SIZE_MAX, ENGINE_SEGMENT_SIZE_DEFAULT, fault_table[0].name,
	       config.flows_max, ENGINE_WINDOW_MIN, STREAM_WINDOW_MAX, STREAM_WINDOW_MAX,
	       config.memory_bytes, QUEUE_LENGTH, QUEUE_BUFFER, GRACE_MAX_SECONDS, GRACE_SECONDS);
	for (const struct injector_kind *k = inject_kinds; k->name; k++)
		printf("  %-20s  %s\n", k->name, k->summary);
}

/* The first one takes the place of the preset, further ones are added. */
static void fault_option(struct options *o, const char *text)
{
	struct faultspec_error error;

	if (!o->has_fault)
		o->engine.rules.policy[0].faults = 0;
	o->has_fault = true;
	if (!faultspec_add(&o->engine.rules.policy[0], text, &error))
		cli_die("--fault %s: %s", text, error.text);
}

static _Noreturn void list_faults(const char *format)
{
	if (!format)
		faultspec_list(stdout);
	else if (strcmp(format, "markdown") == 0)
		faultspec_page(stdout);
	else
		cli_die("--list-faults: nothing, or markdown: %s", format);
	exit(EXIT_GOOD);
}

/* What goes wrong, in one line. The caller frees it. */
static char *faults_text(const struct engine_policy *policy)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		cli_die("out of memory");
	for (unsigned i = 0; i < policy->faults; i++) {
		fputs(i > 0 ? " and " : "", out);
		faultspec_print(out, &policy->fault[i]);
	}
	if (policy->faults == 0)
		fputs("none", out);
	fclose(out);
	return text;
}

static enum engine_direction direction_option(const char *name)
{
	if (strcmp(name, "c2s") == 0)
		return DIRECTION_C2S;
	if (strcmp(name, "s2c") == 0)
		return DIRECTION_S2C;
	if (strcmp(name, "both") == 0)
		return DIRECTION_BOTH;
	cli_die("--direction %s: give c2s, s2c or both", name);
}

static enum engine_arrival arrival_option(const char *name)
{
	if (strcmp(name, "segment") == 0 || strcmp(name, "wire") == 0)
		return ARRIVAL_SEGMENT;
	if (strcmp(name, "burst") == 0)
		return ARRIVAL_BURST;
	cli_die("--arrival %s: give segment, wire or burst", name);
}

static enum engine_overload overload_option(const char *name)
{
	if (strcmp(name, "pass") == 0)
		return OVERLOAD_PASS;
	if (strcmp(name, "refuse") == 0)
		return OVERLOAD_REFUSE;
	cli_die("--overload %s: give pass or refuse", name);
}

/* N, or N:M. */
static void queue_option(struct options *o, const char *text)
{
	char *colon = strchr(text, ':');
	uint64_t first, last;

	if (colon)
		*colon = '\0';
	first = last = cli_number("--queue", text, 0, UINT16_MAX);
	if (colon)
		last = cli_number("--queue", colon + 1, first, UINT16_MAX);
	if (last - first >= WORKERS_MAX)
		cli_die("--queue %s:%s: that is more than %d workers", text, colon + 1, WORKERS_MAX);
	o->queue.number = (uint16_t)first;
	o->workers = (unsigned)(last - first + 1);
}

static void parse_options(struct options *o, int argc, char **argv)
{
	enum { QUEUE = 256, SEGMENT_SIZE, FAULT, LIST_FAULTS, DIRECTION, ARRIVAL, FLOWS, WINDOW,
	       MEMORY, OVERLOAD, QUEUE_PACKETS, QUEUE_BYTES, INJECT, EVENTS, READY_FD, GRACE, QUIET };
	static const struct option table[] = {
		{ "queue", required_argument, NULL, QUEUE },
		{ "segment-size", required_argument, NULL, SEGMENT_SIZE },
		{ "fault", required_argument, NULL, FAULT },
		{ "list-faults", optional_argument, NULL, LIST_FAULTS },
		{ "direction", required_argument, NULL, DIRECTION },
		{ "arrival", required_argument, NULL, ARRIVAL },
		{ "flows", required_argument, NULL, FLOWS },
		{ "window", required_argument, NULL, WINDOW },
		{ "memory", required_argument, NULL, MEMORY },
		{ "overload", required_argument, NULL, OVERLOAD },
		{ "queue-length", required_argument, NULL, QUEUE_PACKETS },
		{ "queue-buffer", required_argument, NULL, QUEUE_BYTES },
		{ "inject", required_argument, NULL, INJECT },
		{ "events", required_argument, NULL, EVENTS },
		{ "ready-fd", required_argument, NULL, READY_FD },
		{ "grace", required_argument, NULL, GRACE },
		{ "quiet", no_argument, NULL, QUIET },
		CLI_COMMON_OPTIONS,
	};
	int option;

	*o = (struct options){
		.workers = 1,
		.queue = { .joined = true, .packets = QUEUE_LENGTH, .buffer_bytes = QUEUE_BUFFER },
		.inject = "auto",
		.ready_fd = -1,
		.grace_ns = GRACE_SECONDS * NS_PER_S,
	};
	engine_config_init(&o->engine);
	while ((option = cli_option(argc, argv, "", table, print_help)) != -1) {
		switch (option) {
		case QUEUE:
			queue_option(o, optarg);
			break;
		case SEGMENT_SIZE:
			o->engine.rules.policy[0].segment_size = (uint32_t)cli_number(
				"--segment-size", optarg, 1, ENGINE_SEGMENT_SIZE_MAX);
			break;
		case FAULT:
			fault_option(o, optarg);
			break;
		case LIST_FAULTS:
			list_faults(optarg);
			break;
		case DIRECTION:
			o->engine.rules.policy[0].direction = direction_option(optarg);
			break;
		case ARRIVAL:
			o->engine.rules.policy[0].arrival = arrival_option(optarg);
			/* Where segments were joined only the kernel knows for sure, and to
			 * ask it costs. */
			o->queue.joined = strcmp(optarg, "wire") != 0;
			break;
		case FLOWS:
			o->engine.flows_max = (uint32_t)cli_number("--flows", optarg, 1, FLOWS_MAX);
			break;
		case WINDOW:
			o->engine.window_bytes = (uint32_t)cli_number(
				"--window", optarg, ENGINE_WINDOW_MIN, STREAM_WINDOW_MAX);
			break;
		case MEMORY:
			o->engine.memory_bytes = cli_number("--memory", optarg, MEMORY_MIN, MEMORY_MAX);
			break;
		case OVERLOAD:
			o->engine.overload = overload_option(optarg);
			break;
		case QUEUE_PACKETS:
			o->queue.packets = (uint32_t)cli_number("--queue-length", optarg, 1,
								QUEUE_LENGTH_MAX);
			break;
		case QUEUE_BYTES:
			o->queue.buffer_bytes = (uint32_t)cli_number(
				"--queue-buffer", optarg, QUEUE_BUFFER_MIN, QUEUE_BUFFER_MAX);
			o->queue_buffer_given = true;
			break;
		case INJECT:
			o->inject = optarg;
			break;
		case EVENTS:
			o->events = optarg;
			break;
		case READY_FD:
			o->ready_fd = (int)cli_number("--ready-fd", optarg, 0, INT32_MAX);
			break;
		case GRACE:
			o->grace_ns = cli_seconds("--grace", optarg, 0, GRACE_MAX_SECONDS);
			break;
		case QUIET:
			o->quiet = true;
			break;
		}
	}
	if (optind < argc)
		cli_die("%s: resegd takes options only; see --help", argv[optind]);
}

static void open_queue(struct worker *w, const struct options *o, unsigned number)
{
	struct queue_config config = o->queue;
	uint32_t owner, got;
	int rc;

	config.number = (uint16_t)number;
	config.own_mark = INJECT_MARK;
	config.own_interface = w->injector->interface;
	rc = queue_open(&w->queue, &config, &owner);
	switch (-rc) {
	case 0:
		got = queue_buffer_bytes(w->queue);
		if (o->queue_buffer_given && got < config.buffer_bytes)
			cli_complain("--queue-buffer %" PRIu32 ": the kernel gives %" PRIu32 ": run as "
				     "root, or raise net.core.rmem_max", config.buffer_bytes, got);
		return;
	case EPERM:
		cli_die("no permission to use NFQUEUE: run as root, or with CAP_NET_ADMIN and "
			"CAP_NET_RAW; reseg-lab needs neither");
	case EBUSY:
		cli_die("queue %u is taken by another program (netlink port %" PRIu32
			", often its process id): stop that, or choose another with --queue",
			number, owner);
	case EPROTONOSUPPORT:
	case EINVAL:
		cli_die("this kernel has no NFQUEUE: load the module nfnetlink_queue, or use a "
			"kernel with CONFIG_NETFILTER_NETLINK_QUEUE");
	default:
		cli_die("cannot bind queue %u: %s", number, strerror(-rc));
	}
}

static void open_injectors(struct daemon *d, const char *name)
{
	struct injector *in[WORKERS_MAX];
	int rc = inject_open(in, d->count, name);

	for (unsigned i = 0; i < d->count && rc == 0; i++)
		d->workers[i].injector = in[i];
	if (rc == -EINVAL)
		cli_die("--inject %s: no such injector; see --help", name);
	if (rc == -ENOENT)
		cli_die("--inject %s: there is no /dev/net/tun: load the module tun, or give "
			"--inject raw", name);
	if (rc == -EXDEV)
		cli_die("--inject %s: the reverse path filter would drop what comes from it: set "
			"net.ipv4.conf.all.rp_filter and net.ipv4.conf.default.rp_filter to 2, or "
			"give --inject raw", name);
	if (rc == -EACCES)
		cli_die("--inject %s: no permission to open /dev/net/tun: run as root, or give "
			"--inject raw", name);
	if (rc == -EPERM)
		cli_die("no permission to inject packets: run as root, or with CAP_NET_RAW and "
			"CAP_NET_ADMIN");
	if (rc < 0)
		cli_die("--inject %s: %s", name, strerror(-rc));
}

/* The limits are those of all workers together. */
static void set_up_workers(struct daemon *d, struct options *o)
{
	o->engine.engines = d->count;
	o->engine.flows_max = (o->engine.flows_max + d->count - 1) / d->count;
	o->engine.memory_bytes /= d->count;
	o->engine.offload = d->workers[0].injector->kind->offload;
	for (unsigned i = 0; i < d->count; i++) {
		struct worker *w = &d->workers[i];
		int rc;

		o->engine.number = i;
		rc = engine_create(&w->engine, &o->engine);
		if (rc < 0)
			cli_die("cannot set up the engine: %s", strerror(-rc));
		open_queue(w, o, o->queue.number + i);
		w->log = d->log;
		w->grace_ns = o->grace_ns;
		w->draining = d->draining;
		w->ended = d->ended;
	}
}

static void set_up(struct daemon *d, struct options *o)
{
	sigset_t mask;
	int rc;

	/* SIGPIPE: a reader of the event log that goes away must not end the box. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	d->signals = signalfd(-1, &mask, SFD_CLOEXEC);
	if (d->signals < 0)
		cli_die("signalfd: %s", strerror(errno));

	if (o->events) {
		rc = eventlog_open(&d->log, o->events);
		if (rc < 0)
			cli_die("--events %s: %s", o->events, strerror(-rc));
		o->engine.observer = eventlog_observe;
		o->engine.observer_arg = d->log;
	}
	if (getrandom(o->engine.hash_key, sizeof(o->engine.hash_key), 0) < 0)
		cli_die("getrandom: %s", strerror(errno));
	d->draining = eventfd(0, EFD_CLOEXEC);
	d->ended = eventfd(0, EFD_CLOEXEC);
	if (d->draining < 0 || d->ended < 0)
		cli_die("eventfd: %s", strerror(errno));
	d->count = o->workers;
	open_injectors(d, o->inject);
	set_up_workers(d, o);
	for (unsigned i = 0; i < d->count; i++) {
		rc = worker_start(&d->workers[i]);
		if (rc < 0)
			cli_die("cannot start a thread: %s", strerror(-rc));
	}
}

/* All workers have begun to hand over. */
static void report_drain(const struct daemon *d, uint64_t grace_ns)
{
	uint64_t waiting = 0;

	for (unsigned i = 0; i < d->count; i++)
		waiting += d->workers[i].waiting;
	if (waiting > 0)
		cli_complain("%" PRIu64 " connections wait for data to be delivered; ending in %" PRIu64
			     " s at the latest, at once after another signal", waiting,
			     grace_ns / NS_PER_S);
}

/* Adds to *count how often a poll has found an eventfd added to. */
static void count_events(const struct pollfd *fd, unsigned *count)
{
	uint64_t events;

	if (fd->revents && read(fd->fd, &events, sizeof(events)) == sizeof(events))
		*count += (unsigned)events;
}

/* Returns once all workers have ended, which signals make them do. */
static void run(struct daemon *d, const struct options *o)
{
	struct pollfd fds[] = {
		{ .fd = d->signals, .events = POLLIN },
		{ .fd = d->draining, .events = POLLIN },
		{ .fd = d->ended, .events = POLLIN },
	};
	unsigned draining = 0, ended = 0;
	bool told = o->quiet || o->grace_ns == 0;
	struct signalfd_siginfo info;

	while (ended < d->count) {
		if (poll(fds, 3, -1) < 0) {
			if (errno == EINTR)
				continue;
			cli_die("poll: %s", strerror(errno));
		}
		count_events(&fds[1], &draining);
		count_events(&fds[2], &ended);
		if (draining == d->count && !told) {
			told = true;
			report_drain(d, o->grace_ns);
		}
		if (!fds[0].revents || read(d->signals, &info, sizeof(info)) != sizeof(info))
			continue;
		for (unsigned i = 0; i < d->count; i++)
			worker_stop(&d->workers[i]);
	}
	for (unsigned i = 0; i < d->count; i++)
		worker_join(&d->workers[i]);
}

static void print_summary(const struct daemon *d)
{
	struct engine_stats sum = { 0 };
	uint64_t lost = 0;

	for (unsigned i = 0; i < d->count; i++) {
		const struct queue_stats *q = &d->workers[i].queue_stats;
		struct engine_stats s;

		engine_get_stats(d->workers[i].engine, &s);
		sum.packets += s.packets;
		sum.flows_opened += s.flows_opened;
		sum.stalls += s.stalls;
		sum.orphaned_bytes += s.orphaned_bytes;
		lost += q->lost > q->overruns ? q->lost : q->overruns;
	}
	cli_complain("%" PRIu64 " packets, %" PRIu64 " flows, %" PRIu64 " stalls, %" PRIu64
		     " bytes orphaned now, %" PRIu64 " packets lost before the box",
		     sum.packets, sum.flows_opened, sum.stalls, sum.orphaned_bytes, lost);
}

static void tear_down(struct daemon *d)
{
	for (unsigned i = 0; i < d->count; i++) {
		struct worker *w = &d->workers[i];

		engine_shutdown(w->engine, clock_ns(CLOCK_MONOTONIC));
		w->injector->close(w->injector);
		engine_destroy(w->engine);
	}
	eventlog_close(d->log);
}

int main(int argc, char **argv)
{
	static struct daemon d;
	struct options o;

	cli_program = "resegd";
	parse_options(&o, argc, argv);
	set_up(&d, &o);
	if (!o.quiet) {
		char *faults = faults_text(&o.engine.rules.policy[0]);

		cli_complain("queue %u, %u worker%s, segment size %" PRIu32 ", fault %s, injector %s",
			     o.queue.number, d.count, d.count == 1 ? "" : "s", o.engine.rules.policy[0].segment_size,
			     faults, d.workers[0].injector->kind->name);
		free(faults);
	}
	if (o.ready_fd >= 0)
		cli_ready(o.ready_fd);
	run(&d, &o);
	if (!o.quiet)
		print_summary(&d);
	tear_down(&d);
	return EXIT_GOOD;
}
