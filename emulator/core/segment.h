/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_SEGMENT_H
#define RESEG_CORE_SEGMENT_H

/*
 * Packets of open flows
 */

#include "box.h"

/* A packet of a flow in state FLOW_OPEN; the flow may be gone afterwards. */
enum engine_verdict segment_input(struct engine *e, flow_handle h, enum engine_side side,
				  struct packet *p, const struct tcpopt *o);

#endif
