/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/units.h"
#include "probe/print.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#define SECONDS(ns) ((double)(ns) / NS_PER_S)
#define CODES_COLUMN 21		/* what is left of 80 columns */

static const char *expected_name(const struct print *r, const struct row *row)
{
	int outcome = r->expect ? expect_outcome(r->expect, r->sweep, row) : OUTCOME_OK;

	return outcome < 0 ? "nothing" : outcome_names[outcome];
}

static void add(char *to, size_t size, const char *label, const char *text)
{
	size_t used = strlen(to);

	if (text[0] != '\0')
		snprintf(to + used, size - used, "%s%s%s", used > 0 ? "; " : "", label, text);
}

void print_note(char to[static PRINT_NOTE_BYTES], const struct row *row)
{
	const struct replies *said = &row->said;
	bool ended = row->outcome != OUTCOME_OK && row->outcome != OUTCOME_STALLED;

	to[0] = '\0';
	add(to, PRINT_NOTE_BYTES, "", row->detail ? row->detail : "");
	if (!ended || strcmp(said->last, said->refusal) != 0)
		add(to, PRINT_NOTE_BYTES, "refusal: ", said->refusal);
	if (ended)
		add(to, PRINT_NOTE_BYTES, "last reply: ", said->last);
}

/* Table ------------------------------------------------------------------------- */

/* May these rows share a line of the table? */
static bool alike(const struct print *r, const struct row *a, const struct row *b)
{
	return (b->size == a->size || b->size == a->size + 1) && a->outcome == b->outcome &&
	       a->detail == b->detail && a->outcome != OUTCOME_STALLED &&
	       replies_alike(&a->said, &b->said) &&
	       expect_met(r->expect, r->sweep, a) == expect_met(r->expect, r->sweep, b);
}

static const char *colour_of(const struct row *row)
{
	switch (row->outcome) {
	case OUTCOME_OK:
		return "\033[32m";
	case OUTCOME_STALLED:
		return "\033[1;31m";
	default:
		return "\033[33m";
	}
}

/* Prints the codes of rows first to last. If there is no room for all codes, the first are left
 * out: the last ones tell more. */
static void print_codes(FILE *out, const struct row *rows, size_t first, size_t last)
{
	struct replies low = rows[first].said, high = low;
	char codes[REPLY_CODES_BYTES];
	const char *from = codes;

	for (size_t i = first + 1; i <= last; i++)
		replies_widen(&low, &high, &rows[i].said);
	replies_codes(codes, &low, &high);
	if (strlen(codes) <= CODES_COLUMN) {
		fprintf(out, "  %s", codes[0] != '\0' ? codes : "-");
		return;
	}
	while (strlen(from) > CODES_COLUMN - 4)
		from = strchr(from, ' ') + 1;
	fprintf(out, "  ... %s", from);
}

static void print_sizes(FILE *out, const struct row *rows, size_t first, size_t last)
{
	char sizes[32];

	if (rows[first].size != rows[last].size)
		snprintf(sizes, sizeof(sizes), "%" PRIu32 "-%" PRIu32, rows[first].size,
			 rows[last].size);
	else if (first != last)
		snprintf(sizes, sizeof(sizes), "%" PRIu32 " x%zu", rows[first].size,
			 last - first + 1);
	else
		snprintf(sizes, sizeof(sizes), "%" PRIu32, rows[first].size);
	fprintf(out, "%11s", sizes);
}

static void print_notes(FILE *out, const struct print *r, const struct row *row)
{
	char note[PRINT_NOTE_BYTES];

	print_note(note, row);
	if (r->expect && !expect_met(r->expect, r->sweep, row))
		fprintf(out, "%13sexpected: %s\n", "", expected_name(r, row));
	if (note[0] != '\0')
		fprintf(out, "%13s%s\n", "", note);
}

static void print_line(FILE *out, const struct print *r, size_t first, size_t last, bool colour)
{
	const struct row *a = &r->sweep->rows[first];
	char replies[32] = "all", acked[32] = "all";
	uint64_t time = 0;

	for (size_t i = first; i <= last; i++) {
		if (r->sweep->rows[i].time_ns > time)
			time = r->sweep->rows[i].time_ns;
	}
	print_sizes(out, r->sweep->rows, first, last);
	if (first == last || !sweep_answered(a->outcome)) {
		snprintf(replies, sizeof(replies), "%" PRIu32 " of %" PRIu32, a->replies,
			 a->replies_due);
		snprintf(acked, sizeof(acked), "%" PRIu64, a->bytes_acked);
	}
	fprintf(out, "  %s%-8s%s  %10s  %11s  %7.3f s", colour ? colour_of(a) : "",
		outcome_names[a->outcome], colour ? "\033[0m" : "", replies, acked, SECONDS(time));
	if (r->sweep->protocol == PROTOCOL_SMTP)
		print_codes(out, r->sweep->rows, first, last);
	fputc('\n', out);
	print_notes(out, r, a);
}

static void table(FILE *out, const struct print *r)
{
	const struct sweep *s = r->sweep;
	bool colour = isatty(fileno(out));
	size_t unmet = 0;

	fprintf(out, "%11s  %-8s  %10s  %11s  %9s%s\n", "size", "outcome",
		s->protocol == PROTOCOL_SMTP ? "replies" : "bytes back", "bytes ACKed", "time",
		s->protocol == PROTOCOL_SMTP ? "  reply codes" : "");
	for (size_t i = 0; i < s->count; i++) {
		size_t last = i;

		while (last + 1 < s->count && alike(r, &s->rows[last], &s->rows[last + 1]))
			last++;
		print_line(out, r, i, last, colour);
		i = last;
	}
	if (!r->expect)
		return;
	for (size_t i = 0; i < s->count; i++)
		unmet += !expect_met(r->expect, s, &s->rows[i]);
	if (unmet == 0)
		fprintf(out, "As expected (%s).\n", expect_name(r->expect));
	else
		fprintf(out, "Not as expected (%s): %zu of %zu sizes.\n", expect_name(r->expect),
			unmet, s->count);
}

/* JSON -------------------------------------------------------------------------- */

static void json_said(json_t *o, const struct replies *said)
{
	char codes[REPLY_CODES_BYTES];

	replies_codes(codes, said, said);
	json_object_set_new(o, "codes", json_string(codes));
	if (said->last[0] != '\0')
		json_object_set_new(o, "last_reply", json_string(said->last));
	if (said->refusal[0] != '\0')
		json_object_set_new(o, "refusal", json_string(said->refusal));
}

static void json(FILE *out, const struct print *r)
{
	const struct sweep *s = r->sweep;
	json_t *rows = json_array(), *root;

	for (size_t i = 0; i < s->count; i++) {
		const struct row *row = &s->rows[i];
		json_t *o = json_pack("{s:i, s:s, s:i, s:i, s:I, s:f, s:i, s:i}", "size",
				      (int)row->size, "outcome", outcome_names[row->outcome],
				      "replies", (int)row->replies, "replies_due",
				      (int)row->replies_due, "bytes_acked",
				      (json_int_t)row->bytes_acked, "time_s", SECONDS(row->time_ns),
				      "segment_bytes", (int)row->mss, "local_port",
				      (int)row->local_port);

		if (row->detail)
			json_object_set_new(o, "detail", json_string(row->detail));
		if (s->protocol == PROTOCOL_SMTP)
			json_said(o, &row->said);
		if (r->expect)
			json_object_set_new(o, "expected", json_string(expected_name(r, row)));
		json_array_append_new(rows, o);
	}
	root = json_pack("{s:s, s:s, s:o}", "target", r->target, "protocol",
			 s->protocol == PROTOCOL_SMTP ? "smtp" : "echo", "rows", rows);
	if (r->expect)
		json_object_set_new(root, "expect", json_string(expect_name(r->expect)));
	json_dumpf(root, out, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
	fputc('\n', out);
	json_decref(root);
}

/* TAP ---------------------------------------------------------------------------- */

static void tap(FILE *out, const struct print *r)
{
	const struct sweep *s = r->sweep;

	fprintf(out, "TAP version 13\n1..%zu\n", s->count);
	for (size_t i = 0; i < s->count; i++) {
		const struct row *row = &s->rows[i];
		bool met = expect_met(r->expect, s, row);
		char note[PRINT_NOTE_BYTES];

		print_note(note, row);
		fprintf(out, "%sok %zu - size %" PRIu32 " %s\n", met ? "" : "not ", i + 1,
			row->size, outcome_names[row->outcome]);
		if (!met)
			fprintf(out,
				"# expected %s; %" PRIu32 " of %" PRIu32 " replies, %" PRIu64
				" bytes ACKed%s%s\n",
				expected_name(r, row), row->replies, row->replies_due,
				row->bytes_acked, note[0] ? "; " : "", note);
		else if (note[0] != '\0')
			fprintf(out, "# %s\n", note);
	}
}

/* JUnit XML ---------------------------------------------------------------------- */

static void put_xml(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*text, out);
			break;
		}
	}
}

static void junit(FILE *out, const struct print *r)
{
	const struct sweep *s = r->sweep;
	size_t unmet = 0;

	for (size_t i = 0; i < s->count; i++)
		unmet += !expect_met(r->expect, s, &s->rows[i]);
	fprintf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"reseg-probe ");
	put_xml(out, r->target);
	fprintf(out, "\" tests=\"%zu\" failures=\"%zu\">\n", s->count, unmet);
	for (size_t i = 0; i < s->count; i++) {
		const struct row *row = &s->rows[i];
		char note[PRINT_NOTE_BYTES];

		print_note(note, row);
		fprintf(out, "  <testcase name=\"size %" PRIu32 "\" time=\"%.6f\"", row->size,
			SECONDS(row->time_ns));
		if (expect_met(r->expect, s, row)) {
			fputs("/>\n", out);
			continue;
		}
		fprintf(out,
			">\n    <failure message=\"%s, expected %s; %" PRIu32 " of %" PRIu32
			" replies, %" PRIu64 " bytes ACKed",
			outcome_names[row->outcome], expected_name(r, row), row->replies,
			row->replies_due, row->bytes_acked);
		if (note[0] != '\0') {
			fputs("; ", out);
			put_xml(out, note);
		}
		fputs("\"/>\n  </testcase>\n", out);
	}
	fputs("</testsuite>\n", out);
}

print_format *print_find(const char *name)
{
	static const struct {
		const char *name;
		print_format *format;
	} formats[] = { { "table", table }, { "json", json }, { "tap", tap }, { "junit", junit } };

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(formats[i].name, name) == 0)
			return formats[i].format;
	}
	return NULL;
}
