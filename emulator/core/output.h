/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_OUTPUT_H
#define RESEG_CORE_OUTPUT_H

/*
 * What a flow sends, the most urgent first
 */

#include "box.h"

/* The next packet of one flow; false if there is none now. */
bool output_next(struct engine *e, struct flow *f, struct engine_emit *out);

#endif
