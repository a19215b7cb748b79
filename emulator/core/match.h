/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_MATCH_H
#define RESEG_CORE_MATCH_H

/*
 * Which connections a policy or a fault is for
 *
 * All zero matches every connection.
 */

#include <stdbool.h>
#include <stdint.h>

/* Addresses that begin with these bits; an IPv4 address is mapped (RFC 4291 section 2.5.5.2),
 * so its bits count from 96. */
struct prefix {
	uint8_t address[16];
	uint8_t bits;		/* 0..128 */
};

/* From first to last, inclusive; last 0: any. */
struct range {
	uint32_t first, last;
};

struct match {
	struct prefix client;	/* its address */
	struct prefix server;
	struct range port;	/* the server's */
};

/* Is n in it? */
static inline bool range_has(const struct range *r, uint64_t n)
{
	return r->last == 0 || (n >= r->first && n <= r->last);
}

/* Is it for a connection between these addresses, to this port? */
bool match_has(const struct match *m, const uint8_t client[16], const uint8_t server[16],
	       uint16_t port);

#endif
