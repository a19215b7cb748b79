/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_TESTS_MOOD_H
#define RESEG_TESTS_MOOD_H

/* SMTP servers that misbehave: on the loopback, any number of connections at a time */

#include "lab.h"

#include <unistd.h>

/* A server's replies, each without its last CRLF. */
struct mood {
	const char *greeting, *ehlo, *mail, *rcpt, *data; /* "": close; NULL: say nothing */
	const char *rcpt_after; /* to all recipients after the first; NULL: as to the first */
	const char *endless;	/* sent for ever in place of the reply to `endless_to` */
	const char *endless_to; /* "greeting", or a verb */
	useconds_t pause_us;	/* between two of these */
	useconds_t delay_us;	/* before each reply */
};

#define EHLO_REPLY "250-test\r\n250 PIPELINING"
#define READY .greeting = "220 test", .ehlo = EHLO_REPLY, .mail = "250 ok"
#define GOOD READY, .rcpt = "250 ok", .data = "354 go"

/* Runs a shell command while such a server runs. In the format, %s is its address and port. Skips
 * the test if the loopback lacks this IP version. */
struct lab_result mood_run(int ip, const struct mood *m, const char *format);

#endif
