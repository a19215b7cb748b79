/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct stream) <= POOL_PAGE_BYTES, "a stream is one page of the pool");
_Static_assert((STREAM_RUNS_MAX & (STREAM_RUNS_MAX - 1)) == 0, "the ring of runs wraps by mask");

/* A run is one word: its length, and whether its last piece carries PSH. */
#define RUN_PUSH (UINT32_C(1) << 31)
#define RUN_BYTES(run) ((run) & ~RUN_PUSH)

static uint32_t *run_at(struct stream *s, unsigned i)
{
	return &s->runs[(s->runs_head + i) & (STREAM_RUNS_MAX - 1)];
}

void stream_begin(struct stream *s, uint64_t start)
{
	s->runs_start = start;
	s->cursor_start = start;
	s->page_number = start / POOL_PAGE_BYTES;
	s->newest = start;
	s->cursor = 0;
	s->runs_head = 0;
	s->runs_count = 0;
	s->waiting_count = 0;
	for (size_t i = 0; i < STREAM_PAGES; i++)
		s->pages[i] = POOL_NONE;
}

void stream_end(struct stream *s, struct pool *pool)
{
	for (size_t i = 0; i < STREAM_PAGES; i++) {
		if (s->pages[i] != POOL_NONE)
			pool_give(pool, s->pages[i]);
		s->pages[i] = POOL_NONE;
	}
}

static int copy_in(struct stream *s, struct pool *pool, uint64_t offset, const uint8_t *data,
		   uint32_t bytes)
{
	while (bytes > 0) {
		pool_page *page = &s->pages[offset / POOL_PAGE_BYTES % STREAM_PAGES];
		uint32_t at = offset % POOL_PAGE_BYTES;
		uint32_t n = POOL_PAGE_BYTES - at < bytes ? POOL_PAGE_BYTES - at : bytes;

		if (*page == POOL_NONE)
			*page = pool_take(pool);
		if (*page == POOL_NONE)
			return -ENOBUFS;
		memcpy((uint8_t *)pool_data(pool, *page) + at, data, n);
		data += n;
		offset += n;
		bytes -= n;
	}
	return 0;
}

/*
 *      waiting:      [  a  ]      [ b ]
 *      new:       |--1-|     |--2-|   |3|       each gap becomes an arrival
 */
int stream_store(struct stream *s, struct pool *pool, uint64_t start, const uint8_t *data,
		 uint32_t bytes, bool push)
{
	uint64_t at = start, end = start + bytes;
	unsigned i = 0;

	while (at < end) {
		uint64_t gap_end = end;

		while (i < s->waiting_count && s->waiting[i].start + s->waiting[i].bytes <= at)
			i++;
		if (i < s->waiting_count) {
			const struct arrival *next = &s->waiting[i];

			if (next->start <= at) {
				at = next->start + next->bytes;
				continue;
			}
			if (next->start < end)
				gap_end = next->start;
		}
		if (s->waiting_count == STREAM_WAITING_MAX)
			return -ENOBUFS;
		if (copy_in(s, pool, at, data + (at - start), (uint32_t)(gap_end - at)) < 0)
			return -ENOBUFS;
		memmove(&s->waiting[i + 1], &s->waiting[i],
			(s->waiting_count - i) * sizeof(s->waiting[0]));
		s->waiting[i] = (struct arrival){
			.start = at,
			.bytes = (uint32_t)(gap_end - at),
			.push = push && gap_end == end,
		};
		s->waiting_count++;
		s->newest = at;
		at = gap_end;
	}
	return 0;
}

bool stream_take_waiting(struct stream *s, uint64_t start, struct arrival *out)
{
	if (s->waiting_count == 0 || s->waiting[0].start != start)
		return false;
	*out = s->waiting[0];
	s->waiting_count--;
	memmove(&s->waiting[0], &s->waiting[1], s->waiting_count * sizeof(s->waiting[0]));
	return true;
}

bool stream_can_cut(const struct stream *s)
{
	return s->runs_count < STREAM_RUNS_MAX;
}

void stream_cut(struct stream *s, uint32_t bytes, bool extend)
{
	if (extend)
		*run_at(s, s->runs_count - 1u) += bytes;
	else
		*run_at(s, s->runs_count++) = bytes;
}

void stream_push(struct stream *s)
{
	*run_at(s, s->runs_count - 1u) |= RUN_PUSH;
}

/* Moves the cursor to the run that holds the octet at offset. */
static void seek(struct stream *s, uint64_t offset)
{
	if (offset < s->cursor_start) {
		s->cursor = 0;
		s->cursor_start = s->runs_start;
	}
	while (offset >= s->cursor_start + RUN_BYTES(*run_at(s, s->cursor)))
		s->cursor_start += RUN_BYTES(*run_at(s, s->cursor++));
}

uint32_t stream_piece(struct stream *s, uint32_t segment_size, uint64_t offset, bool *push)
{
	uint64_t run_end, piece_end;
	uint32_t run;

	seek(s, offset);
	run = *run_at(s, s->cursor);
	run_end = s->cursor_start + RUN_BYTES(run);
	piece_end = offset + segment_size - (offset - s->cursor_start) % segment_size;
	if (piece_end > run_end)
		piece_end = run_end;
	*push = piece_end == run_end && (run & RUN_PUSH);
	return (uint32_t)(piece_end - offset);
}

/*
 *      before:    | S | S | S | r |        one run
 *      split:     | S |x|y| S | r |        x ends one run, y is one, the rest one
 */
int stream_split(struct stream *s, uint32_t segment_size, uint64_t offset, uint32_t bytes)
{
	bool push;
	uint32_t piece = stream_piece(s, segment_size, offset, &push);
	uint32_t run = *run_at(s, s->cursor);
	uint32_t before = (uint32_t)(offset - s->cursor_start) + bytes;
	uint32_t middle = piece - bytes;
	uint32_t after = RUN_BYTES(run) - before - middle;
	unsigned more = after > 0 ? 2 : 1;

	if (middle == 0)
		return 0;
	if (s->runs_count + more > STREAM_RUNS_MAX)
		return -ENOBUFS;
	for (unsigned i = s->runs_count; i > s->cursor + 1u; i--)
		*run_at(s, i - 1 + more) = *run_at(s, i - 1);
	s->runs_count = (uint16_t)(s->runs_count + more);
	*run_at(s, s->cursor) = before;
	*run_at(s, s->cursor + 1u) = middle | (after > 0 ? 0 : run & RUN_PUSH);
	if (after > 0)
		*run_at(s, s->cursor + 2u) = after | (run & RUN_PUSH);
	return 0;
}

void stream_release(struct stream *s, struct pool *pool, uint64_t offset)
{
	while (s->runs_count > 0 && s->runs_start + RUN_BYTES(*run_at(s, 0)) <= offset) {
		s->runs_start += RUN_BYTES(*run_at(s, 0));
		s->runs_head = (s->runs_head + 1) & (STREAM_RUNS_MAX - 1);
		s->runs_count--;
		if (s->cursor > 0)
			s->cursor--;
		else
			s->cursor_start = s->runs_start;
	}
	for (; s->page_number < offset / POOL_PAGE_BYTES; s->page_number++) {
		pool_page *page = &s->pages[s->page_number % STREAM_PAGES];

		if (*page != POOL_NONE)
			pool_give(pool, *page);
		*page = POOL_NONE;
	}
}

size_t stream_slices(const struct stream *s, const struct pool *pool, uint64_t offset,
		     uint32_t bytes, struct stream_slice out[STREAM_SLICES_MAX])
{
	size_t count = 0;

	while (bytes > 0) {
		pool_page page = s->pages[offset / POOL_PAGE_BYTES % STREAM_PAGES];
		uint32_t at = offset % POOL_PAGE_BYTES;
		uint32_t n = POOL_PAGE_BYTES - at < bytes ? POOL_PAGE_BYTES - at : bytes;

		out[count].data = (const uint8_t *)pool_data(pool, page) + at;
		out[count++].bytes = n;
		offset += n;
		bytes -= n;
	}
	return count;
}
