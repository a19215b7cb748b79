/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The configuration file. */

#include "lab.h"

#include <stdio.h>
#include <string.h>

TestSuite(config, .timeout = 500);

static struct lab_result check(const char *text)
{
	return lab_run(LAB_ROOT, "printf '%s' >$DIR/c; cd $DIR && resegd --check-config -c c",
		       text);
}

Test(config, mistakes_in_a_file_are_pointed_at)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "segment-size = 512\\nnonsense\\n", "c:2:1: neither" },
		{ "  segment-size = 0\\n",
		  "c:1:18: segment-size 0: give a whole number from 1 to 65495" },
		{ "# fine\\n\\nfault = drop:every=0\\n",
		  "c:3:20: fault drop:every=0: every is a number" },
		{ "fault=nosuch\\n",
		  "c:1:7: fault nosuch: no such fault; there are: off-by-one, none" },
		{ "fault = drop:every=2,port=x\\n", "c:1:27: fault drop:every=2,port=x: port is" },
		{ "colour = blue\\n", "c:1:1: colour: no such key" },
		{ "port = 25\\n", "c:1:1: port chooses connections for a policy" },
		{ "[policy a]\\n  queue = 3\\n", "c:2:3: queue is for all connections" },
		{ "[policy a]\\nport = 25-24\\n", "c:2:8: port 25-24: give a port" },
		{ "[policy a]\\nclient = 198.51.100.0/33\\n",
		  "c:2:10: client 198.51.100.0/33: give an address" },
		{ "[policy a]\\narrival = wire\\n", "c:2:11: arrival wire: wire is for all" },
		{ "[politics]\\nport = 25\\n", "[politics]: sections are [policy NAME]" },
		{ "[policy default]\\nport = 25\\n", "[policy default]: sections are" },
		{ "[policy a\\nport = 25\\n", "c:1:1: a section without its ]" },
		{ "[policy a] port = 25\\nsegment-size = 100\\n",
		  "c:1:12: only a comment may follow a section's ]" },
		{ "[polcy a]\\n", "[polcy a]: sections are" },
		{ "[policy a b]\\n", "[policy a b]: sections are" },
		{ "[policy \\\\xfc]\\n", "sections are" },
		{ "[]\\n", "c:1:1: []: sections are [policy NAME]" },
		{ "control-owner = root\\n",
		  "c:1:1: control-owner root: there is no socket to give away" },
		{ "control = x\\ncontrol-owner = :nosuch\\n",
		  "c:2:1: control-owner :nosuch: there is no such user or group" },
		{ "user = nobody\\nsandbox = off\\n",
		  "c:1:1: user nobody: changing the user needs the sandbox" },
		{ "\\n  user = nosuch-user\\n", "c:2:3: user nosuch-user: there is no such user" },
		{ "queue = 0000000garbage\\n",
		  "c:1:9: queue 0000000garbage: give a whole number from 0" },
		{ "fault = lose-tail:direction=s2c\\n",
		  "c:1:1: fault lose-tail:direction=s2c: it can never act, as what the server "
		  "sends is not "
		  "intercepted: add direction = both" },
		{ "direction = s2c\\nfault = split-eod:direction=c2s\\n",
		  "c:2:1: fault split-eod:direction=c2s: it can" },
		{ "direction = none\\nfault = mtu-blackhole:direction=c2s\\n",
		  "intercepted: add direction = c2s" },
		{ "direction = both\\n[policy a]\\nport = 25\\ndirection = c2s\\nfault = "
		  "drop:direction=s2c\\n",
		  "c:5:1: fault drop:direction=s2c: it can never act" },
		{ "fault = banner-mask:direction=c2s\\n",
		  "it acts only on what the server sends: drop" },
		{ "fault = first-segment-parser:direction=s2c\\n",
		  "it acts only on what the client sends: drop" },
		{ "inject = a\\033]0;\\344b\\n",
		  "c:1:10: inject a\\x1b]0;\\xe4b: no such injector" },
		{ "flows = 5\\0 = 6\\n", "c:1:10: a NUL character" },
		{ "\\357\\273\\277[policy a]\\nport = x\\n", "c:2:8: port x: give a port" },
		{ "[policy a]\\nport = 25\\nport = 587\\n", "c:3:1: port is given twice in this "
							    "section" },
		{ "inject = nosuch\\n", "c:1:10: inject nosuch: no such injector" },
		{ "direction = up\\n", "c:1:13: direction up: give c2s, s2c, both or none" },
		{ "queue = 3:2\\n", "c:1:9: queue 3:2: give a whole number from 3" },
		{ "grace = soon\\n", "c:1:9: grace soon: give a time" },
	};
	char line[2048];
	struct lab_result r;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		r = check(cases[i].text);
		lab_expect_error(&r, 2, cases[i].error);
	}
	memset(line, 'x', sizeof(line));
	snprintf(line + 1000, sizeof(line) - 1000, " = 1\\n");
	r = check(line);
	lab_expect_error(&r, 2, "c:1:1: a line of more than 199 characters");
	r = lab_run(LAB_ROOT, "resegd --check-config -c $DIR/missing");
	lab_expect_error(&r, 2, "/missing: No such file");
	r = lab_run(LAB_ROOT, "resegd --check-config -c /");
	lab_expect_error(&r, 2, "resegd: /: Is a directory");
	r = lab_run(LAB_ROOT, "resegd --check-config");
	lab_expect_error(&r, 2, "--config FILE");
}

/* All mistakes are reported, except those that only follow from others. */
Test(config, all_mistakes_of_a_file)
{
	static const char expected[] =
		"resegd: c:1:9: flows 0: give a whole number from 1 to 16777216\n"
		"resegd: c:2:1: colour: no such key; see reseg.conf(5)\n"
		"resegd: c:3:1: [politics]: sections are [policy NAME], with a name of fewer than "
		"32 letters, digits, dots, hyphens and underscores, other than default\n"
		"resegd: c:5:1: queue is for all connections: put it before the first section\n"
		"resegd: c:7:1: port is given twice in this section\n"
		"resegd: c:8:1: neither \"key = value\" nor [policy NAME]\n"
		"resegd: --grace soon: give a time in seconds from 0 to 86400\n";
	struct lab_result r = lab_run(LAB_ROOT,
		"cd $DIR && printf '%%s\\n' 'flows = 0' 'colour = blue' '[politics]' 'port = 25' "
		"'queue = 3' 'client = 203.0.113.1' "
		"'port = 26' 'nonsense' >c; resegd -c c --check-config --grace soon");

	lab_expect_status(&r, 2);
	cr_assert_str_eq(r.err, expected, "%s", r.err);
	/* The number of messages is limited. */
	r = lab_run(LAB_ROOT,
		    "cd $DIR && yes nonsense | head -n 100000 >c; resegd -c c --check-config");
	lab_expect_status(&r, 2);
	cr_assert_lt(strlen(r.err), 20000);
	cr_assert(strstr(r.err, "resegd: c:100:1: neither") && strstr(r.err, "more mistakes\n"),
		  "%s", r.err);
}

Test(config, a_good_file_is_good)
{
	struct lab_result r = check(
		"# all keys\\nqueue = 1:2\\nsegment-size=256 ; half\\nfault = drop\\nfault = "
		"corrupt\\n"
		"direction = both\\narrival = wire\\nflows = 10\\nwindow = 16384\\nmemory = "
		"1048576\\n"
		"overload = refuse\\nqueue-length = 5\\nqueue-buffer = 65536\\ninject = raw\\n"
		"events = /dev/null\\ncontrol = /nowhere\\ngrace = 0.5\\n\\n[policy mail]\\nport = "
		"25\\n"
		"client = 2001:db8::/32\\nserver = 203.0.113.7\\nfault = off-by-one:flows=1-2\\n");

	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.err, "");
	cr_assert_str_eq(r.out, "");
}

/* Faults that may act are accepted: on packets of either half, and in a policy that inherits
 * them. */
Test(config, faults_that_may_act)
{
	static const char *const cases[] = {
		"fault = mtu-blackhole:direction=s2c\\nfault = isn-shift:direction=s2c\\n",
		"fault = ack-then-die:direction=s2c\\nfault = banner-mask:direction=s2c\\n",
		"direction = none\\nfault = drop\\n",
		"direction = both\\nfault = drop:direction=s2c\\nfault = drop:direction=c2s\\n",
		"fault = drop:direction=s2c\\n[policy a]\\nport = 25\\ndirection = s2c\\n",
		("direction=both\\nfault=drop:direction=s2c\\n"
		 "[policy a]\\nport=25\\ndirection=c2s\\n"),
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct lab_result r = check(cases[i]);

		lab_expect_status(&r, 0);
		cr_assert_str_eq(r.err, "");
	}
}
