/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_VERDICT_H
#define RESEG_CORE_VERDICT_H

/*
 * Packets in and out: what becomes of each, and what is sent
 */

#include "side.h"
#include "stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest packet that a caller must be able to hand in: the most that NFQUEUE copies. The box
 * lowers MSS options so that the ends send no segment that makes a longer one. */
#define ENGINE_PACKET_MAX 65531

enum engine_verdict {
	VERDICT_ACCEPT,		/* let the packet go on as it came */
	VERDICT_REPLACE,	/* let it go on as it is now in the caller's buffer */
	VERDICT_DROP,		/* the box has taken it */
};

/* What the caller knows about a packet that its bytes do not show. */
enum engine_hint {
	ENGINE_NO_CHECKSUM = 1 << 0,	/* the TCP checksum was left to hardware: the packet
					 * is sound, the field is not. REPLACE sets it */
	ENGINE_JOINED = 1 << 1,		/* offloads may have joined several segments. They are taken
					 * apart by the ends' MSS options, since a packet does not
					 * show where it was joined */
	ENGINE_LOCAL = 1 << 2,		/* its source is this host */
};

/* What a packet is about. */
struct engine_subject {
	uint64_t flow;			/* serial number; 0: no flow */
	enum engine_side source;	/* who sent it, or in whose name it is sent */
	uint64_t orphaned;		/* octets that it acknowledges when it goes on, but that its
					 * source does not have */
};

/* One IP packet to send: its parts one after the other, the first of which is the
 * headers. All of it, with its checksums, is ready for the wire; the TTL is the one that
 * packets of that end had when they reached the box.
 *
 * With engine_config.offload, a packet that is not `local` is not `summed`: its TCP checksum field
 * holds only the sum of the pseudo header. Such a packet may stand for many: with segment_bytes
 * set, send the payload as segments of that length; the last may be shorter. */
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

#endif
