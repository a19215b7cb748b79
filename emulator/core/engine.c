/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine.h"

#include "emit.h"
#include "faults.h"
#include "handshake.h"
#include "icmp.h"
#include "lifetime.h"
#include "observe.h"
#include "output.h"
#include "receive.h"
#include "reset.h"
#include "segment.h"
#include "send.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Theory of operation
 *
 * The box stands between two ends. In each half of a connection that it intercepts it plays both:
 * toward the source of the data it is the sink (receive.c), toward the sink it is the source
 * (send.c). Both halves of a connection work alike; each has a struct relay. It only watches a half
 * that it does not intercept, since its own packets must agree with what it saw there.
 *
 * The path of an incoming packet:
 *
 *      engine_input()
 *        packet_parse()          every bound is checked here, once; nothing after it can fail
 *        flow_find()             which flow is it in?
 *        faults_packet()         faults may drop it, rewrite it, or kill its connection
 *        handshake.c             a SYN, or a flow that is not open yet
 *        segment.c               a packet of an open flow: is it to be believed?
 *          send_acked()          its ACK: the sink has more; frees data, moves windows
 *          receive_packet()      its data: stored, put in order, cut into pieces (faults_cut())
 *      = a verdict: it goes on as it came, or rewritten, or the box has taken it
 *
 * Nothing is sent on that path. What must be sent is noted as owed, and the flow is queued. Each
 * call of engine_next() then pays one debt, the most urgent first (output.c):
 *
 *      debt                 incurred when                        paid
 *      ---------------------------------------------------------------------------------------
 *      refusal_owed         a SYN is refused: it has no flow     by a RST, before all others
 *      FLOW_RST_OWED        the sink is dead; a fault; a RST     by a RST in the name of the
 *                           was lost                             end that is gone
 *      ack_owed             data came; a segment is challenged   by an ACK to the source
 *      resend_owed,         SACK shows a hole; the timer went    by pieces to the sink, as far
 *      probe_owed, and      off in a closed window; there is     as its window and cwnd allow;
 *      cut_nxt > snd_nxt    more that is cut                     then an ACK or the timer goes on
 *      FLOW_ACK_INFO_OWED   an end has news, and its packet      last, by an ACK; any packet the
 *                           did not go on                        same way pays it: emit_told()
 *
 * The caller takes all output before the next packet goes in. So between two packets no debt is
 * left that could be paid, which check.c verifies.
 *
 * When no packet comes, engine_expire() does what is due: retransmissions and probes (send.c), and
 * the end of idle flows (lifetime.c).
 */

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
	return rules_good(&c->rules) && c->overload <= OVERLOAD_REFUSE && c->flows_max >= 1 &&
	       c->flows_max < FLOW_NONE && c->window_bytes >= ENGINE_WINDOW_MIN &&
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
	faults_begin(e);
	rc = flow_table_create(&e->table, config->flows_max, config->hash_key);
	if (rc < 0)
		goto free_engine;
	rc = alarms_create(&e->alarms, config->flows_max);
	if (rc < 0)
		goto destroy_table;
	rc = pool_create(&e->pool, config->memory_bytes);
	if (rc < 0)
		goto destroy_alarms;
	*out = e;
	return 0;

destroy_alarms:
	alarms_destroy(&e->alarms);
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
	alarms_destroy(&e->alarms);
	flow_table_destroy(&e->table);
	free(e);
}

static void set_now(struct engine *e, uint64_t now_ns)
{
	e->behind_owed = false;	/* if not taken out, it is lost */
	e->now_ns = now_ns;
	e->now_ms = (uint32_t)(now_ns / NS_PER_MS);
}

/* Is it a SYN that replaces the remains of an old connection? */
static bool is_new_connection(const struct flow *f, enum engine_side side, const struct packet *p)
{
	if ((p->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
		return false;
	return lifetime_is_over(f) || (f->state == FLOW_OPENING && side == CLIENT &&
				       f->end[side].syn_seen && p->seq != f->end[side].isn);
}

/* Applies a fault to a packet and its flow. VERDICT_DROP: the packet is gone, and the flow may be
 * too; otherwise the packet is treated like any other. */
static enum engine_verdict apply_fate(struct engine *e, flow_handle h, enum engine_side side,
				      const struct packet *p, enum fault_fate fate)
{
	struct flow *f = flow_get(&e->table, h);

	switch (fate) {
	case FATE_VANISH:
		break;
	case FATE_RESET:
		if (f->state == FLOW_OPENING) {
			handshake_refuse(e, &f->key, side == CLIENT ? f->client : 1u - f->client,
					 p);
			lifetime_forget(e, h);
		} else if (f->state == FLOW_OPEN) {
			lifetime_owe_rsts(f);
			lifetime_reset(e, f, side, CLOSE_RESET);
			lifetime_queue_output(e, h);
		}
		break;
	case FATE_FORGOTTEN:
		if (f->state == FLOW_OPEN)
			lifetime_close(e, f, CLOSE_FORGOTTEN);
		lifetime_end_state(e, f, FLOW_FORGOTTEN);
		/* The flow has nothing to send, but a new deadline, and can be handed over. */
		lifetime_queue_output(e, h);
		break;
	default:
		return VERDICT_ACCEPT;
	}
	return VERDICT_DROP;
}

/* Corrects a packet's acknowledgment of numbers that were shifted on their way out. SACK blocks
 * stay as they are. */
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
		return handshake_segment(e, h, side, p, &o);
	case FLOW_RESET:
		return reset_after_rst(e, h, side, p);
	case FLOW_CLOSED:
		return VERDICT_ACCEPT;
	default:
		verdict = segment_input(e, h, side, p, &o);
		if (flow_get(&e->table, h)->state != FLOW_FREE)
			lifetime_queue_output(e, h);
		return verdict;
	}
}

static enum engine_verdict judge_packet(struct engine *e, struct packet *p)
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
		lifetime_end(e, h, CLOSE_REPLACED);
		h = FLOW_NONE;
	}
	if (h == FLOW_NONE) {
		verdict = handshake_first_packet(e, &key, sender, p, &h);
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
		verdict = apply_fate(e, h, side, p, faults_packet(e, f, side, p, &rewritten));
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

/* Is this a router's report that a piece is too big? It is for the box, which sent the piece: the
 * source of the data could do nothing about that. */
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
	lifetime_queue_output(e, h);
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
		/* Never ACK a corrupt packet. */
		if (!(hints & ENGINE_NO_CHECKSUM) && !packet_checksum_good(&p)) {
			e->stats.passed_bad_checksum++;
			break;
		}
		verdict = judge_packet(e, &p);
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

		if (output_next(e, f, out))
			return true;
		lifetime_unqueue_output(e, h);
		if (lifetime_is_finished(f))
			lifetime_finish(e, h);
		else if (e->draining && lifetime_can_hand_over(e, f))
			lifetime_end(e, h, CLOSE_HANDED_OVER);
		else
			lifetime_set_alarm(e, h);
	}
	return false;
}

uint64_t engine_deadline(const struct engine *e)
{
	return alarms_next(&e->alarms);
}

void engine_expire(struct engine *e, uint64_t now_ns)
{
	set_now(e, now_ns);
	while (alarms_next(&e->alarms) <= now_ns) {
		flow_handle h = alarms_pop(&e->alarms);
		struct flow *f = flow_get(&e->table, h);
		bool idle = lifetime_deadline(e, f) <= now_ns;

		for (unsigned side = CLIENT; side <= SERVER && !idle; side++) {
			const struct transit *t = box_transit(e, &f->relay[side]);

			if (!t || t->timer_ns == 0 || t->timer_ns > now_ns)
				continue;
			if (!send_timeout(e, f, side)) {
				lifetime_owe_rsts(f);
				lifetime_reset(e, f, engine_other(side), CLOSE_TIMEOUT);
			}
		}
		if (idle) {
			lifetime_end(e, h, CLOSE_IDLE);
		} else if (e->draining && lifetime_can_hand_over(e, f)) {
			lifetime_end(e, h, CLOSE_HANDED_OVER);
		} else {
			lifetime_queue_output(e, h);	/* sets the alarm after all output */
		}
	}
}

void engine_drain(struct engine *e, uint64_t now_ns)
{
	set_now(e, now_ns);
	e->draining = true;
	for (flow_handle h = 0; h < e->table.fresh; h++) {
		if (flow_get(&e->table, h)->state != FLOW_FREE)
			lifetime_queue_output(e, h);
	}
}

void engine_shutdown(struct engine *e, uint64_t now_ns)
{
	set_now(e, now_ns);
	for (flow_handle h = 0; h < e->table.fresh; h++) {
		if (flow_get(&e->table, h)->state != FLOW_FREE)
			lifetime_end(e, h, CLOSE_SHUTDOWN);
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

	if (!rules_good(rules))
		return -EINVAL;
	set_now(e, now_ns);
	faults_set_rules(e, rules);
	for (flow_handle h = 0; h < e->table.fresh; h++) {
		struct flow *f = flow_get(&e->table, h);
		bool stalls[2];

		if (f->state == FLOW_FREE)
			continue;
		faults_renew(e, f, &old, stalls);
		for (unsigned side = CLIENT; side <= SERVER; side++) {
			if (stalls[side])
				receive_cut(e, f, side,
					    box_transit(e, &f->relay[side])->stalled_push);
		}
		lifetime_queue_output(e, h);
	}
	return 0;
}

void engine_get_faults(const struct engine *e, unsigned policy, uint64_t acted[FAULTS_MAX])
{
	for (unsigned i = 0; i < FAULTS_MAX; i++)
		acted[i] = e->fault[policy][i].acted;
}
