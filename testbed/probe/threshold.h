/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_PROBE_THRESHOLD_H
#define RESEG_PROBE_THRESHOLD_H

/*
 * The size from which all envelopes fail: an MTU black hole, or a box that dies after so many bytes
 *
 * Sizes are bytes of an envelope. header: what a packet has besides its data, in bytes, so that the
 * longest packet that passes can be told. Rows stay the caller's.
 */

#include "probe/evidence.h"

/* Do rows, in the order of their sizes, fail from one of them on, more than one of them, and none
 * before? Returns the index of the first; 0: no. */
size_t threshold_find(const struct row *rows, size_t count);

/* Searches for the first size that fails, between one that does not and one that does, and
 * concludes what that means. */
void threshold_search(struct identify *id, struct row good, struct row bad, uint32_t header);

/* Every size from that of `bad` on fails, and no size up to that of `good`: sets the class, if both
 * sizes are neighbours and do so again. */
void threshold_conclude(struct identify *id, struct row good, struct row bad, uint32_t header);

#endif
