/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sink/chaos.h"

#include "io/cli.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DELAY_MAX_SECONDS 3600

static struct chaos *next_place(struct chaos_list *l, const char *option)
{
	if (l->count == CHAOS_MAX)
		cli_die("%s: it can be given %d times at most", option, CHAOS_MAX);
	l->chaos[l->count] = (struct chaos){ .every = 1 };
	return &l->chaos[l->count++];
}

void chaos_add_callout(struct chaos_list *l, const char *text)
{
	struct chaos *chaos = next_place(l, "--callout-delay");

	strcpy(chaos->verb, "RCPT");
	chaos->what = CHAOS_DELAY;
	chaos->delay_ns = cli_seconds("--callout-delay", text, 0, DELAY_MAX_SECONDS);
}

/* VERB=WHAT[/N] */
void chaos_add(struct chaos_list *l, const char *text)
{
	struct chaos *chaos = next_place(l, "--chaos");
	size_t verb = strcspn(text, "="),
	       what_bytes = text[verb] ? strcspn(text + verb + 1, "/") : 0;
	const char *end = text + verb + 1 + what_bytes;
	char what[32];
	int code;

	if (verb == 0 || verb >= sizeof(chaos->verb) || what_bytes == 0 ||
	    what_bytes >= sizeof(what))
		cli_die("--chaos %s: give VERB=WHAT, as RCPT=451 or DATA=close/10", text);
	memcpy(chaos->verb, text, verb);
	memcpy(what, text + verb + 1, what_bytes);
	what[what_bytes] = '\0';
	if (*end == '/')
		chaos->every = (unsigned)cli_number("--chaos /N", end + 1, 1, 1000000);
	if (strcmp(what, "close") == 0) {
		chaos->what = CHAOS_CLOSE;
	} else if (strcmp(what, "reset") == 0) {
		chaos->what = CHAOS_RESET;
	} else if (strcmp(what, "silence") == 0) {
		chaos->what = CHAOS_SILENCE;
	} else if (what[what_bytes - 1] == 's') {
		what[what_bytes - 1] = '\0';
		chaos->what = CHAOS_DELAY;
		chaos->delay_ns = cli_seconds("--chaos VERB=", what, 0, DELAY_MAX_SECONDS);
	} else {
		code = (int)cli_number("--chaos VERB=", what, 200, 599);
		snprintf(chaos->reply, sizeof(chaos->reply), "%.3d", code);
	}
}

const struct chaos *chaos_find(struct chaos_list *l, const char *line)
{
	for (size_t i = 0; i < l->count; i++) {
		struct chaos *chaos = &l->chaos[i];

		if (strncasecmp(line, chaos->verb, strlen(chaos->verb)) == 0 &&
		    ++chaos->seen % chaos->every == 0)
			return chaos;
	}
	return NULL;
}
