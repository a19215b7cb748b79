/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_SIM_SIM_H
#define RESEG_SIM_SIM_H

/*
 * A simulated network around the engine
 *
 *      client ==leg== box ==leg== server
 *
 * Discrete events and a clock that jumps. Each leg loses, delays, reorders and repeats
 * packets in both directions, as a seed decides; it has a rate, a queue before it and a
 * largest packet. The ends are a TCP of their own. They share none of core's code for sending or
 * reassembly, so that no bug can hide by being on both sides; they check everything that reaches
 * them.
 */

#include "core/engine.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SIM_WRITES_MAX 4096

struct sim_options {
	uint64_t seed;
	const char *fault;
	enum engine_direction direction;
	uint32_t segment_size;
	uint32_t window_bytes;		/* of the box */
	bool ipv6;
	bool offload;			/* the legs segment what the box sends */
	bool timestamps;
	bool sack;
	uint8_t window_shift;
	double loss, repeat, reorder;	/* probability for each packet on each leg, 0..1 */
	uint64_t delay_ns;		/* of each leg; up to four times that if reordered */
	uint32_t rate;			/* of each leg, in bytes a second; 0: no limit */
	uint32_t mss[2];		/* by side: the largest segment that fits its leg; packets
					 * larger than that must never be sent there */
	uint32_t buffer[2];		/* by side: its receive buffer, in bytes */
	double reneges[2];		/* by side: how likely it is, for each segment that comes,
					 * that it discards all data that wait for a hole, SACKed or
					 * not */
	double forgets[2];		/* and that it has no memory for one that would wait */
	uint64_t opens_ns[2];		/* by side: until then its window is 0 */
	uint32_t path_bytes[2];		/* by side: the largest packet that a router beyond the box
					 * lets through to it; 0: any */
	bool silent;			/* that router does not report it */
	uint32_t reads[2];		/* by side: bytes its program reads every 10 ms */
	/* By side: what its program writes, one write every write_gap_ns. A write is a segment of
	 * its own if it is not larger than the other's MSS. */
	uint32_t write[2][SIM_WRITES_MAX];
	uint32_t writes[2];
	uint64_t write_gap_ns;
	uint64_t abort_ns[2];		/* by side: when its program ends with a RST; 0: never */
	uint64_t drain_ns;		/* when the box begins to hand over; 0: never */
	uint64_t limit_ns;		/* simulated time after which it counts as hung */
	FILE *trace;			/* every packet, in packetdrill's notation; or NULL */
};

struct sim_result {
	const char *error;		/* what went wrong, in words; NULL: nothing */
	uint64_t time_ns;		/* simulated time until both ends were done */
	uint64_t delivered[2];		/* by source: octets its sink's program could read */
	uint64_t packets;
	uint64_t digest;		/* of all packets and their times; equal for equal runs */
	bool done;			/* both ends have all data and each other's FIN */
	bool aborted;			/* an end sent a RST before that */
	struct engine_stats stats;	/* at the end */
};

/* Options as the seed decides: up to 20 % loss, reordering and repetition. */
void sim_random(struct sim_options *o, uint64_t seed);

/* Runs until both ends are done and the box has forgotten them, nothing more can happen, or the
 * limit is reached. */
void sim_run(const struct sim_options *o, struct sim_result *result);

#endif
