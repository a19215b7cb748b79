/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A box without a fault, between real kernels under hard conditions: each end must get everything,
 * as without it. */

#include "lab.h"

#include <string.h>

TestSuite(invisible, .timeout = 500);

/* The program of both ends; its settings are in the environment. A connection that only goes on by
 * time-outs would take minutes; without the box it takes a second at most. */
static const char ends[] =
	"import os, socket, sys, threading, time\n"
	"family = socket.AF_INET6 if \":\" in os.environ[\"RESEG_SERVER\"] else socket.AF_INET\n"
	"s = socket.socket(family)\n"
	"def option(s, name, level, what):\n"
	"    if name in os.environ:\n"
	"        s.setsockopt(level, what, int(os.environ[name]))\n"
	"text = bytes(i * 7 + i // 256 & 255 for i in range(400000))\n"
	"def send(s, n):\n"
	"    s.sendall(text[:n])\n"
	"def get(s, n, pause):\n"
	"    data = b\"\"\n"
	"    while more := s.recv(3000):\n"
	"        data += more\n"
	"        time.sleep(pause)\n"
	"    return data == text[:n] or len(data)\n"
	"up, down, pause = int(os.environ[\"UP\"]), int(os.environ[\"DOWN\"]), "
	"float(os.environ[\"PAUSE\"])\n"
	"if sys.argv[1] == \"server\":\n"
	"    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
	"    option(s, \"SERVER_RCVBUF\", socket.SOL_SOCKET, socket.SO_RCVBUF)\n"
	"    s.bind((\"\", 25))\n"
	"    s.listen()\n"
	"    while True:\n"
	"        c, _ = s.accept()\n"
	"        option(c, \"ACCEPTED_RCVBUF\", socket.SOL_SOCKET, socket.SO_RCVBUF)\n"
	"        sender = threading.Thread(target=send, args=(c, down))\n"
	"        sender.start()\n"
	"        got = get(c, up, pause)\n"
	"        sender.join()\n"
	"        with open(os.environ[\"RESULT\"], \"w\") as result:\n"
	"            print(\"server\", got, file=result)\n"
	"        c.close()\n"
	"option(s, \"CLIENT_RCVBUF\", socket.SOL_SOCKET, socket.SO_RCVBUF)\n"
	"s.settimeout(40)\n"
	"s.connect((os.environ[\"RESEG_SERVER\"], 25))\n"
	"threading.Thread(target=lambda: (send(s, up), s.shutdown(socket.SHUT_WR))).start()\n"
	"print(\"client\", get(s, down, 0))\n";

static void expect_all(struct lab_case c, const char *environment, const char *options)
{
	static const char *const boxes[] = { "", "--direction both", "--inject raw" };

	lab_need("/usr/bin/python3");
	for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++) {
		struct lab_result r = lab_run(c.user,
			"printf '%%s' '%s' >$DIR/ends.py; rm -f $DIR/result; export "
			"RESULT=$DIR/result %s; "
			"reseg-lab -%d --fault none %s %s --server \"/usr/bin/python3 $DIR/ends.py "
			"server\" -- "
			"timeout 45 /usr/bin/python3 $DIR/ends.py client; cat $DIR/result",
			ends, environment, c.ip, options, boxes[i]);

		cr_assert_str_eq(r.out, "client True\nserver True\n", "%s %s %s: %s%s", environment,
				 options, boxes[i], r.out, r.err);
	}
}

/* Its kernel discards data that it has SACKed. */
LAB_TEST(invisible, a_server_that_reads_slowly_into_a_small_buffer)
{
	expect_all(c, "UP=400000 DOWN=0 PAUSE=0.002 ACCEPTED_RCVBUF=4096", "--offloads");
}

LAB_TEST(invisible, a_server_with_a_window_below_the_segment_size)
{
	expect_all(c, "UP=200000 DOWN=0 PAUSE=0 SERVER_RCVBUF=1", "--segment-size 1400");
}

LAB_TEST(invisible, a_client_with_the_smallest_receive_buffer)
{
	expect_all(c, "UP=1000 DOWN=200000 PAUSE=0 CLIENT_RCVBUF=1", "");
}

LAB_TEST(invisible, a_path_that_carries_less_than_the_links)
{
	expect_all(c, "UP=300000 DOWN=300000 PAUSE=0", "--segment-size 1448 --path-mtu 1300");
}

/* A router's report comes to the first worker, but the connection may be another's. */
LAB_TEST(invisible, a_path_that_carries_less_with_several_workers)
{
	for (unsigned workers = 2; workers <= 4; workers++) {
		struct lab_result r = lab_run(c.user,
			"rm -f $DIR/events.jsonl; reseg-lab -%d --fault none --segment-size 1448 "
			"--path-mtu 1300 --workers %u "
			"--events $DIR/events.jsonl -- "
			"sh -c 'stream-client $RESEG_SERVER 7 300000'; "
			"grep -c path.*segment_bytes.*:%d, $DIR/events.jsonl", c.ip, workers,
			c.ip == 4 ? 1300 - 52 : 1300 - 72);

		/* By time-outs the box would have found a smaller size. */
		cr_assert_str_eq(r.out, "1\n", "%u workers: %s%s", workers, r.out, r.err);
	}
}

/* A silent router reports nothing: the box must try smaller segments by itself. */
LAB_TEST(invisible, a_path_that_carries_less_and_does_not_say_so)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --fault none --segment-size 1448 --path-mtu 1300,silent -- "
		"reseg-probe one --timeout 30 --size 1961 server", c.ip);

	lab_expect_status(&r, 0);
	cr_assert(strstr(r.err, "a path seems to carry less than a piece"), "%s", r.err);
}
