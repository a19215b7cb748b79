/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The relay as a TCP sender, and its SACK: RFC 2018, RFC 5681, RFC 6298, RFC 6582, RFC 6928. The
 * language is that of script.h. */

#include "script.h"

#include "core/box.h"
#include "core/bytes.h"
#include "sim/router.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

TestSuite(sender, .timeout = 20);

/* S = 100, so 5,000 octets are 50 pieces: more than any window here. */
#define TEN_PIECES                                                                       \
	"server < . 1:101(100) ack 1\n"                                                  \
	"server < . 101:201(100) ack 1\n"                                                \
	"server < . 201:301(100) ack 1\n"                                                \
	"server < . 301:401(100) ack 1\n"                                                \
	"server < . 401:501(100) ack 1\n"                                                \
	"server < . 501:601(100) ack 1\n"                                                \
	"server < . 601:701(100) ack 1\n"                                                \
	"server < . 701:801(100) ack 1\n"                                                \
	"server < . 801:901(100) ack 1\n"                                                \
	"server < . 901:1001(100) ack 1\n"

#define HANDSHAKE_AND_5000                                                               \
	SCRIPT_HANDSHAKE                                                                 \
	"client > . 1:5001(5000) ack 1 win 502\n"                                        \
	"drop\n"                                                                         \
	"client < . 1:1(0) ack 5001\n"                                                   \
	TEN_PIECES

#define THREE_DUPLICATE_ACKS                                                             \
	"server > . 1:1(0) ack 1 win 509\n"                                              \
	"drop\n"                                                                         \
	"server > . 1:1(0) ack 1 win 509\n"                                              \
	"drop\n"                                                                         \
	"server > . 1:1(0) ack 1 win 509\n"                                              \
	"drop\n"

/* RFC 6928 section 2 */
Test(sender, the_initial_window_is_ten_pieces)
{
	script_run((struct script){ .segment_size = 100 }, HANDSHAKE_AND_5000);
}

/* Ten pieces, also where they are so large that four of them, or 14,600 octets, come near. */
Test(sender, ten_large_pieces_are_an_initial_window)
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

/* ACKs that repeat what was said tell of no loss where nothing is out. */
Test(sender, nothing_that_is_out_cannot_be_lost)
{
	script_run((struct script){ .segment_size = 100, .fault = "off-by-one" },
		SCRIPT_HANDSHAKE
		"client > . 1:102(101) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 102\n"
		THREE_DUPLICATE_ACKS
		"client > . 102:5001(4899) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 5001\n"
		TEN_PIECES);
}

/* What was owed to a hole is not owed any more once the hole is filled. */
Test(sender, a_hole_may_be_filled_before_it_is_its_turn)
{
	script_run((struct script){ .segment_size = 100, .fault = "off-by-one" },
		SCRIPT_HANDSHAKE
		"client > . 1:301(300) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 301\n"
		"server < . 1:101(100) ack 1\n"
		"server < . 101:201(100) ack 1\n"
		"server < . 201:301(100) ack 1\n"
		THREE_DUPLICATE_ACKS
		"server < . 1:101(100) ack 1\n"
		"hold\n"
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n"
		"client > . 301:402(101) ack 1 win 502\n"
		"drop\n"
		"server > . 1:1(0) ack 301 win 509\n"
		"drop\n"
		"take\n"
		"client < . 1:1(0) ack 402\n");
}

/* After the first timeout the sink is still believed what it has told by SACK. */
Test(sender, what_is_sacked_is_not_sent_after_a_timeout)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE
		"client > . 1:501(500) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 501\n"
		"server < . 1:101(100) ack 1\n"
		"server < . 101:201(100) ack 1\n"
		"server < . 201:301(100) ack 1\n"
		"server < . 301:401(100) ack 1\n"
		"server < . 401:501(100) ack 1\n"
		"server > . 1:1(0) ack 1 win 509 <sack 101:201 301:501,nop,nop>\n"
		"drop\n"
		"+1.01\n"
		"server < . 1:101(100) ack 1\n"
		"server > . 1:1(0) ack 201 win 509\n"
		"drop\n"
		"server < . 201:301(100) ack 1\n");
}

/* RFC 5681 section 3.1, with the L of RFC 3465: an ACK lets at most two pieces more in
 * than it takes out. */
Test(sender, slow_start_opens_the_window_by_what_is_acked)
{
	script_run((struct script){ .segment_size = 100 },
		HANDSHAKE_AND_5000
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

/* RFC 5681 section 3.1: after a timeout one piece, and the timer doubles (RFC 6298 rule
 * 5.5). */
Test(sender, a_timeout_sends_one_piece_and_doubles_the_timer)
{
	script_run((struct script){ .segment_size = 100 },
		HANDSHAKE_AND_5000
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

/* RFC 6582 section 4: duplicates that answer what was needlessly sent again are no sign of a
 * loss, though in between all was acknowledged and more is sent. */
Test(sender, duplicates_after_a_timeout_are_not_believed)
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

/* RFC 6298 section 2: R = 500 ms, so SRTT = 500, RTTVAR = 250, RTO = 1.5 s. */
Test(sender, the_timer_follows_the_round_trip_time)
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

/* Karn's algorithm (RFC 6298 section 3): the ACK of a piece that was repeated measures
 * nothing. Else the RTO would be some 3.3 s here, not the first second. */
Test(sender, what_was_sent_twice_is_not_measured)
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

/* RFC 5681 section 3.2: half of what was out, which was 10 pieces, so 5; while the hole is
 * open each further duplicate lets one in beyond that. */
Test(sender, fast_recovery_halves_the_window)
{
	script_run((struct script){ .segment_size = 100 },
		HANDSHAKE_AND_5000
		THREE_DUPLICATE_ACKS
		"server < . 1:101(100) ack 1\n"
		/* cwnd is now 5 + 3 pieces, 10 are out: three more duplicates for one more */
		THREE_DUPLICATE_ACKS
		"server < . 1001:1101(100) ack 1\n"
		/* the hole is filled: five pieces, one of them out already */
		"server > . 1:1(0) ack 1001 win 509\n"
		"drop\n"
		"server < . 1101:1201(100) ack 1\n");
}

/* RFC 6582 section 3.2 step 3: a partial ACK shows the next hole, which is filled at once. */
Test(sender, a_partial_ack_repeats_the_next_piece)
{
	script_run((struct script){ .segment_size = 100 },
		HANDSHAKE_AND_5000
		THREE_DUPLICATE_ACKS
		"server < . 1:101(100) ack 1\n"
		"server > . 1:1(0) ack 301 win 509\n"
		"drop\n"
		"server < . 301:401(100) ack 1\n");
}

/* RFC 2018 section 4: the block that came last is told first. */
Test(sender, the_newest_block_is_told_first)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > . 101:201(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 101:201>\n"
		"client > . 501:601(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 501:601 101:201>\n"
		"client > . 301:401(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <sack 301:401 101:201 501:601>\n");
}

/* RFC 5681 section 4.1: after a pause nobody knows what the network can take. */
Test(sender, a_pause_takes_the_window_back_to_its_beginning)
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

#define THREE_PIECES                                                                     \
	SCRIPT_HANDSHAKE                                                                 \
	"client > P. 1:301(300) ack 1 win 502\n"                                         \
	"drop\n"                                                                         \
	"client < . 1:1(0) ack 301\n"                                                    \
	"server < . 1:101(100) ack 1\n"                                                  \
	"server < . 101:201(100) ack 1\n"                                                \
	"server < P. 201:301(100) ack 1\n"

/* RFC 2018 section 8: the sink had [101, 301) and has thrown it away, or its ACK of 101 would
 * have gone beyond. Linux waits 10 ms then (tcp_check_sack_reneging()). */
Test(sender, a_sink_that_goes_back_on_sack_is_sent_all_again)
{
	script_run((struct script){ .segment_size = 100, .at_end = script_nothing_is_held },
		THREE_PIECES
		"server > . 1:1(0) ack 1 win 509 <sack 101:301>\n"
		"drop\n"
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n"
		"+0.0099\n"
		"+0.0002\n"
		"server < . 101:201(100) ack 1\n"
		"server > . 1:1(0) ack 201 win 509\n"
		"drop\n"
		"server < P. 201:301(100) ack 1\n"
		"server > . 1:1(0) ack 301 win 509\n"
		"drop\n");
}

/* The same sink has closed its window as well, with more waiting for it to open. What is out
 * keeps a timer all the time, so the connection goes on. */
Test(sender, a_sink_that_goes_back_on_sack_and_closes_its_window_is_not_forgotten)
{
	script_run((struct script){ .segment_size = 100 },
		THREE_PIECES
		"client > P. 301:501(200) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 501\n"
		"server < . 301:401(100) ack 1\n"
		"server < P. 401:501(100) ack 1\n"
		"server > . 1:1(0) ack 1 win 509 <sack 101:301>\n"
		"drop\n"
		"server > . 1:1(0) ack 101 win 0\n"
		"drop\n"
		"+0.02\n"
		"server < . 101:201(100) ack 1\n"
		"+0.5\n"
		"server < . 101:201(100) ack 1\n"
		"server > . 1:1(0) ack 201 win 509\n"
		"drop\n"
		"server < P. 201:301(100) ack 1\n"
		"server < . 301:401(100) ack 1\n");
}

/* Karn's algorithm again, for a piece that was measured when it was sent first and is repeated
 * because SACK shows that it is lost. Else the RTO would be 2.7 s in the end. */
Test(sender, what_is_repeated_in_recovery_is_not_measured)
{
	script_run((struct script){ .segment_size = 100 },
		HANDSHAKE_AND_5000
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

/* RFC 5681 section 3.1: SSTHRESH is half of what was out when the loss was seen, ten pieces here,
 * and a timer that goes off again shows no other loss. So slow start goes on up to five. */
Test(sender, a_second_timeout_does_not_halve_again)
{
	script_run((struct script){ .segment_size = 100 },
		HANDSHAKE_AND_5000
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

/* Puts in a packet over IPv4, whose checksum is left to hardware. Returns the verdict. */
static enum engine_verdict put_in(struct engine *e, uint64_t now_ns, enum engine_side from,
				  uint8_t flags, uint32_t seq, uint32_t ack, uint32_t bytes)
{
	static const uint8_t options[] = { 2, 4, 0xff, 0xbf, 1, 3, 3, 7 };	/* MSS 65,471 */
	static uint8_t packet[1 << 16];
	size_t header = flags & TCP_SYN ? 28 : 20, len = 20 + header + bytes;

	memset(packet, 0, 40);
	packet[0] = 0x45;
	bytes_put16(packet + 2, (uint16_t)len);
	packet[8] = 64;
	packet[9] = 6;
	packet[12 + 3] = from == CLIENT ? 1 : 2;
	packet[16 + 3] = from == CLIENT ? 2 : 1;
	bytes_put16(packet + 20, from == CLIENT ? 40000 : 25);
	bytes_put16(packet + 22, from == CLIENT ? 25 : 40000);
	bytes_put32(packet + 24, seq);
	bytes_put32(packet + 28, ack);
	packet[32] = (uint8_t)(header / 4 << 4);
	packet[33] = flags;
	bytes_put16(packet + 34, 65535);
	memcpy(packet + 40, options, header - 20);
	return engine_input(e, now_ns, packet, &len, ENGINE_NO_CHECKSUM);
}

/* The congestion window grows by all that is acknowledged, and a stream may be longer than 32
 * bits can tell. No loss, so the window must never get smaller: both pieces go out at once. */
Test(sender, more_than_4_gib_in_one_stream, .timeout = 300)
{
	enum { BYTES = 30000, ROUNDS = 72000 };
	struct engine_config config;
	struct engine_emit emit;
	struct engine *e;
	uint32_t seq = 1;

	engine_config_init(&config);
	config.rules.policy[0].segment_size = BYTES;
	config.offload = true;	/* no checksum over all of that */
	cr_assert_eq(engine_create(&e, &config), 0);
	put_in(e, 1, CLIENT, TCP_SYN, 0, 0, 0);
	put_in(e, 1, SERVER, TCP_SYN | TCP_ACK, 0, 1, 0);
	put_in(e, 1, CLIENT, TCP_ACK, 1, 1, 0);
	put_in(e, 1, SERVER, TCP_ACK, 1, 1, 0);	/* its window is scaled from now on */
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		size_t sent = 0;

		for (unsigned k = 0; k < 2; k++) {
			cr_assert_eq(put_in(e, i * 1000000, CLIENT, TCP_ACK, seq, 1, BYTES),
				     VERDICT_DROP);
			while (engine_next(e, &emit))
				sent += emit.bytes > BYTES;
			seq += BYTES;
		}
		cr_assert_eq(sent, 2, "in round %" PRIu64 " %zu pieces went out", i, sent);
		cr_assert_eq(put_in(e, i * 1000000, SERVER, TCP_ACK, 1, seq, 0), VERDICT_DROP);
	}
	engine_destroy(e);
}

static struct engine *make_open(uint16_t segment_size)
{
	struct engine_config config;
	struct engine *e;

	engine_config_init(&config);
	config.rules.policy[0].segment_size = segment_size;
	cr_assert_eq(engine_create(&e, &config), 0);
	put_in(e, 1, CLIENT, TCP_SYN, 0, 0, 0);
	put_in(e, 1, SERVER, TCP_SYN | TCP_ACK, 0, 1, 0);
	put_in(e, 1, CLIENT, TCP_ACK, 1, 1, 0);
	return e;
}

/* All that it sends over IPv4; returns the most octets of one packet. */
static size_t take_all(struct engine *e)
{
	struct engine_emit emit;
	size_t most = 0;

	while (engine_next(e, &emit))
		most = emit.bytes - 40 > most ? emit.bytes - 40 : most;
	return most;
}

/* A sample of more than a minute, as when the box itself was stopped, counts as one of a minute. */
Test(sender, a_round_trip_has_a_longest_time)
{
	static const struct { uint64_t ms, counts_as_ms; } samples[] = {
		{ 45000, 45000 }, { 59970, 59970 }, { 60030, 60000 },
	};

	for (size_t k = 0; k < sizeof(samples) / sizeof(samples[0]); k++) {
		struct engine *e = make_open(512);
		uint64_t now = NS_PER_S, srtt = samples[k].counts_as_ms * 1000, rttvar = srtt / 2,
		rto_ms;
		uint32_t seq = 1;

		for (unsigned i = 0; i < 20; i++, seq += 10) {
			put_in(e, now, CLIENT, TCP_ACK, seq, 1, 10);
			take_all(e);
			/* the timer is not looked at */
			now += i == 0 ? samples[k].ms * NS_PER_MS : 1000;
			put_in(e, now, SERVER, TCP_ACK, 1, seq + 10, 0);
			take_all(e);
			if (i == 0)
				continue;
			rttvar = (3 * rttvar + srtt - 1) / 4;	/* RFC 6298 rule 2.3 */
			srtt = (7 * srtt + 1) / 8;
		}
		engine_expire(e, now);		/* sees that the first alarm is long over */
		take_all(e);
		put_in(e, now, CLIENT, TCP_ACK, seq, 1, 10);
		take_all(e);
		rto_ms = (srtt + 4 * rttvar) / 1000 + 1;
		cr_assert_lt(rto_ms, 50000);
		cr_assert_eq(engine_deadline(e), now + rto_ms * NS_PER_MS);
		engine_destroy(e);
	}
}

/* A least time of 200 ms for the variance, to the microsecond. */
Test(sender, the_least_variance_is_exact)
{
	struct engine *e = make_open(512);
	uint64_t now = NS_PER_S;

	put_in(e, now, CLIENT, TCP_ACK, 1, 1, 10);
	take_all(e);
	now += 900 * 1000;
	put_in(e, now, SERVER, TCP_ACK, 1, 11, 0);
	take_all(e);
	engine_expire(e, now + NS_PER_S);
	now += NS_PER_S;
	take_all(e);
	put_in(e, now, CLIENT, TCP_ACK, 11, 1, 10);
	take_all(e);
	cr_assert_eq(engine_deadline(e), now + 201 * NS_PER_MS);
	engine_destroy(e);
}

/* RFC 791: a router of IPv4 may carry as little as 68 octets. */
Test(sender, a_router_of_ipv4_may_carry_very_little)
{
	struct engine *e = make_open(512);
	uint8_t packet[1024], word[ROUTER_ANSWER_BYTES];
	struct engine_stats stats;
	struct engine_emit emit;
	size_t len = 0;

	put_in(e, NS_PER_S, CLIENT, TCP_ACK, 1, 1, 512);
	while (engine_next(e, &emit)) {
		len = 0;
		for (size_t i = 0; i < emit.parts; len += emit.part[i++].bytes)
			memcpy(packet + len, emit.part[i].data, emit.part[i].bytes);
	}
	cr_assert_eq(len, 552);
	engine_get_stats(e, &stats);
	cr_assert_gt(stats.pages_used, 0);
	len = router_too_big(word, packet, 68);
	cr_assert_eq(engine_input(e, NS_PER_S, word, &len, 0), VERDICT_DROP);
	engine_get_stats(e, &stats);
	cr_assert_eq(stats.paths_limited, 1);
	cr_assert_eq(take_all(e), 28);
	engine_destroy(e);
}

/* What every path carries is tried at the third time-out: over IPv4, 536 octets (RFC 1122 section
 * 3.3.3). */
Test(sender, a_piece_that_is_lost_three_times_is_sent_in_parts)
{
	struct engine *e = make_open(1400);

	put_in(e, NS_PER_S, CLIENT, TCP_ACK, 1, 1, 1400);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(take_all(e), 1400);
		engine_expire(e, engine_deadline(e));
	}
	cr_assert_eq(take_all(e), 536);
	engine_destroy(e);
}

/* Half the size with each timeout from the seventh on, but not less than what IPv4 must carry. */
Test(sender, a_small_piece_is_halved_in_the_end)
{
	struct engine *e = make_open(512);
	struct engine_stats stats;

	put_in(e, NS_PER_S, CLIENT, TCP_ACK, 1, 1, 512);
	for (;;) {
		size_t most = take_all(e);

		engine_get_stats(e, &stats);
		if (stats.orphaned_bytes == 0)	/* given up */
			break;
		cr_assert_eq(most, stats.paths_limited < 5 ? 512u >> stats.paths_limited : 28);
		engine_expire(e, engine_deadline(e));
	}
	cr_assert_eq(stats.paths_limited, 5);
	engine_destroy(e);
}

/* What the simulator and the fuzzers look at: each state that must not be is seen. */
Test(sender, what_must_hold_is_watched)
{
	struct engine *e = make_open(512);
	struct flow *f = flow_get(&e->table, 0), flow;
	struct relay *r = &f->relay[CLIENT];
	struct transit *t, was;
	uint64_t orphaned;

	put_in(e, NS_PER_S, CLIENT, TCP_ACK, 1, 1, 10);
	take_all(e);
	put_in(e, NS_PER_S, CLIENT, TCP_ACK, 11, 1, 10);
	take_all(e);
	t = box_transit(e, r);
	cr_assert_not_null(t);
	was = *t;
	flow = *f;
	orphaned = e->stats.orphaned_bytes;
	cr_assert_null(engine_wrong(e));

	t->timer_ns = 0;
	cr_assert_str_eq(engine_wrong(e), "something is under way and no timer runs");
	f->output_queued = true;	/* it will be set */
	cr_assert_null(engine_wrong(e));
	f->output_queued = false;
	t->snd_nxt = t->snd_max = r->snd_una;
	cr_assert_str_eq(engine_wrong(e), "something waits to be sent and no timer runs");
	t->timer_ns = was.timer_ns;
	cr_assert_null(engine_wrong(e));
	*t = was;
	t->snd_nxt = t->snd_max + 1;
	cr_assert_str_eq(engine_wrong(e), "what is sent, cut and acknowledged is in no order");
	*t = was;
	t->cut_nxt -= 5;
	cr_assert_str_eq(engine_wrong(e), "more was sent than there is");
	t->early_fin = true;
	cr_assert_null(engine_wrong(e));
	*t = was;
	r->edge_low = (uint32_t)r->rcv_nxt;
	cr_assert_str_eq(engine_wrong(e), "a source knows of no room, and there is some");
	r->ack_owed = true;	/* it will be told */
	cr_assert_null(engine_wrong(e));
	*f = flow;
	e->stats.orphaned_bytes++;
	cr_assert_str_eq(engine_wrong(e), "orphaned octets are miscounted");
	e->stats.orphaned_bytes = orphaned;
	cr_assert_null(engine_wrong(e));
	engine_destroy(e);
}

/* However many they are, pieces of one size take one place, also where a fault looks at each. */
Test(sender, full_pieces_are_one_run)
{
	struct engine *e = make_open(10);

	put_in(e, NS_PER_S, CLIENT, TCP_ACK, 1, 1, 30005);
	take_all(e);
	cr_assert_eq(box_transit(e, &flow_get(&e->table, 0)->relay[CLIENT])->stream.runs_count, 1);
	engine_destroy(e);
}

/* RFC 6298 rule 2.4, but with a least RTO of 200 ms, which a delayed ACK keeps to. */
Test(sender, the_timer_has_a_least_time)
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
Test(sender, the_timer_is_smoothed_and_bounded)
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

/* RFC 5681 section 3.1: in congestion avoidance the window grows by SMSS^2 / cwnd with each ACK,
 * and by one octet at least. */
Test(sender, congestion_avoidance_goes_on_by_single_octets)
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
Test(sender, the_initial_window_of_long_pieces)
{
	/* 1460 * 10 is all of it */
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

/* Without a pause the window stays what it has grown to: 16 pieces at once. */
Test(sender, a_window_that_is_used_stays)
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

/* RFC 6582 section 3.2 step 3, partial: the window shrinks by what is acknowledged and gets back a
 * piece, so that one new piece goes out with each hole that is filled. */
Test(sender, a_partial_ack_deflates_the_window)
{
	script_run((struct script){ .segment_size = 100 },
		HANDSHAKE_AND_5000
		THREE_DUPLICATE_ACKS
		"server < . 1:101(100) ack 1\n"
		THREE_DUPLICATE_ACKS
		"server < . 1001:1101(100) ack 1\n"
		/* 11 pieces; 4 are acknowledged, and one comes back: 8, of which 7 are out */
		"server > . 1:1(0) ack 401 win 509\n"
		"drop\n"
		"server < . 401:501(100) ack 1\n"
		"server < . 1101:1201(100) ack 1\n"
		/* 5 more: 4, and 3 are out */
		"server > . 1:1(0) ack 901 win 509\n"
		"drop\n"
		"server < . 901:1001(100) ack 1\n"
		"server < . 1201:1301(100) ack 1\n");
}

/* Duplicates are counted anew after each advance, and a segment with data or another window is
 * none (RFC 5681 section 2). */
Test(sender, what_is_no_duplicate_repeats_nothing)
{
	script_run((struct script){ .segment_size = 100 },
		HANDSHAKE_AND_5000
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

/* RFC 2018 section 3: three blocks fit beside timestamps. */
Test(sender, timestamps_leave_room_for_three_blocks)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460,sackOK,TS val 10 ecr 0>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,TS val 70 ecr 10>\n"
		"pass\n"
		"client > . 11:21(10) ack 1 win 64240 <TS val 11 ecr 70>\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <TS val 70 ecr 10,sack 11:21>\n"
		"client > . 31:41(10) ack 1 win 64240 <TS val 11 ecr 70>\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <TS val 70 ecr 10,sack 31:41 11:21>\n"
		"client > . 51:61(10) ack 1 win 64240 <TS val 11 ecr 70>\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <TS val 70 ecr 10,sack 51:61 31:41 11:21>\n"
		"client > . 71:81(10) ack 1 win 64240 <TS val 11 ecr 70>\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <TS val 70 ecr 10,sack 71:81 31:41 11:21>\n");
}

/* RFC 5681 equation 4: half of six pieces is three, and two are but the least. So the fourth
 * duplicate lets a new one in: 3 + 4, of which six are out. */
Test(sender, fast_recovery_halves_a_small_window)
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

/* RFC 5681 section 3.1: after one timeout slow start goes on up to half of what was out, and then
 * congestion avoidance begins. */
Test(sender, a_timeout_halves_the_threshold)
{
	script_run((struct script){ .segment_size = 100 },
		HANDSHAKE_AND_5000
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
	/* three of six, where two are the least */
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

/* Half of three pieces is less than two, which are the least: 2 + 3, so two new ones go out. */
Test(sender, two_pieces_are_the_least_threshold)
{
	script_run((struct script){ .segment_size = 100 },
		SCRIPT_HANDSHAKE
		"client > . 1:301(300) ack 1 win 502\n"
		"drop\n"
		"anything\n"
		THREE_DUPLICATE_ACKS
		"server < . 1:101(100) ack 1\n"
		"client > . 301:1001(700) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1001\n"
		"server < . 301:401(100) ack 1\n"
		"server < . 401:501(100) ack 1\n");
}

/* SACK of who did not permit it, or of what is not out, says nothing. */
Test(sender, sack_out_of_place_is_not_believed)
{
	script_run((struct script){ .segment_size = 100 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"server > . 1:1(0) ack 1 win 65160 <sack 101:201>\n"
		"drop\n"
		"client > . 1:301(300) ack 1 win 64240\n"
		"drop\n"
		"anything\n"
		"server > . 1:1(0) ack 1 win 65160 <sack 101:201>\n"
		"drop\n"
		"+1.01\n"
		"server < . 1:101(100) ack 1\n"
		"server > . 1:1(0) ack 101 win 65160\n"
		"drop\n"
		"server < . 101:201(100) ack 1\n"
		"server < . 201:301(100) ack 1\n");
	script_run((struct script){ .segment_size = 100, .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"server > . 1:1(0) ack 1 win 509 <sack 101:201>\n"
		"drop\n");
}

/* RFC 5681 section 3.2 for a FIN: nothing is behind it, and it is repeated like a piece. */
Test(sender, a_fin_is_repeated_fast)
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

/* A window is used up to its edge, and not an octet further. */
Test(sender, a_piece_that_just_fits_is_sent)
{
	script_run((struct script){ .segment_size = 100 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 200 <mss 1460>\n"
		"pass\n"
		"client > . 1:301(300) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 301\n"
		"server < . 1:101(100) ack 1\n"
		"server < . 101:201(100) ack 1\n"
		"server > . 1:1(0) ack 201 win 99\n"
		"drop\n"
		/* what does not fit waits for a timer */
		"+0.15\n"
		"server > . 1:1(0) ack 201 win 100\n"
		"drop\n"
		"server < . 201:301(100) ack 1\n");
}

/* RFC 9293 section 3.8.6.1 lets a closed window last as long as its receiver answers. This one
 * does not: it is given up like any other that is silent. */
Test(sender, a_closed_window_without_answers_is_given_up)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"server > . 1:1(0) ack 1 win 0\n"
		"drop\n"
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"+500\n"
		"anything\n"
		"flow 1 open S 512 idle 500, client 10 acked 0 delivered 0 pending\n"
		"+300\n"
		"anything\n"
		"count flows_active 0\n");
}

/* An IP packet is no longer than its length field can tell, however much could be sent at once. */
Test(sender, a_train_is_no_longer_than_a_packet, .timeout = 60)
{
	enum { BYTES = 60000, ROUNDS = 60 };
	struct engine_config config;
	struct engine_emit emit;
	struct engine *e;
	uint32_t seq = 1, sent = 0, acked;
	size_t longest = 0;

	engine_config_init(&config);
	config.rules.policy[0].segment_size = 1000;
	config.offload = true;
	cr_assert_eq(engine_create(&e, &config), 0);
	put_in(e, 1, CLIENT, TCP_SYN, 0, 0, 0);
	put_in(e, 1, SERVER, TCP_SYN | TCP_ACK, 0, 1, 0);
	put_in(e, 1, CLIENT, TCP_ACK, 1, 1, 0);
	put_in(e, 1, SERVER, TCP_ACK, 1, 1, 0);
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		/* all at once, as nothing is taken out between them */
		for (unsigned k = 0; k < 3; k++, seq += BYTES)
			put_in(e, i * 1000000, CLIENT, TCP_ACK, seq, 1, BYTES);
		do {
			acked = sent;
			while (engine_next(e, &emit)) {
				longest = emit.bytes > longest ? emit.bytes : longest;
				sent += emit.bytes > 40 ? (uint32_t)emit.bytes - 40 : 0;
			}
			if (sent != acked)
				put_in(e, i * 1000000, SERVER, TCP_ACK, 1, sent + 1, 0);
		} while (sent != acked);
		cr_assert_eq(sent + 1, seq);
	}
	cr_assert(longest > 64000 && longest <= 65535, "the longest has %zu bytes", longest);
	engine_destroy(e);
}

/* RFC 2018 section 5: after a timeout, too, what the sink has is not sent again. */
Test(sender, a_timeout_skips_what_the_sink_has)
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

/* Paths that carry less ------------------------------------------------------------------- */

#define PIECES_OF_1000                                                                   \
	"client > S 0:0(0) win 64240 <mss 1460>\n"                                       \
	"pass\n"                                                                         \
	"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"                                \
	"pass\n"                                                                         \
	"client > P. 1:2001(2000) ack 1 win 64240\n"                                     \
	"drop\n"                                                                         \
	"client < . 1:1(0) ack 2001\n"                                                   \
	"server < . 1:1001(1000) ack 1\n"                                                \
	"server < P. 1001:2001(1000) ack 1\n"

/* RFC 1191, RFC 8201: the box is the sender of its pieces, so what a router says of them is for the
 * box. Cuts stay as they were made; a piece that is too large goes out in parts. */
Test(sender, a_piece_that_is_too_big_for_a_router_is_sent_in_parts)
{
	script_run((struct script){ .segment_size = 1400, .at_end = script_nothing_is_held },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:2001(2000) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 2001\n"
		"server < . 1:1401(1400) ack 1\n"
		"server < P. 1401:2001(600) ack 1\n"
		/* what just fits was not too big */
		"icmp +1400 client > . 1:1401(1400) ack 1\n"
		"drop\n"
		"count paths_limited 0\n"
		"icmp +1399 client > . 1:1401(1400) ack 1\n"
		"drop\n"
		"server < . 1:1400(1399) ack 1\n"
		"server < . 1400:1401(1) ack 1\n"
		"server < P. 1401:2001(600) ack 1\n"
		"count paths_limited 1\n"
		/* the same again is no news */
		"icmp +1399 client > . 1:1401(1400) ack 1\n"
		"drop\n"
		"count paths_limited 1\n"
		"server > . 1:1(0) ack 2001 win 65160\n"
		"drop\n"
		/* from now on cuts are as the path wants them */
		"client > P. 2001:3401(1400) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 3401\n"
		"server < . 2001:3400(1399) ack 1\n"
		"server < P. 3400:3401(1) ack 1\n"
		"server > . 1:1(0) ack 3401 win 65160\n"
		"drop\n");
}

/* RFC 5927 section 4.1: only of what is out; nobody else knows its number. */
Test(sender, a_router_that_names_nothing_under_way_is_not_believed)
{
	script_run((struct script){ .segment_size = 1000 },
		PIECES_OF_1000
		"icmp 1039 client > . 2001:3001(1000) ack 1\n"
		"drop\n"
		"icmp 1039 client > . 4294967290:4294967295(5) ack 1\n"
		"drop\n"
		"icmp 1039 client > . 1:1001(1000) ack 1 bad-sum\n"
		"pass\n"
		/* less than IP can have */
		"icmp 67 client > . 1:1001(1000) ack 1\n"
		"drop\n"
		"count paths_limited 0\n");
}

/* Of what goes end to end a router's word is for its source. */
Test(sender, a_router_that_speaks_of_an_end_to_end_half_is_heard_by_its_source)
{
	script_run((struct script){ .segment_size = 1000, .direction = DIRECTION_S2C },
		SCRIPT_HANDSHAKE_BOTH
		"client > P. 1:1001(1000) ack 1 win 502\n"
		"pass P. 1:1001(1000) ack 1\n"
		"icmp 1280 client > . 1:1001(1000) ack 1\n"
		"pass\n");
}

Test(sender, a_path_that_takes_less_is_told)
{
	script_run((struct script){ .segment_size = 1400, .events = true },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 1400\n"
		"pass\n"
		"client > P. 1:1401(1400) ack 1 win 64240\n"
		"* arrival client 0 bytes 1400 pending 1400\n"
		"* cut client 0 bytes 1400 pieces 1 last 1400\n"
		"drop\n"
		"* ack client 1400 orphaned 1400\n"
		"client < . 1:1(0) ack 1401\n"
		"server < P. 1:1401(1400) ack 1\n"
		"icmp +1300 client > P. 1:1401(1400) ack 1\n"
		"* path client bytes 1300\n"
		"drop\n"
		"server < . 1:1301(1300) ack 1\n"
		"server < P. 1301:1401(100) ack 1\n");
}

/* RFC 4821: where no router says so, timeouts do. */
Test(sender, a_piece_that_is_never_acknowledged_is_tried_smaller)
{
	script_run((struct script){ .segment_size = 1400 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:1401(1400) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 1401\n"
		"server < P. 1:1401(1400) ack 1\n"
		"+1.01\n"
		"server < P. 1:1401(1400) ack 1\n"
		"+2.01\n"
		"server < P. 1:1401(1400) ack 1\n"
		"+4.01\n"
		"anything\n"
		"count paths_limited 1\n");
}

/* A closed window takes nothing, whatever the size. */
Test(sender, a_piece_that_reaches_a_closed_window_is_not_too_big)
{
	script_run((struct script){ .segment_size = 1400 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:1401(1400) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 1401\n"
		"server < P. 1:1401(1400) ack 1\n"
		"server > . 1:1(0) ack 1 win 0\n"
		"drop\n"
		"+100\n"
		"anything\n"
		"count paths_limited 0\n"
		"count unanswered 0\n");
}

/* RFC 9293 section 3.8.6.1: it may stay closed as long as the sink answers. */
Test(sender, a_window_may_be_closed_for_long)
{
	char text[8192];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s",
		SCRIPT_HANDSHAKE
		"server > . 1:1(0) ack 1 win 0\n"
		"drop\n"
		"client > P. 1:101(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"+100\n"
		"anything\n");

	for (unsigned i = 0; i < 30; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s",
				      "server > . 1:1(0) ack 1 win 0\n"
				      "drop\n"
				      "+60\n"
				      "server < . 0:0(0) ack 1\n");
	snprintf(text + n, sizeof(text) - n, "%s",
		 "server > . 1:1(0) ack 1 win 509\n"
		 "drop\n"
		 "server < P. 1:101(100) ack 1\n");
	script_run((struct script){ 0 }, text);
}

/* RFC 9293 section 3.8.3: a sink that never answers is given up after more than ten minutes: here
 * 63 s of ever longer waits, and ten of a minute. */
Test(sender, a_closed_window_that_nobody_tells_of_is_given_up)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"server > . 1:1(0) ack 1 win 0\n"
		"drop\n"
		"client > P. 1:101(100) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"+650\n"
		"anything\n"
		"count orphaned_bytes 100\n"
		"+20\n"
		"anything\n"
		"count orphaned_bytes 0\n");
}

/* What nearly every path carries is not given up so soon. */
Test(sender, a_small_piece_stays_as_it_is_for_long)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:513(512) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 513\n"
		"server < P. 1:513(512) ack 1\n"
		"+1.01\n"
		"server < P. 1:513(512) ack 1\n"
		"+2.01\n"
		"server < P. 1:513(512) ack 1\n"
		"+4.01\n"
		"server < P. 1:513(512) ack 1\n"
		"+8.01\n"
		"server < P. 1:513(512) ack 1\n"
		"count paths_limited 0\n"
		"+16.01\n"
		"anything\n"
		"count unanswered 0\n"
		"+32.01\n"
		"anything\n"
		"count unanswered 1\n"
		"+120\n"
		"anything\n"
		"count unanswered 1\n");
}

/* A kernel sends at most half of the widest window it has seen, so that a sink with a small buffer
 * is always sent something. */
Test(sender, half_of_the_widest_window_is_one_segment)
{
	script_run((struct script){ .segment_size = 1400 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 1000 <mss 1460>\n"
		"pass\n"
		"client > P. 1:1401(1400) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 1401\n"
		"server < . 1:501(500) ack 1\n"
		"server < . 501:1001(500) ack 1\n"
		"server > . 1:1(0) ack 501 win 800\n"
		"drop\n"
		"server > . 1:1(0) ack 1001 win 800\n"
		"drop\n"
		"server < P. 1001:1401(400) ack 1\n");
}

/* What is out ends where the window did: it is sent again up to there, though the part that would
 * go out now does not fit. */
Test(sender, what_was_out_is_sent_again_up_to_its_end)
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

/* That of a SYN is not scaled, those after it are: 509 units of 128 here. */
Test(sender, half_of_the_widest_window_is_scaled)
{
	script_run((struct script){ .segment_size = 32700 },
		"client > S 0:0(0) win 64240 <mss 32735,wscale 7>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 32735,wscale 7>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"pass\n"
		"server > . 1:1(0) ack 1 win 500\n"
		"drop\n"
		"client > P. 1:32701(32700) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 32701\n"
		"server < . 1:32577(32576) ack 1\n"
		"server < P. 32577:32701(124) ack 1\n");
}

/* Either half, and no other connection's. */
Test(sender, a_router_speaks_of_one_half_of_one_connection)
{
	script_run((struct script){ .segment_size = 1400, .direction = DIRECTION_BOTH },
		SCRIPT_HANDSHAKE_BOTH
		"client > P. 1:1401(1400) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1401\n"
		"server < P. 1:1401(1400) ack 1\n"
		"server > P. 1:1401(1400) ack 1 win 509\n"
		"drop\n"
		"server < . 1401:1401(0) ack 1401\n"
		"client < P. 1:1401(1400) ack 1401\n"
		"icmp 1380 server > P. 1:1401(1400) ack 1401\n"
		"drop\n"
		"anything\n"
		"count paths_limited 1\n"
		"client > . 1401:1401(0) ack 1401 win 502\n"
		"drop\n"
		/* the other half is as it was */
		"server > . 1401:1401(0) ack 1401 win 509\n"
		"drop\n"
		"client > P. 1401:2801(1400) ack 1401 win 502\n"
		"drop\n"
		"client < . 1401:1401(0) ack 2801\n"
		"server < P. 1401:2801(1400) ack 1401\n");
}

/* What a router says of a connection that the box does not know, or that is not open, is for its
 * ends. */
Test(sender, a_router_that_speaks_of_no_open_connection_is_heard_by_its_source)
{
	static const char word[] = "icmp 1280 client > . 1:1401(1400) ack 1\npass\n";
	char text[2048];

	snprintf(text, sizeof(text),
		"%s"
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"%s"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:1401(1400) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 1401\n"
		"server < P. 1:1401(1400) ack 1\n"
		"client > R. 1401:1401(0) ack 1 win 0\n"
		"pass R. 1401:1401(0) ack 1\n"
		"%s"
		"count paths_limited 0\n", word, word, word);
	script_run((struct script){ .segment_size = 1400 }, text);
}

/* With timestamps a segment holds twelve octets less: RFC 6691. */
Test(sender, a_routers_word_counts_options)
{
	script_run((struct script){ .segment_size = 1400 },
		"client > S 0:0(0) win 64240 <mss 1460,TS val 10 ecr 0>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,TS val 70 ecr 10>\n"
		"pass\n"
		"client > P. 1:1401(1400) ack 1 win 64240 <TS val 11 ecr 70>\n"
		"drop\n"
		"client < . 1:1(0) ack 1401\n"
		"server < P. 1:1401(1400) ack 1\n"
		"icmp +1412 client > P. 1:1401(1400) ack 1\n"
		"drop\n"
		"icmp +1411 client > P. 1:1401(1400) ack 1\n"
		"drop\n"
		"server < . 1:1400(1399) ack 1\n"
		"server < P. 1400:1401(1) ack 1\n");
}

/* At the limits ----------------------------------------------------------------------------- */

/* RFC 6298 rule 2.4, applied to the variance as in Linux: R = 75 ms, so SRTT = 75 and 4 * RTTVAR is
 * 150, which counts as 200. The RTO is 276 ms. */
Test(sender, the_variance_has_a_least_time)
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

/* RFC 6928 section 2: of pieces that are a little longer than a tenth of 14,600, nine fit. */
Test(sender, nine_pieces_are_an_initial_window)
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

/* RFC 6582 section 3.2 step 3, full: min(ssthresh, max(flight, SMSS) + SMSS) are two pieces. After
 * that an ACK opens the window as in slow start, and one duplicate says nothing. */
Test(sender, recovery_ends_with_all_that_was_out)
{
	script_run((struct script){ .segment_size = 100 },
		HANDSHAKE_AND_5000
		THREE_DUPLICATE_ACKS
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
		/* the third does: RFC 5681 section 3.2 step 3 lets two and three pieces be out */
		"server > . 1:1(0) ack 1101 win 509\n"
		"drop\n"
		"server < . 1101:1201(100) ack 1\n"
		"server < . 1401:1501(100) ack 1\n"
		"server < . 1501:1601(100) ack 1\n"
		"count retransmissions 2\n");
}

/* The same where much is still out: the window is ssthresh, five pieces, and they are out. */
Test(sender, recovery_ends_with_half_the_window)
{
	script_run((struct script){ .segment_size = 100 },
		HANDSHAKE_AND_5000
		THREE_DUPLICATE_ACKS
		"server < . 1:101(100) ack 1\n"
		THREE_DUPLICATE_ACKS
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
		/* congestion avoidance: 20 octets more are no piece */
		"server > . 1:1(0) ack 1101 win 509\n"
		"drop\n"
		"server < . 1501:1601(100) ack 1\n");
}

/* What was repeated in a recovery can be lost again. After the time-out it is the first to go out,
 * as the sink waits for it. */
Test(sender, a_timeout_repeats_what_recovery_has_repeated)
{
	script_run((struct script){ .segment_size = 100 },
		HANDSHAKE_AND_5000
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

/* Nobody can have what was not sent, and a block that ends before it begins is none. A sender that
 * believed either would leave a hole for good. */
Test(sender, sack_of_what_was_not_sent_is_not_believed)
{
	static const char *const blocks[] = { "101:302", "101:401", "201:101", "201:201",
					      "102:101" };

	for (size_t i = 0; i < sizeof(blocks) / sizeof(*blocks); i++) {
		char text[1024];

		snprintf(text, sizeof(text),
			THREE_PIECES
			"server > . 1:1(0) ack 1 win 509 <sack %s>\n"
			"drop\n"
			"+1.01\n"
			"server < . 1:101(100) ack 1\n"
			"server > . 1:1(0) ack 101 win 509\n"
			"drop\n"
			"server < . 101:201(100) ack 1\n"
			"server < P. 201:301(100) ack 1\n"
			"server > . 1:1(0) ack 301 win 509\n"
			"drop\n", blocks[i]);
		script_run((struct script){ .segment_size = 100,
					    .at_end = script_nothing_is_held }, text);
	}
}

/* A block without octets tells of nothing, so it shows no hole before it: only the piece that
 * the sink waits for is repeated. */
Test(sender, an_empty_block_shows_no_hole)
{
	static const char duplicate[] = "server > . 1:1(0) ack 1 win 509 <sack 201:201>\ndrop\n";
	char text[1024];

	snprintf(text, sizeof(text),
		THREE_PIECES
		"%s%s%s"
		"server < . 1:101(100) ack 1\n"
		"%s%s"
		"count retransmissions 1\n", duplicate, duplicate, duplicate, duplicate, duplicate);
	script_run((struct script){ .segment_size = 100 }, text);
}

/* RFC 2883: a D-SACK tells of what came twice. It is no news of a loss, so data that it rides on
 * makes no duplicate ACK. */
Test(sender, a_d_sack_is_no_news)
{
	script_run((struct script){ .segment_size = 100 },
		THREE_PIECES
		"server > . 1:1(0) ack 101 win 509\n"
		"drop\n"
		"server > P. 1:11(10) ack 101 win 509 <sack 1:11>\n"
		"anything\n"
		"server > P. 11:21(10) ack 101 win 509 <sack 21:31>\n"
		"anything\n"
		"server > P. 21:31(10) ack 101 win 509 <sack 41:51>\n"
		"anything\n"
		"server > P. 31:41(10) ack 101 win 509 <sack 61:101>\n"
		"anything\n"
		"count retransmissions 0\n");
}

/* No window is scaled here, and the round trip takes no time, so the timer begins with 201 ms. The
 * sink closes its window, and 100 octets wait for it to open. */
#define WINDOW_IS_CLOSED                                                                 \
	"client > S 0:0(0) win 64240 <mss 1460>\n"                                       \
	"pass\n"                                                                         \
	"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"                                \
	"pass\n"                                                                         \
	"client > P. 1:11(10) ack 1 win 64240\n"                                         \
	"drop\n"                                                                         \
	"client < . 1:1(0) ack 11\n"                                                     \
	"server < P. 1:11(10) ack 1\n"                                                   \
	"server > . 1:1(0) ack 11 win 0\n"                                               \
	"drop\n"                                                                         \
	"client > P. 11:111(100) ack 1 win 64240\n"                                      \
	"drop\n"                                                                         \
	"client < . 1:1(0) ack 111\n"

/* RFC 9293 section 3.8.6.1: the probes are ever further apart, and their sink answers each. Then
 * they come every 51 s, so long as that lasts: it is neither given up nor asked more often. */
Test(sender, probes_that_are_answered_have_a_longest_pause)
{
	char text[8192];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s", WINDOW_IS_CLOSED);

	for (unsigned i = 0; i < 20; i++) {
		double pause = 0.201 * (1 << (i < 8 ? i : 8));

		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "+%.3f\n"
				      "+%.3f\n"
				      "server < . 10:10(0) ack 1\n"
				      "server > . 1:1(0) ack 11 win 0\n"
				      "drop\n", pause - 0.02 - (i == 0 ? 0 : 0.01), 0.03);
	}
	snprintf(text + n, sizeof(text) - n, "%s",
		 "server > . 1:1(0) ack 11 win 100\n"
		 "drop\n"
		 "server < P. 11:111(100) ack 1\n");
	script_run((struct script){ 0 }, text);
}

/* Once the window opens the wait is over. It is too small for the piece, so that is cut to fit,
 * after one short time-out, though the last probe had a much longer one. */
Test(sender, a_window_that_opens_a_little_ends_the_wait)
{
	script_run((struct script){ 0 },
		WINDOW_IS_CLOSED
		"+13\n"
		"anything\n"
		"server > . 1:1(0) ack 11 win 50\n"
		"drop\n"
		"+0.19\n"
		"+0.02\n"
		"server < . 11:61(50) ack 1\n"
		"server > . 1:1(0) ack 61 win 50\n"
		"drop\n"
		"server < P. 61:111(50) ack 1\n");
}

/* With nothing out no timer runs, though something is held. What is cut later, and does not fit,
 * waits a time-out of its own. */
Test(sender, the_wait_for_a_window_begins_with_what_waits)
{
	script_run((struct script){ .segment_size = 100, .fault = "off-by-one" },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:11(10) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"client > P. 11:112(101) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 112\n"
		"server > . 1:1(0) ack 11 win 50\n"
		"drop\n"
		"+0.15\n"
		"client > P. 112:117(5) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 117\n"
		"+0.19\n"
		"+0.02\n"
		"server < . 11:61(50) ack 1\n");
}

/* Linux halves a window that is wider than 536 (tcp_bound_to_half_wnd()), and no other. A window of
 * a single octet lets a single octet out. */
Test(sender, a_small_window_is_one_segment)
{
	static const struct {
		unsigned window, first;
	} cases[] = { { 1, 1 }, { 2, 2 }, { 535, 535 }, { 536, 536 }, { 537, 268 }, { 538, 269 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned window = cases[i].window, next = cases[i].first + 1;
		char text[1024];
		size_t n = (size_t)snprintf(text, sizeof(text),
			"client > S 0:0(0) win 64240 <mss 1460>\n"
			"pass\n"
			"server > S. 0:0(0) ack 1 win %u <mss 1460>\n"
			"pass\n"
			"client > . 1:1001(1000) ack 1 win 64240\n"
			"drop\n"
			"client < . 1:1(0) ack 1001\n"
			"server < . 1:%u(%u) ack 1\n", window, next, next - 1);

		if (next <= window / 2 + 1)
			snprintf(text + n, sizeof(text) - n, "server < . %u:%u(%u) ack 1\n", next,
				 2 * next - 1, next - 1);
		script_run((struct script){ .segment_size = 1400 }, text);
	}
}

/* RFC 6298 rule 2.2: R = 150 ms, so RTTVAR = 75 and RTO = 150 + 4 * 75, though 200 would do. */
Test(sender, rto_above_the_least)
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

/* RFC 6298 rule 5.1: a timer that runs is not started anew by what is sent later. */
Test(sender, timer_of_the_first_piece)
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
