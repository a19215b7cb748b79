/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Where and when faults act, and what they leave behind. The language is that of script.h. */

#include "script/script.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(fault_scope, .timeout = 60);

/* For scripts that a loop writes. */
#define LINES_BYTES (1 << 20)

Test(fault_scope, scope_of_a_connection)
{
	static const struct {
		const char *fault, *text;
	} cases[] = {
		{ "off-by-one:port=25", SCRIPT_513_STALLS }, { "off-by-one:port=1-24",
							       SCRIPT_513_PASSES },
		{ "off-by-one:port=26-", SCRIPT_513_PASSES },
		{ "off-by-one:server=198.51.0.0/16", SCRIPT_513_PASSES },
		{ "off-by-one:client=2001:db8:2::/48",
								SCRIPT_513_PASSES },
		{ "off-by-one:client=::/0", SCRIPT_513_STALLS },
		{ "off-by-one:direction=c2s", SCRIPT_513_STALLS }, { "off-by-one:direction=s2c",
								     SCRIPT_513_PASSES },
		{ "off-by-one:flows=1", SCRIPT_513_STALLS }, { "off-by-one:flows=2-",
							       SCRIPT_513_PASSES },
		{ "off-by-one:arrivals=1", SCRIPT_513_STALLS }, { "off-by-one:arrivals=2-",
								  SCRIPT_513_PASSES },
		{ "off-by-one:seconds=0-1", SCRIPT_513_STALLS }, { "off-by-one:seconds=1-",
								   SCRIPT_513_PASSES },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[2048];

		snprintf(text, sizeof(text), SCRIPT_HANDSHAKE "%s", cases[i].text);
		script_run((struct script){ .fault = cases[i].fault }, text);
	}
}

/* One of the faults acts over IPv4, another over IPv6. */
Test(fault_scope, scope_of_addresses)
{
	static const char faults[] = "off-by-one:client=198.51.100.0/24,server=203.0.113.2 "
				     "off-by-one:client=2001:db8:1::/48,server=2001:db8:2::2 "
				     "off-by-one:over=88,server=198.51.100.2";

	script_run((struct script){ .fault = faults },
		SCRIPT_HANDSHAKE SCRIPT_513_STALLS);
	script_run((struct script){ .fault = "off-by-one:client=203.0.113.0/24 "
					     "off-by-one:client=2001:db8:2::/48" },
		SCRIPT_HANDSHAKE SCRIPT_513_PASSES);
}

/* Seconds count from when the fault came into use, not from its first occasion. */
Test(fault_scope, scope_of_time)
{
	script_run((struct script){ .fault = "off-by-one:seconds=1-" },
		   SCRIPT_HANDSHAKE SCRIPT_513_PASSES);
	script_run((struct script){ .fault = "off-by-one:seconds=1-" },
		   SCRIPT_HANDSHAKE "+2\n" SCRIPT_513_STALLS);
	script_run((struct script){ .fault = "off-by-one:seconds=0" },
		   SCRIPT_HANDSHAKE SCRIPT_513_STALLS);
	script_run((struct script){ .fault = "off-by-one:seconds=0" },
		   SCRIPT_HANDSHAKE "+1\n" SCRIPT_513_PASSES);
	script_run((struct script){ .fault = "off-by-one:seconds=0-2" },
		   SCRIPT_HANDSHAKE "+2\n" SCRIPT_513_STALLS);
	script_run((struct script){ .fault = "off-by-one:seconds=0-2" },
		   SCRIPT_HANDSHAKE "+3\n" SCRIPT_513_PASSES);
	script_run((struct script){ .fault = "none" },
		SCRIPT_HANDSHAKE
		"+10\n"
		"faults off-by-one:seconds=3-\n"
		"+2\n"
		SCRIPT_513_PASSES);
}

/* Arrivals in a half that is not intercepted are counted, too. */
Test(fault_scope, scope_of_arrivals_end_to_end)
{
	script_run((struct script){ .fault = "banner-mask:arrivals=2" },
		SCRIPT_HANDSHAKE
		"server > P. 1:5(4) ack 1 win 509 '220-'\n"
		"pass P. 1:5(4) ack 1 '220-'\n"
		"server > P. 5:9(4) ack 1 win 509 'abcd'\n"
		"pass P. 5:9(4) ack 1 '****'\n"
		"server > P. 9:13(4) ack 1 win 509 'efgh'\n"
		"pass P. 9:13(4) ack 1 'efgh'\n");
}

/* Arrivals are counted up to a limit. An open range must act beyond it, and the highest number that
 * can be given must mean one arrival only, whether the half is intercepted or not. */
Test(fault_scope, scope_of_arrivals_without_an_end)
{
	static const char *const ends[] = { "client", "server" };
	static char text[6 * LINES_BYTES];

	for (unsigned i = 0; i < 2; i++) {
		unsigned at = 1, n;

		n = (unsigned)snprintf(text, sizeof(text), SCRIPT_HANDSHAKE_NO_SACK);
		for (unsigned k = 0; k < 65540; k++, at++)
			n += (unsigned)snprintf(text + n, sizeof(text) - n,
				"%s > P. %u:%u(1) ack 1 win 502\nanything\n"
				"%s > . 1:1(0) ack %u win 502\nanything\n",
				ends[i], at, at + 1, ends[1 - i], at + 1);
		snprintf(text + n, sizeof(text) - n,
			 "%s > . %u:%u(0) ack 1 win 502\nanything\n"
			 "%s > P. %u:%u(300) ack 1 win 502\ndrop\nacted 0 0 1\n",
			 ends[i], at, at, ends[i], at, at + 300);
		script_run((struct script){ .fault = "mtu-blackhole:bytes=200,arrivals=65534 "
						     "ack-thin:pass=1000,arrivals=65534 "
						     "mtu-blackhole:bytes=200,arrivals=100-" },
			   text);
	}
}

/* The first two connections fail, the third works. */
Test(fault_scope, scope_of_flows)
{
	script_run((struct script){ .fault = "tfo-blackhole:flows=1-2" },
		"client:1001 > S 0:100(100) win 64240 <mss 1460>\n"
		"drop\n"
		"client:1002 > S 0:100(100) win 64240 <mss 1460>\n"
		"drop\n"
		"client:1003 > S 0:100(100) win 64240 <mss 1460>\n"
		"pass S 0:0(0) <mss 1460>\n"
		/* Its SYN repeated, this is still the second connection. */
		"client:1002 > S 0:100(100) win 64240 <mss 1460>\n"
		"drop\n");
}

/* A flow is counted once, however the rules change; one beyond the range stays free of the
 * fault. */
Test(fault_scope, scope_of_flows_and_other_rules)
{
	script_run((struct script){ .fault = "tfo-blackhole:flows=1-2" },
		"client:1001 > S 0:100(100) win 64240 <mss 1460>\n"
		"drop\n"
		"faults tfo-blackhole:flows=1-2\n"
		"client:1001 > S 0:100(100) win 64240 <mss 1460>\n"
		"drop\n"
		"client:1002 > S 0:100(100) win 64240 <mss 1460>\n"
		"drop\n"
		"client:1003 > S 0:100(100) win 64240 <mss 1460>\n"
		"pass S 0:0(0) <mss 1460>\n"
		"faults tfo-blackhole:flows=1-2\n"
		"client:1003 > S 0:100(100) win 64240 <mss 1460>\n"
		"pass S 0:0(0) <mss 1460>\n");
}

/* The second policy is at first for other ports, then for this connection; in the end it lets new
 * connections pass. */
Test(fault_scope, policies)
{
	script_run((struct script){ .fault = "off-by-one" },
		"policy 26- lose-tail\n"
		SCRIPT_HANDSHAKE SCRIPT_513_STALLS
		"policy 25 lose-tail\n"
		"server < . 1:513(512) ack 1\n"
		"policy 25 pass\n"
		"client > P. 514:1027(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1027\n"
		"server < . 514:1026(512) ack 1\n"
		"server < P. 1026:1027(1) ack 1\n"
		"client:2000 > SEW 0:100(100) win 64240 <mss 1460,tfo>\n"
		"pass\n");
	/* Policies go by the server's port, and the end that sends the SYN is the client: the last
	 * of these connections is to another port. */
	script_run((struct script){ 0 },
		"policy 25 pass\n"
		"client > SEW 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"count passed_policy 1\n"
		"count passed_unknown_flow 0\n");
	script_run((struct script){ 0 },
		"policy 25 pass\n"
		"server > SEW 0:0(0) win 64240 <mss 1460>\n"
		"pass S 0:0(0) <mss 1460>\n");
}

/* Only the pieces of the segment that had the FIN get one. */
Test(fault_scope, fin_dup_of_several_segments)
{
	script_run((struct script){ .fault = "fin-dup" },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 512 <mss 1460>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 65000\n"
		"pass\n"
		"client > . 1:1461(1460) ack 1 win 65000\n"
		"drop\n"
		"client < . 1:1(0) ack 1461\n"
		"server < . 1:513(512) ack 1\n"
		"client > PF. 1461:2001(540) ack 1 win 65000\n"
		"drop\n"
		"client < . 1:1(0) ack 2002\n"
		"server > . 1:1(0) ack 513 win 512\n"
		"drop\n"
		"server < . 513:1025(512) ack 1\n"
		"server > . 1:1(0) ack 1025 win 512\n"
		"drop\n"
		"server < . 1025:1461(436) ack 1\n"
		"server > . 1:1(0) ack 1461 win 512\n"
		"drop\n"
		"server < F. 1461:1973(512) ack 1\n");
}

/* The segment with the FIN comes first, by reordering: still only its pieces get a FIN. */
Test(fault_scope, fin_dup_of_a_segment_that_came_first)
{
	script_run((struct script){ .fault = "fin-dup" },
		SCRIPT_HANDSHAKE
		"client > PF. 1001:1541(540) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 1001:1541>\n"
		"client > . 1:1001(1000) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1542\n"
		"server < . 1:513(512) ack 1\n"
		"server < . 513:1001(488) ack 1\n"
		"server < F. 1001:1513(512) ack 1\n"
		"server < P. 1513:1541(28) ack 1\n"
		"server < F. 1541:1541(0) ack 1\n");
}

/* The sink counts the early FIN, so its ACK is one octet ahead; it must be believed all the
 * same. */
Test(fault_scope, fin_early_is_acknowledged)
{
	script_run((struct script){ .fault = "fin-early" },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 512 <mss 1460>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 65000\n"
		"pass\n"
		"client > PF. 1:523(522) ack 1 win 65000\n"
		"drop\n"
		"client < . 1:1(0) ack 524\n"
		"server < F. 1:513(512) ack 1\n"
		"server > P. 1:11(10) ack 514 win 512\n"
		"pass P. 1:11(10) ack 524\n"
		"server < P. 513:523(10) ack 1\n"
		"server < F. 523:523(0) ack 1\n");
}

/* A FIN that is repeated after the end must still have its numbers put right. */
Test(fault_scope, isn_shift_after_the_end)
{
	script_run((struct script){ .fault = "isn-shift:direction=s2c",
				    .at_end = script_nothing_is_left },
		"client > S 0:0(0) win 64240 <mss 1460,wscale 7>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,wscale 7>\n"
		"pass S. 1073741824:1073741824(0) ack 1\n"
		"client > . 1:1(0) ack 1073741825 win 502\n"
		"pass . 1:1(0) ack 1\n"
		"client > F. 1:1(0) ack 1073741825 win 502\n"
		"drop\n"
		"client < . 1073741825:1073741825(0) ack 2\n"
		"server < F. 1:1(0) ack 1\n"
		"server > F. 1:1(0) ack 2 win 509\n"
		"pass F. 1073741825:1073741825(0) ack 2\n"
		"client > . 2:2(0) ack 1073741826 win 502\n"
		"pass . 2:2(0) ack 2\n"
		"server > F. 1:1(0) ack 2 win 509\n"
		"pass F. 1073741825:1073741825(0) ack 2\n"
		"client > . 2:2(0) ack 1073741826 win 502\n"
		"pass . 2:2(0) ack 2\n"
		"+61\n");
}

/* The box must shift a connection's numbers as long as it is open: a draining engine must keep the
 * connection, and not spin. */
Test(fault_scope, isn_shift_while_draining, .timeout = 10)
{
	script_run((struct script){ .fault = "isn-shift:direction=c2s" },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass S 1073741824:1073741824(0) <mss 1460>\n"
		"server > S. 0:0(0) ack 1073741825 win 65160 <mss 1460>\n"
		"pass S. 0:0(0) ack 1\n"
		"client > . 1:1(0) ack 1 win 64240\n"
		"pass . 1073741825:1073741825(0) ack 1\n"
		"drain\n"
		"+2\n"
		"client > P. 1:11(10) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1073741825:1073741835(10) ack 1\n");
}

/* A drain does not wait for a flow that the fault made the box forget. */
Test(fault_scope, ack_then_die_while_draining)
{
	script_run((struct script){ .fault = "ack-then-die:bytes=100",
				    .at_end = script_nothing_is_left },
		SCRIPT_HANDSHAKE
		"client > P. 1:101(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"drain\n"
		"client > P. 101:201(100) ack 1 win 502\n"
		"drop\n");
}

/* The RST to the server was lost, so its next packet must get another. */
Test(fault_scope, ack_then_die_repeats_its_reset)
{
	script_run((struct script){ .fault = "ack-then-die:bytes=100,reset=1" },
		SCRIPT_HANDSHAKE
		"client > P. 1:101(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"client > P. 101:201(100) ack 1 win 502\n"
		"drop\n"
		"server < R. 1:1(0) ack 1\n"
		"client < R. 1:1(0) ack 101\n"
		"server > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"server < R. 1:1(0) ack 1\n");
}

/* Each end's ACKs are counted separately. */
Test(fault_scope, ack_thin_beside_another_fault)
{
	script_run((struct script){ .fault = "ack-thin:pass=2,direction=c2s "
					     "mtu-blackhole:direction=s2c" },
		"client > S 0:0(0) win 64240 <mss 1460,wscale 7>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,wscale 7>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"drop\n"
		/* The box takes this ACK, as it is for the box's own data. */
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"client > . 1:1(0) ack 1 win 503\n"
		"pass\n");
}

/* There is nothing to strip, so nothing is altered. */
Test(fault_scope, wscale_strip_without_one)
{
	script_run((struct script){ .fault = "wscale-strip" },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n");
}
