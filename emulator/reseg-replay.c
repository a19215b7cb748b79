/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * reseg-replay: what a capture would have become behind the box
 *
 * See replay.h for how.
 */

#include "io/cli.h"
#include "replay.h"
#include "settings.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <jansson.h>
#include <sys/stat.h>

struct options {
	struct settings settings;
	const char *config;
	const char *in, *out;		/* out: NULL: none */
	const char *interface;		/* name or number; NULL: the first */
	bool json;
};

static void print_help(void)
{
	printf("Usage: reseg-replay [OPTION]... CAPTURE\n"
	       "Runs the connections of a capture (pcap or pcapng, also packed by gzip; -: from\n"
	       "standard input) through the box, without a network: what would have become of\n"
	       "them behind it.\n"
	       "\n"
	       "  --output FILE, -o     write what the box took in and made, as pcapng with\n"
	       "                        comments\n"
	       "  --interface WHICH     of a pcapng file: the packets of this interface, by name\n"
	       "                        or by number from 0 (the first)\n"
	       "  --segment-size BYTES, --fault NAME[:K=V,...], --direction WHICH,\n"
	       "  --arrival UNIT, --flows N, --window BYTES, --memory BYTES, --overload WHAT,\n"
	       "  --events FILE, --config FILE, -c\n"
	       "                        as for resegd\n"
	       "  --format table|json   (table)\n"
	       "  --help, --version\n"
	       "\n"
	       "Exit status: 1 if a connection would have lost octets or hung by the fault.\n");
}

static void parse_options(struct options *o, int argc, char **argv)
{
	enum { INTERFACE = 256, FORMAT, KEYS };
	static const struct option others[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "interface", required_argument, NULL, INTERFACE },
		{ "config", required_argument, NULL, 'c' },
		{ "format", required_argument, NULL, FORMAT },
		CLI_COMMON_OPTIONS,
	};
	struct option table[SETTINGS_KEYS_MAX + sizeof(others) / sizeof(others[0])];
	struct settings_mistakes mistakes = { .bytes = 0 };
	size_t n = 0;
	int option;

	*o = (struct options){ .in = NULL };
	for (const struct settings_key *k = settings_keys; k->name; k++) {
		if (k->where & SETTINGS_ENGINE)
			table[n++] = (struct option){ k->name, required_argument, NULL,
						      KEYS + (int)(k - settings_keys) };
	}
	memcpy(table + n, others, sizeof(others));
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
		case FORMAT:
			o->json = strcmp(optarg, "json") == 0;
			if (!o->json && strcmp(optarg, "table") != 0)
				cli_die("--format %s: give table or json", optarg);
			break;
		default:
			settings_set(&o->settings, &settings_keys[option - KEYS], optarg, &mistakes);
		}
	}
	settings_finish(&o->settings, &mistakes);
	if (mistakes.count > 0)
		cli_die_lines(mistakes.text);
	if (optind + 1 != argc)
		cli_die("give one capture file; see --help");
	o->in = argv[optind];
}

/* Results --------------------------------------------------------------------------------- */

static uint64_t orphaned_of(const struct replay_result *r, enum engine_side source)
{
	return r->totals[source].acked - r->totals[source].delivered;
}

/* Did all come through? An end that got a RST had no more to send. */
static bool is_good(const struct replay_connection *c, const struct replay_result *r)
{
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		if ((r->sent[side] < c->packets[side] && !r->reset) || orphaned_of(r, side) > 0)
			return false;
	}
	return true;
}

/* Faults are to blame only for what goes well without them. */
static bool is_finding(const struct replay_connection *c)
{
	return c->result.taken && !is_good(c, &c->result) && is_good(c, &c->without);
}

static const char *outcome(const struct replay_connection *c)
{
	if (!c->result.taken)
		return "passed";
	if (is_good(c, &c->result))
		return "ok";
	if (is_finding(c))
		return c->result.stalls > 0 ? "stalled" : "hung";
	return c->without.reset ? "reset" : "incomplete";
}

static uint64_t orphaned(const struct replay_connection *c, enum engine_side source)
{
	return orphaned_of(&c->result, source);
}

/* The caller frees it. */
static char *end_text(const struct replay_connection *c, enum engine_side side)
{
	char address[INET6_ADDRSTRLEN], *text;

	inet_ntop(c->version == 4 ? AF_INET : AF_INET6, c->address[side], address, sizeof(address));
	if (asprintf(&text, c->version == 4 ? "%s:%u" : "[%s]:%u", address, c->port[side]) < 0)
		cli_die("out of memory");
	return text;
}

static const char *const outcomes[] = { "ok", "stalled", "hung", "reset", "incomplete", "passed" };

/* "3 ok, 1 stalled" */
static void print_counts(const struct replay *r)
{
	const char *comma = "";

	for (size_t k = 0; k < sizeof(outcomes) / sizeof(outcomes[0]); k++) {
		size_t count = 0;

		for (size_t i = 0; i < r->connections; i++)
			count += strcmp(outcome(&r->connection[i]), outcomes[k]) == 0;
		if (count > 0) {
			printf("%s%zu %s", comma, count, outcomes[k]);
			comma = ", ";
		}
	}
}

/* The widest name of an end. */
static int width_of(const struct replay *r, enum engine_side side, const char *heading)
{
	size_t width = strlen(heading);

	for (size_t i = 0; i < r->connections; i++) {
		char *text = end_text(&r->connection[i], side);

		width = strlen(text) > width ? strlen(text) : width;
		free(text);
	}
	return (int)width;
}

static void print_table(const struct replay *r)
{
	int wide[2] = { width_of(r, CLIENT, "client"), width_of(r, SERVER, "server") };

	printf("%-*s  %-*s  outcome     stalls  acted  orphaned  packets sent of those captured\n", wide[CLIENT], "client",
	       wide[SERVER], "server");
	for (size_t i = 0; i < r->connections; i++) {
		const struct replay_connection *c = &r->connection[i];
		char *client = end_text(c, CLIENT), *server = end_text(c, SERVER);

		printf("%-*s  %-*s  %-10s  %6" PRIu64 "  %5" PRIu64 "  %8" PRIu64 "  client %" PRIu64 " of %" PRIu64
		       ", server %" PRIu64 " of %" PRIu64 "\n", wide[CLIENT], client, wide[SERVER], server, outcome(c),
		       c->result.stalls, c->result.acted, orphaned(c, CLIENT) + orphaned(c, SERVER), c->result.sent[CLIENT],
		       c->packets[CLIENT], c->result.sent[SERVER], c->packets[SERVER]);
		free(client);
		free(server);
	}
	printf("%" PRIu64 " packets of %zu connection%s: ", r->packets, r->connections, r->connections == 1 ? "" : "s");
	print_counts(r);
	if (r->others > 0)
		printf("; %" PRIu64 " that are not TCP are left out", r->others);
	if (r->repaired > 0)
		printf("; %" PRIu64 " checksums are wrong in the capture only", r->repaired);
	if (r->unread > 0)
		printf("; %" PRIu64 " of link type %u are left out", r->unread, r->unread_type);
	printf("\n");
}

static json_t *end_json(const struct replay_connection *c, enum engine_side side)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "packets", (json_int_t)c->packets[side], "sent",
			 (json_int_t)c->result.sent[side], "acked", (json_int_t)c->result.totals[side].acked, "delivered",
			 (json_int_t)c->result.totals[side].delivered);
}

static void print_json(const struct replay *r)
{
	json_int_t left_out = (json_int_t)r->others + (json_int_t)r->unread;
	json_t *rows = json_array(), *root;

	for (size_t i = 0; i < r->connections; i++) {
		const struct replay_connection *c = &r->connection[i];
		uint64_t lost = orphaned(c, CLIENT) + orphaned(c, SERVER);
		char address[2][INET6_ADDRSTRLEN];

		for (unsigned side = CLIENT; side <= SERVER; side++)
			inet_ntop(c->version == 4 ? AF_INET : AF_INET6, c->address[side], address[side],
				  sizeof(address[side]));
		json_array_append_new(rows, json_pack("{s:s, s:i, s:s, s:i, s:s, s:I, s:I, s:I, s:o, s:o}", "client", address[CLIENT],
						      "client_port", (int)c->port[CLIENT], "server", address[SERVER],
						      "server_port", (int)c->port[SERVER], "outcome", outcome(c), "stalls",
						      (json_int_t)c->result.stalls, "acted", (json_int_t)c->result.acted, "orphaned",
						      (json_int_t)lost, "c2s",
						      end_json(c, CLIENT), "s2c", end_json(c, SERVER)));
	}
	root = json_pack("{s:I, s:I, s:I, s:b, s:f, s:o}", "packets", (json_int_t)r->packets, "left_out",
			 left_out, "repaired", (json_int_t)r->repaired, "cut", r->cut, "time_s", (double)r->duration_ns / 1e9, "rows", rows);
	json_dumpf(root, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(root);
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Says why there is nothing to replay. */
static void die_without_packets(const struct options *o, const struct replay *r, const struct capread *in)
{
	unsigned found = 0;

	while (o->interface && found < capread_interfaces(in) &&
	       (!capread_interface(in, found) || strcmp(capread_interface(in, found), o->interface) != 0))
		found++;
	if (o->interface && o->interface[strspn(o->interface, "0123456789")] != '\0' && found == capread_interfaces(in))
		cli_die("--interface %s: %s has no interface of that name", o->interface, o->in);
	if (r->unread > 0)
		cli_die("%s: no IP packets can be found in it, as its link type is %u (see "
			"https://www.tcpdump.org/linktypes.html)", o->in, r->unread_type);
	cli_die("%s: there is no TCP in it%s", o->in, o->interface ? ", by that interface" :
		capread_interfaces(in) > 1 ? ", by the first interface: choose another with --interface" : "");
}

int main(int argc, char **argv)
{
	struct options o;
	struct replay r = { .connections = 0 };
	char error[CAPREAD_ERROR_BYTES];
	struct capread *in;
	int rc, status = EXIT_GOOD;

	cli_program = "reseg-replay";
	parse_options(&o, argc, argv);
	if (!capread_open(&in, o.in, error))
		cli_die("%s", error);
	if (o.out && is_same_file(o.in, o.out))
		cli_die("--output %s: that is the capture itself", o.out);
	r.engine = o.settings.engine;
	r.interface = o.interface;
	rc = o.out ? boxcap_open(&r.capture, o.out) : 0;
	if (rc < 0)
		cli_die("--output %s: %s", o.out, strerror(-rc));
	rc = o.settings.events ? eventlog_open(&r.log, o.settings.events, 0) : 0;
	if (rc < 0)
		cli_die("--events %s: %s", o.settings.events, strerror(-rc));
	if (!replay_run(&r, in, error))
		cli_die("%s: %s", o.in, error);
	if (r.packets == 0)
		die_without_packets(&o, &r, in);
	if (r.cut)
		cli_complain("%s ends in the middle of a packet: what comes before it was replayed", o.in);
	if (!boxcap_close(r.capture))
		cli_die("--output %s: it could not be written whole", o.out);
	rc = r.log ? eventlog_flush(r.log) : 0;
	if (rc < 0)
		cli_die("--events %s: it could not be written whole: %s", o.settings.events, strerror(-rc));
	eventlog_close(r.log);
	capread_close(in);
	if (o.json)
		print_json(&r);
	else
		print_table(&r);
	for (size_t i = 0; i < r.connections; i++)
		status = is_finding(&r.connection[i]) ? EXIT_FINDING : status;
	replay_free(&r);
	settings_free(&o.settings);
	return status;
}
