/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/options.h"

#include "io/cli.h"
#include "io/inject.h"
#include "settings/faultspec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_MAX_SECONDS 31536000	/* a year */

static void print_help(void)
{
	struct engine_config config;

	engine_config_init(&config);
	printf("Usage: resegd [OPTION]...\n"
	       "The firewall of 2008, on purpose: takes TCP packets from an NFQUEUE,\n"
	       "acknowledges the client's data itself and sends it on in pieces. See\n"
	       "reseg-rules for the rules that fill the queue, and reseg-lab for a network to\n"
	       "try it in.\n"
	       "\n"
	       "  --queue N[:M]         queue number, 0 to 65535; N:M, a worker for each from N\n"
	       "                        to M, %d at most, among which the connections are\n"
	       "                        divided (0)\n"
	       "  --segment-size BYTES  S, the size of a full piece, 1 to %d (%d)\n"
	       "  --fault NAME[:K=V,...]  what goes wrong (%s); may be repeated\n"
	       "  --list-faults         what can go wrong, and its parameters\n"
	       "  --direction WHICH     halves to intercept: c2s, s2c (server to client), both\n"
	       "                        or none (c2s)\n"
	       "  --arrival UNIT        what is handled at once: segment, as it was on the wire;\n"
	       "                        wire, the same whatever offloads did, and slow; or\n"
	       "                        burst, what offloads may have joined out of many\n"
	       "                        (segment)\n"
	       "  --flows N             connections at once (%" PRIu32 ")\n"
	       "  --window BYTES        what a connection may have in the box each way, %d\n"
	       "                        to %d (%d)\n"
	       "  --memory BYTES        of all buffers together (%" PRIu64 ")\n"
	       "  --overload WHAT       new connections beyond that: pass them by, or refuse\n"
	       "                        them (pass)\n"
	       "  --queue-length N      packets that may wait in each queue (%d)\n"
	       "  --queue-buffer BYTES  the kernel's memory for each queue (%d)\n"
	       "  --control SOCKET      listen there for resegctl\n"
	       "  --control-owner OWNER  whose that socket is, as USER:GROUP; others cannot use\n"
	       "                        it\n"
	       "  --user NAME           become that user once everything is open\n"
	       "  --sandbox on|off      then give up all privileges but CAP_NET_ADMIN, and\n"
	       "                        system calls that are not needed; off is for debuggers\n"
	       "                        (on)\n"
	       "  --inject KIND         how packets are sent: auto or one of those below (auto)\n"
	       "  --events FILE         append the event log, JSON Lines, to FILE; - is standard\n"
	       "                        output\n"
	       "  --pcapng FILE         capture there what the box takes in and sends, with\n"
	       "                        comments\n"
	       "  --ready-fd N          write a line feed to descriptor N once packets are taken\n"
	       "  --grace SECONDS       after a signal, deliver what is held for so long, %d\n"
	       "                        at most (%d)\n"
	       "  --config FILE, -c     what else it is told, also for some connections only;\n"
	       "                        see reseg.conf(5). SIGHUP has it read again\n"
	       "  --check-config        say whether the file is good, and end\n"
	       "  --duration SECONDS    end after that time, as after a signal\n"
	       "  --quiet               say nothing but errors and warnings\n"
	       "  --help, --version\n\n"
	       "Injectors:\n",
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
		cli_die("--list-faults: nothing, or markdown: %s", format);
	exit(EXIT_GOOD);
}

enum { CONFIG = 'c', LIST_FAULTS = 256, CHECK_CONFIG, READY_FD, QUIET, DURATION, KEYS };

/* Options that are not keys. */
static const struct option others[] = {
	{ "config", required_argument, NULL, CONFIG },
	{ "list-faults", optional_argument, NULL, LIST_FAULTS },
	{ "check-config", no_argument, NULL, CHECK_CONFIG },
	{ "ready-fd", required_argument, NULL, READY_FD },
	{ "quiet", no_argument, NULL, QUIET },
	{ "duration", required_argument, NULL, DURATION },
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
		default:	/* a key */
			break;
		}
	}
	if (optind < argc)
		cli_die("%s: resegd takes options only; see --help", argv[optind]);
	if (in->check && !in->config)
		cli_die("--check-config: give the file, with --config FILE");
}

/* Reads the file, and then the keys of the command line. Returns false, and all mistakes, if there
 * are any. */
bool options_read_settings(struct settings *s, const char *config, int argc, char **argv,
			   bool look_up, struct settings_mistakes *m)
{
	struct option table[OPTIONS_MAX];
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
	}
	settings_finish(s, m);
	settings_check(s, look_up, m);
	return m->count == 0;
}
