/* SPDX-License-Identifier: GPL-2.0-or-later */

/* How the relay, as a sender, recovers from losses (RFC 5681, RFC 6582). The language is that of
 * script.h. */

#include "script/script.h"

#include <criterion/criterion.h>

TestSuite(recovery, .timeout = 20);

/* RFC 6582 section 4: duplicate ACKs that a needless retransmission drew are no sign of a loss,
 * even if meanwhile all was acknowledged and more is sent. */
Test(recovery, duplicates_after_a_timeout_are_not_believed)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE
		"client > P. 1:101(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"server < P. 1:101(100) ack 1\n"
		"+1.1\n"
		"server < P. 1:101(100) ack 1\n"
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n"
		"client > P. 101:201(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 201\n"
		"server < P. 101:201(100) ack 1\n"
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n");
}

/* RFC 5681 section 3.2: the window becomes half of the 10 pieces in flight; until the hole is
 * filled each further duplicate lets one more in. */
Test(recovery, fast_recovery_halves_the_window)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE_AND_5000
		SCRIPT_THREE_DUPLICATE_ACKS
		"server < . 1:101(100) ack 1\n"
		/* cwnd is now 5 + 3 pieces, 10 are out: three more duplicates for one more */
		SCRIPT_THREE_DUPLICATE_ACKS
		"server < . 1001:1101(100) ack 1\n"
		/* the hole is filled: five pieces, one of them out already */
		"server > . 1:1(0) ack 1001 win 509\n"
		"drop\n"
		"server < . 1101:1201(100) ack 1\n");
}

/* RFC 6582 section 3.2 step 3: a partial ACK shows the next hole, which is filled at once. */
Test(recovery, a_partial_ack_repeats_the_next_piece)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE_AND_5000
		SCRIPT_THREE_DUPLICATE_ACKS
		"server < . 1:101(100) ack 1\n"
		"server > . 1:1(0) ack 301 win 509\n"
		"drop\n"
		"server < . 301:401(100) ack 1\n");
}

/* RFC 5681 section 3.1: SSTHRESH is half of what was in flight when the loss was seen, ten pieces
 * here. A second time-out shows no other loss, so slow start goes on up to five. */
Test(recovery, a_second_timeout_does_not_halve_again)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE_AND_5000
		"+1.01\n"
		"server < . 1:101(100) ack 1\n"
		"+2.01\n"
		"server < . 1:101(100) ack 1\n"
		"+4.01\n"
		"server < . 1:101(100) ack 1\n"
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n"
		"server < . 101:201(100) ack 1\n"
		"server < . 201:301(100) ack 1\n"
		"server > . 1:1(0) ack 201 win 509\n"
		"drop\n"
		"server < . 301:401(100) ack 1\n"
		"server < . 401:501(100) ack 1\n"
		"server > . 1:1(0) ack 301 win 509\n"
		"drop\n"
		"server < . 501:601(100) ack 1\n"
		"server < . 601:701(100) ack 1\n"
		"server > . 1:1(0) ack 401 win 509\n"
		"drop\n"
		"server < . 701:801(100) ack 1\n"
		"server < . 801:901(100) ack 1\n"
		/* congestion avoidance */
		"server > . 1:1(0) ack 501 win 509\n"
		"drop\n"
		"server < . 901:1001(100) ack 1\n");
}

/* RFC 6582 section 3.2 step 3, partial: the window shrinks by what is acknowledged and gets back a
 * piece, so that one new piece goes out with each hole that is filled. */
Test(recovery, a_partial_ack_deflates_the_window)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE_AND_5000
		SCRIPT_THREE_DUPLICATE_ACKS
		"server < . 1:101(100) ack 1\n"
		SCRIPT_THREE_DUPLICATE_ACKS
		"server < . 1001:1101(100) ack 1\n"
		/* 11 pieces; 4 are acknowledged, and one comes back: 8, of which 7 are out */
		"server > . 1:1(0) ack 401 win 509\n"
		"drop\n"
		"server < . 401:501(100) ack 1\n"
		"server < . 1101:1201(100) ack 1\n"
		/* 5 more are acknowledged, and one comes back: 4, of which 3 are out */
		"server > . 1:1(0) ack 901 win 509\n"
		"drop\n"
		"server < . 901:1001(100) ack 1\n"
		"server < . 1201:1301(100) ack 1\n");
}

/* Duplicates are counted anew after each advance, and a segment with data or another window is no
 * duplicate (RFC 5681 section 2). */
Test(recovery, what_is_no_duplicate_repeats_nothing)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE_AND_5000
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server > P. 1:11(10) ack 1 win 509\n"
		"pass P. 1:11(10) ack 5001\n"
		"server > . 11:11(0) ack 1 win 510\n"
		"drop\n"
		"server > . 11:11(0) ack 101 win 510\n"
		"drop\n"
		"server < . 1001:1101(100) ack 1\n"
		"server < . 1101:1201(100) ack 1\n"
		"server > . 11:11(0) ack 101 win 510\n"
		"drop\n"
		"server > . 11:11(0) ack 101 win 510\n"
		"drop\n"
		"count retransmissions 0\n"
		"server > . 11:11(0) ack 101 win 510\n"
		"drop\n"
		"server < . 101:201(100) ack 1\n"
		"count retransmissions 1\n");
}

/* RFC 5681 equation 4: half of six pieces is three; two would be the minimum. So the fourth
 * duplicate lets a new piece in: the window is 3 + 4, and six are in flight. */
Test(recovery, fast_recovery_halves_a_small_window)
{
	script_run((struct script){ .segment_size = 2433 },
		"client > S 0:0(0) win 64240 <mss 9000>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 9000>\n"
		"pass\n"
		"client > . 1:19465(19464) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 19465\n"
		"server < . 1:2434(2433) ack 1\n"
		"server < . 2434:4867(2433) ack 1\n"
		"server < . 4867:7300(2433) ack 1\n"
		"server < . 7300:9733(2433) ack 1\n"
		"server < . 9733:12166(2433) ack 1\n"
		"server < . 12166:14599(2433) ack 1\n"
		"server > . 1:1(0) ack 1 win 65160\n"
		"drop\n"
		"server > . 1:1(0) ack 1 win 65160\n"
		"drop\n"
		"server > . 1:1(0) ack 1 win 65160\n"
		"drop\n"
		"server < . 1:2434(2433) ack 1\n"
		"server > . 1:1(0) ack 1 win 65160\n"
		"drop\n"
		"server < . 14599:17032(2433) ack 1\n");
}

/* RFC 5681 section 3.1: after one time-out slow start goes on up to half of what was in flight,
 * then congestion avoidance begins. */
Test(recovery, a_timeout_halves_the_threshold)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE_AND_5000
		"+1.01\n"
		"server < . 1:101(100) ack 1\n"
		"server > . 1:1(0) ack 201 win 509\n"
		"drop\n"
		"server < . 201:301(100) ack 1\n"
		"server < . 301:401(100) ack 1\n"
		"server < . 401:501(100) ack 1\n"
		"server > . 1:1(0) ack 401 win 509\n"
		"drop\n"
		"server < . 501:601(100) ack 1\n"
		"server < . 601:701(100) ack 1\n"
		"server < . 701:801(100) ack 1\n"
		"server < . 801:901(100) ack 1\n"
		"server > . 1:1(0) ack 501 win 509\n"
		"drop\n"
		"server < . 901:1001(100) ack 1\n"
		"server > . 1:1(0) ack 601 win 509\n"
		"drop\n"
		"server < . 1001:1101(100) ack 1\n");
	/* three of six pieces; two would be the minimum */
	script_run((struct script){ .segment_size = 2433 },
		"client > S 0:0(0) win 64240 <mss 9000>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 9000>\n"
		"pass\n"
		"client > . 1:19465(19464) ack 1 win 64240\n"
		"drop\n"
		"anything\n"
		"+1.01\n"
		"server < . 1:2434(2433) ack 1\n"
		"server > . 1:1(0) ack 2434 win 65160\n"
		"drop\n"
		"server < . 2434:4867(2433) ack 1\n"
		"server < . 4867:7300(2433) ack 1\n"
		"server > . 1:1(0) ack 4867 win 65160\n"
		"drop\n"
		"server < . 7300:9733(2433) ack 1\n"
		"server < . 9733:12166(2433) ack 1\n");
}

/* Half of three pieces is less than the minimum of two. The window is 2 + 3, so two new ones go
 * out. */
Test(recovery, two_pieces_are_the_least_threshold)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE
		"client > . 1:301(300) ack 1 win 502\n"
		"drop\n"
		"anything\n"
		SCRIPT_THREE_DUPLICATE_ACKS
		"server < . 1:101(100) ack 1\n"
		"client > . 301:1001(700) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1001\n"
		"server < . 301:401(100) ack 1\n"
		"server < . 401:501(100) ack 1\n");
}

/* RFC 5681 section 3.2 for a FIN: though nothing follows it, it is repeated fast like a piece. */
Test(recovery, a_fin_is_repeated_fast)
{
	script_run((struct script){ .segment_size = 100, .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > F. 1:101(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 102\n"
		"server < . 1:101(100) ack 1\n"
		"server < F. 101:101(0) ack 1\n"
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n"
		"server < F. 101:101(0) ack 1\n"
		"count retransmissions 1\n"
		"server > P. 1:11(10) ack 101 win 509\n"
		"pass P. 1:11(10) ack 102\n"
		"client > . 102:102(0) ack 11 win 502\n"
		"pass\n"
		"server > . 11:11(0) ack 102 win 509\n"
		"drop\n"
		"+100\n");
}

/* After the first time-out the box keeps the sink's SACK, which RFC 2018 section 5 would have it
 * forget: pieces that the sink has are not sent again. */
Test(recovery, a_timeout_skips_what_the_sink_has)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE
		"client > . 1:401(400) ack 1 win 502\n"
		"drop\n"
		"anything\n"
		"server > . 1:1(0) ack 1 win 509 <sack 101:201 301:401>\n"
		"drop\n"
		"+1.01\n"
		"server < . 1:101(100) ack 1\n"
		"server > . 1:1(0) ack 201 win 509 <sack 301:401>\n"
		"drop\n"
		"server < . 201:301(100) ack 1\n");
}

/* What is in flight may end in mid-piece, at the window's edge. It is sent again up to there,
 * though the rest of the piece no longer fits. */
Test(recovery, what_was_out_is_sent_again_up_to_its_end)
{
	script_run((struct script){ .segment_size = 1400, .at_end = script_nothing_is_held },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 100 <mss 1460>\n"
		"pass\n"
		"client > P. 1:201(200) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 201\n"
		"server < . 1:101(100) ack 1\n"
		"server > . 1:1(0) ack 71 win 50\n"
		"drop\n"
		"+1.1\n"
		"server < . 71:101(30) ack 1\n"
		"server > . 1:1(0) ack 101 win 100\n"
		"drop\n"
		"server < P. 101:201(100) ack 1\n"
		"server > . 1:1(0) ack 201 win 100\n"
		"drop\n");
}

/* RFC 6582 section 3.2 step 3, full ACK: min(ssthresh, max(flight, SMSS) + SMSS) is two pieces.
 * Then ACKs open the window as in slow start, and duplicates are counted anew. */
Test(recovery, recovery_ends_with_all_that_was_out)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE_AND_5000
		SCRIPT_THREE_DUPLICATE_ACKS
		"server < . 1:101(100) ack 1\n"
		"server > . 1:1(0) ack 1001 win 509\n"
		"drop\n"
		"server < . 1001:1101(100) ack 1\n"
		"server < . 1101:1201(100) ack 1\n"
		"server > . 1:1(0) ack 1101 win 509\n"
		"drop\n"
		"server < . 1201:1301(100) ack 1\n"
		"server < . 1301:1401(100) ack 1\n"
		"server > . 1:1(0) ack 1101 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 1101 win 509\n"
		"drop\n"
		"count retransmissions 1\n"
		/* the third shows a loss: RFC 5681 section 3.2 step 3 lets 2 + 3 pieces be in
		 * flight */
		"server > . 1:1(0) ack 1101 win 509\n"
		"drop\n"
		"server < . 1101:1201(100) ack 1\n"
		"server < . 1401:1501(100) ack 1\n"
		"server < . 1501:1601(100) ack 1\n"
		"count retransmissions 2\n");
}

/* The same with much still in flight: the window is ssthresh, and these five pieces fill it. */
Test(recovery, recovery_ends_with_half_the_window)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE_AND_5000
		SCRIPT_THREE_DUPLICATE_ACKS
		"server < . 1:101(100) ack 1\n"
		SCRIPT_THREE_DUPLICATE_ACKS
		"server < . 1001:1101(100) ack 1\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server < . 1101:1201(100) ack 1\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server < . 1201:1301(100) ack 1\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server < . 1301:1401(100) ack 1\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server < . 1401:1501(100) ack 1\n"
		"server > . 1:1(0) ack 1001 win 509\n"
		"drop\n"
		/* congestion avoidance: 20 octets more do not make a piece */
		"server > . 1:1(0) ack 1101 win 509\n"
		"drop\n"
		"server < . 1501:1601(100) ack 1\n");
}

/* A piece that was repeated in a recovery can be lost again. After a time-out it goes out first, as
 * the sink waits for it. */
Test(recovery, a_timeout_repeats_what_recovery_has_repeated)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE_AND_5000
		"server > . 1:1(0) ack 1 win 509 <sack 201:301>\n"
		"drop\n"
		"server > . 1:1(0) ack 1 win 509 <sack 201:401>\n"
		"drop\n"
		"server > . 1:1(0) ack 1 win 509 <sack 201:501>\n"
		"drop\n"
		"server < . 1:101(100) ack 1\n"
		"+1.01\n"
		"server < . 1:101(100) ack 1\n"
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n"
		"server < . 101:201(100) ack 1\n");
}
