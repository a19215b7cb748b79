/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/threshold.h"

#include <inttypes.h>
#include <stdlib.h>

#define STEP 24	/* sizes tried in each step of a search */

/* Does an envelope of one size fail, and one of the other not, whenever they are tried? The rows
 * become those of the last try. */
static bool is_the_size(struct identify *id, struct row *good, struct row *bad)
{
	for (unsigned i = 0; i < TRIALS_AGAIN - 1; i++) {
		struct row *rows = trials_new_rows((const uint32_t[]){ good->size, bad->size }, 2);
		bool so;

		trials_run(&id->trials, rows, 2, 0, true);
		so = rows[0].written && rows[1].written && !trials_failed(&rows[0]) &&
		     trials_failed(&rows[1]);
		*good = rows[0];
		*bad = rows[1];
		free(rows);
		if (!so)
			return false;
	}
	return true;
}

void threshold_conclude(struct identify *id, struct row good, struct row bad, uint32_t header)
{
	bool reset;

	if (bad.size != good.size + 1 || !is_the_size(id, &good, &bad)) {
		evidence(id, "large envelopes fail and small ones do not, but the size from which "
			     "they fail changes");
		evidence_unsure(id);
		return;
	}
	reset = bad.outcome == OUTCOME_RESET;
	if (bad.timed_out && bad.bytes_acked == 0) {
		id->class = CLASS_MTU_BLACKHOLE;
		id->bytes = good.size + header;
		evidence(id,
			 "%" PRIu32
			 " bytes and more in one write are not ACKed, not even in part; %" PRIu32
			 " are ACKed and answered",
			 bad.size, good.size);
		evidence(id,
			 "a packet with %" PRIu32 " bytes of data is %" PRIu32 " bytes long "
			 "here",
			 good.size, id->bytes);
	} else if ((bad.timed_out || reset) && trials_all_acked(&bad) && bad.replies == 0 &&
		   !bad.poke_acked) {
		id->class = CLASS_ACK_THEN_DIE;
		id->bytes = bad.size + SWEEP_GREETING_BYTES;
		evidence(id,
			 "envelopes of %" PRIu32 " bytes and more are ACKed and get no reply "
			 "at all; %" PRIu32 " are answered",
			 bad.size, good.size);
		evidence(id,
			 "counting EHLO, that is the %" PRIu32 "th byte of the "
			 "connection",
			 id->bytes);
		evidence(id, reset ? "whatever is written after that is answered by a RST"
				   : "whatever is written after that is not ACKed");
	} else {
		evidence(id,
			 "envelopes of %" PRIu32 " bytes and more fail; %" PRIu32 " are answered",
			 bad.size, good.size);
		evidence_quote(id, &bad);
		if (bad.poke_acked)
			evidence(id, "whatever is written after that is still ACKed: the other end "
				     "is there, and silent");
		evidence_unsure(id);
	}
}

size_t threshold_find(const struct row *rows, size_t count)
{
	size_t first = 0;

	while (first < count && !trials_failed(&rows[first]))
		first++;
	for (size_t i = first; i < count; i++) {
		if (!trials_failed(&rows[i]))
			return 0;
	}
	return first > 0 && first + 1 < count ? first : 0;
}

void threshold_search(struct identify *id, struct row good, struct row bad, uint32_t header)
{
	while (bad.size - good.size > 1) {
		uint32_t sizes[STEP], between = bad.size - good.size - 1;
		size_t count = between < STEP ? between : STEP;
		struct row *rows;

		for (size_t i = 0; i < count; i++)
			sizes[i] = good.size + 1 + (uint32_t)(i * between / count);
		rows = trials_try_sizes(&id->trials, sizes, &count, 0);
		for (size_t i = 0; i < count; i++) {
			if (trials_failed(&rows[i]) && rows[i].size < bad.size)
				bad = rows[i];
		}
		for (size_t i = 0; i < count; i++) {
			if (!trials_failed(&rows[i]) && rows[i].size > good.size)
				good = rows[i];
		}
		free(rows);
		if (count == 0 || good.size > bad.size)	/* no threshold at all */
			break;
	}
	threshold_conclude(id, good, bad, header);
}
