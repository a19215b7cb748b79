/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/options.h"

#include "io/cli.h"
#include "io/inject.h"
#include "settings/faultspec.h"
#include "settings/mystery.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_MAX_SECONDS 31536000	/* a year */

static void print_help(void)
{
	struct engine_config config;

	engine_config_init(&config);
	printf("Usage: resegd [OPTION]...\n"
	       "Reproduces the firewall of 2008: takes TCP packets from an NFQUEUE, acknowledges\n"
	       "the client's data itself, and sends it on in pieces. reseg-rules loads the rules\n"
	       "that fill the queue; reseg-lab makes a network to try it in.\n"
	       "\n"
	       "  --queue N[:M]         queue number, 0 to 65535; with N:M, a worker for each\n"
	       "                        queue from N to M, %d at most, which share the\n"
	       "                        connections (0)\n"
	       "  --segment-size BYTES  S, the size of a full piece, 1 to %d (%d)\n"
	       "  --fault NAME[:K=V,...]  what goes wrong (%s); may be repeated\n"
	       "  --list-faults         list the faults and their parameters, and end\n"
	       "  --mystery SEED        SEED chooses the fault, and resegd does not tell which\n"
	       "  --direction WHICH     which half of a connection to intercept: c2s (client to\n"
	       "                        server), s2c, both or none (c2s)\n"
	       "  --arrival UNIT        what is handled as one arrival: segment, a segment as it\n"
	       "                        was on the wire; wire, the same with its exact length\n"
	       "                        despite offloads, but slow; or burst, all that offloads\n"
	       "                        have joined, the fastest (segment)\n"
	       "  --flows N             most connections at once (%" PRIu32 ")\n"
	       "  --window BYTES        most data that a connection may have in the box, each\n"
	       "                        way, %d to %d (%d)\n"
	       "  --memory BYTES        the same, for all connections together (%" PRIu64 ")\n"
	       "  --overload WHAT       what becomes of new connections beyond these limits:\n"
	       "                        pass (untouched) or refuse (pass)\n"
	       "  --queue-length N      packets that may wait in each queue (%d)\n"
	       "  --queue-buffer BYTES  kernel memory for each queue (%d)\n"
	       "  --control SOCKET      listen for resegctl on this UNIX socket\n"
	       "  --control-owner OWNER  whom to give that socket to: USER, USER:GROUP or :GROUP\n"
	       "  --user NAME           become this user once everything is open\n"
	       "  --sandbox on|off      once everything is open, give up all privileges but\n"
	       "                        CAP_NET_ADMIN, and all system calls that are no longer\n"
	       "                        needed; off is for debuggers (on)\n"
	       "  --inject KIND         how packets are sent: auto, or one of those below (auto)\n"
	       "  --events FILE         append the event log (JSON Lines) to FILE; - is standard\n"
	       "                        output\n"
	       "  --pcapng FILE         capture to FILE what the box takes in and makes, with\n"
	       "                        comments\n"
	       "  --ready-fd N          write a line feed to descriptor N once resegd takes\n"
	       "                        packets\n"
	       "  --grace SECONDS       after a signal, go on delivering data for this long,\n"
	       "                        %d at most (%d)\n"
	       "  --config FILE, -c     read settings from FILE first; it can also have policies\n"
	       "                        for some connections only: see reseg.conf(5). SIGHUP\n"
	       "                        reads it again\n"
	       "  --check-config        report what is wrong with FILE and the options, and end\n"
	       "  --duration SECONDS    end after this time, as after a signal\n"
	       "  --quiet               print only errors and warnings\n"
	       "  --help, --version\n\nInjectors:\n",
	       SETTINGS_WORKERS_MAX, ENGINE_SEGMENT_SIZE_MAX, ENGINE_SEGMENT_SIZE_DEFAULT,
	       fault_table[0].name, config.flows_max, ENGINE_WINDOW_MIN, STREAM_WINDOW_MAX,
	       STREAM_WINDOW_MAX, config.memory_bytes, SETTINGS_QUEUE_LENGTH, SETTINGS_QUEUE_BUFFER,
	       SETTINGS_GRACE_MAX_SECONDS, SETTINGS_GRACE_SECONDS);
	for (const struct injector_kind *k = inject_kinds; k->name; k++)
		printf("  %-4s  %s\n", k->name, k->summary);
}

static _Noreturn void list_faults(const char *format)
{
	if (!format)
		faultspec_list(stdout);
	else if (strcmp(format, "markdown") == 0)
		faultspec_page(stdout);
	else
		cli_die("--list-faults=%s: give markdown, or nothing", format);
	exit(EXIT_GOOD);
}

enum { CONFIG = 'c', LIST_FAULTS = 256, CHECK_CONFIG, READY_FD, QUIET, DURATION, MYSTERY, KEYS };

/* Options that are not keys. */
static const struct option others[] = {
	{ "config", required_argument, NULL, CONFIG },
	{ "list-faults", optional_argument, NULL, LIST_FAULTS },
	{ "check-config", no_argument, NULL, CHECK_CONFIG },
	{ "ready-fd", required_argument, NULL, READY_FD },
	{ "quiet", no_argument, NULL, QUIET },
	{ "duration", required_argument, NULL, DURATION },
	{ "mystery", required_argument, NULL, MYSTERY },
	CLI_COMMON_OPTIONS,
};

#define OPTIONS_MAX (SETTINGS_KEYS_MAX + sizeof(others) / sizeof(others[0]))

/* Reads the command line: its own options, and the name of the file. */
void options_read(struct invocation *in, int argc, char **argv)
{
	struct option table[OPTIONS_MAX];
	int option;

	*in = (struct invocation){ .ready_fd = -1, .duration_ns = UINT64_MAX };
	settings_options(table, KEYS, SETTINGS_WHOLE | SETTINGS_POLICY, others,
			 sizeof(others) / sizeof(others[0]));
	optind = 0;
	while ((option = cli_option(argc, argv, "c:", table, print_help)) != -1) {
		switch (option) {
		case CONFIG:
			in->config = optarg;
			break;
		case CHECK_CONFIG:
			in->check = true;
			break;
		case LIST_FAULTS:
			list_faults(optarg);
			break;
		case READY_FD:
			in->ready_fd = (int)cli_number("--ready-fd", optarg, 0, INT32_MAX);
			break;
		case QUIET:
			in->quiet = true;
			break;
		case DURATION:
			in->duration_ns = cli_seconds("--duration", optarg, 0.001,
						      DURATION_MAX_SECONDS);
			break;
		case MYSTERY:
			cli_number("--mystery", optarg, 0, INT64_MAX);
			break;
		default:	/* a key */
			break;
		}
	}
	if (optind < argc)
		cli_die("%s: resegd takes options only; see --help", argv[optind]);
	if (in->check && !in->config)
		cli_die("--check-config: give the file, with --config FILE");
}

/* Puts the fault of a mystery to use. Adds to m what cannot go with it: keys that change what the
 * box does, and those that let it tell. */
static void use_mystery(struct settings *s, uint64_t seed, const char *config,
			struct settings_mistakes *m)
{
	const struct mystery mystery = mystery_of(seed);
	struct engine_policy *p = &s->engine.rules.policy[0];
	static const char changes[] = "the seed alone chooses what the box does";
	static const char tells[] = "the box tells nothing about itself";
	const struct {
		bool given;
		const char *name, *why;
	} others_given[] = {
		{ config, "config", changes },
		{ s->given[0] & GIVEN_FAULT, "fault", changes },
		{ s->given[0] & GIVEN_SEGMENT_SIZE, "segment-size", changes },
		{ s->given[0] & GIVEN_DIRECTION, "direction", changes },
		{ s->given[0] & GIVEN_ARRIVAL, "arrival", changes },
		{ s->events, "events", tells },
		{ s->pcapng, "pcapng", tells },
	};

	for (size_t i = 0; i < sizeof(others_given) / sizeof(others_given[0]); i++) {
		if (others_given[i].given)
			settings_note(m, "--%s: with --mystery %s: drop one of the two",
				      others_given[i].name, others_given[i].why);
	}
	s->secret = true;
	p->segment_size = mystery.segment_size;
	p->fault[0] = mystery.fault;
	p->faults = 1;
}

/* Reads the file, and then the keys of the command line. Returns false, and all mistakes, if there
 * are any. */
bool options_read_settings(struct settings *s, const char *config, int argc, char **argv,
			   bool look_up, struct settings_mistakes *m)
{
	struct option table[OPTIONS_MAX];
	bool is_mystery = false;
	uint64_t seed = 0;
	int option;

	*m = (struct settings_mistakes){ .bytes = 0 };
	settings_init(s);
	if (config)
		settings_load(s, config, m);
	settings_override(s);
	settings_options(table, KEYS, SETTINGS_WHOLE | SETTINGS_POLICY, others,
			 sizeof(others) / sizeof(others[0]));
	optind = 0;
	while ((option = cli_option(argc, argv, "c:", table, print_help)) != -1) {
		if (option >= KEYS)
			settings_set(s, &settings_keys[option - KEYS], optarg, m);
		if (option == MYSTERY) {
			is_mystery = true;
			seed = cli_number("--mystery", optarg, 0, INT64_MAX);
		}
	}
	if (is_mystery)
		use_mystery(s, seed, config, m);
	settings_finish(s, m);
	settings_check(s, look_up, m);
	return m->count == 0;
}
