/* SPDX-License-Identifier: GPL-2.0-or-later */

/* resegd and reseg-rules as a gateway's owner meets them. */

#include "lab.h"

TestSuite(resegd, .timeout = 500);

Test(resegd, usage)
{
	static const struct lab_usage cases[] = {
		{ "--arrival packet", "give segment, wire or burst" },
		{ "--overload panic", "give pass or refuse" },
		{ "--flows 0", "from 1" },
		{ "--window 100", "from 16384" },
		{ "--memory 100", "from 1048576" },
		{ "--grace soon", "time in seconds" },
		{ "--duration 0", "--duration 0: give a time in seconds from 0.001" },
		{ "--duration 1x", "give a time in seconds" },
		{ "--fault nosuch", "there are: off-by-one, none" },
		{ "--segment-size 0", "1 to 65495" },
		{ "--segment-size 65496", "1 to 65495" },
		{ "--segment-size 12x", "1 to 65495" },
		{ "--queue 65536", "0 to 65535" },
		{ "--queue -1", "0 to 65535" },
		{ "--queue 0000000garbage", "0 to 65535" },
		{ "--queue 0000000garbage:9", "0 to 65535" },
		{ "--queue 00000065536", "0 to 65535" },
		{ "--queue 5:4", "from 5 to 65535" },
		{ "--queue 0:64", "more than 64 workers" },
		{ "--queue-length 0", "from 1" },
		{ "--queue-buffer 1000", "from 65536" },
		{ "--inject nosuch", "no such injector" },
		{ "--events /nonexistent/file", "/nonexistent/file" },
		{ "--control-owner root",
		  "--control-owner root: there is no socket to give away: give control, too" },
		{ "--control c --control-owner nosuch",
		  "--control-owner nosuch: there is no such user or group" },
		{ "--user nosuch-user", "--user nosuch-user: there is no such user" },
		{ "--user nobody --sandbox off",
		  "--user nobody: changing the user needs the sandbox" },
		{ "--control $(printf %0108d 1)", "a socket's path has at most 107 bytes" },
		{ "--inject \"$(printf 'a\\nb\\033[1m\\303\\244\\344')\"",
		  "--inject a\\x0ab\\x1b[1m\303\244\\xe4: no such" },
		{ "extra", "takes options only" },
		{ "--nosuch", "--nosuch: not an option" },
		{ "--queue", "needs a value" },
		{ NULL, NULL },
	};

	lab_expect_usage_errors(LAB_ROOT, "resegd", "", cases);
}

/* All mistakes are reported at once. */
Test(resegd, all_mistakes_of_a_command_line)
{
	struct lab_result r = lab_run(LAB_ROOT,
				      "resegd --flows 0 --queue 7 --grace soon --direction up");

	lab_expect_status(&r, 2);
	cr_assert_str_eq(r.err, "resegd: --flows 0: give a whole number from 1 to 16777216\n"
				"resegd: --grace soon: give a time in seconds from 0 to 86400\n"
				"resegd: --direction up: give c2s, s2c, both or none\n", "%s",
				r.err);
}

/* All digits count, after any number of zeros. */
Test(resegd, the_queue_is_the_number_that_is_given)
{
	struct lab_result r;

	lab_start(LAB_ORDINARY);
	r = lab_run(
		LAB_ORDINARY,
		"reseg-lab --no-box -- sh -c '" START_RESEGD(
			"--queue 0000001234:000001235 --control $DIR/ctl") "resegctl --control "
									   "$DIR/ctl status; "
									   "resegctl --control "
									   "$DIR/ctl drain; wait'");
	cr_assert(strstr(r.out, "queue 1234, workers 2,"), "%s%s", r.out, r.err);
}

Test(resegd, help_and_version)
{
	static const char *const programs[] = { "resegd", "resegctl", "reseg-lab", "reseg-probe",
						"reseg-sink",
						"reseg-rules" };

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		struct lab_result r = lab_run(LAB_ROOT, "%s --help", programs[i]);

		lab_expect_status(&r, 0);
		cr_assert(strstr(r.out, "Usage: ") && r.err[0] == '\0', "%s", programs[i]);
		r = lab_run(LAB_ROOT, "%s --version", programs[i]);
		lab_expect_status(&r, 0);
		cr_assert(strstr(r.out, "(reseg)"), "%s", r.out);
		r = lab_run(LAB_ROOT, "%s --nosuch", programs[i]);
		lab_expect_error(&r, 2, "--help");
	}
}

/* Help must fit a terminal of the usual width. */
Test(resegd, help_in_80_columns)
{
	struct lab_result r = lab_run(LAB_ROOT,
		"for p in resegd resegctl reseg-lab \"reseg-lab enter\" reseg-probe reseg-sink "
		"reseg-replay "
		"reseg-report reseg-mta reseg-rules; do "
		"COLUMNS=80 $p --help | awk -v p=\"$p\" \"length > 80 { print p \\\": \\\" \\$0 } "
		"END { if (NR < 5) print p }\"; done");

	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out, "", "%s%s", r.out, r.err);
}

Test(resegd, without_privilege)
{
	struct lab_result r;

	lab_start(LAB_ORDINARY);
	r = lab_run(LAB_ORDINARY, "resegd");
	lab_expect_error(&r, 2, "run as root, or with");
	r = lab_run(LAB_ORDINARY, "reseg-rules load");
	lab_expect_error(&r, 2, "run as root");
	r = lab_run(LAB_ORDINARY, "reseg-rules remove");
	lab_expect_error(&r, 2, "run as root");
}

Test(resegd, queue_is_taken)
{
	struct lab_result r;

	lab_start(LAB_ORDINARY);
	r = lab_run(LAB_ORDINARY, "reseg-lab --no-box -- sh -c '" START_RESEGD("--queue 7 --quiet")
		    "resegd --queue 7'");
	lab_expect_error(&r, 2, "queue 7 is taken by another program");
}

/* A kernel without NFQUEUE, imitated by a library that refuses the netlink socket. */
Test(resegd, no_nfqueue)
{
	struct lab_result r;

	lab_start(LAB_ORDINARY);
	r = lab_run(LAB_ORDINARY,
		    "reseg-lab --no-box -- sh -c 'LD_PRELOAD=${NO_NFQUEUE:?} resegd'");
	lab_expect_error(&r, 2, "this kernel has no NFQUEUE");
}

LAB_TEST(resegd, single_host)
{
	/* The client is a host that runs its own resegd: toward the server, and over loopback to
	 * itself. */
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --no-box -- sh -c '"
		"reseg-rules load --quiet --mode host --port 25,2525 --queue 3; "
		START_RESEGD("--quiet --queue 3")
		"reseg-probe sweep --sizes 500-520,1020-1030 --timeout 1 --expect finch2008 "
		"$RESEG_SERVER && "
		"{ mkfifo $DIR/sink; reseg-sink --smtp 2525 --ready-fd 3 3>$DIR/sink & } && "
		"read line <$DIR/sink && "
		"reseg-probe sweep --sizes 500-520,1020-1030 --timeout 1 --expect finch2008 "
		"%s:2525'", c.ip,
		c.ip == 4 ? "127.0.0.1" : "[::1]");

	lab_expect_status(&r, 0);
}

/* Links with packets longer than the queue takes: lo, and one as wide as IP allows. */
LAB_TEST(resegd, the_widest_links)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --mtu 65535 --fault none --segment-size 65495 -- sh -c '"
		"stream-client $RESEG_SERVER 7 20000000'", c.ip);

	lab_expect_status(&r, 0);
	r = lab_run(c.user,
		"reseg-lab -%d --no-box -- sh -c '"
		"reseg-rules load --quiet --mode host --port 7 --queue 3; "
		START_RESEGD("--quiet --queue 3 --fault none --direction both")
		"mkfifo $DIR/sink; reseg-sink --echo 7 --ready-fd 3 3>$DIR/sink & "
		"read line <$DIR/sink; rm $DIR/sink; "
		"stream-client %s 7 20000000'", c.ip, c.ip == 4 ? "127.0.0.1" : "::1");
	lab_expect_status(&r, 0);
}

/* BIG TCP, which IPv6 over lo has since Linux 5.19: the box can do nothing but report it. */
Test(resegd, packets_too_long_for_the_queue)
{
	struct lab_result r;

	lab_start(LAB_ORDINARY);
	r = lab_run(LAB_ORDINARY,
		"reseg-lab -6 --no-box -- sh -c '"
		"ip link set lo gso_max_size 185000 gro_max_size 185000 || exit 77; "
		"reseg-rules load --quiet --mode host --port 7 --queue 3; "
		START_RESEGD("--queue 3 --fault none --control $DIR/ctl")
		"resegd=$!; reseg-rules check --quiet --mode host --queue 3 && exit 10; "
		"mkfifo $DIR/sink; reseg-sink --echo 7 --ready-fd 3 3>$DIR/sink & "
		"read line <$DIR/sink; rm $DIR/sink; "
		"stream-client ::1 7 1000000 || exit 11; "
		"ip link set lo gso_max_size 65536 gro_max_size 65536; "
		"reseg-rules check --quiet --mode host --queue 3 || exit 12; "
		"resegctl --control $DIR/ctl drain; wait $resegd'");
	if (r.status == 77)
		cr_skip_test("this kernel has no BIG TCP");
	lab_expect_status(&r, 0);
	cr_assert(strstr(r.err,
			 "reseg-rules: a link makes packets that are longer than"),
		  "%s", r.err);
	cr_assert(strstr(r.err, "resegd: packets are longer than the queue can copy"), "%s", r.err);
	cr_assert(strstr(r.err, " packets were longer than the queue can copy"), "%s", r.err);
}

/* Rules that do not exclude what resegd sends. */
LAB_TEST(resegd, packets_that_come_back_are_let_through)
{
	static const char *const injectors[] = { "auto", "raw" };

	for (size_t i = 0; i < 2; i++) {
		struct lab_result r = lab_run(c.user,
			"reseg-lab -%d --box 'for t in iptables ip6tables; do "
			"$t -t raw -A PREROUTING -p tcp -j NFQUEUE --queue-num 9 --queue-bypass; "
			"$t -t raw -A OUTPUT -p tcp -j NFQUEUE --queue-num 9 --queue-bypass; done; "
			"exec resegd --quiet --queue 9 --fault none --inject %s --ready-fd "
			"{ready}' -- "
			"sh -c 'reseg-lab enter --on box -- reseg-rules remove --quiet; "
			"stream-client $RESEG_SERVER 7 300000'", c.ip, injectors[i]);

		lab_expect_status(&r, 0);
		cr_assert(lab_is_line_with(r.err, "its own packets come back"), "%s", r.err);
	}
}

LAB_TEST(resegd, check_says_what_keeps_packets_away)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --fault none -- sh -c '"
		"stream-client $RESEG_SERVER 7 100000; reseg-lab enter --on box -- reseg-rules "
		"check'", c.ip);

	lab_expect_status(&r, 0);
	cr_assert(strstr(r.err, "queue 0 has had ") && !strstr(r.err, "had 0 packets"), "%s",
		  r.err);
	r = lab_run(c.user,
		"reseg-lab -%d -- reseg-lab enter --on box -- sh -c '"
		"echo 0 >/proc/sys/net/ipv4/ip_forward; reseg-rules check --quiet'", c.ip);
	lab_expect_error(&r, 1, "does not forward IPv4");
}

LAB_TEST(resegd, rules_load_check_and_remove)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --no-box -- sh -c '"
		/* every kind that is here; loading one removes the other */
		"for kind in iptables iptables-legacy auto; do"
		"  reseg-rules load --quiet --mode host --kind $kind --queue 3 || exit 10;"
		"  reseg-rules check --queue 3 2>/dev/null && exit 11;"	/* no resegd yet */
		"done; "
		START_RESEGD("--quiet --queue 3")
		"reseg-rules check --quiet --queue 3 || exit 12; "
		"iptables-legacy -t raw -S | grep -q RESEG && iptables-nft -t raw -S | grep -q "
		"RESEG && exit 13; "
		"reseg-rules remove --quiet; "
		"reseg-rules check --queue 3 2>/dev/null && exit 14; "
		"iptables-nft -t raw -S; iptables-legacy -t raw -S; "
		"ip6tables-nft -t raw -S; ip6tables-legacy -t raw -S; exit 0'", c.ip);

	lab_need("iptables-legacy");
	lab_expect_status(&r, 0);
	cr_assert_not(strstr(r.out, "RESEG"), "%s", r.out);
}

Test(resegd, rules_usage)
{
	static const struct lab_usage cases[] = {
		{ "", "say load, check or remove" },
		{ "load remove", "not both" },
		{ "load --port 0", "1 to 65535" },
		{ "load --port 25,", "1 to 65535" },
		{ "load --port 25:20", "begins with the larger number: give 20:25" },
		{ "load --tracking nat", "none, stateful, snat, dnat or auto" },
		{ "load --queue 65536", "0 to 65535" },
		{ "load --queue 2:1", "two with : between" },
		{ "load --queue 010", "0 to 65535" },
		{ "load --port 025", "1 to 65535" },
		{ "load --mode bridge", "gateway or host" },
		{ "load --kind pf", "nft, iptables, iptables-legacy or auto" },
		{ "load --port", "needs a value" },
		{ "load --without-resegd panic", "pass or drop" },
		{ NULL, NULL },
	};

	lab_expect_usage_errors(LAB_ROOT, "reseg-rules", "", cases);
}

/* resegd stops in the middle of a connection, which goes on, because the box has not changed its
 * sequence numbers. */
static void check_outliving(struct lab_case c, const char *queue, const char *check)
{
	struct lab_result r;

	lab_need("bash");
	r = lab_run(c.user,
		"reseg-lab -%d --no-box -- bash -c '"
		"reseg-rules load --quiet --mode host --port 7 --queue %s; "
		"mkfifo $DIR/ready; resegd --quiet --queue %s --ready-fd 3 3>$DIR/ready & "
		"resegd=$!; "
		"read line <$DIR/ready; %s"
		"exec 4<>/dev/tcp/$RESEG_SERVER/7; echo before >&4; read -t 5 line <&4; echo "
		"$line; "
		"kill $resegd; wait $resegd || exit 12; "
		"echo after >&4; read -t 5 line <&4; echo $line'", c.ip, queue, queue, check);
	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out, "before\nafter\n", "%s%s", r.out, r.err);
}

LAB_TEST(resegd, a_flow_with_nothing_orphaned_outlives_resegd)
{
	check_outliving(c, "3", "");
}

/* Connections of many host pairs are divided among the workers. The log has each line whole, and no
 * two flows have the same number: one worker's are odd, the other's even. */
LAB_TEST(resegd, two_workers)
{
	static const char *const injectors[] = { "auto", "raw" };

	for (size_t i = 0; i < 2; i++) {
		struct lab_result r = lab_run(c.user,
			"reseg-lab --workers 2 --fault none --inject %s --events $DIR/events%zu -- "
			"sh -c '"
			"ip route add local 198.51.100.128/25 dev lo && "
			"stream-client --connections 200 --parallel 50 --from 198.51.100.130 "
			"server 7 100000'",
			injectors[i], i);
		char name[16];
		size_t n;
		json_t *event, *events;
		unsigned closed[2] = { 0 };

		lab_expect_status(&r, 0);
		snprintf(name, sizeof(name), "events%zu", i);
		events = lab_json_lines(name);
		json_array_foreach(events, n, event) {
			json_int_t flow = json_integer_value(json_object_get(event, "flow"));

			if (strcmp(lab_string(event, "event"), "flow_closed") == 0)
				closed[flow % 2]++;
		}
		cr_assert_eq(closed[0] + closed[1], 200, "%u and %u", closed[0], closed[1]);
		cr_assert(closed[0] > 0 && closed[1] > 0, "%u and %u", closed[0], closed[1]);
	}
}

/* Packets lost because the queue is full are reported, and repaired by TCP. */
LAB_TEST(resegd, overrun_is_told)
{
	struct lab_result r = lab_run(c.user, "reseg-lab --queue-buffer 65536 --fault none -- "
				      "stream-client server 7 4000000");

	lab_expect_status(&r, 0);
	cr_assert(strstr(r.err, "some were lost: give a larger --queue-buffer"), "%s", r.err);
}

/* Several workers stop and hand over like one. */
LAB_TEST(resegd, workers_stop_and_hand_over)
{
	check_outliving(c, "3:5", "reseg-rules check --quiet --queue 3:5 || exit 10; "
				  "reseg-rules check --quiet --queue 3:6 2>/dev/null && exit 11; ");
}

/* One worker has a stall and waits long; the other ends at once, and leaves its connections to
 * their ends. Loopback has as many host pairs as are needed. */
LAB_TEST(resegd, a_worker_that_ends_leaves_its_queue)
{
	struct lab_result r;

	(void)c.ip;
	lab_need("bash");
	r = lab_run(c.user,
		"reseg-lab --no-box -- bash -c '"
		"reseg-rules load --quiet --mode host --port 7,25 --queue 3:4; "
		"mkfifo $DIR/ready $DIR/sink; resegd --queue 3:4 --grace 30 --events $DIR/ev "
		"--ready-fd 3 3>$DIR/ready 2>$DIR/log & "
		"resegd=$!; read line <$DIR/ready; "
		"reseg-sink --echo 7 --smtp 25 --ready-fd 3 3>$DIR/sink & read line <$DIR/sink; "
		"for i in {2..17}; do exec {fd[i]}<>/dev/tcp/127.0.0.$i/7; echo $i >&${fd[i]}; "
		"read -t 5 line <&${fd[i]} || exit 10; done; "
		"reseg-probe one --size 513 --timeout 20 127.0.0.2:25 >/dev/null & "
		"until grep -q stall $DIR/ev; do :; done; "
		"kill $resegd; until test $(ls /proc/$resegd/task | wc -l) = 2; do :; done; "
		"for i in {2..17}; do echo again >&${fd[i]}; read -t 5 line <&${fd[i]} || exit 11; "
		"done; "
		"test -e /proc/$resegd || exit 12; grep -c wait $DIR/log; kill $resegd; wait "
		"$resegd'");
	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out, "1\n", "not one line for all workers: %s", r.out);
}

/* Under load, too: what was ACKed is delivered, the rest goes end to end. */
LAB_TEST(resegd, a_busy_flow_is_handed_over)
{
	struct lab_result r;
	json_t *events, *last;

	lab_need("bash");
	r = lab_run(c.user,
		"reseg-lab -%d --no-box -- bash -c '"
		"reseg-rules load --quiet --mode host --port 7 --queue 3; "
		"mkfifo $DIR/ready; "
		"resegd --queue 3 --fault none --events $DIR/events --ready-fd 3 3>$DIR/ready & "
		"resegd=$!; "
		"read line <$DIR/ready; "
		"stream-client $RESEG_SERVER 7 200000000 & client=$!; "
		"tail --pid $client -n +1 -F $DIR/events 2>/dev/null | grep -q -m 1 "
		"offset..[0-9][0-9][0-9][0-9][0-9][0-9][0-9]; "
		"kill $resegd; wait $resegd || exit 10; wait $client'", c.ip);
	lab_expect_status(&r, 0);
	events = lab_json_lines("events");
	last = json_array_get(events, json_array_size(events) - 1);
	cr_assert_str_eq(lab_string(last, "event"), "flow_closed");
	cr_assert_str_eq(lab_string(last, "reason"), "handed_over");
}
