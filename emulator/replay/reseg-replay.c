/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * reseg-replay: what a capture would have become behind the box
 *
 * replay.h explains how.
 */

#include "io/cli.h"
#include "io/clock.h"
#include "replay/print.h"
#include "settings/settings.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#define PROGRESS_AFTER_NS (2 * NS_PER_S)
#define PROGRESS_EACH_NS (200 * NS_PER_MS)

struct options {
	struct settings settings;
	const char *config;
	const char *in, *out;		/* out: NULL: none */
	const char *interface;		/* name or number; NULL: the first with TCP */
	const char *filter;		/* NULL: none */
	unsigned only;			/* OUTCOME_BITs */
	uint32_t first_size,
		last_size; /* to be tried one by one; 0: just the one of the settings */
	bool json;
};

static void print_help(void)
{
	printf("Usage: reseg-replay [OPTION]... CAPTURE\n"
	       "Shows what the box would have done to the connections of a capture, without a\n"
	       "network. CAPTURE is pcap or pcapng, plain or compressed by gzip; - is standard\n"
	       "input.\n"
	       "\n"
	       "  --output FILE, -o     write what the box took in and made, as pcapng with\n"
	       "                        comments\n"
	       "  --interface WHICH     use this interface of a pcapng file, by name or by\n"
	       "                        number from 0 (the first with TCP)\n"
	       "  --filter EXPRESSION   use only packets that match, as for tcpdump: 'tcp port\n"
	       "                        25'\n"
	       "  --segment-size BYTES  as for resegd; or FIRST-LAST: try all these sizes, and\n"
	       "                        show which of them hurt which connection\n"
	       "  --fault NAME[:K=V,...], --direction WHICH, --arrival UNIT, --flows N,\n"
	       "  --window BYTES, --memory BYTES, --overload WHAT, --events FILE,\n"
	       "  --config FILE, -c     as for resegd\n"
	       "  --only OUTCOME,...    show only rows with these outcomes; bad: stalled,hung\n"
	       "  --format table|json   (table)\n"
	       "  --help, --version\n"
	       "\n"
	       "Exit status: 0 if the fault harmed no connection, 1 if one stalled or hung, 2 if\n"
	       "the replay could not be run, or the capture is unreadable from some packet on.\n");
}

/* "stalled,reset" */
static unsigned parse_only(const char *text)
{
	unsigned bits = 0;

	while (*text) {
		size_t bytes = strcspn(text, ",");
		unsigned more = bytes == 3 && memcmp(text, "bad", 3) == 0 ? OUTCOMES_BAD : 0;

		for (unsigned k = 0; k < REPLAY_OUTCOMES; k++) {
			if (strlen(outcome_names[k]) == bytes &&
			    memcmp(text, outcome_names[k], bytes) == 0)
				more = OUTCOME_BIT(k);
		}
		if (more == 0)
			cli_die("--only %s: give bad, or some of ok, stalled, hung, reset, "
				"incomplete, passed",
				text);
		bits |= more;
		text += bytes + (text[bytes] == ',');
	}
	if (bits == 0)
		cli_die("--only: give bad, or some of ok, stalled, hung, reset, incomplete, "
			"passed");
	return bits;
}

/* Is it FIRST-LAST? */
static bool parse_sizes(struct options *o, const char *text)
{
	const char *dash = strchr(text, '-');
	char *first;

	if (!dash || dash == text)
		return false;
	first = strndup(text, (size_t)(dash - text));
	if (!first)
		cli_die("out of memory");
	o->first_size = (uint32_t)cli_number("--segment-size", first, 1, ENGINE_SEGMENT_SIZE_MAX);
	o->last_size = (uint32_t)cli_number("--segment-size", dash + 1, o->first_size,
					    ENGINE_SEGMENT_SIZE_MAX);
	free(first);
	return true;
}

static void set(struct options *o, const struct settings_key *key, const char *value,
		struct settings_mistakes *mistakes)
{
	bool is_size = strcmp(key->name, "segment-size") == 0;

	if (is_size && parse_sizes(o, value))
		return;
	if (is_size)
		o->first_size = o->last_size = 0;
	settings_set(&o->settings, key, value, mistakes);
}

enum { INTERFACE = 256, FILTER, ONLY, FORMAT, KEYS };

/* Options that are not keys of resegd. */
static const struct option others[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "interface", required_argument, NULL, INTERFACE },
	{ "filter", required_argument, NULL, FILTER },
	{ "only", required_argument, NULL, ONLY },
	{ "config", required_argument, NULL, 'c' },
	{ "format", required_argument, NULL, FORMAT },
	CLI_COMMON_OPTIONS,
};

static void parse_options(struct options *o, int argc, char **argv)
{
	struct option table[SETTINGS_KEYS_MAX + sizeof(others) / sizeof(others[0])];
	struct settings_mistakes mistakes = { .bytes = 0 };
	int option;

	*o = (struct options){ .only = UINT_MAX };
	settings_options(table, KEYS, SETTINGS_ENGINE, others, sizeof(others) / sizeof(others[0]));
	while ((option = cli_option(argc, argv, "c:o:", table, print_help)) != -1) {
		if (option == 'c')
			o->config = optarg;
	}
	settings_init(&o->settings);
	if (o->config)
		settings_load(&o->settings, o->config, &mistakes);
	settings_override(&o->settings);
	optind = 0;
	while ((option = cli_option(argc, argv, "c:o:", table, print_help)) != -1) {
		switch (option) {
		case 'c':
			break;
		case 'o':
			o->out = optarg;
			break;
		case INTERFACE:
			o->interface = optarg;
			break;
		case FILTER:
			o->filter = optarg;
			break;
		case ONLY:
			o->only = parse_only(optarg);
			break;
		case FORMAT:
			o->json = strcmp(optarg, "json") == 0;
			if (!o->json && strcmp(optarg, "table") != 0)
				cli_die("--format %s: give table or json", optarg);
			break;
		default:
			set(o, &settings_keys[option - KEYS], optarg, &mistakes);
		}
	}
	settings_finish(&o->settings, &mistakes);
	if (mistakes.count > 0)
		cli_die_lines(mistakes.text);
	if (o->last_size > 0 && (o->out || o->settings.events))
		cli_die("%s: there would be one for each segment size: give one size",
			o->out ? "--output" : "--events");
	if (optind + 1 != argc)
		cli_die("give one capture file; see --help");
	o->in = argv[optind];
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The progress of what takes long, shown on a terminal. */
static struct {
	uint64_t from_ns, last_ns;
	uint32_t size, sizes;		/* which of the sizes it is at; 0: there is only one */
	bool shown;
} progress;

static void show_progress(const char *what, uint64_t done, uint64_t of)
{
	uint64_t now_ns;

	if (done % 1024 != 0)
		return;
	now_ns = clock_ns(CLOCK_MONOTONIC);
	if (now_ns < progress.from_ns + PROGRESS_AFTER_NS ||
	    now_ns < progress.last_ns + PROGRESS_EACH_NS)
		return;
	progress.last_ns = now_ns;
	progress.shown = true;
	if (progress.sizes > 0)
		fprintf(stderr, "\rsegment size %" PRIu32 " of %" PRIu32 "\033[K", progress.size,
			progress.sizes);
	else if (of > 0)
		fprintf(stderr, "\r%3.0f %% of the %s\033[K", (double)done * 100 / (double)of,
			what);
	else
		fprintf(stderr, "\r%" PRIu64 " %s\033[K", done, what);
}

static void end_progress(void)
{
	if (progress.shown)
		fprintf(stderr, "\r\033[K");
}

/* Says why there is nothing to replay. */
static void die_without_packets(const struct options *o, const struct replay *r,
				const struct capture_read *in)
{
	unsigned found = 0;

	if (r->broken.text[0])
		cli_die("%s: %s", o->in, r->broken.text);
	while (o->interface && found < capture_read_interfaces(in) &&
	       (!capture_read_interface(in, found) ||
		strcmp(capture_read_interface(in, found), o->interface) != 0))
		found++;
	if (o->interface && o->interface[strspn(o->interface, "0123456789")] != '\0' &&
	    found == capture_read_interfaces(in))
		cli_die("--interface %s: %s has no interface of that name", o->interface, o->in);
	if (r->unread > 0)
		cli_die("%s: no IP packets can be found in it, as its link type is %u (see "
			"https://www.tcpdump.org/linktypes.html)",
			o->in, r->unread_type);
	if (r->headless > 0)
		cli_die("%s: its TCP packets are cut off within their headers: capture whole "
			"packets, as with tcpdump -s 0",
			o->in);
	if (r->fragments + r->malformed > 0)
		cli_die("%s: there is no whole TCP segment in it, but %" PRIu64 " fragments and "
			"%" PRIu64 " malformed packets",
			o->in, r->fragments, r->malformed);
	cli_die("%s: there is no TCP in it%s%s", o->in, o->interface ? " from that interface" : "",
		o->filter ? " that matches --filter" : "");
}

/* Reports what there is to say about the capture besides the results. */
static void warn(const struct options *o, const struct replay *r)
{
	if (r->cut)
		cli_say("%s ends in the middle of a packet: what comes before it was replayed",
			o->in);
	if (r->broken.text[0])
		cli_say("%s: %s: what comes before was replayed", o->in, r->broken.text);
	if (r->cut_off > 0)
		cli_say("%s: %" PRIu64 " packet%s cut off (the first is number %" PRIu64 "): zeros "
			"replace what is missing; capture whole packets, as with tcpdump -s 0",
			o->in, r->cut_off, r->cut_off == 1 ? " is" : "s are", r->first_cut_off);
}

static void run_replay(const struct options *o, struct replay *r)
{
	struct error error;

	if (!replay_run(r, &error))
		cli_die("%s: %s", o->in, error.text);
}

/* Replays it with one segment size after another. */
static struct hurt *run_sizes(const struct options *o, struct replay *r)
{
	struct hurt *hurt = calloc(r->connections, sizeof(*hurt));
	size_t room = (size_t)(o->last_size - o->first_size) + 1;

	if (!hurt)
		cli_die("out of memory");
	progress.sizes = (uint32_t)room;
	for (uint32_t size = o->first_size; size <= o->last_size; size++) {
		progress.size = size - o->first_size + 1;
		for (unsigned p = 0; p < r->engine.rules.policies; p++)
			r->engine.rules.policy[p].segment_size = size;
		run_replay(o, r);
		for (size_t i = 0; i < r->connections; i++) {
			enum replay_outcome outcome = replay_outcome(&r->connection[i]);

			if (hurt[i].sizes == 0)
				hurt[i].outcome = outcome;
			if (!(OUTCOMES_BAD & OUTCOME_BIT(outcome)))
				continue;
			if (!hurt[i].size)
				hurt[i].size = calloc(room, sizeof(*hurt[i].size));
			if (!hurt[i].size)
				cli_die("out of memory");
			hurt[i].size[hurt[i].sizes++] = size;
		}
	}
	return hurt;
}

static void free_hurt(struct hurt *hurt, size_t connections)
{
	for (size_t i = 0; hurt && i < connections; i++)
		free(hurt[i].size);
	free(hurt);
}

static void open_outputs(const struct options *o, struct replay *r)
{
	int rc;

	if (o->out && is_same_file(o->in, o->out))
		cli_die("--output %s: that is the capture itself", o->out);
	rc = o->out ? box_capture_open(&r->capture, o->out) : 0;
	if (rc < 0)
		cli_die("--output %s: %s", o->out, strerror(-rc));
	rc = o->settings.events ? eventlog_open(&r->log, o->settings.events, 0) : 0;
	if (rc < 0)
		cli_die("--events %s: %s", o->settings.events, strerror(-rc));
}

/* Closes the outputs. Are they complete? */
static bool close_outputs(const struct options *o, struct replay *r)
{
	bool good = box_capture_close(r->capture);
	int rc = r->log ? eventlog_flush(r->log) : 0;

	if (!good)
		cli_say("--output %s: it could not be written whole", o->out);
	if (rc < 0)
		cli_say("--events %s: it could not be written whole: %s", o->settings.events,
			strerror(-rc));
	eventlog_close(r->log);
	return good && rc == 0;
}

int main(int argc, char **argv)
{
	struct options o;
	struct replay r = { .connections = 0 };
	struct shown shown = { .replay = &r };
	struct hurt *hurt = NULL;
	struct error error;
	struct capture_read *in;
	int status = EXIT_GOOD;

	cli_program = "reseg-replay";
	parse_options(&o, argc, argv);
	if (!capture_read_open(&in, o.in, &error))
		cli_die("%s", error.text);
	open_outputs(&o, &r);
	r.engine = o.settings.engine;
	r.interface = o.interface;
	r.filter = o.filter ? capture_filter_new(o.filter) : NULL;
	if (o.filter && !r.filter)
		cli_die("out of memory");
	progress.from_ns = clock_ns(CLOCK_MONOTONIC);
	r.progress = isatty(STDERR_FILENO) ? show_progress : NULL;
	if (!replay_load(&r, in, &error))
		cli_die("%s: %s", o.in, error.text);
	if (r.packets == 0)
		die_without_packets(&o, &r, in);
	if (o.last_size > 0)
		hurt = run_sizes(&o, &r);
	else
		run_replay(&o, &r);
	end_progress();
	warn(&o, &r);
	shown.only = o.only;
	shown.json = o.json;
	shown.hurt = hurt;
	shown.first_size = o.first_size;
	shown.last_size = o.last_size;
	print_results(&shown);
	for (size_t i = 0; i < r.connections; i++) {
		if (OUTCOMES_BAD &
		    OUTCOME_BIT(hurt ? hurt[i].outcome : replay_outcome(&r.connection[i])))
			status = EXIT_FINDING;
	}
	if (!close_outputs(&o, &r) || r.broken.text[0])
		status = EXIT_USAGE;
	capture_read_close(in);
	capture_filter_free(r.filter);
	free_hurt(hurt, r.connections);
	replay_free(&r);
	settings_free(&o.settings);
	return status;
}
