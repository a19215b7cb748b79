/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rto.h"

/* RFC 6298 rule 2.1. */
#define RTO_INITIAL_MS 1000
/* RFC 6298 rule 2.4 asks for a second. Real stacks use less, since a delayed ACK comes within 200
 * ms. So does the box, so that a lost piece costs as much in a lab as it does with them. */
#define RTO_MIN_MS 200
#define RTO_MAX_MS 60000

uint64_t rto_ms(const struct relay *r, unsigned backoff)
{
	uint64_t ms = RTO_INITIAL_MS;

	if (r->srtt_us != 0) {
		uint64_t var_us = 4 * (uint64_t)r->rttvar_us;

		if (var_us < RTO_MIN_MS * 1000)
			var_us = RTO_MIN_MS * 1000;
		ms = (r->srtt_us + var_us) / 1000 + 1;
	}
	ms <<= backoff < 16 ? backoff : 16;
	return ms < RTO_MAX_MS ? ms : RTO_MAX_MS;
}

void rto_start_timer(const struct engine *e, const struct relay *r, struct transit *t)
{
	t->timer_ns = e->now_ns + rto_ms(r, t->backoff) * NS_PER_MS;
}

void rto_measure(struct relay *r, uint64_t rtt_ns)
{
	uint64_t us = rtt_ns / 1000;
	uint32_t rtt = us == 0 ? 1 : us > RTO_MAX_MS * 1000 ? RTO_MAX_MS * 1000 : (uint32_t)us;
	uint32_t delta;

	if (r->srtt_us == 0) {
		r->srtt_us = rtt;
		r->rttvar_us = rtt / 2;
		return;
	}
	delta = rtt > r->srtt_us ? rtt - r->srtt_us : r->srtt_us - rtt;
	r->rttvar_us = (uint32_t)((3 * (uint64_t)r->rttvar_us + delta) / 4);
	r->srtt_us = (uint32_t)((7 * (uint64_t)r->srtt_us + rtt) / 8);
}
