/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reset.h"

#include "challenge.h"
#include "emit.h"
#include "lifetime.h"
#include "receive.h"
#include "send.h"

/*
 * Is a RST of an end-to-end half sure to end the connection? Its receiver decides: a kernel takes
 * only a RST with the number that it expects (RFC 5961 section 3.2). The box knows that number only
 * if everything it has seen is acknowledged; otherwise it lies somewhere in
 *
 *              snd_una                                     rcv_nxt
 *      --------+-------------------------------------------+----------
 *              acknowledged up to here                     seen up to here
 *
 * In between, a forger who knows only the window could destroy data that the box has ACKed and not
 * delivered. So the box sends an ACK to the end that the RST claims to come from. An end that is
 * gone answers with another RST, whose number is the ACK number of that ACK; an end that is alive
 * does not answer. A RST that answers a piece confirms the first one too, since the box sends
 * pieces with the same ACK.
 */
static bool rst_is_sure(struct engine *e, struct flow *f, enum engine_side side, uint64_t offset)
{
	const struct relay *out = &f->relay[side];

	if (offset < out->snd_una || offset > out->rcv_nxt)
		return false;
	if (out->snd_una == out->rcv_nxt ||
	    (flow_is_marked(f, FLOW_RST_SUSPECTED, side) && offset == out->snd_una))
		return true;
	flow_mark(f, FLOW_RST_SUSPECTED, side);
	f->relay[side].rst_low = (uint32_t)offset;
	if (e->now_ms - f->rst_challenge_ms[side] >= CHALLENGE_GAP_MS) {
		f->rst_challenge_ms[side] = e->now_ms;
		flow_mark(f, FLOW_ACK_INFO_OWED, engine_other(side));
	}
	return false;
}

enum engine_verdict reset_segment(struct engine *e, struct flow *f, enum engine_side side,
				  struct packet *p, uint64_t offset, uint64_t ack)
{
	enum engine_side other = engine_other(side);
	const struct relay *out = &f->relay[side], *in = &f->relay[other];
	const struct endpoint *self = &f->end[side], *peer = &f->end[other];

	if (lifetime_is_gone(f, side))
		return VERDICT_DROP;
	/* The other end still waits for a SYN-ACK: the first was lost after it passed the box, and
	 * this end no longer knows the connection. Then the ACK counts (RFC 9293 section
	 * 3.10.7.3). */
	if (!peer->acked_syn && (p->flags & TCP_ACK) && p->ack == peer->isn + 1) {
		lifetime_reset(e, f, side, CLOSE_RESET);
		return VERDICT_ACCEPT;
	}
	if (out->intercepted) {
		/* RFC 5961 section 3.2: only the exact number counts. A RST elsewhere inside the
		 * window is challenged; any other is dropped. */
		if (offset != out->rcv_nxt) {
			if (offset > out->rcv_nxt && offset < receive_edge(e, out))
				challenge_owe(e, f, side, &f->rst_challenge_ms[side]);
			return VERDICT_DROP;
		}
		packet_set_seq(p, seq_narrow(self->isn, emit_seq(e, f, side)));
	}
	if (in->intercepted && (p->flags & TCP_ACK))
		packet_set_ack(p, seq_narrow(peer->isn, emit_ack(f, side)));
	if (!out->intercepted && !rst_is_sure(e, f, side, offset))
		return VERDICT_REPLACE;
	/* What it acknowledges has arrived (RFC 9293 section 3.10.7.4 checks the ACK of any segment
	 * that it accepts). */
	if (in->intercepted && (p->flags & TCP_ACK) && !challenge_ack_is_wild(e, f, side, ack))
		send_is_acked(e, f, other, ack);
	lifetime_reset(e, f, side, CLOSE_RESET);
	return VERDICT_REPLACE;
}

bool reset_is_confirmed(struct flow *f, enum engine_side side)
{
	enum engine_side other = engine_other(side);
	const struct relay *in = &f->relay[other];
	uint64_t rst = seq_near(in->rst_low, in->rcv_nxt);

	if (!flow_is_marked(f, FLOW_RST_SUSPECTED, other) || in->snd_una < rst)
		return false;
	flow_unmark(f, FLOW_RST_SUSPECTED, other);
	return in->snd_una == rst && in->rcv_nxt == rst;
}

enum engine_verdict reset_after_rst(struct engine *e, flow_handle h, enum engine_side side,
				    struct packet *p)
{
	struct flow *f = flow_get(&e->table, h);
	enum engine_side by = f->server_reset ? SERVER : CLIENT;
	struct relay *r = &f->relay[by];

	if (!r->intercepted)
		return VERDICT_ACCEPT;
	if (side == by) {
		if (!(p->flags & TCP_RST))
			return VERDICT_DROP;
		return packet_set_seq(p, seq_narrow(f->end[by].isn, emit_seq(e, f, by)))
			       ? VERDICT_REPLACE
			       : VERDICT_ACCEPT;
	}
	if ((p->flags & TCP_ACK) && !(p->flags & TCP_RST)) {
		/* This end did not take the RST, because a piece before it was lost (RFC 5961
		 * section 3.2). Its ACK shows which number it expects: send a RST with that number,
		 * as the end that sent the first RST would. */
		r->snd_una = seq_widen(f->end[by].isn, p->ack, r->snd_una);
		flow_mark(f, FLOW_RST_OWED, by);
		lifetime_queue_output(e, h);
	}
	return VERDICT_DROP;
}
