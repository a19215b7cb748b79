/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What each fault does to packets. The language is that of script.h. The one of 2008 is in
 * test_relay.c.
 */

#include "io/faultspec.h"
#include "script.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(fault, .timeout = 20);

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
	script_run((struct script){ .fault = "lose-tail:bytes=2", .at_end = script_nothing_is_held },
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
	script_run((struct script){ .fault = "duplicate:every=2", .at_end = script_nothing_is_held },
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
		"server < . 1:513(512) ack 1\nserver < . 513:1025(512) ack 1\nserver < . 1025:1461(436) ack 1\n"
		"server < . 1461:1973(512) ack 1\nserver < . 1973:2485(512) ack 1\nserver < P. 2485:2921(436) ack 1\n");
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

Test(fault, tfo_blackhole)
{
	script_run((struct script){ .fault = "tfo-blackhole" },
		"client > S 0:100(100) win 64240 <mss 1460,tfo>\n"
		"drop\n"
		"client > S 0:0(0) win 64240 <mss 1460,tfo>\n"
		"pass S 0:0(0) <mss 1460>\n");
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
	};
	static const char *const bad[] = {
		"", ":", "dro", "drop:", "drop:every", "drop:every=", "drop:every=0", "drop:every=-1",
		"drop:every=1000001", "drop:every=99999999999999999999", "drop:every=1,", "drop:,every=1",
		"drop:over=1", "drop:every= 1", "drop:percent=101", "off-by-one:over=65536",
		"a-name-that-is-longer-than-any-that-there-is",
	};
	struct engine_config config;
	char error[FAULTSPEC_ERROR_BYTES];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		char *text;
		size_t size;
		FILE *out = open_memstream(&text, &size);

		config.faults = 0;
		cr_assert(faultspec_add(&config, good[i][0], error, sizeof(error)), "%s: %s", good[i][0], error);
		cr_assert_eq(config.faults, 1);
		faultspec_print(out, &config.fault[0]);
		fclose(out);
		cr_assert_str_eq(text, good[i][1]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		config.faults = 0;
		cr_assert_not(faultspec_add(&config, bad[i], error, sizeof(error)), "%s", bad[i]);
		cr_assert_eq(config.faults, 0);
		cr_assert_neq(error[0], '\0');
	}
	config.faults = 0;
	cr_assert(faultspec_add(&config, "none", error, sizeof(error)));
	cr_assert_eq(config.faults, 0);
	for (unsigned i = 0; i < FAULTS_MAX; i++)
		cr_assert(faultspec_add(&config, "drop", error, sizeof(error)));
	cr_assert_not(faultspec_add(&config, "drop", error, sizeof(error)));
}
