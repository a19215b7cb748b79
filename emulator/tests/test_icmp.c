/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What routers report by ICMP. */

#include "core/bytes.h"
#include "core/checksum.h"
#include "core/icmp.h"
#include "core/packet.h"
#include "sim/router.h"

#include <criterion/criterion.h>
#include <string.h>

/* A router's message with one octet changed: is it still read? */
struct icmp_try {
	size_t at;		/* this octet of the message */
	uint8_t value;		/* becomes this, */
	bool resum;		/* with a new checksum, if true */
	bool is_read;
};

static void sum_again(uint8_t *message, size_t len, size_t ip)
{
	uint8_t tail[8] = { [3] = (uint8_t)(len - ip), [7] = 58 };
	struct checksum c = { 0 };
	uint16_t sum;

	message[ip + 2] = message[ip + 3] = 0;
	if (ip == 40) {
		checksum_add(&c, message + 8, 32);
		checksum_add(&c, tail, sizeof(tail));
	}
	checksum_add(&c, message + ip, len - ip);
	sum = checksum_finish(&c);
	memcpy(message + ip + 2, &sum, sizeof(sum));
}

/* Tries each of these changes on a router's message about this packet, whose IP header has so many
 * bytes. */
static void try_messages(const struct icmp_try *tries, size_t count, const uint8_t *quoted,
			 size_t ip)
{
	for (size_t i = 0; i < count; i++) {
		uint8_t message[ROUTER_ANSWER_BYTES];
		size_t len = router_too_big(message, quoted, 1300), told;
		struct packet p;
		uint32_t mtu = 0;

		message[tries[i].at] = tries[i].value;
		told = ip == 20 ? message[3] : 40u + message[5];
		if (tries[i].resum)
			sum_again(message, told < len ? told : len, ip);
		cr_assert_eq(icmp_too_big(&p, &mtu, message, len), tries[i].is_read, "try %zu", i);
		cr_assert(!icmp_too_big(&p, &mtu, message, len - 1), "try %zu, cut", i);
		if (!tries[i].is_read)
			continue;
		cr_assert(mtu == 1300 && p.src_port == 40000 && p.dst_port == 25 &&
			  p.seq == 0x01020304 && p.version == (ip == 20 ? 4 : 6));
	}
}

Test(icmp, a_routers_word_is_read_if_it_is_sound)
{
	static const struct icmp_try tries[] = {
		{ 0, 0x45, true, true },
		{ 0, 0x44, true, false },	/* a header too short */
		{ 0, 0x65, true, false },	/* claims to be IPv6 */
		{ 3, 28, true, false },		/* longer than it says: quotes nothing */
		{ 3, 55, true, false },		/* quotes too little */
		{ 6, 0x20, true, false },	/* a fragment, the first */
		{ 7, 1, true, false },		/* the second */
		{ 6, 0x40, true, true },	/* not to be fragmented */
		{ 9, 6, true, false },		/* TCP itself */
		{ 20, 11, true, false },	/* time exceeded */
		{ 21, 3, true, false },		/* port unreachable */
		{ 27, 7, false, false },	/* damaged */
		{ 28, 0x44, true, false },	/* quotes no IPv4 header */
		{ 28, 0x65, true, false },
		{ 28, 0x46, true, false },	/* one with options, and then too little */
		{ 37, 17, true, false },	/* quotes UDP */
	};
	uint8_t quoted[40] = { 0x45, [3] = 40, [9] = 6, [12] = 198, 51, 100, 2, 203, 0, 113, 2,
			       0x9c, 0x40, 0, 25, 1, 2, 3, 4 };

	try_messages(tries, sizeof(tries) / sizeof(tries[0]), quoted, 20);
}

Test(icmp, a_routers_word_over_ipv6_is_read_if_it_is_sound)
{
	static const struct icmp_try tries[] = {
		{ 0, 0x60, true, true },
		{ 0, 0x50, true, false },	/* of an unknown version */
		{ 5, 55, true, false },		/* shorter than it must be */
		{ 5, 57, true, false },		/* longer than it is */
		{ 6, 6, true, false },		/* TCP itself */
		{ 40, 1, true, false },		/* unreachable */
		{ 47, 1, false, false },	/* damaged */
		{ 48, 0x50, true, false },	/* quotes no IPv6 header */
		{ 54, 17, true, false },	/* quotes UDP */
	};
	uint8_t quoted[60] = { 0x60, [5] = 20, [6] = 6, [8] = 0x20, 1, 0x0d, 0xb8,
			       [40] = 0x9c, 0x40, 0, 25, 1, 2, 3, 4 };

	try_messages(tries, sizeof(tries) / sizeof(tries[0]), quoted, 40);
}

/* However long a header claims to be, and however short the packet: nothing beyond the packet is
 * read. The octets after the packet would pass for a router's message. */
Test(icmp, a_routers_word_is_inside_its_packet)
{
	for (uint16_t total = 0; total < 60 + 8; total++) {
		uint8_t message[200] = { 0x4f, [9] = 1, [60] = 3, 4 };
		struct packet p;
		uint32_t mtu = 0;

		bytes_put16(message + 2, total);
		cr_assert_not(icmp_too_big(&p, &mtu, message, sizeof(message)), "%u", total);
	}
}

/* RFC 1191 section 7.1: an old router does not name its MTU, so the next lower plateau is taken. */
Test(icmp, a_router_that_names_no_mtu_means_the_next_plateau)
{
	static const struct { uint16_t bytes, mtu; } tries[] = {
		{ 65535, 32000 }, { 32000, 17914 }, { 17914, 8166 }, { 8166, 4352 }, { 4352, 2002 },
		{ 2002, 1492 }, { 1500, 1492 }, { 1492, 1006 }, { 1006, 508 }, { 508, 296 }, { 296,
											       68 },
	};
	uint8_t quoted[40] = { 0x45, [9] = 6, [12] = 198, 51, 100, 2, 203, 0, 113, 2 };

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		uint8_t message[ROUTER_ANSWER_BYTES];
		struct packet p;
		uint32_t mtu = 0;
		size_t len;

		bytes_put16(quoted + 2, tries[i].bytes);
		len = router_too_big(message, quoted, 0);
		cr_assert(icmp_too_big(&p, &mtu, message, len));
		cr_assert_eq(mtu, tries[i].mtu, "%u: %u", tries[i].bytes, (unsigned)mtu);
	}
}
