/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_REPLAY_H
#define RESEG_REPLAY_H

/*
 * A capture, as it would have been with the box in its place
 *
 * The packets of a capture cannot just be fed to the engine: behind a box that holds something
 * back, the server would not have answered what it did not get. So each end of a connection
 * sends its packets in their order, each at its time in the capture, but not before it has got
 * what that packet acknowledges. What never comes is never answered, and the conversation ends
 * there, as the real one did. An end also acknowledges by itself what the capture has no packet
 * for, as its TCP would: at once what is out of order and each second segment, anything else
 * after 40 ms.
 *
 * A capture may lack packets, or one direction, or have been edited. So it is replayed without a
 * fault first, and the fault is to blame only for what went well there.
 *
 * The box stands where the capture was made; the way to it and from it takes no time. The same
 * capture and rules give the same packets, to the last bit.
 */

#include "core/engine.h"
#include "io/boxcap.h"
#include "io/capread.h"
#include "io/eventlog.h"

/* What became of a connection. */
struct replay_result {
	bool taken;			/* the box has taken part in it; else it passed untouched */
	bool reset;			/* an end got a RST: what it would have sent is of no matter */
	uint64_t sent[2];		/* packets, by who sent them */
	uint64_t stalls;
	uint64_t acted;			/* times that a fault did something */
	struct engine_totals totals[2];	/* by source */
};

struct replay_connection {
	uint8_t version;		/* 4 or 6 */
	uint8_t address[2][16];		/* by side; 4 or 16 bytes, network order */
	uint16_t port[2];
	bool whole;			/* its SYN is in the capture */
	uint64_t packets[2];		/* in the capture, by who sent them */
	struct replay_result result;
	struct replay_result without;	/* the same, but for the faults: what the capture itself lacks
					 * is lacking there, too */
};

struct replay {
	/* in */
	struct engine_config engine;	/* its observer is the replay's own */
	struct boxcap *capture;		/* NULL: none */
	struct eventlog *log;		/* the same */
	const char *interface;		/* of pcapng: its name or number; NULL: the first */
	/* out; freed by replay_free() */
	struct replay_connection *connection;	/* in the order of their first packets */
	size_t connections;
	uint64_t packets;		/* of TCP, in the capture */
	uint64_t others;		/* all else, which is left out, */
	uint64_t unread;		/* and packets of a link type that is not read, of which */
	uint16_t unread_type;		/* this is one */
	bool cut;			/* the capture ends in the middle of a packet */
	uint64_t repaired;		/* checksums that were wrong in the capture only */
	uint64_t duration_ns;		/* of what became of it */
	struct engine_stats stats;
};

/* Replays what came by one interface of a capture. Returns false, with why, if it cannot. */
bool replay_run(struct replay *r, struct capread *in, char error[CAPREAD_ERROR_BYTES]);
void replay_free(struct replay *r);

#endif
