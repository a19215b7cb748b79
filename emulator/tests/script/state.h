/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_TESTS_SCRIPT_STATE_H
#define RESEG_TESTS_SCRIPT_STATE_H

/* A run of a script: what the parts of the language share. */

#include "core/packet.h"
#include "script/script.h"

#define ACTUAL_MAX 4096
#define LINE_BYTES 512
#define SAID_MAX 8192

/* What the runs of a script differ in. */
struct variant {
	const char *name;
	uint8_t version;
	uint32_t isn[2];	/* by side */
};

/* Something the box did. */
struct actual {
	enum { ACTUAL_PASS, ACTUAL_DROP, ACTUAL_EMIT, ACTUAL_EVENT } kind;
	enum engine_side to;
	uint16_t client_port;
	uint16_t segment_bytes;
	bool local;
	bool changed;
	struct engine_subject subject;
	uint8_t *bytes;
	size_t len;
	char *text;	/* of an event */
	uint64_t offset;	/* and the piece it is about */
	uint32_t piece_bytes;
};

struct script_run {
	const struct variant *variant;
	struct engine *engine;
	bool offload;
	uint64_t now_ns;
	struct actual actual[ACTUAL_MAX];
	size_t actual_first, actual_count;
	char transcript[1 << 16];
	uint16_t said[2][SAID_MAX];	/* octets that a script writes out, plus 256; or 0 */
	bool is_held;			/* the box's output is not taken out */
	bool is_turned;			/* the script's server is the client */
	bool has_sent;			/* the box has sent a packet of its own over IPv4 */
	uint16_t next_ip_id;		/* the identification that the next must have */
	uint32_t opened_size;		/* S of the connection opened last */
	struct engine_stats count;	/* the script's own counts of packets */
	struct engine_rules rules;	/* those in force */
};

/* Ports, addresses and, by side, what else an end's IP headers say: the box must copy it when it
 * speaks for that end. */
#define SCRIPT_CLIENT_PORT 40000
#define SCRIPT_SERVER_PORT 25
extern const char *const script_side_names[2];
extern const uint8_t script_addresses4[2][4], script_addresses6[2][16];
extern const uint8_t script_ttl[2];
extern const uint32_t script_labels4[2], script_labels6[2];	/* 6: class and flow */
extern const bool script_dont_fragment[2];

/* Both bits of ECN (RFC 3168), where that version of IP has them. */
uint32_t script_ecn_bits(uint8_t version);

/* The octet at this sequence number of an end's stream. */
uint8_t script_payload_byte(const struct script_run *r, enum engine_side source,
			    uint32_t relative_seq);

/* Fails the test, with the lines so far. */
_Noreturn void script_fail(struct script_run *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds to a text of LINE_BYTES. */
void script_append(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* to_text.c: what the box did, with the fields that the expected line has. */
void script_actual_text(struct script_run *r, const struct actual *a, const char *expected,
			char *text);

/* Adds an entry for something the box did, to be filled in; fails the test if there is no room. */
struct actual *script_add_actual(struct script_run *r);

/* Notes an event of the engine as text. arg: the run. */
void script_observe(void *arg, const struct engine_event *ev);

/* A listed connection as a line of a script. */
void script_flow_text(struct script_run *r, const struct engine_flow_info *f, char *text);

/* from_text.c: notes payload that a line writes out, from this number of the stream on; and builds
 * the packet that a line stands for. */
void script_say(struct script_run *r, enum engine_side from, uint32_t seq, const char *text);
size_t script_build_packet(struct script_run *r, enum engine_side from, uint16_t client_port,
			   const char *text, uint8_t *to);

#endif
