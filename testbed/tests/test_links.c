/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The links of the lab: MTU, loss, a router beyond the box. Those that need netem are in
 * test_netem.c. */

#include "lab.h"

#include <string.h>

TestSuite(links, .timeout = 500);

LAB_TEST(links, each_link_has_its_mtu)
{
	struct lab_result r = lab_run(c.user,
				      "reseg-lab -%d --no-box --mtu 9000,1400 --server 'ip link "
				      "show eth0 "
				      ">$DIR/server; exec reseg-sink' -- ip link show eth0; cat "
				      "$DIR/server", c.ip);

	lab_expect_status(&r, 0);
	cr_assert(strstr(strstr(r.out, "mtu 9000 "), "mtu 1400 "), "%s", r.out);
}

/* If only what goes to the server is lost, no SYN gets there; otherwise no SYN-ACK comes back. */
LAB_TEST(links, loss_has_a_value_for_each_direction)
{
	static const struct {
		const char *loss;
		bool reaches_server;
	} cases[] = { { "100/0", false }, { "0/100", true } };

	for (size_t i = 0; i < LAB_COUNT(cases); i++) {
		struct lab_result r = lab_run(c.user,
			"reseg-lab -%d --clients 2 --fault none --loss %s -- sh -c '"
			"for client in client client2; do reseg-lab enter --on $client -- "
			"reseg-probe one --size 100 --timeout 1 $RESEG_SERVER >/dev/null; done\n"
			"for host in server client client2; do reseg-lab enter --on $host -- "
			"awk \"/^Tcp: [0-9]/ { print \\$11 }\" /proc/self/net/snmp; done'",
			c.ip, cases[i].loss);
		unsigned long server, client, client2;

		cr_assert_eq(sscanf(r.out, "%lu %lu %lu", &server, &client, &client2), 3, "%s%s",
			     r.out, r.err);
		cr_assert_eq(server > 0, cases[i].reaches_server, "%s", r.out);
		cr_assert_eq(client + client2, 0, "%s", r.out);
	}
}

/* After a megabyte there and back both ends' kernels must know the MTU of the path. */
LAB_TEST(links, a_router_takes_smaller_packets)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --no-box --path-mtu 1400 -- sh -c '"
		"stream-client $RESEG_SERVER 7 1000000 && ip route get $RESEG_SERVER && "
		"getent ahosts router >/dev/null && reseg-lab enter --on router -- hostname && "
		"exec reseg-lab enter --on server -- ip route get %s'", c.ip,
		c.ip == 4 ? "198.51.100.2" : "2001:db8:1::2");
	char *router;

	lab_expect_status(&r, 0);
	router = strstr(r.out, "\nrouter\n");
	cr_assert(router, "%s", r.out);
	cr_assert(strstr(router, "mtu 1400 "), "server: %s", r.out);
	*router = '\0';
	cr_assert(strstr(r.out, "mtu 1400 "), "client: %s", r.out);
	/* IPv6 needs links that carry 1,280 octets. */
	r = lab_run(c.user, "reseg-lab -%d --no-box --path-mtu 576 -- sh -c '"
			    "stream-client $RESEG_SERVER 7 100000 && ip route get $RESEG_SERVER'",
			    c.ip);
	lab_expect_status(&r, 0);
	cr_assert(strstr(r.out, c.ip == 4 ? "mtu 576 " : "mtu 1280 "), "%s", r.out);
}

/* Only a sender that probes for the path's MTU gets through a silent router (RFC 4821). */
LAB_TEST(links, a_router_is_silent)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --no-box --path-mtu 1400,silent -- sh -c '"
		"reseg-probe one --size 1300 --expect clean $RESEG_SERVER && "
		"! reseg-probe one --size 2000 --timeout 2 --expect clean $RESEG_SERVER && "
		"ip route get $RESEG_SERVER && "
		"echo 2 >/proc/sys/net/ipv4/tcp_mtu_probing && "
		"reseg-lab enter --on server -- sh -c \"echo 2 "
		">/proc/sys/net/ipv4/tcp_mtu_probing\" && "
		"stream-client $RESEG_SERVER 7 1000000'", c.ip);

	lab_expect_status(&r, 0);
	cr_assert(strstr(r.out, "not every byte was ACKed") && !strstr(r.out, "mtu"), "%s", r.out);
}
