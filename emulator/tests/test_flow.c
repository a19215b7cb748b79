/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The table of flows, its hash, the timers, the pool, and which addresses a policy matches */

#include "core/engine.h"
#include "core/fault.h"
#include "core/flow.h"
#include "core/pool.h"
#include "core/siphash.h"
#include "core/alarms.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static struct flow_key key_of(uint32_t n)
{
	struct flow_key key = { .port = { 25, (uint16_t)n } };

	key.address[1][15] = (uint8_t)(n >> 16);
	return key;
}

/* Fills a table that has this key with so many connections; tells the bucket of each. */
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
	uint8_t key[17] = { [16] = 0xff }, input[16];	/* what follows the key does not count */

	for (uint8_t i = 0; i < 16; i++)
		key[i] = input[i] = i;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		cr_assert_eq(siphash(key, input, vectors[i].len), vectors[i].hash);
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
	cr_assert_eq(flow_add(&t, &key), FLOW_NONE, "a full table took one more");
	for (uint32_t i = 0; i < MAX; i += 2)
		flow_remove(&t, handles[i]);
	cr_assert_eq(t.active, MAX / 2);
	for (uint32_t i = 0; i < MAX; i++) {
		key = key_of(i * 7);
		cr_assert_eq(flow_find(&t, &key), i % 2 ? handles[i] : FLOW_NONE);
	}
	key = key_of(1);
	cr_assert_neq(flow_add(&t, &key), FLOW_NONE, "a free place was not used again");
	flow_table_destroy(&t);
}

/* It must begin empty, whatever the memory held before. */
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

/* Buckets follow from the whole of a key that only the engine knows, so that an attacker who
 * chooses ports cannot choose buckets. With the same key a run can be repeated. */
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

/* Connections must spread over all buckets, so that no list is long. By chance 1,000 connections
 * use some 640 of 1,024 buckets, and none has more than a few. */
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

Test(alarms, one_that_is_earlier_is_first)
{
	struct alarms t;

	cr_assert_eq(alarms_create(&t, 8), 0);
	for (uint32_t i = 0; i < 8; i++) {
		alarms_set(&t, i, 100 - i);
		cr_assert_eq(alarms_next(&t), 100 - i);
	}
	alarms_destroy(&t);
}

Test(alarms, ring_in_order)
{
	enum { MAX = 1000 };
	struct alarms t;
	uint64_t last = 0;
	unsigned seed = 1, rung = 0;

	cr_assert_eq(alarms_create(&t, MAX), 0);
	cr_assert_eq(alarms_next(&t), UINT64_MAX);
	for (uint32_t i = 0; i < MAX; i++)
		alarms_set(&t, i, 1000 + (unsigned)rand_r(&seed) % 5000);
	for (uint32_t i = 0; i < MAX; i += 3)
		alarms_set(&t, i, (unsigned)rand_r(&seed) % 1000);
	for (uint32_t i = 0; i < MAX; i += 5)
		alarms_cancel(&t, i);
	for (uint32_t i = 1; i < MAX; i += 7)
		alarms_set(&t, i, UINT64_MAX - 1);	/* a later time does not move it */
	while (alarms_next(&t) != UINT64_MAX) {
		uint64_t at = alarms_next(&t);
		uint32_t id = alarms_pop(&t);

		cr_assert_geq(at, last);
		cr_assert(id % 5 != 0 || id % 7 == 1);
		last = at;
		rung++;
	}
	cr_assert_eq(rung, MAX - MAX / 5 + 29);
	alarms_destroy(&t);
}

/* Alarms that are set, moved and cancelled while others ring must agree with a plain list. */
Test(alarms, agree_with_a_plain_list)
{
	enum { MAX = 13, STEPS = 20000 };
	uint64_t list[MAX], now = 0;
	struct alarms t;
	unsigned seed = 1;

	cr_assert_eq(alarms_create(&t, MAX), 0);
	memset(list, 0xff, sizeof(list));
	for (unsigned step = 0; step < STEPS; step++) {
		uint32_t id = (uint32_t)rand_r(&seed) % MAX;
		uint64_t at = now + (uint64_t)rand_r(&seed) % 100, first = UINT64_MAX;

		switch (rand_r(&seed) % 4) {
		case 0:
			alarms_cancel(&t, id);
			list[id] = UINT64_MAX;
			break;
		case 1:
			if (alarms_next(&t) == UINT64_MAX)
				break;
			now = alarms_next(&t);
			id = alarms_pop(&t);
			cr_assert_lt(id, MAX);
			cr_assert_eq(list[id], now);
			list[id] = UINT64_MAX;
			break;
		default:
			alarms_set(&t, id, at);
			list[id] = at < list[id] ? at : list[id];
		}
		for (unsigned i = 0; i < MAX; i++)
			first = list[i] < first ? list[i] : first;
		cr_assert_eq(alarms_next(&t), first);
	}
	alarms_destroy(&t);
}

/* It must begin empty, whatever the memory held before. */
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

/* Each page must lie inside the reserved memory, overlap no other, and begin at a multiple of its
 * size: it may hold a struct transit. */
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

/* Prefixes that end within an octet, with addresses just inside and outside */
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
