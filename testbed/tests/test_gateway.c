/* SPDX-License-Identifier: GPL-2.0-or-later */

/* reseg-rules on gateways as they are: firewalls that look at the state of connections, and NAT. */

#include "lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(gateway, .timeout = 120);

#define ON_BOX "reseg-lab enter --on box -- "
/* What a gateway has loaded before reseg-rules comes: $t is iptables or ip6tables. */
struct gateway {
	const char *rules;
	const char *ipv4, *ipv6;	/* where clients find the server, if not where it is */
	const char *set;		/* the rules that reseg-rules should take */
};

#define ESTABLISHED_ONLY                                                                 \
	"$t -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT; "           \
	"$t -A FORWARD -i toclient -p tcp --syn -j ACCEPT; $t -P FORWARD DROP; "

/* A script for the lab's command to run; $t in it is iptables or ip6tables. */
static void write_script(const char *name, struct lab_case c, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", lab_dir(), name);
	f = fopen(path, "we");
	cr_assert_not_null(f);
	fprintf(f, "t=%s\n%s\n", c.ip == 4 ? "iptables" : "ip6tables", text);
	fclose(f);
}

static void check_gateway_by(struct lab_case c, const struct gateway *g, const char *injector)
{
	static const char counter[] = "\"forged_acks\":";
	const char *to = c.ip == 4 ? g->ipv4 : g->ipv6, *acks;
	char loaded[64];
	struct lab_result r;

	write_script("before", c, g->rules);
	r = lab_run(c.user,
		"reseg-lab -%d --no-box -- sh -c '"
		ON_BOX "sh -e $DIR/before || exit 10; "
		/* twice, which must be the same as once */
		ON_BOX "reseg-rules load --quiet --port 7,25; " ON_BOX "reseg-rules load --port 7,25 2>&1 || exit 11; "
		"mkfifo $DIR/ready; "
		ON_BOX "resegd --quiet --fault none --direction both --inject %s --control $DIR/ctl "
		"--ready-fd 3 3>$DIR/ready & box=$!; read line <$DIR/ready; rm $DIR/ready; "
		ON_BOX "reseg-rules check --quiet || exit 12; "
		"to=%s; to=${to:-$RESEG_SERVER}; stream-client $to 7 20000000 || exit 13; "
		"resegctl --control $DIR/ctl --format json status; "
		"resegctl --control $DIR/ctl fault on off-by-one || exit 14; "
		"case $to in *:*) to=[$to] ;; esac; "
		"reseg-probe sweep --sizes 512-514 --timeout 2 --expect finch2008 $to:25 >&2 || exit 15; "
		"kill $box; wait $box; " ON_BOX "reseg-rules remove 2>&1; "
		ON_BOX "sh -c \"iptables-save; ip6tables-save; iptables-legacy-save\" 2>/dev/null | grep -i reseg; exit 0'",
		c.ip, injector, to ? to : "");
	lab_expect_status(&r, 0);
	snprintf(loaded, sizeof(loaded), "loaded: %s rules", g->set);
	cr_assert(strstr(r.out, loaded), "not %s: %s", g->set, r.out);
	/* It took part: some hundred ACKs there, and as many back. */
	acks = strstr(r.out, counter);
	cr_assert(acks && atoi(acks + strlen(counter)) > 1000, "%s", r.out);
	cr_assert(strstr(r.out, "reseg-rules: removed\n"), "%s", r.out);
	cr_assert_not(strstr(r.out, "RESEG") || strstr(r.out, "let-in"), "%s", r.out);
}

/* 20 MB pass unharmed, intercepted in both directions, and then the fault stalls 513 octets
 * and no others. */
static void check_gateway(struct lab_case c, const struct gateway *g)
{
	check_gateway_by(c, g, "raw");
	if (c.user == LAB_ROOT)		/* who may open /dev/net/tun */
		check_gateway_by(c, g, "tun");
}

LAB_TEST(gateway, no_tracking)
{
	check_gateway(c, &(struct gateway){ "", .set = "gateway" });
}

LAB_TEST(gateway, invalid_is_dropped)
{
	check_gateway(c, &(struct gateway){ "$t -A FORWARD -m conntrack --ctstate INVALID -j DROP; ",
					    .set = "gateway-stateful" });
}

LAB_TEST(gateway, only_established_is_accepted)
{
	check_gateway(c, &(struct gateway){ ESTABLISHED_ONLY, .set = "gateway-stateful" });
}

LAB_TEST(gateway, masquerade)
{
	check_gateway(c, &(struct gateway){ ESTABLISHED_ONLY "$t -t nat -A POSTROUTING -o toserver -j MASQUERADE; ",
					    .set = "gateway-snat" });
}

LAB_TEST(gateway, snat)
{
	check_gateway(c, &(struct gateway){
		ESTABLISHED_ONLY
		"case $t in ip6*) a=2001:db8:2::77; ip address add $a/64 dev toserver ;; "
		"*) a=203.0.113.77; ip address add $a/24 dev toserver ;; esac; "
		"$t -t nat -A POSTROUTING -o toserver -p tcp -j SNAT --to-source $a; ",
		.set = "gateway-snat" });
}

LAB_TEST(gateway, dnat)
{
	check_gateway(c, &(struct gateway){
		ESTABLISHED_ONLY
		"case $t in ip6*) a=2001:db8:1::1 b=2001:db8:2::2 ;; *) a=198.51.100.1 b=203.0.113.2 ;; esac; "
		"$t -t nat -A PREROUTING -d $a -p tcp -j DNAT --to-destination $b; ",
		"198.51.100.1", "2001:db8:1::1", "gateway-dnat" });
}
