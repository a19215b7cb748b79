/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_RTO_H
#define RESEG_CORE_RTO_H

/*
 * The retransmission time-out (RFC 6298)
 */

#include "box.h"

/* The time-out of a relay, doubled `backoff` times, in milliseconds. */
uint64_t rto_ms(const struct relay *r, unsigned backoff);

/* Starts the timer of a relay that has something under way, as of now. */
void rto_start_timer(const struct engine *e, const struct relay *r, struct transit *t);

/* Takes a round-trip time into account: RFC 6298 section 2. */
void rto_measure(struct relay *r, uint64_t rtt_ns);

#endif
