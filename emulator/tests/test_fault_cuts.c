/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Faults that act when data is cut. The language is that of script.h. */

#include "script/script.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(fault_cuts, .timeout = 60);

static const char hello[] = "'\\x16\\x03\\x01\\x01\\x00\\x01'\n";

Test(fault_cuts, off_by_one_elsewhere)
{
	script_run((struct script){ .fault = "off-by-one:over=3" },
		SCRIPT_HANDSHAKE
		"client > P. 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:514(1) ack 1\n"
		"client > P. 514:1029(515) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1029\n");
}

/* The first of two is let through. */
Test(fault_cuts, every_other_time)
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
		"client < . 1:1(0) ack 1027\n");
}

/* With the key of scripts, chance says 0, 2, 99, 67, 88, 22. */
Test(fault_cuts, percent)
{
	script_run((struct script){ .fault = "drop:every=1,percent=22", .segment_size = 1 },
		SCRIPT_HANDSHAKE
		"client > P. 1:7(6) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 7\n"
		"server < . 3:4(1) ack 1\n"
		"server < . 4:5(1) ack 1\n"
		"server < . 5:6(1) ack 1\n"
		"server < P. 6:7(1) ack 1\n"
		"acted 2\n");
}

/* Data without PSH, as the middle of a long write, is held; a FIN does not help. */
Test(fault_cuts, psh_hold)
{
	script_run((struct script){ .fault = "psh-hold:bytes=2000" },
		SCRIPT_HANDSHAKE
		"client > . 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"client > P. 514:515(1) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 515\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:515(2) ack 1\n"
		"client > . 515:1515(1000) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1515\n"
		"client > F. 1515:2514(999) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 2515\n");
}

Test(fault_cuts, psh_hold_when_full)
{
	script_run((struct script){ .fault = "psh-hold:bytes=600" },
		SCRIPT_HANDSHAKE
		"client > . 1:601(600) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 601\n"
		"server < . 1:513(512) ack 1\n"
		"server < . 513:601(88) ack 1\n");
}

/* The dot and its CR LF in two pieces, wherever they are split; more data does not help. */
Test(fault_cuts, split_eod)
{
	script_run((struct script){ .fault = "split-eod", .segment_size = 8 },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502 'te..x\\r\\n.\\r\\n'\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < . 1:9(8) ack 1 'te..x\\r\\n.'\n");
}

/* The connection's very first octets are a line's, too: the dot is alone in one. */
Test(fault_cuts, split_eod_at_the_beginning)
{
	script_run((struct script){ .fault = "split-eod", .segment_size = 2 },
		SCRIPT_HANDSHAKE
		"client > P. 1:4(3) ack 1 win 502 '.\\r\\n'\n"
		"drop\n"
		"client < . 1:1(0) ack 4\n"
		"server < . 1:3(2) ack 1 '.\\r'\n");
}

Test(fault_cuts, split_eod_by_arrivals)
{
	script_run((struct script){ .fault = "split-eod" },
		SCRIPT_HANDSHAKE
		"client > P. 1:8(7) ack 1 win 502 'a\\r\\nb\\r\\n.'\n"
		"drop\n"
		"client < . 1:1(0) ack 8\n"
		"server < P. 1:8(7) ack 1 'a\\r\\nb\\r\\n.'\n"
		"client > P. 8:10(2) ack 1 win 502 '\\r\\n'\n"
		"drop\n"
		"client < . 1:1(0) ack 10\n"
		"client > P. 10:16(6) ack 1 win 502 'QUIT\\r\\n'\n"
		"drop\n"
		"client < . 1:1(0) ack 16\n");
}

/* After a line, after the end of a message, and after a CR too many. */
Test(fault_cuts, split_eod_by_three_arrivals)
{
	static const char *const before[] = { "text\\r\\n", "a\\r\\n.\\r\\n", "abc\\r\\r\\n" };

	for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++) {
		char text[1024];

		snprintf(text, sizeof(text),
			SCRIPT_HANDSHAKE
			"client > P. 1:7(6) ack 1 win 502 '%s'\n"
			"drop\n"
			"client < . 1:1(0) ack 7\n"
			"server < P. 1:7(6) ack 1\n"
			"client > P. 7:8(1) ack 1 win 502 '.'\n"
			"drop\n"
			"client < . 1:1(0) ack 8\n"
			"server < P. 7:8(1) ack 1\n"
			"client > P. 8:10(2) ack 1 win 502 '\\r\\n'\n"
			"drop\n"
			"client < . 1:1(0) ack 10\n", before[i]);
		script_run((struct script){ .fault = "split-eod" }, text);
	}
}

/* Not split: in one piece, or behind the CR LF before it. A dot in a line is none. */
Test(fault_cuts, split_eod_passes_a_whole_dot)
{
	script_run((struct script){ .fault = "split-eod", .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:8(7) ack 1 win 502 'a\\r\\nb.\\r\\n'\n"
		"drop\n"
		"client < . 1:1(0) ack 8\n"
		"server < P. 1:8(7) ack 1 'a\\r\\nb.\\r\\n'\n"
		"client > P. 8:11(3) ack 1 win 502 '.\\r\\n'\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 8:11(3) ack 1 '.\\r\\n'\n"
		"client > P. 11:14(3) ack 1 win 502 'x.\\r'\n"
		"drop\n"
		"client < . 1:1(0) ack 14\n"
		"server < P. 11:14(3) ack 1 'x.\\r'\n"
		"client > P. 14:15(1) ack 1 win 502 '\\n'\n"
		"drop\n"
		"client < . 1:1(0) ack 15\n"
		"server < P. 14:15(1) ack 1 '\\n'\n"
		"server > . 1:1(0) ack 15 win 509\n"
		"drop\n");
}

/* Sent again it is the same. */
Test(fault_cuts, split_command)
{
	script_run((struct script){ .fault = "split-command", .segment_size = 20 },
		SCRIPT_HANDSHAKE
		"client > P. 1:30(29) ack 1 win 502 'MAIL FROM:<>\\r\\nrcpt TO:<a@b>\\r\\n'\n"
		"drop\n"
		"client < . 1:1(0) ack 30\n"
		"server < . 1:21(20) ack 1 'MAIL FROM:<>\\r\\nXXXX T'\n"
		"server < P. 21:30(9) ack 1 'O:<a@b>\\r\\n'\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"+1.1\n"
		"server < . 1:21(20) ack 1 'MAIL FROM:<>\\r\\nXXXX T'\n"
		"server > . 1:1(0) ack 30 win 509\n"
		"drop\n"
		/* What is no command, or starts no line here, stays. */
		"client > P. 30:60(30) ack 1 win 502 'RCPTlines of text that is long'\n"
		"drop\n"
		"client < . 1:1(0) ack 60\n"
		"server < . 30:50(20) ack 1 'RCPTlines of text th'\n"
		"server < P. 50:60(10) ack 1 'at is long'\n");
}

/* In mid-line none is a command; one that ends its line is. */
Test(fault_cuts, split_command_by_lines)
{
	script_run((struct script){ .fault = "split-command", .segment_size = 20 },
		SCRIPT_HANDSHAKE
		"client > P. 1:29(28) ack 1 win 502 'a line with RCPT TO:DATA and'\n"
		"drop\n"
		"client < . 1:1(0) ack 29\n"
		"server < . 1:21(20) ack 1 'a line with RCPT TO:'\n"
		"server < P. 21:29(8) ack 1 'DATA and'\n"
		"client > P. 29:36(7) ack 1 win 502 '\\r\\nDATA\\r'\n"
		"drop\n"
		"client < . 1:1(0) ack 36\n"
		"server < P. 29:36(7) ack 1 '\\r\\nXXXX\\r'\n");
}

/* A page of memory ends before the verb; the piece is read whole. */
Test(fault_cuts, split_command_across_pages)
{
	script_run((struct script){ .fault = "split-command", .segment_size = 5000 },
		"client > S 0:0(0) win 64240 <mss 9000>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 9000>\n"
		"pass\n"
		"client > P. 1:4090(4089) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 4090\n"
		"server < P. 1:4090(4089) ack 1\n"
		"client > P. 4090:4101(11) ack 1 win 64240 'line\\r\\nRCPT '\n"
		"drop\n"
		"client < . 1:1(0) ack 4101\n"
		"server < P. 4090:4101(11) ack 1 'line\\r\\nXXXX '\n");
}

/* Records of 255 and 256 octets behind their header. */
Test(fault_cuts, hello_256_511)
{
	char text[1024];

	snprintf(text, sizeof(text),
		SCRIPT_HANDSHAKE
		"client > P. 1:261(260) ack 1 win 502 '\\x16\\x03\\x01\\x00\\xff\\x01'\n"
		"drop\n"
		"client < . 1:1(0) ack 261\n"
		"server < P. 1:261(260) ack 1\n"
		"client > P. 261:522(261) ack 1 win 502 %s"
		"drop\n"
		"client < . 1:1(0) ack 522\n"
		"client > P. 522:532(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 532\n", hello);
	script_run((struct script){ .fault = "hello-256-511" }, text);
}

/* Not in mid-arrival, of 512 octets, of another version or type, or without all of its header. */
Test(fault_cuts, hello_256_511_passes_others)
{
	script_run((struct script){ .fault = "hello-256-511", .segment_size = 5 },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502 'hello\\x16\\x03\\x01\\x01\\x00'\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < . 1:6(5) ack 1\n"
		"server < P. 6:11(5) ack 1\n"
		"client > P. 11:16(5) ack 1 win 502 '\\x16\\x03\\x01\\x02\\x00'\n"
		"drop\n"
		"client < . 1:1(0) ack 16\n"
		"server < P. 11:16(5) ack 1\n"
		"client > P. 16:21(5) ack 1 win 502 '\\x16\\x02\\x01\\x01\\x00'\n"
		"drop\n"
		"client < . 1:1(0) ack 21\n"
		"server < P. 16:21(5) ack 1\n"
		"client > P. 21:26(5) ack 1 win 502 '\\x17\\x03\\x01\\x01\\x00'\n"
		"drop\n"
		"client < . 1:1(0) ack 26\n"
		"server < P. 21:26(5) ack 1\n"
		"client > P. 26:30(4) ack 1 win 502 '\\x16\\x03\\x01\\x01'\n"
		"drop\n"
		"client < . 1:1(0) ack 30\n"
		"server < P. 26:30(4) ack 1\n"
		"client > P. 30:35(5) ack 1 win 502 '\\x16\\x03\\x01\\x01\\xff'\n"
		"drop\n"
		"client < . 1:1(0) ack 35\n");
}

/* All that was ACKed and not sent is lost with the connection. */
Test(fault_cuts, ack_then_die)
{
	script_run((struct script){ .fault = "ack-then-die:bytes=700",
				    .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:601(600) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 601\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:601(88) ack 1\n"
		"client > P. 601:701(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 701\n"
		"server > P. 1:101(100) ack 601 win 502\n"
		"drop\n"
		"client > P. 701:801(100) ack 1 win 502\n"
		"drop\n"
		"+100\n"
		/* The same ports may be used again. */
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n");
}

/* One octet less is not enough. */
Test(fault_cuts, ack_then_die_counts_what_is_acked)
{
	script_run((struct script){ .fault = "ack-then-die:bytes=601" },
		SCRIPT_HANDSHAKE
		"client > P. 1:601(600) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 601\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:601(88) ack 1\n"
		"client > P. 601:602(1) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 602\n"
		"client > P. 602:603(1) ack 1 win 502\n"
		"drop\n");
}

/* Nothing is acknowledged before the first octet came. */
Test(fault_cuts, ack_then_die_waits_for_the_first_octet)
{
	script_run((struct script){ .fault = "ack-then-die:bytes=1" },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"client > P. 11:21(10) ack 1 win 502\n"
		"drop\n");
}

Test(fault_cuts, ack_then_reset)
{
	script_run((struct script){ .fault = "ack-then-die:bytes=100,reset=1",
				    .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:101(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"client > P. 101:201(100) ack 1 win 502\n"
		"drop\n"
		"server < R. 1:1(0) ack 1\n"
		"client < R. 1:1(0) ack 101\n");
}
