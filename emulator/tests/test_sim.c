/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The engine in simulated networks: see sim.h. More seeds: reseg-sim. */

#include "sim/sim.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>

TestSuite(sim, .timeout = 300);

static void check_whole(const struct sim_options *o, const struct sim_result *r, uint64_t seed)
{
	cr_assert_null(r->error, "seed %" PRIu64 ": %s", seed, r->error);
	cr_assert(r->done || r->aborted, "seed %" PRIu64 ": the ends never finished", seed);
	cr_assert_eq(r->stats.flows_active, 0, "seed %" PRIu64, seed);
	cr_assert_eq(r->stats.pages_used, 0, "seed %" PRIu64, seed);
	cr_assert_eq(r->stats.orphaned_bytes, 0, "seed %" PRIu64, seed);
	cr_assert_eq(r->stats.packets, r->stats.accepted + r->stats.replaced + r->stats.dropped);
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		uint64_t total = 0;

		for (uint32_t i = 0; i < o->writes[side]; i++)
			total += o->write[side][i];
		if (!r->aborted)
			cr_assert_eq(r->delivered[side], total, "seed %" PRIu64, seed);
	}
}

Test(sim, without_fault_every_stream_arrives_whole)
{
	static struct sim_options o;
	struct sim_result r;
	const char *wanted = getenv("SIM_SEEDS");	/* fewer for slow builds */
	uint64_t seeds = wanted ? strtoull(wanted, NULL, 10) : 2000;

	cr_assert_gt(seeds, 0, "SIM_SEEDS: %s", wanted);
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		sim_random(&o, seed);
		sim_run(&o, &r);
		check_whole(&o, &r, seed);
	}
}

Test(sim, a_seed_gives_the_same_run_twice)
{
	static struct sim_options o;
	struct sim_result a, b;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		sim_random(&o, seed);
		sim_run(&o, &a);
		sim_run(&o, &b);
		cr_assert_eq(a.time_ns, b.time_ns);
		cr_assert_eq(a.packets, b.packets);
		cr_assert_eq(a.stats.retransmissions, b.stats.retransmissions);
	}
}

/* The law of 2008 for writes that are one arrival each: how many octets are sent on. */
static uint64_t sent_on(const uint32_t *write, uint32_t writes, uint32_t s)
{
	uint64_t sent = 0, pending = 0;

	for (uint32_t i = 0; i < writes; i++) {
		pending += write[i];
		while (pending > 0 && pending != s + 1) {
			uint64_t n = pending < s ? pending : s;

			sent += n;
			pending -= n;
		}
	}
	return sent;
}

/* The fault depends on the stream and its arrivals, and loss does not change these: the simulated
 * ends send again exactly what they sent. */
Test(sim, loss_does_not_move_a_stall)
{
	static struct sim_options o;
	struct sim_result r;
	unsigned stalls = 0;

	for (uint64_t seed = 1; seed <= 500; seed++) {
		uint64_t total = 0, expected;

		sim_random(&o, seed);
		o.fault = "off-by-one";
		o.direction = DIRECTION_C2S;
		o.segment_size = 512;
		o.mss[CLIENT] = o.mss[SERVER] = 1460;
		o.buffer[SERVER] = 65000;
		o.window_bytes = STREAM_WINDOW_MAX;
		o.reads[SERVER] = 1 << 20;
		o.limit_ns = UINT64_C(300) * 1000000000;
		o.writes[SERVER] = 0;
		o.rate = 0;
		o.abort_ns[CLIENT] = o.abort_ns[SERVER] = o.drain_ns = 0;
		for (uint32_t i = 0; i < o.writes[CLIENT]; i++) {
			/* often near a boundary, and never more than a packet */
			if (o.write[CLIENT][i] % 4 == 0)
				o.write[CLIENT][i] = 513 + 512 * (o.write[CLIENT][i] / 4 % 2);
			else if (o.write[CLIENT][i] > 1400)
				o.write[CLIENT][i] %= 1400;
			o.write[CLIENT][i] += o.write[CLIENT][i] == 0;
			total += o.write[CLIENT][i];
		}
		expected = sent_on(o.write[CLIENT], o.writes[CLIENT], 512);
		sim_run(&o, &r);
		cr_assert_null(r.error, "seed %" PRIu64 ": %s", seed, r.error);
		cr_assert_eq(r.delivered[CLIENT], expected,
			     "seed %" PRIu64 ": %" PRIu64 " of %" PRIu64
			     " arrived, not %" PRIu64, seed, r.delivered[CLIENT], total, expected);
		stalls += expected < total;
	}
	cr_assert_gt(stalls, 10);
}
