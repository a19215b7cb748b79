/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Configurations at their bounds and beyond, and the memory they take */

#include "drive.h"

#include "core/engine.h"
#include "core/fault.h"
#include "core/pool.h"
#include "core/stream.h"
#include "core/alarms.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Octets allocated, as the C library counts them: an engine must free all its memory, even if it
 * could not be made. Sanitizers replace its allocator: the count is then 0, and they find leaks
 * themselves. */
static size_t in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* A value at a bound must be accepted, and one beyond it refused. */
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

Test(config, configuration_out_of_range_is_refused)
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
	/* One fault too many would be read from where the next policy is, so put a good one
	 * there. */
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

Test(config, memory_is_given_back)
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

Test(config, bounds_of_a_configuration)
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
	/* the last one is checked, too */
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

Test(config, a_range_begins_before_its_end)
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

/* An engine refuses rules out of range as a whole. The former ones stay in force: by them, 101
 * octets stall. It still takes good rules after that, which end the stall here. */
Test(config, bad_rules_are_refused)
{
	struct engine *e = drive_make_open(100);
	struct engine_config c;
	struct engine_rules rules;

	engine_config_init(&c);
	rules = c.rules;
	rules.policy[0].faults = 0;
	rules.policy[0].arrival = ARRIVAL_BURST + 1;
	cr_assert_eq(engine_set_rules(e, 1, &rules), -EINVAL);
	drive_put_in(e, 1, CLIENT, TCP_ACK, 1, 1, 101);
	cr_assert_eq(drive_take_all(e), 0);
	rules.policy[0].arrival = ARRIVAL_BURST;
	cr_assert_eq(engine_set_rules(e, 1, &rules), 0);
	cr_assert_eq(drive_take_all(e), 100);
	engine_destroy(e);
}

#ifndef __SANITIZE_ADDRESS__	/* it needs memory itself, and ends the program if it gets none */
/* How much address space this process uses. */
static size_t address_space(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	size_t pages = 0;

	cr_assert(file && fscanf(file, "%zu", &pages) == 1);
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Whichever table cannot be allocated, engine_create() must fail with -ENOMEM and free the
 * others. */
Test(config, without_memory_there_is_no_engine)
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
