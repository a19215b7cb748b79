/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_FAULT_H
#define RESEG_CORE_FAULT_H

/*
 * Faults: named deviations, each at a named hook
 *
 * Without a fault the box is a well-behaved relay. A fault is one row of the
 * table in fault.c; it changes one decision where the engine asks for it, and
 * nothing else. To add one, add a row and its test.
 */

#include <stdint.h>

struct fault {
	const char *name;
	const char *summary;	/* one line, no full stop */
	const char *hook;	/* where it acts, for people; "-" for none */

	/*
	 * Hook "cut": how many of the pending bytes become the next piece. The
	 * cut policy proposes `bytes` (1..segment_size, never more than
	 * pending). The answer is what is cut; 0 is a stall: nothing is cut
	 * until more data arrives. NULL: as proposed.
	 */
	uint32_t (*cut)(uint32_t pending, uint32_t segment_size, uint32_t bytes);
};

/* The table, in the order people should see it; the row after the last has no
 * name. The first row is the default. */
extern const struct fault fault_table[];

/* The row of this name; NULL if there is none. */
const struct fault *fault_find(const char *name);

#endif
