/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_PROBE_IDENTIFY_H
#define RESEG_PROBE_IDENTIFY_H

/*
 * What is wrong with a path, found out from the client's side only
 *
 * First the server itself is measured (server.h): its time for a recipient. Then some sizes between
 * the smallest envelope and a full segment are tried. If all sizes from some size on fail, that
 * size is searched for (threshold.h); otherwise all sizes are tried (sizes.h). What failed is tried
 * again, because chance repeats nothing. Then each hypothesis predicts, for each size, whether
 * replies are missing and how many; one wrong prediction rules it out. If several are left, further
 * envelopes for which they predict different results decide between them; the one that remains must
 * also predict the results of split writes. If no hypothesis explains what failed, the result is
 * unsure; so it is if no fault is found, but something came and went, or the server did not serve
 * all connections.
 */

#include "io/error.h"
#include "probe/evidence.h"

#include <stdio.h>

/* Finds out. Returns false, and why, if it cannot be tried. */
bool identify_run(struct identify *id, struct error *error);

void identify_free(struct identify *id);

/* The result for people, or as JSON. target: as the user wrote it. */
void identify_print(FILE *out, const struct identify *id, const char *target);
void identify_print_json(FILE *out, const struct identify *id, const char *target);

#endif
