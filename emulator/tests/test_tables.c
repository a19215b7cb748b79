/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The engine's containers: stream, pool, flow table, timers, fault table. */

#include "core/engine.h"
#include "core/fault.h"
#include "core/flow.h"
#include "core/pool.h"
#include "core/siphash.h"
#include "core/stream.h"
#include "core/timers.h"
#include "settings/faultspec.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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

/* Splitting may use all runs that there are, and no more. */
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

/* What is in order stays, to its last octet, wherever its page begins. */
Test(stream, what_waits_can_be_forgotten)
{
	for (uint32_t bytes = POOL_PAGE_BYTES - 1; bytes <= POOL_PAGE_BYTES + 1; bytes++) {
		uint8_t other[4] = { 1, 2, 3, 4 };

		stream_begin(&stream, 0);
		cr_assert_eq(stream_store(&stream, &pool, 0, data, bytes), 0);
		cr_assert_eq(stream_wait(&stream, &pool, 3 * POOL_PAGE_BYTES, data, 100, false), 0);
		stream_forget_waiting(&stream, &pool, bytes);
		cr_assert_eq(stream.waiting_count, 0);
		/* A page that was given back would be used again. */
		for (unsigned i = 0; i < 4; i++)
			cr_assert_eq(stream_store(&stream, &pool, (4 + i) * POOL_PAGE_BYTES, other,
						  4), 0);
		check_octets(0, bytes, 0);
		cr_assert_eq(pool.used, (bytes + POOL_PAGE_BYTES - 1) / POOL_PAGE_BYTES + 4);
		stream_end(&stream, &pool);
	}
	stream_begin(&stream, 0);
}

/* Anywhere, over the borders of pages. */
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
	cr_assert_not(stream_sack(&stream, 310, 390), "no news");
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
	cr_assert_not(stream_sack(&stream, 5000, 5005), "no place");
	cr_assert(stream_sack(&stream, 1005, 1010), "this one joins");
	cr_assert_eq(stream.sacked_count, STREAM_SACKED_MAX - 1);
}

/* Where there is no place for a run the last one takes what is cut, as one piece with its last; and
 * its PSH stays, behind it. */
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
	cr_assert_eq(stream.runs_count, most, "there is a place again");
	cr_assert_eq(stream_piece(&stream, S, most + S, &push), 5);
}

/* Full pieces go on in one run, whatever they arrived in; a short one, or one with PSH, ends it. */
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

/* Wherever in the ring they are. */
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

Test(pool, gives_each_page_once)
{
	struct pool p;
	pool_page pages[4];

	cr_assert_eq(pool_create(&p, 4 * POOL_PAGE_BYTES + 100), 0);
	for (size_t i = 0; i < 4; i++) {
		pages[i] = pool_take(&p);
		cr_assert_neq(pages[i], POOL_NONE);
		memset(pool_data(&p, pages[i]), (int)i, POOL_PAGE_BYTES);
	}
	cr_assert_eq(pool_take(&p), POOL_NONE);
	pool_give(&p, pages[2]);
	pool_give(&p, pages[0]);
	cr_assert_eq(p.used, 2);
	cr_assert_eq(pool_take(&p), pages[0]);
	cr_assert_eq(pool_take(&p), pages[2]);
	cr_assert_eq(pool_take(&p), POOL_NONE);
	pool_destroy(&p);
	cr_assert_eq(pool_create(&p, 100), -EINVAL);
}

Test(siphash, vectors_of_its_authors)
{
	/* SipHash-2-4, key 00..0f, input 00..n-1. */
	static const struct {
		size_t len;
		uint64_t hash;
	} vectors[] = { { 0, UINT64_C(0x726fdb47dd0e0e31) }, { 1, UINT64_C(0x74f839c593dc67fd) },
			{ 8, UINT64_C(0x93f5f5799a932462) }, { 15, UINT64_C(0xa129ca6149be45e5) } };
	uint8_t key[17] = { [16] = 0xff }, input[16];	/* what is behind it does not count */

	for (uint8_t i = 0; i < 16; i++)
		key[i] = input[i] = i;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		cr_assert_eq(siphash(key, input, vectors[i].len), vectors[i].hash);
}

static struct flow_key key_of(uint32_t n)
{
	struct flow_key key = { .port = { 25, (uint16_t)n } };

	key.address[1][15] = (uint8_t)(n >> 16);
	return key;
}

Test(flow, table_finds_what_is_in_it)
{
	static const uint8_t hash_key[16] = { 1, 2, 3 };
	struct flow_table t;
	enum { MAX = 5000 };
	flow_handle handles[MAX];
	struct flow_key key;

	cr_assert_eq(flow_table_create(&t, MAX, hash_key), 0);
	for (uint32_t i = 0; i < MAX; i++) {
		key = key_of(i * 7);
		cr_assert_eq(flow_find(&t, &key), FLOW_NONE);
		handles[i] = flow_add(&t, &key);
		cr_assert_neq(handles[i], FLOW_NONE);
	}
	key = key_of(1);
	cr_assert_eq(flow_add(&t, &key), FLOW_NONE, "the table is full");
	for (uint32_t i = 0; i < MAX; i += 2)
		flow_remove(&t, handles[i]);
	cr_assert_eq(t.active, MAX / 2);
	for (uint32_t i = 0; i < MAX; i++) {
		key = key_of(i * 7);
		cr_assert_eq(flow_find(&t, &key), i % 2 ? handles[i] : FLOW_NONE);
	}
	key = key_of(1);
	cr_assert_neq(flow_add(&t, &key), FLOW_NONE, "places are used again");
	flow_table_destroy(&t);
}

/* Whatever the memory held before. */
Test(flow, a_table_begins_empty)
{
	static const uint8_t hash_key[16] = { 1, 2, 3 };
	struct flow_table t;
	struct flow_key key = key_of(1);

	memset(&t, 0x55, sizeof(t));
	cr_assert_eq(flow_table_create(&t, 3, hash_key), 0);
	cr_assert_eq(t.active, 0);
	cr_assert_eq(flow_find(&t, &key), FLOW_NONE);
	for (uint32_t i = 1; i <= 3; i++) {
		key = key_of(i);
		cr_assert_lt(flow_add(&t, &key), 3);
		cr_assert_eq(t.active, i);
	}
	key = key_of(4);
	cr_assert_eq(flow_add(&t, &key), FLOW_NONE);
	cr_assert_eq(t.active, 3);
	flow_table_destroy(&t);
}

/* Puts so many connections into a table with this key; says in which bucket each of them is. */
static void find_buckets(const uint8_t hash_key[16], uint32_t *bucket, uint32_t flows)
{
	struct flow_table t;

	memset(&t, 0x55, sizeof(t));
	cr_assert_eq(flow_table_create(&t, flows, hash_key), 0);
	for (uint32_t i = 0; i < flows; i++) {
		struct flow_key key = key_of(i);

		cr_assert_eq(flow_add(&t, &key), i);
	}
	for (uint32_t b = 0; b <= t.bucket_mask; b++) {
		for (flow_handle h = t.buckets[b]; h != FLOW_NONE; h = flow_get(&t, h)->next)
			bucket[h] = b;
	}
	flow_table_destroy(&t);
}

/* Who chooses ports cannot choose buckets: they follow from a key that only the engine knows, from
 * all of it. With the same key a run can be repeated. */
Test(flow, the_key_decides_on_buckets)
{
	enum { FLOWS = 64 };
	static const uint8_t none[16], first[16] = { 1 }, last[16] = { [15] = 1 };
	static const uint8_t *const keys[] = { none, first, last };
	uint32_t bucket[4][FLOWS];

	for (size_t i = 0; i < 3; i++) {
		find_buckets(keys[i], bucket[i], FLOWS);
		find_buckets(keys[i], bucket[3], FLOWS);
		cr_assert_arr_eq(bucket[3], bucket[i], sizeof(bucket[i]));
		for (size_t k = 0; k < i; k++)
			cr_assert_arr_neq(bucket[k], bucket[i], sizeof(bucket[i]));
	}
}

/* No list is long: connections spread over all buckets, of which there are as many. By chance, with
 * one of 1,024 for each of 1,000, some 640 are in use, and none has more than a few. */
Test(flow, buckets_are_used_alike)
{
	enum { FLOWS = 1000 };
	static const uint8_t hash_key[16] = { 1, 2, 3 };
	static uint32_t bucket[FLOWS], in[1 << 16];
	unsigned used = 0;

	find_buckets(hash_key, bucket, FLOWS);
	for (uint32_t i = 0; i < FLOWS; i++) {
		cr_assert_lt(bucket[i], sizeof(in) / sizeof(in[0]));
		used += in[bucket[i]]++ == 0;
		cr_assert_leq(in[bucket[i]], 8);
	}
	cr_assert_gt(used, 580);
}

Test(timers, one_that_is_earlier_is_first)
{
	struct timers t;

	cr_assert_eq(timers_create(&t, 8), 0);
	for (uint32_t i = 0; i < 8; i++) {
		timers_set(&t, i, 100 - i);
		cr_assert_eq(timers_next(&t), 100 - i);
	}
	timers_destroy(&t);
}

Test(timers, ring_in_order)
{
	enum { MAX = 1000 };
	struct timers t;
	uint64_t last = 0;
	unsigned seed = 1, rung = 0;

	cr_assert_eq(timers_create(&t, MAX), 0);
	cr_assert_eq(timers_next(&t), UINT64_MAX);
	for (uint32_t i = 0; i < MAX; i++)
		timers_set(&t, i, 1000 + (unsigned)rand_r(&seed) % 5000);
	for (uint32_t i = 0; i < MAX; i += 3)
		timers_set(&t, i, (unsigned)rand_r(&seed) % 1000);
	for (uint32_t i = 0; i < MAX; i += 5)
		timers_cancel(&t, i);
	for (uint32_t i = 1; i < MAX; i += 7)
		timers_set(&t, i, UINT64_MAX - 1);	/* later: not moved */
	while (timers_next(&t) != UINT64_MAX) {
		uint64_t at = timers_next(&t);
		uint32_t id = timers_pop(&t);

		cr_assert_geq(at, last);
		cr_assert(id % 5 != 0 || id % 7 == 1);
		last = at;
		rung++;
	}
	cr_assert_eq(rung, MAX - MAX / 5 + 29);
	timers_destroy(&t);
}

/* The same as a plain list: alarms are set, moved and cancelled while others ring. */
Test(timers, agree_with_a_plain_list)
{
	enum { MAX = 13, STEPS = 20000 };
	uint64_t list[MAX], now = 0;
	struct timers t;
	unsigned seed = 1;

	cr_assert_eq(timers_create(&t, MAX), 0);
	memset(list, 0xff, sizeof(list));
	for (unsigned step = 0; step < STEPS; step++) {
		uint32_t id = (uint32_t)rand_r(&seed) % MAX;
		uint64_t at = now + (uint64_t)rand_r(&seed) % 100, first = UINT64_MAX;

		switch (rand_r(&seed) % 4) {
		case 0:
			timers_cancel(&t, id);
			list[id] = UINT64_MAX;
			break;
		case 1:
			if (timers_next(&t) == UINT64_MAX)
				break;
			now = timers_next(&t);
			id = timers_pop(&t);
			cr_assert_lt(id, MAX);
			cr_assert_eq(list[id], now);
			list[id] = UINT64_MAX;
			break;
		default:
			timers_set(&t, id, at);
			list[id] = at < list[id] ? at : list[id];
		}
		for (unsigned i = 0; i < MAX; i++)
			first = list[i] < first ? list[i] : first;
		cr_assert_eq(timers_next(&t), first);
	}
	timers_destroy(&t);
}

Test(fault, table_is_whole)
{
	cr_assert_str_eq(fault_table[0].name, "off-by-one");
	cr_assert_not_null(fault_find("none"));
	cr_assert_null(fault_find("nosuch"));
	for (const struct fault_kind *k = fault_table; k->name; k++) {
		struct engine_config config;
		struct engine *e;

		cr_assert_not_null(k->summary);
		cr_assert_not_null(k->symptom);
		cr_assert_eq(fault_find(k->name), k);
		/* Its presets are good. */
		engine_config_init(&config);
		config.rules.policy[0].fault[0] = fault_of(k);
		cr_assert_eq(engine_create(&e, &config), 0, "%s", k->name);
		engine_destroy(e);
		/* And what is out of range is refused. */
		config.rules.policy[0].fault[0].value[0] = k->param[0].most + 1;
		cr_assert_eq(engine_create(&e, &config), -EINVAL, "%s", k->name);
	}
}

Test(fault, off_by_one_has_one_hole)
{
	struct fault f = fault_of(fault_find("off-by-one"));

	for (uint32_t s = 1; s <= 2000; s += 37) {
		for (uint32_t pending = 1; pending <= 3 * s + 3; pending++) {
			uint32_t proposed = pending < s ? pending : s;

			struct fault_cut c = { .pending = pending, .segment_size = s,
					       .bytes = proposed };

			cr_assert_eq(f.kind->cut(&f, &c),
				     pending == s + 1 ? 0 : proposed);
		}
	}
}

Test(engine, configuration_out_of_range_is_refused)
{
	struct engine_config good, c;
	struct engine *e;

	engine_config_init(&good);
	cr_assert_eq(engine_create(&e, &good), 0);
	engine_destroy(e);
	c = good, c.rules.policy[0].segment_size = 0;
	cr_assert_eq(engine_create(&e, &c), -EINVAL);
	c = good, c.rules.policy[0].segment_size = ENGINE_SEGMENT_SIZE_MAX + 1;
	cr_assert_eq(engine_create(&e, &c), -EINVAL);
	c = good, c.window_bytes = STREAM_WINDOW_MAX + 1;
	cr_assert_eq(engine_create(&e, &c), -EINVAL);
	c = good, c.window_bytes = ENGINE_WINDOW_MIN - 1;
	cr_assert_eq(engine_create(&e, &c), -EINVAL);
	c = good, c.rules.policy[0].faults = FAULTS_MAX;
	for (unsigned i = 0; i < FAULTS_MAX; i++)
		c.rules.policy[0].fault[i] = good.rules.policy[0].fault[0];
	cr_assert_eq(engine_create(&e, &c), 0);
	engine_destroy(e);
	/* One more would be read from where the next policy is. */
	c.rules.policies = 2;
	memset(&c.rules.policy[1], 0, sizeof(c.rules.policy[1]));
	memcpy(&c.rules.policy[1], &good.rules.policy[0].fault[0], sizeof(struct fault));
	c.rules.policies = 1;
	c.rules.policy[0].faults = FAULTS_MAX + 1;
	cr_assert_eq(engine_create(&e, &c), -EINVAL);
	c = good, c.rules.policy[0].fault[0].kind = NULL;
	cr_assert_eq(engine_create(&e, &c), -EINVAL);
	c = good, c.rules.policy[0].fault[0].every = 0;
	cr_assert_eq(engine_create(&e, &c), -EINVAL);
	c = good, c.rules.policy[0].fault[0].percent = 101;
	cr_assert_eq(engine_create(&e, &c), -EINVAL);
	c = good, c.memory_bytes = 0;
	cr_assert_eq(engine_create(&e, &c), -EINVAL);
	c = good, c.flows_max = 0;
	cr_assert_eq(engine_create(&e, &c), -EINVAL);
}

Test(engine, what_is_no_tcp_passes_and_is_counted)
{
	uint8_t udp[28] = { 0x45, [3] = 28, [8] = 64, [9] = 17 };
	uint8_t fragment[28] = { 0x45, [3] = 28, [6] = 0x20, [8] = 64, [9] = 6 };
	uint8_t extension[60] = { 0x60, [5] = 20, [6] = 60, [7] = 64 };
	uint8_t garbage[7] = { 0xff, 1, 2, 3, 4, 5, 6 };
	uint8_t bad_sum[40] = { 0x45, [3] = 40, [8] = 64, [9] = 6, [32] = 0x50, [33] = 2,
				[36] = 1 };
	struct engine_config config;
	struct engine_stats stats;
	struct engine *e;
	size_t len;

	engine_config_init(&config);
	cr_assert_eq(engine_create(&e, &config), 0);
	len = sizeof(udp);
	cr_assert_eq(engine_input(e, 1, udp, &len, 0), VERDICT_ACCEPT);
	len = sizeof(fragment);
	cr_assert_eq(engine_input(e, 1, fragment, &len, 0), VERDICT_ACCEPT);
	len = sizeof(extension);
	cr_assert_eq(engine_input(e, 1, extension, &len, 0), VERDICT_ACCEPT);
	len = sizeof(garbage);
	cr_assert_eq(engine_input(e, 1, garbage, &len, 0), VERDICT_ACCEPT);
	len = sizeof(bad_sum);
	cr_assert_eq(engine_input(e, 1, bad_sum, &len, 0), VERDICT_ACCEPT);
	engine_get_stats(e, &stats);
	cr_assert_eq(stats.packets, 5);
	cr_assert_eq(stats.accepted, 5);
	cr_assert_eq(stats.passed_not_tcp, 1);
	cr_assert_eq(stats.passed_fragment, 1);
	cr_assert_eq(stats.passed_extension, 1);
	cr_assert_eq(stats.passed_malformed, 1);
	cr_assert_eq(stats.passed_bad_checksum, 1);
	cr_assert_eq(stats.flows_active, 0);
	engine_destroy(e);
}

/* A SYN over IPv4 from this port, whose checksum is left to hardware. */
static enum engine_verdict put_in_syn_to(struct engine *e, uint16_t port, uint8_t server_port)
{
	uint8_t syn[40] = { 0x45, [3] = 40, [8] = 64, [9] = 6, [15] = 1, [19] = 2,
			    [23] = server_port, [32] = 0x50, [33] = 2 };
	size_t len = sizeof(syn);

	syn[20] = (uint8_t)(port >> 8);
	syn[21] = (uint8_t)port;
	return engine_input(e, 1, syn, &len, ENGINE_NO_CHECKSUM);
}

static enum engine_verdict put_in_syn(struct engine *e, uint16_t port)
{
	return put_in_syn_to(e, port, 25);
}

/* Where several engines work side by side each counts its own connections, and no two have the
 * same number. */
Test(engine, serial_numbers_are_of_one_connection)
{
	bool used[3 * 5 + 1] = { false };

	for (uint32_t number = 0; number < 3; number++) {
		struct engine_config config;
		struct engine *e;

		engine_config_init(&config);
		config.number = number;
		config.engines = 3;
		cr_assert_eq(engine_create(&e, &config), 0);
		for (uint16_t port = 1; port <= 5; port++) {
			uint8_t garbage = 0;
			size_t len = sizeof(garbage);
			uint64_t serial;

			cr_assert_eq(put_in_syn(e, port), VERDICT_ACCEPT);
			serial = engine_input_subject(e).flow;
			cr_assert(serial >= 1 && serial <= 15 && !used[serial % 16]);
			used[serial % 16] = true;
			cr_assert_eq(engine_input(e, 1, &garbage, &len, 0), VERDICT_ACCEPT);
			cr_assert_eq(engine_input_subject(e).flow, 0);
		}
		engine_destroy(e);
	}
}

/* As many as a policy can have, and nothing behind them. */
Test(engine, faults_are_counted_in_their_order)
{
	uint64_t acted[FAULTS_MAX + 1];
	struct engine_config config;
	struct engine *e;

	memset(acted, 0xff, sizeof(acted));
	engine_config_init(&config);
	cr_assert_eq(engine_create(&e, &config), 0);
	engine_get_faults(e, 0, acted);
	for (size_t i = 0; i < FAULTS_MAX; i++)
		cr_assert_eq(acted[i], 0);
	cr_assert_eq(acted[FAULTS_MAX], UINT64_MAX);
	engine_destroy(e);
}

/* A list in parts has each connection once, whatever the parts' length. */
Test(engine, a_list_in_parts_is_whole)
{
	enum { FLOWS = ENGINE_LOOK_MAX + 100 };
	static bool seen[FLOWS + 1];
	struct engine_config config;
	struct engine_flow_info flows[7];
	uint32_t cursor = 0, before;
	struct engine *e;

	engine_config_init(&config);
	cr_assert_eq(engine_create(&e, &config), 0);
	for (unsigned port = 1; port <= FLOWS; port++)
		put_in_syn(e, (uint16_t)port);
	for (size_t calls = 0;; calls++) {
		size_t count;

		before = cursor;
		count = engine_flows(e, 1, &cursor, flows, 7);
		if (cursor == before)
			break;
		cr_assert_leq(count, 7);
		for (size_t i = 0; i < count; i++) {
			uint64_t serial = flows[i].serial;
			bool *place = &seen[serial <= FLOWS ? serial : 0];

			cr_assert(place != seen && !*place);
			*place = true;
			cr_assert_eq(flows[i].port[CLIENT], serial);
			cr_assert_eq(flows[i].port[SERVER], 25);
		}
	}
	cr_assert_eq(cursor, FLOWS);
	for (size_t i = 1; i <= FLOWS; i++)
		cr_assert(seen[i]);
	engine_destroy(e);
}

/* What an engine has reserved it gives back, also where it could not be made. The library counts
 * what is in use; where a sanitizer takes its place it counts nothing, and sees leaks itself. */
static size_t in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

Test(engine, memory_is_given_back)
{
	struct engine_config config;
	struct engine *e;
	size_t before;

	engine_destroy(NULL);
	engine_config_init(&config);
	before = in_use();
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(engine_create(&e, &config), 0);
		engine_destroy(e);
	}
	cr_assert_eq(in_use(), before);
	config.memory_bytes = 0;
	for (unsigned i = 0; i < 3; i++)
		cr_assert_eq(engine_create(&e, &config), -EINVAL);
	cr_assert_eq(in_use(), before);
}

/* What is at a bound is good, and what is one beyond it is not. */
#define CHECK_BOUND(field, good, bad)                                                    \
	do {                                                                             \
		engine_config_init(&c);                                                  \
		c.field = good;                                                          \
		cr_assert_eq(try_config(&c), 0, #field " " #good);                       \
		c.field = bad;                                                           \
		cr_assert_eq(try_config(&c), -EINVAL, #field " " #bad);                  \
	} while (0)

static int try_config(const struct engine_config *c)
{
	struct engine *e;
	int rc = engine_create(&e, c);

	if (rc == 0)
		engine_destroy(e);
	return rc;
}

static void good_rules(struct engine_config *c)
{
	engine_config_init(c);
	for (unsigned i = 1; i < POLICIES_MAX; i++)
		c->rules.policy[i] = c->rules.policy[0];
	for (unsigned i = 1; i < FAULTS_MAX; i++)
		c->rules.policy[0].fault[i] = c->rules.policy[0].fault[0];
}

Test(engine, bounds_of_a_configuration)
{
	struct engine_config c;

	CHECK_BOUND(overload, OVERLOAD_REFUSE, OVERLOAD_REFUSE + 1);
	CHECK_BOUND(flows_max, 1, 0);
	CHECK_BOUND(window_bytes, ENGINE_WINDOW_MIN, ENGINE_WINDOW_MIN - 1);
	CHECK_BOUND(window_bytes, STREAM_WINDOW_MAX, STREAM_WINDOW_MAX + 1);
	CHECK_BOUND(memory_bytes, POOL_PAGE_BYTES, POOL_PAGE_BYTES - 1);
	CHECK_BOUND(engines, 1, 0);
	CHECK_BOUND(number, 0, 1);
	CHECK_BOUND(rules.policies, 1, 0);
	CHECK_BOUND(rules.policy[0].segment_size, 1, 0);
	CHECK_BOUND(rules.policy[0].segment_size, ENGINE_SEGMENT_SIZE_MAX,
		    ENGINE_SEGMENT_SIZE_MAX + 1);
	CHECK_BOUND(rules.policy[0].direction, DIRECTION_BOTH, DIRECTION_BOTH + 1);
	CHECK_BOUND(rules.policy[0].arrival, ARRIVAL_BURST, ARRIVAL_BURST + 1);
	CHECK_BOUND(rules.policy[0].match.client.bits, 128, 129);
	CHECK_BOUND(rules.policy[0].match.server.bits, 128, 129);
	CHECK_BOUND(rules.policy[0].fault[0].every, 1, 0);
	CHECK_BOUND(rules.policy[0].fault[0].percent, 1, 0);
	CHECK_BOUND(rules.policy[0].fault[0].percent, 100, 101);
	CHECK_BOUND(rules.policy[0].fault[0].scope.direction, DIRECTION_BOTH, DIRECTION_BOTH + 1);
	CHECK_BOUND(rules.policy[0].fault[0].scope.match.client.bits, 128, 129);
	CHECK_BOUND(rules.policy[0].fault[0].value[0], 1, 0);
	CHECK_BOUND(rules.policy[0].fault[0].value[0], 65535, 65536);
	CHECK_BOUND(rules.policy[0].fault[0].value[1], 0, 1);
	good_rules(&c);
	c.rules.policies = POLICIES_MAX;
	cr_assert_eq(try_config(&c), 0);
	/* the last one counts, too */
	c.rules.policy[POLICIES_MAX - 1].segment_size = 0;
	cr_assert_eq(try_config(&c), -EINVAL);
	good_rules(&c);
	c.rules.policies = POLICIES_MAX + 1;
	cr_assert_eq(try_config(&c), -EINVAL);
	good_rules(&c);
	c.rules.policy[0].faults = FAULTS_MAX;
	cr_assert_eq(try_config(&c), 0);
	c.rules.policy[0].fault[FAULTS_MAX - 1].every = 0;
	cr_assert_eq(try_config(&c), -EINVAL);
}

Test(engine, a_range_begins_before_its_end)
{
	static const struct range good[] = { { 0, 0 }, { 5, 5 }, { 4, 5 } }, bad = { 5, 4 };
	struct engine_config c;

	engine_config_init(&c);
	for (size_t i = 0; i < 3; i++) {
		struct engine_policy *p = &c.rules.policy[0];

		p->match.port = p->fault[0].scope.flows = p->fault[0].scope.arrivals =
			p->fault[0].scope.seconds = p->fault[0].scope.match.port = good[i];
		cr_assert_eq(try_config(&c), 0);
	}
	CHECK_BOUND(rules.policy[0].match.port, good[1], bad);
	CHECK_BOUND(rules.policy[0].fault[0].scope.match.port, good[1], bad);
	CHECK_BOUND(rules.policy[0].fault[0].scope.flows, good[1], bad);
	CHECK_BOUND(rules.policy[0].fault[0].scope.arrivals, good[1], bad);
	CHECK_BOUND(rules.policy[0].fault[0].scope.seconds, good[1], bad);
}

/* Rules that are out of range change nothing, and leave those that were. */
Test(engine, bad_rules_are_refused)
{
	struct engine_config c;
	struct engine_rules rules;
	struct engine *e;

	engine_config_init(&c);
	cr_assert_eq(engine_create(&e, &c), 0);
	rules = c.rules;
	rules.policy[0].segment_size = 0;
	cr_assert_eq(engine_set_rules(e, 1, &rules), -EINVAL);
	rules.policy[0].segment_size = 100;
	cr_assert_eq(engine_set_rules(e, 1, &rules), 0);
	engine_destroy(e);
}

/* Faults at their bounds: what a kind would do, asked directly. */

Test(fault, bounds_of_pieces)
{
	static const struct {
		const char *name;
		uint32_t value;		/* of the first parameter; 0: its preset */
		struct fault_piece piece;
		enum fault_fate fate;
	} tries[] = {
		{ "lose-tail", 5, { .bytes = 5, .last = true }, FATE_VANISH },
		{ "lose-tail", 5, { .bytes = 6, .last = true }, FATE_NONE },
		{ "lose-tail", 5, { .bytes = 1, .last = true }, FATE_VANISH },
		{ "lose-tail", 5, { .bytes = 0, .last = true }, FATE_NONE },
		{ "lose-tail", 5, { .bytes = 5 }, FATE_NONE },
		{ "no-retransmit", 0, { .bytes = 5, .again = true }, FATE_VANISH },
		{ "no-retransmit", 0, { .bytes = 5 }, FATE_NONE },
		{ "drop", 0, { .bytes = 5 }, FATE_VANISH },
		{ "drop", 0, { .bytes = 5, .again = true }, FATE_NONE },
		{ "duplicate", 0, { .bytes = 1 }, FATE_TWICE },
		{ "duplicate", 0, { .bytes = 0 }, FATE_NONE },
		{ "reorder", 0, { .bytes = 1 }, FATE_LATE },
		{ "reorder", 0, { .bytes = 1, .again = true }, FATE_NONE },
		{ "reorder", 0, { .bytes = 0 }, FATE_NONE },
		{ "corrupt", 0, { .bytes = 1 }, FATE_ALTERED },
		{ "corrupt", 0, { .bytes = 1, .again = true }, FATE_NONE },
		{ "corrupt", 0, { .bytes = 0 }, FATE_NONE },
		{ "fin-early", 20, { .bytes = 1, .behind = 19 }, FATE_FIN },
		{ "fin-early", 20, { .bytes = 1, .behind = 20 }, FATE_NONE },
		{ "fin-early", 20, { .bytes = 1, .behind = 1 }, FATE_FIN },
		{ "fin-early", 20, { .bytes = 1, .behind = 0 }, FATE_NONE },
		{ "fin-early", 20, { .bytes = 0, .behind = 19 }, FATE_NONE },
		{ "fin-dup", 0, { .bytes = 1, .behind = 1, .with_fin = true }, FATE_FIN },
		{ "fin-dup", 0, { .bytes = 1, .behind = 1 }, FATE_NONE },
		{ "fin-dup", 0, { .bytes = 1, .behind = 0, .with_fin = true }, FATE_NONE },
		{ "fin-dup", 0, { .bytes = 0, .behind = 1, .with_fin = true }, FATE_NONE },
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		struct fault f = fault_of(fault_find(tries[i].name));

		if (tries[i].value)
			f.value[0] = tries[i].value;
		cr_assert_eq(f.kind->piece(&f, &tries[i].piece), tries[i].fate, "%s, number %zu",
			     tries[i].name, i);
	}
}

static const uint8_t end[] = "\r\n.\r\n", other[] = "\r\n.\rX";
static const uint8_t tls256[] = { 22, 3, 1, 1, 0, 1 }, tls255[] = { 22, 3, 1, 0, 255, 1 };
static const uint8_t tls511[] = { 22, 3, 3, 1, 255, 1 }, tls512[] = { 22, 3, 3, 2, 0, 1 };
static const uint8_t tls1[] = { 22, 3, 1, 0, 1, 1 };
static const uint8_t tls_alert[] = { 21, 3, 1, 1, 0, 1 };
static const uint8_t tls_ssl2[] = { 22, 2, 1, 1, 0, 1 };
#define HELLO(b, p, a, t) { .bytes = (b), .pending = (p), .arrived = (a), .text = (t) }
static const struct {
	const char *name;
	uint32_t value;
	bool stalls;
	struct fault_cut cut;
} cuts[] = {
	{ "psh-hold", 10, true, { .bytes = 9, .arrived = 9 } },
	{ "psh-hold", 10, false, { .bytes = 9, .arrived = 10 } },
	{ "psh-hold", 10, false, { .bytes = 9, .arrived = 9, .push = true } },
	{ "ack-then-die", 10, false, { .bytes = 9, .acked = 9 } },
	{ "ack-then-die", 10, true, { .bytes = 9, .acked = 10 } },
	/* the dot is in this piece and its end, and was not begun before */
	{ "split-eod", 0, false, { .bytes = 5, .text = end, .dot_state = 0 } },
	{ "split-eod", 0, false, { .bytes = 3, .text = end + 2, .dot_state = 2 } },
	{ "split-eod", 0, true, { .bytes = 2, .text = end + 3, .dot_state = 3 } },
	{ "split-eod", 0, false, { .bytes = 1, .text = end + 3, .dot_state = 3 } },
	{ "split-eod", 0, true, { .bytes = 1, .text = end + 4, .dot_state = 4 } },
	{ "split-eod", 0, false, { .bytes = 2, .text = other + 3, .dot_state = 3 } },
	{ "split-eod", 0, false, { .bytes = 1, .text = other + 4, .dot_state = 4 } },
	{ "hello-256-511", 0, true, HELLO(6, 261, 261, tls256) },
	{ "hello-256-511", 0, true, HELLO(5, 261, 261, tls256) },
	{ "hello-256-511", 0, false, HELLO(4, 261, 261, tls256) },
	{ "hello-256-511", 0, false, HELLO(6, 261, 262, tls256) },
	{ "hello-256-511", 0, false, HELLO(6, 260, 260, tls255) },
	{ "hello-256-511", 0, true, HELLO(6, 516, 516, tls511) },
	{ "hello-256-511", 0, false, HELLO(6, 517, 517, tls512) },
	{ "hello-256-511", 0, false, HELLO(6, 261, 261, tls_alert) },
	{ "hello-256-511", 0, false, HELLO(6, 261, 261, tls_ssl2) },
	{ "hello-256-511", 1, true, HELLO(6, 6, 6, tls1) },
	{ "hello-256-511", 1, false, HELLO(6, 6, 7, tls1) },
	{ "hello-256-511", 1, false, HELLO(6, 6, 6, tls_alert) },
};

Test(fault, bounds_of_cuts)
{
	for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
		struct fault f = fault_of(fault_find(cuts[i].name));

		if (cuts[i].value)
			f.value[0] = cuts[i].value;
		cr_assert_eq(f.kind->cut(&f, &cuts[i].cut),
			     cuts[i].stalls ? 0 : cuts[i].cut.bytes, "%s, number %zu",
			     cuts[i].name, i);
	}
}

Test(fault, bounds_of_commands)
{
	static const struct {
		const char *text;
		unsigned dot_state;
		bool altered;
	} tries[] = {
		{ "MAIL ", 2, true }, { "MAIL\r", 2, true }, { "mail ", 2, true },
		{ "MaIl ", 2, true }, { "MAIL", 2, false }, { "MAIL:", 2, false },
		{ "MAIM ", 2, false }, { "AAIL ", 2, false },
		{ "MAIL ", 1, false }, { "MAIL ", 0, false }, { "MAIL ", 3, false },
		{ "x\r\nRCPT ", 0, true }, { "\nDATA\r", 0, true }, { "x\r\nRCPT", 0, false },
		{ "x\r\nVRFY TO:<a>", 0, true }, { "x\rRCPT ", 0, false },
		{ "x\r\nRCPT \n", 0, false },
		{ "QUIT\r\n", 2, false }, { "12345", 2, false },
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		struct fault f = fault_of(fault_find("split-command"));
		struct fault_cut cut = { .bytes = (uint32_t)strlen(tries[i].text),
					 .dot_state = tries[i].dot_state };
		uint8_t text[32] = { 0 };
		size_t changed = 0;

		memcpy(text, tries[i].text, cut.bytes);
		cr_assert_eq(f.kind->alter(&f, &cut, text), tries[i].altered, "%s", tries[i].text);
		for (size_t k = 0; k < sizeof(text); k++)
			changed += text[k] != (k < cut.bytes ? (uint8_t)tries[i].text[k] : 0);
		cr_assert_eq(changed, tries[i].altered ? 4 : 0, "%s", tries[i].text);
	}
}

static uint8_t hello[] = { 22, 3, 1, 0, 2, 1 }, no_hello[] = { 22, 3, 1, 0, 2, 2 };
static uint8_t whole[] = { 22, 3, 1, 0, 1, 1 };
static uint8_t clear[] = "x20 \r\n*", clear_end[] = "220 \r\nx", masked[] = "220 \r\n*";
static const struct {
	const char *name;
	uint32_t value;
	uint8_t flags;
	uint8_t *payload;
	uint32_t bytes, payload_bytes, acks, acked;
	bool by_server, client_spoke;
	enum fault_fate fate;
} packets[] = {
	{ "mtu-blackhole", 100, .bytes = 100, .fate = FATE_NONE },
	{ "mtu-blackhole", 100, .bytes = 101, .fate = FATE_VANISH },
	{ "ecn-drop", 0, TCP_SYN | TCP_ECE | TCP_CWR, .fate = FATE_VANISH },
	{ "ecn-drop", 0, TCP_SYN | TCP_ECE, .fate = FATE_NONE },
	{ "ecn-drop", 0, TCP_SYN | TCP_CWR, .fate = FATE_NONE },
	{ "ecn-drop", 0, TCP_SYN | TCP_ACK | TCP_ECE | TCP_CWR, .fate = FATE_NONE },
	{ "ecn-drop", 0, TCP_SYN | TCP_RST | TCP_ECE | TCP_CWR, .fate = FATE_NONE },
	{ "ecn-rst", 0, TCP_SYN | TCP_ECE | TCP_CWR, .fate = FATE_RESET },
	{ "ecn-rst", 0, TCP_SYN, .fate = FATE_NONE },
	{ "tfo-blackhole", 0, TCP_SYN, hello, .payload_bytes = 1, .fate = FATE_VANISH },
	{ "tfo-blackhole", 0, TCP_SYN, hello, .payload_bytes = 0, .fate = FATE_NONE },
	{ "tfo-blackhole", 0, TCP_ACK, hello, .payload_bytes = 1, .fate = FATE_NONE },
	{ "banner-mask", 0, TCP_ACK, clear, .payload_bytes = 7, .by_server = true,
	  .fate = FATE_ALTERED },
	{ "banner-mask", 0, TCP_ACK, clear_end, .payload_bytes = 7, .by_server = true,
	  .fate = FATE_ALTERED },
	{ "banner-mask", 0, TCP_ACK, clear_end, .payload_bytes = 6, .by_server = true,
	  .fate = FATE_NONE },
	{ "banner-mask", 0, TCP_ACK, masked, .payload_bytes = 7, .by_server = true,
	  .fate = FATE_NONE },
	{ "banner-mask", 0, TCP_ACK, clear, .payload_bytes = 7, .fate = FATE_NONE },
	{ "banner-mask", 0, TCP_ACK, clear, .payload_bytes = 7, .by_server = true,
	  .client_spoke = true, .fate = FATE_NONE },
	{ "ack-thin", 4, TCP_ACK, .acks = 4, .fate = FATE_NONE },
	{ "ack-thin", 4, TCP_ACK, .acks = 3, .fate = FATE_VANISH },
	{ "ack-thin", 4, TCP_ACK, .acks = 5, .fate = FATE_VANISH },
	{ "ack-thin", 4, TCP_ACK, hello, .payload_bytes = 1, .acks = 3, .fate = FATE_NONE },
	{ "ack-thin", 4, TCP_ACK | TCP_FIN, .acks = 3, .fate = FATE_NONE },
	{ "ack-thin", 4, TCP_ACK | TCP_RST, .acks = 3, .fate = FATE_NONE },
	{ "first-segment-parser", 0, TCP_ACK, hello, .payload_bytes = 6, .fate = FATE_VANISH },
	{ "first-segment-parser", 1, TCP_ACK, hello, .payload_bytes = 6, .fate = FATE_RESET },
	{ "first-segment-parser", 0, TCP_ACK, hello, .payload_bytes = 5, .fate = FATE_NONE },
	{ "first-segment-parser", 0, TCP_ACK, no_hello, .payload_bytes = 6, .fate = FATE_NONE },
	{ "first-segment-parser", 0, TCP_ACK, whole, .payload_bytes = 6, .fate = FATE_NONE },
	{ "first-segment-parser", 0, TCP_ACK, hello, .payload_bytes = 6, .by_server = true,
	  .fate = FATE_NONE },
	{ "ack-then-die", 10, TCP_ACK, .acked = 9, .fate = FATE_NONE },
	{ "ack-then-die", 10, TCP_ACK, .acked = 10, .fate = FATE_FORGOTTEN },
};

Test(fault, bounds_of_packets)
{
	for (size_t i = 0; i < sizeof(packets) / sizeof(*packets); i++) {
		struct fault f = fault_of(fault_find(packets[i].name));
		struct packet p = { .flags = packets[i].flags, .payload = packets[i].payload,
				    .payload_bytes = packets[i].payload_bytes };
		struct fault_packet view = {
			.p = &p,
			.bytes = packets[i].bytes,
			.payload_bytes = packets[i].payload_bytes,
			.acks = packets[i].acks,
			.acked = packets[i].acked,
			.by_server = packets[i].by_server,
			.client_spoke = packets[i].client_spoke,
		};

		if (packets[i].value)
			f.value[0] = packets[i].value;
		cr_assert_eq(f.kind->packet(&f, &view), packets[i].fate, "%s, number %zu",
			     packets[i].name, i);
	}
}

#ifndef __SANITIZE_ADDRESS__	/* it needs memory itself, and ends the program without */
/* How much address space this process uses. */
static size_t address_space(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	size_t pages = 0;

	cr_assert(file && fscanf(file, "%zu", &pages) == 1);
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Whichever of its tables finds no memory: the engine says so, and gives the others back. */
Test(engine, without_memory_there_is_no_engine)
{
	const size_t step = 1 << 20;
	struct engine_config config;
	unsigned made = 0, failed = 0;
	size_t before;

	engine_config_init(&config);
	config.flows_max = 100000;	/* 25 MB, and 2 MB for timers */
	config.memory_bytes = 16 << 20;
	cr_assert_eq(try_config(&config), 0);
	before = in_use();
	for (size_t room = 0; room < 60 * step; room += step / 2) {
		struct rlimit old, limit;
		int rc;

		getrlimit(RLIMIT_AS, &old);
		limit = old;
		limit.rlim_cur = address_space() + room;
		setrlimit(RLIMIT_AS, &limit);
		rc = try_config(&config);
		setrlimit(RLIMIT_AS, &old);
		cr_assert(rc == 0 || rc == -ENOMEM);
		cr_assert_eq(in_use(), before);
		made += rc == 0;
		failed += rc != 0;
	}
	cr_assert(made > 0 && failed > 40);
}
#endif

/* So many ranges are noted, apart from each other; the next finds no place unless it joins one. */
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
	/* what is released is forgotten, with all that lies before it */
	stream_release(&stream, &pool, 145);
	cr_assert_eq(stream.sacked_count, STREAM_SACKED_MAX - 2);
	cr_assert_eq(stream_skip_sacked(&stream, 145), 150);
	stream_release(&stream, &pool, 1000);
	cr_assert_eq(stream.sacked_count, 0);
	cr_assert_eq(stream_sacked_end(&stream), 0);
}

/* Whatever the memory held before. */
Test(pool, begins_with_nothing_taken)
{
	struct pool p;
	pool_page pages[3];

	memset(&p, 0x55, sizeof(p));
	cr_assert_eq(pool_create(&p, 3 * POOL_PAGE_BYTES + POOL_PAGE_BYTES - 1), 0);
	cr_assert_eq(p.used, 0);
	for (unsigned i = 0; i < 3; i++) {
		pages[i] = pool_take(&p);
		cr_assert_lt(pages[i], 3);
		cr_assert_eq(p.used, i + 1);
	}
	cr_assert_eq(pool_take(&p), POOL_NONE);
	cr_assert_eq(p.used, 3);
	pool_give(&p, pages[1]);
	cr_assert_eq(pool_take(&p), pages[1]);
	pool_destroy(&p);
	cr_assert_eq(pool_create(&p, (uint64_t)POOL_PAGE_BYTES * POOL_NONE), -EINVAL);
	cr_assert_eq(pool_create(&p, POOL_PAGE_BYTES - 1), -EINVAL);
}

/* Each page is inside what was reserved, apart from the others, and begins where the largest type
 * may: a struct transit is put there. */
Test(pool, pages_lie_side_by_side)
{
	enum { PAGES = 600 };
	struct pool p;

	cr_assert_eq(pool_create(&p, PAGES * POOL_PAGE_BYTES), 0);
	for (unsigned i = 0; i < PAGES; i++) {
		pool_page page = pool_take(&p);
		size_t at = (size_t)((uint8_t *)pool_data(&p, page) - p.base);

		cr_assert_lt(page, PAGES);
		cr_assert_eq(at % POOL_PAGE_BYTES, 0);
		cr_assert_leq(at + POOL_PAGE_BYTES, PAGES * POOL_PAGE_BYTES);
		memset(p.base + at, (int)page, POOL_PAGE_BYTES);
	}
	for (pool_page page = 0; page < PAGES; page++) {
		const uint8_t *octets = pool_data(&p, page);

		for (size_t k = 0; k < POOL_PAGE_BYTES; k++)
			cr_assert_eq(octets[k], (uint8_t)page);
	}
	pool_destroy(&p);
}

/* A list that fills its page moves nothing beyond it: what lies there are octets. */
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

/* A fault of one direction needs that half in the box if it is asked about pieces or cuts. One that
 * is asked about packets sees both halves if the box has either, but only those of the end it is
 * about. */
Test(fault, what_can_act_in_which_halves)
{
	static const struct {
		const char *name;
		unsigned direction, intercepted;
		bool can;
	} tries[] = {
		{ "off-by-one", 0, DIRECTION_C2S, true }, { "off-by-one", 0, DIRECTION_NONE, true },
		{ "off-by-one", DIRECTION_C2S, DIRECTION_C2S, true },
		{ "off-by-one", DIRECTION_S2C, DIRECTION_C2S, false },
		{ "off-by-one", DIRECTION_BOTH, DIRECTION_S2C, true },
		{ "drop", DIRECTION_C2S, DIRECTION_S2C, false },
		{ "mtu-blackhole", DIRECTION_S2C, DIRECTION_C2S, true },
		{ "mtu-blackhole", DIRECTION_S2C, DIRECTION_NONE, false },
		{ "isn-shift", DIRECTION_S2C, DIRECTION_C2S, true },
		{ "isn-shift", DIRECTION_S2C, DIRECTION_NONE, false },
		{ "banner-mask", DIRECTION_S2C, DIRECTION_C2S, true },
		{ "banner-mask", DIRECTION_C2S, DIRECTION_C2S, false },
		{ "banner-mask", DIRECTION_BOTH, DIRECTION_C2S, true },
		{ "none", DIRECTION_S2C, DIRECTION_C2S, true },
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		struct fault f = fault_of(fault_find(tries[i].name));

		f.scope.direction = (uint8_t)tries[i].direction;
		cr_assert_eq(fault_can_act(&f, tries[i].intercepted), tries[i].can,
			     "%s, number %zu", tries[i].name, i);
	}
}

/* As the engine asks, not as somebody has written down. */
Test(fault, hooks_are_told)
{
	static const char *const expected[][2] = {
		{ "off-by-one", "cut" }, { "split-command", "cut" }, { "none", "-" }, { "lose-tail",
											"piece" },
		{ "mtu-blackhole", "packet" }, { "isn-shift", "connection" }, { "ack-then-die",
										"cut, packet" },
	};
	char text[64];

	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		faultspec_hooks(text, sizeof(text), fault_find(expected[i][0]));
		cr_assert_str_eq(text, expected[i][1]);
	}
}

/* Asks which policy the connection to each port from 1 to 20 has. */
static void check_policies(const struct engine *e, const unsigned policy[20])
{
	struct engine_flow_info flows[20];
	uint32_t cursor = 0;

	cr_assert_eq(engine_flows(e, 1, &cursor, flows, 20), 20);
	for (size_t i = 0; i < 20; i++) {
		uint16_t port = flows[i].port[SERVER];

		cr_assert(port >= 1 && port <= 20);
		cr_assert_eq(flows[i].policy, policy[port - 1], "port %u has policy %u", port,
			     flows[i].policy);
		cr_assert_eq(flows[i].segment_size, 100 + flows[i].policy);
	}
}

/* The first after policy 0 that matches, of as many as there can be; and policy 0 if none does.
 * This holds for new connections, and for open ones when the rules are changed. */
Test(engine, a_connection_has_the_first_policy_that_matches)
{
	static const unsigned at_first[20] = { 0, 0, 0, 15, 14, 13, 12, 11, 10, 9,
					       8, 7, 6, 5, 4, 3, 2, 1, 0, 0 };
	static const unsigned then[20] = { [0] = 1, 1, 1, 1, [17] = 2, 3, 3 };
	struct engine_config config;
	struct engine *e;

	engine_config_init(&config);
	config.rules.policies = POLICIES_MAX;
	for (unsigned i = 0; i < POLICIES_MAX; i++) {
		config.rules.policy[i] = config.rules.policy[0];
		config.rules.policy[i].segment_size = 100 + i;
		if (i > 0)
			config.rules.policy[i].match.port = (struct range){ 19 - i, 18 };
	}
	cr_assert_eq(engine_create(&e, &config), 0);
	for (uint8_t port = 1; port <= 20; port++)
		put_in_syn_to(e, 5000, port);
	check_policies(e, at_first);
	config.rules.policies = 4;
	config.rules.policy[1].match.port = (struct range){ 1, 4 };
	config.rules.policy[2].match.port = (struct range){ 18, 18 };
	config.rules.policy[3].match.port = (struct range){ 18, 20 };
	cr_assert_eq(engine_set_rules(e, 1, &config.rules), 0);
	check_policies(e, then);
	engine_destroy(e);
}

/* RFC 9293 section 3.7.1: an end that names no MSS takes 536 octets over IPv4, 1,220 over IPv6. */
Test(engine, an_end_that_names_no_mss_has_the_least)
{
	struct {
		uint8_t packet[60];
		size_t header;
		uint32_t segment_size;
	} tries[] = {
		{ { 0x45, [3] = 40, [8] = 64, [9] = 6 }, 20, 536 },
		{ { 0x60, [5] = 20, [6] = 6, [7] = 64 }, 40, 1220 },
	};

	for (size_t i = 0; i < 2; i++) {
		uint8_t *ip = tries[i].packet, *tcp = ip + tries[i].header;
		size_t len = tries[i].header + 20;
		struct engine_config config;
		struct engine_flow_info flow;
		uint32_t cursor = 0;
		struct engine *e;

		engine_config_init(&config);
		config.rules.policy[0].segment_size = 1400;
		cr_assert_eq(engine_create(&e, &config), 0);
		tcp[1] = tcp[3] = 25;	/* from one port to the same, and back */
		tcp[12] = 0x50;
		tcp[13] = TCP_SYN;
		tcp[-1] = 1;		/* the last octet of the destination */
		cr_assert_eq(engine_input(e, 1, ip, &len, ENGINE_NO_CHECKSUM), VERDICT_ACCEPT);
		tcp[13] = TCP_SYN | TCP_ACK;
		tcp[11] = 1;
		tcp[-1] = 0;
		ip[tries[i].header == 20 ? 15 : 23] = 1;
		cr_assert_eq(engine_input(e, 1, ip, &len, ENGINE_NO_CHECKSUM), VERDICT_ACCEPT);
		cr_assert_eq(engine_flows(e, 1, &cursor, &flow, 1), 1);
		cr_assert_str_eq(flow.state, "open");
		cr_assert_eq(flow.segment_size, tries[i].segment_size);
		engine_destroy(e);
	}
}

/* Whoever looks at all connections looks at no place after the last, also where all are taken. */
Test(engine, a_full_table_ends_with_its_last_connection)
{
	enum { FLOWS = 3 };
	struct engine_config config;
	struct engine_stats stats;
	struct engine_flow_info flows[FLOWS + 1];

	for (unsigned i = 0; i < 2; i++) {
		uint32_t cursor = 0;
		struct engine_emit emit;
		struct engine *e;

		engine_config_init(&config);
		config.flows_max = FLOWS;
		cr_assert_eq(engine_create(&e, &config), 0);
		for (unsigned port = 1; port <= FLOWS + 1; port++)
			put_in_syn(e, (uint16_t)port);
		engine_get_stats(e, &stats);
		cr_assert_eq(stats.flows_active, FLOWS);
		cr_assert_eq(stats.passed_overload, 1);
		cr_assert_null(engine_wrong(e));
		cr_assert_eq(engine_flows(e, 1, &cursor, flows, FLOWS + 1), FLOWS);
		cr_assert_eq(engine_set_rules(e, 1, &config.rules), 0);
		if (i == 0)
			engine_shutdown(e, 1);
		else
			engine_drain(e, 1);
		cr_assert_not(engine_next(e, &emit));
		engine_get_stats(e, &stats);
		cr_assert_eq(stats.flows_active, 0);
		engine_destroy(e);
	}
}

/* A host that talks to itself: what its two ends send is told apart by their ports. */
Test(engine, both_ends_may_have_one_address)
{
	static const uint8_t ports[][2] = { { 200, 25 }, { 25, 200 } };

	for (size_t i = 0; i < 2; i++) {
		uint8_t syn[40] = { 0x45, [3] = 40, [8] = 64, [9] = 6, [15] = 1, [19] = 1,
				    [32] = 0x50, [33] = TCP_SYN };
		struct engine_config config;
		struct engine_flow_info flows[2];
		uint32_t cursor = 0;
		struct engine *e;
		size_t len = sizeof(syn);

		engine_config_init(&config);
		cr_assert_eq(engine_create(&e, &config), 0);
		syn[21] = ports[i][0];
		syn[23] = ports[i][1];
		engine_input(e, 1, syn, &len, ENGINE_NO_CHECKSUM);
		syn[21] = ports[i][1];
		syn[23] = ports[i][0];
		syn[31] = 1;
		syn[33] = TCP_SYN | TCP_ACK;
		engine_input(e, 1, syn, &len, ENGINE_NO_CHECKSUM);
		cr_assert_eq(engine_flows(e, 1, &cursor, flows, 2), 1);
		cr_assert_str_eq(flows[0].state, "open");
		cr_assert_eq(flows[0].port[CLIENT], ports[i][0]);
		cr_assert_eq(flows[0].port[SERVER], ports[i][1]);
		engine_destroy(e);
	}
}

/* Prefixes that end within an octet, on both sides of their bounds. */
Test(match, prefixes_that_end_within_an_octet)
{
	static const struct {
		uint8_t bits;
		uint8_t first[16], inside[16], outside[16];
	} cases[] = {
		{ 25, { 198, 51, 100, 128 }, { 198, 51, 100, 255 }, { 198, 51, 100, 127 } },
		{ 20, { 203, 0, 112 }, { 203, 0, 127, 1 }, { 203, 0, 128, 1 } },
		{ 31, { 192, 0, 2, 6 }, { 192, 0, 2, 7 }, { 192, 0, 2, 5 } },
		{ 32, { 192, 0, 2, 6 }, { 192, 0, 2, 6 }, { 192, 0, 2, 7 } },
		{ 0, { 0 }, { 255 }, { 255 } },
	};
	static const uint8_t any[16];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct match m = { .client = { .bits = cases[i].bits }, .port = { 0, UINT16_MAX } };

		memcpy(m.client.address, cases[i].first, 16);
		cr_expect(match_has(&m, cases[i].first, any, 25), "/%u", cases[i].bits);
		cr_expect(match_has(&m, cases[i].inside, any, 25), "/%u", cases[i].bits);
		cr_expect_eq(match_has(&m, cases[i].outside, any, 25), cases[i].bits == 0, "/%u",
			     cases[i].bits);
	}
}
