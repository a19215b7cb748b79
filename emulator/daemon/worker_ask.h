/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_WORKER_ASK_H
#define RESEG_WORKER_ASK_H

/*
 * What another thread asks of a worker
 *
 * The worker answers between two packets, and the caller waits for that. -ETIMEDOUT: the worker
 * does not answer; -EBUSY: it has not answered the previous question either; -ESRCH: it has ended.
 */

#include "daemon/worker.h"

/* First set the rules of all workers, then wait for each until this time (CLOCK_MONOTONIC). A late
 * worker applies them later, or those that were set after them. -EINVAL: the engine refuses
 * them. */
void worker_set_rules(struct worker *w, const struct engine_rules *rules);
int worker_await_rules(struct worker *w, const struct timespec *until);

/* How long any of these waits from now on. */
struct timespec worker_answer_until(void);

int worker_get_report(struct worker *w, struct worker_report *out);

/* Returns all flows, which the caller frees; also -ENOMEM. The worker lists a few at a time, and
 * handles packets in between. */
int worker_get_flows(struct worker *w, struct engine_flow_info **out, size_t *count);

#endif
