/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The ladder: what went between client, box and server, and the bytes that are orphaned. */

#include "draw/draw.h"
#include "draw/label.h"
#include "draw/notes.h"

#include <string.h>

#define WAYS_TITLE "What went between client, box and server, from top to bottom"

/* In pixels. page.js has no numbers of its own: it gets these. */
enum { TIME = 84, CLIENT = 110, BOX = 400, SERVER = 690 };
enum { LANE = 730, LANE_WIDTH = 130, WIDTH = 880 };
enum { TIME_END = TIME - 8, HEAD_LINE = 18, UNIT_LINE = 30 };

struct ladder {
	const struct story *story;
	struct layout *layout;
	struct text *out;
};

static double x_of(enum story_place place)
{
	static const short x[STORY_PLACES] = { CLIENT, BOX, SERVER };

	return x[place];
}

/* Adds numbers with blanks between them. */
static void add_indices(struct text *out, const uint16_t *indices, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		text_format(out, "%s%u", i > 0 ? " " : "", indices[i]);
}

/* Adds text whose lines are joined by `between`. */
static void add_lines(struct text *out, const struct text *lines, const char *between)
{
	size_t start = 0;

	for (size_t i = 0; i <= lines->length; i++) {
		if (i < lines->length && lines->octets[i] != '\n')
			continue;
		text_add_escaped(out, lines->octets + start, i - start);
		if (i < lines->length)
			text_format(out, "%s", between);
		start = i + 1;
	}
}

/* Ways -------------------------------------------------------------------------------- */

/* A way, and where it is drawn. */
struct drawn {
	const struct story_way *way;
	const struct layout_way *at;
	bool to_right;
	double end;		/* x where its line ends */
};

static struct drawn drawn_way(const struct ladder *l, const struct layout_way *at)
{
	struct drawn d = { .way = &l->story->ways[at->number], .at = at };
	double last = x_of(d.way->nodes[at->node_count - 1].place);

	d.to_right = story_side(d.way) == STORY_BY_CLIENT;
	d.end = last;
	if (d.way->is_lost || at->is_cut)	/* half of its last leg */
		d.end = (x_of(d.way->nodes[at->node_count - 2].place) + last) / 2;
	return d;
}

/* The label goes where the packet starts: packets that start there one after the other have a line
 * each. */
static void add_packets(const struct ladder *l, const struct drawn *d)
{
	for (unsigned leg = 0; leg + 1U < d->at->node_count; leg++) {
		double from = x_of(d->way->nodes[leg].place);
		double to = x_of(d->way->nodes[leg + 1].place);
		double width = d->to_right ? to - from : from - to;
		size_t room = (size_t)((width - 24) / LABEL_LETTER);
		struct label label = {
			.x = from + (d->to_right ? 9 : -9),
			.y = layout_y(l->layout, d->at->nodes[leg]) - 4.5,
			.css = "packet",
			.more_css = d->to_right ? NULL : "left",
			.data = "leg",
			.value = leg,
		};
		char octets[NOTES_PACKET_MAX];
		struct text t = { .octets = octets, .room = sizeof(octets) };

		if (leg > 0 && notes_is_same_packet(&d->way->legs[leg - 1], &d->way->legs[leg]))
			continue;
		notes_add_packet(&t, &d->way->legs[leg]);
		label_add(l->out, &label, octets,
			  notes_shorten(octets, text_kept(&t), text_fits(&t), room));
	}
}

static void add_head(const struct ladder *l, const struct drawn *d)
{
	double y = layout_y(l->layout, d->at->nodes[d->at->node_count - 1]);
	double back = d->to_right ? d->end - 7 : d->end + 7;

	if (d->at->is_cut)
		return;
	if (d->way->is_lost)
		text_format(l->out, "<path d=\"M%g %g l8 8 m0 -8 l-8 8\" class=\"x\"></path>",
			    d->end - 4, y - 4);
	else
		text_format(l->out, "<path d=\"M%g %g L%g %g L%g %g Z\" class=\"head\"></path>",
			    d->end, y, back, y - 3.5, back, y + 3.5);
}

static void add_line(const struct ladder *l, const struct drawn *d)
{
	unsigned count = d->at->node_count;

	text_format(l->out, "<polyline points=\"");
	for (unsigned i = 0; i < count; i++) {
		double x = i + 1 < count ? x_of(d->way->nodes[i].place) : d->end;

		text_format(l->out, "%s%g,%.1f", i > 0 ? " " : "", x,
			    layout_y(l->layout, d->at->nodes[i]));
	}
	text_format(l->out, "\"></polyline>");
}

static void add_note(const struct ladder *l, const struct drawn *d, const struct note *note,
		     unsigned place)
{
	double y = layout_y(l->layout, place);
	struct label label = {
		.x = BOX + 14,
		.y = y,
		.css = "note",
		.more_css = note->is_never ? "forged never" : kind_names[note->kind],
		.data = "note",
		.value = place,
	};

	if (note->kind == KIND_LOST)
		label.x = d->end - 12;
	else if (note->kind == KIND_FORGED && !d->to_right)
		label.x = CLIENT + 8;
	if (note->kind != KIND_LOST && note->kind != KIND_FORGED)
		text_format(l->out,
			    "<rect x=\"%d\" y=\"%g\" width=\"10\" height=\"10\" "
			    "class=\"mark %s\" data-note=\"%u\"></rect>",
			    BOX - 5, text_tenths(y - 9), kind_names[note->kind], place);
	label_add(l->out, &label, note->octets, note->length);
}

static void add_notes(const struct ladder *l, const struct drawn *d)
{
	struct note notes[NOTES_MAX];
	unsigned count = notes_of(d->way, l->layout->scratch, notes);

	for (unsigned i = 0; i < count; i++)
		add_note(l, d, &notes[i], d->at->notes[i]);
}

static void add_way(const struct ladder *l, const struct layout_way *at, bool is_first)
{
	struct drawn d = drawn_way(l, at);
	struct text told = { .octets = l->layout->scratch, .room = sizeof(l->layout->scratch) };
	enum kind kind = notes_kind(d.way);

	notes_add_details(&told, l->story, d.way);
	text_format(l->out, "<g class=\"way%s", story_made_by_box(d.way) ? " made" : "");
	if (kind != KIND_NONE && kind != KIND_FORGED)
		text_format(l->out, " %s", kind_names[kind]);
	text_format(l->out, "%s%s\" tabindex=\"%d\" id=\"c%uw%llu\" role=\"listitem\"",
		    d.way->lacks > 0 ? " forged" : "", d.way->never > 0 ? " never" : "",
		    is_first ? 0 : -1, l->story->number, (unsigned long long)at->number);
	text_format(l->out, " aria-label=\"");
	add_lines(l->out, &told, ". ");
	text_format(l->out, "\" data-p=\"");
	add_indices(l->out, at->nodes, at->node_count);
	text_format(l->out, "\"><title>");
	add_lines(l->out, &told, "\n");
	text_format(l->out, "</title>");
	add_packets(l, &d);
	add_line(l, &d);
	add_head(l, &d);
	add_notes(l, &d);
	text_format(l->out, "</g>");
}

/* The lane of orphaned bytes ---------------------------------------------------------- */

static int64_t orphaned(const struct layout *l, size_t place, bool never)
{
	return never ? l->places[place].never : l->places[place].orphaned;
}

/* Orphaned bytes over time, as steps; nothing if there are none. */
static void add_band(const struct ladder *l, int64_t most, bool never)
{
	const struct layout *layout = l->layout;
	bool is_first = true;

	text_format(l->out, "<path d=\"");
	for (size_t i = 0; i <= layout->place_count; i++) {
		bool is_past = i == layout->place_count;
		int64_t before = i > 0 ? orphaned(layout, i - 1, never) : 0;
		int64_t n = is_past ? 0 : orphaned(layout, i, never);

		if (before == 0 && n == 0)
			continue;
		text_format(l->out, "%s", is_first ? "" : " ");
		is_first = false;
		if (before > 0)
			text_format(l->out, "V");
		else
			text_format(l->out, "M%d ", LANE);
		text_format(l->out, "%.1f H%.1f%s", layout_y(layout, is_past ? i - 1 : i),
			    LANE + (double)(LANE_WIDTH * n) / (double)most, n > 0 ? "" : " Z");
	}
	text_format(l->out, "\" class=\"band%s\" data-o=\"", never ? " never" : "");
	for (size_t i = 0; i < layout->place_count; i++)
		text_format(l->out, "%s%lld", i > 0 ? " " : "",
			    (long long)orphaned(layout, i, never));
	if (never)
		text_format(l->out, "\" style=\"fill:url(#hatch%u)", l->story->number);
	text_format(l->out, "\"></path>");
}

static void add_lane_label(const struct ladder *l, double y, size_t place, const char *lead,
			   int64_t bytes, const char *css)
{
	struct label label = {
		.x = LANE + 2,
		.y = y,
		.css = "lane",
		.more_css = css,
		.data = "y",
		.value = (unsigned)place,
	};
	char octets[80];
	struct text t = { .octets = octets, .room = sizeof(octets) };

	text_format(&t, "%s", lead);
	notes_add_count(&t, bytes, "byte");
	label_add(l->out, &label, octets, text_kept(&t));
}

static void add_lane(const struct ladder *l)
{
	const struct layout *layout = l->layout;
	size_t peak = 0, last = layout->place_count - 1;
	int64_t most, never = layout->places[last].never;

	for (size_t i = 1; i < layout->place_count; i++) {
		if (layout->places[i].orphaned > layout->places[peak].orphaned)
			peak = i;
	}
	most = layout->places[peak].orphaned;
	if (most == 0)
		return;
	label_add_string(l->out, &(struct label){ .x = LANE, .y = HEAD_LINE, .css = "lane" },
			 "ACKed, not delivered");
	add_band(l, most, false);
	add_lane_label(l, layout_y(layout, peak) - 4, peak, "", most, "peak");
	if (never == 0)
		return;
	add_band(l, most, true);
	add_lane_label(l, layout_height(layout) - 4, last, "never: ", never, "never");
}

/* All --------------------------------------------------------------------------------- */

/* Attributes of all: what page.js needs in order to move it. */
static void add_start(const struct ladder *l)
{
	const struct layout *layout = l->layout;
	double height = layout_height(layout);

	text_format(l->out,
		    "<svg viewBox=\"0 0 %d %llu\" width=\"%d\" height=\"%.0f\" class=\"ladder\" "
		    "role=\"list\" aria-label=\"" WAYS_TITLE "\" data-t=\"",
		    WIDTH, (unsigned long long)height, WIDTH, height);
	for (size_t i = 0; i < layout->place_count; i++)
		text_format(l->out, "%s%lld", i > 0 ? " " : "",
			    (long long)layout->places[i].time_ns);
	text_format(l->out, "\" data-b=\"");
	for (size_t i = 0; i < layout->place_count; i++)
		text_format(l->out, "%s%u", i > 0 ? " " : "", layout->places[i].before);
	text_format(l->out, "\" data-scale=\"%g\" data-const=\"%d %d %d %d %d\">", layout->scale,
		    LAYOUT_TOP, LAYOUT_STEP, LAYOUT_BOTTOM, LANE, LANE_WIDTH);
	text_format(l->out,
		    "<defs><pattern id=\"hatch%u\" width=\"8\" height=\"8\" "
		    "patternUnits=\"userSpaceOnUse\"><path d=\"M0 8 L8 0\" class=\"hatch\"></path>"
		    "</pattern></defs>",
		    l->story->number);
}

/* The line of each place that a packet was at: there may be no box. */
static void add_lives(const struct ladder *l)
{
	static const char names[STORY_PLACES][8] = { "client", "box", "server" };
	bool is_there[STORY_PLACES] = { false };

	for (size_t i = 0; i < l->story->way_count; i++) {
		const struct story_way *way = &l->story->ways[i];

		for (unsigned node = 0; node < way->node_count; node++)
			is_there[way->nodes[node].place] = true;
	}
	for (enum story_place place = STORY_CLIENT; place < STORY_PLACES; place++) {
		double x = x_of(place);

		if (!is_there[place])
			continue;
		text_format(l->out,
			    "<line x1=\"%g\" x2=\"%g\" y1=\"%d\" y2=\"%g\" class=\"life\"></line>",
			    x, x, LAYOUT_TOP - 18, text_tenths(layout_height(l->layout)));
		label_add_string(l->out, &(struct label){ .x = x, .y = HEAD_LINE, .css = "place" },
				 names[place]);
	}
}

/* The time of each place, unless it is written like that above. */
static void add_times(const struct ladder *l)
{
	char above[40];
	size_t above_length = 0;

	for (size_t i = 0; i < l->layout->place_count; i++) {
		struct label label = {
			.x = TIME_END,
			.y = layout_y(l->layout, i) + 3,
			.css = "time",
			.data = "y",
			.value = (unsigned)i,
		};
		char octets[sizeof(above)];
		struct text t = { .octets = octets, .room = sizeof(octets) };

		text_format(&t, "%.3f", (double)l->layout->places[i].time_ns / 1e6);
		if (text_kept(&t) == above_length && memcmp(octets, above, above_length) == 0)
			continue;
		label_add(l->out, &label, octets, text_kept(&t));
		above_length = text_kept(&t);
		memcpy(above, octets, above_length);
	}
}

static void add_folds(const struct ladder *l)
{
	for (size_t i = 0; i < l->layout->fold_count; i++) {
		const struct layout_fold *fold = &l->layout->folds[i];
		double y = layout_y(l->layout, fold->place);
		struct label label = {
			.x = (CLIENT + SERVER) / 2.0,
			.y = y - LAYOUT_FOLD / 2.0 + 11,
			.css = "fold",
		};
		char octets[120];
		struct text t = { .octets = octets, .room = sizeof(octets) };

		text_format(&t, TEXT_ELLIPSIS " ");
		notes_add_fold(&t, l->story->ways + fold->first, fold->end - fold->first);
		text_format(&t, " " TEXT_ELLIPSIS);
		text_format(l->out,
			    "<g class=\"folded\" data-y=\"%u\"><rect x=\"%d\" y=\"%g\" "
			    "width=\"%d\" height=\"%d\"></rect>",
			    fold->place, CLIENT - 8, text_tenths(y - LAYOUT_FOLD + 12),
			    SERVER - CLIENT + 16, LAYOUT_FOLD - 10);
		label_add(l->out, &label, octets, text_kept(&t));
		text_format(l->out, "</g>");
	}
}

enum draw_result draw_ladder(const struct story *story, struct layout *layout, struct text *out)
{
	struct ladder l = { .story = story, .layout = layout, .out = out };
	struct label unit = { .x = TIME_END, .y = HEAD_LINE, .css = "time" };

	if (!story_is_sound(story))
		return DRAW_UNSOUND;
	layout_make(layout, story);
	add_start(&l);
	add_lives(&l);
	label_add_string(out, &unit, "ms");
	unit.y = UNIT_LINE;
	label_add_string(out, &unit, "not to scale");
	add_lane(&l);
	add_times(&l);
	for (size_t i = 0; i < layout->way_count; i++)
		add_way(&l, &layout->ways[i], i == 0);
	add_folds(&l);
	text_format(out, "</svg>");
	return text_fits(out) ? DRAW_DONE : DRAW_NO_ROOM;
}
