/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "challenge.h"

void challenge_owe(struct engine *e, struct flow *f, enum engine_side side, uint32_t *last_ms)
{
	if (last_ms) {
		if (e->now_ms - *last_ms < CHALLENGE_GAP_MS)
			return;
		*last_ms = e->now_ms;
	}
	if (f->relay[side].intercepted)
		f->relay[side].ack_owed = true;
	else
		flow_mark(f, FLOW_ACK_INFO_OWED, engine_other(side));
}

bool challenge_ack_is_wild(const struct engine *e, const struct flow *f, enum engine_side side,
			   uint64_t ack)
{
	enum engine_side other = engine_other(side);
	const struct relay *in = &f->relay[other];
	/* An ACK that is merely late lies no further back than the largest window of this end. */
	uint64_t oldest = (uint64_t)UINT16_MAX << f->end[side].window_shift;

	/* Until the handshake is done an ACK must cover the SYN. Reject any that does not: the
	 * sender never saw the SYN, and put_right() would write the correct number for a forger. */
	if (!f->end[side].acked_syn && ack <= SEQ_BASE)
		return true;
	return ack > (in->intercepted ? box_sent_end(e, in) : relay_edge(in) + 1) ||
	       ack + oldest < in->snd_una;
}

bool challenge_has_gone_round(const struct engine *e, struct flow *f, enum engine_side side,
			      uint64_t ack)
{
	enum engine_side other = engine_other(side);
	const struct relay *in = &f->relay[other];
	const struct transit *t = box_transit(e, in);
	bool again = flow_is_marked(f, FLOW_BYPASS_SUSPECTED, other);

	if (!in->intercepted || f->shifted || f->relay[side].intercepted ||
	    box_has_early_fin(e, in) || ack <= in->rcv_nxt || ack > relay_edge(in) + 1)
		return false;
	flow_mark(f, FLOW_BYPASS_SUSPECTED, other);
	return again && (!t || t->backoff > 0);
}
