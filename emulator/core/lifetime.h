/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_LIFETIME_H
#define RESEG_CORE_LIFETIME_H

/*
 * When flows end and what is done then; and the list of flows that may have output
 */

#include "box.h"

/* When a flow, if idle until then, is forgotten. */
uint64_t lifetime_deadline(const struct engine *e, const struct flow *f);

/* Can its ends go on without the box? */
bool lifetime_can_hand_over(const struct engine *e, const struct flow *f);

/* Sets the flow's timer to the first thing that is due: retransmission, probe, or its end. */
void lifetime_set_alarm(struct engine *e, flow_handle h);

/* Adds a flow that may have something to send. engine_next() asks only the flows in this list. */
void lifetime_queue_output(struct engine *e, flow_handle h);
void lifetime_unqueue_output(struct engine *e, flow_handle h);

/* Drops what the relays of an open flow hold and owe. */
void lifetime_empty_relays(struct engine *e, struct flow *f);

/* Reports an open flow as closed, and empties its relays. */
void lifetime_close(struct engine *e, struct flow *f, enum engine_close_reason reason);

/* Has the flow ended, and is it remembered only for what its ends may still send? */
bool lifetime_is_over(const struct flow *f);

/* Puts a flow into one of the states of a flow that is over. */
void lifetime_end_state(struct engine *e, struct flow *f, enum flow_state state);

/* Takes a flow out of the table. Afterwards h is free. */
void lifetime_forget(struct engine *e, flow_handle h);

/* The same; a flow that was open is reported as closed for that reason. */
void lifetime_end(struct engine *e, flow_handle h, enum engine_close_reason reason);

/* Do both ends have each other's FIN? Then lifetime_finish() ends it. */
bool lifetime_is_finished(const struct flow *f);
void lifetime_finish(struct engine *e, flow_handle h);

/* `by` sent a RST that the box believes, or the box gives up in its name. */
void lifetime_reset(struct engine *e, struct flow *f, enum engine_side by,
		    enum engine_close_reason reason);

/* Notes that both ends must be sent a RST. */
void lifetime_owe_rsts(struct flow *f);

/* Is an end gone, even if the box still has to deliver its data? */
bool lifetime_is_gone(const struct flow *f, enum engine_side side);

#endif
