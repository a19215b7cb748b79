/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/units.h"
#include "replay/run.h"

#include <stdlib.h>
#include <string.h>

/* If for this long there is nothing new, there never will be: the box waits, or sends again what an
 * end has no room for. */
#define PATIENCE_NS (120 * NS_PER_S)
#define PAGE_BYTES 4096	/* of the engine's memory */

void replay_view(const struct captured *c, struct packet *p)
{
	/* It was parsed before, so this cannot fail. */
	packet_parse(p, c->ip, c->bytes);
}

void replay_wake(struct replay_pass *run, uint32_t connection, enum engine_side side,
		 uint64_t at_ns)
{
	alarms_set(&run->wake, 2 * connection + side, at_ns);
}

/* Gives each end its packets. */
static bool make_ends(struct replay_pass *run, struct error *error)
{
	size_t count = run->r->connections;

	run->connection = calloc(count + 1, sizeof(*run->connection));
	if (!run->connection || alarms_create(&run->wake, (uint32_t)(2 * count + 1)) < 0)
		return error_set(error, 0, "out of memory");
	for (size_t i = 0; i < count; i++) {
		for (unsigned side = CLIENT; side <= SERVER; side++) {
			struct replay_end *end = &run->connection[i].end[side];

			end->ack_ns = UINT64_MAX;
			end->list = calloc(run->r->connection[i].packets[side] + 1,
					   sizeof(*end->list));
			if (!end->list)
				return error_set(error, 0, "out of memory");
		}
	}
	for (size_t i = 0; i < run->r->packets; i++) {
		const struct captured *c = &run->r->captured[i];
		struct replay_end *end = &run->connection[c->connection].end[c->source];

		end->list[end->count++] = (uint32_t)i;
	}
	return true;
}

static uint64_t orphaned(const struct replay_result *r, enum engine_side source)
{
	return r->totals[source].acked - r->totals[source].delivered;
}

/* Did everything come through? An end that got a RST had nothing more to send, unless it went on in
 * the capture after that. */
static bool is_good(const struct replay_connection *c, const struct replay_result *r)
{
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		uint64_t due = r->reset ? c->due[side] : c->packets[side];

		if (r->sent[side] < due || orphaned(r, side) > 0)
			return false;
	}
	return true;
}

enum replay_outcome replay_outcome(const struct replay_connection *c)
{
	if (!c->result.taken)
		return REPLAY_PASSED;
	if (is_good(c, &c->result))
		return REPLAY_OK;
	if (is_good(c, &c->without))
		return c->result.stalls > 0 ? REPLAY_STALLED : REPLAY_HUNG;
	return c->without.reset ? REPLAY_RESET : REPLAY_INCOMPLETE;
}

uint64_t replay_orphaned(const struct replay_connection *c)
{
	return orphaned(&c->result, CLIENT) + orphaned(&c->result, SERVER);
}

/* Notes which packet of the capture made a fault hold something back. */
static void note_stall(struct replay_pass *run, uint32_t connection, enum engine_side source)
{
	struct replay_result *result = replay_result(run, connection);
	const struct captured *last = run->connection[connection].end[source].last;
	uint64_t *larger;

	if (!last)
		return;
	larger = reallocarray(result->stall, result->stalls + 1, sizeof(*larger));
	if (!larger) {
		run->no_memory = true;
		return;
	}
	result->stall = larger;
	result->stall[result->stalls++] = last->number;
}

static void observe(void *arg, const struct engine_event *event)
{
	struct replay_pass *run = arg;
	uint32_t connection;
	struct replay_result *result;

	if (run->r->log && !run->without)
		eventlog_observe(run->r->log, event);
	if (run->tap)
		box_capture_observe(run->tap, event);
	/* A flow that is not noted yet belongs to the packet that the box has in hand. */
	connection = event->flow <= run->flows ? run->of_flow[event->flow - 1] : run->in_hand;
	result = replay_result(run, connection);
	if (event->type == EVENT_STALL)
		note_stall(run, connection, event->source);
	else if (event->type == EVENT_FAULT)
		result->acted++;
	else if (event->type == EVENT_FLOW_CLOSED)
		memcpy(result->totals, event->totals, sizeof(result->totals));
}

static bool drive(struct replay_pass *run, struct error *error)
{
	for (uint32_t i = 0; i < run->r->connections; i++) {
		for (unsigned side = CLIENT; side <= SERVER; side++) {
			const struct replay_end *end = &run->connection[i].end[side];

			if (end->count > 0)
				replay_wake(run, i, side, run->r->captured[end->list[0]].time_ns);
		}
	}
	for (;;) {
		uint64_t end_ns = alarms_next(&run->wake), box_ns = engine_deadline(run->engine);
		uint64_t next = end_ns < box_ns ? end_ns : box_ns;

		if (next == UINT64_MAX ||
		    (end_ns == UINT64_MAX && box_ns > run->progress_ns + PATIENCE_NS))
			return true;
		run->now_ns = next > run->now_ns ? next : run->now_ns;
		if (end_ns <= box_ns) {
			uint32_t id = alarms_pop(&run->wake);

			if (!replay_end_sends(run, id / 2, id % 2))
				return error_set(error, 0, "out of memory");
		} else {
			engine_expire(run->engine, run->now_ns);
			replay_take_output(run);
		}
	}
}

static void free_pass(struct replay_pass *run)
{
	box_capture_tap_free(run->tap);
	engine_destroy(run->engine);
	for (size_t i = 0; run->connection && i < run->r->connections; i++) {
		free(run->connection[i].end[CLIENT].list);
		free(run->connection[i].end[SERVER].list);
	}
	if (run->connection)
		alarms_destroy(&run->wake);
	free(run->connection);
	free(run->of_flow);
}

/*
 * Limits the memory to what this capture can need, if that is less than configured: an engine takes
 * all of it at its start. A relay holds octets of the capture and one page more, and the pages
 * before and after the octets may be half empty. Allow twice that, because the box counts as short
 * of memory before all of it is used.
 */
static void limit_memory(struct engine_config *config, const struct replay *r)
{
	uint64_t pages = 8 * (r->connections + 1), flows = 2 * r->connections + 16, bytes;

	for (size_t i = 0; i < r->packets; i++)
		pages += r->captured[i].bytes / PAGE_BYTES + 1;
	bytes = 2 * pages * PAGE_BYTES;
	if (config->memory_bytes > bytes)
		config->memory_bytes = bytes;
	if (config->flows_max > flows)
		config->flows_max = (uint32_t)flows;
}

/* Runs all connections through a box, from the beginning. */
static bool pass(struct replay *r, bool without, struct error *error)
{
	struct engine_config config = r->engine;
	struct replay_pass run = { .r = r, .without = without };
	bool good = make_ends(&run, error);

	for (unsigned i = 0; without && i < config.rules.policies; i++)
		config.rules.policy[i].faults = 0;
	limit_memory(&config, r);
	config.observer = observe;
	config.observer_arg = &run;
	if (good && (engine_create(&run.engine, &config) < 0 ||
		     (r->capture && !without && box_capture_tap(&run.tap, r->capture, 0) < 0)))
		good = error_set(error, 0, "out of memory");
	good = good && drive(&run, error);
	if (good) {
		engine_shutdown(run.engine, run.now_ns);
		if (!without)
			r->duration_ns = r->packets > 0 ? run.last_ns - r->captured[0].time_ns : 0;
	}
	good = good && (!run.no_memory || error_set(error, 0, "out of memory"));
	free_pass(&run);
	return good;
}

static void free_results(struct replay_connection *c)
{
	free(c->result.stall);
	free(c->without.stall);
}

bool replay_run(struct replay *r, struct error *error)
{
	bool good = true;

	for (size_t i = 0; i < r->connections; i++) {
		free_results(&r->connection[i]);
		r->connection[i].result = r->connection[i].without = (struct replay_result){
			.stalls = 0
		};
	}
	if (!pass(r, false, error))
		return false;
	for (size_t i = 0; i < r->connections; i++)
		good &= !r->connection[i].result.taken ||
			is_good(&r->connection[i], &r->connection[i].result);
	return good || pass(r, true, error);
}

void replay_free(struct replay *r)
{
	for (size_t i = 0; i < r->connections; i++)
		free_results(&r->connection[i]);
	for (size_t i = 0; i < r->packets; i++)
		free(r->captured[i].ip);
	free(r->captured);
	free(r->connection);
	*r = (struct replay){ .connections = 0 };
}
