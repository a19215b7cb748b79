/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_ALARMS_H
#define RESEG_CORE_ALARMS_H

/*
 * One alarm per flow, in a heap
 *
 * An alarm only ever moves to an earlier moment. A flow whose deadline moved to a later one keeps
 * its alarm, finds nothing due when it rings, and sets a new one. So the common case, a
 * retransmission timer put off by each ACK, costs nothing.
 */

#include <stdint.h>

struct alarms {
	struct alarm {
		uint64_t at_ns;
		uint32_t id;
	} * heap;
	uint32_t *position;	/* of each id in the heap */
	uint32_t count;
};

/* For ids 0..max-1. -ENOMEM. */
int alarms_create(struct alarms *t, uint32_t max);
void alarms_destroy(struct alarms *t);

/* Lets id ring at at_ns, or at the earlier moment already set. */
void alarms_set(struct alarms *t, uint32_t id, uint64_t at_ns);
void alarms_cancel(struct alarms *t, uint32_t id);

/* The first moment at which something rings; UINT64_MAX: never. */
uint64_t alarms_next(const struct alarms *t);

/* Takes out the first id; only when alarms_next() is not UINT64_MAX. */
uint32_t alarms_pop(struct alarms *t);

#endif
