/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/hypothesis.h"

#include "probe/envelope.h"

/* How many bytes of an envelope a server gets if the writes end at parts[0], parts[1]. */
static uint32_t delivered(const struct hypothesis *h, const uint32_t parts[2])
{
	uint32_t got = 0, pending, lost = 0;

	for (unsigned i = 0; i < 2; i++) {
		if (i > 0 && parts[1] == parts[0])
			break;
		pending = parts[i] - got;
		while (pending > 0) {
			uint32_t piece = pending < h->segment_size ? pending : h->segment_size;

			if (h->class == CLASS_OFF_BY_ONE && pending - h->segment_size == h->by)
				break;
			if (h->class == CLASS_LOSE_TAIL && pending == piece && piece <= h->by &&
			    lost == 0)
				lost = got + 1;
			got += piece;
			pending -= piece;
		}
	}
	return lost > 0 ? lost - 1 : got;
}

/* The number of replies to the part of an envelope that arrives. */
static uint32_t replies_to(uint32_t size, uint32_t arrived)
{
	static char envelope[ENVELOPE_MAX];
	uint32_t replies = 0;

	envelope_build(envelope, size);
	for (uint32_t i = 0; i < arrived; i++)
		replies += envelope[i] == '\n';
	return replies;
}

/* Did this happen as predicted? The first write of the row ended at split; 0: there was only
 * one. */
static bool predicts(const struct hypothesis *h, const struct row *row, uint32_t split)
{
	uint32_t parts[2] = { split > 0 ? split : row->size, row->size };
	uint32_t arrived = delivered(h, parts);

	if (arrived == row->size)
		return sweep_answered(row->outcome);
	return row->outcome == OUTCOME_STALLED && row->replies == replies_to(row->size, arrived);
}

bool hypothesis_explains(const struct hypothesis *h, const struct row *rows, size_t count,
			 uint32_t split)
{
	for (size_t i = 0; i < count; i++) {
		if (!predicts(h, &rows[i], split))
			return false;
	}
	return true;
}

/* Finds all hypotheses that explain the rows; `first` is the size of the first row that failed.
 * Returns how many. */
size_t hypothesis_all(const struct row *rows, size_t count, uint32_t first, struct hypothesis *out)
{
	size_t n = 0;

	for (uint32_t by = 1; by < first; by++) {
		const struct hypothesis h[2] = {
			{ CLASS_OFF_BY_ONE, first - by, by },
			{ CLASS_LOSE_TAIL, first - 1, by },
		};

		for (size_t i = 0; i < 2; i++) {
			if (hypothesis_explains(&h[i], rows, count, 0))
				out[n++] = h[i];
		}
	}
	return n;
}
