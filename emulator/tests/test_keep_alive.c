/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Keep-alives (RFC 9293 section 3.8.4). The language is that of script.h. */

#include "script/script.h"

#include <criterion/criterion.h>

TestSuite(keep_alive, .timeout = 20);

Test(keep_alive, keep_alive_octet_is_no_data)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > . 0:1(1) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1\n");
}

Test(keep_alive, clients_keep_alive_reaches_the_server_and_its_answer_the_client)
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
		/* a server that has restarted */
		"client > . 0:0(0) ack 1 win 502\n"
		"pass\n"
		"server > R 1:1(0)\n"
		"pass R 1:1(0)\n");
}

Test(keep_alive, keep_alive_reaches_the_server_with_both_halves_intercepted)
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

/* While the box holds data, the server may lack the octet that a keep-alive repeats; in a stall it
 * never gets it. So the box answers. */
Test(keep_alive, keep_alive_in_a_stall_is_answered_by_the_box)
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

Test(keep_alive, servers_keep_alive_reaches_the_client)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"server > . 0:0(0) ack 1 win 509\n"
		"pass . 0:0(0) ack 1\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"pass\n");
}

/* The server answers a keep-alive that passed, but the box has taken data since. The server's ACK
 * then tells the box what the server has, and must not pass. */
Test(keep_alive, a_keep_alive_is_not_answered_past_what_the_box_holds)
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
