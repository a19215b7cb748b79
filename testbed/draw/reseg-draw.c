/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * reseg-draw: draws stories of connections
 *
 * For reseg-report, which runs it once for each page. Reads stories (from_json.h) on standard
 * input, and writes an array with an object for each: {"ladder": SVG, "rulers": SVG}. The rulers
 * are those of no stream, of one or of both.
 */

#include "draw/draw.h"
#include "draw/from_json.h"
#include "io/cli.h"

#include <stdlib.h>

static void print_help(void)
{
	printf("Usage: reseg-draw <STORIES >PICTURES\n"
	       "Draws connections for reseg-report: reads them as JSON, and writes SVG in JSON.\n"
	       "\n"
	       "  --help, --version\n");
}

/* Gives the text as much room as it turned out to need, and empties it. */
static void enlarge(struct text *t)
{
	char *octets = realloc(t->octets, t->length);

	if (!octets)
		cli_die("out of memory");
	*t = (struct text){ .octets = octets, .room = t->length };
}

static json_t *string_of(const struct text *t)
{
	return json_stringn(t->length > 0 ? t->octets : "", t->length);
}

static json_t *draw(const struct story *story, struct layout *layout, struct text *t)
{
	json_t *ladder, *rulers;

	t->length = 0;
	while (draw_ladder(story, layout, t) == DRAW_NO_ROOM)
		enlarge(t);
	ladder = string_of(t);
	for (;;) {
		t->length = 0;
		for (enum story_side side = STORY_BY_CLIENT; side < STORY_SIDES; side++)
			draw_ruler(story, side, t);
		if (text_fits(t))
			break;
		enlarge(t);
	}
	rulers = string_of(t);
	return json_pack("{s:o, s:o}", "ladder", ladder, "rulers", rulers);
}

static json_t *draw_all(const struct stories *stories)
{
	struct layout *layout = malloc(sizeof(*layout));
	json_t *pictures = json_array();
	struct text t = { 0 };

	if (!layout || !pictures)
		cli_die("out of memory");
	for (size_t i = 0; i < stories->count; i++) {
		json_t *picture = draw(&stories->stories[i], layout, &t);

		if (json_array_append_new(pictures, picture) < 0)
			cli_die("out of memory");
	}
	free(t.octets);
	free(layout);
	return pictures;
}

int main(int argc, char **argv)
{
	static const struct option table[] = { CLI_COMMON_OPTIONS };
	struct stories stories;
	json_t *root, *pictures;
	json_error_t json_error;
	struct error error;

	cli_program = "reseg-draw";
	while (cli_option(argc, argv, "", table, print_help) != -1)
		;
	if (optind < argc)
		cli_die("%s: it takes no arguments; see --help", argv[optind]);
	root = json_loadf(stdin, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &json_error);
	if (!root)
		cli_die("line %d: %s", json_error.line, json_error.text);
	if (!stories_from_json(&stories, root, &error))
		cli_die("%s", error.text);
	pictures = draw_all(&stories);
	if (json_dumpf(pictures, stdout, JSON_COMPACT) < 0 || fflush(stdout) != 0)
		cli_die("standard output cannot be written");
	json_decref(pictures);
	stories_free(&stories);
	json_decref(root);
	return EXIT_GOOD;
}
