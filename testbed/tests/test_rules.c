/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What reseg-rules says and does, and which ICMP its rules give to the queue. */

#include "lab.h"

#include <stdio.h>
#include <string.h>

TestSuite(rules, .timeout = 500);

/* Runs a script, with $t, as the lab's command on the client, which is as good a host as any. */
static struct lab_result run_script(struct lab_case c, const char *text)
{
	lab_write_script("script", c, text);
	return lab_run(c.user, "reseg-lab -%d --no-box -- sh $DIR/script", c.ip);
}

/* Prints all rules, for the shell. */
#define RULES                                                                            \
	"for t in iptables ip6tables; do for table in raw mangle filter; do "            \
	"$t -t $table -S; done; done"

/* However many load at the same time, it is as if one had. */
LAB_TEST(rules, loads_at_the_same_time)
{
	struct lab_result r = run_script(c,
		"$t -A FORWARD -m conntrack --ctstate INVALID -j DROP\n"
		"once() { reseg-rules load --quiet; }\n"
		"once; " RULES " >$DIR/one\n"
		"pids=; for i in 1 2 3 4 5 6 7 8; do once & pids=\"$pids $!\"; done\n"
		"for pid in $pids; do wait $pid || exit 10; done\n"
		RULES " >$DIR/eight; diff $DIR/one $DIR/eight || exit 11\n"
		"reseg-rules remove; reseg-rules remove; " RULES " | grep -i reseg\n"
		/* rules that others have left are removed, too */
		"once; for i in 1 2 3; do $t -t raw -A PREROUTING -p tcp -j RESEG; done; "
		"reseg-rules check 2>&1 | grep duplicated\n"
		"reseg-rules remove --quiet; " RULES " | grep -i reseg; exit 0\n");

	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.err, "reseg-rules: removed\nreseg-rules: no rules are loaded\n", "%s",
		r.err);
	cr_assert(lab_is_line_with(r.out, "duplicated: run reseg-rules load again"), "%s",
		r.out);
}

/* A copy of reseg-rules without its rules, and a tool that reports success but does nothing. */
LAB_TEST(rules, load_sees_that_nothing_is_loaded)
{
	struct lab_result r = run_script(c,
		"mkdir $DIR/alone && cp $(command -v reseg-rules) $DIR/alone && "
		"$DIR/alone/reseg-rules load; echo $?\n");

	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out, "2\n", "%s", r.out);
	cr_assert(lab_is_line_with(r.err, "are missing: install all of reseg"), "%s", r.err);
	r = run_script(c,
		"mkdir $DIR/tools; for tool in iptables ip6tables; do\n"
		"printf '#!/bin/sh\\ncat >/dev/null\\n' >$DIR/tools/$tool-restore; chmod +x "
		"$DIR/tools/$tool-restore; done\n"
		"PATH=$DIR/tools:$PATH reseg-rules load --kind iptables; echo $?\n");
	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out, "2\n", "%s", r.out);
	cr_assert(lab_is_line_with(r.err, "no rules are loaded by iptables"), "%s", r.err);
}

/* What --print shows, fed to the tools that it names, leaves the same rules as load. */
LAB_TEST(rules, print_shows_what_load_would_do)
{
	static const char *const before[] = {
		":",
		("$t -A FORWARD -m conntrack --ctstate INVALID -j DROP; "
		 "$t -A OUTPUT -p udp -j ACCEPT"),
		"$t -t nat -A POSTROUTING -j MASQUERADE; $t -A FORWARD -j DROP",
	};

	for (size_t i = 0; i < 3; i++) {
		char text[1024];
		struct lab_result r;

		snprintf(text, sizeof(text),
			"%s\nreseg-rules load --kind iptables --port 25,1000:2000,40 --queue 3:4; "
			RULES " >$DIR/loaded%zu\n"
			"reseg-rules remove; reseg-rules load --kind iptables --port "
			"25,1000:2000,40 --queue 3:4 --print >$DIR/printed%zu\n"
			"grep -q RESEG $DIR/printed%zu || exit 10; " RULES " | grep RESEG && exit "
			"11\n"
			"for t in iptables ip6tables; do $t-restore --noflush <$DIR/printed%zu || "
			"exit 12; done\n"
			RULES " | diff $DIR/loaded%zu -\n", before[i], i, i, i, i, i);
		r = run_script(c, text);
		lab_expect_status(&r, 0);
	}
}

/* By default --print takes the kind that load would take. */
LAB_TEST(rules, print_takes_the_kind_that_load_takes)
{
	struct lab_result r = run_script(c,
		"loaded=$(reseg-rules load 2>&1 | sed -n 's/.*, by //p')\n"
		"reseg-rules load --print | head -n 1\n"
		"case $loaded in nft) echo '# nft -f -' ;; *) echo \"# $loaded-restore and "
		"ip6tables-restore --noflush\" ;; esac\n");
	const char *second = strchr(r.out, '\n') + 1;

	lab_expect_status(&r, 0);
	cr_assert(strncmp(r.out, second, (size_t)(second - r.out)) == 0, "%s", r.out);
}

/* The multiport match takes 15 numbers; an invalid range never reaches a tool. */
LAB_TEST(rules, many_ports)
{
	struct lab_result r = run_script(c,
		"list=1; for i in 3 5 7 9 11 13 15 17 19 21 23 25 27 29 31 33; do list=$list,$i; "
		"done\n"
		"reseg-rules load --quiet --kind iptables --port $list,100:200,150:300,40 || exit "
		"10\n"
		"$t -t raw -S RESEG | sed -n 's/.*--ports \\([^ ]*\\) .*/\\1/p'; reseg-rules check "
		"2>&1 | grep -c load\n"
		"reseg-rules load --port 25,30:20\n");

	lab_expect_error(&r, 2, "30:20 begins with the larger number: give 20:30");
	cr_assert_str_eq(r.out, "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29\n31,33,40,100:300\n1\n",
		"%s", r.out);
}

/* With NAT only the port tells which end is the server. */
LAB_TEST(rules, ports_of_clients_are_left_out)
{
	struct lab_result r = run_script(c,
		"$t -t nat -A POSTROUTING -j MASQUERADE; echo '30000 60999' "
		">/proc/sys/net/ipv4/ip_local_port_range\n"
		"reseg-rules load --kind iptables --port all; reseg-rules load --kind iptables "
		"--port 45000:45099\n");

	lab_expect_status(&r, 0);
	cr_assert(strstr(r.err, "ports from 30000 on are left out: clients use them\n"), "%s",
		r.err);
	cr_assert(strstr(r.err, "for port 1:29999,"), "%s", r.err);
	cr_assert(strstr(r.err, "for port 45000:45099,"), "%s", r.err);
}

/* Runs each command on the box of one lab, where resegd runs and no rules are loaded, and replaces
 * the command by what it prints. In a command $a is an address. */
static void run_each(struct lab_case c, const char *commands[], size_t count)
{
	struct lab_result r;
	char name[32];

	lab_write_script("reset", c,
		"for t in iptables ip6tables iptables-legacy; do\n"
		"	for table in raw mangle nat filter; do $t -t $table -F; $t -t $table -X; "
		"done\n"
		"	$t -P FORWARD ACCEPT; done 2>/dev/null\n"
		"for table in 'inet x' 'ip x' 'ip nat'; do nft delete table $table; done "
		"2>/dev/null\n"
		"echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 "
		">/proc/sys/net/ipv6/conf/all/forwarding");
	for (size_t i = 0; i < count; i++) {
		char text[1024];

		snprintf(name, sizeof(name), "command%zu", i);
		snprintf(text, sizeof(text), "a=%s\n%s", c.ip == 4 ? "192.0.2.1" : "2001:db8::1",
			commands[i]);
		lab_write_script(name, c, text);
	}
	lab_write_script("all", c, "i=0; while [ -e $DIR/command$i ]; do\n"
		     "sh $DIR/reset; sh $DIR/command$i; printf '\\001'; i=$((i + 1)); done");
	r = lab_run(c.user, "reseg-lab -%d -- " ON_BOX "sh $DIR/all", c.ip);
	lab_expect_status(&r, 0);
	for (size_t i = 0; i < count; i++) {
		char *end = strchr(r.out, 1);

		cr_assert_not_null(end, "command %zu: %s", i, r.err);
		*end = '\0';
		commands[i] = r.out;
		r.out = end + 1;
	}
}

struct choice {
	const char *rules, *options, *set;
};

/* Which rules load chooses for which host. */
LAB_TEST(rules, choices)
{
	static const struct choice choices[] = {
		{ ":", "", "gateway" },
		{ "$t -A FORWARD -j DROP", "", "gateway" },
		{ "$t -A INPUT -m state --state INVALID -j DROP", "", "gateway-stateful" },
		{ "$t -A INPUT -m state --state INVALID -j DROP", "--mode host", "host-stateful" },
		{ "$t -A INPUT -m state --state INVALID -j DROP", "--tracking none", "gateway" },
		{ "iptables-legacy -A INPUT -m conntrack --ctstate INVALID -j DROP", "",
			"gateway-stateful" },
		{ "$t -t nat -A POSTROUTING -p udp -j MASQUERADE", "", "gateway-stateful" },
		{ "$t -t nat -A POSTROUTING -p tcp -j MASQUERADE", "", "gateway-stateful" },
		{ "$t -t nat -A POSTROUTING -p tcp --dport 2525 -j MASQUERADE", "",
			"gateway-stateful" },
		{ "$t -t nat -A PREROUTING -p tcp --dport 2525 -j DNAT --to-destination :25", "",
			"gateway-dnat" },
		{ "$t -t nat -A PREROUTING -p tcp --dport 25 -j DNAT --to-destination :2525", "",
			"gateway-stateful" },
		{ "$t -t nat -A PREROUTING -p tcp -m multiport --dports 20:30 -j DNAT "
			"--to-destination :25", "", "gateway-dnat" },
		{ "$t -t nat -A PREROUTING -p tcp -m multiport --dports 30:40 -j DNAT "
			"--to-destination $a", "", "gateway-stateful" },
		{ "nft 'table inet x { chain y { type filter hook input priority 0; ct state new "
			"accept; }; }'", "", "gateway-stateful" },
		{ "nft 'table ip nat { chain y { type nat hook postrouting priority 100; "
			"masquerade; }; }'", "", "gateway-stateful" },
		{ "nft 'table ip x { chain y { type nat hook prerouting priority -100; meta "
			"l4proto tcp dnat to 192.0.2.1:25; }; }'", "", "gateway-dnat" },
		{ "nft 'table ip x { chain y { type nat hook prerouting priority -100; tcp dport "
			"25 dnat to 192.0.2.1:26; }; }'", "",
		  "gateway-stateful" },
	};
	char commands[LAB_COUNT(choices)][256], expected[64];
	const char *outputs[LAB_COUNT(choices)];

	for (size_t i = 0; i < LAB_COUNT(choices); i++) {
		snprintf(commands[i], sizeof(commands[i]), "%s || echo failed\nreseg-rules load %s "
			"2>&1",
			 choices[i].rules, choices[i].options);
		outputs[i] = commands[i];
	}
	run_each(c, outputs, LAB_COUNT(choices));
	for (size_t i = 0; i < LAB_COUNT(choices); i++) {
		snprintf(expected, sizeof(expected), "loaded: %s rules", choices[i].set);
		cr_expect(strstr(outputs[i], expected), "%s: not %s: %s", choices[i].rules,
			choices[i].set, outputs[i]);
	}
}

struct complaint {
	const char *before, *after;	/* load: what is done on the box */
	const char *text;		/* of the one line; NULL: none */
};

/* What check finds. */
LAB_TEST(rules, check)
{
	static const struct complaint complaints[] = {
		{ ":", ":", NULL },
		{ ":", "$t -t raw -D PREROUTING -p tcp -j RESEG", "are missing or duplicated" },
		{ ":", "$t -t raw -F", "no rules are loaded by" },
		{ ":", "iptables -t raw -F RESEG; ip6tables -t raw -F RESEG", "or duplicated" },
		{ ":", "$t -t raw -A PREROUTING -p tcp -j RESEG", "are missing or duplicated" },
		{ ":", "echo 0 >/proc/sys/net/ipv4/ip_forward", "does not forward IPv4" },
		{ ":", "echo 0 >/proc/sys/net/ipv6/conf/all/forwarding", "does not forward IPv6" },
		{ ":", "$t -A FORWARD -m conntrack --ctstate INVALID -j DROP; reseg-rules load "
			"--tracking none --quiet",
		  "for a host that does not track connections: run reseg-rules load again" },
		{ ":", "$t -t nat -A POSTROUTING -j MASQUERADE", "for a host without NAT: run "
			"reseg-rules load again" },
		{ "$t -A FORWARD -m state --state INVALID -j DROP", "$t -t nat -A POSTROUTING -j "
			"MASQUERADE", NULL },
		{ "$t -t nat -A POSTROUTING -j MASQUERADE", "$t -t nat -F; $t -t nat -A PREROUTING "
			"-p tcp -j DNAT --to-destination :25",
		  "for NAT of another kind" },
		{ "$t -t nat -A POSTROUTING -j MASQUERADE", "$t -t nat -F", NULL },
		{ ":", "$t -A FORWARD -j DROP", "may drop what resegd sends" },
		{ ":", "$t -P FORWARD DROP", "may drop what resegd sends" },
		{ "$t -A FORWARD -j DROP", "$t -I FORWARD -p udp -j DROP",
			"may drop what resegd sends" },
		{ "$t -A FORWARD -j DROP", "$t -I FORWARD -p udp -j ACCEPT", NULL },
		{ "$t -A FORWARD -j DROP", "$t -D FORWARD 1", "may drop what resegd sends" },
		{ "$t -A OUTPUT -p udp -j DROP", "$t -D OUTPUT 1", "may drop what resegd sends" },
		{ ":", "nft 'table inet x { chain y { type filter hook forward priority 0; policy "
			"drop; }; }'", "may drop what resegd sends" },
		{ "nft 'table inet x { chain y { type filter hook forward priority 0; policy drop; "
			"}; }'", ":", NULL },
		{ ":", "reseg-rules load --quiet --queue 2", "the rules fill queue 2, not 0" },
	};

	char commands[LAB_COUNT(complaints)][512];
	const char *outputs[LAB_COUNT(complaints)];

	for (size_t i = 0; i < LAB_COUNT(complaints); i++) {
		snprintf(commands[i], sizeof(commands[i]),
			 "%s\nreseg-rules load --quiet --kind iptables\n%s\nreseg-rules check "
				"--quiet --queue 0 2>&1",
			 complaints[i].before, complaints[i].after);
		outputs[i] = commands[i];
	}
	run_each(c, outputs, LAB_COUNT(complaints));
	for (size_t i = 0; i < LAB_COUNT(complaints); i++) {
		const struct complaint *x = &complaints[i];

		if (x->text)
			cr_expect(lab_is_line_with(outputs[i], x->text), "%s; %s: not \"%s\": %s",
				x->before, x->after, x->text,
				  outputs[i]);
		else
			cr_expect(outputs[i][0] == '\0', "%s; %s: %s", x->before, x->after,
				outputs[i]);
	}
}

/* check explains why resegd takes the slower way, which works. */
LAB_TEST(rules, check_tells_of_a_strict_rp_filter)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d -- sh -c '" ON_BOX "sh -c \"echo 1 "
		">/proc/sys/net/ipv4/conf/all/rp_filter; reseg-rules check\"'", c.ip);

	lab_expect_status(&r, 0);
	cr_assert(strstr(r.err, "rp_filter is strict (1), so resegd --inject auto takes raw"),
		"%s", r.err);
}

/* ICMP ----------------------------------------------------------------------------------------- */

/* Sends another host a router's report of a link that is too narrow. */
#define TELL_TOO_BIG                                                                     \
	"import socket, struct, sys\n"                                                   \
	"v6 = ':' in sys.argv[1]\n"                                                      \
	"family, protocol = (socket.AF_INET6, 58) if v6 else (socket.AF_INET, 1)\n"     \
	"packet = (b'\\x60' + bytes(5) + b'\\x06\\x40' + bytes(32) if v6 else\n"        \
	"          b'\\x45' + bytes(8) + b'\\x06' + bytes(10)) + bytes(20)\n"           \
	"def checksum(data):\n"                                                          \
	"    total = sum(struct.unpack('>%dH' % (len(data) // 2), data))\n"             \
	"    return 0xffff - (total % 0xffff or 0xffff)\n"                               \
	"head = lambda sum: struct.pack('>BBHI', *((2, 0) if v6 else (3, 4)), sum, 1280)\n" \
	"s = socket.socket(family, socket.SOCK_RAW, protocol)\n"                         \
	"s.sendto(head(0 if v6 else checksum(head(0) + packet)) + packet, (sys.argv[1], 0))\n"

/* Sends packets that are too big: the first of a flow, and later ones. The sender must hear of the
 * first, too, though it may not come to the queue. */
#define SEND_TOO_BIG                                                                     \
	"import socket, sys\n"                                                           \
	"v6 = ':' in sys.argv[1]\n"                                                      \
	"level, discover, mtu = (41, 23, 24) if v6 else (0, 10, 14)\n"                  \
	"def sender():\n"                                                                \
	"    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)\n" \
	"    s.setsockopt(level, discover, 3)\n"                                         \
	"    s.connect((sys.argv[1], 9))\n"                                              \
	"    return s\n"                                                                 \
	"s = sender()\n"                                                                 \
	"s.send(bytes(1400))\n"                                                          \
	"while sender().getsockopt(level, mtu) != 1280: pass\n"                          \
	"s = sender()\n"                                                                 \
	"for size in 1, 1400, 1400:\n"                                                   \
	"    try: s.send(bytes(size))\n"                                                 \
	"    except ConnectionRefusedError: pass\n"

/* Reports that are forwarded, made by this host itself, or addressed to it must all come to the
 * first queue. */
LAB_TEST(rules, too_big_goes_to_the_first_queue)
{
	static const char *const tracking[] = { "none", "stateful", "snat", "dnat" };
	struct lab_result r;

	lab_need("/usr/bin/python3");
	lab_write_script("had", c,
			 "awk '$1 == 3 { print $8 }' /proc/net/netfilter/nfnetlink_queue");
	lab_write_script("until", c, "until [ $(sh $DIR/had) -ge $1 ]; do :; done");
	r = lab_run(LAB_ROOT, "cat >$DIR/tell.py <<'END'\n%sEND\ncat >$DIR/big.py "
		"<<'END'\n%sEND\n", TELL_TOO_BIG, SEND_TOO_BIG);
	lab_expect_status(&r, 0);
	for (size_t i = 0; i < 4; i++) {
		r = lab_run(c.user,
			"reseg-lab -%d --no-box --mtu 1500,1280 -- sh -c '"
			ON_BOX "reseg-rules load --quiet --queue 3:4 --tracking %s || exit 10; "
				"mkfifo $DIR/ready; "
			ON_BOX "resegd --quiet --queue 3:4 --ready-fd 3 3>$DIR/ready & box=$!; "
			"read line <$DIR/ready; rm $DIR/ready; "
			"to=198.51.100.2; [ %d = 4 ] || to=2001:db8:1::2; "
			"reseg-lab enter --on server -- /usr/bin/python3 $DIR/tell.py $to || exit "
			"11; "
			ON_BOX "timeout 20 sh $DIR/until 1 || exit 12; "
			"timeout 20 /usr/bin/python3 $DIR/big.py $RESEG_SERVER || exit 13; "
			ON_BOX "timeout 20 sh $DIR/until 2 || exit 14; kill $box; wait $box; exit "
				"0'",
			c.ip, tracking[i], c.ip);
		lab_expect_status(&r, 0);
	}
	for (size_t i = 0; i < 2; i++) {
		r = lab_run(c.user,
			"reseg-lab -%d --no-box -- sh -c '"
			"reseg-rules load --quiet --mode host --queue 3:4 --tracking %s || exit "
			"10; mkfifo $DIR/ready; "
			"resegd --quiet --queue 3:4 --ready-fd 3 3>$DIR/ready & box=$!; read line "
			"<$DIR/ready; rm $DIR/ready; "
			"to=198.51.100.2; [ %d = 4 ] || to=2001:db8:1::2; "
			"reseg-lab enter --on server -- /usr/bin/python3 $DIR/tell.py $to || exit "
			"11; "
			"timeout 20 sh $DIR/until 1 || exit 12; kill $box; wait $box; exit 0'",
			c.ip, tracking[i], c.ip);
		lab_expect_status(&r, 0);
	}
}
