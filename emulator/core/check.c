/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "emit.h"
#include "engine.h"

/*
 * What must hold whenever all output was taken out
 *
 * For the simulator and the fuzzers: packets show an error only long after it happened, or never,
 * as when a connection hangs.
 */

/* Checks an intercepted half that has something under way. */
static const char *check_transit(const struct flow *f, const struct relay *r,
				 const struct transit *t)
{
	uint64_t sendable = t->cut_nxt + (box_has_fin(r) && t->cut_nxt == relay_fin(r));

	if (r->snd_una > t->snd_nxt || t->snd_nxt > t->snd_max || t->cut_nxt > box_data_end(r))
		return "what is sent, cut and acknowledged is out of order";
	if (t->snd_max > sendable && !t->early_fin)
		return "more was sent than there is";
	if (f->output_queued)
		return NULL;
	if (t->snd_max > r->snd_una && t->timer_ns == 0)
		return "something is under way and no timer runs";
	if (t->snd_nxt < sendable && t->timer_ns == 0)
		return "something waits to be sent and no timer runs";
	return NULL;
}

/* Does the source of an intercepted half know that there is room for its data? Until its first
 * octet comes, it goes by the window that the sink itself has offered. */
static bool knows_of_room(const struct engine *e, const struct flow *f, enum engine_side source)
{
	const struct relay *r = &f->relay[source];
	enum engine_side sink = engine_other(source);
	uint32_t room = (uint32_t)emit_window(e, f, sink) << f->end[sink].window_shift;

	if (relay_edge(r) > r->rcv_nxt || r->ack_owed || r->fin_seen || r->rcv_nxt == SEQ_BASE + 1)
		return true;
	return room < f->end[sink].mss;
}

const char *engine_wrong(const struct engine *e)
{
	uint64_t orphaned = 0;

	for (flow_handle h = 0; h < e->table.fresh; h++) {
		const struct flow *f = flow_get(&e->table, h);

		for (unsigned side = CLIENT; side <= SERVER && f->state == FLOW_OPEN; side++) {
			const struct relay *r = &f->relay[side];
			const struct transit *t = box_transit(e, r);
			const char *wrong = t ? check_transit(f, r, t) : NULL;

			if (wrong)
				return wrong;
			if (!r->intercepted)
				continue;
			orphaned += box_orphaned(r);
			if (!knows_of_room(e, f, side))
				return "a source does not know that there is room";
		}
	}
	return orphaned == e->stats.orphaned_bytes ? NULL : "orphaned octets are miscounted";
}
