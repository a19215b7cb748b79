/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_ENGINE_H
#define RESEG_CORE_ENGINE_H

/*
 * The box: packets in, packets out, one deadline
 *
 * This is core's only public header. The engine makes no system call, reads no
 * clock, prints nothing and allocates nothing after engine_create(); so it can run
 * behind a queue of the kernel, in a simulator, under a fuzzer or over a capture.
 *
 * How to drive it:
 *
 *      verdict = engine_input(e, now, packet, len);      for each packet
 *      while (engine_next(e, &emit)) send emit;          after each call that can
 *                                                        make output
 *      engine_expire(e, now);                            once engine_deadline() is
 *                                                        reached
 *
 * Output is taken out before the next packet goes in: what would be two ACKs for
 * two packets is otherwise one.
 *
 * Time is in nanoseconds from any fixed start and never goes back. Numbers are in
 * host order and in bytes unless said otherwise. An engine is used by one thread.
 */

#include "fault.h"
#include "stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENGINE_SEGMENT_SIZE_DEFAULT 512
#define ENGINE_SEGMENT_SIZE_MAX 65495	/* 65,535 less an IPv4 and a TCP header */

/* The longest packet that a caller must be able to hand in: what NFQUEUE copies at most. The
 * ends are told (by MSS) to send no segment that makes a longer one. */
#define ENGINE_PACKET_MAX 65531

/* One unit of the largest window scale (RFC 7323 section 2.3), or it could not be told. */
#define ENGINE_WINDOW_MIN (1 << 14)

/* The client is the side that sent the SYN. */
enum engine_side { CLIENT, SERVER };

static inline enum engine_side engine_other(enum engine_side side)
{
	return side == CLIENT ? SERVER : CLIENT;
}

/* Which halves of a connection are intercepted, named by their source. */
enum engine_direction {
	DIRECTION_NONE = 0,	/* it passes untouched */
	DIRECTION_C2S = 1 << CLIENT,
	DIRECTION_S2C = 1 << SERVER,
	DIRECTION_BOTH = DIRECTION_C2S | DIRECTION_S2C,
};

/* The unit of data that the box handles at once. */
enum engine_arrival {
	ARRIVAL_SEGMENT,	/* a TCP segment as it was on the wire */
	ARRIVAL_BURST,		/* whatever one packet of the caller's holds; offloads may have
				 * joined many segments */
};

/* What becomes of a new connection for which there is no room. */
enum engine_overload {
	OVERLOAD_PASS,		/* it passes untouched */
	OVERLOAD_REFUSE,	/* the client gets a RST */
};

enum engine_event_type {
	EVENT_FLOW_OPENED,	/* both SYNs were seen */
	EVENT_ARRIVAL,		/* data came in, in order now */
	EVENT_FORGED_ACK,	/* the box ACKed octets in the sink's name */
	EVENT_CUT,		/* pending octets were cut into pieces */
	EVENT_STALL,		/* the fault yields no cut */
	EVENT_RESUME,		/* more data un-stuck it */
	EVENT_FAULT,		/* a fault acted */
	EVENT_PATH,		/* the path to the sink carries less than was thought */
	EVENT_FLOW_CLOSED,
	EVENT_TYPES
};

enum engine_close_reason {
	CLOSE_FIN,		/* both ends have each other's FIN */
	CLOSE_RESET,		/* a RST passed */
	CLOSE_TIMEOUT,		/* the sink did not acknowledge a piece in time */
	CLOSE_IDLE,		/* nothing was heard for long */
	CLOSE_REPLACED,		/* a new connection uses the same addresses and ports */
	CLOSE_HANDED_OVER,	/* the box is being stopped, and the ends can do without */
	CLOSE_SHUTDOWN,		/* the box is stopped */
	CLOSE_FORGOTTEN,	/* by a fault: nothing of it passes any more */
	CLOSE_REASONS
};

/* What one relay did, in octets of data (SYN and FIN do not count). acked -
 * delivered are orphaned: the source believes them delivered, the sink has not
 * acknowledged them. */
struct engine_totals {
	bool intercepted;
	uint64_t acked;
	uint64_t delivered;
};

/* A fact, for logs. `offset` counts octets of the source's data from 0. Fields that
 * a type does not name hold 0. */
struct engine_event {
	enum engine_event_type type;
	uint64_t now_ns;
	uint64_t flow;			/* serial number of the flow, from 1; with several
					 * engines not all are used */
	uint8_t version;		/* 4 or 6 */
	const uint8_t *address[2];	/* by side; 4 or 16 bytes, network order */
	uint16_t port[2];
	enum engine_side source;	/* of the relay, or fault: of the packet it acted on; all
					 * types but opened and closed */
	uint64_t offset;		/* arrival, cut, stall, resume: the first octet;
					 * forged ACK: the next one expected; fault: of a piece */
	uint32_t bytes;			/* arrival, cut; fault: of a piece, else 0; path: the most
					 * that one segment can hold now */
	uint32_t pieces;		/* cut: how many */
	uint32_t last_piece;		/* cut: length of the last; the others are S */
	uint32_t pending;		/* stall; arrival: with these octets */
	uint64_t orphaned;		/* forged ACK: octets the sink does not have */
	uint32_t segment_size;		/* opened, stall: S of this flow; path: of its policy */
	const char *fault;		/* fault: its name */
	enum engine_close_reason reason;	/* closed */
	struct engine_totals totals[2];		/* closed, by source */
};

/* Called as a fact happens. It must not call the engine, and nothing it does
 * changes what the engine does next. Pointers in the event are valid during the
 * call only. */
typedef void engine_observer(void *arg, const struct engine_event *event);

#define POLICIES_MAX 16

/* What is done to a connection. */
struct engine_policy {
	struct match match;		/* which one it is for; not of the first policy */
	uint32_t segment_size;		/* 1..ENGINE_SEGMENT_SIZE_MAX. In a flow whose
					 * sink allows less, S is what it allows */
	enum engine_direction direction;
	enum engine_arrival arrival;
	struct fault fault[FAULTS_MAX];	/* what goes wrong, */
	unsigned faults;		/* and how many of them */
};

/* A connection has the first policy behind policy[0] that matches, or else that one. */
struct engine_rules {
	struct engine_policy policy[POLICIES_MAX];
	unsigned policies;		/* from 1 */
};

struct engine_config {
	struct engine_rules rules;
	enum engine_overload overload;	/* over flows_max, or with a quarter of memory_bytes
					 * left: that is kept for the flows there are */
	uint32_t flows_max;
	uint32_t window_bytes;		/* receive buffer of a relay: ENGINE_WINDOW_MIN to
					 * STREAM_WINDOW_MAX */
	uint64_t memory_bytes;		/* of all buffers together */
	bool offload;			/* the caller segments what is sent and finishes TCP
					 * checksums; see struct engine_emit */
	uint8_t hash_key[16];		/* random, or fixed for a repeatable run */
	uint64_t start_ns;		/* when it begins; its faults are in use since then */
	uint32_t number;		/* of this engine, from 0, and how many work side by */
	uint32_t engines;		/* side: no two give flows the same serial number */
	engine_observer *observer;	/* may be NULL */
	void *observer_arg;
};

/* The defaults: S = 512, the first fault of the table, client to server. */
void engine_config_init(struct engine_config *config);

struct engine_stats {
	uint64_t packets;		/* put in */
	uint64_t accepted;		/* by verdict */
	uint64_t dropped;
	uint64_t replaced;
	uint64_t emitted;
	uint64_t passed_not_tcp;	/* untouched, by reason */
	uint64_t passed_fragment;
	uint64_t passed_extension;
	uint64_t passed_malformed;
	uint64_t passed_bad_checksum;
	uint64_t passed_unknown_flow;
	uint64_t passed_authenticated;	/* TCP-MD5 or TCP-AO */
	uint64_t passed_overload;
	uint64_t passed_draining;
	uint64_t passed_policy;		/* whose direction is none */
	uint64_t refused_overload;	/* connections refused, by a RST */
	uint64_t flows_opened;
	uint64_t flows_active;		/* now, with what is remembered of those that have ended */
	uint64_t flows_alive;		/* now, of these: opening or open */
	uint64_t stalls;
	uint64_t forged_acks;
	uint64_t retransmissions;
	uint64_t paths_limited;		/* paths to sinks found to carry less than was thought */
	uint64_t one_sided;		/* flows of which only one direction comes by */
	uint64_t unanswered;		/* flows in which an end was sent something again and again,
					 * by no fault, and acknowledged nothing */
	uint64_t urgent_segments;	/* their data was taken as any other */
	uint64_t refused_arrivals;	/* no buffer: not ACKed, the source repeats them */
	uint64_t orphaned_bytes;	/* now, over all flows */
	uint64_t pages_used;		/* of POOL_PAGE_BYTES, now */
};

struct engine;

/* Reserves all memory. -EINVAL for a configuration out of range, -ENOMEM. */
int engine_create(struct engine **out, const struct engine_config *config);
void engine_destroy(struct engine *e);

enum engine_verdict {
	VERDICT_ACCEPT,		/* let the packet go on as it came */
	VERDICT_REPLACE,	/* let it go on as it is now in the caller's buffer */
	VERDICT_DROP,		/* the box has taken it */
};

/* What the caller knows of a packet that its bytes do not say. */
enum engine_hint {
	ENGINE_NO_CHECKSUM = 1 << 0,	/* the TCP checksum was left to hardware: the packet
					 * is sound, the field is not. REPLACE sets it */
	ENGINE_JOINED = 1 << 1,		/* offloads may have joined several segments. They are
					 * taken apart as the ends' MSS options say, for a
					 * packet does not tell where they were joined */
	ENGINE_LOCAL = 1 << 2,		/* its source is this host itself */
};

/* What a packet is about. */
struct engine_subject {
	uint64_t flow;			/* serial number; 0: of none */
	enum engine_side source;	/* who sent it, or is said to have sent it */
	uint64_t orphaned;		/* octets that it acknowledges, as it goes on, and that
					 * its source does not have */
};

/* Hands in one IP packet of *len bytes, with hints (enum engine_hint). The engine may
 * change it in place, and shortens *len if it cut something off; it keeps no reference.
 * Whatever the bytes are, there is exactly one verdict. */
enum engine_verdict engine_input(struct engine *e, uint64_t now_ns, void *packet, size_t *len,
				 unsigned hints);

/* Hands in what a router said by ICMP to another engine, all of the IP packet. Returns true if it was
 * about a connection of this one. */
bool engine_icmp(struct engine *e, uint64_t now_ns, void *packet, size_t len);

/* That of the packet that was handed in last; it is of no flow if it passed as one the box does
 * not know. */
struct engine_subject engine_input_subject(const struct engine *e);

/* One IP packet to send: its parts one after the other, the first of them the
 * headers. All of it, checksums too, is ready for the wire; the TTL is what the
 * packets of that end had when they reached the box.
 *
 * With engine_config.offload, unless it is `local`, it is not `summed`: the TCP checksum field
 * holds only the sum of the pseudo header, and the packet may be many: with segment_bytes set,
 * the payload is to be sent as segments of that length, but the last. */
#define ENGINE_PARTS_MAX (1 + STREAM_SLICES_MAX)

struct engine_emit {
	struct engine_subject subject;
	bool local;			/* its source address is this host's */
	bool summed;			/* its TCP checksum is finished */
	uint16_t segment_bytes;		/* 0: one segment */
	uint8_t version;		/* 4 or 6 */
	const uint8_t *destination;	/* 4 or 16 bytes, network order */
	size_t bytes;			/* of all parts */
	size_t parts;
	struct stream_slice part[ENGINE_PARTS_MAX];
};

/* Takes out the next packet to send, valid until the next call of any function of
 * the engine; its parts behind the first one even while there is only this one called.
 * Returns false when there is none. */
bool engine_next(struct engine *e, struct engine_emit *out);

/* The moment at which engine_expire() must be called; UINT64_MAX: none. It may be
 * early: then nothing is due yet, and there is a new one. */
uint64_t engine_deadline(const struct engine *e);
void engine_expire(struct engine *e, uint64_t now_ns);

/* Begins to hand all flows back to their ends, which is possible for each once the sink
 * has all that was ACKed: the numbers on both sides of the box are the same. From now on
 * new flows pass untouched, and the box opens no window any further; what it has offered
 * to a source it still takes and delivers. It is over when no flow is active. */
void engine_drain(struct engine *e, uint64_t now_ns);

/* Reports every flow as closed, with what it orphans, and forgets it. */
void engine_shutdown(struct engine *e, uint64_t now_ns);

void engine_get_stats(const struct engine *e, struct engine_stats *out);

/* For tests: NULL if all is as it must be once all output was taken out, else what is wrong. */
const char *engine_wrong(const struct engine *e);

/* Changes what is done from now on. Open flows get the policy that matches them now; the halves
 * that are intercepted, and what is cut already, stay as they are, and what a fault has stalled
 * goes on if it no longer does. A flow that was open before counts for no fault's `flows`, unless
 * it did so already. -EINVAL for rules out of range; then nothing is changed. */
int engine_set_rules(struct engine *e, uint64_t now_ns, const struct engine_rules *rules);

/* How often each fault of a policy acted, in their order. */
void engine_get_faults(const struct engine *e, unsigned policy, uint64_t acted[FAULTS_MAX]);

/* A flow, as a list of them shows it. */
struct engine_flow {
	uint64_t serial;
	uint8_t version;		/* 4 or 6 */
	uint8_t address[2][16];		/* by side; 4 or 16 bytes, network order; zeros follow */
	uint16_t port[2];
	const char *state;		/* "opening", "open", "reset", "closed" or "forgotten" */
	unsigned policy;
	uint32_t segment_size;
	bool stalled[2];		/* by source */
	uint64_t pending[2];
	struct engine_totals totals[2];
	uint64_t idle_ns;		/* since its last packet */
};

/* Lists flows from place *cursor on, which is 0 at first, and moves it on; if it stays where it is
 * there are no more. Returns how many, at most max. It looks at no more than ENGINE_LOOK_MAX places, so a call
 * takes no long time; a list that took several calls may miss flows that came in between. */
#define ENGINE_LOOK_MAX 4096
size_t engine_flows(const struct engine *e, uint64_t now_ns, uint32_t *cursor, struct engine_flow *out, size_t max);

#endif
