/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab/options.h"

#include "core/units.h"
#include "io/cli.h"
#include "lab/answer.h"
#include "lab/doctor.h"
#include "settings/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT 25

static void print_link_help(void)
{
	printf("  --mtu BYTES[,BYTES]  MTU of both links, or of the client's and the server's\n"
	       "                       (1500)\n"
	       "  --path-mtu BYTES[,silent]\n"
	       "                       put a router between box and server that forwards no\n"
	       "                       larger packets; it reports this by ICMP, unless silent\n"
	       "  --loss PERCENT       share of TCP packets that each link loses, both ways (0)\n"
	       "  --burst MEAN         packets are lost this many in a row, on average\n"
	       "  --delay MS           delay of each link, in each direction (0)\n"
	       "  --jitter MS          the delay of each packet varies by up to this (0), and\n"
	       "                       packets may overtake each other\n"
	       "  --rate MBITS         most that each link carries a second, in each direction\n"
	       "  --reorder PERCENT    share of delayed packets that overtake the others (0)\n"
	       "  --duplicate PERCENT  share of packets that each link delivers twice (0)\n"
	       "                       --loss to --duplicate also take a value for each\n"
	       "                       direction: 1/0 is 1 to the server, 0 to the client\n"
	       "  --offloads[=LINK]    leave checksum and segmentation offloads on, for both\n"
	       "                       links or that of client or server; by default they are\n"
	       "                       off, and packets are as they would be on a real wire\n");
}

static void print_mystery_help(void)
{
	printf("  --mystery SEED       find the fault: SEED chooses it, and nothing tells it;\n"
	       "                       without COMMAND, run a shell\n"
	       "  --answer NAME        in that lab: is it this fault? NAME as for --fault, or\n"
	       "                       give-up. Outside of it, add --mystery SEED. Also takes\n"
	       "                       --segment-size BYTES and --format table|json\n");
}

static void print_help(void)
{
	printf("Usage: reseg-lab [OPTION]... [-- COMMAND...]\n"
	       "Makes three hosts out of network namespaces: runs resegd on the box in the\n"
	       "middle, reseg-sink on the server, and COMMAND on the client. Without COMMAND it\n"
	       "runs the sweep that shows the bug. It needs no root where unprivileged user\n"
	       "namespaces are enabled.\n"
	       "\n"
	       "  --segment-size BYTES, --fault NAME, --direction WHICH, --arrival UNIT,\n"
	       "  --flows N, --window BYTES, --memory BYTES, --overload WHAT, --queue-length N,\n"
	       "  --queue-buffer BYTES, --inject KIND, --events FILE, --pcapng FILE,\n"
	       "  --config FILE, --control SOCKET\n"
	       "                       as for resegd\n"
	       "  --workers N          resegd's workers: threads that share the connections (1)\n"
	       "  --clients N          number of clients, %d at most: client, client2... (1)\n"
	       "  --no-box             do not run resegd: the box only forwards packets\n"
	       "  --box 'COMMAND'      run COMMAND on the box in place of resegd; {ready} is\n"
	       "                       the number of a descriptor, to which it must write a line\n"
	       "                       feed once it is ready\n"
	       "  -4, -6               use only this IP version, in host names and RESEG_SERVER\n"
	       "                       (names: both; RESEG_SERVER: IPv4)\n",
	       HOSTS_CLIENTS_MAX);
	print_link_help();
	print_mystery_help();
	printf("  --capture DIR        write to DIR what client and server send and receive\n"
	       "                       (lab.pcapng), what the box takes in and makes\n"
	       "                       (box.pcapng), and resegd's event log (events.jsonl)\n"
	       "  --report FILE        draw what happened: a page (HTML), or text if FILE is -\n"
	       "  --watch              print packets on standard error as they come\n"
	       "  --server 'COMMAND'   run COMMAND on the server in place of reseg-sink; the lab\n"
	       "                       is ready once something listens on the port\n"
	       "  --port N             TCP port of the server, also in RESEG_PORT (%d)\n"
	       "  --sink-options 'OPTIONS'\n"
	       "                       further options for reseg-sink\n"
	       "  --seed N             reseg's programs derive their random choices from N: the\n"
	       "                       same N makes the same choices\n"
	       "  --help, --version\n"
	       "\n"
	       "COMMAND's environment has RESEG_SERVER and RESEG_SERVER6 (addresses) and\n"
	       "RESEG_PORT. The names client, box and server resolve. reseg-sink also serves\n"
	       "echo on port 7 and count on port 9. Exit status: that of COMMAND; 2 if the lab\n"
	       "could not be set up.\n"
	       "\n"
	       "       reseg-lab enter [--lab PID] [--on HOST] [-- COMMAND...]\n"
	       "Runs another command in a running lab; without COMMAND, a shell.\n"
	       "\n"
	       "       reseg-lab --doctor [--format table|json]\n"
	       "Checks what a lab needs from this machine, and says what to do about each thing\n"
	       "that is missing.\n",
	       PORT);
}

/* Passes an option on to resegd. */
static void add_resegd_arg(struct lab_options *o, const char *name, const char *value)
{
	char *option;

	if (o->resegd_count + 3 > LAB_RESEGD_ARGS_MAX)
		cli_die("--%s: too many options for resegd", name);
	if (asprintf(&option, "--%s", name) < 0)
		cli_die("out of memory");
	o->resegd_args[o->resegd_count++] = option;
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

/* N, or N,silent. Linux takes no path MTU below 552 from a router (its min_pmtu). */
static void path_mtu_option(struct lab_options *o, char *text)
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

enum {
	CONFIG = 256,
	WORKERS,
	CLIENTS,
	NO_BOX,
	BOX,
	SERVER_COMMAND,
	SERVER_PORT,
	SINK_OPTIONS,
	SEED,
	MYSTERY,
	ANSWER,
	MTU,
	PATH_MTU,
	LOSS,
	BURST,
	DELAY,
	JITTER,
	RATE,
	REORDER,
	DUPLICATE,
	OFFLOADS,
	CAPTURE,
	REPORT,
	WATCH,
	DOCTOR,
	FORMAT,
	KEYS
};

/* Options that are not keys of resegd. */
static const struct option others[] = {
	{ "config", required_argument, NULL, CONFIG },
	{ "workers", required_argument, NULL, WORKERS },
	{ "clients", required_argument, NULL, CLIENTS },
	{ "no-box", no_argument, NULL, NO_BOX },
	{ "box", required_argument, NULL, BOX },
	{ "server", required_argument, NULL, SERVER_COMMAND },
	{ "port", required_argument, NULL, SERVER_PORT },
	{ "sink-options", required_argument, NULL, SINK_OPTIONS },
	{ "seed", required_argument, NULL, SEED },
	{ "mystery", required_argument, NULL, MYSTERY },
	{ "answer", required_argument, NULL, ANSWER },
	{ "mtu", required_argument, NULL, MTU },
	{ "path-mtu", required_argument, NULL, PATH_MTU },
	{ "loss", required_argument, NULL, LOSS },
	{ "burst", required_argument, NULL, BURST },
	{ "delay", required_argument, NULL, DELAY },
	{ "jitter", required_argument, NULL, JITTER },
	{ "rate", required_argument, NULL, RATE },
	{ "reorder", required_argument, NULL, REORDER },
	{ "duplicate", required_argument, NULL, DUPLICATE },
	{ "offloads", optional_argument, NULL, OFFLOADS },
	{ "capture", required_argument, NULL, CAPTURE },
	{ "report", required_argument, NULL, REPORT },
	{ "watch", no_argument, NULL, WATCH },
	{ "doctor", no_argument, NULL, DOCTOR },
	{ "format", required_argument, NULL, FORMAT },
	CLI_COMMON_OPTIONS,
};

#define OPTIONS_MAX (SETTINGS_KEYS_MAX + sizeof(others) / sizeof(others[0]))

/* A key of resegd, which checks the value itself. The lab looks at some of them. */
static void key_option(struct lab_options *o, const char *name)
{
	if (strcmp(name, "segment-size") == 0) {
		o->sized = true;
		o->segment_size = (uint32_t)cli_number("--segment-size", optarg, 1,
						       ENGINE_SEGMENT_SIZE_MAX);
	}
	if (strcmp(name, "fault") == 0) {
		o->fault = optarg;
		o->faults++;
	}
	if (strcmp(name, "events") == 0)
		o->events = true;
	if (strcmp(name, "pcapng") == 0)
		o->pcapng = optarg;
	add_resegd_arg(o, name, optarg);
}

/* Options for the hosts, and for what runs on them. Returns false for any other option. */
static bool host_option(struct lab_options *o, int option)
{
	switch (option) {
	case CONFIG:
		o->config = true;
		add_resegd_arg(o, "config", optarg);
		return true;
	case WORKERS:
		o->workers = (unsigned)cli_number("--workers", optarg, 1, SETTINGS_WORKERS_MAX);
		return true;
	case CLIENTS:
		o->hosts.clients = (unsigned)cli_number("--clients", optarg, 1, HOSTS_CLIENTS_MAX);
		return true;
	case NO_BOX:
		o->no_box = true;
		return true;
	case BOX:
		o->box_command = optarg;
		return true;
	case SERVER_COMMAND:
		o->server = optarg;
		return true;
	case SERVER_PORT:
		o->port = (uint16_t)cli_number("--port", optarg, 1, UINT16_MAX);
		return true;
	case SINK_OPTIONS:
		o->sink_options = optarg;
		return true;
	case SEED:
		o->seed = cli_number("--seed", optarg, 0, UINT64_MAX);
		o->seeded = true;
		return true;
	case MYSTERY:
		o->mystery_seed = cli_number("--mystery", optarg, 0, INT64_MAX);
		o->mystery = true;
		add_resegd_arg(o, "mystery", optarg);
		return true;
	case ANSWER:
		if (o->answer)
			cli_die("--answer: a mystery is one fault: give one");
		o->answer = optarg;
		return true;
	case '4':
	case '6':
		o->ipv6 = option == '6';
		o->hosts.names = o->ipv6 ? 6 : 4;
		return true;
	default:
		return false;
	}
}

/* N for both directions, or N/M. */
static void read_ways(const char *option, double min, double max, double value[WAYS])
{
	char *slash = strchr(optarg, '/');

	if (slash)
		*slash++ = '\0';
	value[TO_SERVER] = cli_fraction(option, optarg, min, max);
	value[TO_CLIENT] = slash ? cli_fraction(option, slash, min, max) : value[TO_SERVER];
}

/* Options for how a link treats packets, each way. Returns false for any other option. */
static bool way_option(struct lab_options *o, int option)
{
	static const struct {
		const char *name;
		double min, max;
	} values[] = {
		[LOSS] = { "--loss", 0, 100 },
		[BURST] = { "--burst", 1, 1000 },
		[DELAY] = { "--delay", 0, 10000 },
		/* netem has 31 bits for it, in nanoseconds. */
		[JITTER] = { "--jitter", 0, 2000 },
		[RATE] = { "--rate", 0.001, 100000 },
		[REORDER] = { "--reorder", 0, 100 },
		[DUPLICATE] = { "--duplicate", 0, 100 },
	};
	double value[WAYS];

	if (option < LOSS || option > DUPLICATE)
		return false;
	read_ways(values[option].name, values[option].min, values[option].max, value);
	for (enum way way = TO_SERVER; way < WAYS; way++) {
		struct rtnl_netem *netem = &o->hosts.netem[way];

		switch (option) {
		case LOSS:
			o->loss[way] = value[way] / 100;
			break;
		case BURST:
			netem->burst = value[way];
			break;
		case DELAY:
			netem->delay_ns = (uint64_t)(value[way] * NS_PER_MS);
			break;
		case JITTER:
			netem->jitter_ns = (uint64_t)(value[way] * NS_PER_MS);
			break;
		case RATE:	/* a megabit is 125,000 bytes */
			netem->rate_bytes = (uint64_t)(value[way] * 125000);
			break;
		case REORDER:
			netem->reorder = value[way] / 100;
			break;
		case DUPLICATE:
			netem->duplicate = value[way] / 100;
			break;
		}
	}
	return true;
}

/* Options for the links. Returns false for any other option. */
static bool link_option(struct lab_options *o, int option)
{
	switch (option) {
	case MTU:
		mtu_option(&o->hosts, optarg);
		return true;
	case PATH_MTU:
		path_mtu_option(o, optarg);
		return true;
	case OFFLOADS:
		offloads_option(&o->hosts, optarg);
		return true;
	default:
		return way_option(o, option);
	}
}

/* Options for what is shown of the lab. */
static void output_option(struct lab_options *o, int option)
{
	switch (option) {
	case CAPTURE:
		o->capture = optarg;
		break;
	case REPORT:
		o->report = optarg;
		break;
	case WATCH:
		o->watch = true;
		break;
	case DOCTOR:
		o->doctor = true;
		break;
	case FORMAT:
		o->json = strcmp(optarg, "json") == 0;
		if (!o->json && strcmp(optarg, "table") != 0)
			cli_die("--format %s: give table or json", optarg);
		break;
	}
}

/* With --burst netem makes the loss, otherwise rules do. */
static void check_burst(double *loss, struct rtnl_netem *netem)
{
	double most = netem->burst / (1 + netem->burst);

	if (*loss == 0)
		netem->burst = 0;
	if (netem->burst == 0)
		return;
	/* Between two bursts one packet at least gets through. */
	if (*loss > most)
		cli_die("--loss %g with --burst %g: give a larger --burst, or a --loss of at most "
			"%g",
			*loss * 100, netem->burst, 100 * most);
	netem->loss = *loss;
	*loss = 0;
}

/* Ends the program if options for the links contradict each other. */
static void check_links(struct lab_options *o)
{
	struct rtnl_netem *netem = o->hosts.netem;

	if (netem[TO_SERVER].burst > 0 && o->loss[TO_SERVER] == 0 && o->loss[TO_CLIENT] == 0)
		cli_die("--burst says how many packets --loss loses in a row: give both");
	for (enum way way = TO_SERVER; way < WAYS; way++) {
		check_burst(&o->loss[way], &netem[way]);
		if (netem[way].reorder > 0 && netem[way].delay_ns == 0)
			cli_die("--reorder lets packets overtake those that --delay delays: give "
				"both");
		if (netem[way].jitter_ns > netem[way].delay_ns)
			cli_die("--jitter may not be larger than --delay: give a larger --delay");
	}
}

/* Ends the program if options contradict each other. */
static void check_options(const struct lab_options *o)
{
	if (o->doctor)
		return;
	if (o->server && o->sink_options)
		cli_die("--server and --sink-options: there is no reseg-sink to give options to");
	if (o->no_box && o->box_command)
		cli_die("--no-box and --box: give one of them");
	if (!options_has_resegd(o) && o->resegd_count > 0)
		cli_die("%s: there is no resegd to give %s to", o->no_box ? "--no-box" : "--box",
			o->resegd_args[0]);
	if (o->watch && !options_has_resegd(o))
		cli_die("--watch shows what resegd takes and makes, and there is no resegd");
	if (o->watch && o->mystery)
		cli_die("--watch shows what the box does, and that is the mystery: drop one of the "
			"two");
	if (o->box_command && !strstr(o->box_command, "{ready}"))
		cli_die("--box '%s': put {ready} where the number of a descriptor goes, to which "
			"the command writes a line feed once it is ready",
			o->box_command);
}

/* Returns an exit status. */
static int run_answer(const struct lab_options *o, bool has_command)
{
	const struct mystery_guess guess = { o->answer, o->sized ? o->segment_size : 0 };

	if (has_command)
		cli_die("--answer takes one fault, and no command: drop the other words");
	if (o->faults > 0)
		cli_die("--answer %s and --fault: give the fault with --answer alone", o->answer);
	return answer_run(&guess, o->mystery ? &o->mystery_seed : NULL, o->json);
}

void options_read(struct lab_options *o, int argc, char **argv)
{
	struct option table[OPTIONS_MAX];
	int option;

	*o = (struct lab_options){
		.segment_size = ENGINE_SEGMENT_SIZE_DEFAULT,
		.workers = 1,
		.port = PORT,
		.hosts = { .clients = 1, .client.mtu = 1500, .server.mtu = 1500 },
	};
	settings_options(table, KEYS, SETTINGS_LAB, others, sizeof(others) / sizeof(others[0]));
	/* "+": what follows the command's name belongs to the command. */
	while ((option = cli_option(argc, argv, "+46", table, print_help)) != -1) {
		if (option >= KEYS)
			key_option(o, settings_keys[option - KEYS].name);
		else if (!host_option(o, option) && !link_option(o, option))
			output_option(o, option);
	}
	if (o->answer)
		exit(run_answer(o, optind < argc));
	check_links(o);
	check_options(o);
	if (o->doctor)
		exit(doctor_run(o->json));
	if (optind < argc)
		o->command = (const char *const *)argv + optind;
}

char *options_path(const char *folder, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", folder, name) < 0)
		cli_die("out of memory");
	return path;
}

char *options_box_path(const struct lab_options *o)
{
	return o->pcapng ? strdup(o->pcapng) : options_path(o->capture, "box.pcapng");
}
