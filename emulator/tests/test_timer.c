/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The retransmission timer (RFC 6298). The language is that of script.h. */

#include "drive.h"
#include "script/script.h"

#include "core/box.h"

#include <criterion/criterion.h>

TestSuite(timer, .timeout = 20);

/* RFC 5681 section 3.1: a time-out sends one piece, and doubles the timer (RFC 6298 rule 5.5). */
Test(timer, a_timeout_sends_one_piece_and_doubles_the_timer)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE_AND_5000
		"+0.99\n"
		"+0.02\n"
		"server < . 1:101(100) ack 1\n"
		"+1.98\n"
		"+0.03\n"
		"server < . 1:101(100) ack 1\n"
		"+3.96\n"
		"+0.05\n"
		"server < . 1:101(100) ack 1\n"
		/* slow start again: two for one, the same pieces */
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n"
		"server < . 101:201(100) ack 1\n"
		"server < . 201:301(100) ack 1\n");
}

/* RFC 6298 section 2: R = 500 ms, so SRTT = 500, RTTVAR = 250, RTO = 1.5 s. */
Test(timer, the_timer_follows_the_round_trip_time)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"+0.5\n"
		"server > . 1:1(0) ack 11 win 509\n"
		"drop\n"
		"client > P. 11:21(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 21\n"
		"server < P. 11:21(10) ack 1\n"
		"+1.49\n"
		"+0.02\n"
		"server < P. 11:21(10) ack 1\n");
}

/* Karn's algorithm (RFC 6298 section 3): the ACK of a repeated piece is not measured, or the RTO
 * would be some 3.3 s here, not the initial second. */
Test(timer, what_was_sent_twice_is_not_measured)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"+1.1\n"
		"server < P. 1:11(10) ack 1\n"
		"server > . 1:1(0) ack 11 win 509\n"
		"drop\n"
		"client > P. 11:21(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 21\n"
		"server < P. 11:21(10) ack 1\n"
		"+1.01\n"
		"server < P. 11:21(10) ack 1\n");
}

/* Karn's algorithm for a piece that was being measured and is repeated because SACK shows that it
 * is lost. Otherwise the RTO would be 2.7 s in the end. */
Test(timer, what_is_repeated_in_recovery_is_not_measured)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE_AND_5000
		"server > . 1:1(0) ack 1 win 509 <sack 101:501>\n"
		"drop\n"
		"server > . 1:1(0) ack 1 win 509 <sack 101:601>\n"
		"drop\n"
		"server > . 1:1(0) ack 1 win 509 <sack 101:701>\n"
		"drop\n"
		"server < . 1:101(100) ack 1\n"
		"server > . 1:1(0) ack 1 win 509 <sack 101:801>\n"
		"drop\n"
		"server > . 1:1(0) ack 1 win 509 <sack 101:901>\n"
		"drop\n"
		"server > . 1:1(0) ack 1 win 509 <sack 101:1001>\n"
		"drop\n"
		"server < . 1001:1101(100) ack 1\n"
		"server > . 1:1(0) ack 1 win 509 <sack 101:1001>\n"
		"drop\n"
		"server < . 1101:1201(100) ack 1\n"
		"server > . 1:1(0) ack 1 win 509 <sack 1101:1201 101:1001>\n"
		"drop\n"
		"server < . 1001:1101(100) ack 1\n"
		"+0.9\n"
		"server > . 1:1(0) ack 1201 win 509\n"
		"anything\n"
		"+0.98\n"
		"+0.04\n"
		"server < . 1201:1301(100) ack 1\n");
}

/* A sample of more than a minute, as when the box itself was stopped, counts as one of a minute. */
Test(timer, a_round_trip_has_a_longest_time)
{
	static const struct { uint64_t ms, counts_as_ms; } samples[] = {
		{ 45000, 45000 }, { 59970, 59970 }, { 60030, 60000 },
	};

	for (size_t k = 0; k < sizeof(samples) / sizeof(samples[0]); k++) {
		struct engine *e = drive_make_open(512);
		uint64_t now = NS_PER_S, srtt = samples[k].counts_as_ms * 1000, rttvar = srtt / 2,
		rto_ms;
		uint32_t seq = 1;

		for (unsigned i = 0; i < 20; i++, seq += 10) {
			drive_put_in(e, now, CLIENT, TCP_ACK, seq, 1, 10);
			drive_take_all(e);
			/* engine_expire() is not called */
			now += i == 0 ? samples[k].ms * NS_PER_MS : 1000;
			drive_put_in(e, now, SERVER, TCP_ACK, 1, seq + 10, 0);
			drive_take_all(e);
			if (i == 0)
				continue;
			rttvar = (3 * rttvar + srtt - 1) / 4;	/* RFC 6298 rule 2.3 */
			srtt = (7 * srtt + 1) / 8;
		}
		engine_expire(e, now);		/* sees that the first alarm is long past */
		drive_take_all(e);
		drive_put_in(e, now, CLIENT, TCP_ACK, seq, 1, 10);
		drive_take_all(e);
		rto_ms = (srtt + 4 * rttvar) / 1000 + 1;
		cr_assert_lt(rto_ms, 50000);
		cr_assert_eq(engine_deadline(e), now + rto_ms * NS_PER_MS);
		engine_destroy(e);
	}
}

/* The variance counts as 200 ms at least, to the microsecond. */
Test(timer, the_least_variance_is_exact)
{
	struct engine *e = drive_make_open(512);
	uint64_t now = NS_PER_S;

	drive_put_in(e, now, CLIENT, TCP_ACK, 1, 1, 10);
	drive_take_all(e);
	now += 900 * 1000;
	drive_put_in(e, now, SERVER, TCP_ACK, 1, 11, 0);
	drive_take_all(e);
	engine_expire(e, now + NS_PER_S);
	now += NS_PER_S;
	drive_take_all(e);
	drive_put_in(e, now, CLIENT, TCP_ACK, 11, 1, 10);
	drive_take_all(e);
	cr_assert_eq(engine_deadline(e), now + 201 * NS_PER_MS);
	engine_destroy(e);
}

/* RFC 6298 rule 2.4, but with a minimum RTO of 200 ms, within which delayed ACKs come. */
Test(timer, the_timer_has_a_least_time)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"server > . 1:1(0) ack 11 win 509\n"
		"drop\n"
		"client > P. 11:21(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 21\n"
		"server < P. 11:21(10) ack 1\n"
		"+0.2\n"
		"+0.004\n"
		"server < P. 11:21(10) ack 1\n"
		"count retransmissions 1\n");
}

/* RFC 6298 rules 2.3, 2.5 and 5.5: SRTT moves by an eighth, RTTVAR by a quarter; the timer doubles
 * up to a minute. R = 400 ms, then 800: RTTVAR = (3 * 200 + 400) / 4 = 250, SRTT = 450, so the RTO
 * is 1.45 s; then R = 450: RTTVAR = 187.5, SRTT = 450, and it is 1.2 s. */
Test(timer, the_timer_is_smoothed_and_bounded)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"+0.4\n"
		"server > . 1:1(0) ack 11 win 509\n"
		"drop\n"
		"client > P. 11:21(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 21\n"
		"server < P. 11:21(10) ack 1\n"
		"+0.8\n"
		"server > . 1:1(0) ack 21 win 509\n"
		"drop\n"
		"client > P. 21:31(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 31\n"
		"server < P. 21:31(10) ack 1\n"
		"+0.45\n"
		"server > . 1:1(0) ack 31 win 509\n"
		"drop\n"
		"client > P. 31:41(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 41\n"
		"server < P. 31:41(10) ack 1\n"
		"+1.199\n"
		"+0.004\n"
		"server < P. 31:41(10) ack 1\n"
		"+2.396\n"
		"+0.01\n"
		"server < P. 31:41(10) ack 1\n"
		"+4.79\n"
		"+0.02\n"
		"server < P. 31:41(10) ack 1\n"
		"+9.58\n"
		"+0.04\n"
		"server < P. 31:41(10) ack 1\n"
		"+19.1\n"
		"+0.2\n"
		"server < P. 31:41(10) ack 1\n"
		"+38.2\n"
		"+0.4\n"
		"server < P. 31:41(10) ack 1\n"
		"+59.5\n"
		"+0.6\n"
		"server < P. 31:41(10) ack 1\n"
		"+59.4\n"
		"+0.6\n"
		"server < P. 31:41(10) ack 1\n"
		"count retransmissions 8\n");
}

/* RFC 6298 rule 2.4, applied to the variance as in Linux: R = 75 ms, so SRTT = 75 and 4 * RTTVAR is
 * 150, which counts as 200. The RTO is 276 ms. */
Test(timer, the_variance_has_a_least_time)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"+0.075\n"
		"server > . 1:1(0) ack 11 win 509\n"
		"drop\n"
		"client > P. 11:21(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 21\n"
		"server < P. 11:21(10) ack 1\n"
		"+0.27\n"
		"+0.01\n"
		"server < P. 11:21(10) ack 1\n");
}

/* RFC 6298 rule 2.2: R = 150 ms, so RTTVAR = 75 and RTO = 150 + 4 * 75, not the minimum of 200. */
Test(timer, rto_above_the_least)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"+0.15\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:101(100) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"server < P. 1:101(100) ack 1\n"
		"+0.15\n"
		"server > . 1:1(0) ack 101 win 65160\n"
		"drop\n"
		"client > P. 101:201(100) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 201\n"
		"server < P. 101:201(100) ack 1\n"
		"+0.4\n"
		"+0.06\n"
		"server < P. 101:201(100) ack 1\n");
}

/* RFC 6298 rule 5.1: a timer that runs is not restarted by what is sent later. */
Test(timer, timer_of_the_first_piece)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:101(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"server < P. 1:101(100) ack 1\n"
		"+0.9\n"
		"client > P. 101:201(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 201\n"
		"server < P. 101:201(100) ack 1\n"
		"+0.2\n"
		"server < P. 1:101(100) ack 1\n"
		"server < P. 101:201(100) ack 1\n");
}
