/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_CAPTURE_READ_H
#define RESEG_IO_CAPTURE_READ_H

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

struct capture_read;

struct capture_read_packet {
	uint64_t number;	/* from 1, as Wireshark counts them */
	uint64_t time_ns;	/* since 1970 */
	const uint8_t *data;	/* until the next one is read */
	uint32_t bytes;		/* at data, */
	uint32_t wire_bytes;	/* of so many */
	unsigned interface;	/* from 0, over all sections */
	uint16_t link_type;	/* one of https://www.tcpdump.org/linktypes.html */
	const char *comment;	/* as data; NULL: none */
};

#define CAPTURE_READ_ERROR_BYTES 512

/* "-" is standard input. On error returns false, with what is wrong in words, and the path. */
bool capture_read_open(struct capture_read **out, const char *path,
		       char error[CAPTURE_READ_ERROR_BYTES]);
void capture_read_close(struct capture_read *c);

/* The next packet. Returns 1; 0 after the last; -1 if the capture is broken here, with why. */
int capture_read_next(struct capture_read *c, struct capture_read_packet *out,
		      char error[CAPTURE_READ_ERROR_BYTES]);

/* Did it end in the middle of something, as one does whose writer was killed? */
bool capture_read_is_cut(const struct capture_read *c);

/* How many interfaces have come so far, and the name of one; NULL: it has none. */
unsigned capture_read_interfaces(const struct capture_read *c);
const char *capture_read_interface(const struct capture_read *c, unsigned interface);

#endif
