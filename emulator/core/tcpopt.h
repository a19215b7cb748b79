/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_TCPOPT_H
#define RESEG_CORE_TCPOPT_H

/*
 * TCP options: what the box reads, removes and writes
 */

#include "packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An option of four blocks is the longest that fits (RFC 2018 section 3). */
#define SACK_BLOCKS_MAX 4

struct sack_block {
	uint32_t left;		/* first octet of the block, host order */
	uint32_t right;		/* the octet after its last */
};

struct tcpopt {
	uint16_t mss;			/* 0: absent */
	uint8_t window_shift;		/* at most 14 (RFC 7323 section 2.3) */
	bool has_window_shift;
	bool sack_permitted;
	bool has_timestamps;
	bool authenticated;		/* TCP-MD5 (RFC 2385) or TCP-AO (RFC 5925) */
	uint32_t ts_val;		/* host order, as all numbers here */
	uint32_t ts_ecr;
	uint8_t sack_count;
	uint8_t sack_at;		/* where the SACK option starts among the options */
	uint8_t sack_bytes;		/* and its whole length; 0: absent */
	struct sack_block sack[SACK_BLOCKS_MAX];
};

/* Reads the options of a segment. An option whose length is impossible ends the list, as in Linux
 * and BSD; the options before it count. */
void tcpopt_parse(struct tcpopt *o, const struct packet *p);

/* Overwrites with NOPs, in a SYN or SYN-ACK, the options that the box does not support: TCP Fast
 * Open (RFC 7413, also its experimental form) and Multipath TCP (RFC 8684). Returns true if there
 * were any. keep_fast_open: leaves TCP Fast Open in. */
bool tcpopt_remove_unkept(struct packet *p, bool keep_fast_open);

/* Overwrites one option of a SYN or SYN-ACK with NOPs. Returns true if it was there. */
bool tcpopt_remove_window_scale(struct packet *p);
bool tcpopt_remove_sack_permitted(struct packet *p);

/* Lowers the MSS option of a SYN or SYN-ACK to no more than this. Returns true if it did. */
bool tcpopt_limit_mss(struct packet *p, uint16_t most);

/* Rewrites the SACK option of a passing segment with these blocks, as many as its old space holds,
 * followed by NOPs. o is the parsed options of p. */
bool tcpopt_replace_sack(struct packet *p, const struct tcpopt *o, const struct sack_block *blocks,
			 size_t count);

/* Writes a timestamps option, aligned as RFC 7323 appendix A shows. Returns the
 * number of bytes written at to: always TCPOPT_TIMESTAMPS_BYTES. */
#define TCPOPT_TIMESTAMPS_BYTES 12
size_t tcpopt_write_timestamps(uint8_t *to, uint32_t ts_val, uint32_t ts_ecr);

/* Writes a SACK option of count blocks (1..SACK_BLOCKS_MAX), aligned likewise.
 * Returns the number of bytes written: 4 + 8 * count. */
size_t tcpopt_write_sack(uint8_t *to, const struct sack_block *blocks, size_t count);

#endif
