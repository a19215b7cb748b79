/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fault.h"

#include "packet.h"

#include <string.h>

/* Cuts ------------------------------------------------------------------------------- */

/*
 * The firewall of 2008. Its loop took the last piece when pending <= S, and a
 * full one when pending > S + 1; one value in between was nobody's case:
 *
 *      pending    ... S-1   S   S+1  S+2 ...
 *                 last piece |  ??  | full piece, more to come
 *
 * More data un-sticks it, a FIN does not.
 */
static uint32_t off_by_one(const struct fault *f, uint32_t pending, uint32_t segment_size,
			   uint32_t bytes)
{
	return pending - segment_size == f->value[0] ? 0 : bytes;
}

/* Packets ---------------------------------------------------------------------------- */

/* No ICMP is sent, so the source cannot know (RFC 2923 section 2.1). */
static enum fault_fate mtu_blackhole(const struct fault *f, const struct fault_packet *p)
{
	return p->bytes > f->value[0] ? FATE_VANISH : FATE_NONE;
}

static bool is_syn(const struct fault_packet *p)
{
	return (p->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

/* An ECN-setup SYN: RFC 3168 section 6.1.1. */
static bool wants_ecn(const struct fault_packet *p)
{
	return is_syn(p) && (p->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR);
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

/* The table -------------------------------------------------------------------------- */

const struct fault_kind fault_table[] = {
	{
		.name = "off-by-one",
		.summary = "segment size + 1 bytes pending are never sent on (the firewall of 2008)",
		.hook = "cut",
		.symptom = "513 bytes hang with no reply, 1025 after the replies to the first 512; all is ACKed",
		.param = { { "over", "bytes more than the segment size that are nobody's case", 1, 65535, 1 } },
		.cut = off_by_one,
	},
	{
		.name = "none",
		.summary = "no fault: the box is a byte-exact relay",
		.hook = "-",
		.symptom = "none",
	},
	{
		.name = "lose-tail",
		.summary = "a last piece that is very short is never sent",
		.hook = "piece",
		.symptom = "513 bytes get replies to all commands but the last: the obvious reading of 2008, and "
			   "the wrong one",
		.param = { { "bytes", "longest last piece that is lost", 1, 65535, 1 } },
		.piece = lose_tail,
	},
	{
		.name = "no-retransmit",
		.summary = "what is lost behind the box is never sent again, though it was ACKed",
		.hook = "piece",
		.symptom = "connections stall for good wherever the network loses a packet",
		.piece = no_retransmit,
	},
	{
		.name = "corrupt",
		.summary = "one bit in the middle of a piece is altered, and its checksum made good",
		.hook = "piece",
		.symptom = "data is silently wrong, and no checksum below the application tells",
		.every = 10,
		.piece = corrupt,
	},
	{
		.name = "drop",
		.summary = "pieces are lost when they are first sent",
		.hook = "piece",
		.symptom = "none but time: a healthy end survives it",
		.every = 10,
		.piece = drop,
	},
	{
		.name = "duplicate",
		.summary = "pieces are sent twice",
		.hook = "piece",
		.symptom = "none: a healthy end survives it",
		.every = 10,
		.piece = duplicate,
	},
	{
		.name = "reorder",
		.summary = "pieces are overtaken by the next one",
		.hook = "piece",
		.symptom = "none: a healthy end survives it",
		.every = 10,
		.piece = reorder,
	},
	{
		.name = "mtu-blackhole",
		.summary = "packets over a length vanish on arrival, and nobody is told",
		.hook = "packet",
		.symptom = "connections work until the first long packet: the envelope passes, the message hangs, "
			   "and is not ACKed (what the postmaster of 2008 first suspected)",
		.param = { { "bytes", "longest IP packet that passes", 68, 65535, 1280 } },
		.packet = mtu_blackhole,
	},
	{
		.name = "ecn-drop",
		.summary = "SYNs that ask for ECN vanish",
		.hook = "packet",
		.symptom = "no connection from hosts with ECN on, until they fall back",
		.packet = ecn_drop,
	},
	{
		.name = "ecn-rst",
		.summary = "SYNs that ask for ECN are refused",
		.hook = "packet",
		.symptom = "\"connection refused\" for hosts with ECN on",
		.packet = ecn_rst,
	},
	{
		.name = "tfo-blackhole",
		.summary = "SYNs with data (TCP Fast Open) vanish",
		.hook = "packet",
		.symptom = "the second connection to a server takes a second longer, or is never made",
		.packet = tfo_blackhole,
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

struct fault fault_of(const struct fault_kind *kind)
{
	struct fault f = { .kind = kind, .every = kind->every ? kind->every : 1, .percent = 100 };

	for (unsigned i = 0; i < FAULT_PARAMS_MAX; i++)
		f.value[i] = kind->param[i].preset;
	return f;
}
