/* SPDX-License-Identifier: GPL-2.0-or-later */

/* How connections end. The language is that of script.h. */

#include "script/script.h"

#include <criterion/criterion.h>

TestSuite(close, .timeout = 20);

#define SCRIPT_SYNS                                                                      \
	"client > S 0:0(0) win 64240 <mss 1460>\n"                                      \
	"pass\n"                                                                        \
	"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"                               \
	"* opened S 512\n"                                                              \
	"pass\n"

Test(close, half_closed_server_still_gets_data)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
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

Test(close, fin_out_of_order_waits)
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

Test(close, lost_fin_is_repeated)
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

Test(close, simultaneous_close)
{
	script_run((struct script){ .at_end = script_nothing_is_left },
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

Test(close, forged_syn_in_an_open_flow_is_answered_with_an_ack)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > S 77777:77777(0) win 64240 <mss 1460>\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n");
}

Test(close, idle_flows_end)
{
	script_run((struct script){ .events = true, .at_end = script_nothing_is_left },
		SCRIPT_SYNS
		"+129\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"pass\n"
		"+7439\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"pass\n"
		"+7441\n"
		"* closed idle acked 0 delivered 0\n");
}

/* The SYN's source is forged. If such flows were kept for hours, a flood of them would fill the
 * table. */
Test(close, a_syn_with_a_forged_address_is_soon_forgotten)
{
	script_run((struct script){ .events = true, .at_end = script_nothing_is_left },
		SCRIPT_SYNS
		"+131\n"
		"* closed idle acked 0 delivered 0\n");
}

/* The client closed last, so it is gone once the box has ACKed its FIN; the box still delivers. */
Test(close, an_end_that_is_gone_is_not_asked)
{
	script_run((struct script){ .at_end = script_nothing_is_left },
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
		/* what the closed client might answer to a packet that reached it */
		"client > R 102:102(0)\n"
		"drop\n"
		"+1.1\n"
		"server < P. 1:101(100) ack 2\n"
		"server < F. 101:101(0) ack 2\n"
		"server > . 2:2(0) ack 102 win 509\n"
		"drop\n");
}

/* Any suspected RST may make the box ask the server, but a forger cannot make it ask often. */
Test(close, the_server_is_asked_once_in_half_a_second)
{
	script_run((struct script){ 0 },
		SCRIPT_SUSPECTED_RST
		"+0.3\n"
		"server > R 502:502(0)\n"
		"pass R 502:502(0)\n"
		"+0.3\n"
		"server > R 503:503(0)\n"
		"pass R 503:503(0)\n"
		"server < . 101:101(0) ack 1\n");
}

/* The event at the end tells of both halves. */
Test(close, totals_of_both_halves)
{
	script_run((struct script){ .direction = DIRECTION_BOTH, .events = true },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 512\n"
		"pass\n"
		"server > P. 1:31(30) ack 1 win 65160\n"
		"* arrival server 0 bytes 30 pending 30\n"
		"* cut server 0 bytes 30 pieces 1 last 30\n"
		"drop\n"
		"* ack server 30 orphaned 30\n"
		"server < . 1:1(0) ack 31\n"
		"client < P. 1:31(30) ack 1\n"
		"shutdown\n"
		"* closed shutdown acked 0 delivered 0, server acked 30 delivered 0\n");
}

/* A FIN that comes before the data that it follows, while more is missing, is the source's. */
Test(close, fin_right_after_what_waits)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > . 101:201(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 101:201>\n"
		"client > F. 201:201(0) ack 1 win 502\n"
		"drop\n"
		"anything\n"
		"client > . 1:101(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 202\n"
		"anything\n");
}
