/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/replies.h"

#include "io/cli.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

bool reply_is_line(const char *line)
{
	return isdigit((unsigned char)line[0]) && isdigit((unsigned char)line[1]) &&
	       isdigit((unsigned char)line[2]) &&
	       (line[3] == ' ' || line[3] == '-' || line[3] == '*' || line[3] == '\0');
}

void reply_join(char to[static REPLY_TEXT_BYTES], const char *line)
{
	size_t used = strlen(to);

	if (used == 0)
		snprintf(to, REPLY_TEXT_BYTES, "%.3s%s%s", line, line[3] ? " " : "",
			 line[3] == '*' ? line + 3
			 : line[3]      ? line + 4
					: "");
	else if (line[3] != '\0')
		snprintf(to + used, REPLY_TEXT_BYTES - used, " %s", line + 4);
}

void replies_quote(struct replies *r, const char *text)
{
	cli_escape(r->last, sizeof(r->last), text);
}

void replies_note(struct replies *r, const char *text)
{
	uint16_t code = (uint16_t)((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0'));

	replies_quote(r, text);
	if (r->refusal[0] == '\0' && (text[0] == '4' || text[0] == '5'))
		memcpy(r->refusal, r->last, sizeof(r->refusal));
	r->last_code = code;
	if (r->run_count > 0 && !r->more && r->runs[r->run_count - 1].code == code)
		r->runs[r->run_count - 1].count++;
	else if (r->run_count < REPLY_RUNS)
		r->runs[r->run_count++] = (struct reply_run){ code, 1 };
	else
		r->more = true;
}

bool replies_alike(const struct replies *a, const struct replies *b)
{
	if (a->run_count != b->run_count || a->more != b->more)
		return false;
	for (unsigned i = 0; i < a->run_count; i++) {
		if (a->runs[i].code != b->runs[i].code)
			return false;
	}
	return true;
}

void replies_widen(struct replies *low, struct replies *high, const struct replies *other)
{
	for (unsigned i = 0; i < other->run_count; i++) {
		uint16_t count = other->runs[i].count;

		if (count < low->runs[i].count)
			low->runs[i].count = count;
		if (count > high->runs[i].count)
			high->runs[i].count = count;
	}
}

void replies_codes(char to[static REPLY_CODES_BYTES], const struct replies *low,
		   const struct replies *high)
{
	char *end = to + REPLY_CODES_BYTES;

	*to = '\0';
	for (unsigned i = 0; i < low->run_count; i++) {
		unsigned least = low->runs[i].count, most = high->runs[i].count;

		to += snprintf(to, (size_t)(end - to), "%s%03u", i > 0 ? " " : "",
			       low->runs[i].code);
		if (most > 1)
			to += snprintf(to, (size_t)(end - to), "x%u", least);
		if (most > least)
			to += snprintf(to, (size_t)(end - to), "-%u", most);
	}
	if (low->more)
		snprintf(to, (size_t)(end - to), " ...");
}
