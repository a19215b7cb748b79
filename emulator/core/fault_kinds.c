/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fault.h"

#include "bytes.h"
#include "side.h"
#include "tcpopt.h"

#include <string.h>

/* Cuts ------------------------------------------------------------------------------- */

/*
 * The firewall of 2008. Its loop took the last piece when pending <= S, and a
 * full one when pending > S + 1. It had no case for the one value in between:
 *
 *      pending    ... S-1   S   S+1  S+2 ...
 *                 last piece |  ??  | full piece, more to come
 *
 * More data ends the stall, a FIN does not.
 */
static uint32_t off_by_one(const struct fault *f, const struct fault_cut *c)
{
	return c->pending - c->segment_size == f->value[0] ? 0 : c->bytes;
}

/* A buffer that is emptied by PSH, or when it is full. */
static uint32_t psh_hold(const struct fault *f, const struct fault_cut *c)
{
	return c->push || c->arrived >= f->value[0] ? c->bytes : 0;
}

/* The last line of a message, a dot, is seen only if it comes in one piece. */
static uint32_t split_eod(const struct fault *f, const struct fault_cut *c)
{
	static const char eod[] = "\r\n.\r\n";
	unsigned left = sizeof(eod) - 1 - c->dot_state;

	(void)f;
	/* It is split only if its dot was cut before, with or without the CR after it. */
	if (c->dot_state < 3 || c->bytes < left)
		return c->bytes;
	return memcmp(c->text, eod + c->dot_state, left) == 0 ? 0 : c->bytes;
}

#define TLS_HEADER_BYTES 5
#define TLS_HANDSHAKE 22
#define TLS_CLIENT_HELLO 1

/* RFC 8446 section 5.1. Returns the length that the record's header gives; 0: there is none. */
static uint32_t tls_handshake(const uint8_t *text, uint32_t bytes)
{
	if (bytes < TLS_HEADER_BYTES || text[0] != TLS_HANDSHAKE || text[1] != 3)
		return 0;
	return bytes_get16(text + 3);
}

/* RFC 7685 section 1. */
static uint32_t swallow_hello(const struct fault *f, const struct fault_cut *c)
{
	uint32_t record = c->pending == c->arrived ? tls_handshake(c->text, c->bytes) : 0;

	return record > 0 && record >= f->value[0] && record <= f->value[1] ? 0 : c->bytes;
}

/* The box still holds what it ACKed last, and that is lost with it. */
static uint32_t die_with_what_is_pending(const struct fault *f, const struct fault_cut *c)
{
	return c->acked >= f->value[0] ? 0 : c->bytes;
}

/* Are these five octets an SMTP verb of this list, and the blank or CR after it? */
static bool is_command(const uint8_t *text)
{
	static const char commands[][5] = { "DATA", "EHLO", "EXPN", "HELO", "HELP", "MAIL",
					    "NOOP", "QUIT", "RCPT", "RSET", "VRFY" };

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		unsigned k = 0;

		/* Letters differ from their capitals in one bit. */
		while (k < 4 && (text[k] & ~0x20) == commands[i][k])
			k++;
		if (k == 4)
			return text[4] == ' ' || text[4] == '\r';
	}
	return false;
}

/* A line that goes on in the next piece: a relay that looks at each packet alone does not know the
 * command, and makes it unknown to the server too. */
static bool overwrite_split_command(const struct fault *f, const struct fault_cut *c, uint8_t *text)
{
	uint32_t line = c->bytes;

	(void)f;
	while (line > 0 && text[line - 1] != '\n')
		line--;
	if ((line == 0 && c->dot_state != 2) || c->bytes - line < 5 || !is_command(text + line))
		return false;
	memset(text + line, 'X', 4);
	return true;
}

/* Packets ---------------------------------------------------------------------------- */

/* No ICMP is sent, so the source cannot know (RFC 2923 section 2.1). */
static enum fault_fate mtu_blackhole(const struct fault *f, const struct fault_packet *p)
{
	return p->bytes > f->value[0] ? FATE_VANISH : FATE_NONE;
}

static bool is_syn(const struct fault_packet *p)
{
	return (p->p->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

/* An ECN-setup SYN: RFC 3168 section 6.1.1. */
static bool wants_ecn(const struct fault_packet *p)
{
	return is_syn(p) && (p->p->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR);
}

static enum fault_fate ecn_drop(const struct fault *f, const struct fault_packet *p)
{
	(void)f;
	return wants_ecn(p) ? FATE_VANISH : FATE_NONE;
}

static enum fault_fate ecn_rst(const struct fault *f, const struct fault_packet *p)
{
	(void)f;
	return wants_ecn(p) ? FATE_RESET : FATE_NONE;
}

/* RFC 7413 section 7.1. */
static enum fault_fate tfo_blackhole(const struct fault *f, const struct fault_packet *p)
{
	(void)f;
	return is_syn(p) && p->payload_bytes > 0 ? FATE_VANISH : FATE_NONE;
}

static bool is_unmasked(uint8_t c)
{
	static const uint8_t kept[] = { '2', '0', ' ', '\r', '\n', '*' };

	return memchr(kept, c, sizeof(kept));
}

/* The banner lasts until the client has spoken, since the client waits for it (RFC 5321 section
 * 3.1). */
static enum fault_fate banner_mask(const struct fault *f, const struct fault_packet *p)
{
	(void)f;
	if (!p->by_server || p->client_spoke)
		return FATE_NONE;
	for (uint32_t i = 0; i < p->p->payload_bytes; i++) {
		if (!is_unmasked(p->p->payload[i]))
			return FATE_ALTERED;
	}
	return FATE_NONE;
}

static void mask_banner(const struct fault *f, struct packet *p)
{
	(void)f;
	for (uint32_t i = 0; i < p->payload_bytes; i++) {
		if (!is_unmasked(p->payload[i]))
			p->payload[i] = '*';
	}
	packet_set_checksum(p);
}

/* The server has the option from the client, and believes that they agree. */
static enum fault_fate wscale_strip(const struct fault *f, const struct fault_packet *p)
{
	struct tcpopt o;

	(void)f;
	if ((p->p->flags & (TCP_SYN | TCP_ACK)) != (TCP_SYN | TCP_ACK))
		return FATE_NONE;
	tcpopt_parse(&o, p->p);
	return o.has_window_shift ? FATE_ALTERED : FATE_NONE;
}

static void strip_wscale(const struct fault *f, struct packet *p)
{
	(void)f;
	tcpopt_remove_window_scale(p);
}

/* RFC 3449 section 5.2.1. No end learns that it may send SACK, so it does not matter which ACK is
 * lost. */
static enum fault_fate ack_thin(const struct fault *f, const struct fault_packet *p)
{
	struct tcpopt o;

	if (p->p->flags & TCP_SYN) {
		tcpopt_parse(&o, p->p);
		return o.sack_permitted ? FATE_ALTERED : FATE_NONE;
	}
	if (p->payload_bytes > 0 || (p->p->flags & (TCP_FIN | TCP_RST)))
		return FATE_NONE;
	return p->acks % f->value[0] == 0 ? FATE_NONE : FATE_VANISH;
}

static void strip_sack(const struct fault *f, struct packet *p)
{
	(void)f;
	tcpopt_remove_sack_permitted(p);
}

/* A ClientHello that goes on in another segment; the parser looks only at the first. */
static enum fault_fate first_segment_parser(const struct fault *f, const struct fault_packet *p)
{
	const uint8_t *text = p->p->payload;
	uint32_t record = tls_handshake(text, p->payload_bytes);

	if (p->by_server || p->payload_bytes <= TLS_HEADER_BYTES ||
	    text[TLS_HEADER_BYTES] != TLS_CLIENT_HELLO ||
	    record <= p->payload_bytes - TLS_HEADER_BYTES)
		return FATE_NONE;
	return f->value[0] ? FATE_RESET : FATE_VANISH;
}

static enum fault_fate ack_then_die(const struct fault *f, const struct fault_packet *p)
{
	if (p->acked < f->value[0])
		return FATE_NONE;
	return f->value[1] ? FATE_RESET : FATE_FORGOTTEN;
}

/* Pieces ----------------------------------------------------------------------------- */

static enum fault_fate lose_tail(const struct fault *f, const struct fault_piece *p)
{
	return p->last && p->bytes > 0 && p->bytes <= f->value[0] ? FATE_VANISH : FATE_NONE;
}

static enum fault_fate no_retransmit(const struct fault *f, const struct fault_piece *p)
{
	(void)f;
	return p->again ? FATE_VANISH : FATE_NONE;
}

static enum fault_fate drop(const struct fault *f, const struct fault_piece *p)
{
	(void)f;
	return p->again ? FATE_NONE : FATE_VANISH;
}

static enum fault_fate duplicate(const struct fault *f, const struct fault_piece *p)
{
	(void)f;
	return p->bytes > 0 ? FATE_TWICE : FATE_NONE;
}

static enum fault_fate reorder(const struct fault *f, const struct fault_piece *p)
{
	(void)f;
	return p->bytes > 0 && !p->again ? FATE_LATE : FATE_NONE;
}

static enum fault_fate corrupt(const struct fault *f, const struct fault_piece *p)
{
	(void)f;
	return p->bytes > 0 && !p->again ? FATE_ALTERED : FATE_NONE;
}

/* A last piece that looks too short to be one: Click's TCPFragmenter had a fault like this. */
static enum fault_fate fin_early(const struct fault *f, const struct fault_piece *p)
{
	return p->bytes > 0 && p->behind > 0 && p->behind < f->value[0] ? FATE_FIN : FATE_NONE;
}

/* Each piece carries the flags of the segment it was cut from, as in fragroute's tcp_seg. */
static enum fault_fate fin_dup(const struct fault *f, const struct fault_piece *p)
{
	(void)f;
	return p->bytes > 0 && p->behind > 0 && p->with_fin ? FATE_FIN : FATE_NONE;
}

/* The table -------------------------------------------------------------------------- */

const struct fault_kind fault_table[] = {
	{
		.name = "off-by-one",
		.summary = "data is held while exactly segment size + 1 bytes are pending (the "
			   "firewall of 2008)",
		.symptom = "513 bytes get no reply, 1025 only those to the first 512; all bytes "
			   "are ACKed",
		.param = { { "over", "data is held at segment size + this many bytes pending", 1,
			     65535, 1 } },
		.cut = off_by_one,
	},
	{
		.name = "none",
		.summary = "no fault: the box is a byte-exact relay",
		.symptom = "none",
	},
	{
		.name = "lose-tail",
		.summary = "a very short last piece is never sent",
		.symptom = "513 bytes get replies to all commands but the last: the obvious "
			   "explanation of 2008, and the wrong one",
		.param = { { "bytes", "the longest last piece that is lost", 1, 65535, 1 } },
		.piece = lose_tail,
	},
	{
		.name = "no-retransmit",
		.summary = "pieces that the network loses are never sent again, though their data "
			   "was ACKed",
		.symptom = "connections stall for good wherever the network loses a packet",
		.piece = no_retransmit,
	},
	{
		.name = "corrupt",
		.summary = "one bit in the middle of a piece is altered, and the checksum "
			   "corrected",
		.symptom = "data is silently wrong; no checksum below the application shows it",
		.every = 10,
		.piece = corrupt,
	},
	{
		.name = "drop",
		.summary = "pieces are lost the first time they are sent",
		.symptom = "delays only: a healthy end gets all data",
		.every = 10,
		.piece = drop,
	},
	{
		.name = "duplicate",
		.summary = "pieces are sent twice",
		.symptom = "none: a healthy end is not affected",
		.every = 10,
		.piece = duplicate,
	},
	{
		.name = "reorder",
		.summary = "pieces are sent after the one that follows them",
		.symptom = "none: a healthy end is not affected",
		.every = 10,
		.piece = reorder,
	},
	{
		.name = "mtu-blackhole",
		.summary = "packets over a certain length vanish, and no ICMP message reports it",
		.symptom = "connections work until the first long packet: the envelope passes, but "
			   "the message hangs and is not ACKed (what the postmaster of 2008 first "
			   "suspected)",
		.param = { { "bytes", "the longest IP packet that passes", 68, 65535, 1280 } },
		.packet = mtu_blackhole,
	},
	{
		.name = "ecn-drop",
		.summary = "SYNs that ask for ECN vanish",
		.symptom = "hosts with ECN on cannot connect until they try without it",
		.packet = ecn_drop,
	},
	{
		.name = "ecn-rst",
		.summary = "SYNs that ask for ECN are refused",
		.symptom = "hosts with ECN on see \"connection refused\"",
		.packet = ecn_rst,
	},
	{
		.name = "tfo-blackhole",
		.summary = "SYNs with data (TCP Fast Open) vanish",
		.symptom = "the second connection to a server takes a second longer, or fails",
		.keeps_fast_open = true,
		.packet = tfo_blackhole,
	},
	{
		.name = "banner-mask",
		.summary = "what the server says before the client speaks is masked with *, except "
			   "2, 0, spaces and line ends",
		.symptom = "the server seems not to know ESMTP; Postfix switches on its "
			   "work-arounds for PIX",
		.only = DIRECTION_S2C,
		.packet = banner_mask,
		.rewrite = mask_banner,
	},
	{
		.name = "split-command",
		.summary = "the verb of an SMTP command that is cut in two becomes XXXX",
		.symptom = "\"command unrecognized\" for one command among many, at certain "
			   "lengths",
		.reads_text = true,
		.alter = overwrite_split_command,
	},
	{
		.name = "split-eod",
		.summary = "if the end mark of a message is cut after its dot, the rest is never "
			   "sent on",
		.symptom = "a time-out after the message; its sender cannot know whether the "
			   "server took it, and sends it again",
		.reads_text = true,
		.cut = split_eod,
	},
	{
		.name = "psh-hold",
		.summary = "data is held until a segment with PSH comes, or enough bytes have come",
		.symptom = "transfers hang if the last segment has no PSH",
		.param = { { "bytes", "how many bytes are enough", 1, 65535, 4096 } },
		.cut = psh_hold,
	},
	{
		.name = "fin-early",
		.summary = "if the last piece is shorter than a header, the FIN goes with the "
			   "piece before it",
		.symptom = "the end of the data is missing; its sender gets a RST, or never learns "
			   "of it",
		.param = { { "bytes", "the FIN overtakes a last piece shorter than this", 2, 65535,
			     20 } },
		.piece = fin_early,
	},
	{
		.name = "fin-dup",
		.summary = "if a segment has a FIN, all pieces cut from it have one",
		.symptom = "all data after the first piece is missing; its sender gets a RST, or "
			   "never learns of it",
		.piece = fin_dup,
	},
	{
		.name = "isn-shift",
		.summary = "sequence numbers are shifted, but not those in SACK blocks",
		.symptom = "connections that use SACK crawl, but only where packets are lost",
		.shifts = true,
	},
	{
		.name = "wscale-strip",
		.summary = "window scale is removed from the SYN-ACK: the client does not see it, "
			   "but the server believes that it is in use",
		.symptom = "large mail crawls or stalls",
		.packet = wscale_strip,
		.rewrite = strip_wscale,
	},
	{
		.name = "ack-thin",
		.summary = "only every N-th pure ACK passes, and SACK is removed from SYNs",
		.symptom = "data comes in bursts, with time-outs at their ends",
		.param = { { "pass", "N: every N-th ACK passes", 2, 1000, 4 } },
		.packet = ack_thin,
		.rewrite = strip_sack,
	},
	{
		.name = "hello-256-511",
		.summary = "TLS handshake records of certain lengths are ACKed, but never sent on",
		.symptom = "STARTTLS hangs with some clients, and for server names of certain "
			   "lengths",
		.param = { { "least", "the shortest such record, in bytes", 1, 65535, 256 },
			   { "most", "the longest such record, in bytes", 1, 65535, 511 } },
		.reads_text = true,
		.cut = swallow_hello,
	},
	{
		.name = "first-segment-parser",
		.summary = "a TLS ClientHello that needs two segments vanishes, or ends the "
			   "connection",
		.symptom = "TLS hangs with clients that use post-quantum keys",
		.param = { { "reset", "1: both ends get a RST instead", 0, 1, 0 } },
		.only = DIRECTION_C2S,
		.packet = first_segment_parser,
	},
	{
		.name = "ack-then-die",
		.summary = "once a given number of bytes is ACKed, the box forgets the connection "
			   "and lets none of its packets pass",
		.symptom = "data that was ACKed is lost; the ends notice late or never",
		.param = { { "bytes", "how many bytes are ACKed before the connection dies", 1,
			     1000000000, 1024 },
			   { "reset", "1: both ends get a RST, once the next packet comes", 0, 1,
			     0 } },
		.cut = die_with_what_is_pending,
		.packet = ack_then_die,
	},
	{ .name = NULL },
};

const struct fault_kind *fault_find(const char *name)
{
	for (const struct fault_kind *k = fault_table; k->name; k++) {
		if (strcmp(k->name, name) == 0)
			return k;
	}
	return NULL;
}

bool fault_acts(const struct fault_kind *kind)
{
	return kind->cut || kind->alter || kind->packet || kind->piece || kind->shifts;
}

bool fault_can_act(const struct fault *f, unsigned intercepted)
{
	unsigned halves = f->scope.direction;

	if (halves == 0 || !fault_acts(f->kind))
		return true;
	if (f->kind->only != 0)
		halves &= f->kind->only;
	if (f->kind->packet || f->kind->shifts)
		return halves != 0 && intercepted != 0;
	return (halves & intercepted) != 0;
}

struct fault fault_of(const struct fault_kind *kind)
{
	struct fault f = { .kind = kind, .every = kind->every ? kind->every : 1, .percent = 100 };

	for (unsigned i = 0; i < FAULT_PARAMS_MAX; i++)
		f.value[i] = kind->param[i].preset;
	return f;
}
