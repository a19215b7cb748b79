/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_BOX_H
#define RESEG_CORE_BOX_H

/*
 * What the engine's parts share
 *
 *      engine.c    each packet's way: flow, handshake, RST, verdict; the clock
 *      receive.c   the relay toward the source: reassembly, cuts
 *      send.c      the relay toward the sink: windows, congestion, retransmission
 *      emit.c      writes packets in the name of one end
 *      hooks.c     where faults are asked
 *      report.c    what the observer is told
 *      check.c     what must hold between two packets
 */

#include "engine.h"
#include "flow.h"
#include "pool.h"
#include "tcpopt.h"
#include "timers.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

/* Something to send to a sink. */
struct piece {
	uint64_t offset;
	uint32_t bytes;		/* 0 for a FIN or a probe */
	uint32_t unit;		/* of a train: the length of all but the last; else 0 */
	bool push;
	bool fin;
	bool again;		/* it was sent before */
};

/* What is counted of a fault in use. */
struct fault_state {
	uint64_t since_ns;
	uint64_t occasions;
	uint64_t acted;
	uint32_t flows;
	uint32_t acks[2];	/* by side: packets that were but an ACK */
};

struct engine {
	struct engine_config config;
	struct flow_table table;
	struct timers timers;
	struct pool pool;
	struct engine_stats stats;
	uint64_t flows_seen;
	uint64_t flows_over;	/* of which there are remains only: see end_state() */
	struct engine_subject subject;	/* of the packet that came last */
	uint64_t now_ns;
	uint32_t now_ms;	/* the low half of the same in milliseconds */
	flow_handle output_first;	/* flows that may have something to send */
	flow_handle output_last;
	bool draining;		/* see engine_drain() */
	bool refusal_owed;	/* a RST for the one connection in `refused` */
	struct flow refused;	/* not in the table */
	uint16_t ip_id;
	bool behind_owed;	/* a piece to send now, behind the one just sent */
	struct piece behind;
	enum engine_side behind_side;	/* its source */
	struct fault_state fault[POLICIES_MAX][FAULTS_MAX];
	uint8_t piece_faults[POLICIES_MAX];	/* a bit for each that has a say in pieces */
	uint8_t cut_faults[POLICIES_MAX];	/* in cuts, */
	uint8_t text_faults[POLICIES_MAX];	/* by what is in them */
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

/* Octets ACKed to the source that the sink has not acknowledged. */
static inline uint64_t box_orphaned(const struct relay *r)
{
	uint64_t end = box_data_end(r);

	return r->snd_una < end ? end - r->snd_una : 0;
}

/* Octets that a packet from this side acknowledges, as it leaves the box, and that this side does
 * not have. */
static inline uint64_t box_orphaned_by_ack(const struct flow *f, enum engine_side side)
{
	const struct relay *in = &f->relay[engine_other(side)];

	return f->state == FLOW_OPEN && in->intercepted ? box_orphaned(in) : 0;
}

/* receive.c ---------------------------------------------------------------- */

/* S of one half of a flow. */
uint16_t receive_segment_size(const struct engine *e, const struct flow *f, enum engine_side source);

/* The most octets of data that one segment to the sink may hold: its MSS, and what the path is known
 * to carry. */
uint32_t receive_path_max(const struct flow *f, enum engine_side source);

/* The right edge of what the relay can take from its source. */
uint64_t receive_edge(const struct engine *e, const struct relay *r);

/* Is a segment of the source acceptable (RFC 9293 section 3.10.7.4)? Not so are an
 * old duplicate, a keep-alive, whose one octet is no data (RFC 1122 section 4.2.3.6),
 * and what lies behind the window. They are answered with an ACK. */
bool receive_acceptable(const struct engine *e, const struct relay *r, uint64_t offset,
			uint32_t bytes, bool fin);

/* The most data that one segment of this packet had on the wire, where segments were
 * joined. */
uint32_t receive_wire_segment(const struct flow *f, enum engine_side source,
			      const struct packet *p);

/* An acceptable packet of the source, whose first octet has this offset, as one arrival
 * or several. Stores what is inside the window, cuts what is in order, and owes the
 * source an ACK if it carried anything. */
void receive_packet(struct engine *e, struct flow *f, enum engine_side source, uint64_t offset,
		    const struct packet *p);

/* Is memory so short that only what is in order may still be stored, in the flows there
 * are? It can be sent on and freed. */
bool receive_is_short(const struct engine *e);

/* Cuts what is pending in a relay that holds something, unless a fault stalls it. push: the
 * last octet had PSH. */
void receive_cut(struct engine *e, struct flow *f, enum engine_side source, bool push);

/* Takes in what waits and has come in order. */
void receive_waiting(struct engine *e, struct flow *f, enum engine_side source);

/* Gives back all that a relay holds. */
void receive_end(struct engine *e, struct relay *r);

/* The same, for a relay that holds nothing any more. */
void receive_end_if_empty(struct engine *e, struct relay *r);

/* Does something wait for a hole before it to be filled? */
bool receive_has_holes(const struct engine *e, const struct relay *r);

/* The SACK blocks that tell the source what waits (RFC 2018 section 4: the newest
 * first). Returns how many, at most max. */
size_t receive_sack_blocks(const struct engine *e, const struct flow *f, enum engine_side source,
			   struct sack_block *blocks, size_t max);

/* send.c -------------------------------------------------------------------- */

/* The congestion window of a relay that has sent nothing yet. */
void send_begin(struct relay *r, uint16_t segment_size);

/* The sink says by SACK what else it has. Returns true if that is news. */
bool send_sacked(struct engine *e, struct flow *f, enum engine_side source,
		 const struct tcpopt *o);

/* The sink acknowledged everything before ack. `duplicate`: the segment meets RFC
 * 5681's definition of a duplicate ACK, but for the offset. */
void send_acked(struct engine *e, struct flow *f, enum engine_side source, uint64_t ack,
		bool duplicate);

/* The same of a relay that ends now: no more than that is noted. */
void send_is_acked(struct engine *e, struct flow *f, enum engine_side source, uint64_t ack);

/* The next piece that windows allow, now being sent; false if there is none. */
bool send_next(struct engine *e, struct flow *f, enum engine_side source, struct piece *out);

/* Makes a train of a full piece: adds the pieces that stand behind it and may be sent too,
 * up to max octets in all. */
void send_train(struct engine *e, struct flow *f, enum engine_side source, struct piece *train,
		uint32_t max);

/* A router says that it cannot carry a packet of what goes to the sink, which began at offset: only
 * packets of mtu bytes. It is believed if that is under way. */
void send_too_big(struct engine *e, struct flow *f, enum engine_side source, uint64_t offset,
		  uint32_t mtu);

/* The timer of a relay that has something under way went off. Returns false if the sink must
 * be given up. */
bool send_timeout(struct engine *e, struct flow *f, enum engine_side source);

/* emit.c -------------------------------------------------------------------- */

/* What the end `side` says to the other one in a packet written now: its sequence
 * number, its acknowledgment and its window, of its own or of the box. */
uint64_t emit_seq(const struct engine *e, const struct flow *f, enum engine_side side);
uint64_t emit_ack(const struct flow *f, enum engine_side side);
uint16_t emit_window(const struct engine *e, const struct flow *f, enum engine_side side);

/* The most octets of one packet to send, its headers taken off. */
#define EMIT_PAYLOAD_MAX (65535 - 40 - TCP_HEADER_BYTES - TCP_OPTIONS_MAX)

/* May a packet in the name of side be left to the caller to segment and to sum up? */
bool emit_offloads(const struct engine *e, const struct flow *f, enum engine_side side);

/* Notes that the other end was just told all this. */
void emit_told(const struct engine *e, struct flow *f, enum engine_side side);

/* Writes a pure ACK, a piece, or a RST in the name of side. */
void emit_pure_ack(struct engine *e, struct flow *f, enum engine_side side,
		   struct engine_emit *out);
void emit_piece(struct engine *e, struct flow *f, enum engine_side side, const struct piece *piece,
		struct engine_emit *out);
void emit_rst(struct engine *e, struct flow *f, enum engine_side side, struct engine_emit *out);

/* hooks.c ------------------------------------------------------------------- */

/* Are these rules within their bounds? */
bool hooks_good(const struct engine_rules *rules);

/* For a new engine, whose configuration is set. */
void hooks_begin(struct engine *e);

/* Changes the rules, which are good. Flows are still to be told by hooks_renew(). */
void hooks_set_rules(struct engine *e, const struct engine_rules *rules);

/* Does a policy say that a connection of this client passes untouched? */
bool hooks_passes(const struct engine *e, const struct flow_key *key, unsigned client);

/* Chooses the policy and the faults of a new flow whose ends are known. */
void hooks_start(struct engine *e, struct flow *f);

/* The same for a flow that is there, after the rules were changed; old: what they were. Says by
 * source whether something stalls that is to be cut again, as the fault that stalls it is not what
 * it was. */
void hooks_renew(struct engine *e, struct flow *f, const struct engine_rules *old, bool again[2]);

static inline const struct engine_policy *hooks_policy(const struct engine *e, const struct flow *f)
{
	return &e->config.rules.policy[f->policy];
}

/* How much of the pending octets, which are stored, is cut next; 0: a stall. `arrived` of them
 * were pending when the cutting began, the last with PSH or not. */
uint32_t hooks_cut(struct engine *e, struct flow *f, enum engine_side source, uint32_t pending,
		   uint32_t arrived, bool push);

/* What becomes of a packet that has come, which may be rewritten; *rewritten says so. */
enum fault_fate hooks_packet(struct engine *e, const struct flow *f, enum engine_side source,
			     struct packet *p, bool *rewritten);

/* Is a fault for this connection that needs the Fast Open option to pass? */
bool hooks_keep_fast_open(const struct engine *e, const struct flow *f);

/* Does a fault have a say in the pieces of this half? */
static inline bool hooks_any_piece(const struct engine *e, const struct flow *f,
				   enum engine_side source)
{
	return e->piece_faults[f->policy] & f->relay[source].faults;
}

/* What becomes of a piece that is to be sent. */
enum fault_fate hooks_piece(struct engine *e, const struct flow *f, enum engine_side source,
			    const struct piece *piece);

/* report.c ------------------------------------------------------------------ */

void report_opened(struct engine *e, const struct flow *f);
void report_arrival(struct engine *e, const struct flow *f, enum engine_side source,
		    uint64_t offset, uint32_t bytes);
void report_forged_ack(struct engine *e, const struct flow *f, enum engine_side source);
void report_cut(struct engine *e, const struct flow *f, enum engine_side source, uint64_t offset,
		uint32_t bytes, uint32_t pieces, uint32_t last_piece);
void report_stall(struct engine *e, const struct flow *f, enum engine_side source);
void report_resume(struct engine *e, const struct flow *f, enum engine_side source);
/* piece: which it acted on; or NULL. */
void report_fault(struct engine *e, const struct flow *f, enum engine_side source,
		  const struct fault *fault, const struct piece *piece);
/* What its path carries is less than was thought. */
void report_path(struct engine *e, const struct flow *f, enum engine_side source);
/* What a relay of an open flow did. */
struct engine_totals report_totals(const struct relay *r);

void report_closed(struct engine *e, const struct flow *f, enum engine_close_reason reason);

#endif
