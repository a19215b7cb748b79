/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Faults that decide how data is cut. The language is that of script.h. */

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

/* The first occasion passes, the second stalls. */
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

/* With the key of scripts the random numbers are 0, 2, 99, 67, 88, 22: two are below 22. */
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

/* Data without PSH, like the middle of a long write, is held; a FIN does not help. */
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

/* If the end of a message is split after its dot, the rest is held, and more data does not help:
 * neither a command of its own nor octets that fill the piece. */
Test(fault_cuts, split_eod)
{
	script_run((struct script){ .fault = "split-eod", .segment_size = 8 },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502 'te..x\\r\\n.\\r\\n'\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < . 1:9(8) ack 1 'te..x\\r\\n.'\n"
		"client > P. 11:12(1) ack 1 win 502 'Q'\n"
		"drop\n"
		"client < . 1:1(0) ack 12\n"
		"client > P. 12:117(105) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 117\n");
}

/* The first octets of a connection begin a line, too, so a dot there ends the message. More data
 * does not help. */
Test(fault_cuts, split_eod_at_the_beginning)
{
	script_run((struct script){ .fault = "split-eod", .segment_size = 2 },
		SCRIPT_HANDSHAKE
		"client > P. 1:4(3) ack 1 win 502 '.\\r\\n'\n"
		"drop\n"
		"client < . 1:1(0) ack 4\n"
		"server < . 1:3(2) ack 1 '.\\r'\n"
		"client > P. 4:10(6) ack 1 win 502 'QUIT\\r\\n'\n"
		"drop\n"
		"client < . 1:1(0) ack 10\n");
}

/* An end of message that arrives in two parts is split there, however long a piece may be. More
 * data does not help. */
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

/* The dot may follow a line, the end of a message, or a line with an extra CR. More data does not
 * help. */
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
			"client < . 1:1(0) ack 10\n"
			"client > P. 10:16(6) ack 1 win 502 'QUIT\\r\\n'\n"
			"drop\n"
			"client < . 1:1(0) ack 16\n", before[i]);
		script_run((struct script){ .fault = "split-eod" }, text);
	}
}

/* An end of message in one piece passes, even if the CR LF before it is in another. A dot at the
 * end of a line is not an end of message. */
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

/* A repeated piece has the same change. */
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
		/* Text that is not a command, or does not start a line, stays. */
		"client > P. 30:60(30) ack 1 win 502 'RCPTlines of text that is long'\n"
		"drop\n"
		"client < . 1:1(0) ack 60\n"
		"server < . 30:50(20) ack 1 'RCPTlines of text th'\n"
		"server < P. 50:60(10) ack 1 'at is long'\n");
}

/* A verb in mid-line is not a command, even at the start of a piece; one alone on its line is. */
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

/* A page of memory ends within the piece, which must still be read as a whole. */
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

/* Records of 255 and 256 octets after their header: the first passes, the second stalls. */
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

/* What passes: a record in mid-arrival, of 512 octets, of another version or type, or without its
 * whole header. The last, of 511 octets, stalls. */
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

/* Data that was ACKed but not sent is lost with the connection. */
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
		"+7400\n"
		"client > P. 701:801(100) ack 1 win 502\n"
		"drop\n"
		/* The same ports may be used again. */
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n");
}

/* 600 ACKed octets are one too few: the connection dies after the next. */
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

/* Even with bytes=1 the connection must open, and dies only after the first data. */
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
