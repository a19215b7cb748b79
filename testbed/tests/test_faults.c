/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What each fault looks like to a client, between real kernels. */

#include "lab.h"

#include <string.h>

TestSuite(faults, .timeout = 120);

/* The row of a sweep for this size. */
static const json_t *row_of(const json_t *root, int size)
{
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(root, "rows"), i, row) {
		if (lab_number(row, "size") == size)
			return row;
	}
	cr_assert_fail("no row for %d", size);
	return NULL;
}

static json_t *sweep(struct lab_case c, const char *lab_options, const char *sizes)
{
	struct lab_result r = lab_run(c.user, "reseg-lab -%d %s -- sh -c 'reseg-probe sweep --format json --timeout 2 "
					      "--sizes %s server'", c.ip, lab_options, sizes);

	return lab_json(r.out);
}

static void expect_row(const json_t *root, int size, const char *outcome, int missing, int acked)
{
	const json_t *row = row_of(root, size);

	cr_assert_str_eq(lab_string(row, "outcome"), outcome, "%d: %s", size, lab_string(row, "outcome"));
	cr_assert_eq(lab_number(row, "replies_due") - lab_number(row, "replies"), missing, "%d", size);
	cr_assert_eq(lab_number(row, "bytes_acked"), acked, "%d", size);
}

/* What the obvious reading of 2008 predicts, and was not seen: all replies but the last. */
LAB_TEST(faults, lose_tail)
{
	json_t *root = sweep(c, "--fault lose-tail", "512-514,1025");

	expect_row(root, 512, "ok", 0, 512);
	expect_row(root, 513, "stalled", 1, 513);
	expect_row(root, 514, "ok", 0, 514);
	expect_row(root, 1025, "stalled", 1, 1025);
}

LAB_TEST(faults, off_by_one_elsewhere)
{
	json_t *root = sweep(c, "--fault off-by-one:over=2 --segment-size 256", "257-259");

	expect_row(root, 257, "ok", 0, 257);
	cr_assert_str_eq(lab_string(row_of(root, 258), "outcome"), "stalled");
	expect_row(root, 259, "ok", 0, 259);
}

/* What the postmaster first suspected: nothing of it is ACKed. */
LAB_TEST(faults, mtu_blackhole)
{
	json_t *root = sweep(c, "--fault mtu-blackhole:bytes=1000", "500,1200");

	expect_row(root, 500, "ok", 0, 500);
	cr_assert_str_neq(lab_string(row_of(root, 1200), "outcome"), "ok");
	cr_assert_eq(lab_number(row_of(root, 1200), "bytes_acked"), 0);
}

LAB_TEST(faults, corrupt)
{
	struct lab_result r;

	lab_need("bash");
	r = lab_run(c.user, "reseg-lab -%d --fault corrupt:every=1 -- bash -c 'exec 3<>/dev/tcp/$RESEG_SERVER/7; "
			    "printf hello >&3; timeout 5 head -c 5 <&3'", c.ip);
	cr_assert_str_eq(r.out, "hemlo", "%s%s", r.out, r.err);
}

/* Healthy ends survive these, also all at once. */
LAB_TEST(faults, what_a_healthy_end_survives)
{
	static const char *const faults[] = {
		"drop:every=20", "duplicate:every=3", "reorder:every=3",
		"drop:percent=30 --fault duplicate --fault reorder",
	};

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		struct lab_result r = lab_run(c.user, "reseg-lab -%d --direction both --fault %s -- "
						      "sh -c 'stream-client $RESEG_SERVER 7 200000'", c.ip, faults[i]);

		lab_expect_status(&r, 0);
		cr_assert_str_eq(r.err, "");
	}
}

LAB_TEST(faults, no_retransmit)
{
	json_t *root = sweep(c, "--fault drop:every=1 --fault no-retransmit", "100");
	const json_t *row = row_of(root, 100);

	/* EHLO is ACKed, lost, and never sent again. */
	cr_assert_str_neq(lab_string(row, "outcome"), "ok");
	expect_row(sweep(c, "--fault no-retransmit", "100,2000"), 2000, "ok", 0, 2000);
}

#define CONNECT "/usr/bin/python3 -c \"import socket, os, time; start = time.time(); " \
	"socket.create_connection((os.environ[\\\"RESEG_SERVER\\\"], 25), 5); print(time.time() - start > 0.9)\""

LAB_TEST(faults, ecn)
{
	struct lab_result r;

	lab_need("/usr/bin/python3");
	r = lab_run(c.user, "reseg-lab -%d --fault ecn-drop -- sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_ecn; " CONNECT "'", c.ip);
	/* Linux tries without, the second time. */
	cr_assert_str_eq(r.out, "True\n", "%s%s", r.out, r.err);
	r = lab_run(c.user, "reseg-lab -%d --fault ecn-rst -- sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_ecn; " CONNECT "'", c.ip);
	cr_assert(strstr(r.err, "ConnectionRefusedError"), "%s%s", r.out, r.err);
	r = lab_run(c.user, "reseg-lab -%d --fault ecn-rst -- sh -c 'echo 0 >/proc/sys/net/ipv4/tcp_ecn; " CONNECT "'", c.ip);
	cr_assert_str_eq(r.out, "False\n", "%s%s", r.out, r.err);
}

LAB_TEST(faults, tfo_blackhole)
{
	static const char text[] =
		"import os, socket, time\n"
		"family = socket.AF_INET6 if \":\" in os.environ[\"RESEG_SERVER\"] else socket.AF_INET\n"
		"s = socket.socket(family)\n"
		"start = time.time()\n"
		"s.sendto(b\"hello\", socket.MSG_FASTOPEN, (os.environ[\"RESEG_SERVER\"], 7))\n"
		"print(s.recv(5), time.time() - start > 0.9)\n";
	struct lab_result r;

	lab_need("/usr/bin/python3");
	/* 5: without a cookie. */
	for (int with = 0; with < 2; with++) {
		r = lab_run(c.user, "printf '%%s' '%s' >$DIR/tfo.py; reseg-lab -%d --fault %s -- "
				    "sh -c 'echo 5 >/proc/sys/net/ipv4/tcp_fastopen; /usr/bin/python3 $DIR/tfo.py'",
			    text, c.ip, with ? "tfo-blackhole" : "none");
		cr_assert_str_eq(r.out, with ? "b'hello' True\n" : "b'hello' False\n", "%s%s", r.out, r.err);
	}
}

/* What the page in docs/ says is what the program says. */
Test(faults, the_page_is_up_to_date)
{
	struct lab_result r = lab_run(LAB_ROOT, "resegd --list-faults=markdown | diff - $DOCS/faults.md");

	lab_expect_status(&r, 0);
}
