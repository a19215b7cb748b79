/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Which segments of an open connection are believed. The language is that of script.h. */

#include "script/script.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(segment, .timeout = 20);

/* An ACK from further back than any window reaches is a guess (RFC 5961 section 5.2). If the box
 * took the data, it would send it on with a valid ACK. */
#define OCTETS_WITH_AN_ACK_OF_LONG_AGO                                                   \
	/* 65,535 times 128 before the server's first octet, and one more */             \
	"client > P. 1:21(20) ack 4286578816 win 502\n"                                  \
	"drop\n"                                                                         \
	"client < . 1:1(0) ack 1\n"

Test(segment, old_timestamp_is_not_taken)
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

Test(segment, repeated_data_is_acked_again_and_not_sent_again)
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

Test(segment, overlap_delivers_each_octet_once)
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

Test(segment, ack_of_what_was_never_sent_is_not_believed)
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

Test(segment, fin_below_waiting_data_is_not_believed)
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

/* The first of the joined segments fills the hole, so the data that waits lies beyond the FIN. */
Test(segment, fin_of_a_joined_packet_below_waiting_data_is_not_believed)
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

/* Only a forger could send such a segment, one who knows the addresses and ports but no numbers. */
Test(segment, a_wild_segment_of_the_client_teaches_nothing)
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

#define OCTETS_WITH_A_LATE_ACK                                                           \
	"client > P. 1:21(20) ack 4286578817 win 502\n"                                  \
	"drop\n"                                                                         \
	"client < . 1:1(0) ack 21\n"                                                     \
	"server < P. 1:21(20) ack 1\n"

Test(segment, octets_with_an_ack_of_long_ago_are_not_taken)
{
	script_run((struct script){ 0 }, SCRIPT_HANDSHAKE OCTETS_WITH_AN_ACK_OF_LONG_AGO);
	script_run((struct script){ 0 }, SCRIPT_HANDSHAKE OCTETS_WITH_A_LATE_ACK);
	script_run((struct script){ .direction = DIRECTION_BOTH },
		   SCRIPT_HANDSHAKE_BOTH OCTETS_WITH_AN_ACK_OF_LONG_AGO);
	script_run((struct script){ .direction = DIRECTION_BOTH },
		   SCRIPT_HANDSHAKE_BOTH OCTETS_WITH_A_LATE_ACK);
}

Test(segment, a_wild_segment_of_the_server_teaches_nothing)
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

/* An old duplicate from the server, or a stranger's packet, passes with the box's window, but the
 * client drops it. So the client must be told again once the window has opened. */
Test(segment, what_the_client_will_not_believe_tells_it_nothing)
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

/* Fragments pass unseen. Their receiver has them, and the box must believe its ACKs of them. */
Test(segment, what_the_box_did_not_see_may_be_acknowledged)
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

/* The client has probed a closed window with an octet and counts it as sent, so its ACKs lie one
 * past the edge. */
Test(segment, acks_behind_a_closed_window_are_heard)
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

/* The server's half is not intercepted, and its fragments pass unseen. So the client may
 * acknowledge what the box did not see, up to an octet past the window, which was a probe; but no
 * more. */
Test(segment, what_the_client_did_not_ask_for_it_does_not_acknowledge)
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

/* A FIN between two arrivals that wait has data after it, so one of the two is a forger's. */
Test(segment, fin_between_waiting_data_is_not_believed)
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

/* In mid-connection the client's packets take another route: the server acknowledges what the box
 * never saw. It has all that the box had, so the ends go on without the box. */
Test(segment, a_connection_that_goes_round_the_box_is_let_go)
{
	script_run((struct script){ .events = true, .at_end = script_nothing_is_left },
		SCRIPT_100_OUT_WITH_EVENTS
		/* the first may be a forger's */
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

/* The box holds nothing for the server, so the second such ACK is enough. It may cover a FIN after
 * the window. */
Test(segment, a_connection_that_goes_round_an_idle_box_is_let_go_at_the_second_ack)
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

/* The box ACKs the server's data itself, so it cannot leave the connection. */
Test(segment, a_connection_with_both_halves_intercepted_is_not_let_go)
{
	script_run((struct script){ .direction = DIRECTION_BOTH },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 64240\n"
		"pass . 1:1(0) ack 1 win 65535\n"
		"server > . 1:1(0) ack 301 win 65160\n"
		"drop\n"
		"server < . 1:1(0) ack 1\n"
		"server > . 1:1(0) ack 301 win 65160\n"
		"drop\n"
		"server > . 1:1(0) ack 301 win 65160\n"
		"drop\n"
		"count one_sided 0\n");
}

/* An ACK of more than the box has ever offered to take is a forger's. */
Test(segment, no_ack_beyond_the_window_lets_a_connection_go)
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

/* A repeated segment may bring new data, too. */
Test(segment, what_is_new_in_a_repetition_is_taken)
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

/* RFC 9293 section 3.10.7.4: a FIN needs no room in the window, an octet does. */
Test(segment, a_fin_at_the_edge_of_the_window_is_taken)
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

/* RFC 9293 section 3.10.7.4: nothing is learned from a segment that is not acceptable. So a sender
 * who does not know the numbers can acknowledge nothing and close no window. The segment may be
 * old, the octet of a keep-alive, or beyond the window. */
Test(segment, a_segment_out_of_place_tells_nothing)
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
			/* this segment is acceptable, and the server learns what it says */
			"client > P. 11:21(10) ack 101 win 501\n"
			"drop\n"
			"client < . 101:101(0) ack 21\n"
			"server < P. 11:21(10) ack 101 win 501\n", segments[i]);
		script_run((struct script){ 0 }, text);
	}
	/* The other way: data sent to the server stays unacknowledged. */
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

/* A server agrees to timestamps, and then sends none: in its name the box repeats those of its
 * SYN-ACK. */
Test(segment, timestamps_of_a_syn_serve_until_others_come)
{
	script_run((struct script){ .direction = DIRECTION_S2C, .segment_size = 500 },
		"client > S 0:0(0) win 64240 <mss 1460,TS val 10 ecr 0>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,TS val 70 ecr 10>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 64240 <TS val 11 ecr 70>\n"
		"anything\n"
		"server > P. 1:101(100) ack 1 win 65160\n"
		"drop\n"
		"server < . 1:1(0) ack 101 <TS val 11 ecr 70>\n"
		"client < P. 1:101(100) ack 1 <TS val 70 ecr 10>\n");
}
