/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "checksum.h"

#include "bytes.h"

#include <string.h>

#define PROTO_TCP 6

/* One's complement sums do not depend on byte order (RFC 1071 section 2), so the
 * words are added as they lie in memory and never swapped. */
static uint64_t sum_words(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;

	for (; len >= 4; p += 4, len -= 4) {
		uint32_t word;

		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	if (len > 0) {
		uint32_t word = 0;

		memcpy(&word, p, len);
		sum += word;
	}
	return sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

void checksum_add(struct checksum *c, const void *data, size_t len)
{
	uint64_t sum = sum_words(data, len);

	if (c->odd) {
		/* These bytes begin at an odd offset: swap the halves of their sum. */
		uint16_t folded = fold(sum);

		sum = (uint16_t)(folded << 8 | folded >> 8);
	}
	/* 2^32 words fit before the 64-bit sum could overflow. */
	c->sum += sum;
	c->odd ^= len & 1;
}

void checksum_add_pseudo(struct checksum *c, const void *addrs, size_t addr_len, uint32_t tcp_len)
{
	uint8_t tail[8] = { [7] = PROTO_TCP };

	bytes_put32(tail, tcp_len);
	checksum_add(c, addrs, 2 * addr_len);
	checksum_add(c, tail, sizeof(tail));
}

uint16_t checksum_finish(const struct checksum *c)
{
	return (uint16_t)~fold(c->sum);
}
