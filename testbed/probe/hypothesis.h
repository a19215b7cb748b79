/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_PROBE_HYPOTHESIS_H
#define RESEG_PROBE_HYPOTHESIS_H

/*
 * A supposed fault of a path, and what follows from it for each envelope
 */

#include "probe/sweep.h"

enum identify_class {
	CLASS_NONE,		/* no fault found */
	CLASS_OFF_BY_ONE,	/* a re-segmenting box never forwards exactly S + `by` bytes */
	CLASS_LOSE_TAIL,	/* a re-segmenting box loses short last pieces */
	CLASS_MTU_BLACKHOLE,	/* packets over a size vanish */
	CLASS_ACK_THEN_DIE,	/* a number of bytes is ACKed, and then nothing passes */
	CLASS_BANNER_MASK,	/* a relay that hides the greeting */
	CLASS_SLOW_SERVER,	/* takes time for each recipient: call-outs */
	CLASS_UNSURE,		/* something is wrong, and no hypothesis explains it */
	CLASSES
};

/* A supposed fault, of a box that cuts at segment_size. */
struct hypothesis {
	enum identify_class class;
	uint32_t segment_size;
	uint32_t by;	/* off-by-one: over; lose-tail: bytes */
};

/* Did all this happen as predicted? The first write of each row ended at split; 0: there was only
 * one. */
bool hypothesis_explains(const struct hypothesis *h, const struct row *rows, size_t count,
			 uint32_t split);

/* Finds all hypotheses that explain the rows; `first` is the size of the first row that failed.
 * Returns how many, which is less than 2 * first. */
size_t hypothesis_all(const struct row *rows, size_t count, uint32_t first, struct hypothesis *out);

#endif
