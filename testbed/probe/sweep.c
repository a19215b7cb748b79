/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/sweep.h"

#include "io/clock.h"
#include "probe/envelope.h"

#include <ctype.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <linux/tcp.h>

#define INPUT_BYTES 65536
#define REPLY_BYTES_MAX 65536	/* of one reply; RFC 5321 section 4.5.3.1.5 allows a line 512 */
#define CODE_CLOSING 421	/* RFC 5321 section 3.8: the server ends the session */
#define POKE "NOOP\r\n"
#define POKE_BYTES 6

const char *const outcome_names[OUTCOMES] = {
	"ok", "rejected", "stalled", "reset", "refused", "error",
};

enum phase { CONNECTING, BANNER, EHLO, ENVELOPE };

struct connection {
	struct row *row;	/* NULL: the slot is free */
	int fd;
	enum phase phase;
	uint64_t deadline_ns;
	uint64_t limit_ns;
	uint64_t written_ns;
	uint64_t acked_before;
	char line[512];		/* of a reply, so far */
	size_t line_bytes;
	char reply[REPLY_TEXT_BYTES];	/* its lines so far, joined; "": none */
	size_t reply_bytes;
	bool pipelining;
	bool poked;
};

struct sweep_run {
	struct sweep *sweep;
	int epoll;
	struct connection *connections;
	size_t started;
	size_t done;
	size_t active;
	size_t in_envelope;	/* for the progress report */
	char envelope[ENVELOPE_MAX];
};

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static struct tcp_info tcp_info(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info;
}

/* A byte of an echo payload that would reveal a shifted or repeated byte. */
static char echo_byte(size_t i)
{
	return (char)('!' + i % 89);
}

static void finish(struct sweep_run *st, struct connection *c, enum outcome outcome,
		   const char *detail)
{
	struct linger abort_it = { .l_onoff = 1, .l_linger = 0 };
	struct row *row = c->row;

	row->outcome = outcome;
	row->detail = detail;
	if (c->reply[0] != '\0')
		replies_quote(&row->said, c->reply);
	if (c->phase == ENVELOPE) {
		row->bytes_acked = tcp_info(c->fd).tcpi_bytes_acked - c->acked_before;
		row->time_ns = now_ns() - c->written_ns;
		row->retransmitted = tcp_info(c->fd).tcpi_total_retrans;
		st->in_envelope--;
	}
	if (c->fd >= 0) {
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
		close(c->fd);
	}
	c->row = NULL;
	st->active--;
	st->done++;
}

static void finish_error(struct sweep_run *st, struct connection *c, int error)
{
	switch (error) {
	case ECONNREFUSED:
		finish(st, c, OUTCOME_REFUSED, "connection refused: is a server listening there?");
		break;
	case ECONNRESET:
	case EPIPE:
		finish(st, c, OUTCOME_RESET, "connection reset");
		break;
	case ENETUNREACH:
	case EHOSTUNREACH:
		finish(st, c, OUTCOME_REFUSED, "no route to the target: check its address");
		break;
	case EMFILE:
		finish(st, c, OUTCOME_ERROR, "out of descriptors: give a smaller --parallel");
		break;
	default:
		finish(st, c, OUTCOME_ERROR, strerror(error));
		break;
	}
}

static bool all_acked(const struct connection *c)
{
	return tcp_info(c->fd).tcpi_bytes_acked - c->acked_before >= c->row->size;
}

/* Writes a NOOP into the silence. Returns false if that makes no sense, or cannot be done. */
static bool poke(struct sweep_run *st, struct connection *c)
{
	if (!st->sweep->poke || c->poked || c->phase != ENVELOPE || !all_acked(c))
		return false;
	c->poked = true;
	c->deadline_ns = now_ns() + st->sweep->timeout_ns;
	return send(c->fd, POKE, POKE_BYTES, MSG_NOSIGNAL) == POKE_BYTES;
}

static void finish_timeout(struct sweep_run *st, struct connection *c)
{
	if (poke(st, c))
		return;
	c->row->timed_out = true;
	if (c->poked)
		c->row->poke_acked = tcp_info(c->fd).tcpi_bytes_acked - c->acked_before >=
				     c->row->size + POKE_BYTES;
	switch (c->phase) {
	case CONNECTING:
		finish(st, c, OUTCOME_REFUSED, "no answer to the SYN");
		break;
	case BANNER:
		finish(st, c, OUTCOME_ERROR, "no greeting: is this an SMTP server?");
		break;
	case EHLO:
		finish(st, c, OUTCOME_ERROR, "no reply to EHLO");
		break;
	case ENVELOPE:
		if (c->row->said.last_code == CODE_CLOSING)
			finish(st, c, OUTCOME_ERROR, "the server ended the session");
		else if (all_acked(c))
			finish(st, c, OUTCOME_STALLED, NULL);
		else
			finish(st, c, OUTCOME_ERROR,
			       "time-out, and not every byte was ACKed: packets are lost on the "
			       "way");
		break;
	}
}

static void finish_limit(struct sweep_run *st, struct connection *c, const char *detail)
{
	c->row->limited = true;
	finish(st, c, OUTCOME_ERROR, detail);
}

size_t sweep_split(const struct sweep *s, uint32_t size)
{
	if (s->split != SPLIT_LINE)
		return s->split < size ? s->split : 0;
	return s->protocol == PROTOCOL_SMTP ? strlen("MAIL FROM:<>\r\n") : 0;
}

static void write_envelope(struct sweep_run *st, struct connection *c)
{
	const struct sweep *s = st->sweep;
	uint32_t size = c->row->size;
	size_t parts[2] = { sweep_split(s, size), size };
	size_t at = 0;
	struct tcp_info info = tcp_info(c->fd);

	if (s->protocol == PROTOCOL_SMTP) {
		c->row->replies_due = envelope_build(st->envelope, size);
	} else {
		c->row->replies_due = size;
		for (size_t i = 0; i < size; i++)
			st->envelope[i] = echo_byte(i);
	}
	c->acked_before = info.tcpi_bytes_acked;
	c->row->written = true;
	c->row->mss = info.tcpi_snd_mss;
	c->row->mtu = info.tcpi_pmtu;
	c->phase = ENVELOPE;
	c->written_ns = now_ns();
	st->in_envelope++;
	for (size_t i = 0; i < 2; i++) {
		ssize_t n;

		if (parts[i] <= at)
			continue;
		n = send(c->fd, st->envelope + at, parts[i] - at, MSG_NOSIGNAL);
		if (n < 0) {
			finish_error(st, c, errno);
			return;
		}
		if ((size_t)n < parts[i] - at) {
			finish(st, c, OUTCOME_ERROR,
			       "the kernel did not take the bytes in one write");
			return;
		}
		at = parts[i];
	}
}

/* Takes the next reply: to MAIL, to a RCPT or to DATA. */
static void note_code(struct row *row, char code)
{
	struct sweep_codes *codes = &row->codes;

	if (row->replies == 0)
		codes->mail = code;
	else if (row->replies + 1 == row->replies_due)
		codes->data = code;
	else if (codes->rcpt == '\0')
		codes->rcpt = code;
	else
		codes->mixed |= codes->rcpt != code;
	codes->taken |= row->replies > 0 && row->replies + 1 < row->replies_due && code == '2';
}

/* A server may answer DATA with 354 even if it refused all recipients (RFC 2920 section 3.1). */
static bool accepted(const struct sweep_codes *codes)
{
	return codes->mail == '2' && codes->taken && codes->data == '3';
}

/* Takes the code of a whole reply. */
static void take_reply(struct sweep_run *st, struct connection *c, char code)
{
	switch (c->phase) {
	case BANNER:
		if (code != '2') {
			finish(st, c, OUTCOME_ERROR, "the server greets with an error");
			break;
		}
		c->phase = EHLO;
		if (send(c->fd, SWEEP_GREETING, SWEEP_GREETING_BYTES, MSG_NOSIGNAL) < 0)
			finish_error(st, c, errno);
		break;
	case EHLO:
		if (code != '2')
			finish(st, c, OUTCOME_ERROR, "the server refuses EHLO");
		else if (!c->pipelining)
			finish(st, c, OUTCOME_ERROR,
			       "the server does not offer PIPELINING, so no envelope may be sent "
			       "in one write");
		else
			write_envelope(st, c);
		break;
	case ENVELOPE:
		note_code(c->row, code);
		if (++c->row->replies == c->row->replies_due)
			finish(st, c, accepted(&c->row->codes) ? OUTCOME_OK : OUTCOME_REJECTED,
			       NULL);
		break;
	case CONNECTING:
		break;
	}
}

/* Takes one whole reply line, without its end. */
static void take_line(struct sweep_run *st, struct connection *c)
{
	const char *line = c->line;
	struct row *row = c->row;

	if (!reply_is_line(line)) {
		replies_quote(&row->said, line);
		finish(st, c, OUTCOME_ERROR, "the server does not talk SMTP: try --protocol echo");
		return;
	}
	if (c->phase == BANNER && row->greeting[0] == '\0')
		snprintf(row->greeting, sizeof(row->greeting), "%.*s",
			 (int)sizeof(row->greeting) - 1, line);
	if (c->phase == EHLO && line[3] != '\0' && strcasecmp(line + 4, "PIPELINING") == 0)
		c->pipelining = true;
	reply_join(c->reply, line);
	if (line[3] == '-')
		return;
	replies_note(&row->said, c->reply);
	c->reply[0] = '\0';
	c->reply_bytes = 0;
	take_reply(st, c, line[0]);
}

static void take_smtp(struct sweep_run *st, struct connection *c, const char *data, size_t bytes)
{
	for (size_t i = 0; i < bytes && c->row; i++) {
		if (data[i] == '\n') {
			if (c->line_bytes > 0 && c->line[c->line_bytes - 1] == '\r')
				c->line_bytes--;
			c->line[c->line_bytes] = '\0';
			c->line_bytes = 0;
			take_line(st, c);
		} else if (c->line_bytes < sizeof(c->line) - 1) {
			c->line[c->line_bytes++] = data[i];
		}
		if (c->row && ++c->reply_bytes > REPLY_BYTES_MAX)
			finish_limit(st, c, "the server keeps sending: its reply does not end");
	}
}

static void take_echo(struct sweep_run *st, struct connection *c, const char *data, size_t bytes)
{
	struct row *row = c->row;

	for (size_t i = 0; i < bytes; i++) {
		if (row->replies == row->replies_due || data[i] != echo_byte(row->replies)) {
			finish(st, c, OUTCOME_ERROR, "what came back is not what was sent");
			return;
		}
		row->replies++;
	}
	if (row->replies == row->replies_due)
		finish(st, c, OUTCOME_OK, NULL);
}

static void connected(struct sweep_run *st, struct connection *c)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	union net_address local;
	socklen_t len = sizeof(local);
	int error = 0;
	socklen_t error_len = sizeof(error);

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &error_len);
	if (error != 0) {
		finish_error(st, c, error);
		return;
	}
	getsockname(c->fd, &local.sa, &len);
	c->row->local_port = net_port(&local);
	epoll_ctl(st->epoll, EPOLL_CTL_MOD, c->fd, &event);
	if (st->sweep->protocol == PROTOCOL_SMTP)
		c->phase = BANNER;
	else
		write_envelope(st, c);
}

static void handle_event(struct sweep_run *st, struct connection *c)
{
	static char input[INPUT_BYTES];
	ssize_t n;

	c->deadline_ns = now_ns() + st->sweep->timeout_ns;
	if (c->phase == CONNECTING) {
		connected(st, c);
		return;
	}
	n = recv(c->fd, input, sizeof(input), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		finish_error(st, c, errno);
	else if (n == 0)
		finish(st, c, OUTCOME_ERROR, "the server closed the connection");
	else if (st->sweep->protocol == PROTOCOL_SMTP)
		take_smtp(st, c, input, (size_t)n);
	else
		take_echo(st, c, input, (size_t)n);
}

static uint64_t limit_of(const struct sweep *s)
{
	return s->limit_ns > 0 ? s->limit_ns : SWEEP_LIMIT_TIMEOUTS * s->timeout_ns;
}

static void start(struct sweep_run *st, struct connection *c, struct row *row)
{
	const union net_address *to = &st->sweep->target;
	struct epoll_event event = { .events = EPOLLOUT, .data.ptr = c };
	int one = 1, buffer = 4 * ENVELOPE_MAX;

	*c = (struct connection){ .row = row, .phase = CONNECTING };
	c->deadline_ns = now_ns() + st->sweep->timeout_ns;
	c->limit_ns = now_ns() + limit_of(st->sweep);
	st->active++;
	c->fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0) {
		finish_error(st, c, errno);
		return;
	}
	/* A write leaves at once, and the kernel takes it whole. */
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	epoll_ctl(st->epoll, EPOLL_CTL_ADD, c->fd, &event);
	if (connect(c->fd, &to->sa, net_length(to)) < 0 && errno != EINPROGRESS)
		finish_error(st, c, errno);
}

/* Ends connections that are over time. Returns the milliseconds until the next one is. */
static int check_deadlines(struct sweep_run *st)
{
	uint64_t now = now_ns(), next = UINT64_MAX;

	for (unsigned i = 0; i < st->sweep->parallel; i++) {
		struct connection *c = &st->connections[i];

		if (c->row && c->deadline_ns <= now)
			finish_timeout(st, c);
		if (c->row && c->limit_ns <= now)
			finish_limit(st, c,
				     c->phase == ENVELOPE
					     ? "not all replies came within --limit"
					     : "the server keeps sending, and is not ready within "
					       "--limit");
		if (c->row && c->deadline_ns < next)
			next = c->deadline_ns;
		if (c->row && c->limit_ns < next)
			next = c->limit_ns;
	}
	return next == UINT64_MAX ? -1 : (int)((next - now) / 1000000 + 1);
}

static void run_events(struct sweep_run *st)
{
	struct sweep *s = st->sweep;
	struct epoll_event events[256];

	assert(s->rows);
	while (st->done < s->count) {
		int wait_ms, n;

		for (unsigned i = 0; i < s->parallel && st->started < s->count; i++) {
			if (!st->connections[i].row)
				start(st, &st->connections[i], &s->rows[st->started++]);
		}
		wait_ms = check_deadlines(st);
		if (s->progress)
			s->progress(st->done, s->count, st->in_envelope);
		if (st->active == 0)
			continue;
		n = epoll_wait(st->epoll, events, 256, wait_ms < 200 ? wait_ms : 200);
		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;

			if (c->row)
				handle_event(st, c);
		}
	}
	if (s->progress)
		s->progress(st->done, s->count, st->in_envelope);
}

int sweep_run(struct sweep *s)
{
	struct sweep_run *st = calloc(1, sizeof(*st));
	int rc = 0;

	if (!st)
		return -ENOMEM;
	st->sweep = s;
	st->connections = calloc(s->parallel, sizeof(*st->connections));
	st->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!st->connections)
		rc = -ENOMEM;
	else if (st->epoll < 0)
		rc = -errno;
	else
		run_events(st);
	if (st->epoll >= 0)
		close(st->epoll);
	free(st->connections);
	free(st);
	return rc;
}
