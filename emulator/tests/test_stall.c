/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The fault of 2008, packet by packet. The language is that of script.h. */

#include "script/script.h"

#include <criterion/criterion.h>

TestSuite(stall, .timeout = 20);

Test(stall, s_plus_one_stalls)
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

Test(stall, s_and_s_plus_two_do_not_stall)
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

Test(stall, two_s_plus_one_sends_one_piece_and_stalls)
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

Test(stall, more_data_ends_a_stall)
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

Test(stall, fin_does_not_end_a_stall)
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

Test(stall, split_write_works)
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

Test(stall, each_packet_is_an_arrival)
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

Test(stall, arrivals_keep_their_borders_out_of_order)
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

Test(stall, acknowledgment_on_stalled_data_goes_on_alone)
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
