/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * resegd: the daemon on a gateway
 *
 *      NFQUEUE --packet--> engine --verdict--> NFQUEUE
 *                             \--packet--> injector
 *
 * One thread, one loop: it waits for a packet, for the engine's deadline or for a
 * signal.
 */

#include "core/engine.h"
#include "io/cli.h"
#include "io/clock.h"
#include "io/eventlog.h"
#include "io/inject.h"
#include "io/queue.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

/* How long to hand connections over after a signal. */
#define GRACE_SECONDS 5
#define GRACE_MAX_SECONDS 86400

/* Bounds of options: what a machine may have. */
#define FLOWS_MAX (1 << 24)
#define MEMORY_MIN (1 << 20)
#define MEMORY_MAX (UINT64_C(1) << 40)

struct options {
	struct engine_config engine;
	uint16_t queue;
	bool wire_arrivals;	/* the kernel takes joined segments apart */
	const char *inject;
	const char *events;
	int ready_fd;
	uint64_t grace_ns;
	bool quiet;
};

struct daemon {
	struct engine *engine;
	struct queue *queue;
	struct injector *injector;
	struct eventlog *log;
	int signals;
	bool warned_too_big;
	bool warned_failed;
	bool warned_log;
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
	       "  --queue N             queue number, 0 to 65535 (0)\n"
	       "  --segment-size BYTES  S, the size of a full piece, 1 to %d (%d)\n"
	       "  --fault NAME          what goes wrong (%s)\n"
	       "  --direction WHICH     halves to intercept: c2s, s2c (server to client) or both (c2s)\n"
	       "  --arrival UNIT        what is handled at once: segment, as it was on the wire; wire,\n"
	       "                        the same whatever offloads did, and slow; or burst, what\n"
	       "                        offloads may have joined out of many (segment)\n"
	       "  --flows N             connections at once (%" PRIu32 ")\n"
	       "  --window BYTES        what a connection may have in the box each way, %d to %d (%d)\n"
	       "  --memory BYTES        of all buffers together (%" PRIu64 ")\n"
	       "  --overload WHAT       new connections beyond that: pass them by, or refuse them (pass)\n"
	       "  --inject KIND         how packets are sent: auto or one of those below (auto)\n"
	       "  --events FILE         append the event log, JSON Lines, to FILE; - is standard output\n"
	       "  --ready-fd N          write a line feed to descriptor N once packets are taken\n"
	       "  --grace SECONDS       after a signal, deliver what is held for so long, %d at most (%d)\n"
	       "  --quiet               say nothing but errors and warnings\n"
	       "  --help, --version\n"
	       "\n"
	       "Faults:\n",
	       ENGINE_SEGMENT_SIZE_MAX, ENGINE_SEGMENT_SIZE_DEFAULT, fault_table[0].name,
	       config.flows_max, ENGINE_WINDOW_MIN, STREAM_WINDOW_MAX, STREAM_WINDOW_MAX,
	       config.memory_bytes, GRACE_MAX_SECONDS, GRACE_SECONDS);
	for (const struct fault *f = fault_table; f->name; f++)
		printf("  %-20s  %s\n", f->name, f->summary);
	printf("\nInjectors:\n");
	for (const struct injector_kind *k = inject_kinds; k->name; k++)
		printf("  %-20s  %s\n", k->name, k->summary);
}

static const struct fault *fault_option(const char *name)
{
	const struct fault *fault = fault_find(name);
	char names[256] = "";

	if (fault)
		return fault;
	for (const struct fault *f = fault_table; f->name; f++) {
		strncat(names, f == fault_table ? "" : ", ", sizeof(names) - strlen(names) - 1);
		strncat(names, f->name, sizeof(names) - strlen(names) - 1);
	}
	cli_die("--fault %s: no such fault; there are: %s", name, names);
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

static void parse_options(struct options *o, int argc, char **argv)
{
	enum { QUEUE = 256, SEGMENT_SIZE, FAULT, DIRECTION, ARRIVAL, FLOWS, WINDOW, MEMORY, OVERLOAD,
	       INJECT, EVENTS, READY_FD, GRACE, QUIET };
	static const struct option table[] = {
		{ "queue", required_argument, NULL, QUEUE },
		{ "segment-size", required_argument, NULL, SEGMENT_SIZE },
		{ "fault", required_argument, NULL, FAULT },
		{ "direction", required_argument, NULL, DIRECTION },
		{ "arrival", required_argument, NULL, ARRIVAL },
		{ "flows", required_argument, NULL, FLOWS },
		{ "window", required_argument, NULL, WINDOW },
		{ "memory", required_argument, NULL, MEMORY },
		{ "overload", required_argument, NULL, OVERLOAD },
		{ "inject", required_argument, NULL, INJECT },
		{ "events", required_argument, NULL, EVENTS },
		{ "ready-fd", required_argument, NULL, READY_FD },
		{ "grace", required_argument, NULL, GRACE },
		{ "quiet", no_argument, NULL, QUIET },
		CLI_COMMON_OPTIONS,
	};
	int option;

	*o = (struct options){ .inject = "auto", .ready_fd = -1, .grace_ns = GRACE_SECONDS * NS_PER_S };
	engine_config_init(&o->engine);
	while ((option = cli_option(argc, argv, "", table, print_help)) != -1) {
		switch (option) {
		case QUEUE:
			o->queue = (uint16_t)cli_number("--queue", optarg, 0, UINT16_MAX);
			break;
		case SEGMENT_SIZE:
			o->engine.segment_size = (uint32_t)cli_number(
				"--segment-size", optarg, 1, ENGINE_SEGMENT_SIZE_MAX);
			break;
		case FAULT:
			o->engine.fault = fault_option(optarg);
			break;
		case DIRECTION:
			o->engine.direction = direction_option(optarg);
			break;
		case ARRIVAL:
			o->engine.arrival = arrival_option(optarg);
			o->wire_arrivals = strcmp(optarg, "wire") == 0;
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

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void open_queue(struct daemon *d, const struct options *o)
{
	unsigned number = o->queue;
	uint32_t owner;
	/* Where segments were joined only the kernel knows for sure, and to ask it costs. */
	int rc = queue_open(&d->queue, o->queue, !o->wire_arrivals, &owner);

	switch (-rc) {
	case 0:
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

static void open_injector(struct daemon *d, const char *name)
{
	int rc = inject_open(&d->injector, name);

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
	open_injector(d, o->inject);
	o->engine.offload = d->injector->kind->offload;
	rc = engine_create(&d->engine, &o->engine);
	if (rc < 0)
		cli_die("cannot set up the engine: %s", strerror(-rc));
	open_queue(d, o);
}

static void send_output(struct daemon *d)
{
	struct engine_emit packet;

	while (engine_next(d->engine, &packet))
		d->injector->send(d->injector, &packet);
}

static enum engine_verdict handle(void *arg, void *packet, size_t *len, unsigned hints)
{
	struct daemon *d = arg;

	/* What the packet before has caused, now that it is gone itself: an ACK that overtook
	 * the data it was written behind would look as if that data were lost. */
	send_output(d);
	return engine_input(d->engine, now_ns(), packet, len, hints);
}

/* Says once what an operator must know and can mend. */
static void warn(struct daemon *d)
{
	const struct inject_stats *s = &d->injector->stats;

	if (s->too_big > 0 && !d->warned_too_big) {
		d->warned_too_big = true;
		cli_complain("a piece is larger than the MTU of its way out and cannot be sent: "
			     "give a smaller --segment-size");
	}
	if (s->failed > 0 && !d->warned_failed) {
		d->warned_failed = true;
		cli_complain("the kernel refuses to send a packet (%s): check the routes and the "
			     "OUTPUT rules of this host", strerror(s->last_error));
	}
	if (d->log && !eventlog_flush(d->log) && !d->warned_log) {
		d->warned_log = true;
		cli_complain("the event log cannot be written and will have gaps");
	}
}

/* Nanoseconds until the deadline, as ppoll() wants them; NULL: none. */
static const struct timespec *time_left(uint64_t deadline, struct timespec *ts)
{
	uint64_t now = now_ns();
	uint64_t left = deadline > now ? deadline - now : 0;

	if (deadline == UINT64_MAX)
		return NULL;
	*ts = (struct timespec){ (time_t)(left / NS_PER_S), (long)(left % NS_PER_S) };
	return ts;
}

static uint64_t flows_active(const struct daemon *d)
{
	struct engine_stats s;

	engine_get_stats(d->engine, &s);
	return s.flows_active;
}

/* A signal wants the daemon to stop: begins to hand over what there is. Returns until
 * when that may take. */
static uint64_t drain(struct daemon *d, uint64_t grace_ns, bool quiet)
{
	struct signalfd_siginfo info;

	if (read(d->signals, &info, sizeof(info)) < 0)
		cli_die("signalfd: %s", strerror(errno));
	engine_drain(d->engine, now_ns());
	send_output(d);
	if (grace_ns > 0 && flows_active(d) > 0 && !quiet)
		cli_complain("%" PRIu64 " connections wait for data to be delivered; ending in %" PRIu64
			     " s at the latest, at once after another signal", flows_active(d),
			     grace_ns / NS_PER_S);
	return now_ns() + grace_ns;
}

/* Returns once a signal wants the daemon to stop and all connections are handed over, or
 * the time for that is over, or there is another signal. */
static void run(struct daemon *d, uint64_t grace_ns, bool quiet)
{
	uint64_t end = UINT64_MAX;
	struct pollfd fds[] = {
		{ .fd = queue_fd(d->queue), .events = POLLIN },
		{ .fd = d->signals, .events = POLLIN },
	};

	for (;;) {
		struct timespec ts;
		int rc;

		uint64_t deadline = engine_deadline(d->engine);

		rc = ppoll(fds, 2, time_left(deadline < end ? deadline : end, &ts), NULL);
		if (rc < 0 && errno != EINTR)
			cli_die("ppoll: %s", strerror(errno));
		if (engine_deadline(d->engine) <= now_ns()) {
			engine_expire(d->engine, now_ns());
			send_output(d);
		}
		/* What was queued before the signal is still handled. */
		if (rc > 0 && fds[0].revents) {
			int error = queue_receive(d->queue, handle, d);

			send_output(d);
			if (error < 0)
				cli_die("the queue is lost: %s", strerror(-error));
		}
		warn(d);
		if (rc > 0 && fds[1].revents) {
			if (end != UINT64_MAX)
				return;
			end = drain(d, grace_ns, quiet);
		}
		if (end != UINT64_MAX && (now_ns() >= end || flows_active(d) == 0))
			return;
	}
}

static void print_summary(const struct daemon *d)
{
	struct engine_stats s;
	struct queue_stats q;

	engine_get_stats(d->engine, &s);
	queue_get_stats(d->queue, &q);
	cli_complain("%" PRIu64 " packets, %" PRIu64 " flows, %" PRIu64 " stalls, %" PRIu64
		     " bytes orphaned now, %" PRIu64 " queue overruns",
		     s.packets, s.flows_opened, s.stalls, s.orphaned_bytes, q.overruns);
}

int main(int argc, char **argv)
{
	struct daemon d = { 0 };
	struct options o;

	cli_program = "resegd";
	parse_options(&o, argc, argv);
	set_up(&d, &o);
	if (!o.quiet)
		cli_complain("queue %u, segment size %" PRIu32 ", fault %s, injector %s", o.queue,
			     o.engine.segment_size, o.engine.fault->name, d.injector->kind->name);
	if (o.ready_fd >= 0)
		cli_ready(o.ready_fd);
	run(&d, o.grace_ns, o.quiet);

	if (!o.quiet)
		print_summary(&d);
	engine_shutdown(d.engine, now_ns());
	queue_close(d.queue);
	d.injector->close(d.injector);
	eventlog_close(d.log);
	engine_destroy(d.engine);
	return EXIT_GOOD;
}
