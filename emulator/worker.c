/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "worker.h"

#include "io/cli.h"
#include "io/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void send_output(struct worker *w)
{
	struct engine_emit packet;

	while (engine_next(w->engine, &packet))
		w->injector->send(w->injector, &packet);
	w->injector->flush(w->injector);
}

static enum engine_verdict handle(void *arg, void *packet, size_t *len, unsigned hints)
{
	struct worker *w = arg;

	/* What the packet before has caused, now that it is gone itself: an ACK that overtook
	 * the data it was written behind would look as if that data were lost. */
	send_output(w);
	return engine_input(w->engine, now_ns(), packet, len, hints);
}

/* Has it happened, and not been told yet? */
static bool is_first(bool happened, bool *told)
{
	bool first = happened && !*told;

	*told |= happened;
	return first;
}

/* Says once what an operator must know and can mend. */
static void warn(struct worker *w)
{
	const struct inject_stats *s = &w->injector->stats;

	if (is_first(s->too_big > 0, &w->warned_too_big))
		cli_complain("a piece is larger than the MTU of its way out and cannot be sent: "
			     "give a smaller --segment-size");
	if (is_first(s->failed > 0, &w->warned_failed))
		cli_complain("the kernel refuses to send a packet (%s): check the routes and the "
			     "OUTPUT rules of this host", strerror(s->last_error));
	if (is_first(queue_overran(w->queue), &w->warned_overrun))
		cli_complain("packets come faster than they can be handled, and some were lost: "
			     "give a larger --queue-buffer (who is not root can have no more than "
			     "twice net.core.rmem_max), or more workers by --queue");
	if (is_first(queue_looped(w->queue), &w->warned_loop))
		cli_complain("its own packets come back into the queue, and are let through: load the "
			     "rules by reseg-rules, and look for others that fill the same queue");
	if (is_first(w->log && !eventlog_flush(w->log), &w->warned_log))
		cli_complain("the event log cannot be written and will have gaps");
}

/* Nanoseconds until the deadline, as ppoll() wants them; NULL: none. */
static const struct timespec *time_left(uint64_t deadline, struct timespec *ts)
{
	uint64_t now = now_ns();
	uint64_t left = deadline > now ? deadline - now : 0;

	if (deadline == UINT64_MAX)
		return NULL;
	*ts = (struct timespec){ (time_t)(left / NS_PER_S), (long)(left % NS_PER_S) };
	return ts;
}

static uint64_t flows_active(const struct worker *w)
{
	struct engine_stats s;

	engine_get_stats(w->engine, &s);
	return s.flows_active;
}

static void add_one(int event_fd)
{
	uint64_t one = 1;

	if (write(event_fd, &one, sizeof(one)) < 0)
		cli_die("eventfd: %s", strerror(errno));
}

/* Begins to hand over what there is. */
static void drain(struct worker *w)
{
	engine_drain(w->engine, now_ns());
	send_output(w);
	w->waiting = flows_active(w);
	add_one(w->draining);
}

/* How many times it was asked to stop since this was called last. */
static uint64_t stop_requests(struct worker *w)
{
	uint64_t requests;

	return read(w->stop, &requests, sizeof(requests)) < 0 ? 0 : requests;
}

static void *run(void *arg)
{
	struct worker *w = arg;
	uint64_t end = UINT64_MAX, requests;
	struct pollfd fds[] = {
		{ .fd = queue_fd(w->queue), .events = POLLIN },
		{ .fd = w->stop, .events = POLLIN },
	};

	for (;;) {
		uint64_t deadline = engine_deadline(w->engine);
		struct timespec ts;
		int rc = ppoll(fds, 2, time_left(deadline < end ? deadline : end, &ts), NULL);

		if (rc < 0 && errno != EINTR)
			cli_die("ppoll: %s", strerror(errno));
		if (engine_deadline(w->engine) <= now_ns()) {
			engine_expire(w->engine, now_ns());
			send_output(w);
		}
		/* What was queued before the request to stop is still handled. */
		if (rc > 0 && fds[0].revents) {
			int error = queue_receive(w->queue, handle, w);

			send_output(w);
			if (error < 0)
				cli_die("the queue is lost: %s", strerror(-error));
		}
		warn(w);
		requests = rc > 0 && fds[1].revents ? stop_requests(w) : 0;
		if (requests > 1 || (requests > 0 && end != UINT64_MAX))
			break;
		if (requests > 0) {
			drain(w);
			end = now_ns() + w->grace_ns;
		}
		if (end != UINT64_MAX && (now_ns() >= end || flows_active(w) == 0))
			break;
	}
	/* The other workers may take much longer, and nobody would give verdicts. */
	queue_get_stats(w->queue, &w->queue_stats);
	queue_close(w->queue);
	add_one(w->ended);
	return NULL;
}

int worker_start(struct worker *w)
{
	int rc;

	w->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->stop < 0)
		return -errno;
	rc = pthread_create(&w->thread, NULL, run, w);
	if (rc != 0)
		close(w->stop);
	return -rc;
}

void worker_stop(struct worker *w)
{
	add_one(w->stop);
}

void worker_join(struct worker *w)
{
	pthread_join(w->thread, NULL);
	close(w->stop);
}
