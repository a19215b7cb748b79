/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_PROBE_FINCH2008_H
#define RESEG_PROBE_FINCH2008_H

/*
 * What the firewall of 2008 does to a write, computed from the client's side only
 *
 * Sweeps are checked against this hypothesis. It is written independently, from the observations,
 * and shares no code with the emulator.
 */

#include <stdbool.h>
#include <stddef.h>

/* Would `size` bytes stall if they are written in parts of split[0], split[1], ... (0 ends the
 * list) and the rest, over a path that takes mss bytes a segment, through a box that cuts at
 * segment_size? */
bool finch2008_stalls(size_t size, const size_t *split, size_t mss, size_t segment_size);

#endif
