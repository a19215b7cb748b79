/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_FLOW_H
#define RESEG_CORE_FLOW_H

/*
 * Flows: what the box knows about each connection, and the table that holds them
 *
 * A flow has one handshake, not two: addresses, ports and sequence numbers are the same on both
 * sides of the box. So there is one stream of offsets per source, and `intercepted` decides who
 * acknowledges it.
 *
 *      FLOW_OPENING    one SYN was seen; nothing is intercepted
 *      FLOW_OPEN       both SYNs were seen; the relays work
 *      FLOW_RESET      a RST passed, or the box gave up an end: for a while it answers for that end
 *      FLOW_CLOSED     both ends have each other's FIN, but a fault shifted their numbers:
 *                      later packets pass with the numbers corrected
 *      FLOW_FORGOTTEN  by a fault: none of its packets pass
 *
 * Any other flow is forgotten as soon as both ends have each other's FIN: its numbers are the same
 * on both sides, so later packets can pass untouched.
 */

#include "packet.h"
#include "pool.h"
#include "seq.h"
#include "side.h"
#include "stream.h"

#include <stdbool.h>
#include <stdint.h>

/* Names a flow in the table. FLOW_NONE names none. */
typedef uint32_t flow_handle;
#define FLOW_NONE UINT32_MAX

/* Both ends, in the same order whichever way a packet goes: the lower address and port first. IPv4
 * addresses are mapped (RFC 4291 section 2.5.5.2). There is no padding: the key is hashed and
 * compared as bytes. */
struct flow_key {
	uint8_t address[2][16];
	uint16_t port[2];	/* host order */
};

enum flow_state { FLOW_FREE, FLOW_OPENING, FLOW_OPEN, FLOW_RESET, FLOW_CLOSED, FLOW_FORGOTTEN };

/* What is noted of a flow for each side. Each value is the number of the client's bit; the server's
 * is the next. */
enum flow_mark {
	FLOW_ACK_INFO_OWED = 0,	/* send its acknowledgment in a pure ACK unless a piece carries
				 * it */
	FLOW_RST_OWED = 2,	/* a RST is to be sent in its name */
	FLOW_RST_SUSPECTED = 4,	/* a RST came that may be its own: rst_is_sure() */
	FLOW_BYPASS_SUSPECTED = 6,	/* its packets may bypass the box:
					 * challenge_has_gone_round() */
};

/* What one end's packets say about it. */
struct endpoint {
	uint32_t isn;
	uint32_t ts_val;	/* its newest timestamp */
	uint32_t ts_ecr;	/* and the one it echoed in the same packet */
	uint32_t ts_recent;	/* what to echo to it (RFC 7323 section 4.3) */
	uint32_t label;		/* see struct packet */
	uint16_t window;	/* newest, as on the wire */
	uint16_t widest;	/* window so far, as on the wire; at first that of its SYN, which is
				 * not scaled: relay_sink_is_new() */
	uint16_t mss;		/* its MSS option */
	uint16_t longest;	/* segment it was seen to send, with options */
	uint8_t window_shift;	/* to apply to `window` */
	uint8_t offered_shift;	/* in its SYN; used if both ends offer one */
	uint8_t ttl;
	bool syn_seen : 1;
	bool acked_syn : 1;	/* it acknowledged the other's SYN */
	bool dont_fragment : 1;
	bool local : 1;		/* it is this host */
	bool offers_window_shift : 1;
	bool offers_sack : 1;
	bool offers_timestamps : 1;
	bool has_news : 1;	/* its acknowledgment or window is not yet passed on */
};

/*
 * The half of a connection whose source is the endpoint of the same index, and whose sink
 * is the other. All its offsets are in the source's stream, except wl1.
 *
 *                      intercepted                     end to end
 *      rcv_nxt         all before it is ACKed          after the last octet seen
 *      snd_una         all before it is acknowledged by the sink
 *      edge            right edge of the widest window advertised to the source
 *                      by the box                      by the sink
 *
 * Only the low half is kept of an offset that lies near another one; see seq_near().
 */
struct relay {
	uint64_t rcv_nxt;
	uint64_t snd_una;
	uint32_t edge_low;	/* near rcv_nxt */
	uint32_t fin_low;	/* of the source's FIN, near rcv_nxt; with fin_seen. The server's,
				 * with two_syn_acks: the ISN of its SYN-ACK before the last */
	uint32_t wl1_low;	/* of the sink's segment used for the last window update, near
				 * the sink's newest (RFC 9293 section 3.10.7.4: SND.WL1; WL2
				 * is snd_una) */
	uint32_t srtt_us;	/* 0: nothing measured yet */
	uint32_t rttvar_us;
	uint32_t cwnd;
	union {
		uint32_t ssthresh;	/* intercepted */
		uint32_t rst_low;	/* end to end: the number of a suspected RST, near
					 * rcv_nxt */
	};
	uint32_t sent_ms;	/* when something was last sent */
	pool_page transit;	/* of struct transit; POOL_NONE: nothing is under way */
	bool fin_seen : 1;
	bool intercepted : 1;
	bool ack_owed : 1;	/* the source is to be sent an ACK */
	bool keep_alive : 1;	/* the source's keep-alive was passed on: its answer may pass */
	bool recovered : 1;	/* all that was in flight when recovery last began is acknowledged,
				 * and nothing after it (RFC 6582: `recover` is snd_una) */
	uint8_t dot_state : 3;	/* see struct fault_cut */
	uint8_t faults;		/* a bit for each of the policy's faults that is for this half */
	uint16_t arrivals;	/* of data so far; the count stops at UINT16_MAX */
};

/* What a relay needs only while something is under way: from the first octet or FIN that arrives
 * until the sink has acknowledged the last. It takes a page of the pool. */
struct transit {
	uint64_t cut_nxt;	/* all before it is cut into pieces */
	uint64_t snd_nxt;	/* next to send */
	uint64_t snd_max;	/* highest snd_nxt so far; snd_nxt goes back on a timeout */
	uint64_t recover;	/* RFC 6582: end of what was in flight when recovery began */
	uint64_t resend_nxt;	/* in recovery: all octets before this one were sent again */
	uint64_t timed_end;	/* an ACK of this offset ends the RTT measurement; 0: none */
	uint64_t timed_at_ns;
	uint64_t timer_ns;	/* retransmission or persist timer; 0: off */
	uint64_t fin_segment;	/* the first octet of the arrival that carried the FIN */
	uint16_t segment_size;	/* S of this flow */
	uint8_t backoff;	/* times the timer went off without an ACK */
	uint8_t dup_acks;
	uint8_t stalled_by;	/* which of the policy's faults stalled it */
	bool stalled : 1;
	bool stalled_push : 1;	/* and the last octet had PSH then */
	bool early_fin : 1;	/* a fault sent a FIN that is not the source's */
	bool recovering : 1;	/* RFC 6582: in fast recovery */
	bool resend_owed : 1;	/* in recovery: the next hole must be filled */
	bool probe_owed : 1;
	struct stream stream;
};

struct flow {
	struct flow_key key;
	flow_handle next;	/* in its bucket, or in the free list */
	uint64_t serial;	/* its number in logs, never reused */
	flow_handle output_next;	/* in the engine's list of flows with output */
	/* Times in milliseconds, only the low half; see struct engine. */
	uint32_t touched_ms;	/* when its last packet was seen */
	/* By side: when the last challenge ACK was sent (RFC 5961 section 7), and separately the
	 * last for a RST. */
	uint32_t challenge_ms[2];
	uint32_t rst_challenge_ms[2];
	uint8_t state : 4;	/* enum flow_state */
	uint8_t policy : 4;	/* its number */
	uint8_t version;	/* 4 or 6 */
	uint8_t client : 1;	/* index of the client in key */
	uint8_t shifted : 2;	/* a bit for each side whose numbers a fault shifts */
	bool timestamps : 1;	/* both ends offered them */
	bool sack : 1;
	bool output_queued : 1;
	bool server_reset : 1;	/* FLOW_RESET: by the server, not by the client */
	bool two_syn_acks : 1;	/* the server sent another, and the client may have the first */
	uint8_t marks;		/* enum flow_mark */
	uint16_t path_mss[2];	/* by source: the most octets of TCP payload and options that the
				 * path to its sink is known to carry; 0: unknown */
	struct endpoint end[2];
	struct relay relay[2];
};

/* A million flows may be idle at a time. */
_Static_assert(sizeof(struct flow) <= 256, "an idle flow takes 256 bytes");

struct flow_table {
	struct flow *flows;
	flow_handle *buckets;
	uint32_t bucket_mask;
	uint32_t max;
	uint32_t active;
	uint32_t fresh;		/* flows from here on were never used */
	flow_handle free;
	uint8_t hash_key[16];
};

/* Makes a table for max flows at once. -ENOMEM. */
int flow_table_create(struct flow_table *t, uint32_t max, const uint8_t hash_key[16]);
void flow_table_destroy(struct flow_table *t);

/* The key of a packet, and which of its two ends sent it. */
void flow_key_of(struct flow_key *key, unsigned *sender, const struct packet *p);

/* The flow of this key, or FLOW_NONE. */
flow_handle flow_find(const struct flow_table *t, const struct flow_key *key);

/* Adds a zeroed flow in state FLOW_OPENING; its key must not be in the table. Returns FLOW_NONE if
 * the table is full. */
flow_handle flow_add(struct flow_table *t, const struct flow_key *key);
void flow_remove(struct flow_table *t, flow_handle handle);

static inline struct flow *flow_get(const struct flow_table *t, flow_handle handle)
{
	return &t->flows[handle];
}

static inline bool flow_is_marked(const struct flow *f, enum flow_mark mark, enum engine_side side)
{
	return f->marks >> (mark + side) & 1u;
}

static inline void flow_mark(struct flow *f, enum flow_mark mark, enum engine_side side)
{
	f->marks = (uint8_t)(f->marks | 1u << (mark + side));
}

static inline void flow_unmark(struct flow *f, enum flow_mark mark, enum engine_side side)
{
	f->marks = (uint8_t)(f->marks & ~(1u << (mark + side)));
}

/* The address of one side as the table holds it: 16 bytes, IPv4 mapped. */
static inline const uint8_t *flow_mapped_address(const struct flow *f, enum engine_side side)
{
	return f->key.address[side == CLIENT ? f->client : 1u - f->client];
}

/* The address of one side: 4 or 16 bytes. */
static inline const uint8_t *flow_address(const struct flow *f, enum engine_side side)
{
	return flow_mapped_address(f, side) + (f->version == 4 ? 12 : 0);
}

/* The right edge of the window that the sink of a half offers now. */
static inline uint64_t flow_window_edge(const struct flow *f, enum engine_side source)
{
	const struct endpoint *sink = &f->end[engine_other(source)];

	return f->relay[source].snd_una + ((uint64_t)sink->window << sink->window_shift);
}

static inline uint64_t relay_edge(const struct relay *r)
{
	return seq_near(r->edge_low, r->rcv_nxt);
}

/* Has the sink advertised no window since its SYN? */
static inline bool relay_sink_is_new(const struct relay *r)
{
	return r->wl1_low == (uint32_t)SEQ_BASE;
}

/* The offset of the source's FIN, which must have been seen. */
static inline uint64_t relay_fin(const struct relay *r)
{
	return seq_near(r->fin_low, r->rcv_nxt);
}

/* How many octets are in flight: sent and not acknowledged. */
static inline uint32_t relay_flight(const struct relay *r, const struct transit *t)
{
	return (uint32_t)(t->snd_max - r->snd_una);
}

static inline uint16_t flow_port(const struct flow *f, enum engine_side side)
{
	return f->key.port[side == CLIENT ? f->client : 1u - f->client];
}

#endif
