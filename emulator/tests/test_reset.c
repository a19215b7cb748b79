/* SPDX-License-Identifier: GPL-2.0-or-later */

/* RSTs: which are believed, and what follows. The language is that of script.h. */

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

/* RFC 5961 section 3.2. The server's half is not intercepted, so what the client expects next lies
 * between what it has ACKed and what has passed. A RST in there may be a forger's: it passes, for
 * the client to judge, and the box asks the server by an ACK. */
#define SUSPECTED_RST                                                                    \
	SCRIPT_HANDSHAKE                                                                 \
	"client > P. 1:101(100) ack 1 win 502\n"                                         \
	"drop\n"                                                                         \
	"client < . 1:1(0) ack 101\n"                                                    \
	"server < P. 1:101(100) ack 1\n"                                                 \
	"server > . 1:1001(1000) ack 1 win 509\n"                                        \
	"pass . 1:1001(1000) ack 101\n"                                                  \
	"server > R 501:501(0)\n"                                                        \
	"pass R 501:501(0)\n"                                                            \
	"server < . 101:101(0) ack 1\n"

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
		/* the piece was lost, so the server asks; it is told in the client's name */
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

/* FIN-WAIT-1 for the box: the server may have the FIN or not, and its ACK tells. */
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

/* With data that waits behind a hole: all of it is let go. */
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

/* It was forged: nobody answers, and what the box has ACKed still arrives. */
Test(reset, a_rst_with_an_old_number_ends_nothing)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SUSPECTED_RST
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

/* More from the server shows that it lives: the same RST again is the first one again. */
Test(reset, whoever_sends_more_has_sent_no_rst)
{
	script_run((struct script){ 0 },
		SUSPECTED_RST
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

/* It was real, and overtook what was lost: a closed server answers the ACK with that ACK's own
 * number. */
Test(reset, a_second_rst_with_the_acks_number_is_believed)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SUSPECTED_RST
		"server > R 1:1(0)\n"
		"pass R 1:1(0)\n"
		"client > P. 101:201(100) ack 1 win 502\n"
		"pass\n");
}

/* It was real, and the client has it all: then it takes the RST. */
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

/* Not so one that acknowledges what was never sent: its number is good, its word is not. */
Test(reset, a_rst_acknowledges_no_more_than_was_sent)
{
	script_run((struct script){ .events = true },
		SCRIPT_100_OUT_WITH_EVENTS
		"server > R. 1:1(0) ack 102 win 0\n"
		"* closed reset acked 100 delivered 0\n"
		"pass R. 1:1(0) ack 101\n");
}

/* While the box must answer for an end that has sent a RST: as long as its peer may still try. */
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

/* What the end that has sent a RST still sends: its RST goes on as the first one did, and nothing
 * else. */
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
		/* a RST of the server's is no question, and neither is what acknowledges nothing */
		"server > R. 1:1(0) ack 1 win 0\n"
		"drop\n"
		"server > P 1:11(10) win 509\n"
		"drop\n"
		"server > P. 1:11(10) ack 1 win 509\n"
		"drop\n"
		"server < R. 1:1(0) ack 1\n");
	/* the server's half goes end to end, and the client asks it itself */
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"server > R. 1:1(0) ack 1 win 0\n"
		"pass R. 1:1(0) ack 1\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"pass\n"
		"server > R. 1:1(0) ack 1 win 0\n"
		"pass\n");
}

/* Where the server's half is intercepted, the box answers the client for a server that is gone. */
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

/* Only a SYN alone asks for a new connection (RFC 9293 section 3.10.7.2). What was reset is not
 * forgotten for a SYN-ACK that comes late, nor for flags that nobody sends. */
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

/* The box is being stopped, and the server has not taken the RST. A connection for which the
 * box still has to say so is kept until it has. */
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

/* RFC 5961 section 3.2: a RST with an old number is dropped, and nobody is asked. */
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
