/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/capread.h"

#include "core/bytes.h"

#include <byteswap.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <net/ethernet.h>
#include <pcap/pcap.h>

/* Blocks of a pcapng file (draft-ietf-opsawg-pcapng). */
#define BLOCK_SECTION_HEADER 0x0a0d0d0a
#define BLOCK_INTERFACE 1
#define BLOCK_OLD_PACKET 2
#define BLOCK_SIMPLE_PACKET 3
#define BLOCK_ENHANCED_PACKET 6
#define BYTE_ORDER_MAGIC 0x1a2b3c4d
#define OPTION_END 0
#define OPTION_COMMENT 1
#define OPTION_IF_NAME 2
/* libpcap takes none that is larger. */
#define BLOCK_BYTES_MAX (16 << 20)
#define INTERFACES_MAX 256

/* Goes through the blocks of a file beside libpcap, which reads the same ones. */
struct blocks {
	FILE *file;		/* NULL: it is no pcapng */
	bool swapped;		/* the section's byte order is not this machine's */
	uint8_t *block;		/* the last one, without its type and lengths */
	uint32_t bytes;
	char *name[INTERFACES_MAX];	/* of interfaces, in all sections */
	unsigned interfaces;
	unsigned first;		/* of this section */
	unsigned interface;	/* of the last packet */
	char *comment;
};

struct capread {
	pcap_t *pcap;
	int link_type;
	struct blocks blocks;
};

static uint32_t get32(const struct blocks *b, const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return b->swapped ? bswap_32(v) : v;
}

static uint16_t get16(const struct blocks *b, const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return b->swapped ? bswap_16(v) : v;
}

/* The value of the first option of this code, in the options that begin at octet `at`, as text;
 * NULL: there is none. The caller frees it. */
static char *option(const struct blocks *b, size_t at, uint16_t wanted)
{
	while (at + 4 <= b->bytes) {
		uint16_t code = get16(b, b->block + at), bytes = get16(b, b->block + at + 2);

		at += 4;
		if (code == OPTION_END || bytes > b->bytes - at)
			return NULL;
		if (code == wanted)
			return strndup((const char *)b->block + at, bytes);
		at += (bytes + 3u) & ~3u;
	}
	return NULL;
}

/* Reads the next block. Returns its type; 0: there is none, or it is broken. */
static uint32_t next_block(struct blocks *b)
{
	uint8_t head[12];
	uint32_t type, length, magic;

	if (fread(head, 1, 8, b->file) != 8)
		return 0;
	memcpy(&type, head, sizeof(type));
	if (type == BLOCK_SECTION_HEADER) {
		/* The same in either byte order; what follows tells that. */
		if (fread(head + 8, 1, 4, b->file) != 4 || fseek(b->file, -4, SEEK_CUR) < 0)
			return 0;
		memcpy(&magic, head + 8, sizeof(magic));
		b->swapped = magic != BYTE_ORDER_MAGIC;
		b->first = b->interfaces;
	}
	type = get32(b, head);
	length = get32(b, head + 4);
	if (length < 12 || length > BLOCK_BYTES_MAX)
		return 0;
	free(b->block);
	b->bytes = length - 12;
	b->block = malloc(b->bytes + 1u);
	if (!b->block || fread(b->block, 1, b->bytes, b->file) != b->bytes || fseek(b->file, 4, SEEK_CUR) < 0)
		return 0;
	return type;
}

/* Moves on to the next packet's block. Returns false if there is none that makes sense. */
static bool next_packet_block(struct blocks *b)
{
	uint32_t type, captured;

	free(b->comment);
	b->comment = NULL;
	while ((type = next_block(b)) != 0) {
		switch (type) {
		case BLOCK_INTERFACE:
			if (b->interfaces < INTERFACES_MAX)
				b->name[b->interfaces++] = option(b, 8, OPTION_IF_NAME);
			break;
		case BLOCK_SIMPLE_PACKET:
			b->interface = b->first;
			return true;
		case BLOCK_OLD_PACKET:
			if (b->bytes < 20)
				return false;
			b->interface = b->first + get16(b, b->block);
			return true;
		case BLOCK_ENHANCED_PACKET:
			if (b->bytes < 20)
				return false;
			b->interface = b->first + get32(b, b->block);
			captured = get32(b, b->block + 12);
			if (captured <= b->bytes - 20)
				b->comment = option(b, 20 + ((captured + 3u) & ~3u), OPTION_COMMENT);
			return true;
		default:
			break;
		}
	}
	return false;
}

static bool open_blocks(struct blocks *b, const char *path)
{
	uint32_t type = 0;

	b->file = fopen(path, "re");
	if (!b->file)
		return false;
	if (fread(&type, 1, sizeof(type), b->file) != sizeof(type) || type != BLOCK_SECTION_HEADER) {
		fclose(b->file);
		b->file = NULL;
		return true;
	}
	rewind(b->file);
	return true;
}

/* Those that capread_ip() knows. */
static bool is_known(int link_type)
{
	return link_type == DLT_RAW || link_type == DLT_IPV4 || link_type == DLT_IPV6 || link_type == DLT_NULL ||
	       link_type == DLT_LOOP || link_type == DLT_EN10MB || link_type == DLT_LINUX_SLL ||
	       link_type == DLT_LINUX_SLL2;
}

bool capread_open(struct capread **out, const char *path, char error[CAPREAD_ERROR_BYTES])
{
	struct capread *c = calloc(1, sizeof(*c));
	char why[PCAP_ERRBUF_SIZE] = "out of memory";

	if (c)
		c->pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!c || !c->pcap || !open_blocks(&c->blocks, path)) {
		snprintf(error, CAPREAD_ERROR_BYTES, "%s: %s", path, c && c->pcap ? strerror(errno) : why);
		capread_close(c);
		return false;
	}
	c->link_type = pcap_datalink(c->pcap);
	if (!is_known(c->link_type)) {
		snprintf(error, CAPREAD_ERROR_BYTES, "%s: no IP packets can be found in it, as its link type is %s", path,
			 pcap_datalink_val_to_name(c->link_type) ? pcap_datalink_val_to_name(c->link_type) : "unknown");
		capread_close(c);
		return false;
	}
	*out = c;
	return true;
}

void capread_close(struct capread *c)
{
	if (!c)
		return;
	if (c->blocks.file)
		fclose(c->blocks.file);
	for (unsigned i = 0; i < c->blocks.interfaces; i++)
		free(c->blocks.name[i]);
	free(c->blocks.block);
	free(c->blocks.comment);
	if (c->pcap)
		pcap_close(c->pcap);
	free(c);
}

int capread_next(struct capread *c, struct capread_packet *out, char error[CAPREAD_ERROR_BYTES])
{
	struct pcap_pkthdr *header;
	const u_char *data;
	int rc = pcap_next_ex(c->pcap, &header, &data);

	if (rc == PCAP_ERROR_BREAK)
		return 0;
	if (rc < 0) {
		snprintf(error, CAPREAD_ERROR_BYTES, "%s", pcap_geterr(c->pcap));
		return -1;
	}
	if (c->blocks.file && !next_packet_block(&c->blocks)) {
		snprintf(error, CAPREAD_ERROR_BYTES, "a block that makes no sense");
		return -1;
	}
	*out = (struct capread_packet){
		.time_ns = (uint64_t)header->ts.tv_sec * 1000000000 + (uint64_t)header->ts.tv_usec,
		.data = data,
		.bytes = header->caplen,
		.wire_bytes = header->len,
		.interface = c->blocks.interface,
		.comment = c->blocks.comment,
	};
	return 1;
}

const char *capread_interface(const struct capread *c, unsigned interface)
{
	return interface < c->blocks.interfaces ? c->blocks.name[interface] : NULL;
}

/* Link layers ---------------------------------------------------------------------------- */

static bool is_ip(uint16_t ether_type)
{
	return ether_type == ETHERTYPE_IP || ether_type == ETHERTYPE_IPV6;
}

const uint8_t *capread_ip(const struct capread *c, const struct capread_packet *packet, size_t *bytes)
{
	const uint8_t *data = packet->data;
	size_t header, at;

	switch (c->link_type) {
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6:
		header = 0;
		break;
	case DLT_NULL:
	case DLT_LOOP:
		header = 4;	/* an address family, which says no more than the IP version */
		break;
	case DLT_EN10MB:
		/* Tags of IEEE 802.1Q and 802.1ad may stand before the type. */
		at = 12;
		while (at + 6 <= packet->bytes && (bytes_get16(data + at) == ETHERTYPE_VLAN ||
						   bytes_get16(data + at) == 0x88a8))
			at += 4;
		if (at + 2 > packet->bytes || !is_ip(bytes_get16(data + at)))
			return NULL;
		header = at + 2;
		break;
	case DLT_LINUX_SLL:
		if (packet->bytes < 16 || !is_ip(bytes_get16(data + 14)))
			return NULL;
		header = 16;
		break;
	case DLT_LINUX_SLL2:
		if (packet->bytes < 20 || !is_ip(bytes_get16(data)))
			return NULL;
		header = 20;
		break;
	default:
		return NULL;
	}
	if (packet->bytes <= header)
		return NULL;
	*bytes = packet->bytes - header;
	return data + header;
}
