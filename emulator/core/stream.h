/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_STREAM_H
#define RESEG_CORE_STREAM_H

/*
 * The octets a relay holds, and how they arrived and were cut
 *
 * A relay has a stream only while it holds something: from the first octet that arrives until the
 * sink has acknowledged the last. It takes one page of the pool for the book-keeping, up to
 * STREAM_PAGES more for the octets, and one more while anything waits.
 *
 *        sink has                 cut                    pending       waiting
 *      ----------+----+----+----+---+----+----+---+----------------+  +----+  +--
 *                |    run       | S |  S | run   r|                |  |    |  |
 *      ----------+----+----+----+---+----+----+---+----------------+  +----+  +--
 *             snd_una        snd_nxt           cut_nxt          rcv_nxt
 *
 * An arrival is what came in at once. Arrivals out of order wait here with their borders: a fault
 * looks at arrivals, and must see the same ones whether or not the network reordered them.
 *
 * A run is some pieces of S octets each, of which the last may be shorter. So one word remembers
 * any number of cuts, and a retransmission repeats the same segment. When there is no place for
 * another run, new cuts are joined to the last one, as a TCP joins what was written to it. Their
 * borders are lost, which no TCP promises to keep, but no octet is lost.
 *
 * Offsets are those of seq.h.
 */

#include "pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_PAGES 64

/* The most octets that may lie between snd_una and the end of what waits: one page
 * less, since the first octet may stand anywhere in its page. */
#define STREAM_WINDOW_MAX ((STREAM_PAGES - 1) * POOL_PAGE_BYTES)

/* An arrival that finds no place to wait is not acknowledged, so its sender repeats it. */
#define STREAM_WAITING_MAX 512
#define STREAM_RUNS_MAX 512
/* Runs that only stream_split() may use, so that a window smaller than a piece can always be used:
 * a split adds two, and one of them is gone before the next split. */
#define STREAM_RUNS_SPARE 4

/* A piece of at most 65,495 octets touches this many pages, and so has this many
 * slices. */
#define STREAM_SLICES_MAX 17

struct stream_slice {
	const uint8_t *data;
	size_t bytes;
};

struct arrival {
	uint64_t start;
	uint32_t bytes;
	bool push;		/* the PSH flag of the segment */
};

/* Octets that the sink has, beyond snd_una (RFC 2018): the scoreboard. A range that
 * finds no place is forgotten; its octets may then be sent twice. */
#define STREAM_SACKED_MAX 16

struct stream_range {
	uint64_t left;
	uint64_t right;		/* after the last octet */
};

struct stream {
	uint64_t runs_start;	/* offset of the first octet of the first run */
	uint64_t cursor_start;	/* the same for run number `cursor` */
	uint64_t page_number;	/* offset / POOL_PAGE_BYTES of the first page held */
	uint64_t newest;	/* start of the arrival that began to wait last */
	uint16_t cursor;	/* counted from the first run */
	uint16_t runs_head;	/* index of the first run in runs[] */
	uint16_t runs_count;
	uint16_t waiting_count;
	uint16_t sacked_count;
	struct stream_range sacked[STREAM_SACKED_MAX];	/* in order, none touch */
	pool_page waiting;	/* page of the arrivals that wait; POOL_NONE: none do */
	pool_page pages[STREAM_PAGES];
	uint32_t runs[STREAM_RUNS_MAX];
};

/* Begins an empty stream whose first octet has the offset start. */
void stream_begin(struct stream *s, uint64_t start);

/* Gives back every page of octets. */
void stream_end(struct stream *s, struct pool *pool);

/* Stores the octets [start, start + bytes), which are next in order: none of them
 * waits. -ENOBUFS if the pool has no page. */
int stream_store(struct stream *s, struct pool *pool, uint64_t start, const uint8_t *data,
		 uint32_t bytes);

/* Stores octets that are out of order and notes them as waiting, except those that are already
 * waiting: what came first stays. The caller has trimmed them to what is acceptable. -ENOBUFS if
 * not all found a place: some octets may be waiting, and the others are as if they had not
 * arrived. */
int stream_wait(struct stream *s, struct pool *pool, uint64_t start, const uint8_t *data,
		uint32_t bytes, bool push);

/* Waiting arrival number i, of s->waiting_count, in order. */
struct arrival stream_waiting(const struct stream *s, const struct pool *pool, unsigned i);

/* Takes out the first waiting arrival, if it starts at start. */
bool stream_take_waiting(struct stream *s, struct pool *pool, uint64_t start, struct arrival *out);

/* Forgets all that waits, and gives back the pages that hold no octet before end, where what is in
 * order ends. */
void stream_forget_waiting(struct stream *s, struct pool *pool, uint64_t end);

/* Notes the next cut: bytes octets after all that is cut, in pieces of segment_size and perhaps a
 * shorter last one. */
void stream_cut(struct stream *s, uint32_t segment_size, uint32_t bytes);

/* Marks the last run: its last piece carries PSH. */
void stream_push(struct stream *s);

/* The end of the run that holds the octet at offset, which must be cut. */
uint64_t stream_run_end(struct stream *s, uint64_t offset);

/* The piece that holds the octet at offset, which must be cut: returns the number
 * of octets from there to its end. */
uint32_t stream_piece(struct stream *s, uint32_t segment_size, uint64_t offset, bool *push);

/* Cuts the piece at offset once more, so that a piece ends after bytes octets.
 * -ENOBUFS if no room is left to remember that. */
int stream_split(struct stream *s, uint32_t segment_size, uint64_t offset, uint32_t bytes);

/* Notes that the sink has [left, right), beyond what it acknowledges. Returns false if that was
 * known already, or if there is no place for it. */
bool stream_sack(struct stream *s, uint64_t left, uint64_t right);

/* The first octet from offset on that the sink is not noted to have. */
uint64_t stream_skip_sacked(const struct stream *s, uint64_t offset);

/* The offset after the last octet that the sink is noted to have; 0: there is none. */
uint64_t stream_sacked_end(const struct stream *s);

/* Forgets everything before offset, which the sink has. */
void stream_release(struct stream *s, struct pool *pool, uint64_t offset);

/* Flips one bit of a stored octet. */
void stream_alter(struct stream *s, const struct pool *pool, uint64_t offset);

/* Overwrites stored octets. */
void stream_overwrite(struct stream *s, const struct pool *pool, uint64_t offset,
		      const uint8_t *data, uint32_t bytes);

/* The octets [offset, offset + bytes), which are stored, as slices. They stay
 * where they are until released. Returns the number of slices. */
size_t stream_slices(const struct stream *s, const struct pool *pool, uint64_t offset,
		     uint32_t bytes, struct stream_slice out[STREAM_SLICES_MAX]);

#endif
