/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What is left out of a ladder, where the rest stands, and what is written of it. */

#include "draw/draw.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000

enum { WAYS_MAX = 4000 };

static struct story_way ways[WAYS_MAX];
static struct story_orphans orphans[3];
static struct layout layout;

/* Ways of data from the client through the box to the server: one each millisecond, which takes
 * flight_ns to arrive. */
static struct story upload(size_t count, int64_t flight_ns)
{
	for (size_t i = 0; i < count; i++) {
		int64_t time_ns = (int64_t)i * MS;
		struct story_leg leg = {
			.flags = STORY_ACK, .first = 1 + 6 * (int64_t)i, .length = 6, .ack = 1
		};

		ways[i] = (struct story_way){
			.nodes = { { STORY_CLIENT, time_ns },
				   { STORY_BOX, time_ns + flight_ns / 2 },
				   { STORY_SERVER, time_ns + flight_ns } },
			.legs = { leg, leg },
			.node_count = 3,
		};
	}
	return (struct story){ .number = 1, .ways = ways, .way_count = count };
}

static void comment(size_t way, const char *text)
{
	ways[way].comment = text;
	ways[way].comment_length = strlen(text);
}

/* Draws it into a buffer of exactly the room that it needs, which the caller frees. */
static struct text drawn(const struct story *story)
{
	struct text t = { 0 };

	cr_assert_eq(draw_ladder(story, &layout, &t), DRAW_NO_ROOM);
	t = (struct text){ .octets = malloc(t.length + 1), .room = t.length };
	cr_assert_eq(draw_ladder(story, &layout, &t), DRAW_DONE);
	cr_assert_eq(t.length, t.room);
	t.octets[t.length] = '\0';
	return t;
}

static void expect_in(const struct text *t, const char *what)
{
	cr_assert(strstr(t->octets, what), "no %s in %s", what, t->octets);
}

Test(layout, few_ways_are_all_shown)
{
	struct story story = upload(LAYOUT_FOLD_FROM, 0);

	layout_make(&layout, &story);
	cr_assert_eq(layout.fold_count, 0);
	cr_assert_eq(layout.way_count, LAYOUT_FOLD_FROM);
	cr_assert_eq(layout.place_count, LAYOUT_FOLD_FROM, "a level way has one place");
}

Test(layout, what_is_remarkable_is_shown_with_its_neighbours)
{
	struct story story = upload(1000, 0);

	comment(500, "cut: 512; stall: 513 pending, S = 512");
	ways[700].is_lost = true;
	ways[706].legs[0].flags |= STORY_FIN;
	layout_make(&layout, &story);
	cr_assert_eq(layout.fold_count, 3);
	cr_assert_eq(layout.folds[0].first, LAYOUT_KEEP_FIRST + LAYOUT_AROUND);
	cr_assert_eq(layout.folds[0].end, 500 - LAYOUT_AROUND);
	cr_assert_eq(layout.folds[1].first, 500 + LAYOUT_AROUND + 1);
	cr_assert_eq(layout.folds[1].end, 700 - LAYOUT_AROUND);
	cr_assert_eq(layout.folds[2].first, 706 + LAYOUT_AROUND + 1);
	cr_assert_eq(layout.folds[2].end, 1000 - LAYOUT_KEEP_LAST - LAYOUT_AROUND);
}

Test(layout, only_some_of_a_kind_are_shown)
{
	struct story story = upload(3000, 0);

	for (size_t i = 100; i < 2900; i += 50)
		comment(i, "fault: drop");
	layout_make(&layout, &story);
	cr_assert_eq(layout.fold_count, LAYOUT_KEEP_OF_A_KIND + 1);
	cr_assert_eq(layout.folds[LAYOUT_KEEP_OF_A_KIND].first,
		     100 + 50 * (LAYOUT_KEEP_OF_A_KIND - 1) + LAYOUT_AROUND + 1);
}

/* As many remarkable ways as are kept, each `apart` from the last. */
static struct story crowd(size_t apart)
{
	static const char *const comments[KINDS] = {
		"", "stall", "resume", "fault", "orphaned", "forged ACK", "",
	};
	size_t at = LAYOUT_KEEP_FIRST + LAYOUT_AROUND + apart - LAYOUT_AROUND - 1;
	struct story story = upload(WAYS_MAX, MS / 10);

	for (size_t i = 0; i < LAYOUT_REMARKABLE_MAX; i++) {
		size_t kind = i % KINDS;

		comment(at, comments[kind]);
		ways[at].is_lost = kind == KIND_LOST;
		ways[at].legs[0].flags |= STORY_SYN;
		ways[at].lacks = 1;
		at += apart;
	}
	story.way_count = at - LAYOUT_AROUND + LAYOUT_AROUND + LAYOUT_KEEP_LAST;
	return story;
}

Test(layout, limits_are_not_exceeded)
{
	/* Between two that are shown are just too few to be left out. */
	size_t around = 2 * LAYOUT_AROUND + 1;
	struct story story = crowd(around + LAYOUT_FOLD_LEAST - 1);

	layout_make(&layout, &story);
	cr_assert_eq(layout.fold_count, 0);
	cr_assert_eq(layout.way_count, LAYOUT_WAYS_MAX);
	cr_assert_leq(layout.place_count, LAYOUT_PLACES_MAX);
	/* One more, and all of them are. */
	story = crowd(around + LAYOUT_FOLD_LEAST);
	layout_make(&layout, &story);
	cr_assert_eq(layout.fold_count, LAYOUT_FOLDS_MAX);
	cr_assert_eq(layout.way_count,
		     LAYOUT_WAYS_MAX - LAYOUT_FOLDS_MAX * (LAYOUT_FOLD_LEAST - 1));
}

Test(layout, places_are_in_the_order_of_time)
{
	struct story story = upload(300, 5 * MS);

	comment(40, "stall: 1 pending; resume: 2 pending");
	layout_make(&layout, &story);
	for (size_t i = 1; i < layout.place_count; i++) {
		cr_assert_leq(layout.places[i - 1].time_ns, layout.places[i].time_ns);
		cr_assert_gt(layout_y(&layout, i), layout_y(&layout, i - 1));
	}
	cr_assert_gt(layout_height(&layout), layout_y(&layout, layout.place_count - 1));
}

Test(layout, a_way_that_arrives_in_a_fold_ends_above_it)
{
	struct story story = upload(300, 300 * MS);
	const struct layout_way *first = layout.ways;
	struct text t;

	t = drawn(&story);
	cr_assert_eq(layout.fold_count, 1);
	cr_assert(first->is_cut);
	cr_assert_eq(first->nodes[first->node_count - 1], layout.folds[0].place - 1);
	expect_in(&t, TEXT_ELLIPSIS " 244 packets, 1,464 bytes of data, 0.243 s " TEXT_ELLIPSIS);
	free(t.octets);
}

Test(layout, what_a_fold_leaves_out_is_in_the_band)
{
	struct story story = upload(300, 0);
	struct text t;

	orphans[0] = (struct story_orphans){ .time_ns = 0 };
	orphans[1] = (struct story_orphans){ .time_ns = 150 * MS, .bytes = 1025, .never = 513 };
	orphans[2] = (struct story_orphans){ .time_ns = 151 * MS };
	story.orphans = orphans;
	story.orphan_count = 3;
	t = drawn(&story);
	for (size_t i = 0; i < layout.place_count; i++) {
		bool is_fold = i == layout.folds[0].place;

		cr_assert_eq(layout.places[i].orphaned, is_fold ? 1025 : 0);
		cr_assert_eq(layout.places[i].never, is_fold ? 513 : 0);
	}
	expect_in(&t, ">1,025 bytes</text>");
	free(t.octets);
}

/* Notes and details ------------------------------------------------------------------- */

static void expect_notes(const char *const *wanted)
{
	static char scratch[STORY_COMMENT_MAX];
	struct note notes[NOTES_MAX];
	unsigned count = notes_of(&ways[0], scratch, notes);

	for (unsigned i = 0; i < count; i++) {
		cr_assert_not_null(wanted[i], "one too many: %.*s", (int)notes[i].length,
				   notes[i].octets);
		cr_assert_eq(notes[i].length, strlen(wanted[i]), "%.*s, not %s",
			     (int)notes[i].length, notes[i].octets, wanted[i]);
		cr_assert_arr_eq(notes[i].octets, wanted[i], notes[i].length, "%s", wanted[i]);
	}
	cr_assert_null(wanted[count], "%s is missing", wanted[count]);
}

#define EXPECT_NOTES(...) expect_notes((const char *const[]){ __VA_ARGS__, NULL })

Test(notes, each_thing_that_matters_has_a_line)
{
	upload(1, 0);
	comment(0, "cut: 5; fault: off-by-one; stall: 1 pending, S = 5");
	EXPECT_NOTES("cut: 5; stall: 1 pending, S = 5");
	cr_assert_eq(notes_kind(&ways[0]), KIND_STALL);
	comment(0, "fault: lose-tail (the client's bytes 10005-10005); "
		   "fault: lose-tail (the client's bytes 10005-10005); "
		   "orphaned: 6 bytes ACKed to the client, never delivered; and 12 more");
	ways[0].lacks = ways[0].never = 6;
	EXPECT_NOTES("forged: 6 bytes never delivered",
		     "fault: lose-tail (bytes 10005-10005), 2 times",
		     "orphaned: 6 bytes ACKed, never delivered");
	ways[0].lacks = 1000;
	comment(0, "");
	EXPECT_NOTES("forged: 1,000 bytes not delivered, 6 never");
	ways[0].never = 0;
	ways[0].is_lost = true;
	EXPECT_NOTES("forged: 1,000 bytes not delivered yet", "lost");
	cr_assert_eq(notes_kind(&ways[0]), KIND_LOST);
}

#define EURO "\xe2\x82\xac"
#define EUROS_9 EURO EURO EURO EURO EURO EURO EURO EURO EURO

Test(notes, a_long_note_is_cut_between_two_characters)
{
	static char text[STORY_COMMENT_MAX] = "fault: ";
	size_t length = strlen(text);

	upload(1, 0);
	for (; length + sizeof(EURO) <= sizeof(text); length += strlen(EURO))
		memcpy(text + length, EURO, sizeof(EURO));
	comment(0, text);
	/* 46 characters and an ellipsis. */
	EXPECT_NOTES("fault: " EURO EURO EURO EUROS_9 EUROS_9 EUROS_9 EUROS_9 TEXT_ELLIPSIS);
}

Test(notes, details_show_data_as_text)
{
	struct story story = upload(1, 3 * MS);
	struct text t;

	ways[0].preview = (const uint8_t *)"NOOP <x>\r\nA\xe9\x01\r\n\r\n";
	ways[0].preview_length = 17;
	ways[0].legs[1].first = 7;
	t = drawn(&story);
	expect_in(&t, "<title>. 1:7(6) ack 1 -&gt; . 7:13(6) ack 1\n"
		      "The client, at client 0.000000 s, box 0.001500 s, server 0.003000 s\n"
		      "NOOP &lt;x&gt;\nA\xc3\xa9\xef\xbf\xbd</title>");
	expect_in(&t, "aria-label=\". 1:7(6) ack 1 -&gt; . 7:13(6) ack 1. The client, at ");
	free(t.octets);
}

/* Drawing ----------------------------------------------------------------------------- */

Test(draw, a_story_that_cannot_be_is_refused)
{
	struct story story = upload(2, 0);
	struct text t = { 0 };

	cr_assert(story_is_sound(&story));
	ways[1].nodes[0].time_ns = -1;
	cr_assert_eq(draw_ladder(&story, &layout, &t), DRAW_UNSOUND);
	cr_assert_eq(t.length, 0);
	story = upload(2, MS);
	ways[0].nodes[2].time_ns = 0;		/* it arrives before it was at the box */
	cr_assert_not(story_is_sound(&story));
	story = upload(2, MS);
	ways[0].nodes[2].place = STORY_CLIENT;	/* it turns back */
	cr_assert_not(story_is_sound(&story));
	story = upload(2, MS);
	ways[0].node_count = 1;
	cr_assert_not(story_is_sound(&story));
	story = upload(2, MS);
	comment(0, "a\nb");
	cr_assert_not(story_is_sound(&story));
	story = upload(2, MS);
	story.streams[STORY_BY_SERVER].acked = STORY_BYTES_MAX + 1;
	cr_assert_not(story_is_sound(&story));
	story = upload(0, MS);
	cr_assert_not(story_is_sound(&story));
}

Test(draw, a_ruler_only_where_the_box_or_a_loss_is)
{
	static const struct story_run runs[] = { { 0, 512 }, { 512, 513 } };
	struct story story = upload(1, 0);
	struct story_stream *s = &story.streams[STORY_BY_CLIENT];
	static char buffer[1 << 14];
	struct text t = { .octets = buffer, .room = sizeof(buffer) - 1 };

	*s = (struct story_stream){ .length = 513, .acked = 514, .delivered = 514 };
	s->arrivals = runs;
	s->arrival_count = 2;
	cr_assert_eq(draw_ruler(&story, STORY_BY_CLIENT, &t), DRAW_DONE);
	cr_assert_eq(t.length, 0);
	s->delivered = 512;
	cr_assert_eq(draw_ruler(&story, STORY_BY_CLIENT, &t), DRAW_DONE);
	expect_in(&t, "client sent 513 bytes; 513 were ACKed, 512 delivered to the server");
	expect_in(&t, "1 byte ACKed, never delivered");
	/* The box made packets of data that nobody saw coming. */
	t.length = 0;
	*s = (struct story_stream){ .is_intercepted = true };
	cr_assert_eq(draw_ruler(&story, STORY_BY_CLIENT, &t), DRAW_DONE);
	cr_assert_eq(t.length, 0);
}

Test(draw, what_does_not_fit_is_left_out)
{
	struct story story = upload(50, MS);
	struct text whole = drawn(&story), part;

	for (size_t room = 0; room < whole.length; room += 101) {
		part = (struct text){ .octets = malloc(room + 1), .room = room };
		part.octets[room] = '#';
		cr_assert_eq(draw_ladder(&story, &layout, &part), DRAW_NO_ROOM);
		cr_assert_eq(part.length, whole.length);
		cr_assert_arr_eq(part.octets, whole.octets, room);
		cr_assert_eq(part.octets[room], '#');
		free(part.octets);
	}
	free(whole.octets);
}
