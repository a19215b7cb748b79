/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Packet view, checksum and TCP options. */

#include "core/bytes.h"
#include "core/checksum.h"
#include "core/icmp.h"
#include "core/packet.h"
#include "core/seq.h"
#include "core/tcpopt.h"
#include "sim/router.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* A real packet of Linux: SYN, MSS 1460, SACK, timestamps, window scale 7. */
static const uint8_t syn[] = {
	0x45, 0x00, 0x00, 0x3c, 0x1c, 0x46, 0x40, 0x00, 0x40, 0x06, 0x00, 0x00,
	198, 51, 100, 2, 203, 0, 113, 2,
	0x9c, 0x40, 0x00, 0x19, 0x12, 0x34, 0x56, 0x78, 0x00, 0x00, 0x00, 0x00,
	0xa0, 0x02, 0xfa, 0xf0, 0x00, 0x00, 0x00, 0x00,
	0x02, 0x04, 0x05, 0xb4, 0x04, 0x02, 0x08, 0x0a, 0x00, 0x00, 0x00, 0x0b,
	0x00, 0x00, 0x00, 0x00, 0x01, 0x03, 0x03, 0x07,
};

static void fix_checksum(uint8_t *ip, size_t len)
{
	struct checksum c = { 0 };
	uint16_t sum;

	memset(ip + 36, 0, 2);
	checksum_add_pseudo(&c, ip + 12, 4, (uint32_t)len - 20);
	checksum_add(&c, ip + 20, len - 20);
	sum = checksum_finish(&c);
	memcpy(ip + 36, &sum, 2);
}

static size_t make_syn(uint8_t *to)
{
	memcpy(to, syn, sizeof(syn));
	fix_checksum(to, sizeof(syn));
	return sizeof(syn);
}

Test(checksum, example_of_rfc_1071)
{
	const uint8_t data[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
	struct checksum c = { 0 };
	uint8_t wire[2];
	uint16_t sum;

	checksum_add(&c, data, sizeof(data));
	sum = checksum_finish(&c);
	memcpy(wire, &sum, 2);
	cr_assert_eq(bytes_get16(wire), (uint16_t)~0xddf2);
}

Test(checksum, does_not_depend_on_how_data_is_cut)
{
	uint8_t data[301];
	struct checksum whole = { 0 };

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 73 + 5);
	checksum_add(&whole, data, sizeof(data));
	for (size_t a = 0; a <= sizeof(data); a += 7) {
		for (size_t b = a; b <= sizeof(data); b += 11) {
			struct checksum c = { 0 };

			checksum_add(&c, data, a);
			checksum_add(&c, data + a, b - a);
			checksum_add(&c, data + b, sizeof(data) - b);
			cr_assert_eq(checksum_finish(&c), checksum_finish(&whole));
		}
	}
}

Test(packet, reads_a_syn)
{
	uint8_t bytes[80];
	struct packet p;
	struct tcpopt o;

	cr_assert_eq(packet_parse(&p, bytes, make_syn(bytes)), PACKET_TCP);
	cr_assert_eq(p.src_port, 40000);
	cr_assert_eq(p.dst_port, 25);
	cr_assert_eq(p.seq, 0x12345678);
	cr_assert_eq(p.flags, TCP_SYN);
	cr_assert_eq(p.window, 64240);
	cr_assert_eq(p.payload_bytes, 0);
	cr_assert_eq(p.ttl, 64);
	cr_assert(p.dont_fragment);
	cr_assert(packet_checksum_good(&p));
	tcpopt_parse(&o, &p);
	cr_assert_eq(o.mss, 1460);
	cr_assert(o.sack_permitted);
	cr_assert(o.has_timestamps);
	cr_assert_eq(o.ts_val, 11);
	cr_assert(o.has_window_shift);
	cr_assert_eq(o.window_shift, 7);
}

Test(packet, link_padding_is_left_out)
{
	uint8_t bytes[80] = { 0 };
	struct packet p;

	make_syn(bytes);
	cr_assert_eq(packet_parse(&p, bytes, sizeof(bytes)), PACKET_TCP);
	cr_assert_eq(p.ip_bytes, sizeof(syn));
}

Test(packet, every_shorter_packet_is_malformed)
{
	/* In a buffer of its own, so that a sanitizer sees any read behind the end. */
	for (size_t len = 0; len < sizeof(syn); len++) {
		uint8_t *bytes = malloc(len + 1);
		struct packet p;

		memcpy(bytes, syn, len);
		cr_assert_eq(packet_parse(&p, bytes, len), PACKET_MALFORMED, "length %zu", len);
		free(bytes);
	}
}

Test(packet, kinds)
{
	uint8_t bytes[80];
	struct packet p;

	make_syn(bytes);
	bytes[9] = 17;
	cr_assert_eq(packet_parse(&p, bytes, sizeof(syn)), PACKET_NOT_TCP);
	make_syn(bytes);
	bytes[6] = 0x20;	/* more fragments */
	cr_assert_eq(packet_parse(&p, bytes, sizeof(syn)), PACKET_FRAGMENT);
	bytes[6] = 0x00, bytes[7] = 0x10;	/* an offset */
	cr_assert_eq(packet_parse(&p, bytes, sizeof(syn)), PACKET_FRAGMENT);
	make_syn(bytes);
	bytes[0] = 0x55;
	cr_assert_eq(packet_parse(&p, bytes, sizeof(syn)), PACKET_MALFORMED);
	bytes[0] = 0x44;	/* a header shorter than any */
	cr_assert_eq(packet_parse(&p, bytes, sizeof(syn)), PACKET_MALFORMED);
	make_syn(bytes);
	bytes[32] = 0x40;	/* the same of TCP */
	cr_assert_eq(packet_parse(&p, bytes, sizeof(syn)), PACKET_MALFORMED);
	bytes[32] = 0xf0;	/* longer than the packet */
	cr_assert_eq(packet_parse(&p, bytes, sizeof(syn)), PACKET_MALFORMED);
}

Test(packet, kinds_of_ipv6)
{
	static const struct {
		uint8_t next_header;
		enum packet_kind kind;
	} kinds[] = { { 6, PACKET_TCP }, { 44, PACKET_FRAGMENT }, { 0, PACKET_EXTENSION },
		      { 43, PACKET_EXTENSION }, { 60, PACKET_EXTENSION }, { 51, PACKET_EXTENSION },
		      { 17, PACKET_NOT_TCP }, { 58, PACKET_NOT_TCP } };
	uint8_t bytes[60] = { 0x60, [5] = 20, [7] = 64, [52] = 0x50 };
	struct packet p;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		bytes[6] = kinds[i].next_header;
		cr_assert_eq(packet_parse(&p, bytes, sizeof(bytes)), kinds[i].kind);
	}
	bytes[5] = 21;
	cr_assert_eq(packet_parse(&p, bytes, sizeof(bytes)), PACKET_MALFORMED);
}

Test(packet, changes_keep_the_checksum_good)
{
	uint8_t bytes[80];
	struct packet p;
	const uint8_t nops[5] = { 1, 1, 1, 1, 1 };

	packet_parse(&p, bytes, make_syn(bytes));
	cr_assert(packet_set_seq(&p, 0xffffffff));
	cr_assert(packet_checksum_good(&p));
	cr_assert(packet_set_ack(&p, 77));
	cr_assert(packet_checksum_good(&p));
	cr_assert(packet_set_window(&p, 1));
	cr_assert(packet_checksum_good(&p));
	cr_assert(packet_set_flags(&p, TCP_ACK | TCP_ECE));
	cr_assert(packet_checksum_good(&p));
	/* at an odd place, of odd length */
	cr_assert(packet_set_options(&p, 17, nops, 3));
	cr_assert(packet_checksum_good(&p));
	cr_assert_not(packet_set_seq(&p, 0xffffffff), "nothing changed");
	cr_assert_eq(packet_parse(&p, bytes, sizeof(syn)), PACKET_TCP);
	cr_assert_eq(p.seq, 0xffffffff);
	cr_assert_eq(p.ack, 77);
	cr_assert_eq(p.window, 1);
	cr_assert_eq(p.flags, TCP_ACK | TCP_ECE);
}

Test(packet, a_change_does_not_heal_a_damaged_packet)
{
	uint8_t bytes[80];
	struct packet p;

	packet_parse(&p, bytes, make_syn(bytes));
	bytes[45] ^= 0x10;
	packet_set_seq(&p, 5);
	packet_set_window(&p, 5);
	cr_assert_not(packet_checksum_good(&p));
}

Test(packet, payload_is_cut_off)
{
	uint8_t bytes[128] = { 0 };
	struct packet p;

	make_syn(bytes);
	bytes_put16(bytes + 2, 100);
	memset(bytes + 60, 'x', 40);
	fix_checksum(bytes, 100);
	cr_assert_eq(packet_parse(&p, bytes, 100), PACKET_TCP);
	cr_assert_eq(p.payload_bytes, 40);
	packet_drop_payload(&p);
	cr_assert_eq(p.ip_bytes, 60);
	cr_assert_eq(p.payload_bytes, 0);
	cr_assert_eq(packet_parse(&p, bytes, 60), PACKET_TCP);
	cr_assert_eq(p.payload_bytes, 0);
	cr_assert(packet_checksum_good(&p));
}

Test(tcpopt, impossible_lengths_end_the_list)
{
	static const uint8_t bad[][4] = { { 2, 0, 5, 0xb4 }, { 2, 1, 5, 0xb4 }, { 2, 40, 5, 0xb4 },
					  { 1, 1, 1, 2 } };
	uint8_t bytes[80];
	struct packet p;
	struct tcpopt o;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		packet_parse(&p, bytes, make_syn(bytes));
		memset(bytes + 40, 1, 16);
		memcpy(bytes + 56, bad[i], 4);
		tcpopt_parse(&o, &p);
		cr_assert_eq(o.mss, 0, "case %zu", i);
	}
}

/* What is behind the end of the list is no option, though it looks like one. */
Test(tcpopt, the_end_of_the_list_is_its_end)
{
	static const uint8_t behind[] = { 0, 2, 2, 4, 5, 0xb4 };
	uint8_t bytes[80];
	struct packet p;
	struct tcpopt o;

	packet_parse(&p, bytes, make_syn(bytes));
	memset(bytes + 40, 1, 20);
	memcpy(bytes + 40, behind, sizeof(behind));
	tcpopt_parse(&o, &p);
	cr_assert_eq(o.mss, 0);
}

Test(tcpopt, window_shift_is_at_most_14)
{
	uint8_t bytes[80];
	struct packet p;
	struct tcpopt o;

	packet_parse(&p, bytes, make_syn(bytes));
	bytes[59] = 200;
	tcpopt_parse(&o, &p);
	cr_assert_eq(o.window_shift, 14);
}

Test(tcpopt, what_is_written_is_read)
{
	const struct sack_block blocks[] = { { 100, 200 }, { 0xfffffff0, 5 }, { 7, 9 } };
	uint8_t bytes[80];
	struct packet p;
	struct tcpopt o;
	size_t n;

	packet_parse(&p, bytes, make_syn(bytes));
	bytes[32] = 0xf0;	/* 40 bytes of options */
	memset(bytes + 40, 1, 40);
	n = tcpopt_write_timestamps(bytes + 40, 3, 4);
	n += tcpopt_write_sack(bytes + 40 + n, blocks, 3);
	cr_assert_eq(n, 40);
	bytes_put16(bytes + 2, 80);
	fix_checksum(bytes, 80);
	cr_assert_eq(packet_parse(&p, bytes, 80), PACKET_TCP);
	tcpopt_parse(&o, &p);
	cr_assert_eq(o.ts_val, 3);
	cr_assert_eq(o.ts_ecr, 4);
	cr_assert_eq(o.sack_count, 3);
	cr_assert_arr_eq(o.sack, blocks, sizeof(blocks));

	cr_assert(tcpopt_replace_sack(&p, &o, blocks + 2, 1));
	cr_assert(packet_checksum_good(&p));
	tcpopt_parse(&o, &p);
	cr_assert_eq(o.sack_count, 1);
	cr_assert_eq(o.sack[0].left, 7);
	cr_assert_eq(o.ts_val, 3);
}

Test(seq, widens_to_the_closest)
{
	const uint32_t isn = 0xfffffff0;

	cr_assert_eq(seq_widen(isn, isn, SEQ_BASE), SEQ_BASE);
	cr_assert_eq(seq_widen(isn, isn + 100, SEQ_BASE), SEQ_BASE + 100);
	cr_assert_eq(seq_widen(isn, isn - 1, SEQ_BASE), SEQ_BASE - 1);
	cr_assert_eq(seq_narrow(isn, SEQ_BASE + 100), 84);
	/* after more than 4 GiB */
	cr_assert_eq(seq_widen(isn, seq_narrow(isn, 5 * SEQ_BASE + 7), 5 * SEQ_BASE),
		     5 * SEQ_BASE + 7);
	cr_assert_eq(seq_widen(isn, seq_narrow(isn, 5 * SEQ_BASE - 7), 5 * SEQ_BASE),
		     5 * SEQ_BASE - 7);
}

/* The two ECN bits, each for itself, and nothing beside them (RFC 3168, RFC 8200 section 7). */
Test(packet, each_ecn_bit_is_cleared)
{
	for (uint8_t ecn = 0; ecn < 4; ecn++) {
		uint8_t ipv6[60] = { 0x6a, (uint8_t)(0x8f | ecn << 4), 0xbc, 0xdf, 0, 20, 6, 64,
				     [52] = 0x50 };
		uint8_t bytes[80];
		struct packet p;
		struct checksum c = { 0 };

		cr_assert_eq(packet_parse(&p, ipv6, sizeof(ipv6)), PACKET_TCP);
		cr_assert_not(p.joined);
		cr_assert_not(p.local);
		cr_assert_eq(packet_clear_ecn(&p), ecn != 0);
		cr_assert_eq(bytes_get32(ipv6), 0x6a8fbcdf);
		cr_assert_eq(p.label, 0x0a8fbcdf);

		make_syn(bytes);
		bytes[1] = (uint8_t)(0xb8 | ecn);
		cr_assert_eq(packet_parse(&p, bytes, sizeof(syn)), PACKET_TCP);
		cr_assert_eq(packet_clear_ecn(&p), ecn != 0);
		cr_assert_eq(bytes[1], 0xb8);
		cr_assert_eq(p.label, 0xb8);
		if (ecn != 0) {
			checksum_add(&c, bytes, 20);
			cr_assert_eq(checksum_finish(&c), 0);
		}
	}
}

/* The packet's twenty octets of options are NOPs and, at their end, these. */
static void end_with(uint8_t *bytes, struct packet *p, const uint8_t *options, size_t len)
{
	make_syn(bytes);
	memset(bytes + 40, 1, 20);
	memcpy(bytes + 60 - len, options, len);
	fix_checksum(bytes, sizeof(syn));
	cr_assert_eq(packet_parse(p, bytes, sizeof(syn)), PACKET_TCP);
}

Test(tcpopt, the_last_option_may_end_with_the_header)
{
	static const struct {
		uint8_t options[20];
		uint8_t len;
		struct tcpopt is;
	} tries[] = {
		{ { 4, 2 }, 2, { .sack_permitted = true } },
		{ { 2, 4, 5, 0xb4 }, 4, { .mss = 1460 } },
		{ { 3, 3, 7 }, 3, { .has_window_shift = true, .window_shift = 7 } },
		{ { 8, 10, 0, 0, 0, 1, 0, 0, 0, 2 }, 10,
		  { .has_timestamps = true, .ts_val = 1, .ts_ecr = 2 } },
		{ { 29, 4, 0, 0 }, 4, { .authenticated = true } },
		{ { 19, 2 }, 2, { .authenticated = true } },
		{ { 5, 10, 0, 0, 0, 1, 0, 0, 0, 2 }, 10,
		  { .sack_count = 1, .sack_at = 10, .sack_bytes = 10, .sack = { { 1, 2 } } } },
		/* cut off, or of a length that the option cannot have */
		{ { 29 }, 1, { 0 } }, { { 4 }, 1, { 0 } }, { { 29, 4, 0 }, 3, { 0 } },
		{ { 2, 3, 5 }, 3, { 0 } }, { { 3, 2 }, 2, { 0 } }, { { 3, 4, 7, 7 }, 4, { 0 } },
		{ { 4, 3, 0 }, 3, { 0 } }, { { 8, 9, 0, 0, 0, 1, 0, 0, 0 }, 9, { 0 } },
		{ { 5, 2 }, 2, { 0 } }, { { 5, 9, 0, 0, 0, 1, 0, 0, 0 }, 9, { 0 } },
		{ { 5, 11, 0, 0, 0, 1, 0, 0, 0, 2, 0 }, 11, { 0 } },
		/* the end comes first */
		{ { 0, 4, 2 }, 3, { 0 } }, { { 0, 29, 2 }, 3, { 0 } },
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		const struct tcpopt *is = &tries[i].is;
		uint8_t bytes[80];
		struct packet p;
		struct tcpopt o;

		end_with(bytes, &p, tries[i].options, tries[i].len);
		tcpopt_parse(&o, &p);
		cr_assert(o.mss == is->mss && o.window_shift == is->window_shift &&
			  o.has_window_shift == is->has_window_shift &&
			  o.sack_permitted == is->sack_permitted &&
			  o.has_timestamps == is->has_timestamps &&
			  o.authenticated == is->authenticated && o.ts_val == is->ts_val &&
			  o.ts_ecr == is->ts_ecr && o.sack_count == is->sack_count &&
			  o.sack_at == is->sack_at && o.sack_bytes == is->sack_bytes &&
			  o.sack[0].left == is->sack[0].left &&
			  o.sack[0].right == is->sack[0].right,
			  "number %zu", i);
	}
}

/* Four blocks fill all there is room for (RFC 2018 section 3): they are read, and nothing is
 * written after them. */
Test(tcpopt, the_last_block_of_four_is_the_last)
{
	static const uint8_t head[] = { 1, 1, 5, 34 };
	struct {
		struct tcpopt o;
		uint8_t after[32];
	} place;
	uint8_t bytes[80], options[40];
	struct packet p;

	memcpy(options, head, sizeof(head));
	for (uint8_t i = 0; i < 8; i++)
		bytes_put32(options + 4 + 4 * i, i + 1);
	memset(options + 36, 1, 4);
	make_syn(bytes);
	bytes[3] = 80;
	bytes[32] = 0xf0;
	memcpy(bytes + 40, options, sizeof(options));
	fix_checksum(bytes, sizeof(bytes));
	cr_assert_eq(packet_parse(&p, bytes, sizeof(bytes)), PACKET_TCP);
	memset(&place, 0xee, sizeof(place));
	tcpopt_parse(&place.o, &p);
	cr_assert_eq(place.o.sack_count, 4);
	for (uint32_t i = 0; i < 4; i++) {
		cr_assert_eq(place.o.sack[i].left, 2 * i + 1);
		cr_assert_eq(place.o.sack[i].right, 2 * i + 2);
	}
	for (size_t i = 0; i < sizeof(place.after); i++)
		cr_assert_eq(place.after[i], 0xee);
}

/* RFC 7413 section 4.1.1: the experimental Fast Open is known by the first two octets of what it
 * holds. */
Test(tcpopt, what_is_not_kept_is_taken_out)
{
	static const struct {
		uint8_t options[4];
		uint8_t len;
		bool removed;
	} tries[] = {
		{ { 34, 2 }, 2, true }, { { 34, 4, 1, 2 }, 4, true }, { { 30, 4, 0, 1 }, 4, true },
		{ { 253, 4, 0xf9, 0x89 }, 4, true }, { { 254, 4, 0xf9, 0x89 }, 4, true },
		{ { 253, 4, 0xf9, 0x88 }, 4, false }, { { 253, 3, 0xf9 }, 3, false },
		{ { 253, 2 }, 2, false }, { { 255, 4, 0xf9, 0x89 }, 4, false },
		{ { 4, 2 }, 2, false },
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		uint8_t bytes[80];
		struct packet p;

		end_with(bytes, &p, tries[i].options, tries[i].len);
		cr_assert_eq(tcpopt_remove_unkept(&p, false), tries[i].removed, "number %zu", i);
		cr_assert(packet_checksum_good(&p));
		for (size_t k = 0; k < tries[i].len; k++)
			cr_assert_eq(bytes[60 - tries[i].len + k],
				     tries[i].removed ? 1 : tries[i].options[k], "number %zu", i);
	}
}

Test(tcpopt, an_mss_is_lowered_and_not_raised)
{
	static const uint8_t mss[] = { 2, 4, 5, 0xb4 }, other[] = { 3, 4, 0xff, 0xff };
	uint8_t bytes[80];
	struct packet p;

	end_with(bytes, &p, mss, sizeof(mss));
	cr_assert_not(tcpopt_limit_mss(&p, 1460));
	cr_assert(tcpopt_limit_mss(&p, 1459));
	cr_assert_eq(bytes_get16(bytes + 58), 1459);
	cr_assert(packet_checksum_good(&p));
	end_with(bytes, &p, other, sizeof(other));
	cr_assert_not(tcpopt_limit_mss(&p, 1));
}

/* What a router says: read, and anything else left alone. */
struct icmp_try {
	size_t at;		/* this octet of the message */
	uint8_t value;		/* becomes this, */
	bool resum;		/* and its checksum good again */
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

/* Tries them on a router's word about this packet, whose IP header has so many bytes. */
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

Test(packet, a_routers_word_is_read_if_it_is_sound)
{
	static const struct icmp_try tries[] = {
		{ 0, 0x45, true, true },
		{ 0, 0x44, true, false },	/* a header too short */
		{ 0, 0x65, true, false },	/* of no version */
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

Test(packet, a_routers_word_over_ipv6_is_read_if_it_is_sound)
{
	static const struct icmp_try tries[] = {
		{ 0, 0x60, true, true },
		{ 0, 0x50, true, false },	/* of no version */
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

/* However long a header claims to be, and however short the packet: nothing beyond it is read. What
 * follows here would be the word of a router. */
Test(packet, a_routers_word_is_inside_its_packet)
{
	for (uint16_t total = 0; total < 60 + 8; total++) {
		uint8_t message[200] = { 0x4f, [9] = 1, [60] = 3, 4 };
		struct packet p;
		uint32_t mtu = 0;

		bytes_put16(message + 2, total);
		cr_assert_not(icmp_too_big(&p, &mtu, message, sizeof(message)), "%u", total);
	}
}

/* A packet may be no more than its header. */
Test(packet, a_header_alone_is_a_packet)
{
	uint8_t packet[24] = { 0x45, [3] = 20, [8] = 64, [9] = 59 };
	struct packet p;

	cr_assert_eq(packet_parse(&p, packet, 20), PACKET_NOT_TCP);
	cr_assert_eq(packet_parse(&p, packet, 24), PACKET_NOT_TCP);
	packet[6] = 0x20;
	cr_assert_eq(packet_parse(&p, packet, 20), PACKET_FRAGMENT);
	packet[6] = 0;
	packet[9] = 6;
	cr_assert_eq(packet_parse(&p, packet, 20), PACKET_MALFORMED);
	/* longer than it is, or shorter than its header */
	packet[9] = 59;
	packet[3] = 21;
	cr_assert_eq(packet_parse(&p, packet, 20), PACKET_MALFORMED);
	packet[3] = 19;
	cr_assert_eq(packet_parse(&p, packet, 20), PACKET_MALFORMED);
	packet[0] = 0x46;
	packet[3] = 20;
	cr_assert_eq(packet_parse(&p, packet, 24), PACKET_MALFORMED);
	packet[3] = 24;
	cr_assert_eq(packet_parse(&p, packet, 24), PACKET_NOT_TCP);
}

/* RFC 1191 section 7.1: an old router says nothing of the MTU. */
Test(packet, a_router_that_names_no_mtu_means_the_next_plateau)
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
