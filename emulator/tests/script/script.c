/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "script/state.h"

#include "core/bytes.h"
#include "core/checksum.h"
#include "core/packet.h"
#include "core/tcpopt.h"
#include "core/units.h"
#include "settings/faultspec.h"
#include "sim/router.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct variant variants[] = {
	{ "IPv4", 4, { 1000, 500000 } },
	{ "IPv6", 6, { 1000, 500000 } },
	{ "IPv4, sequence numbers wrap", 4, { 0xffffff00, 0xfffffff0 } },
};

static void note(struct script_run *r, const char *prefix, const char *line)
{
	size_t used = strlen(r->transcript);

	snprintf(r->transcript + used, sizeof(r->transcript) - used, "%s%s\n", prefix, line);
}

/* Completes the checksum as hardware does, from the pseudo header's sum in the field. */
static void finish_checksum(struct actual *a)
{
	size_t ip = a->bytes[0] >> 4 == 4 ? 20 : 40;
	struct checksum c = { 0 };
	uint16_t sum;

	checksum_add(&c, a->bytes + ip, a->len - ip);
	sum = checksum_finish(&c);
	memcpy(a->bytes + ip + 16, &sum, sizeof(sum));
}

/* Each packet that the box makes, and each segment of a train, has an IPv4 identification of its
 * own (RFC 6864). */
static void check_ip_id(struct script_run *r, const struct actual *a)
{
	uint16_t id = bytes_get16(a->bytes + 4);
	size_t tcp_bytes = a->len - 20, payload = tcp_bytes - (size_t)(a->bytes[32] >> 4) * 4;

	if (a->bytes[0] >> 4 != 4)
		return;
	if (r->has_sent && id != r->next_ip_id)
		script_fail(r, "the box let out a packet with the identification %u, not %u", id,
		     r->next_ip_id);
	r->has_sent = true;
	r->next_ip_id = (uint16_t)(id + 1);
	if (a->segment_bytes)
		r->next_ip_id = (uint16_t)(id + (payload - 1) / a->segment_bytes + 1);
}

static void take_output(struct script_run *r)
{
	struct engine_emit emit;

	while (!r->is_held && engine_next(r->engine, &emit)) {
		struct actual *a = script_add_actual(r);
		size_t at = 0;

		a->kind = ACTUAL_EMIT;
		a->bytes = malloc(emit.bytes);
		for (size_t i = 0; i < emit.parts; at += emit.part[i++].bytes)
			memcpy(a->bytes + at, emit.part[i].data, emit.part[i].bytes);
		a->len = emit.bytes;
		if (at != emit.bytes)
			script_fail(r, "the parts of a packet do not add up to its length");
		a->segment_bytes = emit.segment_bytes;
		a->local = emit.local;
		check_ip_id(r, a);
		r->count.emitted++;
		if (emit.summed != (!r->offload || emit.local))
			script_fail(r, "the box does not say whether a checksum is finished");
		if (!emit.summed)
			finish_checksum(a);
		a->to = memcmp(emit.destination,
			       emit.version == 4 ? script_addresses4[CLIENT]
						 : script_addresses6[CLIENT],
			       emit.version == 4 ? 4 : 16) == 0
				? CLIENT
				: SERVER;
		a->client_port = bytes_get16(a->bytes + (emit.version == 4 ? 20 : 40) +
					     (a->to == CLIENT ? 2 : 0));
		a->subject = emit.subject;
		if (emit.subject.source != engine_other(a->to) && !r->is_turned)
			script_fail(r, "the box names the wrong source of what it sends");
	}
}

/* mtu: if not 0, what goes in is not the packet but a router's report that it is too big. */
static void input(struct script_run *r, enum engine_side from, uint16_t client_port,
		  const char *text,
		  uint32_t mtu)
{
	unsigned hints = (strstr(text, " joined") ? ENGINE_JOINED : 0) |
			 (strstr(text, " no-sum") ? ENGINE_NO_CHECKSUM : 0) |
			 (strstr(text, " local") ? ENGINE_LOCAL : 0);
	uint8_t before[70000], *packet = malloc(sizeof(before));
	size_t len = script_build_packet(r, from, client_port, text, packet), len_before;
	enum engine_verdict verdict;
	struct actual *a;

	memcpy(before, packet, len);
	if (mtu > 0)
		len = router_too_big(packet, before, mtu);
	if (mtu > 0 && strstr(text, " bad-sum"))
		packet[len - 1] ^= 1;
	len_before = len;
	memcpy(before, packet, len);
	verdict = engine_input(r->engine, r->now_ns, packet, &len, hints);
	r->count.packets++;
	r->count.accepted += verdict == VERDICT_ACCEPT;
	r->count.replaced += verdict == VERDICT_REPLACE;
	r->count.dropped += verdict == VERDICT_DROP;
	a = script_add_actual(r);
	a->subject = engine_input_subject(r->engine);
	/* The end that sends the first SYN is the client, even if the script calls it the
	 * server. */
	if (from == SERVER && *text == 'S' && !strstr(text, " ack "))
		r->is_turned = true;
	if (a->subject.flow > 0 && a->subject.source != from && !r->is_turned)
		script_fail(r, "the box takes the packet for the %s's",
		     script_side_names[a->subject.source]);
	if (a->subject.flow == 0 && verdict == VERDICT_REPLACE)
		script_fail(r, "the box changed a packet that belongs to no connection");
	a->kind = verdict == VERDICT_DROP ? ACTUAL_DROP : ACTUAL_PASS;
	a->changed = verdict == VERDICT_REPLACE;
	a->to = engine_other(from);
	a->client_port = client_port;
	a->bytes = packet;
	a->len = len;
	if (verdict == VERDICT_ACCEPT && (len != len_before || memcmp(before, packet, len) != 0))
		script_fail(r, "the box accepted a packet but changed it");
	take_output(r);
}

static void pass_time(struct script_run *r, double seconds)
{
	uint64_t end = r->now_ns + (uint64_t)(seconds * NS_PER_S + 0.5);

	while (engine_deadline(r->engine) <= end) {
		if (engine_deadline(r->engine) > r->now_ns)
			r->now_ns = engine_deadline(r->engine);
		engine_expire(r->engine, r->now_ns);
		take_output(r);
	}
	r->now_ns = end;
}

static void forget_actual(struct script_run *r, size_t i)
{
	free(r->actual[i].bytes);
	free(r->actual[i].text);
	r->actual[i] = (struct actual){ 0 };
}

/* Fails the test if the box did something that no line expects. */
static void expect_nothing_more(struct script_run *r)
{
	char text[LINE_BYTES];

	if (r->actual_first < r->actual_count) {
		script_actual_text(r, &r->actual[r->actual_first], " win  <", text);
		script_fail(r, "not expected: %s", text);
	}
	r->actual_first = r->actual_count = 0;
}

static void expect(struct script_run *r, const char *line)
{
	char text[LINE_BYTES];

	if (r->actual_first == r->actual_count)
		script_fail(r, "expected, but nothing came: %s", line);
	script_actual_text(r, &r->actual[r->actual_first], line, text);
	if (strcmp(text, line) != 0)
		script_fail(r, "expected: %s\n     but: %s", line, text);
	note(r, "    ", line);
	forget_actual(r, r->actual_first++);
}

static void add_faults(struct engine_policy *policy, const char *faults)
{
	struct error error;
	char text[LINE_BYTES];

	snprintf(text, sizeof(text), "%s", faults);
	for (char *fault = strtok(text, " "); fault; fault = strtok(NULL, " ")) {
		cr_assert(faultspec_add(policy, fault, &error), "%s", error.text);
		if (policy->faults > 0)
			policy->fault[policy->faults - 1].id = policy->faults;
	}
}

static void set_rules(struct script_run *r)
{
	cr_assert_eq(engine_set_rules(r->engine, r->now_ns, &r->rules), 0);
	take_output(r);
}

/* Sets the second policy; the text is its ports, then its faults or "pass". */
static void set_policy(struct script_run *r, const char *text)
{
	struct engine_policy *policy = &r->rules.policy[1];
	size_t len = strcspn(text, " ");

	*policy = r->rules.policy[0];
	policy->faults = 0;
	r->rules.policies = 2;
	cr_assert(faultspec_range(&policy->match.port, text, len, FAULTSPEC_PORT_MAX), "%s", text);
	if (strcmp(text + len, " pass") == 0)
		policy->direction = DIRECTION_NONE;
	else
		add_faults(policy, text + len);
	for (unsigned i = 0; i < policy->faults; i++)
		policy->fault[i].id += FAULTS_MAX;	/* different from the first policy's */
	set_rules(r);
}

static void check_acted(struct script_run *r, const char *text)
{
	uint64_t acted[FAULTS_MAX];
	char actual[LINE_BYTES] = "acted";

	engine_get_faults(r->engine, 0, acted);
	for (unsigned i = 0; i < r->rules.policy[0].faults; i++)
		script_append(actual, " %" PRIu64, acted[i]);
	if (strcmp(actual, text) != 0)
		script_fail(r, "expected: %s\n     but: %s", text, actual);
}

static void check_count(struct script_run *r, const char *line)
{
#define COUNTER(name) { #name, offsetof(struct engine_stats, name) }
	static const struct {
		const char *name;
		size_t at;
	} counters[] = {
		COUNTER(passed_unknown_flow), COUNTER(passed_authenticated),
		COUNTER(passed_overload), COUNTER(passed_draining),
		COUNTER(passed_policy), COUNTER(refused_overload),
		COUNTER(unanswered), COUNTER(flows_opened), COUNTER(flows_active),
		COUNTER(flows_alive),
		COUNTER(stalls), COUNTER(forged_acks),
		COUNTER(retransmissions), COUNTER(urgent_segments), COUNTER(paths_limited),
		COUNTER(one_sided),
		COUNTER(refused_arrivals),
		COUNTER(orphaned_bytes), COUNTER(pages_used),
	};
	char name[64];
	struct engine_stats stats;
	uint64_t wanted, actual;

	if (sscanf(line, "count %63s %" SCNu64, name, &wanted) != 2)
		script_fail(r, "the script has a counter without a number: %s", line);
	engine_get_stats(r->engine, &stats);
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		if (strcmp(counters[i].name, name) != 0)
			continue;
		memcpy(&actual, (const char *)&stats + counters[i].at, sizeof(actual));
		if (actual != wanted)
			script_fail(r, "expected: %s\n     but: %" PRIu64, line, actual);
		return;
	}
	script_fail(r, "the script has an unknown counter: %s", line);
}

/* Asks for one connection a call, which tests that a list in parts is as good as a whole one. */
static void check_flow(struct script_run *r, const char *line)
{
	struct engine_flow_info flow;
	uint32_t cursor = 0;
	uint64_t serial = strtoull(line + strlen("flow "), NULL, 10);
	char text[LINE_BYTES];

	while (engine_flows(r->engine, r->now_ns, &cursor, &flow, 1) == 1) {
		if (flow.serial != serial)
			continue;
		script_flow_text(r, &flow, text);
		if (strcmp(text, line) != 0)
			script_fail(r, "expected: %s\n     but: %s", line, text);
		return;
	}
	script_fail(r, "expected, but the box does not list it: %s", line);
}

static void run_line(struct script_run *r, const char *line)
{
	unsigned client_port = SCRIPT_CLIENT_PORT, mtu;
	int n = 0;

	if (line[0] == '\0' || line[0] == '#')
		return;
	if (strcmp(line, "anything") == 0) {
		while (r->actual_first < r->actual_count)
			forget_actual(r, r->actual_first++);
		return;
	}
	if ((sscanf(line, "icmp %u client > %n", &mtu, &n) == 1 && n > 0) ||
	    (sscanf(line, "icmp %u server > %n", &mtu, &n) == 1 && n > 0)) {
		expect_nothing_more(r);
		note(r, "", line);
		if (line[5] == '+')
			mtu += r->variant->version == 4 ? 40 : 60;
		input(r, strstr(line, "client") ? CLIENT : SERVER, SCRIPT_CLIENT_PORT, line + n,
		      mtu);
		return;
	}
	if (sscanf(line, "client > %n", &n) == 0 && n == 0 &&
	    sscanf(line, "server > %n", &n) == 0 && n == 0)
		sscanf(line, line[0] == 'c' ? "client:%u > %n" : "server:%u > %n", &client_port,
		       &n);
	if (n > 0) {
		expect_nothing_more(r);
		note(r, "", line);
		input(r, line[0] == 'c' ? CLIENT : SERVER, (uint16_t)client_port, line + n, 0);
	} else if (strcmp(line, "drain") == 0) {
		expect_nothing_more(r);
		note(r, "", line);
		engine_drain(r->engine, r->now_ns);
		take_output(r);
	} else if (strcmp(line, "hold") == 0 || strcmp(line, "take") == 0) {
		expect_nothing_more(r);
		note(r, "", line);
		r->is_held = strcmp(line, "hold") == 0;
		take_output(r);
	} else if (strcmp(line, "shutdown") == 0) {
		expect_nothing_more(r);
		note(r, "", line);
		engine_shutdown(r->engine, r->now_ns);
		take_output(r);
	} else if (strncmp(line, "count ", 6) == 0) {
		check_count(r, line);
	} else if (strncmp(line, "flow ", 5) == 0) {
		check_flow(r, line);
	} else if (strncmp(line, "faults ", 7) == 0) {
		expect_nothing_more(r);
		note(r, "", line);
		r->rules.policy[0].faults = 0;
		add_faults(&r->rules.policy[0], line + 7);
		set_rules(r);
	} else if (strncmp(line, "policy ", 7) == 0) {
		expect_nothing_more(r);
		note(r, "", line);
		set_policy(r, line + 7);
	} else if (strncmp(line, "acted ", 6) == 0) {
		check_acted(r, line);
	} else if (line[0] == '+') {
		expect_nothing_more(r);
		note(r, "", line);
		pass_time(r, strtod(line + 1, NULL));
	} else {
		expect(r, line);
	}
}

/* Do the engine's counters agree with what the script counted? */
static void check_counts(struct script_run *r, const struct engine_stats *stats)
{
	const struct engine_stats *own = &r->count;

	if (stats->packets != own->packets || stats->accepted != own->accepted ||
	    stats->replaced != own->replaced || stats->dropped != own->dropped ||
	    stats->emitted != own->emitted)
		script_fail(r, "the box's counts of packets or verdicts are not the script's");
}

static void run_variant(const struct script *s, const struct variant *v, const char *text)
{
	struct script_run *r = calloc(1, sizeof(*r));
	struct engine_config config;
	struct engine_policy *policy;
	struct engine_stats stats;
	char line[LINE_BYTES];

	r->variant = v;
	r->now_ns = NS_PER_S;
	engine_config_init(&config);
	policy = &config.rules.policy[0];
	policy->faults = 0;
	add_faults(policy, s->fault ? s->fault : "none");
	if (s->segment_size)
		policy->segment_size = s->segment_size;
	if (s->direction)
		policy->direction = s->direction;
	config.offload = r->offload = s->offload;
	memcpy(config.hash_key, &s->key, sizeof(s->key));
	policy->arrival = s->arrival;
	config.overload = s->overload;
	config.start_ns = r->now_ns;
	if (s->window_bytes)
		config.window_bytes = s->window_bytes;
	/* Small, because some test harnesses touch all memory. */
	config.memory_bytes = s->memory_bytes ? s->memory_bytes : 4 << 20;
	config.flows_max = s->flows_max ? s->flows_max : 64;
	if (s->events) {
		config.observer = script_observe;
		config.observer_arg = r;
	}
	r->rules = config.rules;
	cr_assert_eq(engine_create(&r->engine, &config), 0);
	while (*text) {
		size_t n = strcspn(text, "\n");

		cr_assert_lt(n, sizeof(line));
		memcpy(line, text, n);
		line[n] = '\0';
		run_line(r, line);
		text += n + (text[n] == '\n');
	}
	expect_nothing_more(r);
	engine_get_stats(r->engine, &stats);
	check_counts(r, &stats);
	if (s->at_end)
		s->at_end(&stats);
	engine_destroy(r->engine);
	free(r);
}

void script_run(struct script s, const char *text)
{
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
		run_variant(&s, &variants[i], text);
}

void script_nothing_is_held(const struct engine_stats *stats)
{
	cr_assert_eq(stats->pages_used, 0);
	cr_assert_eq(stats->orphaned_bytes, 0);
}

void script_nothing_is_left(const struct engine_stats *stats)
{
	script_nothing_is_held(stats);
	cr_assert_eq(stats->flows_active, 0);
}
