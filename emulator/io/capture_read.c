/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/units.h"
#include "io/capture_read.h"

#include <byteswap.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

/* The first octets of a pcap file: with microseconds; with nanoseconds; and from an old patch of
 * libpcap, with eight more octets before each packet. */
#define MAGIC_MICROSECONDS 0xa1b2c3d4
#define MAGIC_NANOSECONDS 0xa1b23c4d
#define MAGIC_PATCHED 0xa1b2cd34
#define PATCHED_BYTES 8
#define FILE_HEADER_BYTES 24
#define PACKET_HEADER_BYTES 16

/* The blocks of pcapng and their options. */
#define BLOCK_SECTION_HEADER 0x0a0d0d0a
#define BLOCK_INTERFACE 1
#define BLOCK_OLD_PACKET 2
#define BLOCK_SIMPLE_PACKET 3
#define BLOCK_ENHANCED_PACKET 6
#define BYTE_ORDER_MAGIC 0x1a2b3c4d
#define OPTION_END 0
#define OPTION_COMMENT 1
#define OPTION_IF_NAME 2
#define OPTION_IF_TSRESOL 9
#define OPTION_IF_TSOFFSET 14
/* Neither tcpdump nor Wireshark writes longer ones. */
#define BLOCK_BYTES_MAX (16u << 20)
#define INTERFACES_MAX 65536

struct interface {
	char *name;		/* NULL: none */
	uint16_t link_type;
	uint32_t snaplen;	/* of pcapng; 0: no limit */
	uint64_t units;		/* of time stamps, in a second */
	int64_t offset_s;	/* added to them */
};

struct capture_read {
	gzFile file;
	bool is_ng;
	bool swapped;		/* its byte order is not this machine's */
	bool cut;
	uint32_t extra;		/* octets between a pcap packet's header and the packet */
	struct interface *interface;
	unsigned interfaces, room;
	unsigned first;		/* of this section */
	uint8_t *block;		/* the last block or packet */
	uint32_t bytes;		/* of it */
	uint64_t number;	/* of the last packet */
	char *comment;		/* its comment */
};

static uint32_t get32(const struct capture_read *c, const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return c->swapped ? bswap_32(v) : v;
}

static uint16_t get16(const struct capture_read *c, const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return c->swapped ? bswap_16(v) : v;
}

/* For functions that return 1, 0 or -1. */
#define BROKEN(error, ...) (error_set((error), 0, __VA_ARGS__), -1)

/* Reads exactly this many octets. Returns 1; 0 at the end, even if it comes too early; -1 with the
 * reason. */
static int take_bytes(struct capture_read *c, void *to, uint32_t bytes, struct error *error)
{
	uint32_t got = 0;
	int rc = 1, code = Z_OK;
	const char *why;

	while (got < bytes && rc > 0) {
		rc = gzread(c->file, (uint8_t *)to + got, bytes - got);
		got += rc > 0 ? (uint32_t)rc : 0;
	}
	if (got == bytes)
		return 1;
	why = gzerror(c->file, &code);
	if (rc < 0 && code != Z_BUF_ERROR)	/* Z_BUF_ERROR: a compressed file ends too early */
		return BROKEN(error, "it cannot be read: %s",
			      code == Z_ERRNO ? strerror(errno) : why);
	c->cut |= got > 0 || code == Z_BUF_ERROR;
	return 0;
}

/* Makes room for a block and reads it. */
static int take_block(struct capture_read *c, uint32_t bytes, struct error *error)
{
	uint8_t *block;
	int rc;

	if (bytes > BLOCK_BYTES_MAX)
		return BROKEN(error, "a packet or block of %u bytes is too long", bytes);
	block = realloc(c->block, bytes + 1u);
	if (!block)
		return BROKEN(error, "out of memory");
	c->block = block;
	c->bytes = bytes;
	rc = take_bytes(c, block, bytes, error);
	c->cut |= rc == 0;	/* the file ends after the block's header */
	return rc;
}

static struct interface *add_interface(struct capture_read *c)
{
	struct interface *larger;

	if (c->interfaces == c->room) {
		if (c->room >= INTERFACES_MAX)
			return NULL;
		larger = reallocarray(c->interface, 2 * c->room + 4, sizeof(*larger));
		if (!larger)
			return NULL;
		c->interface = larger;
		c->room = 2 * c->room + 4;
	}
	c->interface[c->interfaces] = (struct interface){ .units = 1000000 };
	return &c->interface[c->interfaces++];
}

/* Units to nanoseconds, without an overflow of 64 bits. */
static uint64_t time_ns(const struct interface *i, uint64_t stamp)
{
	uint64_t s = stamp / i->units, rest = stamp % i->units;

	return (s + (uint64_t)i->offset_s) * NS_PER_S +
	       (uint64_t)((long double)rest * NS_PER_S / (long double)i->units);
}

/* pcap ------------------------------------------------------------------------------------ */

static int next_of_pcap(struct capture_read *c, struct capture_read_packet *out,
			struct error *error)
{
	uint8_t head[PACKET_HEADER_BYTES + PATCHED_BYTES];
	const struct interface *i = &c->interface[0];
	uint64_t stamp;
	int rc = take_bytes(c, head, PACKET_HEADER_BYTES + c->extra, error);

	if (rc > 0)
		rc = take_block(c, get32(c, head + 8), error);
	if (rc <= 0)
		return rc;
	stamp = get32(c, head) * i->units + get32(c, head + 4);
	*out = (struct capture_read_packet){
		.number = ++c->number,
		.time_ns = time_ns(i, stamp),
		.data = c->block,
		.bytes = c->bytes,
		.wire_bytes = get32(c, head + 12),
		.link_type = i->link_type,
	};
	return 1;
}

/* Reads what follows the magic number. */
static int open_pcap(struct capture_read *c, uint32_t magic, struct error *error)
{
	uint8_t head[FILE_HEADER_BYTES - 4];
	struct interface *i;
	int rc = take_bytes(c, head, sizeof(head), error);

	if (rc < 0)
		return rc;
	if (rc == 0 || get16(c, head) != 2)
		return BROKEN(error, "it is not a capture: give a pcap or pcapng file");
	i = add_interface(c);
	if (!i)
		return BROKEN(error, "out of memory");
	i->units = magic == MAGIC_NANOSECONDS ? 1000000000 : 1000000;
	i->link_type = (uint16_t)get32(c, head + 16);	/* upper half: whether there is an FCS */
	c->extra = magic == MAGIC_PATCHED ? PATCHED_BYTES : 0;
	return 1;
}

/* pcapng ---------------------------------------------------------------------------------- */

/* Finds the first option with this code among those that begin at octet `at` of the block. Returns
 * its value, of *bytes; NULL: there is none. */
static const uint8_t *option(const struct capture_read *c, uint32_t at, uint16_t wanted,
			     uint16_t *bytes)
{
	while (at <= c->bytes && c->bytes - at >= 4) {
		uint16_t code = get16(c, c->block + at);

		*bytes = get16(c, c->block + at + 2);
		at += 4;
		if (code == OPTION_END || *bytes > c->bytes - at)
			return NULL;
		if (code == wanted)
			return c->block + at;
		at += (*bytes + 3u) & ~3u;
	}
	return NULL;
}

static char *text_option(const struct capture_read *c, uint32_t at, uint16_t wanted)
{
	uint16_t bytes;
	const uint8_t *value = option(c, at, wanted, &bytes);

	return value ? strndup((const char *)value, bytes) : NULL;
}

static int section_header(struct capture_read *c, struct error *error)
{
	if (get16(c, c->block) != 1)
		return BROKEN(error, "a section has an unknown version");
	c->first = c->interfaces;
	return 1;
}

static int interface_block(struct capture_read *c, struct error *error)
{
	struct interface *i;
	const uint8_t *value;
	uint16_t bytes;

	if (c->bytes < 8)
		return BROKEN(error, "the block of an interface is too short");
	i = add_interface(c);
	if (!i)
		return BROKEN(error, "it has too many interfaces");
	i->link_type = get16(c, c->block);
	i->snaplen = get32(c, c->block + 4);
	i->name = text_option(c, 8, OPTION_IF_NAME);
	value = option(c, 8, OPTION_IF_TSRESOL, &bytes);
	if (value && bytes == 1) {
		unsigned power = *value & 0x7f;

		if (power > (*value & 0x80 ? 63 : 19))
			return BROKEN(error, "its time stamps have an impossible resolution");
		for (i->units = 1; power > 0; power--)
			i->units *= *value & 0x80 ? 2 : 10;
	}
	value = option(c, 8, OPTION_IF_TSOFFSET, &bytes);
	if (value && bytes == 8) {
		uint64_t offset;

		memcpy(&offset, value, sizeof(offset));
		i->offset_s = (int64_t)(c->swapped ? bswap_64(offset) : offset);
	}
	return 1;
}

/* A packet of interface `which` of the section; its data begin at octet `at` of the block. */
static int packet_block(struct capture_read *c, struct capture_read_packet *out, uint32_t which,
			uint64_t stamp, uint32_t at, uint32_t bytes, uint32_t wire_bytes,
			struct error *error)
{
	const struct interface *i;

	if (which >= c->interfaces - c->first)
		return BROKEN(error, "a packet names an interface that does not exist");
	if (bytes > c->bytes - at)
		return BROKEN(error, "a packet is longer than its block");
	i = &c->interface[c->first + which];
	*out = (struct capture_read_packet){
		.number = ++c->number,
		.time_ns = time_ns(i, stamp),
		.data = c->block + at,
		.bytes = bytes,
		.wire_bytes = wire_bytes,
		.interface = c->first + which,
		.link_type = i->link_type,
	};
	return 1;
}

static int simple_packet(struct capture_read *c, struct capture_read_packet *out,
			 struct error *error)
{
	uint32_t wire_bytes, bytes, limit;

	if (c->bytes < 4 || c->first == c->interfaces)
		return BROKEN(error, "the block of a packet is too short, or has no interface");
	wire_bytes = get32(c, c->block);
	limit = c->interface[c->first].snaplen;
	bytes = limit != 0 && limit < wire_bytes ? limit : wire_bytes;
	return packet_block(c, out, 0, 0, 4, bytes, wire_bytes, error);
}

/* An enhanced packet, or an old one, which differs only in its first four octets. */
static int full_packet(struct capture_read *c, struct capture_read_packet *out, bool old,
		       struct error *error)
{
	uint32_t bytes;
	uint64_t stamp;
	int rc;

	if (c->bytes < 20)
		return BROKEN(error, "the block of a packet is too short");
	stamp = (uint64_t)get32(c, c->block + 4) << 32 | get32(c, c->block + 8);
	bytes = get32(c, c->block + 12);
	rc = packet_block(c, out, old ? get16(c, c->block) : get32(c, c->block), stamp, 20, bytes,
			  get32(c, c->block + 16), error);
	if (rc > 0)
		out->comment = c->comment = text_option(c, 20 + ((bytes + 3u) & ~3u),
							OPTION_COMMENT);
	return rc;
}

/* Reads the next block. typed: it is a section header, whose type was read already. *type: its
 * type. */
static int next_block(struct capture_read *c, bool typed, uint32_t *type, struct error *error)
{
	uint8_t head[12], tail[4];
	uint32_t length, magic;
	int rc;

	*type = BLOCK_SECTION_HEADER;
	rc = typed ? 1 : take_bytes(c, type, sizeof(*type), error);
	if (rc > 0 && (rc = take_bytes(c, head, 4, error)) == 0)
		c->cut = true;
	if (rc <= 0)
		return rc;
	/* This type is the same in either byte order; what follows shows which it is. */
	if (*type == BLOCK_SECTION_HEADER) {
		rc = take_bytes(c, &magic, sizeof(magic), error);
		c->cut |= rc == 0;
		if (rc <= 0)
			return rc;
		c->swapped = magic != BYTE_ORDER_MAGIC;
		if (c->swapped && bswap_32(magic) != BYTE_ORDER_MAGIC)
			return BROKEN(error, "a section has no valid byte order");
	} else if (c->swapped) {
		*type = bswap_32(*type);
	}
	length = get32(c, head);
	if (length < (*type == BLOCK_SECTION_HEADER ? 28 : 12) || length % 4 != 0)
		return BROKEN(error, "a block of %u bytes makes no sense", length);
	rc = take_block(c, length - (*type == BLOCK_SECTION_HEADER ? 16 : 12), error);
	if (rc > 0) {
		rc = take_bytes(c, tail, sizeof(tail), error);
		c->cut |= rc == 0;
		if (rc > 0 && get32(c, tail) != length)
			return BROKEN(error, "a block gives two different lengths");
	}
	return rc;
}

static int next_of_pcapng(struct capture_read *c, struct capture_read_packet *out,
			  struct error *error)
{
	uint32_t type;
	int rc;

	free(c->comment);
	c->comment = NULL;
	while ((rc = next_block(c, false, &type, error)) > 0) {
		switch (type) {
		case BLOCK_SECTION_HEADER:
			rc = section_header(c, error);
			break;
		case BLOCK_INTERFACE:
			rc = interface_block(c, error);
			break;
		case BLOCK_SIMPLE_PACKET:
			return simple_packet(c, out, error);
		case BLOCK_OLD_PACKET:
		case BLOCK_ENHANCED_PACKET:
			return full_packet(c, out, type == BLOCK_OLD_PACKET, error);
		default:
			break;
		}
		if (rc < 0)
			return rc;
	}
	return rc;
}

/* Both ------------------------------------------------------------------------------------ */

static int open_file(struct capture_read *c, const char *path, struct error *error)
{
	uint32_t magic = 0, type;
	int rc;

	errno = ENOMEM;
	c->file = strcmp(path, "-") == 0 ? gzdopen(dup(STDIN_FILENO), "rb") : gzopen(path, "rbe");
	if (!c->file)
		return BROKEN(error, "%s", strerror(errno));
	rc = take_bytes(c, &magic, sizeof(magic), error);
	if (rc < 0)
		return rc;
	if (magic == BLOCK_SECTION_HEADER) {
		c->is_ng = true;
		rc = next_block(c, true, &type, error);
		return rc > 0 ? section_header(c, error) : rc;
	}
	for (int i = 0; i < 2; i++, magic = bswap_32(magic)) {
		c->swapped = i == 1;
		if (magic == MAGIC_MICROSECONDS || magic == MAGIC_NANOSECONDS ||
		    magic == MAGIC_PATCHED)
			return open_pcap(c, magic, error);
	}
	return BROKEN(error, rc == 0 ? "it is empty, or not a capture"
				     : "it is not a capture: give a pcap or pcapng file");
}

bool capture_read_open(struct capture_read **out, const char *path, struct error *error)
{
	struct capture_read *c = calloc(1, sizeof(*c));
	struct error why = { .text = "out of memory" };
	int rc = c ? open_file(c, path, &why) : -1;

	if (rc <= 0) {
		capture_read_close(c);
		return error_set(error, 0, "%s: %s", path,
				 rc < 0 ? why.text : "it ends within its header");
	}
	*out = c;
	return true;
}

void capture_read_close(struct capture_read *c)
{
	if (!c)
		return;
	if (c->file)
		gzclose(c->file);
	for (unsigned i = 0; i < c->interfaces; i++)
		free(c->interface[i].name);
	free(c->interface);
	free(c->block);
	free(c->comment);
	free(c);
}

int capture_read_next(struct capture_read *c, struct capture_read_packet *out, struct error *error)
{
	return c->is_ng ? next_of_pcapng(c, out, error) : next_of_pcap(c, out, error);
}

bool capture_read_is_cut(const struct capture_read *c)
{
	return c->cut;
}

unsigned capture_read_interfaces(const struct capture_read *c)
{
	return c->interfaces;
}

const char *capture_read_interface(const struct capture_read *c, unsigned interface)
{
	return interface < c->interfaces ? c->interface[interface].name : NULL;
}
