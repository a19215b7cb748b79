/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/sizes.h"

#include "io/cli.h"
#include "probe/envelope.h"
#include "probe/threshold.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 100	/* if more sizes fail, not all are tried again, */
#define SAMPLE 30	/* but this many of them */
#define FIRST_PART 100	/* bytes of an envelope in two writes */
#define HYPOTHESES_MAX ENVELOPE_MAX

/* A stall of `first` bytes ends with more data, unless there are exactly S more. Tries the S of
 * each hypothesis. Returns how many hypotheses are left. */
static size_t decide(struct identify *id, struct hypothesis *h, size_t count, uint32_t first)
{
	uint32_t *sizes = calloc(count, sizeof(*sizes));
	size_t left = 0, tried = 0;
	struct row *rows;

	if (!sizes)
		cli_die("out of memory");
	for (size_t i = 0; i < count; i++) {
		if (h[i].class == CLASS_OFF_BY_ONE)
			sizes[tried++] = first + h[i].segment_size;
	}
	rows = trials_try_sizes(&id->trials, sizes, &tried, first);
	for (size_t i = 0; i < count; i++) {
		if (hypothesis_explains(&h[i], rows, tried, first))
			h[left++] = h[i];
	}
	if (left == 1 && h[0].class == CLASS_OFF_BY_ONE)
		evidence(id,
			 "more data ends a stall of %" PRIu32 " bytes, unless it is exactly "
			 "%" PRIu32 " bytes",
			 first, h[0].segment_size);
	if (left == 1 && count > 1)
		evidence(id, "%zu hypotheses explain the rest; this leaves one of them", count);
	free(rows);
	free(sizes);
	return left;
}

/* Does a hypothesis predict what nobody has tried yet: the results of envelopes whose first part is
 * sent by itself? Tries twice, because chance may be right once. */
static bool is_confirmed(struct identify *id, const struct hypothesis *h)
{
	uint32_t loses = h->class == CLASS_OFF_BY_ONE ? h->by : 1;
	uint32_t size = FIRST_PART + h->segment_size + loses;
	const uint32_t sizes[] = { size - 1, size, size + 1, size + h->by };

	for (unsigned i = 0; i < 2; i++) {
		size_t count = sizeof(sizes) / sizeof(*sizes);
		struct row *rows = trials_try_sizes(&id->trials, sizes, &count, FIRST_PART);
		bool good = count > 0 && hypothesis_explains(h, rows, count, FIRST_PART);

		free(rows);
		if (!good)
			return false;
	}
	return true;
}

/* Lists the sizes that failed, at most a few of them. */
static void list_failed(const struct row *rows, size_t count, char *text, size_t size)
{
	size_t listed = 0, bad = 0;

	text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		size_t used = strlen(text);

		bad += trials_failed(&rows[i]);
		if (!trials_failed(&rows[i]) || listed == 6)
			continue;
		listed++;
		snprintf(text + used, size - used,
			 "%s%" PRIu32 " (%" PRIu32 " of %" PRIu32 " replies)",
			 listed > 1 ? ", " : "", rows[i].size, rows[i].replies,
			 rows[i].replies_due);
	}
	if (bad > listed)
		snprintf(text + strlen(text), size - strlen(text), " and %zu more", bad - listed);
}

/* Finds what explains these rows: all sizes from the least on, some of which failed. */
static void conclude_sizes(struct identify *id, const struct row *rows, size_t count)
{
	static struct hypothesis h[2 * HYPOTHESES_MAX];
	const struct row *least = rows;	/* of those that failed */
	uint32_t first;
	bool acked = true;
	char text[512];
	size_t n;

	for (size_t i = 0; i < count; i++) {
		if (trials_failed(&rows[i]) && !trials_failed(least))
			least = &rows[i];
		acked = acked && (!trials_failed(&rows[i]) || trials_all_acked(&rows[i]));
	}
	first = least->size;
	list_failed(rows, count, text, sizeof(text));
	evidence(id,
		 "of all sizes from %" PRIu32 " to %" PRIu32 ", each in one segment, these fail: "
		 "%s",
		 rows[0].size, rows[count - 1].size, text);
	evidence(id, acked ? "every byte of them was ACKed" : "not every byte of them was ACKed");
	n = hypothesis_all(rows, count, first, h);
	if (n > 1 || (n == 1 && h[0].class == CLASS_OFF_BY_ONE))
		n = decide(id, h, n, first);
	if (n == 1 && !is_confirmed(id, &h[0])) {
		evidence(id, "the only hypothesis that explains this mispredicts split writes");
		n = 0;
	}
	if (n == 0) {
		evidence_quote(id, least);
		evidence_unsure(id);
		return;
	}
	id->class = h[0].class;
	id->segment_size = h[0].segment_size;
	id->over = h[0].class == CLASS_OFF_BY_ONE ? h[0].by : 0;
	id->bytes = h[0].class == CLASS_LOSE_TAIL ? h[0].by : 0;
	id->sure = id->sure && n == 1;
	if (n > 1)
		evidence(id, "%zu hypotheses are left; this is the simplest", n);
	evidence(id,
		 id->class == CLASS_OFF_BY_ONE
			 ? "the replies match a loop that forwards pieces of "
			   "%" PRIu32 " bytes and stops at %" PRIu32 " bytes pending"
			 : "the replies match pieces of %" PRIu32
			   " bytes whose last one is lost if it has no more than %" PRIu32,
		 id->segment_size, id->over ? id->segment_size + id->over : id->bytes);
}

/* Do some sizes get other replies than the smallest? A server may refuse all recipients, or
 * none. */
static void note_codes(struct identify *id, const struct row *rows, size_t count)
{
	const struct row *odd = NULL;
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct sweep_codes *c = &rows[i].codes, *base = &id->codes;

		if (trials_failed(&rows[i]) || (!c->mixed && c->mail == base->mail &&
						c->rcpt == base->rcpt && c->data == base->data))
			continue;
		odd = odd ? odd : &rows[i];
		n++;
	}
	if (n == 0)
		return;
	id->odd += n;
	evidence(id,
		 "%zu sizes get other replies than the smallest: %" PRIu32 " bytes, for example, "
		 "get %cxx, %cxx%s, %cxx, not %cxx, %cxx, %cxx, to MAIL, RCPT, DATA",
		 n, odd->size, odd->codes.mail, odd->codes.rcpt,
		 odd->codes.mixed ? " and others" : "", odd->codes.data, id->codes.mail,
		 id->codes.rcpt, id->codes.data);
}

/* Tries again as long as that makes a difference, but only a few times. Returns false if chance
 * plays such a part that nothing can be concluded. */
static bool try_again(struct identify *id, struct row *rows, size_t count)
{
	size_t bad = 0;

	for (size_t i = 0; i < count; i++)
		bad += trials_failed(&rows[i]);
	if (bad == 0)
		return true;
	if (bad > MANY && trials_try_once_more(&id->trials, rows, count, SAMPLE) > 0)
		return false;
	for (unsigned i = 0; i < TRIALS_AGAIN && bad <= MANY; i++) {
		if (trials_try_once_more(&id->trials, rows, count, count) == 0)
			break;
	}
	return true;
}

void sizes_try_all(struct identify *id, uint32_t most, uint32_t header)
{
	size_t count = most - ENVELOPE_MIN + 1, bad = 0, first;
	uint32_t *sizes = calloc(count, sizeof(*sizes));
	struct row *rows;
	bool systematic;

	if (!sizes)
		cli_die("out of memory");
	for (size_t i = 0; i < count; i++)
		sizes[i] = ENVELOPE_MIN + (uint32_t)i;
	rows = trials_try_sizes(&id->trials, sizes, &count, 0);
	note_codes(id, rows, count);
	systematic = try_again(id, rows, count);
	for (size_t i = 0; i < count; i++)
		bad += trials_failed(&rows[i]);
	first = threshold_find(rows, count);
	if (!systematic) {
		evidence(id, "%zu of %zu sizes fail, but different ones each time", bad, count);
		evidence_unsure(id);
	} else if (bad == 0 && id->trials.unserved > 0) {
		evidence(id, "all %zu sizes for which the server was ready are answered", count);
	} else if (bad == 0) {
		evidence(id,
			 "all envelopes from %d to %" PRIu32 " bytes, which is a full segment, "
			 "are answered",
			 ENVELOPE_MIN, most);
	} else if (first > 0 && !trials_all_acked(&rows[first])) {
		threshold_conclude(id, rows[first - 1], rows[first], header);
	} else {
		conclude_sizes(id, rows, count);
	}
	free(rows);
	free(sizes);
}
