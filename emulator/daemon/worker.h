/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_WORKER_H
#define RESEG_WORKER_H

/*
 * Workers: each is a thread with a queue, an engine and an injector of its own
 *
 * The kernel sends all packets between two hosts to the same queue, so no worker needs another's
 * connections; while packets pass, workers share only the event log and the capture. The exception
 * is ICMP from routers: all of it comes to the first worker, whether the connection is its own or
 * not, so that worker passes it on to the others.
 */

#include "core/engine.h"
#include "io/box_capture.h"
#include "io/eventlog.h"
#include "io/inject.h"
#include "io/queue.h"

#include <pthread.h>
#include <time.h>

/* The statistics of a worker. */
struct worker_report {
	struct engine_stats engine;
	uint64_t acted[POLICIES_MAX][FAULTS_MAX];	/* by fault */
	struct queue_stats queue;
	struct inject_stats inject;
	uint64_t events_lost;	/* for the caller to fill in */
};

enum worker_question_type { QUESTION_NONE, QUESTION_REPORT, QUESTION_FLOWS, QUESTION_ENDED };

/* What another thread asks of a worker. One question at a time; it belongs to the worker as long as
 * `what` is set, so a late worker can do no harm. */
struct worker_question {
	pthread_mutex_t lock;		/* of all this */
	pthread_cond_t answered;
	int asked;			/* eventfd */
	enum worker_question_type what;
	struct engine_rules rules;	/* only the newest matter, so they need no queue */
	uint64_t rules_wanted, rules_used;	/* how many times they were set, and how many of
						 * these the worker has dealt with */
	int rules_error;		/* of the last ones applied: why the engine refused them */
	struct worker_report report;
	struct engine_flow_info *flows;
	size_t flow_count, flow_room;
	uint32_t cursor;
	int error;
};

/* Router messages that the first worker received. If there is no room, the others find out by
 * time-outs. */
#define WORKER_ICMP_MAX 16
#define WORKER_ICMP_BYTES 1280

struct worker_icmp {
	size_t bytes;
	uint8_t packet[WORKER_ICMP_BYTES];
};

struct worker {
	struct engine *engine;
	struct queue *queue;	/* closed when the worker ends, so that packets pass */
	struct injector *injector;
	struct eventlog *log;	/* shared; NULL: none */
	struct box_capture *capture;	/* the same */
	struct box_capture_tap *tap;	/* into it */
	uint64_t grace_ns;	/* how long handing over connections may take */
	/* The caller's eventfds, to which the worker adds 1: */
	int draining;		/* when it has begun to hand over */
	int ended;		/* when it ends */
	int stop;		/* its own eventfd: requests to stop */
	_Atomic uint64_t busy_since_ns;	/* 0: it waits for something to do */
	_Atomic uint64_t waiting;	/* once it is draining: connections not handed over yet */
	_Atomic bool failed;	/* once it has ended: it could not go on, and has said why */
	struct queue_stats queue_stats;	/* once it has ended */
	pthread_t thread;
	struct worker_question question;
	struct worker_icmp icmp[WORKER_ICMP_MAX];	/* to be handled; locked as the question */
	unsigned icmps;
	struct worker *all;	/* all workers, this one among them, */
	unsigned count;		/* and how many they are */
	bool warned_too_big;
	bool warned_failed;
	bool warned_log;
	bool warned_capture;
	bool warned_overrun;
	bool warned_loop;
	bool warned_truncated;
	bool warned_path;
	bool warned_one_sided;
	bool warned_unanswered;
};

/* Adds 1 to an eventfd; ends the process if that fails. */
void worker_add_one(int event_fd);

/* An engine_observer whose arg is the worker. */
void worker_observe(void *worker, const struct engine_event *event);

/* Starts the thread of a worker whose fields up to `ended` are set up. The thread ends after a
 * request to stop, once all connections are handed over or the time for that is over; after a
 * second request; or if it cannot go on. Negative errno. */
int worker_start(struct worker *w);

/* Asks it to stop; a second time: to stop at once. */
void worker_stop(struct worker *w);

/* Is the worker waiting for something to do, or has it been busy for only a little while? */
bool worker_lives(const struct worker *w);

/* Waits until the thread has ended. */
void worker_join(struct worker *w);

#endif
