/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_PROBE_THRESHOLD_H
#define RESEG_PROBE_THRESHOLD_H

/*
 * The size from which all envelopes fail: an MTU black hole, or a box that dies after N bytes
 *
 * Sizes are bytes of an envelope. header: what a packet has besides its data, in bytes, so that the
 * longest packet that passes can be told. Rows stay the caller's.
 */

#include "probe/evidence.h"

/* Do the rows, which are sorted by size, all fail from some row on, and none before it? Returns the
 * index of that row; 0: no, or only the last one fails. */
size_t threshold_find(const struct row *rows, size_t count);

/* Searches for the first size that fails, between one that does not and one that does, and
 * concludes what that means. */
void threshold_search(struct identify *id, struct row good, struct row bad, uint32_t header);

/* Every size from that of `bad` on fails, and no size up to that of `good`. Sets the class, if the
 * two sizes are neighbours and further tries have the same results. */
void threshold_conclude(struct identify *id, struct row good, struct row bad, uint32_t header);

#endif
