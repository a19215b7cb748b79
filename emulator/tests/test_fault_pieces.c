/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Faults that act on pieces. The language is that of script.h. */

#include "script/script.h"

#include <criterion/criterion.h>

TestSuite(fault_pieces, .timeout = 60);

/* The tail is ACKed, but never sent, not even after a time-out. */
Test(fault_pieces, lose_tail)
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
		/* The stream goes on after the gap. */
		"client > P. 514:520(6) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 520\n"
		"server < P. 514:520(6) ack 1\n");
}

Test(fault_pieces, lose_tail_keeps_what_is_longer)
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

Test(fault_pieces, no_retransmit)
{
	script_run((struct script){ .fault = "no-retransmit" },
		SCRIPT_HANDSHAKE
		"client > P. 1:101(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"server < P. 1:101(100) ack 1\n"
		"+60\n");
}

Test(fault_pieces, drop_is_made_good)
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

Test(fault_pieces, two_together_stall)
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

Test(fault_pieces, duplicate)
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

/* A piece that goes out twice, or after the next one, must do so in its own half. */
Test(fault_pieces, duplicate_and_reorder_in_both_halves)
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

/* The FIN comes early only if fewer than 20 octets follow: 10, then 20. */
Test(fault_pieces, fin_early)
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

Test(fault_pieces, fin_dup)
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
		/* The sink believes the first FIN. */
		"server > . 1:1(0) ack 514 win 509\n"
		"drop\n");
}

/* A piece is held back only if another follows it. */
Test(fault_pieces, reorder)
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

Test(fault_pieces, corrupt)
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

/* Pieces that a fault may alter must not be sent as a train, or they would bypass it. */
Test(fault_pieces, corrupt_with_offload)
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

/* A fault that acts only on cuts leaves trains together. */
Test(fault_pieces, off_by_one_with_offload)
{
	script_run((struct script){ .fault = "off-by-one", .offload = true },
		SCRIPT_HANDSHAKE
		"client > P. 1:1101(1100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1101\n"
		"server < P. 1:1101(1100) ack 1 seg 512\n");
}

/* A piece that the fault keeps back cannot be answered, so it must not count as unanswered. */
Test(fault_pieces, what_a_fault_keeps_back_is_not_unanswered)
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

/* Repeated pieces and window probes are not dropped or reordered; what corrupt has altered stays
 * so. */
Test(fault_pieces, repetitions_and_probes_are_spared)
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
