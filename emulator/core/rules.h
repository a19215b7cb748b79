/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_RULES_H
#define RESEG_CORE_RULES_H

/*
 * What the box is asked to do
 */

#include "event.h"
#include "fault.h"
#include "side.h"

#include <stdbool.h>
#include <stdint.h>

#define ENGINE_SEGMENT_SIZE_DEFAULT 512
#define ENGINE_SEGMENT_SIZE_MAX 65495	/* 65,535 less an IPv4 and a TCP header */

/* One unit of the largest window scale (RFC 7323 section 2.3); a smaller window could not be
 * advertised. */
#define ENGINE_WINDOW_MIN (1 << 14)

/* The unit of data that the box handles at once. */
enum engine_arrival {
	ARRIVAL_SEGMENT,	/* a TCP segment as it was on the wire */
	ARRIVAL_BURST,		/* whatever one packet from the caller holds; offloads may have
				 * joined many segments */
};

/* What becomes of a new connection when there is no room for it. */
enum engine_overload {
	OVERLOAD_PASS,		/* it passes untouched */
	OVERLOAD_REFUSE,	/* the client gets a RST */
};

#define POLICIES_MAX 16

/* What is done to a connection. */
struct engine_policy {
	struct match match;		/* which connections it is for; unused in the first
					 * policy */
	uint32_t segment_size;		/* 1..ENGINE_SEGMENT_SIZE_MAX. If a flow's sink allows less,
					 * S is what it allows */
	enum engine_direction direction;
	enum engine_arrival arrival;
	struct fault fault[FAULTS_MAX];	/* what goes wrong, */
	unsigned faults;		/* and how many of them */
};

/* A connection gets the first policy after policy[0] that matches, or else policy[0]. */
struct engine_rules {
	struct engine_policy policy[POLICIES_MAX];
	unsigned policies;		/* at least 1 */
};

/* Are these rules within their bounds? */
bool rules_good(const struct engine_rules *rules);

struct engine_config {
	struct engine_rules rules;
	enum engine_overload overload;	/* beyond flows_max, or once only a quarter of memory_bytes
					 * is left, which is kept for existing flows */
	uint32_t flows_max;
	uint32_t window_bytes;		/* receive buffer of a relay: ENGINE_WINDOW_MIN to
					 * STREAM_WINDOW_MAX */
	uint64_t memory_bytes;		/* of all buffers together */
	bool offload;			/* the caller segments what is sent and finishes TCP
					 * checksums; see struct engine_emit */
	uint8_t hash_key[16];		/* random, or fixed for a repeatable run */
	uint64_t start_ns;		/* when it begins, and its faults come into use */
	uint32_t number;		/* of this engine, from 0 */
	uint32_t engines;		/* how many work side by side: no two give flows the same
					 * serial number */
	engine_observer *observer;	/* may be NULL */
	void *observer_arg;
};

#endif
