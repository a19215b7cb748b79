/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_DRAW_STORY_H
#define RESEG_DRAW_STORY_H

/*
 * What happened to one connection, as it is to be drawn
 *
 * A story is told by whoever knows: reseg-report, which infers it from captures, or a simulation,
 * which made it happen. It has numbers, and the comments of the box; the words around them are made
 * while it is drawn.
 *
 * All memory that a story points to belongs to its teller, and must stay as it is while the story
 * is drawn. Times are in nanoseconds since any moment; the picture begins with the first way.
 * Lengths and offsets are in bytes. Sequence numbers are relative: a SYN has number 0, the first
 * byte of data number 1.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum story_place { STORY_CLIENT, STORY_BOX, STORY_SERVER, STORY_PLACES };

/* Whose data, or whose packets: the client's or the server's. */
enum story_side { STORY_BY_CLIENT, STORY_BY_SERVER, STORY_SIDES };

/* Flags, as in TCP's header. */
enum { STORY_FIN = 1, STORY_SYN = 2, STORY_RST = 4, STORY_PSH = 8, STORY_ACK = 16 };

enum {
	STORY_NODES_MAX = 3,
	STORY_LEGS_MAX = STORY_NODES_MAX - 1,
	STORY_PREVIEW_MAX = 200,	/* octets */
	STORY_COMMENT_MAX = 1 << 15,	/* octets */
};

/* Limits that no real connection reaches, and below which no sum overflows. */
#define STORY_BYTES_MAX (1LL << 38)
#define STORY_TIME_MAX_NS (1LL << 62)

/* Where a packet was, and when. */
struct story_node {
	enum story_place place;
	int64_t time_ns;	/* 0 to STORY_TIME_MAX_NS */
};

/* A packet as it went from one node to the next. */
struct story_leg {
	unsigned flags;
	int64_t first;		/* its sequence number; may be negative */
	int64_t length;		/* of its data */
	int64_t ack;		/* if it has the flag */
};

/*
 * The way of one packet. It has two nodes, or three if it went through the box; no node is before
 * the one in front of it. A way that begins at the box is that of a packet which the box made.
 */
struct story_way {
	struct story_node nodes[STORY_NODES_MAX];
	struct story_leg legs[STORY_LEGS_MAX];	/* one less than nodes */
	unsigned node_count;
	bool is_lost;		/* it never came to its last node */
	int64_t lacks;		/* bytes it acknowledges that its sender does not have then, */
	int64_t never;		/* and bytes of them that its sender never gets */
	const char *comment;	/* the box's, as in captures: UTF-8 without control characters */
	size_t comment_length;	/* 0: there is none */
	const uint8_t *preview;	/* the beginning of the first leg's data, if that is text */
	size_t preview_length;	/* 0: it is no text, or there is no data */
};

/* From this time on, so many bytes are acknowledged to their source and not delivered. */
struct story_orphans {
	int64_t time_ns;
	int64_t bytes;
	int64_t never;		/* of these, so many are never delivered */
};

/* The bytes from `first` up to, but not including, `end`; counted from 0. */
struct story_run {
	int64_t first, end;
};

/* The data that one side sent. */
struct story_stream {
	int64_t length;
	int64_t acked;			/* to its source; may be more than length: a FIN counts */
	int64_t delivered;		/* to its sink, likewise */
	bool is_intercepted;		/* the box made packets of it */
	const struct story_run *arrivals;	/* each packet's new bytes, from its source, */
	size_t arrival_count;
	const struct story_run *cuts;		/* and as the box sent them on */
	size_t cut_count;
};

struct story {
	unsigned number;		/* unique in a document: ids begin with it */
	const struct story_way *ways;	/* one or more, in the order in which they begin */
	size_t way_count;
	const struct story_orphans *orphans;	/* in the order of their times */
	size_t orphan_count;
	struct story_stream streams[STORY_SIDES];
};

/* Is it as described above? */
bool story_is_sound(const struct story *story);

static inline int64_t story_end_ns(const struct story_way *way)
{
	return way->nodes[way->node_count - 1].time_ns;
}

static inline enum story_side story_side(const struct story_way *way)
{
	return way->nodes[0].place < way->nodes[1].place ? STORY_BY_CLIENT : STORY_BY_SERVER;
}

static inline bool story_made_by_box(const struct story_way *way)
{
	return way->nodes[0].place == STORY_BOX;
}

#endif
