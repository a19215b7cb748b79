/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sink/connection.h"

#include "io/cli.h"
#include "io/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* With this much unsent output nothing more is read: the client does not read its replies. */
#define OUTPUT_MAX (1 << 20)

void connection_log(struct sink *sink, const struct connection *c, const char *event,
		    const char *format, ...)
{
	json_t *line, *more;
	va_list ap;

	if (!sink->log)
		return;
	line = json_pack("{s:s, s:I, s:I}", "event", event, "time_ns",
			 (json_int_t)clock_ns(CLOCK_REALTIME), "connection", (json_int_t)c->number);
	va_start(ap, format);
	more = json_vpack_ex(NULL, 0, format, ap);
	va_end(ap);
	json_object_update(line, more);
	json_dumpf(line, sink->log, JSON_COMPACT);
	fputc('\n', sink->log);
	fflush(sink->log);
	json_decref(more);
	json_decref(line);
}

void connection_append(struct connection *c, const void *data, size_t bytes)
{
	if (c->output_bytes + bytes > c->output_size) {
		c->output_size = (c->output_bytes + bytes) * 2;
		c->output = realloc(c->output, c->output_size);
		if (!c->output)
			cli_die("out of memory");
	}
	memcpy(c->output + c->output_bytes, data, bytes);
	c->output_bytes += bytes;
}

void connection_reply(struct connection *c, const char *text)
{
	connection_append(c, text, strlen(text));
	connection_append(c, "\r\n", 2);
}

/* Are replies held back because a command after them takes its time? */
static bool holds_replies(const struct sink *sink, const struct connection *c)
{
	return sink->o.hold_replies && c->resume_ns != 0;
}

void connection_watch(struct sink *sink, struct connection *c, int operation)
{
	bool busy = c->resume_ns != 0;
	bool read = c->output_bytes < OUTPUT_MAX && !c->closing && !busy;
	struct epoll_event event = {
		.events = (read ? EPOLLIN : 0u) |
			  (c->output_bytes > 0 && !holds_replies(sink, c) ? EPOLLOUT : 0u),
		.data.ptr = c,
	};

	epoll_ctl(sink->epoll, operation, c->fd, &event);
}

void connection_close(struct sink *sink, struct connection *c, const char *how)
{
	connection_log(sink, c, "closed", "{s:s, s:I}", "how", how, "received",
		       (json_int_t)c->received);
	if (c->message)
		fclose(c->message);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	if (c->aborting)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
			   sizeof(struct linger));
	close(c->fd);
	free(c->late);
	free(c->later);
	json_decref(c->sender);
	json_decref(c->to);
	free(c->output);
	free(c);
}

bool connection_flush(struct sink *sink, struct connection *c)
{
	while (c->output_bytes > 0 && !holds_replies(sink, c)) {
		ssize_t n = send(c->fd, c->output, c->output_bytes, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0) {
			connection_close(sink, c, "reset");
			return false;
		}
		c->output_bytes -= (size_t)n;
		memmove(c->output, c->output + n, c->output_bytes);
	}
	if (c->output_bytes == 0 && c->closing) {
		connection_close(sink, c, "closed");
		return false;
	}
	connection_watch(sink, c, EPOLL_CTL_MOD);
	return true;
}

void connection_keep_for_later(struct connection *c, const char *data, size_t bytes)
{
	char *later = malloc(bytes + 1);

	if (!later)
		cli_die("out of memory");
	memcpy(later, data, bytes);
	free(c->later);
	c->later = later;
	c->later_bytes = bytes;
}
