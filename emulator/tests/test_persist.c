/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Windows of the sink that are small or closed (RFC 9293 section 3.8.6). The language is that of
 * script.h. */

#include "drive.h"
#include "script/script.h"

#include "core/box.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(persist, .timeout = 20);

/* No window is scaled, and the round trip takes no time, so the first time-out is 201 ms. The sink
 * closes its window while 100 octets wait for it. */
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

/* Full pieces take one run, however many they are, even if a fault is asked about each cut. */
Test(persist, full_pieces_are_one_run)
{
	struct engine *e = drive_make_open(10);

	drive_put_in(e, NS_PER_S, CLIENT, TCP_ACK, 1, 1, 30005);
	drive_take_all(e);
	cr_assert_eq(box_transit(e, &flow_get(&e->table, 0)->relay[CLIENT])->stream.runs_count, 1);
	engine_destroy(e);
}

/* A window is used up to its edge, and no octet further. */
Test(persist, a_piece_that_just_fits_is_sent)
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
		/* what does not fit waits for the timer */
		"+0.15\n"
		"server > . 1:1(0) ack 201 win 100\n"
		"drop\n"
		"server < . 201:301(100) ack 1\n");
}

/* RFC 9293 section 3.8.6.1 lets a window stay closed as long as the sink answers. This one does
 * not, so it is given up like any other silent sink. */
Test(persist, a_closed_window_without_answers_is_given_up)
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

/* A train must not be longer than the length field of IP allows, however much could be sent. */
Test(persist, a_train_is_no_longer_than_a_packet, .timeout = 60)
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
	drive_put_in(e, 1, CLIENT, TCP_SYN, 0, 0, 0);
	drive_put_in(e, 1, SERVER, TCP_SYN | TCP_ACK, 0, 1, 0);
	drive_put_in(e, 1, CLIENT, TCP_ACK, 1, 1, 0);
	drive_put_in(e, 1, SERVER, TCP_ACK, 1, 1, 0);
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		/* sent all at once, as nothing is taken out between them */
		for (unsigned k = 0; k < 3; k++, seq += BYTES)
			drive_put_in(e, i * 1000000, CLIENT, TCP_ACK, seq, 1, BYTES);
		do {
			acked = sent;
			while (engine_next(e, &emit)) {
				longest = emit.bytes > longest ? emit.bytes : longest;
				sent += emit.bytes > 40 ? (uint32_t)emit.bytes - 40 : 0;
			}
			if (sent != acked)
				drive_put_in(e, i * 1000000, SERVER, TCP_ACK, 1, sent + 1, 0);
		} while (sent != acked);
		cr_assert_eq(sent + 1, seq);
	}
	cr_assert(longest > 64000 && longest <= 65535, "the longest has %zu bytes", longest);
	engine_destroy(e);
}

/* RFC 9293 section 3.8.6.1: it may stay closed as long as the sink answers. */
Test(persist, a_window_may_be_closed_for_long)
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
 * 63 s of ever longer waits, and ten waits of a minute. */
Test(persist, a_closed_window_that_nobody_tells_of_is_given_up)
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

/* Like Linux, the box sends at most half of the widest window it has seen in one segment, so that a
 * sink with a small buffer always gets something. */
Test(persist, half_of_the_widest_window_is_one_segment)
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

/* The window of a SYN is not scaled, later ones are: the SYN-ACK's is 509 units of 128 here. */
Test(persist, half_of_the_widest_window_is_scaled)
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

/* RFC 9293 section 3.8.6.1: probes come ever further apart while the sink answers them, in the end
 * every 51 s. The sink is neither given up nor asked more often. */
Test(persist, probes_that_are_answered_have_a_longest_pause)
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

/* The window opens, but less than the piece needs. So the piece is cut to fit after one short
 * time-out, though the last probe's was much longer. */
Test(persist, a_window_that_opens_a_little_ends_the_wait)
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

/* With nothing in flight no timer runs, though data is held. Data that is cut later, and does not
 * fit, must wait a full time-out. */
Test(persist, the_wait_for_a_window_begins_with_what_waits)
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

/* Like Linux (tcp_bound_to_half_wnd()) the box halves only windows wider than 536. A window of a
 * single octet lets a single octet out. */
Test(persist, a_small_window_is_one_segment)
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
