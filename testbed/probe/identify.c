/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/identify.h"

#include "core/units.h"
#include "io/cli.h"
#include "io/clock.h"
#include "probe/envelope.h"
#include "probe/print.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define COARSE 24	/* sizes tried at first, and in each step of a search */
#define GROUPS 4
#define GROUP 4		/* envelopes of a kind, to measure the server itself */
#define SLOW_NS (100 * NS_PER_MS)	/* for each recipient; less is any server's own */
#define AGAIN 4		/* times that what fails is tried again */
#define MANY 100	/* sizes that fail are not all tried again, */
#define SAMPLE 30	/* but so many of them */
#define PATIENCE 10	/* times the time-out, for a server that may be slow */
#define CALM 4		/* times fewer connections at once, for a server that refuses some */
#define LONG_S 30	/* nothing that takes longer is done unasked */
#define FIRST_PART 100	/* of an envelope in two writes */
#define HYPOTHESES_MAX ENVELOPE_MAX

static const char *const class_names[CLASSES] = {
	"none", "off-by-one", "lose-tail", "mtu-blackhole", "ack-then-die", "banner-mask",
	"slow-server", "unsure",
};

static const char *const class_texts[CLASSES] = {
	"no fault found",
	"a box that re-segments keeps back what its loop has no case for",
	"a box that re-segments loses short last pieces",
	"an MTU black hole: packets over a size vanish, and nobody is told",
	"a box ACKs so much and then lets nothing pass",
	"a relay on the way hides the server's greeting",
	"the server takes its time for each recipient: call-outs, not the network",
	"something is wrong, and no hypothesis explains it",
};

/* A write of many bytes, or two, through a box that cuts at segment_size. */
struct hypothesis {
	enum identify_class class;
	uint32_t segment_size;
	uint32_t by;	/* off-by-one: over; lose-tail: bytes */
};

__attribute__((format(printf, 2, 3)))
static void evidence(struct identify *id, const char *format, ...)
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

/* What became of an envelope that failed, in the server's own words if there are any. */
static void quote(struct identify *id, const struct row *row)
{
	char note[PRINT_NOTE_BYTES];

	print_note(note, row);
	if (note[0] != '\0')
		evidence(id, "of one of %" PRIu32 " bytes: %s", row->size, note);
}

/* Predictions ---------------------------------------------------------------------------- */

/* How many bytes of the envelope a server gets, of writes that end at parts[0], parts[1]. */
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
			if (h->class == CLASS_LOSE_TAIL && pending == piece && piece <= h->by && lost == 0)
				lost = got + 1;
			got += piece;
			pending -= piece;
		}
	}
	return lost > 0 ? lost - 1 : got;
}

/* The replies to what arrives of an envelope. */
static uint32_t replies_to(uint32_t size, uint32_t arrived)
{
	static char envelope[ENVELOPE_MAX];
	uint32_t replies = 0;

	envelope_build(envelope, size);
	for (uint32_t i = 0; i < arrived; i++)
		replies += envelope[i] == '\n';
	return replies;
}

/* Did this happen as predicted? The first write of the row ended at split; 0: there was but one. */
static bool predicts(const struct hypothesis *h, const struct row *row, uint32_t split)
{
	uint32_t parts[2] = { split > 0 ? split : row->size, row->size };
	uint32_t arrived = delivered(h, parts);

	if (arrived == row->size)
		return sweep_answered(row->outcome);
	return row->outcome == OUTCOME_STALLED && row->replies == replies_to(row->size, arrived);
}

/* Experiments ---------------------------------------------------------------------------- */

static bool failed(const struct row *row)
{
	return !sweep_answered(row->outcome);
}

static bool all_acked(const struct row *row)
{
	return row->bytes_acked == row->size;
}

/* Into an order that has nothing to do with their sizes, or it could seem to be a size that matters
 * where it is a moment. */
static void shuffle(struct row *rows, size_t count)
{
	uint64_t random = 513;

	for (size_t i = count; i > 1; i--) {
		struct row row = rows[i - 1];
		size_t k;

		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);	/* Knuth's MMIX */
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

static struct row *new_rows(const uint32_t *sizes, size_t count)
{
	struct row *rows = calloc(count + 1, sizeof(*rows));

	if (!rows)
		cli_die("out of memory");
	for (size_t i = 0; i < count; i++)
		rows[i].size = sizes[i];
	return rows;
}

static void run_rows(struct identify *id, struct row *rows, size_t count, uint32_t split, bool poke)
{
	struct sweep s = {
		.target = id->target,
		.split = split,
		.timeout_ns = id->timeout_ns,
		.limit_ns = id->limit_ns,
		.poke = poke,
		.parallel = id->parallel,
		.count = count,
		.progress = id->progress,
		.rows = rows,
	};

	shuffle(rows, count);
	if (sweep_run(&s) < 0)
		cli_die("out of memory or descriptors");
	qsort(rows, count, sizeof(*rows), compare_sizes);
	id->connections += count;
	for (size_t i = 0; i < count; i++) {
		if (rows[i].written && rows[i].said.refusal[0] != '\0' && id->refused++ == 0)
			memcpy(id->refusal, rows[i].said.refusal, sizeof(id->refusal));
	}
}

/* Once more those for which the server was not ready, with fewer at once. */
static void try_unserved(struct identify *id, struct row *rows, size_t count)
{
	for (unsigned i = 0; i < AGAIN; i++) {
		size_t n = 0, k = 0;
		struct row *again = calloc(count + 1, sizeof(*again));

		if (!again)
			cli_die("out of memory");
		for (size_t r = 0; r < count; r++) {
			if (!rows[r].written)
				again[n++].size = rows[r].size;
		}
		if (n > 0 && n < count) {
			id->parallel = id->parallel > CALM ? id->parallel / CALM : 1;
			run_rows(id, again, n, 0, false);
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

/* Takes out those that did not come to an envelope, and notes what the server said. Returns how many are
 * left. */
static size_t keep_served(struct identify *id, struct row *rows, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (rows[i].written) {
			rows[kept++] = rows[i];
			continue;
		}
		if (id->unserved++ == 0)
			print_note(id->unserved_text, &rows[i]);
	}
	return kept;
}

/* Tries sizes, in one write, or in two of which the first ends at `split`. *count becomes how many the server
 * was ready for. The caller frees the rows, which are in the order of their sizes. */
static struct row *try_sizes(struct identify *id, const uint32_t *sizes, size_t *count, uint32_t split)
{
	struct row *rows = new_rows(sizes, *count);

	run_rows(id, rows, *count, split, false);
	if (split == 0)
		try_unserved(id, rows, *count);
	*count = keep_served(id, rows, *count);
	return rows;
}

/* Tries once more what failed, or a sample of it. Returns how many did not fail then. */
static size_t try_once_more(struct identify *id, struct row *rows, size_t count, size_t most)
{
	uint32_t *sizes = calloc(count + 1, sizeof(*sizes));
	size_t bad = 0, tried = 0, chance = 0, nth = 0;
	struct row *again;

	if (!sizes)
		cli_die("out of memory");
	for (size_t i = 0; i < count; i++)
		bad += failed(&rows[i]);
	for (size_t i = 0; i < count; i++) {
		/* Spread evenly. */
		if (failed(&rows[i]) && nth++ * (bad < most ? bad : most) / bad >= tried)
			sizes[tried++] = rows[i].size;
	}
	again = new_rows(sizes, tried);
	run_rows(id, again, tried, 0, false);
	for (size_t i = 0, k = 0; i < count && k < tried; i++) {
		if (rows[i].size != again[k].size)
			continue;
		if (again[k].written && !failed(&again[k])) {
			chance++;
			if (rows[i].timed_out && all_acked(&rows[i]))
				id->intermittent++;
			else
				id->lost++;
		}
		if (again[k].written)
			rows[i] = again[k];
		k++;
	}
	free(again);
	free(sizes);
	return chance;
}

/* Conclusions ---------------------------------------------------------------------------- */

static void unsure(struct identify *id)
{
	id->class = CLASS_UNSURE;
	id->sure = false;
}

/* Does it fail with an envelope of one size, and not with one of another, whenever it is tried? The rows
 * become the last ones. */
static bool is_the_size(struct identify *id, struct row *good, struct row *bad)
{
	for (unsigned i = 0; i < AGAIN - 1; i++) {
		struct row *rows = new_rows((const uint32_t[]){ good->size, bad->size }, 2);
		bool so;

		run_rows(id, rows, 2, 0, true);
		so = rows[0].written && rows[1].written && !failed(&rows[0]) && failed(&rows[1]);
		*good = rows[0];
		*bad = rows[1];
		free(rows);
		if (!so)
			return false;
	}
	return true;
}

/* Every size from `bad` on fails, and none up to `good`. */
static void conclude_threshold(struct identify *id, struct row good, struct row bad, uint32_t header)
{
	bool reset;

	if (bad.size != good.size + 1 || !is_the_size(id, &good, &bad)) {
		evidence(id, "large envelopes fail, small ones do not; but where that begins is not the same each time");
		unsure(id);
		return;
	}
	reset = bad.outcome == OUTCOME_RESET;
	if (bad.timed_out && bad.bytes_acked == 0) {
		id->class = CLASS_MTU_BLACKHOLE;
		id->bytes = good.size + header;
		evidence(id, "%" PRIu32 " bytes and more in one write are not ACKed, not even the first of them; %" PRIu32
			 " are, and answered", bad.size, good.size);
		evidence(id, "a packet with %" PRIu32 " bytes of data has %" PRIu32 " here", good.size, id->bytes);
	} else if ((bad.timed_out || reset) && all_acked(&bad) && bad.replies == 0 && !bad.poke_acked) {
		id->class = CLASS_ACK_THEN_DIE;
		id->bytes = bad.size + SWEEP_GREETING_BYTES;
		evidence(id, "envelopes of %" PRIu32 " bytes and more are ACKed and get no reply at all; %" PRIu32
			 " are answered", bad.size, good.size);
		evidence(id, "with EHLO before it that is the %" PRIu32 "th byte of the connection", id->bytes);
		evidence(id, reset ? "what is written then is answered by a RST" : "what is written then is not ACKed any more");
	} else {
		evidence(id, "envelopes of %" PRIu32 " bytes and more fail; %" PRIu32 " are answered", bad.size, good.size);
		quote(id, &bad);
		if (bad.poke_acked)
			evidence(id, "what is written then is still ACKed: the other end is there, and silent");
		unsure(id);
	}
}

/* Do rows fail from one of them on, more than one of them, and none before? Returns the first; 0:
 * they don't. */
static size_t threshold(const struct row *rows, size_t count)
{
	size_t first = 0;

	while (first < count && !failed(&rows[first]))
		first++;
	for (size_t i = first; i < count; i++) {
		if (!failed(&rows[i]))
			return 0;
	}
	return first > 0 && first + 1 < count ? first : 0;
}

/* Looks for the first size that fails, between one that does not and one that does. */
static void search_threshold(struct identify *id, struct row good, struct row bad, uint32_t header)
{
	while (bad.size - good.size > 1) {
		uint32_t sizes[COARSE], between = bad.size - good.size - 1;
		size_t count = between < COARSE ? between : COARSE;
		struct row *rows;

		for (size_t i = 0; i < count; i++)
			sizes[i] = good.size + 1 + (uint32_t)(i * between / count);
		rows = try_sizes(id, sizes, &count, 0);
		for (size_t i = 0; i < count; i++) {
			if (failed(&rows[i]) && rows[i].size < bad.size)
				bad = rows[i];
		}
		for (size_t i = 0; i < count; i++) {
			if (!failed(&rows[i]) && rows[i].size > good.size)
				good = rows[i];
		}
		free(rows);
		if (count == 0 || good.size > bad.size)	/* no threshold at all */
			break;
	}
	conclude_threshold(id, good, bad, header);
}

static bool explains(const struct hypothesis *h, const struct row *rows, size_t count, uint32_t split)
{
	for (size_t i = 0; i < count; i++) {
		if (!predicts(h, &rows[i], split))
			return false;
	}
	return true;
}

/* All hypotheses that explain the rows, of which the first that failed is `first`. Returns how
 * many. */
static size_t all_hypotheses(const struct row *rows, size_t count, uint32_t first, struct hypothesis *out)
{
	size_t n = 0;

	for (uint32_t by = 1; by < first; by++) {
		const struct hypothesis h[2] = {
			{ CLASS_OFF_BY_ONE, first - by, by },
			{ CLASS_LOSE_TAIL, first - 1, by },
		};

		for (size_t i = 0; i < 2; i++) {
			if (explains(&h[i], rows, count, 0))
				out[n++] = h[i];
		}
	}
	return n;
}

/* The stall of `first` bytes ends with more data: by how many it does not is S. Tries what each of
 * the hypotheses says. Returns how many are left. */
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
	rows = try_sizes(id, sizes, &tried, first);
	for (size_t i = 0; i < count; i++) {
		if (explains(&h[i], rows, tried, first))
			h[left++] = h[i];
	}
	if (left == 1 && h[0].class == CLASS_OFF_BY_ONE)
		evidence(id, "a stall of %" PRIu32 " bytes ends with more data, but not with %" PRIu32 " bytes", first,
			 h[0].segment_size);
	if (left == 1 && count > 1)
		evidence(id, "that leaves one of %zu hypotheses that explain the rest", count);
	free(rows);
	free(sizes);
	return left;
}

/* Does a hypothesis foretell what nobody has tried yet: what comes of envelopes whose first part is sent
 * by itself? Twice, for chance may be right once. */
static bool is_confirmed(struct identify *id, const struct hypothesis *h)
{
	uint32_t loses = h->class == CLASS_OFF_BY_ONE ? h->by : 1;
	uint32_t size = FIRST_PART + h->segment_size + loses;
	const uint32_t sizes[] = { size - 1, size, size + 1, size + h->by };

	for (unsigned i = 0; i < 2; i++) {
		size_t count = sizeof(sizes) / sizeof(*sizes);
		struct row *rows = try_sizes(id, sizes, &count, FIRST_PART);
		bool good = count > 0 && explains(h, rows, count, FIRST_PART);

		free(rows);
		if (!good)
			return false;
	}
	return true;
}

/* The sizes that failed, at most a few of them. */
static void list_failed(const struct row *rows, size_t count, char *text, size_t size)
{
	size_t listed = 0, bad = 0;

	text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		size_t used = strlen(text);

		bad += failed(&rows[i]);
		if (!failed(&rows[i]) || listed == 6)
			continue;
		listed++;
		snprintf(text + used, size - used, "%s%" PRIu32 " (%" PRIu32 " of %" PRIu32 " replies)", listed > 1 ? ", " : "",
			 rows[i].size, rows[i].replies, rows[i].replies_due);
	}
	if (bad > listed)
		snprintf(text + strlen(text), size - strlen(text), " and %zu more", bad - listed);
}

/* What explains these rows, all sizes from the least on, some of which failed. */
static void conclude_sizes(struct identify *id, const struct row *rows, size_t count)
{
	static struct hypothesis h[2 * HYPOTHESES_MAX];
	const struct row *least = rows;	/* of those that failed */
	uint32_t first;
	bool acked = true;
	char text[512];
	size_t n;

	for (size_t i = 0; i < count; i++) {
		if (failed(&rows[i]) && !failed(least))
			least = &rows[i];
		acked = acked && (!failed(&rows[i]) || all_acked(&rows[i]));
	}
	first = least->size;
	list_failed(rows, count, text, sizeof(text));
	evidence(id, "of all sizes from %" PRIu32 " to %" PRIu32 " in one segment these fail: %s", rows[0].size,
		 rows[count - 1].size, text);
	evidence(id, acked ? "every byte of them was ACKed" : "not every byte of them was ACKed");
	n = all_hypotheses(rows, count, first, h);
	if (n > 1 || (n == 1 && h[0].class == CLASS_OFF_BY_ONE))
		n = decide(id, h, n, first);
	if (n == 1 && !is_confirmed(id, &h[0])) {
		evidence(id, "the one hypothesis that explains this foretells wrongly what comes of two writes");
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
	evidence(id, id->class == CLASS_OFF_BY_ONE
		 ? "the replies are those to what a loop sends on that cuts pieces of %" PRIu32 " bytes and stops at %" PRIu32
		   " bytes pending"
		 : "the replies are those to all but a last piece, of pieces of %" PRIu32 " bytes, that is no longer than %"
		   PRIu32, id->segment_size, id->over ? id->segment_size + id->over : id->bytes);
}

/* Do some sizes get other replies than the smallest? A server may refuse all recipients, or none. */
static void note_codes(struct identify *id, const struct row *rows, size_t count)
{
	const struct row *odd = NULL;
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct sweep_codes *c = &rows[i].codes, *base = &id->codes;

		if (failed(&rows[i]) || (!c->mixed && c->mail == base->mail && c->rcpt == base->rcpt && c->data == base->data))
			continue;
		odd = odd ? odd : &rows[i];
		n++;
	}
	if (n == 0)
		return;
	id->odd += n;
	evidence(id, "%zu sizes get other replies than the smallest, as %" PRIu32 " bytes: %cxx, %cxx%s, %cxx, and not %cxx, %cxx, %cxx to "
		 "MAIL, RCPT, DATA", n, odd->size, odd->codes.mail, odd->codes.rcpt, odd->codes.mixed ? " and others" : "",
		 odd->codes.data, id->codes.mail, id->codes.rcpt, id->codes.data);
}

/* As long as that makes a difference, and no more than some times. Returns false if chance has so much to
 * say that nothing can be concluded. */
static bool try_again(struct identify *id, struct row *rows, size_t count)
{
	size_t bad = 0;

	for (size_t i = 0; i < count; i++)
		bad += failed(&rows[i]);
	if (bad == 0)
		return true;
	if (bad > MANY && try_once_more(id, rows, count, SAMPLE) > 0)
		return false;
	for (unsigned i = 0; i < AGAIN && bad <= MANY; i++) {
		if (try_once_more(id, rows, count, count) == 0)
			break;
	}
	return true;
}

/* All sizes that one segment takes. */
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
	rows = try_sizes(id, sizes, &count, 0);
	note_codes(id, rows, count);
	systematic = try_again(id, rows, count);
	for (size_t i = 0; i < count; i++)
		bad += failed(&rows[i]);
	first = threshold(rows, count);
	if (!systematic) {
		evidence(id, "%zu of %zu sizes fail, and others when they are tried again", bad, count);
		unsure(id);
	} else if (bad == 0 && id->unserved > 0) {
		evidence(id, "all %zu sizes for which the server was ready are answered", count);
	} else if (bad == 0) {
		evidence(id, "all envelopes from %d to %" PRIu32 " bytes, which is a full segment, are answered", ENVELOPE_MIN,
			 most);
	} else if (first > 0 && !all_acked(&rows[first])) {
		conclude_threshold(id, rows[first - 1], rows[first], header);
	} else {
		conclude_sizes(id, rows, count);
	}
	free(rows);
	free(sizes);
}

/* Does a greeting consist of asterisks, mostly? */
static bool is_masked(const char *greeting)
{
	size_t stars = 0, len = strlen(greeting);

	for (size_t i = 0; i < len; i++)
		stars += greeting[i] == '*';
	return len > 4 && stars * 2 > len - 4;
}

/* The server -------------------------------------------------------------------------------- */

/* The least time that envelopes of a group took; UINT64_MAX: none was answered, or only after repetitions, whose time
 * is the network's. */
static uint64_t group_time(const struct row *rows, size_t count, uint32_t first)
{
	uint64_t best = UINT64_MAX;

	for (size_t i = 0; i < count; i++) {
		if (rows[i].size >= first && rows[i].size < first + GROUP && !failed(&rows[i]) && rows[i].retransmitted == 0 &&
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
 * The server's own time for each recipient. Four groups of sizes: a recipient more with hardly a byte more, many bytes
 * more with the same recipients, and a recipient more again. Time that goes with recipients is the server's, time that
 * goes with bytes is not.
 */
static const uint32_t group_first[GROUPS] = { 283, 287, 549, 553 };	/* 1, 2, 2 and 3 recipients */

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
		evidence(id, "%" PRIu32 " bytes more, with the same recipients, take %.2f s more", group_first[2] - group_first[1],
			 (double)by_size / NS_PER_S);
		return;
	}
	if (one < SLOW_NS)
		return;
	if (time[3] == UINT64_MAX || time[2] == UINT64_MAX) {
		id->delay_ns = one;
		id->sure = false;
		evidence(id, "a second recipient takes %.2f s more, and a third was not answered in %.0f s", (double)one / NS_PER_S,
			 (double)id->timeout_ns / NS_PER_S);
	} else if (other >= one / 2) {
		id->delay_ns = one < other ? one : other;
		evidence(id, "each recipient more takes %.2f s more; %" PRIu32 " bytes more with the same recipients take %.2f s",
			 (double)id->delay_ns / NS_PER_S, group_first[2] - group_first[1], (double)by_size / NS_PER_S);
	}
}

/* Measures the server, and what fails at a glance. Returns NULL, or why no more can be tried. */
static const char *measure(struct identify *id, uint32_t *most, uint32_t *header, bool *masked)
{
	uint32_t sizes[1 + GROUPS * GROUP] = { ENVELOPE_MIN };
	size_t count = sizeof(sizes) / sizeof(*sizes), n = 1;
	const char *error = NULL;
	struct row *rows, *base;

	for (unsigned i = 0; i < GROUPS; i++) {
		for (uint32_t k = 0; k < GROUP; k++)
			sizes[n++] = group_first[i] + k;
	}
	rows = new_rows(sizes, count);
	base = rows;
	run_rows(id, rows, count, 0, false);
	/* A SYN may be lost, and a slow server must not look like a path on which nothing with two recipients is
	 * answered. */
	for (unsigned i = 0; i < 2 && (!base->written || failed(base) || base->time_ns * PATIENCE > id->timeout_ns); i++) {
		if (base->limited || (base->outcome == OUTCOME_REFUSED && base->timed_out == false))
			break;
		if (base->written && i == 0)
			id->timeout_ns *= PATIENCE;
		else if (base->written)
			break;
		memset(rows, 0, count * sizeof(*rows));
		for (size_t k = 0; k < count; k++)
			rows[k].size = sizes[k];
		run_rows(id, rows, count, 0, false);
	}
	*most = base->mss;
	*header = base->mtu > base->mss ? base->mtu - base->mss : 0;
	*masked = is_masked(base->greeting);
	id->codes = base->codes;
	if (!base->written) {
		print_note(id->unserved_text, base);
		error = id->unserved_text;
	} else if (failed(base)) {
		evidence(id, "even an envelope of %d bytes is not answered", ENVELOPE_MIN);
		quote(id, base);
		unsure(id);
	} else {
		try_unserved(id, rows, count);
		count = keep_served(id, rows, count);
		measure_delay(id, rows, count);
	}
	free(rows);
	return error;
}

/* How long all sizes take, at this server's pace. */
static double seconds_for_all(const struct identify *id, uint32_t most)
{
	double recipients = 1 + (double)most / 2 / 266;

	return recipients * (double)id->delay_ns / NS_PER_S * most / id->parallel;
}

/* Sizes: all of them, or where they begin to fail. */
static void try_the_path(struct identify *id, uint32_t most, uint32_t header)
{
	uint32_t sizes[COARSE];
	size_t count = COARSE, first;
	struct row *coarse;

	for (size_t i = 0; i < COARSE; i++)
		sizes[i] = ENVELOPE_MIN + (uint32_t)(i * (most - ENVELOPE_MIN) / (COARSE - 1));
	coarse = try_sizes(id, sizes, &count, 0);
	first = threshold(coarse, count);
	if (first > 0)
		search_threshold(id, coarse[first - 1], coarse[first], header);
	else
		try_all(id, most, header);
	free(coarse);
}

/* What is to be said beside the sizes, which may shake what they say. */
static void weigh(struct identify *id, bool masked)
{
	if (id->lost > 0)
		evidence(id, "%zu times an envelope was not ACKed, and then it was: packets are lost on the way", id->lost);
	if (id->intermittent > 0)
		evidence(id, "%zu times an envelope was ACKed and not answered, and then it was: TCP makes good what is lost, so that is no "
			 "mere loss", id->intermittent);
	if (id->unserved > 0)
		evidence(id, "%zu times the server was not ready for an envelope: %s", id->unserved, id->unserved_text);
	if (id->refused > 0)
		evidence(id,
			 "in %zu connections the server refused something of the envelope; that is a "
			 "reply, and no fault of the path; the first one: %s", id->refused,
			 id->refusal);
	if (masked)
		evidence(id, "the greeting is hidden behind asterisks: a relay on the way rewrites it");
	if (id->class != CLASS_NONE)
		return;
	if (id->intermittent > 0 || id->unserved > 0 || id->odd > 0)
		unsure(id);
	else if (masked)
		id->class = CLASS_BANNER_MASK;
	else if (id->delay_ns > 0)
		id->class = CLASS_SLOW_SERVER;
}

static const char *find_out(struct identify *id)
{
	uint32_t most, header;
	bool masked;
	const char *error = measure(id, &most, &header, &masked);

	if (error || id->class == CLASS_UNSURE)
		return error;
	if (id->delay_ns > 0) {
		/* All recipients of a full segment, and some patience. */
		uint64_t needed = id->delay_ns * (2 + most / 266) * 2;

		id->timeout_ns = needed > id->timeout_ns ? needed : id->timeout_ns;
	}
	if (seconds_for_all(id, most) <= LONG_S) {
		try_the_path(id, most, header);
	} else {
		id->sure = false;
		evidence(id, "that a size matters as well is not excluded: to try all would take %.0f s, or less with a larger "
			 "--parallel", seconds_for_all(id, most));
	}
	weigh(id, masked);
	return NULL;
}

const char *identify_run(struct identify *id)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	const char *error;

	id->class = CLASS_NONE;
	id->sure = true;
	error = find_out(id);
	id->time_ns = clock_ns(CLOCK_MONOTONIC) - start;
	return error;
}

void identify_free(struct identify *id)
{
	for (size_t i = 0; i < id->evidence_count; i++)
		free(id->evidence[i]);
	id->evidence_count = 0;
}

/* Results -------------------------------------------------------------------------------- */

void identify_print(FILE *out, const struct identify *id, const char *target)
{
	fprintf(out, "%s: %s%s\n", target, class_texts[id->class],
		id->class != CLASS_UNSURE && !id->sure ? " (likely)" : "");
	if (id->class == CLASS_OFF_BY_ONE)
		fprintf(out, "  as resegd --segment-size %" PRIu32 " --fault off-by-one:over=%" PRIu32 "\n", id->segment_size,
			id->over);
	if (id->class == CLASS_LOSE_TAIL)
		fprintf(out, "  as resegd --segment-size %" PRIu32 " --fault lose-tail:bytes=%" PRIu32 "\n", id->segment_size,
			id->bytes);
	if (id->class == CLASS_MTU_BLACKHOLE || id->class == CLASS_ACK_THEN_DIE)
		fprintf(out, "  as resegd --fault %s:bytes=%" PRIu32 "\n", class_names[id->class], id->bytes);
	if (id->class == CLASS_BANNER_MASK)
		fprintf(out, "  as resegd --fault banner-mask\n");
	for (size_t i = 0; i < id->evidence_count; i++)
		fprintf(out, "  - %s\n", id->evidence[i]);
	fprintf(out, "  %zu connections, %.1f s\n", id->connections, (double)id->time_ns / NS_PER_S);
}

static void set_known(json_t *object, const char *key, uint32_t value)
{
	if (value > 0)
		json_object_set_new(object, key, json_integer(value));
}

void identify_print_json(FILE *out, const struct identify *id, const char *target)
{
	json_t *list = json_array(), *object;

	for (size_t i = 0; i < id->evidence_count; i++)
		json_array_append_new(list, json_string(id->evidence[i]));
	object = json_pack("{s:s, s:s, s:s, s:b, s:I, s:f, s:o}", "target", target, "class", class_names[id->class],
			   "text", class_texts[id->class], "sure", (int)(id->sure && id->class != CLASS_UNSURE),
			   "connections", (json_int_t)id->connections, "time_s", (double)id->time_ns / NS_PER_S,
			   "evidence", list);
	set_known(object, "segment_size", id->segment_size);
	set_known(object, "over", id->over);
	set_known(object, "bytes", id->bytes);
	if (id->refused > 0)
		json_object_set_new(object, "refusal", json_string(id->refusal));
	if (id->delay_ns > 0)
		json_object_set_new(object, "delay_s", json_real((double)id->delay_ns / NS_PER_S));
	json_dumpf(object, out, JSON_INDENT(2));
	fprintf(out, "\n");
	json_decref(object);
}
