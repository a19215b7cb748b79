/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Data through the box, packet by packet. The language is that of script.h. */

#include "script/script.h"

#include <criterion/criterion.h>

TestSuite(relay, .timeout = 20);

/* A piece of 10 octets that is never acknowledged: repeated six times in 1 + 2 + 4 + ... + 32 s,
 * then once a minute. */
#define FIFTEEN_TIMEOUTS \
	"+63\n" \
	"server < P. 1:11(10) ack 1\nserver < P. 1:11(10) ack 1\n" \
	"server < P. 1:11(10) ack 1\nserver < P. 1:11(10) ack 1\n" \
	"server < P. 1:11(10) ack 1\nserver < P. 1:11(10) ack 1\n" \
	"+540\n" \
	"server < P. 1:11(10) ack 1\nserver < P. 1:11(10) ack 1\n" \
	"server < P. 1:11(10) ack 1\nserver < P. 1:11(10) ack 1\n" \
	"server < P. 1:11(10) ack 1\nserver < P. 1:11(10) ack 1\n" \
	"server < P. 1:11(10) ack 1\nserver < P. 1:11(10) ack 1\n" \
	"server < P. 1:11(10) ack 1\n"

Test(relay, data_is_acked_at_once_and_cut)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:1301(1300) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1301\n"
		"server < . 1:513(512) ack 1 win 502\n"
		"server < . 513:1025(512) ack 1 win 502\n"
		"server < P. 1025:1301(276) ack 1 win 502\n"
		"server > . 1:1(0) ack 1301 win 510\n"
		"drop\n");
}

Test(relay, pieces_keep_to_the_sinks_mss)
{
	script_run((struct script){ .segment_size = 1400 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1000>\n"
		"pass\n"
		"client > . 1:1401(1400) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 1401\n"
		"server < . 1:1001(1000) ack 1\n"
		"server < . 1001:1401(400) ack 1\n");
}

Test(relay, timestamps_shrink_the_piece_and_are_echoed)
{
	script_run((struct script){ .segment_size = 1448 },
		"client > S 0:0(0) win 64240 <mss 1460,TS val 10 ecr 0>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 512,TS val 70 ecr 10>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 64240 <TS val 11 ecr 70>\n"
		"pass\n"
		"client > P. 1:501(500) ack 1 win 64240 <TS val 12 ecr 70>\n"
		"drop\n"
		"client < . 1:1(0) ack 501 <TS val 70 ecr 12>\n"
		"server < P. 1:501(500) ack 1 <TS val 12 ecr 70>\n"
		"server > . 1:1(0) ack 501 win 65160 <TS val 71 ecr 12>\n"
		"drop\n"
		"client > P. 501:1002(501) ack 1 win 64240 <TS val 13 ecr 70>\n"
		"drop\n"
		"client < . 1:1(0) ack 1002 <TS val 71 ecr 13>\n"
		"server < . 501:1001(500) ack 1 <TS val 13 ecr 70>\n"
		"server < P. 1001:1002(1) ack 1 <TS val 13 ecr 70>\n");
}

Test(relay, servers_data_passes_with_the_boxs_ack)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:14(13) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 14\n"
		"server < P. 1:14(13) ack 1\n"
		"server > P. 1:21(20) ack 1 win 509\n"
		"pass P. 1:21(20) ack 14 win 2015\n"
		"client > . 14:14(0) ack 21 win 502\n"
		"pass\n"
		"server > P. 21:41(20) ack 14 win 509\n"
		"pass P. 21:41(20) ack 14 win 2016\n");
}

Test(relay, clients_ack_passes_with_the_boxs_sequence)
{
	script_run((struct script){ .fault = "off-by-one" },
		SCRIPT_HANDSHAKE
		"client > P. 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"server > P. 1:21(20) ack 1 win 509\n"
		"pass P. 1:21(20) ack 514\n"
		"client > . 514:514(0) ack 21 win 502\n"
		"pass . 1:1(0) ack 21 win 502\n");
}

Test(relay, sinks_sack_blocks_are_not_the_sources_business)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:1025(1024) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1025\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:1025(512) ack 1\n"
		"server > P. 1:6(5) ack 1 win 509 <nop,nop,sack 513:1025>\n"
		"pass P. 1:6(5) ack 1025 <>\n");
}

Test(relay, lost_piece_is_repeated_as_it_was_cut)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:601(600) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 601\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:601(88) ack 1\n"
		"+1.1\n"
		"server < . 1:513(512) ack 1\n"
		"server > . 1:1(0) ack 513 win 509\n"
		"drop\n"
		"server < P. 513:601(88) ack 1\n"
		"server > . 1:1(0) ack 601 win 509\n"
		"drop\n");
}

Test(relay, third_duplicate_ack_repeats_the_piece)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:14(13) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 14\n"
		"server < P. 1:14(13) ack 1\n"
		"server > . 1:1(0) ack 14 win 509\n"
		"drop\n"
		"client > P. 14:1474(1460) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1474\n"
		"server < . 14:526(512) ack 1\n"
		"server < . 526:1038(512) ack 1\n"
		"server < P. 1038:1474(436) ack 1\n"
		"client > P. 1474:1574(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1574\n"
		"server < P. 1474:1574(100) ack 1\n"
		"server > . 1:1(0) ack 14 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 14 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 14 win 509\n"
		"drop\n"
		"server < . 14:526(512) ack 1\n"
		"server > . 1:1(0) ack 1574 win 509\n"
		"drop\n");
}

Test(relay, sink_that_never_answers_is_given_up)
{
	script_run((struct script){ .events = true },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 512\n"
		"pass\n"
		"client > P. 1:11(10) ack 1 win 64240\n"
		"* arrival client 0 bytes 10 pending 10\n"
		"* cut client 0 bytes 10 pieces 1 last 10\n"
		"drop\n"
		"* ack client 10 orphaned 10\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		FIFTEEN_TIMEOUTS
		"+60\n"
		"* closed timeout acked 10 delivered 0\n"
		"server < R. 11:11(0) ack 1\n"
		"client < R. 1:1(0) ack 11\n");
}

/* The same while the box drains: both ends must still get their RSTs. */
Test(relay, sink_that_is_given_up_while_draining)
{
	script_run((struct script){ .at_end = script_nothing_is_left },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		FIFTEEN_TIMEOUTS
		"drain\n"
		"+60\n"
		"server < R. 11:11(0) ack 1\n"
		"client < R. 1:1(0) ack 11\n");
}

Test(relay, holes_that_sack_shows_are_filled_and_nothing_else)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:3073(3072) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 3073\n"
		"server < . 1:513(512) ack 1\n"
		"server < . 513:1025(512) ack 1\n"
		"server < . 1025:1537(512) ack 1\n"
		"server < . 1537:2049(512) ack 1\n"
		"server < . 2049:2561(512) ack 1\n"
		"server < P. 2561:3073(512) ack 1\n"
		/* the first and the third are lost */
		"server > . 1:1(0) ack 1 win 509 <nop,nop,sack 513:1025>\n"
		"drop\n"
		"server > . 1:1(0) ack 1 win 509 <nop,nop,sack 1537:2049 513:1025>\n"
		"drop\n"
		"server > . 1:1(0) ack 1 win 509 <nop,nop,sack 1537:2561 513:1025>\n"
		"drop\n"
		"server < . 1:513(512) ack 1\n"
		"server > . 1:1(0) ack 1 win 509 <nop,nop,sack 1537:3073 513:1025>\n"
		"drop\n"
		"server < . 1025:1537(512) ack 1\n"
		"server > . 1:1(0) ack 1025 win 509 <nop,nop,sack 1537:3073>\n"
		"drop\n"
		"server > . 1:1(0) ack 3073 win 509\n"
		"drop\n");
}

Test(relay, sack_is_not_believed_for_ever)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:1025(1024) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1025\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:1025(512) ack 1\n"
		"server > . 1:1(0) ack 1 win 509 <nop,nop,sack 513:1025>\n"
		"drop\n"
		"+1.1\n"
		"server < . 1:513(512) ack 1\n"
		"+2.1\n"
		"server < . 1:513(512) ack 1\n"
		/* the sink has discarded it after all */
		"server > . 1:1(0) ack 513 win 509\n"
		"drop\n"
		"server < P. 513:1025(512) ack 1\n");
}

Test(relay, loss_at_the_very_start_is_repeated_fast)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:2049(2048) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 2049\n"
		"server < . 1:513(512) ack 1\n"
		"server < . 513:1025(512) ack 1\n"
		"server < . 1025:1537(512) ack 1\n"
		"server < P. 1537:2049(512) ack 1\n"
		/* the first ACK changes the window, the next are duplicates */
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server < . 1:513(512) ack 1\n");
}

Test(relay, server_to_client)
{
	script_run((struct script){ .fault = "off-by-one", .direction = DIRECTION_S2C },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 64240\n"
		"pass . 1:1(0) ack 1 win 65535\n"
		"client > P. 1:514(513) ack 1 win 64240\n"
		"pass P. 1:514(513) ack 1\n"
		"server > P. 1:515(514) ack 514 win 509\n"
		"drop\n"
		"server < . 514:514(0) ack 515\n"
		"client < . 1:513(512) ack 514\n"
		"client < P. 513:515(2) ack 514\n"
		"server > P. 515:1028(513) ack 514 win 509\n"
		"drop\n"
		"server < . 514:514(0) ack 1028\n");
}

Test(relay, both_directions)
{
	script_run((struct script){ .direction = DIRECTION_BOTH, .at_end = script_nothing_is_held },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"pass . 1:1(0) ack 1 win 65535\n"
		/* the client's ACK was lost after the box, which repeats it */
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"drop\n"
		"server < . 1:1(0) ack 1 win 65535\n"
		"client > P. 1:14(13) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 14\n"
		"server < P. 1:14(13) ack 1\n"
		"server > P. 1:21(20) ack 14 win 509\n"
		"drop\n"
		"server < . 14:14(0) ack 21\n"
		"client < P. 1:21(20) ack 14\n"
		"client > . 14:14(0) ack 21 win 502\n"
		"drop\n");
}

/* The server's window happens to be the one that the box would offer. The ACK alone differs, and
 * must still be replaced. */
Test(relay, a_packet_whose_ack_alone_is_another_is_replaced)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:14(13) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 14 win 2015\n"
		"server < P. 1:14(13) ack 1\n"
		"server > P. 1:21(20) ack 1 win 2015\n"
		"pass P. 1:21(20) ack 14 win 2015\n");
}

/* A packet that passes carries the box's SACK blocks: at most four (RFC 2018 section 3), and no
 * more than its own option has room for. */
Test(relay, a_passing_packet_tells_of_four_holes)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > . 11:21(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 11:21>\n"
		"client > . 31:41(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 31:41 11:21>\n"
		"client > . 51:61(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 51:61 31:41 11:21>\n"
		"client > . 71:81(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 71:81 31:41 51:61 11:21>\n"
		"client > . 91:101(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 91:101 31:41 51:61 11:21>\n"
		"server > P. 1:6(5) ack 1 win 509 <nop,nop,sack 2:3 4:5 6:7 8:9>\n"
		"pass P. 1:6(5) ack 1 <sack 91:101 31:41 51:61 11:21>\n"
		"server > P. 6:11(5) ack 1 win 509 <nop,nop,sack 2:3 4:5>\n"
		"pass P. 6:11(5) ack 1 <sack 91:101 31:41>\n");
}

/* Data for which there is no memory is counted. It was not acknowledged, so it comes again. */
Test(relay, what_is_refused_is_counted)
{
	script_run((struct script){ .memory_bytes = 4 * 4096 },
		SCRIPT_HANDSHAKE
		"client > . 4101:5101(1000) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n"
		"count refused_arrivals 0\n"
		"client > . 8201:9201(1000) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n"
		"count refused_arrivals 1\n");
	script_run((struct script){ .memory_bytes = 4096 },
		SCRIPT_HANDSHAKE
		"client > P. 1:14(13) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n"
		"count refused_arrivals 1\n"
		"count orphaned_bytes 0\n");
	/* A FIN, too, needs a page, and the other connection has the only one. */
	script_run((struct script){ .memory_bytes = 4096 },
		SCRIPT_HANDSHAKE
		"client:2000 > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server:2000 > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client:2000 > . 1:1(0) ack 1 win 64240\n"
		"pass\n"
		"client > F. 1:1(0) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 2\n"
		"server < F. 1:1(0) ack 1\n"
		"client:2000 > F. 1:1(0) ack 1 win 64240\n"
		"drop\n"
		"client:2000 < . 1:1(0) ack 1\n"
		"count refused_arrivals 1\n");
}

/* Data with SACK blocks for the other half, which is intercepted, too: nothing of the packet goes
 * on. */
Test(relay, sack_blocks_with_text_in_both_halves)
{
	script_run((struct script){ .direction = DIRECTION_BOTH },
		SCRIPT_HANDSHAKE_BOTH
		"client > P. 1:11(10) ack 1 win 502 <sack 101:201>\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"count forged_acks 1\n");
}

/* If only the text's half is intercepted, the blocks go on alone: the box itself sends the text. */
Test(relay, sack_blocks_with_text_go_on_alone)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > FP. 1:11(10) ack 1 win 502 <sack 101:201>\n"
		"pass . 1:1(0) ack 1 <sack 101:201>\n"
		"client < . 1:1(0) ack 12\n"
		"server < P. 1:11(10) ack 1\n"
		"server < F. 11:11(0) ack 1\n");
}
