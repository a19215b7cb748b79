/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "faults.h"

#include "observe.h"

#include <string.h>

/*
 * Where the engine asks its faults
 *
 * A kind of fault says what it would change. Whether it does so this time is decided here, by where
 * and how often it should act. Faults are asked in their order. A cut goes through all of them, and
 * so does a packet that is rewritten; otherwise the first fault that acts on a packet or a piece
 * decides.
 */

/* The rules ---------------------------------------------------------------------------- */

/* Notes which faults act on what. */
static void sort_faults(struct engine *e)
{
	for (unsigned i = 0; i < e->config.rules.policies; i++) {
		const struct engine_policy *p = &e->config.rules.policy[i];

		e->piece_faults[i] = e->cut_faults[i] = e->text_faults[i] = e->packet_faults[i] = 0;
		for (unsigned k = 0; k < p->faults; k++) {
			const struct fault_kind *kind = p->fault[k].kind;
			uint8_t bit = (uint8_t)(1u << k);

			e->piece_faults[i] |= kind->piece ? bit : 0;
			e->cut_faults[i] |= kind->cut || kind->alter ? bit : 0;
			e->text_faults[i] |= kind->reads_text ? bit : 0;
			e->packet_faults[i] |= kind->packet ? bit : 0;
		}
	}
}

void faults_begin(struct engine *e)
{
	memcpy(&e->random, e->config.hash_key, sizeof(e->random));
	e->random |= 1;
	for (unsigned i = 0; i < POLICIES_MAX; i++) {
		for (unsigned k = 0; k < FAULTS_MAX; k++)
			e->fault[i][k].since_ns = e->config.start_ns;
	}
	sort_faults(e);
}

/* The bit of the fault with this id among those of a policy; 0: there is none. */
static unsigned bit_of(const struct engine_policy *p, uint32_t id)
{
	for (unsigned i = 0; id != 0 && i < p->faults; i++) {
		if (p->fault[i].id == id)
			return 1u << i;
	}
	return 0;
}

static struct fault_state old_state(const struct engine_rules *rules,
				    struct fault_state state[POLICIES_MAX][FAULTS_MAX], uint32_t id,
				    uint64_t now_ns)
{
	for (unsigned i = 0; id != 0 && i < rules->policies; i++) {
		for (unsigned k = 0; k < rules->policy[i].faults; k++) {
			if (rules->policy[i].fault[k].id == id)
				return state[i][k];
		}
	}
	return (struct fault_state){ .since_ns = now_ns };
}

void faults_set_rules(struct engine *e, const struct engine_rules *rules)
{
	struct fault_state old[POLICIES_MAX][FAULTS_MAX];

	memcpy(old, e->fault, sizeof(old));
	for (unsigned i = 0; i < rules->policies; i++) {
		for (unsigned k = 0; k < rules->policy[i].faults; k++)
			e->fault[i][k] = old_state(&e->config.rules, old,
						   rules->policy[i].fault[k].id, e->now_ns);
	}
	e->config.rules = *rules;
	sort_faults(e);
}

/* Occasions ---------------------------------------------------------------------------- */

/* Marsaglia's xorshift64: repeatable with the engine's key. */
static uint32_t random_percent(struct engine *e)
{
	e->random ^= e->random << 13;
	e->random ^= e->random >> 7;
	e->random ^= e->random << 17;
	return (uint32_t)(e->random >> 32) % 100;
}

/* There is an occasion for fault i in this flow: does it act? piece: the one it would act on, or
 * NULL. */
static bool acts_on(struct engine *e, const struct flow *flow, enum engine_side source, unsigned i,
		    const struct piece *piece)
{
	const struct fault *f = &box_policy(e, flow)->fault[i];
	struct fault_state *s = &e->fault[flow->policy][i];

	if (!range_has(&f->scope.seconds, (e->now_ns - s->since_ns) / NS_PER_S + 1) ||
	    ++s->occasions % f->every != 0 || (f->percent < 100 && random_percent(e) >= f->percent))
		return false;
	s->acted++;
	observe_fault(e, flow, source, f, piece);
	return true;
}

static bool acts(struct engine *e, const struct flow *flow, enum engine_side source, unsigned i)
{
	return acts_on(e, flow, source, i, NULL);
}

/* Flows -------------------------------------------------------------------------------- */

static bool matches(const struct match *m, const struct flow *f)
{
	return match_has(m, flow_mapped_address(f, CLIENT), flow_mapped_address(f, SERVER),
			 flow_port(f, SERVER));
}

static uint8_t choose_policy(const struct engine *e, const struct flow *f)
{
	const struct engine_rules *rules = &e->config.rules;

	for (uint8_t i = 1; i < rules->policies; i++) {
		if (matches(&rules->policy[i].match, f))
			return i;
	}
	return 0;
}

bool faults_passes(const struct engine *e, const struct flow_key *key, unsigned client)
{
	struct flow f = { .key = *key, .client = client & 1u };

	return e->config.rules.policy[choose_policy(e, &f)].direction == DIRECTION_NONE;
}

/* Enables a fault in the halves it is for. */
static void use_fault(const struct fault *fault, unsigned bit, struct flow *f)
{
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		if (fault->scope.direction == 0 || (fault->scope.direction & (1u << side)))
			f->relay[side].faults |= (uint8_t)bit;
	}
}

void faults_start(struct engine *e, struct flow *f)
{
	const struct engine_policy *p;

	f->policy = choose_policy(e, f) & (POLICIES_MAX - 1u);
	p = box_policy(e, f);
	f->relay[CLIENT].dot_state = f->relay[SERVER].dot_state = 2;
	for (unsigned i = 0; i < p->faults; i++) {
		const struct fault *fault = &p->fault[i];

		if (!matches(&fault->scope.match, f) ||
		    !range_has(&fault->scope.flows, ++e->fault[f->policy][i].flows))
			continue;
		use_fault(fault, 1u << i, f);
		if (!fault->kind->shifts || !acts(e, f, CLIENT, i))
			continue;
		for (unsigned side = CLIENT; side <= SERVER; side++) {
			if (f->relay[side].faults >> i & 1u)
				f->shifted = (f->shifted | 1u << side) & 3u;
		}
	}
}

static bool is_same_range(const struct range *a, const struct range *b)
{
	return a->first == b->first && a->last == b->last;
}

/* Is the fault unchanged? */
static bool is_same(const struct fault *a, const struct fault *b)
{
	for (unsigned i = 0; i < FAULT_PARAMS_MAX; i++) {
		if (a->value[i] != b->value[i])
			return false;
	}
	return a->id != 0 && a->id == b->id && a->kind == b->kind && a->every == b->every &&
	       a->percent == b->percent && is_same_range(&a->scope.arrivals, &b->scope.arrivals) &&
	       is_same_range(&a->scope.seconds, &b->scope.seconds);
}

/* Must a stalled half be cut again, because the fault that stalled it under the policy `before` has
 * changed or is gone? */
static bool is_to_be_cut(const struct engine *e, const struct flow *f, const struct relay *r,
			 const struct engine_policy *before)
{
	const struct engine_policy *p = box_policy(e, f);
	struct transit *t = box_transit(e, r);

	if (!t || !t->stalled)
		return false;
	for (unsigned i = 0; i < p->faults; i++) {
		if ((r->faults >> i & 1u) && is_same(&before->fault[t->stalled_by], &p->fault[i])) {
			t->stalled_by = (uint8_t)i;
			return false;
		}
	}
	return true;
}

/* A bit for each fault that reads text, among these faults of a policy. */
static unsigned text_faults(const struct engine_policy *p, unsigned faults)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < p->faults; i++)
		bits |= p->fault[i].kind->reads_text ? 1u << i : 0;
	return bits & faults;
}

void faults_renew(struct engine *e, struct flow *f, const struct engine_rules *old, bool again[2])
{
	const struct engine_policy *before = &old->policy[f->policy], *p;
	unsigned faults[2] = { f->relay[CLIENT].faults, f->relay[SERVER].faults };
	unsigned used = faults[CLIENT] | faults[SERVER];

	f->policy = choose_policy(e, f) & (POLICIES_MAX - 1u);
	p = box_policy(e, f);
	f->relay[CLIENT].faults = f->relay[SERVER].faults = 0;
	for (unsigned i = 0; i < p->faults; i++) {
		const struct fault *fault = &p->fault[i];
		bool counted = fault->scope.flows.last != 0;

		if (matches(&fault->scope.match, f) &&
		    (!counted || (bit_of(before, fault->id) & used)))
			use_fault(fault, 1u << i, f);
	}
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		struct relay *r = &f->relay[side];

		again[side] = f->state == FLOW_OPEN && is_to_be_cut(e, f, r, before);
		/* Until now no fault has tracked how the cut text ends. */
		if (!text_faults(before, faults[side]) && (e->text_faults[f->policy] & r->faults))
			r->dot_state = 0;
	}
}

/* Hooks -------------------------------------------------------------------------------- */

/* Does fault i apply to this half at this arrival? */
static bool is_for(const struct fault *f, unsigned i, const struct relay *r, uint32_t arrival)
{
	return (r->faults >> i & 1u) && range_has(&f->scope.arrivals, arrival);
}

/* How much of CRLF.CRLF the cut text ends with, once these octets are added. */
static unsigned dot_state_after(unsigned state, const uint8_t *text, uint32_t bytes)
{
	static const char pattern[] = "\r\n.\r\n";

	for (uint32_t i = 0; i < bytes; i++) {
		if (text[i] == (uint8_t)pattern[state])
			state = state == 4 ? 2 : state + 1;
		else
			state = text[i] == '\r';
	}
	return state;
}

/* Copies pending octets to e->text. */
static void read_text(struct engine *e, const struct relay *r, uint64_t offset, uint32_t bytes)
{
	struct stream_slice slice[STREAM_SLICES_MAX];
	size_t slices = stream_slices(box_stream(e, r), &e->pool, offset, bytes, slice), at = 0;

	for (size_t i = 0; i < slices; at += slice[i++].bytes)
		memcpy(e->text + at, slice[i].data, slice[i].bytes);
}

/* Lets faults change the text of the next piece, and remembers how it ends. */
static void alter(struct engine *e, struct flow *f, enum engine_side source, struct fault_cut *c)
{
	const struct engine_policy *p = box_policy(e, f);
	struct relay *r = &f->relay[source];
	uint64_t offset = box_transit(e, r)->cut_nxt;

	for (unsigned i = 0; i < p->faults; i++) {
		const struct fault *fault = &p->fault[i];

		if (!fault->kind->alter || !is_for(fault, i, r, r->arrivals))
			continue;
		if (fault->kind->alter(fault, c, e->text) && acts(e, f, source, i))
			stream_overwrite(box_stream(e, r), &e->pool, offset, e->text, c->bytes);
		else
			read_text(e, r, offset, c->bytes);
	}
	r->dot_state = (uint8_t)(dot_state_after(r->dot_state, e->text, c->bytes) & 7);
}

uint32_t faults_cut(struct engine *e, struct flow *f, enum engine_side source, uint32_t pending,
		    uint32_t arrived, bool push)
{
	const struct engine_policy *p = box_policy(e, f);
	const struct relay *r = &f->relay[source];
	const struct transit *t = box_transit(e, r);
	uint32_t bytes = pending < t->segment_size ? pending : t->segment_size;
	struct fault_cut c;
	bool reads;

	/* If no fault decides about each piece, all full ones are cut at once. */
	if (!(e->cut_faults[f->policy] & r->faults))
		return bytes == t->segment_size ? pending - pending % bytes : bytes;
	reads = e->text_faults[f->policy] & r->faults;
	c = (struct fault_cut){
		.pending = pending,
		.arrived = arrived,
		.segment_size = t->segment_size,
		.push = push,
		.acked = box_data_end(r) - SEQ_BASE - 1,
		.dot_state = r->dot_state,
		.text = reads ? e->text : NULL,
	};
	if (reads)
		read_text(e, r, t->cut_nxt, bytes);
	for (unsigned i = 0; i < p->faults && bytes > 0; i++) {
		const struct fault *fault = &p->fault[i];
		uint32_t other;

		c.bytes = bytes;
		if (!fault->kind->cut || !is_for(fault, i, r, r->arrivals))
			continue;
		other = fault->kind->cut(fault, &c);
		if (other == bytes || !acts(e, f, source, i))
			continue;
		bytes = other;
		if (bytes == 0)
			box_transit(e, r)->stalled_by = (uint8_t)i;
	}
	c.bytes = bytes;
	if (reads && bytes > 0)
		alter(e, f, source, &c);
	return bytes;
}

/* The view that faults get of a packet that has come in. */
static struct fault_packet view(const struct flow *f, enum engine_side source,
				const struct packet *p)
{
	struct fault_packet v = {
		.p = p,
		.bytes = p->ip_bytes,
		.payload_bytes = p->payload_bytes,
		.by_server = source == SERVER,
		.client_spoke = f->relay[CLIENT].rcv_nxt > SEQ_BASE + 1,
	};
	uint32_t most = p->joined ? box_wire_segment(f, source, p) : UINT32_MAX;

	if (p->payload_bytes > most) {
		v.bytes -= p->payload_bytes - most;
		v.payload_bytes = most;
	}
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		const struct relay *r = &f->relay[side];
		uint64_t acked = r->intercepted ? box_data_end(r) - SEQ_BASE - 1 : 0;

		if (acked > v.acked)
			v.acked = acked;
	}
	return v;
}

enum fault_fate faults_packet(struct engine *e, const struct flow *f, enum engine_side source,
			      struct packet *p, bool *rewritten)
{
	const struct engine_policy *policy = box_policy(e, f);
	const struct relay *r = &f->relay[source];
	bool is_ack = p->payload_bytes == 0 && (p->flags & (TCP_SYN | TCP_FIN | TCP_RST)) == 0;
	struct fault_packet v;
	uint32_t arrival;

	if (!faults_any_packet(e, f, source))
		return FATE_NONE;
	v = view(f, source, p);
	arrival = r->arrivals + (v.payload_bytes > 0 && r->arrivals < UINT16_MAX);
	for (unsigned i = 0; i < policy->faults; i++) {
		const struct fault *fault = &policy->fault[i];
		enum fault_fate fate;

		if (!fault->kind->packet || !is_for(fault, i, r, arrival))
			continue;
		v.acks = e->fault[f->policy][i].acks[source] += is_ack;
		fate = fault->kind->packet(fault, &v);
		if (fate == FATE_NONE || !acts(e, f, source, i))
			continue;
		if (fate != FATE_ALTERED)
			return fate;
		fault->kind->rewrite(fault, p);
		*rewritten = true;
	}
	return FATE_NONE;
}

bool faults_keep_fast_open(const struct engine *e, const struct flow *f)
{
	const struct engine_policy *p = box_policy(e, f);
	unsigned used = f->relay[CLIENT].faults | f->relay[SERVER].faults;

	for (unsigned i = 0; i < p->faults; i++) {
		if ((used >> i & 1u) && p->fault[i].kind->keeps_fast_open)
			return true;
	}
	return false;
}

enum fault_fate faults_piece(struct engine *e, const struct flow *f, enum engine_side source,
			     const struct piece *piece)
{
	const struct engine_policy *policy = box_policy(e, f);
	const struct relay *r = &f->relay[source];
	struct fault_piece p = {
		.bytes = piece->bytes,
		.last = piece->push || piece->fin,
		.again = piece->again,
		.behind = UINT32_MAX,
	};

	if (piece->bytes == 0 && !piece->fin)	/* a probe */
		return FATE_NONE;
	if (box_has_fin(r)) {
		p.behind = (uint32_t)(relay_fin(r) - piece->offset - piece->bytes);
		p.with_fin = piece->offset >= box_transit(e, r)->fin_segment;
	}
	for (unsigned i = 0; i < policy->faults; i++) {
		const struct fault *fault = &policy->fault[i];
		enum fault_fate fate;

		if (!fault->kind->piece || !is_for(fault, i, r, r->arrivals))
			continue;
		fate = fault->kind->piece(fault, &p);
		if (fate != FATE_NONE && acts_on(e, f, source, i, piece))
			return fate;
	}
	return FATE_NONE;
}
