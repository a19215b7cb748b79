/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * reseg-lab: client, box and server out of network namespaces, and a command in the
 * client
 *
 *      reseg-lab                       waits, passes signals on
 *         \_ first process             of a PID namespace: makes the hosts (hosts.c),
 *               \_ resegd, on the box      starts all others and waits for the command
 *               \_ reseg-sink, on the server
 *               \_ a capture, if wanted
 *               \_ the command, on the client
 *
 * Nothing outside has a name for the namespaces, so all of it is gone once the first
 * process is; and that dies with reseg-lab, however that ends.
 */

#include "io/cli.h"
#include "lab/capture.h"
#include "lab/doctor.h"
#include "lab/enter.h"
#include "lab/hosts.h"
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
#define PORT 25
#define RESEGD_ARGS_MAX 32

struct options {
	const char *resegd_args[RESEGD_ARGS_MAX];
	size_t resegd_count;
	const char *fault;	/* the last one; NULL: resegd's default */
	const char *box_command;	/* in place of resegd; NULL: none */
	struct hosts_options hosts;
	bool path_mtu_silent;	/* the router does not say so */
	double loss;		/* probability, for each packet on each link */
	const char *capture;	/* a folder; NULL: none */
	const char *pcapng;	/* where resegd's capture is, if not there; NULL: there */
	const char *report;	/* NULL: none */
	const char *sink_options;
	const char *server;	/* in place of reseg-sink; NULL: none */
	const char *const *command;	/* NULL: the sweep */
	uint32_t segment_size;
	unsigned faults;
	unsigned workers;
	uint16_t port;
	bool config;		/* a file says more */
	bool no_box;
	bool ipv6;
	bool events;		/* has a place of its own */
	bool watch;
};

static void print_help(void)
{
	printf("Usage: reseg-lab [OPTION]... [-- COMMAND...]\n"
	       "Makes a client, a middlebox and a server out of network namespaces, runs resegd\n"
	       "on the box and reseg-sink on the server, and COMMAND on the client. Without a\n"
	       "command: the sweep that shows the bug. Needs no root where user namespaces are\n"
	       "allowed.\n"
	       "\n"
	       "  --segment-size BYTES, --fault NAME, --direction WHICH, --arrival UNIT,\n"
	       "  --flows N, --window BYTES, --memory BYTES, --overload WHAT, --queue-length N,\n"
	       "  --queue-buffer BYTES, --inject KIND, --events FILE, --pcapng FILE,\n"
	       "  --config FILE, --control SOCKET\n"
	       "                       as for resegd\n"
	       "  --workers N          of resegd: threads that divide the connections (1)\n"
	       "  --clients N          that many clients, %d at most: client, client2... (1)\n"
	       "  --no-box             only forward packets: what happens without the firewall\n"
	       "  --box 'COMMAND'      runs on the box in place of resegd; {ready} stands for a\n"
	       "                       descriptor to which it writes a line feed when ready\n"
	       "  -4, -6               names of hosts have this version of IP only (both), and\n"
	       "                       RESEG_SERVER has it (-4)\n"
	       "  --mtu BYTES[,BYTES]  of both links, or of the client's and the server's (1500)\n"
	       "  --path-mtu BYTES[,silent]\n"
	       "                       a router between box and server takes no larger packets,\n"
	       "                       in both directions, and tells their senders by ICMP; or\n"
	       "                       does not, if silent\n"
	       "  --loss PERCENT       each link loses that many packets, in both directions (0)\n"
	       "  --delay MS           each link takes that long, in each direction (0)\n"
	       "  --rate MBITS         each link takes no more a second, in each direction\n"
	       "  --reorder PERCENT    that many of the delayed packets overtake the others (0)\n"
	       "  --duplicate PERCENT  each link delivers that many packets twice (0)\n"
	       "  --offloads[=LINK]    leave checksum and segmentation offloads on, of both\n"
	       "                       links or of that of client or server; off, packets are\n"
	       "                       as they would be on a real wire\n"
	       "  --capture DIR        write DIR/lab.pcapng: what client and server send and\n"
	       "                       get, DIR/box.pcapng: what the box takes and makes, and\n"
	       "                       DIR/events.jsonl, resegd's event log\n"
	       "  --report FILE        draw what happened: a page (HTML), or text if FILE is -\n"
	       "  --watch              show packets as they come, on standard error\n"
	       "  --server 'COMMAND'   runs on the server in place of reseg-sink; the lab is\n"
	       "                       ready once something listens on the port\n"
	       "  --port N             TCP port of the server, in RESEG_PORT (%d)\n"
	       "  --sink-options 'OPTIONS'\n"
	       "                       further options for reseg-sink\n"
	       "  --help, --version\n"
	       "\n"
	       "COMMAND sees RESEG_SERVER and RESEG_SERVER6 (addresses) and RESEG_PORT (SMTP).\n"
	       "The names client, box and server resolve. reseg-sink also has echo on port 7 and\n"
	       "count on 9. Exit status: that of COMMAND; 2 if the lab could not be set up.\n"
	       "\n"
	       "       reseg-lab enter [--lab PID] [--on HOST] [-- COMMAND...]\n"
	       "Runs a further command in a lab that is running, this one or another; without\n"
	       "one, a shell.\n"
	       "\n"
	       "       reseg-lab --doctor [--format table|json]\n"
	       "Says what this machine has of what a lab needs, and what to do for the rest.\n",
	       HOSTS_CLIENTS_MAX, PORT);
}

/* Passes an option of the table on to resegd. */
static void add_resegd_arg(struct options *o, const struct option *table, int option,
			   const char *value)
{
	char *name;

	while (table->val != option)
		table++;
	if (o->resegd_count + 3 > RESEGD_ARGS_MAX)
		cli_die("--%s: too many options for resegd", table->name);
	if (asprintf(&name, "--%s", table->name) < 0)
		cli_die("out of memory");
	o->resegd_args[o->resegd_count++] = name;
	o->resegd_args[o->resegd_count++] = value;
}

/* N, or N,M. IPv6 needs 1,280 (RFC 8200 section 5). */
static void mtu_option(struct hosts_options *hosts, char *text)
{
	char *comma = strchr(text, ',');

	if (comma)
		*comma++ = '\0';
	hosts->client.mtu = (uint32_t)cli_number("--mtu", text, 1280, 65535);
	hosts->server.mtu = (uint32_t)cli_number("--mtu", comma ? comma : text, 1280, 65535);
}

/* N, or N,silent. Linux believes no router that claims less than 552 (its min_pmtu). */
static void path_mtu_option(struct options *o, char *text)
{
	char *comma = strchr(text, ',');

	if (comma) {
		*comma++ = '\0';
		if (strcmp(comma, "silent") != 0)
			cli_die("--path-mtu %s,%s: give silent, or nothing", text, comma);
	}
	o->path_mtu_silent = comma;
	o->hosts.path_mtu = (uint32_t)cli_number("--path-mtu", text, 576, 65535);
}

static void offloads_option(struct hosts_options *hosts, const char *link)
{
	if (link && strcmp(link, "client") != 0 && strcmp(link, "server") != 0)
		cli_die("--offloads=%s: give client, server, or nothing for both", link);
	hosts->client.offloads |= !link || strcmp(link, "client") == 0;
	hosts->server.offloads |= !link || strcmp(link, "server") == 0;
}

static void parse_options(struct options *o, int argc, char **argv)
{
	enum { SEGMENT_SIZE = 256, FAULT, DIRECTION, ARRIVAL, FLOWS, WINDOW, MEMORY, OVERLOAD, INJECT,
	       EVENTS, PCAPNG, CONFIG, CONTROL, QUEUE_LENGTH, QUEUE_BUFFER, WORKERS, CLIENTS, NO_BOX, BOX, MTU,
	       PATH_MTU, LOSS, DELAY, RATE,
	       REORDER, DUPLICATE, OFFLOADS, CAPTURE, REPORT, WATCH, SERVER, SERVER_PORT, SINK_OPTIONS, DOCTOR, FORMAT };
	static const struct option table[] = {
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
		{ "pcapng", required_argument, NULL, PCAPNG },
		{ "config", required_argument, NULL, CONFIG },
		{ "control", required_argument, NULL, CONTROL },
		{ "queue-length", required_argument, NULL, QUEUE_LENGTH },
		{ "queue-buffer", required_argument, NULL, QUEUE_BUFFER },
		{ "workers", required_argument, NULL, WORKERS },
		{ "clients", required_argument, NULL, CLIENTS },
		{ "no-box", no_argument, NULL, NO_BOX },
		{ "box", required_argument, NULL, BOX },
		{ "mtu", required_argument, NULL, MTU },
		{ "path-mtu", required_argument, NULL, PATH_MTU },
		{ "loss", required_argument, NULL, LOSS },
		{ "delay", required_argument, NULL, DELAY },
		{ "rate", required_argument, NULL, RATE },
		{ "reorder", required_argument, NULL, REORDER },
		{ "duplicate", required_argument, NULL, DUPLICATE },
		{ "offloads", optional_argument, NULL, OFFLOADS },
		{ "capture", required_argument, NULL, CAPTURE },
		{ "report", required_argument, NULL, REPORT },
		{ "watch", no_argument, NULL, WATCH },
		{ "server", required_argument, NULL, SERVER },
		{ "port", required_argument, NULL, SERVER_PORT },
		{ "sink-options", required_argument, NULL, SINK_OPTIONS },
		{ "doctor", no_argument, NULL, DOCTOR },
		{ "format", required_argument, NULL, FORMAT },
		CLI_COMMON_OPTIONS,
	};
	bool doctor = false, json = false;
	int option;

	*o = (struct options){ .segment_size = 512, .workers = 1, .port = PORT,
				.hosts = { .clients = 1, .client.mtu = 1500, .server.mtu = 1500 } };
	/* "+": what follows the command's name is the command's. */
	while ((option = cli_option(argc, argv, "+46", table, print_help)) != -1) {
		switch (option) {
		case SEGMENT_SIZE:
			o->segment_size = (uint32_t)cli_number("--segment-size", optarg, 1, 65495);
			add_resegd_arg(o, table, option, optarg);
			break;
		case FAULT:
			o->fault = optarg;
			o->faults++;
			add_resegd_arg(o, table, option, optarg);
			break;
		case DIRECTION:
		case ARRIVAL:
		case FLOWS:
		case WINDOW:
		case MEMORY:
		case OVERLOAD:
		case INJECT:
		case CONTROL:
		case QUEUE_LENGTH:
		case QUEUE_BUFFER:
			add_resegd_arg(o, table, option, optarg);
			break;
		case WORKERS:
			o->workers = (unsigned)cli_number("--workers", optarg, 1, 64);
			break;
		case CLIENTS:
			o->hosts.clients = (unsigned)cli_number("--clients", optarg, 1, HOSTS_CLIENTS_MAX);
			break;
		case CONFIG:
			o->config = true;
			add_resegd_arg(o, table, option, optarg);
			break;
		case EVENTS:
			o->events = true;
			add_resegd_arg(o, table, option, optarg);
			break;
		case PCAPNG:
			o->pcapng = optarg;
			add_resegd_arg(o, table, option, optarg);
			break;
		case NO_BOX:
			o->no_box = true;
			break;
		case BOX:
			o->box_command = optarg;
			break;
		case '4':
		case '6':
			o->ipv6 = option == '6';
			o->hosts.names = o->ipv6 ? 6 : 4;
			break;
		case MTU:
			mtu_option(&o->hosts, optarg);
			break;
		case PATH_MTU:
			path_mtu_option(o, optarg);
			break;
		case LOSS:
			o->loss = cli_fraction("--loss", optarg, 0, 100) / 100;
			break;
		case DELAY:
			o->hosts.netem.delay_ns = (uint64_t)(cli_fraction("--delay", optarg, 0, 10000) * 1e6);
			break;
		case RATE:
			o->hosts.netem.rate_bytes = (uint64_t)(cli_fraction("--rate", optarg, 0.001, 100000) *
							       125000);
			break;
		case REORDER:
			o->hosts.netem.reorder = cli_fraction("--reorder", optarg, 0, 100) / 100;
			break;
		case DUPLICATE:
			o->hosts.netem.duplicate = cli_fraction("--duplicate", optarg, 0, 100) / 100;
			break;
		case OFFLOADS:
			offloads_option(&o->hosts, optarg);
			break;
		case CAPTURE:
			o->capture = optarg;
			break;
		case REPORT:
			o->report = optarg;
			break;
		case WATCH:
			o->watch = true;
			break;
		case SERVER:
			o->server = optarg;
			break;
		case SERVER_PORT:
			o->port = (uint16_t)cli_number("--port", optarg, 1, UINT16_MAX);
			break;
		case DOCTOR:
			doctor = true;
			break;
		case FORMAT:
			json = strcmp(optarg, "json") == 0;
			if (!json && strcmp(optarg, "table") != 0)
				cli_die("--format %s: give table or json", optarg);
			break;
		case SINK_OPTIONS:
			o->sink_options = optarg;
			break;
		}
	}
	if (o->hosts.netem.reorder > 0 && o->hosts.netem.delay_ns == 0)
		cli_die("--reorder lets packets overtake those that --delay delays: give both");
	if (doctor)
		exit(doctor_run(json));
	if (o->server && o->sink_options)
		cli_die("--server and --sink-options: there is no reseg-sink to give options to");
	if (o->no_box && o->box_command)
		cli_die("--no-box and --box: give one of them");
	if ((o->no_box || o->box_command) && o->resegd_count > 0)
		cli_die("%s: there is no resegd to give %s to", o->no_box ? "--no-box" : "--box",
			o->resegd_args[0]);
	if (o->watch && (o->no_box || o->box_command))
		cli_die("--watch shows what resegd takes and makes: there is none");
	if (o->box_command && !strstr(o->box_command, "{ready}"))
		cli_die("--box '%s': say where {ready} goes, the descriptor on which it says that it "
			"is ready, by a line feed", o->box_command);
	if (optind < argc)
		o->command = (const char *const *)argv + optind;
}

/* Captures ----------------------------------------------------------------------------- */

static char *in_folder(const char *folder, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", folder, name) < 0)
		cli_die("out of memory");
	return path;
}

/* Where resegd's capture is. */
static char *box_path(const struct options *o)
{
	return o->pcapng ? strdup(o->pcapng) : in_folder(o->capture, "box.pcapng");
}

/* Services --------------------------------------------------------------------------- */

static struct service start_capture(const struct hosts *h, const struct options *o)
{
	/* It reads all of it once more, which may take long. */
	struct service s = { .name = "the capture", .stop_seconds = CAPTURE_SECONDS, .aside = true };
	const char *folder = o->capture;
	int pipe_fds[2];
	char *path;

	if (mkdir(folder, 0777) < 0 && errno != EEXIST)
		cli_die("--capture %s: %s", folder, strerror(errno));
	path = in_folder(folder, "lab.pcapng");
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		cli_die("--capture: %s", strerror(errno));
	s.ready = pipe_fds[0];
	s.pid = fork();
	if (s.pid < 0)
		cli_die("fork: %s", strerror(errno));
	if (s.pid == 0) {
		bool commented = !o->no_box && !o->box_command;
		struct capture *c = capture_open(h, path, commented ? box_path(o) : NULL);
		sigset_t mask;

		setpgid(0, 0);
		sigemptyset(&mask);
		sigaddset(&mask, SIGTERM);
		sigprocmask(SIG_SETMASK, &mask, NULL);
		close(pipe_fds[0]);
		cli_ready(pipe_fds[1]);
		capture_run(c, signalfd(-1, &mask, SFD_CLOEXEC));
		exit(EXIT_GOOD);
	}
	close(pipe_fds[1]);
	free(path);
	return s;
}

/* What a capture before has left in the folder, which a reader could take for this one's. */
static void remove_stale(const struct options *o)
{
	char *box = box_path(o), *part = in_folder(o->capture, "lab.pcapng.part");

	if (!o->pcapng)
		unlink(box);
	unlink(part);
	free(box);
	free(part);
}

static struct service start_sink(const struct hosts *h, const struct options *o)
{
	char *line, *sink = services_find("reseg-sink");
	const char *argv[] = { "/bin/sh", "-c", NULL, "sh", sink, NULL };
	struct service s;

	if (asprintf(&line, "exec \"$1\" --ready-fd {ready} --smtp %u --echo 7 --count 9 %s", o->port,
		     o->sink_options ? o->sink_options : "") < 0)
		cli_die("out of memory");
	argv[2] = line;
	s = services_start(h, HOST_SERVER, "reseg-sink", argv);
	free(line);
	free(sink);
	return s;
}

/* A command for the shell, in place of one of reseg's own programs. */
static struct service start_foreign(const struct hosts *h, enum host host, const char *name,
				    const char *command)
{
	const char *argv[] = { "/bin/sh", "-c", command, NULL };
	struct service s = services_start(h, host, name, argv);

	s.ignore_status = true;
	return s;
}

static const char *queue_numbers(const struct options *o)
{
	static char text[16];

	snprintf(text, sizeof(text), "0:%u", o->workers - 1);
	return text;
}

static struct service start_resegd(const struct hosts *h, const struct options *o)
{
	char *resegd = services_find("resegd");
	const char *argv[RESEGD_ARGS_MAX + 13] = {
		/* The command has ended, so nobody waits for what is not delivered. */
		resegd, "--quiet", "--grace", "0", "--ready-fd", "{ready}", "--queue",
		queue_numbers(o),
	};
	size_t count = 8;
	struct service s;

	for (size_t i = 0; i < o->resegd_count; i++)
		argv[count++] = o->resegd_args[i];
	if (o->capture && !o->events) {
		char *path = in_folder(o->capture, "events.jsonl");

		unlink(path);	/* resegd would append */
		argv[count++] = "--events";
		argv[count++] = path;
	}
	if (o->capture && !o->pcapng) {
		argv[count++] = "--pcapng";
		argv[count++] = box_path(o);
	}
	s = services_start(h, HOST_BOX, "resegd", argv);
	free(resegd);
	return s;
}

static void load_rules(const struct hosts *h, const struct options *o)
{
	char *rules = services_find("reseg-rules");
	const char *argv[] = { rules, "load", "--port", "all", "--queue", queue_numbers(o), "--quiet",
			       NULL };

	if (services_run(h, HOST_BOX, argv, NULL, 0, NULL) != 0)
		exit(EXIT_USAGE);
	free(rules);
}

/* Lets a host lose packets that arrive by a link, not those of resegd. The rule stands
 * before those of reseg-rules, so the box loses what nobody has seen yet; and a capture
 * shows what was sent. */
static void lose_packets(const struct hosts *h, enum host host, double loss)
{
	static const char *const tools[] = { "iptables", "ip6tables" };
	char probability[32];

	snprintf(probability, sizeof(probability), "%.6f", loss);
	for (size_t i = 0; i < 2; i++) {
		const char *argv[] = { tools[i], "-w", "-t", "raw", "-I", "PREROUTING", "!", "-i",
				       "reseg+", "-p", "tcp", "-m", "statistic", "--mode", "random",
				       "--probability", probability, "-j", "DROP", NULL };

		if (services_run(h, host, argv, NULL, 0, NULL) != 0)
			cli_die("--loss needs iptables and its statistic match (module "
				"xt_statistic)");
	}
}

/* Lets the router drop the ICMP with which it would tell a sender that a packet is too large. */
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
			cli_die("--path-mtu with silent needs iptables and ip6tables: install iptables");
	}
}

/* The command ------------------------------------------------------------------------ */

/* The sizes around one and two pieces, and what they should show. */
static const char *const *default_command(const struct options *o)
{
	static char sizes[128], segment_size[16], server[64];
	static const char *argv[16];
	uint32_t s = o->segment_size;
	uint32_t first = s > 47 ? s - 12 : 35;
	size_t n = 0;

	if (2 * s + 12 > 65536)
		cli_die("--segment-size %" PRIu32 ": the sweep needs two pieces in 65536 bytes; "
			"give a command instead", s);
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
		/* What a file says of faults is its own. */
	} else if (o->faults == 0 || (o->faults == 1 && strcmp(o->fault, "off-by-one") == 0)) {
		argv[n++] = "--expect";
		argv[n++] = "finch2008";
		argv[n++] = "--segment-size";
		argv[n++] = segment_size;
	}
	snprintf(server, sizeof(server), o->ipv6 ? "[%s]:%u" : "%s:%u", getenv("RESEG_SERVER"), o->port);
	argv[n++] = server;
	return argv;
}

static void set_environment(const struct options *o)
{
	char port[8];

	setenv("RESEG_SERVER", o->ipv6 ? HOST_SERVER_IPV6 : HOST_SERVER_IPV4, 1);
	setenv("RESEG_SERVER6", HOST_SERVER_IPV6, 1);
	snprintf(port, sizeof(port), "%u", o->port);
	setenv("RESEG_PORT", port, 1);
	services_set_environment();
}

/* The first process ------------------------------------------------------------------ */

static void die_with_parent(int parent_alive)
{
	struct pollfd fd = { .fd = parent_alive };

	/* Whatever is about to end reseg-lab ends this too, and with this first process
	 * its whole PID namespace. It may be dead already. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		cli_die("prctl: %s", strerror(errno));
	if (poll(&fd, 1, 0) > 0)
		exit(EXIT_USAGE);
}

/* Returns an exit status. Writes a line feed to `begun` if the command could be run. */
static int run_lab(const struct options *o, int begun)
{
	enum { CAPTURE, SERVER, BOX, SERVICES };
	struct service services[SERVICES] = { 0 };
	bool boxed = !o->no_box && !o->box_command;
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
	if (!o->no_box) {
		services[BOX] = o->box_command ? start_foreign(&hosts, HOST_BOX, "the box's command",
							       o->box_command)
					       : start_resegd(&hosts, o);
		load_rules(&hosts, o);
	}
	for (enum host host = HOST_CLIENT; host < hosts.count && o->loss > 0; host++)
		lose_packets(&hosts, host, o->loss);
	if (o->loss > 0 && o->hosts.path_mtu > 0)
		lose_packets(&hosts, HOST_ROUTER, o->loss);
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
	/* The capture last, that it sees the end of the others. */
	for (size_t i = SERVICES; i-- > 0;) {
		if (!services_stop(&services[i]))
			status = EXIT_USAGE;
	}
	return status;
}

/* The report ------------------------------------------------------------------------- */

/* Of captures that nobody asked to keep; NULL: none. A child forgets it: its parent removes it. */
static char *own_folder;

static void remove_folder(void)
{
	static const char *const names[] = { "lab.pcapng", "lab.pcapng.part", "box.pcapng", "events.jsonl" };

	if (!own_folder)
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char *path = in_folder(own_folder, names[i]);

		unlink(path);
		free(path);
	}
	rmdir(own_folder);
}

/* Could this file be written? It stays what it is: there may be no report. */
static void check_output(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd >= 0)
		unlink(path);
	else if (errno == EEXIST)	/* a FIFO may have no reader yet */
		fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno != ENXIO)
		cli_die("--report %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* What can be known to fail is found out before the lab, which may take long. */
static void prepare_report(struct options *o)
{
	const char *tmp = getenv("TMPDIR");
	char *folder, *report = services_find("reseg-report");

	free(report);
	if (access("/usr/bin/python3", X_OK) < 0)
		cli_die("--report and --watch need Python: install python3");
	if (o->report && strcmp(o->report, "-") != 0)
		check_output(o->report);
	if (o->capture)
		return;
	folder = in_folder(tmp && tmp[0] ? tmp : "/tmp", "reseg-lab-XXXXXX");
	if (!mkdtemp(folder))
		cli_die("%s: %s", folder, strerror(errno));
	o->capture = own_folder = folder;
	atexit(remove_folder);
}

/* Starts reseg-report, in the world outside, for the lab's /proc and users are others: so before
 * there is one. It waits until `go` can be read, if that is no -1, and does nothing if it is
 * closed before. It dies with this process. */
static pid_t start_report(const char *const *argv, int go)
{
	static const int ends[] = { SIGTERM, SIGHUP, SIGINT };
	pid_t parent = getpid(), pid = fork();
	sigset_t mask;
	char c;

	if (pid < 0)
		cli_die("fork: %s", strerror(errno));
	if (pid > 0)
		return pid;
	own_folder = NULL;
	/* What the whole group of processes is sent is not meant for this one, which has something to finish:
	 * who waits is ended by its pipe, and who watches lets SIGTERM in once it can handle it. */
	sigfillset(&mask);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	prctl(PR_SET_PDEATHSIG, go >= 0 ? SIGKILL : SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_USAGE);
	if (go >= 0 && read(go, &c, 1) != 1)
		_exit(EXIT_GOOD);
	/* To ignore one forgets those that wait. */
	for (size_t i = 0; go >= 0 && i < sizeof(ends) / sizeof(*ends); i++) {
		signal(ends[i], SIG_IGN);
		signal(ends[i], SIG_DFL);
	}
	sigemptyset(&mask);
	if (go < 0)
		sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	execv(argv[0], (char *const *)argv);
	cli_die("%s: %s", argv[0], strerror(errno));
}

static pid_t start_watch(const struct options *o)
{
	char *path = box_path(o), *program = services_find("reseg-report");
	const char *argv[] = { program, "--watch", path, NULL };
	pid_t pid = start_report(argv, -1);

	free(program);
	free(path);
	return pid;
}

/* How reseg-lab was called, as a title. */
static char *title(int argc, char **argv)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		cli_die("out of memory");
	fputs("reseg-lab", out);
	for (int i = 1; i < argc; i++)
		fprintf(out, " %s", argv[i]);
	fclose(out);
	return text;
}

struct reporter {
	pid_t pid;
	int go;
};

static struct reporter prepare_reporter(const struct options *o, int argc, char **argv)
{
	bool boxed = !o->no_box && !o->box_command;
	char *ends = in_folder(o->capture, "lab.pcapng"), *box = box_path(o), *called = title(argc, argv);
	char *program = services_find("reseg-report");
	/* Where offloads join packets, those of the ends are not the box's. */
	bool joined = o->hosts.client.offloads || o->hosts.server.offloads;
	const char *words[] = { program, "--output", o->report, "--title", called, boxed && joined ? box : "--ends",
				boxed && joined ? NULL : ends, boxed ? box : NULL, NULL };
	struct reporter r;
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		cli_die("pipe: %s", strerror(errno));
	fcntl(pipe_fds[1], F_SETFD, FD_CLOEXEC);
	r.pid = start_report(words, pipe_fds[0]);
	r.go = pipe_fds[1];
	close(pipe_fds[0]);
	free(program);
	free(ends);
	free(box);
	free(called);
	return r;
}

/* If it is not written that is said, by reseg-report itself if it can. */
static void write_report(struct reporter r)
{
	int status;

	void (*before)(int) = signal(SIGPIPE, SIG_IGN);	/* it may have been killed */
	bool asked = write(r.go, "\n", 1) == 1;

	signal(SIGPIPE, before);
	status = services_wait(r.pid);
	if (!asked || WIFSIGNALED(status))
		cli_say("there is no report: reseg-report was killed");
}

/* Could the command be run? If not that has been said, and there is nothing to report. All who
 * could write to the pipe have ended. */
static bool has_begun(int begun)
{
	char c;

	return read(begun, &c, 1) == 1;
}

/* reseg-lab itself -------------------------------------------------------------------- */

int main(int argc, char **argv)
{
	struct options o;
	int parent_alive[2], begun[2], status;
	pid_t lab, watch = 0;
	struct reporter reporter = { 0 };

	cli_program = "reseg-lab";
	if (argc > 1 && strcmp(argv[1], "enter") == 0)
		return enter_main(argc - 1, argv + 1);
	services_begin();
	parse_options(&o, argc, argv);
	if (o.report || o.watch)
		prepare_report(&o);
	if (o.capture && o.watch)	/* it is about to look */
		remove_stale(&o);

	services_hold_signals();
	if (o.watch)
		watch = start_watch(&o);
	if (o.report)
		reporter = prepare_reporter(&o, argc, argv);
	hosts_unshare();
	if (pipe2(parent_alive, O_CLOEXEC) < 0 || pipe2(begun, O_CLOEXEC) < 0)
		cli_die("pipe: %s", strerror(errno));
	lab = fork();
	if (lab < 0)
		cli_die("fork: %s", strerror(errno));
	if (lab == 0) {
		own_folder = NULL;
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
	if (o.report && WIFEXITED(status) && has_begun(begun[0]))
		write_report(reporter);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	cli_say("the lab was killed (signal %d)", WTERMSIG(status));
	return EXIT_USAGE;
}
