/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct stream) <= POOL_PAGE_BYTES, "a stream is one page of the pool");
_Static_assert((STREAM_RUNS_MAX & (STREAM_RUNS_MAX - 1)) == 0, "the ring of runs wraps by mask");

/* The length of a run or an arrival, and whether it ends with PSH, in one word. */
#define PUSH (UINT32_C(1) << 31)
#define BYTES(word) ((word) & ~PUSH)

/* A waiting arrival. The low half of its offset is enough, since all lie within the window. */
struct waiting {
	uint32_t start;
	uint32_t bytes;		/* and PUSH */
};

_Static_assert(STREAM_WAITING_MAX * sizeof(struct waiting) <= POOL_PAGE_BYTES,
	       "arrivals wait in one page of the pool");

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
	s->sacked_count = 0;
	s->waiting = POOL_NONE;
	for (size_t i = 0; i < STREAM_PAGES; i++)
		s->pages[i] = POOL_NONE;
}

static void give_page(struct pool *pool, pool_page *page)
{
	if (*page != POOL_NONE)
		pool_give(pool, *page);
	*page = POOL_NONE;
}

void stream_end(struct stream *s, struct pool *pool)
{
	for (size_t i = 0; i < STREAM_PAGES; i++)
		give_page(pool, &s->pages[i]);
	give_page(pool, &s->waiting);
}

int stream_store(struct stream *s, struct pool *pool, uint64_t start, const uint8_t *data,
		 uint32_t bytes)
{
	while (bytes > 0) {
		pool_page *page = &s->pages[start / POOL_PAGE_BYTES % STREAM_PAGES];
		uint32_t at = start % POOL_PAGE_BYTES;
		uint32_t n = POOL_PAGE_BYTES - at < bytes ? POOL_PAGE_BYTES - at : bytes;

		if (*page == POOL_NONE)
			*page = pool_take(pool);
		if (*page == POOL_NONE)
			return -ENOBUFS;
		/* Makes GCC forget that n is at most a page: it would copy by "rep movs", while the
		 * C library's memcpy() takes half the time. */
		__asm__("" : "+r"(n));
		memcpy((uint8_t *)pool_data(pool, *page) + at, data, n);
		data += n;
		start += n;
		bytes -= n;
	}
	return 0;
}

struct arrival stream_waiting(const struct stream *s, const struct pool *pool, unsigned i)
{
	const struct waiting *w = (const struct waiting *)pool_data(pool, s->waiting) + i;
	uint64_t near = s->page_number * POOL_PAGE_BYTES;

	return (struct arrival){
		.start = near + (uint32_t)(w->start - (uint32_t)near),
		.bytes = BYTES(w->bytes),
		.push = w->bytes & PUSH,
	};
}

static int insert_waiting(struct stream *s, struct pool *pool, unsigned i, struct arrival a)
{
	struct waiting *w;

	if (s->waiting == POOL_NONE)
		s->waiting = pool_take(pool);
	if (s->waiting == POOL_NONE || s->waiting_count == STREAM_WAITING_MAX)
		return -ENOBUFS;
	w = pool_data(pool, s->waiting);
	memmove(w + i + 1, w + i, (s->waiting_count - i) * sizeof(*w));
	w[i] = (struct waiting){ (uint32_t)a.start, a.bytes | (a.push ? PUSH : 0) };
	s->waiting_count++;
	s->newest = a.start;
	return 0;
}

/*
 *      waiting:      [  a  ]      [ b ]
 *      new:       |--1-|     |--2-|   |3|       each gap becomes an arrival
 */
int stream_wait(struct stream *s, struct pool *pool, uint64_t start, const uint8_t *data,
		uint32_t bytes, bool push)
{
	uint64_t at = start, end = start + bytes;
	unsigned i = 0;
	int rc = 0;

	while (at < end && rc == 0) {
		struct arrival gap = { .start = at };
		uint64_t gap_end = end;

		if (i < s->waiting_count) {
			struct arrival next = stream_waiting(s, pool, i);

			if (next.start <= at) {
				if (next.start + next.bytes > at)
					at = next.start + next.bytes;
				i++;
				continue;
			}
			if (next.start < end)
				gap_end = next.start;
		}
		gap.bytes = (uint32_t)(gap_end - at);
		gap.push = push && gap_end == end;
		rc = stream_store(s, pool, at, data + (at - start), gap.bytes);
		if (rc == 0)
			rc = insert_waiting(s, pool, i, gap);
		at = gap_end;
	}
	return rc;
}

bool stream_take_waiting(struct stream *s, struct pool *pool, uint64_t start, struct arrival *out)
{
	struct waiting *w;

	if (s->waiting_count == 0)
		return false;
	*out = stream_waiting(s, pool, 0);
	if (out->start != start)
		return false;
	w = pool_data(pool, s->waiting);
	memmove(w, w + 1, --s->waiting_count * sizeof(*w));
	if (s->waiting_count == 0)
		give_page(pool, &s->waiting);
	return true;
}

void stream_forget_waiting(struct stream *s, struct pool *pool, uint64_t end)
{
	uint64_t used = (end + POOL_PAGE_BYTES - 1) / POOL_PAGE_BYTES;

	for (uint64_t n = used; n < s->page_number + STREAM_PAGES; n++)
		give_page(pool, &s->pages[n % STREAM_PAGES]);
	s->waiting_count = 0;
	give_page(pool, &s->waiting);
}

/* May the octets after the last run be counted as its own? Only if it has nothing but full pieces,
 * none with PSH, or if there is no place for another run. */
static bool can_extend(struct stream *s, uint32_t segment_size)
{
	uint32_t last;

	if (s->runs_count == 0)
		return false;
	last = *run_at(s, s->runs_count - 1u);
	return s->runs_count >= STREAM_RUNS_MAX - STREAM_RUNS_SPARE ||
	       (BYTES(last) % segment_size == 0 && !(last & PUSH));
}

void stream_cut(struct stream *s, uint32_t segment_size, uint32_t bytes)
{
	if (can_extend(s, segment_size))
		*run_at(s, s->runs_count - 1u) += bytes;
	else
		*run_at(s, s->runs_count++) = bytes;
}

void stream_push(struct stream *s)
{
	*run_at(s, s->runs_count - 1u) |= PUSH;
}

/* Moves the cursor to the run that holds the octet at offset. */
static void seek(struct stream *s, uint64_t offset)
{
	if (offset < s->cursor_start) {
		s->cursor = 0;
		s->cursor_start = s->runs_start;
	}
	while (offset >= s->cursor_start + BYTES(*run_at(s, s->cursor)))
		s->cursor_start += BYTES(*run_at(s, s->cursor++));
}

uint64_t stream_run_end(struct stream *s, uint64_t offset)
{
	seek(s, offset);
	return s->cursor_start + BYTES(*run_at(s, s->cursor));
}

uint32_t stream_piece(struct stream *s, uint32_t segment_size, uint64_t offset, bool *push)
{
	uint64_t run_end = stream_run_end(s, offset), piece_end;
	uint32_t run = *run_at(s, s->cursor);

	piece_end = offset + segment_size - (offset - s->cursor_start) % segment_size;
	if (piece_end > run_end)
		piece_end = run_end;
	*push = piece_end == run_end && (run & PUSH);
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
	uint32_t after = BYTES(run) - before - middle;
	unsigned more = after > 0 ? 2 : 1;

	if (middle == 0)
		return 0;
	if (s->runs_count + more > STREAM_RUNS_MAX)
		return -ENOBUFS;
	for (unsigned i = s->runs_count; i > s->cursor + 1u; i--)
		*run_at(s, i - 1 + more) = *run_at(s, i - 1);
	s->runs_count = (uint16_t)(s->runs_count + more);
	*run_at(s, s->cursor) = before;
	*run_at(s, s->cursor + 1u) = middle | (after > 0 ? 0 : run & PUSH);
	if (after > 0)
		*run_at(s, s->cursor + 2u) = after | (run & PUSH);
	return 0;
}

/*
 *      noted:       [ a ]     [ b ]         [ c ]
 *      new:            |-----------|                   a, b and it become one
 */
bool stream_sack(struct stream *s, uint64_t left, uint64_t right)
{
	unsigned first = 0, after;

	while (first < s->sacked_count && s->sacked[first].right < left)
		first++;
	for (after = first; after < s->sacked_count && s->sacked[after].left <= right; after++) {
		if (s->sacked[after].left <= left && s->sacked[after].right >= right)
			return false;
		if (s->sacked[after].left < left)
			left = s->sacked[after].left;
		if (s->sacked[after].right > right)
			right = s->sacked[after].right;
	}
	if (after == first && s->sacked_count == STREAM_SACKED_MAX)
		return false;
	memmove(&s->sacked[first + 1], &s->sacked[after],
		(s->sacked_count - after) * sizeof(s->sacked[0]));
	s->sacked[first] = (struct stream_range){ left, right };
	s->sacked_count = (uint16_t)(s->sacked_count + 1 - (after - first));
	return true;
}

uint64_t stream_skip_sacked(const struct stream *s, uint64_t offset)
{
	for (unsigned i = 0; i < s->sacked_count; i++) {
		if (s->sacked[i].left <= offset && offset < s->sacked[i].right)
			return s->sacked[i].right;
	}
	return offset;
}

uint64_t stream_sacked_end(const struct stream *s)
{
	return s->sacked_count > 0 ? s->sacked[s->sacked_count - 1].right : 0;
}

void stream_release(struct stream *s, struct pool *pool, uint64_t offset)
{
	while (s->runs_count > 0 && s->runs_start + BYTES(*run_at(s, 0)) <= offset) {
		s->runs_start += BYTES(*run_at(s, 0));
		s->runs_head = (s->runs_head + 1) & (STREAM_RUNS_MAX - 1);
		s->runs_count--;
		if (s->cursor > 0)
			s->cursor--;
		else
			s->cursor_start = s->runs_start;
	}
	if (s->sacked_count > 0 && s->sacked[0].left <= offset) {
		unsigned gone = 0;

		while (gone < s->sacked_count && s->sacked[gone].right <= offset)
			gone++;
		s->sacked_count = (uint16_t)(s->sacked_count - gone);
		memmove(&s->sacked[0], &s->sacked[gone], s->sacked_count * sizeof(s->sacked[0]));
	}
	for (; s->page_number < offset / POOL_PAGE_BYTES; s->page_number++)
		give_page(pool, &s->pages[s->page_number % STREAM_PAGES]);
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

void stream_alter(struct stream *s, const struct pool *pool, uint64_t offset)
{
	pool_page page = s->pages[offset / POOL_PAGE_BYTES % STREAM_PAGES];

	((uint8_t *)pool_data(pool, page))[offset % POOL_PAGE_BYTES] ^= 1;
}

void stream_overwrite(struct stream *s, const struct pool *pool, uint64_t offset,
		      const uint8_t *data, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++, offset++) {
		pool_page page = s->pages[offset / POOL_PAGE_BYTES % STREAM_PAGES];

		((uint8_t *)pool_data(pool, page))[offset % POOL_PAGE_BYTES] = data[i];
	}
}
