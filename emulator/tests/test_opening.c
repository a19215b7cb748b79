/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What begins a connection, and what does not. The language is that of script.h. */

#include "script/script.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(opening, .timeout = 20);

static void one_passed_unknown(const struct engine_stats *s)
{
	cr_assert_eq(s->flows_active, 0);
	cr_assert_gt(s->passed_unknown_flow, 0);
}

static void one_is_known(const struct engine_stats *s)
{
	cr_assert_eq(s->flows_active, 1);
	cr_assert_eq(s->passed_unknown_flow, 0);
}

Test(opening, authenticated_flows_pass_untouched)
{
	script_run((struct script){ .at_end = script_nothing_is_left },
		"client > S 0:0(0) win 64240 <mss 1460,md5>\n"
		"pass\n"
		"count passed_authenticated 1\n"
		"count flows_active 0\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,md5>\n"
		"pass\n"
		"client > P. 1:514(513) ack 1 win 502 <md5>\n"
		"pass\n");
	script_run((struct script){ .at_end = script_nothing_is_left },
		"client > S 0:0(0) win 64240 <mss 1460,ao>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,ao>\n"
		"pass\n"
		"client > P. 1:514(513) ack 1 win 502 <ao>\n"
		"pass\n");
}

/* That the flow is authenticated shows only in the server's SYN-ACK; the box must let it go
 * then. */
Test(opening, a_server_that_authenticates_has_its_flow_passed)
{
	script_run((struct script){ .at_end = script_nothing_is_left },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,ao>\n"
		"pass\n"
		"client > P. 1:514(513) ack 1 win 502\n"
		"pass\n");
}

Test(opening, flow_not_seen_from_its_start_passes_untouched)
{
	script_run((struct script){ .fault = "off-by-one", .at_end = script_nothing_is_left },
		"client > P. 1:514(513) ack 1 win 502\n"
		"pass\n"
		"server > . 1:1(0) ack 514 win 502\n"
		"pass\n");
}

/* The box is started while packets are queued: it has missed the first SYN-ACK, and sees the SYN
 * only as the client repeats it. The connection is already open, and must be left alone. */
Test(opening, ends_that_have_begun_without_the_box_go_on_without_it)
{
	script_run((struct script){ .at_end = one_passed_unknown },
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,wscale 7>\n"
		"pass\n"
		"client > S 0:0(0) win 64240 <mss 1460,sackOK,wscale 7>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"pass\n"
		"client > P. 1:514(513) ack 1 win 502\n"
		"pass\n"
		/* the answer to the repeated SYN */
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,wscale 7>\n"
		"pass\n"
		"server > . 1:1(0) ack 514 win 509\n"
		"pass\n");
	/* the same, but now the server's packet shows it */
	script_run((struct script){ .at_end = one_passed_unknown },
		"client > S 0:0(0) win 64240 <mss 1460,sackOK,wscale 7>\n"
		"pass\n"
		"server > P. 1:21(20) ack 514 win 509\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,wscale 7>\n"
		"pass\n");
}

/* Packets of strangers, and of an older connection, must not make the box forget one that opens. */
Test(opening, who_does_not_know_the_numbers_has_not_begun)
{
	script_run((struct script){ .at_end = one_is_known },
		"client > S 0:0(0) win 64240 <mss 1460,sackOK,wscale 7>\n"
		"pass\n"
		"client > P. 70000:70020(20) ack 1 win 502\n"
		"pass\n"
		"server > . 1:1(0) ack 3000000000 win 502\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,wscale 7>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"pass\n"
		"client > P. 1:21(20) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 21\n"
		"server < P. 1:21(20) ack 1\n");
}

/* A forger has not seen the server's SYN. The box must not replace his guess by the right
 * number. */
Test(opening, a_guess_does_not_end_a_handshake)
{
	static const enum engine_direction directions[] = { DIRECTION_C2S, DIRECTION_S2C,
							    DIRECTION_BOTH };
	/* far behind, just before, far ahead */
	static const char *const acks[] = { "2200000000", "3294967296", "4294967295", "0",
					    "1000000", "2100000000" };

	for (size_t i = 0; i < sizeof(directions) / sizeof(*directions); i++) {
		for (size_t k = 0; k < sizeof(acks) / sizeof(*acks); k++) {
			char text[512];

			snprintf(text, sizeof(text),
				 "client > S 0:0(0) win 64240 <mss 1460,sackOK,wscale 7>\n"
				 "pass\n"
				 "server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,wscale 7>\n"
				 "anything\n"
				 "client > P. 1:21(20) ack %s win 502\n"
				 "drop\n"
				 "client < . 1:1(0) ack 1\n", acks[k]);
			script_run((struct script){ .direction = directions[i] }, text);
		}
	}
}

/* A client whose connection opened without the box may be further on: its first octets were lost,
 * or have passed already. */
Test(opening, who_has_begun_may_be_further_on)
{
	script_run((struct script){ .at_end = one_passed_unknown },
		"client > S 0:0(0) win 64240 <mss 1460,sackOK,wscale 7>\n"
		"pass\n"
		"client > P. 1001:1101(100) ack 1 win 502\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,wscale 7>\n"
		"pass\n"
		"client > P. 1101:1201(100) ack 1 win 502\n"
		"pass\n");
}

/* RFC 9293 section 3.10.7.2: a SYN with RST, FIN or ACK opens nothing. */
Test(opening, only_a_syn_begins_a_connection)
{
	script_run((struct script){ 0 },
		"client > SF 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"client > SR 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"client > S. 0:0(0) ack 1 win 64240 <mss 1460>\n"
		"pass\n"
		"client > R 0:0(0)\n"
		"pass\n"
		"count passed_unknown_flow 4\n"
		"count flows_active 0\n"
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"count flows_active 1\n"
		"count flows_opened 0\n");
}

/* Each SYN must be judged by its own options, whatever the SYN before it had. */
Test(opening, two_of_which_one_authenticates)
{
	script_run((struct script){ 0 },
		"client:1000 > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"client:2000 > S 0:0(0) win 64240 <mss 1460,md5>\n"
		"pass\n"
		"client:3000 > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"count flows_active 2\n"
		"count passed_authenticated 1\n");
}

Test(opening, who_authenticates_takes_no_place)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460,md5>\n"
		"pass\n"
		"count flows_active 0\n"
		"count passed_authenticated 1\n"
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"count flows_active 1\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,ao>\n"
		"pass\n"
		"count flows_active 0\n"
		"count passed_authenticated 2\n");
}

Test(opening, a_syn_without_an_answer_is_forgotten)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"+129\n"
		"count flows_active 1\n"
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"+129\n"
		"count flows_active 1\n"
		"+2\n"
		"count flows_active 0\n");
}

/* An end whose connection opened without the box has been answered, so it sends ACKs, and it cannot
 * be further on than the window of a SYN. */
Test(opening, who_has_begun_is_inside_the_first_window)
{
	static const struct {
		const char *line;
		unsigned begun;
	} tries[] = {
		{ "client > P. 1:11(10) ack 1 win 502", 1 },
		{ "client > P. 65536:65546(10) ack 1 win 502", 1 },
		{ "client > P. 65537:65547(10) ack 1 win 502", 0 },
		{ "client > P. 0:10(10) ack 1 win 502", 0 },
		{ "client > P 1:11(10) win 502", 0 },
		{ "server > P. 1:11(10) ack 1 win 502", 1 },
		{ "server > P. 1:11(10) ack 65536 win 502", 1 },
		{ "server > P. 1:11(10) ack 65537 win 502", 0 },
		{ "server > P. 1:11(10) ack 0 win 502", 0 },
		{ "server > P 1:11(10) ack 1 win 502", 0 },
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		char text[256];

		snprintf(text, sizeof(text),
			 "client > S 0:0(0) win 64240 <mss 1460>\npass\n%s\npass\n"
			 "count passed_unknown_flow %u\ncount flows_active %u\n",
			 tries[i].line, tries[i].begun, 1 - tries[i].begun);
		script_run((struct script){ 0 }, text);
	}
}

/* RFC 9293 section 3.10.7.3: the client believes a RST that acknowledges its SYN, and its own RST
 * has the number after the SYN. Any other RST is a forger's. */
Test(opening, a_rst_ends_an_opening_if_it_knows_a_number)
{
	static const struct {
		const char *line;
		unsigned ended;
	} tries[] = {
		{ "server > R. 0:0(0) ack 1 win 0", 1 },
		{ "server > R. 0:0(0) ack 2 win 0", 0 },
		{ "server > R. 0:0(0) ack 0 win 0", 0 },
		{ "server > R 0:0(0) ack 1 win 0", 0 },
		{ "client > R 1:1(0) win 0", 1 },
		{ "client > R 2:2(0) win 0", 0 },
		{ "client > R 0:0(0) win 0", 0 },
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		char text[256];

		snprintf(text, sizeof(text),
			 "client > S 0:0(0) win 64240 <mss 1460>\npass\n%s\npass\n"
			 "count flows_active %u\n", tries[i].line, 1 - tries[i].ended);
		script_run((struct script){ 0 }, text);
	}
}

/* A SYN-ACK must acknowledge the SYN. Any other draws a RST from the client, and opens nothing. */
Test(opening, a_syn_ack_of_another_connection_opens_nothing)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 2 win 65160 <mss 1460>\n"
		"pass\n"
		"count flows_opened 0\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"count flows_opened 1\n");
}

/* A client that sends another SYN before it is answered begins another connection. */
Test(opening, another_syn_is_another_connection)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"flow 1 opening S 512 idle 0\n"
		"client > S 5000:5000(0) win 64240 <mss 1460>\n"
		"pass\n"
		"flow 2 opening S 512 idle 0\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 5001 win 65160 <mss 1460>\n"
		"pass\n"
		"count flows_opened 1\n");
}

/* The client acknowledges a SYN-ACK that the box has not seen: only one direction goes through the
 * box. */
Test(opening, a_connection_of_which_one_direction_comes_by_is_counted)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		/* without an answer the client sends its SYN again, or a RST */
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"count one_sided 0\n"
		"client > . 1:1(0) ack 1 win 64240\n"
		"pass\n"
		"count one_sided 1\n"
		"client:2000 > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"client:2000 > . 2:2(0) ack 1 win 64240\n"
		"pass\n"
		"client:3000 > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server:3000 > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client:3000 > . 1:1(0) ack 1 win 64240\n"
		"pass\n"
		"count one_sided 1\n");
}

/* Another SYN-ACK begins a new connection: what the box still owed for the old one is not sent. */
Test(opening, another_syn_ack_ends_what_was_owed)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"hold\n"
		"server > . 1:101(100) ack 70000 win 65160\n"
		"drop\n"
		"server > S. 5000:5000(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"take\n");
}
