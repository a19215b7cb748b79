/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/print.h"

#include "core/units.h"
#include "io/cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <jansson.h>

#define STALLS_SHOWN 3

const char *const outcome_names[REPLAY_OUTCOMES] = {
	[REPLAY_OK] = "ok",       [REPLAY_STALLED] = "stalled",       [REPLAY_HUNG] = "hung",
	[REPLAY_RESET] = "reset", [REPLAY_INCOMPLETE] = "incomplete", [REPLAY_PASSED] = "passed",
};

static enum replay_outcome outcome_of(const struct shown *s, size_t i)
{
	return s->hurt ? s->hurt[i].outcome : replay_outcome(&s->replay->connection[i]);
}

static bool is_shown(const struct shown *s, size_t i)
{
	return s->only & OUTCOME_BIT(outcome_of(s, i));
}

static void address_text(const struct replay_connection *c, enum engine_side side,
			 char text[INET6_ADDRSTRLEN])
{
	inet_ntop(c->version == 4 ? AF_INET : AF_INET6, c->address[side], text, INET6_ADDRSTRLEN);
}

/* The caller frees it. */
static char *end_text(const struct replay_connection *c, enum engine_side side)
{
	char address[INET6_ADDRSTRLEN], *text;

	address_text(c, side, address);
	if (asprintf(&text, c->version == 4 ? "%s:%u" : "[%s]:%u", address, c->port[side]) < 0)
		cli_die("out of memory");
	return text;
}

/* The width of the widest name of an end that is shown. */
static int width_of(const struct shown *s, enum engine_side side, const char *heading)
{
	size_t width = strlen(heading);

	for (size_t i = 0; i < s->replay->connections; i++) {
		char *text = end_text(&s->replay->connection[i], side);

		if (is_shown(s, i) && strlen(text) > width)
			width = strlen(text);
		free(text);
	}
	return (int)width;
}

/* "1 packet", "2 packets" */
static void print_count(const char *before, uint64_t count, const char *what)
{
	printf("%s%" PRIu64 " %s%s", before, count, what, count == 1 ? "" : "s");
}

/* "3 ok, 1 stalled" */
static void print_outcomes(const struct shown *s)
{
	const char *comma = "";

	for (unsigned k = 0; k < REPLAY_OUTCOMES; k++) {
		size_t count = 0;

		for (size_t i = 0; i < s->replay->connections; i++)
			count += outcome_of(s, i) == k;
		if (count > 0) {
			printf("%s%zu %s", comma, count, outcome_names[k]);
			comma = ", ";
		}
	}
}

/* "; left out: 3 not TCP, 1 fragmented" */
static void print_left_out(const struct replay *r)
{
	const struct {
		uint64_t count;
		const char *what;
	} others[] = {
		{ r->not_tcp, "not TCP" },
		{ r->fragments, "fragmented" },
		{ r->malformed, "malformed" },
		{ r->headless, "cut off within their headers" },
		{ r->unread, "of a link type that is not read" },
		{ r->other_interfaces, "of other interfaces" },
		{ r->filtered_out, "by --filter" },
	};
	const char *before = "; left out: ";

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (others[i].count > 0) {
			printf("%s%" PRIu64 " %s", before, others[i].count, others[i].what);
			before = ", ";
		}
	}
}

static void print_sum(const struct shown *s)
{
	const struct replay *r = s->replay;

	print_count("", r->packets, "packet");
	print_count(" of ", r->connections, "connection");
	if (s->hurt)
		printf(", segment sizes %" PRIu32 " to %" PRIu32, s->first_size, s->last_size);
	printf(": ");
	print_outcomes(s);
	if (r->repaired > 0) {
		print_count("; ", r->repaired, "checksum");
		printf(" %s wrong in the capture only", r->repaired == 1 ? "is" : "are");
	}
	print_left_out(r);
	printf("\n");
}

/* "; stalled at packet 9, 15, 21 and 4 more" */
static void print_stalls(const struct replay_result *r)
{
	for (uint64_t i = 0; i < r->stalls && i < STALLS_SHOWN; i++)
		printf("%s%" PRIu64, i == 0 ? "; stalled at packet " : ", ", r->stall[i]);
	if (r->stalls > STALLS_SHOWN)
		printf(" and %" PRIu64 " more", r->stalls - STALLS_SHOWN);
}

static void print_row(const struct replay_connection *c)
{
	const struct replay_result *r = &c->result;

	printf("  %6" PRIu64 "  %5" PRIu64 "  %8" PRIu64 "  client %" PRIu64 " of %" PRIu64
	       ", server %" PRIu64 " of %" PRIu64,
	       r->stalls, r->acted, replay_orphaned(c), r->sent[CLIENT], c->packets[CLIENT],
	       r->sent[SERVER], c->packets[SERVER]);
	print_stalls(r);
}

/* "3: 64, 512-513" */
static void print_sizes(const struct hurt *h)
{
	printf("  %zu", h->sizes);
	for (size_t i = 0; i < h->sizes;) {
		size_t last = i;

		while (last + 1 < h->sizes && h->size[last + 1] == h->size[last] + 1)
			last++;
		printf("%s%" PRIu32, i == 0 ? ": " : ", ", h->size[i]);
		if (last > i)
			printf("-%" PRIu32, h->size[last]);
		i = last + 1;
	}
}

static void print_table(const struct shown *s)
{
	int wide[2] = { width_of(s, CLIENT, "client"), width_of(s, SERVER, "server") };
	unsigned rows = 0;

	for (size_t i = 0; i < s->replay->connections; i++) {
		const struct replay_connection *c = &s->replay->connection[i];
		char *client = end_text(c, CLIENT), *server = end_text(c, SERVER);

		if (is_shown(s, i)) {
			if (rows++ == 0)
				printf("%-*s  %-*s  outcome     %s\n", wide[CLIENT], "client",
				       wide[SERVER], "server",
				       s->hurt ? "segment sizes that hurt it"
					       : "stalls  acted  orphaned  packets sent of those "
						 "captured");
			printf("%-*s  %-*s  %-10s", wide[CLIENT], client, wide[SERVER], server,
			       outcome_names[outcome_of(s, i)]);
			if (s->hurt)
				print_sizes(&s->hurt[i]);
			else
				print_row(c);
			printf("\n");
		}
		free(client);
		free(server);
	}
	print_sum(s);
}

static json_t *end_json(const struct replay_connection *c, enum engine_side side)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "packets", (json_int_t)c->packets[side], "sent",
			 (json_int_t)c->result.sent[side], "acked",
			 (json_int_t)c->result.totals[side].acked, "delivered",
			 (json_int_t)c->result.totals[side].delivered);
}

static json_t *row_json(const struct shown *s, size_t i)
{
	const struct replay_connection *c = &s->replay->connection[i];
	char address[2][INET6_ADDRSTRLEN];
	json_t *row, *numbers = json_array();

	address_text(c, CLIENT, address[CLIENT]);
	address_text(c, SERVER, address[SERVER]);
	row = json_pack("{s:s, s:i, s:s, s:i, s:s}", "client", address[CLIENT], "client_port",
			(int)c->port[CLIENT], "server", address[SERVER], "server_port",
			(int)c->port[SERVER], "outcome", outcome_names[outcome_of(s, i)]);
	if (s->hurt) {
		for (size_t k = 0; k < s->hurt[i].sizes; k++)
			json_array_append_new(numbers, json_integer(s->hurt[i].size[k]));
		json_object_set_new(row, "hurt_by", numbers);
		return row;
	}
	for (uint64_t k = 0; k < c->result.stalls; k++)
		json_array_append_new(numbers, json_integer((json_int_t)c->result.stall[k]));
	json_object_update_new(row, json_pack("{s:I, s:o, s:I, s:I, s:o, s:o}", "stalls",
					      (json_int_t)c->result.stalls, "stalled_at", numbers,
					      "acted", (json_int_t)c->result.acted, "orphaned",
					      (json_int_t)replay_orphaned(c), "c2s",
					      end_json(c, CLIENT), "s2c", end_json(c, SERVER)));
	return row;
}

static void print_json(const struct shown *s)
{
	const struct replay *r = s->replay;
	uint64_t left_out = r->not_tcp + r->fragments + r->malformed + r->headless + r->unread;
	json_t *rows = json_array(), *outcomes = json_object(), *root;

	for (unsigned k = 0; k < REPLAY_OUTCOMES; k++)
		json_object_set_new(outcomes, outcome_names[k], json_integer(0));
	for (size_t i = 0; i < r->connections; i++) {
		const char *name = outcome_names[outcome_of(s, i)];

		json_object_set_new(
			outcomes, name,
			json_integer(json_integer_value(json_object_get(outcomes, name)) + 1));
		if (is_shown(s, i))
			json_array_append_new(rows, row_json(s, i));
	}
	root = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s*, s:f, s:o, s:o}",
		"packets", (json_int_t)r->packets, "left_out", (json_int_t)left_out, "not_tcp",
		(json_int_t)r->not_tcp, "fragments", (json_int_t)r->fragments, "malformed",
		(json_int_t)r->malformed, "headless", (json_int_t)r->headless, "unread",
		(json_int_t)r->unread, "other_interfaces", (json_int_t)r->other_interfaces,
		"filtered_out", (json_int_t)r->filtered_out, "cut_off", (json_int_t)r->cut_off,
		"repaired", (json_int_t)r->repaired, "cut", (int)r->cut, "broken",
		r->broken.text[0] ? r->broken.text : NULL, "time_s",
		(double)r->duration_ns / NS_PER_S, "outcomes", outcomes, "rows", rows);
	if (s->hurt)
		json_object_set_new(root, "segment_sizes",
				    json_pack("[I, I]", (json_int_t)s->first_size,
					      (json_int_t)s->last_size));
	json_dumpf(root, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(root);
}

void print_results(const struct shown *s)
{
	if (s->json)
		print_json(s);
	else
		print_table(s);
}
