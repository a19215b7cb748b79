/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_REPLAY_PRINT_H
#define RESEG_REPLAY_PRINT_H

/* How reseg-replay shows its results. */

#include "replay/replay.h"

#define OUTCOME_BIT(outcome) (1u << (outcome))
#define OUTCOMES_BAD (OUTCOME_BIT(REPLAY_STALLED) | OUTCOME_BIT(REPLAY_HUNG))

extern const char *const outcome_names[REPLAY_OUTCOMES];

/* The segment sizes that hurt a connection, in their order. */
struct hurt {
	uint32_t *size;
	size_t sizes;
	enum replay_outcome
		outcome; /* with the first of them; if none hurt it, with the last that was tried */
};

struct shown {
	const struct replay *replay;
	unsigned only;			/* OUTCOME_BITs */
	bool json;
	/* If several segment sizes were tried: */
	const struct hurt *hurt;	/* by connection; NULL: there was only one size */
	uint32_t first_size, last_size;
};

void print_results(const struct shown *s);

#endif
