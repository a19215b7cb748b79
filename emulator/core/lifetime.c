/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lifetime.h"

#include "emit.h"
#include "observe.h"
#include "receive.h"

/*
 * How flows end
 *
 *      FLOW_OPENING ---> FLOW_OPEN ---> both FINs are acknowledged: free, or FLOW_CLOSED if
 *           |                |          the box must go on shifting numbers
 *           |                +--> a RST, or the sink is dead: FLOW_RESET answers for that end
 *           |                +--> by a fault: FLOW_FORGOTTEN, nothing passes any longer
 *           +--> refused, or given up: free
 *
 * Each state has a deadline; each flow has one timer, for whatever is due first.
 */

/* How long a flow lives without a packet. Open flows: RFC 5382 REQ-5. Flows in which an end has not
 * acknowledged the other's SYN: longer than Linux ever waits for the answer to a SYN, 64 s. */
#define IDLE_OPEN_NS (7440 * NS_PER_S)
#define IDLE_OPENING_NS (130 * NS_PER_S)
/* How long to answer in the name of an end that sent a RST. */
#define IDLE_RESET_NS (30 * NS_PER_S)
/* How long Linux keeps TIME-WAIT; until then a FIN may be repeated. */
#define IDLE_CLOSED_NS (60 * NS_PER_S)

/* A source that sends no packet for this long has nothing under way: a packet does not take that
 * long to get here. */
#define QUIET_NS NS_PER_S

static uint64_t touched_ns(const struct engine *e, const struct flow *f)
{
	return e->now_ns - (e->now_ms - f->touched_ms) * NS_PER_MS;
}

/* Has each end shown that it hears the other? A server also answers a SYN with a forged address,
 * and nobody answers that. */
static bool is_established(const struct flow *f)
{
	return f->end[CLIENT].acked_syn && f->end[SERVER].acked_syn;
}

uint64_t lifetime_deadline(const struct engine *e, const struct flow *f)
{
	switch (f->state) {
	case FLOW_OPENING:
	case FLOW_OPEN:
		return touched_ns(e, f) + (is_established(f) ? IDLE_OPEN_NS : IDLE_OPENING_NS);
	case FLOW_RESET:
		return touched_ns(e, f) + IDLE_RESET_NS;
	case FLOW_CLOSED:
		return touched_ns(e, f) + IDLE_CLOSED_NS;
	default:	/* FLOW_FORGOTTEN too: the ends may keep trying for as long */
		return touched_ns(e, f) + IDLE_OPEN_NS;
	}
}

/* Does the sink of each relay have everything that arrived? */
static bool holds_nothing(const struct engine *e, const struct flow *f)
{
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		const struct relay *r = &f->relay[side];
		const struct stream *s = box_stream(e, r);

		if (r->intercepted && (r->snd_una < r->rcv_nxt || (s && s->waiting_count > 0)))
			return false;
	}
	return true;
}

/*
 * Can its ends go on without the box? The sink must have everything that was ACKed, and be able to
 * take everything that the source may have sent on the box's word. Otherwise each end would find
 * the other's ACKs past its window and answer them, forever. A source that is quiet has nothing
 * under way. And both ends must use the same numbers.
 */
bool lifetime_can_hand_over(const struct engine *e, const struct flow *f)
{
	if (f->shifted && f->state == FLOW_OPEN)
		return false;
	if (f->state != FLOW_OPEN)
		return !flow_is_marked(f, FLOW_RST_OWED, CLIENT) &&
		       !flow_is_marked(f, FLOW_RST_OWED, SERVER);
	if (!holds_nothing(e, f))
		return false;
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		const struct relay *r = &f->relay[side];

		if (r->intercepted && relay_edge(r) > flow_window_edge(f, side))
			return e->now_ns >= touched_ns(e, f) + QUIET_NS;
	}
	return true;
}

void lifetime_set_alarm(struct engine *e, flow_handle h)
{
	const struct flow *f = flow_get(&e->table, h);
	uint64_t at = lifetime_deadline(e, f);

	/* A flow whose numbers are shifted stays as long as it is open. */
	if (e->draining && f->state == FLOW_OPEN && !f->shifted && holds_nothing(e, f))
		at = touched_ns(e, f) + QUIET_NS;
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		const struct transit *t = box_transit(e, &f->relay[side]);

		if (t && t->timer_ns != 0 && t->timer_ns < at)
			at = t->timer_ns;
	}
	alarms_set(&e->alarms, h, at);
}

void lifetime_queue_output(struct engine *e, flow_handle h)
{
	struct flow *f = flow_get(&e->table, h);

	if (f->output_queued)
		return;
	f->output_queued = true;
	f->output_next = FLOW_NONE;
	if (e->output_last == FLOW_NONE)
		e->output_first = h;
	else
		flow_get(&e->table, e->output_last)->output_next = h;
	e->output_last = h;
}

void lifetime_unqueue_output(struct engine *e, flow_handle h)
{
	flow_handle before = FLOW_NONE;

	if (!flow_get(&e->table, h)->output_queued)
		return;
	for (flow_handle i = e->output_first; i != h; i = flow_get(&e->table, i)->output_next)
		before = i;
	if (before == FLOW_NONE)
		e->output_first = flow_get(&e->table, h)->output_next;
	else
		flow_get(&e->table, before)->output_next = flow_get(&e->table, h)->output_next;
	if (e->output_last == h)
		e->output_last = before;
	flow_get(&e->table, h)->output_queued = false;
}

/* Drops what the relays of an open flow hold and owe. A later packet in the source's name (a RST)
 * is numbered after what was sent before. */
void lifetime_empty_relays(struct engine *e, struct flow *f)
{
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		struct relay *r = &f->relay[side];

		if (!r->intercepted)
			continue;
		e->stats.orphaned_bytes -= box_orphaned(r);
		r->snd_una = emit_seq(e, f, side);
		r->ack_owed = false;
		receive_end(e, r);
	}
	for (unsigned side = CLIENT; side <= SERVER; side++)
		flow_unmark(f, FLOW_ACK_INFO_OWED, side);
}

void lifetime_close(struct engine *e, struct flow *f, enum engine_close_reason reason)
{
	observe_closed(e, f, reason);
	lifetime_empty_relays(e, f);
}

/* Has the flow ended, and is it remembered only for what its ends may still send? */
bool lifetime_is_over(const struct flow *f)
{
	return f->state == FLOW_RESET || f->state == FLOW_CLOSED || f->state == FLOW_FORGOTTEN;
}

void lifetime_end_state(struct engine *e, struct flow *f, enum flow_state state)
{
	if (!lifetime_is_over(f))
		e->flows_over++;
	f->state = state & 15u;
}

void lifetime_forget(struct engine *e, flow_handle h)
{
	if (lifetime_is_over(flow_get(&e->table, h)))
		e->flows_over--;
	lifetime_unqueue_output(e, h);
	alarms_cancel(&e->alarms, h);
	flow_remove(&e->table, h);
}

void lifetime_end(struct engine *e, flow_handle h, enum engine_close_reason reason)
{
	struct flow *f = flow_get(&e->table, h);

	if (f->state == FLOW_OPEN)
		lifetime_close(e, f, reason);
	lifetime_forget(e, h);
}

/* Both ends have each other's FIN. */
void lifetime_finish(struct engine *e, flow_handle h)
{
	struct flow *f = flow_get(&e->table, h);

	if (!f->shifted) {
		lifetime_end(e, h, CLOSE_FIN);
		return;
	}
	lifetime_close(e, f, CLOSE_FIN);
	lifetime_end_state(e, f, FLOW_CLOSED);
	lifetime_set_alarm(e, h);
}

/* `by` sent a RST that the box believes, or the box gives up in its name. */
void lifetime_reset(struct engine *e, struct flow *f, enum engine_side by,
		    enum engine_close_reason reason)
{
	lifetime_close(e, f, reason);
	lifetime_end_state(e, f, FLOW_RESET);
	f->touched_ms = e->now_ms;
	f->server_reset = by == SERVER;
}

void lifetime_owe_rsts(struct flow *f)
{
	flow_mark(f, FLOW_RST_OWED, CLIENT);
	flow_mark(f, FLOW_RST_OWED, SERVER);
}

static bool fin_arrived(const struct flow *f, enum engine_side side)
{
	const struct relay *r = &f->relay[side];

	return r->fin_seen && r->snd_una > relay_fin(r);
}

bool lifetime_is_finished(const struct flow *f)
{
	return f->state == FLOW_OPEN && fin_arrived(f, CLIENT) && fin_arrived(f, SERVER);
}

/*
 * Is an end gone? It is once the box has ACKed the end's FIN, and the end has ACKed its peer's. For
 * this end the connection is over, though the box may still have to deliver its data. The end
 * answers whatever still reaches it with a RST, and that must not end the delivery.
 */
bool lifetime_is_gone(const struct flow *f, enum engine_side side)
{
	const struct relay *out = &f->relay[side];

	return out->intercepted && box_has_fin(out) && fin_arrived(f, engine_other(side));
}
