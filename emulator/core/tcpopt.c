/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tcpopt.h"

#include "bytes.h"

#include <string.h>

/* https://www.iana.org/assignments/tcp-parameters */
enum {
	KIND_END = 0,
	KIND_NOP = 1,
	KIND_MSS = 2,
	KIND_WINDOW_SCALE = 3,
	KIND_SACK_PERMITTED = 4,
	KIND_SACK = 5,
	KIND_TIMESTAMPS = 8,
	KIND_MD5 = 19,
	KIND_AO = 29,
	KIND_MPTCP = 30,
	KIND_FAST_OPEN = 34,
	KIND_EXPERIMENT_1 = 253,
	KIND_EXPERIMENT_2 = 254,
};

#define FAST_OPEN_EXID 0xf989	/* RFC 7413 section 4.1.1 */
#define WINDOW_SHIFT_MAX 14

/* Length of the option at `at`, 0 where the list ends. */
static size_t option_length(const uint8_t *options, size_t bytes, size_t at)
{
	size_t len;

	if (at >= bytes || options[at] == KIND_END)
		return 0;
	if (options[at] == KIND_NOP)
		return 1;
	if (at + 1 >= bytes)
		return 0;
	len = options[at + 1];
	if (len < 2 || at + len > bytes)
		return 0;
	return len;
}

static void parse_sack(struct tcpopt *o, const uint8_t *options, size_t at, size_t len)
{
	size_t count = (len - 2) / 8;

	if (len < 10 || (len - 2) % 8 != 0 || count > SACK_BLOCKS_MAX)
		return;
	o->sack_at = (uint8_t)at;
	o->sack_bytes = (uint8_t)len;
	o->sack_count = (uint8_t)count;
	for (size_t i = 0; i < count; i++) {
		o->sack[i].left = bytes_get32(options + at + 2 + 8 * i);
		o->sack[i].right = bytes_get32(options + at + 6 + 8 * i);
	}
}

void tcpopt_parse(struct tcpopt *o, const struct packet *p)
{
	const uint8_t *options = packet_options(p);
	size_t len;

	memset(o, 0, sizeof(*o));
	for (size_t at = 0; (len = option_length(options, p->options_bytes, at)) > 0; at += len) {
		const uint8_t *value = options + at + 2;

		switch (options[at]) {
		case KIND_MSS:
			if (len == 4)
				o->mss = bytes_get16(value);
			break;
		case KIND_WINDOW_SCALE:
			if (len != 3)
				break;
			o->has_window_shift = true;
			o->window_shift = value[0] < WINDOW_SHIFT_MAX ? value[0] : WINDOW_SHIFT_MAX;
			break;
		case KIND_SACK_PERMITTED:
			if (len == 2)
				o->sack_permitted = true;
			break;
		case KIND_SACK:
			parse_sack(o, options, at, len);
			break;
		case KIND_TIMESTAMPS:
			if (len != 10)
				break;
			o->has_timestamps = true;
			o->ts_val = bytes_get32(value);
			o->ts_ecr = bytes_get32(value + 4);
			break;
		case KIND_MD5:
		case KIND_AO:
			o->authenticated = true;
			break;
		default:
			break;
		}
	}
}

static bool is_multipath(const uint8_t *option, size_t len)
{
	(void)len;
	return option[0] == KIND_MPTCP;
}

static bool is_unkept(const uint8_t *option, size_t len)
{
	switch (option[0]) {
	case KIND_MPTCP:
	case KIND_FAST_OPEN:
		return true;
	case KIND_EXPERIMENT_1:
	case KIND_EXPERIMENT_2:
		return len >= 4 && bytes_get16(option + 2) == FAST_OPEN_EXID;
	default:
		return false;
	}
}

static bool is_window_scale(const uint8_t *option, size_t len)
{
	(void)len;
	return option[0] == KIND_WINDOW_SCALE;
}

static bool is_sack_permitted(const uint8_t *option, size_t len)
{
	(void)len;
	return option[0] == KIND_SACK_PERMITTED;
}

static bool remove_options(struct packet *p, bool (*is_one)(const uint8_t *option, size_t len))
{
	uint8_t nops[TCP_OPTIONS_MAX];
	bool removed = false;
	size_t len;

	memset(nops, KIND_NOP, sizeof(nops));
	for (size_t at = 0; (len = option_length(packet_options(p), p->options_bytes, at)) > 0;
	     at += len) {
		if (is_one(packet_options(p) + at, len))
			removed |= packet_set_options(p, at, nops, len);
	}
	return removed;
}

bool tcpopt_remove_unkept(struct packet *p, bool keep_fast_open)
{
	return remove_options(p, keep_fast_open ? is_multipath : is_unkept);
}

bool tcpopt_remove_window_scale(struct packet *p)
{
	return remove_options(p, is_window_scale);
}

bool tcpopt_remove_sack_permitted(struct packet *p)
{
	return remove_options(p, is_sack_permitted);
}

bool tcpopt_limit_mss(struct packet *p, uint16_t most)
{
	uint8_t value[2];
	bool changed = false;
	size_t len;

	bytes_put16(value, most);
	for (size_t at = 0; (len = option_length(packet_options(p), p->options_bytes, at)) > 0;
	     at += len) {
		const uint8_t *option = packet_options(p) + at;

		if (option[0] == KIND_MSS && len == 4 && bytes_get16(option + 2) > most)
			changed |= packet_set_options(p, at + 2, value, sizeof(value));
	}
	return changed;
}

static void write_blocks(uint8_t *to, const struct sack_block *blocks, size_t count)
{
	to[0] = KIND_SACK;
	to[1] = (uint8_t)(2 + 8 * count);
	for (size_t i = 0; i < count; i++) {
		bytes_put32(to + 2 + 8 * i, blocks[i].left);
		bytes_put32(to + 6 + 8 * i, blocks[i].right);
	}
}

bool tcpopt_replace_sack(struct packet *p, const struct tcpopt *o, const struct sack_block *blocks,
			 size_t count)
{
	uint8_t fresh[TCP_OPTIONS_MAX];

	memset(fresh, KIND_NOP, sizeof(fresh));
	if (count > o->sack_count)
		count = o->sack_count;
	if (count > 0)
		write_blocks(fresh, blocks, count);
	return packet_set_options(p, o->sack_at, fresh, o->sack_bytes);
}

size_t tcpopt_write_timestamps(uint8_t *to, uint32_t ts_val, uint32_t ts_ecr)
{
	to[0] = to[1] = KIND_NOP;
	to[2] = KIND_TIMESTAMPS;
	to[3] = 10;
	bytes_put32(to + 4, ts_val);
	bytes_put32(to + 8, ts_ecr);
	return TCPOPT_TIMESTAMPS_BYTES;
}

size_t tcpopt_write_sack(uint8_t *to, const struct sack_block *blocks, size_t count)
{
	to[0] = to[1] = KIND_NOP;
	write_blocks(to + 2, blocks, count);
	return 4 + 8 * count;
}
