/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What each fault does to packets. The language is that of script.h. The one of 2008 is in
 * test_relay.c.
 */

#include "settings/faultspec.h"
#include "script.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(fault, .timeout = 60);

/* For scripts that are made by a loop. */
#define LINES_BYTES (1 << 20)

#define SCRIPT_HANDSHAKE_NO_SACK                                                         \
	"client > S 0:0(0) win 64240 <mss 1460>\n"                                       \
	"pass\n"                                                                         \
	"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"                                \
	"pass\n"                                                                         \
	"client > . 1:1(0) ack 1 win 64240\n"                                            \
	"pass\n"

/* Cuts ------------------------------------------------------------------------------------ */

Test(fault, off_by_one_elsewhere)
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
Test(fault, every_other_time)
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
Test(fault, percent)
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
Test(fault, psh_hold)
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

Test(fault, psh_hold_when_full)
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
Test(fault, split_eod)
{
	script_run((struct script){ .fault = "split-eod", .segment_size = 8 },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502 'te..x\\r\\n.\\r\\n'\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < . 1:9(8) ack 1 'te..x\\r\\n.'\n");
}

/* The connection's very first octets are a line's, too: the dot is alone in one. */
Test(fault, split_eod_at_the_beginning)
{
	script_run((struct script){ .fault = "split-eod", .segment_size = 2 },
		SCRIPT_HANDSHAKE
		"client > P. 1:4(3) ack 1 win 502 '.\\r\\n'\n"
		"drop\n"
		"client < . 1:1(0) ack 4\n"
		"server < . 1:3(2) ack 1 '.\\r'\n");
}

Test(fault, split_eod_by_arrivals)
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
Test(fault, split_eod_by_three_arrivals)
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
Test(fault, split_eod_passes_a_whole_dot)
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
Test(fault, split_command)
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
Test(fault, split_command_by_lines)
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

static const char hello[] = "'\\x16\\x03\\x01\\x01\\x00\\x01'\n";

/* Records of 255 and 256 octets behind their header. */
Test(fault, hello_256_511)
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
Test(fault, hello_256_511_passes_others)
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
Test(fault, ack_then_die)
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
Test(fault, ack_then_die_counts_what_is_acked)
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
Test(fault, ack_then_die_waits_for_the_first_octet)
{
	script_run((struct script){ .fault = "ack-then-die:bytes=1" },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"client > P. 11:21(10) ack 1 win 502\n"
		"drop\n");
}

Test(fault, ack_then_reset)
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

/* Pieces ---------------------------------------------------------------------------------- */

/* It is ACKed, and not even sent when the sink asks for it. */
Test(fault, lose_tail)
{
	script_run((struct script){ .fault = "lose-tail" },
		SCRIPT_HANDSHAKE
		"client > P. 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"server < . 1:513(512) ack 1\n"
		"server > . 1:1(0) ack 513 win 509\n"
		"drop\n"
		"+10\n"
		/* The stream goes on behind it. */
		"client > P. 514:520(6) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 520\n"
		"server < P. 514:520(6) ack 1\n");
}

Test(fault, lose_tail_keeps_what_is_longer)
{
	script_run((struct script){ .fault = "lose-tail:bytes=2",
				    .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:516(515) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 516\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:516(3) ack 1\n"
		"server > . 1:1(0) ack 516 win 509\n"
		"drop\n");
}

Test(fault, no_retransmit)
{
	script_run((struct script){ .fault = "no-retransmit" },
		SCRIPT_HANDSHAKE
		"client > P. 1:101(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"server < P. 1:101(100) ack 1\n"
		"+60\n");
}

Test(fault, drop_is_made_good)
{
	script_run((struct script){ .fault = "drop:every=2", .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:1025(1024) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1025\n"
		"server < . 1:513(512) ack 1\n"
		"server > . 1:1(0) ack 513 win 509\n"
		"drop\n"
		"+0.3\n"
		"server < P. 513:1025(512) ack 1\n"
		"server > . 1:1(0) ack 1025 win 509\n"
		"drop\n");
}

Test(fault, two_together_stall)
{
	script_run((struct script){ .fault = "drop:every=2 no-retransmit" },
		SCRIPT_HANDSHAKE
		"client > P. 1:1025(1024) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1025\n"
		"server < . 1:513(512) ack 1\n"
		"server > . 1:1(0) ack 513 win 509\n"
		"drop\n"
		"+60\n");
}

Test(fault, duplicate)
{
	script_run((struct script){ .fault = "duplicate:every=2",
				    .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:1101(1100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1101\n"
		"server < . 1:513(512) ack 1\n"
		"server < . 513:1025(512) ack 1\n"
		"server < . 513:1025(512) ack 1\n"
		"server < P. 1025:1101(76) ack 1\n"
		"server > . 1:1(0) ack 1101 win 509\n"
		"drop\n");
}

/* The last piece is shorter than 20 octets. */
/* A piece that goes out twice, or after the next, does so in its own half. */
Test(fault, duplicate_and_reorder_in_both_halves)
{
	script_run((struct script){ .fault = "duplicate:every=1", .direction = DIRECTION_BOTH },
		SCRIPT_HANDSHAKE_BOTH
		"server > P. 1:11(10) ack 1 win 509\n"
		"drop\n"
		"server < . 1:1(0) ack 11\n"
		"client < P. 1:11(10) ack 1\n"
		"client < P. 1:11(10) ack 1\n"
		"client > P. 1:21(20) ack 11 win 502\n"
		"drop\n"
		"client < . 11:11(0) ack 21\n"
		"server < P. 1:21(20) ack 11\n"
		"server < P. 1:21(20) ack 11\n"
		"server > P. 11:31(20) ack 21 win 509\n"
		"drop\n"
		"server < . 21:21(0) ack 31\n"
		"client < P. 11:31(20) ack 21\n"
		"client < P. 11:31(20) ack 21\n");
	script_run((struct script){ .fault = "reorder:every=1", .direction = DIRECTION_BOTH },
		SCRIPT_HANDSHAKE_BOTH
		"server > P. 1:601(600) ack 1 win 509\n"
		"drop\n"
		"server < . 1:1(0) ack 601\n"
		"client < P. 513:601(88) ack 1\n"
		"client < . 1:513(512) ack 1\n"
		"client > P. 1:601(600) ack 601 win 502\n"
		"drop\n"
		"client < . 601:601(0) ack 601\n"
		"server < P. 513:601(88) ack 601\n"
		"server < . 1:513(512) ack 601\n");
}

Test(fault, fin_early)
{
	script_run((struct script){ .fault = "fin-early" },
		SCRIPT_HANDSHAKE
		"client > PF. 1:523(522) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 524\n"
		"server < F. 1:513(512) ack 1\n"
		"server < P. 513:523(10) ack 1\n"
		"server < F. 523:523(0) ack 1\n");
	script_run((struct script){ .fault = "fin-early" },
		SCRIPT_HANDSHAKE
		"client > PF. 1:533(532) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 534\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:533(20) ack 1\n"
		"server < F. 533:533(0) ack 1\n");
}

Test(fault, fin_dup)
{
	script_run((struct script){ .fault = "fin-dup" },
		SCRIPT_HANDSHAKE
		"client > PF. 1:1101(1100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1102\n"
		"server < F. 1:513(512) ack 1\n"
		"server < F. 513:1025(512) ack 1\n"
		"server < P. 1025:1101(76) ack 1\n"
		"server < F. 1101:1101(0) ack 1\n"
		/* The sink takes the first one's. */
		"server > . 1:1(0) ack 514 win 509\n"
		"drop\n");
}

/* With nothing behind it a piece is not held back. */
Test(fault, reorder)
{
	script_run((struct script){ .fault = "reorder:every=1", .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:1101(1100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1101\n"
		"server < . 513:1025(512) ack 1\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 1025:1101(76) ack 1\n"
		"server > . 1:1(0) ack 1101 win 509\n"
		"drop\n");
}

Test(fault, corrupt)
{
	script_run((struct script){ .fault = "corrupt:every=2", .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:514(1) ack 1 altered\n"
		"server > . 1:1(0) ack 514 win 509\n"
		"drop\n");
}

/* Nor does a train of pieces get round it. */
Test(fault, corrupt_with_offload)
{
	script_run((struct script){ .fault = "corrupt:every=3", .offload = true },
		SCRIPT_HANDSHAKE
		"client > P. 1:1101(1100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1101\n"
		"server < . 1:513(512) ack 1\n"
		"server < . 513:1025(512) ack 1\n"
		"server < P. 1025:1101(76) ack 1 altered\n");
}

/* A fault that looks only at where it is cut leaves the train together. */
Test(fault, off_by_one_with_offload)
{
	script_run((struct script){ .fault = "off-by-one", .offload = true },
		SCRIPT_HANDSHAKE
		"client > P. 1:1101(1100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1101\n"
		"server < P. 1:1101(1100) ack 1 seg 512\n");
}

/* That nobody answers is the fault's doing. */
Test(fault, what_a_fault_keeps_back_is_not_unanswered)
{
	script_run((struct script){ .fault = "lose-tail:bytes=10" },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"+100\n"
		"count retransmissions 6\n"
		"count unanswered 0\n");
}

/* Sent again a piece is as any other; a probe is none. */
Test(fault, repetitions_and_probes_are_spared)
{
	script_run((struct script){ .fault = "drop:every=1" },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"+1.1\n"
		"server < P. 1:11(10) ack 1\n"
		"server > . 1:1(0) ack 11 win 0\n"
		"drop\n"
		"client > P. 11:21(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 21\n"
		"+1.1\n"
		"server < . 10:10(0) ack 1\n");
	script_run((struct script){ .fault = "corrupt:every=1" },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1 altered\n"
		"+1.1\n"
		"server < P. 1:11(10) ack 1 altered\n");
	script_run((struct script){ .fault = "reorder:every=1" },
		SCRIPT_HANDSHAKE
		"client > P. 1:1101(1100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1101\n"
		"server < . 513:1025(512) ack 1\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 1025:1101(76) ack 1\n"
		"+1.1\n"
		"server < . 1:513(512) ack 1\n"
		"server > . 1:1(0) ack 513 win 509\n"
		"drop\n"
		"server < . 513:1025(512) ack 1\n"
		"server < P. 1025:1101(76) ack 1\n");
}

/* Packets --------------------------------------------------------------------------------- */

/* 40 octets of headers over IPv4, 60 over IPv6. */
Test(fault, mtu_blackhole)
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

/* A joined packet is not longer than its segments were. */
Test(fault, mtu_blackhole_and_joined_packets)
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

Test(fault, ecn_drop)
{
	script_run((struct script){ .fault = "ecn-drop" },
		"client > SEW 0:0(0) win 64240 <mss 1460>\n"
		"drop\n"
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n");
}

Test(fault, ecn_rst)
{
	script_run((struct script){ .fault = "ecn-rst", .at_end = script_nothing_is_left },
		"client > SEW 0:0(0) win 64240 <mss 1460>\n"
		"drop\n"
		"client < R. 0:0(0) ack 1 local\n");
}

/* One flag of the two asks for nothing. */
Test(fault, ecn_by_halves)
{
	script_run((struct script){ .fault = "ecn-drop" },
		"client:1001 > SE 0:0(0) win 64240 <mss 1460>\n"
		"pass S 0:0(0) <mss 1460>\n"
		"client:1002 > SW 0:0(0) win 64240 <mss 1460>\n"
		"pass S 0:0(0) <mss 1460>\n");
}

Test(fault, tfo_blackhole)
{
	script_run((struct script){ .fault = "tfo-blackhole" },
		"client > S 0:100(100) win 64240 <mss 1460,tfo>\n"
		"drop\n"
		"client > S 0:0(0) win 64240 <mss 1460,tfo>\n"
		"pass\n");
}

/* A client asks for a cookie, gets one, and uses it. */
Test(fault, tfo_blackhole_lets_a_cookie_pass)
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
		/* a fault that is not for a connection leaves it no option */
		"faults tfo-blackhole:client=203.0.113.77/32\n"
		"client:1003 > S 0:0(0) win 64240 <mss 1460,tfo>\n"
		"pass S 0:0(0) <mss 1460>\n");
}

Test(fault, banner_mask)
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

/* Only what the server says first is its banner: one octet of the client's ends that. */
Test(fault, banner_mask_ends_with_the_clients_first_octet)
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

/* The same where the server's data is in the box, and for a checksum left to hardware. */
Test(fault, banner_mask_intercepted)
{
	script_run((struct script){ .fault = "banner-mask", .direction = DIRECTION_BOTH },
		SCRIPT_HANDSHAKE_BOTH
		"server > P. 1:8(7) ack 1 win 509 no-sum '220 a\\r\\n'\n"
		"drop\n"
		"server < . 1:1(0) ack 8\n"
		"client < P. 1:8(7) ack 1 '220 *\\r\\n'\n");
}

/* The server goes on to scale. */
Test(fault, wscale_strip)
{
	script_run((struct script){ .fault = "wscale-strip" },
		"client > S 0:0(0) win 64240 <mss 1460,sackOK,wscale 7>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,wscale 7>\n"
		"pass S. 0:0(0) ack 1 <mss 1460,sackOK>\n"
		"client > . 1:1(0) ack 1 win 64240\n"
		"pass\n"
		/* What is 509 * 128 is taken for 509. */
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"client > P. 1:514(513) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 514 win 65535\n"
		"+1.1\n"
		"server < . 1:510(509) ack 1\n");
}

Test(fault, ack_thin)
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
		/* An ACK with data is data. */
		"client > P. 1:11(10) ack 101 win 501\n"
		"drop\n"
		"client < . 101:101(0) ack 11\n"
		"server < P. 1:11(10) ack 101\n");
}

/* Neither is an ACK, nor counted as one. */
Test(fault, ack_thin_passes_fin_and_rst)
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

Test(fault, first_segment_parser)
{
	static const char *const faults[] = { "first-segment-parser",
					      "first-segment-parser:reset=1" };

	for (size_t i = 0; i < 2; i++) {
		char text[1024];

		snprintf(text, sizeof(text),
			 SCRIPT_HANDSHAKE
			 /* 256 octets behind 5. */
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

/* The server's, another message, and no more than a header. */
Test(fault, first_segment_parser_passes_others)
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

/* 1,073,741,824 higher, both ways; but SACK is not put right. */
Test(fault, isn_shift_of_the_client)
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
		/* It cannot be handed over, however quiet it is. */
		"+2\n"
		"drain\n"
		"client > P. 6:10(4) ack 1 win 502 'more'\n"
		"drop\n"
		"client < . 1:1(0) ack 10\n"
		"server < P. 1073741830:1073741834(4) ack 1 'more'\n");
}

Test(fault, isn_shift_of_the_server)
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

/* Where and when -------------------------------------------------------------------------- */

#define SPOILT "client > P. 1:514(513) ack 1 win 502\ndrop\nclient < . 1:1(0) ack 514\n"
#define SOUND SPOILT "server < . 1:513(512) ack 1\nserver < P. 513:514(1) ack 1\n"

Test(fault, scope_of_a_connection)
{
	static const struct {
		const char *fault, *text;
	} cases[] = {
		{ "off-by-one:port=25", SPOILT }, { "off-by-one:port=1-24", SOUND },
		{ "off-by-one:port=26-", SOUND },
		{ "off-by-one:server=198.51.0.0/16", SOUND }, { "off-by-one:client=2001:db8:2::/48",
								SOUND },
		{ "off-by-one:client=::/0", SPOILT },
		{ "off-by-one:direction=c2s", SPOILT }, { "off-by-one:direction=s2c", SOUND },
		{ "off-by-one:flows=1", SPOILT }, { "off-by-one:flows=2-", SOUND },
		{ "off-by-one:arrivals=1", SPOILT }, { "off-by-one:arrivals=2-", SOUND },
		{ "off-by-one:seconds=0-1", SPOILT }, { "off-by-one:seconds=1-", SOUND },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[2048];

		snprintf(text, sizeof(text), SCRIPT_HANDSHAKE "%s", cases[i].text);
		script_run((struct script){ .fault = cases[i].fault }, text);
	}
}

/* In a script over IPv4 one acts, in one over IPv6 the other. */
Test(fault, scope_of_addresses)
{
	static const char faults[] = "off-by-one:client=198.51.100.0/24,server=203.0.113.2 "
				     "off-by-one:client=2001:db8:1::/48,server=2001:db8:2::2 "
				     "off-by-one:over=88,server=198.51.100.2";

	script_run((struct script){ .fault = faults },
		SCRIPT_HANDSHAKE SPOILT);
	script_run((struct script){ .fault = "off-by-one:client=203.0.113.0/24 "
					     "off-by-one:client=2001:db8:2::/48" },
		SCRIPT_HANDSHAKE SOUND);
}

/* From the time on at which it came into use, not from its first occasion. */
Test(fault, scope_of_time)
{
	script_run((struct script){ .fault = "off-by-one:seconds=1-" }, SCRIPT_HANDSHAKE SOUND);
	script_run((struct script){ .fault = "off-by-one:seconds=1-" },
		   SCRIPT_HANDSHAKE "+2\n" SPOILT);
	script_run((struct script){ .fault = "off-by-one:seconds=0" }, SCRIPT_HANDSHAKE SPOILT);
	script_run((struct script){ .fault = "off-by-one:seconds=0" },
		   SCRIPT_HANDSHAKE "+1\n" SOUND);
	script_run((struct script){ .fault = "off-by-one:seconds=0-2" },
		   SCRIPT_HANDSHAKE "+2\n" SPOILT);
	script_run((struct script){ .fault = "off-by-one:seconds=0-2" },
		   SCRIPT_HANDSHAKE "+3\n" SOUND);
	script_run((struct script){ .fault = "none" },
		SCRIPT_HANDSHAKE
		"+10\n"
		"faults off-by-one:seconds=3-\n"
		"+2\n"
		SOUND);
}

/* Those of a half that goes end to end are counted, too. */
Test(fault, scope_of_arrivals_end_to_end)
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

/* An open range does not end where counting does, and the last number that can be asked for is that
 * of one arrival only: in a half that is intercepted, and in the other. */
Test(fault, scope_of_arrivals_without_an_end)
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

/* The first two, then work. */
Test(fault, scope_of_flows)
{
	script_run((struct script){ .fault = "tfo-blackhole:flows=1-2" },
		"client:1001 > S 0:100(100) win 64240 <mss 1460>\n"
		"drop\n"
		"client:1002 > S 0:100(100) win 64240 <mss 1460>\n"
		"drop\n"
		"client:1003 > S 0:100(100) win 64240 <mss 1460>\n"
		"pass S 0:0(0) <mss 1460>\n"
		/* Sent again, it is still the second. */
		"client:1002 > S 0:100(100) win 64240 <mss 1460>\n"
		"drop\n");
}

/* A flow is counted once, whatever the rules become; and one that is not stays free of it. */
Test(fault, scope_of_flows_and_other_rules)
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

/* The second policy is for others at first, then for this connection, then lets new ones pass. */
Test(fault, policies)
{
	script_run((struct script){ .fault = "off-by-one" },
		"policy 26- lose-tail\n"
		SCRIPT_HANDSHAKE SPOILT
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
	/* Who asks is the client: this is a connection to another port. */
	script_run((struct script){ 0 },
		"policy 25 pass\n"
		"server > SEW 0:0(0) win 64240 <mss 1460>\n"
		"pass S 0:0(0) <mss 1460>\n");
}

/* What faults leave behind ---------------------------------------------------------------- */

/* Only the pieces of the segment that had it. */
Test(fault, fin_dup_of_several_segments)
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

/* The network reorders: the segment with the FIN comes first. It is still that one. */
Test(fault, fin_dup_of_a_segment_that_came_first)
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

/* The sink counts the FIN that was none, and what it says then is heard all the same. */
Test(fault, fin_early_is_acknowledged)
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

/* The last FIN comes again, and the numbers are still put right. */
Test(fault, isn_shift_after_the_end)
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

/* Its numbers are needed for as long as it is open: waiting for that is no work. */
Test(fault, isn_shift_while_draining, .timeout = 10)
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

/* Nobody waits for a flow that is forgotten. */
Test(fault, ack_then_die_while_draining)
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

/* Its RST to the server was lost, and is repeated for who still speaks. */
Test(fault, ack_then_die_repeats_its_reset)
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

/* Each end's ACKs are counted by themselves. */
Test(fault, ack_thin_beside_another_fault)
{
	script_run((struct script){ .fault = "ack-thin:pass=2,direction=c2s "
					     "mtu-blackhole:direction=s2c" },
		"client > S 0:0(0) win 64240 <mss 1460,wscale 7>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,wscale 7>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"drop\n"
		/* This the box takes, whose data it acknowledges. */
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"client > . 1:1(0) ack 1 win 503\n"
		"pass\n");
}

/* There is nothing to strip, so nothing is altered. */
Test(fault, wscale_strip_without_one)
{
	script_run((struct script){ .fault = "wscale-strip" },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n");
}

/* Changed while connections are open ------------------------------------------------------ */

Test(fault, a_stall_ends_with_its_fault)
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

Test(fault, a_fault_comes_into_an_open_connection)
{
	script_run((struct script){ .fault = "none" },
		SCRIPT_HANDSHAKE SOUND
		"faults off-by-one:over=1\n"
		"client > P. 514:1027(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1027\n"
		/* One for new connections only. */
		"faults mtu-blackhole off-by-one:flows=1-5\n"
		"server < . 514:1026(512) ack 1\n"
		"server < P. 1026:1027(1) ack 1\n"
		"client > P. 1027:1540(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1540\n"
		"server < . 1027:1539(512) ack 1\n"
		"server < P. 1539:1540(1) ack 1\n");
}

/* Other rules, but the fault that holds it is what it was. */
Test(fault, a_stall_stays_with_its_fault)
{
	script_run((struct script){ .fault = "psh-hold" },
		SCRIPT_HANDSHAKE
		"client > . 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"faults psh-hold\n"
		"faults psh-hold mtu-blackhole\n"
		/* Another value: looked at again. It had no PSH. */
		"faults psh-hold:bytes=1000 mtu-blackhole\n"
		"faults psh-hold:bytes=500\n"
		"server < . 1:513(512) ack 1\n"
		"server < . 513:514(1) ack 1\n");
	/* The third occasion is the one that stalls. */
	script_run((struct script){ .fault = "off-by-one:every=2" },
		SCRIPT_HANDSHAKE SOUND
		"client > P. 514:1027(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1027\n"
		"faults off-by-one:every=2\n"
		"faults off-by-one:every=2 corrupt\n"
		"faults mtu-blackhole corrupt\n"
		"server < . 514:1026(512) ack 1\n"
		"server < P. 1026:1027(1) ack 1\n");
}

/* Each of its parameters is looked at; and a fault of one half stays with the connection that it
 * was for. */
Test(fault, a_fault_with_another_parameter_is_another)
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

/* An ACK of what was cut before is no reason to cut again what is held: that would be one more
 * occasion for the fault. */
Test(fault, a_stall_lasts_while_acks_come)
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

/* Nobody has looked at how what was cut ended. */
Test(fault, a_fault_that_reads_text_begins_in_the_middle)
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

/* The same place among the faults does not make it the same: it acts each third time only. */
Test(fault, a_fault_that_acts_less_often_is_another)
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

/* Those of a fault that was gone begin anew. */
Test(fault, counts_go_on)
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

/* There is room for so many cuts only, and each change makes one. */
Test(fault, no_room_to_remember_a_cut)
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
	/* All of it comes out, as the window opens, in pieces that were cut. */
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

/* What was cut before a fault came nobody has looked at. */
Test(fault, a_text_fault_comes_into_an_open_connection)
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

/* A change of the rules that leaves the fault in use does not make it forget what it has read. */
Test(fault, a_text_fault_that_stays_has_read_what_was_cut)
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

/* A fault that is now for other connections, or for the other half, leaves this one in peace. */
Test(fault, a_fault_leaves_an_open_connection)
{
	static const char *const now[] = { "off-by-one:port=26-", "off-by-one:direction=s2c",
					   "off-by-one:server=192.0.2.1" };

	for (size_t i = 0; i < sizeof(now) / sizeof(*now); i++) {
		char text[1024];

		snprintf(text, sizeof(text), SCRIPT_HANDSHAKE "faults %s\n" SOUND, now[i]);
		script_run((struct script){ .fault = "off-by-one" }, text);
	}
}

/* So does what is kept of it: pieces that no fault looks at any more go out as a train. */
Test(fault, a_fault_that_is_gone_does_not_end_a_train)
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

/* A fault that acts at other arrivals, or in other seconds, is another: what it stalls is looked at
 * again. Each time one end of the range stays where it was. */
Test(fault, a_fault_with_another_range_is_another)
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

/* What is counted of the faults of any policy goes on when the rules are changed elsewhere: the
 * third piece is the one that is dropped. So it is with the second fault of that policy. */
Test(fault, counts_of_another_policy_go_on)
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

/* A second fault that counts connections stays with those that it has, whatever becomes of
 * others. */
Test(fault, a_second_fault_stays_with_its_connection)
{
	script_run((struct script){ .fault = "corrupt:every=100 drop:every=1,flows=1" },
		SCRIPT_HANDSHAKE
		"faults corrupt:every=200 drop:every=1,flows=1\n"
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n");
}

/* Sequence numbers are shifted for it though another fault stands before it. */
Test(fault, isn_shift_as_the_second_fault)
{
	script_run((struct script){ .fault = "corrupt:every=100 isn-shift" },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass S 1073741824:1073741824(0) <mss 1460>\n");
}

/* A Fast Open option is kept for a fault of one half only. */
Test(fault, tfo_blackhole_of_one_half)
{
	script_run((struct script){ .fault = "tfo-blackhole:direction=c2s" },
		"client > S 0:0(0) win 64240 <mss 1460,tfo>\n"
		"pass\n");
}

/* As text --------------------------------------------------------------------------------- */

Test(fault, text_is_read_and_written)
{
	static const char *const good[][2] = {
		{ "drop", "drop" },
		{ "drop:every=10", "drop" },
		{ "drop:every=3", "drop:every=3" },
		{ "mtu-blackhole:percent=5,bytes=576", "mtu-blackhole:bytes=576,percent=5" },
		{ "off-by-one:over=2,every=2", "off-by-one:over=2,every=2" },
		{ "drop:port=25-587,flows=1-2,every=4,client=198.51.100.0/24",
		  "drop:every=4,client=198.51.100.0/24,port=25-587,flows=1-2" },
		{ "drop:server=2001:db8::1,direction=s2c,arrivals=3,seconds=10-",
		  "drop:direction=s2c,server=2001:db8::1,arrivals=3,seconds=10-" },
		{ "drop:seconds=0", "drop:seconds=0" }, { "drop:seconds=0-", "drop:seconds=0-" },
		{ "drop:seconds=0-0", "drop:seconds=0" }, { "drop:seconds=4294967294",
							    "drop:seconds=4294967294" },
		{ "drop:client=::/0,server=0.0.0.0/0", "drop:server=0.0.0.0/0" },
	};
	static const char *const bad[] = {
		"", ":", "dro", "drop:", "drop:every", "drop:every=", "drop:every=0",
		"drop:every=-1",
		"drop:every=1000001", "drop:every=99999999999999999999", "drop:every=1,",
		"drop:,every=1",
		"drop:over=1", "drop:every= 1", "drop:percent=101", "off-by-one:over=65536",
		"drop:port=65536", "drop:port=2-1", "drop:port=0", "drop:port=1-2-3",
		"drop:flows=-1", "drop:flows=0",
		"drop:arrivals=0", "drop:seconds=-1", "drop:seconds=4294967295", "drop:seconds=1-0",
		"drop:client=198.51.100.0/33", "drop:client=198.51.100",
		"drop:server=2001:db8::/129", "drop:server=/8",
		"drop:direction=both", "drop:client=", "drop:flows", "drop:client=198.51.100.0/",
		"a-name-that-is-longer-than-any-that-there-is",
	};
	struct engine_policy policy;
	struct faultspec_error error;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		char *text;
		size_t size;
		FILE *out = open_memstream(&text, &size);

		policy.faults = 0;
		cr_assert(faultspec_add(&policy, good[i][0], &error), "%s: %s", good[i][0],
			  error.text);
		cr_assert_eq(policy.faults, 1);
		faultspec_print(out, &policy.fault[0]);
		fclose(out);
		cr_assert_str_eq(text, good[i][1]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		policy.faults = 0;
		cr_assert_not(faultspec_add(&policy, bad[i], &error), "%s", bad[i]);
		cr_assert_eq(policy.faults, 0);
		cr_assert_neq(error.text[0], '\0');
	}
	policy.faults = 0;
	cr_assert(faultspec_add(&policy, "none", &error));
	cr_assert_eq(policy.faults, 0);
	for (unsigned i = 0; i < FAULTS_MAX; i++)
		cr_assert(faultspec_add(&policy, "drop", &error));
	cr_assert_not(faultspec_add(&policy, "drop", &error));
}

/* Both ends open at once, and it is the server whose SYN asks for ECN: it is the one refused. */
Test(fault, ecn_rst_of_the_server)
{
	script_run((struct script){ .fault = "ecn-rst" },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > SEW 0:0(0) win 65160 <mss 1460>\n"
		"drop\n"
		"server < R. 0:0(0) ack 1 win 0 local\n"
		"count flows_active 0\n");
}

/* Marsaglia's xorshift64 ("Xorshift RNGs", 2003) from this key. */
static void check_percent(uint64_t key)
{
	static char text[1 << 14];
	uint64_t x = key | 1;
	size_t n = (size_t)sprintf(text, SCRIPT_HANDSHAKE);

	for (unsigned seq = 1; seq <= 991; seq += 10) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		n += (size_t)sprintf(text + n, "client > P. %u:%u(10) ack 1 win 502\ndrop\n"
					       "client < . 1:1(0) ack %u\n"
					       "server < P. %u:%u(10) ack 1%s\n"
					       "server > . 1:1(0) ack %u win 509\ndrop\n",
				     seq, seq + 10, seq + 10, seq, seq + 10,
				     (x >> 32) % 100 < 30 ? " altered" : "", seq + 10);
	}
	script_run((struct script){ .fault = "corrupt:every=1,percent=30", .key = key }, text);
}

/* Which occasions a probability chooses can be repeated with the engine's key. */
Test(fault, percent_is_repeatable)
{
	check_percent(0);
	check_percent(UINT64_C(0x0123456789abcdee));
}

/* The event of a fault that acts on pieces says which, also of the shortest; else it says none. */
Test(fault, events_name_the_piece)
{
	script_run((struct script){ .fault = "corrupt:every=1", .events = true },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 512\n"
		"pass\n"
		"client > P. 1:514(513) ack 1 win 64240\n"
		"* arrival client 0 bytes 513 pending 513\n"
		"* cut client 0 bytes 513 pieces 2 last 1\n"
		"drop\n"
		"* ack client 513 orphaned 513\n"
		"client < . 1:1(0) ack 514\n"
		"* fault corrupt client piece 0 bytes 512\n"
		"server < . 1:513(512) ack 1 altered\n"
		"* fault corrupt client piece 512 bytes 1\n"
		"server < P. 513:514(1) ack 1 altered\n");
	script_run((struct script){ .fault = "off-by-one", .events = true },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 512\n"
		"pass\n"
		"client > P. 1:514(513) ack 1 win 64240\n"
		"* arrival client 0 bytes 513 pending 513\n"
		"* fault off-by-one client piece 0 bytes 0\n"
		"* stall client 0 pending 513\n"
		"drop\n"
		"* ack client 513 orphaned 513\n"
		"client < . 1:1(0) ack 514\n");
}

/* All of a policy's faults are counted, each for itself. */
Test(fault, eight_faults_are_counted)
{
	script_run((struct script){ .fault = "drop:every=1000 drop:every=1000 drop:every=1000 "
					     "drop:every=1000 drop:every=1000 drop:every=1000 "
					     "off-by-one corrupt:every=1" },
		SCRIPT_HANDSHAKE
		"acted 0 0 0 0 0 0 0 0\n"
		"client > P. 1:12(11) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 12\n"
		"server < P. 1:12(11) ack 1 altered\n"
		"acted 0 0 0 0 0 0 0 1\n"
		"client > P. 12:525(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 525\n"
		"acted 0 0 0 0 0 0 1 1\n");
}

/* The same where the fault is not the first of the policy's. */
Test(fault, a_stall_stays_with_the_second_fault)
{
	script_run((struct script){ .fault = "corrupt:every=1000 off-by-one:every=2" },
		SCRIPT_HANDSHAKE SOUND
		"client > P. 514:1027(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1027\n"
		"acted 0 1\n"
		"faults corrupt:every=1000 off-by-one:every=2\n"
		"acted 0 1\n"
		"faults corrupt:every=1000 mtu-blackhole\n"
		"server < . 514:1026(512) ack 1\n"
		"server < P. 1026:1027(1) ack 1\n");
	/* and one that comes second into an open connection acts */
	script_run((struct script){ .fault = "none" },
		SCRIPT_HANDSHAKE
		"faults corrupt:every=1000 off-by-one\n"
		"client > P. 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"acted 0 1\n");
}

/* What the server has sent goes on, too, when its fault goes. */
Test(fault, the_servers_stall_ends_with_its_fault)
{
	script_run((struct script){ .fault = "off-by-one", .direction = DIRECTION_BOTH },
		SCRIPT_HANDSHAKE_BOTH
		"server > P. 1:514(513) ack 1 win 509\n"
		"drop\n"
		"server < . 1:1(0) ack 514\n"
		"client > P. 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"count stalls 2\n"
		"faults drop:every=1000\n"
		"server < . 1:513(512) ack 514\n"
		"server < P. 513:514(1) ack 514\n"
		"client < . 1:513(512) ack 514\n"
		"client < P. 513:514(1) ack 514\n");
}

/* A fault of packets that does not act this time leaves the packet to the next one, and to its
 * way. */
Test(fault, packets_are_shown_to_all_faults)
{
	script_run((struct script){ .fault = "mtu-blackhole:bytes=200,every=2 "
					     "mtu-blackhole:bytes=100,every=2" },
		SCRIPT_HANDSHAKE
		/* the second one's first occasion: neither acts */
		"client > P. 1:101(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"server < P. 1:101(100) ack 1\n"
		/* the first one's first, and the second one's second */
		"client > P. 101:301(200) ack 1 win 502\n"
		"drop\n"
		"acted 0 1\n"
		/* the first one's second */
		"client > P. 101:301(200) ack 1 win 502\n"
		"drop\n"
		"acted 1 1\n");
}

/* A packet without data is at the arrival before it. */
Test(fault, scope_of_arrivals_for_packets_without_data)
{
	script_run((struct script){ .fault = "ack-thin:pass=1000,direction=s2c,arrivals=1" },
		SCRIPT_HANDSHAKE_NO_SACK
		"server > . 1:1(0) ack 1 win 65160\n"
		"drop\n"
		"acted 0\n"
		"server > P. 1:11(10) ack 1 win 65160\n"
		"pass P. 1:11(10) ack 1 win 65535\n"
		"acted 0\n"
		"server > . 11:11(0) ack 1 win 65160\n"
		"drop\n"
		"acted 1\n"
		"server > P. 11:21(10) ack 1 win 65160\n"
		"pass P. 11:21(10) ack 1 win 65535\n"
		"server > . 21:21(0) ack 1 win 65160\n"
		"drop\n"
		"acted 1\n");
}
