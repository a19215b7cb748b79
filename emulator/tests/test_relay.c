/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What the box does on the wire, packet by packet. The language is that of script.h. */

#include "script.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(relay, .timeout = 20);

static void nothing_is_held(const struct engine_stats *s)
{
	cr_assert_eq(s->pages_used, 0);
	cr_assert_eq(s->orphaned_bytes, 0);
}

static void nothing_is_left(const struct engine_stats *s)
{
	nothing_is_held(s);
	cr_assert_eq(s->flows_active, 0);
}

/* Handshake -------------------------------------------------------------------------- */

Test(relay, handshake_passes_untouched)
{
	script_run((struct script){ .events = true },
		"client > S 0:0(0) win 64240 <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,TS val 5 ecr 1,nop,wscale 7>\n"
		"* opened S 512\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 502 <TS val 2 ecr 5>\n"
		"pass\n");
}

Test(relay, handshake_loses_what_the_box_cannot_keep)
{
	script_run((struct script){ 0 },
		"client > SEW 0:0(0) win 64240 <mss 1460,tfo,mptcp>\n"
		"pass S 0:0(0) <mss 1460>\n"
		"server > SE. 0:0(0) ack 1 win 65160 <mss 1460,mptcp>\n"
		"pass S. 0:0(0) ack 1 <mss 1460>\n");
}

Test(relay, data_on_a_syn_is_taken_off)
{
	script_run((struct script){ 0 },
		"client > S 0:100(100) win 64240 <mss 1460,tfo>\n"
		"pass S 0:0(0) <mss 1460>\n");
}

Test(relay, syn_window_is_no_larger_than_the_buffer)
{
	script_run((struct script){ .window_bytes = 16384 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass S. 0:0(0) ack 1 win 16384\n");
}

Test(relay, simultaneous_open)
{
	script_run((struct script){ .at_end = nothing_is_held },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S 0:0(0) win 65160 <mss 1460>\n"
		"pass\n"
		"client > S. 0:0(0) ack 1 win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:11(10) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"server > . 1:1(0) ack 11 win 65160\n"
		"drop\n");
}

Test(relay, refused_connection_passes_and_is_forgotten)
{
	script_run((struct script){ .at_end = nothing_is_left },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > R. 0:0(0) ack 1 win 0\n"
		"pass\n");
}

Test(relay, repeated_syn_and_syn_ack)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460,tfo>\n"
		"pass S 0:0(0) <mss 1460>\n"
		"client > S 0:0(0) win 64240 <mss 1460,tfo>\n"
		"pass S 0:0(0) <mss 1460>\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"pass\n");
}

/* The SYN-ACK was lost behind the box, and then the server lost its memory. */
Test(relay, refusal_after_a_lost_syn_ack_passes)
{
	script_run((struct script){ .direction = DIRECTION_BOTH, .at_end = nothing_is_held },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > R. 77:77(0) ack 1 win 0\n"
		"pass\n");
}

Test(relay, lost_syn_ack_is_asked_for_again)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n");
}

Test(relay, another_syn_ack_takes_the_place_of_one_that_was_lost)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"server > SE. 7000:7000(0) ack 1 win 65160 <mss 1000>\n"
		"pass S. 7000:7000(0) ack 1\n"
		"client > . 1:1(0) ack 7001 win 64240\n"
		"pass\n"
		"client > P. 1:11(10) ack 7001 win 64240\n"
		"drop\n"
		"client < . 7001:7001(0) ack 11\n"
		"server < P. 1:11(10) ack 7001\n");
}

Test(relay, another_syn_ack_takes_the_data_of_the_first_with_it)
{
	script_run((struct script){ .direction = DIRECTION_S2C, .at_end = nothing_is_held },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"server > P. 1:101(100) ack 1 win 65160\n"
		"drop\n"
		"server < . 1:1(0) ack 101\n"
		"client < P. 1:101(100) ack 1\n"
		"server > S. 7000:7000(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n");
}

Test(relay, the_largest_piece_leaves_room_for_timestamps)
{
	script_run((struct script){ .segment_size = 65495, .events = true },
		"client > S 0:0(0) win 64240 <mss 65535,TS val 10 ecr 0>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 65535,TS val 70 ecr 10>\n"
		"* opened S 65483\n"
		"pass\n");
}

Test(relay, authenticated_flows_pass_untouched)
{
	script_run((struct script){ .at_end = nothing_is_left },
		"client > S 0:0(0) win 64240 <mss 1460,md5>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,md5>\n"
		"pass\n"
		"client > P. 1:514(513) ack 1 win 502 <md5>\n"
		"pass\n");
	script_run((struct script){ .at_end = nothing_is_left },
		"client > S 0:0(0) win 64240 <mss 1460,ao>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,ao>\n"
		"pass\n"
		"client > P. 1:514(513) ack 1 win 502 <ao>\n"
		"pass\n");
}

/* The server's answer alone says so: the client's SYN was cleaned, and nothing more. */
Test(relay, a_server_that_authenticates_has_its_flow_passed)
{
	script_run((struct script){ .at_end = nothing_is_left },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,ao>\n"
		"pass\n"
		"client > P. 1:514(513) ack 1 win 502\n"
		"pass\n");
}

Test(relay, flow_not_seen_from_its_start_passes_untouched)
{
	script_run((struct script){ .fault = "off-by-one", .at_end = nothing_is_left },
		"client > P. 1:514(513) ack 1 win 502\n"
		"pass\n"
		"server > . 1:1(0) ack 514 win 502\n"
		"pass\n");
}

/* Data -------------------------------------------------------------------------------- */

Test(relay, data_is_acked_at_once_and_cut)
{
	script_run((struct script){ .at_end = nothing_is_held },
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
	script_run((struct script){ .at_end = nothing_is_held },
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
	script_run((struct script){ .fault = "off-by-one", .at_end = nothing_is_held },
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
				    .at_end = nothing_is_held },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 512\n"
		"pass\n"
		"client > P. 1:514(513) ack 1 win 64240\n"
		"* arrival client 0 bytes 513 pending 513\n"
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
	script_run((struct script){ .at_end = nothing_is_held },
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
	script_run((struct script){ .at_end = nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > . 0:1(1) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n");
}

Test(relay, clients_keep_alive_reaches_the_server_and_its_answer_the_client)
{
	script_run((struct script){ .at_end = nothing_is_held },
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
	script_run((struct script){ .at_end = nothing_is_held },
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
		/* 1 + 2 + 4 + ... + 32 s, then once a minute */
		"+63\n"
		"server < P. 1:11(10) ack 1\nserver < P. 1:11(10) ack 1\n"
		"server < P. 1:11(10) ack 1\nserver < P. 1:11(10) ack 1\n"
		"server < P. 1:11(10) ack 1\nserver < P. 1:11(10) ack 1\n"
		"+540\n"
		"server < P. 1:11(10) ack 1\nserver < P. 1:11(10) ack 1\n"
		"server < P. 1:11(10) ack 1\nserver < P. 1:11(10) ack 1\n"
		"server < P. 1:11(10) ack 1\nserver < P. 1:11(10) ack 1\n"
		"server < P. 1:11(10) ack 1\nserver < P. 1:11(10) ack 1\n"
		"server < P. 1:11(10) ack 1\n"
		"+60\n"
		"* closed timeout acked 10 delivered 0\n"
		"server < R. 11:11(0) ack 1\n"
		"client < R. 1:1(0) ack 11\n");
}

Test(relay, closed_window_is_probed_and_kept_to)
{
	script_run((struct script){ .at_end = nothing_is_held },
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
	script_run((struct script){ .at_end = nothing_is_held },
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
	script_run((struct script){ .at_end = nothing_is_held },
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
		"server < F. 21:21(0) ack 1\n");
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
		"client > P. 11:31(20) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n"
		"client > FP. 1:16(15) ack 1 win 502 joined\n"
		"drop\n"
		"client < . 1:1(0) ack 31\n"
		"server < . 1:11(10) ack 1\n"
		"server < . 11:21(10) ack 1\n"
		"server < P. 21:31(10) ack 1\n");
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
	script_run((struct script){ .at_end = nothing_is_held },
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

/* The end --------------------------------------------------------------------------------- */

Test(relay, client_closes_first)
{
	script_run((struct script){ .at_end = nothing_is_left },
		SCRIPT_HANDSHAKE
		"client > FP. 1:14(13) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 15\n"
		"server < P. 1:14(13) ack 1\n"
		"server < F. 14:14(0) ack 1\n"
		"server > . 1:1(0) ack 15 win 509\n"
		"drop\n"
		"server > F. 1:1(0) ack 15 win 509\n"
		"pass F. 1:1(0) ack 15\n"
		"client > . 15:15(0) ack 2 win 502\n"
		"pass\n");
}

Test(relay, server_closes_first)
{
	script_run((struct script){ .at_end = nothing_is_left },
		SCRIPT_HANDSHAKE
		"server > F. 1:1(0) ack 1 win 509\n"
		"pass F. 1:1(0) ack 1\n"
		"client > . 1:1(0) ack 2 win 502\n"
		"pass\n"
		"client > F. 1:1(0) ack 2 win 502\n"
		"drop\n"
		"client < . 2:2(0) ack 2\n"
		"server < F. 1:1(0) ack 2\n"
		"server > . 2:2(0) ack 2 win 509\n"
		"drop\n");
}

Test(relay, half_closed_server_still_gets_data)
{
	script_run((struct script){ .at_end = nothing_is_held },
		SCRIPT_HANDSHAKE
		"server > F. 1:1(0) ack 1 win 509\n"
		"pass F. 1:1(0) ack 1\n"
		"client > P. 1:101(100) ack 2 win 502\n"
		"drop\n"
		"client < . 2:2(0) ack 101\n"
		"server < P. 1:101(100) ack 2\n"
		"server > . 2:2(0) ack 101 win 509\n"
		"drop\n");
}

Test(relay, fin_out_of_order_waits)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > F. 14:14(0) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n"
		"client > P. 1:14(13) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 15\n"
		"server < P. 1:14(13) ack 1\n"
		"server < F. 14:14(0) ack 1\n");
}

Test(relay, lost_fin_is_repeated)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > F. 1:1(0) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 2\n"
		"server < F. 1:1(0) ack 1\n"
		"+1.1\n"
		"server < F. 1:1(0) ack 1\n");
}

Test(relay, simultaneous_close)
{
	script_run((struct script){ .at_end = nothing_is_left },
		SCRIPT_HANDSHAKE
		"client > F. 1:1(0) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 2\n"
		"server < F. 1:1(0) ack 1\n"
		"server > F. 1:1(0) ack 1 win 509\n"
		"pass F. 1:1(0) ack 2\n"
		"client > . 2:2(0) ack 2 win 502\n"
		"pass\n"
		"server > . 2:2(0) ack 2 win 509\n"
		"drop\n");
}

Test(relay, rst_passes_with_the_number_the_server_takes)
{
	script_run((struct script){ .fault = "off-by-one", .at_end = nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:1026(1025) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1026\n"
		"server < . 1:513(512) ack 1\n"
		"client > R. 1026:1026(0) ack 1 win 0\n"
		"pass R. 513:513(0) ack 1\n"
		/* the piece was lost, so the server asks; it is told in the client's name */
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server < R. 1:1(0) ack 1\n");
}

Test(relay, rst_must_have_the_exact_number)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > R. 5:5(0) ack 1 win 0\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n"
		"client > R. 300001:300001(0) ack 1 win 0\n"
		"drop\n");
}

Test(relay, servers_rst_passes)
{
	script_run((struct script){ .fault = "off-by-one", .at_end = nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"server > R. 1:1(0) ack 1 win 0\n"
		"pass R. 1:1(0) ack 514\n");
}

Test(relay, forged_syn_in_an_open_flow_is_answered_with_an_ack)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > S 77777:77777(0) win 64240 <mss 1460>\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n");
}

Test(relay, ports_are_used_again_after_a_reset)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > R. 1:1(0) ack 1 win 0\n"
		"pass R. 1:1(0) ack 1\n"
		SCRIPT_HANDSHAKE
		"client > P. 1:14(13) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 14\n"
		"server < P. 1:14(13) ack 1\n");
}

Test(relay, idle_flows_end)
{
	script_run((struct script){ .events = true, .at_end = nothing_is_left },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 512\n"
		"pass\n"
		"+7441\n"
		"* closed idle acked 0 delivered 0\n");
}

/* The client has closed last, so it is gone once the box has ACKed its FIN; the box
 * still delivers. */
Test(relay, an_end_that_is_gone_is_not_asked)
{
	script_run((struct script){ .at_end = nothing_is_left },
		SCRIPT_HANDSHAKE
		"server > F. 1:1(0) ack 1 win 509\n"
		"pass F. 1:1(0) ack 1\n"
		"client > FP. 1:101(100) ack 2 win 502\n"
		"drop\n"
		"client < . 2:2(0) ack 102\n"
		"server < P. 1:101(100) ack 2\n"
		"server < F. 101:101(0) ack 2\n"
		/* all of it is lost, and so the server repeats its FIN */
		"server > F. 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server < . 102:102(0) ack 2\n"
		/* what a closed client might say of a packet that reached it all the same */
		"client > R 102:102(0)\n"
		"drop\n"
		"+1.1\n"
		"server < P. 1:101(100) ack 2\n"
		"server < F. 101:101(0) ack 2\n"
		"server > . 2:2(0) ack 102 win 509\n"
		"drop\n");
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
	script_run((struct script){ .direction = DIRECTION_BOTH, .at_end = nothing_is_held },
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
