/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_RULES_H
#define RESEG_CORE_RULES_H

/*
 * What is wanted of the box
 */

#include "event.h"
#include "fault.h"
#include "side.h"

#include <stdbool.h>
#include <stdint.h>

#define ENGINE_SEGMENT_SIZE_DEFAULT 512
#define ENGINE_SEGMENT_SIZE_MAX 65495	/* 65,535 less an IPv4 and a TCP header */

/* One unit of the largest window scale (RFC 7323 section 2.3), or it could not be told. */
#define ENGINE_WINDOW_MIN (1 << 14)

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

/* Are these rules within their bounds? */
bool rules_good(const struct engine_rules *rules);

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

#endif
