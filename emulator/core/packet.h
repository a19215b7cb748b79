/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_PACKET_H
#define RESEG_CORE_PACKET_H

/*
 * A view of one IP packet that holds one whole TCP segment
 *
 * packet_parse() checks every bound once. After that you can use the fields and call the
 * packet_set_*() functions without any check: they cannot fail.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20
#define TCP_ECE 0x40
#define TCP_CWR 0x80

#define TCP_HEADER_BYTES 20
#define TCP_OPTIONS_MAX 40

/* What a packet is, from the engine's point of view. All but PACKET_TCP pass the
 * box untouched. */
enum packet_kind {
	PACKET_TCP,
	PACKET_NOT_TCP,
	PACKET_FRAGMENT,	/* IPv4 or IPv6 */
	PACKET_EXTENSION,	/* IPv6 extension header before any TCP header */
	PACKET_MALFORMED,	/* lengths that contradict each other */
};

struct packet {
	uint8_t *ip;		/* the IP header */
	uint8_t *tcp;		/* the TCP header */
	uint8_t *payload;
	uint32_t ip_bytes;	/* header and payload; link padding is left out */
	uint32_t payload_bytes;
	uint8_t version;	/* 4 or 6 */
	uint8_t options_bytes;	/* TCP options, 0..40 */
	uint8_t flags;		/* TCP_* */
	uint8_t ttl;		/* or hop limit */
	uint32_t label;		/* IPv4: TOS; IPv6: traffic class and flow label, as
				 * the low 28 bits of the header's first word */
	bool dont_fragment;	/* IPv4's DF; always set for IPv6 */
	bool joined;		/* the caller's hint: offloads may have joined segments */
	bool local;		/* and: its source is this host */
	uint16_t src_port;	/* these six in host order */
	uint16_t dst_port;
	uint32_t seq;
	uint32_t ack;
	uint16_t window;	/* as on the wire, not scaled */
	uint16_t urgent;
};

/* Reads the packet of len bytes at data. On PACKET_TCP the view is filled in and
 * refers to data, which the caller keeps; on anything else it is undefined. */
enum packet_kind packet_parse(struct packet *p, void *data, size_t len);

/* Is the TCP checksum good? */
bool packet_checksum_good(const struct packet *p);

/* The source address, followed by the destination address. */
const uint8_t *packet_addresses(const struct packet *p);

/* 4 or 16. */
size_t packet_address_bytes(const struct packet *p);

/* The TCP options, p->options_bytes of them. */
const uint8_t *packet_options(const struct packet *p);

/* Each of these changes one field in the packet and in the view, and returns true if its value was
 * different before. The TCP checksum is updated by the difference (RFC 1624), so a payload that was
 * damaged stays detectably damaged. */
bool packet_set_seq(struct packet *p, uint32_t seq);
bool packet_set_ack(struct packet *p, uint32_t ack);
bool packet_set_window(struct packet *p, uint16_t window);
bool packet_set_flags(struct packet *p, uint8_t flags);

/* Writes len bytes over the TCP options from byte at on; at + len must not
 * exceed p->options_bytes. */
bool packet_set_options(struct packet *p, size_t at, const void *bytes, size_t len);

/* Clears the two ECN bits of the IP header (RFC 3168). */
bool packet_clear_ecn(struct packet *p);

/* Computes the TCP checksum, whatever it was before. */
void packet_set_checksum(struct packet *p);

/* Cuts off the payload. */
void packet_drop_payload(struct packet *p);

#endif
