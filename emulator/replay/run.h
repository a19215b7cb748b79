/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_REPLAY_RUN_H
#define RESEG_REPLAY_RUN_H

/* One pass of a capture through a box: what the parts of reseg-replay share. */

#include "core/engine.h"
#include "core/packet.h"
#include "core/alarms.h"
#include "replay/replay.h"

#define HOLES_MAX 64
#define PACKET_BYTES 65536

/* A packet of the capture. */
struct captured {
	uint64_t time_ns;
	uint64_t number;	/* in the capture, from 1 */
	uint8_t *ip;
	uint32_t bytes;
	uint32_t connection;
	enum engine_side source;
	bool unsummed;		/* its TCP checksum is not to be checked */
};

/* Octets that came out of order, as offsets. */
struct range64 {
	uint64_t first, end;
};

/* The window scale option of a SYN. */
struct replay_scale {
	bool present;
	uint8_t shift;
};

/*
 * One end of a connection. It sends list[next], list[next + 1]...; offsets are those of the
 * other end's stream.
 */
struct replay_end {
	uint32_t *list;
	size_t count, next;
	uint64_t lag_ns;	/* how much later it is than in the capture */
	bool ended;		/* by a RST it got */
	bool rst_sent;		/* it sent one, as in the capture */
	/* What it got. */
	bool syn_seen;
	uint32_t isn;		/* the other end's, as this end sees it */
	uint32_t shift;		/* and how much more that is than in the capture */
	uint64_t rcv_nxt;
	struct range64 beyond[HOLES_MAX];	/* sorted, with gaps in between */
	size_t beyond_count;
	uint32_t ts_recent;
	uint64_t edge;		/* how much its windows let the other end send */
	/* What it acknowledged of that. */
	uint64_t acked;
	bool acked_itself;	/* by an ACK that the capture does not have */
	unsigned unacked;	/* segments */
	uint64_t ack_ns;	/* when it sends an ACK; UINT64_MAX: it need not */
	bool syn_sent, syn_acked;
	bool syn_data_owed;	/* its SYN had data, which the answer did not acknowledge */
	/* The last packet it sent. */
	const struct captured *last;
	uint32_t snd_nxt;	/* after the highest it sent */
	uint32_t window;
	uint32_t ts_val;
	struct replay_scale offered, got;	/* in its SYN, and in the other's */
};

struct connection {
	struct replay_end end[2];	/* by side */
};

struct replay_pass {
	struct replay *r;
	struct engine *engine;
	struct box_capture_tap *tap;
	bool without;		/* without the faults; writes no output */
	struct connection *connection;
	struct alarms wake;	/* of the ends; the id is twice the connection's, plus the side */
	uint32_t *of_flow;	/* the connection of each flow of the engine, from serial 1 on */
	uint64_t flows;
	uint64_t now_ns;
	uint64_t last_ns;	/* when an end sent something last */
	uint64_t progress_ns;	/* when one last sent what the capture has, or took what is new */
	uint64_t sent;		/* packets of the capture */
	uint32_t in_hand;	/* the connection whose packet the box has just been given */
	bool no_memory;
};

/* The result of a connection in this pass. */
static inline struct replay_result *replay_result(const struct replay_pass *run,
						  uint32_t connection)
{
	struct replay_connection *c = &run->r->connection[connection];

	return run->without ? &c->without : &c->result;
}

/* sums.c */
bool replay_mend_checksums(struct replay *r, struct error *error);
void replay_sum_ipv4(uint8_t *ip, size_t header_bytes);

/* run.c */
void replay_view(const struct captured *c, struct packet *p);
void replay_wake(struct replay_pass *run, uint32_t connection, enum engine_side side,
		 uint64_t at_ns);

/* receive.c: an end has sent its window; and it gets a packet. */
void replay_end_opens(struct replay_end *end, bool is_syn);
void replay_end_receives(struct replay_pass *run, uint32_t connection, enum engine_side side,
			 uint8_t *ip, size_t bytes);

/* box.c: the box gets a packet of an end; what it sends goes to the ends. False: no memory. */
bool replay_box_receives(struct replay_pass *run, uint32_t connection, enum engine_side side,
			 uint8_t *ip, size_t bytes, unsigned hints);
void replay_take_output(struct replay_pass *run);

/* send.c: an end sends what is due now, and notes when there is more. False: no memory. */
bool replay_end_sends(struct replay_pass *run, uint32_t connection, enum engine_side side);

#endif
