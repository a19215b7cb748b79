/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The octets that a relay holds, and the pages they are in. */

#include "core/fault.h"
#include "core/pool.h"
#include "core/stream.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define S 512

static struct pool pool;
static struct stream stream;
static uint8_t data[1 << 16];

static void make_stream(void)
{
	cr_assert_eq(pool_create(&pool, 1 << 20), 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + (i >> 8));
}

static void end_stream(void)
{
	stream_end(&stream, &pool);
	cr_assert_eq(pool.used, 0, "pages are left");
	pool_destroy(&pool);
}

TestSuite(stream, .init = make_stream, .fini = end_stream);

static void check_octets(uint64_t offset, uint32_t bytes, uint64_t start)
{
	struct stream_slice slices[STREAM_SLICES_MAX];
	size_t n = stream_slices(&stream, &pool, offset, bytes, slices), at = 0;

	for (size_t i = 0; i < n; i++) {
		cr_assert_arr_eq(slices[i].data, data + (offset - start) + at, slices[i].bytes);
		at += slices[i].bytes;
	}
	cr_assert_eq(at, bytes);
}

Test(stream, arrivals_come_out_in_order_with_their_borders)
{
	const uint64_t start = 5000;
	static const struct {
		uint32_t at, bytes;
	} in[] = { { 300, 100 }, { 100, 100 }, { 0, 100 }, { 200, 100 } };
	struct arrival a;

	stream_begin(&stream, start);
	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(stream_wait(&stream, &pool, start + in[i].at, data + in[i].at,
					 in[i].bytes, false), 0);
	for (uint64_t at = start; at < start + 400; at += 100) {
		cr_assert(stream_take_waiting(&stream, &pool, at, &a));
		cr_assert_eq(a.bytes, 100);
	}
	cr_assert_not(stream_take_waiting(&stream, &pool, start + 400, &a));
	check_octets(start, 400, start);
}

Test(stream, what_came_first_stays)
{
	uint8_t other[100];
	struct arrival a;

	memset(other, 0xee, sizeof(other));
	stream_begin(&stream, 0);
	stream_wait(&stream, &pool, 20, data + 20, 20, false);
	stream_wait(&stream, &pool, 60, data + 60, 20, false);
	/* covers both: only the gaps are taken from it */
	memcpy(other, data, 20);
	memcpy(other + 40, data + 40, 20);
	memcpy(other + 80, data + 80, 20);
	stream_wait(&stream, &pool, 0, other, 100, true);
	for (uint64_t at = 0; at < 100; at += 20) {
		cr_assert(stream_take_waiting(&stream, &pool, at, &a));
		cr_assert_eq(a.bytes, 20);
		cr_assert_eq(a.push, at == 80);
	}
	check_octets(0, 100, 0);
}

Test(stream, a_full_list_of_waiting_takes_no_more)
{
	stream_begin(&stream, 0);
	for (unsigned i = 0; i < STREAM_WAITING_MAX; i++)
		cr_assert_eq(stream_wait(&stream, &pool, 10 + 2 * i, data, 1, false), 0);
	cr_assert_eq(stream_wait(&stream, &pool, 5000, data, 1, false), -ENOBUFS);
	cr_assert_eq(stream.waiting_count, STREAM_WAITING_MAX);
	stream_forget_waiting(&stream, &pool, 0);
	cr_assert_eq(pool.used, 0);
}

Test(stream, a_run_remembers_its_pieces)
{
	bool push;

	stream_begin(&stream, 0);
	stream_cut(&stream, S, S);
	stream_cut(&stream, S, S);
	stream_cut(&stream, S, 100);
	stream_push(&stream);
	stream_cut(&stream, S, 7);

	cr_assert_eq(stream_piece(&stream, S, 0, &push), S);
	cr_assert_not(push);
	cr_assert_eq(stream_piece(&stream, S, S, &push), S);
	cr_assert_eq(stream_piece(&stream, S, 2 * S, &push), 100);
	cr_assert(push);
	cr_assert_eq(stream_piece(&stream, S, 2 * S + 100, &push), 7);
	cr_assert_not(push);
	/* from the middle, and back */
	cr_assert_eq(stream_piece(&stream, S, S + 500, &push), 12);
	cr_assert_eq(stream_piece(&stream, S, 3, &push), S - 3);

	stream_release(&stream, &pool, 2 * S + 100);
	cr_assert_eq(stream.runs_count, 1);
	cr_assert_eq(stream_piece(&stream, S, 2 * S + 100, &push), 7);
}

Test(stream, splitting_makes_one_piece_two)
{
	static const struct {
		uint64_t offset;
		uint32_t bytes;
		uint32_t then[4];	/* pieces from offset on */
	} cases[] = {
		{ 0, 10, { 10, S - 10, S, 100 } },
		{ S, 1, { 1, S - 1, 100, 9 } },
		{ 2 * S, 99, { 99, 1, 9, 0 } },
		{ S + 12, 100, { 100, 400, 100, 9 } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t at = cases[i].offset;
		bool push;

		stream_begin(&stream, 0);
		stream_cut(&stream, S, S);
		stream_cut(&stream, S, S);
		stream_cut(&stream, S, 100);
		stream_push(&stream);
		stream_cut(&stream, S, 9);
		cr_assert_eq(stream_split(&stream, S, at, cases[i].bytes), 0);
		for (size_t j = 0; j < 4 && cases[i].then[j] != 0; j++) {
			cr_assert_eq(stream_piece(&stream, S, at, &push), cases[i].then[j],
				     "case %zu, piece %zu", i, j);
			at += cases[i].then[j];
			cr_assert_eq(push, at == 2 * S + 100, "case %zu, piece %zu", i, j);
		}
	}
	/* At a piece's own end there is nothing to split. */
	stream_begin(&stream, 0);
	stream_cut(&stream, S, 2 * S);
	cr_assert_eq(stream_split(&stream, S, 0, S), 0);
	cr_assert_eq(stream.runs_count, 1);
}

/* Splitting may use all runs, and must fail when none is left. */
Test(stream, splitting_needs_runs)
{
	stream_begin(&stream, 0);
	for (unsigned i = 0; i < STREAM_RUNS_MAX - STREAM_RUNS_SPARE; i++) {
		stream_cut(&stream, S, S);
		stream_push(&stream);
	}
	for (unsigned i = 0; i < STREAM_RUNS_SPARE; i++)
		cr_assert_eq(stream_split(&stream, S, i * S, 10), 0);
	cr_assert_eq(stream.runs_count, STREAM_RUNS_MAX);
	cr_assert_eq(stream_split(&stream, S, 10 * S, 10), -ENOBUFS);
	cr_assert_eq(stream.runs_count, STREAM_RUNS_MAX);
}

/* Forgetting data that waits must keep data in order to its last octet, wherever its page
 * begins. */
Test(stream, what_waits_can_be_forgotten)
{
	for (uint32_t bytes = POOL_PAGE_BYTES - 1; bytes <= POOL_PAGE_BYTES + 1; bytes++) {
		uint8_t other[4] = { 1, 2, 3, 4 };

		stream_begin(&stream, 0);
		cr_assert_eq(stream_store(&stream, &pool, 0, data, bytes), 0);
		cr_assert_eq(stream_wait(&stream, &pool, 3 * POOL_PAGE_BYTES, data, 100, false), 0);
		stream_forget_waiting(&stream, &pool, bytes);
		cr_assert_eq(stream.waiting_count, 0);
		/* A page that was wrongly given back would be used again here. */
		for (unsigned i = 0; i < 4; i++)
			cr_assert_eq(stream_store(&stream, &pool, (4 + i) * POOL_PAGE_BYTES, other,
						  4), 0);
		check_octets(0, bytes, 0);
		cr_assert_eq(pool.used, (bytes + POOL_PAGE_BYTES - 1) / POOL_PAGE_BYTES + 4);
		stream_end(&stream, &pool);
	}
	stream_begin(&stream, 0);
}

/* At any offset, and across the borders of pages. */
Test(stream, octets_can_be_changed_in_their_place)
{
	enum { OCTETS = 5 * POOL_PAGE_BYTES };

	stream_begin(&stream, 0);
	cr_assert_eq(stream_store(&stream, &pool, 0, data, OCTETS), 0);
	for (uint64_t at = 0; at < OCTETS; at += 7) {
		stream_alter(&stream, &pool, at);
		data[at] ^= 1;
	}
	check_octets(0, OCTETS, 0);
	for (size_t i = 0; i < OCTETS; i++)
		data[i] = (uint8_t)(i * 37);
	stream_overwrite(&stream, &pool, 0, data, OCTETS);
	check_octets(0, OCTETS, 0);
}

Test(stream, scoreboard_joins_what_touches)
{
	stream_begin(&stream, 0);
	cr_assert(stream_sack(&stream, 100, 200));
	cr_assert(stream_sack(&stream, 300, 400));
	cr_assert(stream_sack(&stream, 500, 600));
	cr_assert_not(stream_sack(&stream, 310, 390), "it is no news");
	cr_assert_eq(stream_skip_sacked(&stream, 99), 99);
	cr_assert_eq(stream_skip_sacked(&stream, 100), 200);
	cr_assert_eq(stream_skip_sacked(&stream, 200), 200);
	cr_assert(stream_sack(&stream, 150, 350), "joins two");
	cr_assert_eq(stream.sacked_count, 2);
	cr_assert_eq(stream_skip_sacked(&stream, 100), 400);
	cr_assert(stream_sack(&stream, 400, 500), "touches both");
	cr_assert_eq(stream.sacked_count, 1);
	cr_assert_eq(stream_skip_sacked(&stream, 100), 600);
	cr_assert(stream_sack(&stream, 50, 60));
	cr_assert_eq(stream_sacked_end(&stream), 600);
	stream_release(&stream, &pool, 60);
	cr_assert_eq(stream.sacked_count, 1);
	stream_release(&stream, &pool, 300);
	cr_assert_eq(stream_skip_sacked(&stream, 300), 600);
	stream_release(&stream, &pool, 600);
	cr_assert_eq(stream_sacked_end(&stream), 0);
	for (uint64_t i = 0; i < STREAM_SACKED_MAX; i++)
		cr_assert(stream_sack(&stream, 1000 + 10 * i, 1005 + 10 * i));
	cr_assert_not(stream_sack(&stream, 5000, 5005), "there is no room");
	cr_assert(stream_sack(&stream, 1005, 1010), "it needs no room");
	cr_assert_eq(stream.sacked_count, STREAM_SACKED_MAX - 1);
}

/* Without room for another run the last one takes new data, joined to its last piece, and keeps its
 * PSH, at the new end. */
Test(stream, runs_are_limited)
{
	const unsigned most = STREAM_RUNS_MAX - STREAM_RUNS_SPARE;
	bool push;

	stream_begin(&stream, 0);
	for (unsigned i = 0; i < most; i++)
		stream_cut(&stream, S, 1);
	stream_push(&stream);
	cr_assert_eq(stream.runs_count, most);
	stream_cut(&stream, S, S);
	cr_assert_eq(stream.runs_count, most);
	cr_assert_eq(stream_piece(&stream, S, most - 2, &push), 1);
	cr_assert_eq(stream_piece(&stream, S, most - 1, &push), S);
	cr_assert_not(push);
	cr_assert_eq(stream_piece(&stream, S, most - 1 + S, &push), 1);
	cr_assert(push);
	stream_release(&stream, &pool, 1);
	stream_cut(&stream, S, 5);
	cr_assert_eq(stream.runs_count, most, "there is room again");
	cr_assert_eq(stream_piece(&stream, S, most + S, &push), 5);
}

/* Full pieces share a run, whatever they arrived in; a short one, or one with PSH, ends it. */
Test(stream, full_pieces_share_a_run)
{
	stream_begin(&stream, 0);
	for (unsigned i = 0; i < 10; i++)
		stream_cut(&stream, S, S);
	cr_assert_eq(stream.runs_count, 1);
	stream_push(&stream);
	stream_cut(&stream, S, 2 * S + 1);
	cr_assert_eq(stream.runs_count, 2);
	stream_cut(&stream, S, S);
	cr_assert_eq(stream.runs_count, 3);
}

Test(stream, pages_are_given_back_as_they_are_released)
{
	const uint64_t start = UINT64_C(0x1ffffff00);	/* not at a page's beginning */
	uint64_t at = start;

	stream_begin(&stream, start);
	for (size_t round = 0; round < 40; round++) {
		cr_assert_eq(stream_store(&stream, &pool, at, data, 60000), 0);
		check_octets(at, 60000, at);
		at += 60000;
		stream_release(&stream, &pool, at);
		cr_assert_leq(pool.used, 1);
	}
}

/* Wherever in the ring of pages they are, all must be given back. */
Test(stream, all_pages_are_given_back_at_the_end)
{
	for (uint64_t page = 0; page < STREAM_PAGES; page++) {
		stream_begin(&stream, page * POOL_PAGE_BYTES);
		cr_assert_eq(stream_store(&stream, &pool, page * POOL_PAGE_BYTES, data, 1), 0);
		cr_assert_eq(pool.used, 1);
		stream_end(&stream, &pool);
		cr_assert_eq(pool.used, 0);
	}
	stream_begin(&stream, 0);
}

/* Sixteen separate ranges are noted; another is refused unless it joins one of them. */
Test(stream, scoreboard_has_sixteen_places)
{
	stream_begin(&stream, 0);
	for (unsigned i = 0; i < STREAM_SACKED_MAX; i++)
		cr_assert(stream_sack(&stream, 100 + 20 * i, 110 + 20 * i));
	cr_assert_not(stream_sack(&stream, 20, 30));
	cr_assert(stream_sack(&stream, 110, 120));
	cr_assert_eq(stream.sacked_count, STREAM_SACKED_MAX - 1);
	cr_assert_eq(stream_skip_sacked(&stream, 100), 130);
	cr_assert_eq(stream_skip_sacked(&stream, 99), 99);
	cr_assert_eq(stream_skip_sacked(&stream, 130), 130);
	cr_assert_eq(stream_sacked_end(&stream), 110 + 20 * (STREAM_SACKED_MAX - 1));
	cr_assert(stream_sack(&stream, 20, 30));
	/* releasing data forgets its ranges, and all before them */
	stream_release(&stream, &pool, 145);
	cr_assert_eq(stream.sacked_count, STREAM_SACKED_MAX - 2);
	cr_assert_eq(stream_skip_sacked(&stream, 145), 150);
	stream_release(&stream, &pool, 1000);
	cr_assert_eq(stream.sacked_count, 0);
	cr_assert_eq(stream_sacked_end(&stream), 0);
}

/* A list that fills its page must not write beyond it, where data lies. */
Test(stream, a_full_list_of_waiting_keeps_to_its_page)
{
	stream_begin(&stream, 0);
	for (unsigned i = 0; i < STREAM_WAITING_MAX; i++)
		cr_assert_eq(stream_wait(&stream, &pool, 32 * i, data + 32 * i, 16, false), 0);
	for (unsigned i = 0; i < STREAM_WAITING_MAX; i++) {
		struct arrival a = stream_waiting(&stream, &pool, i);

		cr_assert_eq(a.start, 32 * i);
		cr_assert_eq(a.bytes, 16);
		check_octets(32 * i, 16, 0);
	}
}
