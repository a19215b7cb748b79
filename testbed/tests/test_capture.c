/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Captures with comments, and ladders as text. The pages are tested in a browser (tests/page).
 */

#include "lab.h"

#include <stdlib.h>
#include <string.h>

TestSuite(capture, .timeout = 500);

/* The comments of a capture, read by tshark, as INTERFACE|COMMENT, one a line. */
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

/* Both captures of a stall must explain it, on the client's side. */
LAB_TEST(capture, comments_of_a_stall)
{
	struct lab_result r;

	lab_run_quiet(c, "--capture $DIR/cap",
		      "reseg-probe one --size 1025 --timeout 1 $RESEG_SERVER");
	for (int ends = 0; ends < 2; ends++) {
		r = comments(ends ? "cap/lab.pcapng" : "cap/box.pcapng");
		lab_has(&r, "client|forged ACK: the server does not have the last 20 bytes\n");
		lab_has(&r, "client|fault: off-by-one; cut: 512; stall: 513 pending, S = 512\n");
		lab_has(&r, "client|forged ACK: the server does not have the last 1025 bytes\n");
		lab_has(&r, "client|orphaned: 513 bytes ACKed to the client, never delivered\n");
		/* No packet that the server gets or sends needs a comment. */
		cr_assert_not(strstr(r.out, "server|"), "%s", r.out);
	}
	/* Both must have nanoseconds and good checksums. The ends' capture must have at least as
	 * many packets of TCP as the box's, or adding the comments has lost some. */
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

/* More data ends a stall, here in the other direction. */
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
	lab_has(&r, "server|fault: off-by-one; stall: 513 pending, S = 512\n");
	lab_has(&r, "server|forged ACK: the client does not have the last 513 bytes\n");
	lab_has(&r, "server|resume: 519 pending; cut: 512 + 7\n");
}

/* Trains are captured as the segments they become, with good checksums. */
LAB_TEST(capture, trains_are_taken_apart)
{
	struct lab_result r;

	lab_need("tshark");
	lab_run_quiet(c, "--fault none --offloads --pcapng $DIR/box.pcapng",
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

/* A fault that acts on a piece is told with the piece's octets. */
LAB_TEST(capture, comments_of_faults)
{
	struct lab_result r;
	const json_t *line;
	bool logged = false;
	size_t i;

	lab_run_quiet(c, "--fault duplicate:every=2 --capture $DIR/cap",
	    "reseg-probe one --size 1000 --timeout 5 $RESEG_SERVER");
	r = comments("cap/box.pcapng");
	lab_has(&r, "fault: duplicate (the client's bytes 20-531)");
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

/* Counts the parts of comments that begin with this word, in those lines of
 * NUMBER|PORT|PORT|COMMENT that have this port. */
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

/* Each event of this type in the log must be in the capture, on a packet of its own connection. */
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

/* A fault keeps back pieces of n connections; each time its event must be told. */
static void faults_of(struct lab_case c, unsigned n)
{
	char command[160];

	lab_need("tshark");
	snprintf(command, sizeof(command),
		 "reseg-probe sweep --sizes 600-%u --parallel %u --timeout 1 "
		 "$RESEG_SERVER >/dev/null",
		 599 + n, n);
	lab_run_quiet(c, "--fault lose-tail:bytes=100 --capture $DIR/cap", command);
	each_event_is_told("fault", n);
}

LAB_TEST(capture, comments_of_faults_in_many_connections)
{
	faults_of(c, 2);
	faults_of(c, 40);
}

/* Connections that stall until the fault is removed from all of them at once. */
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
	lab_run_quiet(c, "--capture $DIR/cap --control $DIR/ctl", command);
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

/* Sends this many bytes to the echo server and back on two connections, while nobody reads the
 * capture. */
#define UPLOAD_UNREAD(bytes)                                                             \
	"sh -c 'kill -STOP " CAPTURE_PID "; stream-client $RESEG_SERVER 7 " bytes " & "          \
	"stream-client $RESEG_SERVER 7 " bytes " && wait $! && status=7; "                       \
	"kill -CONT " CAPTURE_PID "; exit $status'"

/* However busy the machine is, 20 MiB find room in the kernel. */
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

/* Trouble with the capture is reported, in the capture and in the report, too, but does not change
 * the command's status. */
LAB_TEST(capture, what_is_not_captured_is_said)
{
	struct lab_result r;

	lab_need("pgrep");
	r = lab_run(c.user, "reseg-lab -%d --no-box --offloads --capture $DIR/cap "
			    "--report $DIR/page.html -- " UPLOAD_UNREAD("60000000"), c.ip);
	lab_expect_error(&r, 7, "the capture misses ");
	r = lab_run(c.user, "reseg-report --ends $DIR/cap/lab.pcapng | head -1; "
			    "grep -c 'The capture misses' $DIR/page.html");
	lab_has(&r, "The capture misses ");
	lab_has(&r, "may have come.\n1\n");
	r = lab_run(c.user,
		    "reseg-lab -%d --capture $DIR/cap -- sh -c 'kill -KILL " CAPTURE_PID "; "
		    "reseg-probe sweep --sizes 512,514 $RESEG_SERVER >/dev/null && exit 7'",
		    c.ip);
	lab_expect_error(&r, 7, "the capture failed ");
	r = lab_run(c.user, "mkdir $DIR/gone; reseg-lab -%d --report $DIR/gone/page.html -- "
			    "sh -c 'rmdir $DIR/gone; exit 7'", c.ip);
	lab_expect_error(&r, 7, "reseg-report: ");
}

/* Ladders as text ------------------------------------------------------------------------- */

LAB_TEST(capture, the_lab_reports_as_text)
{
	struct lab_result r = lab_run(c.user,
				      "reseg-lab --report - -- sh -c 'reseg-probe one --size 513 "
				      "--timeout 1 "
					      "[$RESEG_SERVER6] >/dev/null'");

	cr_assert_eq(r.status, 1, "%s", r.err);
	lab_has(&r, "[2001:db8:1::2]:");
	lab_has(&r, "client                        box                          server\n");
	lab_has(&r, "P. 21:534(513) ack 43 ----->|                               |\n");
	lab_has(&r, "* stall: 513 pending, S = 512\n");
	lab_has(&r, "* forged ACK: the server has 0 of these 513 bytes\n");
	lab_has(&r, "The client holds ACKs for 513 bytes that the server never got.\n");
	r = lab_run(
		c.user,
		"reseg-lab --report - -- sh -c 'reseg-probe one --size 512 --timeout 5 "
		"[$RESEG_SERVER6] >/dev/null'");
	lab_expect_status(&r, 0);
	lab_has(&r, "Every byte that was acknowledged was delivered.\n");
	cr_assert_not(strstr(r.out, "stall"), "%s", r.out);
	/* Without a box an arrow goes from end to end. */
	r = lab_run(
		c.user,
		"reseg-lab --no-box --report - -- sh -c 'reseg-probe one --size 513 --timeout 5 "
		"[$RESEG_SERVER6] >/dev/null'");
	lab_expect_status(&r, 0);
	lab_has(&r, "P. 21:534(513) ack 43 ------------------------------------->|\n");
	/* The capture that was made for the report is removed. */
	r = lab_run(
		c.user,
		"mkdir $DIR/tmp; TMPDIR=$DIR/tmp reseg-lab --watch --report $DIR/page.html -- "
		"true; ls $DIR/tmp; wc -c <$DIR/page.html");
	cr_assert_gt(atoi(r.out), 1000, "%s%s", r.out, r.err);
}

/* --watch shows a stall while the command is still waiting for it to end. */
LAB_TEST(capture, the_lab_is_watched)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab --watch --capture $DIR/cap -- sh -c 'reseg-probe one --size 513 "
		"--timeout 20 [$RESEG_SERVER6] & "
		"while ! grep -q \"stall: 513 pending\" $DIR/watched; do "
		"inotifywait -qq -t 1 -e modify $DIR/watched 2>/dev/null || kill -0 $! || exit 3; "
		"done; kill $!; wait $!; exit 0' "
		"2>$DIR/watched; echo $?; cat $DIR/watched");

	lab_has(&r, "0\n");
	lab_has(&r, "* stall: 513 pending, S = 512\n");
	lab_has(&r, "* forged ACK: the server has 0 of these 513 bytes\n");
	lab_has(&r, "|  1\n");
}

/* A ladder stays short, however many packets there are: it says what it leaves out, and shows what
 * matters. */
LAB_TEST(capture, many_packets_are_folded)
{
	struct lab_result r;
	size_t lines = 0;

	lab_run_quiet(c, "--fault drop:every=500 --capture $DIR/cap",
	    "stream-client $RESEG_SERVER 7 2000000");
	r = lab_run(c.user, "reseg-report $DIR/cap/box.pcapng --ends $DIR/cap/lab.pcapng");
	lab_expect_status(&r, 0);
	for (const char *p = r.out; (p = strchr(p, '\n')); p++)
		lines++;
	cr_assert_lt(lines, 1000);
	lab_has(&r, " packets, ");
	lab_has(&r, "* fault: drop (the client's bytes ");
	lab_has(&r, "Every byte that was acknowledged was delivered.\n");
}

Test(capture, usage)
{
	static const struct lab_usage report[] = {
		{ "", "give a capture" },
		{ "/nonexistent", "/nonexistent: No such file" },
		{ "/dev/null", "it is not a pcapng file" },
		{ "--most 0 /dev/null", "it is not a pcapng file" },
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
