/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_SIDE_H
#define RESEG_CORE_SIDE_H

/*
 * The two ends of a connection, and its two halves
 */

/* The client is the side that sent the SYN. */
enum engine_side { CLIENT, SERVER };

static inline enum engine_side engine_other(enum engine_side side)
{
	return side == CLIENT ? SERVER : CLIENT;
}

/* Which halves of a connection are intercepted, named by their source. */
enum engine_direction {
	DIRECTION_NONE = 0,	/* it passes untouched */
	DIRECTION_C2S = 1 << CLIENT,
	DIRECTION_S2C = 1 << SERVER,
	DIRECTION_BOTH = DIRECTION_C2S | DIRECTION_S2C,
};

#endif
