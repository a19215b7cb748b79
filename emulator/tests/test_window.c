/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Windows: those that the box offers, those that it keeps to, and the data it takes. The language
 * is that of script.h. */

#include "script/script.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(window, .timeout = 20);

/* A box with a buffer of 16 KiB, which its windows show. */
#define SCRIPT_HANDSHAKE_SMALL                                                           \
	"client > S 0:0(0) win 64240 <mss 1460,sackOK,wscale 7>\n"                       \
	"pass\n"                                                                         \
	"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,wscale 7>\n"                \
	"pass S. 0:0(0) ack 1 win 16384\n"                                               \
	"client > . 1:1(0) ack 1 win 502\n"                                              \
	"pass\n"                                                                         \
	"server > . 1:1(0) ack 1 win 509\n"                                              \
	"drop\n"

Test(window, forged_ack_carries_the_boxs_window)
{
	/* 258,048 octets of buffer, 13 of them in use: 258,035 >> 7 = 2015. */
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:14(13) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 14 win 2015\n"
		"server < P. 1:14(13) ack 1 win 502\n");
}

Test(window, closed_window_is_probed_and_kept_to)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"server > . 1:1(0) ack 1 win 0\n"
		"drop\n"
		"client > P. 1:101(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"+1.1\n"
		"server < . 0:0(0) ack 1\n"
		"server > . 1:1(0) ack 1 win 0\n"
		"drop\n"
		"+2.1\n"
		"server < . 0:0(0) ack 1\n"
		"server > . 1:1(0) ack 1 win 4\n"
		"drop\n"
		"server < P. 1:101(100) ack 1\n"
		"server > . 1:1(0) ack 101 win 4\n"
		"drop\n");
}

Test(window, window_smaller_than_a_piece_is_used_after_a_while)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"server > . 1:1(0) ack 1 win 2\n"
		"drop\n"
		"client > P. 1:1101(1100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1101\n"
		"+1.1\n"
		"server < . 1:257(256) ack 1\n"
		/* this cut is remembered */
		"+1.9\n"
		"server < . 1:257(256) ack 1\n"
		"server > . 1:1(0) ack 257 win 502\n"
		"drop\n"
		"server < . 257:513(256) ack 1\n"
		"server < . 513:1025(512) ack 1\n"
		"server > . 1:1(0) ack 1025 win 502\n"
		"drop\n"
		"server < P. 1025:1101(76) ack 1\n"
		"server > . 1:1(0) ack 1101 win 502\n"
		"drop\n");
}

Test(window, full_buffer_is_not_acked_beyond_its_end)
{
	script_run((struct script){ .window_bytes = 16384, .segment_size = 9000 },
		"client > S 0:0(0) win 64240 <mss 32000>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 32000>\n"
		"pass S. 0:0(0) ack 1 win 16384\n"
		"client > . 1:20001(20000) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 16385 win 0\n"
		"server < . 1:9001(9000) ack 1\n"
		"server < . 9001:16385(7384) ack 1\n"
		"server > . 1:1(0) ack 16385 win 65160\n"
		"drop\n"
		"client < . 1:1(0) ack 16385 win 16384\n");
}

Test(window, without_memory_data_is_not_acked)
{
	script_run((struct script){ .memory_bytes = 4096 },
		SCRIPT_HANDSHAKE
		"client > P. 1:14(13) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n");
}

Test(window, data_in_order_is_taken_when_nothing_more_can_wait)
{
	/* 520 segments of one octet after a hole, with holes between them, more than fill the list;
	 * then the first one comes after all. */
	static char text[1 << 16];
	size_t n = 0;

	n += (size_t)sprintf(text + n, SCRIPT_HANDSHAKE);
	for (unsigned seq = 3; seq < 3 + 2 * 520; seq += 2)
		n += (size_t)sprintf(text + n, "client > . %u:%u(1) ack 1 win 502\ndrop\n"
					       "client < . 1:1(0) ack 1\n", seq, seq + 1);
	sprintf(text + n, "client > . 1:3(2) ack 1 win 502\ndrop\nclient < . 1:1(0) ack 4\n"
			  "server < . 1:3(2) ack 1\nserver < . 3:4(1) ack 1\n");
	script_run((struct script){ 0 }, text);
}

Test(window, data_in_order_is_taken_when_waiting_data_fills_the_memory)
{
	script_run((struct script){ .memory_bytes = 4 * 4096 },
		SCRIPT_HANDSHAKE
		"client > . 4101:5101(1000) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 4101:5101>\n"
		/* a quarter of the memory is for data in order */
		"client > . 8201:9201(1000) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 4101:5101>\n"
		"client > . 1:1001(1000) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1001\n"
		"server < . 1:513(512) ack 1\n"
		"server < . 513:1001(488) ack 1\n"
		"client > . 1001:4101(3100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 5101 <>\n"
		"server < . 1001:1513(512) ack 1\n"
		"server < . 1513:2025(512) ack 1\n"
		"server < . 2025:2537(512) ack 1\n"
		"server < . 2537:3049(512) ack 1\n"
		"server < . 3049:3561(512) ack 1\n"
		"server < . 3561:4073(512) ack 1\n"
		"server < . 4073:4101(28) ack 1\n"
		"server < . 4101:4613(512) ack 1\n"
		"server < . 4613:5101(488) ack 1\n");
}

Test(window, forged_acks_stay_inside_a_closed_window)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"server > P. 1:11(10) ack 1 win 509\n"
		"pass P. 1:11(10) ack 1\n"
		"client > . 1:1(0) ack 11 win 0\n"
		"pass\n"
		/* a probe of one octet, which the client will not take */
		"server > . 11:12(1) ack 1 win 509\n"
		"pass . 11:12(1) ack 1\n"
		"client > . 1:1(0) ack 11 win 0\n"
		"pass\n"
		"client > P. 1:11(10) ack 11 win 0\n"
		"drop\n"
		"client < . 11:11(0) ack 11\n"
		"server < P. 1:11(10) ack 11\n");
}

Test(window, a_newer_ack_brings_its_own_window)
{
	/* The server probes with an octet beyond what it sends later. The window of a later ACK
	 * must count, though that ACK has a lower sequence number than the probe. */
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:1025(1024) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1025\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:1025(512) ack 1\n"
		"server > . 5:6(1) ack 513 win 8\n"
		"pass . 5:6(1) ack 1025\n"
		"server > . 1:1(0) ack 1025 win 4\n"
		"pass . 1:1(0) ack 1025\n"
		/* 1025 + (4 << 7) = 1537, not 1025 + (8 << 7) */
		"client > P. 1025:2049(1024) ack 1 win 502\n"
		"drop\n"
		"client < . 6:6(0) ack 2049\n"
		"server < . 1025:1537(512) ack 1\n");
}

Test(window, a_window_that_shrank_was_offered_all_the_same)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > . 1:1(0) ack 1 win 10\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 0\n"
		"pass\n"
		/* sent before the second one reached the server */
		"server > P. 1:1001(1000) ack 1 win 509\n"
		"pass P. 1:1001(1000) ack 1\n"
		"client > . 1:1(0) ack 1001 win 0\n"
		"pass\n");
}

Test(window, opened_window_ends_the_backing_off)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"server > . 1:1(0) ack 1 win 0\n"
		"drop\n"
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"+10\n"	/* probes after 1, 2 and 4 more seconds */
		"server < . 0:0(0) ack 1\nserver < . 0:0(0) ack 1\nserver < . 0:0(0) ack 1\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server < P. 1:11(10) ack 1\n"
		"+1.1\n"
		"server < P. 1:11(10) ack 1\n");
}

/* RFC 9293 section 3.10.7.4: a segment that was overtaken tells a window of the past (SND.WL1). */
Test(window, a_segment_that_was_overtaken_does_not_open_the_window)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"server > P. 11:21(10) ack 1 win 0\n"
		"pass P. 11:21(10) ack 1 win 2016\n"
		"server > P. 1:11(10) ack 1 win 509\n"
		"pass P. 1:11(10) ack 1 win 2016\n"
		"client > P. 1:14(13) ack 21 win 502\n"
		"drop\n"
		"client < . 21:21(0) ack 14\n"
		"server < . 1:1(0) ack 21\n"
		"+0.9\n"
		"server > . 21:21(0) ack 1 win 509\n"
		"drop\n"
		"server < P. 1:14(13) ack 21\n");
}

/* Data that waits was not acknowledged, so it can be dropped to make room for data in order. */
Test(window, data_in_order_takes_the_place_of_what_waits)
{
	script_run((struct script){ .segment_size = 1000, .memory_bytes = 4 * 4096 },
		SCRIPT_HANDSHAKE
		"client > . 9001:9101(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 9001:9101>\n"
		"client > . 1:1001(1000) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1001\n"
		"server < . 1:1001(1000) ack 1\n"
		"client > . 1001:5001(4000) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 5001 <>\n"
		"server < . 1001:2001(1000) ack 1\n"
		"server < . 2001:3001(1000) ack 1\n"
		"server < . 3001:4001(1000) ack 1\n"
		"server < . 4001:5001(1000) ack 1\n");
}

/* The largest windows that the field can tell, without scaling. */
Test(window, a_window_is_told_as_it_is)
{
	script_run((struct script){ .window_bytes = 65535 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"server > P. 1:6(5) ack 1 win 65160\n"
		"pass P. 1:6(5) ack 1 win 65535\n"
		"client > . 1:2(1) ack 6 win 502\n"
		"drop\n"
		"client < . 6:6(0) ack 2 win 65534\n"
		"server < . 1:2(1) ack 6\n"
		"client > . 2:4(2) ack 6 win 502\n"
		"drop\n"
		"client < . 6:6(0) ack 4 win 65532\n"
		"server < . 2:4(2) ack 6\n");
}

/* The server's data tells the client of the window that its ACK has opened, so no ACK is sent
 * beside it. */
Test(window, a_window_that_opens_is_told_by_the_servers_data)
{
	script_run((struct script){ .segment_size = 1460, .window_bytes = 16384 },
		SCRIPT_HANDSHAKE_SMALL
		"client > . 1:14601(14600) ack 1 win 502\n"
		"drop\n"
		"anything\n"
		"server > P. 1:11(10) ack 14601 win 509\n"
		"pass P. 1:11(10) ack 14601 win 128\n");
	/* without data the box must send an ACK */
	script_run((struct script){ .segment_size = 1460, .window_bytes = 16384 },
		SCRIPT_HANDSHAKE_SMALL
		"client > . 1:14601(14600) ack 1 win 502\n"
		"drop\n"
		"anything\n"
		"server > . 1:1(0) ack 14601 win 509\n"
		"drop\n"
		"client < . 1:1(0) ack 14601 win 128\n");
}

/* RFC 9293 section 3.8.6.2.2: the box does not tell of each octet that is read, but of a good part
 * of the window. */
Test(window, a_window_that_opens_a_little_is_not_told)
{
	script_run((struct script){ .segment_size = 1460, .window_bytes = 16384 },
		SCRIPT_HANDSHAKE_SMALL
		"client > . 1:14601(14600) ack 1 win 502\n"
		"drop\n"
		"anything\n"
		"server > . 1:1(0) ack 1461 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 2921 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 4381 win 509\n"
		"drop\n"
		"client < . 1:1(0) ack 14601 win 48\n");
	/* a source that knows of half the window can wait */
	script_run((struct script){ .segment_size = 1460, .window_bytes = 16384 },
		SCRIPT_HANDSHAKE_SMALL
		"client > . 1:7301(7300) ack 1 win 502\n"
		"drop\n"
		"anything\n"
		"server > . 1:1(0) ack 7301 win 509\n"
		"drop\n");
	/* and a source that has closed sends nothing more */
	script_run((struct script){ .segment_size = 1460, .window_bytes = 16384 },
		SCRIPT_HANDSHAKE_SMALL
		"client > F. 1:14601(14600) ack 1 win 502\n"
		"drop\n"
		"anything\n"
		"server > . 1:1(0) ack 14601 win 509\n"
		"drop\n"
		"server < F. 14601:14601(0) ack 1\n"
		"server > . 1:1(0) ack 14602 win 509\n"
		"drop\n");
}

/* Only so many cuts can be remembered. Data that comes then is taken all the same, and goes out as
 * one piece, as a TCP may join what was written to it. */
Test(window, what_finds_no_room_for_its_cuts_is_joined)
{
	const unsigned cuts = STREAM_RUNS_MAX - STREAM_RUNS_SPARE, octets = cuts + 92;
	static char text[1 << 17];
	size_t n;

	n = (size_t)sprintf(text, SCRIPT_HANDSHAKE "server > . 1:1(0) ack 1 win 0\ndrop\n");
	for (unsigned seq = 1; seq <= octets; seq++)
		n += (size_t)sprintf(text + n, "client > . %u:%u(1) ack 1 win 502\ndrop\n"
					       "client < . 1:1(0) ack %u\n", seq, seq + 1, seq + 1);
	n += (size_t)sprintf(text + n,
			     "count refused_arrivals 0\nserver > . 1:1(0) ack 1 win 509\ndrop\n");
	for (unsigned seq = 1; seq < cuts; seq++)
		n += (size_t)sprintf(text + n, "server < . %u:%u(1) ack 1\n", seq, seq + 1);
	sprintf(text + n, "server < . %u:%u(93) ack 1\n", cuts, octets + 1);
	script_run((struct script){ 0 }, text);
}

/* A server whose window has shrunk drops packets beyond it, and their ACKs with them. But less than
 * a unit beyond it may be rounding, and the server may have had those octets. */
Test(window, acks_lie_within_a_window_that_shrank)
{
	static const struct {
		unsigned window;	/* in units of 128 octets, from octet 513 on */
		unsigned seq;
	} cases[] = { { 12, 2001 }, { 11, 2001 }, { 10, 1793 }, { 1, 641 }, { 0, 513 } };
#define OCTETS_2000_ARE_OUT                                                              \
	"client > P. 1:2001(2000) ack 1 win 502\n"                                       \
	"drop\n"                                                                         \
	"client < . 1:1(0) ack 2001\n"                                                   \
	"server < . 1:513(512) ack 1\n"                                                  \
	"server < . 513:1025(512) ack 1\n"                                               \
	"server < . 1025:1537(512) ack 1\n"                                              \
	"server < P. 1537:2001(464) ack 1\n"

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[1024];

		snprintf(text, sizeof(text),
			 SCRIPT_HANDSHAKE_BOTH
			 OCTETS_2000_ARE_OUT
			 "server > P. 1:11(10) ack 513 win %u\n"
			 "drop\n"
			 "server < . %u:%u(0) ack 11\n"
			 "client < P. 1:11(10) ack 2001\n",
			 cases[i].window, cases[i].seq, cases[i].seq);
		script_run((struct script){ .direction = DIRECTION_BOTH }, text);
	}
	/* the same for a packet of the client's that passes */
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		OCTETS_2000_ARE_OUT
		"server > P. 1:11(10) ack 513 win 10\n"
		"pass P. 1:11(10) ack 2001\n"
		"client > . 2001:2001(0) ack 11 win 502\n"
		"pass . 1793:1793(0) ack 11\n");
}

/* What the server sends causes the same events as what the client sends. */
Test(window, what_the_server_sends_is_told_as_its_own)
{
	script_run((struct script){ .direction = DIRECTION_S2C, .events = true,
				    .fault = "off-by-one" },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 512\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 64240\n"
		"pass . 1:1(0) ack 1\n"
		"server > P. 1:514(513) ack 1 win 65160\n"
		"* arrival server 0 bytes 513 pending 513\n"
		"* fault off-by-one server\n"
		"* stall server 0 pending 513\n"
		"drop\n"
		"* ack server 513 orphaned 513\n"
		"server < . 1:1(0) ack 514\n");
}

/* The box holds 15,001 octets of 16,384, so a good part of its buffer will never open. But the ACKs
 * of what it sent make room for a segment, and the client knows of no window. */
Test(window, room_for_a_segment_is_told_to_a_source_that_knows_of_none)
{
	script_run((struct script){ .segment_size = 1383, .window_bytes = 16384,
				    .fault = "off-by-one" },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 2766 <mss 1460>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 64240\n"
		"pass\n"
		"client > . 1:15001(15000) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 15001 win 1384\n"
		"server < . 1:1384(1383) ack 1\n"
		"server < . 1384:2767(1383) ack 1\n"
		"client > . 15001:16385(1384) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 16385 win 0\n"
		"server > . 1:1(0) ack 1384 win 1383\n"
		"drop\n"
		"server > . 1:1(0) ack 2767 win 1383\n"
		"drop\n"
		"client < . 1:1(0) ack 16385 win 2766\n"
		"server < . 2767:4150(1383) ack 1\n");
}
