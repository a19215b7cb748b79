/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "match.h"

#include <string.h>

static bool prefix_has(const struct prefix *p, const uint8_t address[16])
{
	unsigned bytes = p->bits / 8, bits = p->bits % 8;

	return memcmp(p->address, address, bytes) == 0 &&
	       (bits == 0 || (p->address[bytes] ^ address[bytes]) >> (8 - bits) == 0);
}

bool match_has(const struct match *m, const uint8_t client[16], const uint8_t server[16],
	       uint16_t port)
{
	return prefix_has(&m->client, client) && prefix_has(&m->server, server) &&
	       range_has(&m->port, port);
}
