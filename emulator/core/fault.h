/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_FAULT_H
#define RESEG_CORE_FAULT_H

/*
 * Faults: named deviations, each at a named hook
 *
 * Without a fault the box is a well-behaved relay. A kind of fault is one row of the table in
 * fault.c: it says what it would change at one decision of the engine's. A fault is a kind in
 * use, with its parameters and how often it acts; an engine has up to FAULTS_MAX, which are
 * asked in their order (hooks.c). To add a kind, add a row and its test.
 */

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

/* A packet that has come to the box, before anything else is done with it. */
struct fault_packet {
	uint32_t bytes;			/* of the IP packet, as it was on the wire */
	uint32_t payload_bytes;
	uint8_t flags;			/* TCP_* */
};

/* A piece, or a FIN, that is to be sent to the sink. */
struct fault_piece {
	uint32_t bytes;			/* of data; 0: a FIN */
	bool last;			/* what its source pushed ends with it */
	bool again;			/* it was sent before */
};

enum fault_fate {
	FATE_NONE,		/* as if there were no fault */
	FATE_VANISH,
	FATE_RESET,		/* a SYN: refused, in the server's name */
	FATE_TWICE,		/* pieces: sent twice */
	FATE_LATE,		/* pieces: sent behind the next, if there is one to send now */
	FATE_ALTERED,		/* pieces: one bit is not what it was, from now on; the checksum is
				 * good */
};

struct fault_kind {
	const char *name;
	const char *summary;	/* one line, no full stop */
	const char *hook;	/* where it acts, for people; "-" for none */
	const char *symptom;	/* what its users see */
	struct fault_param param[FAULT_PARAMS_MAX];
	uint32_t every;		/* the preset of struct fault's */

	/*
	 * Hook "cut": how many of the pending bytes become the next piece. The
	 * cut policy proposes `bytes` (1..segment_size, never more than
	 * pending). The answer is what is cut; 0 is a stall: nothing is cut
	 * until more data arrives. NULL: as proposed.
	 */
	uint32_t (*cut)(const struct fault *f, uint32_t pending, uint32_t segment_size,
			uint32_t bytes);

	/* Hook "packet": what becomes of a packet that has come. NULL: nothing. */
	enum fault_fate (*packet)(const struct fault *f, const struct fault_packet *p);

	/* Hook "piece": what becomes of a piece that is sent. NULL: nothing. */
	enum fault_fate (*piece)(const struct fault *f, const struct fault_piece *p);
};

/* A kind in use. An occasion is a time at which it would change something. */
struct fault {
	const struct fault_kind *kind;
	uint32_t value[FAULT_PARAMS_MAX];	/* of its parameters, in their order */
	uint32_t every;			/* it acts on each such occasion, from 1 */
	uint32_t percent;		/* and then with this probability, 1..100 */
};

/* The table, in the order people should see it; the row after the last has no
 * name. The first row is the default. */
extern const struct fault_kind fault_table[];

/* The row of this name; NULL if there is none. */
const struct fault_kind *fault_find(const char *name);

/* A fault of this kind, with its presets. */
struct fault fault_of(const struct fault_kind *kind);

#endif
