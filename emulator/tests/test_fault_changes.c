/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Rules that change while connections are open. The language is that of script.h. */

#include "script/script.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(fault_changes, .timeout = 60);

/* For scripts that a loop writes. */
#define LINES_BYTES (1 << 20)

Test(fault_changes, a_stall_ends_with_its_fault)
{
	script_run((struct script){ .fault = "off-by-one", .events = true,
				    .at_end = script_nothing_is_held },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 512\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 65000\n"
		"pass\n"
		"client > PF. 1:514(513) ack 1 win 65000\n"
		"* arrival client 0 bytes 513 pending 513\n"
		"* fault off-by-one client\n"
		"* stall client 0 pending 513\n"
		"drop\n"
		"* ack client 513 orphaned 513\n"
		"client < . 1:1(0) ack 515\n"
		"faults drop:every=7\n"
		"* resume client 0 pending 513\n"
		"* cut client 0 bytes 513 pieces 2 last 1\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:514(1) ack 1\n"
		"server < F. 514:514(0) ack 1\n"
		"server > . 1:1(0) ack 515 win 65160\n"
		"drop\n");
}

Test(fault_changes, a_fault_comes_into_an_open_connection)
{
	script_run((struct script){ .fault = "none" },
		SCRIPT_HANDSHAKE SCRIPT_513_PASSES
		"faults off-by-one:over=1\n"
		"client > P. 514:1027(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1027\n"
		/* This one is for new connections only. */
		"faults mtu-blackhole off-by-one:flows=1-5\n"
		"server < . 514:1026(512) ack 1\n"
		"server < P. 1026:1027(1) ack 1\n"
		"client > P. 1027:1540(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1540\n"
		"server < . 1027:1539(512) ack 1\n"
		"server < P. 1539:1540(1) ack 1\n");
}

/* The rules change, but the fault that holds the data does not: the stall must stay. */
Test(fault_changes, a_stall_stays_with_its_fault)
{
	script_run((struct script){ .fault = "psh-hold" },
		SCRIPT_HANDSHAKE
		"client > . 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"faults psh-hold\n"
		"faults psh-hold mtu-blackhole\n"
		/* With another value the fault is asked again. There was no PSH, so it still
		 * holds. */
		"faults psh-hold:bytes=1000 mtu-blackhole\n"
		"faults psh-hold:bytes=500\n"
		"server < . 1:513(512) ack 1\n"
		"server < . 513:514(1) ack 1\n");
	/* The second occasion stalls. If new rules made the fault be asked again, that third
	 * occasion would pass. */
	script_run((struct script){ .fault = "off-by-one:every=2" },
		SCRIPT_HANDSHAKE SCRIPT_513_PASSES
		"client > P. 514:1027(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1027\n"
		"faults off-by-one:every=2\n"
		"faults off-by-one:every=2 corrupt\n"
		"faults mtu-blackhole corrupt\n"
		"server < . 514:1026(512) ack 1\n"
		"server < P. 1026:1027(1) ack 1\n");
}

/* A change of either parameter makes a fault another one, which ends the stall. And a fault of one
 * half, unchanged, stays with the connection that it has counted. */
Test(fault_changes, a_fault_with_another_parameter_is_another)
{
	script_run((struct script){ .fault = "hello-256-511:most=257" },
		SCRIPT_HANDSHAKE
		"client > P. 1:6(5) ack 1 win 502 '\\x16\\x03\\x01\\x01\\x01'\n"
		"drop\n"
		"client < . 1:1(0) ack 6\n"
		"faults hello-256-511:most=257\n"
		"faults hello-256-511:most=256\n"
		"server < P. 1:6(5) ack 1\n");
	script_run((struct script){ .fault = "off-by-one:flows=1,direction=c2s" },
		SCRIPT_HANDSHAKE
		"faults off-by-one:flows=1,direction=c2s\n"
		"client > P. 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n");
}

/* An ACK of earlier data must not make the box cut held data again: that would be another occasion
 * for the fault. */
Test(fault_changes, a_stall_lasts_while_acks_come)
{
	script_run((struct script){ .fault = "off-by-one:every=2" },
		SCRIPT_HANDSHAKE
		"client > P. 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:514(1) ack 1\n"
		"client > P. 514:1027(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1027\n"
		"server > . 1:1(0) ack 513 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 514 win 509\n"
		"drop\n"
		"acted 1\n");
}

/* No fault has read the text so far, so split-eod must not assume that a line begins here. */
Test(fault_changes, a_fault_that_reads_text_begins_in_the_middle)
{
	script_run((struct script){ .fault = "off-by-one" },
		SCRIPT_HANDSHAKE
		"client > P. 1:4(3) ack 1 win 502 'abc'\n"
		"drop\n"
		"client < . 1:1(0) ack 4\n"
		"server < P. 1:4(3) ack 1\n"
		"faults split-eod\n"
		"client > P. 4:5(1) ack 1 win 502 '.'\n"
		"drop\n"
		"client < . 1:1(0) ack 5\n"
		"server < P. 4:5(1) ack 1\n"
		"client > P. 5:7(2) ack 1 win 502 '\\r\\n'\n"
		"drop\n"
		"client < . 1:1(0) ack 7\n"
		"server < P. 5:7(2) ack 1\n");
}

/* A fault in the same place of the list is not the same if it acts only every third time. */
Test(fault_changes, a_fault_that_acts_less_often_is_another)
{
	script_run((struct script){ .fault = "off-by-one" },
		SCRIPT_HANDSHAKE
		"client > P. 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"faults off-by-one:every=3\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:514(1) ack 1\n");
}

/* The counts of a fault that stays go on; those of one that was gone start again at 0. */
Test(fault_changes, counts_go_on)
{
	script_run((struct script){ .fault = "drop:every=2" },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"faults drop:every=2 drop:every=2\n"
		"acted 0 0\n"
		"client > P. 11:21(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 21\n"
		"acted 1 0\n"
		"faults drop:every=2\n"
		"acted 1\n"
		"faults none\n"
		"faults drop\n"
		"acted 0\n");
}

/* Only so many cuts can be remembered, and each change of the rules makes one. */
Test(fault_changes, no_room_to_remember_a_cut)
{
	static char text[LINES_BYTES];
	size_t n = 0;
	unsigned at = 1, end;

	n += (size_t)snprintf(text, sizeof(text),
			      "client > S 0:0(0) win 64240 <mss 1460,wscale 7>\n"
			      "pass\n"
			      "server > S. 0:0(0) ack 1 win 1 <mss 1460,wscale 7>\n"
			      "pass\n"
			      "client > . 1:1(0) ack 1 win 502\n"
			      "pass\n");
	for (unsigned i = 0; i < 507; i++, at++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "client > P. %u:%u(1) ack 1 win 502\nanything\n", at, at + 1);
	end = at + 7680;
	n += (size_t)snprintf(text + n, sizeof(text) - n,
			      "client > . %u:%u(7680) ack 1 win 502\nanything\n", at, end);
	for (unsigned left = 7680; left >= 1536; left -= 512)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "faults off-by-one:over=%u\n",
				      left - 1024);
	n += (size_t)snprintf(text + n, sizeof(text) - n, "faults none\n");
	/* As the window opens, all of it must come out. */
	n += (size_t)snprintf(text + n, sizeof(text) - n,
			      "server > . 1:1(0) ack 1 win 512\nanything\n");
	for (unsigned i = 2; i < end; i += i < at ? 1 : 256)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "server > . 1:1(0) ack %u win 512\nanything\n", i);
	n += (size_t)snprintf(text + n, sizeof(text) - n,
			      "server > . 1:1(0) ack %u win 512\nanything\n", end);
	cr_assert_lt(n, sizeof(text));
	script_run((struct script){ .fault = "psh-hold:bytes=65535",
				    .at_end = script_nothing_is_held }, text);
}

/* A fault that reads text has not read what was cut before it came, and must not go by what it read
 * earlier. */
Test(fault_changes, a_text_fault_comes_into_an_open_connection)
{
	script_run((struct script){ .fault = "split-eod" },
		SCRIPT_HANDSHAKE
		"client > P. 1:5(4) ack 1 win 502 'a\\r\\n.'\n"
		"drop\n"
		"client < . 1:1(0) ack 5\n"
		"server < P. 1:5(4) ack 1\n"
		"faults none\n"
		"client > P. 5:9(4) ack 1 win 502 'text'\n"
		"drop\n"
		"client < . 1:1(0) ack 9\n"
		"server < P. 5:9(4) ack 1\n"
		"faults split-eod\n"
		"client > P. 9:11(2) ack 1 win 502 '\\r\\n'\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 9:11(2) ack 1\n");
	script_run((struct script){ .fault = "none" },
		SCRIPT_HANDSHAKE
		"client > P. 1:5(4) ack 1 win 502 'text'\n"
		"drop\n"
		"client < . 1:1(0) ack 5\n"
		"server < P. 1:5(4) ack 1\n"
		"faults split-command\n"
		"client > P. 5:14(9) ack 1 win 502 'data help'\n"
		"drop\n"
		"client < . 1:1(0) ack 14\n"
		"server < P. 5:14(9) ack 1 'data help'\n");
}

/* A fault that stays when the rules change must not forget what it has read. */
Test(fault_changes, a_text_fault_that_stays_has_read_what_was_cut)
{
	script_run((struct script){ .fault = "split-eod" },
		SCRIPT_HANDSHAKE
		"client > P. 1:5(4) ack 1 win 502 'a\\r\\n.'\n"
		"drop\n"
		"client < . 1:1(0) ack 5\n"
		"server < P. 1:5(4) ack 1\n"
		"faults split-eod drop:every=1000\n"
		"client > P. 5:7(2) ack 1 win 502 '\\r\\n'\n"
		"drop\n"
		"client < . 1:1(0) ack 7\n"
		"count stalls 1\n");
}

/* A fault that is now for other connections, or for the other half, must not act on this one. */
Test(fault_changes, a_fault_leaves_an_open_connection)
{
	static const char *const now[] = { "off-by-one:port=26-", "off-by-one:direction=s2c",
					   "off-by-one:server=192.0.2.1" };

	for (size_t i = 0; i < sizeof(now) / sizeof(*now); i++) {
		char text[1024];

		snprintf(text, sizeof(text), SCRIPT_HANDSHAKE "faults %s\n" SCRIPT_513_PASSES,
			 now[i]);
		script_run((struct script){ .fault = "off-by-one" }, text);
	}
}

/* Once no fault looks at pieces any more, they go out as trains again. */
Test(fault_changes, a_fault_that_is_gone_does_not_end_a_train)
{
	script_run((struct script){ .fault = "drop:every=1000", .offload = true },
		SCRIPT_HANDSHAKE
		"client > P. 1:1301(1300) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1301\n"
		"server < . 1:513(512) ack 1\n"
		"server < . 513:1025(512) ack 1\n"
		"server < P. 1025:1301(276) ack 1\n"
		"faults off-by-one\n"
		"client > P. 1301:2601(1300) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 2601\n"
		"server < P. 1301:2601(1300) ack 1 seg 512\n");
}

/* A fault with another range of arrivals or seconds is another, so data that it stalled is looked
 * at again. In each case one end of the range stays the same. */
Test(fault_changes, a_fault_with_another_range_is_another)
{
	static const struct {
		const char *before, *then;
	} cases[] = {
		{ "off-by-one:arrivals=1-5", "off-by-one:arrivals=3-5" },
		{ "off-by-one:arrivals=1-5", "off-by-one:arrivals=1" },
		{ "off-by-one:seconds=0-9", "off-by-one:seconds=5-9" },
		{ "off-by-one:seconds=0-9", "off-by-one:seconds=0-1" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[2048];

		snprintf(text, sizeof(text),
			SCRIPT_HANDSHAKE
			"client > P. 1:11(10) ack 1 win 502\n"
			"drop\n"
			"client < . 1:1(0) ack 11\n"
			"server < P. 1:11(10) ack 1\n"
			"server > . 1:1(0) ack 11 win 509\n"
			"drop\n"
			"+3\n"
			"client > P. 11:524(513) ack 1 win 502\n"
			"drop\n"
			"client < . 1:1(0) ack 524\n"
			"faults %s\n"
			"count stalls 1\n"
			"faults %s\n"
			"server < . 11:523(512) ack 1\n"
			"server < P. 523:524(1) ack 1\n", cases[i].before, cases[i].then);
		script_run((struct script){ .fault = cases[i].before }, text);
	}
}

/* The counts of a policy's faults go on when another policy changes: the third piece is dropped, by
 * the first fault or by the second. */
Test(fault_changes, counts_of_another_policy_go_on)
{
	static const char *const faults[] = { "drop:every=3", "corrupt:every=100 drop:every=3" };

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		char text[1024];

		snprintf(text, sizeof(text),
			"policy 25 %s\n"
			SCRIPT_HANDSHAKE
			"client > P. 1:11(10) ack 1 win 502\n"
			"drop\n"
			"client < . 1:1(0) ack 11\n"
			"server < P. 1:11(10) ack 1\n"
			"client > P. 11:21(10) ack 1 win 502\n"
			"drop\n"
			"client < . 1:1(0) ack 21\n"
			"server < P. 11:21(10) ack 1\n"
			"faults off-by-one\n"
			"client > P. 21:31(10) ack 1 win 502\n"
			"drop\n"
			"client < . 1:1(0) ack 31\n"
			"client > P. 31:41(10) ack 1 win 502\n"
			"drop\n"
			"client < . 1:1(0) ack 41\n"
			"server < P. 31:41(10) ack 1\n", faults[i]);
		script_run((struct script){ .fault = "none" }, text);
	}
}

/* A second fault that counts connections keeps those it has when the first fault changes. */
Test(fault_changes, a_second_fault_stays_with_its_connection)
{
	script_run((struct script){ .fault = "corrupt:every=100 drop:every=1,flows=1" },
		SCRIPT_HANDSHAKE
		"faults corrupt:every=200 drop:every=1,flows=1\n"
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n");
}

/* isn-shift must shift sequence numbers even if another fault stands before it. */
Test(fault_changes, isn_shift_as_the_second_fault)
{
	script_run((struct script){ .fault = "corrupt:every=100 isn-shift" },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass S 1073741824:1073741824(0) <mss 1460>\n");
}

/* A tfo-blackhole of only one half must keep the Fast Open option, too. */
Test(fault_changes, tfo_blackhole_of_one_half)
{
	script_run((struct script){ .fault = "tfo-blackhole:direction=c2s" },
		"client > S 0:0(0) win 64240 <mss 1460,tfo>\n"
		"pass\n");
}
