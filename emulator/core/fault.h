/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_FAULT_H
#define RESEG_CORE_FAULT_H

/*
 * Faults: named deviations, each at a named hook
 *
 * Without a fault the box is a well-behaved relay. A kind of fault is one row of the table in
 * fault_kinds.c: it says what it would change at one decision of the engine. A fault is a kind in
 * use: its parameters, how often it acts, and in which connections. A policy has up to FAULTS_MAX
 * faults, which are asked in their order (faults.c). To add a kind, add a row and its test.
 */

#include "match.h"
#include "packet.h"

#include <stdbool.h>
#include <stdint.h>

#define FAULTS_MAX 8
#define FAULT_PARAMS_MAX 2

struct fault;

struct fault_param {
	const char *name;	/* NULL: there is none */
	const char *summary;	/* with its unit */
	uint32_t least, most, preset;
};

/* Pending octets, from which the next piece is about to be cut. */
struct fault_cut {
	uint32_t pending;
	uint32_t arrived;	/* how many were pending when this cutting began */
	uint32_t segment_size;
	uint32_t bytes;		/* the cut policy's proposal: 1..segment_size, at most pending */
	bool push;		/* the last arrival ended with PSH */
	uint64_t acked;		/* octets of the source's data that were ACKed so far */
	unsigned dot_state;	/* how many octets of CRLF.CRLF the text cut so far ends with; 2 at
				 * first, since the text begins with the beginning of a line */
	const uint8_t *text;	/* `bytes` octets, if the kind reads text; else NULL */
};

/* A packet that has come to the box, before anything else is done with it. */
struct fault_packet {
	const struct packet *p;
	uint32_t bytes;		/* of the IP packet; of the first one on the wire, if joined */
	uint32_t payload_bytes;	/* of its payload */
	uint64_t acked;		/* octets of data the box has ACKed in this connection so far */
	uint32_t acks;		/* pure ACKs from this side, with this one */
	bool by_server;
	bool client_spoke;	/* the client has sent data */
};

/* A piece, or a FIN, that is about to be sent to the sink. */
struct fault_piece {
	uint32_t bytes;		/* of data; 0: a FIN */
	bool last;		/* it carries PSH, or is a FIN */
	bool again;		/* it was sent before */
	bool with_fin;		/* it came in the segment that carried the FIN */
	uint32_t behind;	/* octets after it up to the source's FIN; UINT32_MAX: no FIN has
				 * come */
};

enum fault_fate {
	FATE_NONE,		/* as if there were no fault */
	FATE_VANISH,
	FATE_RESET,		/* packets: both ends get a RST; a SYN is refused */
	FATE_FORGOTTEN,		/* packets: the box no longer knows the connection, and lets none of
				 * its packets pass */
	FATE_TWICE,		/* pieces: sent twice */
	FATE_LATE,		/* pieces: sent after the next, if there is one to send now */
	FATE_ALTERED,		/* packets: rewritten. Pieces: one bit is changed from now on; the
				 * checksum is good */
	FATE_FIN,		/* pieces: a FIN goes with it */
};

struct fault_kind {
	const char *name;
	const char *summary;	/* one line without a full stop */
	const char *symptom;	/* what its users see */
	struct fault_param param[FAULT_PARAMS_MAX];
	uint32_t every;		/* the preset of struct fault's `every` */
	uint8_t only;		/* enum engine_direction, of the only source whose packets it can
				 * concern; 0: both */
	bool reads_text;
	bool keeps_fast_open;	/* clients must be able to get Fast Open cookies */
	bool shifts;		/* an end's sequence numbers are FAULT_SHIFT higher for its peer;
				 * SACK blocks stay as they are */

	/* Hook "cut": how many octets become the next piece; 0 is a stall: nothing is cut until
	 * more data arrives. NULL: as proposed. */
	uint32_t (*cut)(const struct fault *f, const struct fault_cut *c);

	/* Hook "cut", once a piece is cut: changes its text. Returns true if it did. NULL: no
	 * change. */
	bool (*alter)(const struct fault *f, const struct fault_cut *c, uint8_t *text);

	/* Hook "packet": what becomes of a packet that has come in. NULL: nothing. */
	enum fault_fate (*packet)(const struct fault *f, const struct fault_packet *p);

	/* What FATE_ALTERED does to a packet. */
	void (*rewrite)(const struct fault *f, struct packet *p);

	/* Hook "piece": what becomes of a piece that is sent. NULL: nothing. */
	enum fault_fate (*piece)(const struct fault *f, const struct fault_piece *p);
};

/* Larger than any window (RFC 7323 section 2.3), and half of 2^31, the most by which two sequence
 * numbers can differ. */
#define FAULT_SHIFT (UINT32_C(1) << 30)

/* Where and when a fault may act; all zero: always. */
struct fault_scope {
	struct match match;
	uint8_t direction;	/* enum engine_direction, of the source; 0: both */
	struct range flows;	/* of those that match, counted from 1 since it came into use */
	struct range arrivals;	/* number of the last arrival of data in its half, from 1 */
	struct range seconds;	/* since it came into use; the first one is number 1 */
};

/* A kind in use. An occasion is a moment at which it would change something. */
struct fault {
	const struct fault_kind *kind;
	uint32_t id;			/* the same id in the next rules is the same fault, whose
					 * counts go on; 0: a new one */
	uint32_t value[FAULT_PARAMS_MAX];	/* of its parameters, in order */
	uint32_t every;			/* it acts on every n-th occasion, from 1 */
	uint32_t percent;		/* and then with this probability, 1..100 */
	struct fault_scope scope;
};

/* The table, in the order people should see it; the row after the last has no
 * name. The first row is the default. */
extern const struct fault_kind fault_table[];

/* The row of this name; NULL if there is none. */
const struct fault_kind *fault_find(const char *name);

/* Does this kind do anything? "none" does not. */
bool fault_acts(const struct fault_kind *kind);

/* Can it act in connections in which these halves are intercepted (enum engine_direction)? Data is
 * cut and sent on only in intercepted halves; packets are looked at in both, if either is
 * intercepted. A fault without a direction of its own is for every half there is, so the answer is
 * yes. */
bool fault_can_act(const struct fault *f, unsigned intercepted);

/* A fault of this kind with its presets. */
struct fault fault_of(const struct fault_kind *kind);

#endif
