/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What not every kernel can do: links that delay, reorder and duplicate (netem), nftables'
 * own queue statement, and its flowtables
 *
 * testbed/check runs each command in testbed/vm --virtual-time, under User-mode Linux.
 */

#include "lab.h"

#include <stdlib.h>
#include <string.h>

TestSuite(netem, .timeout = 500);

#define BAD_NETWORK "--loss 1 --delay 3 --reorder 20 --duplicate 5"

static void need_netem(struct lab_case c)
{
	struct lab_result r = lab_run(c.user, "reseg-lab --delay 1 --no-box -- true");

	if (r.status == 0)
		return;
	/* On a kernel without netem one line must say so. */
	lab_expect_error(&r, 2, "need netem");
	cr_skip_test("this kernel has no netem");
}

/* An ordinary user's queue is short: packets that it loses are reported, and repaired like the
 * rest. */
static void expect_no_complaint(const struct lab_result *r)
{
	cr_assert(r->err[0] == '\0' || lab_is_line_with(r->err, "some were lost: give a larger"),
		  "%s", r->err);
}

LAB_TEST(netem, streams_are_byte_exact)
{
	static const char *const directions[] = { "c2s", "s2c", "both" };

	need_netem(c);
	for (size_t d = 0; d < 3; d++) {
		struct lab_result r = lab_run(c.user,
			"reseg-lab -%d --fault none --direction %s " BAD_NETWORK " -- sh -c '"
			"stream-client --connections 40 --parallel 40 $RESEG_SERVER 7 100000'",
			c.ip, directions[d]);

		lab_expect_status(&r, 0);
		expect_no_complaint(&r);
	}
}

/* A round trip goes over four links. */
LAB_TEST(netem, links_take_their_time)
{
	struct lab_result r;
	json_t *row;

	need_netem(c);
	r = lab_run(c.user, "reseg-lab -%d --no-box --delay 20 -- sh -c '"
			    "reseg-probe one --size 100 --format json $RESEG_SERVER'", c.ip);
	lab_expect_status(&r, 0);
	row = json_array_get(json_object_get(lab_json(r.out), "rows"), 0);
	cr_assert_geq(json_real_value(json_object_get(row, "time_s")), 0.08);
}

/* A capture says when EHLO left the client, after the delay of its link, and when the server had
 * it. (SYNs also wait for ARP.) */
LAB_TEST(netem, links_have_a_delay_for_each_direction)
{
	static const char *const options[] = { "40/5", "5/40" };
	static const double there[] = { 0.04, 0.005 };

	need_netem(c);
	for (size_t i = 0; i < 2; i++) {
		struct lab_result r = lab_run(c.user,
			"reseg-lab -%d --no-box --delay %s --capture $DIR -- "
			"reseg-probe one --size 100 server >/dev/null && "
			"tshark -r $DIR/lab.pcapng -Y \"tcp.dstport == 25 && tcp.seq == 1 && "
			"tcp.len > 0\" -T fields -e frame.time_epoch",
			c.ip, options[i]);
		double left, arrived;

		lab_expect_status(&r, 0);
		cr_assert_eq(sscanf(r.out, "%lf %lf", &left, &arrived), 2, "%s", r.out);
		cr_assert_float_eq(arrived - left, there[i], 0.002, "%f s", arrived - left);
	}
}

/* A packet and its answer take 80 ms, and up to 4 more or less for each link. */
LAB_TEST(netem, delays_vary)
{
	static const char *const options[] = { "", "--jitter 4" };
	double least[2] = { 1, 1 }, most[2] = { 0, 0 };

	need_netem(c);
	for (size_t i = 0; i < 2; i++) {
		struct lab_result r = lab_run(c.user,
			"reseg-lab -%d --no-box --delay 20 %s -- reseg-probe sweep --sizes 100-139 "
			"--format json --parallel 1 server", c.ip, options[i]);
		json_t *row;
		size_t k;

		lab_expect_status(&r, 0);
		json_array_foreach(lab_rows(&r), k, row) {
			double s = json_real_value(json_object_get(row, "time_s"));

			least[i] = s < least[i] ? s : least[i];
			most[i] = s > most[i] ? s : most[i];
		}
	}
	cr_assert(least[0] >= 0.08 && most[0] < 0.082, "%f to %f s", least[0], most[0]);
	cr_assert(least[1] >= 0.064 && least[1] < 0.079, "from %f s", least[1]);
	cr_assert(most[1] > 0.081 && most[1] < 0.098, "to %f s", most[1]);
}

/* Numbered datagrams cross one link. Prints which share is lost, and how many in a row. */
#define COUNT_LOSSES                                                                      \
	"import socket\n"                                                                 \
	"s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"                         \
	"s.bind((\"::\", 5000)); s.settimeout(3); print(\"ready\", flush=True)\n"        \
	"got = []\n"                                                                      \
	"try:\n"                                                                          \
	"    while True: got.append(int(s.recv(99)))\n"                                   \
	"except TimeoutError: pass\n"                                                     \
	"runs = [b - a - 1 for a, b in zip(got, got[1:]) if b - a > 1]\n"                 \
	"print(sum(runs) / (got[-1] - got[0]), sum(runs) / len(runs))\n"

#define SEND                                                                              \
	"import socket, time\n"                                                           \
	"a = socket.getaddrinfo(\"box\", 5000, type=socket.SOCK_DGRAM)[0]\n"              \
	"s = socket.socket(a[0], socket.SOCK_DGRAM)\n"                                    \
	"for i in range(4000): s.sendto(b\"%%d\" %% i, a[4]); time.sleep(0.001)\n"

LAB_TEST(netem, losses_come_in_bursts)
{
	static const int mean[] = { 1, 8 };

	need_netem(c);
	for (size_t i = 0; i < 2; i++) {
		double lost, in_a_row;
		struct lab_result r = lab_run(c.user,
			"cat >$DIR/count.py <<'E'\n" COUNT_LOSSES "E\n"
			"cat >$DIR/send.py <<'E'\n" SEND "E\n"
			"reseg-lab -%d --no-box --loss 20 --burst %d -- sh -c '"
			"mkfifo $DIR/out; " ON_BOX "python3 $DIR/count.py >$DIR/out & "
			"{ read line; python3 $DIR/send.py; cat; } <$DIR/out'", c.ip, mean[i]);

		lab_expect_status(&r, 0);
		cr_assert_eq(sscanf(r.out, "%lf %lf", &lost, &in_a_row), 2, "%s%s", r.out, r.err);
		cr_assert(lost > 0.15 && lost < 0.25, "%f lost", lost);
		cr_assert(in_a_row >= mean[i] * 0.8 && in_a_row < mean[i] * 1.3, "%f in a row",
			  in_a_row);
	}
}

/* A megabyte there and back at 8 Mbit/s takes a second at least. */
LAB_TEST(netem, links_have_a_rate)
{
	struct lab_result r;

	need_netem(c);
	r = lab_run(c.user, "reseg-lab -%d --no-box --rate 8 -- sh -c '"
			    "date +%%s%%N; stream-client $RESEG_SERVER 7 1000000; date +%%s%%N'",
			    c.ip);
	lab_expect_status(&r, 0);
	cr_assert_geq(atoll(strchr(r.out, '\n')) - atoll(r.out), 1000000000LL, "%s", r.out);
}

LAB_TEST(netem, aborts_harm_nobody_else)
{
	struct lab_result r;

	need_netem(c);
	r = lab_run(c.user,
		"reseg-lab -%d --fault none --direction both " BAD_NETWORK " -- sh -c '"
		"stream-client --connections 200 --parallel 50 --abort-every 5 $RESEG_SERVER 7 "
		"10000'",
		c.ip);
	lab_expect_status(&r, 0);
	expect_no_complaint(&r);
}

LAB_TEST(netem, check_sees_a_flowtable)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d -- reseg-lab enter --on box -- sh -c '"
		"nft add table inet f && nft add flowtable inet f t \"{ hook ingress priority 0; "
		"devices = { toclient }; }\" "
		"|| exit 77; reseg-rules check --quiet'", c.ip);

	if (r.status == 77)
		cr_skip_test("this kernel has no flowtables");
	lab_expect_error(&r, 1, "a flowtable lets packets bypass");
}

/* Neither loss nor reordering moves a stall: a client's kernel sends a lost packet again as it was,
 * and the box keeps the boundaries of what arrives out of order. */
LAB_TEST(netem, a_bad_network_does_not_move_a_stall)
{
	struct lab_result r;

	need_netem(c);
	r = lab_run(c.user,
		"reseg-lab -%d " BAD_NETWORK " -- sh -c '"
		"reseg-probe sweep --sizes 510-516,1022-1028 --timeout 20 --expect finch2008 "
		"$RESEG_SERVER'",
		c.ip);
	lab_expect_status(&r, 0);
	cr_assert(strstr(r.out, "513  stalled") && strstr(r.out, "1025  stalled"), "%s", r.out);
}

LAB_TEST(netem, nftables_own_queue_statement_fills_the_queue)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --no-box -- sh -c '"
		"reseg-rules load --quiet --kind nft --mode host --port 25 --queue 3 || exit 77; "
		START_RESEGD("--quiet --queue 3")
		"reseg-rules check --quiet --queue 3 && "
		"reseg-probe sweep --sizes 510-516,1022-1028 --timeout 3 --expect finch2008 "
		"$RESEG_SERVER && "
		"nft list ruleset'", c.ip);

	if (r.status == 77)
		cr_skip_test("this kernel's nftables has no queue statement");
	lab_expect_status(&r, 0);
	cr_assert(strstr(r.out, "queue flags bypass to 3"), "%s", r.out);
}

/* The rule set of a gateway with NAT and a firewall, by nftables alone. */
LAB_TEST(netem, nftables_rules_with_nat)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --no-box -- sh -c '"
		"cat >$DIR/firewall <<END\n"
		"table inet firewall {\n"
		"	chain forward {\n"
		"		type filter hook forward priority filter; policy drop;\n"
		"		ct state established,related accept\n"
		"		iifname toclient tcp flags syn accept\n"
		"	}\n"
		"	chain nat {\n"
		"		type nat hook postrouting priority srcnat;\n"
		"		oifname toserver masquerade\n"
		"	}\n"
		"}\n"
		"END\n"
		"on_box() { reseg-lab enter --on box -- \"$@\"; }\n"
		"on_box nft -f $DIR/firewall && on_box reseg-rules load --kind nft 2>&1 || exit "
		"77\n"
		"mkfifo $DIR/ready; on_box resegd --quiet --ready-fd 3 3>$DIR/ready & "
		"read line <$DIR/ready; on_box reseg-rules check --quiet && "
		"reseg-probe sweep --sizes 512-514 --timeout 3 --expect finch2008 $RESEG_SERVER && "
		"on_box reseg-rules remove --quiet && on_box nft list ruleset'", c.ip);

	if (r.status == 77)
		cr_skip_test("this kernel's nftables has no queue statement, or no NAT");
	lab_expect_status(&r, 0);
	cr_assert(strstr(r.out, "loaded: gateway-stateful rules"), "%s", r.out);
	cr_assert(strstr(r.out, "masquerade") && !strstr(r.out, "let-in"), "%s", r.out);
}
