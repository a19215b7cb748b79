/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/router.h"

#include "core/bytes.h"
#include "core/checksum.h"

#include <stdbool.h>
#include <string.h>

static void finish(struct checksum *c, const uint8_t *bytes, size_t len, uint8_t *field)
{
	uint16_t sum;

	checksum_add(c, bytes, len);
	sum = checksum_finish(c);
	memcpy(field, &sum, sizeof(sum));
}

size_t router_too_big(uint8_t *to, const uint8_t *packet, uint32_t mtu)
{
	bool is_ipv4 = packet[0] >> 4 == 4;
	size_t ip = is_ipv4 ? 20 : 40, quoted = ip + 8, bytes = 8 + quoted;
	uint8_t *icmp = to + ip, tail[8] = { [7] = 58 };
	struct checksum c = { 0 }, header = { 0 };

	memset(to, 0, ip + 8);
	memcpy(icmp + 8, packet, quoted);
	bytes_put32(icmp + 4, mtu);
	to[0] = packet[0] & 0xf0;
	if (is_ipv4) {
		icmp[0] = 3, icmp[1] = 4;
		to[0] |= 5;
		bytes_put16(to + 2, (uint16_t)(ip + bytes));
		to[8] = 64, to[9] = 1;
		memcpy(to + 12, packet + 16, 4);
		memcpy(to + 16, packet + 12, 4);
		finish(&header, to, ip, to + 10);
	} else {
		icmp[0] = 2;
		bytes_put16(to + 4, (uint16_t)bytes);
		to[6] = 58, to[7] = 64;
		memcpy(to + 8, packet + 24, 16);
		memcpy(to + 24, packet + 8, 16);
		bytes_put32(tail, (uint32_t)bytes);
		checksum_add(&c, to + 8, 32);
		checksum_add(&c, tail, sizeof(tail));
	}
	finish(&c, icmp, bytes, icmp + 2);
	return ip + bytes;
}
