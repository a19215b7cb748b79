/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "script.h"

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

#define ACTUAL_MAX 4096
#define LINE_BYTES 512
#define SAID_MAX 8192

/* How one run of a script differs from the next. */
struct variant {
	const char *name;
	uint8_t version;
	uint32_t isn[2];	/* by side */
};

static const struct variant variants[] = {
	{ "IPv4", 4, { 1000, 500000 } },
	{ "IPv6", 6, { 1000, 500000 } },
	{ "IPv4, sequence numbers wrap", 4, { 0xffffff00, 0xfffffff0 } },
};

static const uint8_t addresses4[2][4] = { { 198, 51, 100, 2 }, { 203, 0, 113, 2 } };
static const uint8_t addresses6[2][16] = {
	{ 0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = 2 },
	{ 0x20, 0x01, 0x0d, 0xb8, 0, 2, [15] = 2 },
};
/* What else the IP headers of an end say: none of it is the box's own. */
static const uint8_t ttl[2] = { 61, 53 };
static const uint32_t labels4[2] = { 0x10, 0x28 };
static const uint32_t labels6[2] = { 0x04812345, 0x0a0fedcb };	/* class and flow */
static const bool dont_fragment[2] = { true, false };
#define CLIENT_PORT 40000
#define SERVER_PORT 25
static const char *const side_names[2] = { "client", "server" };

/* Something the box did. */
struct actual {
	enum { ACTUAL_PASS, ACTUAL_DROP, ACTUAL_EMIT, ACTUAL_EVENT } kind;
	enum engine_side to;
	uint16_t client_port;
	uint16_t segment_bytes;
	bool local;
	bool changed;
	struct engine_subject subject;
	uint8_t *bytes;
	size_t len;
	char *text;	/* of an event */
	uint64_t offset;	/* and the piece that it is about */
	uint32_t piece_bytes;
};

struct script_run_state {
	const struct variant *variant;
	struct engine *engine;
	bool offload;
	uint64_t now_ns;
	struct actual actual[ACTUAL_MAX];
	size_t actual_first, actual_count;
	char transcript[1 << 16];
	uint16_t said[2][SAID_MAX];	/* octets a script has written out, and 256; or 0 */
	bool is_held;			/* what it sends is left with it */
	bool is_turned;			/* the server has begun a connection */
	bool has_sent;			/* the box, a packet of its own over IPv4 */
	uint16_t next_ip_id;		/* and this must be the next one's */
	uint32_t opened_size;		/* S, as the last connection was opened with it */
	struct engine_stats count;	/* of what was put in and came out */
	struct engine_rules rules;	/* as they are now */
};

static uint8_t payload_byte(const struct script_run_state *r, enum engine_side source,
			    uint32_t relative_seq)
{
	if (relative_seq < SAID_MAX && r->said[source][relative_seq] != 0)
		return (uint8_t)r->said[source][relative_seq];
	return (uint8_t)(relative_seq * 31 + (relative_seq >> 8) * 7 +
			 (source == CLIENT ? 1 : 128));
}

static _Noreturn void fail(struct script_run_state *r, const char *format, ...)
{
	char why[2048];
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, sizeof(why), format, ap);
	va_end(ap);
	cr_assert(false, "%s\n--- %s\n%s", why, r->variant->name, r->transcript);
	abort();
}

static void note(struct script_run_state *r, const char *prefix, const char *line)
{
	size_t used = strlen(r->transcript);

	snprintf(r->transcript + used, sizeof(r->transcript) - used, "%s%s\n", prefix, line);
}

/* Packets to text -------------------------------------------------------------------- */

static void append(char *text, const char *format, ...)
{
	size_t used = strlen(text);
	va_list ap;

	va_start(ap, format);
	vsnprintf(text + used, LINE_BYTES - used, format, ap);
	va_end(ap);
}

static void options_text(struct script_run_state *r, const struct packet *p, enum engine_side from,
			 char *text)
{
	const uint8_t *o = packet_options(p);
	uint32_t other_isn = r->variant->isn[engine_other(from)];
	const char *comma = "";
	struct tcpopt parsed;

	tcpopt_parse(&parsed, p);
	append(text, " <");
	for (size_t at = 0; at < p->options_bytes && o[at] != 0; at += o[at] == 1 ? 1 : o[at + 1]) {
		if (o[at] == 1)
			continue;
		append(text, "%s", comma);
		comma = ",";
		switch (o[at]) {
		case 2:
			append(text, "mss %u", parsed.mss);
			break;
		case 3:
			append(text, "wscale %u", parsed.window_shift);
			break;
		case 4:
			append(text, "sackOK");
			break;
		case 5:
			append(text, "sack");
			for (size_t i = 0; i < parsed.sack_count; i++)
				append(text, " %" PRIu32 ":%" PRIu32,
				       parsed.sack[i].left - other_isn,
				       parsed.sack[i].right - other_isn);
			break;
		case 8:
			append(text, "TS val %" PRIu32 " ecr %" PRIu32, parsed.ts_val,
			       parsed.ts_ecr);
			break;
		default:
			append(text, "kind %u", o[at]);
			break;
		}
	}
	append(text, ">");
}

/* Payload as a script writes it out. */
static void said_text(const uint8_t *payload, uint32_t bytes, char *text)
{
	append(text, " '");
	for (uint32_t i = 0; i < bytes; i++) {
		if (payload[i] == '\r')
			append(text, "\\r");
		else if (payload[i] == '\n')
			append(text, "\\n");
		else if (payload[i] < ' ' || payload[i] > '~')
			append(text, "\\x%02x", payload[i]);
		else
			append(text, "%c", payload[i]);
	}
	append(text, "'");
}

/* Notes the payload that a line writes out, from relative number seq on. */
static void say(struct script_run_state *r, enum engine_side from, uint32_t seq, const char *text)
{
	for (; *text && *text != '\''; seq++) {
		unsigned octet = (unsigned char)*text++;
		int n = 0;

		if (octet == '\\' && *text == 'x' && sscanf(text, "x%2x%n", &octet, &n) == 1)
			text += n;
		else if (octet == '\\')
			octet = *text++ == 'r' ? '\r' : '\n';
		if (seq >= SAID_MAX)
			fail(r, "too far into the stream to write it out");
		r->said[from][seq] = (uint16_t)(octet | 256);
	}
}

/* The ECN bits, where a packet's label has them. */
static uint32_t ecn_bits(uint8_t version)
{
	return version == 4 ? 0x03 : 0x00300000;
}

/* Checks the IP header of a packet that seems to come from an end. */
static void check_ip(struct script_run_state *r, const struct packet *p, enum engine_side from)
{
	enum engine_side to = engine_other(from);
	size_t len = packet_address_bytes(p);
	const uint8_t *src = p->version == 4 ? addresses4[from] : addresses6[from];
	const uint8_t *dst = p->version == 4 ? addresses4[to] : addresses6[to];

	if (memcmp(packet_addresses(p), src, len) != 0 ||
	    memcmp(packet_addresses(p) + len, dst, len) != 0)
		fail(r, "the box let out a packet with the wrong addresses");
	if (p->version == 4) {
		struct checksum c = { 0 };

		checksum_add(&c, p->ip, 20);
		if (checksum_finish(&c) != 0)
			fail(r, "the box let out a packet with a bad IPv4 header checksum");
	}
	/* Of an end that was never heard, which refuses, nothing else is known. */
	if ((p->flags & TCP_RST) && p->seq == 0)
		return;
	if (p->ttl != ttl[from])
		fail(r, "the box let out a packet with TTL %u", p->ttl);
	if ((p->label & ~ecn_bits(p->version)) != (p->version == 4 ? labels4 : labels6)[from])
		fail(r, "the box let out a packet with the label %" PRIx32, p->label);
	if (p->version == 4 && p->dont_fragment != dont_fragment[from])
		fail(r, "the box let out a packet with the wrong DF");
}

/* Checks a packet the box lets out, and writes it as the expectation does. */
static void packet_text(struct script_run_state *r, const struct actual *a, enum engine_side from,
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
		fail(r, "the box let out what is no TCP packet");
	if (p.ip_bytes != a->len)
		fail(r, "the box let out %zu bytes that hold a packet of %u", a->len, p.ip_bytes);
	if (!packet_checksum_good(&p))
		fail(r, "the box let out a packet with a bad TCP checksum");
	if (a->kind == ACTUAL_EMIT && p.urgent != 0)
		fail(r, "the box let out a packet with an urgent pointer");
	check_ip(r, &p, from);
	if (p.src_port != (from == CLIENT ? a->client_port : SERVER_PORT) ||
	    p.dst_port != (from == CLIENT ? SERVER_PORT : a->client_port))
		fail(r, "the box let out a packet with the wrong ports");
	seq = p.seq - r->variant->isn[from];
	if ((p.flags & TCP_RST) && p.seq == 0)	/* of who has no connection, so no ISN */
		seq = 0;
	for (uint32_t i = 0; i < p.payload_bytes && !strstr(expected, " '"); i++) {
		if (p.payload[i] == payload_byte(r, from, seq + i))
			continue;
		if (i == p.payload_bytes / 2 && p.payload[i] == (payload_byte(r, from,
									      seq + i) ^ 1))
			altered = true;
		else
			fail(r, "octet %" PRIu32 " of the %s's stream is wrong", seq + i,
			     side_names[from]);
	}
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
		if (p.flags & letters[i].flag)
			append(text, "%c", letters[i].letter);
	}
	append(text, " %" PRIu32 ":%" PRIu32 "(%" PRIu32 ")", seq, seq + p.payload_bytes,
	       p.payload_bytes);
	if (p.flags & TCP_ACK)
		append(text, " ack %" PRIu32, p.ack - r->variant->isn[engine_other(from)]);
	if (strstr(expected, " win "))
		append(text, " win %u", p.window);
	if (strstr(expected, " <"))
		options_text(r, &p, from, text);
	if (a->segment_bytes)
		append(text, " seg %u", a->segment_bytes);
	if (p.label & ecn_bits(p.version))
		append(text, " ecn");
	if (a->local)
		append(text, " local");
	if (altered)
		append(text, " altered");
	if (strstr(expected, " orphaned "))
		append(text, " orphaned %" PRIu64, a->subject.orphaned);
	if (strstr(expected, " '"))
		said_text(p.payload, p.payload_bytes, text);
}

static void actual_text(struct script_run_state *r, const struct actual *a, const char *expected,
			char *text)
{
	text[0] = '\0';
	switch (a->kind) {
	case ACTUAL_PASS:
		append(text, "pass");
		if (a->changed) {
			append(text, " ");
			packet_text(r, a, engine_other(a->to), expected, text);
		} else if (strstr(expected, " orphaned ")) {
			append(text, " orphaned %" PRIu64, a->subject.orphaned);
		}
		break;
	case ACTUAL_DROP:
		append(text, "drop");
		if (strstr(expected, " orphaned "))
			append(text, " orphaned %" PRIu64, a->subject.orphaned);
		break;
	case ACTUAL_EMIT:
		append(text, "%s", side_names[a->to]);
		if (a->client_port != CLIENT_PORT)
			append(text, ":%u", a->client_port);
		append(text, " < ");
		if (strlen(expected) > strlen(text))
			expected += strlen(text);	/* its "<" is not that of options */
		packet_text(r, a, engine_other(a->to), expected, text);
		break;
	case ACTUAL_EVENT:
		append(text, "* %s", a->text);
		if (strstr(expected, " piece "))
			append(text, " piece %" PRIu64 " bytes %" PRIu32, a->offset,
			       a->piece_bytes);
		break;
	}
}

/* Text to packets -------------------------------------------------------------------- */

static size_t parse_options(struct script_run_state *r, const char *text, enum engine_side from,
			    uint8_t *to)
{
	uint32_t other_isn = r->variant->isn[engine_other(from)];
	size_t len = 0;

	while (*text && *text != '>') {
		unsigned long a, b;
		int n = 0;

		if (sscanf(text, "mss %lu%n", &a, &n) == 1 && n > 0) {
			to[len] = 2, to[len + 1] = 4;
			bytes_put16(to + len + 2, (uint16_t)a);
			len += 4;
		} else if (sscanf(text, "wscale %lu%n", &a, &n) == 1 && n > 0) {
			to[len] = 3, to[len + 1] = 3, to[len + 2] = (uint8_t)a;
			len += 3;
		} else if (strncmp(text, "sackOK", 6) == 0) {
			to[len] = 4, to[len + 1] = 2;
			len += 2, n = 6;
		} else if (strncmp(text, "sack", 4) == 0) {
			size_t start = len;

			to[len] = 5;
			len += 2, n = 4;
			for (int m; sscanf(text + n, " %lu:%lu%n", &a, &b, &m) == 2; n += m) {
				bytes_put32(to + len, (uint32_t)a + other_isn);
				bytes_put32(to + len + 4, (uint32_t)b + other_isn);
				len += 8;
			}
			to[start + 1] = (uint8_t)(len - start);
		} else if (sscanf(text, "TS val %lu ecr %lu%n", &a, &b, &n) == 2 && n > 0) {
			to[len] = 8, to[len + 1] = 10;
			bytes_put32(to + len + 2, (uint32_t)a);
			bytes_put32(to + len + 6, (uint32_t)b);
			len += 10;
		} else if (strncmp(text, "tfo", 3) == 0) {
			to[len] = 34, to[len + 1] = 2;
			len += 2, n = 3;
		} else if (strncmp(text, "mptcp", 5) == 0) {
			to[len] = 30, to[len + 1] = 4, to[len + 2] = 0, to[len + 3] = 1;
			len += 4, n = 5;
		} else if (strncmp(text, "md5", 3) == 0) {
			to[len] = 19, to[len + 1] = 18;
			memset(to + len + 2, 0xaa, 16);
			len += 18, n = 3;
		} else if (strncmp(text, "ao", 2) == 0) {
			to[len] = 29, to[len + 1] = 16;
			memset(to + len + 2, 0xaa, 14);
			len += 16, n = 2;
		} else if (strncmp(text, "nop", 3) == 0) {
			to[len++] = 1;
			n = 3;
		} else {
			fail(r, "the script has an unknown option: %s", text);
		}
		text += n;
		text += *text == ',';
	}
	while (len % 4 != 0)
		to[len++] = 1;
	return len;
}

static uint8_t parse_flags(struct script_run_state *r, const char *text)
{
	uint8_t flags = 0;

	for (; *text && *text != ' '; text++) {
		switch (*text) {
		case 'S': flags |= TCP_SYN; break;
		case 'F': flags |= TCP_FIN; break;
		case 'R': flags |= TCP_RST; break;
		case 'P': flags |= TCP_PSH; break;
		case 'U': flags |= TCP_URG; break;
		case 'E': flags |= TCP_ECE; break;
		case 'W': flags |= TCP_CWR; break;
		case '.': flags |= TCP_ACK; break;
		default: fail(r, "the script has an unknown flag: %s", text);
		}
	}
	return flags;
}

static size_t build_packet(struct script_run_state *r, enum engine_side from, uint16_t client_port,
			   const char *text, uint8_t *to)
{
	const uint32_t *isn = r->variant->isn;
	uint32_t seq, end, len, ack = 0;
	unsigned window = 0;
	uint8_t options[64], *tcp;
	size_t options_len = 0, ip_len, header;
	uint8_t flags = parse_flags(r, text);
	const char *at = strchr(text, ' ');
	struct checksum c = { 0 };
	uint16_t sum;

	if (!at || sscanf(at, " %" SCNu32 ":%" SCNu32 "(%" SCNu32 ")", &seq, &end, &len) != 3 ||
	    end - seq != len)
		fail(r, "the script has a packet without numbers: %s", text);
	if ((at = strstr(text, " ack ")))
		ack = (uint32_t)strtoul(at + 5, NULL, 10);
	if ((at = strstr(text, " win ")))
		window = (unsigned)strtoul(at + 5, NULL, 10);
	if ((at = strstr(text, " '")))
		say(r, from, seq, at + 2);
	if ((at = strstr(text, " <")))
		options_len = parse_options(r, at + 2, from, options);
	header = TCP_HEADER_BYTES + options_len;

	if (r->variant->version == 4) {
		ip_len = 20;
		memset(to, 0, ip_len);
		to[0] = 0x45;
		to[1] = (uint8_t)(labels4[from] | (strstr(text, " ecn") ? ecn_bits(4) : 0));
		bytes_put16(to + 2, (uint16_t)(ip_len + header + len));
		to[6] = dont_fragment[from] ? 0x40 : 0;
		to[8] = ttl[from];
		to[9] = 6;
		memcpy(to + 12, addresses4[from], 4);
		memcpy(to + 16, addresses4[engine_other(from)], 4);
		checksum_add(&c, to, ip_len);
		sum = checksum_finish(&c);
		memcpy(to + 10, &sum, 2);
		c = (struct checksum){ 0 };
		checksum_add_pseudo(&c, to + 12, 4, (uint32_t)header + len);
	} else {
		ip_len = 40;
		memset(to, 0, ip_len);
		bytes_put32(to, UINT32_C(6) << 28 | labels6[from] |
				(strstr(text, " ecn") ? ecn_bits(6) : 0));
		bytes_put16(to + 4, (uint16_t)(header + len));
		to[6] = 6;
		to[7] = ttl[from];
		memcpy(to + 8, addresses6[from], 16);
		memcpy(to + 24, addresses6[engine_other(from)], 16);
		checksum_add_pseudo(&c, to + 8, 16, (uint32_t)header + len);
	}
	tcp = to + ip_len;
	memset(tcp, 0, TCP_HEADER_BYTES);
	bytes_put16(tcp, from == CLIENT ? client_port : SERVER_PORT);
	bytes_put16(tcp + 2, from == CLIENT ? SERVER_PORT : client_port);
	bytes_put32(tcp + 4, seq + isn[from]);
	/* Without the flag, too: then it means nothing. */
	bytes_put32(tcp + 8, strstr(text, " ack ") ? ack + isn[engine_other(from)] : 0);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = flags;
	bytes_put16(tcp + 14, (uint16_t)window);
	memcpy(tcp + TCP_HEADER_BYTES, options, options_len);
	for (uint32_t i = 0; i < len; i++)
		tcp[header + i] = payload_byte(r, from, seq + i);
	checksum_add(&c, tcp, header + len);
	sum = checksum_finish(&c);
	memcpy(tcp + 16, &sum, 2);
	if (strstr(text, " no-sum") || strstr(text, " bad-sum"))
		tcp[16] ^= 0x5a;
	return ip_len + header + len;
}

/* Running ----------------------------------------------------------------------------- */

static struct actual *add_actual(struct script_run_state *r)
{
	if (r->actual_count == ACTUAL_MAX)
		fail(r, "the box does too much");
	r->actual[r->actual_count] = (struct actual){ 0 };
	return &r->actual[r->actual_count++];
}

static void observe(void *arg, const struct engine_event *ev)
{
	static const char *const reasons[] = { "fin", "reset", "timeout", "idle", "replaced",
					       "handed_over", "shutdown", "forgotten" };
	struct script_run_state *r = arg;
	struct actual *a = add_actual(r);
	const char *source = side_names[ev->source];
	int n = 0;

	a->kind = ACTUAL_EVENT;
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		if (memcmp(ev->address[side],
			   ev->version == 4 ? addresses4[side] : addresses6[side],
			   ev->version == 4 ? 4 : 16) != 0)
			fail(r, "an event has another's address");
	}
	if ((ev->type == EVENT_STALL || ev->type == EVENT_RESUME) &&
	    ev->segment_size != r->opened_size)
		fail(r, "an event has S %" PRIu32 ", and the flow was opened with %" PRIu32,
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
		n = asprintf(&a->text, "path %s bytes %" PRIu32, source, ev->bytes);
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

/* As hardware does: the field holds the sum of the pseudo header. */
static void finish_checksum(struct actual *a)
{
	size_t ip = a->bytes[0] >> 4 == 4 ? 20 : 40;
	struct checksum c = { 0 };
	uint16_t sum;

	checksum_add(&c, a->bytes + ip, a->len - ip);
	sum = checksum_finish(&c);
	memcpy(a->bytes + ip + 16, &sum, sizeof(sum));
}

/* Each packet of the box's own has an IPv4 identification of its own, and so has each segment
 * of a train (RFC 6864). */
static void check_ip_id(struct script_run_state *r, const struct actual *a)
{
	uint16_t id = bytes_get16(a->bytes + 4);
	size_t tcp_bytes = a->len - 20, payload = tcp_bytes - (size_t)(a->bytes[32] >> 4) * 4;

	if (a->bytes[0] >> 4 != 4)
		return;
	if (r->has_sent && id != r->next_ip_id)
		fail(r, "the box let out a packet with the identification %u, not %u", id,
		     r->next_ip_id);
	r->has_sent = true;
	r->next_ip_id = (uint16_t)(id + 1);
	if (a->segment_bytes)
		r->next_ip_id = (uint16_t)(id + (payload - 1) / a->segment_bytes + 1);
}

static void take_output(struct script_run_state *r)
{
	struct engine_emit emit;

	while (!r->is_held && engine_next(r->engine, &emit)) {
		struct actual *a = add_actual(r);
		size_t at = 0;

		a->kind = ACTUAL_EMIT;
		a->bytes = malloc(emit.bytes);
		for (size_t i = 0; i < emit.parts; at += emit.part[i++].bytes)
			memcpy(a->bytes + at, emit.part[i].data, emit.part[i].bytes);
		a->len = emit.bytes;
		if (at != emit.bytes)
			fail(r, "the parts of a packet are not its length");
		a->segment_bytes = emit.segment_bytes;
		a->local = emit.local;
		check_ip_id(r, a);
		r->count.emitted++;
		if (r->offload && !emit.local)
			finish_checksum(a);
		a->to = memcmp(emit.destination,
			       emit.version == 4 ? addresses4[CLIENT] : addresses6[CLIENT],
			       emit.version == 4 ? 4 : 16) == 0 ? CLIENT : SERVER;
		a->client_port = bytes_get16(a->bytes + (emit.version == 4 ? 20 : 40) +
					     (a->to == CLIENT ? 2 : 0));
		a->subject = emit.subject;
		if (emit.subject.source != engine_other(a->to) && !r->is_turned)
			fail(r, "the box names the wrong source of what it sends");
	}
}

/* mtu: not 0 for a router's word about the packet, in place of it. */
static void input(struct script_run_state *r, enum engine_side from, uint16_t client_port,
		  const char *text,
		  uint32_t mtu)
{
	unsigned hints = (strstr(text, " joined") ? ENGINE_JOINED : 0) |
			 (strstr(text, " no-sum") ? ENGINE_NO_CHECKSUM : 0) |
			 (strstr(text, " local") ? ENGINE_LOCAL : 0);
	uint8_t before[70000], *packet = malloc(sizeof(before));
	size_t len = build_packet(r, from, client_port, text, packet), len_before;
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
	a = add_actual(r);
	a->subject = engine_input_subject(r->engine);
	/* Who sends the first SYN is the client, even if a script calls it server. */
	if (from == SERVER && *text == 'S' && !strstr(text, " ack "))
		r->is_turned = true;
	if (a->subject.flow > 0 && a->subject.source != from && !r->is_turned)
		fail(r, "the box takes the packet for one of the %s's",
		     side_names[a->subject.source]);
	if (a->subject.flow == 0 && verdict == VERDICT_REPLACE)
		fail(r, "the box changes a packet of no connection");
	a->kind = verdict == VERDICT_DROP ? ACTUAL_DROP : ACTUAL_PASS;
	a->changed = verdict == VERDICT_REPLACE;
	a->to = engine_other(from);
	a->client_port = client_port;
	a->bytes = packet;
	a->len = len;
	if (verdict == VERDICT_ACCEPT && (len != len_before || memcmp(before, packet, len) != 0))
		fail(r, "the box accepted a packet but changed it");
	take_output(r);
}

static void pass_time(struct script_run_state *r, double seconds)
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

static void forget_actual(struct script_run_state *r, size_t i)
{
	free(r->actual[i].bytes);
	free(r->actual[i].text);
	r->actual[i] = (struct actual){ 0 };
}

/* Nothing may be left of what the box did. */
static void expect_nothing_more(struct script_run_state *r)
{
	char text[LINE_BYTES];

	if (r->actual_first < r->actual_count) {
		actual_text(r, &r->actual[r->actual_first], " win  <", text);
		fail(r, "not expected: %s", text);
	}
	r->actual_first = r->actual_count = 0;
}

static void expect(struct script_run_state *r, const char *line)
{
	char text[LINE_BYTES];

	if (r->actual_first == r->actual_count)
		fail(r, "expected, but nothing came: %s", line);
	actual_text(r, &r->actual[r->actual_first], line, text);
	if (strcmp(text, line) != 0)
		fail(r, "expected: %s\n     but: %s", line, text);
	note(r, "    ", line);
	forget_actual(r, r->actual_first++);
}

static void add_faults(struct engine_policy *policy, const char *faults)
{
	struct faultspec_error error;
	char text[LINE_BYTES];

	snprintf(text, sizeof(text), "%s", faults);
	for (char *fault = strtok(text, " "); fault; fault = strtok(NULL, " ")) {
		cr_assert(faultspec_add(policy, fault, &error), "%s", error.text);
		if (policy->faults > 0)
			policy->fault[policy->faults - 1].id = policy->faults;
	}
}

static void set_rules(struct script_run_state *r)
{
	cr_assert_eq(engine_set_rules(r->engine, r->now_ns, &r->rules), 0);
	take_output(r);
}

/* The second policy: the ports it is for, and its faults or "pass". */
static void set_policy(struct script_run_state *r, const char *text)
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
		policy->fault[i].id += FAULTS_MAX;	/* none of the first policy's */
	set_rules(r);
}

static void check_acted(struct script_run_state *r, const char *text)
{
	uint64_t acted[FAULTS_MAX];
	char actual[LINE_BYTES] = "acted";

	engine_get_faults(r->engine, 0, acted);
	for (unsigned i = 0; i < r->rules.policy[0].faults; i++)
		append(actual, " %" PRIu64, acted[i]);
	if (strcmp(actual, text) != 0)
		fail(r, "expected: %s\n     but: %s", text, actual);
}

static void check_count(struct script_run_state *r, const char *line)
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
		fail(r, "the script has a counter without a number: %s", line);
	engine_get_stats(r->engine, &stats);
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		if (strcmp(counters[i].name, name) != 0)
			continue;
		memcpy(&actual, (const char *)&stats + counters[i].at, sizeof(actual));
		if (actual != wanted)
			fail(r, "expected: %s\n     but: %" PRIu64, line, actual);
		return;
	}
	fail(r, "the script has an unknown counter: %s", line);
}

static void flow_text(struct script_run_state *r, const struct engine_flow_info *f, char *text)
{
	text[0] = '\0';
	append(text, "flow %" PRIu64 " %s", f->serial, f->state);
	if (f->policy > 0)
		append(text, " policy %u", f->policy);
	append(text, " S %" PRIu32 " idle %" PRIu64, f->segment_size, f->idle_ns / NS_PER_S);
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		const struct engine_totals *t = &f->totals[side];
		uint8_t address[16] = { 0 };	/* of IPv4 what follows is zeros */

		memcpy(address, f->version == 4 ? addresses4[side] : addresses6[side],
		       f->version == 4 ? 4 : 16);
		if (f->version != r->variant->version ||
		    memcmp(f->address[side], address, sizeof(address)) != 0 ||
		    (side == SERVER && f->port[side] != SERVER_PORT))
			fail(r, "the box lists a connection of others");
		if (t->intercepted)
			append(text, ", %s %" PRIu64 " acked %" PRIu64 " delivered %" PRIu64
			       " pending", side_names[side], t->acked, t->delivered,
			       f->pending[side]);
		if (f->stalled[side])
			append(text, " stalled");
	}
}

/* One after the other: so a list of several calls is as good as one of one. */
static void check_flow(struct script_run_state *r, const char *line)
{
	struct engine_flow_info flow;
	uint32_t cursor = 0;
	uint64_t serial = strtoull(line + strlen("flow "), NULL, 10);
	char text[LINE_BYTES];

	while (engine_flows(r->engine, r->now_ns, &cursor, &flow, 1) == 1) {
		if (flow.serial != serial)
			continue;
		flow_text(r, &flow, text);
		if (strcmp(text, line) != 0)
			fail(r, "expected: %s\n     but: %s", line, text);
		return;
	}
	fail(r, "expected, but the box does not list it: %s", line);
}

static void run_line(struct script_run_state *r, const char *line)
{
	unsigned client_port = CLIENT_PORT, mtu;
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
		input(r, strstr(line, "client") ? CLIENT : SERVER, CLIENT_PORT, line + n, mtu);
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

/* Does the engine count what the script has counted? */
static void check_counts(struct script_run_state *r, const struct engine_stats *stats)
{
	const struct engine_stats *own = &r->count;

	if (stats->packets != own->packets || stats->accepted != own->accepted ||
	    stats->replaced != own->replaced || stats->dropped != own->dropped ||
	    stats->emitted != own->emitted)
		fail(r, "the box counts packets, or what became of them, otherwise");
}

static void run_variant(const struct script *s, const struct variant *v, const char *text)
{
	struct script_run_state *r = calloc(1, sizeof(*r));
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
	/* Small, for some test harnesses touch all memory. */
	config.memory_bytes = s->memory_bytes ? s->memory_bytes : 4 << 20;
	config.flows_max = s->flows_max ? s->flows_max : 64;
	if (s->events) {
		config.observer = observe;
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
