/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_EVENT_H
#define RESEG_CORE_EVENT_H

/*
 * What the box reports: facts as they happen, and counts
 */

#include "side.h"

#include <stdbool.h>
#include <stdint.h>

enum engine_event_type {
	EVENT_FLOW_OPENED,	/* both SYNs were seen */
	EVENT_ARRIVAL,		/* data came in, and all before it is there */
	EVENT_FORGED_ACK,	/* the box ACKed octets in the sink's name */
	EVENT_CUT,		/* pending octets were cut into pieces */
	EVENT_STALL,		/* a fault allows no cut */
	EVENT_RESUME,		/* more data, or new rules, ended the stall */
	EVENT_FAULT,		/* a fault acted */
	EVENT_PATH,		/* the path to the sink carries less than assumed */
	EVENT_FLOW_CLOSED,
	EVENT_TYPES
};

enum engine_close_reason {
	CLOSE_FIN,		/* both ends have each other's FIN */
	CLOSE_RESET,		/* a RST passed */
	CLOSE_TIMEOUT,		/* the sink did not acknowledge a piece in time */
	CLOSE_IDLE,		/* no packet for a long time */
	CLOSE_REPLACED,		/* a new connection uses the same addresses and ports */
	CLOSE_HANDED_OVER,	/* the ends go on without the box, which is stopping or bypassed */
	CLOSE_SHUTDOWN,		/* the box is stopped */
	CLOSE_FORGOTTEN,	/* by a fault: none of its packets pass any longer */
	CLOSE_REASONS
};

/* What one relay did, in octets of data (SYN and FIN do not count). acked - delivered octets are
 * orphaned: the source believes they were delivered, but the sink has not acknowledged them. */
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
	enum engine_side source;	/* of the relay; fault: of what it acted on. Not in
					 * opened and closed */
	uint64_t offset;		/* arrival, cut, stall, resume: the first octet;
					 * forged ACK: the next one expected; fault: of a piece */
	uint32_t bytes;			/* arrival, cut; fault: of a piece, else 0; path: the most
					 * that one segment can hold now */
	uint32_t pieces;		/* cut: how many */
	uint32_t last_piece;		/* cut: length of the last; the others are S */
	uint32_t pending;		/* stall, resume; arrival: with its own octets */
	uint64_t orphaned;		/* forged ACK: octets the sink does not have */
	uint32_t segment_size;		/* opened, stall, resume: S of this flow; path: of its
					 * policy */
	const char *fault;		/* fault: its name */
	enum engine_close_reason reason;	/* closed */
	struct engine_totals totals[2];		/* closed, by source */
};

/* Called when a fact happens. It must not call the engine, and nothing it does changes what the
 * engine does next. Pointers in the event are valid only during the call. */
typedef void engine_observer(void *arg, const struct engine_event *event);

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
	uint64_t flows_active;		/* now, including ended flows that are still remembered */
	uint64_t flows_alive;		/* now, of these: opening or open */
	uint64_t stalls;
	uint64_t forged_acks;
	uint64_t retransmissions;
	uint64_t paths_limited;		/* paths to sinks found to carry less than assumed */
	uint64_t one_sided;		/* flows of which the box sees only one direction */
	uint64_t unanswered;		/* flows in which an end acknowledged nothing through six
					 * time-outs, and no fault acts on what is sent to it or
					 * on its packets */
	uint64_t urgent_segments;	/* their data was taken like any other */
	uint64_t refused_arrivals;	/* no buffer: not ACKed, so the source repeats them */
	uint64_t orphaned_bytes;	/* now, over all flows */
	uint64_t pages_used;		/* of POOL_PAGE_BYTES, now */
};

#endif
