/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "settings/keys.h"

#include "core/units.h"
#include "io/decimal.h"
#include "io/inject.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Limits of what a machine may have. */
#define FLOWS_MAX (1 << 24)
#define MEMORY_MIN (1 << 20)
#define MEMORY_MAX (UINT64_C(1) << 40)
#define QUEUE_LENGTH_MAX (1 << 24)
#define QUEUE_BUFFER_MIN (1 << 16)
#define QUEUE_BUFFER_MAX (1 << 30)

/* Values ------------------------------------------------------------------------------- */

static bool number(const char *text, uint64_t min, uint64_t max, uint64_t *out, struct error *error)
{
	if (!decimal_is(text, min, max, out))
		return error_set(error, 0, "give a whole number from %" PRIu64 " to %" PRIu64, min,
				 max);
	return true;
}

static bool number32(const char *text, uint32_t min, uint32_t max, uint32_t *out,
		     struct error *error)
{
	uint64_t n;

	if (!number(text, min, max, &n, error))
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool copy(char **to, const char *value, struct error *error)
{
	char *text = strdup(value);

	if (!text)
		return error_set(error, 0, "out of memory");
	free(*to);
	*to = text;
	return true;
}

/* Keys ---------------------------------------------------------------------------------- */

static bool set_queue(struct settings *s, unsigned policy, const char *value, struct error *error)
{
	const char *colon = strchr(value, ':');
	char *first_text = strndup(value, colon ? (size_t)(colon - value) : strlen(value));
	uint32_t first, last;
	bool good;

	(void)policy;
	if (!first_text)
		return error_set(error, 0, "out of memory");
	good = number32(first_text, 0, UINT16_MAX, &first, error);
	free(first_text);
	if (!good)
		return false;
	last = first;
	if (colon && !number32(colon + 1, first, UINT16_MAX, &last, error))
		return false;
	if (last - first >= SETTINGS_WORKERS_MAX)
		return error_set(error, 0, "more than %d workers", SETTINGS_WORKERS_MAX);
	s->queue.number = (uint16_t)first;
	s->workers = last - first + 1;
	return true;
}

static bool set_segment_size(struct settings *s, unsigned policy, const char *value,
			     struct error *error)
{
	s->given[policy] |= GIVEN_SEGMENT_SIZE;
	return number32(value, 1, ENGINE_SEGMENT_SIZE_MAX,
			&s->engine.rules.policy[policy].segment_size, error);
}

/* The first one replaces the preset; further ones are added. */
static bool set_fault(struct settings *s, unsigned policy, const char *value, struct error *error)
{
	struct engine_policy *p = &s->engine.rules.policy[policy];

	if (!(s->given[policy] & GIVEN_FAULT))
		p->faults = 0;
	s->given[policy] |= GIVEN_FAULT;
	if (!faultspec_add(p, value, error))
		return false;
	if (p->faults > 0)	/* else the value is "none" */
		s->fault_at[policy][p->faults - 1] = s->place;
	return true;
}

static bool set_direction(struct settings *s, unsigned policy, const char *value,
			  struct error *error)
{
	static const char *const names[] = { "none", "c2s", "s2c", "both" };

	s->given[policy] |= GIVEN_DIRECTION;
	for (unsigned i = DIRECTION_NONE; i <= DIRECTION_BOTH; i++) {
		if (strcmp(value, names[i]) == 0) {
			s->engine.rules.policy[policy].direction = i;
			return true;
		}
	}
	return error_set(error, 0, "give c2s, s2c, both or none");
}

static bool set_arrival(struct settings *s, unsigned policy, const char *value, struct error *error)
{
	bool wire = strcmp(value, "wire") == 0;

	s->given[policy] |= GIVEN_ARRIVAL;
	if (wire && policy > 0)
		return error_set(error, 0,
				 "wire is for all connections: give segment or burst, or put "
				 "it before the first section");
	if (!wire && strcmp(value, "segment") != 0 && strcmp(value, "burst") != 0)
		return error_set(error, 0, "give segment, wire or burst");
	s->engine.rules.policy[policy].arrival = strcmp(value, "burst") == 0 ? ARRIVAL_BURST
									     : ARRIVAL_SEGMENT;
	/* Only the kernel knows for sure where segments were joined, and asking it costs. */
	if (policy == 0)
		s->queue.joined = !wire;
	return true;
}

static bool set_client(struct settings *s, unsigned policy, const char *value, struct error *error)
{
	return faultspec_prefix(&s->engine.rules.policy[policy].match.client, value,
				strlen(value)) ||
	       error_set(error, 0, "give an address, or a prefix such as 198.51.100.0/24");
}

static bool set_server(struct settings *s, unsigned policy, const char *value, struct error *error)
{
	return faultspec_prefix(&s->engine.rules.policy[policy].match.server, value,
				strlen(value)) ||
	       error_set(error, 0, "give an address, or a prefix such as 198.51.100.0/24");
}

static bool set_port(struct settings *s, unsigned policy, const char *value, struct error *error)
{
	return faultspec_range(&s->engine.rules.policy[policy].match.port, value, strlen(value),
			       UINT16_MAX) ||
	       error_set(error, 0, "give a port, or a range as 25-587");
}

static bool set_flows(struct settings *s, unsigned policy, const char *value, struct error *error)
{
	(void)policy;
	return number32(value, 1, FLOWS_MAX, &s->engine.flows_max, error);
}

static bool set_window(struct settings *s, unsigned policy, const char *value, struct error *error)
{
	(void)policy;
	return number32(value, ENGINE_WINDOW_MIN, STREAM_WINDOW_MAX, &s->engine.window_bytes,
			error);
}

static bool set_memory(struct settings *s, unsigned policy, const char *value, struct error *error)
{
	(void)policy;
	return number(value, MEMORY_MIN, MEMORY_MAX, &s->engine.memory_bytes, error);
}

static bool set_overload(struct settings *s, unsigned policy, const char *value,
			 struct error *error)
{
	(void)policy;
	if (strcmp(value, "pass") != 0 && strcmp(value, "refuse") != 0)
		return error_set(error, 0, "give pass or refuse");
	s->engine.overload = strcmp(value, "pass") == 0 ? OVERLOAD_PASS : OVERLOAD_REFUSE;
	return true;
}

static bool set_queue_length(struct settings *s, unsigned policy, const char *value,
			     struct error *error)
{
	(void)policy;
	return number32(value, 1, QUEUE_LENGTH_MAX, &s->queue.packets, error);
}

static bool set_queue_buffer(struct settings *s, unsigned policy, const char *value,
			     struct error *error)
{
	(void)policy;
	s->queue_buffer_given = true;
	return number32(value, QUEUE_BUFFER_MIN, QUEUE_BUFFER_MAX, &s->queue.buffer_bytes, error);
}

static bool set_inject(struct settings *s, unsigned policy, const char *value, struct error *error)
{
	bool known = strcmp(value, "auto") == 0;

	(void)policy;
	for (const struct injector_kind *k = inject_kinds; k->name; k++)
		known |= strcmp(value, k->name) == 0;
	return known ? copy(&s->inject, value, error)
		     : error_set(error, 0, "no such injector; see resegd --help");
}

static bool set_user(struct settings *s, unsigned policy, const char *value, struct error *error)
{
	(void)policy;
	return copy(&s->user, value, error);
}

static bool set_sandbox(struct settings *s, unsigned policy, const char *value, struct error *error)
{
	(void)policy;
	s->no_sandbox = strcmp(value, "off") == 0;
	return s->no_sandbox || strcmp(value, "on") == 0 || error_set(error, 0, "give on or off");
}

static bool set_pcapng(struct settings *s, unsigned policy, const char *value, struct error *error)
{
	(void)policy;
	return copy(&s->pcapng, value, error);
}

static bool set_events(struct settings *s, unsigned policy, const char *value, struct error *error)
{
	(void)policy;
	return copy(&s->events, value, error);
}

static bool set_control(struct settings *s, unsigned policy, const char *value, struct error *error)
{
	(void)policy;
	return copy(&s->control, value, error);
}

static bool set_control_owner(struct settings *s, unsigned policy, const char *value,
			      struct error *error)
{
	(void)policy;
	return copy(&s->control_owner, value, error);
}

static bool set_grace(struct settings *s, unsigned policy, const char *value, struct error *error)
{
	char *end;
	double seconds = strtod(value, &end);

	(void)policy;
	if (end == value || *end != '\0' || !isfinite(seconds) || seconds < 0 ||
	    seconds > SETTINGS_GRACE_MAX_SECONDS)
		return error_set(error, 0, "give a time in seconds from 0 to %d",
				 SETTINGS_GRACE_MAX_SECONDS);
	s->grace_ns = (uint64_t)(seconds * NS_PER_S);
	return true;
}

const struct settings_key settings_keys[] = {
	{ "queue", SETTINGS_WHOLE, set_queue },
	{ "segment-size", SETTINGS_POLICY | SETTINGS_ENGINE | SETTINGS_LAB, set_segment_size },
	{ "fault", SETTINGS_POLICY | SETTINGS_ENGINE | SETTINGS_LAB, set_fault },
	{ "direction", SETTINGS_POLICY | SETTINGS_ENGINE | SETTINGS_LAB, set_direction },
	{ "arrival", SETTINGS_POLICY | SETTINGS_ENGINE | SETTINGS_LAB, set_arrival },
	{ "client", SETTINGS_MATCH, set_client },
	{ "server", SETTINGS_MATCH, set_server },
	{ "port", SETTINGS_MATCH, set_port },
	{ "flows", SETTINGS_WHOLE | SETTINGS_ENGINE | SETTINGS_LAB, set_flows },
	{ "window", SETTINGS_WHOLE | SETTINGS_ENGINE | SETTINGS_LAB, set_window },
	{ "memory", SETTINGS_WHOLE | SETTINGS_ENGINE | SETTINGS_LAB, set_memory },
	{ "overload", SETTINGS_WHOLE | SETTINGS_ENGINE | SETTINGS_LAB, set_overload },
	{ "queue-length", SETTINGS_WHOLE | SETTINGS_LAB, set_queue_length },
	{ "queue-buffer", SETTINGS_WHOLE | SETTINGS_LAB, set_queue_buffer },
	{ "inject", SETTINGS_WHOLE | SETTINGS_LAB, set_inject },
	{ "events", SETTINGS_WHOLE | SETTINGS_ENGINE | SETTINGS_LAB, set_events },
	{ "pcapng", SETTINGS_WHOLE | SETTINGS_LAB, set_pcapng },
	{ "control", SETTINGS_WHOLE | SETTINGS_LAB, set_control },
	{ "control-owner", SETTINGS_WHOLE, set_control_owner },
	{ "user", SETTINGS_WHOLE, set_user },
	{ "sandbox", SETTINGS_WHOLE, set_sandbox },
	{ "grace", SETTINGS_WHOLE, set_grace },
	{ .name = NULL },
};

_Static_assert(sizeof(settings_keys) / sizeof(settings_keys[0]) - 1 <= SETTINGS_KEYS_MAX,
	       "raise SETTINGS_KEYS_MAX, and what has a bit for each key");

void settings_options(struct option *table, int first, int where, const struct option *others,
		      size_t count)
{
	for (const struct settings_key *k = settings_keys; k->name; k++) {
		if (k->where & where)
			*table++ = (struct option){ k->name, required_argument, NULL,
						    first + (int)(k - settings_keys) };
	}
	memcpy(table, others, count * sizeof(*others));
}

const struct settings_key *settings_find_key(const char *name)
{
	for (const struct settings_key *k = settings_keys; k->name; k++) {
		if (strcmp(k->name, name) == 0)
			return k;
	}
	return NULL;
}

bool settings_set_key(struct settings *s, const struct settings_key *key, unsigned policy,
		      const char *value, struct settings_place place, struct error *error)
{
	s->place = s->at[key - settings_keys] = place;
	return key->set(s, policy, value, error);
}

void settings_set(struct settings *s, const struct settings_key *key, const char *value,
		  struct settings_mistakes *m)
{
	static const struct settings_place command_line;
	struct error why;

	if (!settings_set_key(s, key, 0, value, command_line, &why))
		settings_note(m, "--%s %s: %s", key->name, value, why.text);
}
