/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_CAPREAD_H
#define RESEG_IO_CAPREAD_H

/*
 * Reads captures: pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng), plain or
 * packed by gzip, from files, FIFOs and standard input
 *
 * A capture may come from anywhere, so nothing in it is trusted. It is read once, from its
 * beginning to its end, and needs no more memory than its longest block.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capread;

struct capread_packet {
	uint64_t number;	/* from 1, as Wireshark counts them */
	uint64_t time_ns;	/* since 1970 */
	const uint8_t *data;	/* until the next one is read */
	uint32_t bytes;		/* at data, */
	uint32_t wire_bytes;	/* of so many */
	unsigned interface;	/* from 0, over all sections */
	uint16_t link_type;	/* one of https://www.tcpdump.org/linktypes.html */
	const char *comment;	/* as data; NULL: none */
};

#define CAPREAD_ERROR_BYTES 512

/* "-" is standard input. On error returns false, with what is wrong in words, and the path. */
bool capread_open(struct capread **out, const char *path, char error[CAPREAD_ERROR_BYTES]);
void capread_close(struct capread *c);

/* The next packet. Returns 1; 0 after the last; -1 if the capture is broken here, with why. */
int capread_next(struct capread *c, struct capread_packet *out, char error[CAPREAD_ERROR_BYTES]);

/* Did it end in the middle of something, as one does whose writer was killed? */
bool capread_is_cut(const struct capread *c);

/* How many interfaces have come so far, and the name of one; NULL: it has none. */
unsigned capread_interfaces(const struct capread *c);
const char *capread_interface(const struct capread *c, unsigned interface);

#endif
