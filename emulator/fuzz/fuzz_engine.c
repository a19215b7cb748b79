/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Fuzzes the engine: packets and time in any sequence
 *
 * The first bytes choose a configuration. Then come records: time passes, the rules change, a raw
 * packet, or a well-formed segment whose numbers lie near those that matter, since random ones
 * would be refused at the door. Whatever happens, what the box lets out must be sound, and in the
 * end nothing may be left.
 */

#include "core/bytes.h"
#include "core/checksum.h"
#include "core/engine.h"
#include "core/packet.h"
#include "sim/router.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PACKET_MAX 4096
#define MEMORY_BYTES (32 * POOL_PAGE_BYTES)
#define FLOWS_MAX 2
/* Clocks of 64 bits wrap only after 584 years, so the engine does not expect it. */
#define TIME_MAX_NS (UINT64_MAX / 2)

/* What faults look for in text. */
#define WORD(text)                                                                                 \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}
static const struct {
	const char *text;
	uint32_t bytes;
} words[] = {
	WORD("\r\n.\r\n"),
	WORD("\r\n"),
	WORD("."),
	WORD("\r"),
	WORD("RCPT TO:<a>\r\n"),
	WORD("DATA\r\n"),
	WORD("MAIL "),
	WORD("220 mx.example ESMTP\r\n"),
	WORD("\x16\x03\x01\x01\x00\x01"),
	WORD("\x16\x03\x01\x00"),
};
#define WORDS (sizeof(words) / sizeof(words[0]))

struct input {
	const uint8_t *data;
	size_t left;
};

struct fuzz {
	struct engine *engine;
	uint64_t now_ns;
	struct engine_rules rules;
	uint32_t segment_size;
	uint32_t nxt[2];	/* near the next sequence number of each side */
	uint8_t ipv6;
	bool offload;
};

static void must(bool good)
{
	if (!good)
		abort();
}

static uint8_t take_byte(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->data++;
}

static uint16_t take16(struct input *in)
{
	uint8_t high = take_byte(in);

	return (uint16_t)(high << 8 | take_byte(in));
}

/* Mostly small steps, at times wild ones. */
static uint32_t take_step(struct input *in)
{
	uint8_t kind = take_byte(in);

	if (kind < 128)
		return 0;
	if (kind < 192)
		return (uint32_t)(int32_t)(int8_t)take_byte(in);
	if (kind < 250)
		return (uint32_t)(int32_t)(int16_t)take16(in);
	return (uint32_t)take16(in) << 16 | take16(in);
}

static bool may_stall(const struct engine_policy *p)
{
	for (unsigned i = 0; i < p->faults; i++) {
		if (p->fault[i].kind->cut)
			return true;
	}
	return false;
}

/* Without a fault that decides on cuts nothing stalls. */
static void check_flows(const struct fuzz *f)
{
	struct engine_flow_info flows[FLOWS_MAX];
	uint32_t cursor = 0;
	size_t count = engine_flows(f->engine, f->now_ns, &cursor, flows, FLOWS_MAX);

	for (size_t i = 0; i < count; i++) {
		must(flows[i].policy < f->rules.policies);
		for (unsigned side = CLIENT; side <= SERVER; side++) {
			const struct engine_totals *t = &flows[i].totals[side];
			uint64_t pending = flows[i].pending[side];

			must(pending <= t->acked - t->delivered &&
			     flows[i].stalled[side] == (pending > 0));
			must(pending == 0 || may_stall(&f->rules.policy[flows[i].policy]));
		}
	}
}

static void check_output(struct fuzz *f)
{
	struct engine_emit emit;
	struct engine_stats stats;

	while (engine_next(f->engine, &emit)) {
		static uint8_t bytes[70000];
		struct packet p;
		size_t at = 0;

		for (size_t i = 0; i < emit.parts; at += emit.part[i++].bytes)
			memcpy(bytes + at, emit.part[i].data, emit.part[i].bytes);
		must(at == emit.bytes);
		must(packet_parse(&p, bytes, at) == PACKET_TCP && p.ip_bytes == at);
		if (f->offload && !emit.local) {
			must(emit.segment_bytes <= f->segment_size);
			must(p.payload_bytes <= (emit.segment_bytes ? 65535 : f->segment_size));
			continue;
		}
		must(packet_checksum_good(&p));
		must(p.payload_bytes <= f->segment_size && emit.segment_bytes == 0);
	}
	must(!engine_wrong(f->engine));
	engine_get_stats(f->engine, &stats);
	must(stats.pages_used <= MEMORY_BYTES / POOL_PAGE_BYTES);
	must(stats.orphaned_bytes <= 2 * MEMORY_BYTES);
	must(stats.packets == stats.accepted + stats.replaced + stats.dropped);
	/* Everything that was due is done: the next deadline is not in the past. */
	must(engine_deadline(f->engine) >= f->now_ns || stats.flows_active == 0);
	check_flows(f);
}

static size_t build(struct fuzz *f, struct input *in, uint8_t *to)
{
	enum engine_side side = take_byte(in) & 1;
	uint8_t flags = take_byte(in);
	uint32_t seq = f->nxt[side] + take_step(in);
	uint32_t ack = f->nxt[engine_other(side)] + take_step(in);
	uint16_t window = take16(in);
	uint8_t content = take_byte(in), word = content / 2 % WORDS;
	bool is_text = content >= 128;	/* a word, once or repeated to fill the payload */
	uint32_t bytes = content & 1 ? take16(in) % 3000 : is_text ? words[word].bytes : 0;
	size_t options = (take_byte(in) % 11) * 4, ip = f->ipv6 ? 40 : 20, header = 20 + options;
	struct checksum c = { 0 };
	uint16_t sum;
	uint8_t *tcp = to + ip;

	memset(to, 0, ip + header);
	if (f->ipv6) {
		to[0] = 0x60;
		bytes_put16(to + 4, (uint16_t)(header + bytes));
		to[6] = 6;
		to[8 + 15] = side == CLIENT ? 1 : 2;
		to[24 + 15] = side == CLIENT ? 2 : 1;
		checksum_add_pseudo(&c, to + 8, 16, (uint32_t)header + bytes);
	} else {
		to[0] = 0x45;
		bytes_put16(to + 2, (uint16_t)(ip + header + bytes));
		to[9] = 6;
		to[15] = side == CLIENT ? 1 : 2;
		to[19] = side == CLIENT ? 2 : 1;
		checksum_add_pseudo(&c, to + 12, 4, (uint32_t)header + bytes);
	}
	bytes_put16(tcp, side == CLIENT ? 40000 : 25);
	bytes_put16(tcp + 2, side == CLIENT ? 25 : 40000);
	bytes_put32(tcp + 4, seq);
	bytes_put32(tcp + 8, ack);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = flags;
	bytes_put16(tcp + 14, window);
	for (size_t i = 0; i < options; i++)
		tcp[20 + i] = take_byte(in);
	for (uint32_t i = 0; i < bytes; i++)
		tcp[header + i] = is_text ? (uint8_t)words[word].text[i % words[word].bytes]
					  : (uint8_t)i;
	checksum_add(&c, tcp, header + bytes);
	sum = checksum_finish(&c);
	memcpy(tcp + 16, &sum, 2);
	if (take_byte(in) & 1)
		f->nxt[side] = seq + bytes + !!(flags & TCP_SYN) + !!(flags & TCP_FIN);
	return ip + header + bytes;
}

/* Any number of faults of any kind, with any scope that matters here. */
static void change_faults(struct engine_policy *p, struct input *in)
{
	uint8_t kinds = 0;

	while (fault_table[kinds].name)
		kinds++;
	must(kinds > 0);	/* clang-tidy does not see that */
	p->faults = take_byte(in) % (FAULTS_MAX + 1);
	for (unsigned i = 0; i < p->faults; i++) {
		struct fault fault = fault_of(&fault_table[take_byte(in) % kinds]);

		fault.every = 1 + take_byte(in) % 8;
		fault.percent = 1 + take_byte(in) % 100;
		fault.id = take_byte(in) % 4;
		fault.scope.direction = take_byte(in) % 4;
		fault.scope.flows.last = take_byte(in) % 4;
		fault.scope.arrivals.last = take_byte(in) % 4;
		for (unsigned k = 0; k < FAULT_PARAMS_MAX; k++) {
			const struct fault_param *param = &fault.kind->param[k];

			if (param->name && take_byte(in) & 1)
				fault.value[k] = param->least +
						 take_byte(in) % (param->most - param->least + 1);
		}
		p->fault[i] = fault;
	}
}

/* Sets or removes a second policy. Whether it is for the flow depends on which end sent the SYN. */
static void change_policy(struct fuzz *f, struct input *in)
{
	struct engine_policy *p = &f->rules.policy[1];
	uint8_t choice = take_byte(in);

	f->rules.policies = choice & 1 ? 2 : 1;
	*p = f->rules.policy[0];
	p->match.port.first = p->match.port.last = choice & 2 ? 40000 : 25;
	p->direction = choice >> 2 & DIRECTION_BOTH;
	p->arrival = choice & 0x10 ? ARRIVAL_BURST : ARRIVAL_SEGMENT;
	p->segment_size = 1 + take_byte(in) % f->segment_size;
	change_faults(p, in);
}

static void let_pass(struct fuzz *f, uint64_t ns)
{
	uint64_t end = f->now_ns + ns;
	unsigned rings = 0;

	if (end > TIME_MAX_NS)
		return;
	while (engine_deadline(f->engine) <= end && rings++ < 100) {
		if (engine_deadline(f->engine) > f->now_ns)
			f->now_ns = engine_deadline(f->engine);
		engine_expire(f->engine, f->now_ns);
		check_output(f);
	}
	if (rings < 100)
		f->now_ns = end;
}

static void step(struct fuzz *f, struct input *in)
{
	uint8_t packet[PACKET_MAX], answer[ROUTER_ANSWER_BYTES], kind = take_byte(in);
	enum engine_verdict verdict;
	struct packet p;
	unsigned hints = 0;
	size_t len;

	if (kind == 255 && take_byte(in) == 255) {
		engine_drain(f->engine, f->now_ns);
		check_output(f);
		return;
	}

	if (kind == 254 || kind == 253) {
		if (kind == 254)
			change_faults(&f->rules.policy[0], in);
		else
			change_policy(f, in);
		must(engine_set_rules(f->engine, f->now_ns, &f->rules) == 0);
		check_output(f);
		return;
	}

	if (kind < 40) {
		let_pass(f, ((uint64_t)take16(in) << (kind % 4 * 8)) * 1000000);
		return;
	}
	if (kind < 50) {
		len = take_byte(in) % 128;
		for (size_t i = 0; i < len; i++)
			packet[i] = take_byte(in);
	} else {
		len = build(f, in, packet);
		if (kind == 252) {
			len = router_too_big(answer, packet, take16(in));
			memcpy(packet, answer, len);
		}
		hints = kind % 8 == 0    ? ENGINE_JOINED
			: kind % 16 == 1 ? ENGINE_NO_CHECKSUM
			: kind % 32 == 2 ? ENGINE_LOCAL
					 : 0;
	}
	verdict = engine_input(f->engine, f->now_ns, packet, &len, hints);
	/* A packet that was rewritten must be sound. A raw one may have been anything. */
	if (verdict == VERDICT_REPLACE && kind >= 50 && kind != 252)
		must(packet_parse(&p, packet, len) == PACKET_TCP && p.ip_bytes == len &&
		     packet_checksum_good(&p));
	check_output(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct fuzz f = { .now_ns = 1000000000 };
	struct engine_config config;
	struct engine_policy *policy;
	struct engine_stats stats;
	uint8_t choice = take_byte(&in);

	engine_config_init(&config);
	policy = &config.rules.policy[0];
	policy->direction = 1 + choice % 3;
	if (!(choice & 0x10))
		policy->faults = 0;
	policy->segment_size = f.segment_size = choice & 0x20 ? 512 : 1 + take16(&in) % 1500;
	config.window_bytes = choice & 0x40 ? STREAM_WINDOW_MAX : ENGINE_WINDOW_MIN;
	policy->arrival = choice & 0x08 ? ARRIVAL_BURST : ARRIVAL_SEGMENT;
	config.overload = choice & 0x04 ? OVERLOAD_REFUSE : OVERLOAD_PASS;
	config.memory_bytes = MEMORY_BYTES;
	config.flows_max = FLOWS_MAX;
	f.ipv6 = choice >> 7;
	choice = take_byte(&in);
	config.offload = f.offload = choice & 1;
	f.nxt[CLIENT] = (uint32_t)choice << 24;
	f.nxt[SERVER] = UINT32_MAX - take_byte(&in);
	f.rules = config.rules;
	must(engine_create(&f.engine, &config) == 0);
	for (unsigned i = 0; in.left > 0 && i < 2000; i++)
		step(&f, &in);
	engine_shutdown(f.engine, f.now_ns);
	engine_get_stats(f.engine, &stats);
	must(stats.pages_used == 0 && stats.orphaned_bytes == 0 && stats.flows_active == 0);
	must(engine_deadline(f.engine) == UINT64_MAX);
	engine_destroy(f.engine);
	return 0;
}
