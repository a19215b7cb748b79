/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The tables and options of resegctl. */

#include "lab.h"

#include <string.h>

TestSuite(resegctl, .timeout = 500);

/* A server that answers with flows of all kinds, always the same except for what is delivered. */
static const char flow_server[] =
	"import json, socket, sys\n"
	"long = \"2001:db8:1111:2222:3333:4444:5555:%x\"\n"
	"def flow(n, client, state, acked, delivered, stalled=False, idle=0.2, "
	"server=\"203.0.113.1\"):\n"
	"    half = dict(acked=acked, delivered=delivered, orphaned=acked - delivered, pending=0, "
	"stalled=stalled)\n"
	"    return dict(flow=n, client=client, client_port=60000, server=server, server_port=25, "
	"state=state,\n"
	"                idle_s=idle, c2s=half, s2c=None)\n"
	"s = socket.socket(socket.AF_UNIX)\n"
	"s.bind(sys.argv[1])\n"
	"s.listen()\n"
	"print(\"ready\", flush=True)\n"
	"n = 0\n"
	"while True:\n"
	"    c = s.accept()[0]\n"
	"    n += 1\n"
	"    c.makefile().readline()\n"
	"    flows = [flow(1, \"198.51.100.255\", \"open\", 10**11, 10**11 - 10**10, idle=4000),\n"
	"             flow(12345, \"198.51.100.1\", \"open\", 513, 0, True, idle=86400 * 30),\n"
	"             flow(7, \"203.0.113.255\", \"forgotten\", 2 * 10**6 * n, 2 * 10**6 * n, "
	"idle=7200)]\n"
	"    if len(sys.argv) > 2:\n"
	"        flows += [flow(i, long % i, \"open\", i, 0, server=long % 9) for i in (20, 21)]\n"
	"    c.sendall(json.dumps(dict(ok=True, flows=flows)).encode() + b\"\\n\")\n"
	"    c.close()\n";

/* Runs resegctl against that server. */
static struct lab_result ask_flow_server(const char *argument, const char *resegctl)
{
	lab_need("/usr/bin/python3");
	return lab_run(
		LAB_ORDINARY,
		"cd $DIR && printf '%%s' '%s' >server.py && mkfifo up && rm -f ctl && "
		"{ /usr/bin/python3 server.py ctl %s >up & } && read line <up && rm up && { %s; }; "
		"kill $!",
		flow_server, argument, resegctl);
}

Test(resegctl, flows_in_80_columns)
{
	struct lab_result r;

	lab_start(LAB_ORDINARY);
	r = ask_flow_server("", "resegctl --control ctl flows");
	cr_assert_str_eq(r.out,
		" flow client               server         state     orphaned   acked idle\n"
		"    1 198.51.100.255:60000 203.0.113.1:25 open        10000M 100000M  67m\n"
		"12345 198.51.100.1:60000   203.0.113.1:25 stalled        513     513  30d\n"
		"    7 203.0.113.255:60000  203.0.113.1:25 forgotten        0 2000000   2h\n",
		"%s%s", r.out, r.err);
	/* Addresses that are too wide have lines of their own. */
	r = ask_flow_server("long", "resegctl --control ctl --sort flow flows | tail -n 3; "
			    "resegctl --control ctl flows | awk \"length > 80\"");
	cr_assert_str_eq(r.out, "12345 198.51.100.1:60000\n      203.0.113.1:25\n"
				"      stalled        513     513  30d\n", "%s%s", r.out, r.err);
}

Test(resegctl, flows_that_are_wanted)
{
	struct lab_result r;

	lab_start(LAB_ORDINARY);
	r = ask_flow_server(
		"long", "for o in --stalled --client=198.51.100.0/24 --client=2001:db8:1111::/48 "
			"--client=203.0.113.255 \"--stalled --client=203.0.113.0/24\"; do "
			"resegctl --control ctl flows --format json $o | grep -c idle_s; done");
	cr_assert_str_eq(r.out, "1\n2\n2\n1\n0\n", "%s%s", r.out, r.err);
	/* A rate is known from the second look on. */
	r = ask_flow_server(
		"",
		"timeout -s INT 10 resegctl --control ctl flows --watch 0.5 --client 203.0.113.255 "
		"| "
		"grep -m 2 forgotten");
	cr_assert(strstr(r.out, "forgotten        0       -   2h\n"), "%s%s", r.out, r.err);
	cr_assert(strstr(strstr(r.out, "\n"), " 2h\n") && !strstr(strstr(r.out, "\n"), "- "),
		  "%s%s", r.out, r.err);
}

Test(resegctl, usage)
{
	static const struct lab_usage cases[] = {
		{ "", "give a command" },
		{ "nosuch", "no such command" },
		{ "status more", "takes nothing more" },
		{ "fault up", "give on SPEC" },
		{ "fault on", "give on SPEC" },
		{ "fault change drop", "give on SPEC" },
		{ "--sort size flows", "see --help" },
		{ "--watch 1 drain", "can be watched" },
		{ "--watch 0 status", "from 0.1" },
		{ "--stalled status", "it is for flows only" },
		{ "--client 198.51.100.1 metrics", "it is for flows only" },
		{ "--client nowhere flows", "--client nowhere: give an address, or a prefix" },
		{ "--control /nonexistent status", "no resegd listens at /nonexistent" },
		{ NULL, NULL },
	};

	lab_expect_usage_errors(LAB_ROOT, "resegctl", "", cases);
}
