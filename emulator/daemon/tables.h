/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_DAEMON_TABLES_H
#define RESEG_DAEMON_TABLES_H

/*
 * resegd's answers as tables, for resegctl; docs/control.md says what is in an answer
 */

#include "core/match.h"

#include <jansson.h>

/* Which flows, and in what order. */
struct tables_choice {
	const char *sort;	/* orphaned, acked, idle or flow */
	bool stalled;		/* only stalled ones, */
	bool of_client;		/* and only those of the clients in match */
	struct match match;
};

/* A text of an object, "-" if there is none. */
const char *tables_text(const json_t *object, const char *key);

/* Print an answer to the request `status`: its faults, or all of it. */
void tables_faults(const json_t *status);
void tables_status(const json_t *status);

/* The chosen flows of an answer to `flows`, sorted: a new array. */
json_t *tables_choose(const struct tables_choice *c, const json_t *answer);

/* Adds to each flow its rate of delivery since the last call, if it was there then. */
void tables_add_rates(const json_t *flows);

/* Prints a line for each flow, or three if its addresses are too long for one. `watched`: with its
 * rate. Prints no more than most_lines. */
void tables_flows(const json_t *flows, size_t most_lines, bool watched);

#endif
