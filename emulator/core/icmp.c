/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "icmp.h"

#include "bytes.h"
#include "checksum.h"

#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_ICMPV6 58

#define ICMP_UNREACHABLE 3
#define ICMP_FRAGMENTATION_NEEDED 4
#define ICMPV6_TOO_BIG 2

#define ICMP_HEADER_BYTES 8
/* Ports and sequence number. */
#define QUOTED_TCP_BYTES 8

/* RFC 1191 section 7.1: older routers do not report the MTU. Take the largest of the usual
 * MTUs that is below the length of the packet that was too big. */
static uint32_t plateau_below(uint32_t bytes)
{
	static const uint16_t plateaus[] = { 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296 };

	for (size_t i = 0; i < sizeof(plateaus) / sizeof(plateaus[0]); i++) {
		if (plateaus[i] < bytes)
			return plateaus[i];
	}
	return 68;
}

/* Where the ICMP message begins in an IPv4 packet; 0: there is none, or not all of it. */
static size_t find_icmp(const uint8_t *ip, size_t len)
{
	size_t header = len >= 20 ? (size_t)(ip[0] & 0x0f) * 4 : 0;

	if (header < 20 || bytes_get16(ip + 2) > len || (bytes_get16(ip + 6) & 0x3fff) ||
	    ip[9] != PROTO_ICMP || bytes_get16(ip + 2) < header + ICMP_HEADER_BYTES)
		return 0;
	return header;
}

static bool too_big_ipv4(struct packet *quoted, uint32_t *mtu, uint8_t *ip, size_t len)
{
	size_t at = find_icmp(ip, len), total, header;
	struct checksum c = { 0 };
	uint8_t *icmp = ip + at, *inner = icmp + ICMP_HEADER_BYTES;

	if (at == 0 || icmp[0] != ICMP_UNREACHABLE || icmp[1] != ICMP_FRAGMENTATION_NEEDED)
		return false;
	total = bytes_get16(ip + 2);
	checksum_add(&c, icmp, total - at);
	if (checksum_finish(&c) != 0 || total - at < ICMP_HEADER_BYTES + 20)
		return false;
	header = (size_t)(inner[0] & 0x0f) * 4;
	if (inner[0] >> 4 != 4 || header < 20 || inner[9] != PROTO_TCP ||
	    total - at - ICMP_HEADER_BYTES < header + QUOTED_TCP_BYTES)
		return false;
	*mtu = bytes_get16(icmp + 6);
	if (*mtu == 0)
		*mtu = plateau_below(bytes_get16(inner + 2));
	quoted->ip = inner;
	quoted->tcp = inner + header;
	return true;
}

static bool too_big_ipv6(struct packet *quoted, uint32_t *mtu, uint8_t *ip, size_t len)
{
	uint8_t *icmp = ip + 40, *inner = icmp + ICMP_HEADER_BYTES;
	uint8_t tail[8] = { [7] = PROTO_ICMPV6 };
	struct checksum c = { 0 };
	size_t bytes;

	if (len < 40 || ip[6] != PROTO_ICMPV6)
		return false;
	bytes = bytes_get16(ip + 4);
	if (40 + bytes > len || bytes < ICMP_HEADER_BYTES + 40 + QUOTED_TCP_BYTES ||
	    icmp[0] != ICMPV6_TOO_BIG || inner[0] >> 4 != 6 || inner[6] != PROTO_TCP)
		return false;
	/* The pseudo-header of RFC 8200 section 8.1. */
	bytes_put32(tail, (uint32_t)bytes);
	checksum_add(&c, ip + 8, 32);
	checksum_add(&c, tail, sizeof(tail));
	checksum_add(&c, icmp, bytes);
	if (checksum_finish(&c) != 0)
		return false;
	*mtu = bytes_get32(icmp + 4);
	quoted->ip = inner;
	quoted->tcp = inner + 40;
	return true;
}

bool icmp_too_big(struct packet *quoted, uint32_t *mtu, void *data, size_t len)
{
	uint8_t *ip = data;

	if (len == 0)
		return false;
	quoted->version = ip[0] >> 4;
	if (quoted->version == 4 ? !too_big_ipv4(quoted, mtu, ip, len)
				 : quoted->version != 6 || !too_big_ipv6(quoted, mtu, ip, len))
		return false;
	quoted->src_port = bytes_get16(quoted->tcp);
	quoted->dst_port = bytes_get16(quoted->tcp + 2);
	quoted->seq = bytes_get32(quoted->tcp + 4);
	return true;
}
