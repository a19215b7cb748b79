/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tables.h"

#include "io/cli.h"
#include "io/clock.h"
#include "settings/faultspec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 80
#define END_BYTES 64	/* of a text "[ADDRESS]:PORT" */

const char *tables_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

static int64_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

void tables_faults(const json_t *status)
{
	const json_t *policy, *fault;
	size_t i, k;

	printf("%-16s %5s %-40s %10s\n", "policy", "id", "fault", "acted");
	json_array_foreach(json_object_get(status, "policies"), i, policy)
	{
		const json_t *faults = json_object_get(policy, "faults");

		if (json_array_size(faults) == 0)
			printf("%-16s %5s %-40s %10s\n", tables_text(policy, "policy"), "-", "none",
			       "-");
		json_array_foreach(faults, k, fault)
		{
			printf("%-16s %5" PRId64 " %-40s %10" PRId64 "\n",
			       tables_text(policy, "policy"), number_of(fault, "id"),
			       tables_text(fault, "fault"), number_of(fault, "acted"));
		}
	}
}

void tables_status(const json_t *status)
{
	const json_t *policy, *value;
	const char *name;
	size_t i;

	printf("resegd %s, process %" PRId64 ", %.0f s%s\nqueue %" PRId64 ", workers %" PRId64
	       ", injector %s\n\n",
	       tables_text(status, "version"), number_of(status, "pid"),
	       json_real_value(json_object_get(status, "uptime_s")),
	       json_is_true(json_object_get(status, "stopping")) ? ", being stopped" : "",
	       number_of(status, "queue"), number_of(status, "workers"),
	       tables_text(status, "injector"));
	printf("%-16s %6s %-9s %-7s\n", "policy", "S", "direction", "arrival");
	json_array_foreach(json_object_get(status, "policies"), i, policy)
	{
		printf("%-16s %6" PRId64 " %-9s %-7s\n", tables_text(policy, "policy"),
		       number_of(policy, "segment_size"), tables_text(policy, "direction"),
		       tables_text(policy, "arrival"));
	}
	printf("\n");
	tables_faults(status);
	printf("\n");
	/* Counters that are 0 are not worth a line. */
	json_object_foreach(json_object_get(status, "counters"), name, value)
	{
		if (json_integer_value(value) != 0)
			printf("%-24s %14" PRId64 "\n", name, (int64_t)json_integer_value(value));
	}
}

/* A number of a connection, summed over both halves. */
static int64_t both(const json_t *flow, const char *key)
{
	return number_of(json_object_get(flow, "c2s"), key) +
	       number_of(json_object_get(flow, "s2c"), key);
}

static const char *sort_key;

static int compare(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	double difference;

	if (strcmp(sort_key, "idle") == 0)
		difference = json_number_value(json_object_get(y, "idle_s")) -
			     json_number_value(json_object_get(x, "idle_s"));
	else if (strcmp(sort_key, "flow") == 0)
		difference = 0;
	else
		difference = (double)(both(y, sort_key) - both(x, sort_key));
	if (difference == 0)
		difference = (double)(number_of(x, "flow") - number_of(y, "flow"));
	return difference < 0 ? -1 : difference > 0;
}

static bool is_stalled(const json_t *flow)
{
	return json_is_true(json_object_get(json_object_get(flow, "c2s"), "stalled")) ||
	       json_is_true(json_object_get(json_object_get(flow, "s2c"), "stalled"));
}

static bool is_of_client(const struct tables_choice *c, const json_t *flow)
{
	const char *client = tables_text(flow, "client");
	static const uint8_t any[16];
	struct prefix address;

	return faultspec_prefix(&address, client, strlen(client)) &&
	       match_has(&c->match, address.address, any, 0);
}

json_t *tables_choose(const struct tables_choice *c, const json_t *answer)
{
	const json_t *flows = json_object_get(answer, "flows");
	size_t count = json_array_size(flows), chosen = 0;
	json_t **list = calloc(count + 1, sizeof(json_t *)), *out = json_array();

	if (!list || !out)
		cli_die("out of memory");
	for (size_t i = 0; i < count; i++) {
		json_t *flow = json_array_get(flows, i);

		if ((!c->stalled || is_stalled(flow)) && (!c->of_client || is_of_client(c, flow)))
			list[chosen++] = flow;
	}
	sort_key = c->sort;
	qsort(list, chosen, sizeof(json_t *), compare);
	for (size_t i = 0; i < chosen; i++)
		json_array_append(out, list[i]);
	free(list);
	return out;
}

void tables_add_rates(const json_t *flows)
{
	static json_t *before;		/* octets by flow number */
	static uint64_t before_ns;
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	json_t *flow, *now = json_object();
	char number[24];
	size_t i;

	json_array_foreach(flows, i, flow)
	{
		const json_t *then;

		snprintf(number, sizeof(number), "%" PRId64, number_of(flow, "flow"));
		then = json_object_get(before, number);
		if (then && now_ns > before_ns)
			json_object_set_new(flow, "delivered_per_s",
					    json_real((double)(both(flow, "delivered") -
							       json_integer_value(then)) *
						      NS_PER_S / (double)(now_ns - before_ns)));
		json_object_set_new(now, number, json_integer(both(flow, "delivered")));
	}
	json_decref(before);
	before = now;
	before_ns = now_ns;
}

static void end_text(char text[END_BYTES], const json_t *flow, const char *address_key,
		     const char *port_key)
{
	snprintf(text, END_BYTES,
		 strchr(tables_text(flow, address_key), ':') ? "[%s]:%" PRId64 : "%s:%" PRId64,
		 tables_text(flow, address_key), number_of(flow, port_key));
}

/* Writes a number in no more characters than there is room for. */
static void short_number(char *text, size_t size, double number)
{
	static const char units[] = " kMGTPE";
	size_t unit = 0;

	do
		snprintf(text, size, unit > 0 ? "%.0f%c" : "%.0f", number, units[unit]);
	while (strlen(text) == size - 1 && units[++unit] != '\0' && (number /= 1000) > 0);
}

static void short_time(char *text, size_t size, double seconds)
{
	if (seconds < 999.5)
		snprintf(text, size, "%.0fs", seconds);
	else if (seconds < 100 * 60)
		snprintf(text, size, "%.0fm", seconds / 60);
	else if (seconds < 100 * 3600)
		snprintf(text, size, "%.0fh", seconds / 3600);
	else
		snprintf(text, size, "%.0fd", seconds / 86400);
}

/* The layout of the table: how wide its first columns are, and whether a flow fits in one line. */
struct columns {
	int flow, client, server;
	bool in_one_line;
};

static void print_row(const struct columns *c, const char *flow, const char *client,
		      const char *server, const char *state, const char *numbers)
{
	int indent = c->in_one_line ? 0 : c->flow;

	printf("%*s %-*s", c->flow, flow, c->in_one_line ? c->client : 0, client);
	printf("%s%*s %-*s", c->in_one_line ? "" : "\n", indent, "", c->in_one_line ? c->server : 0,
	       server);
	printf("%s%*s %-9s %s\n", c->in_one_line ? "" : "\n", indent, "", state, numbers);
}

#define NUMBERS_FORMAT "%8s %7s %4s"

static void print_flow(const struct columns *c, const json_t *flow, bool watched)
{
	char number[24], client[END_BYTES], server[END_BYTES], numbers[64];
	char orphaned[10], more[9], idle[8];
	const json_t *rate = json_object_get(flow, "delivered_per_s");

	snprintf(number, sizeof(number), "%" PRId64, number_of(flow, "flow"));
	end_text(client, flow, "client", "client_port");
	end_text(server, flow, "server", "server_port");
	short_number(orphaned, sizeof(orphaned), (double)both(flow, "orphaned"));
	if (watched && !rate)
		snprintf(more, sizeof(more), "-");
	else
		short_number(more, sizeof(more),
			     watched ? json_real_value(rate) : (double)both(flow, "acked"));
	short_time(idle, sizeof(idle), json_number_value(json_object_get(flow, "idle_s")));
	snprintf(numbers, sizeof(numbers), NUMBERS_FORMAT, orphaned, more, idle);
	print_row(c, number, client, server,
		  is_stalled(flow) ? "stalled" : tables_text(flow, "state"), numbers);
}

static void widen(int *column, const char *text)
{
	if ((int)strlen(text) > *column)
		*column = (int)strlen(text);
}

/* Columns as wide as their contents; if that is too wide, a line for each part of a flow. */
static struct columns columns_of(const json_t *flows)
{
	struct columns c = { .flow = 4, .client = 6, .server = 6 };
	char text[END_BYTES];
	const json_t *flow;
	size_t i;

	json_array_foreach(flows, i, flow)
	{
		snprintf(text, sizeof(text), "%" PRId64, number_of(flow, "flow"));
		widen(&c.flow, text);
		end_text(text, flow, "client", "client_port");
		widen(&c.client, text);
		end_text(text, flow, "server", "server_port");
		widen(&c.server, text);
	}
	c.in_one_line = c.flow + 1 + c.client + 1 + c.server + 1 + 9 + 1 + 8 + 1 + 7 + 1 + 4 <=
			COLUMNS;
	return c;
}

void tables_flows(const json_t *flows, size_t most_lines, bool watched)
{
	struct columns c = columns_of(flows);
	size_t most = c.in_one_line ? most_lines : most_lines / 3, i;
	char numbers[64];
	const json_t *flow;

	snprintf(numbers, sizeof(numbers), NUMBERS_FORMAT, "orphaned",
		 watched ? "bytes/s" : "acked", "idle");
	print_row(&c, "flow", "client", "server", "state", numbers);
	json_array_foreach(flows, i, flow)
	{
		if (i == most) {
			printf("... and %zu more\n", json_array_size(flows) - most);
			break;
		}
		print_flow(&c, flow, watched);
	}
}
