/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The functions of engine.h: counters, lists, policies. */

#include "core/engine.h"
#include "core/fault.h"
#include "core/flow.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

/* Puts in a SYN over IPv4 between these ports, its checksum left to hardware. */
static enum engine_verdict put_in_syn_to(struct engine *e, uint16_t port, uint8_t server_port)
{
	uint8_t syn[40] = { 0x45, [3] = 40, [8] = 64, [9] = 6, [15] = 1, [19] = 2,
			    [23] = server_port, [32] = 0x50, [33] = 2 };
	size_t len = sizeof(syn);

	syn[20] = (uint8_t)(port >> 8);
	syn[21] = (uint8_t)port;
	return engine_input(e, 1, syn, &len, ENGINE_NO_CHECKSUM);
}

static enum engine_verdict put_in_syn(struct engine *e, uint16_t port)
{
	return put_in_syn_to(e, port, 25);
}

/* Checks which policy the connection to each port from 1 to 20 has. */
static void check_policies(const struct engine *e, const unsigned policy[20])
{
	struct engine_flow_info flows[20];
	uint32_t cursor = 0;

	cr_assert_eq(engine_flows(e, 1, &cursor, flows, 20), 20);
	for (size_t i = 0; i < 20; i++) {
		uint16_t port = flows[i].port[SERVER];

		cr_assert(port >= 1 && port <= 20);
		cr_assert_eq(flows[i].policy, policy[port - 1], "port %u has policy %u", port,
			     flows[i].policy);
		cr_assert_eq(flows[i].segment_size, 100 + flows[i].policy);
	}
}

Test(engine, what_is_no_tcp_passes_and_is_counted)
{
	uint8_t udp[28] = { 0x45, [3] = 28, [8] = 64, [9] = 17 };
	uint8_t fragment[28] = { 0x45, [3] = 28, [6] = 0x20, [8] = 64, [9] = 6 };
	uint8_t extension[60] = { 0x60, [5] = 20, [6] = 60, [7] = 64 };
	uint8_t garbage[7] = { 0xff, 1, 2, 3, 4, 5, 6 };
	uint8_t bad_sum[40] = { 0x45, [3] = 40, [8] = 64, [9] = 6, [32] = 0x50, [33] = 2,
				[36] = 1 };
	struct engine_config config;
	struct engine_stats stats;
	struct engine *e;
	size_t len;

	engine_config_init(&config);
	cr_assert_eq(engine_create(&e, &config), 0);
	len = sizeof(udp);
	cr_assert_eq(engine_input(e, 1, udp, &len, 0), VERDICT_ACCEPT);
	len = sizeof(fragment);
	cr_assert_eq(engine_input(e, 1, fragment, &len, 0), VERDICT_ACCEPT);
	len = sizeof(extension);
	cr_assert_eq(engine_input(e, 1, extension, &len, 0), VERDICT_ACCEPT);
	len = sizeof(garbage);
	cr_assert_eq(engine_input(e, 1, garbage, &len, 0), VERDICT_ACCEPT);
	len = sizeof(bad_sum);
	cr_assert_eq(engine_input(e, 1, bad_sum, &len, 0), VERDICT_ACCEPT);
	engine_get_stats(e, &stats);
	cr_assert_eq(stats.packets, 5);
	cr_assert_eq(stats.accepted, 5);
	cr_assert_eq(stats.passed_not_tcp, 1);
	cr_assert_eq(stats.passed_fragment, 1);
	cr_assert_eq(stats.passed_extension, 1);
	cr_assert_eq(stats.passed_malformed, 1);
	cr_assert_eq(stats.passed_bad_checksum, 1);
	cr_assert_eq(stats.flows_active, 0);
	engine_destroy(e);
}

/* Several engines side by side number their connections independently, but no two connections may
 * have the same number. */
Test(engine, serial_numbers_are_of_one_connection)
{
	bool used[3 * 5 + 1] = { false };

	for (uint32_t number = 0; number < 3; number++) {
		struct engine_config config;
		struct engine *e;

		engine_config_init(&config);
		config.number = number;
		config.engines = 3;
		cr_assert_eq(engine_create(&e, &config), 0);
		for (uint16_t port = 1; port <= 5; port++) {
			uint8_t garbage = 0;
			size_t len = sizeof(garbage);
			uint64_t serial;

			cr_assert_eq(put_in_syn(e, port), VERDICT_ACCEPT);
			serial = engine_input_subject(e).flow;
			cr_assert(serial >= 1 && serial <= 15 && !used[serial % 16]);
			used[serial % 16] = true;
			cr_assert_eq(engine_input(e, 1, &garbage, &len, 0), VERDICT_ACCEPT);
			cr_assert_eq(engine_input_subject(e).flow, 0);
		}
		engine_destroy(e);
	}
}

/* The counts of as many faults as a policy can have are filled in, in the order of the faults, and
 * nothing after them. Here fault i acts in the first i connections, so its count is i. */
Test(engine, faults_are_counted_in_their_order)
{
	uint64_t acted[FAULTS_MAX + 1];
	struct engine_config config = { .flows_max = 0 };
	struct engine_policy *p = &config.rules.policy[0];
	struct engine *e;

	memset(acted, 0xff, sizeof(acted));
	engine_config_init(&config);
	p->faults = FAULTS_MAX;
	for (uint32_t i = 0; i < FAULTS_MAX; i++) {
		p->fault[i] = fault_of(fault_find("isn-shift"));
		p->fault[i].scope.flows = (struct range){ i == 0 ? FAULTS_MAX + 1 : 1,
							  i == 0 ? FAULTS_MAX + 1 : i };
	}
	cr_assert_eq(engine_create(&e, &config), 0);
	for (uint16_t port = 1; port <= FAULTS_MAX; port++)
		cr_assert_neq(put_in_syn(e, port), VERDICT_DROP);
	engine_get_faults(e, 0, acted);
	for (size_t i = 0; i < FAULTS_MAX; i++)
		cr_assert_eq(acted[i], i);
	cr_assert_eq(acted[FAULTS_MAX], UINT64_MAX);
	engine_destroy(e);
}

/* A list that is fetched in parts must have each connection exactly once. */
Test(engine, a_list_in_parts_is_whole)
{
	enum { FLOWS = ENGINE_LOOK_MAX + 100 };
	static bool seen[FLOWS + 1];
	struct engine_config config;
	struct engine_flow_info flows[7];
	uint32_t cursor = 0, before;
	struct engine *e;

	engine_config_init(&config);
	cr_assert_eq(engine_create(&e, &config), 0);
	for (unsigned port = 1; port <= FLOWS; port++)
		put_in_syn(e, (uint16_t)port);
	for (size_t calls = 0;; calls++) {
		size_t count;

		before = cursor;
		count = engine_flows(e, 1, &cursor, flows, 7);
		if (cursor == before)
			break;
		cr_assert_leq(count, 7);
		for (size_t i = 0; i < count; i++) {
			uint64_t serial = flows[i].serial;
			bool *place = &seen[serial <= FLOWS ? serial : 0];

			cr_assert(place != seen && !*place);
			*place = true;
			cr_assert_eq(flows[i].port[CLIENT], serial);
			cr_assert_eq(flows[i].port[SERVER], 25);
		}
	}
	cr_assert_eq(cursor, FLOWS);
	for (size_t i = 1; i <= FLOWS; i++)
		cr_assert(seen[i]);
	engine_destroy(e);
}

/* A connection has the first matching policy after policy 0, of as many as there can be, or policy
 * 0 if none matches. This holds for new connections, and for open ones when the rules change. */
Test(engine, a_connection_has_the_first_policy_that_matches)
{
	static const unsigned at_first[20] = { 0, 0, 0, 15, 14, 13, 12, 11, 10, 9,
					       8, 7, 6, 5, 4, 3, 2, 1, 0, 0 };
	static const unsigned then[20] = { [0] = 1, 1, 1, 1, [17] = 2, 3, 3 };
	struct engine_config config;
	struct engine *e;

	engine_config_init(&config);
	config.rules.policies = POLICIES_MAX;
	for (unsigned i = 0; i < POLICIES_MAX; i++) {
		config.rules.policy[i] = config.rules.policy[0];
		config.rules.policy[i].segment_size = 100 + i;
		if (i > 0)
			config.rules.policy[i].match.port = (struct range){ 19 - i, 18 };
	}
	cr_assert_eq(engine_create(&e, &config), 0);
	for (uint8_t port = 1; port <= 20; port++)
		put_in_syn_to(e, 5000, port);
	check_policies(e, at_first);
	config.rules.policies = 4;
	config.rules.policy[1].match.port = (struct range){ 1, 4 };
	config.rules.policy[2].match.port = (struct range){ 18, 18 };
	config.rules.policy[3].match.port = (struct range){ 18, 20 };
	cr_assert_eq(engine_set_rules(e, 1, &config.rules), 0);
	check_policies(e, then);
	engine_destroy(e);
}

/* RFC 9293 section 3.7.1: an end that names no MSS takes 536 octets over IPv4, 1,220 over IPv6. */
Test(engine, an_end_that_names_no_mss_has_the_least)
{
	struct {
		uint8_t packet[60];
		size_t header;
		uint32_t segment_size;
	} tries[] = {
		{ { 0x45, [3] = 40, [8] = 64, [9] = 6 }, 20, 536 },
		{ { 0x60, [5] = 20, [6] = 6, [7] = 64 }, 40, 1220 },
	};

	for (size_t i = 0; i < 2; i++) {
		uint8_t *ip = tries[i].packet, *tcp = ip + tries[i].header;
		size_t len = tries[i].header + 20;
		struct engine_config config;
		struct engine_flow_info flow;
		uint32_t cursor = 0;
		struct engine *e;

		engine_config_init(&config);
		config.rules.policy[0].segment_size = 1400;
		cr_assert_eq(engine_create(&e, &config), 0);
		tcp[1] = tcp[3] = 25;	/* from one port to the same, and back */
		tcp[12] = 0x50;
		tcp[13] = TCP_SYN;
		tcp[-1] = 1;		/* the last octet of the destination */
		cr_assert_eq(engine_input(e, 1, ip, &len, ENGINE_NO_CHECKSUM), VERDICT_ACCEPT);
		tcp[13] = TCP_SYN | TCP_ACK;
		tcp[11] = 1;
		tcp[-1] = 0;
		ip[tries[i].header == 20 ? 15 : 23] = 1;
		cr_assert_eq(engine_input(e, 1, ip, &len, ENGINE_NO_CHECKSUM), VERDICT_ACCEPT);
		cr_assert_eq(engine_flows(e, 1, &cursor, &flow, 1), 1);
		cr_assert_str_eq(flow.state, "open");
		cr_assert_eq(flow.segment_size, tries[i].segment_size);
		engine_destroy(e);
	}
}

/* A walk over all connections must not go past the last place, even if all places are taken. */
Test(engine, a_full_table_ends_with_its_last_connection)
{
	enum { FLOWS = 3 };
	struct engine_config config;
	struct engine_stats stats;
	struct engine_flow_info flows[FLOWS + 1];

	for (unsigned i = 0; i < 2; i++) {
		uint32_t cursor = 0;
		struct engine_emit emit;
		struct engine *e;

		engine_config_init(&config);
		config.flows_max = FLOWS;
		cr_assert_eq(engine_create(&e, &config), 0);
		for (unsigned port = 1; port <= FLOWS + 1; port++)
			put_in_syn(e, (uint16_t)port);
		engine_get_stats(e, &stats);
		cr_assert_eq(stats.flows_active, FLOWS);
		cr_assert_eq(stats.passed_overload, 1);
		cr_assert_null(engine_wrong(e));
		cr_assert_eq(engine_flows(e, 1, &cursor, flows, FLOWS + 1), FLOWS);
		cr_assert_eq(engine_set_rules(e, 1, &config.rules), 0);
		if (i == 0)
			engine_shutdown(e, 1);
		else
			engine_drain(e, 1);
		cr_assert_not(engine_next(e, &emit));
		engine_get_stats(e, &stats);
		cr_assert_eq(stats.flows_active, 0);
		engine_destroy(e);
	}
}

/* A host may talk to itself: then only the ports tell its two ends apart. */
Test(engine, both_ends_may_have_one_address)
{
	static const uint8_t ports[][2] = { { 200, 25 }, { 25, 200 } };

	for (size_t i = 0; i < 2; i++) {
		uint8_t syn[40] = { 0x45, [3] = 40, [8] = 64, [9] = 6, [15] = 1, [19] = 1,
				    [32] = 0x50, [33] = TCP_SYN };
		struct engine_config config;
		struct engine_flow_info flows[2];
		uint32_t cursor = 0;
		struct engine *e;
		size_t len = sizeof(syn);

		engine_config_init(&config);
		cr_assert_eq(engine_create(&e, &config), 0);
		syn[21] = ports[i][0];
		syn[23] = ports[i][1];
		engine_input(e, 1, syn, &len, ENGINE_NO_CHECKSUM);
		syn[21] = ports[i][1];
		syn[23] = ports[i][0];
		syn[31] = 1;
		syn[33] = TCP_SYN | TCP_ACK;
		engine_input(e, 1, syn, &len, ENGINE_NO_CHECKSUM);
		cr_assert_eq(engine_flows(e, 1, &cursor, flows, 2), 1);
		cr_assert_str_eq(flows[0].state, "open");
		cr_assert_eq(flows[0].port[CLIENT], ports[i][0]);
		cr_assert_eq(flows[0].port[SERVER], ports[i][1]);
		engine_destroy(e);
	}
}
