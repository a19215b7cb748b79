/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * reseg-probe: sends SMTP envelopes of exact sizes, one write each, and reports what came back
 */

#include "io/cli.h"
#include "io/clock.h"
#include "io/decimal.h"
#include "net.h"
#include "probe/envelope.h"
#include "probe/expect.h"
#include "probe/identify.h"
#include "probe/print.h"
#include "probe/sweep.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_DEFAULT_NS (10 * NS_PER_S)
#define IDENTIFY_TIMEOUT_DEFAULT_NS (3 * NS_PER_S)
#define PARALLEL_DEFAULT 100
#define PROGRESS_EVERY_NS (100 * NS_PER_MS)
#define ROWS_MAX 200000

struct options {
	const char *sizes;
	uint32_t repeat;
	const char *expect;
	const char *split;
	const char *target;
	print_format *format;
	const char *format_name;
	bool identify;
	uint32_t segment_size;
	int family;
	struct sweep sweep;
};

static void print_help(void)
{
	printf("Usage: reseg-probe sweep --sizes LIST [OPTION]... HOST[:PORT]\n"
	       "       reseg-probe one   --size N     [OPTION]... HOST[:PORT]\n"
	       "       reseg-probe identify           [OPTION]... HOST[:PORT]\n"
	       "Sends SMTP envelopes (MAIL, RCPT, DATA, pipelined) of exact sizes, one write\n"
	       "each, and reports what came back. It ends each connection before the message: no\n"
	       "mail is sent. identify finds out what is wrong with a path: a box that\n"
	       "re-segments, an MTU black hole, a slow server... It makes some 1,500\n"
	       "connections, and takes only --timeout, --limit, --parallel, --format table or\n"
	       "json, -4 and -6.\n"
	       "\n"
	       "  --sizes LIST       sizes in bytes, %d to %d (echo: from 1), as\n"
	       "                     500-530,1025; a size listed twice is tried twice\n"
	       "  --repeat N         sweep: try each listed size N times (1)\n"
	       "  --protocol NAME    smtp; or echo: write any bytes to a server that sends them\n"
	       "                     back (smtp)\n"
	       "  --split WHERE      write in two parts, the first of which is first-line, or a\n"
	       "                     number of bytes\n"
	       "  --timeout S        give up after S seconds without progress (%d; identify: %d)\n"
	       "  --limit S          end a connection after S seconds in any case (%d time-outs)\n"
	       "  --parallel N       connections at once (%d)\n"
	       "  --format NAME      table, json, tap or junit (table)\n"
	       "  --expect WHAT      compare with finch2008, clean, or a FILE that --format json\n"
	       "                     wrote; without it, every size should be ok\n"
	       "  --segment-size N   the box's segment size, for finch2008 (512)\n"
	       "  -4, -6             use only that IP version\n"
	       "  --help, --version\n"
	       "\n"
	       "Outcomes: ok; rejected (all replies came, but the server would not take the\n"
	       "mail; counts as ok); stalled (all bytes ACKed, replies missing); reset; refused\n"
	       "(no connection); error.\n"
	       "Exit status: 0 as expected, 1 not as expected, 2 it could not be run.\n",
	       ENVELOPE_MIN, ENVELOPE_MAX, (int)(TIMEOUT_DEFAULT_NS / NS_PER_S),
	       (int)(IDENTIFY_TIMEOUT_DEFAULT_NS / NS_PER_S), SWEEP_LIMIT_TIMEOUTS,
	       PARALLEL_DEFAULT);
}

static uint32_t parse_size(const char **text, uint32_t min, const char *list)
{
	uint64_t value;
	size_t at = 0;

	if (!decimal_read(*text, strlen(*text), &at, ENVELOPE_MAX, &value) || value < min)
		cli_die("--sizes %s: give sizes from %" PRIu32 " to %d, as 500-530,1025", list, min,
			ENVELOPE_MAX);
	*text += at;
	return (uint32_t)value;
}

/* Makes rows: each size `repeat` times for each time it is listed, in the order of sizes. */
static void make_rows(struct sweep *s, const char *list, uint32_t repeat)
{
	static uint32_t wanted[ENVELOPE_MAX + 1];
	uint32_t min = s->protocol == PROTOCOL_SMTP ? ENVELOPE_MIN : 1;
	const char *text = list;
	size_t count = 0;

	for (;;) {
		uint32_t first = parse_size(&text, min, list), last = first;

		if (*text == '-') {
			text++;
			last = parse_size(&text, min, list);
		}
		if (last < first || (*text != ',' && *text != '\0'))
			cli_die("--sizes %s: give sizes as 500-530,1025", list);
		for (uint32_t size = first; size <= last; size++)
			wanted[size] += repeat;
		count += (size_t)(last - first + 1) * repeat;
		if (count > ROWS_MAX)
			cli_die("more than %d connections: give fewer --sizes or less --repeat",
				ROWS_MAX);
		if (*text++ == '\0')
			break;
	}
	s->rows = calloc(count, sizeof(*s->rows));
	if (!s->rows)
		cli_die("out of memory");
	for (uint32_t size = 0; size <= ENVELOPE_MAX; size++) {
		for (uint32_t i = 0; i < wanted[size]; i++)
			s->rows[s->count++].size = size;
	}
}

static void show_progress(size_t done, size_t count, size_t waiting)
{
	static uint64_t shown_ns;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (done == count)
		fprintf(stderr, "\r\033[K");
	else if (now - shown_ns >= PROGRESS_EVERY_NS)
		fprintf(stderr, "\r\033[K%zu of %zu connections done, %zu waiting for replies",
			done, count, waiting);
	else
		return;
	shown_ns = now;
}

enum {
	SIZES = 256,
	SIZE,
	PROTOCOL,
	SPLIT,
	TIMEOUT,
	PARALLEL,
	FORMAT,
	EXPECT,
	SEGMENT_SIZE,
	REPEAT,
	LIMIT
};

static const struct option option_table[] = {
	{ "sizes", required_argument, NULL, SIZES },
	{ "size", required_argument, NULL, SIZE },
	{ "repeat", required_argument, NULL, REPEAT },
	{ "limit", required_argument, NULL, LIMIT },
	{ "protocol", required_argument, NULL, PROTOCOL },
	{ "split", required_argument, NULL, SPLIT },
	{ "timeout", required_argument, NULL, TIMEOUT },
	{ "parallel", required_argument, NULL, PARALLEL },
	{ "format", required_argument, NULL, FORMAT },
	{ "expect", required_argument, NULL, EXPECT },
	{ "segment-size", required_argument, NULL, SEGMENT_SIZE },
	CLI_COMMON_OPTIONS,
};

/* Which options were given that not every command takes. */
struct given {
	bool one;		/* --size, not --sizes */
	bool sized;		/* either of them */
	bool timed;
	bool for_sweep;
};

/* Notes one option. */
static void take_option(struct options *o, struct given *given, int option)
{
	switch (option) {
	case SIZES:
	case SIZE:
		if (given->sized)
			cli_die("give --size or --sizes once");
		given->sized = true;
		o->sizes = optarg;
		given->one = option == SIZE;
		break;
	case PROTOCOL:
		given->for_sweep = true;
		if (strcmp(optarg, "smtp") != 0 && strcmp(optarg, "echo") != 0)
			cli_die("--protocol %s: give smtp or echo", optarg);
		o->sweep.protocol = optarg[0] == 's' ? PROTOCOL_SMTP : PROTOCOL_ECHO;
		break;
	case SPLIT:
		o->split = optarg;
		break;
	case TIMEOUT:
		given->timed = true;
		o->sweep.timeout_ns = cli_seconds("--timeout", optarg, 0.001, 86400);
		break;
	case LIMIT:
		o->sweep.limit_ns = cli_seconds("--limit", optarg, 0.001, 8640000);
		break;
	case REPEAT:
		o->repeat = (uint32_t)cli_number("--repeat", optarg, 1, ROWS_MAX);
		break;
	case PARALLEL:
		o->sweep.parallel = (unsigned)cli_number("--parallel", optarg, 1, 100000);
		break;
	case FORMAT:
		o->format = print_find(optarg);
		o->format_name = optarg;
		if (!o->format)
			cli_die("--format %s: give table, json, tap or junit", optarg);
		break;
	case EXPECT:
		o->expect = optarg;
		break;
	case SEGMENT_SIZE:
		given->for_sweep = true;
		o->segment_size = (uint32_t)cli_number("--segment-size", optarg, 1, 65495);
		break;
	case '4':
	case '6':
		o->family = option == '4' ? AF_INET : AF_INET6;
		break;
	}
}

/* Ends the program if options do not fit the command. */
static void check_options(const struct options *o, const struct given *given, bool says_one)
{
	bool for_sweep = given->for_sweep || o->repeat > 0 || given->sized || o->expect ||
			 o->split ||
			 (o->format_name && strcmp(o->format_name, "table") != 0 &&
			  strcmp(o->format_name, "json") != 0);

	if (o->identify && for_sweep)
		cli_die("identify takes --timeout, --limit, --parallel, --format table or json, -4 "
			"and -6; see --help");
	if (!o->identify && (!given->sized || given->one != says_one))
		cli_die("%s", says_one ? "one needs --size N" : "sweep needs --sizes LIST");
	if (given->one && o->repeat)
		cli_die("--repeat is for sweep: say sweep --sizes %s --repeat %" PRIu32, o->sizes,
			o->repeat);
	if (o->sweep.limit_ns > 0 && o->sweep.limit_ns < o->sweep.timeout_ns)
		cli_die("--limit is shorter than --timeout: give at least %g s, or a shorter "
			"--timeout",
			(double)o->sweep.timeout_ns / NS_PER_S);
}

static void parse_options(struct options *o, int argc, char **argv)
{
	struct given given = { .one = false };
	const char *verb;
	int option;

	*o = (struct options){ .format = print_find("table"), .segment_size = 512 };
	o->sweep.timeout_ns = TIMEOUT_DEFAULT_NS;
	o->sweep.parallel = PARALLEL_DEFAULT;
	while ((option = cli_option(argc, argv, "46", option_table, print_help)) != -1)
		take_option(o, &given, option);
	verb = optind < argc ? argv[optind] : "";
	if (strcmp(verb, "sweep") != 0 && strcmp(verb, "one") != 0 && strcmp(verb, "identify") != 0)
		cli_die("say sweep, one or identify; see --help");
	o->identify = strcmp(verb, "identify") == 0;
	if (o->identify && !given.timed)
		o->sweep.timeout_ns = IDENTIFY_TIMEOUT_DEFAULT_NS;
	check_options(o, &given, strcmp(verb, "one") == 0);
	if (optind + 2 != argc)
		cli_die("give one target, HOST or HOST:PORT; see --help");
	o->target = argv[optind + 1];
	if (given.one)
		cli_number("--size", o->sizes,
			   o->sweep.protocol == PROTOCOL_SMTP ? ENVELOPE_MIN : 1, ENVELOPE_MAX);
	if (o->split && strcmp(o->split, "first-line") == 0)
		o->sweep.split = SPLIT_LINE;
	else if (o->split)
		o->sweep.split = (uint32_t)cli_number("--split", o->split, 1, ENVELOPE_MAX - 1);
}

/* Reports what is wrong with the path. */
static int identify(const struct options *o)
{
	struct identify id = {
		.trials = {
			.target = o->sweep.target,
			.timeout_ns = o->sweep.timeout_ns,
			.limit_ns = o->sweep.limit_ns,
			.parallel = o->sweep.parallel,
			.progress = o->sweep.progress,
		},
	};
	struct error error;

	if (!identify_run(&id, &error))
		cli_die("%s: %s", o->target, error.text);
	if (o->format_name && strcmp(o->format_name, "json") == 0)
		identify_print_json(stdout, &id, o->target);
	else
		identify_print(stdout, &id, o->target);
	identify_free(&id);
	if (fflush(stdout) != 0)
		cli_die("the result could not be written");
	return id.class == CLASS_NONE ? EXIT_GOOD : EXIT_FINDING;
}

int main(int argc, char **argv)
{
	struct options o;
	struct expect *expect = NULL;
	struct print report;
	struct error error;
	bool met = true;
	int rc;

	cli_program = "reseg-probe";
	parse_options(&o, argc, argv);
	if (!o.identify)
		make_rows(&o.sweep, o.sizes, o.repeat > 0 ? o.repeat : 1);
	if (o.expect && !expect_open(&expect, o.expect, o.segment_size, &error))
		cli_die("--expect %s: %s", o.expect, error.text);
	if (!net_resolve(o.target, o.sweep.protocol == PROTOCOL_SMTP ? 25 : 7, o.family,
			 &o.sweep.target, &error))
		cli_die("%s: %s", o.target, error.text);
	net_raise_descriptor_limit();
	if (isatty(STDERR_FILENO))
		o.sweep.progress = show_progress;
	if (o.identify)
		return identify(&o);
	rc = sweep_run(&o.sweep);
	if (rc < 0)
		cli_die("%s", strerror(-rc));

	report = (struct print){ &o.sweep, expect, o.target };
	o.format(stdout, &report);
	for (size_t i = 0; i < o.sweep.count; i++)
		met = met && expect_met(expect, &o.sweep, &o.sweep.rows[i]);
	if (fflush(stdout) != 0)
		cli_die("the report could not be written");
	expect_close(expect);
	free(o.sweep.rows);
	return met ? EXIT_GOOD : EXIT_FINDING;
}
