/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_PCAPNG_H
#define RESEG_IO_PCAPNG_H

/*
 * Writes capture files: pcapng (draft-ietf-opsawg-pcapng), nanoseconds, several named interfaces,
 * comments on packets. Several threads may use it at once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCAPNG_ETHERNET 1	/* link types, https://www.tcpdump.org/linktypes.html */
#define PCAPNG_LINUX_SLL 113

struct pcapng;

/* Creates the file, or empties it. Negative errno. */
int pcapng_open(struct pcapng **out, const char *path);

/* Returns false if some of the file could not be written. */
bool pcapng_close(struct pcapng *p);

/* Describes the next interface; the first has number 0. Describe all of them before the first
 * packet. */
void pcapng_interface(struct pcapng *p, const char *name, uint16_t link_type);

/* Notes in an interface statistics block that this many packets of an interface are missing. Call
 * it after the last packet. */
void pcapng_dropped(struct pcapng *p, uint32_t interface, uint64_t time_ns, uint64_t packets);

/* Which way a packet went, from the point of view of the capturer. */
enum pcapng_way { PCAPNG_UNKNOWN, PCAPNG_INBOUND, PCAPNG_OUTBOUND };

struct pcapng_packet {
	uint32_t interface;
	enum pcapng_way way;
	uint64_t time_ns;	/* since 1970 */
	const void *data;
	uint32_t bytes;		/* at data, */
	uint32_t wire_bytes;	/* of this many on the wire */
	const char *comment;	/* UTF-8; NULL: none */
};

void pcapng_packet(struct pcapng *p, const struct pcapng_packet *packet);

/* Writes out what is buffered. Returns false if some of it, or of what came before, could not be
 * written. */
bool pcapng_flush(struct pcapng *p);

#endif
