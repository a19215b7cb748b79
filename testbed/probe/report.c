/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/report.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#define SECONDS(ns) ((double)(ns) / 1e9)

static const char *expected_name(const struct report *r, const struct row *row)
{
	int outcome = r->expect ? expect_outcome(r->expect, r->sweep, row) : OUTCOME_OK;

	return outcome < 0 ? "nothing" : outcome_names[outcome];
}

/* Table ------------------------------------------------------------------------- */

/* May these stand in one line of the table? */
static bool alike(const struct report *r, const struct row *a, const struct row *b)
{
	return b->size == a->size + 1 && a->outcome == b->outcome && a->detail == b->detail &&
	       a->outcome != OUTCOME_STALLED &&
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

static void print_line(FILE *out, const struct report *r, size_t first, size_t last, bool colour)
{
	const struct row *a = &r->sweep->rows[first];
	char sizes[32], replies[32] = "all", acked[32] = "all";
	uint64_t time = 0;

	for (size_t i = first; i <= last; i++) {
		if (r->sweep->rows[i].time_ns > time)
			time = r->sweep->rows[i].time_ns;
	}
	if (first == last)
		snprintf(sizes, sizeof(sizes), "%" PRIu32, a->size);
	else
		snprintf(sizes, sizeof(sizes), "%" PRIu32 "-%" PRIu32, a->size,
			 r->sweep->rows[last].size);
	if (first == last || a->outcome != OUTCOME_OK) {
		snprintf(replies, sizeof(replies), "%" PRIu32 " of %" PRIu32, a->replies,
			 a->replies_due);
		snprintf(acked, sizeof(acked), "%" PRIu64, a->bytes_acked);
	}
	fprintf(out, "%13s  %s%-8s%s  %10s  %11s  %8.3f s", sizes, colour ? colour_of(a) : "",
		outcome_names[a->outcome], colour ? "\033[0m" : "", replies, acked, SECONDS(time));
	if (!expect_met(r->expect, r->sweep, a))
		fprintf(out, "%s%s", r->expect ? "  expected: " : "",
			r->expect ? expected_name(r, a) : "");
	if (a->detail)
		fprintf(out, "  %s", a->detail);
	fputc('\n', out);
}

static void table(FILE *out, const struct report *r)
{
	const struct sweep *s = r->sweep;
	bool colour = isatty(fileno(out));
	size_t unmet = 0;

	fprintf(out, "%13s  %-8s  %10s  %11s  %10s\n", "size", "outcome",
		s->protocol == PROTOCOL_SMTP ? "replies" : "bytes back", "bytes ACKed", "time");
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

static void json(FILE *out, const struct report *r)
{
	const struct sweep *s = r->sweep;
	json_t *rows = json_array(), *root;

	for (size_t i = 0; i < s->count; i++) {
		const struct row *row = &s->rows[i];
		json_t *o = json_pack(
			"{s:i, s:s, s:i, s:i, s:I, s:f, s:i, s:i}", "size", (int)row->size,
			"outcome", outcome_names[row->outcome], "replies", (int)row->replies,
			"replies_due", (int)row->replies_due, "bytes_acked",
			(json_int_t)row->bytes_acked, "time_s", SECONDS(row->time_ns),
			"segment_bytes", (int)row->mss, "local_port", (int)row->local_port);

		if (row->detail)
			json_object_set_new(o, "detail", json_string(row->detail));
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

static void tap(FILE *out, const struct report *r)
{
	const struct sweep *s = r->sweep;

	fprintf(out, "TAP version 13\n1..%zu\n", s->count);
	for (size_t i = 0; i < s->count; i++) {
		const struct row *row = &s->rows[i];
		bool met = expect_met(r->expect, s, row);

		fprintf(out, "%sok %zu - size %" PRIu32 " %s\n", met ? "" : "not ", i + 1, row->size,
			outcome_names[row->outcome]);
		if (!met)
			fprintf(out, "# expected %s; %" PRIu32 " of %" PRIu32 " replies, %" PRIu64
				     " bytes ACKed%s%s\n",
				expected_name(r, row), row->replies, row->replies_due,
				row->bytes_acked, row->detail ? "; " : "",
				row->detail ? row->detail : "");
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

static void junit(FILE *out, const struct report *r)
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

		fprintf(out, "  <testcase name=\"size %" PRIu32 "\" time=\"%.6f\"", row->size,
			SECONDS(row->time_ns));
		if (expect_met(r->expect, s, row)) {
			fputs("/>\n", out);
			continue;
		}
		fprintf(out, ">\n    <failure message=\"%s, expected %s; %" PRIu32 " of %" PRIu32
			     " replies, %" PRIu64 " bytes ACKed",
			outcome_names[row->outcome], expected_name(r, row), row->replies,
			row->replies_due, row->bytes_acked);
		if (row->detail) {
			fputs("; ", out);
			put_xml(out, row->detail);
		}
		fputs("\"/>\n  </testcase>\n", out);
	}
	fputs("</testsuite>\n", out);
}

report_format *report_find(const char *name)
{
	static const struct {
		const char *name;
		report_format *format;
	} formats[] = { { "table", table }, { "json", json }, { "tap", tap }, { "junit", junit } };

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(formats[i].name, name) == 0)
			return formats[i].format;
	}
	return NULL;
}
