/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The byte stream of one side, as a ruler. */

#include "draw/draw.h"
#include "draw/label.h"
#include "draw/notes.h"

/* In pixels. */
enum { RULER = 860, ROW = 22, HEIGHT = 106, BLOCK = ROW - 4, ARRIVALS_AT = 16, CUTS_AT = 56 };

#define BLOCKS_MAX 300

struct ruler {
	const struct story *story;
	enum story_side side;
	struct text *out;
	int64_t total, acked, delivered;
	double scale;		/* pixels for each byte */
};

static const char side_names[STORY_SIDES][8] = { "client", "server" };

/* How many letters a number has. */
static double letters(int64_t n)
{
	char octets[24];
	struct text t = { .octets = octets, .room = sizeof(octets) };

	text_format(&t, "%lld", (long long)n);
	return (double)text_kept(&t);
}

static void add_number(struct text *out, const struct label *label, int64_t n)
{
	char octets[24];
	struct text t = { .octets = octets, .room = sizeof(octets) };

	text_format(&t, "%lld", (long long)n);
	label_add(out, label, octets, text_kept(&t));
}

/* So many blocks could not be told apart. */
static void add_one_block(const struct ruler *r, const struct story_run *runs, size_t count,
			  double y, const char *css)
{
	double width = (double)runs[count - 1].end * r->scale;
	struct label label = { .x = 8, .y = y + 13, .css = "block" };
	char octets[120];
	struct text t = { .octets = octets, .room = sizeof(octets) };
	int64_t longest = 0;

	for (size_t i = 0; i < count; i++) {
		if (runs[i].end - runs[i].first > longest)
			longest = runs[i].end - runs[i].first;
	}
	text_format(r->out,
		    "<rect x=\"0\" y=\"%g\" width=\"%g\" height=\"%d\" class=\"%s\"></rect>", y,
		    text_tenths(width), BLOCK, css);
	notes_add_count(&t, (int64_t)count, "packet");
	text_format(&t, " of up to ");
	notes_add_count(&t, longest, "byte");
	label_add(r->out, &label, octets, text_kept(&t));
}

static void add_blocks(const struct ruler *r, const struct story_run *runs, size_t count, double y,
		       const char *css)
{
	if (count > BLOCKS_MAX) {
		add_one_block(r, runs, count, y, css);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		int64_t first = runs[i].first, end = runs[i].end;
		double x = (double)first * r->scale, width = (double)(end - first) * r->scale;
		struct label label = {
			.x = x + width / 2, .y = y + 13, .css = "block", .more_css = "middle"
		};

		text_format(r->out,
			    "<rect x=\"%g\" y=\"%g\" width=\"%g\" height=\"%d\" class=\"%s\">"
			    "<title>bytes %lld to %lld</title></rect>",
			    text_tenths(x), y, text_tenths(width > 0.6 ? width : 0.6), BLOCK, css,
			    (long long)first, (long long)(end - 1));
		if (width > LABEL_LETTER * letters(end - first) + 4)
			add_number(r->out, &label, end - first);
	}
}

/* What is acknowledged and never delivered. */
static void add_missing(const struct ruler *r)
{
	double x = (double)r->delivered * r->scale;
	double width = (double)(r->acked - r->delivered) * r->scale;
	struct label label = { .x = x, .y = 102, .css = "missing-text" };
	char octets[80];
	struct text t = { .octets = octets, .room = sizeof(octets) };

	if (r->acked <= r->delivered)
		return;
	text_format(r->out,
		    "<rect x=\"%g\" y=\"%d\" width=\"%g\" height=\"%d\" class=\"missing\" "
		    "style=\"fill:url(#hatch%u)\"></rect>",
		    text_tenths(x), CUTS_AT, text_tenths(width), BLOCK, r->story->number);
	notes_add_count(&t, r->acked - r->delivered, "byte");
	text_format(&t, " ACKed, never delivered");
	if (x + LABEL_LETTER * (double)text_kept(&t) > RULER) {
		label.x = RULER;
		label.more_css = "end";
	}
	label_add(r->out, &label, octets, text_kept(&t));
}

/* Where the stream begins, where it ends, and what was delivered and acknowledged; each once. */
static void add_ticks(const struct ruler *r)
{
	bool in_order = r->delivered < r->acked;
	int64_t offsets[] = { 0, in_order ? r->delivered : r->acked,
			      in_order ? r->acked : r->delivered, r->total };
	double free = 0, last = RULER - LABEL_LETTER * letters(r->total);

	for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		double x = (double)offsets[i] * r->scale;
		double width = LABEL_LETTER * letters(offsets[i]);
		bool is_end = offsets[i] == r->total;
		struct label label = {
			.x = x, .y = 87, .css = "tick-text", .more_css = is_end ? "end" : NULL
		};

		if (i > 0 && offsets[i] == offsets[i - 1])
			continue;
		text_format(r->out,
			    "<line x1=\"%g\" x2=\"%g\" y1=\"56\" y2=\"78\" class=\"tick\"></line>",
			    text_tenths(x), text_tenths(x));
		if (!is_end && (x < free || x > last - width))
			continue;
		add_number(r->out, &label, offsets[i]);
		free = x + width;
	}
}

static void add_ruler(const struct ruler *r, const struct story_stream *stream)
{
	const char *source = side_names[r->side], *sink = side_names[1 - r->side];
	char octets[80];
	struct text t = { .octets = octets, .room = sizeof(octets) };

	text_format(r->out,
		    "<svg viewBox=\"-2 0 %d %d\" width=\"%d\" height=\"%d\" class=\"ruler\" "
		    "role=\"img\" aria-label=\"%s sent %lld bytes; %lld were ACKed, "
		    "%lld delivered to the %s\">",
		    RULER + 4, HEIGHT, RULER + 4, HEIGHT, source, (long long)r->total,
		    (long long)r->acked, (long long)r->delivered, sink);
	text_format(&t, "the %s sent, in packets of", source);
	label_add(r->out, &(struct label){ .y = 12, .css = "row" }, octets, text_kept(&t));
	add_blocks(r, stream->arrivals, stream->arrival_count, ARRIVALS_AT, "arrival");
	label_add_string(r->out, &(struct label){ .y = 52, .css = "row" }, "the box sent on");
	add_blocks(r, stream->cuts, stream->cut_count, CUTS_AT, "cut");
	add_missing(r);
	add_ticks(r);
	text_format(r->out, "</svg>");
}

static int64_t at_most(int64_t n, int64_t most)
{
	return n < most ? n : most;
}

enum draw_result draw_ruler(const struct story *story, enum story_side side, struct text *out)
{
	const struct story_stream *stream = &story->streams[side];
	struct ruler r = { .story = story, .side = side, .out = out, .total = stream->length };

	if (!story_is_sound(story))
		return DRAW_UNSOUND;
	r.acked = at_most(stream->acked, r.total);
	r.delivered = at_most(stream->delivered, r.total);
	if (r.total > 0 && (stream->is_intercepted || r.acked > r.delivered)) {
		r.scale = RULER / (double)r.total;
		add_ruler(&r, stream);
	}
	return text_fits(out) ? DRAW_DONE : DRAW_NO_ROOM;
}
