/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/evidence.h"

#include "io/cli.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void evidence(struct identify *id, const char *format, ...)
{
	va_list ap;

	if (id->evidence_count == IDENTIFY_EVIDENCE_MAX)
		return;
	va_start(ap, format);
	if (vasprintf(&id->evidence[id->evidence_count], format, ap) < 0)
		cli_die("out of memory");
	va_end(ap);
	id->evidence_count++;
}

void evidence_quote(struct identify *id, const struct row *row)
{
	char note[PRINT_NOTE_BYTES];

	print_note(note, row);
	if (note[0] != '\0')
		evidence(id, "an envelope of %" PRIu32 " bytes: %s", row->size, note);
}

void evidence_unsure(struct identify *id)
{
	id->class = CLASS_UNSURE;
	id->sure = false;
}
