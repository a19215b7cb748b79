/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Packets that are damaged, urgent, joined by offloads or sent by this host. The language is that
 * of script.h. */

#include "script/script.h"

#include <criterion/criterion.h>

TestSuite(arrivals, .timeout = 20);

static void one_bad_checksum(const struct engine_stats *s)
{
	cr_assert_eq(s->passed_bad_checksum, 1);
}

Test(arrivals, what_is_corrupt_passes_and_is_never_acked)
{
	script_run((struct script){ .at_end = one_bad_checksum },
		SCRIPT_HANDSHAKE
		"client > P. 1:514(513) ack 1 win 502 bad-sum\n"
		"pass\n");
}

Test(arrivals, urgent_data_is_ordinary_data)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"count urgent_segments 0\n"
		"client > PU. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"count urgent_segments 1\n"
		"client > P. 11:21(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 21\n"
		"server < P. 11:21(10) ack 1\n"
		"server > U. 1:11(10) ack 21 win 509\n"
		"anything\n"
		"count urgent_segments 2\n");
}

Test(arrivals, a_checksum_left_to_hardware_is_set_where_the_packet_is_changed)
{
	script_run((struct script){ 0 },
		SCRIPT_HANDSHAKE
		"client > P. 1:514(513) ack 1 win 502 no-sum\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"server < . 1:513(512) ack 1\n"
		"server < P. 513:514(1) ack 1\n"
		"server > P. 1:101(100) ack 1 win 509 no-sum\n"
		"pass P. 1:101(100) ack 514\n");
}

/* On the wire these were segments of 1460 and 513 octets: the first is cut, down to a last piece of
 * 436; the second stalls. */
Test(arrivals, joined_segments_are_taken_apart)
{
	script_run((struct script){ .fault = "off-by-one", .events = true },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 512\n"
		"pass\n"
		"client > P. 1:1974(1973) ack 1 win 502 joined\n"
		"* arrival client 0 bytes 1460 pending 1460\n"
		"* cut client 0 bytes 1460 pieces 3 last 436\n"
		"* arrival client 1460 bytes 513 pending 513\n"
		"* fault off-by-one client\n"
		"* stall client 1460 pending 513\n"
		"drop\n"
		"* ack client 1973 orphaned 1973\n"
		"client < . 1:1(0) ack 1974\n"
		"server < . 1:513(512) ack 1\n"
		"server < . 513:1025(512) ack 1\n"
		"server < . 1025:1461(436) ack 1\n");
}

/* The client's SYN offers an MSS of 500 (clamped), but it sends 1460. Having seen that, the box
 * must take joined packets apart at 1460. */
Test(arrivals, who_sends_longer_segments_than_it_takes_has_shown_so)
{
	script_run((struct script){ .events = true, .segment_size = 2000 },
		"client > S 0:0(0) win 64240 <mss 500>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 1460\n"
		"pass\n"
		"client > P. 1:1461(1460) ack 1 win 502\n"
		"* arrival client 0 bytes 1460 pending 1460\n"
		"* cut client 0 bytes 1460 pieces 1 last 1460\n"
		"drop\n"
		"* ack client 1460 orphaned 1460\n"
		"client < . 1:1(0) ack 1461\n"
		"server < P. 1:1461(1460) ack 1\n"
		"client > P. 1461:3461(2000) ack 1 win 502 joined\n"
		"* arrival client 1460 bytes 1460 pending 1460\n"
		"* cut client 1460 bytes 1460 pieces 1 last 1460\n"
		"* arrival client 2920 bytes 540 pending 540\n"
		"* cut client 2920 bytes 540 pieces 1 last 540\n"
		"drop\n"
		"* ack client 3460 orphaned 3460\n"
		"client < . 1:1(0) ack 3461\n"
		"server < . 1461:2921(1460) ack 1\n"
		"server < P. 2921:3461(540) ack 1\n");
}

/* Timestamps take 12 octets of a segment: it holds 1388 octets, not 1400. */
Test(arrivals, joined_segments_are_as_long_as_their_options_let_them)
{
	script_run((struct script){ .events = true, .segment_size = 1000 },
		"client > S 0:0(0) win 64240 <mss 1460,TS val 10 ecr 0>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1400,TS val 70 ecr 10>\n"
		"* opened S 1000\n"
		"pass\n"
		"client > P. 1:1401(1400) ack 1 win 502 <TS val 11 ecr 70> joined\n"
		"* arrival client 0 bytes 1388 pending 1388\n"
		"* cut client 0 bytes 1388 pieces 2 last 388\n"
		"* arrival client 1388 bytes 12 pending 12\n"
		"* cut client 1388 bytes 12 pieces 1 last 12\n"
		"drop\n"
		"* ack client 1400 orphaned 1400\n"
		"client < . 1:1(0) ack 1401\n"
		"server < . 1:1001(1000) ack 1\n"
		"server < . 1001:1389(388) ack 1\n"
		"server < P. 1389:1401(12) ack 1\n");
}

Test(arrivals, a_burst_is_one_arrival)
{
	script_run((struct script){ .fault = "off-by-one", .arrival = ARRIVAL_BURST,
				    .events = true },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"* opened S 512\n"
		"pass\n"
		"client > P. 1:1974(1973) ack 1 win 502 joined\n"
		"* arrival client 0 bytes 1973 pending 1973\n"
		"* cut client 0 bytes 1973 pieces 4 last 437\n"
		"drop\n"
		"* ack client 1973 orphaned 1973\n"
		"client < . 1:1(0) ack 1974\n"
		"server < . 1:513(512) ack 1\n"
		"server < . 513:1025(512) ack 1\n"
		"server < . 1025:1537(512) ack 1\n"
		"server < P. 1537:1974(437) ack 1\n");
}

Test(arrivals, a_joined_packet_that_is_old_in_part)
{
	script_run((struct script){ .at_end = NULL },
		"client > S 0:0(0) win 64240 <mss 1000>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1000>\n"
		"pass\n"
		"client > . 1:1001(1000) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1001\n"
		"server < . 1:513(512) ack 1\n"
		"server < . 513:1001(488) ack 1\n"
		"client > FP. 1:2101(2100) ack 1 win 502 joined\n"
		"drop\n"
		"client < . 1:1(0) ack 2102\n"
		"server < . 1001:1513(512) ack 1\n"
		"server < . 1513:2001(488) ack 1\n"
		"server < P. 2001:2101(100) ack 1\n"
		"server < F. 2101:2101(0) ack 1\n");
}

/* Consecutive pieces go out as one packet, to be segmented after the box: all full, but the last
 * may be shorter. */
Test(arrivals, pieces_are_sent_as_trains_where_that_is_wanted)
{
	script_run((struct script){ .offload = true, .at_end = script_nothing_is_held },
		SCRIPT_HANDSHAKE
		"client > P. 1:1301(1300) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1301\n"
		"server < P. 1:1301(1300) ack 1 seg 512\n"
		"client > P. 1301:1311(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1311\n"
		"server < P. 1301:1311(10) ack 1\n"
		"client > FP. 1311:2335(1024) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 2336\n"
		"server < P. 1311:2335(1024) ack 1 seg 512\n"
		"server < F. 2335:2335(0) ack 1\n"
		"server > . 1:1(0) ack 2336 win 509\n"
		"drop\n");
}

/* PSH ends a train, as only its last segment can carry it. So does a piece that the sink has
 * reported by SACK: the next piece to be repeated lies beyond it. After a time-out only the first
 * piece is repeated. */
Test(arrivals, a_train_ends_where_it_must)
{
	script_run((struct script){ .offload = true },
		SCRIPT_HANDSHAKE
		"server > . 1:1(0) ack 1 win 0\n"
		"drop\n"
		"client > P. 1:513(512) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 513\n"
		"client > P. 513:2049(1536) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 2049\n"
		"server > . 1:1(0) ack 1 win 509\n"
		"drop\n"
		"server < P. 1:513(512) ack 1\n"
		"server < P. 513:2049(1536) ack 1 seg 512\n"
		"server > . 1:1(0) ack 1 win 509 <sack 1025:1537>\n"
		"drop\n"
		"+1.1\n"
		"server < P. 1:513(512) ack 1\n");
	script_run((struct script){ .offload = true },
		SCRIPT_HANDSHAKE
		"client > P. 1:4097(4096) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 4097\n"
		"server < P. 1:4097(4096) ack 1 seg 512\n"
		"server > . 1:1(0) ack 1 win 509 <sack 2049:2561>\n"
		"drop\n"
		"+1.1\n"
		"server < . 1:513(512) ack 1\n"
		"server > . 1:1(0) ack 513 win 509 <sack 2049:2561>\n"
		"drop\n"
		"server < . 513:1537(1024) ack 1 seg 512\n"
		"server > . 1:1(0) ack 1537 win 509 <sack 2049:2561>\n"
		"drop\n"
		"server < . 1537:2049(512) ack 1\n"
		"server < . 2561:3585(1024) ack 1 seg 512\n");
}

Test(arrivals, what_this_host_sends_itself_is_no_train)
{
	script_run((struct script){ .offload = true },
		"client > S 0:0(0) win 64240 <mss 1460> local\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:601(600) ack 1 win 502 local\n"
		"drop\n"
		"client < . 1:1(0) ack 601\n"
		"server < . 1:513(512) ack 1 local\n"
		"server < P. 513:601(88) ack 1 local\n");
}

/* A fault for the other half, or one that acts on cuts, does not break trains up into pieces. */
Test(arrivals, a_fault_elsewhere_does_not_end_a_train)
{
	static const char *const faults[] = { "off-by-one", "drop:direction=s2c,every=1" };

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		script_run((struct script){ .offload = true, .fault = faults[i] },
			SCRIPT_HANDSHAKE
			"client > P. 1:1301(1300) ack 1 win 502\n"
			"drop\n"
			"client < . 1:1(0) ack 1301\n"
			"server < P. 1:1301(1300) ack 1 seg 512\n");
}
