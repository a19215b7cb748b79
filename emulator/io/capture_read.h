/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_CAPTURE_READ_H
#define RESEG_IO_CAPTURE_READ_H

/*
 * Reads captures: pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng), plain or
 * compressed by gzip, from files, FIFOs and standard input
 *
 * A capture may come from anywhere, so nothing in it is trusted. It is read once, from beginning to
 * end, and needs no more memory than its longest block.
 */

#include "io/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture_read;

struct capture_read_packet {
	uint64_t number;	/* from 1, as Wireshark counts them */
	uint64_t time_ns;	/* since 1970 */
	const uint8_t *data;	/* valid until the next one is read */
	uint32_t bytes;		/* at data, */
	uint32_t wire_bytes;	/* of this many on the wire */
	unsigned interface;	/* from 0, over all sections */
	uint16_t link_type;	/* one of https://www.tcpdump.org/linktypes.html */
	const char *comment;	/* valid as long as data; NULL: none */
};

/* "-" is standard input. On error returns false, with the path and what is wrong, in words. */
bool capture_read_open(struct capture_read **out, const char *path, struct error *error);
void capture_read_close(struct capture_read *c);

/* Reads the next packet. Returns 1; 0 after the last; -1 if the capture is broken here, with the
 * reason. */
int capture_read_next(struct capture_read *c, struct capture_read_packet *out, struct error *error);

/* Did it end in the middle of something, as when its writer was killed? */
bool capture_read_is_cut(const struct capture_read *c);

/* How many interfaces were seen so far, and the name of one; NULL: it has none. */
unsigned capture_read_interfaces(const struct capture_read *c);
const char *capture_read_interface(const struct capture_read *c, unsigned interface);

#endif
