/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_PROBE_TRIALS_H
#define RESEG_PROBE_TRIALS_H

/*
 * Trials of envelopes: all in turn, and once more where chance may have been at work
 */

#include "probe/print.h"
#include "probe/sweep.h"

#define TRIALS_AGAIN 4	/* how often what fails is tried again */

struct trials {
	/* in */
	union net_address target;
	uint64_t timeout_ns;
	uint64_t limit_ns;	/* as in struct sweep */
	unsigned parallel;	/* is reduced for a server that refuses some */
	void (*progress)(size_t done, size_t count, size_t waiting);	/* or NULL */
	/* what was noted on the way */
	size_t connections;
	size_t lost;		/* envelopes that were ACKed only on a second try */
	size_t intermittent;	/* that were ACKed, but answered only on a second try */
	size_t unserved;	/* connections in which the server was not ready for one, */
	char unserved_text[PRINT_NOTE_BYTES];	/* and what it said */
	size_t refused;		/* envelopes of which the server refused something, */
	char refusal[REPLY_TEXT_BYTES];	/* and its words */
};

bool trials_failed(const struct row *row);
bool trials_all_acked(const struct row *row);

/* Makes rows of these sizes, which the caller frees. */
struct row *trials_new_rows(const uint32_t *sizes, size_t count);

/* Tries them, in one write, or in two of which the first ends at `split`; afterwards they are
 * sorted by size. poke: as in struct sweep. */
void trials_run(struct trials *t, struct row *rows, size_t count, uint32_t split, bool poke);

/* Tries again, with fewer at once, the rows for which the server was not ready. */
void trials_try_unserved(struct trials *t, struct row *rows, size_t count);

/* Removes the rows that never got to an envelope, and notes what the server said. Returns how many
 * are left. */
size_t trials_keep_served(struct trials *t, struct row *rows, size_t count);

/* Does all of that for these sizes. *count becomes the number for which the server was ready. The
 * caller frees the rows, which are sorted by size. */
struct row *trials_try_sizes(struct trials *t, const uint32_t *sizes, size_t *count,
			     uint32_t split);

/* Tries what failed, or a sample of it, once more. Returns how many did not fail then. */
size_t trials_try_once_more(struct trials *t, struct row *rows, size_t count, size_t most);

#endif
