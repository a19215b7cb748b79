/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_PROBE_EXPECT_H
#define RESEG_PROBE_EXPECT_H

/*
 * Expectations: what a sweep should find
 *
 *      clean       every size is ok
 *      finch2008   the sizes that the firewall of 2008 would stall are stalled (finch2008.h)
 *      FILE        what an earlier sweep found, as --format json printed it
 *
 * If sizes are repeated, the n-th row of a size is compared with the n-th one in the file.
 */

#include "io/error.h"
#include "probe/sweep.h"

struct expect;

/* Returns false, and why, if there is no such expectation. segment_size: for finch2008. */
bool expect_open(struct expect **out, const char *name, uint32_t segment_size, struct error *error);
void expect_close(struct expect *x);

const char *expect_name(const struct expect *x);

/* The outcome expected of a measured row; -1 if none is. */
int expect_outcome(const struct expect *x, const struct sweep *s, const struct row *row);

/* Is this row as expected? With no expectation (x is NULL): is it ok? The question is about the
 * path, so rejected counts as ok. */
bool expect_met(const struct expect *x, const struct sweep *s, const struct row *row);

#endif
