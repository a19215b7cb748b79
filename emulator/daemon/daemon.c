/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/daemon.h"

#include "daemon/options.h"
#include "daemon/worker_ask.h"
#include "io/cli.h"
#include "io/clock.h"
#include "io/inject.h"
#include "io/notify.h"
#include "io/random.h"
#include "io/sandbox.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

int daemon_set_rules(struct daemon *d, const struct settings *before, struct error *error)
{
	struct timespec until;
	int rc = 0;

	settings_number_faults(&d->settings, before, &d->last_fault);
	for (unsigned i = 0; i < d->count; i++)
		worker_set_rules(&d->workers[i], &d->settings.engine.rules);
	until = worker_answer_until();
	for (unsigned i = 0; i < d->count; i++) {
		int of = worker_await_rules(&d->workers[i], &until);

		rc = of < 0 ? of : rc;
	}
	if (rc < 0)
		error_set(error, 0, "%s",
			  rc == -ESRCH ? "resegd is being stopped"
			  : rc == -EINVAL
				  ? "the engine refuses this, and nothing was changed: it is a bug "
				    "of resegd, please report it"
				  : "a worker does not answer, and will follow later: it is "
				    "overloaded, or the machine is");
	return rc;
}

/* Takes over the settings that can change while resegd runs. */
static void use_policies(struct settings *s, const struct settings *of)
{
	s->engine.rules = of->engine.rules;
	memcpy(s->policy_name, of->policy_name, sizeof(s->policy_name));
	memcpy(s->given, of->given, sizeof(s->given));
}

bool daemon_reload(struct daemon *d, char changed[SETTINGS_NAMES_BYTES],
		   struct settings_mistakes *m)
{
	struct settings fresh, before = d->settings;
	struct error error;
	int rc;

	*m = (struct settings_mistakes){ .count = 0 };
	changed[0] = '\0';
	if (!d->config) {
		settings_note(m, "there is no configuration file: start resegd with --config FILE");
		return false;
	}
	if (!options_read_settings(&fresh, d->config, d->argc, d->argv, false, m)) {
		settings_free(&fresh);
		settings_conclude(m, "nothing was changed");
		return false;
	}
	settings_fixed_changes(&before, &fresh, changed);
	use_policies(&d->settings, &fresh);
	settings_free(&fresh);
	rc = d->log ? eventlog_reopen(d->log) : 0;
	if (rc < 0)
		cli_say("the event log cannot be reopened (%s); the old file is still used",
			strerror(-rc));
	rc = daemon_set_rules(d, &before, &error);
	if (rc < 0)
		settings_note(m, "%s", error.text);
	if (rc == -EINVAL)
		use_policies(&d->settings, &before);
	else if (changed[0] != '\0')
		cli_say("%s: restart resegd for these changed keys to take effect: %s", d->config,
			changed);
	return rc == 0;
}

void daemon_stop(struct daemon *d)
{
	d->stopping = true;
	notify("STOPPING=1");
	for (unsigned i = 0; i < d->count; i++)
		worker_stop(&d->workers[i]);
}

static void open_queue(struct worker *w, const struct settings *o, unsigned number)
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
			cli_say("--queue-buffer %" PRIu32 ": the kernel gives %" PRIu32 ": run as "
				"root, or raise net.core.rmem_max",
				config.buffer_bytes, got);
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
	struct injector *in[SETTINGS_WORKERS_MAX];
	int rc = inject_open(in, d->count, name);

	for (unsigned i = 0; i < d->count && rc == 0; i++)
		d->workers[i].injector = in[i];
	if (rc == -EINVAL)
		cli_die("--inject %s: no such injector; see --help", name);
	if (rc == -ENOENT)
		cli_die("--inject %s: there is no /dev/net/tun: load the module tun, or give "
			"--inject raw",
			name);
	if (rc == -EXDEV)
		cli_die("--inject %s: the reverse path filter would drop what comes from it: set "
			"net.ipv4.conf.all.rp_filter and net.ipv4.conf.default.rp_filter to 2, or "
			"give --inject raw",
			name);
	if (rc == -EACCES)
		cli_die("--inject %s: no permission to open /dev/net/tun: run as root, or give "
			"--inject raw",
			name);
	if (rc == -EPERM)
		cli_die("no permission to inject packets: run as root, or with CAP_NET_RAW and "
			"CAP_NET_ADMIN");
	if (rc < 0)
		cli_die("--inject %s: %s", name, strerror(-rc));
}

/* The limits are for all workers together. */
static void set_up_workers(struct daemon *d)
{
	const struct settings *o = &d->settings;
	struct engine_config config = o->engine;

	config.engines = d->count;
	config.flows_max = (config.flows_max + d->count - 1) / d->count;
	config.memory_bytes /= d->count;
	config.offload = d->workers[0].injector->kind->offload;
	for (unsigned i = 0; i < d->count; i++) {
		struct worker *w = &d->workers[i];
		int rc;

		w->all = d->workers;
		w->count = d->count;
		w->log = d->log;
		w->capture = d->capture;
		if (d->capture && box_capture_tap(&w->tap, d->capture, d->epoch_ns) < 0)
			cli_die("out of memory");
		config.observer = d->log || d->capture ? worker_observe : NULL;
		config.observer_arg = w;
		config.start_ns = d->started_ns;
		config.number = i;
		rc = engine_create(&w->engine, &config);
		if (rc < 0)
			cli_die("cannot set up the engine: %s", strerror(-rc));
		open_queue(w, o, o->queue.number + i);
		w->grace_ns = o->grace_ns;
		w->draining = d->draining;
		w->ended = d->ended;
	}
}

/* No packet is read before this is done. */
static void give_up_privileges(const struct daemon *d)
{
	const struct settings *o = &d->settings;
	const char *what;
	int rc;

	if (o->no_sandbox)
		return;
	if (o->user && d->log)
		eventlog_give(d->log, o->user);
	rc = sandbox_enter(o->user, &what);
	if (rc < 0)
		cli_die("cannot %s: %s: start it as root, or with CAP_SETUID, CAP_SETGID, "
			"CAP_NET_ADMIN and CAP_NET_RAW; or give --sandbox off",
			what, strerror(-rc));
}

static void ending_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
}

/* What the engine chooses at random follows from its key. */
static void draw_key(struct engine_config *engine)
{
	int rc = random_bytes("resegd", engine->hash_key, sizeof(engine->hash_key));

	if (rc < 0)
		cli_die("getrandom: %s", strerror(-rc));
}

void daemon_set_up(struct daemon *d, control_handler *answer)
{
	struct settings *o = &d->settings;
	sigset_t mask;
	int rc;

	/* SIGPIPE: a reader of the event log that goes away must not end the box. */
	signal(SIGPIPE, SIG_IGN);
	/* Opening a FIFO waits for its reader; until then signals end resegd as they end any
	 * program. */
	if (o->events) {
		rc = eventlog_open(&d->log, o->events, d->epoch_ns);
		if (rc < 0)
			cli_die("--events %s: %s", o->events, strerror(-rc));
	}
	if (o->pcapng) {
		rc = box_capture_open(&d->capture, o->pcapng);
		if (rc < 0)
			cli_die("--pcapng %s: %s", o->pcapng, strerror(-rc));
	}
	ending_signals(&mask);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	d->signals = signalfd(-1, &mask, SFD_CLOEXEC);
	if (d->signals < 0)
		cli_die("signalfd: %s", strerror(errno));

	draw_key(&o->engine);
	d->draining = eventfd(0, EFD_CLOEXEC);
	d->ended = eventfd(0, EFD_CLOEXEC);
	if (d->draining < 0 || d->ended < 0)
		cli_die("eventfd: %s", strerror(errno));
	d->count = o->workers;
	open_injectors(d, o->inject ? o->inject : "auto");
	settings_number_faults(o, NULL, &d->last_fault);
	set_up_workers(d);
	if (o->control) {
		rc = control_open(&d->control, o->control, answer, d);
		if (rc == -EADDRINUSE)
			cli_die("--control %s: another resegd listens there, or it is not a "
				"socket: choose another path",
				o->control);
		if (rc < 0)
			cli_die("--control %s: %s", o->control, strerror(-rc));
	}
	if (o->control_owner) {
		rc = control_set_owner(d->control, o->control_owner);
		if (rc < 0)
			cli_die("--control-owner %s: %s: run as root, or give only :GROUP, with a "
				"group that resegd is in",
				o->control_owner, strerror(-rc));
	}
	give_up_privileges(d);
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
		cli_say("%" PRIu64 " connections wait for data to be delivered; ending in %" PRIu64
			" s at the latest, at once after another signal",
			waiting, grace_ns / NS_PER_S);
}

/* Adds to *count how many times a polled eventfd was added to. */
static void count_events(const struct pollfd *fd, unsigned *count)
{
	uint64_t events;

	if (fd->revents && read(fd->fd, &events, sizeof(events)) == sizeof(events))
		*count += (unsigned)events;
}

static void reload(struct daemon *d)
{
	char changed[SETTINGS_NAMES_BYTES], lines[64];
	struct settings_mistakes mistakes;

	snprintf(lines, sizeof(lines), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		 clock_ns(CLOCK_MONOTONIC) / 1000);
	notify(lines);
	if (!daemon_reload(d, changed, &mistakes))
		cli_say_lines(mistakes.text);
	notify("READY=1");
}

/* Do all workers still work? One that waits for packets does. */
static bool workers_live(struct daemon *d)
{
	for (unsigned i = 0; i < d->count; i++) {
		if (!worker_lives(&d->workers[i]))
			return false;
	}
	return true;
}

/* Calls _exit(): exit() would flush buffers, and so wait for the same thing as the worker. */
static _Noreturn void give_up(void)
{
	cli_say("a worker is stuck, so its connections are not handed over: it may be waiting for "
		"the reader of a pipe");
	_exit(EXIT_FINDING);
}

/* SIGHUP, which a closed terminal sends, ends the box if there is no file to read again. */
static void handle_signal(struct daemon *d)
{
	struct signalfd_siginfo info;

	if (read(d->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP && d->config)
		reload(d);
	else if (d->stopping && !workers_live(d))
		give_up();
	else
		daemon_stop(d);
}

/* How long poll() may wait: no longer than until the service manager must hear from us, or the box
 * is to end; -1: for ever. */
static int time_to_wait_ms(const struct daemon *d, uint64_t watchdog_ns, uint64_t end_ns)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC),
		 wait_ns = watchdog_ns > 0 ? watchdog_ns : UINT64_MAX;
	uint64_t left_ns = end_ns > now ? end_ns - now : 0;

	if (!d->stopping && left_ns < wait_ns)
		wait_ns = left_ns;
	if (wait_ns == UINT64_MAX)
		return -1;
	wait_ns = wait_ns / NS_PER_MS + (wait_ns % NS_PER_MS > 0);	/* no earlier */
	return wait_ns < INT_MAX ? (int)wait_ns : INT_MAX;
}

/* Returns once all workers have ended: because of signals or requests, or because this time of
 * CLOCK_MONOTONIC has come. */
void daemon_run(struct daemon *d, bool quiet, uint64_t end_ns)
{
	enum { SIGNALS, DRAINING, ENDED, CONTROL };
	uint64_t watchdog_ns = notify_watchdog_ns() / 2;
	struct pollfd fds[CONTROL + CONTROL_FDS_MAX] = {
		{ .fd = d->signals, .events = POLLIN },
		{ .fd = d->draining, .events = POLLIN },
		{ .fd = d->ended, .events = POLLIN },
	};
	unsigned draining = 0, ended = 0;
	bool told = quiet || d->settings.grace_ns == 0;

	while (ended < d->count) {
		size_t clients = d->control ? control_poll(d->control, fds + CONTROL) : 0;

		if (watchdog_ns > 0 && workers_live(d))
			notify("WATCHDOG=1");
		if (poll(fds, CONTROL + clients, time_to_wait_ms(d, watchdog_ns, end_ns)) < 0) {
			if (errno == EINTR)
				continue;
			cli_fail("poll: %s", strerror(errno));
		}
		count_events(&fds[DRAINING], &draining);
		count_events(&fds[ENDED], &ended);
		/* If one worker cannot go on, the others hand their connections over, too. */
		if (!d->stopping && (ended > 0 || clock_ns(CLOCK_MONOTONIC) >= end_ns))
			daemon_stop(d);
		if (draining == d->count && !told) {
			told = true;
			report_drain(d, d->settings.grace_ns);
		}
		if (fds[SIGNALS].revents)
			handle_signal(d);
		if (d->control)
			control_serve(d->control, fds + CONTROL, clients);
	}
	for (unsigned i = 0; i < d->count; i++)
		worker_join(&d->workers[i]);
}

void daemon_tear_down(struct daemon *d)
{
	sigset_t mask;

	/* Writing what is left may block; another signal ends that. */
	ending_signals(&mask);
	sigprocmask(SIG_UNBLOCK, &mask, NULL);
	control_close(d->control);
	for (unsigned i = 0; i < d->count; i++) {
		struct worker *w = &d->workers[i];

		engine_shutdown(w->engine, clock_ns(CLOCK_MONOTONIC));
		w->injector->close(w->injector);
		engine_destroy(w->engine);
		box_capture_tap_free(w->tap);
	}
	if (!box_capture_close(d->capture) && !d->workers[0].warned_capture)
		cli_say("the capture could not be written whole");
	if (d->log && eventlog_flush(d->log) < 0 && !d->workers[0].warned_log)
		cli_say("the event log could not be written whole");
	eventlog_close(d->log);
	settings_free(&d->settings);
}
