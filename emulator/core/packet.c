/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet.h"

#include "bytes.h"
#include "checksum.h"

#include <string.h>

#define IPV4_HEADER_BYTES 20
#define IPV6_HEADER_BYTES 40

#define PROTO_HOPOPTS 0
#define PROTO_TCP 6
#define PROTO_ROUTING 43
#define PROTO_FRAGMENT 44
#define PROTO_ESP 50
#define PROTO_AH 51
#define PROTO_DSTOPTS 60
#define PROTO_MOBILITY 135
#define PROTO_HIP 139
#define PROTO_SHIM6 140

/* Offsets of the fields that are written, in the TCP header. */
enum {
	AT_SEQ = 4,
	AT_ACK = 8,
	AT_FLAGS = 13,
	AT_WINDOW = 14,
	AT_CHECKSUM = 16,
	AT_URGENT = 18,
};

static enum packet_kind parse_ipv4(struct packet *p, size_t len)
{
	const uint8_t *ip = p->ip;
	size_t header, total;

	if (len < IPV4_HEADER_BYTES)
		return PACKET_MALFORMED;
	header = (size_t)(ip[0] & 0x0f) * 4;
	total = bytes_get16(ip + 2);
	if (header < IPV4_HEADER_BYTES || header > total || total > len)
		return PACKET_MALFORMED;
	if (bytes_get16(ip + 6) & 0x3fff)	/* more fragments, or an offset */
		return PACKET_FRAGMENT;
	if (ip[9] != PROTO_TCP)
		return PACKET_NOT_TCP;
	p->label = ip[1];
	p->ttl = ip[8];
	p->dont_fragment = ip[6] & 0x40;
	p->ip_bytes = (uint32_t)total;
	p->tcp = p->ip + header;
	return PACKET_TCP;
}

static enum packet_kind parse_ipv6(struct packet *p, size_t len)
{
	const uint8_t *ip = p->ip;
	size_t total;

	if (len < IPV6_HEADER_BYTES)
		return PACKET_MALFORMED;
	total = IPV6_HEADER_BYTES + (size_t)bytes_get16(ip + 4);
	if (total > len)
		return PACKET_MALFORMED;
	switch (ip[6]) {
	case PROTO_TCP:
		break;
	case PROTO_FRAGMENT:
		return PACKET_FRAGMENT;
	case PROTO_HOPOPTS:
	case PROTO_ROUTING:
	case PROTO_ESP:
	case PROTO_AH:
	case PROTO_DSTOPTS:
	case PROTO_MOBILITY:
	case PROTO_HIP:
	case PROTO_SHIM6:
		/* Rare in front of TCP. A box that rewrites the segment after them would have to
		 * understand each. */
		return PACKET_EXTENSION;
	default:
		return PACKET_NOT_TCP;
	}
	p->label = bytes_get32(ip) & 0x0fffffff;
	p->ttl = ip[7];
	p->dont_fragment = true;
	p->ip_bytes = (uint32_t)total;
	p->tcp = p->ip + IPV6_HEADER_BYTES;
	return PACKET_TCP;
}

enum packet_kind packet_parse(struct packet *p, void *data, size_t len)
{
	enum packet_kind kind;
	size_t tcp_bytes, header;

	if (len == 0)
		return PACKET_MALFORMED;
	p->ip = data;
	p->joined = p->local = false;
	p->version = p->ip[0] >> 4;
	if (p->version == 4)
		kind = parse_ipv4(p, len);
	else if (p->version == 6)
		kind = parse_ipv6(p, len);
	else
		kind = PACKET_MALFORMED;
	if (kind != PACKET_TCP)
		return kind;

	tcp_bytes = p->ip_bytes - (size_t)(p->tcp - p->ip);
	if (tcp_bytes < TCP_HEADER_BYTES)
		return PACKET_MALFORMED;
	header = (size_t)(p->tcp[12] >> 4) * 4;
	if (header < TCP_HEADER_BYTES || header > tcp_bytes)
		return PACKET_MALFORMED;

	p->options_bytes = (uint8_t)(header - TCP_HEADER_BYTES);
	p->payload = p->tcp + header;
	p->payload_bytes = (uint32_t)(tcp_bytes - header);
	p->src_port = bytes_get16(p->tcp);
	p->dst_port = bytes_get16(p->tcp + 2);
	p->seq = bytes_get32(p->tcp + AT_SEQ);
	p->ack = bytes_get32(p->tcp + AT_ACK);
	p->flags = p->tcp[AT_FLAGS];
	p->window = bytes_get16(p->tcp + AT_WINDOW);
	p->urgent = bytes_get16(p->tcp + AT_URGENT);
	return PACKET_TCP;
}

const uint8_t *packet_addresses(const struct packet *p)
{
	return p->ip + (p->version == 4 ? 12 : 8);
}

size_t packet_address_bytes(const struct packet *p)
{
	return p->version == 4 ? 4 : 16;
}

const uint8_t *packet_options(const struct packet *p)
{
	return p->tcp + TCP_HEADER_BYTES;
}

static uint16_t tcp_sum(const struct packet *p)
{
	struct checksum c = { 0 };
	uint32_t tcp_bytes = p->ip_bytes - (uint32_t)(p->tcp - p->ip);

	checksum_add_pseudo(&c, packet_addresses(p), packet_address_bytes(p), tcp_bytes);
	checksum_add(&c, p->tcp, tcp_bytes);
	return checksum_finish(&c);
}

bool packet_checksum_good(const struct packet *p)
{
	return tcp_sum(p) == 0;
}

/* Overwrites len bytes of the TCP header from at on and adjusts the checksum by
 * the difference: HC' = ~(~HC + ~m + m') (RFC 1624 section 3), over the aligned
 * words that the bytes lie in. */
static bool patch(struct packet *p, size_t at, const void *bytes, size_t len)
{
	uint8_t words[TCP_OPTIONS_MAX + 2];
	size_t first = at & ~(size_t)1;
	size_t n = ((at + len + 1) & ~(size_t)1) - first;
	struct checksum c = { 0 };
	uint16_t sum;

	if (memcmp(p->tcp + at, bytes, len) == 0)
		return false;
	memcpy(&sum, p->tcp + AT_CHECKSUM, sizeof(sum));
	sum = (uint16_t)~sum;
	checksum_add(&c, &sum, sizeof(sum));
	for (size_t i = 0; i < n; i++)
		words[i] = (uint8_t)~p->tcp[first + i];
	checksum_add(&c, words, n);
	memcpy(p->tcp + at, bytes, len);
	checksum_add(&c, p->tcp + first, n);
	sum = checksum_finish(&c);
	memcpy(p->tcp + AT_CHECKSUM, &sum, sizeof(sum));
	return true;
}

static bool patch32(struct packet *p, size_t at, uint32_t value)
{
	uint8_t wire[4];

	bytes_put32(wire, value);
	return patch(p, at, wire, sizeof(wire));
}

bool packet_set_seq(struct packet *p, uint32_t seq)
{
	p->seq = seq;
	return patch32(p, AT_SEQ, seq);
}

bool packet_set_ack(struct packet *p, uint32_t ack)
{
	p->ack = ack;
	return patch32(p, AT_ACK, ack);
}

bool packet_set_window(struct packet *p, uint16_t window)
{
	uint8_t wire[2];

	bytes_put16(wire, window);
	p->window = window;
	return patch(p, AT_WINDOW, wire, sizeof(wire));
}

bool packet_set_flags(struct packet *p, uint8_t flags)
{
	p->flags = flags;
	return patch(p, AT_FLAGS, &flags, sizeof(flags));
}

bool packet_set_options(struct packet *p, size_t at, const void *bytes, size_t len)
{
	return patch(p, TCP_HEADER_BYTES + at, bytes, len);
}

static void ipv4_checksum(uint8_t *ip)
{
	struct checksum c = { 0 };
	uint16_t sum;

	bytes_put16(ip + 10, 0);
	checksum_add(&c, ip, (size_t)(ip[0] & 0x0f) * 4);
	sum = checksum_finish(&c);
	memcpy(ip + 10, &sum, sizeof(sum));
}

bool packet_clear_ecn(struct packet *p)
{
	if (p->version == 4) {
		if (!(p->ip[1] & 0x03))
			return false;
		p->ip[1] &= (uint8_t)~0x03;
		p->label = p->ip[1];
		ipv4_checksum(p->ip);
	} else {
		if (!(p->ip[1] & 0x30))	/* the class's low bits, RFC 8200 section 3 */
			return false;
		p->ip[1] &= (uint8_t)~0x30;
		p->label &= ~UINT32_C(0x00300000);
	}
	return true;
}

void packet_set_checksum(struct packet *p)
{
	uint16_t sum;

	bytes_put16(p->tcp + AT_CHECKSUM, 0);
	sum = tcp_sum(p);
	memcpy(p->tcp + AT_CHECKSUM, &sum, sizeof(sum));
}

void packet_drop_payload(struct packet *p)
{
	p->ip_bytes -= p->payload_bytes;
	p->payload_bytes = 0;
	if (p->version == 4) {
		bytes_put16(p->ip + 2, (uint16_t)p->ip_bytes);
		ipv4_checksum(p->ip);
	} else {
		bytes_put16(p->ip + 4, (uint16_t)(p->ip_bytes - IPV6_HEADER_BYTES));
	}
	packet_set_checksum(p);
}
