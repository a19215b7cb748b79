/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_SIM_ROUTER_H
#define RESEG_SIM_ROUTER_H

#include <stddef.h>
#include <stdint.h>

#define ROUTER_ANSWER_BYTES (40 + 8 + 40 + 8)

/* Writes the answer of a router to the source of an IPv4 or IPv6 packet, without options or
 * extension headers, that is too big for it: ICMP "fragmentation needed" or ICMPv6 "packet too big"
 * with this MTU. It quotes no more than it must. Returns the length, at most
 * ROUTER_ANSWER_BYTES. */
size_t router_too_big(uint8_t *to, const uint8_t *packet, uint32_t mtu);

#endif
