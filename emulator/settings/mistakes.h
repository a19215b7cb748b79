/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_SETTINGS_MISTAKES_H
#define RESEG_SETTINGS_MISTAKES_H

/*
 * All that is wrong with the settings, so that it can be mended at once
 */

#include <stddef.h>

/* Of what is wrong with the settings; mistakes that do not fit are counted. */
#define SETTINGS_MISTAKES_BYTES 8192

/* Where something was said: by which file; or on the command line, where line is 0. */
struct settings_place {
	unsigned line, column;	/* from 1 */
};

/* What is wrong, all of it: a line for each mistake, without control characters. */
struct settings_mistakes {
	char text[SETTINGS_MISTAKES_BYTES];
	size_t bytes;		/* of text, but for the line that counts those left out */
	unsigned count, left_out;
};

/* Adds a line. */
void settings_note(struct settings_mistakes *m, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What is said of a place before a mistake: "PATH:LINE:COLUMN: ", or nothing. */
#define SETTINGS_PLACE_BYTES 600
const char *settings_place_text(const char *path, const struct settings_place *at,
				char text[SETTINGS_PLACE_BYTES]);

#endif
