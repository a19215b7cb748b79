/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_LIFETIME_H
#define RESEG_CORE_LIFETIME_H

/*
 * When flows end, and what is done then; and the list of those that may have output
 */

#include "box.h"

/* The moment from which an idle flow is forgotten. */
uint64_t lifetime_deadline(const struct engine *e, const struct flow *f);

/* Can its ends go on without the box? */
bool lifetime_can_hand_over(const struct engine *e, const struct flow *f);

/* Sets the flow's timer to the first thing that is due: retransmission, probe, or its end. */
void lifetime_set_alarm(struct engine *e, flow_handle h);

/* A flow may have something to send. Only what is in this list is asked by engine_next(). */
void lifetime_queue_output(struct engine *e, flow_handle h);
void lifetime_unqueue_output(struct engine *e, flow_handle h);

/* Lets go of what the relays of an open flow hold and owe. */
void lifetime_empty_relays(struct engine *e, struct flow *f);

/* Tells that an open flow is closed, and empties its relays. */
void lifetime_close(struct engine *e, struct flow *f, enum engine_close_reason reason);

/* Has it ended, and is only remembered for what its ends may still send? */
bool lifetime_is_over(const struct flow *f);

/* Puts it into one of the states of a flow that is over. */
void lifetime_end_state(struct engine *e, struct flow *f, enum flow_state state);

/* Takes it out of the table. h is free then. */
void lifetime_forget(struct engine *e, flow_handle h);

/* The same, told as closed for that reason if it was open. */
void lifetime_end(struct engine *e, flow_handle h, enum engine_close_reason reason);

/* Do both ends have each other's FIN? Then lifetime_finish() ends it. */
bool lifetime_is_finished(const struct flow *f);
void lifetime_finish(struct engine *e, flow_handle h);

/* `by` sent a RST that the box believes, or the box gives up in its name. */
void lifetime_reset(struct engine *e, struct flow *f, enum engine_side by,
		    enum engine_close_reason reason);

/* Both ends are to get a RST. */
void lifetime_owe_rsts(struct flow *f);

/* Is an end gone, though the box may still have its data to deliver? */
bool lifetime_is_gone(const struct flow *f, enum engine_side side);

#endif
