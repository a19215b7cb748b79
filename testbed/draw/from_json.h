/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_DRAW_FROM_JSON_H
#define RESEG_DRAW_FROM_JSON_H

/*
 * Stories from JSON: an array of objects, with the fields of story.h
 *
 *     number   an integer
 *     ways     [{"nodes": [[place, time_ns], ...],
 *                "legs": [[flags, first, length, ack], ...],
 *                "is_lost": false, "lacks": 0, "never": 0, "comment": "", "preview": ""}, ...]
 *     orphans  [[time_ns, bytes, never], ...]
 *     streams  [{"length": 0, "acked": 0, "delivered": 0, "is_intercepted": false,
 *                "arrivals": [[first, end], ...], "cuts": [[first, end], ...]}, ...]
 *
 * What a way has after its legs may be left out, and is then as above. A place is 0 for the client,
 * 1 for the box, 2 for the server. Each character of a preview stands for an octet: it is Latin-1.
 */

#include "draw/story.h"
#include "io/error.h"

#include <jansson.h>

struct stories {
	struct story *stories;
	size_t count;
};

/* Reads all; each is then sound. Comments stay in `root`, which must live as long. Returns false
 * and sets `error` if they are not as above. In both cases, free it with stories_free(). */
bool stories_from_json(struct stories *stories, const json_t *root, struct error *error);

void stories_free(struct stories *stories);

#endif
