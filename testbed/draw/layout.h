/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_DRAW_LAYOUT_H
#define RESEG_DRAW_LAYOUT_H

/*
 * Where things stand in a ladder, from top to bottom
 *
 * A ladder consists of places, one below the other in the order of time: each is one step below the
 * one before, and further down the later it is. A place belongs to a node of a way, to a note below
 * a way, or to a fold. If there are many ways, folds leave out all of them except the beginning,
 * the end, and remarkable ways with their neighbours.
 *
 * A layout has a fixed size, because what is not left out has limits.
 */

#include "draw/notes.h"
#include "draw/story.h"

enum {
	LAYOUT_FOLD_FROM = 200,	/* ways; if there are no more, none is left out */
	LAYOUT_KEEP_FIRST = 30,
	LAYOUT_KEEP_LAST = 20,
	LAYOUT_KEEP_OF_A_KIND = 20,
	LAYOUT_AROUND = 3,	/* neighbours on each side */
	LAYOUT_FOLD_LEAST = 6,	/* ways that are worth a fold */
};

/* In pixels. page.js has no numbers of its own: it gets these. */
enum { LAYOUT_TOP = 46, LAYOUT_STEP = 16, LAYOUT_NOTE = 5, LAYOUT_FOLD = 34, LAYOUT_BOTTOM = 16 };

enum {
	/* Remarkable ways that are kept, */
	LAYOUT_REMARKABLE_MAX = KINDS * LAYOUT_KEEP_OF_A_KIND,
	/* runs of ways between them that may be left out, or are too short for that, */
	LAYOUT_FOLDS_MAX = LAYOUT_REMARKABLE_MAX + 1,
	/* ways that are shown, */
	LAYOUT_WAYS_MAX = LAYOUT_KEEP_FIRST + LAYOUT_KEEP_LAST + 2 * LAYOUT_AROUND +
			  LAYOUT_REMARKABLE_MAX * (2 * LAYOUT_AROUND + 1) +
			  LAYOUT_FOLDS_MAX * (LAYOUT_FOLD_LEAST - 1),
	/* and places. */
	LAYOUT_PLACES_MAX = LAYOUT_WAYS_MAX * (STORY_NODES_MAX + NOTES_MAX) + LAYOUT_FOLDS_MAX,
};

struct layout_place {
	int64_t time_ns;	/* since the beginning */
	size_t way;		/* for a fold: the first way in it */
	uint16_t owner;		/* index of a shown way, or of a fold */
	int8_t node;		/* of the way; then its notes; LAYOUT_IS_FOLD */
	uint32_t before;	/* pixels that notes and folds above it take */
	int64_t orphaned;	/* bytes that are acknowledged and not delivered then, */
	int64_t never;		/* and bytes of them that are never delivered */
};

enum { LAYOUT_IS_FOLD = -1 };

/* A way in the picture. Places are by their indices. */
struct layout_way {
	size_t number;
	uint8_t node_count, note_count;
	bool is_cut;		/* it arrives in a fold: its last node stands above that */
	uint16_t nodes[STORY_NODES_MAX];
	uint16_t notes[NOTES_MAX];
};

/* Ways that are left out: from `first` up to, but not including, `end`. */
struct layout_fold {
	size_t first, end;
	int64_t time_ns;	/* when it appears in the picture, as in the story */
	uint16_t place;
};

struct layout {
	int64_t start_ns;
	double scale;		/* pixels a second */
	size_t way_count, fold_count, place_count;
	struct layout_way ways[LAYOUT_WAYS_MAX];
	struct layout_fold folds[LAYOUT_FOLDS_MAX];
	struct layout_place places[LAYOUT_PLACES_MAX];
	char scratch[NOTES_DETAILS_MAX];
};

/* Finds the runs of ways that a picture leaves out: sets fold_count, and the first and end of each
 * fold. */
void layout_find_folds(struct layout *l, const struct story *story);

/* Lays out a sound story. */
void layout_make(struct layout *l, const struct story *story);

/* How far from the top a place is. */
double layout_y(const struct layout *l, size_t place);

double layout_height(const struct layout *l);

#endif
