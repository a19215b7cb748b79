/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_CAPREAD_H
#define RESEG_IO_CAPREAD_H

/*
 * Reads capture files: pcap and pcapng, by libpcap; and of pcapng what libpcap does not tell,
 * by which interface each packet came, and its comment
 *
 * A file may come from anywhere, so nothing in it is trusted.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capread;

struct capread_packet {
	uint64_t time_ns;	/* since 1970 */
	const uint8_t *data;	/* until the next one is read */
	uint32_t bytes;		/* at data, */
	uint32_t wire_bytes;	/* of so many */
	unsigned interface;	/* from 0 */
	const char *comment;	/* likewise; NULL: none */
};

#define CAPREAD_ERROR_BYTES 512

/* On error returns false, with what is wrong in words. */
bool capread_open(struct capread **out, const char *path, char error[CAPREAD_ERROR_BYTES]);
void capread_close(struct capread *c);

/* The next packet. Returns 1; 0 after the last; -1 if the file is broken here, with why. */
int capread_next(struct capread *c, struct capread_packet *out, char error[CAPREAD_ERROR_BYTES]);

/* The name of an interface that packets were read from; NULL: it has none. */
const char *capread_interface(const struct capread *c, unsigned interface);

/* Finds the IP packet in one of this file. Returns its first octet and how many are there; NULL:
 * it has none. */
const uint8_t *capread_ip(const struct capread *c, const struct capread_packet *packet, size_t *bytes);

#endif
