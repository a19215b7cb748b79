/* SPDX-License-Identifier: GPL-2.0-or-later */

/* SACK as the box reads it from sinks and writes it to sources (RFC 2018). The language is that of
 * script.h. */

#include "script/script.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(sack, .timeout = 20);

#define THREE_PIECES                                                                     \
	SCRIPT_HANDSHAKE                                                                 \
	"client > P. 1:301(300) ack 1 win 502\n"                                         \
	"drop\n"                                                                         \
	"client < . 1:1(0) ack 301\n"                                                    \
	"server < . 1:101(100) ack 1\n"                                                  \
	"server < . 101:201(100) ack 1\n"                                                \
	"server < P. 201:301(100) ack 1\n"

/* A hole that is filled before its turn must not be sent again. */
Test(sack, a_hole_may_be_filled_before_it_is_its_turn)
{
	script_run((struct script){ .segment_size = 100, .fault = "off-by-one" },
		SCRIPT_HANDSHAKE
		"client > . 1:301(300) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 301\n"
		"server < . 1:101(100) ack 1\n"
		"server < . 101:201(100) ack 1\n"
		"server < . 201:301(100) ack 1\n"
		SCRIPT_THREE_DUPLICATE_ACKS
		"server < . 1:101(100) ack 1\n"
		"hold\n"
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n"
		"client > . 301:402(101) ack 1 win 502\n"
		"drop\n"
		"server > . 1:1(0) ack 301 win 509\n"
		"drop\n"
		"take\n"
		"client < . 1:1(0) ack 402\n");
}

/* After the first time-out the box must still rely on the sink's SACK. */
Test(sack, what_is_sacked_is_not_sent_after_a_timeout)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE
		"client > . 1:501(500) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 501\n"
		"server < . 1:101(100) ack 1\n"
		"server < . 101:201(100) ack 1\n"
		"server < . 201:301(100) ack 1\n"
		"server < . 301:401(100) ack 1\n"
		"server < . 401:501(100) ack 1\n"
		"server > . 1:1(0) ack 1 win 509 <sack 101:201 301:501,nop,nop>\n"
		"drop\n"
		"+1.01\n"
		"server < . 1:101(100) ack 1\n"
		"server > . 1:1(0) ack 201 win 509\n"
		"drop\n"
		"server < . 201:301(100) ack 1\n");
}

/* RFC 2018 section 4: the newest block comes first. */
Test(sack, the_newest_block_is_told_first)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > . 101:201(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 101:201>\n"
		"client > . 501:601(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 501:601 101:201>\n"
		"client > . 301:401(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 301:401 101:201 501:601>\n");
}

/* RFC 2018 section 8: the sink had [101, 301) and has discarded it, or its ACK would be beyond 101.
 * Like Linux, the box then waits 10 ms (tcp_check_sack_reneging()). */
Test(sack, a_sink_that_goes_back_on_sack_is_sent_all_again)
{
	script_run((struct script){ .segment_size = 100, .at_end = script_nothing_is_held },
		THREE_PIECES
		"server > . 1:1(0) ack 1 win 509 <sack 101:301>\n"
		"drop\n"
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n"
		"+0.0099\n"
		"+0.0002\n"
		"server < . 101:201(100) ack 1\n"
		"server > . 1:1(0) ack 201 win 509\n"
		"drop\n"
		"server < P. 201:301(100) ack 1\n"
		"server > . 1:1(0) ack 301 win 509\n"
		"drop\n");
}

/* The same sink closes its window as well, while more data waits. A timer must run as long as
 * something is in flight, or the connection would hang. */
Test(sack, a_sink_that_goes_back_on_sack_and_closes_its_window_is_not_forgotten)
{
	script_run((struct script){ .segment_size = 100 },
		THREE_PIECES
		"client > P. 301:501(200) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 501\n"
		"server < . 301:401(100) ack 1\n"
		"server < P. 401:501(100) ack 1\n"
		"server > . 1:1(0) ack 1 win 509 <sack 101:301>\n"
		"drop\n"
		"server > . 1:1(0) ack 101 win 0\n"
		"drop\n"
		"+0.02\n"
		"server < . 101:201(100) ack 1\n"
		"+0.5\n"
		"server < . 101:201(100) ack 1\n"
		"server > . 1:1(0) ack 201 win 509\n"
		"drop\n"
		"server < P. 201:301(100) ack 1\n"
		"server < . 301:401(100) ack 1\n");
}

/* RFC 2018 section 3: three blocks fit beside timestamps. */
Test(sack, timestamps_leave_room_for_three_blocks)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460,sackOK,TS val 10 ecr 0>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,TS val 70 ecr 10>\n"
		"pass\n"
		"client > . 11:21(10) ack 1 win 64240 <TS val 11 ecr 70>\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <TS val 70 ecr 10,sack 11:21>\n"
		"client > . 31:41(10) ack 1 win 64240 <TS val 11 ecr 70>\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <TS val 70 ecr 10,sack 31:41 11:21>\n"
		"client > . 51:61(10) ack 1 win 64240 <TS val 11 ecr 70>\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <TS val 70 ecr 10,sack 51:61 31:41 11:21>\n"
		"client > . 71:81(10) ack 1 win 64240 <TS val 11 ecr 70>\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <TS val 70 ecr 10,sack 71:81 31:41 11:21>\n");
}

/* SACK from an end that did not permit it, or of data not in flight, is ignored. */
Test(sack, sack_out_of_place_is_not_believed)
{
	script_run((struct script){ .segment_size = 100 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"server > . 1:1(0) ack 1 win 65160 <sack 101:201>\n"
		"drop\n"
		"client > . 1:301(300) ack 1 win 64240\n"
		"drop\n"
		"anything\n"
		"server > . 1:1(0) ack 1 win 65160 <sack 101:201>\n"
		"drop\n"
		"+1.01\n"
		"server < . 1:101(100) ack 1\n"
		"server > . 1:1(0) ack 101 win 65160\n"
		"drop\n"
		"server < . 101:201(100) ack 1\n"
		"server < . 201:301(100) ack 1\n");
	script_run((struct script){ .segment_size = 100, .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"server > . 1:1(0) ack 1 win 509 <sack 101:201>\n"
		"drop\n");
}

/* SACK of data that was not sent, or a block that ends before it begins, is ignored. A sender that
 * believed either would leave a hole for good. */
Test(sack, sack_of_what_was_not_sent_is_not_believed)
{
	static const char *const blocks[] = { "101:302", "101:401", "201:101", "201:201",
					      "102:101" };

	for (size_t i = 0; i < sizeof(blocks) / sizeof(*blocks); i++) {
		char text[1024];

		snprintf(text, sizeof(text),
			THREE_PIECES
			"server > . 1:1(0) ack 1 win 509 <sack %s>\n"
			"drop\n"
			"+1.01\n"
			"server < . 1:101(100) ack 1\n"
			"server > . 1:1(0) ack 101 win 509\n"
			"drop\n"
			"server < . 101:201(100) ack 1\n"
			"server < P. 201:301(100) ack 1\n"
			"server > . 1:1(0) ack 301 win 509\n"
			"drop\n", blocks[i]);
		script_run((struct script){ .segment_size = 100,
					    .at_end = script_nothing_is_held }, text);
	}
}

/* An empty block shows no hole before it: only the piece that the sink waits for is repeated. */
Test(sack, an_empty_block_shows_no_hole)
{
	static const char duplicate[] = "server > . 1:1(0) ack 1 win 509 <sack 201:201>\ndrop\n";
	char text[1024];

	snprintf(text, sizeof(text),
		THREE_PIECES
		"%s%s%s"
		"server < . 1:101(100) ack 1\n"
		"%s%s"
		"count retransmissions 1\n", duplicate, duplicate, duplicate, duplicate, duplicate);
	script_run((struct script){ .segment_size = 100 }, text);
}

/* RFC 2883: a D-SACK tells of data that came twice. It shows no loss, so data that carries it is no
 * duplicate ACK. */
Test(sack, a_d_sack_is_no_news)
{
	script_run((struct script){ .segment_size = 100 },
		THREE_PIECES
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n"
		"server > P. 1:11(10) ack 101 win 509 <sack 1:11>\n"
		"anything\n"
		"server > P. 11:21(10) ack 101 win 509 <sack 21:31>\n"
		"anything\n"
		"server > P. 21:31(10) ack 101 win 509 <sack 41:51>\n"
		"anything\n"
		"server > P. 31:41(10) ack 101 win 509 <sack 61:101>\n"
		"anything\n"
		"count retransmissions 0\n");
}
