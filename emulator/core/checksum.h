/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_CHECKSUM_H
#define RESEG_CORE_CHECKSUM_H

/*
 * The Internet checksum (RFC 1071), over data that may lie in several pieces of
 * any length, also odd ones.
 */

#include <stddef.h>
#include <stdint.h>

struct checksum {
	uint64_t sum;	/* of words in memory order, not folded */
	unsigned odd;	/* 1 when an odd number of bytes was added so far */
};

/* Adds len bytes at data. */
void checksum_add(struct checksum *c, const void *data, size_t len);

/* Adds the pseudo-header of a TCP segment (RFC 9293 section 3.1, RFC 8200
 * section 8.1): both addresses of addr_len bytes (4 or 16) each, one after the
 * other at addrs, and the length of TCP header and payload in bytes. */
void checksum_add_pseudo(struct checksum *c, const void *addrs, size_t addr_len, uint32_t tcp_len);

/* The folded one's complement sum, in memory order: store it with memcpy. Zero
 * if the data holds its own checksum, and that is correct. */
uint16_t checksum_finish(const struct checksum *c);

#endif
