/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_LINKLAYER_H
#define RESEG_IO_LINKLAYER_H

/* Finds the IP packet in a captured one, below everything that a network may put around it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Can this link type (https://www.tcpdump.org/linktypes.html) be read here? */
bool linklayer_is_known(uint16_t link_type);

/* Returns the first octet of the innermost IP packet, and in *bytes how many octets there are from
 * it on; NULL: there is none. Nothing in `data` is trusted. */
const uint8_t *linklayer_ip(uint16_t link_type, const uint8_t *data, size_t len, size_t *bytes);

/* The offset of what follows the headers of an IP packet (including IPv6's extensions and the
 * authentication header), and its protocol (IPPROTO_NONE: there is none in these octets). */
size_t linklayer_upper(const uint8_t *ip, size_t bytes, uint8_t *protocol);

#endif
