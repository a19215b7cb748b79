/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/trials.h"

#include "io/cli.h"
#include "io/random.h"

#include <stdlib.h>
#include <string.h>

#define CALM 4		/* times fewer connections at once, for a server that refuses some */

bool trials_failed(const struct row *row)
{
	return !sweep_answered(row->outcome);
}

bool trials_all_acked(const struct row *row)
{
	return row->bytes_acked == row->size;
}

/* Shuffles rows, so that a fault of one moment is not taken for one of a size. Without a seed the
 * order is always the same, so that two runs can be compared. */
static void shuffle(struct row *rows, size_t count)
{
	uint64_t random = 513;

	random_from_seed("reseg-probe", &random, sizeof(random));
	for (size_t i = count; i > 1; i--) {
		struct row row = rows[i - 1];
		size_t k;

		random = random * UINT64_C(6364136223846793005) +
			 UINT64_C(1442695040888963407); /* Knuth's MMIX */
		k = (random >> 33) % i;
		rows[i - 1] = rows[k];
		rows[k] = row;
	}
}

static int compare_sizes(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return (x->size > y->size) - (x->size < y->size);
}

struct row *trials_new_rows(const uint32_t *sizes, size_t count)
{
	struct row *rows = calloc(count + 1, sizeof(*rows));

	if (!rows)
		cli_die("out of memory");
	for (size_t i = 0; i < count; i++)
		rows[i].size = sizes[i];
	return rows;
}

void trials_run(struct trials *t, struct row *rows, size_t count, uint32_t split, bool poke)
{
	struct sweep s = {
		.target = t->target,
		.split = split,
		.timeout_ns = t->timeout_ns,
		.limit_ns = t->limit_ns,
		.poke = poke,
		.parallel = t->parallel,
		.count = count,
		.progress = t->progress,
		.rows = rows,
	};

	shuffle(rows, count);
	if (sweep_run(&s) < 0)
		cli_die("out of memory or descriptors");
	qsort(rows, count, sizeof(*rows), compare_sizes);
	t->connections += count;
	for (size_t i = 0; i < count; i++) {
		if (rows[i].written && rows[i].said.refusal[0] != '\0' && t->refused++ == 0)
			memcpy(t->refusal, rows[i].said.refusal, sizeof(t->refusal));
	}
}

/* Tries again, with fewer at once, the rows for which the server was not ready. */
void trials_try_unserved(struct trials *t, struct row *rows, size_t count)
{
	for (unsigned i = 0; i < TRIALS_AGAIN; i++) {
		size_t n = 0, k = 0;
		struct row *again = calloc(count + 1, sizeof(*again));

		if (!again)
			cli_die("out of memory");
		for (size_t r = 0; r < count; r++) {
			if (!rows[r].written)
				again[n++].size = rows[r].size;
		}
		if (n > 0 && n < count) {
			t->parallel = t->parallel > CALM ? t->parallel / CALM : 1;
			trials_run(t, again, n, 0, false);
			for (size_t r = 0; r < count; r++) {
				if (!rows[r].written)
					rows[r] = again[k++];
			}
		}
		free(again);
		if (n == 0 || n == count)
			break;
	}
}

/* Removes the rows that never got to an envelope, and notes what the server said. Returns how many
 * are left. */
size_t trials_keep_served(struct trials *t, struct row *rows, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (rows[i].written) {
			rows[kept++] = rows[i];
			continue;
		}
		if (t->unserved++ == 0)
			print_note(t->unserved_text, &rows[i]);
	}
	return kept;
}

/* Tries sizes, in one write, or in two of which the first ends at `split`. *count becomes the
 * number for which the server was ready. The caller frees the rows, which are in the order of their
 * sizes. */
struct row *trials_try_sizes(struct trials *t, const uint32_t *sizes, size_t *count, uint32_t split)
{
	struct row *rows = trials_new_rows(sizes, *count);

	trials_run(t, rows, *count, split, false);
	if (split == 0)
		trials_try_unserved(t, rows, *count);
	*count = trials_keep_served(t, rows, *count);
	return rows;
}

/* Tries what failed, or a sample of it, once more. Returns how many did not fail then. */
size_t trials_try_once_more(struct trials *t, struct row *rows, size_t count, size_t most)
{
	uint32_t *sizes = calloc(count + 1, sizeof(*sizes));
	size_t bad = 0, tried = 0, chance = 0, nth = 0;
	struct row *again;

	if (!sizes)
		cli_die("out of memory");
	for (size_t i = 0; i < count; i++)
		bad += trials_failed(&rows[i]);
	for (size_t i = 0; i < count; i++) {
		/* Spreads the sample evenly. */
		if (trials_failed(&rows[i]) && nth++ * (bad < most ? bad : most) / bad >= tried)
			sizes[tried++] = rows[i].size;
	}
	again = trials_new_rows(sizes, tried);
	trials_run(t, again, tried, 0, false);
	for (size_t i = 0, k = 0; i < count && k < tried; i++) {
		if (rows[i].size != again[k].size)
			continue;
		if (again[k].written && !trials_failed(&again[k])) {
			chance++;
			if (rows[i].timed_out && trials_all_acked(&rows[i]))
				t->intermittent++;
			else
				t->lost++;
		}
		if (again[k].written)
			rows[i] = again[k];
		k++;
	}
	free(again);
	free(sizes);
	return chance;
}
