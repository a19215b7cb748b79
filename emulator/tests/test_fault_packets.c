/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Faults that act on packets. The language is that of script.h. */

#include "script/script.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(fault_packets, .timeout = 60);

static const char hello[] = "'\\x16\\x03\\x01\\x01\\x00\\x01'\n";

/* Headers count: 40 octets over IPv4, 60 over IPv6. */
Test(fault_packets, mtu_blackhole)
{
	script_run((struct script){ .fault = "mtu-blackhole:bytes=700" },
		SCRIPT_HANDSHAKE
		"client > P. 1:641(640) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 641\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:641(128) ack 1\n"
		/* Not ACKed, and not answered. */
		"client > P. 641:1302(661) ack 1 win 502\n"
		"drop\n"
		/* The other way, too. */
		"server > P. 1:662(661) ack 641 win 502\n"
		"drop\n");
}

/* A joined packet counts as the segments it was made of, which fit. */
Test(fault_packets, mtu_blackhole_and_joined_packets)
{
	script_run((struct script){ .fault = "mtu-blackhole:bytes=1520" },
		SCRIPT_HANDSHAKE
		"client > P. 1:2921(2920) ack 1 win 502 joined\n"
		"drop\n"
		"client < . 1:1(0) ack 2921\n"
		"server < . 1:513(512) ack 1\nserver < . 513:1025(512) ack 1\nserver < . "
		"1025:1461(436) ack 1\n"
		"server < . 1461:1973(512) ack 1\nserver < . 1973:2485(512) ack 1\nserver < P. "
		"2485:2921(436) ack 1\n");
}

Test(fault_packets, ecn_drop)
{
	script_run((struct script){ .fault = "ecn-drop" },
		"client > SEW 0:0(0) win 64240 <mss 1460>\n"
		"drop\n"
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n");
}

Test(fault_packets, ecn_rst)
{
	script_run((struct script){ .fault = "ecn-rst", .at_end = script_nothing_is_left },
		"client > SEW 0:0(0) win 64240 <mss 1460>\n"
		"drop\n"
		"client < R. 0:0(0) ack 1 local\n");
}

/* Only both flags together ask for ECN; one alone passes. */
Test(fault_packets, ecn_by_halves)
{
	script_run((struct script){ .fault = "ecn-drop" },
		"client:1001 > SE 0:0(0) win 64240 <mss 1460>\n"
		"pass S 0:0(0) <mss 1460>\n"
		"client:1002 > SW 0:0(0) win 64240 <mss 1460>\n"
		"pass S 0:0(0) <mss 1460>\n");
}

Test(fault_packets, tfo_blackhole)
{
	script_run((struct script){ .fault = "tfo-blackhole" },
		"client > S 0:100(100) win 64240 <mss 1460,tfo>\n"
		"drop\n"
		"client > S 0:0(0) win 64240 <mss 1460,tfo>\n"
		"pass\n");
}

/* A client must be able to get a cookie; its SYN with data is then dropped. */
Test(fault_packets, tfo_blackhole_lets_a_cookie_pass)
{
	script_run((struct script){ .fault = "tfo-blackhole" },
		"client > S 0:0(0) win 64240 <mss 1460,tfo>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,tfo>\n"
		"pass\n"
		"client:1002 > S 0:100(100) win 64240 <mss 1460,tfo>\n"
		"drop\n"
		"faults drop tfo-blackhole\n"
		"client:1004 > S 0:0(0) win 64240 <mss 1460,tfo>\n"
		"pass\n"
		/* a fault for other connections does not keep the option */
		"faults tfo-blackhole:client=203.0.113.77/32\n"
		"client:1003 > S 0:0(0) win 64240 <mss 1460,tfo>\n"
		"pass S 0:0(0) <mss 1460>\n");
}

Test(fault_packets, banner_mask)
{
	script_run((struct script){ .fault = "banner-mask" },
		SCRIPT_HANDSHAKE
		"server > P. 1:25(24) ack 1 win 509 '220-mx.example 2 ESMTP\\r\\n'\n"
		"pass P. 1:25(24) ack 1 '220*********** 2 *****\\r\\n'\n"
		"client > P. 1:7(6) ack 25 win 502 'HELO\\r\\n'\n"
		"drop\n"
		"client < . 25:25(0) ack 7\n"
		"server < P. 1:7(6) ack 25\n"
		"server > P. 25:31(6) ack 7 win 509 '250 a\\n'\n"
		"pass P. 25:31(6) ack 7\n");
}

/* The banner is what the server says before the client's first octet. */
Test(fault_packets, banner_mask_ends_with_the_clients_first_octet)
{
	script_run((struct script){ .fault = "banner-mask" },
		SCRIPT_HANDSHAKE
		"server > P. 1:6(5) ack 1 win 509 '220-a'\n"
		"pass P. 1:6(5) ack 1 '220**'\n"
		"client > P. 1:2(1) ack 6 win 502 'x'\n"
		"drop\n"
		"client < . 6:6(0) ack 2\n"
		"server < P. 1:2(1) ack 6\n"
		"server > P. 6:11(5) ack 2 win 509 '220 b'\n"
		"pass P. 6:11(5) ack 2 '220 b'\n");
}

/* The same if the server's half is intercepted and the checksum was left to hardware. */
Test(fault_packets, banner_mask_intercepted)
{
	script_run((struct script){ .fault = "banner-mask", .direction = DIRECTION_BOTH },
		SCRIPT_HANDSHAKE_BOTH
		"server > P. 1:8(7) ack 1 win 509 no-sum '220 a\\r\\n'\n"
		"drop\n"
		"server < . 1:1(0) ack 8\n"
		"client < P. 1:8(7) ack 1 '220 *\\r\\n'\n");
}

/* The client is told of no scaling, but the server still scales its window. */
Test(fault_packets, wscale_strip)
{
	script_run((struct script){ .fault = "wscale-strip" },
		"client > S 0:0(0) win 64240 <mss 1460,sackOK,wscale 7>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,wscale 7>\n"
		"pass S. 0:0(0) ack 1 <mss 1460,sackOK>\n"
		"client > . 1:1(0) ack 1 win 64240\n"
		"pass\n"
		/* The window of 509 * 128 is taken for 509. */
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"client > P. 1:514(513) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 514 win 65535\n"
		"+1.1\n"
		"server < . 1:510(509) ack 1\n");
}

Test(fault_packets, ack_thin)
{
	script_run((struct script){ .fault = "ack-thin:pass=3" },
		"client > S 0:0(0) win 64240 <mss 1460,sackOK,wscale 7>\n"
		"pass S 0:0(0) <mss 1460,wscale 7>\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,wscale 7>\n"
		"pass S. 0:0(0) ack 1 <mss 1460,wscale 7>\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"drop\n"
		"server > P. 1:101(100) ack 1 win 509\n"
		"pass P. 1:101(100) ack 1\n"
		"client > . 1:1(0) ack 101 win 502\n"
		"drop\n"
		"client > . 1:1(0) ack 101 win 501\n"
		"pass\n"
		/* An ACK with data counts as data. */
		"client > P. 1:11(10) ack 101 win 501\n"
		"drop\n"
		"client < . 101:101(0) ack 11\n"
		"server < P. 1:11(10) ack 101\n");
}

/* A FIN or RST is neither dropped nor counted as an ACK. */
Test(fault_packets, ack_thin_passes_fin_and_rst)
{
	script_run((struct script){ .fault = "ack-thin:pass=2" },
		"client > S 0:0(0) win 64240 <mss 1460,wscale 7>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,wscale 7>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"drop\n"
		"client > F. 1:1(0) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 2\n"
		"server < F. 1:1(0) ack 1\n"
		"client > . 2:2(0) ack 1 win 503\n"
		"pass\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server > R. 1:1(0) ack 2 win 0\n"
		"pass R. 1:1(0) ack 2\n");
}

Test(fault_packets, first_segment_parser)
{
	static const char *const faults[] = { "first-segment-parser",
					      "first-segment-parser:reset=1" };

	for (size_t i = 0; i < 2; i++) {
		char text[1024];

		snprintf(text, sizeof(text),
			 SCRIPT_HANDSHAKE
			 /* 256 octets after a header of 5. */
			 "client > P. 1:262(261) ack 1 win 502 %s"
			 "drop\n"
			 "client < . 1:1(0) ack 262\n"
			 "server < P. 1:262(261) ack 1\n"
			 "client > P. 262:522(260) ack 1 win 502 %s"
			 "drop\n"
			 "%s",
			 hello, hello,
			 i == 0 ? ""
				: "server < R. 262:262(0) ack 1\n"
				  "client < R. 1:1(0) ack 262\n");
		script_run((struct script){ .fault = faults[i] }, text);
	}
}

/* A record of the server, one with another message, and a mere header pass. */
Test(fault_packets, first_segment_parser_passes_others)
{
	char text[1024];

	snprintf(text, sizeof(text),
		SCRIPT_HANDSHAKE
		"client > P. 1:261(260) ack 1 win 502 '\\x16\\x03\\x01\\x01\\x00\\x02'\n"
		"drop\n"
		"client < . 1:1(0) ack 261\n"
		"server < P. 1:261(260) ack 1\n"
		"server > P. 1:261(260) ack 261 win 509 %s"
		"pass P. 1:261(260) ack 261\n"
		"client > P. 261:266(5) ack 261 win 502 '\\x16\\x03\\x01\\x01\\x00'\n"
		"drop\n"
		"client < . 261:261(0) ack 266\n"
		"server < P. 261:266(5) ack 261\n", hello);
	script_run((struct script){ .fault = "first-segment-parser" }, text);
}

/* The client's numbers are 1,073,741,824 higher for the server, and the server's ACKs are put right
 * on their way back. Their SACK blocks are not: the box does not recognise what the server reports
 * there, and sends it again. */
Test(fault_packets, isn_shift_of_the_client)
{
	script_run((struct script){ .fault = "isn-shift:direction=c2s" },
		"client > S 0:0(0) win 64240 <mss 1460,sackOK,wscale 7>\n"
		"pass S 1073741824:1073741824(0) <mss 1460,sackOK,wscale 7>\n"
		"server > S. 0:0(0) ack 1073741825 win 65160 <mss 1460,sackOK,wscale 7>\n"
		"pass S. 0:0(0) ack 1\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"pass . 1073741825:1073741825(0) ack 1\n"
		"client > P. 1:6(5) ack 1 win 502 'hello'\n"
		"drop\n"
		"client < . 1:1(0) ack 6\n"
		"server < P. 1073741825:1073741830(5) ack 1 'hello'\n"
		"server > . 1:1(0) ack 1073741830 win 509\n"
		"drop\n"
		"client > P. 6:10(4) ack 1 win 502 'lost'\n"
		"drop\n"
		"client < . 1:1(0) ack 10\n"
		"server < P. 1073741830:1073741834(4) ack 1 'lost'\n"
		"client > P. 10:14(4) ack 1 win 502 'here'\n"
		"drop\n"
		"client < . 1:1(0) ack 14\n"
		"server < P. 1073741834:1073741838(4) ack 1 'here'\n"
		"server > . 1:1(0) ack 1073741830 win 509 <sack 1073741834:1073741838>\n"
		"drop\n"
		"+0.3\n"
		"server < P. 1073741830:1073741834(4) ack 1 'lost'\n"
		"server < P. 1073741834:1073741838(4) ack 1 'here'\n"
		"server > . 1:1(0) ack 1073741838 win 509\n"
		"drop\n"
		/* With shifted numbers it cannot be handed over, however quiet it is. */
		"+2\n"
		"drain\n"
		"client > P. 14:18(4) ack 1 win 502 'more'\n"
		"drop\n"
		"client < . 1:1(0) ack 18\n"
		"server < P. 1073741838:1073741842(4) ack 1 'more'\n");
}

/* While Linux keeps TIME-WAIT the ends may repeat their last packets, whose numbers the box must
 * still put right. */
Test(fault_packets, isn_shift_goes_on_for_a_minute)
{
	script_run((struct script){ .fault = "isn-shift:direction=s2c" },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass S. 1073741824:1073741824(0) ack 1\n"
		"client > F. 1:1(0) ack 1073741825 win 502\n"
		"drop\n"
		"client < . 1073741825:1073741825(0) ack 2\n"
		"server < F. 1:1(0) ack 1\n"
		"server > F. 1:1(0) ack 2 win 509\n"
		"pass F. 1073741825:1073741825(0) ack 2\n"
		"client > . 2:2(0) ack 1073741826 win 502\n"
		"pass . 2:2(0) ack 2\n"
		"+59.9\n"
		"server > F. 1:1(0) ack 2 win 509\n"
		"pass F. 1073741825:1073741825(0) ack 2\n"
		"client > . 2:2(0) ack 1073741826 win 502\n"
		"pass . 2:2(0) ack 2\n"
		"+59.9\n"
		"count flows_active 1\n"
		"+0.2\n"
		"count flows_active 0\n");
}

/* ACKs of the server's numbers are put right; SACK blocks are not. */
Test(fault_packets, isn_shift_of_the_server)
{
	script_run((struct script){ .fault = "isn-shift:direction=s2c",
				    .at_end = script_nothing_is_left },
		"client > S 0:0(0) win 64240 <mss 1460,sackOK,wscale 7>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,wscale 7>\n"
		"pass S. 1073741824:1073741824(0) ack 1\n"
		"client > . 1:1(0) ack 1073741825 win 502\n"
		"pass . 1:1(0) ack 1\n"
		"client > P. 1:11(10) ack 1073741825 win 502\n"
		"drop\n"
		"client < . 1073741825:1073741825(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"client > . 11:11(0) ack 1073741825 win 502 <sack 1073742000:1073742100>\n"
		"pass . 11:11(0) ack 1 <sack 1073742000:1073742100>\n"
		"server > R. 1:1(0) ack 11 win 0\n"
		"pass R. 1073741825:1073741825(0) ack 11\n"
		"+31\n");
}

/* If the fault keeps the server's ACKs back, that does not mean that the server is gone. */
Test(fault_packets, what_ack_thin_keeps_back_is_not_unanswered)
{
	script_run((struct script){ .fault = "ack-thin:pass=100" },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"+100\n"
		"anything\n"
		"count retransmissions 6\n"
		"count unanswered 0\n");
}
