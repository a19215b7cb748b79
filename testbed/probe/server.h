/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_PROBE_SERVER_H
#define RESEG_PROBE_SERVER_H

/*
 * The server itself: does it answer, how long does it take for a recipient, and is its greeting
 * hidden
 */

#include "io/error.h"
#include "probe/evidence.h"

/* Measures it; if even the smallest envelope fails, sets the class to unsure. *most becomes the
 * bytes of data in a full segment, *header the other bytes of its packet (0: unknown), *masked
 * whether the greeting is mostly asterisks. Returns false, and why, if no more can be tried. */
bool server_measure(struct identify *id, uint32_t *most, uint32_t *header, bool *masked,
		    struct error *error);

#endif
