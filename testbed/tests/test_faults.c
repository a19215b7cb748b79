/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What each fault looks like to a client, between real kernels. */

#include "lab.h"

#include <string.h>

TestSuite(faults, .timeout = 500);

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
	struct lab_result r = lab_run(c.user,
				      "reseg-lab -%d %s -- sh -c 'reseg-probe sweep --format json "
				      "--timeout 2 "
					      "--sizes %s server'", c.ip, lab_options, sizes);

	return lab_json(r.out);
}

static void expect_row(const json_t *root, int size, const char *outcome, int missing, int acked)
{
	const json_t *row = row_of(root, size);

	cr_assert_str_eq(lab_string(row, "outcome"), outcome, "%d: %s", size,
			 lab_string(row, "outcome"));
	cr_assert_eq(lab_number(row, "replies_due") - lab_number(row, "replies"), missing, "%d",
		     size);
	cr_assert_eq(lab_number(row, "bytes_acked"), acked, "%d", size);
}

/* The obvious explanation in 2008 predicts that only the last reply is missing. It was not so. */
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

/* The postmaster suspected this first, but with it nothing of the packet is ACKed. */
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
	r = lab_run(
		c.user,
		"reseg-lab -%d --fault corrupt:every=1 -- bash -c 'exec "
		"3<>/dev/tcp/$RESEG_SERVER/7; "
		"printf hello >&3; timeout 5 head -c 5 <&3'",
		c.ip);
	cr_assert_str_eq(r.out, "hemlo", "%s%s", r.out, r.err);
}

/* Healthy ends survive these faults, even all at once. */
LAB_TEST(faults, what_a_healthy_end_survives)
{
	static const char *const faults[] = {
		"drop:every=20", "duplicate:every=3", "reorder:every=3",
		"drop:percent=30 --fault duplicate --fault reorder",
	};

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		struct lab_result r = lab_run(c.user,
					      "reseg-lab -%d --direction both --fault %s -- "
						      "sh -c 'stream-client $RESEG_SERVER 7 "
						      "200000'", c.ip, faults[i]);

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

#define CONNECT                                                                          \
	"/usr/bin/python3 -c \"import socket, os, time; start = time.time(); "           \
	"socket.create_connection((os.environ[\\\"RESEG_SERVER\\\"], 25), 5); "           \
	"print(time.time() - start > 0.9)\""

LAB_TEST(faults, ecn)
{
	struct lab_result r;

	lab_need("/usr/bin/python3");
	r = lab_run(
		c.user,
		"reseg-lab -%d --fault ecn-drop -- sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_ecn; "
		"" CONNECT
		"'",
		c.ip);
	/* On its second try Linux does without ECN. */
	cr_assert_str_eq(r.out, "True\n", "%s%s", r.out, r.err);
	r = lab_run(
		c.user,
		"reseg-lab -%d --fault ecn-rst -- sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_ecn; "
		"" CONNECT
		"'",
		c.ip);
	cr_assert(strstr(r.err, "ConnectionRefusedError"), "%s%s", r.out, r.err);
	r = lab_run(
		c.user,
		"reseg-lab -%d --fault ecn-rst -- sh -c 'echo 0 >/proc/sys/net/ipv4/tcp_ecn; "
		"" CONNECT
		"'",
		c.ip);
	cr_assert_str_eq(r.out, "False\n", "%s%s", r.out, r.err);
}

LAB_TEST(faults, tfo_blackhole)
{
	static const char text[] =
		"import os, socket, time\n"
		"family = socket.AF_INET6 if \":\" in os.environ[\"RESEG_SERVER\"] else "
		"socket.AF_INET\n"
		"s = socket.socket(family)\n"
		"start = time.time()\n"
		"s.sendto(b\"hello\", socket.MSG_FASTOPEN, (os.environ[\"RESEG_SERVER\"], 7))\n"
		"print(s.recv(5), time.time() - start > 0.9)\n";
	struct lab_result r;

	lab_need("/usr/bin/python3");
	/* 5: Fast Open without a cookie. */
	for (int with = 0; with < 2; with++) {
		r = lab_run(c.user, "printf '%%s' '%s' >$DIR/tfo.py; reseg-lab -%d --fault %s -- "
				    "sh -c 'echo 5 >/proc/sys/net/ipv4/tcp_fastopen; "
				    "/usr/bin/python3 $DIR/tfo.py'",
			    text, c.ip, with ? "tfo-blackhole" : "none");
		cr_assert_str_eq(r.out, with ? "b'hello' True\n" : "b'hello' False\n", "%s%s",
				 r.out, r.err);
	}
}

/* An ordinary client gets a cookie by its first connection; those that use it later are delayed. */
LAB_TEST(faults, tfo_blackhole_with_cookies)
{
	static const char text[] =
		"import os, socket, sys, time\n"
		"family = socket.AF_INET6 if \":\" in os.environ[\"RESEG_SERVER\"] else "
		"socket.AF_INET\n"
		"if sys.argv[1] == \"server\":\n"
		"    s = socket.socket(family)\n"
		"    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
		"    s.setsockopt(socket.IPPROTO_TCP, 23, 5)  # TCP_FASTOPEN\n"
		"    s.bind((\"\", 25))\n"
		"    s.listen()\n"
		"    while True:\n"
		"        c, _ = s.accept()\n"
		"        c.sendall(c.recv(100))\n"
		"        c.close()\n"
		"for i in range(3):\n"
		"    s = socket.socket(family)\n"
		"    start = time.time()\n"
		"    s.sendto(b\"hello\", socket.MSG_FASTOPEN, (os.environ[\"RESEG_SERVER\"], "
		"25))\n"
		"    print(s.recv(5), time.time() - start > 0.9)\n";
	struct lab_result r;

	lab_need("/usr/bin/python3");
	r = lab_run(c.user,
		    "printf '%%s' '%s' >$DIR/tfo.py; "
		    "allow='echo 3 >/proc/sys/net/ipv4/tcp_fastopen; exec /usr/bin/python3'; "
		    "reseg-lab -%d --fault tfo-blackhole --server \"sh -c '$allow $DIR/tfo.py "
		    "server'\" "
		    "-- sh -c \"$allow $DIR/tfo.py client\"", text, c.ip);
	cr_assert_str_eq(r.out, "b'hello' False\nb'hello' True\nb'hello' True\n", "%s%s", r.out,
			 r.err);
}

/* Runs a client in Python by these commands; CLIENT_START connects `s` to the port. */
static struct lab_result python(struct lab_case c, const char *lab_options, int port,
				const char *commands)
{
	lab_need("/usr/bin/python3");
	return lab_run(
		c.user,
		"printf '%%s' '%s' >$DIR/client.py; reseg-lab -%d %s -- /usr/bin/python3 "
		"$DIR/client.py %d",
		commands, c.ip, lab_options, port);
}

#define CLIENT_START \
	"import os, socket, sys, time\n" \
	"s = socket.create_connection((os.environ[\"RESEG_SERVER\"], int(sys.argv[1])), 5)\n" \
	"s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)\n" \
	"def get(n, seconds=1):\n" \
	"    s.settimeout(seconds)\n" \
	"    data = b\"\"\n" \
	"    try:\n" \
	"        while len(data) < n:\n" \
	"            more = s.recv(n - len(data))\n" \
	"            if not more:\n" \
	"                return data, \"end\"\n" \
	"            data += more\n" \
	"    except TimeoutError:\n" \
	"        return data, \"silence\"\n" \
	"    except ConnectionResetError:\n" \
	"        return data, \"reset\"\n" \
	"    return data\n"

static void expect_output(const struct lab_result *r, const char *text)
{
	cr_assert_str_eq(r->out, text, "%s%s", r->out, r->err);
}

LAB_TEST(faults, banner_mask)
{
	struct lab_result r = python(c, "--fault banner-mask", 25, CLIENT_START "print(get(16))\n");

	expect_output(&r, "b'220 **** *****\\r\\n'\n");
}

/* The reply shows that the server no longer knows the verb. */
LAB_TEST(faults, split_command)
{
	struct lab_result r = python(c, "--fault split-command --segment-size 20", 25, CLIENT_START
		"get(16)\n"
		"s.sendall(b\"NOOP 90123456789\\r\\nNOOP x\\r\\n\")\n"
		"print(get(8), get(23))\n");

	/* The first piece has two octets of the second NOOP: too few to be known. */
	expect_output(&r, "b'250 ok\\r\\n' (b'250 ok\\r\\n', 'silence')\n");
	r = python(c, "--fault split-command --segment-size 24", 25, CLIENT_START
		"get(16)\n"
		"s.sendall(b\"NOOP 90123456789\\r\\nNOOP x\\r\\n\")\n"
		"print(get(8), get(23))\n");
	expect_output(&r, "b'250 ok\\r\\n' b'500 command not known\\r\\n'\n");
}

/* A message's end that is split does not reach the server; in one piece it does. */
LAB_TEST(faults, split_eod)
{
	static const char commands[] = CLIENT_START
		"def message(*ends):\n"
		"    s.sendall(b\"DATA\\r\\n\")\n"
		"    get(37)\n"
		"    for end in ends:\n"
		"        s.sendall(end)\n"
		"    return get(20)\n"
		"get(16)\n"
		"s.sendall(b\"HELO x\\r\\n\"); get(10)\n"
		"for ends in ((b\"text\\r\\n.\\r\\n\",), (b\"text\\r\\n\", b\".\\r\\n\"), "
		"(b\"text\\r\\n.\", b\"\\r\\n\")):\n"
		"    s.sendall(b\"MAIL FROM:<>\\r\\n\"); get(15)\n"
		"    s.sendall(b\"RCPT TO:<a>\\r\\n\"); get(18)\n"
		"    print(message(*ends)[:3])\n";
	struct lab_result r = python(c, "--fault split-eod --arrival wire", 25, commands);

	expect_output(&r, "b'250'\nb'250'\n(b'', 'silence')\n");
}

/* Linux sets PSH only on the last segment of a write, and a client that sends by MSG_MORE sets none
 * until it is done. */
LAB_TEST(faults, psh_hold)
{
	struct lab_result r = python(c, "--fault psh-hold:bytes=65535", 7, CLIENT_START
		"s.sendall(bytes(5000))\n"
		"print(len(get(5000)))\n"
		"s.send(bytes(5000), socket.MSG_MORE)\n"
		"print(len(get(5000)[0]) < 5000)\n");

	cr_assert(strncmp(r.out, "5000\n", 5) == 0, "%s%s", r.out, r.err);
}

/* Checks how many bytes the server got before the FIN that it saw. Linux answers what comes after
 * that FIN with a RST. */
static void expect_truncated(struct lab_case c, const char *fault, int bytes)
{
	char options[128];
	const json_t *line;
	json_t *lines;
	size_t i;

	snprintf(options, sizeof(options), "--fault %s --sink-options \"--log $DIR/%s\"", fault,
		 fault);
	python(c, options, 9, CLIENT_START
		"s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)\n"
		"s.sendall(bytes(1030))\n"
		"s.shutdown(socket.SHUT_WR)\n"
		"get(10)\n");
	lines = lab_json_lines(fault);
	json_array_foreach(lines, i, line) {
		if (strcmp(lab_string(line, "event"), "closed") == 0) {
			cr_assert_eq(lab_number(line, "received"), bytes, "%s", fault);
			return;
		}
	}
	cr_assert_fail("%s: the server saw no end", fault);
}

LAB_TEST(faults, fin_early_and_fin_dup)
{
	expect_truncated(c, "none", 1030);
	expect_truncated(c, "fin-early", 1024);
	expect_truncated(c, "fin-dup", 512);
}

/* Loss costs more time where SACK is useless, but everything arrives; without loss nothing is
 * noticed. */
LAB_TEST(faults, what_costs_only_time)
{
	static const char *const faults[] = {
		"isn-shift", "isn-shift --loss 3", "isn-shift:direction=c2s --loss 3",
		"isn-shift:direction=s2c --direction both",
		"ack-thin", "ack-thin:pass=2 --loss 1 --direction both",
	};

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		struct lab_result r = lab_run(c.user,
					      "reseg-lab -%d --fault %s -- sh -c 'stream-client "
					      "$RESEG_SERVER 7 40000'",
					      c.ip, faults[i]);

		lab_expect_status(&r, 0);
		cr_assert_str_eq(r.err, "");
	}
}

/* The server's window looks 128 times smaller than it is, so the upload takes longer. */
LAB_TEST(faults, wscale_strip)
{
	struct lab_result r = python(c, "--fault wscale-strip", 7, CLIENT_START
		"start = time.time()\n"
		"s.sendall(bytes(20000))\n"
		"print(len(get(20000, 10)) == 20000, time.time() - start > 1)\n");
	struct lab_result without = python(c, "--fault none", 7, CLIENT_START
		"start = time.time()\n"
		"s.sendall(bytes(20000))\n"
		"print(len(get(20000, 10)) == 20000, time.time() - start > 1)\n");

	expect_output(&without, "True False\n");
	cr_assert_str_neq(r.out, without.out, "%s%s", r.out, r.err);
}

/* A TLS record of 256 octets does not reach the echo server whole; those of 255 and 512 do. */
LAB_TEST(faults, hello_256_511)
{
	struct lab_result r = python(c, "--fault hello-256-511", 7, CLIENT_START
		"def hello(n):\n"
		"    s.sendall(bytes((22, 3, 1, n >> 8, n & 255, 1)) + bytes(n - 1))\n"
		"    return len(get(n + 5))\n"
		"print(hello(255), hello(512), hello(256))\n");

	expect_output(&r, "260 517 2\n");
}

LAB_TEST(faults, first_segment_parser)
{
	static const char commands[] = CLIENT_START
		"def hello(n):\n"
		"    s.sendall(bytes((22, 3, 1, n >> 8, n & 255, 1)) + bytes(n - 1))\n"
		"    return get(n + 5)\n"
		"print(len(hello(500)))\n"
		"print(hello(1800))\n";
	struct lab_result r = python(c, "--fault first-segment-parser", 7, commands);

	expect_output(&r, "505\n(b'', 'silence')\n");
	r = python(c, "--fault first-segment-parser:reset=1", 7, commands);
	expect_output(&r, "505\n(b'', 'reset')\n");
}

LAB_TEST(faults, ack_then_die)
{
	static const char commands[] = CLIENT_START
		"import struct\n"
		"s.sendall(bytes(500))\n"
		"print(len(get(500)))\n"
		"s.sendall(bytes(600))\n"
		"print(get(600))\n"
		/* The kernel takes all for delivered: tcpi_unacked is 0. */
		"print(struct.unpack_from(\"I\", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, "
		"104), 24)[0])\n"
		"s.sendall(bytes(1))\n"
		"print(get(1))\n";
	struct lab_result r = python(c, "--fault ack-then-die", 7, commands);

	expect_output(&r, "500\n(b'', 'silence')\n0\n(b'', 'silence')\n");
	r = python(c, "--fault ack-then-die:reset=1", 7, commands);
	expect_output(&r, "500\n(b'', 'silence')\n0\n(b'', 'reset')\n");
}

/* The first two connections fail, and then all is well. */
LAB_TEST(faults, the_first_two)
{
	struct lab_result r = lab_run(c.user,
				      "reseg-lab -%d --fault off-by-one:flows=1-2 -- sh -c '"
		"for i in 1 2 3; do reseg-probe one --size 513 --timeout 0.5 --format json server "
		"| grep outcome; done'", c.ip);
	const char *first = strstr(r.out, "stalled"), *second = first ? strstr(first + 1,
									       "stalled") : NULL;

	cr_assert(second && !strstr(second + 1, "stalled") && strstr(second + 1, "\"ok\""), "%s%s",
		  r.out, r.err);
}

/* The table of docs/evidence.md must be what the lab shows. */
Test(faults, the_evidence)
{
	struct lab_result r;

	lab_start(LAB_ROOT);
	lab_need("/usr/bin/python3");
	r = lab_run(
		LAB_ROOT,
		"sed -n '/^|/p' $DOCS/evidence.md >$DIR/page; $DOCS/../testbed/dev/evidence | diff "
		"$DIR/page -");
	cr_assert(r.status == 0 && r.err[0] == '\0', "%s%s", r.out, r.err);
}

/* docs/faults.md must be what resegd prints. */
Test(faults, the_page_is_up_to_date)
{
	struct lab_result r = lab_run(LAB_ROOT,
				      "resegd --list-faults=markdown | diff - $DOCS/faults.md");

	lab_expect_status(&r, 0);
}
