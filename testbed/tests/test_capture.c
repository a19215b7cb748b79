/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Captures that explain themselves, what reseg-replay makes of one, and ladders as text. The
 * pages are tested in a browser (tests/page).
 */

#include "lab.h"

#include <stdlib.h>
#include <string.h>

TestSuite(capture, .timeout = 120);

/* Comments, by tshark, as INTERFACE|COMMENT, one a line. */
static struct lab_result comments(const char *file)
{
	struct lab_result r;

	lab_need("tshark");
	r = lab_run(
		LAB_ROOT,
		"tshark -r $DIR/%s -Y frame.comment -T fields -E separator='|' -e "
		"frame.interface_name "
		"-e frame.comment",
		file);
	lab_expect_status(&r, 0);
	return r;
}

static void lab(struct lab_case c, const char *options, const char *command)
{
	struct lab_result r = lab_run(c.user, "reseg-lab -%d %s -- sh -c '%s'", c.ip, options,
				      command);

	cr_assert_leq(r.status, 1, "%s%s", r.out, r.err);
	cr_assert_str_eq(r.err, "");
}

static void has(const struct lab_result *r, const char *text)
{
	cr_assert(strstr(r->out, text), "no \"%s\" in:\n%s%s", text, r->out, r->err);
}

/* What both captures of a stall say, at both sides. */
LAB_TEST(capture, comments_of_a_stall)
{
	struct lab_result r;

	lab(c, "--capture $DIR/cap", "reseg-probe one --size 1025 --timeout 1 $RESEG_SERVER");
	for (int ends = 0; ends < 2; ends++) {
		r = comments(ends ? "cap/lab.pcapng" : "cap/box.pcapng");
		has(&r, "client|forged ACK: the server does not have the last 20 bytes\n");
		has(&r, "client|fault: off-by-one; cut: 512; stall: 513 pending, S = 512\n");
		has(&r, "client|forged ACK: the server does not have the last 1025 bytes\n");
		has(&r, "client|orphaned: 513 bytes ACKed to the client, never delivered\n");
		/* Nothing that the server gets or sends is remarkable. */
		cr_assert_not(strstr(r.out, "server|"), "%s", r.out);
	}
	/* Nanoseconds in both; good checksums; and the ends' capture has as many packets of TCP as
	 * the box's, or more if it lost none by the comments. */
	r = lab_run(
		LAB_ROOT,
		"cd $DIR/cap && capinfos box.pcapng lab.pcapng | grep -c 'precision: "
		"*nanoseconds'; "
		"tshark -r box.pcapng -o tcp.check_checksum:TRUE -Y 'tcp.checksum.status != 1' -T "
		"fields -e frame.number "
		"-e frame.interface_name -e tcp.seq -e tcp.len -e tcp.flags -e tcp.checksum -e "
		"tcp.checksum_calculated -e frame.comment; "
		"[ $(tshark -r lab.pcapng -Y tcp | wc -l) -ge $(tshark -r box.pcapng -Y tcp | wc "
		"-l) ] && echo all");
	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out, "2\nall\n", "%s%s", r.out, r.err);
}

/* More data, and the other direction. */
LAB_TEST(capture, comments_of_a_resumption)
{
	struct lab_result r;

	lab_need("/usr/bin/python3");
	r = lab_run(
		c.user,
		"reseg-lab -%d --direction s2c --pcapng $DIR/box.pcapng -- /usr/bin/python3 -c '"
		"import os, socket\n"
		"s = socket.create_connection((os.environ[\"RESEG_SERVER\"], 7), 5)\n"
		"s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)\n"
		"s.sendall(bytes(513))\n"
		"s.settimeout(0.3)\n"
		"try:\n    s.recv(1)\nexcept socket.timeout:\n    pass\n"
		"s.settimeout(5)\n"
		"s.sendall(bytes(6))\n"
		"n = 0\n"
		"while n < 519:\n    n += len(s.recv(600))\n'",
		c.ip);
	lab_expect_status(&r, 0);
	r = comments("box.pcapng");
	has(&r, "server|fault: off-by-one; stall: 513 pending, S = 512\n");
	has(&r, "server|forged ACK: the client does not have the last 513 bytes\n");
	has(&r, "server|resume: 519 pending; cut: 512 + 7\n");
}

/* Trains are captured as the segments they become, with good checksums. */
LAB_TEST(capture, trains_are_taken_apart)
{
	struct lab_result r;

	lab_need("tshark");
	lab(c, "--fault none --offloads --pcapng $DIR/box.pcapng",
	    "stream-client $RESEG_SERVER 7 300000");
	r = lab_run(
		LAB_ROOT,
		"tshark -r $DIR/box.pcapng -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -Y "
		"tcp "
		"-T fields -e frame.interface_name -e tcp.len -e tcp.checksum.status -e "
		"ip.checksum.status -e tcp.srcport "
		"| awk -F'\\t' '"
		"$1 == \"server\" && $5 != 7 && $2 > 512 { print \"too long\", $0 } $3 != 1 { "
		"print \"bad\", $0 } "
		"$1 == \"server\" && $5 != 7 { n += $2 } END { print (n >= 300000 ? \"all\" : n) "
		"}'");
	cr_assert_str_eq(r.out, "all\n", "%.2000s", r.out);
}

/* What a fault does to pieces is told with their octets. */
LAB_TEST(capture, comments_of_faults)
{
	struct lab_result r;
	const json_t *line;
	bool logged = false;
	size_t i;

	lab(c, "--fault duplicate:every=2 --capture $DIR/cap",
	    "reseg-probe one --size 1000 --timeout 5 $RESEG_SERVER");
	r = comments("cap/box.pcapng");
	has(&r, "fault: duplicate (the client's bytes 20-531)");
	json_array_foreach(lab_json_lines("cap/events.jsonl"), i, line) {
		if (strcmp(lab_string(line, "event"), "fault") == 0 && lab_number(line,
										  "offset") == 20) {
			cr_assert_str_eq(lab_string(line, "fault"), "duplicate");
			cr_assert_eq(lab_number(line, "bytes"), 512);
			logged = true;
		}
	}
	cr_assert(logged);
}

/* How often a word begins a part of a comment, in lines of NUMBER|PORT|PORT|COMMENT with this
 * port. */
static unsigned parts_of(const char *lines, int64_t port, const char *word)
{
	char ours[32], begin[32];
	unsigned count = 0;

	snprintf(ours, sizeof(ours), "|%d|", (int)port);
	snprintf(begin, sizeof(begin), "%s: ", word);
	for (const char *line = lines; *line; line = strchr(line, '\n') + 1) {
		const char *end = strchr(line, '\n'), *at = strstr(line, ours);

		while (at && at < end && (at = strstr(at + 1, begin)) && at < end)
			count++;
	}
	return count;
}

/* Each event of this type in the log is told in the capture, on a packet of its own connection. */
static void each_event_is_told(const char *type, unsigned connections)
{
	json_t *events = lab_json_lines("cap/events.jsonl"), *event, *other;
	struct lab_result told = lab_run(LAB_ROOT, "tshark -r $DIR/cap/box.pcapng -Y frame.comment "
					 "-T fields -E separator='|' -e frame.number "
					 "-e tcp.srcport -e tcp.dstport -e frame.comment");
	unsigned opened = 0, all = 0;
	size_t i, k;

	lab_expect_status(&told, 0);
	json_array_foreach(events, i, event) {
		unsigned count = 0;
		int64_t port;

		if (strcmp(lab_string(event, "event"), "flow_opened") != 0)
			continue;
		opened++;
		port = lab_number(event, "client_port");
		json_array_foreach(events, k, other)
			count += strcmp(lab_string(other, "event"), type) == 0 &&
				 lab_number(other, "flow") == lab_number(event, "flow");
		cr_expect_eq(parts_of(told.out, port, type), count, "%s, port %d: not %u", type,
			     (int)port, count);
		all += count;
	}
	cr_assert(opened == connections && all >= connections, "%u, %u", opened, all);
}

/* Connections whose pieces a fault keeps back. */
static void faults_of(struct lab_case c, unsigned n)
{
	char command[160];

	lab_need("tshark");
	snprintf(command, sizeof(command),
		 "reseg-probe sweep --sizes 600-%u --parallel %u --timeout 1 "
		 "$RESEG_SERVER >/dev/null",
		 599 + n, n);
	lab(c, "--fault lose-tail:bytes=100 --capture $DIR/cap", command);
	each_event_is_told("fault", n);
}

LAB_TEST(capture, comments_of_faults_in_many_connections)
{
	faults_of(c, 2);
	faults_of(c, 40);
}

/* Connections that stall, until the fault is taken away from all of them at once. */
static void resumes_of(struct lab_case c, unsigned n)
{
	char command[400];

	lab_need("tshark");
	snprintf(command, sizeof(command),
		 "reseg-probe sweep --protocol echo --sizes 513 --repeat %u --parallel %u "
		 "--timeout 60 "
		 "$RESEG_SERVER >/dev/null & "
		 "until [ $(grep -c event...stall $DIR/cap/events.jsonl) -ge %u ]; do sleep 0.1; "
		 "done; "
		 "resegctl --control $DIR/ctl fault off all && wait $!", n, n, n);
	lab(c, "--capture $DIR/cap --control $DIR/ctl", command);
	each_event_is_told("resume", n);
	each_event_is_told("stall", n);
}

LAB_TEST(capture, comments_of_many_resumptions)
{
	resumes_of(c, 2);
	resumes_of(c, 40);
}

/* What becomes of the capture itself ------------------------------------------------------- */

#define CAPTURE_PID "$(pgrep -x reseg-lab | grep -vx 1)"	/* in the lab */

/* So many bytes to the echo server and back, on two connections, while nobody reads the capture. */
#define UPLOAD_UNREAD(bytes)                                                             \
	"sh -c 'kill -STOP " CAPTURE_PID "; stream-client $RESEG_SERVER 7 " bytes " & "          \
	"stream-client $RESEG_SERVER 7 " bytes " && wait $! && status=7; "                       \
	"kill -CONT " CAPTURE_PID "; exit $status'"

/* Whatever the machine is doing, 20 MiB find room in the kernel. */
LAB_TEST(capture, an_upload_is_captured_whole)
{
	struct lab_result r;

	lab_need("pgrep");
	lab_need("tshark");
	r = lab_run(c.user, "reseg-lab -%d --fault none --capture $DIR/cap -- "
			    UPLOAD_UNREAD("5242880"), c.ip);
	lab_expect_status(&r, 7);
	cr_assert_str_eq(r.err, "");
	r = lab_run(LAB_ROOT, "for i in client server; do tshark -r $DIR/cap/lab.pcapng -T fields "
			      "-e tcp.len -Y \"frame.interface_name == $i && tcp.dstport == 7\" | "
			      "awk '"
			      "{ n += $1 } END { print (n >= 10485760 ? \"all\" : n) }'; done");
	cr_assert_str_eq(r.out, "all\nall\n", "%s%s", r.out, r.err);
}

/* The capture's trouble is said, there and in the report, and is not the command's. */
LAB_TEST(capture, what_is_not_captured_is_said)
{
	struct lab_result r;

	lab_need("pgrep");
	r = lab_run(c.user, "reseg-lab -%d --no-box --offloads --capture $DIR/cap "
			    "--report $DIR/page.html -- " UPLOAD_UNREAD("60000000"), c.ip);
	lab_expect_error(&r, 7, "the capture misses ");
	r = lab_run(c.user, "reseg-report --ends $DIR/cap/lab.pcapng | head -1; "
			    "grep -c 'The capture misses' $DIR/page.html");
	has(&r, "The capture misses ");
	has(&r, "may have come.\n1\n");
	r = lab_run(c.user,
		    "reseg-lab -%d --capture $DIR/cap -- sh -c 'kill -KILL " CAPTURE_PID "; "
		    "reseg-probe sweep --sizes 512,514 $RESEG_SERVER >/dev/null && exit 7'",
		    c.ip);
	lab_expect_error(&r, 7, "the capture ended ");
	r = lab_run(c.user, "mkdir $DIR/gone; reseg-lab -%d --report $DIR/gone/page.html -- "
			    "sh -c 'rmdir $DIR/gone; exit 7'", c.ip);
	lab_expect_error(&r, 7, "reseg-report: ");
}

/* Replay --------------------------------------------------------------------------------- */

/* Clean connections, of which the replay must tell what the lab would have shown. */
LAB_TEST(capture, replay_foretells_the_lab)
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

	lab(c, "--no-box --capture $DIR/cap", "reseg-probe sweep --sizes 257,512-514,1024-1026 "
	    "--timeout 3 $RESEG_SERVER");
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
			/* EHLO before it. */
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

/* The same file and rules, the same octets; of pcap as of pcapng. */
LAB_TEST(capture, replay_is_repeatable)
{
	struct lab_result r;

	lab_need("editcap");
	lab(c, "--no-box --capture $DIR/cap", "stream-client $RESEG_SERVER 7 200000");
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
	has(&r, " ok ");
	has(&r, "1 connection");
	/* The other end's packets tell of the same connection. */
	r = lab_run(c.user, "reseg-replay --fault none --interface server $DIR/cap/lab.pcapng");
	lab_expect_status(&r, 0);
}

/* A capture in which packets were lost and repeated on their way. */
LAB_TEST(capture, replay_of_repetitions)
{
	struct lab_result r;

	lab(c, "--no-box --loss 4 --capture $DIR/cap", "stream-client $RESEG_SERVER 7 60000");
	r = lab_run(
		c.user,
		"reseg-replay --direction both --fault reorder:every=4 --fault drop:every=9 "
		"$DIR/cap/lab.pcapng");
	cr_assert_eq(r.status, 0, "%s%s", r.out, r.err);
	has(&r, " ok ");
}

/* A replay's output can be replayed, and reported: it is a capture like any other. */
LAB_TEST(capture, replay_and_report)
{
	struct lab_result r;

	lab(c, "--no-box --capture $DIR/cap",
	    "reseg-probe one --size 1025 --timeout 3 $RESEG_SERVER");
	r = lab_run(
		c.user,
		"reseg-replay -o $DIR/out.pcapng $DIR/cap/lab.pcapng; reseg-report "
		"$DIR/out.pcapng");
	has(&r, " stalled ");
	has(&r, "* stall: 513 pending, S = 512");
	has(&r, "* forged ACK: the server has 0 of these 1,025 bytes");
	has(&r, "The client holds ACKs for 513 bytes that the server never got.");
	/* Its client side is what the client then sent: half of a connection, and the rest hung. */
	r = lab_run(c.user, "reseg-replay --fault none $DIR/out.pcapng");
	cr_assert_leq(r.status, 1, "%s", r.err);
}

static void expect_refusal(const char *what, const char *text)
{
	struct lab_result r = lab_run(LAB_ROOT, "cd $DIR && reseg-replay %s", what);

	lab_expect_error(&r, 2, text);
}

Test(capture, what_replay_refuses)
{
	struct lab_result r;

	lab_start(LAB_ROOT);
	lab_need("editcap");
	lab((struct lab_case){ LAB_ROOT, 4 }, "--no-box --capture $DIR/cap",
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
	expect_refusal("cap/lab.pcapng --interface 7", "there is no TCP in it, by that interface");
	expect_refusal("cap/lab.pcapng -o /nonexistent/x", "--output /nonexistent/x");
	expect_refusal("cap/lab.pcapng --fault nosuch", "no such fault");
	expect_refusal("cap/lab.pcapng --queue 3", "see --help");
	expect_refusal("cap/lab.pcapng -o cap/lab.pcapng", "that is the capture itself");
	expect_refusal("", "give one capture file");
}

/* Random octets in the middle of a capture: it is refused or replayed, and nothing worse. */
Test(capture, broken_captures)
{
	struct lab_result r;

	lab_start(LAB_ROOT);
	lab_need("/usr/bin/python3");
	lab((struct lab_case){ LAB_ROOT, 4 }, "--capture $DIR/cap",
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

/* Ladders as text ------------------------------------------------------------------------- */

LAB_TEST(capture, the_lab_reports_as_text)
{
	struct lab_result r = lab_run(c.user,
				      "reseg-lab --report - -- sh -c 'reseg-probe one --size 513 "
				      "--timeout 1 "
					      "[$RESEG_SERVER6] >/dev/null'");

	cr_assert_eq(r.status, 1, "%s", r.err);
	has(&r, "[2001:db8:1::2]:");
	has(&r, "client                        box                          server\n");
	has(&r, "P. 21:534(513) ack 43 ----->|                               |\n");
	has(&r, "* stall: 513 pending, S = 512\n");
	has(&r, "* forged ACK: the server has 0 of these 513 bytes\n");
	has(&r, "The client holds ACKs for 513 bytes that the server never got.\n");
	r = lab_run(
		c.user,
		"reseg-lab --report - -- sh -c 'reseg-probe one --size 512 --timeout 5 "
		"[$RESEG_SERVER6] >/dev/null'");
	lab_expect_status(&r, 0);
	has(&r, "Every byte that was acknowledged was delivered.\n");
	cr_assert_not(strstr(r.out, "stall"), "%s", r.out);
	/* Without a box, from end to end. */
	r = lab_run(
		c.user,
		"reseg-lab --no-box --report - -- sh -c 'reseg-probe one --size 513 --timeout 5 "
		"[$RESEG_SERVER6] >/dev/null'");
	lab_expect_status(&r, 0);
	has(&r, "P. 21:534(513) ack 43 ------------------------------------->|\n");
	/* Nothing is left of what was captured for it. */
	r = lab_run(
		c.user,
		"mkdir $DIR/tmp; TMPDIR=$DIR/tmp reseg-lab --watch --report $DIR/page.html -- "
		"true; ls $DIR/tmp; wc -c <$DIR/page.html");
	cr_assert_gt(atoi(r.out), 1000, "%s%s", r.out, r.err);
}

/* As it happens: what stalls is shown while the command still waits for it. */
LAB_TEST(capture, the_lab_is_watched)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab --watch --capture $DIR/cap -- sh -c 'reseg-probe one --size 513 "
		"--timeout 20 [$RESEG_SERVER6] & "
		"while ! grep -q \"stall: 513 pending\" $DIR/watched; do "
		"inotifywait -qq -t 1 -e modify $DIR/watched 2>/dev/null || kill -0 $! || exit 3; "
		"done; kill $!; wait $!; exit 0' "
		"2>$DIR/watched; echo $?; cat $DIR/watched");

	has(&r, "0\n");
	has(&r, "* stall: 513 pending, S = 512\n");
	has(&r, "* forged ACK: the server has 0 of these 513 bytes\n");
	has(&r, "|  1\n");
}

/* A picture stays one, however many packets: what is left out is said, what matters is there. */
LAB_TEST(capture, many_packets_are_folded)
{
	struct lab_result r;
	size_t lines = 0;

	lab(c, "--fault drop:every=500 --capture $DIR/cap",
	    "stream-client $RESEG_SERVER 7 2000000");
	r = lab_run(c.user, "reseg-report $DIR/cap/box.pcapng --ends $DIR/cap/lab.pcapng");
	lab_expect_status(&r, 0);
	for (const char *p = r.out; (p = strchr(p, '\n')); p++)
		lines++;
	cr_assert_lt(lines, 1000);
	has(&r, " packets, ");
	has(&r, "* fault: drop (the client's bytes ");
	has(&r, "Every byte that was acknowledged was delivered.\n");
}

Test(capture, usage)
{
	static const struct lab_usage report[] = {
		{ "", "give a capture" },
		{ "/nonexistent", "/nonexistent: No such file" },
		{ "/dev/null", "it is no pcapng file" },
		{ "--most 0 /dev/null", "it is no pcapng file" },
		{ "--watch a b", "give one file only" },
		{ "--nosuch", "see --help" },
		{ NULL, NULL },
	};
	static const struct lab_usage replay[] = {
		{ "--fault drop:direction=s2c /dev/null",
		  "what the server sends is not intercepted: add --direction both" },
		{ NULL, NULL },
	};
	static const struct lab_usage lab_cases[] = {
		{ "--no-box --watch -- true", "there is no resegd" },
		{ "--report /nonexistent/x -- true", "--report /nonexistent/x: No such file" },
		{ NULL, NULL },
	};

	lab_expect_usage_errors(LAB_ROOT, "reseg-report", "", report);
	lab_expect_usage_errors(LAB_ROOT, "reseg-replay", "", replay);
	lab_expect_usage_errors(LAB_ROOT, "reseg-lab", "", lab_cases);
}
