/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_DRAW_LABEL_H
#define RESEG_DRAW_LABEL_H

/*
 * Text in a picture
 */

#include "draw/text.h"

#define LABEL_LETTER 6.1	/* the width of a letter, in pixels */

struct label {
	double x, y;
	const char *css, *more_css;	/* classes; the second may be NULL */
	const char *data;		/* the name of an attribute after "data-"; NULL: none */
	unsigned value;			/* of that attribute */
};

void label_add(struct text *out, const struct label *label, const char *octets, size_t length);

/* The same for a string that ends with NUL. */
void label_add_string(struct text *out, const struct label *label, const char *string);

#endif
