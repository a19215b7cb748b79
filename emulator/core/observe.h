/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_OBSERVE_H
#define RESEG_CORE_OBSERVE_H

/*
 * What is reported to the observer
 */

#include "box.h"

void observe_opened(struct engine *e, const struct flow *f);
void observe_arrival(struct engine *e, const struct flow *f, enum engine_side source,
		     uint64_t offset, uint32_t bytes);
void observe_forged_ack(struct engine *e, const struct flow *f, enum engine_side source);
void observe_cut(struct engine *e, const struct flow *f, enum engine_side source, uint64_t offset,
		 uint32_t bytes, uint32_t pieces, uint32_t last_piece);
void observe_stall(struct engine *e, const struct flow *f, enum engine_side source);
void observe_resume(struct engine *e, const struct flow *f, enum engine_side source);
/* piece: the one it acted on, or NULL. */
void observe_fault(struct engine *e, const struct flow *f, enum engine_side source,
		   const struct fault *fault, const struct piece *piece);
/* The path to its sink carries less than assumed. */
void observe_path(struct engine *e, const struct flow *f, enum engine_side source);
/* What a relay of an open flow did. */
struct engine_totals observe_totals(const struct relay *r);

void observe_closed(struct engine *e, const struct flow *f, enum engine_close_reason reason);

#endif
