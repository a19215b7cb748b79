/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Packets as bytes: how they are read, and what must stay good when they are changed */

#include "sample.h"

#include "core/bytes.h"
#include "core/checksum.h"
#include "core/packet.h"
#include "core/seq.h"
#include "core/tcpopt.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

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

	cr_assert_eq(packet_parse(&p, bytes, sample_make_syn(bytes)), PACKET_TCP);
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

	sample_make_syn(bytes);
	cr_assert_eq(packet_parse(&p, bytes, sizeof(bytes)), PACKET_TCP);
	cr_assert_eq(p.ip_bytes, sizeof(sample_syn));
}

Test(packet, every_shorter_packet_is_malformed)
{
	/* In a buffer of its own, so that a sanitizer sees any read past the end. */
	for (size_t len = 0; len < sizeof(sample_syn); len++) {
		uint8_t *bytes = malloc(len + 1);
		struct packet p;

		memcpy(bytes, sample_syn, len);
		cr_assert_eq(packet_parse(&p, bytes, len), PACKET_MALFORMED, "length %zu", len);
		free(bytes);
	}
}

Test(packet, kinds)
{
	uint8_t bytes[80];
	struct packet p;

	sample_make_syn(bytes);
	bytes[9] = 17;
	cr_assert_eq(packet_parse(&p, bytes, sizeof(sample_syn)), PACKET_NOT_TCP);
	sample_make_syn(bytes);
	bytes[6] = 0x20;	/* more fragments */
	cr_assert_eq(packet_parse(&p, bytes, sizeof(sample_syn)), PACKET_FRAGMENT);
	bytes[6] = 0x00, bytes[7] = 0x10;	/* an offset */
	cr_assert_eq(packet_parse(&p, bytes, sizeof(sample_syn)), PACKET_FRAGMENT);
	sample_make_syn(bytes);
	bytes[0] = 0x55;
	cr_assert_eq(packet_parse(&p, bytes, sizeof(sample_syn)), PACKET_MALFORMED);
	bytes[0] = 0x44;	/* a header that is too short */
	cr_assert_eq(packet_parse(&p, bytes, sizeof(sample_syn)), PACKET_MALFORMED);
	sample_make_syn(bytes);
	bytes[32] = 0x40;	/* the same for TCP */
	cr_assert_eq(packet_parse(&p, bytes, sizeof(sample_syn)), PACKET_MALFORMED);
	bytes[32] = 0xf0;	/* longer than the packet */
	cr_assert_eq(packet_parse(&p, bytes, sizeof(sample_syn)), PACKET_MALFORMED);
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

	packet_parse(&p, bytes, sample_make_syn(bytes));
	cr_assert(packet_set_seq(&p, 0xffffffff));
	cr_assert_eq(p.seq, 0xffffffff);
	cr_assert(packet_checksum_good(&p));
	cr_assert(packet_set_ack(&p, 77));
	cr_assert_eq(p.ack, 77);
	cr_assert(packet_checksum_good(&p));
	cr_assert(packet_set_window(&p, 1));
	cr_assert_eq(p.window, 1);
	cr_assert(packet_checksum_good(&p));
	cr_assert(packet_set_flags(&p, TCP_ACK | TCP_ECE));
	cr_assert(packet_checksum_good(&p));
	/* at an odd offset, of odd length */
	cr_assert(packet_set_options(&p, 17, nops, 3));
	cr_assert(packet_checksum_good(&p));
	cr_assert_not(packet_set_seq(&p, 0xffffffff), "the number was the same");
	cr_assert_eq(packet_parse(&p, bytes, sizeof(sample_syn)), PACKET_TCP);
	cr_assert_eq(p.seq, 0xffffffff);
	cr_assert_eq(p.ack, 77);
	cr_assert_eq(p.window, 1);
	cr_assert_eq(p.flags, TCP_ACK | TCP_ECE);
}

Test(packet, a_change_does_not_heal_a_damaged_packet)
{
	uint8_t bytes[80];
	struct packet p;

	packet_parse(&p, bytes, sample_make_syn(bytes));
	bytes[45] ^= 0x10;
	packet_set_seq(&p, 5);
	packet_set_window(&p, 5);
	cr_assert_not(packet_checksum_good(&p));
}

Test(packet, payload_is_cut_off)
{
	uint8_t bytes[128] = { 0 };
	struct packet p;

	sample_make_syn(bytes);
	bytes_put16(bytes + 2, 100);
	memset(bytes + 60, 'x', 40);
	sample_fix_checksum(bytes, 100);
	cr_assert_eq(packet_parse(&p, bytes, 100), PACKET_TCP);
	cr_assert_eq(p.payload_bytes, 40);
	packet_drop_payload(&p);
	cr_assert_eq(p.ip_bytes, 60);
	cr_assert_eq(p.payload_bytes, 0);
	cr_assert_eq(packet_parse(&p, bytes, 60), PACKET_TCP);
	cr_assert_eq(p.payload_bytes, 0);
	cr_assert(packet_checksum_good(&p));
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

/* Either ECN bit must be cleared, and nothing beside them (RFC 3168, RFC 8200 section 7). */
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

		sample_make_syn(bytes);
		bytes[1] = (uint8_t)(0xb8 | ecn);
		cr_assert_eq(packet_parse(&p, bytes, sizeof(sample_syn)), PACKET_TCP);
		cr_assert_eq(packet_clear_ecn(&p), ecn != 0);
		cr_assert_eq(bytes[1], 0xb8);
		cr_assert_eq(p.label, 0xb8);
		if (ecn != 0) {
			checksum_add(&c, bytes, 20);
			cr_assert_eq(checksum_finish(&c), 0);
		}
	}
}

/* A packet may be a header and nothing else. */
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
	/* claims to be longer than it is, or shorter than its header */
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
