/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/identify.h"

#include "io/cli.h"
#include "io/clock.h"
#include "probe/envelope.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define NS_PER_S 1e9
#define COARSE 24	/* sizes tried at first, and in each step of a search */
#define BASE 5		/* connections that measure the server itself */
#define SLOW_NS 100000000	/* for each recipient; less is any server's own */
#define AGAIN 4		/* times that what fails is tried again */
#define PATIENCE 10	/* times the time-out, for a server that may be slow */
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
		return row->outcome == OUTCOME_OK;
	return row->outcome == OUTCOME_STALLED && row->replies == replies_to(row->size, arrived);
}

/* Experiments ---------------------------------------------------------------------------- */

/* Tries sizes from first on, `step` apart, with a split or in one write. The caller frees the
 * rows. */
static struct row *try_sizes(struct identify *id, const uint32_t *sizes, size_t count, uint32_t split)
{
	struct sweep s = {
		.target = id->target,
		.split = split,
		.timeout_ns = id->timeout_ns,
		.parallel = id->parallel,
		.count = count,
		.progress = id->progress,
		.rows = calloc(count + 1, sizeof(*s.rows)),
	};

	if (!s.rows)
		cli_die("out of memory");
	for (size_t i = 0; i < count; i++)
		s.rows[i].size = sizes[i];
	if (sweep_run(&s) < 0)
		cli_die("out of memory or descriptors");
	id->connections += count;
	return s.rows;
}

static bool failed(const struct row *row)
{
	return row->outcome != OUTCOME_OK;
}

static uint32_t recipients(const struct row *row)
{
	return row->replies_due - 2;
}

/* The server's own time for each recipient, by envelopes of one and of several. Several sizes,
 * and the quickest counts: one may be such that the network keeps it. */
static uint64_t delay_of(const struct row *base)
{
	uint64_t best = UINT64_MAX;

	for (size_t i = 1; i < BASE; i++) {
		uint32_t more = recipients(&base[i]) > recipients(&base[0]) ? recipients(&base[i]) - recipients(&base[0]) : 0;
		uint64_t delay;

		if (failed(&base[i]) || more == 0)
			continue;
		delay = base[i].time_ns > base[0].time_ns ? (base[i].time_ns - base[0].time_ns) / more : 0;
		best = delay < best ? delay : best;
	}
	return best == UINT64_MAX ? 0 : best;
}

/* Conclusions ---------------------------------------------------------------------------- */

static void unsure(struct identify *id)
{
	id->class = CLASS_UNSURE;
	id->sure = false;
}

/* Every size from `bad` on fails, and none up to `good`. */
static void conclude_threshold(struct identify *id, const struct row *good, const struct row *bad,
			       uint32_t header)
{
	if (bad->size != good->size + 1) {
		unsure(id);
		return;
	}
	if (bad->outcome == OUTCOME_ERROR && bad->bytes_acked == 0) {
		id->class = CLASS_MTU_BLACKHOLE;
		id->bytes = good->size + header;
		id->sure = true;
		evidence(id, "%" PRIu32 " bytes and more in one write are not ACKed, not even the first of them; %" PRIu32
			 " are, and answered", bad->size, good->size);
		evidence(id, "a packet with %" PRIu32 " bytes of data has %" PRIu32 " here", good->size, id->bytes);
	} else if (bad->bytes_acked == bad->size && bad->replies == 0) {
		id->class = CLASS_ACK_THEN_DIE;
		id->bytes = bad->size + SWEEP_GREETING_BYTES;
		id->sure = true;
		evidence(id, "envelopes of %" PRIu32 " bytes and more are ACKed and get no reply at all; %" PRIu32
			 " are answered", bad->size, good->size);
		evidence(id, "with EHLO before it that is the %" PRIu32 "th byte of the connection", id->bytes);
	} else {
		evidence(id, "envelopes of %" PRIu32 " bytes and more fail; %" PRIu32 " are answered", bad->size,
			 good->size);
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
		rows = try_sizes(id, sizes, count, 0);
		for (size_t i = 0; i < count; i++) {
			if (failed(&rows[i]) && rows[i].size < bad.size)
				bad = rows[i];
		}
		for (size_t i = 0; i < count; i++) {
			if (!failed(&rows[i]) && rows[i].size > good.size)
				good = rows[i];
		}
		free(rows);
		if (good.size > bad.size)	/* no threshold at all */
			break;
	}
	conclude_threshold(id, &good, &bad, header);
}

/* Tries once more what failed. Returns how many sizes did not fail then. */
static size_t try_once_more(struct identify *id, struct row *rows, size_t count)
{
	uint32_t *sizes = calloc(count + 1, sizeof(*sizes));
	size_t bad = 0, chance = 0;
	struct row *again;

	if (!sizes)
		cli_die("out of memory");
	for (size_t i = 0; i < count; i++) {
		if (failed(&rows[i]))
			sizes[bad++] = rows[i].size;
	}
	again = try_sizes(id, sizes, bad, 0);
	for (size_t i = 0, k = 0; i < count; i++) {
		if (!failed(&rows[i]))
			continue;
		if (!failed(&again[k]))
			chance++;
		rows[i] = again[k++];
	}
	free(again);
	free(sizes);
	return chance;
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
	rows = try_sizes(id, sizes, tried, first);
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
	uint32_t first = 0;
	bool all_acked = true;
	char text[512];
	size_t n;

	for (size_t i = 0; i < count; i++) {
		if (failed(&rows[i]) && first == 0)
			first = rows[i].size;
		all_acked = all_acked && (!failed(&rows[i]) || rows[i].bytes_acked == rows[i].size);
	}
	list_failed(rows, count, text, sizeof(text));
	evidence(id, "of all sizes from %" PRIu32 " to %" PRIu32 " in one segment these fail: %s", rows[0].size,
		 rows[count - 1].size, text);
	evidence(id, all_acked ? "every byte of them was ACKed" : "not every byte of them was ACKed");
	n = all_hypotheses(rows, count, first, h);
	if (n > 1 || (n == 1 && h[0].class == CLASS_OFF_BY_ONE))
		n = decide(id, h, n, first);
	if (n == 0) {
		unsure(id);
		return;
	}
	id->class = h[0].class;
	id->segment_size = h[0].segment_size;
	id->over = h[0].class == CLASS_OFF_BY_ONE ? h[0].by : 0;
	id->bytes = h[0].class == CLASS_LOSE_TAIL ? h[0].by : 0;
	id->sure = n == 1;
	if (n > 1)
		evidence(id, "%zu hypotheses are left; this is the simplest", n);
	evidence(id, id->class == CLASS_OFF_BY_ONE
		 ? "the replies are those to what a loop sends on that cuts pieces of %" PRIu32 " bytes and stops at %" PRIu32
		   " bytes pending"
		 : "the replies are those to all but a last piece, of pieces of %" PRIu32 " bytes, that is no longer than %"
		   PRIu32, id->segment_size, id->over ? id->segment_size + id->over : id->bytes);
}

/* As long as that makes a difference, and no more than some times. Returns how many sizes failed
 * by chance. */
static size_t try_again(struct identify *id, struct row *rows, size_t count)
{
	size_t chance = 0, more;

	for (unsigned i = 0; i < AGAIN; i++) {
		more = try_once_more(id, rows, count);
		chance += more;
		if (more == 0)
			break;
	}
	return chance;
}

/* All sizes that one segment takes. */
static void try_all(struct identify *id, uint32_t most)
{
	size_t count = most - ENVELOPE_MIN + 1, bad = 0, chance = 0, first;
	uint32_t *sizes = calloc(count, sizeof(*sizes));
	struct row *rows;

	if (!sizes)
		cli_die("out of memory");
	for (size_t i = 0; i < count; i++)
		sizes[i] = ENVELOPE_MIN + (uint32_t)i;
	rows = try_sizes(id, sizes, count, 0);
	for (size_t i = 0; i < count; i++)
		bad += failed(&rows[i]);
	if (bad > 0)
		chance = try_again(id, rows, count);
	if (chance > 0)
		evidence(id, "%zu sizes failed and then did not: packets are lost on the way", chance);
	first = threshold(rows, count);
	if (bad == chance)
		evidence(id, "all envelopes from %d to %" PRIu32 " bytes, which is a full segment, are answered", ENVELOPE_MIN,
			 most);
	else if (first > 0 && rows[first].outcome == OUTCOME_ERROR)
		conclude_threshold(id, &rows[first - 1], &rows[first], id->bytes);
	else
		conclude_sizes(id, rows, count);
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

/* Measures the server, and what fails at a glance. Returns NULL, or why no more can be tried. */
static const char *measure(struct identify *id, uint32_t *most, uint32_t *header, bool *masked)
{
	static const uint32_t sizes[BASE] = { ENVELOPE_MIN, 610, 620, 631, 642 };
	struct row *base = try_sizes(id, sizes, BASE, 0);
	const char *error = NULL;

	/* A slow server must not look like a path on which nothing with two recipients is
	 * answered. */
	if (failed(&base[0]) || base[0].time_ns * PATIENCE > id->timeout_ns) {
		id->timeout_ns *= PATIENCE;
		free(base);
		base = try_sizes(id, sizes, BASE, 0);
	}
	*most = base[0].mss;
	*header = base[0].mtu > base[0].mss ? base[0].mtu - base[0].mss : 0;
	*masked = is_masked(base[0].greeting);
	id->delay_ns = delay_of(base);
	if (base[0].outcome == OUTCOME_REFUSED || (base[0].outcome != OUTCOME_OK && base[0].replies_due == 0))
		error = base[0].detail;
	else if (base[0].outcome != OUTCOME_OK)
		evidence(id, "even an envelope of %d bytes is not answered", ENVELOPE_MIN);
	if (base[0].outcome != OUTCOME_OK)
		unsure(id);
	free(base);
	return error;
}

static const char *find_out(struct identify *id)
{
	uint32_t most, header, sizes[COARSE];
	struct row *coarse;
	bool masked;
	size_t first;
	const char *error = measure(id, &most, &header, &masked);

	if (error || id->class == CLASS_UNSURE)
		return error;
	if (id->delay_ns >= SLOW_NS) {
		id->class = CLASS_SLOW_SERVER;
		id->sure = true;
		evidence(id, "each recipient more takes %.2f s more, whatever the size", (double)id->delay_ns / NS_PER_S);
		return NULL;
	}
	id->delay_ns = 0;
	for (size_t i = 0; i < COARSE; i++)
		sizes[i] = ENVELOPE_MIN + (uint32_t)(i * (most - ENVELOPE_MIN) / (COARSE - 1));
	coarse = try_sizes(id, sizes, COARSE, 0);
	first = threshold(coarse, COARSE);
	if (first > 0) {
		search_threshold(id, coarse[first - 1], coarse[first], header);
	} else {
		id->bytes = header;
		try_all(id, most);
		if (id->class != CLASS_MTU_BLACKHOLE && id->class != CLASS_LOSE_TAIL && id->class != CLASS_ACK_THEN_DIE)
			id->bytes = 0;
	}
	free(coarse);
	if (masked)
		evidence(id, "the greeting is hidden behind asterisks: a relay on the way rewrites it");
	if (masked && id->class == CLASS_NONE)
		id->class = CLASS_BANNER_MASK;
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
	if (id->delay_ns > 0)
		json_object_set_new(object, "delay_s", json_real((double)id->delay_ns / NS_PER_S));
	json_dumpf(object, out, JSON_INDENT(2));
	fprintf(out, "\n");
	json_decref(object);
}
