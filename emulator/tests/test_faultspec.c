/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Faults as people write them. */

#include "settings/faultspec.h"
#include "script/script.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(faultspec, .timeout = 60);

/* Predicts which pieces are altered with this key, by Marsaglia's xorshift64 ("Xorshift RNGs",
 * 2003). */
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

Test(faultspec, text_is_read_and_written)
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
	struct error error;

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

/* In a simultaneous open it is the server's SYN that asks for ECN, so the server is refused. */
Test(faultspec, ecn_rst_of_the_server)
{
	script_run((struct script){ .fault = "ecn-rst" },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > SEW 0:0(0) win 65160 <mss 1460>\n"
		"drop\n"
		"server < R. 0:0(0) ack 1 win 0 local\n"
		"count flows_active 0\n");
}

/* The engine's key decides when a fault with percent= acts, so that a run can be repeated. */
Test(faultspec, percent_is_repeatable)
{
	check_percent(0);
	check_percent(UINT64_C(0x0123456789abcdee));
}

/* The event of a fault that acts on pieces names the piece, even the shortest; other events name
 * none. */
Test(faultspec, events_name_the_piece)
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

/* Each of a policy's faults has a count of its own, up to the last. */
Test(faultspec, eight_faults_are_counted)
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

/* A stall stays with its fault, even if that is not the policy's first. */
Test(faultspec, a_stall_stays_with_the_second_fault)
{
	script_run((struct script){ .fault = "corrupt:every=1000 off-by-one:every=2" },
		SCRIPT_HANDSHAKE SCRIPT_513_PASSES
		"client > P. 514:1027(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1027\n"
		"acted 0 1\n"
		"faults corrupt:every=1000 off-by-one:every=2\n"
		"acted 0 1\n"
		"faults corrupt:every=1000 mtu-blackhole\n"
		"server < . 514:1026(512) ack 1\n"
		"server < P. 1026:1027(1) ack 1\n");
	/* and a second fault that comes into an open connection acts */
	script_run((struct script){ .fault = "none" },
		SCRIPT_HANDSHAKE
		"faults corrupt:every=1000 off-by-one\n"
		"client > P. 1:514(513) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 514\n"
		"acted 0 1\n");
}

/* Without the fault what the server sent goes on, too. */
Test(faultspec, the_servers_stall_ends_with_its_fault)
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

/* A packet fault that does not act this time leaves the packet to the next fault; if none acts, it
 * goes on. */
Test(faultspec, packets_are_shown_to_all_faults)
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

/* A packet without data belongs to the arrival before it. */
Test(faultspec, scope_of_arrivals_for_packets_without_data)
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
