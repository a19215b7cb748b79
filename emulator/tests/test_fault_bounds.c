/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Faults at their bounds: their functions, called directly */

#include "core/engine.h"
#include "core/fault.h"
#include "settings/faultspec.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static const uint8_t end[] = "\r\n.\r\n", other[] = "\r\n.\rX";
static const uint8_t tls256[] = { 22, 3, 1, 1, 0, 1 }, tls255[] = { 22, 3, 1, 0, 255, 1 };
static const uint8_t tls511[] = { 22, 3, 3, 1, 255, 1 }, tls512[] = { 22, 3, 3, 2, 0, 1 };
static const uint8_t tls1[] = { 22, 3, 1, 0, 1, 1 };
static const uint8_t tls_alert[] = { 21, 3, 1, 1, 0, 1 };
static const uint8_t tls_ssl2[] = { 22, 2, 1, 1, 0, 1 };
#define HELLO(b, p, a, t) { .bytes = (b), .pending = (p), .arrived = (a), .text = (t) }
static const struct {
	const char *name;
	uint32_t value;
	bool stalls;
	struct fault_cut cut;
} cuts[] = {
	{ "psh-hold", 10, true, { .bytes = 9, .arrived = 9 } },
	{ "psh-hold", 10, false, { .bytes = 9, .arrived = 10 } },
	{ "psh-hold", 10, false, { .bytes = 9, .arrived = 9, .push = true } },
	{ "ack-then-die", 10, false, { .bytes = 9, .acked = 9 } },
	{ "ack-then-die", 10, true, { .bytes = 9, .acked = 10 } },
	/* stalls only if the dot is in an earlier piece and the end of its CR LF in this one */
	{ "split-eod", 0, false, { .bytes = 5, .text = end, .dot_state = 0 } },
	{ "split-eod", 0, false, { .bytes = 3, .text = end + 2, .dot_state = 2 } },
	{ "split-eod", 0, true, { .bytes = 2, .text = end + 3, .dot_state = 3 } },
	{ "split-eod", 0, false, { .bytes = 1, .text = end + 3, .dot_state = 3 } },
	{ "split-eod", 0, true, { .bytes = 1, .text = end + 4, .dot_state = 4 } },
	{ "split-eod", 0, false, { .bytes = 2, .text = other + 3, .dot_state = 3 } },
	{ "split-eod", 0, false, { .bytes = 1, .text = other + 4, .dot_state = 4 } },
	{ "hello-256-511", 0, true, HELLO(6, 261, 261, tls256) },
	{ "hello-256-511", 0, true, HELLO(5, 261, 261, tls256) },
	{ "hello-256-511", 0, false, HELLO(4, 261, 261, tls256) },
	{ "hello-256-511", 0, false, HELLO(6, 261, 262, tls256) },
	{ "hello-256-511", 0, false, HELLO(6, 260, 260, tls255) },
	{ "hello-256-511", 0, true, HELLO(6, 516, 516, tls511) },
	{ "hello-256-511", 0, false, HELLO(6, 517, 517, tls512) },
	{ "hello-256-511", 0, false, HELLO(6, 261, 261, tls_alert) },
	{ "hello-256-511", 0, false, HELLO(6, 261, 261, tls_ssl2) },
	{ "hello-256-511", 1, true, HELLO(6, 6, 6, tls1) },
	{ "hello-256-511", 1, false, HELLO(6, 6, 7, tls1) },
	{ "hello-256-511", 1, false, HELLO(6, 6, 6, tls_alert) },
};

static uint8_t hello[] = { 22, 3, 1, 0, 2, 1 }, no_hello[] = { 22, 3, 1, 0, 2, 2 };
static uint8_t whole[] = { 22, 3, 1, 0, 1, 1 };
static uint8_t clear[] = "x20 \r\n*", clear_end[] = "220 \r\nx", masked[] = "220 \r\n*";
static const struct {
	const char *name;
	uint32_t value;
	uint8_t flags;
	uint8_t *payload;
	uint32_t bytes, payload_bytes, acks, acked;
	bool by_server, client_spoke;
	enum fault_fate fate;
} packets[] = {
	{ "mtu-blackhole", 100, .bytes = 100, .fate = FATE_NONE },
	{ "mtu-blackhole", 100, .bytes = 101, .fate = FATE_VANISH },
	{ "ecn-drop", 0, TCP_SYN | TCP_ECE | TCP_CWR, .fate = FATE_VANISH },
	{ "ecn-drop", 0, TCP_SYN | TCP_ECE, .fate = FATE_NONE },
	{ "ecn-drop", 0, TCP_SYN | TCP_CWR, .fate = FATE_NONE },
	{ "ecn-drop", 0, TCP_SYN | TCP_ACK | TCP_ECE | TCP_CWR, .fate = FATE_NONE },
	{ "ecn-drop", 0, TCP_SYN | TCP_RST | TCP_ECE | TCP_CWR, .fate = FATE_NONE },
	{ "ecn-rst", 0, TCP_SYN | TCP_ECE | TCP_CWR, .fate = FATE_RESET },
	{ "ecn-rst", 0, TCP_SYN, .fate = FATE_NONE },
	{ "tfo-blackhole", 0, TCP_SYN, hello, .payload_bytes = 1, .fate = FATE_VANISH },
	{ "tfo-blackhole", 0, TCP_SYN, hello, .payload_bytes = 0, .fate = FATE_NONE },
	{ "tfo-blackhole", 0, TCP_ACK, hello, .payload_bytes = 1, .fate = FATE_NONE },
	{ "banner-mask", 0, TCP_ACK, clear, .payload_bytes = 7, .by_server = true,
	  .fate = FATE_ALTERED },
	{ "banner-mask", 0, TCP_ACK, clear_end, .payload_bytes = 7, .by_server = true,
	  .fate = FATE_ALTERED },
	{ "banner-mask", 0, TCP_ACK, clear_end, .payload_bytes = 6, .by_server = true,
	  .fate = FATE_NONE },
	{ "banner-mask", 0, TCP_ACK, masked, .payload_bytes = 7, .by_server = true,
	  .fate = FATE_NONE },
	{ "banner-mask", 0, TCP_ACK, clear, .payload_bytes = 7, .fate = FATE_NONE },
	{ "banner-mask", 0, TCP_ACK, clear, .payload_bytes = 7, .by_server = true,
	  .client_spoke = true, .fate = FATE_NONE },
	{ "ack-thin", 4, TCP_ACK, .acks = 4, .fate = FATE_NONE },
	{ "ack-thin", 4, TCP_ACK, .acks = 3, .fate = FATE_VANISH },
	{ "ack-thin", 4, TCP_ACK, .acks = 5, .fate = FATE_VANISH },
	{ "ack-thin", 4, TCP_ACK, hello, .payload_bytes = 1, .acks = 3, .fate = FATE_NONE },
	{ "ack-thin", 4, TCP_ACK | TCP_FIN, .acks = 3, .fate = FATE_NONE },
	{ "ack-thin", 4, TCP_ACK | TCP_RST, .acks = 3, .fate = FATE_NONE },
	{ "first-segment-parser", 0, TCP_ACK, hello, .payload_bytes = 6, .fate = FATE_VANISH },
	{ "first-segment-parser", 1, TCP_ACK, hello, .payload_bytes = 6, .fate = FATE_RESET },
	{ "first-segment-parser", 0, TCP_ACK, hello, .payload_bytes = 5, .fate = FATE_NONE },
	{ "first-segment-parser", 0, TCP_ACK, no_hello, .payload_bytes = 6, .fate = FATE_NONE },
	{ "first-segment-parser", 0, TCP_ACK, whole, .payload_bytes = 6, .fate = FATE_NONE },
	{ "first-segment-parser", 0, TCP_ACK, hello, .payload_bytes = 6, .by_server = true,
	  .fate = FATE_NONE },
	{ "ack-then-die", 10, TCP_ACK, .acked = 9, .fate = FATE_NONE },
	{ "ack-then-die", 10, TCP_ACK, .acked = 10, .fate = FATE_FORGOTTEN },
};

Test(fault_bounds, table_is_whole)
{
	cr_assert_str_eq(fault_table[0].name, "off-by-one");
	cr_assert_not_null(fault_find("none"));
	cr_assert_null(fault_find("nosuch"));
	for (const struct fault_kind *k = fault_table; k->name; k++) {
		struct engine_config config;
		struct engine *e;

		cr_assert_not_null(k->summary);
		cr_assert_not_null(k->symptom);
		cr_assert_eq(fault_find(k->name), k);
		/* Its defaults are valid. */
		engine_config_init(&config);
		config.rules.policy[0].fault[0] = fault_of(k);
		cr_assert_eq(engine_create(&e, &config), 0, "%s", k->name);
		engine_destroy(e);
		/* A value out of range is refused. */
		config.rules.policy[0].fault[0].value[0] = k->param[0].most + 1;
		cr_assert_eq(engine_create(&e, &config), -EINVAL, "%s", k->name);
	}
}

Test(fault_bounds, off_by_one_has_one_hole)
{
	struct fault f = fault_of(fault_find("off-by-one"));

	for (uint32_t s = 1; s <= 2000; s += 37) {
		for (uint32_t pending = 1; pending <= 3 * s + 3; pending++) {
			uint32_t proposed = pending < s ? pending : s;

			struct fault_cut c = { .pending = pending, .segment_size = s,
					       .bytes = proposed };

			cr_assert_eq(f.kind->cut(&f, &c),
				     pending == s + 1 ? 0 : proposed);
		}
	}
}

Test(fault_bounds, bounds_of_pieces)
{
	static const struct {
		const char *name;
		uint32_t value;		/* of the first parameter; 0: its default */
		struct fault_piece piece;
		enum fault_fate fate;
	} tries[] = {
		{ "lose-tail", 5, { .bytes = 5, .last = true }, FATE_VANISH },
		{ "lose-tail", 5, { .bytes = 6, .last = true }, FATE_NONE },
		{ "lose-tail", 5, { .bytes = 1, .last = true }, FATE_VANISH },
		{ "lose-tail", 5, { .bytes = 0, .last = true }, FATE_NONE },
		{ "lose-tail", 5, { .bytes = 5 }, FATE_NONE },
		{ "no-retransmit", 0, { .bytes = 5, .again = true }, FATE_VANISH },
		{ "no-retransmit", 0, { .bytes = 5 }, FATE_NONE },
		{ "drop", 0, { .bytes = 5 }, FATE_VANISH },
		{ "drop", 0, { .bytes = 5, .again = true }, FATE_NONE },
		{ "duplicate", 0, { .bytes = 1 }, FATE_TWICE },
		{ "duplicate", 0, { .bytes = 0 }, FATE_NONE },
		{ "reorder", 0, { .bytes = 1 }, FATE_LATE },
		{ "reorder", 0, { .bytes = 1, .again = true }, FATE_NONE },
		{ "reorder", 0, { .bytes = 0 }, FATE_NONE },
		{ "corrupt", 0, { .bytes = 1 }, FATE_ALTERED },
		{ "corrupt", 0, { .bytes = 1, .again = true }, FATE_NONE },
		{ "corrupt", 0, { .bytes = 0 }, FATE_NONE },
		{ "fin-early", 20, { .bytes = 1, .behind = 19 }, FATE_FIN },
		{ "fin-early", 20, { .bytes = 1, .behind = 20 }, FATE_NONE },
		{ "fin-early", 20, { .bytes = 1, .behind = 1 }, FATE_FIN },
		{ "fin-early", 20, { .bytes = 1, .behind = 0 }, FATE_NONE },
		{ "fin-early", 20, { .bytes = 0, .behind = 19 }, FATE_NONE },
		{ "fin-dup", 0, { .bytes = 1, .behind = 1, .with_fin = true }, FATE_FIN },
		{ "fin-dup", 0, { .bytes = 1, .behind = 1 }, FATE_NONE },
		{ "fin-dup", 0, { .bytes = 1, .behind = 0, .with_fin = true }, FATE_NONE },
		{ "fin-dup", 0, { .bytes = 0, .behind = 1, .with_fin = true }, FATE_NONE },
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		struct fault f = fault_of(fault_find(tries[i].name));

		if (tries[i].value)
			f.value[0] = tries[i].value;
		cr_assert_eq(f.kind->piece(&f, &tries[i].piece), tries[i].fate, "%s, number %zu",
			     tries[i].name, i);
	}
}

Test(fault_bounds, bounds_of_cuts)
{
	for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
		struct fault f = fault_of(fault_find(cuts[i].name));

		if (cuts[i].value)
			f.value[0] = cuts[i].value;
		cr_assert_eq(f.kind->cut(&f, &cuts[i].cut),
			     cuts[i].stalls ? 0 : cuts[i].cut.bytes, "%s, number %zu",
			     cuts[i].name, i);
	}
}

Test(fault_bounds, bounds_of_commands)
{
	static const struct {
		const char *text;
		unsigned dot_state;
		bool altered;
	} tries[] = {
		{ "MAIL ", 2, true }, { "MAIL\r", 2, true }, { "mail ", 2, true },
		{ "MaIl ", 2, true }, { "MAIL", 2, false }, { "MAIL:", 2, false },
		{ "MAIM ", 2, false }, { "AAIL ", 2, false },
		{ "MAIL ", 1, false }, { "MAIL ", 0, false }, { "MAIL ", 3, false },
		{ "x\r\nRCPT ", 0, true }, { "\nDATA\r", 0, true }, { "x\r\nRCPT", 0, false },
		{ "x\r\nVRFY TO:<a>", 0, true }, { "x\rRCPT ", 0, false },
		{ "x\r\nRCPT \n", 0, false },
		{ "QUIT\r\n", 2, false }, { "12345", 2, false },
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		struct fault f = fault_of(fault_find("split-command"));
		struct fault_cut cut = { .bytes = (uint32_t)strlen(tries[i].text),
					 .dot_state = tries[i].dot_state };
		uint8_t text[32] = { 0 };
		size_t changed = 0;

		memcpy(text, tries[i].text, cut.bytes);
		cr_assert_eq(f.kind->alter(&f, &cut, text), tries[i].altered, "%s", tries[i].text);
		for (size_t k = 0; k < sizeof(text); k++)
			changed += text[k] != (k < cut.bytes ? (uint8_t)tries[i].text[k] : 0);
		cr_assert_eq(changed, tries[i].altered ? 4 : 0, "%s", tries[i].text);
	}
}

Test(fault_bounds, bounds_of_packets)
{
	for (size_t i = 0; i < sizeof(packets) / sizeof(*packets); i++) {
		struct fault f = fault_of(fault_find(packets[i].name));
		struct packet p = { .flags = packets[i].flags, .payload = packets[i].payload,
				    .payload_bytes = packets[i].payload_bytes };
		struct fault_packet view = {
			.p = &p,
			.bytes = packets[i].bytes,
			.payload_bytes = packets[i].payload_bytes,
			.acks = packets[i].acks,
			.acked = packets[i].acked,
			.by_server = packets[i].by_server,
			.client_spoke = packets[i].client_spoke,
		};

		if (packets[i].value)
			f.value[0] = packets[i].value;
		cr_assert_eq(f.kind->packet(&f, &view), packets[i].fate, "%s, number %zu",
			     packets[i].name, i);
	}
}

/* A fault of one direction needs that half to be intercepted if it acts on pieces or cuts. One that
 * acts on packets sees both halves if either is intercepted, but some act on one end's only. */
Test(fault_bounds, what_can_act_in_which_halves)
{
	static const struct {
		const char *name;
		unsigned direction, intercepted;
		bool can;
	} tries[] = {
		{ "off-by-one", 0, DIRECTION_C2S, true }, { "off-by-one", 0, DIRECTION_NONE, true },
		{ "off-by-one", DIRECTION_C2S, DIRECTION_C2S, true },
		{ "off-by-one", DIRECTION_S2C, DIRECTION_C2S, false },
		{ "off-by-one", DIRECTION_BOTH, DIRECTION_S2C, true },
		{ "drop", DIRECTION_C2S, DIRECTION_S2C, false },
		{ "mtu-blackhole", DIRECTION_S2C, DIRECTION_C2S, true },
		{ "mtu-blackhole", DIRECTION_S2C, DIRECTION_NONE, false },
		{ "isn-shift", DIRECTION_S2C, DIRECTION_C2S, true },
		{ "isn-shift", DIRECTION_S2C, DIRECTION_NONE, false },
		{ "banner-mask", DIRECTION_S2C, DIRECTION_C2S, true },
		{ "banner-mask", DIRECTION_C2S, DIRECTION_C2S, false },
		{ "banner-mask", DIRECTION_BOTH, DIRECTION_C2S, true },
		{ "none", DIRECTION_S2C, DIRECTION_C2S, true },
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		struct fault f = fault_of(fault_find(tries[i].name));

		f.scope.direction = (uint8_t)tries[i].direction;
		cr_assert_eq(fault_can_act(&f, tries[i].intercepted), tries[i].can,
			     "%s, number %zu", tries[i].name, i);
	}
}

/* The text is derived from the functions that a fault has, so it cannot differ from what the engine
 * does. */
Test(fault_bounds, faults_are_told)
{
	static const char *const expected[][2] = {
		{ "off-by-one", "cut" }, { "split-command", "cut" }, { "none", "-" }, { "lose-tail",
											"piece" },
		{ "mtu-blackhole", "packet" }, { "isn-shift", "connection" }, { "ack-then-die",
										"cut, packet" },
	};
	char text[64];

	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		faultspec_hooks(text, sizeof(text), fault_find(expected[i][0]));
		cr_assert_str_eq(text, expected[i][1]);
	}
}
