/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The box as a whole: overload, challenges, handing over, lists. The language is that of
 * script.h. */

#include "script/script.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(box, .timeout = 20);

static void one_was_passed(const struct engine_stats *s)
{
	cr_assert_eq(s->passed_overload, 1);
	cr_assert_eq(s->flows_active, 1);
}

static void one_was_refused(const struct engine_stats *s)
{
	cr_assert_eq(s->refused_overload, 1);
	cr_assert_eq(s->flows_active, 1);
}

#define SCRIPT_SYNS_ONLY                                                                 \
	"client > S 0:0(0) win 64240 <mss 1460,sackOK,wscale 7>\n"                       \
	"pass\n"                                                                         \
	"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,wscale 7>\n"                \
	"pass\n"

#define OPEN_AT(port)                                                                    \
	"client:" port " > S 0:0(0) win 64240 <mss 1460>\n"                              \
	"pass\n"                                                                         \
	"server:" port " > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"                       \
	"pass\n"                                                                         \
	"client:" port " > . 1:1(0) ack 1 win 64240\n"                                   \
	"pass\n"
#define DATA_AT(port)                                                                    \
	"client:" port " > P. 1:11(10) ack 1 win 64240\n"                                \
	"drop\n"
#define ENDS_AT(port)                                                                    \
	"client:" port " > R. 11:11(0) ack 1 win 0\n"                                    \
	"anything\n"                                                                     \
	"client:" port " > S 0:0(0) win 64240 <mss 1460>\n"                              \
	"pass\n"
#define SENT_AT(port)                                                                    \
	"client:" port " < . 1:1(0) ack 11\n"                                            \
	"server:" port " < P. 1:11(10) ack 1\n"

Test(box, over_the_flow_limit_new_flows_pass)
{
	script_run((struct script){ .flows_max = 1, .at_end = one_was_passed },
		SCRIPT_HANDSHAKE
		"client:2000 > S 0:0(0) win 64240 <mss 1460,tfo>\n"
		"pass\n");
}

Test(box, over_the_flow_limit_new_flows_are_refused_if_wanted)
{
	script_run((struct script){ .flows_max = 1, .overload = OVERLOAD_REFUSE,
				    .at_end = one_was_refused },
		SCRIPT_HANDSHAKE
		"client:2000 > S 0:0(0) win 64240 <mss 1460>\n"
		"drop\n"
		"client:2000 < R. 0:0(0) ack 1 win 0 local\n"
		/* the existing flow goes on */
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n");
}

Test(box, a_quarter_of_the_memory_is_not_for_new_flows)
{
	script_run((struct script){ .memory_bytes = 8 * 4096, .overload = OVERLOAD_REFUSE,
				    .at_end = one_was_refused },
		SCRIPT_HANDSHAKE
		/* six pages of eight: five of data, and one of book-keeping */
		"client > . 1:20001(20000) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 20001\n"
		"server < . 1:513(512) ack 1\n"
		"server < . 513:1025(512) ack 1\n"
		"server < . 1025:1537(512) ack 1\n"
		"server < . 1537:2049(512) ack 1\n"
		"server < . 2049:2561(512) ack 1\n"
		"server < . 2561:3073(512) ack 1\n"
		"server < . 3073:3585(512) ack 1\n"
		"server < . 3585:4097(512) ack 1\n"
		"server < . 4097:4609(512) ack 1\n"
		"server < . 4609:5121(512) ack 1\n"
		"client:2000 > S 0:0(0) win 64240 <mss 1460>\n"
		"drop\n"
		"client:2000 < R. 0:0(0) ack 1 win 0 local\n");
}

Test(box, segments_that_carry_nothing_are_challenged_once_in_a_while)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > R. 5:5(0) ack 1 win 0\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n"
		"client > R. 6:6(0) ack 1 win 0\n"
		"drop\n"
		/* each side has a limit of its own, and so have RSTs */
		"client > S 77:77(0) win 0\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n"
		"client > . 1:1(0) ack 90000 win 502\n"
		"drop\n"
		"server > . 1:1(0) ack 400000 win 502\n"
		"drop\n"
		"server < . 1:1(0) ack 1\n"
		"server > . 1:1(0) ack 400000 win 502\n"
		"drop\n"
		"+0.6\n"
		"server > . 1:1(0) ack 400000 win 502\n"
		"drop\n"
		"server < . 1:1(0) ack 1\n"
		/* data is always answered: its ACK may have been lost */
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n");
}

/* An earlier challenge must not use up the one for a RST, which its sender does not repeat. */
Test(box, a_rst_is_challenged_whatever_came_before)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"client > R. 21:21(0) ack 1 win 0\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n");
}

Test(box, flows_that_hold_nothing_are_handed_over_at_once)
{
	script_run((struct script){ .events = true, .at_end = script_nothing_is_left },
		"client:2000 > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 512\n"
		"pass\n"
		"drain\n"
		"* closed handed_over acked 0 delivered 0\n"
		"client > P. 1:514(513) ack 1 win 502\n"
		"pass\n"
		"client:3000 > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"count passed_draining 1\n");
}

/* Before the hand-over the box delivers what the server has not acknowledged, and what the client
 * sends meanwhile into the window that it was offered. */
Test(box, a_flow_is_handed_over_once_all_is_delivered)
{
	script_run((struct script){ .events = true, .at_end = script_nothing_is_left },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 512\n"
		"pass\n"
		"client > P. 1:601(600) ack 1 win 502\n"
		"* arrival client 0 bytes 600 pending 600\n"
		"* cut client 0 bytes 600 pieces 2 last 88\n"
		"drop\n"
		"* ack client 600 orphaned 600\n"
		"client < . 1:1(0) ack 601\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:601(88) ack 1\n"
		"drain\n"
		"client > P. 601:701(100) ack 1 win 502\n"
		"* arrival client 600 bytes 100 pending 100\n"
		"* cut client 600 bytes 100 pieces 1 last 100\n"
		"drop\n"
		"* ack client 700 orphaned 700\n"
		"client < . 1:1(0) ack 701 win 65435\n"
		"server < P. 601:701(100) ack 1\n"
		"server > . 1:1(0) ack 601 win 65160\n"
		"drop\n"
		"server > . 1:1(0) ack 701 win 65436\n"
		"drop\n"
		"* closed handed_over acked 700 delivered 700\n"
		"client > P. 701:801(100) ack 1 win 502\n"
		"pass\n");
}

/* The box has offered a wider window than the server, so the client may have sent more than the
 * server takes: the box waits for it, but only until a second has passed in silence. */
Test(box, a_flow_whose_source_is_quiet_is_handed_over)
{
	script_run((struct script){ .at_end = script_nothing_is_left },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"server > . 1:1(0) ack 11 win 509\n"
		"drop\n"
		"drain\n"
		"+0.5\n"
		"client > P. 11:21(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 21\n"
		"server < P. 11:21(10) ack 1\n"
		"server > . 1:1(0) ack 21 win 509\n"
		"drop\n"
		"+0.9\n"
		"client > R. 30:30(0) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 21\n"
		"+1.1\n"
		"client > P. 21:31(10) ack 1 win 502\n"
		"pass\n");
}

Test(box, a_stalled_flow_still_takes_what_can_end_the_stall)
{
	script_run((struct script){ .fault = "off-by-one", .at_end = script_nothing_is_left },
		SCRIPT_HANDSHAKE
		"client > P. 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"drain\n"
		"client > P. 514:520(6) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 520\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:520(7) ack 1\n"
		"server > . 1:1(0) ack 520 win 509\n"
		"drop\n"
		"+1.1\n");
}

/* The box lists its connections, and tells of each packet how many octets it orphans. */
Test(box, connections_are_listed_as_they_are)
{
	script_run((struct script){ .fault = "off-by-one" },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"flow 1 opening S 512 idle 0\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 400>\n"
		"pass\n"
		"flow 1 open S 400 idle 0, client 0 acked 0 delivered 0 pending\n"
		"client > P. 1:801(800) ack 1 win 502\n"
		"drop orphaned 0\n"
		"client < . 1:1(0) ack 801 orphaned 800\n"
		"server < . 1:401(400) ack 1 orphaned 0\n"
		"server < P. 401:801(400) ack 1 orphaned 0\n"
		"client > P. 801:1202(401) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1202 orphaned 1201\n"
		"server > . 1:1(0) ack 401 win 65160\n"
		"drop\n"
		"+2.5\n"
		"anything\n"
		"flow 1 open S 400 idle 2, client 1201 acked 400 delivered 401 pending stalled\n"
		"server > P. 1:11(10) ack 801 win 65160\n"
		"pass P. 1:11(10) ack 1202 orphaned 401\n"
		"client:2000 > S 0:0(0) win 64240 <mss 1460>\n"
		"pass orphaned 0\n"
		"flow 2 opening S 512 idle 0\n"
		"client > R. 1202:1202(0) ack 11 win 0\n"
		"pass R. 801:801(0) ack 11\n"
		"flow 1 reset S 512 idle 0\n"
		"flow 2 opening S 512 idle 0\n"
		"count flows_active 2\n"
		"count flows_alive 1\n"
		"+31\n"
		"count flows_active 1\n"
		"count flows_alive 1\n");
	script_run((struct script){ .direction = DIRECTION_BOTH },
		SCRIPT_HANDSHAKE_BOTH
		"server > P. 1:11(10) ack 1 win 509\n"
		"drop\n"
		"server < . 1:1(0) ack 11 orphaned 10\n"
		"client < P. 1:11(10) ack 1 orphaned 0\n"
		"flow 1 open S 512 idle 0, client 0 acked 0 delivered 0 pending, "
		"server 10 acked 0 delivered 0 pending\n");
	/* S is that of the intercepted half */
	script_run((struct script){ .direction = DIRECTION_S2C },
		"client > S 0:0(0) win 64240 <mss 300>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 400>\n"
		"pass\n"
		"flow 1 open S 300 idle 0, server 0 acked 0 delivered 0 pending\n");
}

/* A box that is stopped reports what it still held. */
Test(box, what_is_held_when_the_box_is_stopped_is_told)
{
	script_run((struct script){ .events = true, .at_end = script_nothing_is_left },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 512\n"
		"pass\n"
		"client > P. 1:601(600) ack 1 win 502\n"
		"anything\n"
		"server > . 1:1(0) ack 513 win 65160\n"
		"drop\n"
		"client:2000 > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"shutdown\n"
		"* closed shutdown acked 600 delivered 512\n"
		"client > P. 601:701(100) ack 1 win 502\n"
		"pass\n"
		"count passed_unknown_flow 1\n");
}

/* The box has offered a wider window than the sink has, in the server's half and then in the
 * client's: it waits a second for data sent into it. */
Test(box, a_flow_is_handed_over_when_its_server_is_quiet)
{
	script_run((struct script){ .direction = DIRECTION_S2C },
		SCRIPT_SYNS_ONLY
		"client > . 1:1(0) ack 1 win 502\n"
		"pass . 1:1(0) ack 1 win 2016\n"
		"drain\n"
		"+0.99\n"
		"count flows_active 1\n"
		"+0.02\n"
		"count flows_active 0\n");
	script_run((struct script){ 0 },
		SCRIPT_SYNS_ONLY
		"client > . 1:1(0) ack 1 win 502\n"
		"pass\n"
		"server > P. 1:11(10) ack 1 win 100\n"
		"pass P. 1:11(10) ack 1 win 2016\n"
		"drain\n"
		"+0.99\n"
		"count flows_active 1\n"
		"+0.02\n"
		"count flows_active 0\n");
}

/* The second of silence may lie before the drain: then the flow is handed over at once. */
Test(box, a_flow_that_was_quiet_before_is_handed_over_at_once)
{
	script_run((struct script){ 0 },
		SCRIPT_SYNS_ONLY
		"client > . 1:1(0) ack 1 win 502\n"
		"pass\n"
		"server > P. 1:11(10) ack 1 win 100\n"
		"pass P. 1:11(10) ack 1 win 2016\n"
		"+2\n"
		"drain\n"
		"count flows_active 0\n");
}

/* The limit applies between two challenges, so the first is sent whenever it is due. */
Test(box, the_first_challenge_is_owed_at_any_time)
{
	static const char *const waits[] = { "+0.1", "+0.6", "+1.1" };

	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		char text[1024];

		snprintf(text, sizeof(text), SCRIPT_HANDSHAKE
			 "%s\n"
			 "client > R. 5:5(0) ack 1 win 0\n"
			 "drop\n"
			 "client < . 1:1(0) ack 1\n"
			 "client > . 1:1(0) ack 90000 win 502\n"
			 "drop\n"
			 "client < . 1:1(0) ack 1\n", waits[i]);
		script_run((struct script){ 0 }, text);
	}
}

/* RFC 5961 section 7 leaves the limit open; half a second is Linux's. */
Test(box, a_challenge_comes_every_half_second)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > R. 5:5(0) ack 1 win 0\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n"
		"+0.499\n"
		"client > R. 5:5(0) ack 1 win 0\n"
		"drop\n"
		"+0.001\n"
		"client > R. 5:5(0) ack 1 win 0\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n");
}

/* Output may be taken out late. If a connection ends meanwhile, be it the first in the queue, the
 * last or one between, the output of all others must still come. */
Test(box, output_that_waits_is_kept_in_order)
{
	script_run((struct script){ 0 },
		OPEN_AT("2000") OPEN_AT("3000") OPEN_AT("4000")
		"hold\n"
		DATA_AT("2000") DATA_AT("3000") DATA_AT("4000") ENDS_AT("3000")
		"take\n"
		SENT_AT("2000") SENT_AT("4000"));
	script_run((struct script){ 0 },
		OPEN_AT("2000") OPEN_AT("3000") OPEN_AT("4000")
		"hold\n"
		DATA_AT("2000") DATA_AT("3000") DATA_AT("4000") ENDS_AT("2000")
		"take\n"
		SENT_AT("3000") SENT_AT("4000"));
	script_run((struct script){ 0 },
		OPEN_AT("2000") OPEN_AT("3000") OPEN_AT("4000")
		"hold\n"
		DATA_AT("2000") DATA_AT("3000") ENDS_AT("3000") DATA_AT("4000")
		"take\n"
		SENT_AT("2000") SENT_AT("4000"));
	/* a connection is queued once, however many packets it has */
	script_run((struct script){ 0 },
		OPEN_AT("2000") OPEN_AT("3000")
		"hold\n"
		DATA_AT("2000") DATA_AT("3000") DATA_AT("2000")
		"take\n"
		SENT_AT("2000") SENT_AT("3000"));
}

/* If the timers of two connections expire at the same moment, the one that sent first repeats
 * first, so that a run is repeatable. */
Test(box, what_is_due_at_once_goes_in_order)
{
	script_run((struct script){ 0 },
		OPEN_AT("2000") OPEN_AT("3000")
		DATA_AT("2000") SENT_AT("2000")
		DATA_AT("3000") SENT_AT("3000")
		"+1.01\n"
		"server:2000 < P. 1:11(10) ack 1\n"
		"server:3000 < P. 1:11(10) ack 1\n");
}
