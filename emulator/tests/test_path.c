/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Paths that carry less than was assumed (RFC 1191, RFC 8899). The language is that of script.h. */

#include "drive.h"
#include "script/script.h"

#include "core/box.h"
#include "sim/router.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(path, .timeout = 20);

#define PIECES_OF_1000                                                                   \
	"client > S 0:0(0) win 64240 <mss 1460>\n"                                       \
	"pass\n"                                                                         \
	"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"                                \
	"pass\n"                                                                         \
	"client > P. 1:2001(2000) ack 1 win 64240\n"                                     \
	"drop\n"                                                                         \
	"client < . 1:1(0) ack 2001\n"                                                   \
	"server < . 1:1001(1000) ack 1\n"                                                \
	"server < P. 1001:2001(1000) ack 1\n"

/* RFC 791: an IPv4 router may carry as little as 68 octets. */
Test(path, a_router_of_ipv4_may_carry_very_little)
{
	struct engine *e = drive_make_open(512);
	uint8_t packet[1024], word[ROUTER_ANSWER_BYTES];
	struct engine_stats stats;
	struct engine_emit emit;
	size_t len = 0;

	drive_put_in(e, NS_PER_S, CLIENT, TCP_ACK, 1, 1, 512);
	while (engine_next(e, &emit)) {
		len = 0;
		for (size_t i = 0; i < emit.parts; len += emit.part[i++].bytes)
			memcpy(packet + len, emit.part[i].data, emit.part[i].bytes);
	}
	cr_assert_eq(len, 552);
	engine_get_stats(e, &stats);
	cr_assert_gt(stats.pages_used, 0);
	len = router_too_big(word, packet, 68);
	cr_assert_eq(engine_input(e, NS_PER_S, word, &len, 0), VERDICT_DROP);
	engine_get_stats(e, &stats);
	cr_assert_eq(stats.paths_limited, 1);
	cr_assert_eq(drive_take_all(e), 28);
	engine_destroy(e);
}

/* At the third time-out the box tries what nearly every path carries: over IPv4, 536 octets (RFC
 * 1122 section 3.3.3). */
Test(path, a_piece_that_is_lost_three_times_is_sent_in_parts)
{
	struct engine *e = drive_make_open(1400);

	drive_put_in(e, NS_PER_S, CLIENT, TCP_ACK, 1, 1, 1400);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(drive_take_all(e), 1400);
		engine_expire(e, engine_deadline(e));
	}
	cr_assert_eq(drive_take_all(e), 536);
	engine_destroy(e);
}

/* From the seventh time-out on each halves the size, down to what IPv4 must carry. */
Test(path, a_small_piece_is_halved_in_the_end)
{
	struct engine *e = drive_make_open(512);
	struct engine_stats stats;

	drive_put_in(e, NS_PER_S, CLIENT, TCP_ACK, 1, 1, 512);
	for (;;) {
		size_t most = drive_take_all(e);

		engine_get_stats(e, &stats);
		if (stats.orphaned_bytes == 0)	/* given up */
			break;
		cr_assert_eq(most, stats.paths_limited < 5 ? 512u >> stats.paths_limited : 28);
		engine_expire(e, engine_deadline(e));
	}
	cr_assert_eq(stats.paths_limited, 5);
	engine_destroy(e);
}

/* RFC 1191, RFC 8201: the box sends the pieces, so a router's report on them is for the box.
 * Earlier cuts stay as they are; a piece that is too large goes out in parts. */
Test(path, a_piece_that_is_too_big_for_a_router_is_sent_in_parts)
{
	script_run((struct script){ .segment_size = 1400, .at_end = script_nothing_is_held },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:2001(2000) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 2001\n"
		"server < . 1:1401(1400) ack 1\n"
		"server < P. 1401:2001(600) ack 1\n"
		/* a piece that just fits is not too big */
		"icmp +1400 client > . 1:1401(1400) ack 1\n"
		"drop\n"
		"count paths_limited 0\n"
		"icmp +1399 client > . 1:1401(1400) ack 1\n"
		"drop\n"
		"server < . 1:1400(1399) ack 1\n"
		"server < . 1400:1401(1) ack 1\n"
		"server < P. 1401:2001(600) ack 1\n"
		"count paths_limited 1\n"
		/* the same again is no news */
		"icmp +1399 client > . 1:1401(1400) ack 1\n"
		"drop\n"
		"count paths_limited 1\n"
		"server > . 1:1(0) ack 2001 win 65160\n"
		"drop\n"
		/* from now on cuts fit the path */
		"client > P. 2001:3401(1400) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 3401\n"
		"server < . 2001:3400(1399) ack 1\n"
		"server < P. 3400:3401(1) ack 1\n"
		"server > . 1:1(0) ack 3401 win 65160\n"
		"drop\n");
}

/* RFC 5927 section 4.1: a report must quote data in flight, whose numbers a forger does not
 * know. */
Test(path, a_router_that_names_nothing_under_way_is_not_believed)
{
	script_run((struct script){ .segment_size = 1000 },
		PIECES_OF_1000
		"icmp 1039 client > . 2001:3001(1000) ack 1\n"
		"drop\n"
		"icmp 1039 client > . 4294967290:4294967295(5) ack 1\n"
		"drop\n"
		"icmp 1039 client > . 1:1001(1000) ack 1 bad-sum\n"
		"pass\n"
		/* less than IP allows */
		"icmp 67 client > . 1:1001(1000) ack 1\n"
		"drop\n"
		"count paths_limited 0\n");
}

/* A report on a half that is not intercepted is for that half's source, and passes. */
Test(path, a_router_that_speaks_of_an_end_to_end_half_is_heard_by_its_source)
{
	script_run((struct script){ .segment_size = 1000, .direction = DIRECTION_S2C },
		SCRIPT_HANDSHAKE_BOTH
		"client > P. 1:1001(1000) ack 1 win 502\n"
		"pass P. 1:1001(1000) ack 1\n"
		"icmp 1280 client > . 1:1001(1000) ack 1\n"
		"pass\n");
}

Test(path, a_path_that_takes_less_is_told)
{
	script_run((struct script){ .segment_size = 1400, .events = true },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 1400\n"
		"pass\n"
		"client > P. 1:1401(1400) ack 1 win 64240\n"
		"* arrival client 0 bytes 1400 pending 1400\n"
		"* cut client 0 bytes 1400 pieces 1 last 1400\n"
		"drop\n"
		"* ack client 1400 orphaned 1400\n"
		"client < . 1:1(0) ack 1401\n"
		"server < P. 1:1401(1400) ack 1\n"
		"icmp +1300 client > P. 1:1401(1400) ack 1\n"
		"* path client bytes 1300 S 1400\n"
		"drop\n"
		"server < . 1:1301(1300) ack 1\n"
		"server < P. 1301:1401(100) ack 1\n");
}

/* RFC 4821: if no router reports it, time-outs must show it. */
Test(path, a_piece_that_is_never_acknowledged_is_tried_smaller)
{
	script_run((struct script){ .segment_size = 1400 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:1401(1400) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 1401\n"
		"server < P. 1:1401(1400) ack 1\n"
		"+1.01\n"
		"server < P. 1:1401(1400) ack 1\n"
		"+2.01\n"
		"server < P. 1:1401(1400) ack 1\n"
		"+4.01\n"
		"anything\n"
		"count paths_limited 1\n");
}

/* A closed window takes nothing, so time-outs there do not show that a piece is too big. */
Test(path, a_piece_that_reaches_a_closed_window_is_not_too_big)
{
	script_run((struct script){ .segment_size = 1400 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:1401(1400) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 1401\n"
		"server < P. 1:1401(1400) ack 1\n"
		"server > . 1:1(0) ack 1 win 0\n"
		"drop\n"
		"+100\n"
		"anything\n"
		"count paths_limited 0\n"
		"count unanswered 0\n");
}

/* Nearly every path carries 512 octets, so such a piece is kept whole for many time-outs. */
Test(path, a_small_piece_stays_as_it_is_for_long)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:513(512) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 513\n"
		"server < P. 1:513(512) ack 1\n"
		"+1.01\n"
		"server < P. 1:513(512) ack 1\n"
		"+2.01\n"
		"server < P. 1:513(512) ack 1\n"
		"+4.01\n"
		"server < P. 1:513(512) ack 1\n"
		"+8.01\n"
		"server < P. 1:513(512) ack 1\n"
		"count paths_limited 0\n"
		"+16.01\n"
		"anything\n"
		"count unanswered 0\n"
		"+32.01\n"
		"anything\n"
		"count unanswered 1\n"
		"+120\n"
		"anything\n"
		"count unanswered 1\n");
}

/* A report limits the half that it quotes, be it the server's. It limits neither the other half nor
 * another connection between the same ends. */
Test(path, a_router_speaks_of_one_half_of_one_connection)
{
	script_run((struct script){ .segment_size = 1400, .direction = DIRECTION_BOTH },
		SCRIPT_HANDSHAKE_BOTH
		"client:2000 > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server:2000 > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:1401(1400) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1401\n"
		"server < P. 1:1401(1400) ack 1\n"
		"server > P. 1:1401(1400) ack 1 win 509\n"
		"drop\n"
		"server < . 1401:1401(0) ack 1401\n"
		"client < P. 1:1401(1400) ack 1401\n"
		"icmp 1380 server > P. 1:1401(1400) ack 1401\n"
		"drop\n"
		"anything\n"
		"count paths_limited 1\n"
		"client > . 1401:1401(0) ack 1401 win 502\n"
		"drop\n"
		/* the other half is not limited */
		"server > . 1401:1401(0) ack 1401 win 509\n"
		"drop\n"
		"client > P. 1401:2801(1400) ack 1401 win 502\n"
		"drop\n"
		"client < . 1401:1401(0) ack 2801\n"
		"server < P. 1401:2801(1400) ack 1401\n"
		/* nor is the other connection */
		"server:2000 > P. 1:1401(1400) ack 1 win 65160\n"
		"drop\n"
		"server:2000 < . 1:1(0) ack 1401\n"
		"client:2000 < P. 1:1401(1400) ack 1\n");
}

/* It quotes the numbers that were on the wire. */
Test(path, a_router_speaks_of_numbers_that_a_fault_has_shifted)
{
	script_run((struct script){ .segment_size = 1400, .direction = DIRECTION_BOTH,
				    .fault = "isn-shift:direction=s2c", .events = true },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"anything\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"anything\n"
		"server > P. 1:1401(1400) ack 1 win 65160\n"
		"* arrival server 0 bytes 1400 pending 1400\n"
		"* cut server 0 bytes 1400 pieces 1 last 1400\n"
		"drop\n"
		"* ack server 1400 orphaned 1400\n"
		"server < . 1:1(0) ack 1401\n"
		"client < P. 1073741825:1073743225(1400) ack 1\n"
		"icmp +1340 server > P. 1073741825:1073743225(1400) ack 1\n"
		"* path server bytes 1340 S 1400\n"
		"drop\n"
		"anything\n"
		"count paths_limited 1\n");
}

/* A report on a connection that is not open, or that the box does not know, is for its ends. */
Test(path, a_router_that_speaks_of_no_open_connection_is_heard_by_its_source)
{
	static const char word[] = "icmp 1280 client > . 1:1401(1400) ack 1\npass\n";
	char text[2048];

	snprintf(text, sizeof(text),
		"%s"
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"%s"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:1401(1400) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 1401\n"
		"server < P. 1:1401(1400) ack 1\n"
		"client > R. 1401:1401(0) ack 1 win 0\n"
		"pass R. 1401:1401(0) ack 1\n"
		"%s"
		"count paths_limited 0\n", word, word, word);
	script_run((struct script){ .segment_size = 1400 }, text);
}

/* With timestamps a segment holds twelve octets less: RFC 6691. */
Test(path, a_routers_word_counts_options)
{
	script_run((struct script){ .segment_size = 1400 },
		"client > S 0:0(0) win 64240 <mss 1460,TS val 10 ecr 0>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,TS val 70 ecr 10>\n"
		"pass\n"
		"client > P. 1:1401(1400) ack 1 win 64240 <TS val 11 ecr 70>\n"
		"drop\n"
		"client < . 1:1(0) ack 1401\n"
		"server < P. 1:1401(1400) ack 1\n"
		"icmp +1412 client > P. 1:1401(1400) ack 1\n"
		"drop\n"
		"icmp +1411 client > P. 1:1401(1400) ack 1\n"
		"drop\n"
		"server < . 1:1400(1399) ack 1\n"
		"server < P. 1400:1401(1) ack 1\n");
}
