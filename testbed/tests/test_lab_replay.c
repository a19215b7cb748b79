/* SPDX-License-Identifier: GPL-2.0-or-later */

/* reseg-replay on captures of the lab. */

#include "lab.h"

#include <stdlib.h>

TestSuite(lab_replay, .timeout = 500);

/* From clean connections the replay must tell what the lab would have shown. */
LAB_TEST(lab_replay, replay_foretells_the_lab)
{
	static const struct {
		const char *fault;
		const char *stalled[8];
	} cases[] = {
		{ "--segment-size 512", { "513", "1025" } },
		{ "--segment-size 256", { "257", "513", "1025" } },
		{ "--fault none", { NULL } },
		{ "--fault off-by-one:over=2", { "514", "1026" } },
	};
	struct lab_result r;

	lab_run_quiet(c, "--no-box --capture $DIR/cap",
		      "reseg-probe sweep --sizes 257,512-514,1024-1026 --timeout 3 $RESEG_SERVER");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const json_t *row;
		json_t *root;
		size_t k, stalled = 0;

		r = lab_run(c.user,
			    "reseg-replay %s --format json -o $DIR/out.pcapng $DIR/cap/lab.pcapng",
			    cases[i].fault);
		cr_assert_eq(r.status, cases[i].stalled[0] ? 1 : 0, "%s%s", r.out, r.err);
		root = lab_json(r.out);
		cr_assert_eq(json_array_size(json_object_get(root, "rows")), 7);
		json_array_foreach(json_object_get(root, "rows"), k, row) {
			/* Without the EHLO before it. */
			int size = (int)lab_number(json_object_get(row, "c2s"), "acked") - 20;
			bool expected = false;

			for (size_t n = 0; cases[i].stalled[n]; n++)
				expected |= atoi(cases[i].stalled[n]) == size;
			cr_assert_str_eq(lab_string(row, "outcome"), expected ? "stalled" : "ok",
					 "%s: %d", cases[i].fault, size);
			cr_assert_eq(lab_number(row, "orphaned") > 0, expected);
			stalled += expected;
		}
		cr_assert_eq(stalled, cases[i].stalled[0] ? cases[i].stalled[2] ? 3 : 2 : 0);
	}
}

/* The same file and rules must give the same octets, from pcap as from pcapng. */
LAB_TEST(lab_replay, replay_is_repeatable)
{
	struct lab_result r;

	lab_need("editcap");
	lab_run_quiet(c, "--no-box --capture $DIR/cap", "stream-client $RESEG_SERVER 7 200000");
	r = lab_run(
		LAB_ROOT,
		"cd $DIR && tshark -r cap/lab.pcapng -Y 'frame.interface_name == \"client\"' -w "
		"one.pcapng && "
		"editcap -F nsecpcap one.pcapng one.pcap && chmod a+r one.pcap");
	lab_expect_status(&r, 0);
	r = lab_run(c.user,
		"cd $DIR && for i in 1 2 3; do reseg-replay --direction both --fault "
		"corrupt:percent=10 --fault reorder:every=4 "
		"--fault drop:every=9 -o out$i.pcapng --events out$i.jsonl $([ $i -lt 3 ] && echo "
		"cap/lab.pcapng || echo one.pcap) "
		">out$i.txt || { cat out$i.txt >&2; exit 1; }; done; cmp out1.pcapng out2.pcapng "
		"&& cmp out1.pcapng out3.pcapng && "
		"cmp out1.jsonl out2.jsonl && cmp out1.txt out2.txt && cat out1.txt");
	lab_expect_status(&r, 0);
	lab_has(&r, " ok ");
	lab_has(&r, "1 connection");
	/* The other end's packets show the same connection. */
	r = lab_run(c.user, "reseg-replay --fault none --interface server $DIR/cap/lab.pcapng");
	lab_expect_status(&r, 0);
}

/* A capture whose packets were lost and repeated on their way. */
LAB_TEST(lab_replay, replay_of_repetitions)
{
	struct lab_result r;

	lab_run_quiet(c, "--no-box --loss 4 --capture $DIR/cap",
		      "stream-client $RESEG_SERVER 7 60000");
	r = lab_run(
		c.user,
		"reseg-replay --direction both --fault reorder:every=4 --fault drop:every=9 "
		"$DIR/cap/lab.pcapng");
	cr_assert_eq(r.status, 0, "%s%s", r.out, r.err);
	lab_has(&r, " ok ");
}

/* A replay's output can be replayed, and reported: it is a capture like any other. */
LAB_TEST(lab_replay, replay_and_report)
{
	struct lab_result r;

	lab_run_quiet(c, "--no-box --capture $DIR/cap",
	    "reseg-probe one --size 1025 --timeout 3 $RESEG_SERVER");
	r = lab_run(
		c.user,
		"reseg-replay -o $DIR/out.pcapng $DIR/cap/lab.pcapng; reseg-report "
		"$DIR/out.pcapng");
	lab_has(&r, " stalled ");
	lab_has(&r, "* stall: 513 pending, S = 512");
	lab_has(&r, "* forged ACK: the server has 0 of these 1,025 bytes");
	lab_has(&r, "The client holds ACKs for 513 bytes that the server never got.");
	/* Its client side has only what the client could send: half of a connection, so the replay
	 * may hang. */
	r = lab_run(c.user, "reseg-replay --fault none $DIR/out.pcapng");
	cr_assert_leq(r.status, 1, "%s", r.err);
}

static void expect_refusal(const char *what, const char *text)
{
	struct lab_result r = lab_run(LAB_ROOT, "cd $DIR && reseg-replay %s", what);

	lab_expect_error(&r, 2, text);
}

Test(lab_replay, what_replay_refuses)
{
	struct lab_result r;

	lab_start(LAB_ROOT);
	lab_need("editcap");
	lab_run_quiet((struct lab_case){ LAB_ROOT, 4 }, "--no-box --capture $DIR/cap",
	    "stream-client $RESEG_SERVER 7 20000");
	r = lab_run(
		LAB_ROOT,
		"cd $DIR && editcap -s 40 cap/lab.pcapng short.pcapng && echo x >text && : >empty "
		"&& "
		"editcap -T usb-linux cap/lab.pcapng usb.pcapng && "
		"tshark -r cap/lab.pcapng -Y 'not tcp' -w other.pcapng");
	lab_expect_status(&r, 0);
	expect_refusal("short.pcapng", "are cut off within their headers");
	expect_refusal("text", "text: ");
	expect_refusal("empty", "empty: ");
	expect_refusal("missing", "missing: ");
	expect_refusal("usb.pcapng", "its link type is 189");
	expect_refusal("other.pcapng", "there is no TCP in it");
	expect_refusal("cap/lab.pcapng --interface nosuch", "no interface of that name");
	expect_refusal("cap/lab.pcapng --interface 7", "there is no TCP in it from that interface");
	expect_refusal("cap/lab.pcapng -o /nonexistent/x", "--output /nonexistent/x");
	expect_refusal("cap/lab.pcapng --fault nosuch", "no such fault");
	expect_refusal("cap/lab.pcapng --queue 3", "see --help");
	expect_refusal("cap/lab.pcapng -o cap/lab.pcapng", "that is the capture itself");
	expect_refusal("", "give one capture file");
}

/* Random octets in the middle of a capture: it is refused or replayed, and nothing worse. */
Test(lab_replay, broken_captures)
{
	struct lab_result r;

	lab_start(LAB_ROOT);
	lab_need("/usr/bin/python3");
	lab_run_quiet((struct lab_case){ LAB_ROOT, 4 }, "--capture $DIR/cap",
	    "reseg-probe one --size 513 --timeout 0.5 $RESEG_SERVER");
	r = lab_run(LAB_ROOT, "/usr/bin/python3 -c '\n"
		"import os, random, subprocess\n"
		"os.chdir(os.environ[\"DIR\"])\n"
		"whole = [open(\"cap/\" + name, \"rb\").read() for name in (\"lab.pcapng\", "
		"\"box.pcapng\")]\n"
		"for seed in range(60):\n"
		"    rng = random.Random(seed)\n"
		"    data = bytearray(whole[seed %% 2])\n"
		"    for i in range(rng.randint(1, 8)):\n"
		"        data[rng.randrange(len(data))] = rng.randrange(256)\n"
		"    if seed %% 5 == 0:\n"
		"        del data[rng.randrange(len(data)):]\n"
		"    open(\"broken\", \"wb\").write(data)\n"
		"    reports = ([\"reseg-report\", \"broken\"], [\"reseg-report\", \"--ends\", "
		"\"broken\", \"-o\", \"page.html\"])\n"
		"    for command in ([\"reseg-replay\", \"-o\", \"out\", \"broken\"], *(reports if "
		"seed %% 3 == 0 else ())):\n"
		"        done = subprocess.run(command, capture_output=True, text=True)\n"
		"        lines = done.stderr.splitlines()\n"
		"        told = all(\"what comes before\" in line or \"cut off\" in line for line "
		"in lines)\n"
		"        assert told if done.returncode in (0, 1) else done.returncode == 2 and "
		"len(lines) <= 2, (seed, command, done)\n"
		"'");
	cr_assert_eq(r.status, 0, "%s", r.err);
}
