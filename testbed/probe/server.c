/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/server.h"

#include "core/units.h"
#include "probe/envelope.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define GROUPS 4
#define GROUP 4		/* envelopes of a kind, to measure the server itself */
#define SLOW_NS (100 * NS_PER_MS)	/* for each recipient; less is normal for any server */
#define PATIENCE 10	/* times the time-out, because a server may be slow */

/* Is a greeting mostly asterisks? */
static bool is_masked(const char *greeting)
{
	size_t stars = 0, len = strlen(greeting);

	for (size_t i = 0; i < len; i++)
		stars += greeting[i] == '*';
	return len > 4 && stars * 2 > len - 4;
}

/* The shortest time that an envelope of a group took; UINT64_MAX: none was answered, or only after
 * retransmissions, whose time is the network's. */
static uint64_t group_time(const struct row *rows, size_t count, uint32_t first)
{
	uint64_t best = UINT64_MAX;

	for (size_t i = 0; i < count; i++) {
		if (rows[i].size >= first && rows[i].size < first + GROUP &&
		    !trials_failed(&rows[i]) && rows[i].retransmitted == 0 &&
		    rows[i].time_ns < best)
			best = rows[i].time_ns;
	}
	return best;
}

static uint64_t difference(uint64_t a, uint64_t b)
{
	return a != UINT64_MAX && b != UINT64_MAX && b > a ? b - a : 0;
}

/*
 * Measures the server's own time for each recipient. There are four groups of sizes: the second has
 * one more recipient and hardly a byte more, the third has many more bytes and the same recipients,
 * and the fourth has one more recipient again. Time that grows with recipients is the server's;
 * time that grows with bytes is not.
 */
static const uint32_t group_first[GROUPS] = { 283, 287, 549, 553 };	/* 1, 2, 2, 3 recipients */

static void measure_delay(struct identify *id, const struct row *rows, size_t count)
{
	uint64_t time[GROUPS], one, other, by_size;

	for (unsigned i = 0; i < GROUPS; i++)
		time[i] = group_time(rows, count, group_first[i]);
	one = difference(time[0], time[1]);
	other = difference(time[2], time[3]);
	by_size = difference(time[1], time[2]);
	if (by_size >= SLOW_NS && by_size > one / 2) {
		id->odd++;
		evidence(id,
			 "%" PRIu32 " extra bytes, with the same recipients, take %.2f s "
			 "longer",
			 group_first[2] - group_first[1], (double)by_size / NS_PER_S);
		return;
	}
	if (one < SLOW_NS)
		return;
	if (time[3] == UINT64_MAX || time[2] == UINT64_MAX) {
		id->delay_ns = one;
		id->sure = false;
		evidence(id,
			 "a second recipient adds %.2f s, and a third was not answered within %.0f "
			 "s",
			 (double)one / NS_PER_S, (double)id->trials.timeout_ns / NS_PER_S);
	} else if (other >= one / 2) {
		id->delay_ns = one < other ? one : other;
		evidence(id, "each extra recipient adds %.2f s; %" PRIu32 " extra bytes add %.2f s",
			 (double)id->delay_ns / NS_PER_S, group_first[2] - group_first[1],
			 (double)by_size / NS_PER_S);
	}
}

bool server_measure(struct identify *id, uint32_t *most, uint32_t *header, bool *masked,
		    struct error *error)
{
	uint32_t sizes[1 + GROUPS * GROUP] = { ENVELOPE_MIN };
	size_t count = sizeof(sizes) / sizeof(*sizes), n = 1;
	struct row *rows, *base;
	bool good = true;

	for (unsigned i = 0; i < GROUPS; i++) {
		for (uint32_t k = 0; k < GROUP; k++)
			sizes[n++] = group_first[i] + k;
	}
	rows = trials_new_rows(sizes, count);
	base = rows;
	trials_run(&id->trials, rows, count, 0, false);
	/* A SYN may be lost, and a slow server must not look like a path on which nothing with two
	 * recipients is answered. */
	for (unsigned i = 0; i < 2 && (!base->written || trials_failed(base) ||
				       base->time_ns * PATIENCE > id->trials.timeout_ns);
	     i++) {
		if (base->limited || (base->outcome == OUTCOME_REFUSED && base->timed_out == false))
			break;
		if (base->written && i == 0)
			id->trials.timeout_ns *= PATIENCE;
		else if (base->written)
			break;
		memset(rows, 0, count * sizeof(*rows));
		for (size_t k = 0; k < count; k++)
			rows[k].size = sizes[k];
		trials_run(&id->trials, rows, count, 0, false);
	}
	*most = base->mss;
	*header = base->mtu > base->mss ? base->mtu - base->mss : 0;
	*masked = is_masked(base->greeting);
	id->codes = base->codes;
	if (!base->written) {
		print_note(id->trials.unserved_text, base);
		good = error_set(error, 0, "%s", id->trials.unserved_text);
	} else if (trials_failed(base)) {
		evidence(id, "even an envelope of %d bytes is not answered", ENVELOPE_MIN);
		evidence_quote(id, base);
		evidence_unsure(id);
	} else {
		trials_try_unserved(&id->trials, rows, count);
		count = trials_keep_served(&id->trials, rows, count);
		measure_delay(id, rows, count);
	}
	free(rows);
	return good;
}
