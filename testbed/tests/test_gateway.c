/* SPDX-License-Identifier: GPL-2.0-or-later */

/* reseg-rules on real-life gateways: firewalls that look at the state of connections, and NAT. */

#include "lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(gateway, .timeout = 500);

/* What a gateway has loaded before reseg-rules runs: $t is iptables or ip6tables. */
struct gateway {
	const char *rules;
	const char *ipv4, *ipv6;	/* where clients connect; NULL: to the server's address */
	const char *set;		/* the rules that reseg-rules should choose */
	const char *options;		/* of reseg-rules load; NULL: none */
};

#define ESTABLISHED_ONLY                                                                 \
	"$t -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT; "           \
	"$t -A FORWARD -i toclient -p tcp --syn -j ACCEPT; $t -P FORWARD DROP; "

static void check_gateway_by(struct lab_case c, const struct gateway *g, const char *injector)
{
	static const char counter[] = "\"forged_acks\":";
	const char *to = c.ip == 4 ? g->ipv4 : g->ipv6, *acks;
	char loaded[64];
	struct lab_result r;

	lab_write_script("before", c, g->rules);
	r = lab_run(c.user,
		"reseg-lab -%d --no-box -- sh -c '"
		ON_BOX "sh -e $DIR/before || exit 10; "
		/* twice, which must be the same as once */
		"load=\"reseg-rules load --port 7,25 %s\"; "
		ON_BOX "$load --quiet; " ON_BOX "$load 2>&1 || exit 11; "
		"mkfifo $DIR/ready; "
		ON_BOX "resegd --quiet --fault none --direction both --inject %s --control "
			"$DIR/ctl "
		"--ready-fd 3 3>$DIR/ready & box=$!; read line <$DIR/ready; rm $DIR/ready; "
		ON_BOX "reseg-rules check --quiet || exit 12; "
		"to=%s; to=${to:-$RESEG_SERVER}; stream-client $to 7 20000000 || exit 13; "
		"resegctl --control $DIR/ctl --format json status; "
		"resegctl --control $DIR/ctl fault on off-by-one || exit 14; "
		"case $to in *:*) to=[$to] ;; esac; "
		"reseg-probe sweep --sizes 512-514 --timeout 2 --expect finch2008 $to:25 >&2 || "
		"exit 15; "
		"kill $box; wait $box; " ON_BOX "reseg-rules remove 2>&1; "
		ON_BOX "sh -c \"iptables-save; ip6tables-save; iptables-legacy-save\" 2>/dev/null "
			"| grep -i reseg; exit 0'",
		c.ip, g->options ? g->options : "", injector, to ? to : "");
	lab_expect_status(&r, 0);
	snprintf(loaded, sizeof(loaded), "loaded: %s rules", g->set);
	cr_assert(strstr(r.out, loaded), "not %s: %s", g->set, r.out);
	/* resegd took part: more than a thousand ACKs are its own. */
	acks = strstr(r.out, counter);
	cr_assert(acks && atoi(acks + strlen(counter)) > 1000, "%s", r.out);
	cr_assert(strstr(r.out, "reseg-rules: removed\n"), "%s", r.out);
	cr_assert_not(strstr(r.out, "RESEG") || strstr(r.out, "let-in"), "%s", r.out);
}

/* 20 MB pass unharmed, intercepted in both directions; then the fault stalls 513 octets and no
 * other size. */
static void check_gateway(struct lab_case c, const struct gateway *g)
{
	check_gateway_by(c, g, "raw");
	if (c.user == LAB_ROOT)		/* only root may open /dev/net/tun */
		check_gateway_by(c, g, "tun");
}

LAB_TEST(gateway, no_tracking)
{
	check_gateway(c, &(struct gateway){ .rules = "", .set = "gateway" });
}

LAB_TEST(gateway, invalid_is_dropped)
{
	check_gateway(c, &(struct gateway){
		"$t -A FORWARD -m conntrack --ctstate INVALID -j DROP",
		.set = "gateway-stateful" });
}

LAB_TEST(gateway, only_established_is_accepted)
{
	check_gateway(c, &(struct gateway){ ESTABLISHED_ONLY, .set = "gateway-stateful" });
}

LAB_TEST(gateway, masquerade)
{
	check_gateway(c, &(struct gateway){
		ESTABLISHED_ONLY "$t -t nat -A POSTROUTING -o toserver -j MASQUERADE",
		.set = "gateway-stateful" });
}

LAB_TEST(gateway, snat)
{
	check_gateway(c, &(struct gateway){
		ESTABLISHED_ONLY
		"case $t in ip6*) a=2001:db8:2::77; ip address add $a/64 dev toserver ;; "
		"*) a=203.0.113.77; ip address add $a/24 dev toserver ;; esac; "
		"$t -t nat -A POSTROUTING -o toserver -p tcp -j SNAT --to-source $a; ",
		.set = "gateway-stateful" });
}

LAB_TEST(gateway, dnat)
{
	check_gateway(c, &(struct gateway){
		ESTABLISHED_ONLY
		"case $t in ip6*) a=2001:db8:1::1 b=2001:db8:2::2 ;; *) a=198.51.100.1 "
		"b=203.0.113.2 ;; esac; "
		"$t -t nat -A PREROUTING -d $a -p tcp -j DNAT --to-destination $b; ",
		.ipv4 = "198.51.100.1", .ipv6 = "2001:db8:1::1", .set = "gateway-dnat" });
}

/* Checks rules that other software installs, from a file that sed changes by `change`. */
static void check_installed(struct lab_case c, const char *file, const char *change,
	struct gateway g)
{
	struct lab_result r = lab_run(LAB_ROOT, "sed '%s' ${GATEWAYS:?}/%s >$DIR/installed",
		change, file);

	lab_expect_status(&r, 0);
	g.rules = strstr(file, ".nft") ? "nft -f $DIR/installed" :
		  "iptables-restore --noflush $DIR/installed";
	check_gateway(c, &g);
}

static void installed_by_others(enum lab_user user)
{
	struct lab_case c = { user, 4 };

	lab_start(user);
	/* a container as a client, and one that publishes ports */
	check_installed(c, "docker.iptables", "s/docker0/toclient/g; /100[.]2/d",
		(struct gateway){ .set = "gateway-stateful" });
	check_installed(c, "docker.iptables", "s/docker0/toserver/g; s/198.51.100/203.0.113/",
		(struct gateway){ .ipv4 = "198.51.100.1", .set = "gateway-dnat",
				  .options = "--tracking dnat" });
	check_installed(c, "libvirt.iptables", "s/virbr0/toclient/g",
		(struct gateway){ .set = "gateway-stateful" });
	check_installed(c, "libvirt.nft", "s/virbr0/toclient/g",
		(struct gateway){ .set = "gateway-stateful" });
}

Test(gateway, docker_and_libvirt_root)
{
	installed_by_others(LAB_ROOT);
}

Test(gateway, docker_and_libvirt_user)
{
	installed_by_others(LAB_ORDINARY);
}

/* A firewall of nftables, whichever tool reseg-rules uses. */
LAB_TEST(gateway, nftables)
{
	check_gateway(c, &(struct gateway){
		"nft -f - <<END\n"
		"table inet filter {\n"
		"	chain forward {\n"
		"		type filter hook forward priority filter; policy drop;\n"
		"		ct state vmap { invalid : drop, established : accept, related : "
		"accept }\n"
		"		iifname toclient tcp dport { 7, 25 } accept\n"
		"	}\n"
		"	chain output {\n"
		"		type filter hook output priority filter; policy accept;\n"
		"		meta l4proto tcp ct state { invalid, untracked } drop\n"
		"	}\n"
		"}\n"
		"table inet nat {\n"
		"	chain post {\n"
		"		type nat hook postrouting priority srcnat;\n"
		"		oifname toserver masquerade\n"
		"	}\n"
		"}\n"
		"END\n", .set = "gateway-stateful" });
}

/* A server that reads slowly and sends much. The box then holds more than the server's window
 * allows; if tracking saw that, it would call what passes the other way INVALID. */
LAB_TEST(gateway, a_slow_server_sends)
{
	static const char *const rules[] = {
		"$t -A FORWARD -m conntrack --ctstate INVALID -j DROP",
		"$t -A FORWARD -m conntrack --ctstate INVALID -j DROP\n"
		"$t -t nat -A POSTROUTING -o toserver -j MASQUERADE",
		"$t -A FORWARD -m conntrack --ctstate INVALID -j DROP\n"
		"case $t in ip6*) a=2001:db8:1::1 b=2001:db8:2::2 ;; "
		"*) a=198.51.100.1 b=203.0.113.2 ;; esac\n"
		"$t -t nat -A PREROUTING -d $a -p tcp -j DNAT --to-destination $b",
	};
	static const char program[] =
		"import os, socket, sys, threading, time\n"
		"def talk(s, send, pause):\n"
		"    t = threading.Thread(target=lambda: (s.sendall(bytes(send)), s.shutdown(1)))\n"
		"    t.start()\n"
		"    got = 0\n"
		"    while data := s.recv(1500 if pause else 65536):\n"
		"        got += len(data)\n"
		"        time.sleep(pause)\n"
		"    t.join()\n"
		"    return got\n"
		"if len(sys.argv) == 1:\n"
		"    s = socket.socket(socket.AF_INET6)\n"
		"    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)\n"
		"    s.bind(('::', 7))\n"
		"    s.listen()\n"
		"    while True: talk(s.accept()[0], 5000000, 0.002)\n"
		"for i in range(3):\n"
		"    got = talk(socket.create_connection((sys.argv[1], 7), 20), 400000, 0)\n"
		"    if got != 5000000: sys.exit('%d octets came' % got)\n";
	struct lab_result r;

	lab_need("/usr/bin/python3");
	r = lab_run(LAB_ROOT, "cat >$DIR/slow.py <<'END'\n%sEND\n", program);
	lab_expect_status(&r, 0);
	for (size_t i = 0; i < LAB_COUNT(rules); i++) {
		lab_write_script("before", c, rules[i]);
		r = lab_run(c.user,
			"reseg-lab -%d --no-box --port 7 --server \"/usr/bin/python3 "
			"$DIR/slow.py\" -- sh -c '"
			ON_BOX "sh -e $DIR/before; " ON_BOX "reseg-rules load --quiet --port 7; "
			"to=%s; mkfifo $DIR/ready; "
			ON_BOX "resegd --quiet --fault none --inject raw --ready-fd 3 3>$DIR/ready "
				"& "
			"box=$!; read line <$DIR/ready; rm $DIR/ready; "
			"timeout 60 /usr/bin/python3 $DIR/slow.py ${to:-$RESEG_SERVER}; status=$?; "
			"kill $box; wait $box; exit $status'", c.ip,
			i < 2 ? "" : c.ip == 4 ? "198.51.100.1" : "2001:db8:1::1");
		lab_expect_status(&r, 0);
	}
}

/* With both kinds of NAT no rules let resegd take part; rules that do not fit must leave
 * connections alone. */
LAB_TEST(gateway, both_kinds_of_nat_at_once)
{
	static const char *const sets[] = { "none", "stateful", "snat", "dnat" };
	struct lab_result r;

	lab_write_script("before", c,
		"case $t in ip6*) a=2001:db8:1::1 b=2001:db8:2::2 ;; *) a=198.51.100.1 "
		"b=203.0.113.2 ;; esac\n"
		"$t -t nat -A PREROUTING -d $a -p tcp -j DNAT --to-destination $b\n"
		"$t -t nat -A POSTROUTING -o toserver -j MASQUERADE\n");
	r = lab_run(c.user, "reseg-lab -%d --no-box -- sh -c '" ON_BOX "sh -e $DIR/before; "
		    ON_BOX "reseg-rules load'", c.ip);
	lab_expect_error(&r, 2, "both sources and destinations");
	for (size_t i = 0; i < 4; i++) {
		r = lab_run(c.user,
			"reseg-lab -%d --no-box -- sh -c '"
			ON_BOX "sh -e $DIR/before; " ON_BOX "reseg-rules load --quiet --port 7 "
				"--tracking %s || exit 10; "
			"mkfifo $DIR/ready; "
			ON_BOX "resegd --quiet --fault none --direction both --ready-fd 3 "
				"3>$DIR/ready & box=$!; "
			"read line <$DIR/ready; rm $DIR/ready; stream-client %s 7 1000000; "
			"status=$?; "
			"kill $box; wait $box; exit $status'", c.ip, sets[i],
			c.ip == 4 ? "198.51.100.1" : "2001:db8:1::1");
		lab_expect_status(&r, 0);
	}
}

/* A host that drops what connection tracking does not know, over the network and over loopback. */
static void check_host(struct lab_case c, const char *rules, const char *injector)
{
	const char *self = c.ip == 4 ? "127.0.0.1" : "::1";
	struct lab_result r;

	lab_write_script("before", c, rules);
	r = lab_run(c.user,
		"reseg-lab -%d --no-box -- sh -c '"
		/* lo's packets are longer than the queue can copy, which is slow */
		"ip link set lo mtu 16000; sh -e $DIR/before || exit 10; "
		"reseg-rules load --quiet --mode host --port 7,25,2525 || exit 11; "
		"mkfifo $DIR/ready $DIR/sink; resegd --quiet --fault none --direction both "
		"--inject %s "
		"--control $DIR/ctl --ready-fd 3 3>$DIR/ready & box=$!; read line <$DIR/ready; "
		"reseg-sink --smtp 2525 --echo 7 --ready-fd 3 3>$DIR/sink & sink=$!; read line "
		"<$DIR/sink; "
		"rm $DIR/ready $DIR/sink; reseg-rules check --quiet || exit 12; "
		"for to in $RESEG_SERVER %s; do stream-client $to 7 20000000 || exit 13; done; "
		"resegctl --control $DIR/ctl fault on off-by-one || exit 14; "
		"case $RESEG_SERVER in *:*) a=[$RESEG_SERVER]:25 b=[::1]:2525 ;; *) "
		"a=$RESEG_SERVER:25 b=127.0.0.1:2525 ;; esac; "
		"for to in $a $b; do "
		"reseg-probe sweep --sizes 512-514 --timeout 2 --expect finch2008 $to || exit 15; "
		"done; "
		"kill $box $sink; wait $box; exit 0'", c.ip, injector, self);
	lab_expect_status(&r, 0);
}

static void check_hosts(struct lab_case c, const char *rules)
{
	check_host(c, rules, "raw");
	if (c.user == LAB_ROOT)
		check_host(c, rules, "tun");
}

LAB_TEST(gateway, a_host_that_drops_invalid)
{
	check_hosts(c, "$t -A INPUT -m conntrack --ctstate INVALID -j DROP");
}

LAB_TEST(gateway, a_host_that_accepts_only_established)
{
	check_hosts(c, "$t -A INPUT -i lo -j ACCEPT; $t -A INPUT -m conntrack --ctstate "
		"ESTABLISHED,RELATED -j ACCEPT\n"
		       "case $t in ip6*) $t -A INPUT -p icmpv6 -j ACCEPT ;; esac\n"
		       "$t -A OUTPUT -p tcp -m conntrack --ctstate INVALID,UNTRACKED -j DROP; $t "
			"-P INPUT DROP");
}
