/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "script/state.h"

#include "core/bytes.h"
#include "core/checksum.h"
#include "core/tcpopt.h"
#include "core/units.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Packets as lines of a script
 */

const uint8_t script_addresses4[2][4] = { { 198, 51, 100, 2 }, { 203, 0, 113, 2 } };
const uint8_t script_addresses6[2][16] = {
	{ 0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = 2 },
	{ 0x20, 0x01, 0x0d, 0xb8, 0, 2, [15] = 2 },
};
/* What else an end's IP headers say: the box must copy it when it speaks for that end. */
const uint8_t script_ttl[2] = { 61, 53 };
const uint32_t script_labels4[2] = { 0x10, 0x28 };
const uint32_t script_labels6[2] = { 0x04812345, 0x0a0fedcb };	/* class and flow */
const bool script_dont_fragment[2] = { true, false };
const char *const script_side_names[2] = { "client", "server" };

uint8_t script_payload_byte(const struct script_run *r, enum engine_side source,
			    uint32_t relative_seq)
{
	if (relative_seq < SAID_MAX && r->said[source][relative_seq] != 0)
		return (uint8_t)r->said[source][relative_seq];
	return (uint8_t)(relative_seq * 31 + (relative_seq >> 8) * 7 +
			 (source == CLIENT ? 1 : 128));
}

_Noreturn void script_fail(struct script_run *r, const char *format, ...)
{
	char why[2048];
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, sizeof(why), format, ap);
	va_end(ap);
	cr_assert(false, "%s\n--- %s\n%s", why, r->variant->name, r->transcript);
	abort();
}

void script_append(char *text, const char *format, ...)
{
	size_t used = strlen(text);
	va_list ap;

	va_start(ap, format);
	vsnprintf(text + used, LINE_BYTES - used, format, ap);
	va_end(ap);
}

static void options_text(struct script_run *r, const struct packet *p, enum engine_side from,
			 char *text)
{
	const uint8_t *o = packet_options(p);
	uint32_t other_isn = r->variant->isn[engine_other(from)];
	const char *comma = "";
	struct tcpopt parsed;

	tcpopt_parse(&parsed, p);
	script_append(text, " <");
	for (size_t at = 0; at < p->options_bytes && o[at] != 0; at += o[at] == 1 ? 1 : o[at + 1]) {
		if (o[at] == 1)
			continue;
		script_append(text, "%s", comma);
		comma = ",";
		switch (o[at]) {
		case 2:
			script_append(text, "mss %u", parsed.mss);
			break;
		case 3:
			script_append(text, "wscale %u", parsed.window_shift);
			break;
		case 4:
			script_append(text, "sackOK");
			break;
		case 5:
			script_append(text, "sack");
			for (size_t i = 0; i < parsed.sack_count; i++)
				script_append(text, " %" PRIu32 ":%" PRIu32,
				       parsed.sack[i].left - other_isn,
				       parsed.sack[i].right - other_isn);
			break;
		case 8:
			script_append(text, "TS val %" PRIu32 " ecr %" PRIu32, parsed.ts_val,
			       parsed.ts_ecr);
			break;
		default:
			script_append(text, "kind %u", o[at]);
			break;
		}
	}
	script_append(text, ">");
}

/* Writes payload as a script does. */
static void said_text(const uint8_t *payload, uint32_t bytes, char *text)
{
	script_append(text, " '");
	for (uint32_t i = 0; i < bytes; i++) {
		if (payload[i] == '\r')
			script_append(text, "\\r");
		else if (payload[i] == '\n')
			script_append(text, "\\n");
		else if (payload[i] < ' ' || payload[i] > '~')
			script_append(text, "\\x%02x", payload[i]);
		else
			script_append(text, "%c", payload[i]);
	}
	script_append(text, "'");
}

/* The ECN bits, where a packet's label has them. */
uint32_t script_ecn_bits(uint8_t version)
{
	return version == 4 ? 0x03 : 0x00300000;
}

/* Checks the IP header of a packet that is sent in an end's name. */
static void script_check_ip(struct script_run *r, const struct packet *p, enum engine_side from)
{
	enum engine_side to = engine_other(from);
	size_t len = packet_address_bytes(p);
	const uint8_t *src = p->version == 4 ? script_addresses4[from] : script_addresses6[from];
	const uint8_t *dst = p->version == 4 ? script_addresses4[to] : script_addresses6[to];

	if (memcmp(packet_addresses(p), src, len) != 0 ||
	    memcmp(packet_addresses(p) + len, dst, len) != 0)
		script_fail(r, "the box let out a packet with the wrong addresses");
	if (p->version == 4) {
		struct checksum c = { 0 };

		checksum_add(&c, p->ip, 20);
		if (checksum_finish(&c) != 0)
			script_fail(r, "the box let out a packet with a bad IPv4 header checksum");
	}
	/* The RST of a refusal: the end in whose name it is sent was never heard from. */
	if ((p->flags & TCP_RST) && p->seq == 0)
		return;
	if (p->ttl != script_ttl[from])
		script_fail(r, "the box let out a packet with TTL %u", p->ttl);
	if ((p->label & ~script_ecn_bits(p->version)) !=
	    (p->version == 4 ? script_labels4 : script_labels6)[from])
		script_fail(r, "the box let out a packet with the label %" PRIx32, p->label);
	if (p->version == 4 && p->dont_fragment != script_dont_fragment[from])
		script_fail(r, "the box let out a packet with the wrong DF");
}

/* Checks a packet that the box lets out, and writes the fields of it that the expectation has. */
static void script_packet_text(struct script_run *r, const struct actual *a, enum engine_side from,
			const char *expected, char *text)
{
	static const struct {
		uint8_t flag;
		char letter;
	} letters[] = { { TCP_SYN, 'S' }, { TCP_FIN, 'F' }, { TCP_RST, 'R' }, { TCP_PSH, 'P' },
			{ TCP_URG, 'U' }, { TCP_ECE, 'E' }, { TCP_CWR, 'W' }, { TCP_ACK, '.' } };
	struct packet p;
	bool altered = false;
	uint32_t seq;

	if (packet_parse(&p, a->bytes, a->len) != PACKET_TCP)
		script_fail(r, "the box let out something that is not a TCP packet");
	if (p.ip_bytes != a->len)
		script_fail(r, "the box let out %zu bytes that hold a packet of "
			       "%u", a->len, p.ip_bytes);
	if (!packet_checksum_good(&p))
		script_fail(r, "the box let out a packet with a bad TCP checksum");
	if (a->kind == ACTUAL_EMIT && p.urgent != 0)
		script_fail(r, "the box let out a packet with an urgent pointer");
	script_check_ip(r, &p, from);
	if (p.src_port != (from == CLIENT ? a->client_port : SCRIPT_SERVER_PORT) ||
	    p.dst_port != (from == CLIENT ? SCRIPT_SERVER_PORT : a->client_port))
		script_fail(r, "the box let out a packet with the wrong ports");
	seq = p.seq - r->variant->isn[from];
	if ((p.flags & TCP_RST) && p.seq == 0)	/* its end has no connection, so no ISN */
		seq = 0;
	for (uint32_t i = 0; i < p.payload_bytes && !strstr(expected, " '"); i++) {
		if (p.payload[i] == script_payload_byte(r, from, seq + i))
			continue;
		if (i == p.payload_bytes / 2 && p.payload[i] == (script_payload_byte(r, from,
									      seq + i) ^ 1))
			altered = true;
		else
			script_fail(r, "octet %" PRIu32 " of the %s's stream is wrong", seq + i,
			     script_side_names[from]);
	}
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
		if (p.flags & letters[i].flag)
			script_append(text, "%c", letters[i].letter);
	}
	script_append(text, " %" PRIu32 ":%" PRIu32 "(%" PRIu32 ")", seq, seq + p.payload_bytes,
	       p.payload_bytes);
	if (p.flags & TCP_ACK)
		script_append(text, " ack %" PRIu32, p.ack - r->variant->isn[engine_other(from)]);
	if (strstr(expected, " win "))
		script_append(text, " win %u", p.window);
	if (strstr(expected, " <"))
		options_text(r, &p, from, text);
	if (a->segment_bytes)
		script_append(text, " seg %u", a->segment_bytes);
	if (p.label & script_ecn_bits(p.version))
		script_append(text, " ecn");
	if (a->local)
		script_append(text, " local");
	if (altered)
		script_append(text, " altered");
	if (strstr(expected, " orphaned "))
		script_append(text, " orphaned %" PRIu64, a->subject.orphaned);
	if (strstr(expected, " '"))
		said_text(p.payload, p.payload_bytes, text);
}

void script_actual_text(struct script_run *r, const struct actual *a, const char *expected,
			char *text)
{
	text[0] = '\0';
	switch (a->kind) {
	case ACTUAL_PASS:
		script_append(text, "pass");
		if (a->changed) {
			script_append(text, " ");
			script_packet_text(r, a, engine_other(a->to), expected, text);
		} else if (strstr(expected, " orphaned ")) {
			script_append(text, " orphaned %" PRIu64, a->subject.orphaned);
		}
		break;
	case ACTUAL_DROP:
		script_append(text, "drop");
		if (strstr(expected, " orphaned "))
			script_append(text, " orphaned %" PRIu64, a->subject.orphaned);
		break;
	case ACTUAL_EMIT:
		script_append(text, "%s", script_side_names[a->to]);
		if (a->client_port != SCRIPT_CLIENT_PORT)
			script_append(text, ":%u", a->client_port);
		script_append(text, " < ");
		if (strlen(expected) > strlen(text))
			expected += strlen(text);	/* this "<" does not begin options */
		script_packet_text(r, a, engine_other(a->to), expected, text);
		break;
	case ACTUAL_EVENT:
		script_append(text, "* %s", a->text);
		if (strstr(expected, " piece "))
			script_append(text, " piece %" PRIu64 " bytes %" PRIu32, a->offset,
			       a->piece_bytes);
		break;
	}
}

struct actual *script_add_actual(struct script_run *r)
{
	if (r->actual_count == ACTUAL_MAX)
		script_fail(r, "the box does more than there is room to note");
	r->actual[r->actual_count] = (struct actual){ 0 };
	return &r->actual[r->actual_count++];
}

void script_observe(void *arg, const struct engine_event *ev)
{
	static const char *const reasons[] = { "fin", "reset", "timeout", "idle", "replaced",
					       "handed_over", "shutdown", "forgotten" };
	struct script_run *r = arg;
	struct actual *a = script_add_actual(r);
	const char *source = script_side_names[ev->source];
	int n = 0;

	a->kind = ACTUAL_EVENT;
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		if (memcmp(ev->address[side],
			   ev->version == 4 ? script_addresses4[side] : script_addresses6[side],
			   ev->version == 4 ? 4 : 16) != 0)
			script_fail(r, "an event has the wrong address");
	}
	if ((ev->type == EVENT_STALL || ev->type == EVENT_RESUME) &&
	    ev->segment_size != r->opened_size)
		script_fail(r, "an event has S %" PRIu32 ", and the flow was opened with %" PRIu32,
		     ev->segment_size,
		     r->opened_size);
	switch (ev->type) {
	case EVENT_FLOW_OPENED:
		r->opened_size = ev->segment_size;
		n = asprintf(&a->text, "opened S %" PRIu32, ev->segment_size);
		break;
	case EVENT_ARRIVAL:
		n = asprintf(&a->text, "arrival %s %" PRIu64 " bytes %" PRIu32 " pending %" PRIu32,
			     source, ev->offset, ev->bytes, ev->pending);
		break;
	case EVENT_FORGED_ACK:
		n = asprintf(&a->text, "ack %s %" PRIu64 " orphaned %" PRIu64, source, ev->offset,
			     ev->orphaned);
		break;
	case EVENT_CUT:
		n = asprintf(&a->text, "cut %s %" PRIu64 " bytes %" PRIu32 " pieces %" PRIu32
				       " last %" PRIu32,
			     source, ev->offset, ev->bytes, ev->pieces, ev->last_piece);
		break;
	case EVENT_STALL:
		n = asprintf(&a->text, "stall %s %" PRIu64 " pending %" PRIu32, source, ev->offset,
			     ev->pending);
		break;
	case EVENT_RESUME:
		n = asprintf(&a->text, "resume %s %" PRIu64 " pending %" PRIu32, source,
			     ev->offset, ev->pending);
		break;
	case EVENT_FAULT:
		n = asprintf(&a->text, "fault %s %s", ev->fault, source);
		a->offset = ev->offset;
		a->piece_bytes = ev->bytes;
		break;
	case EVENT_PATH:
		n = asprintf(&a->text, "path %s bytes %" PRIu32 " S %u", source, ev->bytes,
			     ev->segment_size);
		break;
	case EVENT_FLOW_CLOSED:
		n = asprintf(&a->text, "closed %s acked %" PRIu64 " delivered %" PRIu64,
			     reasons[ev->reason], ev->totals[CLIENT].acked,
			     ev->totals[CLIENT].delivered);
		if (n >= 0 && ev->totals[SERVER].intercepted) {
			char *client = a->text;

			n = asprintf(&a->text, "%s, server acked %" PRIu64 " delivered %" PRIu64,
				     client,
				     ev->totals[SERVER].acked, ev->totals[SERVER].delivered);
			free(client);
		}
		break;
	case EVENT_TYPES:
		break;
	}
	if (n < 0)
		abort();
}

void script_flow_text(struct script_run *r, const struct engine_flow_info *f, char *text)
{
	text[0] = '\0';
	script_append(text, "flow %" PRIu64 " %s", f->serial, f->state);
	if (f->policy > 0)
		script_append(text, " policy %u", f->policy);
	script_append(text, " S %" PRIu32 " idle %" PRIu64, f->segment_size, f->idle_ns / NS_PER_S);
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		const struct engine_totals *t = &f->totals[side];
		uint8_t address[16] = { 0 };	/* an IPv4 address, then zeros */

		memcpy(address, f->version == 4 ? script_addresses4[side] : script_addresses6[side],
		       f->version == 4 ? 4 : 16);
		if (f->version != r->variant->version ||
		    memcmp(f->address[side], address, sizeof(address)) != 0 ||
		    (side == SERVER && f->port[side] != SCRIPT_SERVER_PORT))
			script_fail(r, "the box lists a connection with wrong addresses");
		if (t->intercepted)
			script_append(text, ", %s %" PRIu64 " acked %" PRIu64 " delivered %" PRIu64
			       " pending", script_side_names[side], t->acked, t->delivered,
			       f->pending[side]);
		if (f->stalled[side])
			script_append(text, " stalled");
	}
}
