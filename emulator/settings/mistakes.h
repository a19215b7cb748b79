/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_SETTINGS_MISTAKES_H
#define RESEG_SETTINGS_MISTAKES_H

/*
 * All mistakes in the settings, so that they can be fixed in one go
 */

#include <stddef.h>

/* Room for the mistakes; those that do not fit are counted. */
#define SETTINGS_MISTAKES_BYTES 8192

/* Where a setting was given: a place in a file; or the command line, if line is 0. */
struct settings_place {
	unsigned line, column;	/* from 1 */
};

/* All mistakes: a line for each, without control characters. */
struct settings_mistakes {
	char text[SETTINGS_MISTAKES_BYTES];
	size_t bytes;		/* of text, without the line that counts those left out */
	unsigned count, left_out;
};

/* Adds a line. */
void settings_note(struct settings_mistakes *m, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds "; " and a text of at most 40 octets to the last line. */
void settings_conclude(struct settings_mistakes *m, const char *text);

/* The text that gives a mistake's place: "PATH:LINE:COLUMN: ", or nothing. */
#define SETTINGS_PLACE_BYTES 600
const char *settings_place_text(const char *path, const struct settings_place *at,
				char text[SETTINGS_PLACE_BYTES]);

#endif
