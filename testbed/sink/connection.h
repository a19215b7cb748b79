/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_SINK_CONNECTION_H
#define RESEG_SINK_CONNECTION_H

/*
 * The connections of a sink: their log, their output, their end
 */

#include "net.h"
#include "sink/chaos.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

/* RFC 5321 section 4.5.3.1.4 requires 512 of every server; extensions add to it. */
#define COMMAND_MAX 4096

enum service { SERVICE_SMTP, SERVICE_ECHO, SERVICE_COUNT, SERVICES };

struct sink_options {
	const char *address;
	uint16_t port[SERVICES];	/* 0: not served */
	int mss;			/* 0: the kernel's choice */
	bool no_pipelining;
	bool hold_replies;
	struct chaos_list chaos;
	const char *save;
	const char *log;
	int ready_fd;
};

/* Where in a line the message text is: a dot at the beginning is either doubled, or the end of the
 * message (RFC 5321 section 4.5.2). */
enum body_state { BODY_LINE_START, BODY_DOT, BODY_DOT_CR, BODY_TEXT, BODY_CR };

struct connection {
	struct connection *next, **link;	/* in the list of all */
	int fd;
	enum service service;
	uint64_t number;
	union net_address peer;
	uint64_t received;
	bool closing;		/* close once the output is out */
	bool aborting;		/* with a RST */
	uint64_t resume_ns;	/* until then it is busy with a command and reads nothing; 0: it is
				 * not */
	char *late;		/* that command */
	char *later;		/* what came in after it */
	size_t later_bytes;
	char *output;
	size_t output_bytes;
	size_t output_size;
	/* SMTP */
	char line[COMMAND_MAX];
	size_t line_bytes;
	bool line_too_long;
	bool greeted;
	json_t *sender;		/* the address; NULL before MAIL */
	json_t *to;		/* those of the recipients, for the log */
	unsigned recipients;
	bool in_data;
	enum body_state body_state;
	uint64_t message_bytes;
	uint64_t message_number;
	FILE *message;
};

struct sink {
	struct sink_options o;
	int epoll;
	int listener[SERVICES];
	FILE *log;
	struct connection *open;
	uint64_t connections;
	uint64_t messages;
};

/* Appends a line to the log, with what json_pack() makes of the format. */
void connection_log(struct sink *sink, const struct connection *c, const char *event,
		    const char *format, ...);

/* Adds to what is to be sent. */
void connection_append(struct connection *c, const void *data, size_t bytes);

/* The same for a line of text; adds CR LF. */
void connection_reply(struct connection *c, const char *text);

/* Sets which of its events are waited for. operation: EPOLL_CTL_ADD or EPOLL_CTL_MOD. */
void connection_watch(struct sink *sink, struct connection *c, int operation);

/* Sends what can be sent. Returns false if the connection is gone. */
bool connection_flush(struct sink *sink, struct connection *c);

/* Keeps what follows a command that takes its time. */
void connection_keep_for_later(struct connection *c, const char *data, size_t bytes);

/* Closes and frees it. how: for the log. */
void connection_close(struct sink *sink, struct connection *c, const char *how);

#endif
