/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_PROBE_SWEEP_H
#define RESEG_PROBE_SWEEP_H

/*
 * A sweep: one connection for each size, many at once
 *
 * Each connection brings the server to the point where it waits for an envelope, writes one of
 * exact size at once, and counts what comes back. It is then aborted with a RST, so no mail is ever
 * sent, and neither the path nor the server keeps any state.
 */

#include "net.h"
#include "probe/replies.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum protocol {
	PROTOCOL_SMTP,	/* an envelope; a reply is due for each of its commands */
	PROTOCOL_ECHO,	/* any bytes; the same bytes are due */
};

enum outcome {
	OUTCOME_OK,		/* all replies came, and the server would take the mail */
	OUTCOME_REJECTED,	/* all replies came, and the server would not */
	OUTCOME_STALLED,	/* every byte was ACKed, but replies are missing */
	OUTCOME_RESET,		/* the connection was reset */
	OUTCOME_REFUSED,	/* there was no connection */
	OUTCOME_ERROR,		/* anything else; `detail` says what */
	OUTCOMES
};

extern const char *const outcome_names[OUTCOMES];

struct row {
	uint32_t size;
	enum outcome outcome;
	uint32_t replies;	/* echo: bytes */
	uint32_t replies_due;
	uint64_t bytes_acked;	/* of this write, as the kernel saw it (TCP_INFO) */
	uint64_t time_ns;	/* from the write to the last reply, or to giving up */
	uint32_t mss;		/* bytes that one segment takes, without options */
	uint32_t mtu;		/* of the path, as the kernel knows it */
	bool written;		/* it came that far: the server was ready for an envelope */
	bool timed_out;		/* it ended for lack of progress */
	bool limited;		/* it ended at sweep.limit_ns, or a reply had no end */
	bool poke_acked;	/* the write into the silence was ACKed: see sweep.poke */
	uint32_t retransmitted;	/* segments, by the client */
	struct sweep_codes {	/* SMTP: the first digits of replies */
		char mail, rcpt, data;	/* '\0': there was none. rcpt: to the first one */
		bool taken;		/* some recipient was accepted */
		bool mixed;		/* other recipients were answered differently */
	} codes;
	struct replies said;	/* SMTP: what the server said, from its greeting on */
	char greeting[80];	/* SMTP: the server's first line, or how it begins */
	uint16_t local_port;
	const char *detail;	/* what happened if not ok, and what to do; or NULL */
};

/* What is sent before the envelope. */
#define SWEEP_GREETING "EHLO probe.example\r\n"
#define SWEEP_GREETING_BYTES (sizeof(SWEEP_GREETING) - 1)

/* `split`: after how many bytes the write ends and another begins; SPLIT_LINE: after the first
 * line; 0: all in one write. */
#define SPLIT_LINE UINT32_MAX

#define SWEEP_LIMIT_TIMEOUTS 10

struct sweep {
	union net_address target;
	enum protocol protocol;
	uint32_t split;
	uint64_t timeout_ns;	/* without any progress */
	uint64_t limit_ns;	/* for a whole connection; 0: SWEEP_LIMIT_TIMEOUTS time-outs */
	bool poke;		/* if replies are missing then and every byte was ACKed, write a
				 * NOOP and wait once more: does anybody still ACK? */
	unsigned parallel;
	struct row *rows;	/* in: size; out: all else */
	size_t count;
	void (*progress)(size_t done, size_t count, size_t waiting);	/* or NULL */
};

/* Did all replies come? Then the path did its job, whatever they say. */
static inline bool sweep_answered(enum outcome outcome)
{
	return outcome == OUTCOME_OK || outcome == OUTCOME_REJECTED;
}

/* Where the first write of a row ended, for finch2008_stalls(); 0: there was only one. */
size_t sweep_split(const struct sweep *s, uint32_t size);

/* Runs the sweep. Returns a negative errno if it could not be run at all. */
int sweep_run(struct sweep *s);

#endif
