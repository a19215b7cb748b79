/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Real kernels over links that lose packets, with each direction intercepted. */

#include "lab.h"

#include <string.h>

TestSuite(dirty, .timeout = 500);

/* Bulk both ways at once, and a half-close: the server echoes what it gets. */
static void check_stream(struct lab_case c, const char *direction, const char *loss, long bytes)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --fault none --direction %s --loss %s --events $DIR/events-%s-%s -- "
		"sh -c '"
		"stream-client $RESEG_SERVER 7 %ld'", c.ip, direction, loss, direction, loss,
		bytes);

	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.err, "");
}

/* Every connection the box opened has ended well, or was still closing when the lab
 * ended: the last ACK may have been lost. No RST, no giving up. */
static void check_flows(const char *name)
{
	json_t *events = lab_json_lines(name), *event;
	int opened = 0, closed = 0;
	size_t i;

	json_array_foreach(events, i, event) {
		const char *what = lab_string(event, "event");
		json_t *relays, *relay;
		size_t j;

		opened += strcmp(what, "flow_opened") == 0;
		if (strcmp(what, "flow_closed") != 0)
			continue;
		closed++;
		if (strcmp(lab_string(event, "reason"), "shutdown") == 0)
			continue;
		if (strcmp(lab_string(event, "reason"), "handed_over") != 0)
			cr_assert_str_eq(lab_string(event, "reason"), "fin");
		relays = json_object_get(event, "relays");
		cr_assert_gt(json_array_size(relays), 0);
		json_array_foreach(relays, j, relay)
			cr_assert_eq(lab_number(relay, "orphaned"), 0);
	}
	cr_assert_gt(opened, 0);
	cr_assert_eq(opened, closed);
}

LAB_TEST(dirty, streams_are_byte_exact)
{
	static const char *const directions[] = { "c2s", "s2c", "both" };
	static const char *const losses[] = { "0", "1", "5" };
	char name[64];

	for (size_t d = 0; d < 3; d++) {
		for (size_t l = 0; l < 3; l++) {
			check_stream(c, directions[d], losses[l],
				     l == 0 ? 64 << 20 : l == 1 ? 1 << 20 : 1 << 18);
			snprintf(name, sizeof(name), "events-%s-%s", directions[d], losses[l]);
			check_flows(name);
		}
	}
}

/* Some connections end with a RST in the middle. */
LAB_TEST(dirty, many_short_connections)
{
	static const char *const directions[] = { "c2s", "s2c", "both" };

	for (size_t d = 0; d < 3; d++) {
		struct lab_result r = lab_run(c.user,
			"reseg-lab -%d --fault none --direction %s --loss 1 -- sh -c '"
			"stream-client --connections 1000 --parallel 200 --abort-every 9 "
			"$RESEG_SERVER 7 5000'",
			c.ip, directions[d]);

		lab_expect_status(&r, 0);
		cr_assert_str_eq(r.err, "");
	}
}

/* Each injector and kind of arrival, with and without the links' offloads. */
LAB_TEST(dirty, injectors_and_arrivals_are_byte_exact)
{
	static const char *const options[] = {
		"--inject raw --arrival segment", "--inject raw --arrival segment --offloads",
		"--inject raw --arrival wire --offloads",
		"--inject raw --arrival burst --offloads", "--inject tun --arrival segment",
		"--inject tun --arrival segment --offloads",
		"--inject tun --arrival burst --offloads",
	};
	struct lab_result tun = lab_run(c.user, "test -w /dev/net/tun");

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		struct lab_result r = lab_run(c.user,
			"reseg-lab -%d --fault none --direction both %s -- sh -c '"
			"stream-client --connections 4 --parallel 4 $RESEG_SERVER 7 32000000'",
			c.ip, options[i]);

		if (tun.status != 0 && strstr(options[i], "tun")) {
			lab_expect_error(&r, 2, "/dev/net/tun");
			continue;
		}
		lab_expect_status(&r, 0);
		cr_assert_str_eq(r.err, "");
	}
}

/* Stalls depend on arrivals, whatever injects the packets. */
LAB_TEST(dirty, injectors_stall_alike)
{
	static const char *const options[] = { "--inject raw", "--inject auto", "--arrival wire" };

	for (size_t i = 0; i < 3; i++) {
		struct lab_result r = lab_run(c.user,
			"reseg-lab -%d %s --offloads -- sh -c '"
			"reseg-probe sweep --sizes 500-530,1020-1030,1930-1970 --parallel 500 "
			"--timeout 3 "
			"--expect finch2008 $RESEG_SERVER'", c.ip, options[i]);

		lab_expect_status(&r, 0);
	}
}

LAB_TEST(dirty, without_fault_every_size_works)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --fault none --direction both --loss 2 -- sh -c '"
		"reseg-probe sweep --sizes 35-2100 --parallel 500 --timeout 80 --expect clean "
		"$RESEG_SERVER'",
		c.ip);

	lab_expect_status(&r, 0);
}

/* Loss must not move a stall: a client's kernel sends a lost packet again as it was, and the box
 * keeps the boundaries of what arrives out of order. */
LAB_TEST(dirty, loss_does_not_move_a_stall)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --loss 2 -- sh -c '"
		"reseg-probe sweep --sizes 500-530,1020-1030,1930-1970 --parallel 500 --timeout 25 "
		"--expect finch2008 $RESEG_SERVER'", c.ip);

	lab_expect_status(&r, 0);
	cr_assert(strstr(r.out, "513  stalled") && strstr(r.out, "1025  stalled"), "%s", r.out);
}
