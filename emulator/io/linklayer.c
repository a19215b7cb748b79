/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/linklayer.h"

#include "core/bytes.h"

#include <net/ethernet.h>
#include <netinet/in.h>

/*
 * What surrounds IP: link layers, tags, labels, sessions, tunnels
 *
 * Each function gets what is left of a packet, takes off its own header, and hands the rest on. A
 * tunnel may be inside a tunnel, so they count how deep they are, and go DEPTH_MAX deep at most.
 */
/* NOLINTBEGIN(misc-no-recursion): see above */

#define DEPTH_MAX 12

/* Link types. Those below 10 are as old as BPF. */
#define LINK_NULL 0
#define LINK_ETHERNET 1
#define LINK_PPP 9
#define LINK_RAW_OLD 12
#define LINK_RAW_OPENBSD 14
#define LINK_PPP_HDLC 50
#define LINK_PPP_ETHER 51
#define LINK_RAW 101
#define LINK_C_HDLC 104
#define LINK_LOOP 108
#define LINK_LINUX_SLL 113
#define LINK_PPP_WITH_DIR 204
#define LINK_IPV4 228
#define LINK_IPV6 229
#define LINK_NFLOG 239
#define LINK_PKTAP 258
#define LINK_LINUX_SLL2 276

#define TYPE_QINQ 0x88a8
#define TYPE_QINQ_OLD_FIRST 0x9100	/* and 0x9200, 0x9300 */
#define TYPE_QINQ_OLD_LAST 0x9300
#define TYPE_MPLS 0x8847
#define TYPE_MPLS_MULTICAST 0x8848
#define TYPE_PPPOE 0x8864
#define TYPE_PPP 0x880b
#define TYPE_BRIDGED 0x6558
#define TYPE_ERSPAN2 0x88be
#define TYPE_ERSPAN3 0x22eb
#define TYPE_WCCP 0x883e
#define TYPE_ETAG 0x893f
#define TYPE_FABRICPATH 0x8903
#define TYPE_MAX_LENGTH 1500		/* a type that is a length, of LLC */

#define PPP_IPV4 0x0021
#define PPP_IPV6 0x0057
#define PPP_MPLS 0x0281

#define PORT_VXLAN 4789
#define PORT_VXLAN_LINUX 8472
#define PORT_GENEVE 6081
#define PORT_GTP 2152

#define GTP_VERSION 0xe0
#define GTP_VERSION_1 0x20
#define GTP_OPTIONAL 0x07	/* extension, sequence number, N-PDU number */
#define GTP_EXTENSION 0x04
#define GTP_DATA 255

#define GRE_CHECKSUM 0x8000
#define GRE_KEY 0x2000
#define GRE_SEQUENCE 0x1000
#define GRE_ACKNOWLEDGE 0x0080
#define GRE_VERSION 0x0007

#define NFLOG_PAYLOAD 9

struct rest {
	const uint8_t *data;
	size_t len;
	unsigned depth;
};

static bool skip(struct rest *r, size_t bytes)
{
	if (r->len < bytes)
		return false;
	r->data += bytes;
	r->len -= bytes;
	return true;
}

static bool by_type(struct rest *r, uint16_t type);
static bool ethernet(struct rest *r);
static bool ip(struct rest *r);

/* RFC 2784, RFC 2890; version 1: RFC 2637. */
static bool gre(struct rest *r)
{
	uint16_t flags, type;
	size_t header = 4;

	if (r->len < 4)
		return false;
	flags = bytes_get16(r->data);
	type = bytes_get16(r->data + 2);
	header += flags & GRE_CHECKSUM ? 4 : 0;
	header += flags & GRE_KEY ? 4 : 0;
	header += flags & GRE_SEQUENCE ? 4 : 0;
	header += (flags & GRE_VERSION) == 1 && (flags & GRE_ACKNOWLEDGE) ? 4 : 0;
	if (!skip(r, header))
		return false;
	/* draft-foschiano-erspan: the first version has no header, the second has one of 8
	 * octets. */
	if (type == TYPE_ERSPAN2)
		return skip(r, flags & GRE_SEQUENCE ? 8 : 0) && ethernet(r);
	if (type == TYPE_ERSPAN3) {
		bool more = r->len >= 12 && (r->data[11] & 1);

		return skip(r, more ? 20 : 12) && ethernet(r);
	}
	/* Web Cache Communication Protocol, version 2: what was redirected may or may not have a
	 * header. */
	if (type == TYPE_WCCP)
		return r->len > 0 && (r->data[0] >> 4 == 4 || skip(r, 4)) && ip(r);
	return by_type(r, type);
}

/* 3GPP TS 29.281: user data of mobile networks. */
static bool gtp(struct rest *r)
{
	uint8_t flags, next;

	if (r->len < 12 || (r->data[0] & GTP_VERSION) != GTP_VERSION_1 || r->data[1] != GTP_DATA)
		return false;
	flags = r->data[0];
	next = flags & GTP_EXTENSION ? r->data[11] : 0;
	if (!skip(r, flags & GTP_OPTIONAL ? 12 : 8))
		return false;
	while (next != 0) {
		size_t length = r->len > 0 ? r->data[0] * 4u : 0;

		if (length == 0 || !skip(r, length))
			return false;
		next = r->data[-1];
	}
	return ip(r);
}

static bool udp(struct rest *r)
{
	uint16_t port;
	size_t options;

	if (r->len < 16)
		return false;
	port = bytes_get16(r->data + 2);
	if (port == PORT_VXLAN || port == PORT_VXLAN_LINUX)	/* RFC 7348 */
		return (r->data[8] & 0x08) && skip(r, 16) && ethernet(r);
	if (port == PORT_GTP)
		return skip(r, 8) && gtp(r);
	if (port != PORT_GENEVE)				/* RFC 8926 */
		return false;
	options = (r->data[8] & 0x3f) * 4u;
	port = bytes_get16(r->data + 10);
	return skip(r, 16 + options) && by_type(r, port);
}

/* How long is this header, if it is one between IP's and TCP's? 0: it is not. */
static size_t between_bytes(bool v4, uint8_t protocol, const uint8_t *header)
{
	if (protocol == IPPROTO_AH)
		return (header[1] + 2u) * 4u;
	if (v4)
		return 0;
	if (protocol == IPPROTO_FRAGMENT && (bytes_get16(header + 2) & 0xfff9) == 0)
		return 8;	/* RFC 6946: it is the whole packet */
	if (protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_DSTOPTS ||
	    protocol == IPPROTO_ROUTING)
		return (header[1] + 1u) * 8u;
	return 0;
}

size_t linklayer_upper(const uint8_t *ip, size_t bytes, uint8_t *protocol)
{
	bool v4 = bytes > 0 && ip[0] >> 4 == 4;
	size_t at = bytes == 0 ? 0 : v4 ? (ip[0] & 15u) * 4u : 40, length;

	*protocol = IPPROTO_NONE;
	if (bytes < 20 || bytes < at)
		return bytes;
	*protocol = ip[v4 ? 9 : 6];
	while (bytes - at >= 8 && (length = between_bytes(v4, *protocol, ip + at)) > 0) {
		*protocol = ip[at];
		at = bytes - at < length ? bytes : at + length;
	}
	return at;
}

/* Stays at this IP packet, unless it is a tunnel for another one. */
static bool ip(struct rest *r)
{
	struct rest inner = *r;
	unsigned version = r->len > 0 ? r->data[0] >> 4 : 0;
	uint8_t protocol;

	if (r->len < 20 || (version != 4 && version != 6))
		return false;
	if (version == 4 && (bytes_get16(r->data + 6) & 0x3fff))
		return true;		/* a fragment: what is in it is not whole */
	if (!skip(&inner, linklayer_upper(r->data, r->len, &protocol)) || ++inner.depth > DEPTH_MAX)
		return true;
	if ((protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6) ? ip(&inner)
	    : protocol == IPPROTO_GRE                              ? gre(&inner)
				      : protocol == IPPROTO_UDP && udp(&inner))
		*r = inner;
	return true;
}

static bool c_hdlc(struct rest *r)
{
	return skip(r, 4) && by_type(r, bytes_get16(r->data - 2));
}

static bool ppp(struct rest *r)
{
	uint16_t protocol;

	/* Cisco's framing, which BSD captures as PPP, too: unicast or broadcast. */
	if (r->len >= 4 && (r->data[0] == 0x0f || r->data[0] == 0x8f) && r->data[1] == 0)
		return c_hdlc(r);
	/* Address and control may be left out; so may the first octet of the protocol. */
	if (r->len >= 2 && r->data[0] == 0xff && r->data[1] == 0x03)
		skip(r, 2);
	if (r->len < 2)
		return false;
	protocol = r->data[0] & 1 ? r->data[0] : bytes_get16(r->data);
	skip(r, r->data[0] & 1 ? 1 : 2);
	return protocol == PPP_IPV4 || protocol == PPP_IPV6
		       ? ip(r)
		       : protocol == PPP_MPLS && by_type(r, TYPE_MPLS);
}

/* RFC 3032. Only the routers know what is below the labels. IP is known by its version, and a
 * pseudowire's control word (RFC 4385) by a 0 in that place. */
static bool mpls(struct rest *r)
{
	bool last = false;

	while (!last && r->len >= 4) {
		last = r->data[2] & 1;
		skip(r, 4);
	}
	if (!last || r->len == 0)
		return false;
	if (r->data[0] >> 4 == 4 || r->data[0] >> 4 == 6)
		return ip(r);
	return r->data[0] >> 4 == 0 && skip(r, 4) && ethernet(r);
}

/* IEEE 802.2, followed by the header of RFC 1042. */
static bool llc(struct rest *r)
{
	if (r->len < 8 || r->data[0] != 0xaa || r->data[1] != 0xaa || r->data[2] != 3)
		return false;
	skip(r, 8);
	return by_type(r, bytes_get16(r->data - 2));
}

static bool by_type(struct rest *r, uint16_t type)
{
	if (++r->depth > DEPTH_MAX)
		return false;
	switch (type) {
	case ETHERTYPE_IP:
	case ETHERTYPE_IPV6:
		return ip(r);
	case ETHERTYPE_VLAN:
	case TYPE_QINQ:
	case TYPE_QINQ_OLD_FIRST:
	case 0x9200:
	case TYPE_QINQ_OLD_LAST:
		return skip(r, 4) && by_type(r, bytes_get16(r->data - 2));
	case TYPE_ETAG:			/* IEEE 802.1BR */
		return skip(r, 8) && by_type(r, bytes_get16(r->data - 2));
	case TYPE_FABRICPATH:
		return skip(r, 2) && ethernet(r);
	case TYPE_MPLS:
	case TYPE_MPLS_MULTICAST:
		return mpls(r);
	case TYPE_PPPOE:
		return skip(r, 6) && ppp(r);
	case TYPE_PPP:
		return ppp(r);
	case TYPE_BRIDGED:
		return ethernet(r);
	default:
		return type <= TYPE_MAX_LENGTH && llc(r);
	}
}

static bool ethernet(struct rest *r)
{
	if (++r->depth > DEPTH_MAX || !skip(r, 14))
		return false;
	return by_type(r, bytes_get16(r->data - 2));
}

/* Attributes, each with its length and type in the byte order of the machine that wrote them. The
 * first one's length is small, so the order shows. */
static bool nflog(struct rest *r)
{
	if (!skip(r, 4))
		return false;
	while (r->len >= 4) {
		bool little = r->data[1] == 0 || r->data[3] == 0;
		size_t bytes = little ? r->data[0] | r->data[1] << 8 : bytes_get16(r->data);
		unsigned type = (little ? r->data[2] | r->data[3] << 8 : bytes_get16(r->data + 2)) &
				0x7fff;

		if (bytes < 4 || bytes > r->len)
			return false;
		if (type == NFLOG_PAYLOAD) {
			r->len = bytes;
			return skip(r, 4) && ip(r);
		}
		if (!skip(r, (bytes + 3) & ~(size_t)3))
			return false;
	}
	return false;
}

static bool by_link_type(struct rest *r, uint16_t link_type);

/* Apple's header: its length, what follows (1: a packet), and the link type of that, in little
 * endian. */
static bool pktap(struct rest *r)
{
	uint32_t header, link_type;

	if (r->len < 12 || ++r->depth > DEPTH_MAX)
		return false;
	header = r->data[0] | (uint32_t)r->data[1] << 8 | (uint32_t)r->data[2] << 16 |
		 (uint32_t)r->data[3] << 24;
	link_type = r->data[8] | (uint32_t)r->data[9] << 8;
	return r->data[4] == 1 && header >= 12 && skip(r, header) &&
	       by_link_type(r, (uint16_t)link_type);
}

static bool by_link_type(struct rest *r, uint16_t link_type)
{
	switch (link_type) {
	case LINK_RAW:
	case LINK_RAW_OLD:
	case LINK_RAW_OPENBSD:
	case LINK_IPV4:
	case LINK_IPV6:
		return ip(r);
	case LINK_NULL:
	case LINK_LOOP:
		return skip(r, 4) && ip(r);	/* a family, which adds nothing to the version */
	case LINK_ETHERNET:
		return ethernet(r);
	case LINK_LINUX_SLL:
		return skip(r, 16) && by_type(r, bytes_get16(r->data - 2));
	case LINK_LINUX_SLL2:
		return skip(r, 20) && by_type(r, bytes_get16(r->data - 20));
	case LINK_C_HDLC:
		return c_hdlc(r);
	case LINK_PPP:
	case LINK_PPP_HDLC:
		return ppp(r);
	case LINK_PPP_WITH_DIR:
		return skip(r, 1) && ppp(r);
	case LINK_PPP_ETHER:
		return skip(r, 6) && ppp(r);
	case LINK_NFLOG:
		return nflog(r);
	case LINK_PKTAP:
		return pktap(r);
	default:
		return false;
	}
}

/* NOLINTEND(misc-no-recursion) */

bool linklayer_is_known(uint16_t link_type)
{
	static const uint16_t known[] = {
		LINK_NULL,      LINK_ETHERNET,     LINK_PPP,  LINK_RAW_OLD, LINK_RAW_OPENBSD,
		LINK_PPP_HDLC,  LINK_PPP_ETHER,    LINK_RAW,  LINK_C_HDLC,  LINK_LOOP,
		LINK_LINUX_SLL, LINK_PPP_WITH_DIR, LINK_IPV4, LINK_IPV6,    LINK_NFLOG,
		LINK_PKTAP,     LINK_LINUX_SLL2,
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i] == link_type)
			return true;
	}
	return false;
}

const uint8_t *linklayer_ip(uint16_t link_type, const uint8_t *data, size_t len, size_t *bytes)
{
	struct rest r = { .data = data, .len = len };

	if (!by_link_type(&r, link_type))
		return NULL;
	*bytes = r.len;
	return r.data;
}
