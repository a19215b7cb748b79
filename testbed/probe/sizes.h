/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_PROBE_SIZES_H
#define RESEG_PROBE_SIZES_H

/*
 * All sizes of envelopes that fit in one segment, and which hypothesis explains those that fail
 */

#include "probe/evidence.h"

/* Tries them, and tries again what failed; sets the class to what explains that. most: bytes of
 * data in a full segment; header: the other bytes of its packet. */
void sizes_try_all(struct identify *id, uint32_t most, uint32_t header);

#endif
