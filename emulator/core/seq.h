/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_SEQ_H
#define RESEG_CORE_SEQ_H

/*
 * Sequence numbers and stream offsets
 *
 * TCP numbers octets modulo 2^32 (RFC 9293 section 3.4). The engine widens each number once, here,
 * to a 64-bit stream offset. Everywhere else it compares offsets with plain < and >.
 *
 * The SYN has the offset SEQ_BASE, the first octet of data SEQ_BASE + 1, and a
 * FIN after n octets of data SEQ_BASE + 1 + n. The base keeps an old or wild
 * number, which may lie up to 2^31 before the SYN, from going below zero.
 */

#include <stdint.h>

#define SEQ_BASE (UINT64_C(1) << 32)

/* The offset whose low half is `low`: of all candidates, the one closest to near. */
static inline uint64_t seq_near(uint32_t low, uint64_t near)
{
	return near + (uint64_t)(int64_t)(int32_t)(low - (uint32_t)near);
}

/* The offset of sequence number seq (host order) of the stream that starts at isn. */
static inline uint64_t seq_widen(uint32_t isn, uint32_t seq, uint64_t near)
{
	return seq_near(seq - isn, near);
}

/* The sequence number (host order) of an offset. */
static inline uint32_t seq_narrow(uint32_t isn, uint64_t offset)
{
	return isn + (uint32_t)offset;
}

/* Is timestamp a older than b (RFC 7323 section 5.2: 32 bits, serial order)? */
static inline int seq_ts_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

#endif
