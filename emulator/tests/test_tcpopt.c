/* SPDX-License-Identifier: GPL-2.0-or-later */

/* TCP options: what is read, written and taken out. */

#include "sample.h"

#include "core/bytes.h"
#include "core/checksum.h"
#include "core/packet.h"
#include "core/tcpopt.h"

#include <criterion/criterion.h>
#include <string.h>

/* Makes a packet whose twenty octets of options are NOPs and, at their end, these. */
static void end_with(uint8_t *bytes, struct packet *p, const uint8_t *options, size_t len)
{
	sample_make_syn(bytes);
	memset(bytes + 40, 1, 20);
	memcpy(bytes + 60 - len, options, len);
	sample_fix_checksum(bytes, sizeof(sample_syn));
	cr_assert_eq(packet_parse(p, bytes, sizeof(sample_syn)), PACKET_TCP);
}

Test(tcpopt, impossible_lengths_end_the_list)
{
	static const uint8_t bad[][4] = { { 2, 0, 5, 0xb4 }, { 2, 1, 5, 0xb4 }, { 2, 40, 5, 0xb4 },
					  { 1, 1, 1, 2 } };
	uint8_t bytes[80];
	struct packet p;
	struct tcpopt o;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		packet_parse(&p, bytes, sample_make_syn(bytes));
		memset(bytes + 40, 1, 16);
		memcpy(bytes + 56, bad[i], 4);
		tcpopt_parse(&o, &p);
		cr_assert_eq(o.mss, 0, "case %zu", i);
	}
}

/* What follows the end of the list is not an option, though it looks like one. */
Test(tcpopt, the_end_of_the_list_is_its_end)
{
	static const uint8_t behind[] = { 0, 2, 2, 4, 5, 0xb4 };
	uint8_t bytes[80];
	struct packet p;
	struct tcpopt o;

	packet_parse(&p, bytes, sample_make_syn(bytes));
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

	packet_parse(&p, bytes, sample_make_syn(bytes));
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

	packet_parse(&p, bytes, sample_make_syn(bytes));
	bytes[32] = 0xf0;	/* 40 bytes of options */
	memset(bytes + 40, 1, 40);
	n = tcpopt_write_timestamps(bytes + 40, 3, 4);
	n += tcpopt_write_sack(bytes + 40 + n, blocks, 3);
	cr_assert_eq(n, 40);
	bytes_put16(bytes + 2, 80);
	sample_fix_checksum(bytes, 80);
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
		/* after the end of the list */
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

/* Four blocks are the most there is room for (RFC 2018 section 3). Reading them must not write past
 * the last. */
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
	sample_make_syn(bytes);
	bytes[3] = 80;
	bytes[32] = 0xf0;
	memcpy(bytes + 40, options, sizeof(options));
	sample_fix_checksum(bytes, sizeof(bytes));
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

/* RFC 7413 section 4.1.1: the experimental Fast Open option is known by its first two octets of
 * data. */
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
