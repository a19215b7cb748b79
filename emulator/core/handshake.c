/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "handshake.h"

#include "congestion.h"
#include "faults.h"
#include "lifetime.h"
#include "observe.h"
#include "receive.h"

#include <string.h>

/*
 * From the first SYN to an open flow
 *
 *      handshake_first_packet()   a SYN makes a flow in state FLOW_OPENING
 *      handshake_segment()        the other SYN: handshake_start_relays() opens it
 *
 * SYNs pass to the other end, without the options that the box does not support. What both ends
 * say in them is noted here: whatever the box sends later must agree with it.
 */

/* RFC 9293 section 3.7.1. */
#define MSS_DEFAULT_IPV4 536
#define MSS_DEFAULT_IPV6 1220

/* Two segments must fit into an IPv6 packet of ENGINE_PACKET_MAX bytes. Otherwise offloads would
 * still join two, and the queue would cut off what is too long. */
#define MSS_MAX ((ENGINE_PACKET_MAX - 40 - TCP_HEADER_BYTES) / 2)

/* The most that a SYN can offer, and so the most that comes before a window is scaled (RFC 7323
 * section 2.2). */
#define FIRST_WINDOW_MAX 65535

/* The TTL of a packet in the name of an end that was never heard from. */
#define REFUSAL_TTL 64

void handshake_learn_header(struct endpoint *end, const struct packet *p)
{
	end->ttl = p->ttl;
	/* Without the ECN bits: nobody negotiated them. */
	end->label = p->label & (p->version == 4 ? ~UINT32_C(0x03) : ~UINT32_C(0x00300000));
	end->dont_fragment = p->dont_fragment;
	end->local = p->local;
}

void handshake_learn_syn(struct endpoint *end, const struct packet *p, const struct tcpopt *o)
{
	handshake_learn_header(end, p);
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

/* Removes from a SYN or SYN-ACK what the box does not support: Fast Open, with any data that comes
 * along, Multipath TCP, and ECN (RFC 3168 section 6.1.1). Limits the MSS so that nobody sends
 * longer packets than the box can be handed. A Fast Open fault needs clients that have a cookie.
 * They get it by a SYN without data, so such a SYN keeps the option then. */
static bool clean_syn(const struct engine *e, const struct flow *f, struct packet *p)
{
	bool keep = p->payload_bytes == 0 && faults_keep_fast_open(e, f);
	bool changed = tcpopt_remove_unkept(p, keep);

	changed |= tcpopt_limit_mss(p, MSS_MAX);

	changed |= packet_set_flags(p, p->flags & (uint8_t) ~(TCP_ECE | TCP_CWR));
	changed |= packet_clear_ecn(p);
	if (p->payload_bytes > 0) {
		packet_drop_payload(p);
		changed = true;
	}
	return changed;
}

/* The window that the box reports to the other end in a SYN: no more than it can hold, since the
 * other end may fill it at once. */
static uint16_t syn_window(const struct engine *e, uint16_t window)
{
	return window < e->config.window_bytes ? window : (uint16_t)e->config.window_bytes;
}

/* Both SYNs are known: sets what the ends agreed on, and the relays to their beginning. */
void handshake_start_relays(struct engine *e, struct flow *f)
{
	bool scaled = f->end[CLIENT].offers_window_shift && f->end[SERVER].offers_window_shift;

	f->timestamps = f->end[CLIENT].offers_timestamps && f->end[SERVER].offers_timestamps;
	f->sack = f->end[CLIENT].offers_sack && f->end[SERVER].offers_sack;
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		struct relay *r = &f->relay[side];
		struct endpoint *end = &f->end[side];
		uint16_t window = f->end[engine_other(side)].widest;

		*r = (struct relay){ .transit = POOL_NONE,
				     .faults = r->faults,
				     .dot_state = r->dot_state };
		r->intercepted = box_policy(e, f)->direction & (1u << side);
		r->rcv_nxt = r->snd_una = SEQ_BASE + 1;
		r->edge_low = (uint32_t)r->rcv_nxt +
			      (r->intercepted ? syn_window(e, window) : window);
		r->wl1_low = (uint32_t)SEQ_BASE;
		congestion_begin(r, box_segment_size(e, f, side));
		/* The window of a SYN is not scaled (RFC 7323 section 2.2). */
		end->window_shift = scaled ? end->offered_shift : 0;
		end->window = (uint16_t)(end->widest >> end->window_shift);
		end->has_news = false;
	}
	f->state = FLOW_OPEN;
}

/* Passes on a SYN or SYN-ACK, without what the box removes from it. */
static enum engine_verdict pass_syn(const struct engine *e, const struct flow *f,
				    enum engine_side side, struct packet *p)
{
	bool changed = clean_syn(e, f, p);

	if (box_policy(e, f)->direction & (1u << engine_other(side)))
		changed |= packet_set_window(p, syn_window(e, p->window));

	return changed ? VERDICT_REPLACE : VERDICT_ACCEPT;
}

/* A repeated SYN or SYN-ACK: its sender may offer a wider window by now. */
enum engine_verdict handshake_pass_syn_again(const struct engine *e, struct flow *f,
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

/* Answers a SYN as a closed port does: SEQ 0, ACK after all of it (RFC 9293 section 3.10.7.1). */
void handshake_refuse(struct engine *e, const struct flow_key *key, unsigned sender,
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
	f->end[SERVER].local = true;	/* it may be; this always works */
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
	handshake_refuse(e, key, sender, p);
	e->stats.refused_overload++;
	return VERDICT_DROP;
}

/* Takes a packet that belongs to no flow. A SYN makes a new flow, *made; then the packet still has
 * to go through handshake_segment(). */
enum engine_verdict handshake_first_packet(struct engine *e, const struct flow_key *key,
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
	if (o.authenticated) {	/* its packets cannot be rewritten without the key */
		e->stats.passed_authenticated++;
		return VERDICT_ACCEPT;
	}
	if (e->draining) {
		e->stats.passed_draining++;
		return VERDICT_ACCEPT;
	}
	if (faults_passes(e, key, sender)) {
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
	faults_start(e, f);
	f->touched_ms = e->now_ms;
	for (unsigned side = CLIENT; side <= SERVER; side++)
		f->challenge_ms[side] = f->rst_challenge_ms[side] = e->now_ms - CHALLENGE_GAP_MS;
	lifetime_set_alarm(e, h);
	*made = h;
	return VERDICT_ACCEPT;
}

/* Does this packet show that its sender has received a SYN that the box has not seen? */
static bool has_begun(const struct endpoint *self, const struct endpoint *peer,
		      const struct packet *p)
{
	if (!(p->flags & TCP_ACK))
		return false;
	return (self->syn_seen && p->seq - self->isn - 1 <= FIRST_WINDOW_MAX) ||
	       (peer->syn_seen && p->ack - peer->isn - 1 <= FIRST_WINDOW_MAX);
}

enum engine_verdict handshake_segment(struct engine *e, flow_handle h, enum engine_side side,
				      struct packet *p, const struct tcpopt *o)
{
	struct flow *f = flow_get(&e->table, h);
	struct endpoint *self = &f->end[side], *peer = &f->end[engine_other(side)];
	bool acks_peer = peer->syn_seen && (p->flags & TCP_ACK) && p->ack == peer->isn + 1;

	if (p->flags & TCP_RST) {
		/* Refused, or given up by the client itself (RFC 9293 section 3.10.7.3). A RST that
		 * is neither is a forgery: it goes on, and the ends judge it. */
		if (acks_peer || (self->syn_seen && p->seq == self->isn + 1))
			lifetime_forget(e, h);
		return VERDICT_ACCEPT;
	}
	if (!(p->flags & TCP_SYN)) {
		if (side == CLIENT && !peer->syn_seen && (p->flags & TCP_ACK) &&
		    p->seq == self->isn + 1)
			e->stats.one_sided++;	/* it got an answer that the box did not see */
		/* A box that starts while packets are waiting sees a repeated SYN, but not the
		 * answer to the first one: the ends have begun without it, and it cannot know what
		 * they have sent. */
		if (!f->shifted && has_begun(self, peer, p)) {
			lifetime_forget(e, h);
			e->stats.passed_unknown_flow++;
		}
		return VERDICT_ACCEPT;
	}
	if ((p->flags & TCP_ACK) && !acks_peer)
		return VERDICT_ACCEPT;		/* the other end will answer with a RST */
	if (o->authenticated) {
		lifetime_forget(e, h);
		e->stats.passed_authenticated++;
		return VERDICT_ACCEPT;
	}
	handshake_learn_syn(self, p, o);
	self->acked_syn = acks_peer;
	if (peer->syn_seen) {
		handshake_start_relays(e, f);
		e->stats.flows_opened++;
		observe_opened(e, f);
		lifetime_queue_output(e, h);
	}
	return pass_syn(e, f, side, p);
}
