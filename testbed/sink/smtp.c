/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sink/smtp.h"

#include "io/cli.h"
#include "io/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The most addresses of a message that are kept for the log. */
#define LOGGED_RECIPIENTS_MAX 1000

static void forget_mail(struct connection *c)
{
	json_decref(c->sender);
	c->sender = NULL;
	json_array_clear(c->to);
	c->recipients = 0;
}

static void begin_data(struct sink *sink, struct connection *c)
{
	c->in_data = true;
	c->body_state = BODY_LINE_START;
	c->message_bytes = 0;
	c->message_number = ++sink->messages;
	if (sink->o.save) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/message-%" PRIu64, sink->o.save,
			 c->message_number);
		c->message = fopen(path, "we");
		if (!c->message)
			cli_say("%s: %s", path, strerror(errno));
	}
	connection_reply(c, "354 end with a line of one dot");
}

static void end_data(struct sink *sink, struct connection *c)
{
	char text[64], file[64] = "";
	bool saved = !sink->o.save;

	if (c->message) {
		/* ferror() knows of earlier writes that failed, which fclose() does not report. */
		bool written = !ferror(c->message);

		saved = fclose(c->message) == 0 && written;
		snprintf(file, sizeof(file), "message-%" PRIu64, c->message_number);
	}
	c->message = NULL;
	c->in_data = false;
	if (saved)
		connection_log(sink, c, "message", "{s:I, s:i, s:O, s:O, s:s*}", "bytes",
			       (json_int_t)c->message_bytes, "recipients", (int)c->recipients,
			       "from", c->sender, "to", c->to, "saved", *file ? file : NULL);
	forget_mail(c);
	if (saved)
		snprintf(text, sizeof(text), "250 %" PRIu64 " bytes accepted", c->message_bytes);
	else
		snprintf(text, sizeof(text), "452 the message could not be saved");
	connection_reply(c, text);
}

static void body(struct connection *c, const char *data, size_t bytes)
{
	c->message_bytes += bytes;
	if (c->message)
		fwrite(data, 1, bytes, c->message);
}

/* Takes message text. Returns how much of it: all, unless the message ended. */
static size_t take_data(struct sink *sink, struct connection *c, const char *data, size_t bytes)
{
	size_t start = 0;	/* of what is to be written */

	for (size_t i = 0; i < bytes; i++) {
		char ch = data[i];

		switch (c->body_state) {
		case BODY_LINE_START:
			if (ch == '.') {	/* held back until it is clear what it is */
				body(c, data + start, i - start);
				start = i + 1;
				c->body_state = BODY_DOT;
				break;
			}
			c->body_state = ch == '\r' ? BODY_CR : BODY_TEXT;
			break;
		case BODY_DOT:
			if (ch == '\r') {
				start = i + 1;
				c->body_state = BODY_DOT_CR;
				break;
			}
			c->body_state = BODY_TEXT;
			break;
		case BODY_DOT_CR:
			if (ch == '\n') {
				end_data(sink, c);
				return i + 1;
			}
			body(c, "\r", 1);
			start = i;
			c->body_state = ch == '\r' ? BODY_CR : BODY_TEXT;
			break;
		case BODY_CR:
			c->body_state = ch == '\n'   ? BODY_LINE_START
					: ch == '\r' ? BODY_CR
						     : BODY_TEXT;
			break;
		case BODY_TEXT:
			if (ch == '\r')
				c->body_state = BODY_CR;
			break;
		}
	}
	if (start < bytes)
		body(c, data + start, bytes - start);
	return bytes;
}

static bool is_verb(const char *line, const char *verb)
{
	size_t n = strlen(verb);

	return strncasecmp(line, verb, n) == 0 &&
	       (line[n] == '\0' || line[n] == ' ' || line[n - 1] == ':');
}

/* What is between < and > of MAIL and RCPT; nothing if it is not UTF-8. */
static json_t *address(const char *line)
{
	const char *start = strchr(line, '<');
	const char *end = start ? strchr(start, '>') : NULL;
	json_t *text = end ? json_stringn(start + 1, (size_t)(end - start - 1)) : NULL;

	return text ? text : json_string("");
}

/* Returns true if the command is dealt with and not to be answered as usual. */
static bool apply_chaos(struct sink *sink, struct connection *c, const char *line)
{
	const struct chaos *chaos = chaos_find(&sink->o.chaos, line);
	char text[64];

	if (!chaos)
		return false;
	switch (chaos->what) {
	case CHAOS_REPLY:
		snprintf(text, sizeof(text), "%s chaos", chaos->reply);
		connection_reply(c, text);
		break;
	case CHAOS_CLOSE:
		c->closing = true;
		break;
	case CHAOS_RESET:
		c->closing = c->aborting = true;
		c->output_bytes = 0;
		break;
	case CHAOS_SILENCE:
		break;
	case CHAOS_DELAY:
		c->resume_ns = clock_ns(CLOCK_MONOTONIC) + chaos->delay_ns;
		c->late = strdup(line);
		if (!c->late)
			cli_die("out of memory");
		break;
	}
	return true;
}

void smtp_perform(struct sink *sink, struct connection *c, const char *line)
{
	if (is_verb(line, "EHLO")) {
		forget_mail(c);
		c->greeted = true;
		if (sink->o.no_pipelining) {
			connection_reply(c, "250 sink");
		} else {
			connection_reply(c, "250-sink");
			connection_reply(c, "250 PIPELINING");
		}
	} else if (is_verb(line, "HELO")) {
		forget_mail(c);
		c->greeted = true;
		connection_reply(c, "250 sink");
	} else if (is_verb(line, "MAIL FROM:")) {
		if (!c->greeted || c->sender) {
			connection_reply(c, "503 EHLO, then MAIL, once");
			return;
		}
		c->sender = address(line);
		connection_reply(c, "250 sender ok");
	} else if (is_verb(line, "RCPT TO:")) {
		if (!c->sender) {
			connection_reply(c, "503 MAIL first");
			return;
		}
		if (c->recipients++ < LOGGED_RECIPIENTS_MAX)
			json_array_append_new(c->to, address(line));
		connection_reply(c, "250 recipient ok");
	} else if (is_verb(line, "DATA")) {
		if (c->recipients == 0)
			connection_reply(c, "503 RCPT first");
		else
			begin_data(sink, c);
	} else if (is_verb(line, "RSET")) {
		forget_mail(c);
		connection_reply(c, "250 ok");
	} else if (is_verb(line, "NOOP")) {
		connection_reply(c, "250 ok");
	} else if (is_verb(line, "QUIT")) {
		connection_reply(c, "221 bye");
		c->closing = true;
	} else {
		connection_reply(c, "500 command not known");
	}
}

static void command(struct sink *sink, struct connection *c, const char *line)
{
	connection_log(sink, c, "command", "{s:s%}", "line", line, strcspn(line, " :\t"));
	if (!apply_chaos(sink, c, line))
		smtp_perform(sink, c, line);
}

/* Takes one piece of a command line, up to the end of the line if that is there. */
static size_t take_command(struct sink *sink, struct connection *c, const char *data, size_t bytes)
{
	const char *end = memchr(data, '\n', bytes);
	size_t n = end ? (size_t)(end - data) + 1 : bytes;

	if (c->line_bytes + n >= sizeof(c->line))
		c->line_too_long = true;
	else
		memcpy(c->line + c->line_bytes, data, n);
	if (!c->line_too_long)
		c->line_bytes += n;
	if (!end)
		return n;
	if (c->line_too_long) {
		connection_reply(c, "500 line too long");
	} else {
		c->line[c->line_bytes] = '\0';
		c->line[strcspn(c->line, "\r\n")] = '\0';
		command(sink, c, c->line);
	}
	c->line_bytes = 0;
	c->line_too_long = false;
	return n;
}

void smtp_take(struct sink *sink, struct connection *c, const char *data, size_t bytes)
{
	while (bytes > 0 && !c->closing && c->resume_ns == 0) {
		size_t n = c->in_data ? take_data(sink, c, data, bytes)
				      : take_command(sink, c, data, bytes);

		data += n;
		bytes -= n;
	}
	if (c->resume_ns != 0)
		connection_keep_for_later(c, data, bytes);
}
