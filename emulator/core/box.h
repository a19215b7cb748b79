/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_BOX_H
#define RESEG_CORE_BOX_H

/*
 * The state of the box, and helpers that all its parts use
 */

#include "event.h"
#include "flow.h"
#include "pool.h"
#include "rules.h"
#include "tcpopt.h"
#include "alarms.h"
#include "units.h"
#include "verdict.h"

/* A segment that may be forged and carries nothing is answered at most this often. Linux has the
 * same limit (net.ipv4.tcp_invalid_ratelimit). */
#define CHALLENGE_GAP_MS 500

/* In struct flow and struct relay. */
_Static_assert(FAULTS_MAX <= 8, "a bit for each fault");
_Static_assert(POLICIES_MAX == 16, "four bits name a policy");

/* Something to send to a sink. */
struct piece {
	uint64_t offset;
	uint32_t bytes;		/* 0 for a FIN or a probe */
	uint32_t unit;		/* of a train: the length of each piece but the last; else 0 */
	bool push;
	bool fin;
	bool again;		/* it was sent before */
};

/* Counts for a fault in use. */
struct fault_state {
	uint64_t since_ns;
	uint64_t occasions;
	uint64_t acted;
	uint32_t flows;
	uint32_t acks[2];	/* by side: pure ACKs */
};

struct engine {
	struct engine_config config;
	struct flow_table table;
	struct alarms alarms;
	struct pool pool;
	struct engine_stats stats;
	uint64_t flows_seen;
	uint64_t flows_over;	/* ended, and only remembered: see lifetime_end_state() */
	struct engine_subject subject;	/* of the last packet that came in */
	uint64_t now_ns;
	uint32_t now_ms;	/* now_ns in milliseconds, only the low half */
	flow_handle output_first;	/* flows that may have something to send */
	flow_handle output_last;
	bool draining;		/* see engine_drain() */
	bool refusal_owed;	/* a RST for the one connection in `refused` */
	struct flow refused;	/* not in the table */
	uint16_t ip_id;
	bool behind_owed;	/* a piece to send now, after the one just sent */
	struct piece behind;
	enum engine_side behind_side;	/* its source */
	struct fault_state fault[POLICIES_MAX][FAULTS_MAX];
	uint8_t piece_faults[POLICIES_MAX];	/* a bit for each that acts on pieces */
	uint8_t cut_faults[POLICIES_MAX];	/* on cuts */
	uint8_t text_faults[POLICIES_MAX];	/* and reads their text */
	uint8_t packet_faults[POLICIES_MAX];
	uint64_t random;
	uint8_t text[UINT16_MAX];	/* of a piece, for faults that read it */
	uint8_t head[40 + TCP_HEADER_BYTES + TCP_OPTIONS_MAX];	/* of the packet to send */
};

static inline struct transit *box_transit(const struct engine *e, const struct relay *r)
{
	return r->transit == POOL_NONE ? NULL : pool_data(&e->pool, r->transit);
}

/* The end of what the box has sent of an intercepted half. */
static inline uint64_t box_sent_end(const struct engine *e, const struct relay *r)
{
	const struct transit *t = box_transit(e, r);

	return t ? t->snd_max : r->snd_una;
}

static inline struct stream *box_stream(const struct engine *e, const struct relay *r)
{
	return r->transit == POOL_NONE ? NULL : &box_transit(e, r)->stream;
}

/* Has the box ACKed the source's FIN? */
static inline bool box_has_fin(const struct relay *r)
{
	return r->fin_seen && r->rcv_nxt > relay_fin(r);
}

/* The offset after the last octet of data that is ACKed to the source. */
static inline uint64_t box_data_end(const struct relay *r)
{
	return box_has_fin(r) ? relay_fin(r) : r->rcv_nxt;
}

/* Did the box send, by a fault, a FIN that is not the source's? */
static inline bool box_has_early_fin(const struct engine *e, const struct relay *r)
{
	const struct transit *t = box_transit(e, r);

	return t && t->early_fin;
}

/* Octets ACKed to the source that the sink has not acknowledged. */
static inline uint64_t box_orphaned(const struct relay *r)
{
	uint64_t end = box_data_end(r);

	return r->snd_una < end ? end - r->snd_una : 0;
}

/* Octets that a packet from this side acknowledges when it leaves the box, but that this side does
 * not have. */
static inline uint64_t box_orphaned_by_ack(const struct flow *f, enum engine_side side)
{
	const struct relay *in = &f->relay[engine_other(side)];

	return f->state == FLOW_OPEN && in->intercepted ? box_orphaned(in) : 0;
}

static inline const struct engine_policy *box_policy(const struct engine *e, const struct flow *f)
{
	return &e->config.rules.policy[f->policy];
}

/* S, the segment size, of one half of a flow. */
uint16_t box_segment_size(const struct engine *e, const struct flow *f, enum engine_side source);

/* The most octets of data that one segment to the sink may hold, by its MSS and by what the path is
 * known to carry. */
uint32_t box_path_max(const struct flow *f, enum engine_side source);

/* The most data that one segment of this packet had on the wire, if offloads joined several. */
uint32_t box_wire_segment(const struct flow *f, enum engine_side source, const struct packet *p);

#endif
