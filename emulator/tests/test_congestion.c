/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The congestion window of the relay as a sender (RFC 5681, RFC 6928). The language is that of
 * script.h. */

#include "drive.h"
#include "script/script.h"

#include "core/box.h"

#include <criterion/criterion.h>
#include <inttypes.h>

TestSuite(congestion, .timeout = 20);

/* RFC 6928 section 2 */
Test(congestion, the_initial_window_is_ten_pieces)
{
	script_run((struct script){ .segment_size = 100 }, SCRIPT_HANDSHAKE_AND_5000);
}

/* Ten large pieces are 14,000 octets. Under the limit of 14,600 the last 500 could go out, too, but
 * it is the smaller of the two that counts. */
Test(congestion, ten_large_pieces_are_an_initial_window)
{
	script_run((struct script){ .segment_size = 1400 },
		SCRIPT_HANDSHAKE
		"client > . 1:14501(14500) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 14501\n"
		"server < . 1:1401(1400) ack 1\n"
		"server < . 1401:2801(1400) ack 1\n"
		"server < . 2801:4201(1400) ack 1\n"
		"server < . 4201:5601(1400) ack 1\n"
		"server < . 5601:7001(1400) ack 1\n"
		"server < . 7001:8401(1400) ack 1\n"
		"server < . 8401:9801(1400) ack 1\n"
		"server < . 9801:11201(1400) ack 1\n"
		"server < . 11201:12601(1400) ack 1\n"
		"server < . 12601:14001(1400) ack 1\n");
}

/* With nothing in flight, duplicate ACKs are no sign of loss: the window must not shrink. */
Test(congestion, nothing_that_is_out_cannot_be_lost)
{
	script_run((struct script){ .segment_size = 100, .fault = "off-by-one" },
		SCRIPT_HANDSHAKE
		"client > . 1:102(101) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 102\n"
		SCRIPT_THREE_DUPLICATE_ACKS
		"client > . 102:5001(4899) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 5001\n"
		SCRIPT_TEN_PIECES);
}

/* RFC 5681 section 3.1, with the L of RFC 3465: the window grows by at most two pieces for each
 * ACK. */
Test(congestion, slow_start_opens_the_window_by_what_is_acked)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE_AND_5000
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n"
		"server < . 1001:1101(100) ack 1\n"
		"server < . 1101:1201(100) ack 1\n"
		"server > . 1:1(0) ack 501 win 509\n"
		"drop\n"
		"server < . 1201:1301(100) ack 1\n"
		"server < . 1301:1401(100) ack 1\n"
		"server < . 1401:1501(100) ack 1\n"
		"server < . 1501:1601(100) ack 1\n"
		"server < . 1601:1701(100) ack 1\n"
		"server < . 1701:1801(100) ack 1\n");
}

/* RFC 5681 section 4.1: after a pause the network's capacity is unknown, so start again with
 * ten. */
Test(congestion, a_pause_takes_the_window_back_to_its_beginning)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE
		"client > . 1:1001(1000) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1001\n"
		"server < . 1:101(100) ack 1\n"
		"server < . 101:201(100) ack 1\n"
		"server < . 201:301(100) ack 1\n"
		"server < . 301:401(100) ack 1\n"
		"server < . 401:501(100) ack 1\n"
		"server < . 501:601(100) ack 1\n"
		"server < . 601:701(100) ack 1\n"
		"server < . 701:801(100) ack 1\n"
		"server < . 801:901(100) ack 1\n"
		"server < . 901:1001(100) ack 1\n"
		"server > . 1:1(0) ack 201 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 401 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 1001 win 509\n"
		"drop\n"
		"+10\n"
		"client > . 1001:2401(1400) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 2401\n"
		"server < . 1001:1101(100) ack 1\n"
		"server < . 1101:1201(100) ack 1\n"
		"server < . 1201:1301(100) ack 1\n"
		"server < . 1301:1401(100) ack 1\n"
		"server < . 1401:1501(100) ack 1\n"
		"server < . 1501:1601(100) ack 1\n"
		"server < . 1601:1701(100) ack 1\n"
		"server < . 1701:1801(100) ack 1\n"
		"server < . 1801:1901(100) ack 1\n"
		"server < . 1901:2001(100) ack 1\n");
}

/* The congestion window grows with each ACK, and a stream may be longer than 32 bits can count:
 * neither must overflow. Nothing is lost, so the window never shrinks, and both pieces of a round
 * go out at once. */
Test(congestion, more_than_4_gib_in_one_stream, .timeout = 300)
{
	enum { BYTES = 30000, ROUNDS = 72000 };
	struct engine_config config;
	struct engine_emit emit;
	struct engine *e;
	uint32_t seq = 1;

	engine_config_init(&config);
	config.rules.policy[0].segment_size = BYTES;
	config.offload = true;	/* saves the checksums */
	cr_assert_eq(engine_create(&e, &config), 0);
	drive_put_in(e, 1, CLIENT, TCP_SYN, 0, 0, 0);
	drive_put_in(e, 1, SERVER, TCP_SYN | TCP_ACK, 0, 1, 0);
	drive_put_in(e, 1, CLIENT, TCP_ACK, 1, 1, 0);
	drive_put_in(e, 1, SERVER, TCP_ACK, 1, 1, 0);	/* its window is scaled from now on */
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		size_t sent = 0;

		for (unsigned k = 0; k < 2; k++) {
			cr_assert_eq(drive_put_in(e, i * 1000000, CLIENT, TCP_ACK, seq, 1, BYTES),
				     VERDICT_DROP);
			while (engine_next(e, &emit))
				sent += emit.bytes > BYTES;
			seq += BYTES;
		}
		cr_assert_eq(sent, 2, "in round %" PRIu64 " %zu pieces went out", i, sent);
		cr_assert_eq(drive_put_in(e, i * 1000000, SERVER, TCP_ACK, 1, seq, 0),
			     VERDICT_DROP);
	}
	engine_destroy(e);
}

/* The simulator and the fuzzers rely on engine_wrong(): it must see each wrong state. */
Test(congestion, what_must_hold_is_watched)
{
	struct engine *e = drive_make_open(512);
	struct flow *f = flow_get(&e->table, 0), flow;
	struct relay *r = &f->relay[CLIENT];
	struct transit *t, was;
	uint64_t orphaned;

	drive_put_in(e, NS_PER_S, CLIENT, TCP_ACK, 1, 1, 10);
	drive_take_all(e);
	drive_put_in(e, NS_PER_S, CLIENT, TCP_ACK, 11, 1, 10);
	drive_take_all(e);
	t = box_transit(e, r);
	cr_assert_not_null(t);
	was = *t;
	flow = *f;
	orphaned = e->stats.orphaned_bytes;
	cr_assert_null(engine_wrong(e));

	t->timer_ns = 0;
	cr_assert_str_eq(engine_wrong(e), "something is under way and no timer runs");
	f->output_queued = true;	/* the timer will be set */
	cr_assert_null(engine_wrong(e));
	f->output_queued = false;
	t->snd_nxt = t->snd_max = r->snd_una;
	cr_assert_str_eq(engine_wrong(e), "something waits to be sent and no timer runs");
	t->timer_ns = was.timer_ns;
	cr_assert_null(engine_wrong(e));
	*t = was;
	t->snd_nxt = t->snd_max + 1;
	cr_assert_str_eq(engine_wrong(e), "what is sent, cut and acknowledged is out of order");
	*t = was;
	t->cut_nxt -= 5;
	cr_assert_str_eq(engine_wrong(e), "more was sent than there is");
	t->early_fin = true;
	cr_assert_null(engine_wrong(e));
	*t = was;
	r->edge_low = (uint32_t)r->rcv_nxt;
	cr_assert_str_eq(engine_wrong(e), "a source does not know that there is room");
	r->ack_owed = true;	/* the source will be told */
	cr_assert_null(engine_wrong(e));
	*f = flow;
	e->stats.orphaned_bytes++;
	cr_assert_str_eq(engine_wrong(e), "orphaned octets are miscounted");
	e->stats.orphaned_bytes = orphaned;
	cr_assert_null(engine_wrong(e));
	engine_destroy(e);
}

/* RFC 5681 section 3.1: in congestion avoidance the window grows by SMSS^2 / cwnd with each ACK,
 * and by one octet at least. */
Test(congestion, congestion_avoidance_goes_on_by_single_octets)
{
	script_run((struct script){ .segment_size = 1 },
		SCRIPT_HANDSHAKE
		"client > . 1:31(30) ack 1 win 502\n"
		"drop\n"
		"anything\n"
		"+1.01\n"
		"server < . 1:2(1) ack 1\n"
		/* SSTHRESH is 5; slow start up to there */
		"server > . 1:1(0) ack 3 win 509\n"
		"drop\n"
		"server < . 3:4(1) ack 1\n"
		"server < . 4:5(1) ack 1\n"
		"server < . 5:6(1) ack 1\n"
		"server > . 1:1(0) ack 5 win 509\n"
		"drop\n"
		"server < . 6:7(1) ack 1\n"
		"server < . 7:8(1) ack 1\n"
		"server < . 8:9(1) ack 1\n"
		"server < . 9:10(1) ack 1\n"
		"server > . 1:1(0) ack 6 win 509\n"
		"drop\n"
		"server < . 10:11(1) ack 1\n"
		"server < . 11:12(1) ack 1\n"
		"server > . 1:1(0) ack 7 win 509\n"
		"drop\n"
		"server < . 12:13(1) ack 1\n"
		"server < . 13:14(1) ack 1\n");
}

/* RFC 6928 section 2: min(10 * MSS, max(2 * MSS, 14600)). */
Test(congestion, the_initial_window_of_long_pieces)
{
	/* ten pieces of 1,460 are just 14,600 */
	script_run((struct script){ .segment_size = 1460 },
		SCRIPT_HANDSHAKE
		"client > . 1:16062(16061) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 16062\n"
		"server < . 1:1461(1460) ack 1\n"
		"server < . 1461:2921(1460) ack 1\n"
		"server < . 2921:4381(1460) ack 1\n"
		"server < . 4381:5841(1460) ack 1\n"
		"server < . 5841:7301(1460) ack 1\n"
		"server < . 7301:8761(1460) ack 1\n"
		"server < . 8761:10221(1460) ack 1\n"
		"server < . 10221:11681(1460) ack 1\n"
		"server < . 11681:13141(1460) ack 1\n"
		"server < . 13141:14601(1460) ack 1\n");
	/* seven pieces of 2,000 */
	script_run((struct script){ .segment_size = 2000 },
		"client > S 0:0(0) win 64240 <mss 9000>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 9000>\n"
		"pass\n"
		"client > . 1:18001(18000) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 18001\n"
		"server < . 1:2001(2000) ack 1\n"
		"server < . 2001:4001(2000) ack 1\n"
		"server < . 4001:6001(2000) ack 1\n"
		"server < . 6001:8001(2000) ack 1\n"
		"server < . 8001:10001(2000) ack 1\n"
		"server < . 10001:12001(2000) ack 1\n"
		"server < . 12001:14001(2000) ack 1\n");
	/* two of 8,000 */
	script_run((struct script){ .segment_size = 8000 },
		"client > S 0:0(0) win 64240 <mss 9000>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 9000>\n"
		"pass\n"
		"client > . 1:24001(24000) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 24001\n"
		"server < . 1:8001(8000) ack 1\n"
		"server < . 8001:16001(8000) ack 1\n");
}

/* Without a pause the window keeps the size it has reached: 16 pieces go out at once. */
Test(congestion, a_window_that_is_used_stays)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE
		"client > . 1:1001(1000) ack 1 win 502\n"
		"drop\n"
		"anything\n"
		"+0.1\n"
		"server > . 1:1(0) ack 201 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 401 win 509\n"
		"drop\n"
		"server > . 1:1(0) ack 1001 win 509\n"
		"drop\n"
		"+0.1\n"
		"client > . 1001:2601(1600) ack 1 win 502\n"
		"drop\n"
		"anything\n"
		"server > . 1:1(0) ack 2601 win 509\n"
		"drop\n"
		"count pages_used 0\n");
}

/* RFC 6928 section 2: of pieces a little longer than a tenth of 14,600, nine fit. */
Test(congestion, nine_pieces_are_an_initial_window)
{
	script_run((struct script){ .segment_size = 1600 },
		"client > S 0:0(0) win 64240 <mss 9000>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 9000>\n"
		"pass\n"
		"client > . 1:17601(17600) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 17601\n"
		"server < . 1:1601(1600) ack 1\n"
		"server < . 1601:3201(1600) ack 1\n"
		"server < . 3201:4801(1600) ack 1\n"
		"server < . 4801:6401(1600) ack 1\n"
		"server < . 6401:8001(1600) ack 1\n"
		"server < . 8001:9601(1600) ack 1\n"
		"server < . 9601:11201(1600) ack 1\n"
		"server < . 11201:12801(1600) ack 1\n"
		"server < . 12801:14401(1600) ack 1\n");
}
