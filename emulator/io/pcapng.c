/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/pcapng.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything is in this machine's byte order; the magic number shows it to a reader. */
#define BLOCK_SECTION_HEADER 0x0a0d0d0a
#define BLOCK_INTERFACE 1
#define BLOCK_STATISTICS 5
#define BLOCK_ENHANCED_PACKET 6
#define BYTE_ORDER_MAGIC 0x1a2b3c4d
#define OPTION_END 0
#define OPTION_COMMENT 1
#define OPTION_PACKET_FLAGS 2	/* its two lowest bits are enum pcapng_way */
#define OPTION_IF_NAME 2
#define OPTION_IF_TSRESOL 9
#define OPTION_ISB_IFDROP 5
#define NANOSECONDS 9	/* as a negative power of ten */

struct pcapng {
	FILE *file;
	bool lost;
};

/* Several threads may write packets; pcapng_packet() locks the file. */
static void put_bytes(struct pcapng *p, const void *data, size_t bytes)
{
	/* After half a block no reader finds the next one. */
	if (!p->lost && fwrite_unlocked(data, 1, bytes, p->file) != bytes)
		p->lost = true;
}

static void put16(struct pcapng *p, uint16_t v)
{
	put_bytes(p, &v, sizeof(v));
}

static void put32(struct pcapng *p, uint32_t v)
{
	put_bytes(p, &v, sizeof(v));
}

static uint32_t padded(size_t bytes)
{
	return (uint32_t)((bytes + 3) & ~(size_t)3);
}

static void put_padded(struct pcapng *p, const void *data, size_t bytes)
{
	static const uint8_t zeros[3];

	put_bytes(p, data, bytes);
	put_bytes(p, zeros, padded(bytes) - bytes);
}

static void put_option(struct pcapng *p, uint16_t code, const void *value, size_t bytes)
{
	put16(p, code);
	put16(p, (uint16_t)bytes);
	if (bytes > 0)
		put_padded(p, value, bytes);
}

int pcapng_open(struct pcapng **out, const char *path)
{
	struct pcapng *p = calloc(1, sizeof(*p));
	int64_t section_length = -1;	/* not given */

	if (!p)
		return -ENOMEM;
	p->file = fopen(path, "we");
	if (!p->file) {
		int rc = -errno;

		free(p);
		return rc;
	}
	put32(p, BLOCK_SECTION_HEADER);
	put32(p, 28);
	put32(p, BYTE_ORDER_MAGIC);
	put16(p, 1);	/* version 1.0 */
	put16(p, 0);
	put_bytes(p, &section_length, sizeof(section_length));
	put32(p, 28);
	*out = p;
	return 0;
}

bool pcapng_close(struct pcapng *p)
{
	bool good;

	if (!p)
		return true;
	good = fclose(p->file) == 0 && !p->lost;
	free(p);
	return good;
}

void pcapng_interface(struct pcapng *p, const char *name, uint16_t link_type)
{
	uint8_t resolution = NANOSECONDS;
	uint32_t length = 20 + 4 + padded(strlen(name)) + 4 + 4 + 4;

	put32(p, BLOCK_INTERFACE);
	put32(p, length);
	put16(p, link_type);
	put16(p, 0);
	put32(p, 0);	/* no limit on a packet's length */
	put_option(p, OPTION_IF_NAME, name, strlen(name));
	put_option(p, OPTION_IF_TSRESOL, &resolution, sizeof(resolution));
	put_option(p, OPTION_END, NULL, 0);
	put32(p, length);
}

void pcapng_dropped(struct pcapng *p, uint32_t interface, uint64_t time_ns, uint64_t packets)
{
	const uint32_t length = 20 + 4 + sizeof(packets) + 4 + 4;

	put32(p, BLOCK_STATISTICS);
	put32(p, length);
	put32(p, interface);
	put32(p, (uint32_t)(time_ns >> 32));
	put32(p, (uint32_t)time_ns);
	put_option(p, OPTION_ISB_IFDROP, &packets, sizeof(packets));
	put_option(p, OPTION_END, NULL, 0);
	put32(p, length);
}

/* The bytes that an option takes, with its code and length. */
static uint32_t option_bytes(size_t bytes)
{
	return 4 + padded(bytes);
}

void pcapng_packet(struct pcapng *p, const struct pcapng_packet *packet)
{
	size_t comment = packet->comment ? strlen(packet->comment) : 0;
	uint32_t length = 32 + padded(packet->bytes), way = packet->way;

	if (comment > UINT16_MAX - 3)
		comment = UINT16_MAX - 3;
	if (comment > 0)
		length += option_bytes(comment);
	if (way != PCAPNG_UNKNOWN)
		length += option_bytes(sizeof(way));
	if (comment > 0 || way != PCAPNG_UNKNOWN)
		length += option_bytes(0);
	flockfile(p->file);
	put32(p, BLOCK_ENHANCED_PACKET);
	put32(p, length);
	put32(p, packet->interface);
	put32(p, (uint32_t)(packet->time_ns >> 32));
	put32(p, (uint32_t)packet->time_ns);
	put32(p, packet->bytes);
	put32(p, packet->wire_bytes);
	put_padded(p, packet->data, packet->bytes);
	if (comment > 0)
		put_option(p, OPTION_COMMENT, packet->comment, comment);
	if (way != PCAPNG_UNKNOWN)
		put_option(p, OPTION_PACKET_FLAGS, &way, sizeof(way));
	if (comment > 0 || way != PCAPNG_UNKNOWN)
		put_option(p, OPTION_END, NULL, 0);
	put32(p, length);
	funlockfile(p->file);
}

bool pcapng_flush(struct pcapng *p)
{
	bool good;

	flockfile(p->file);
	if (fflush(p->file) != 0)
		p->lost = true;
	good = !p->lost;
	funlockfile(p->file);
	return good;
}
