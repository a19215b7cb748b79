/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Fuzzes reading and drawing, with any octets as JSON of stories: the pictures are well-formed, and
 * nothing is written beyond the room that there is. */

#include "draw/draw.h"
#include "draw/from_json.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

/* Checks a tag, from after its < to its >, which is returned. Its attributes are in quotes. */
static const char *check_tag(const char *at, const char *end)
{
	bool is_quoted = false;

	for (; at < end && (is_quoted || *at != '>'); at++) {
		must(*at != '<');
		if (*at == '"')
			is_quoted = !is_quoted;
	}
	must(at < end && !is_quoted);
	return at;
}

/* Checks that elements are closed in the order in which they were opened. */
static void check_svg(const char *svg, size_t length)
{
	const char *open[DEPTH_MAX] = { 0 }, *end = svg + length;
	size_t depth = 0;

	for (const char *at = svg; at < end; at++) {
		must((unsigned char)*at >= ' ' || *at == '\n');
		must(*at != '>' && (*at != '&' || memchr(at, ';', (size_t)(end - at))));
		if (*at != '<')
			continue;
		at++;
		must(at < end);
		if (*at != '/') {
			must(depth < DEPTH_MAX);
			open[depth++] = at;
			at = check_tag(at, end);
		} else {
			const char *name = at + 1;

			at = check_tag(name, end);
			must(depth-- > 0 && memcmp(open[depth], name, (size_t)(at - name)) == 0);
		}
	}
	must(depth == 0);
}

enum { LADDER = STORY_SIDES };	/* or a ruler, by its side */

static enum draw_result draw(const struct story *story, size_t what, struct text *t)
{
	static struct layout layout;

	if (what == LADDER)
		return draw_ladder(story, &layout, t);
	return draw_ruler(story, (enum story_side)what, t);
}

/* Draws with this much room, in memory of its own, so that any overrun is seen. */
static struct text draw_in(const struct story *story, size_t what, size_t room)
{
	struct text t = { .octets = room > 0 ? malloc(room) : NULL, .room = room };
	enum draw_result result = draw(story, what, &t);

	must(result == (t.length <= room ? DRAW_DONE : DRAW_NO_ROOM));
	return t;
}

static void draw_story(const struct story *story)
{
	for (size_t what = 0; what <= LADDER; what++) {
		size_t length = draw_in(story, what, 0).length;
		struct text whole = draw_in(story, what, length);
		struct text half = draw_in(story, what, length / 2);

		must(whole.length == length && half.length == length);
		must(length < 2 || memcmp(whole.octets, half.octets, length / 2) == 0);
		check_svg(whole.octets, whole.length);
		free(whole.octets);
		free(half.octets);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *root = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);
	struct stories stories;
	struct error error = { .text = "" };

	if (!root)
		return 0;
	if (stories_from_json(&stories, root, &error)) {
		for (size_t i = 0; i < stories.count; i++)
			draw_story(&stories.stories[i]);
	} else {
		must(error.text[0] != '\0');
	}
	stories_free(&stories);
	json_decref(root);
	return 0;
}
