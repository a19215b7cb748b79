/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_WORKER_H
#define RESEG_WORKER_H

/*
 * Workers: each is a thread with a queue, an engine and an injector of its own
 *
 * The kernel hands all packets between two hosts to the same queue, so no worker needs to
 * know of another's connections, and nothing is shared while packets pass but the event
 * log.
 */

#include "core/engine.h"
#include "io/eventlog.h"
#include "io/inject.h"
#include "io/queue.h"

#include <pthread.h>

struct worker {
	struct engine *engine;
	struct queue *queue;	/* closed when it ends, so that packets pass */
	struct injector *injector;
	struct eventlog *log;	/* shared; NULL: none */
	uint64_t grace_ns;	/* how long it may take to hand connections over */
	int draining;		/* the caller's eventfds, to which it adds 1: when it has begun to */
	int ended;		/* hand over, and when it ends */
	int stop;		/* the same, of requests to stop */
	_Atomic uint64_t waiting;	/* once it is draining: connections not handed over yet */
	struct queue_stats queue_stats;	/* once it has ended */
	pthread_t thread;
	bool warned_too_big;
	bool warned_failed;
	bool warned_log;
	bool warned_overrun;
	bool warned_loop;
};

/* Starts the thread of a worker whose fields up to `ended` are set up. It ends once it was
 * asked to stop and has handed all connections over, or the time for that is over, or it was
 * asked again. Negative errno. */
int worker_start(struct worker *w);

/* Asks it to stop; again: at once. */
void worker_stop(struct worker *w);

/* Waits until the thread has ended. */
void worker_join(struct worker *w);

#endif
