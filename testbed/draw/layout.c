/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "draw/layout.h"

#define REAL_MAX 320.0		/* pixels: most height that time itself takes, at first */
#define SCALE_MAX 1e6
#define NS_PER_S 1e9

_Static_assert(LAYOUT_PLACES_MAX <= UINT16_MAX, "places have indices of 16 bits");
_Static_assert((int)LAYOUT_WAYS_MAX >= (int)LAYOUT_FOLD_FROM, "few ways are all shown");

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Folds ------------------------------------------------------------------------------- */

/* Is this way kept, with its neighbours? `seen` counts the remarkable ones so far. */
static bool is_kept(const struct story *story, size_t i, unsigned seen[KINDS])
{
	const struct story_way *way = &story->ways[i];
	enum kind kind = notes_kind(way);
	bool is_remarkable = (kind != KIND_NONE && kind != KIND_FORGED) ||
			     way->legs[0].flags & (STORY_SYN | STORY_FIN | STORY_RST);

	if (is_remarkable)
		seen[kind]++;
	return i < LAYOUT_KEEP_FIRST || story->way_count - i <= LAYOUT_KEEP_LAST ||
	       (is_remarkable && seen[kind] <= LAYOUT_KEEP_OF_A_KIND);
}

void layout_find_folds(struct layout *l, const struct story *story)
{
	unsigned seen[KINDS] = { 0 };
	size_t kept = 0;	/* the end of the ways that are kept so far */

	l->fold_count = 0;
	if (story->way_count <= LAYOUT_FOLD_FROM)
		return;
	for (size_t i = 0; i < story->way_count; i++) {
		size_t first = i > LAYOUT_AROUND ? i - LAYOUT_AROUND : 0;

		if (!is_kept(story, i, seen))
			continue;
		if (first >= kept + LAYOUT_FOLD_LEAST)
			l->folds[l->fold_count++] = (struct layout_fold){
				.first = kept,
				.end = first,
			};
		kept = i + LAYOUT_AROUND + 1;
	}
}

/*
 * A fold appears once the ways shown before it have arrived, but before those shown after it begin.
 * A way that arrives later than that has no end in the picture.
 */
static void set_fold_times(struct layout *l, const struct story *story)
{
	int64_t came_ns = 0;
	size_t at = 0;

	for (size_t i = 0; i < l->fold_count; i++) {
		struct layout_fold *fold = &l->folds[i];

		for (; at < fold->first; at++)
			came_ns = larger(came_ns, story_end_ns(&story->ways[at]));
		fold->time_ns = came_ns;
		if (fold->end < story->way_count)
			fold->time_ns = smaller(came_ns, story->ways[fold->end].nodes[0].time_ns);
		fold->time_ns = larger(fold->time_ns, story->ways[fold->first].nodes[0].time_ns);
		at = fold->end;
	}
}

/* The next fold after a way, or NULL. */
static const struct layout_fold *next_fold(const struct layout *l, size_t number)
{
	for (size_t i = 0; i < l->fold_count; i++) {
		if (l->folds[i].first > number)
			return &l->folds[i];
	}
	return NULL;
}

/* Until when a way is shown. */
static int64_t limit_ns(const struct layout *l, const struct story *story, size_t number)
{
	const struct layout_fold *fold = next_fold(l, number);

	return fold ? fold->time_ns : story_end_ns(&story->ways[number]);
}

/* Places ------------------------------------------------------------------------------ */

static void add_place(struct layout *l, int64_t time_ns, size_t way, size_t owner, int node)
{
	l->places[l->place_count++] = (struct layout_place){
		.time_ns = time_ns - l->start_ns,
		.way = way,
		.owner = (uint16_t)owner,
		.node = (int8_t)node,
	};
}

/* Does it arrive when it was sent? Then it has one place. */
static bool is_level(const struct story_way *way)
{
	return way->nodes[0].time_ns == story_end_ns(way);
}

/* Shows a way: adds its places. */
static void add_way(struct layout *l, const struct story *story, size_t number)
{
	const struct story_way *way = &story->ways[number];
	struct layout_way *shown = &l->ways[l->way_count];
	int64_t limit = limit_ns(l, story, number);
	struct note notes[NOTES_MAX];

	*shown = (struct layout_way){ .number = number };
	shown->note_count = (uint8_t)notes_of(way, l->scratch, notes);
	for (unsigned i = 0; i < way->node_count; i++) {
		if (way->nodes[i].time_ns > limit)
			break;
		shown->node_count++;
		if (i == 0 || !is_level(way))
			add_place(l, way->nodes[i].time_ns, number, l->way_count, (int)i);
	}
	shown->is_cut = shown->node_count < way->node_count;
	for (unsigned i = 0; i < shown->note_count; i++)
		add_place(l, smaller(story_end_ns(way), limit), number, l->way_count,
			  (int)(way->node_count + i));
	l->way_count++;
}

static void add_all_places(struct layout *l, const struct story *story)
{
	size_t number = 0;

	l->way_count = l->place_count = 0;
	for (size_t i = 0; i < l->fold_count; i++) {
		const struct layout_fold *fold = &l->folds[i];

		while (number < fold->first)
			add_way(l, story, number++);
		add_place(l, fold->time_ns, fold->first, i, LAYOUT_IS_FOLD);
		number = fold->end;
	}
	while (number < story->way_count)
		add_way(l, story, number++);
}

/* Is a above b? No two places are equal. */
static bool is_above(const struct layout_place *a, const struct layout_place *b)
{
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns;
	return a->way != b->way ? a->way < b->way : a->node < b->node;
}

/* Lets the place at `root` sink in a heap of `count` places, whose lowest is at its root. */
static void sink(struct layout_place *heap, size_t root, size_t count)
{
	struct layout_place place = heap[root];

	for (;;) {
		size_t child = 2 * root + 1;

		if (child < count - 1 && is_above(&heap[child], &heap[child + 1]))
			child++;
		if (child >= count || !is_above(&place, &heap[child]))
			break;
		heap[root] = heap[child];
		root = child;
	}
	heap[root] = place;
}

static void sort_places(struct layout *l)
{
	struct layout_place *heap = l->places;

	for (size_t i = l->place_count / 2; i-- > 0;)
		sink(heap, i, l->place_count);
	for (size_t left = l->place_count; left-- > 1;) {
		struct layout_place lowest = heap[0];

		heap[0] = heap[left];
		heap[left] = lowest;
		sink(heap, 0, left);
	}
}

/* Tells ways and folds which places they have. */
static void number_places(struct layout *l, const struct story *story)
{
	uint32_t before = 0;

	for (size_t i = 0; i < l->place_count; i++) {
		struct layout_place *place = &l->places[i];
		int node_count = place->node < 0 ? 0 : (int)story->ways[place->way].node_count;

		if (place->node < 0) {
			l->folds[place->owner].place = (uint16_t)i;
			before += LAYOUT_FOLD;
		} else if (place->node < node_count) {
			l->ways[place->owner].nodes[place->node] = (uint16_t)i;
		} else {
			l->ways[place->owner].notes[place->node - node_count] = (uint16_t)i;
		}
		place->before = before;
		if (place->node >= 0 && place->node >= node_count)
			before += LAYOUT_NOTE;
	}
	for (size_t i = 0; i < l->way_count; i++) {
		struct layout_way *shown = &l->ways[i];

		for (unsigned node = 1;
		     is_level(&story->ways[shown->number]) && node < shown->node_count; node++)
			shown->nodes[node] = shown->nodes[0];
		if (shown->is_cut)
			shown->nodes[shown->node_count++] =
				(uint16_t)(next_fold(l, shown->number)->place - 1);
	}
}

/* Orphans ----------------------------------------------------------------------------- */

/* How many entries of story->orphans are not later than this. */
static size_t orphans_until(const struct story *story, int64_t time_ns)
{
	size_t low = 0, high = story->orphan_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (story->orphans[middle].time_ns <= time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void set_orphans(struct layout *l, const struct story *story)
{
	for (size_t i = 0; i < l->place_count && story->orphan_count > 0; i++) {
		struct layout_place *place = &l->places[i];
		size_t n = orphans_until(story, l->start_ns + place->time_ns);

		place->orphaned = story->orphans[n > 0 ? n - 1 : 0].bytes;
		place->never = story->orphans[n > 0 ? n - 1 : 0].never;
	}
	/* What is left out counts, too: all from the first of it to the next place. */
	for (size_t i = 0; i < l->fold_count; i++) {
		struct layout_place *place = &l->places[l->folds[i].place];
		const struct layout_place *last = &l->places[l->place_count - 1];
		int64_t start_ns = story->ways[l->folds[i].first].nodes[0].time_ns;
		int64_t end_ns = l->start_ns + (place < last ? place + 1 : place)->time_ns;
		size_t end = orphans_until(story, end_ns);

		for (size_t k = orphans_until(story, start_ns - 1); k < end; k++) {
			place->orphaned = larger(place->orphaned, story->orphans[k].bytes);
			place->never = larger(place->never, story->orphans[k].never);
		}
	}
}

/* All --------------------------------------------------------------------------------- */

void layout_make(struct layout *l, const struct story *story)
{
	double duration_s;

	l->start_ns = story->ways[0].nodes[0].time_ns;
	layout_find_folds(l, story);
	set_fold_times(l, story);
	add_all_places(l, story);
	sort_places(l);
	number_places(l, story);
	set_orphans(l, story);
	duration_s = (double)l->places[l->place_count - 1].time_ns / NS_PER_S;
	l->scale = 0;
	if (duration_s > 0)
		l->scale = REAL_MAX / duration_s < SCALE_MAX ? REAL_MAX / duration_s : SCALE_MAX;
}

double layout_y(const struct layout *l, size_t place)
{
	const struct layout_place *p = &l->places[place];
	double above = LAYOUT_TOP + LAYOUT_STEP * (double)place + (double)p->before;

	return above + l->scale * (double)p->time_ns / NS_PER_S;
}

double layout_height(const struct layout *l)
{
	return layout_y(l, l->place_count - 1) + LAYOUT_BOTTOM;
}
