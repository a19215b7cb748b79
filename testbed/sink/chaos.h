/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_SINK_CHAOS_H
#define RESEG_SINK_CHAOS_H

/*
 * What goes wrong at a server, and at which commands
 */

#include <stddef.h>
#include <stdint.h>

#define CHAOS_MAX 16

/* What happens at a command. */
struct chaos {
	char verb[8];
	enum { CHAOS_REPLY, CHAOS_CLOSE, CHAOS_RESET, CHAOS_SILENCE, CHAOS_DELAY } what;
	char reply[4];		/* its code */
	uint64_t delay_ns;
	unsigned every;		/* at every N-th such command */
	unsigned seen;
};

struct chaos_list {
	struct chaos chaos[CHAOS_MAX];
	size_t count;
};

/* Adds what --chaos gives: VERB=WHAT[/N]. Ends the program if it is wrong. */
void chaos_add(struct chaos_list *l, const char *text);

/* The same for --callout-delay: a time in seconds. */
void chaos_add_callout(struct chaos_list *l, const char *text);

/* What happens at this command; NULL: nothing. The first of the list whose turn it is wins. */
const struct chaos *chaos_find(struct chaos_list *l, const char *line);

#endif
