/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/identify.h"

#include "core/units.h"
#include "io/cli.h"
#include "io/clock.h"
#include "probe/envelope.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define COARSE 24	/* sizes tried at first, and in each step of a search */
#define GROUPS 4
#define GROUP 4		/* envelopes of a kind, to measure the server itself */
#define SLOW_NS (100 * NS_PER_MS)	/* for each recipient; less is normal for any server */
#define MANY 100	/* if more sizes fail, not all are tried again, */
#define SAMPLE 30	/* but this many of them */
#define PATIENCE 10	/* times the time-out, because a server may be slow */
#define LONG_S 30	/* nothing longer than this is done unasked */
#define FIRST_PART 100	/* of an envelope in two writes */
#define HYPOTHESES_MAX ENVELOPE_MAX

__attribute__((format(printf, 2, 3))) static void evidence(struct identify *id, const char *format,
							   ...)
{
	va_list ap;

	if (id->evidence_count == IDENTIFY_EVIDENCE_MAX)
		return;
	va_start(ap, format);
	if (vasprintf(&id->evidence[id->evidence_count], format, ap) < 0)
		cli_die("out of memory");
	va_end(ap);
	id->evidence_count++;
}

/* Quotes what became of an envelope that failed, in the server's own words if there are any. */
static void quote(struct identify *id, const struct row *row)
{
	char note[PRINT_NOTE_BYTES];

	print_note(note, row);
	if (note[0] != '\0')
		evidence(id, "of one of %" PRIu32 " bytes: %s", row->size, note);
}

/* Conclusions ---------------------------------------------------------------------------- */

static void unsure(struct identify *id)
{
	id->class = CLASS_UNSURE;
	id->sure = false;
}

/* Does an envelope of one size fail, and one of the other not, whenever they are tried? The rows
 * become the last ones. */
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

/* Every size from `bad` on fails, and no size up to `good`. */
static void conclude_threshold(struct identify *id, struct row good, struct row bad,
			       uint32_t header)
{
	bool reset;

	if (bad.size != good.size + 1 || !is_the_size(id, &good, &bad)) {
		evidence(id, "large envelopes fail and small ones do not, but the size from which "
			     "they fail changes");
		unsure(id);
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
			 "with EHLO before it that is the %" PRIu32 "th byte of the "
			 "connection",
			 id->bytes);
		evidence(id, reset ? "whatever is written after that is answered by a RST"
				   : "whatever is written after that is not ACKed");
	} else {
		evidence(id,
			 "envelopes of %" PRIu32 " bytes and more fail; %" PRIu32 " are answered",
			 bad.size, good.size);
		quote(id, &bad);
		if (bad.poke_acked)
			evidence(id, "whatever is written after that is still ACKed: the other end "
				     "is there, and silent");
		unsure(id);
	}
}

/* Do rows fail from one of them on, more than one of them, and none before? Returns the first; 0:
 * no. */
static size_t threshold(const struct row *rows, size_t count)
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

/* Searches for the first size that fails, between one that does not and one that does. */
static void search_threshold(struct identify *id, struct row good, struct row bad, uint32_t header)
{
	while (bad.size - good.size > 1) {
		uint32_t sizes[COARSE], between = bad.size - good.size - 1;
		size_t count = between < COARSE ? between : COARSE;
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
	conclude_threshold(id, good, bad, header);
}

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
			 "more data ends a stall of %" PRIu32 " bytes, but %" PRIu32 " bytes more "
			 "do not",
			 first, h[0].segment_size);
	if (left == 1 && count > 1)
		evidence(id, "of %zu hypotheses that explain the rest, that leaves one", count);
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
		 "of all sizes from %" PRIu32 " to %" PRIu32 " in one segment these fail: "
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
		quote(id, least);
		unsure(id);
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
		 "%zu sizes get other replies than the smallest, as %" PRIu32 " bytes: %cxx, "
		 "%cxx%s, %cxx, and not %cxx, %cxx, %cxx to MAIL, RCPT, DATA",
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

/* Tries all sizes that fit in one segment. */
static void try_all(struct identify *id, uint32_t most, uint32_t header)
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
	first = threshold(rows, count);
	if (!systematic) {
		evidence(id, "%zu of %zu sizes fail, but other ones each time", bad, count);
		unsure(id);
	} else if (bad == 0 && id->trials.unserved > 0) {
		evidence(id, "all %zu sizes for which the server was ready are answered", count);
	} else if (bad == 0) {
		evidence(id,
			 "all envelopes from %d to %" PRIu32 " bytes, which is a full segment, "
			 "are answered",
			 ENVELOPE_MIN, most);
	} else if (first > 0 && !trials_all_acked(&rows[first])) {
		conclude_threshold(id, rows[first - 1], rows[first], header);
	} else {
		conclude_sizes(id, rows, count);
	}
	free(rows);
	free(sizes);
}

/* Is a greeting mostly asterisks? */
static bool is_masked(const char *greeting)
{
	size_t stars = 0, len = strlen(greeting);

	for (size_t i = 0; i < len; i++)
		stars += greeting[i] == '*';
	return len > 4 && stars * 2 > len - 4;
}

/* The server -------------------------------------------------------------------------------- */

/* The shortest time that an envelope of a group took; UINT64_MAX: none was answered, or only after
 * repetitions, whose time is the network's. */
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
			 "%" PRIu32 " bytes more, with the same recipients, take %.2f s "
			 "more",
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

/* Measures the server, and what fails at a glance. Returns false, and why, if no more can be
 * tried. */
static bool measure(struct identify *id, uint32_t *most, uint32_t *header, bool *masked,
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
		quote(id, base);
		unsure(id);
	} else {
		trials_try_unserved(&id->trials, rows, count);
		count = trials_keep_served(&id->trials, rows, count);
		measure_delay(id, rows, count);
	}
	free(rows);
	return good;
}

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
	first = threshold(coarse, count);
	if (first > 0)
		search_threshold(id, coarse[first - 1], coarse[first], header);
	else
		try_all(id, most, header);
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
		unsure(id);
	else if (masked)
		id->class = CLASS_BANNER_MASK;
	else if (id->delay_ns > 0)
		id->class = CLASS_SLOW_SERVER;
}

static bool find_out(struct identify *id, struct error *error)
{
	uint32_t most, header;
	bool masked;

	if (!measure(id, &most, &header, &masked, error))
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

/* Results -------------------------------------------------------------------------------- */
