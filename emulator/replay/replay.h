/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_REPLAY_H
#define RESEG_REPLAY_H

/*
 * A capture, as it would have been with the box in its place
 *
 * The packets of a capture cannot simply be fed to the engine: behind a box that holds something
 * back, the server would not have answered what it did not get. So each end of a connection sends
 * its packets in their order, each at its time in the capture, but not before it has got what that
 * packet acknowledges. What never comes is never answered, and the conversation ends there, as the
 * real one did. Where the capture has no packet, an end also acknowledges by itself, as its TCP
 * would: data out of order and every second segment at once, anything else after 40 ms.
 *
 * A capture may lack packets, or one direction, or have been edited. So if a connection goes
 * wrong, all are replayed without the fault, too; it is to blame only for those that go well then.
 *
 * The box stands where the capture was made; the way to it and from it takes no time. The same
 * capture and rules give the same packets, to the last bit.
 */

#include "core/engine.h"
#include "io/box_capture.h"
#include "io/capture_filter.h"
#include "io/capture_read.h"
#include "io/eventlog.h"

/* What became of a connection. */
struct replay_result {
	bool taken;			/* the box took part in it; else it passed untouched */
	bool reset;			/* an end got a RST of the other, and sent nothing more:
					 * that does not count. (A RST of the box does.) */
	uint64_t sent[2];		/* packets, by who sent them */
	uint64_t stalls;
	uint64_t *stall;		/* for each: the packet of the capture that began it */
	uint64_t acted;			/* how often a fault did something */
	struct engine_totals totals[2];	/* by source */
};

struct replay_connection {
	uint8_t version;		/* 4 or 6 */
	uint8_t address[2][16];		/* by side; 4 or 16 bytes, network order */
	uint16_t port[2];
	bool whole;			/* its SYN is in the capture */
	uint64_t packets[2];		/* in the capture, by who sent them */
	uint64_t due[2];		/* of these, how many came before a RST could end it */
	struct replay_result result;
	struct replay_result without;	/* the same without faults, to tell them from what the
					 * capture lacks; only if a connection went wrong */
};

enum replay_outcome {
	REPLAY_OK,			/* everything came through */
	REPLAY_STALLED,			/* everything came through only without the fault, which
					 * kept something back */
	REPLAY_HUNG,			/* the same, but the fault did something else */
	REPLAY_RESET,			/* even without it not all came: an end sent a RST, */
	REPLAY_INCOMPLETE,		/* or the capture lacks something */
	REPLAY_PASSED,			/* the box had no part in it */
	REPLAY_OUTCOMES,
};

struct captured;

struct replay {
	/* in */
	struct engine_config engine;	/* its observer is the replay's own */
	struct box_capture *capture;		/* NULL: none */
	struct eventlog *log;		/* the same */
	const char
		*interface; /* of pcapng: its name or number; NULL: the first by which TCP comes */
	struct capture_filter *filter;	/* NULL: every packet */
	/* Called often, unless NULL. `of` is 0 if it is not known. */
	void (*progress)(const char *what, uint64_t done, uint64_t of);
	/* out of replay_load() */
	struct captured *captured;	/* packets of TCP, in their order */
	uint64_t packets;
	struct replay_connection *connection;	/* in the order of their first packets */
	size_t connections;
	/* Packets left out, by reason: */
	uint64_t other_interfaces;	/* they are of other interfaces */
	uint64_t filtered_out;		/* the filter does not match them */
	uint64_t not_tcp, fragments;
	uint64_t malformed;		/* TCP that is too long, or of contradictory lengths */
	uint64_t headless;		/* TCP that is cut off within its headers */
	uint64_t unread;		/* their link type cannot be read */
	uint16_t unread_type;		/* one such link type */

	uint64_t cut_off;		/* packets cut short; zeros stand for the rest */
	uint64_t first_cut_off;
	uint64_t repaired;		/* checksums that were wrong only in the capture */
	bool cut;			/* the capture ends in the middle of a packet */
	struct error broken;	/* why it cannot be read to its end; no text: it can */
	/* out of replay_run() */
	uint64_t duration_ns;		/* of the replayed connections */
};

/* Reads a capture. Returns false, with the reason, if nothing can be done with it. */
bool replay_load(struct replay *r, struct capture_read *in, struct error *error);

/* Replays it; may be called again with other engine configurations. Returns false, with the reason,
 * if it cannot. */
bool replay_run(struct replay *r, struct error *error);

enum replay_outcome replay_outcome(const struct replay_connection *c);

/* Octets that were acknowledged to their sender but never delivered. */
uint64_t replay_orphaned(const struct replay_connection *c);

void replay_free(struct replay *r);

#endif
