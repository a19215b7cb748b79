/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/identify.h"

#include "core/units.h"
#include "io/clock.h"
#include "probe/envelope.h"
#include "probe/server.h"
#include "probe/sizes.h"
#include "probe/threshold.h"

#include <inttypes.h>
#include <stdlib.h>

#define COARSE 24	/* sizes tried at first */
#define LONG_S 30	/* nothing that takes longer than this is done unasked */

/* How long all sizes take, at this server's pace. */
static double seconds_for_all(const struct identify *id, uint32_t most)
{
	double recipients = 1 + (double)most / 2 / 266;

	return recipients * (double)id->delay_ns / NS_PER_S * most / id->trials.parallel;
}

/* Tries sizes: all of them, or searches for where they begin to fail. */
static void try_the_path(struct identify *id, uint32_t most, uint32_t header)
{
	uint32_t sizes[COARSE];
	size_t count = COARSE, first;
	struct row *coarse;

	for (size_t i = 0; i < COARSE; i++)
		sizes[i] = ENVELOPE_MIN + (uint32_t)(i * (most - ENVELOPE_MIN) / (COARSE - 1));
	coarse = trials_try_sizes(&id->trials, sizes, &count, 0);
	first = threshold_find(coarse, count);
	if (first > 0)
		threshold_search(id, coarse[first - 1], coarse[first], header);
	else
		sizes_try_all(id, most, header);
	free(coarse);
}

/* Adds what is known besides the sizes, and may weaken what they show. */
static void weigh(struct identify *id, bool masked)
{
	if (id->trials.lost > 0)
		evidence(id,
			 "%zu times an envelope was ACKed only on a second try: packets are lost "
			 "on the way",
			 id->trials.lost);
	if (id->trials.intermittent > 0)
		evidence(id,
			 "%zu times an ACKed envelope was answered only on a second try: TCP "
			 "repairs losses, so this is something else",
			 id->trials.intermittent);
	if (id->trials.unserved > 0)
		evidence(id, "%zu times the server was not ready for an envelope: %s",
			 id->trials.unserved, id->trials.unserved_text);
	if (id->trials.refused > 0)
		evidence(id,
			 "in %zu connections the server refused part of the envelope, which is a "
			 "reply, not a fault of the path; the first: %s",
			 id->trials.refused, id->trials.refusal);
	if (masked)
		evidence(id, "the greeting is hidden behind asterisks: a relay on the way rewrites "
			     "it");
	if (id->class != CLASS_NONE)
		return;
	if (id->trials.intermittent > 0 || id->trials.unserved > 0 || id->odd > 0)
		evidence_unsure(id);
	else if (masked)
		id->class = CLASS_BANNER_MASK;
	else if (id->delay_ns > 0)
		id->class = CLASS_SLOW_SERVER;
}

static bool find_out(struct identify *id, struct error *error)
{
	uint32_t most, header;
	bool masked;

	if (!server_measure(id, &most, &header, &masked, error))
		return false;
	if (id->class == CLASS_UNSURE)
		return true;
	if (id->delay_ns > 0) {
		/* Time for all recipients of a full segment, and some patience. */
		uint64_t needed = id->delay_ns * (2 + most / 266) * 2;

		id->trials.timeout_ns = needed > id->trials.timeout_ns ? needed
								       : id->trials.timeout_ns;
	}
	if (seconds_for_all(id, most) <= LONG_S) {
		try_the_path(id, most, header);
	} else {
		id->sure = false;
		evidence(id,
			 "the size may matter, too: testing every size would take %.0f s, less "
			 "with a larger --parallel",
			 seconds_for_all(id, most));
	}
	weigh(id, masked);
	return true;
}

bool identify_run(struct identify *id, struct error *error)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	bool good;

	id->class = CLASS_NONE;
	id->sure = true;
	good = find_out(id, error);
	id->time_ns = clock_ns(CLOCK_MONOTONIC) - start;
	return good;
}

void identify_free(struct identify *id)
{
	for (size_t i = 0; i < id->evidence_count; i++)
		free(id->evidence[i]);
	id->evidence_count = 0;
}
