/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_RESET_H
#define RESEG_CORE_RESET_H

/*
 * RSTs: which are believed, and what follows
 */

#include "box.h"

/* A RST in an open flow, whose number and acknowledgment are these offsets. */
enum engine_verdict reset_segment(struct engine *e, struct flow *f, enum engine_side side,
				  struct packet *p, uint64_t offset, uint64_t ack);

/* Does an end's ACK confirm a RST of the other end that was only suspected? If this end has
 * everything and expects the number of the RST, it takes the RST; an ACK past that number shows
 * that it did not. */
bool reset_is_confirmed(struct flow *f, enum engine_side side);

/* A packet of a flow that one end has reset. */
enum engine_verdict reset_after_rst(struct engine *e, flow_handle h, enum engine_side side,
				    struct packet *p);

#endif
