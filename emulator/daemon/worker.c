/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/worker.h"

#include "core/packet.h"
#include "io/cli.h"
#include "io/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>

/* No single piece of work takes this long; a worker busy for this long is stuck. */
#define STUCK_NS (5 * NS_PER_S)

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

void worker_add_one(int event_fd)
{
	uint64_t one = 1;

	if (write(event_fd, &one, sizeof(one)) == sizeof(one))
		return;
	/* Without eventfds the threads could not wake each other any more. */
	cli_say("eventfd: %s", strerror(errno));
	_exit(EXIT_FINDING);
}

void worker_observe(void *worker, const struct engine_event *event)
{
	struct worker *w = worker;

	if (w->log)
		eventlog_observe(w->log, event);
	if (w->tap)
		box_capture_observe(w->tap, event);
}

static void send_output(struct worker *w)
{
	struct engine_emit packet;

	while (engine_next(w->engine, &packet)) {
		if (w->tap)	/* before it is sent, or its answer could be captured first */
			box_capture_emit(w->tap, now_ns(), &packet);
		w->injector->send(w->injector, &packet);
	}
	w->injector->flush(w->injector);
}

/*
 * Sends a changed segment as a new packet instead of handing it back. When the kernel changes a
 * packet it keeps the old memory, and charges the receiver for both, which may be twice the
 * segment: a small receive buffer would have no room for a second segment, and the connection would
 * crawl. Segments that offloads have joined are handed back, because only the kernel knows where
 * they were joined; a receiver with a small buffer gets no joined ones. Returns false if the
 * segment is not to be sent like this.
 */
static bool send_anew(struct worker *w, void *bytes, size_t len, unsigned hints)
{
	struct engine_emit emit = { .summed = true, .parts = 2, .bytes = len };
	struct packet p;

	if ((hints & (ENGINE_JOINED | ENGINE_LOCAL)) ||
	    packet_parse(&p, bytes, len) != PACKET_TCP || p.payload_bytes == 0 || p.ip_bytes != len)
		return false;
	emit.version = p.version;
	emit.destination = packet_addresses(&p) + packet_address_bytes(&p);
	emit.part[0] = (struct stream_slice){ bytes, len - p.payload_bytes };
	emit.part[1] = (struct stream_slice){ p.payload, p.payload_bytes };
	w->injector->send(w->injector, &emit);
	w->injector->flush(w->injector);	/* before what comes next goes on */
	return true;
}

static bool is_icmp(const uint8_t *packet, size_t len)
{
	return len >= 20 &&
	       (packet[0] >> 4 == 4 ? packet[9] == IPPROTO_ICMP : packet[6] == IPPROTO_ICMPV6);
}

/* Passes on to the other workers a router's message that is about none of this one's
 * connections. */
static void share_icmp(const struct worker *w, const uint8_t *packet, size_t len)
{
	for (unsigned i = 0; i < w->count; i++) {
		struct worker *other = &w->all[i];

		if (other == w)
			continue;
		pthread_mutex_lock(&other->question.lock);
		if (other->icmps < WORKER_ICMP_MAX) {
			other->icmp[other->icmps].bytes = len;
			memcpy(other->icmp[other->icmps++].packet, packet, len);
		}
		pthread_mutex_unlock(&other->question.lock);
		worker_add_one(other->question.asked);
	}
}

/* Handles router messages that another worker received. The message itself has gone on: the source
 * that gets it finds that the box has acknowledged all data it is about. */
static void hear_icmp(struct worker *w)
{
	struct worker_question *q = &w->question;
	struct worker_icmp icmp;

	pthread_mutex_lock(&q->lock);
	while (w->icmps > 0) {
		icmp = w->icmp[--w->icmps];
		pthread_mutex_unlock(&q->lock);
		engine_icmp(w->engine, now_ns(), icmp.packet, icmp.bytes);
		send_output(w);
		pthread_mutex_lock(&q->lock);
	}
	pthread_mutex_unlock(&q->lock);
}

static enum engine_verdict handle_packet(void *arg, void *packet, size_t *len, unsigned hints)
{
	struct worker *w = arg;
	enum engine_verdict verdict;
	uint64_t now;

	/* Send what the previous packet caused, now that the packet itself is gone: an ACK that
	 * overtook it would be numbered after its data, which would then look lost. */
	send_output(w);
	now = now_ns();
	if (w->tap)
		box_capture_before(w->tap, packet, *len, hints);
	verdict = engine_input(w->engine, now, packet, len, hints);
	if (w->tap)
		box_capture_after(w->tap, w->engine, now, verdict, packet, *len);
	if (verdict == VERDICT_ACCEPT && w->count > 1 && *len <= WORKER_ICMP_BYTES &&
	    is_icmp(packet, *len))
		share_icmp(w, packet, *len);
	if (verdict == VERDICT_REPLACE && send_anew(w, packet, *len, hints))
		return VERDICT_DROP;
	return verdict;
}

/* Has it happened, and not been reported yet? */
static bool is_first(bool happened, bool *told)
{
	bool first = happened && !*told;

	*told |= happened;
	return first;
}

/* Reports why the worker cannot go on, and makes its thread end. The first thread sees to the rest:
 * exit() would run the exit handlers of the program while other workers go on. */
__attribute__((format(printf, 2, 3))) static void fail(struct worker *w, const char *format, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	cli_say("%s", text);
	w->failed = true;
}

static void warn_of_flows(struct worker *w)
{
	struct engine_stats s;

	engine_get_stats(w->engine, &s);
	if (is_first(s.paths_limited > 0, &w->warned_path))
		cli_say("a path seems to carry less than a piece, so pieces go out in parts: give "
			"a smaller --segment-size (the event \"path\" says what it carries)");
	if (is_first(s.one_sided > 0, &w->warned_one_sided))
		cli_say("only one direction of a connection comes through here, so it passes "
			"untouched: run reseg-rules check (NAT on this host?), and route both "
			"directions through this host");
	if (is_first(s.unanswered > 0, &w->warned_unanswered))
		cli_say("an end of a connection acknowledges nothing: it is gone, or its answers "
			"take a route that bypasses this host");
}

/* Reports once what an operator must know and can fix. */
static void warn(struct worker *w)
{
	const struct inject_stats *s = &w->injector->stats;
	int rc;

	if (is_first(s->too_big > 0, &w->warned_too_big))
		cli_say("a piece is larger than the MTU of its route and cannot be sent: give a "
			"smaller --segment-size");
	if (is_first(s->failed > 0 && s->last_error == EIO, &w->warned_failed))
		cli_say("its TUN device is down: ip link set %s up", w->injector->name);
	if (is_first(s->failed > 0, &w->warned_failed))
		cli_say("the kernel refuses to send a packet (%s): check the routes and the OUTPUT "
			"rules of this host",
			strerror(s->last_error));
	if (is_first(queue_overran(w->queue), &w->warned_overrun))
		cli_say("packets come faster than they can be handled, and some were lost: give a "
			"larger --queue-buffer (without root, at most twice net.core.rmem_max), or "
			"more workers by --queue");
	if (is_first(queue_looped(w->queue), &w->warned_loop))
		cli_say("its own packets come back into the queue, and are let through: load the "
			"rules with reseg-rules, and look for other rules that use the same queue");
	if (is_first(queue_truncated(w->queue), &w->warned_truncated))
		cli_say("packets are longer than the queue can copy, and were lost: on their "
			"links, ip link set DEVICE gso_max_size 65536 gro_max_size 65536");
	warn_of_flows(w);
	if (w->log && is_first((rc = eventlog_flush(w->log)) < 0, &w->warned_log))
		cli_say("the event log cannot be written (%s) and has a gap: make it writable",
			strerror(-rc));
	if (is_first(w->capture && !box_capture_flush(w->capture), &w->warned_capture))
		cli_say("the capture cannot be written any more: it ends here");
	if (s->failed > 0 && s->last_error == EBADFD)
		fail(w, "its TUN device was removed: start resegd again");
}

/* Nanoseconds until the deadline, in the form that ppoll() takes; NULL: no deadline. */
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

/* Begins to hand over the connections there are. */
static void drain_engine(struct worker *w)
{
	engine_drain(w->engine, now_ns());
	send_output(w);
	w->waiting = flows_active(w);
	worker_add_one(w->draining);
}

/* How many times an eventfd was added to since the last call. */
static uint64_t read_events(int event_fd)
{
	uint64_t events;

	return read(event_fd, &events, sizeof(events)) < 0 ? 0 : events;
}

/* Questions ----------------------------------------------------------------------------- */

/* Flows to list between two looks at the queue. */
#define FLOWS_AT_ONCE 256

/* Lists some more flows. Returns true once all are listed. */
static bool list_flows(struct worker *w, struct worker_question *q)
{
	uint32_t before = q->cursor;

	if (q->flow_room - q->flow_count < FLOWS_AT_ONCE) {
		size_t room = 2 * q->flow_room + FLOWS_AT_ONCE;
		struct engine_flow_info *flows = realloc(q->flows, room * sizeof(*flows));

		if (!flows) {
			q->error = -ENOMEM;
			return true;
		}
		q->flows = flows;
		q->flow_room = room;
	}
	q->flow_count += engine_flows(w->engine, now_ns(), &q->cursor, q->flows + q->flow_count,
				      FLOWS_AT_ONCE);
	return q->cursor == before;
}

/* Applies new rules. What the engine sends and logs because of them is written without the lock: a
 * file may block, and the thread that asks must not. */
static void use_rules(struct worker *w)
{
	struct worker_question *q = &w->question;
	uint64_t wanted;

	pthread_mutex_lock(&q->lock);
	wanted = q->rules_wanted;
	if (wanted != q->rules_used) {
		struct engine_rules rules = q->rules;
		int rc;

		pthread_mutex_unlock(&q->lock);
		rc = engine_set_rules(w->engine, now_ns(), &rules);
		send_output(w);
		pthread_mutex_lock(&q->lock);
		q->rules_used = wanted;
		q->rules_error = rc;
		pthread_cond_signal(&q->answered);
	}
	pthread_mutex_unlock(&q->lock);
}

/* Works on a question. Returns true if it needs more work. */
static bool answer_question(struct worker *w)
{
	struct worker_question *q = &w->question;
	bool done = true;

	use_rules(w);
	hear_icmp(w);
	pthread_mutex_lock(&q->lock);
	switch (q->what) {
	case QUESTION_REPORT:
		engine_get_stats(w->engine, &q->report.engine);
		for (unsigned i = 0; i < POLICIES_MAX; i++)
			engine_get_faults(w->engine, i, q->report.acted[i]);
		queue_get_stats(w->queue, &q->report.queue);
		q->report.inject = w->injector->stats;
		break;
	case QUESTION_FLOWS:
		done = list_flows(w, q);
		break;
	default:
		break;
	}
	if (done && q->what != QUESTION_ENDED && q->what != QUESTION_NONE) {
		q->what = QUESTION_NONE;
		pthread_cond_signal(&q->answered);
	}
	pthread_mutex_unlock(&q->lock);
	return !done;
}

/* From here on nobody answers. */
static void end_answers(struct worker *w)
{
	pthread_mutex_lock(&w->question.lock);
	w->question.what = QUESTION_ENDED;
	w->question.error = -ESRCH;
	pthread_cond_signal(&w->question.answered);
	pthread_mutex_unlock(&w->question.lock);
}

/* The thread ---------------------------------------------------------------------------- */

/* Waits for one of fds, or until this moment. Returns what ppoll() returns. */
static int wait_until(struct worker *w, struct pollfd fds[3], uint64_t moment_ns)
{
	struct timespec ts;
	int rc;

	w->busy_since_ns = 0;
	rc = ppoll(fds, 3, time_left(moment_ns, &ts), NULL);
	w->busy_since_ns = now_ns();
	if (rc < 0 && errno != EINTR)
		fail(w, "ppoll: %s", strerror(errno));
	return rc;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	uint64_t end = UINT64_MAX, requests;
	bool more_to_answer = false;
	struct pollfd fds[] = {
		{ .fd = queue_fd(w->queue), .events = POLLIN },
		{ .fd = w->stop, .events = POLLIN },
		{ .fd = w->question.asked, .events = POLLIN },
	};

	for (;;) {
		uint64_t deadline = engine_deadline(w->engine);
		int rc = wait_until(w, fds, more_to_answer ? 0 : deadline < end ? deadline : end);

		if (engine_deadline(w->engine) <= now_ns()) {
			engine_expire(w->engine, now_ns());
			send_output(w);
		}
		/* Packets queued before the request to stop are still handled. */
		if (rc > 0 && fds[0].revents) {
			int error = queue_receive(w->queue, handle_packet, w);

			send_output(w);
			if (error < 0)
				fail(w, "the queue is lost: %s", strerror(-error));
		}
		warn(w);
		if (w->failed)
			break;
		if ((rc > 0 && fds[2].revents && read_events(w->question.asked) > 0) ||
		    more_to_answer)
			more_to_answer = answer_question(w);
		requests = rc > 0 && fds[1].revents ? read_events(w->stop) : 0;
		if (requests > 1 || (requests > 0 && end != UINT64_MAX))
			break;
		if (requests > 0) {
			drain_engine(w);
			end = now_ns() + w->grace_ns;
		}
		if (end != UINT64_MAX && (now_ns() >= end || flows_active(w) == 0))
			break;
	}
	end_answers(w);
	/* Close the queue now: other workers may take much longer, and nobody would give
	 * verdicts. */
	queue_get_stats(w->queue, &w->queue_stats);
	queue_close(w->queue);
	w->busy_since_ns = 0;	/* it is not stuck */
	worker_add_one(w->ended);
	return NULL;
}

bool worker_lives(const struct worker *w)
{
	uint64_t since = w->busy_since_ns;

	return since == 0 || now_ns() - since < STUCK_NS;
}

int worker_start(struct worker *w)
{
	int rc;

	w->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->stop < 0)
		return -errno;
	w->question.asked = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->question.asked < 0) {
		rc = errno;
		goto close_stop;
	}
	pthread_mutex_init(&w->question.lock, NULL);
	pthread_cond_init(&w->question.answered, NULL);
	rc = pthread_create(&w->thread, NULL, worker_main, w);
	if (rc == 0)
		return 0;
	close(w->question.asked);
close_stop:
	close(w->stop);
	return -rc;
}

void worker_stop(struct worker *w)
{
	worker_add_one(w->stop);
}

void worker_join(struct worker *w)
{
	pthread_join(w->thread, NULL);
	close(w->stop);
	close(w->question.asked);
	free(w->question.flows);
	w->question.flows = NULL;
}
