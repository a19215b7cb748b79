/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_PCAPNG_H
#define RESEG_IO_PCAPNG_H

/*
 * Writes capture files: pcapng (draft-ietf-opsawg-pcapng), nanoseconds, several
 * named interfaces
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCAPNG_ETHERNET 1	/* link types, https://www.tcpdump.org/linktypes.html */
#define PCAPNG_RAW_IP 101

struct pcapng;

/* Makes the file anew. Negative errno. */
int pcapng_open(struct pcapng **out, const char *path);

/* Returns false if some of the file could not be written. */
bool pcapng_close(struct pcapng *p);

/* Describes the next interface; the first has number 0. All of them come before the
 * first packet. */
void pcapng_interface(struct pcapng *p, const char *name, uint16_t link_type);

/* Adds a packet that was seen on an interface at time_ns since 1970; `bytes` of its
 * `wire_bytes` are at data. */
void pcapng_packet(struct pcapng *p, uint32_t interface, uint64_t time_ns, const void *data,
		   uint32_t bytes, uint32_t wire_bytes);

#endif
