/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Commands for a resegd that is running. */

#include "lab.h"

#include <stdlib.h>
#include <string.h>

TestSuite(control, .timeout = 500);

#define CTL "resegctl --control $DIR/ctl "

/* Does the file hold a sweep that stalled in the second of three sizes? */
static bool second_stalls(const char *name)
{
	struct lab_result r = lab_run(LAB_ROOT, "cat $DIR/%s", name);
	const json_t *rows = json_object_get(lab_json(r.out), "rows");

	for (size_t i = 0; i < 3; i++) {
		if (strcmp(lab_string(json_array_get(rows, i), "outcome"),
			   i == 1 ? "stalled" : "ok") != 0)
			return false;
	}
	return json_array_size(rows) == 3;
}

/* Each connection has the policy of its port. The command line overrides what the file says before
 * its policies. */
LAB_TEST(control, policies)
{
	static const struct {
		const char *name, *direction;
		int segment_size;
	} expected[] = { { "default", "c2s", 300 }, { "mail", "c2s", 300 }, { "echo", "c2s", 100 },
			 { "rest", "none", 300 } };
	struct lab_result r = lab_run(c.user,
		"printf '%%s\\n' 'segment-size = 999' 'fault = none' '[policy mail]' 'port = 25' "
		"'fault = off-by-one' "
		"'[policy echo]' 'port = 7' 'segment-size = 100' 'fault = off-by-one' '[policy "
		"rest]' 'direction = none' >$DIR/c; "
		"reseg-lab -%d --config $DIR/c --segment-size 300 --control $DIR/ctl -- sh -c '"
		"reseg-probe sweep --sizes 300-302 --timeout 1 --format json server "
		">$DIR/mail.json; "
		"reseg-probe sweep --protocol echo --sizes 100-102 --timeout 1 --format json "
		"server:7 >$DIR/echo.json; "
		CTL "status --format json'", c.ip);
	const json_t *policies = json_object_get(lab_json(r.out), "policies");

	cr_assert(second_stalls("mail.json"));
	cr_assert(second_stalls("echo.json"));
	cr_assert_eq(json_array_size(policies), 4);
	for (size_t i = 0; i < 4; i++) {
		const json_t *policy = json_array_get(policies, i);

		cr_assert_str_eq(lab_string(policy, "policy"), expected[i].name);
		cr_assert_str_eq(lab_string(policy, "direction"), expected[i].direction);
		cr_assert_eq(lab_number(policy, "segment_size"), expected[i].segment_size);
	}
}

/* Removing a fault, by resegctl or SIGHUP, ends its stall but no connection. */
LAB_TEST(control, faults_change_under_a_connection)
{
	static const char client[] =
		"import json, os, signal, socket, subprocess, sys\n"
		"ctl = lambda *words: subprocess.check_call([\"resegctl\", \"--control\", "
		"sys.argv[1], *words])\n"
		"s = socket.create_connection((os.environ[\"RESEG_SERVER\"], 7), 5)\n"
		"def spoilt():\n"
		"    s.sendall(bytes(513))\n"
		"    s.settimeout(0.3)\n"
		"    try:\n"
		"        s.recv(1, socket.MSG_PEEK)\n"
		"    except socket.timeout:\n"
		"        return True\n"
		"    return False\n"
		"def take():\n"
		"    s.settimeout(5)\n"
		"    n = 0\n"
		"    while n < 513:\n"
		"        n += len(s.recv(600))\n"
		"    return n == 513\n"
		"print(spoilt())\n"
		"ctl(\"flows\")\n"
		"status = lambda: json.loads(subprocess.check_output([\"resegctl\", \"--control\", "
		"sys.argv[1], \"--format\", \"json\", \"status\"]))\n"
		"before = status()[\"policies\"][0][\"faults\"][0]\n"
		"flow = json.loads(subprocess.check_output([\"resegctl\", \"--control\", "
		"sys.argv[1], \"--format\", \"json\", \"flows\"]))[\"flows\"][0]\n"
		/* No packet has come since spoilt() began to wait for 0.3 s. */
		"assert 0.2 < flow[\"idle_s\"] < 20, flow\n"
		"ctl(\"fault\", \"change\", \"off-by-one\", \"off-by-one:over=2\")\n"
		"print(take())\n"
		"after = status()[\"policies\"][0][\"faults\"][0]\n"
		"assert after[\"id\"] == before[\"id\"] and after[\"acted\"] >= before[\"acted\"] "
		">= 1 and after[\"fault\"] == \"off-by-one:over=2\", (before, after)\n"
		"print(spoilt(), take())\n"
		"ctl(\"fault\", \"on\", \"off-by-one\")\n"
		"print(spoilt())\n"
		"ctl(\"fault\", \"off\", \"off-by-one\")\n"
		"print(take())\n"
		"open(sys.argv[2], \"w\").write(\"fault = off-by-one\\n\")\n"
		"ctl(\"reload\")\n"
		"print(spoilt())\n"
		"open(sys.argv[2], \"w\").write(\"fault = none\\n\")\n"
		"status = subprocess.check_output([\"resegctl\", \"--control\", sys.argv[1], "
		"\"--format\", \"json\", \"status\"])\n"
		"os.kill(json.loads(status)[\"pid\"], signal.SIGHUP)\n"
		"print(take())\n"
		"open(sys.argv[2], \"w\").write(\"fault = 3\\n\")\n"
		"print(subprocess.call([\"resegctl\", \"--control\", sys.argv[1], \"reload\"]))\n"
		"ctl(\"fault\")\n"
		"s.close()\n";
	struct lab_result r;

	lab_need("/usr/bin/python3");
	r = lab_run(c.user, "printf '%%s' '%s' >$DIR/client.py; echo 'fault = off-by-one' >$DIR/c; "
			    "reseg-lab -%d --config $DIR/c --control $DIR/ctl -- sh -c "
			    "'/usr/bin/python3 -u $DIR/client.py $DIR/ctl $DIR/c'",
		    client, c.ip);
	lab_expect_status(&r, 0);
	cr_assert(strstr(r.out, " stalled        513     513   0s\n"), "%s%s", r.out, r.err);
	cr_assert(strstr(r.out, "True\nFalse True\nTrue\nTrue\nTrue\nTrue\n2\n"), "%s%s", r.out,
		  r.err);
	cr_assert(strstr(r.out, "default              - none"), "%s%s", r.out, r.err);
	cr_assert(strstr(r.err, ":1:9: fault 3: no such fault"), "%s%s", r.out, r.err);
}

/* A fault is toggled 10,000 times under load, and at the end nothing is lost. */
LAB_TEST(control, toggled_under_load)
{
	static const char toggler[] =
		"import json, socket, sys\n"
		"s = socket.socket(socket.AF_UNIX)\n"
		"s.connect(sys.argv[1])\n"
		"f = s.makefile(\"rw\")\n"
		"for i in range(10000):\n"
		"    what = {\"do\": \"on\", \"fault\": \"psh-hold:bytes=65535\"} if i % 2 == 0 "
		"else {\"do\": \"off\", \"which\": \"all\"}\n"
		"    f.write(json.dumps({\"command\": \"fault\", **what}) + \"\\n\")\n"
		"    f.flush()\n"
		"    answer = json.loads(f.readline())\n"
		"    assert answer[\"ok\"], answer\n"
		"print(\"toggled\")\n";
	struct lab_result r;

	lab_need("/usr/bin/python3");
	r = lab_run(c.user, "printf '%s' '%s' >$DIR/toggler.py; "
			    "reseg-lab -%d --fault none --direction both --control $DIR/ctl -- "
			    "sh -c '/usr/bin/python3 $DIR/toggler.py $DIR/ctl & n=0; while [ $n "
			    "-lt 2 ] || kill -0 $! 2>/dev/null; do "
			    "stream-client $RESEG_SERVER 7 300000 || exit 1; n=$((n + 1)); done; "
			    "wait $! || exit 1; "
			    CTL "status; echo $((n > 1))'", "%s", toggler, c.ip);
	lab_expect_status(&r, 0);
	cr_assert(strstr(r.out, "toggled\n") && strstr(r.out, "\n1\n"), "%s%s", r.out, r.err);
	cr_assert(strstr(r.out, "stalls "), "the fault was never in the way: %s%s", r.out, r.err);
	cr_assert_not(strstr(r.out, "orphaned_bytes"), "%s%s", r.out, r.err);
}

/* Clients that do not read their answers, send half a request or say nothing are in nobody's
 * way. */
LAB_TEST(control, clients_that_hang)
{
	static const char hanger[] =
		"import socket, subprocess, sys\n"
		"all = []\n"
		"for i in range(40):\n"
		"    s = socket.socket(socket.AF_UNIX)\n"
		"    s.connect(sys.argv[1])\n"
		"    s.settimeout(0.01)\n"
		"    try:\n"
		"        for k in range([0, 1, 3000][i % 3]):\n"
		"            s.sendall(b\"{\\\"command\\\": \\\"metrics\\\"}\" + (b\"\\n\" if i % "
		"3 == 2 else b\"\"))\n"
		"    except (socket.timeout, BrokenPipeError, ConnectionResetError):\n"
		"        pass\n"
		"    all.append(s)\n"
		"subprocess.check_call([\"stream-client\", sys.argv[2], \"7\", \"300000\"])\n"
		"subprocess.check_call([\"resegctl\", \"--control\", sys.argv[1], \"status\"])\n"
		"for text in [b\"nonsense\\n\", b\"[]\\n\", b\"{}\\n\", b\"{\\\"command\\\": "
		"3}\\n\", b\"{\\\"command\\\": \\\"fault\\\"}\\n\",\n"
		"             b\"{\\\"command\\\": \\\"fault\\\", \\\"do\\\": \\\"on\\\", "
		"\\\"fault\\\": 5}\\n\", b\"\\0\\n\", b\"x\" * 65537, b\"x\" * 70000]:\n"
		"    s = socket.socket(socket.AF_UNIX)\n"
		"    s.connect(sys.argv[1])\n"
		"    s.settimeout(5)\n"
		"    s.sendall(text)\n"
		"    f = s.makefile()\n"
		"    answer = f.readline()\n"
		"    assert \"\\\"ok\\\":false\" in answer, (text[:20], answer)\n"
		"    assert (\"at most 65536\" in answer) == (len(text) > 65536), answer\n"
		/* Requests after that are answered, even the longest that is allowed. */
		"    s.sendall(b\"y\" * 200000 * (len(text) > 65536) + b\"\\n\" * (len(text) > "
		"65536) +\n"
		"              b\"{\\\"command\\\": \\\"flows\\\"}\".ljust(65536) + b\"\\n\")\n"
		"    answer = f.readline()\n"
		"    assert \"\\\"ok\\\":true\" in answer, (text[:20], answer)\n"
		"print(\"answered\")\n";
	struct lab_result r;

	lab_need("/usr/bin/python3");
	r = lab_run(
		c.user,
		"printf '%%s' '%s' >$DIR/hanger.py; reseg-lab -%d --fault none --control $DIR/ctl "
		"-- "
		"sh -c '/usr/bin/python3 $DIR/hanger.py $DIR/ctl $RESEG_SERVER'",
		hanger, c.ip);
	cr_assert(strstr(r.out, "resegd ") && strstr(r.out, "answered\n"), "%s%s", r.out, r.err);
	cr_assert_str_eq(r.err, "");
}

/* A reload names each key that it cannot change, and no other. */
Test(control, keys_that_want_a_restart)
{
	struct lab_result r;

	lab_start(LAB_ORDINARY);
	lab_need("/usr/bin/python3");
	r = lab_run(LAB_ORDINARY, "cd $DIR && echo fault=none >c && "
		"reseg-lab --no-box -- sh -c '" START_RESEGD("--quiet --config c --control ctl "
							     "2>log")
		"ctl() { resegctl --control ctl reload; }; "
		"echo fault=drop >c; ctl; echo grace=7 >>c; ctl; "
		"printf \"%%s\\n\" grace=5.0 queue=4 arrival=wire flows=10 window=16384 "
		"memory=1048576 overload=refuse "
		"queue-length=5 queue-buffer=65536 inject=raw events=/dev/null pcapng=x "
		"control-owner=root user=nobody >c; ctl; "
		"printf \"%%s\\n\" inject=auto sandbox=off queue=0:1 arrival=burst events= >c; "
		"ctl; "
		"resegctl --control ctl --format json reload; resegctl --control ctl drain; wait; "
		"cat log'");
	cr_assert_str_eq(
		r.err,
		"resegctl: restart resegd for these changed keys to take effect: grace\n"
		"resegctl: restart resegd for these changed keys to take effect: queue, arrival, "
		"flows, window, memory, overload, "
		"queue-length, queue-buffer, inject, events, pcapng, control-owner, user\n"
		"resegctl: restart resegd for these changed keys to take effect: queue, sandbox\n",
		"%s%s", r.out, r.err);
	cr_assert(strncmp(r.out, "{", 1) == 0 && strstr(r.out, "\"needs_start\": true") &&
		  strstr(r.out, "\"sandbox\""), "%s", r.out);
	cr_assert(
		strstr(r.out,
		       "resegd: c: restart resegd for these changed keys to take effect: grace\n"),
		"%s", r.out);
}

/* A drained connection goes on without the box, which has ended once its control socket is
 * closed. */
LAB_TEST(control, drain)
{
	static const char client[] =
		"import os, socket, subprocess, sys\n"
		"s = socket.create_connection((os.environ[\"RESEG_SERVER\"], 7), 5)\n"
		"def echo():\n"
		"    s.sendall(b\"x\" * 700)\n"
		"    n = 0\n"
		"    while n < 700:\n"
		"        n += len(s.recv(700))\n"
		"echo()\n"
		"c = socket.socket(socket.AF_UNIX)\n"
		"c.connect(sys.argv[1])\n"
		"c.sendall(b\"{\\\"command\\\": \\\"drain\\\"}\\n\")\n"
		"while c.recv(1000):\n"
		"    pass\n"
		"echo()\n"
		"print(os.path.exists(sys.argv[1]))\n";
	struct lab_result r;

	lab_need("/usr/bin/python3");
	r = lab_run(c.user,
		    "printf '%%s' '%s' >$DIR/client.py; reseg-lab -%d --control $DIR/ctl -- "
		    "/usr/bin/python3 $DIR/client.py $DIR/ctl",
		    client, c.ip);
	cr_assert_str_eq(r.out, "False\n", "%s%s", r.out, r.err);
}

LAB_TEST(control, the_socket_is_its_owners)
{
	struct lab_result metrics;
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --control $DIR/ctl -- sh -c 'stat -c %%a $DIR/ctl; resegctl "
		"--control $DIR/ctl metrics >$DIR/metrics; "
		"resegctl --control $DIR/ctl fault off nosuch; resegctl --control $DIR/ctl fault "
		"on drop --policy nosuch; "
		"resegctl --control $DIR/ctl --format json flows'; test -e $DIR/ctl || echo gone",
		c.ip);

	cr_assert(strncmp(r.out, "600\n", 4) == 0, "%s%s", r.out, r.err);
	/* Each line of the metrics is a comment or a name, perhaps with labels, and a number. */
	metrics = lab_run(
		LAB_ROOT,
		"grep -c '^reseg_[a-z_]* [0-9.]*$' $DIR/metrics; grep '^reseg_fault_acted_total' "
		"$DIR/metrics; "
		"grep -cvE '^(# (HELP|TYPE) "
		"|reseg_[a-z_]*(\\{[a-z]+=\"[^\"]*\"(,[a-z]+=\"[^\"]*\")*\\})? [0-9.]+$)' "
		"$DIR/metrics");
	cr_assert_gt(atoi(metrics.out), 25, "%s", metrics.out);
	cr_assert(strstr(metrics.out, "\nreseg_fault_acted_total{policy=\"default\","
				      "fault=\"off-by-one\",id=\"1\"} 0\n0\n"),
		  "%s", metrics.out);
	cr_assert(strstr(r.err, "no such fault in use"), "%s", r.err);
	cr_assert(strstr(r.err, "no such policy"), "%s", r.err);
	cr_assert(strstr(r.out, "\"flows\": []"), "%s", r.out);
	cr_assert(strstr(r.out, "gone\n"), "%s", r.out);
}

/* A fault that can never act is refused, as at the start, and nothing changes. */
Test(control, a_fault_that_can_never_act)
{
	static const char never[] =
		"resegctl: it can never act, as what the server sends is not intercepted: restart "
		"resegd, or "
		"change its file and reload, with direction both\n";
	char expected[3 * sizeof(never) + 100];
	struct lab_result r;

	lab_start(LAB_ORDINARY);
	r = lab_run(LAB_ORDINARY,
		    "printf '[policy both]\\nport = 7\\ndirection = both\\n' >$DIR/c; "
		    "reseg-lab --config $DIR/c --control $DIR/ctl -- sh -c '" CTL
		    "fault on lose-tail:direction=s2c; " CTL
		    "fault change all drop:direction=s2c --policy default; " CTL
		    "fault on mtu-blackhole:direction=s2c && " CTL
		    "fault on drop:direction=s2c --policy both && "
		    /* in one of the policies it can act */
		    CTL "fault change all corrupt:direction=s2c && " CTL
		    "fault on drop:client=nowhere; " CTL "fault; "
		    "echo fault=drop:direction=s2c >$DIR/c; " CTL "reload'");
	snprintf(
		expected, sizeof(expected),
		"%s%sresegctl: client is an address, or a prefix such as 198.51.100.0/24: "
		"client=nowhere\n",
		never, never);
	cr_assert(strncmp(r.err, expected, strlen(expected)) == 0, "%s", r.err);
	cr_assert(strstr(r.err, "/c:1:1: fault drop:direction=s2c: it can never act"), "%s", r.err);
	cr_assert(strstr(r.out, "corrupt:direction=s2c") && !strstr(r.out, "lose-tail"), "%s",
		  r.out);
}

/* The socket may be given to a user or a group; others stay out. */
Test(control, the_socket_is_given_away)
{
	static const struct {
		const char *owner, *stat;
	} cases[] = {
		{ "nobody", "600 65534 0\n" }, { ":nogroup", "660 0 65534\n" }, { "65534:65534",
										  "660 65534 "
										  "65534\n" },
	};
	struct lab_result r;

	lab_start(LAB_ROOT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		r = lab_run(LAB_ROOT, "cd $DIR; reseg-lab --no-box -- sh -c '"
				      START_RESEGD("--quiet --control ctl --control-owner %s")
				      "stat -c \"%%a %%u %%g\" ctl; "
				      "setpriv --reuid 65534 --regid 65534 --clear-groups resegctl "
				      "--control ctl status >status || exit 9; "
				      "setpriv --reuid 1 --regid 1 --clear-groups resegctl "
				      "--control ctl status && exit 8; "
				      "resegctl --control ctl drain; wait'", cases[i].owner);
		cr_assert_str_eq(r.out, cases[i].stat, "%s%s", r.out, r.err);
		cr_assert(lab_is_line_with(r.err, "no permission"), "%s", r.err);
	}
	r = lab_run(
		LAB_ROOT,
		"reseg-lab --no-box -- resegd --control $DIR/ctl --control-owner nosuch:nogroup");
	lab_expect_error(&r, 2, "--control-owner nosuch:nogroup: there is no such user or group");
	r = lab_run(LAB_ROOT,
		    "reseg-lab --no-box -- resegd --control $DIR/ctl --control-owner nobody:");
	lab_expect_error(&r, 2, "--control-owner nobody:: there is no such user or group");
}

/* As logrotate does it: moved away, then reloaded. */
LAB_TEST(control, the_event_log_is_rotated)
{
	struct lab_result r = lab_run(c.user,
		"cd $DIR; printf \"fault = none\\nevents = $DIR/ev\\n\" >c; reseg-lab -%d --config "
		"c --control $DIR/ctl -- sh -c '"
		"stream-client $RESEG_SERVER 7 1000 && mv ev old && stream-client $RESEG_SERVER 7 "
		"1000 && "
		"resegctl --control ctl reload && stream-client $RESEG_SERVER 7 1000'; "
		"grep -c flow_opened old; grep -c flow_opened ev", c.ip);

	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out, "2\n1\n", "%s%s", r.out, r.err);
}

/* Another resegd's socket is left alone, and one that a dead resegd has left is replaced. */
Test(control, a_place_that_is_taken)
{
	struct lab_result r;

	lab_start(LAB_ROOT);
	r = lab_run(LAB_ROOT,
		    "reseg-lab --control $DIR/ctl -- reseg-lab --control $DIR/ctl -- true");
	cr_assert(strstr(r.err, "another resegd listens there"), "%s", r.err);
	r = lab_run(LAB_ROOT, "touch $DIR/file; reseg-lab --control $DIR/file -- true");
	cr_assert(strstr(r.err, "it is not a socket"), "%s", r.err);
	r = lab_run(
		LAB_ROOT,
		"/usr/bin/python3 -c 'import socket, sys; "
		"socket.socket(socket.AF_UNIX).bind(sys.argv[1])' $DIR/old; "
		"test -S $DIR/old && reseg-lab --control $DIR/old -- resegctl --control $DIR/old "
		"status");
	lab_expect_status(&r, 0);
}
