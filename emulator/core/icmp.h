/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_ICMP_H
#define RESEG_CORE_ICMP_H

/*
 * What a router reports about a packet that is too big for the next link
 *
 * ICMP "fragmentation needed" (RFC 792, RFC 1191) and ICMPv6 "packet too big" (RFC 4443
 * section 3.2). Each quotes the packet: its IP header and at least eight octets more, which hold
 * its ports and its sequence number.
 */

#include "packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads an IP packet of len bytes. Returns true if it is such a message about a TCP segment, sound
 * and whole. Then it fills in *mtu, the most bytes that a packet there may have, and these fields
 * of *quoted: ip, version, src_port, dst_port, seq. The rest of the view is undefined; it refers to
 * data. */
bool icmp_too_big(struct packet *quoted, uint32_t *mtu, void *data, size_t len);

#endif
