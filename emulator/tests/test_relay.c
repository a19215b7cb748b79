/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Data through the box, packet by packet. The language is that of script.h. */

#include "script.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(relay, .timeout = 20);

/* Data -------------------------------------------------------------------------------- */

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

Test(relay, forged_ack_carries_the_boxs_window)
{
	/* 258,048 octets of buffer, 13 of them in use: 258,035 >> 7 = 2015. */
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:14(13) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 14 win 2015\n"
		"server < P. 1:14(13) ack 1 win 502\n");
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

Test(relay, old_timestamp_is_not_taken)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460,TS val 10 ecr 0>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,TS val 70 ecr 10>\n"
		"pass\n"
		"client > P. 1:11(10) ack 1 win 64240 <TS val 20 ecr 70>\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"client > P. 11:21(10) ack 1 win 64240 <TS val 19 ecr 70>\n"
		"drop\n"
		"client < . 1:1(0) ack 11 <TS val 70 ecr 20>\n");
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

/* The fault ----------------------------------------------------------------------------- */

Test(relay, s_plus_one_stalls)
{
	script_run((struct script){ .fault = "off-by-one", .events = true },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 512\n"
		"pass\n"
		"client > P. 1:514(513) ack 1 win 64240\n"
		"* arrival client 0 bytes 513 pending 513\n"
		"* fault off-by-one client\n"
		"* stall client 0 pending 513\n"
		"drop\n"
		"* ack client 513 orphaned 513\n"
		"client < . 1:1(0) ack 514\n"
		"+60\n"
		"client > R. 514:514(0) ack 1 win 0\n"
		"* closed reset acked 513 delivered 0\n"
		"pass R. 1:1(0) ack 1\n");
}

Test(relay, s_and_s_plus_two_do_not_stall)
{
	script_run((struct script){ .fault = "off-by-one", .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:513(512) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 513\n"
		"server < P. 1:513(512) ack 1\n"
		"client > P. 513:1027(514) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1027\n"
		"server < . 513:1025(512) ack 1\n"
		"server < P. 1025:1027(2) ack 1\n"
		"server > . 1:1(0) ack 1027 win 509\n"
		"drop\n");
}

Test(relay, two_s_plus_one_sends_one_piece_and_stalls)
{
	script_run((struct script){ .fault = "off-by-one" },
		SCRIPT_HANDSHAKE
		"client > P. 1:1026(1025) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1026\n"
		"server < . 1:513(512) ack 1\n"
		"server > . 1:1(0) ack 513 win 509\n"
		"drop\n"
		"+60\n");
}

Test(relay, more_data_ends_a_stall)
{
	script_run((struct script){ .fault = "off-by-one", .events = true,
				    .at_end = script_nothing_is_held },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 512\n"
		"pass\n"
		"client > P. 1:514(513) ack 1 win 64240\n"
		"* arrival client 0 bytes 513 pending 513\n"
		"* fault off-by-one client\n"
		"* stall client 0 pending 513\n"
		"drop\n"
		"* ack client 513 orphaned 513\n"
		"client < . 1:1(0) ack 514\n"
		"client > P. 514:520(6) ack 1 win 64240\n"
		"* arrival client 513 bytes 6 pending 519\n"
		"* resume client 0 pending 519\n"
		"* cut client 0 bytes 519 pieces 2 last 7\n"
		"drop\n"
		"* ack client 519 orphaned 519\n"
		"client < . 1:1(0) ack 520\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:520(7) ack 1\n"
		"server > . 1:1(0) ack 520 win 65160\n"
		"drop\n");
}

Test(relay, fin_does_not_end_a_stall)
{
	script_run((struct script){ .fault = "off-by-one" },
		SCRIPT_HANDSHAKE
		"client > P. 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"client > F. 514:514(0) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 515\n"
		"+60\n");
}

Test(relay, split_write_works)
{
	script_run((struct script){ .fault = "off-by-one" },
		SCRIPT_HANDSHAKE
		"client > P. 1:15(14) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 15\n"
		"server < P. 1:15(14) ack 1\n"
		"client > P. 15:514(499) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"server < P. 15:514(499) ack 1\n");
}

Test(relay, each_packet_is_an_arrival)
{
	/* One write of 1961 octets: 1448 + 513. */
	script_run((struct script){ .fault = "off-by-one" },
		SCRIPT_HANDSHAKE
		"client > . 1:1449(1448) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1449\n"
		"server < . 1:513(512) ack 1\n"
		"server < . 513:1025(512) ack 1\n"
		"server < . 1025:1449(424) ack 1\n"
		"client > P. 1449:1962(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1962\n"
		"server > . 1:1(0) ack 1449 win 509\n"
		"drop\n"
		"+60\n");
}

Test(relay, arrivals_keep_their_borders_out_of_order)
{
	script_run((struct script){ .fault = "off-by-one" },
		SCRIPT_HANDSHAKE
		"client > P. 1449:1962(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 1449:1962>\n"
		"client > . 1:1449(1448) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1962 <>\n"
		"server < . 1:513(512) ack 1\n"
		"server < . 513:1025(512) ack 1\n"
		"server < . 1025:1449(424) ack 1\n"
		"server > . 1:1(0) ack 1449 win 509\n"
		"drop\n"
		"+60\n");
}

Test(relay, acknowledgment_on_stalled_data_goes_on_alone)
{
	script_run((struct script){ .fault = "off-by-one" },
		SCRIPT_HANDSHAKE
		"server > P. 1:21(20) ack 1 win 509\n"
		"pass P. 1:21(20) ack 1\n"
		"client > P. 1:514(513) ack 21 win 500\n"
		"drop\n"
		"client < . 21:21(0) ack 514\n"
		"server < . 1:1(0) ack 21 win 500\n");
}

/* A dirty network ----------------------------------------------------------------------- */

Test(relay, repeated_data_is_acked_again_and_not_sent_again)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:14(13) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 14\n"
		"server < P. 1:14(13) ack 1\n"
		"client > P. 1:14(13) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 14\n");
}

Test(relay, overlap_delivers_each_octet_once)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > . 11:21(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 11:21>\n"
		"client > . 31:41(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 31:41 11:21>\n"
		"client > P. 1:51(50) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 51 <>\n"
		"server < . 1:11(10) ack 1\n"
		"server < . 11:21(10) ack 1\n"
		"server < . 21:31(10) ack 1\n"
		"server < . 31:41(10) ack 1\n"
		"server < P. 41:51(10) ack 1\n"
		"server > . 1:1(0) ack 51 win 509\n"
		"drop\n");
}

Test(relay, keep_alive_octet_is_no_data)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > . 0:1(1) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n");
}

Test(relay, clients_keep_alive_reaches_the_server_and_its_answer_the_client)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > . 0:0(0) ack 1 win 502\n"
		"pass\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"pass . 1:1(0) ack 1 win 2016\n"
		/* one answer for one question */
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		/* a server that has lost its memory */
		"client > . 0:0(0) ack 1 win 502\n"
		"pass\n"
		"server > R 1:1(0)\n"
		"pass R 1:1(0)\n");
}

Test(relay, keep_alive_reaches_the_server_with_both_halves_intercepted)
{
	script_run((struct script){ .direction = DIRECTION_BOTH },
		SCRIPT_HANDSHAKE_BOTH
		/* a piece to the client is under way, and the keep-alive crosses it */
		"server > P. 1:21(20) ack 1 win 509\n"
		"drop\n"
		"server < . 1:1(0) ack 21\n"
		"client < P. 1:21(20) ack 1\n"
		"client > . 0:0(0) ack 1 win 502\n"
		"pass . 0:0(0) ack 21\n"
		"server > . 21:21(0) ack 1 win 509\n"
		"pass . 21:21(0) ack 1\n");
}

/* While the box holds something the server might lack the octet that a keep-alive
 * repeats, and in a stall it does for ever. */
Test(relay, keep_alive_in_a_stall_is_answered_by_the_box)
{
	script_run((struct script){ .fault = "off-by-one" },
		SCRIPT_HANDSHAKE
		"client > P. 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"client > . 513:513(0) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"+75\n"
		"client > . 513:513(0) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n");
}

Test(relay, servers_keep_alive_reaches_the_client)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"server > . 0:0(0) ack 1 win 509\n"
		"pass . 0:0(0) ack 1\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"pass\n");
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

/* A piece of 10 octets is not answered: after 1 + 2 + 4 + ... + 32 s it is sent again, then
 * once a minute. */
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

/* The same while the box is being stopped: the ends are told all the same. */
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

Test(relay, closed_window_is_probed_and_kept_to)
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

Test(relay, window_smaller_than_a_piece_is_used_after_a_while)
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
		/* the cut is remembered */
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

Test(relay, full_buffer_is_not_acked_beyond_its_end)
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

Test(relay, without_memory_data_is_not_acked)
{
	script_run((struct script){ .memory_bytes = 4096 },
		SCRIPT_HANDSHAKE
		"client > P. 1:14(13) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n");
}

Test(relay, ack_of_what_was_never_sent_is_not_believed)
{
	script_run((struct script){ .fault = "off-by-one" },
		SCRIPT_HANDSHAKE
		"client > P. 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"server > . 1:1(0) ack 514 win 509\n"
		"drop\n"
		"server < . 1:1(0) ack 1\n");
}

Test(relay, data_in_order_is_taken_when_nothing_more_can_wait)
{
	/* 510 segments of one octet behind a hole, with holes between them, fill the list;
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

Test(relay, data_in_order_is_taken_when_waiting_data_fills_the_memory)
{
	script_run((struct script){ .memory_bytes = 4 * 4096 },
		SCRIPT_HANDSHAKE
		"client > . 4101:5101(1000) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 4101:5101>\n"
		/* a quarter is kept for what is in order */
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

Test(relay, fin_below_waiting_data_is_not_believed)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 11:21(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 11:21>\n"
		"client > FP. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 21 <>\n"
		"server < P. 1:11(10) ack 1\n"
		"server < P. 11:21(10) ack 1\n"
		"server > . 1:1(0) ack 21 win 509\n"
		"drop\n"
		"client > F. 21:21(0) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 22\n"
		"server < F. 21:21(0) ack 1\n"
		"server > . 1:1(0) ack 22 win 509\n"
		"drop\n");
}

/* The first of the joined segments lets in what waits, so that lies before the FIN's turn. */
Test(relay, fin_of_a_joined_packet_below_waiting_data_is_not_believed)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 10>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 10>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"pass\n"
		"client > P. 11:21(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n"
		"client > P. 21:31(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n"
		"client > FP. 1:16(15) ack 1 win 502 joined\n"
		"drop\n"
		"client < . 1:1(0) ack 31\n"
		"server < . 1:11(10) ack 1\n"
		"server < P. 11:21(10) ack 1\n"
		"server < P. 21:31(10) ack 1\n"
		"client > P. 31:41(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 41\n"
		"server < P. 31:41(10) ack 1\n");
}

/* Segments that only a forger could send, who knows the addresses and ports. */
Test(relay, a_wild_segment_of_the_client_teaches_nothing)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460,TS val 10 ecr 0>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,TS val 70 ecr 10>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 64240 <TS val 11 ecr 70>\n"
		"pass\n"
		"client > . 3221225472:3221225472(0) ack 1 win 64240 <TS val 1073741824 ecr 70>\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n"
		"client > P. 1:11(10) ack 1 win 64240 <TS val 12 ecr 70>\n"
		"drop\n"
		"client < . 1:1(0) ack 11 <TS val 70 ecr 12>\n"
		"server < P. 1:11(10) ack 1 <TS val 12 ecr 70>\n");
}

/* An ACK of what is further back than any window reaches is a guess (RFC 5961 section 5.2): the
 * box's own would make the octets good. */
#define OCTETS_WITH_AN_ACK_OF_LONG_AGO                                                   \
	/* 65,535 times 128 before the server's first octet, and one more */             \
	"client > P. 1:21(20) ack 4286578816 win 502\n"                                  \
	"drop\n"                                                                         \
	"client < . 1:1(0) ack 1\n"

Test(relay, octets_with_an_ack_of_long_ago_are_not_taken)
{
	script_run((struct script){ 0 }, SCRIPT_HANDSHAKE OCTETS_WITH_AN_ACK_OF_LONG_AGO);
	script_run((struct script){ .direction = DIRECTION_BOTH },
		   SCRIPT_HANDSHAKE_BOTH OCTETS_WITH_AN_ACK_OF_LONG_AGO);
}

Test(relay, a_wild_segment_of_the_server_teaches_nothing)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"server > . 1073741824:1073741824(0) ack 1 win 509\n"
		"pass . 1073741824:1073741824(0) ack 1\n"
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n");
}

Test(relay, forged_acks_stay_inside_a_closed_window)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"server > P. 1:11(10) ack 1 win 509\n"
		"pass P. 1:11(10) ack 1\n"
		"client > . 1:1(0) ack 11 win 0\n"
		"pass\n"
		/* a probe of one octet, which the client does not take */
		"server > . 11:12(1) ack 1 win 509\n"
		"pass . 11:12(1) ack 1\n"
		"client > . 1:1(0) ack 11 win 0\n"
		"pass\n"
		"client > P. 1:11(10) ack 11 win 0\n"
		"drop\n"
		"client < . 11:11(0) ack 11\n"
		"server < P. 1:11(10) ack 11\n");
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
		/* the sink has thrown it away after all */
		"server > . 1:1(0) ack 513 win 509\n"
		"drop\n"
		"server < P. 513:1025(512) ack 1\n");
}

Test(relay, a_newer_ack_brings_its_own_window)
{
	/* The server probes with an octet beyond what it sends after; its ACK from before
	 * that octet is newer than the window told with it. */
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

Test(relay, a_window_that_shrank_was_offered_all_the_same)
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

Test(relay, opened_window_ends_the_backing_off)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"server > . 1:1(0) ack 1 win 0\n"
		"drop\n"
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"+10\n"	/* after 1, 2 and 4 more seconds */
		"server < . 0:0(0) ack 1\nserver < . 0:0(0) ack 1\nserver < . 0:0(0) ack 1\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server < P. 1:11(10) ack 1\n"
		"+1.1\n"
		"server < P. 1:11(10) ack 1\n");
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

/* An old duplicate of the server's, or a stranger's packet, passes with the box's window;
 * the client drops it, and so must be told again once the window has opened. */
Test(relay, what_the_client_will_not_believe_tells_it_nothing)
{
	script_run((struct script){ .window_bytes = 16384, .segment_size = 4000 },
		"client > S 0:0(0) win 64240 <mss 9000>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 9000>\n"
		"pass S. 0:0(0) ack 1 win 16384\n"
		"client > . 1:1(0) ack 1 win 60000\n"
		"pass\n"
		"server > P. 1:101(100) ack 1 win 65160\n"
		"pass P. 1:101(100) ack 1\n"
		"client > . 1:1(0) ack 101 win 60000\n"
		"pass\n"
		"client > . 1:8001(8000) ack 101 win 60000\n"
		"drop\n"
		"client < . 101:101(0) ack 8001 win 8384\n"
		"server < . 1:4001(4000) ack 101\n"
		"server < . 4001:8001(4000) ack 101\n"
		"client > . 8001:16001(8000) ack 101 win 60000\n"
		"drop\n"
		"client < . 101:101(0) ack 16001 win 384\n"
		"server < . 8001:12001(4000) ack 101\n"
		"server > . 101:101(0) ack 4001 win 65160\n"
		"drop\n"
		"server < . 12001:16001(4000) ack 101\n"
		"server > P. 1:51(50) ack 1 win 65160\n"
		"pass P. 1:51(50) ack 16001 win 4384\n"
		"server > . 101:101(0) ack 8001 win 65160\n"
		"drop\n"
		"client < . 101:101(0) ack 16001 win 8384\n");
}

/* Fragments pass unseen. Their receiver has them, and says so. */
Test(relay, what_the_box_did_not_see_may_be_acknowledged)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > . 1:1(0) ack 2001 win 502\n"
		"pass\n"
		"client > P. 1:11(10) ack 2001 win 502\n"
		"drop\n"
		"client < . 2001:2001(0) ack 11\n"
		"server < P. 1:11(10) ack 2001\n"
		"server > P. 2001:3001(1000) ack 11 win 509\n"
		"pass P. 2001:3001(1000) ack 11\n");
}

/* The client has probed a closed window with an octet, and counts it. */
Test(relay, acks_behind_a_closed_window_are_heard)
{
	script_run((struct script){ .fault = "off-by-one", .window_bytes = 16384,
				    .segment_size = 16383 },
		"client > S 0:0(0) win 64240 <mss 32000>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 32000>\n"
		"pass S. 0:0(0) ack 1 win 16384\n"
		"client > P. 1:16385(16384) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 16385 win 0\n"
		"server > P. 1:101(100) ack 1 win 65160\n"
		"pass P. 1:101(100) ack 16385 win 0\n"
		"client > . 16385:16386(1) ack 1 win 64240\n"
		"drop\n"
		"client < . 101:101(0) ack 16385 win 0\n"
		"client > . 16386:16386(0) ack 101 win 64140\n"
		"pass . 1:1(0) ack 101\n");
}

/* Other directions ------------------------------------------------------------------------ */

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
		/* its ACK was lost behind the box, which repeats it */
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

/* RFC 9293 section 3.10.7.4: a segment that was overtaken says what the window was, not what
 * it is (SND.WL1). */
Test(relay, a_segment_that_was_overtaken_does_not_open_the_window)
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

/* What waits was not acknowledged, so it makes room for what is in order. */
Test(relay, data_in_order_takes_the_place_of_what_waits)
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

/* The answer to a keep-alive that passed is the server's, but the box has taken data since: now
 * the server's ACK says what the server has, and that is for the box. */
Test(relay, a_keep_alive_is_not_answered_past_what_the_box_holds)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > . 0:0(0) ack 1 win 502\n"
		"pass\n"
		"client > P. 1:14(13) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 14\n"
		"server < P. 1:14(13) ack 1\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 14 win 509\n"
		"anything\n");
}

/* The server's window is by chance what the box would offer, so only the ACK is another. */
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

/* Four are the most that fit (RFC 2018 section 3), and as many as the server's packet has room
 * for. */
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

/* The server's half goes end to end, and fragments of it pass: so the client may acknowledge what
 * the box did not see, and an octet beyond the window, which was a probe. Nothing more. */
Test(relay, what_the_client_did_not_ask_for_it_does_not_acknowledge)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > . 1:1(0) ack 64258 win 502\n"
		"pass\n");
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > . 1:1(0) ack 64259 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n");
}

/* The largest windows that the field can tell. */
Test(relay, a_window_is_told_as_it_is)
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

/* A box of 16 KiB, and so it says. */
#define SCRIPT_HANDSHAKE_SMALL                                                           \
	"client > S 0:0(0) win 64240 <mss 1460,sackOK,wscale 7>\n"                       \
	"pass\n"                                                                         \
	"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,wscale 7>\n"                \
	"pass S. 0:0(0) ack 1 win 16384\n"                                               \
	"client > . 1:1(0) ack 1 win 502\n"                                              \
	"pass\n"                                                                         \
	"server > . 1:1(0) ack 1 win 509\n"                                              \
	"drop\n"

/* The server's data brings the client the window that its ACK has opened: no ACK beside it. */
Test(relay, a_window_that_opens_is_told_by_the_servers_data)
{
	script_run((struct script){ .segment_size = 1460, .window_bytes = 16384 },
		SCRIPT_HANDSHAKE_SMALL
		"client > . 1:14601(14600) ack 1 win 502\n"
		"drop\n"
		"anything\n"
		"server > P. 1:11(10) ack 14601 win 509\n"
		"pass P. 1:11(10) ack 14601 win 128\n");
	/* without data it is told all the same */
	script_run((struct script){ .segment_size = 1460, .window_bytes = 16384 },
		SCRIPT_HANDSHAKE_SMALL
		"client > . 1:14601(14600) ack 1 win 502\n"
		"drop\n"
		"anything\n"
		"server > . 1:1(0) ack 14601 win 509\n"
		"drop\n"
		"client < . 1:1(0) ack 14601 win 128\n");
}

/* RFC 9293 section 3.8.6.2.2: not each octet that is read is told, but a good part of the window
 * is. */
Test(relay, a_window_that_opens_a_little_is_not_told)
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
	/* who was told of half of it can wait */
	script_run((struct script){ .segment_size = 1460, .window_bytes = 16384 },
		SCRIPT_HANDSHAKE_SMALL
		"client > . 1:7301(7300) ack 1 win 502\n"
		"drop\n"
		"anything\n"
		"server > . 1:1(0) ack 7301 win 509\n"
		"drop\n");
	/* and who has closed sends nothing more */
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

/* A FIN between two arrivals that wait has data behind it, so one of the two is a forger's. */
Test(relay, fin_between_waiting_data_is_not_believed)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 31:41(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 31:41>\n"
		"client > P. 11:21(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 11:21 31:41>\n"
		"client > F. 21:25(4) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 11:25 31:41>\n"
		"client > . 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 25 <sack 31:41>\n"
		"server < . 1:11(10) ack 1\n"
		"server < P. 11:21(10) ack 1\n"
		"server < . 21:25(4) ack 1\n");
}

/* So many cuts can be remembered; what comes then is taken all the same, and goes out as one piece,
 * as a TCP joins what was written to it. */
Test(relay, what_finds_no_room_for_its_cuts_is_joined)
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

/* A server whose window shrinks takes no packet that lies behind it, and would not hear its ACK.
 * What is less than a unit of the window may be rounding, and the server may have had the
 * octets. */
Test(relay, acks_lie_within_a_window_that_shrank)
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
	/* one of the client's that passes */
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		OCTETS_2000_ARE_OUT
		"server > P. 1:11(10) ack 513 win 10\n"
		"pass P. 1:11(10) ack 2001\n"
		"client > . 2001:2001(0) ack 11 win 502\n"
		"pass . 1793:1793(0) ack 11\n");
}

/* What finds no place is counted: it was not acknowledged, so it comes again. */
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
	/* A FIN, too, needs a page to be kept in: the other connection has the one that there
	 * is. */
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

/* The same events are told of what the server sends. */
Test(relay, what_the_server_sends_is_told_as_its_own)
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

/* The box holds 15,001 octets of 16,384: never will a good part of its buffer open. But after the
 * ACK of what it sent there is room for a segment, and the client knows of none. */
Test(relay, room_for_a_segment_is_told_to_a_source_that_knows_of_none)
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

/* What the client sends takes another way, in the middle of the connection: the server acknowledges
 * what never came by. It has all that the box has had, so the ends go on without it. */
Test(relay, a_connection_that_goes_round_the_box_is_let_go)
{
	script_run((struct script){ .events = true, .at_end = script_nothing_is_left },
		SCRIPT_100_OUT_WITH_EVENTS
		/* once may be a forger's */
		"server > . 1:1(0) ack 301 win 65160\n"
		"drop\n"
		"server < . 101:101(0) ack 1\n"
		"server > . 1:1(0) ack 301 win 65160\n"
		"drop\n"
		"+1.1\n"
		"server < P. 1:101(100) ack 1\n"
		"server > . 1:1(0) ack 301 win 65160\n"
		"* closed handed_over acked 100 delivered 100\n"
		"pass\n"
		"count one_sided 1\n"
		"server > P. 1:201(200) ack 301 win 65160\n"
		"pass\n");
}

/* What the box holds was answered: then twice is enough. The FIN may stand after the window. */
Test(relay, a_connection_that_goes_round_an_idle_box_is_let_go_at_the_second_ack)
{
	script_run((struct script){ .at_end = script_nothing_is_left },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"server > . 1:1(0) ack 65162 win 65160\n"
		"drop\n"
		"server < . 1:1(0) ack 1\n"
		"server > . 1:1(0) ack 65162 win 65160\n"
		"pass\n");
}

/* Nobody can acknowledge what the box has never offered to take: that is a forger's. */
Test(relay, no_ack_beyond_the_window_lets_a_connection_go)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"server > . 1:1(0) ack 65163 win 65160\n"
		"drop\n"
		"server < . 1:1(0) ack 1\n"
		"server > . 1:1(0) ack 65163 win 65160\n"
		"drop\n"
		"client > P. 1:101(100) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"server < P. 1:101(100) ack 1\n");
}

/* A repetition may bring more than what it repeats. */
Test(relay, what_is_new_in_a_repetition_is_taken)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:101(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"server < P. 1:101(100) ack 1\n"
		"client > P. 51:151(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 151\n"
		"server < P. 101:151(50) ack 1\n"
		"server > . 1:1(0) ack 151 win 509\n"
		"drop\n");
}

/* RFC 9293 section 3.10.7.4: a FIN needs no room, an octet does. */
Test(relay, a_fin_at_the_edge_of_the_window_is_taken)
{
	script_run((struct script){ .window_bytes = 16384, .segment_size = 16384 },
		"client > S 0:0(0) win 64240 <mss 32000>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 32000>\n"
		"pass S. 0:0(0) ack 1 win 16384\n"
		"client > . 1:16385(16384) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 16385 win 0\n"
		"server < . 1:16385(16384) ack 1\n"
		"client > . 16385:16386(1) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 16385 win 0\n"
		"client > F. 16385:16385(0) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 16386 win 0\n"
		"server < F. 16385:16385(0) ack 1\n");
}

/* RFC 9293 section 3.10.7.4: of a segment that is not acceptable nothing is learned. So who does
 * not know the number acknowledges nothing, and closes no window. It may be old, the octet of a
 * keep-alive, or beyond what was offered. */
Test(relay, a_segment_out_of_place_tells_nothing)
{
	static const char *const segments[] = {
		"P. 1:11(10)", ". 10:11(1)", "P. 4294960000:4294960010(10)",
		"P. 2000000:2000010(10)",
	};

	for (size_t i = 0; i < sizeof(segments) / sizeof(*segments); i++) {
		char text[2048];

		snprintf(text, sizeof(text),
			SCRIPT_HANDSHAKE
			"client > P. 1:11(10) ack 1 win 502\n"
			"drop\n"
			"client < . 1:1(0) ack 11\n"
			"server < P. 1:11(10) ack 1\n"
			"server > P. 1:101(100) ack 11 win 509\n"
			"pass P. 1:101(100) ack 11\n"
			"client > %s ack 101 win 1\n"
			"drop\n"
			"client < . 101:101(0) ack 11\n"
			/* this one is in its place, and the server learns what it says */
			"client > P. 11:21(10) ack 101 win 501\n"
			"drop\n"
			"client < . 101:101(0) ack 21\n"
			"server < P. 11:21(10) ack 101 win 501\n", segments[i]);
		script_run((struct script){ 0 }, text);
	}
	/* The other way: what was sent to the server stays unacknowledged. */
	for (size_t i = 0; i < sizeof(segments) / sizeof(*segments); i++) {
		char text[2048];

		snprintf(text, sizeof(text),
			SCRIPT_HANDSHAKE_BOTH
			"server > P. 1:11(10) ack 1 win 509\n"
			"drop\n"
			"server < . 1:1(0) ack 11\n"
			"client < P. 1:11(10) ack 1\n"
			"client > P. 1:101(100) ack 11 win 502\n"
			"drop\n"
			"client < . 11:11(0) ack 101\n"
			"server < P. 1:101(100) ack 11\n"
			"server > %s ack 101 win 509\n"
			"drop\n"
			"server < . 101:101(0) ack 11\n"
			"flow 1 open S 512 idle 0, client 100 acked 0 delivered 0 pending, "
			"server 10 acked 10 delivered 0 pending\n"
			"server > . 11:11(0) ack 101 win 509\n"
			"drop\n"
			"flow 1 open S 512 idle 0, client 100 acked 100 delivered 0 pending, "
			"server 10 acked 10 delivered 0 pending\n", segments[i]);
		script_run((struct script){ .direction = DIRECTION_BOTH }, text);
	}
}

/* Text that comes with SACK blocks for the other half, which the box intercepts, too: nothing of
 * the packet goes on. */
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
