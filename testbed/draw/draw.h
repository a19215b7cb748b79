/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_DRAW_DRAW_H
#define RESEG_DRAW_DRAW_H

/*
 * Draws stories: SVG, to be put into a page
 *
 * The page brings its own style (page.css) and lets the picture move (page.js), for which elements
 * have attributes data-…. reseg-draw calls this for reseg-report. It also works in a browser: it
 * needs no C library but memcmp(), memcpy(), memmove() and memset(), allocates nothing and has no
 * state. The same story gives the same octets everywhere.
 */

#include "draw/layout.h"
#include "draw/story.h"
#include "draw/text.h"

enum draw_result {
	DRAW_DONE,
	DRAW_NO_ROOM,	/* `out` has room for a part only: give it out->length octets */
	DRAW_UNSOUND,	/* the story is not as story.h says; nothing is added */
};

/* Adds the ladder: what went between client, box and server, and the bytes that are orphaned.
 * `layout` is overwritten. */
enum draw_result draw_ladder(const struct story *story, struct layout *layout, struct text *out);

/* Adds the byte stream of one side as a ruler: how it came to the box, how it left, and what never
 * left. Adds nothing if the box let the stream pass and all of it was delivered. */
enum draw_result draw_ruler(const struct story *story, enum story_side side, struct text *out);

#endif
