/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * reseg-lab: client, box and server made of network namespaces, and a command on the
 * client
 *
 *      reseg-lab                       waits, passes signals on
 *         \_ first process             of a PID namespace: makes the hosts (hosts.c),
 *               \_ resegd, on the box      starts all others and waits for the command
 *               \_ reseg-sink, on the server
 *               \_ a capture, if wanted
 *               \_ the command, on the client
 *
 * Nothing outside has a name for the namespaces, so all of them are gone once the first
 * process is; and that process dies with reseg-lab, however reseg-lab ends.
 */

#include "io/cli.h"
#include "lab/capture.h"
#include "lab/doctor.h"
#include "lab/enter.h"
#include "lab/hosts.h"
#include "lab/mystery.h"
#include "lab/namespace.h"
#include "lab/report.h"
#include "lab/seen.h"
#include "lab/services.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAPTURE_SECONDS 600	/* for the capture to be written, once the lab has ended */

/* Services --------------------------------------------------------------------------- */

static struct service start_capture(const struct hosts *h, const struct lab_options *o)
{
	/* The capture process reads all of it once more, which may take long. */
	struct service s = { .name = "the capture",
			     .stop_seconds = CAPTURE_SECONDS,
			     .aside = true };
	const char *folder = o->capture;
	char *path;
	int ready;

	if (mkdir(folder, 0777) < 0 && errno != EEXIST)
		cli_die("--capture %s: %s", folder, strerror(errno));
	path = options_path(folder, "lab.pcapng");
	ready = services_fork(&s);
	if (ready >= 0) {
		bool commented = options_box_tells(o);
		struct capture *c = capture_open(h, path, commented ? options_box_path(o) : NULL);
		sigset_t mask;

		sigemptyset(&mask);
		sigaddset(&mask, SIGTERM);
		sigprocmask(SIG_SETMASK, &mask, NULL);
		cli_ready(ready);
		capture_run(c, signalfd(-1, &mask, SFD_CLOEXEC));
		exit(EXIT_GOOD);
	}
	free(path);
	return s;
}

/* Removes what an earlier capture left in the folder: a reader could take it for this one's. */
static void remove_stale(const struct lab_options *o)
{
	char *box = options_box_path(o), *part = options_path(o->capture, "lab.pcapng.part");

	if (!o->pcapng)
		unlink(box);
	unlink(part);
	free(box);
	free(part);
}

static struct service start_sink(const struct hosts *h, const struct lab_options *o)
{
	char *line, *sink = services_find("reseg-sink");
	const char *argv[] = { "/bin/sh", "-c", NULL, "sh", sink, NULL };
	struct service s;

	if (asprintf(&line, "exec \"$1\" --ready-fd {ready} --smtp %u --echo 7 --count 9 %s",
		     o->port, o->sink_options ? o->sink_options : "") < 0)
		cli_die("out of memory");
	argv[2] = line;
	s = services_start(h, HOST_SERVER, "reseg-sink", argv);
	free(line);
	free(sink);
	return s;
}

/* Starts a shell command in place of one of reseg's own programs. */
static struct service start_foreign(const struct hosts *h, enum host host, const char *name,
				    const char *command)
{
	const char *argv[] = { "/bin/sh", "-c", command, NULL };
	struct service s = services_start(h, host, name, argv);

	s.ignore_status = true;
	return s;
}

static const char *queue_numbers(const struct lab_options *o)
{
	static char text[16];

	snprintf(text, sizeof(text), "0:%u", o->workers - 1);
	return text;
}

static struct service start_resegd(const struct hosts *h, const struct lab_options *o)
{
	char *resegd = services_find("resegd");
	const char *argv[LAB_RESEGD_ARGS_MAX + 13] = {
		/* It is stopped after the command, so nobody waits for undelivered data. */
		resegd,       "--quiet", "--grace", "0",
		"--ready-fd", "{ready}", "--queue", queue_numbers(o),
	};
	size_t count = 8;
	struct service s;

	for (size_t i = 0; i < o->resegd_count; i++)
		argv[count++] = o->resegd_args[i];
	if (o->capture && !o->events && options_box_tells(o)) {
		char *path = options_path(o->capture, "events.jsonl");

		unlink(path);	/* resegd would append */
		argv[count++] = "--events";
		argv[count++] = path;
	}
	if (o->capture && !o->pcapng && options_box_tells(o)) {
		argv[count++] = "--pcapng";
		argv[count++] = options_box_path(o);
	}
	s = services_start(h, HOST_BOX, "resegd", argv);
	free(resegd);
	return s;
}

static void load_rules(const struct hosts *h, const struct lab_options *o)
{
	char *rules = services_find("reseg-rules");
	const char *argv[] = { rules,     "load",           "--port",  "all",
			       "--queue", queue_numbers(o), "--quiet", NULL };

	if (services_run(h, HOST_BOX, argv, NULL, 0, NULL) != 0)
		exit(EXIT_USAGE);
	free(rules);
}

/* Makes a host lose packets that arrive by an interface. The rule stands before those of
 * reseg-rules, so the box loses packets before resegd sees them. Captures show packets before
 * they are lost. */
static void lose_arriving(const struct hosts *h, enum host host, const char *interface, double loss)
{
	static const char *const tools[] = { "iptables", "ip6tables" };
	char probability[32];

	if (loss == 0)
		return;
	snprintf(probability, sizeof(probability), "%.6f", loss);
	for (size_t i = 0; i < 2; i++) {
		const char *argv[] = {
			tools[i],     "-w",        "-t",      "raw",    "-I",
			"PREROUTING", "-i",        interface, "-p",     "tcp",
			"-m",         "statistic", "--mode",  "random", "--probability",
			probability,  "-j",        "DROP",    NULL
		};

		if (services_run(h, host, argv, NULL, 0, NULL) != 0)
			cli_die("--loss needs iptables and its statistic match (module "
				"xt_statistic)");
	}
}

static void lose_packets(const struct hosts *h, const struct lab_options *o)
{
	for (enum host host = HOST_CLIENT; host < h->count; host++) {
		if (host != HOST_BOX && host != HOST_SERVER)
			lose_arriving(h, host, "eth0", o->loss[TO_CLIENT]);
	}
	lose_arriving(h, HOST_BOX, "toclient+", o->loss[TO_SERVER]);
	lose_arriving(h, HOST_BOX, "toserver", o->loss[TO_CLIENT]);
	if (o->hosts.path_mtu > 0) {
		lose_arriving(h, HOST_ROUTER, "tobox", o->loss[TO_SERVER]);
		lose_arriving(h, HOST_ROUTER, "toserver", o->loss[TO_CLIENT]);
	}
	lose_arriving(h, HOST_SERVER, "eth0", o->loss[TO_SERVER]);
}

/* Makes the router drop the ICMP that would tell a sender that a packet is too large. */
static void silence_router(const struct hosts *h)
{
	static const char *const rules[][11] = {
		{ "iptables", "-w", "-A", "OUTPUT", "-p", "icmp", "--icmp-type",
		  "fragmentation-needed", "-j", "DROP" },
		{ "ip6tables", "-w", "-A", "OUTPUT", "-p", "icmpv6", "--icmpv6-type",
		  "packet-too-big", "-j", "DROP" },
	};

	for (size_t i = 0; i < 2; i++) {
		if (services_run(h, HOST_ROUTER, rules[i], NULL, 0, NULL) != 0)
			cli_die("--path-mtu with silent needs iptables and ip6tables: install "
				"iptables");
	}
}

/* The command ------------------------------------------------------------------------ */

/* Sweeps the sizes around one and two pieces, and expects what they should show. With a mystery
 * nothing is expected: run a shell. */
static const char *const *default_command(const struct lab_options *o)
{
	static char sizes[128], segment_size[16], server[64];
	static const char *argv[16];
	static const char *shell[2];
	uint32_t s = o->segment_size;
	uint32_t first = s > 47 ? s - 12 : 35;
	size_t n = 0;

	if (o->mystery) {
		shell[0] = getenv("SHELL") ? getenv("SHELL") : "/bin/sh";
		return shell;
	}
	if (2 * s + 12 > 65536)
		cli_die("--segment-size %" PRIu32 ": the sweep needs two pieces in 65536 bytes; "
			"give a command instead",
			s);
	snprintf(sizes, sizeof(sizes), "%" PRIu32 "-%" PRIu32 ",%" PRIu32 "-%" PRIu32, first,
		 s + 12 > first ? s + 12 : first, 2 * s > 47 ? 2 * s - 12 : 35,
		 2 * s + 12 > 35 ? 2 * s + 12 : 35);
	snprintf(segment_size, sizeof(segment_size), "%" PRIu32, s);
	argv[n++] = services_find("reseg-probe");
	argv[n++] = "sweep";
	argv[n++] = "--sizes";
	argv[n++] = sizes;
	argv[n++] = "--timeout";
	argv[n++] = "3";
	if (o->no_box || o->box_command || (o->faults == 1 && strcmp(o->fault, "none") == 0)) {
		argv[n++] = "--expect";
		argv[n++] = "clean";
	} else if (o->config) {
		/* The faults are in the file, and not known here. */
	} else if (o->faults == 0 || (o->faults == 1 && strcmp(o->fault, "off-by-one") == 0)) {
		argv[n++] = "--expect";
		argv[n++] = "finch2008";
		argv[n++] = "--segment-size";
		argv[n++] = segment_size;
	}
	snprintf(server, sizeof(server), o->ipv6 ? "[%s]:%u" : "%s:%u", getenv("RESEG_SERVER"),
		 o->port);
	argv[n++] = server;
	return argv;
}

static void set_environment(const struct lab_options *o)
{
	char port[8], seed[24];

	setenv("RESEG_SERVER", o->ipv6 ? HOST_SERVER_IPV6 : HOST_SERVER_IPV4, 1);
	setenv("RESEG_SERVER6", HOST_SERVER_IPV6, 1);
	snprintf(port, sizeof(port), "%u", o->port);
	setenv("RESEG_PORT", port, 1);
	if (o->seeded) {
		snprintf(seed, sizeof(seed), "%" PRIu64, o->seed);
		setenv("RESEG_SEED", seed, 1);	/* emulator/io/random.h */
	}
	services_set_environment();
}

/* The first process ------------------------------------------------------------------ */

static void die_with_parent(int parent_alive)
{
	struct pollfd fd = { .fd = parent_alive };

	/* Whatever ends reseg-lab ends this process too, and with it the whole PID namespace.
	 * reseg-lab may be dead already. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		cli_die("prctl: %s", strerror(errno));
	if (poll(&fd, 1, 0) > 0)
		exit(EXIT_USAGE);
}

/* Returns an exit status. Writes a line feed to `begun` if the command could be run. */
static int run_lab(const struct lab_options *o, int begun)
{
	enum { CAPTURE, MYSTERY, SERVER, BOX, SERVICES };
	struct service services[SERVICES] = { 0 };
	bool boxed = options_has_resegd(o);
	struct hosts hosts;
	struct seen seen;
	bool ran;
	int status;

	hosts_create(&hosts, &o->hosts);
	set_environment(o);
	services[SERVER] = o->server ? start_foreign(&hosts, HOST_SERVER, "the server", o->server)
				     : start_sink(&hosts, o);
	if (o->capture && !o->watch)
		remove_stale(o);
	if (o->capture)
		services[CAPTURE] = start_capture(&hosts, o);
	if (o->mystery)
		services[MYSTERY] = mystery_start(&hosts, o->mystery_seed);
	if (!o->no_box) {
		services[BOX] = o->box_command ? start_foreign(&hosts, HOST_BOX,
							       "the box's command", o->box_command)
					       : start_resegd(&hosts, o);
		load_rules(&hosts, o);
	}
	lose_packets(&hosts, o);
	if (o->path_mtu_silent)
		silence_router(&hosts);
	for (size_t i = 0; i < SERVICES; i++) {
		if (i == SERVER && o->server)
			services_await_port(&hosts, HOST_SERVER, &services[i], o->port);
		else if (services[i].pid != 0)
			services_await(&services[i]);
	}
	if (boxed)
		seen_start(&seen, &hosts);
	status = services_run(&hosts, HOST_CLIENT, o->command ? o->command : default_command(o),
			      services, SERVICES, &ran);
	if (ran)
		cli_ready(begun);
	if (boxed && services[BOX].pid != 0 && !seen_all(&seen, &hosts, o->loss))
		status = EXIT_USAGE;
	/* The capture is last, so that it sees the end of the others. */
	for (size_t i = SERVICES; i-- > 0;) {
		if (!services_stop(&services[i]))
			status = EXIT_USAGE;
	}
	return status;
}

/* Could the command be run? If not, that has been said, and there is nothing to report. All
 * processes that could write to the pipe have ended. */
static bool has_begun(int begun)
{
	char c;

	return read(begun, &c, 1) == 1;
}

/* In virtual time testbed/dev/uml-run sets RESEG_VM_REPEAT, the command that repeats the run to
 * the byte. It is printed unescaped, to be pasted into a shell. */
static void say_what_repeats_it(void)
{
	const char *command = getenv("RESEG_VM_REPEAT");

	if (command)
		fprintf(stderr, "%s: to repeat this: %s\n", cli_program, command);
}

int main(int argc, char **argv)
{
	struct lab_options o;
	int parent_alive[2], begun[2], status;
	pid_t lab, watch = 0;
	struct reporter reporter = { 0 };
	bool ran;

	cli_program = "reseg-lab";
	if (argc > 1 && strcmp(argv[1], "enter") == 0)
		return enter_main(argc - 1, argv + 1);
	services_begin();
	options_read(&o, argc, argv);
	if (o.report || o.watch)
		report_prepare(&o);
	if (o.capture && o.watch)	/* the watcher is about to look */
		remove_stale(&o);

	services_hold_signals();
	if (o.watch)
		watch = report_start_watch(&o);
	if (o.report)
		reporter = report_prepare_page(&o, argc, argv);
	namespace_unshare();
	if (pipe2(parent_alive, O_CLOEXEC) < 0 || pipe2(begun, O_CLOEXEC) < 0)
		cli_die("pipe: %s", strerror(errno));
	lab = fork();
	if (lab < 0)
		cli_die("fork: %s", strerror(errno));
	if (lab == 0) {
		report_forget();
		close(parent_alive[1]);
		die_with_parent(parent_alive[0]);
		exit(run_lab(&o, begun[1]));
	}
	close(parent_alive[0]);
	close(begun[1]);
	status = services_wait(lab);
	if (watch > 0) {
		kill(watch, SIGTERM);
		waitpid(watch, NULL, 0);
	}
	ran = WIFEXITED(status) && has_begun(begun[0]);
	if (o.report && ran)
		report_write(reporter);
	if (ran && WEXITSTATUS(status) != 0)
		say_what_repeats_it();
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	cli_say("the lab was killed (signal %d)", WTERMSIG(status));
	return EXIT_USAGE;
}
