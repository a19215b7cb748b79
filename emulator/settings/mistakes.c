/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "settings/mistakes.h"

#include "io/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *settings_place_text(const char *path, const struct settings_place *at,
				char text[SETTINGS_PLACE_BYTES])
{
	text[0] = '\0';
	if (at->line > 0)
		snprintf(text, SETTINGS_PLACE_BYTES, "%.500s:%u:%u: ", path, at->line, at->column);
	return text;
}

void settings_note(struct settings_mistakes *m, const char *format, ...)
{
	enum { LINE_BYTES = 2000, FOR_THE_COUNT = 80 };
	char line[LINE_BYTES], escaped[LINE_BYTES];
	size_t room = sizeof(m->text) - FOR_THE_COUNT - m->bytes;
	va_list ap;
	int n;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	cli_escape(escaped, sizeof(escaped), line);
	m->count++;
	if (m->left_out == 0) {
		n = snprintf(m->text + m->bytes, room, "%s%s", m->bytes > 0 ? "\n" : "", escaped);
		if (n >= 0 && (size_t)n < room) {
			m->bytes += (size_t)n;
			return;
		}
	}
	m->left_out++;
	snprintf(m->text + m->bytes, FOR_THE_COUNT, "\nand %u more mistakes", m->left_out);
}

void settings_conclude(struct settings_mistakes *m, const char *text)
{
	size_t used = strlen(m->text);

	/* There is room: the count needs less than is kept for it. */
	snprintf(m->text + used, sizeof(m->text) - used, "; %s", text);
}
