/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "box.h"

#include "icmp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * A packet's way: view, flow, state, verdict
 *
 * Whether a packet of a flow goes on depends on what it carries and on which halves
 * are intercepted:
 *
 *      data or FIN of an intercepted half      taken; the relay sends it on
 *      acknowledgment of an intercepted half   taken; the relay is its sender
 *      all else                                goes on, with SEQ, ACK, window and
 *                                              SACK put right (see emit.c)
 *
 * A packet of an end-to-end half that also acknowledges an intercepted one goes on
 * with the box's ACK in place of its own.
 */

/* RFC 9293 section 3.7.1. */
#define MSS_DEFAULT_IPV4 536
#define MSS_DEFAULT_IPV6 1220

/* What two segments in an IPv6 packet of ENGINE_PACKET_MAX bytes leave to each. Where only one fits
 * offloads still join two, and the queue would cut off what is longer. */
#define MSS_MAX ((ENGINE_PACKET_MAX - 40 - TCP_HEADER_BYTES) / 2)

/* How long a flow lives without a packet. Open ones: RFC 5382 REQ-5. Those of which an end has
 * not acknowledged the other's SYN: longer than Linux repeats one at the end. */
#define IDLE_OPEN_NS (7440 * NS_PER_S)
#define IDLE_OPENING_NS (130 * NS_PER_S)
/* How long to answer in the name of an end that sent a RST. */
#define IDLE_RESET_NS (30 * NS_PER_S)
/* How long Linux waits, at both ends, for the last FIN to be repeated. */
#define IDLE_CLOSED_NS (60 * NS_PER_S)

/* A segment that may be a forger's and carries nothing is answered this often. Linux has
 * the same (net.ipv4.tcp_invalid_ratelimit). */
#define CHALLENGE_GAP_MS 500

/* After this long without a packet a source has nothing under way: longer than the way
 * takes. */
#define QUIET_NS NS_PER_S

/* What a SYN offers, and so lets come before a window is scaled (RFC 7323 section 2.2). */
#define FIRST_WINDOW_MAX 65535

/* Of a packet in the name of an end that was never heard. */
#define REFUSAL_TTL 64

#define FLOWS_MAX_DEFAULT 65536
#define MEMORY_DEFAULT (UINT64_C(256) << 20)

void engine_config_init(struct engine_config *config)
{
	*config = (struct engine_config){
		.rules = {
			.policies = 1,
			.policy[0] = {
				.segment_size = ENGINE_SEGMENT_SIZE_DEFAULT,
				.direction = DIRECTION_C2S,
				.fault = { fault_of(&fault_table[0]) },
				.faults = 1,
			},
		},
		.flows_max = FLOWS_MAX_DEFAULT,
		.window_bytes = STREAM_WINDOW_MAX,
		.memory_bytes = MEMORY_DEFAULT,
		.engines = 1,
	};
}

static bool config_good(const struct engine_config *c)
{
	return hooks_good(&c->rules) && c->overload <= OVERLOAD_REFUSE &&
	       c->flows_max >= 1 && c->flows_max < FLOW_NONE && c->window_bytes >= ENGINE_WINDOW_MIN &&
	       c->window_bytes <= STREAM_WINDOW_MAX && c->number < c->engines;
}

int engine_create(struct engine **out, const struct engine_config *config)
{
	struct engine *e;
	int rc;

	if (!config_good(config))
		return -EINVAL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->config = *config;
	e->output_first = e->output_last = FLOW_NONE;
	hooks_begin(e);
	rc = flow_table_create(&e->table, config->flows_max, config->hash_key);
	if (rc < 0)
		goto free_engine;
	rc = timers_create(&e->timers, config->flows_max);
	if (rc < 0)
		goto destroy_table;
	rc = pool_create(&e->pool, config->memory_bytes);
	if (rc < 0)
		goto destroy_timers;
	*out = e;
	return 0;

destroy_timers:
	timers_destroy(&e->timers);
destroy_table:
	flow_table_destroy(&e->table);
free_engine:
	free(e);
	return rc;
}

void engine_destroy(struct engine *e)
{
	if (!e)
		return;
	pool_destroy(&e->pool);
	timers_destroy(&e->timers);
	flow_table_destroy(&e->table);
	free(e);
}

/* Flows: deadlines, output, end --------------------------------------------- */

static void set_now(struct engine *e, uint64_t now_ns)
{
	e->behind_owed = false;	/* if it was not taken out it is lost */
	e->now_ns = now_ns;
	e->now_ms = (uint32_t)(now_ns / NS_PER_MS);
}

static uint64_t touched_ns(const struct engine *e, const struct flow *f)
{
	return e->now_ns - (e->now_ms - f->touched_ms) * NS_PER_MS;
}

/* Has each end shown that it hears the other? A server answers a SYN with an address that is
 * forged, and nobody answers that. */
static bool is_established(const struct flow *f)
{
	return f->end[CLIENT].acked_syn && f->end[SERVER].acked_syn;
}

static uint64_t idle_deadline(const struct engine *e, const struct flow *f)
{
	switch (f->state) {
	case FLOW_OPENING:
		return touched_ns(e, f) + IDLE_OPENING_NS;
	case FLOW_OPEN:
		return touched_ns(e, f) + (is_established(f) ? IDLE_OPEN_NS : IDLE_OPENING_NS);
	case FLOW_RESET:
		return touched_ns(e, f) + IDLE_RESET_NS;
	case FLOW_CLOSED:
		return touched_ns(e, f) + IDLE_CLOSED_NS;
	default:	/* FLOW_FORGOTTEN, too: the ends may try for as long */
		return touched_ns(e, f) + IDLE_OPEN_NS;
	}
}

/* Does the sink of each relay have all that arrived? */
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
 * Can its ends go on without the box? The sink must have all that was ACKed; and be able to
 * take all that the source may have sent on the box's word. Else each end would find the
 * other's ACKs behind its window, and answer them, for ever. A source that is quiet has
 * nothing under way. And both must know the same numbers.
 */
static bool can_be_handed_over(const struct engine *e, const struct flow *f)
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

static void set_alarm(struct engine *e, flow_handle h)
{
	const struct flow *f = flow_get(&e->table, h);
	uint64_t at = idle_deadline(e, f);

	/* One whose numbers are shifted stays as long as it is open. */
	if (e->draining && f->state == FLOW_OPEN && !f->shifted && holds_nothing(e, f))
		at = touched_ns(e, f) + QUIET_NS;
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		const struct transit *t = box_transit(e, &f->relay[side]);

		if (t && t->timer_ns != 0 && t->timer_ns < at)
			at = t->timer_ns;
	}
	timers_set(&e->timers, h, at);
}

static void queue_output(struct engine *e, flow_handle h)
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

static void unqueue_output(struct engine *e, flow_handle h)
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

/* Lets go of what the relays of an open flow hold and owe. What is sent in the source's
 * name after that (a RST) stands behind what was sent before. */
static void empty_relays(struct engine *e, struct flow *f)
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

static void close_flow(struct engine *e, struct flow *f, enum engine_close_reason reason)
{
	report_closed(e, f, reason);
	empty_relays(e, f);
}

/* Has it ended, and is only remembered for what its ends may still send? */
static bool is_over(const struct flow *f)
{
	return f->state == FLOW_RESET || f->state == FLOW_CLOSED || f->state == FLOW_FORGOTTEN;
}

static void end_state(struct engine *e, struct flow *f, enum flow_state state)
{
	if (!is_over(f))
		e->flows_over++;
	f->state = state & 15u;
}

static void forget_flow(struct engine *e, flow_handle h)
{
	if (is_over(flow_get(&e->table, h)))
		e->flows_over--;
	unqueue_output(e, h);
	timers_cancel(&e->timers, h);
	flow_remove(&e->table, h);
}

static void end_flow(struct engine *e, flow_handle h, enum engine_close_reason reason)
{
	struct flow *f = flow_get(&e->table, h);

	if (f->state == FLOW_OPEN)
		close_flow(e, f, reason);
	forget_flow(e, h);
}

/* Both ends have each other's FIN. */
static void finish_flow(struct engine *e, flow_handle h)
{
	struct flow *f = flow_get(&e->table, h);

	if (!f->shifted) {
		end_flow(e, h, CLOSE_FIN);
		return;
	}
	close_flow(e, f, CLOSE_FIN);
	end_state(e, f, FLOW_CLOSED);
	set_alarm(e, h);
}

/* `by` sent a RST that the box believes, or the box gives up in its name. */
static void reset_flow(struct engine *e, struct flow *f, enum engine_side by,
		       enum engine_close_reason reason)
{
	close_flow(e, f, reason);
	end_state(e, f, FLOW_RESET);
	f->touched_ms = e->now_ms;
	f->server_reset = by == SERVER;
}

static void owe_rsts(struct flow *f)
{
	flow_mark(f, FLOW_RST_OWED, CLIENT);
	flow_mark(f, FLOW_RST_OWED, SERVER);
}

static bool fin_arrived(const struct flow *f, enum engine_side side)
{
	const struct relay *r = &f->relay[side];

	return r->fin_seen && r->snd_una > relay_fin(r);
}

static bool is_finished(const struct flow *f)
{
	return f->state == FLOW_OPEN && fin_arrived(f, CLIENT) && fin_arrived(f, SERVER);
}

/*
 * Is an end gone? The box has ACKed its FIN, and it has ACKed the other's: for itself
 * the connection is over, though the box may still have its data to deliver. It answers
 * whatever still reaches it with a RST, and that must not end the delivery.
 */
static bool is_gone(const struct flow *f, enum engine_side side)
{
	const struct relay *out = &f->relay[side];

	return out->intercepted && box_has_fin(out) && fin_arrived(f, engine_other(side));
}

/* Handshake ------------------------------------------------------------------- */

static void learn_header(struct endpoint *end, const struct packet *p)
{
	end->ttl = p->ttl;
	/* Without the ECN bits: nobody negotiated them. */
	end->label = p->label & (p->version == 4 ? ~UINT32_C(0x03) : ~UINT32_C(0x00300000));
	end->dont_fragment = p->dont_fragment;
	end->local = p->local;
}

static void learn_syn(struct endpoint *end, const struct packet *p, const struct tcpopt *o)
{
	learn_header(end, p);
	end->isn = p->seq;
	end->widest = p->window;
	end->mss = o->mss > MSS_MAX ? MSS_MAX : o->mss;
	if (o->mss == 0)
		end->mss = p->version == 4 ? MSS_DEFAULT_IPV4 : MSS_DEFAULT_IPV6;
	end->offered_shift = o->window_shift;
	end->offers_window_shift = o->has_window_shift;
	end->offers_sack = o->sack_permitted;
	end->offers_timestamps = o->has_timestamps;
	end->ts_val = end->ts_recent = o->ts_val;
	end->ts_ecr = o->ts_ecr;
	end->syn_seen = true;
}

/* Takes out of a SYN or SYN-ACK what the box could not keep: Fast Open, with the
 * data that may come along, Multipath TCP, and ECN (RFC 3168 section 6.1.1); and lets
 * nobody send longer packets than it can be handed. A fault of Fast Open needs clients that have
 * got a cookie, by a SYN without data: then they may. */
static bool clean_syn(const struct engine *e, const struct flow *f, struct packet *p)
{
	bool keep = p->payload_bytes == 0 && hooks_keep_fast_open(e, f);
	bool changed = tcpopt_remove_unkept(p, keep);

	changed |= tcpopt_limit_mss(p, MSS_MAX);

	changed |= packet_set_flags(p, p->flags & (uint8_t)~(TCP_ECE | TCP_CWR));
	changed |= packet_clear_ecn(p);
	if (p->payload_bytes > 0) {
		packet_drop_payload(p);
		changed = true;
	}
	return changed;
}

/* What the box tells the other end of the window in a SYN: no more than it can hold,
 * for the other end may fill it at once. */
static uint16_t syn_window(const struct engine *e, uint16_t window)
{
	return window < e->config.window_bytes ? window : (uint16_t)e->config.window_bytes;
}

/* Both SYNs are known: what the ends agreed on, and the relays at their beginning. */
static void start_relays(struct engine *e, struct flow *f)
{
	bool scaled = f->end[CLIENT].offers_window_shift && f->end[SERVER].offers_window_shift;

	f->timestamps = f->end[CLIENT].offers_timestamps && f->end[SERVER].offers_timestamps;
	f->sack = f->end[CLIENT].offers_sack && f->end[SERVER].offers_sack;
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		struct relay *r = &f->relay[side];
		struct endpoint *end = &f->end[side];
		uint16_t window = f->end[engine_other(side)].widest;

		*r = (struct relay){ .transit = POOL_NONE, .faults = r->faults, .eod = r->eod };
		r->intercepted = hooks_policy(e, f)->direction & (1u << side);
		r->rcv_nxt = r->snd_una = SEQ_BASE + 1;
		r->edge_low = (uint32_t)r->rcv_nxt + (r->intercepted ? syn_window(e, window) : window);
		r->wl1_low = (uint32_t)SEQ_BASE;
		send_begin(r, receive_segment_size(e, f, side));
		/* The window of a SYN is not scaled (RFC 7323 section 2.2). */
		end->window_shift = scaled ? end->offered_shift : 0;
		end->window = (uint16_t)(end->widest >> end->window_shift);
		end->has_news = false;
	}
	f->state = FLOW_OPEN;
}

/* What the box lets out of a SYN or SYN-ACK. */
static enum engine_verdict pass_syn(const struct engine *e, const struct flow *f,
				    enum engine_side side, struct packet *p)
{
	bool changed = clean_syn(e, f, p);

	if (hooks_policy(e, f)->direction & (1u << engine_other(side)))
		changed |= packet_set_window(p, syn_window(e, p->window));

	return changed ? VERDICT_REPLACE : VERDICT_ACCEPT;
}

/* Answers a SYN as a closed port does: SEQ 0, ACK behind all of it (RFC 9293 section
 * 3.10.7.1). */
static void refuse(struct engine *e, const struct flow_key *key, unsigned sender,
		   const struct packet *p)
{
	struct flow *f = &e->refused;

	memset(f, 0, sizeof(*f));
	f->key = *key;
	f->version = p->version;
	f->client = sender & 1u;
	f->relay[CLIENT].transit = f->relay[SERVER].transit = POOL_NONE;
	f->end[CLIENT].isn = p->seq;
	f->relay[CLIENT].snd_una = SEQ_BASE + 1 + p->payload_bytes;
	f->relay[SERVER].rcv_nxt = f->relay[SERVER].snd_una = SEQ_BASE;
	f->end[SERVER].ttl = REFUSAL_TTL;
	f->end[SERVER].local = true;	/* it may be: the way that always works */
	e->refusal_owed = true;
}

/* There is no room for a new connection. */
static enum engine_verdict overload(struct engine *e, const struct flow_key *key, unsigned sender,
				    const struct packet *p)
{
	if (e->config.overload == OVERLOAD_PASS) {
		e->stats.passed_overload++;
		return VERDICT_ACCEPT;
	}
	refuse(e, key, sender, p);
	e->stats.refused_overload++;
	return VERDICT_DROP;
}

/* A packet of no flow. A SYN makes one, which is *made: it is no packet of FLOW_OPENING yet. */
static enum engine_verdict first_packet(struct engine *e, const struct flow_key *key,
					unsigned sender, struct packet *p, flow_handle *made)
{
	struct tcpopt o;
	struct flow *f;
	flow_handle h;

	if ((p->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN) {
		e->stats.passed_unknown_flow++;
		return VERDICT_ACCEPT;
	}
	tcpopt_parse(&o, p);
	if (o.authenticated) {	/* its packets cannot be written anew without the key */
		e->stats.passed_authenticated++;
		return VERDICT_ACCEPT;
	}
	if (e->draining) {
		e->stats.passed_draining++;
		return VERDICT_ACCEPT;
	}
	if (hooks_passes(e, key, sender)) {
		e->stats.passed_policy++;
		return VERDICT_ACCEPT;
	}
	h = receive_is_short(e) ? FLOW_NONE : flow_add(&e->table, key);
	if (h == FLOW_NONE)
		return overload(e, key, sender, p);
	f = flow_get(&e->table, h);
	f->serial = e->flows_seen++ * e->config.engines + e->config.number + 1;
	f->version = p->version;
	f->client = sender & 1u;
	hooks_start(e, f);
	f->touched_ms = e->now_ms;
	for (unsigned side = CLIENT; side <= SERVER; side++)
		f->challenge_ms[side] = f->rst_challenge_ms[side] = e->now_ms - CHALLENGE_GAP_MS;
	set_alarm(e, h);
	*made = h;
	return VERDICT_ACCEPT;
}

/* Does this show that its sender has had a SYN which the box has not seen? */
static bool has_begun(const struct endpoint *self, const struct endpoint *peer, const struct packet *p)
{
	if (!(p->flags & TCP_ACK))
		return false;
	return (self->syn_seen && p->seq - self->isn - 1 <= FIRST_WINDOW_MAX) ||
	       (peer->syn_seen && p->ack - peer->isn - 1 <= FIRST_WINDOW_MAX);
}

static enum engine_verdict opening(struct engine *e, flow_handle h, enum engine_side side,
				   struct packet *p, const struct tcpopt *o)
{
	struct flow *f = flow_get(&e->table, h);
	struct endpoint *self = &f->end[side], *peer = &f->end[engine_other(side)];
	bool acks_peer = peer->syn_seen && (p->flags & TCP_ACK) && p->ack == peer->isn + 1;

	if (p->flags & TCP_RST) {
		/* Refused, or given up by the client itself (RFC 9293 section
		 * 3.10.7.3). A RST that is neither is a forgery: it goes on, and
		 * the ends will see. */
		if (acks_peer || (self->syn_seen && p->seq == self->isn + 1))
			forget_flow(e, h);
		return VERDICT_ACCEPT;
	}
	if (!(p->flags & TCP_SYN)) {
		if (side == CLIENT && !peer->syn_seen && (p->flags & TCP_ACK) &&
		    p->seq == self->isn + 1)
			e->stats.one_sided++;	/* it has an answer that did not come by */
		/* A box that starts among packets that wait sees a SYN that is repeated, but not what answered the
		 * first one: the ends have begun without it. What they have sent it could not know. */
		if (!f->shifted && has_begun(self, peer, p)) {
			forget_flow(e, h);
			e->stats.passed_unknown_flow++;
		}
		return VERDICT_ACCEPT;
	}
	if ((p->flags & TCP_ACK) && !acks_peer)
		return VERDICT_ACCEPT;		/* the other end will answer with a RST */
	if (o->authenticated) {
		forget_flow(e, h);
		e->stats.passed_authenticated++;
		return VERDICT_ACCEPT;
	}
	learn_syn(self, p, o);
	self->acked_syn = acks_peer;
	if (peer->syn_seen) {
		start_relays(e, f);
		e->stats.flows_opened++;
		report_opened(e, f);
		queue_output(e, h);
	}
	return pass_syn(e, f, side, p);
}

/* Open flows -------------------------------------------------------------------- */

/* Puts right in a packet what the box keeps for itself. */
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

/* The packet goes on, and its receiver will believe it. */
static enum engine_verdict pass_on(struct engine *e, struct flow *f, enum engine_side side,
				   struct packet *p, const struct tcpopt *o)
{
	enum engine_verdict verdict = put_right(e, f, side, p, o);
	struct relay *in = &f->relay[engine_other(side)];

	emit_told(e, f, side);
	/* An ACK that is owed is this one, unless it must tell of holes. */
	if (!receive_has_holes(e, in))
		in->ack_owed = false;
	return verdict;
}

/* Owes an end an ACK for a segment that may not be its own. With last_ms, only once in a
 * while, so that nobody can have the box send many, nor start a dialogue of ACKs (RFC 5961
 * section 7). */
static void challenge(struct engine *e, struct flow *f, enum engine_side side, uint32_t *last_ms)
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

/* A segment of an open flow, its numbers widened. */
struct segment {
	struct packet *p;
	const struct tcpopt *o;
	uint64_t offset;	/* of its first octet */
	uint64_t end;		/* behind its last; a FIN counts */
	uint64_t ack;
	bool fin;
	bool has_text;		/* data or FIN */
};

/* The same SYN or SYN-ACK again: meanwhile its sender may offer a wider window. */
static enum engine_verdict pass_syn_again(const struct engine *e, struct flow *f,
					  enum engine_side side, struct packet *p)
{
	struct relay *in = &f->relay[engine_other(side)];
	uint16_t window = in->intercepted ? syn_window(e, p->window) : p->window;
	uint64_t edge = SEQ_BASE + 1 + window;

	if (edge > relay_edge(in))
		in->edge_low = (uint32_t)edge;
	if (relay_sink_is_new(in) && p->window > f->end[side].widest) {
		f->end[side].widest = p->window;
		f->end[side].window = (uint16_t)(p->window >> f->end[side].window_shift);
	}
	return pass_syn(e, f, side, p);
}

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
		/* The other end has not answered, so the handshake goes on: the SYN-ACK
		 * before was lost, or another one takes its place. */
		if (!again) {
			empty_relays(e, f);
			learn_syn(self, p, o);
			self->acked_syn = true;
			start_relays(e, f);
		}
		return pass_syn_again(e, f, side, p);
	}
	/* A client that still asks, as the SYN-ACK was lost behind the box. */
	if (again && !(p->flags & TCP_ACK) && !self->acked_syn)
		return pass_syn_again(e, f, side, p);
	/* The ACK of a repeated SYN-ACK is the box's to send; any other SYN gets one to
	 * find out whether it is real (RFC 5961 section 4). */
	if (!f->relay[side].intercepted)
		return again ? pass_syn_again(e, f, side, p) : VERDICT_ACCEPT;
	challenge(e, f, side, &f->challenge_ms[side]);
	return VERDICT_DROP;
}

/* PAWS, RFC 7323 section 5.3 rule R1. Its exception for a connection that was idle for 24
 * days is not needed: the box has forgotten such a one. */
static bool is_old(const struct flow *f, enum engine_side side, const struct tcpopt *o)
{
	return f->timestamps && o->has_timestamps &&
	       seq_ts_before(o->ts_val, f->end[side].ts_recent);
}

/* Notes what an end says of itself. Returns true if its window changed. */
static bool learn_segment(struct flow *f, enum engine_side side, const struct segment *g)
{
	struct endpoint *self = &f->end[side];
	const struct relay *out = &f->relay[side];
	struct relay *in = &f->relay[engine_other(side)];
	const struct tcpopt *o = g->o;
	uint16_t window = g->p->window;
	bool window_changed = false;
	uint64_t edge;

	learn_header(self, g->p);
	if (!g->p->joined && g->p->payload_bytes + g->p->options_bytes > self->longest)
		self->longest = (uint16_t)(g->p->payload_bytes + g->p->options_bytes);
	if (f->timestamps && o->has_timestamps) {
		/* What answers it echoes the newest in order: RFC 7323 section 4.3. */
		if (!seq_ts_before(o->ts_val, self->ts_val)) {
			self->ts_val = o->ts_val;
			self->ts_ecr = o->ts_ecr;
		}
		if (g->offset <= out->rcv_nxt && !seq_ts_before(o->ts_val, self->ts_recent))
			self->ts_recent = o->ts_val;
	}
	/* RFC 9293 section 3.10.7.4 looks at SND.WL1 even when the ACK is newer; then the
	 * old window would move on with the new ACK, beyond what was offered. */
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
	if (in->intercepted)	/* the rest is for its sender: send.c */
		return window_changed;
	if (g->ack > in->snd_una)
		in->snd_una = g->ack;
	/* An ACK that was overtaken offers what it offered. */
	edge = g->ack + ((uint64_t)window << self->window_shift);
	if (edge > relay_edge(in))
		in->edge_low = (uint32_t)edge;
	return window_changed;
}

/* May a segment of an end-to-end half be the source's own? Its receiver judges, and so
 * it goes on in any case; but the box believes nothing a blind forger could say. */
static bool plausible(const struct relay *out, uint64_t offset, uint64_t end)
{
	/* One octet behind the edge is a probe of a closed window. */
	return end >= out->snd_una && offset <= relay_edge(out) && end <= relay_edge(out) + 1;
}

/*
 * A keep-alive asks whether the other end still lives, so that end answers it, not the
 * box; unless the box holds something, for then the sink may not have the octet that it
 * repeats. One with an octet of data may as well be a repetition, as the box's ACK was
 * lost: it is answered by the box.
 */
static bool is_keep_alive(const struct flow *f, enum engine_side side, const struct segment *g)
{
	const struct relay *out = &f->relay[side];

	return !g->has_text && g->offset == out->rcv_nxt - 1 && out->snd_una == out->rcv_nxt &&
	       !is_gone(f, engine_other(side));
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
	challenge(e, f, side, g->has_text ? NULL : &f->challenge_ms[side]);
	return VERDICT_DROP;
}

static bool has_early_fin(const struct engine *e, const struct relay *r)
{
	const struct transit *t = box_transit(e, r);

	return t && t->early_fin;
}

/* Does it acknowledge what was never sent, or what was acknowledged long ago (RFC 5961
 * section 5.2)? Of what goes end to end the box may not have seen all, as fragments pass;
 * but nobody sends what was not asked for, with an octet more for a probe or a FIN. */
static bool ack_is_wild(const struct engine *e, const struct flow *f, enum engine_side side,
			uint64_t ack)
{
	enum engine_side other = engine_other(side);
	const struct relay *in = &f->relay[other];
	/* An ACK older than the largest window that this end can offer is no late one. */
	uint64_t oldest = (uint64_t)UINT16_MAX << f->end[side].window_shift;

	/* At first it has nothing to acknowledge but a SYN. Who does not know its number has not seen it, and the
	 * box would put in the right one. */
	if (!f->end[side].acked_syn && ack <= SEQ_BASE)
		return true;
	return ack > (in->intercepted ? box_sent_end(e, in) : relay_edge(in) + 1) || ack + oldest < in->snd_una;
}

/*
 * Does an end acknowledge what the box has not seen, of a half that it intercepts, though no more
 * than the box has offered to take? Then a route was changed, and what the source sends takes
 * another way. The end has all that the box has, so they can do without it: the numbers are the
 * same. Once may be a forger's; what the box then sends is answered alike if it is true, and what
 * the box holds was sent in vain.
 */
static bool has_gone_round(const struct engine *e, struct flow *f, enum engine_side side,
			   uint64_t ack)
{
	enum engine_side other = engine_other(side);
	const struct relay *in = &f->relay[other];
	const struct transit *t = box_transit(e, in);
	bool again = flow_is_marked(f, FLOW_BYPASS_SUSPECTED, other);

	if (!in->intercepted || f->shifted || f->relay[side].intercepted || has_early_fin(e, in) ||
	    ack <= in->rcv_nxt || ack > relay_edge(in) + 1)
		return false;
	flow_mark(f, FLOW_BYPASS_SUSPECTED, other);
	return again && (!t || t->backoff > 0);
}

/*
 * Is a RST of an end-to-end half, which its receiver judges, sure to end the connection? A kernel
 * takes the number that it expects, and no other (RFC 5961 section 3.2). The box knows that one
 * only where all that it has seen is acknowledged; else it lies somewhere in
 *
 *              snd_una                                     rcv_nxt
 *      --------+-------------------------------------------+----------
 *              acknowledged up to here                     seen up to here
 *
 * There a forger who knows no more than the window could end what the box has ACKed and not
 * delivered. So it asks the end that is said to have sent the RST, by an ACK: an end that is gone
 * answers with another RST, whose number is that ACK's own, and an end that lives says nothing.
 * So do those that answer pieces, which the box sends with the same ACK.
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

static enum engine_verdict segment_rst(struct engine *e, struct flow *f, enum engine_side side,
				       struct packet *p, const struct segment *g)
{
	enum engine_side other = engine_other(side);
	const struct relay *out = &f->relay[side], *in = &f->relay[other];
	const struct endpoint *self = &f->end[side], *peer = &f->end[other];

	if (is_gone(f, side))
		return VERDICT_DROP;
	/* The other end still waits for a SYN-ACK, as the first was lost after the box, and
	 * this one knows nothing of it any more: then the ACK counts (RFC 9293 section
	 * 3.10.7.3). */
	if (!peer->acked_syn && (p->flags & TCP_ACK) && p->ack == peer->isn + 1) {
		reset_flow(e, f, side, CLOSE_RESET);
		return VERDICT_ACCEPT;
	}
	if (out->intercepted) {
		/* RFC 5961 section 3.2: only the exact number counts; one inside the
		 * window is asked for again; any other is dropped. */
		if (g->offset != out->rcv_nxt) {
			if (g->offset > out->rcv_nxt && g->offset < receive_edge(e, out))
				challenge(e, f, side, &f->rst_challenge_ms[side]);
			return VERDICT_DROP;
		}
		packet_set_seq(p, seq_narrow(self->isn, emit_seq(e, f, side)));
	}
	if (in->intercepted && (p->flags & TCP_ACK))
		packet_set_ack(p, seq_narrow(peer->isn, emit_ack(f, side)));
	if (!out->intercepted && !rst_is_sure(e, f, side, g->offset))
		return VERDICT_REPLACE;
	/* What it acknowledges has arrived (RFC 9293 section 3.10.7.4 looks at the ACK of any
	 * segment that it accepts). */
	if (in->intercepted && (p->flags & TCP_ACK) && !ack_is_wild(e, f, side, g->ack))
		send_is_acked(e, f, other, g->ack);
	reset_flow(e, f, side, CLOSE_RESET);
	return VERDICT_REPLACE;
}

/* An end acknowledges what the other one sent, of which there was a RST that may be its own. If it
 * has all and expects that number it takes the RST; what it acknowledges beyond shows it did not. */
static bool confirms_rst(struct flow *f, enum engine_side side)
{
	enum engine_side other = engine_other(side);
	const struct relay *in = &f->relay[other];
	uint64_t rst = seq_near(in->rst_low, in->rcv_nxt);

	if (!flow_is_marked(f, FLOW_RST_SUSPECTED, other) || in->snd_una < rst)
		return false;
	flow_unmark(f, FLOW_RST_SUSPECTED, other);
	return in->snd_una == rst && in->rcv_nxt == rst;
}

/* Hands the text to the relay, or notes it where the half goes end to end. Returns true
 * if it wants an ACK: a probe or a keep-alive does, though it has no text. */
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

/* What else a segment carried whose text the box has taken. */
static enum engine_verdict after_text(struct engine *e, struct flow *f, enum engine_side side,
				      const struct segment *g)
{
	if (f->relay[engine_other(side)].intercepted)
		return VERDICT_DROP;
	if (g->o->sack_bytes > 0 && !g->p->joined) {
		/* SACK blocks for the other half rode on it: they go on alone. (The kernel could
		 * not send what is left of a joined packet.) */
		packet_set_flags(g->p, g->p->flags & (uint8_t)~(TCP_FIN | TCP_PSH | TCP_URG));
		packet_drop_payload(g->p);
		pass_on(e, f, side, g->p, g->o);
		return VERDICT_REPLACE;
	}
	if (f->end[side].has_news)
		flow_mark(f, FLOW_ACK_INFO_OWED, side);
	return VERDICT_DROP;
}

static enum engine_verdict segment(struct engine *e, flow_handle h, enum engine_side side,
				   struct packet *p, const struct tcpopt *o)
{
	struct flow *f = flow_get(&e->table, h);
	enum engine_side other = engine_other(side);
	struct endpoint *self = &f->end[side], *peer = &f->end[other];
	struct relay *out = &f->relay[side];	/* carries what this end sends */
	struct relay *in = &f->relay[other];	/* whose sink this end is */
	struct segment g = {
		.p = p,
		.o = o,
		.offset = seq_widen(self->isn, p->seq, out->rcv_nxt),
		.ack = seq_widen(peer->isn, p->ack, in->snd_una),
		.fin = p->flags & TCP_FIN,
		.has_text = p->payload_bytes > 0 || (p->flags & TCP_FIN),
	};
	bool first_ack = !self->acked_syn, window_changed, wants_ack;

	g.end = g.offset + p->payload_bytes + g.fin;
	if (p->flags & TCP_RST)
		return segment_rst(e, f, side, p, &g);
	if (p->flags & TCP_SYN)
		return segment_syn(e, f, side, p, o);
	if (!(p->flags & TCP_ACK))
		return VERDICT_DROP;
	if (p->flags & TCP_URG)
		e->stats.urgent_segments++;

	/* Nothing is learned from a segment before it is found acceptable. */
	if (out->intercepted) {
		if (is_old(f, side, o) ||
		    !receive_acceptable(e, out, g.offset, p->payload_bytes, g.fin))
			return unacceptable(e, f, side, &g);
	} else if (!plausible(out, g.offset, g.end)) {
		return put_right(e, f, side, p, o);
	}
	/* The sink counts a FIN that is none of the source's. */
	if (has_early_fin(e, in) && g.ack == box_sent_end(e, in) + 1)
		g.ack--;
	if (has_gone_round(e, f, side, g.ack)) {
		send_is_acked(e, f, other, in->rcv_nxt);
		e->stats.one_sided++;
		end_flow(e, h, CLOSE_HANDED_OVER);
		return VERDICT_ACCEPT;
	}
	if (ack_is_wild(e, f, side, g.ack)) {
		challenge(e, f, side, g.has_text ? NULL : &f->challenge_ms[side]);
		return VERDICT_DROP;
	}
	if (!in->intercepted && g.ack > in->rcv_nxt)
		in->rcv_nxt = g.ack;

	self->acked_syn = true;
	flow_unmark(f, FLOW_RST_SUSPECTED, side);	/* it lives */
	window_changed = learn_segment(f, side, &g);
	if (confirms_rst(f, side)) {
		enum engine_verdict verdict = put_right(e, f, side, p, o);

		reset_flow(e, f, other, CLOSE_RESET);
		return verdict;
	}
	if (in->intercepted) {
		bool news = send_sacked(e, f, other, o);

		send_acked(e, f, other, g.ack, news || (!g.has_text && !window_changed));
	}
	wants_ack = take_text(e, f, side, &g);

	if (out->intercepted && g.has_text)
		return after_text(e, f, side, &g);
	if (is_gone(f, other)) {
		/* It cannot answer any more; if this wants an answer it is the box's. */
		if (wants_ack)
			flow_mark(f, FLOW_ACK_INFO_OWED, other);
		return VERDICT_DROP;
	}
	if (in->intercepted && (!wants_ack || out->intercepted)) {
		bool answers = in->keep_alive && in->snd_una == in->rcv_nxt;
		/* A SYN that offered no window is not ready for data, and this says that now it is. */
		bool opens = in->rcv_nxt == SEQ_BASE + 1 && relay_edge(in) == in->rcv_nxt &&
			     self->window > 0;

		/* The first ACK ends the handshake, which is the ends' own. */
		if (!first_ack && !answers && !opens)
			return VERDICT_DROP;
		in->keep_alive = false;
	}
	return pass_on(e, f, side, p, o);
}

/* A packet of a flow that one end has reset. */
static enum engine_verdict after_rst(struct engine *e, flow_handle h, enum engine_side side,
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
			       ? VERDICT_REPLACE : VERDICT_ACCEPT;
	}
	if ((p->flags & TCP_ACK) && !(p->flags & TCP_RST)) {
		/* It did not take the RST, as a piece before it was lost (RFC 5961
		 * section 3.2): its ACK tells the number that it will take, and the
		 * end that sent the RST would answer like this. */
		r->snd_una = seq_widen(f->end[by].isn, p->ack, r->snd_una);
		flow_mark(f, FLOW_RST_OWED, by);
		queue_output(e, h);
	}
	return VERDICT_DROP;
}

/* The entry points ---------------------------------------------------------------- */

/* Is it a SYN over the remains of an old connection? */
static bool is_new_connection(const struct flow *f, enum engine_side side, const struct packet *p)
{
	if ((p->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
		return false;
	return is_over(f) ||
	       (f->state == FLOW_OPENING && side == CLIENT && f->end[side].syn_seen &&
		p->seq != f->end[side].isn);
}

/* What a fault does to a packet and its flow. VERDICT_DROP: the packet is gone, and the flow may
 * be; else it is as any other. */
static enum engine_verdict suffer(struct engine *e, flow_handle h, enum engine_side side,
				  const struct packet *p, enum fault_fate fate)
{
	struct flow *f = flow_get(&e->table, h);

	switch (fate) {
	case FATE_VANISH:
		break;
	case FATE_RESET:
		if (f->state == FLOW_OPENING) {
			refuse(e, &f->key, side == CLIENT ? f->client : 1u - f->client, p);
			forget_flow(e, h);
		} else if (f->state == FLOW_OPEN) {
			owe_rsts(f);
			reset_flow(e, f, side, CLOSE_RESET);
			queue_output(e, h);
		}
		break;
	case FATE_FORGOTTEN:
		if (f->state == FLOW_OPEN)
			close_flow(e, f, CLOSE_FORGOTTEN);
		end_state(e, f, FLOW_FORGOTTEN);
		queue_output(e, h);	/* nothing; but it has another deadline, and can be drained */
		break;
	default:
		return VERDICT_ACCEPT;
	}
	return VERDICT_DROP;
}

/* A packet's acknowledgment of numbers that were shifted on their way out. SACK blocks stay. */
static bool shift_ack(uint8_t shifted, enum engine_side side, struct packet *p)
{
	return (shifted >> engine_other(side) & 1) && (p->flags & TCP_ACK) &&
	       packet_set_ack(p, p->ack - FAULT_SHIFT);
}

static bool shift_seq(uint8_t shifted, enum engine_side side, struct packet *p)
{
	return (shifted >> side & 1) && packet_set_seq(p, p->seq + FAULT_SHIFT);
}

static enum engine_verdict in_state(struct engine *e, flow_handle h, enum engine_side side,
				    struct packet *p)
{
	enum engine_verdict verdict;
	struct tcpopt o;

	tcpopt_parse(&o, p);
	switch (flow_get(&e->table, h)->state) {
	case FLOW_OPENING:
		return opening(e, h, side, p, &o);
	case FLOW_RESET:
		return after_rst(e, h, side, p);
	case FLOW_CLOSED:
		return VERDICT_ACCEPT;
	default:
		verdict = segment(e, h, side, p, &o);
		if (flow_get(&e->table, h)->state != FLOW_FREE)
			queue_output(e, h);
		return verdict;
	}
}

static enum engine_verdict judge(struct engine *e, struct packet *p)
{
	struct flow_key key;
	unsigned sender;
	flow_handle h;
	struct flow *f;
	enum engine_side side;
	enum engine_verdict verdict;
	bool rewritten = false;
	uint8_t shifted;

	flow_key_of(&key, &sender, p);
	h = flow_find(&e->table, &key);
	f = h == FLOW_NONE ? NULL : flow_get(&e->table, h);
	side = !f || sender == f->client ? CLIENT : SERVER;
	if (f && is_new_connection(f, side, p)) {
		end_flow(e, h, CLOSE_REPLACED);
		h = FLOW_NONE;
	}
	if (h == FLOW_NONE) {
		verdict = first_packet(e, &key, sender, p, &h);
		if (h == FLOW_NONE)
			return verdict;
	}

	f = flow_get(&e->table, h);
	f->touched_ms = e->now_ms;
	e->subject = (struct engine_subject){ .flow = f->serial, .source = side };
	verdict = VERDICT_ACCEPT;
	if (f->state == FLOW_FORGOTTEN)
		verdict = VERDICT_DROP;
	else if (f->state == FLOW_OPENING || f->state == FLOW_OPEN)
		verdict = suffer(e, h, side, p, hooks_packet(e, f, side, p, &rewritten));
	if (verdict == VERDICT_DROP)
		return VERDICT_DROP;
	shifted = f->shifted;
	if (shifted)
		rewritten |= shift_ack(shifted, side, p);
	verdict = in_state(e, h, side, p);
	if (f->serial == e->subject.flow && f->state != FLOW_FREE)
		e->subject.orphaned = box_orphaned_by_ack(f, side);
	if (verdict != VERDICT_DROP && shifted)
		rewritten |= shift_seq(shifted, side, p);
	return verdict == VERDICT_ACCEPT && rewritten ? VERDICT_REPLACE : verdict;
}

/* Does a router say that a piece of the box's is too big for it? Its source could do nothing about
 * that. */
static bool take_icmp(struct engine *e, void *data, size_t len)
{
	struct packet quoted;
	struct flow_key key;
	unsigned sender;
	uint32_t mtu, seq;
	flow_handle h;
	struct flow *f;
	enum engine_side side;

	if (!icmp_too_big(&quoted, &mtu, data, len))
		return false;
	flow_key_of(&key, &sender, &quoted);
	h = flow_find(&e->table, &key);
	f = h == FLOW_NONE ? NULL : flow_get(&e->table, h);
	if (!f || f->state != FLOW_OPEN)
		return false;
	side = sender == f->client ? CLIENT : SERVER;
	if (!f->relay[side].intercepted)
		return false;
	seq = quoted.seq - (f->shifted >> side & 1u ? FAULT_SHIFT : 0);
	send_too_big(e, f, side, seq_widen(f->end[side].isn, seq, f->relay[side].snd_una), mtu);
	queue_output(e, h);
	return true;
}

bool engine_icmp(struct engine *e, uint64_t now_ns, void *packet, size_t len)
{
	set_now(e, now_ns);
	return take_icmp(e, packet, len);
}

enum engine_verdict engine_input(struct engine *e, uint64_t now_ns, void *packet, size_t *len,
				 unsigned hints)
{
	struct packet p;
	enum engine_verdict verdict = VERDICT_ACCEPT;

	set_now(e, now_ns);
	e->subject.flow = 0;
	e->stats.packets++;
	switch (packet_parse(&p, packet, *len)) {
	case PACKET_TCP:
		p.joined = hints & ENGINE_JOINED;
		p.local = hints & ENGINE_LOCAL;
		/* Never ACK what is corrupt. */
		if (!(hints & ENGINE_NO_CHECKSUM) && !packet_checksum_good(&p)) {
			e->stats.passed_bad_checksum++;
			break;
		}
		verdict = judge(e, &p);
		if (verdict == VERDICT_REPLACE && (hints & ENGINE_NO_CHECKSUM))
			packet_set_checksum(&p);
		*len = p.ip_bytes;
		break;
	case PACKET_NOT_TCP:
		if (take_icmp(e, packet, *len))
			verdict = VERDICT_DROP;
		else
			e->stats.passed_not_tcp++;
		break;
	case PACKET_FRAGMENT:
		e->stats.passed_fragment++;
		break;
	case PACKET_EXTENSION:
		e->stats.passed_extension++;
		break;
	case PACKET_MALFORMED:
		e->stats.passed_malformed++;
		break;
	}
	switch (verdict) {
	case VERDICT_ACCEPT:
		e->stats.accepted++;
		break;
	case VERDICT_REPLACE:
		e->stats.replaced++;
		break;
	case VERDICT_DROP:
		e->stats.dropped++;
		break;
	}
	return verdict;
}

struct engine_subject engine_input_subject(const struct engine *e)
{
	return e->subject;
}

static void owe_behind(struct engine *e, enum engine_side side, const struct piece *piece)
{
	e->behind = *piece;
	e->behind_side = side;
	e->behind_owed = true;
}

/* The next piece of one half where faults have a say in each. `behind` waits for the one before
 * it to be out; it is of this flow, which is stayed with until nothing is left. */
static bool output_faulty_piece(struct engine *e, struct flow *f, enum engine_side side,
				struct engine_emit *out)
{
	struct piece piece, late;
	bool is_late = false, is_free = !e->behind_owed;

	if (e->behind_owed && e->behind_side == side) {
		e->behind_owed = false;
		emit_piece(e, f, side, &e->behind, out);
		return true;
	}
	while (send_next(e, f, side, &piece)) {
		switch (hooks_piece(e, f, side, &piece)) {
		case FATE_VANISH:
			continue;
		case FATE_LATE:
			if (is_free && !is_late) {
				is_late = true;
				late = piece;
				continue;
			}
			break;
		case FATE_TWICE:
			if (is_free && !is_late)
				owe_behind(e, side, &piece);
			break;
		case FATE_ALTERED:
			stream_alter(box_stream(e, &f->relay[side]), &e->pool,
				     piece.offset + piece.bytes / 2);
			break;
		case FATE_FIN:
			piece.fin = true;
			box_transit(e, &f->relay[side])->early_fin = true;
			break;
		default:
			break;
		}
		if (is_late)
			owe_behind(e, side, &late);
		emit_piece(e, f, side, &piece, out);
		return true;
	}
	if (is_late)
		emit_piece(e, f, side, &late, out);
	return is_late;
}

/* The next piece of one half. */
static bool output_piece(struct engine *e, struct flow *f, enum engine_side side,
			 struct engine_emit *out)
{
	struct piece piece;

	if (hooks_any_piece(e, f, side))
		return output_faulty_piece(e, f, side, out);
	if (!send_next(e, f, side, &piece))
		return false;
	if (emit_offloads(e, f, side))
		send_train(e, f, side, &piece, EMIT_PAYLOAD_MAX);
	emit_piece(e, f, side, &piece, out);
	return true;
}

/* The next packet of one flow, the most urgent kind first. */
static bool flow_output(struct engine *e, struct flow *f, struct engine_emit *out)
{
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		if (flow_is_marked(f, FLOW_RST_OWED, side)) {
			flow_unmark(f, FLOW_RST_OWED, side);
			emit_rst(e, f, side, out);
			return true;
		}
	}
	if (f->state != FLOW_OPEN)
		return false;
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		if (f->relay[side].ack_owed) {
			f->relay[side].ack_owed = false;
			e->stats.forged_acks++;
			report_forged_ack(e, f, side);
			emit_pure_ack(e, f, engine_other(side), out);
			return true;
		}
	}
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		if (f->relay[side].intercepted && output_piece(e, f, side, out))
			return true;
	}
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		if (flow_is_marked(f, FLOW_ACK_INFO_OWED, side)) {
			emit_pure_ack(e, f, side, out);
			return true;
		}
	}
	return false;
}

bool engine_next(struct engine *e, struct engine_emit *out)
{
	if (e->refusal_owed) {
		e->refusal_owed = false;
		emit_rst(e, &e->refused, SERVER, out);
		return true;
	}
	while (e->output_first != FLOW_NONE) {
		flow_handle h = e->output_first;
		struct flow *f = flow_get(&e->table, h);

		if (flow_output(e, f, out))
			return true;
		unqueue_output(e, h);
		if (is_finished(f))
			finish_flow(e, h);
		else if (e->draining && can_be_handed_over(e, f))
			end_flow(e, h, CLOSE_HANDED_OVER);
		else
			set_alarm(e, h);
	}
	return false;
}

uint64_t engine_deadline(const struct engine *e)
{
	return timers_next(&e->timers);
}

void engine_expire(struct engine *e, uint64_t now_ns)
{
	set_now(e, now_ns);
	while (timers_next(&e->timers) <= now_ns) {
		flow_handle h = timers_pop(&e->timers);
		struct flow *f = flow_get(&e->table, h);
		bool idle = idle_deadline(e, f) <= now_ns;

		for (unsigned side = CLIENT; side <= SERVER && !idle; side++) {
			const struct transit *t = box_transit(e, &f->relay[side]);

			if (!t || t->timer_ns == 0 || t->timer_ns > now_ns)
				continue;
			if (!send_timeout(e, f, side)) {
				owe_rsts(f);
				reset_flow(e, f, engine_other(side), CLOSE_TIMEOUT);
			}
		}
		if (idle) {
			end_flow(e, h, CLOSE_IDLE);
		} else if (e->draining && can_be_handed_over(e, f)) {
			end_flow(e, h, CLOSE_HANDED_OVER);
		} else {
			queue_output(e, h);	/* its next alarm is set once it has none */
		}
	}
}

void engine_drain(struct engine *e, uint64_t now_ns)
{
	set_now(e, now_ns);
	e->draining = true;
	for (flow_handle h = 0; h < e->table.fresh; h++) {
		if (flow_get(&e->table, h)->state != FLOW_FREE)
			queue_output(e, h);
	}
}

void engine_shutdown(struct engine *e, uint64_t now_ns)
{
	set_now(e, now_ns);
	for (flow_handle h = 0; h < e->table.fresh; h++) {
		if (flow_get(&e->table, h)->state != FLOW_FREE)
			end_flow(e, h, CLOSE_SHUTDOWN);
	}
}

void engine_get_stats(const struct engine *e, struct engine_stats *out)
{
	*out = e->stats;
	out->flows_active = e->table.active;
	out->flows_alive = e->table.active - e->flows_over;
	out->pages_used = e->pool.used;
}

int engine_set_rules(struct engine *e, uint64_t now_ns, const struct engine_rules *rules)
{
	struct engine_rules old = e->config.rules;

	if (!hooks_good(rules))
		return -EINVAL;
	set_now(e, now_ns);
	hooks_set_rules(e, rules);
	for (flow_handle h = 0; h < e->table.fresh; h++) {
		struct flow *f = flow_get(&e->table, h);
		bool stalls[2];

		if (f->state == FLOW_FREE)
			continue;
		hooks_renew(e, f, &old, stalls);
		for (unsigned side = CLIENT; side <= SERVER; side++) {
			if (stalls[side])
				receive_cut(e, f, side, box_transit(e, &f->relay[side])->stalled_push);
		}
		queue_output(e, h);
	}
	return 0;
}

void engine_get_faults(const struct engine *e, unsigned policy, uint64_t acted[FAULTS_MAX])
{
	for (unsigned i = 0; i < FAULTS_MAX; i++)
		acted[i] = e->fault[policy][i].acted;
}

static void show_flow(const struct engine *e, uint64_t now_ns, const struct flow *f, struct engine_flow *out)
{
	static const char states[][10] = { "free", "opening", "open", "reset", "closed", "forgotten" };

	*out = (struct engine_flow){
		.serial = f->serial,
		.version = f->version,
		.state = states[f->state],
		.policy = f->policy,
		.segment_size = hooks_policy(e, f)->segment_size,
		.idle_ns = ((uint32_t)(now_ns / NS_PER_MS) - f->touched_ms) * NS_PER_MS,
	};
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		const struct relay *r = &f->relay[side];
		const struct transit *t = box_transit(e, r);

		memcpy(out->address[side], flow_address(f, side), f->version == 4 ? 4 : 16);
		out->port[side] = flow_port(f, side);
		if (f->state != FLOW_OPEN)
			continue;
		/* As when it was opened: the client's, if that half is intercepted. */
		if (r->intercepted && (side == CLIENT || !f->relay[CLIENT].intercepted))
			out->segment_size = receive_segment_size(e, f, side);
		out->totals[side] = report_totals(r);
		out->stalled[side] = t && t->stalled;
		out->pending[side] = t ? box_data_end(r) - t->cut_nxt : 0;
	}
}

size_t engine_flows(const struct engine *e, uint64_t now_ns, uint32_t *cursor, struct engine_flow *out, size_t max)
{
	uint32_t end = *cursor + ENGINE_LOOK_MAX;
	size_t count = 0;

	if (end > e->table.fresh)
		end = e->table.fresh;
	for (; *cursor < end && count < max; ++*cursor) {
		const struct flow *f = flow_get(&e->table, *cursor);

		if (f->state != FLOW_FREE)
			show_flow(e, now_ns, f, &out[count++]);
	}
	return count;
}
