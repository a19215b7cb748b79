/* SPDX-License-Identifier: GPL-2.0-or-later */

/* RSTs: which are believed, and what comes of them. The language is that of script.h. */

#include "script/script.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(reset, .timeout = 20);

#define CLIENT_HAS_CLOSED                                                                \
	SCRIPT_HANDSHAKE                                                                 \
	"client > F. 1:1(0) ack 1 win 502\n"                                             \
	"drop\n"                                                                         \
	"client < . 1:1(0) ack 2\n"                                                      \
	"server < F. 1:1(0) ack 1\n"

Test(reset, client_closes_first)
{
	script_run((struct script){ .at_end = script_nothing_is_left },
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

Test(reset, server_closes_first)
{
	script_run((struct script){ .at_end = script_nothing_is_left },
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

Test(reset, rst_passes_with_the_number_the_server_takes)
{
	script_run((struct script){ .fault = "off-by-one", .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:1026(1025) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1026\n"
		"server < . 1:513(512) ack 1\n"
		"client > R. 1026:1026(0) ack 1 win 0\n"
		"pass R. 513:513(0) ack 1\n"
		/* the piece was lost, so the server challenges the RST; the box answers in the
		 * client's name */
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server < R. 1:1(0) ack 1\n");
}

Test(reset, rst_must_have_the_exact_number)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > R. 5:5(0) ack 1 win 0\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n"
		"client > R. 300001:300001(0) ack 1 win 0\n"
		"drop\n");
}

Test(reset, servers_rst_passes)
{
	script_run((struct script){ .fault = "off-by-one", .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"server > R. 1:1(0) ack 1 win 0\n"
		"pass R. 1:1(0) ack 514\n");
}

Test(reset, ports_are_used_again_after_a_reset)
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

/* FIN-WAIT-1 for the box: only the server's ACK tells whether it has the FIN. */
Test(reset, rst_after_the_clients_fin)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		CLIENT_HAS_CLOSED
		"client > R. 2:2(0) ack 1 win 0\n"
		"pass R. 2:2(0) ack 1\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server < R. 1:1(0) ack 1\n");
}

/* FIN-WAIT-2 */
Test(reset, servers_rst_after_the_clients_fin)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		CLIENT_HAS_CLOSED
		"server > . 1:1(0) ack 2 win 509\n"
		"drop\n"
		"server > R. 1:1(0) ack 2 win 0\n"
		"pass R. 1:1(0) ack 2\n");
}

/* CLOSE-WAIT, with data on its way */
Test(reset, rst_after_the_servers_fin)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"server > F. 1:1(0) ack 1 win 509\n"
		"pass F. 1:1(0) ack 1\n"
		"client > P. 1:101(100) ack 2 win 502\n"
		"drop\n"
		"client < . 2:2(0) ack 101\n"
		"server < P. 1:101(100) ack 2\n"
		"client > R. 101:101(0) ack 2 win 0\n"
		"pass R. 101:101(0) ack 2\n");
}

/* Data that waits after a hole is discarded, too. */
Test(reset, rst_over_a_hole)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 11:21(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 11:21>\n"
		"client > R. 1:1(0) ack 1 win 0\n"
		"pass R. 1:1(0) ack 1\n");
}

/* The RST was forged: the server does not confirm it, and what the box has ACKed still arrives. */
Test(reset, a_rst_with_an_old_number_ends_nothing)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_SUSPECTED_RST
		"client > . 101:101(0) ack 1001 win 502\n"
		"pass\n"
		"+1.1\n"
		"server < P. 1:101(100) ack 1001\n"
		"server > . 1001:1001(0) ack 101 win 509\n"
		"drop\n"
		/* and so does what comes later */
		"client > P. 101:201(100) ack 1001 win 502\n"
		"drop\n"
		"client < . 1001:1001(0) ack 201\n"
		"server < P. 101:201(100) ack 1001\n"
		"server > . 1001:1001(0) ack 201 win 509\n"
		"drop\n");
}

/* More data shows that the server lives: a RST after it is suspected like a first one. */
Test(reset, whoever_sends_more_has_sent_no_rst)
{
	script_run((struct script){ 0 },
		SCRIPT_SUSPECTED_RST
		"server > . 1001:1101(100) ack 1 win 509\n"
		"pass . 1001:1101(100) ack 101\n"
		"+0.6\n"
		"server > R 1:1(0)\n"
		"pass R 1:1(0)\n"
		"server < . 101:101(0) ack 1\n"
		"client > P. 101:201(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1101:1101(0) ack 201\n"
		"server < P. 101:201(100) ack 1\n");
}

/* The RST was real, but data before it was lost: a closed server answers the box's ACK with a RST
 * that has the ACK's own number. */
Test(reset, a_second_rst_with_the_acks_number_is_believed)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_SUSPECTED_RST
		"server > R 1:1(0)\n"
		"pass R 1:1(0)\n"
		"client > P. 101:201(100) ack 1 win 502\n"
		"pass\n");
}

/* The RST was real, and the client has all data before it: then it takes the RST. */
Test(reset, a_rst_whose_number_the_client_expects_is_believed)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:101(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"server < P. 1:101(100) ack 1\n"
		"server > . 1:1001(1000) ack 1 win 509\n"
		"pass . 1:1001(1000) ack 101\n"
		"server > R. 1001:1001(0) ack 1 win 0\n"
		"pass R. 1001:1001(0) ack 101\n"
		"server < . 101:101(0) ack 1\n"
		"client > . 101:101(0) ack 1001 win 502\n"
		"pass\n");
}

/* RFC 9293 section 3.10.7.4: a RST that is accepted acknowledges what its ACK says. */
Test(reset, a_rst_acknowledges)
{
	script_run((struct script){ .events = true },
		SCRIPT_100_OUT_WITH_EVENTS
		"server > R. 1:1(0) ack 91 win 0\n"
		"* closed reset acked 100 delivered 90\n"
		"pass R. 1:1(0) ack 101\n");
}

/* A RST with the right number resets, but its ACK of data that was never sent does not count. */
Test(reset, a_rst_acknowledges_no_more_than_was_sent)
{
	script_run((struct script){ .events = true },
		SCRIPT_100_OUT_WITH_EVENTS
		"server > R. 1:1(0) ack 102 win 0\n"
		"* closed reset acked 100 delivered 0\n"
		"pass R. 1:1(0) ack 101\n");
}

/* The box answers for an end that has sent a RST, as long as its peer may still try. */
Test(reset, a_reset_is_remembered_for_half_a_minute)
{
	script_run((struct script){ .at_end = script_nothing_is_left },
		SCRIPT_HANDSHAKE
		"client > R. 1:1(0) ack 1 win 0\n"
		"pass R. 1:1(0) ack 1\n"
		"+29\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server < R. 1:1(0) ack 1\n"
		"+31\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"pass\n");
}

/* Of what an end sends after its RST, only RSTs go on, with the number that the first one had. */
Test(reset, a_reset_is_repeated_with_the_number_the_server_takes)
{
	script_run((struct script){ .fault = "off-by-one" },
		SCRIPT_HANDSHAKE
		"client > P. 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"client > R. 514:514(0) ack 1 win 0\n"
		"pass R. 1:1(0) ack 1\n"
		"client > R. 514:514(0) ack 1 win 0\n"
		"pass R. 1:1(0) ack 1\n"
		"client > P. 514:524(10) ack 1 win 502\n"
		"drop\n"
		/* a RST of the server's is not answered, nor is a segment that acknowledges
		 * nothing */
		"server > R. 1:1(0) ack 1 win 0\n"
		"drop\n"
		"server > P 1:11(10) win 509\n"
		"drop\n"
		"server > P. 1:11(10) ack 1 win 509\n"
		"drop\n"
		"server < R. 1:1(0) ack 1\n");
	/* the server's half is not intercepted, so the client's packets reach the server itself */
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"server > R. 1:1(0) ack 1 win 0\n"
		"pass R. 1:1(0) ack 1\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"pass\n"
		"server > R. 1:1(0) ack 1 win 0\n"
		"pass\n");
}

/* If the server's half is intercepted, the box answers the client for a server that is gone. */
Test(reset, the_servers_reset_is_answered_for)
{
	script_run((struct script){ .direction = DIRECTION_S2C },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 64240\n"
		"pass . 1:1(0) ack 1\n"
		"server > P. 1:101(100) ack 1 win 65160\n"
		"drop\n"
		"server < . 1:1(0) ack 101\n"
		"client < P. 1:101(100) ack 1\n"
		"server > R. 101:101(0) ack 1 win 0\n"
		"pass R. 101:101(0) ack 1\n"
		"client > . 1:1(0) ack 1 win 64240\n"
		"drop\n"
		"client < R. 1:1(0) ack 1\n"
		"server > R. 101:101(0) ack 1 win 0\n"
		"pass R. 1:1(0) ack 1\n");
}

/* Only a plain SYN asks for a new connection (RFC 9293 section 3.10.7.2). A late SYN-ACK, or a SYN
 * with RST, must not make the box forget a reset. */
Test(reset, only_a_syn_takes_the_place_of_what_was_reset)
{
	static const char *const late[] = {
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>", "client > SR 5:5(0) win 0",
		"client > SR. 5:5(0) ack 1 win 0",
	};

	for (size_t i = 0; i < sizeof(late) / sizeof(*late); i++) {
		char text[1024];

		snprintf(text, sizeof(text),
			SCRIPT_HANDSHAKE
			"client > R. 1:1(0) ack 1 win 0\n"
			"pass R. 1:1(0) ack 1\n"
			"%s\n"
			"anything\n"
			"flow 1 reset S 512 idle 0\n"
			"count passed_unknown_flow 0\n"
			"client > S 900:900(0) win 64240 <mss 1460>\n"
			"pass\n"
			"flow 2 opening S 512 idle 0\n", late[i]);
		script_run((struct script){ 0 }, text);
	}
}

/* The server has not taken the RST while the box drains. The flow must be kept until the RST that
 * the box owes is sent. */
Test(reset, a_reset_that_is_owed_is_sent_before_the_box_lets_go)
{
	script_run((struct script){ .at_end = script_nothing_is_left },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"drain\n"
		"hold\n"
		"client > R. 11:11(0) ack 1 win 0\n"
		"pass R. 11:11(0) ack 1\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"+1.1\n"
		"take\n"
		"server < R. 1:1(0) ack 1\n");
}

/* RFC 5961 section 3.2: a RST with an old number is dropped, without a challenge. */
Test(reset, old_rst_is_dropped)
{
	script_run((struct script){ .at_end = NULL },
		SCRIPT_HANDSHAKE
		"client > P. 1:101(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"server < P. 1:101(100) ack 1\n"
		"client > R. 51:51(0) ack 1\n"
		"drop\n"
		"count flows_alive 1\n");
}
