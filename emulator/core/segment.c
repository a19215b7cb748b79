/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "segment.h"

#include "challenge.h"
#include "emit.h"
#include "handshake.h"
#include "lifetime.h"
#include "receive.h"
#include "reset.h"
#include "send.h"

/*
 * Packets of open flows
 *
 * Whether a packet goes on depends on what it carries and which halves are intercepted:
 *
 *      data or FIN of an intercepted half      taken; the relay sends it on
 *      acknowledgment of an intercepted half   taken; the relay is its sender
 *      everything else                         goes on, with SEQ, ACK, window and SACK
 *                                              corrected (see emit.c)
 *
 * A packet of an end-to-end half that also acknowledges an intercepted one goes on with the box's
 * ACK in place of its own.
 */

/* Corrects the fields of a packet that the box determines. */
static enum engine_verdict put_right(const struct engine *e, struct flow *f, enum engine_side side,
				     struct packet *p, const struct tcpopt *o)
{
	const struct relay *in = &f->relay[engine_other(side)];
	struct endpoint *self = &f->end[side], *peer = &f->end[engine_other(side)];
	bool changed = false;

	if (f->relay[side].intercepted)
		changed |= packet_set_seq(p, seq_narrow(self->isn, emit_seq(e, f, side)));
	if (in->intercepted) {
		changed |= packet_set_ack(p, seq_narrow(peer->isn, emit_ack(f, side)));
		changed |= packet_set_window(p, emit_window(e, f, side));
	}
	if (in->intercepted && o->sack_bytes > 0) {
		struct sack_block blocks[SACK_BLOCKS_MAX];
		size_t count = receive_sack_blocks(e, f, engine_other(side), blocks,
						   SACK_BLOCKS_MAX);

		changed |= tcpopt_replace_sack(p, o, blocks, count);
	}
	return changed ? VERDICT_REPLACE : VERDICT_ACCEPT;
}

/* Passes on a packet that its receiver will believe. */
static enum engine_verdict pass_on(struct engine *e, struct flow *f, enum engine_side side,
				   struct packet *p, const struct tcpopt *o)
{
	enum engine_verdict verdict = put_right(e, f, side, p, o);
	struct relay *in = &f->relay[engine_other(side)];

	emit_told(e, f, side);
	/* This packet is the ACK that is owed, unless that ACK must report holes. */
	if (!receive_has_holes(e, in))
		in->ack_owed = false;
	return verdict;
}

/* A segment of an open flow, its numbers widened. */
struct segment {
	struct packet *p;
	const struct tcpopt *o;
	uint64_t offset;	/* of its first octet */
	uint64_t end;		/* after its last; a FIN counts */
	uint64_t ack;
	bool fin;
	bool has_text;		/* data or FIN */
};

/* A SYN or SYN-ACK in an open flow. */
static enum engine_verdict segment_syn(struct engine *e, struct flow *f, enum engine_side side,
				       struct packet *p, const struct tcpopt *o)
{
	struct endpoint *self = &f->end[side], *peer = &f->end[engine_other(side)];
	bool again = p->seq == self->isn;
	bool acks_peer = (p->flags & TCP_ACK) && p->ack == peer->isn + 1;

	if (acks_peer && again)
		self->acked_syn = true;
	if (acks_peer && !peer->acked_syn) {
		/* The other end has not answered, so the handshake goes on: the previous SYN-ACK
		 * was lost, or this one replaces it. */
		if (!again) {
			uint32_t isn = self->isn;

			lifetime_empty_relays(e, f);
			handshake_learn_syn(self, p, o);
			self->acked_syn = true;
			handshake_start_relays(e, f);
			f->two_syn_acks = side == SERVER;
			f->relay[side].fin_low = isn;
		}
		return handshake_pass_syn_again(e, f, side, p);
	}
	/* The client still sends its SYN: the SYN-ACK was lost after it passed the box. */
	if (again && !(p->flags & TCP_ACK) && !self->acked_syn)
		return handshake_pass_syn_again(e, f, side, p);
	/* The box itself must ACK a repeated SYN-ACK; any other SYN gets an ACK to find out whether
	 * it is real (RFC 5961 section 4). */
	if (!f->relay[side].intercepted)
		return again ? handshake_pass_syn_again(e, f, side, p) : VERDICT_ACCEPT;
	challenge_owe(e, f, side, &f->challenge_ms[side]);
	return VERDICT_DROP;
}

/* The server has sent two SYN-ACKs with different numbers. Which one the client has taken shows in
 * its first packet: if neither was lost, the first. If the server has sent more since, it means the
 * last. */
static void choose_syn_ack(struct flow *f, const struct packet *p)
{
	struct relay *in = &f->relay[SERVER];
	uint32_t last = f->end[SERVER].isn;

	if (!f->two_syn_acks || f->end[CLIENT].acked_syn)
		return;
	if (!in->fin_seen && in->rcv_nxt == SEQ_BASE + 1 && p->ack == in->fin_low + 1) {
		f->end[SERVER].isn = in->fin_low;
		in->fin_low = last;
	}
}

/* PAWS, RFC 7323 section 5.3 rule R1. Its exception for connections that were idle for 24 days is
 * not needed: the box has forgotten those. */
static bool is_old(const struct flow *f, enum engine_side side, const struct tcpopt *o)
{
	return f->timestamps && o->has_timestamps &&
	       seq_ts_before(o->ts_val, f->end[side].ts_recent);
}

/* Notes what a segment says about its sender. Returns true if the window changed. */
static bool learn_segment(struct flow *f, enum engine_side side, const struct segment *g)
{
	struct endpoint *self = &f->end[side];
	const struct relay *out = &f->relay[side];
	struct relay *in = &f->relay[engine_other(side)];
	const struct tcpopt *o = g->o;
	uint16_t window = g->p->window;
	bool window_changed = false;
	uint64_t edge;

	handshake_learn_header(self, g->p);
	if (!g->p->joined && g->p->payload_bytes + g->p->options_bytes > self->longest)
		self->longest = (uint16_t)(g->p->payload_bytes + g->p->options_bytes);
	if (f->timestamps && o->has_timestamps) {
		/* An answer echoes the newest timestamp that came in order: RFC 7323 section
		 * 4.3. */
		if (!seq_ts_before(o->ts_val, self->ts_val)) {
			self->ts_val = o->ts_val;
			self->ts_ecr = o->ts_ecr;
		}
		if (g->offset <= out->rcv_nxt && !seq_ts_before(o->ts_val, self->ts_recent))
			self->ts_recent = o->ts_val;
	}
	/* RFC 9293 section 3.10.7.4 checks SND.WL1 even when the ACK is newer. Not so here: the old
	 * window would advance with the new ACK, past what was offered. */
	if (g->ack > in->snd_una ||
	    (g->ack == in->snd_una && seq_near(in->wl1_low, g->offset) <= g->offset)) {
		window_changed = self->window != window;
		self->window = window;
		if (relay_sink_is_new(in))
			self->widest = (uint16_t)(self->widest >> self->window_shift);
		if (window > self->widest)
			self->widest = window;
		in->wl1_low = (uint32_t)g->offset;
	}
	if (window_changed || g->ack > in->snd_una)
		self->has_news = true;
	if (in->intercepted)	/* its sender does the rest: send.c */
		return window_changed;
	if (g->ack > in->snd_una)
		in->snd_una = g->ack;
	/* The window of an ACK that was overtaken still counts. */
	edge = g->ack + ((uint64_t)window << self->window_shift);
	if (edge > relay_edge(in))
		in->edge_low = (uint32_t)edge;
	return window_changed;
}

/* Could a segment of an end-to-end half be the source's own? Its receiver decides, so it goes on in
 * any case; but the box believes nothing that a blind forger could send. */
static bool plausible(const struct relay *out, uint64_t offset, uint64_t end)
{
	/* One octet past the edge is a probe of a closed window. */
	return end >= out->snd_una && offset <= relay_edge(out) && end <= relay_edge(out) + 1;
}

/*
 * A keep-alive asks whether the other end is still alive, so that end answers it, not the box. The
 * exception is when the box holds something: then the sink may not have the octet that the
 * keep-alive repeats. A keep-alive with an octet of data may also be a retransmission after the
 * box's ACK was lost, so the box answers it.
 */
static bool is_keep_alive(const struct flow *f, enum engine_side side, const struct segment *g)
{
	const struct relay *out = &f->relay[side];

	return !g->has_text && g->offset == out->rcv_nxt - 1 && out->snd_una == out->rcv_nxt &&
	       !lifetime_is_gone(f, engine_other(side));
}

/* A segment of an intercepted half that is not acceptable. */
static enum engine_verdict unacceptable(struct engine *e, struct flow *f, enum engine_side side,
					const struct segment *g)
{
	const struct relay *in = &f->relay[engine_other(side)];

	if (is_keep_alive(f, side, g)) {
		f->relay[side].keep_alive = true;
		if (!in->intercepted)
			return VERDICT_ACCEPT;
		packet_set_ack(g->p, seq_narrow(f->end[engine_other(side)].isn, emit_ack(f, side)));
		return VERDICT_REPLACE;
	}
	challenge_owe(e, f, side, g->has_text ? NULL : &f->challenge_ms[side]);
	return VERDICT_DROP;
}

/* Hands the text to the relay, or notes it where the half goes end to end. Returns true if the
 * segment calls for an ACK: a probe or a keep-alive does, even without text. */
static bool take_text(struct engine *e, struct flow *f, enum engine_side side,
		      const struct segment *g)
{
	struct relay *out = &f->relay[side];
	bool wants_ack;

	if (out->intercepted) {
		receive_packet(e, f, side, g->offset, g->p);
		return g->has_text;
	}
	wants_ack = g->has_text || g->offset != out->rcv_nxt;
	if (g->p->payload_bytes > 0 && g->end > out->rcv_nxt && out->arrivals < UINT16_MAX)
		out->arrivals++;
	if (g->fin) {
		out->fin_low = (uint32_t)g->end - 1;
		out->fin_seen = true;
	}
	if (g->end > out->rcv_nxt)
		out->rcv_nxt = g->end;
	return wants_ack;
}

/* Handles what else a segment carried, after the box has taken its text. */
static enum engine_verdict after_text(struct engine *e, struct flow *f, enum engine_side side,
				      const struct segment *g)
{
	if (f->relay[engine_other(side)].intercepted)
		return VERDICT_DROP;
	if (g->o->sack_bytes > 0 && !g->p->joined) {
		/* It carried SACK blocks for the other half: they go on alone. (The kernel could
		 * not send what is left of a joined packet.) */
		packet_set_flags(g->p, g->p->flags & (uint8_t) ~(TCP_FIN | TCP_PSH | TCP_URG));
		packet_drop_payload(g->p);
		pass_on(e, f, side, g->p, g->o);
		return VERDICT_REPLACE;
	}
	if (f->end[side].has_news)
		flow_mark(f, FLOW_ACK_INFO_OWED, side);
	return VERDICT_DROP;
}

/* Is a segment believed? If not, nothing is learned from it, *verdict is what becomes of it, and
 * the flow may be gone. */
static bool is_believed(struct engine *e, flow_handle h, enum engine_side side, struct segment *g,
			enum engine_verdict *verdict)
{
	struct flow *f = flow_get(&e->table, h);
	enum engine_side other = engine_other(side);
	const struct relay *out = &f->relay[side], *in = &f->relay[other];

	if (out->intercepted) {
		if (is_old(f, side, g->o) ||
		    !receive_acceptable(e, out, g->offset, g->p->payload_bytes, g->fin)) {
			*verdict = unacceptable(e, f, side, g);
			return false;
		}
	} else if (!plausible(out, g->offset, g->end)) {
		*verdict = put_right(e, f, side, g->p, g->o);
		return false;
	}
	/* The sink counts the early FIN, which is not the source's. */
	if (box_has_early_fin(e, in) && g->ack == box_sent_end(e, in) + 1)
		g->ack--;
	if (challenge_has_gone_round(e, f, side, g->ack)) {
		send_is_acked(e, f, other, in->rcv_nxt);
		e->stats.one_sided++;
		lifetime_end(e, h, CLOSE_HANDED_OVER);
		*verdict = VERDICT_ACCEPT;
		return false;
	}
	if (challenge_ack_is_wild(e, f, side, g->ack)) {
		challenge_owe(e, f, side, g->has_text ? NULL : &f->challenge_ms[side]);
		*verdict = VERDICT_DROP;
		return false;
	}
	return true;
}

/* Does a packet go on after the box has taken its ACK, and its text if it has any? Only if the
 * other end waits for exactly this packet. */
static bool is_waited_for(struct flow *f, enum engine_side side, bool first_ack)
{
	const struct relay *in = &f->relay[engine_other(side)];
	bool answers = in->keep_alive && in->snd_una == in->rcv_nxt;
	/* An end whose SYN offered no window was not ready for data; this packet says that it is
	 * now. */
	bool opens = in->rcv_nxt == SEQ_BASE + 1 && relay_edge(in) == in->rcv_nxt &&
		     f->end[side].window > 0;

	/* The first ACK ends the handshake, which the ends do between themselves. */
	return first_ack || answers || opens;
}

/* Takes a segment that is believed: notes what it says, and gives its ACK and its text to the
 * relays. */
static enum engine_verdict take_segment(struct engine *e, struct flow *f, enum engine_side side,
					const struct segment *g)
{
	enum engine_side other = engine_other(side);
	struct endpoint *self = &f->end[side];
	struct relay *out = &f->relay[side];	/* carries what this end sends */
	struct relay *in = &f->relay[other];	/* whose sink this end is */
	bool first_ack = !self->acked_syn, window_changed, wants_ack;

	if (!in->intercepted && g->ack > in->rcv_nxt)
		in->rcv_nxt = g->ack;
	self->acked_syn = true;
	flow_unmark(f, FLOW_RST_SUSPECTED, side);	/* it is alive */
	window_changed = learn_segment(f, side, g);
	if (reset_is_confirmed(f, side)) {
		enum engine_verdict verdict = put_right(e, f, side, g->p, g->o);

		lifetime_reset(e, f, other, CLOSE_RESET);
		return verdict;
	}
	if (in->intercepted) {
		bool news = send_sacked(e, f, other, g->o);

		send_acked(e, f, other, g->ack, news || (!g->has_text && !window_changed));
	}
	wants_ack = take_text(e, f, side, g);

	if (out->intercepted && g->has_text)
		return after_text(e, f, side, g);
	if (lifetime_is_gone(f, other)) {
		/* The other end is gone; if the segment calls for an answer, the box sends it. */
		if (wants_ack)
			flow_mark(f, FLOW_ACK_INFO_OWED, other);
		return VERDICT_DROP;
	}
	if (in->intercepted && (!wants_ack || out->intercepted)) {
		if (!is_waited_for(f, side, first_ack))
			return VERDICT_DROP;
		in->keep_alive = false;
	}
	return pass_on(e, f, side, g->p, g->o);
}

enum engine_verdict segment_input(struct engine *e, flow_handle h, enum engine_side side,
				  struct packet *p, const struct tcpopt *o)
{
	struct flow *f = flow_get(&e->table, h);
	const struct endpoint *self = &f->end[side], *peer = &f->end[engine_other(side)];
	struct segment g = {
		.p = p,
		.o = o,
		.fin = p->flags & TCP_FIN,
		.has_text = p->payload_bytes > 0 || (p->flags & TCP_FIN),
	};
	enum engine_verdict verdict;

	if (side == CLIENT && (p->flags & (TCP_ACK | TCP_SYN | TCP_RST)) == TCP_ACK)
		choose_syn_ack(f, p);
	g.offset = seq_widen(self->isn, p->seq, f->relay[side].rcv_nxt);
	g.ack = seq_widen(peer->isn, p->ack, f->relay[engine_other(side)].snd_una);
	g.end = g.offset + p->payload_bytes + g.fin;
	if (p->flags & TCP_RST)
		return reset_segment(e, f, side, p, g.offset, g.ack);
	if (p->flags & TCP_SYN)
		return segment_syn(e, f, side, p, o);
	if (!(p->flags & TCP_ACK))
		return VERDICT_DROP;
	if (p->flags & TCP_URG)
		e->stats.urgent_segments++;
	if (!is_believed(e, h, side, &g, &verdict))
		return verdict;
	return take_segment(e, f, side, &g);
}
