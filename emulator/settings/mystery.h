/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_SETTINGS_MYSTERY_H
#define RESEG_SETTINGS_MYSTERY_H

/*
 * Mysteries: a number stands for a fault, for people who are to find it
 *
 * Only faults that a client can notice with the tools of a lab are chosen, and never none. A number
 * means the same on every machine. If a later version changes that, docs/CHANGELOG.md says so.
 */

#include "settings/faultspec.h"

struct mystery {
	struct fault fault;
	uint32_t segment_size;
};

struct mystery mystery_of(uint64_t seed);

/* What somebody takes a mystery for. */
struct mystery_guess {
	const char *fault;	/* as for --fault */
	uint32_t segment_size;	/* 0: not said */
};

enum mystery_verdict {
	MYSTERY_WRONG,		/* it is another fault */
	MYSTERY_PARTLY,		/* it is this fault, but not with these numbers */
	MYSTERY_RIGHT,		/* and all numbers that were said are right */
};

/* Compares a guess with the secret. Returns false if the guess is not a fault at all. */
bool mystery_judge(const struct mystery *secret, const struct mystery_guess *guess,
		   enum mystery_verdict *verdict, struct error *error);

#endif
