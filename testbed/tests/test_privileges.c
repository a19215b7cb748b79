/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What privileges resegd keeps, when it ends, and what its service manager hears. */

#include "lab.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(privileges, .timeout = 500);

/* Runs resegd on a host of a lab with these options, and meanwhile a command that knows its process
 * id. */
#define BESIDE_RESEGD                                                                    \
	"mkfifo $DIR/ready && chmod 666 $DIR/ready && reseg-lab --no-box -- sh -c \""    \
	"resegd --quiet --ready-fd 3 %s 3>$DIR/ready & pid=\\$!; read line <$DIR/ready; " \
	"%s; kill \\$pid; wait \\$pid\""

static struct lab_result beside_resegd(enum lab_user user, const char *options, const char *command)
{
	return lab_run(user, BESIDE_RESEGD, options, command);
}

#define SHOW_PRIVILEGES                                       \
	"cat /proc/\\$pid/task/*/status | grep -E "          \
	"'^(CapEff|CapPrm|NoNewPrivs|Seccomp):' | sort -u"

/* Each of its threads has one capability, and no way to more. */
static void keeps_one_capability(enum lab_user user)
{
	struct lab_result r = beside_resegd(user, "--queue 0:1", SHOW_PRIVILEGES);
	const char *path = getenv("PATH");
	char expected[256];

	/* Sanitizers make system calls of their own, so a build with them has no seccomp filter. */
	snprintf(expected, sizeof(expected),
		 "CapEff:\t0000000000001000\nCapPrm:\t0000000000001000\n"
		 "NoNewPrivs:\t1\nSeccomp:\t%d\n",
		 path && strstr(path, "sanitized") ? 0 : 2);
	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out, expected, "%s%s", r.out, r.err);
}

Test(privileges, it_keeps_one_capability_root)
{
	lab_start(LAB_ROOT);
	keeps_one_capability(LAB_ROOT);
}

Test(privileges, it_keeps_one_capability_user)
{
	lab_start(LAB_ORDINARY);
	keeps_one_capability(LAB_ORDINARY);
}

Test(privileges, it_becomes_a_user)
{
	struct lab_result r;

	lab_start(LAB_ROOT);
	r = beside_resegd(LAB_ROOT, "--user nobody",
			  "grep -E '^(Uid|Gid|Groups|CapBnd):' /proc/\\$pid/status");
	lab_expect_status(&r, 0);
	cr_assert(strstr(r.out, "Uid:\t65534\t65534\t65534\t65534\n"
				"Gid:\t65534\t65534\t65534\t65534\n"
				"Groups:\t \nCapBnd:\t0000000000000000\n"),
		  "%s%s", r.out, r.err);
	r = lab_run(LAB_ROOT, "reseg-lab --no-box -- resegd --user nosuch-user");
	lab_expect_error(&r, 2, "--user nosuch-user: there is no such user");
}

/* It ends by itself, not too early, and in good order as after a signal. */
Test(privileges, it_ends_after_its_duration)
{
	struct lab_result r;

	lab_start(LAB_ORDINARY);
	r = lab_run(
		LAB_ORDINARY,
		"reseg-lab --no-box -- sh -c 'a=$(date +%%s%%N); resegd --duration 1.5 --control "
		"$DIR/ctl; "
		"echo $? $((($(date +%%s%%N) - a) / 1500000000 > 0))'; test -e $DIR/ctl || echo "
		"gone");
	cr_assert_str_eq(r.out, "0 1\ngone\n", "%s%s", r.out, r.err);
	cr_assert(strstr(r.err, "0 packets, 0 flows"), "%s", r.err);
	/* It waits for held data to be delivered, for --grace at most. */
	r = lab_run(
		LAB_ORDINARY,
		"reseg-lab --no-box -- sh -c 'reseg-rules load --quiet --mode host --port 25 "
		"--queue 3; "
		"mkfifo $DIR/ready; resegd --queue 3 --duration 5 --grace 0.5 --events $DIR/events "
		"--ready-fd 3 3>$DIR/ready & "
		"read line <$DIR/ready; reseg-probe one --size 513 --timeout 30 server >/dev/null "
		"& wait %%1; echo $?'");
	cr_assert(strstr(r.err, "1 connections wait for data"), "%s", r.err);
	r = lab_run(LAB_ORDINARY, "tail -n 1 $DIR/events");
	cr_assert(strstr(r.out, "\"shutdown\""), "%s", r.out);
}

/* What the service manager hears, from start to stop. */
Test(privileges, it_tells_its_manager)
{
	struct lab_result r;

	lab_start(LAB_ROOT);
	lab_need("/usr/bin/python3");
	r = lab_run(
		LAB_ROOT,
		"printf 'fault = none\\n' >$DIR/c; reseg-lab --no-box -- /usr/bin/python3 -c '\n"
		"import os, signal, socket, subprocess\n"
		"path = os.environ[\"DIR\"] + \"/notify\"\n"
		"s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
		"s.bind(path)\n"
		"s.settimeout(10)\n"
		"heard = lambda: s.recv(1000).decode().split(chr(10))[0]\n"
		"box = subprocess.Popen([\"resegd\", \"--quiet\", \"--config\", "
		"os.environ[\"DIR\"] + \"/c\"],\n"
		"                       env=dict(os.environ, NOTIFY_SOCKET=path, "
		"WATCHDOG_USEC=\"200000\"))\n"
		"print(heard(), heard(), heard())\n"
		"box.send_signal(signal.SIGHUP)\n"
		"lines = [heard()]\n"
		"while lines[-1] != \"READY=1\":\n"
		"    lines.append(heard())\n"
		"print(*(line for line in lines if line != \"WATCHDOG=1\"))\n"
		"box.send_signal(signal.SIGTERM)\n"
		"while (line := heard()) == \"WATCHDOG=1\":\n"
		"    pass\n"
		"print(line, box.wait())\n'");
	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out,
			 "READY=1 WATCHDOG=1 WATCHDOG=1\nRELOADING=1 READY=1\nSTOPPING=1 0\n",
			 "%s%s", r.out, r.err);
}

/* A worker that cannot go on ends the program with 1, but in good order: the others hand over, the
 * log is complete, the socket is gone. */
Test(privileges, a_worker_that_cannot_go_on)
{
	struct lab_result r;

	lab_start(LAB_ROOT);
	lab_need("bash");
	r = lab_run(LAB_ROOT, "reseg-lab --no-box -- bash -c '"
		"reseg-rules load --quiet --mode host --port 7 --queue 3:4; mkfifo $DIR/ready; "
		"resegd --queue 3:4 --fault none --inject tun --events $DIR/events --control "
		"$DIR/ctl --ready-fd 3 3>$DIR/ready & "
		"resegd=$!; read line <$DIR/ready; "
		"exec 4<>/dev/tcp/$RESEG_SERVER/7; echo before >&4; read -t 5 line <&4; echo "
		"$line; "
		"ip link delete reseg0; echo lost >&4; wait $resegd; echo $?; test -e $DIR/ctl || "
		"echo gone; "
		"grep -c flow_closed $DIR/events'");
	cr_assert_str_eq(r.out, "before\n1\ngone\n1\n", "%s%s", r.out, r.err);
	cr_assert(strstr(r.err, "resegd: its TUN device was removed: start resegd again\n"), "%s",
		  r.err);
	cr_assert(strstr(r.err, " 1 flows,"), "%s", r.err);
}
