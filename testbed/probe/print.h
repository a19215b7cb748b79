/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_PROBE_PRINT_H
#define RESEG_PROBE_PRINT_H

/* Prints what a sweep found, for people and for programs. */

#include "probe/expect.h"
#include "probe/sweep.h"

#include <stdio.h>

struct print {
	const struct sweep *sweep;
	const struct expect *expect;	/* or NULL */
	const char *target;		/* as the user wrote it */
};

#define PRINT_NOTE_BYTES (2 * REPLY_TEXT_BYTES + 256)

/* What happened, and the server's own words if it refused something or the connection ended early.
 * "": nothing to say. */
void print_note(char to[static PRINT_NOTE_BYTES], const struct row *row);

typedef void print_format(FILE *out, const struct print *r);

/* table, json, tap or junit; NULL if there is no such format. */
print_format *print_find(const char *name);

#endif
