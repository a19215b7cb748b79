/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "drive.h"

#include "core/bytes.h"
#include "core/packet.h"

#include <criterion/criterion.h>
#include <string.h>

enum engine_verdict drive_put_in(struct engine *e, uint64_t now_ns, enum engine_side from,
				  uint8_t flags, uint32_t seq, uint32_t ack, uint32_t bytes)
{
	static const uint8_t options[] = { 2, 4, 0xff, 0xbf, 1, 3, 3, 7 };	/* MSS 65,471 */
	static uint8_t packet[1 << 16];
	size_t header = flags & TCP_SYN ? 28 : 20, len = 20 + header + bytes;

	memset(packet, 0, 40);
	packet[0] = 0x45;
	bytes_put16(packet + 2, (uint16_t)len);
	packet[8] = 64;
	packet[9] = 6;
	packet[12 + 3] = from == CLIENT ? 1 : 2;
	packet[16 + 3] = from == CLIENT ? 2 : 1;
	bytes_put16(packet + 20, from == CLIENT ? 40000 : 25);
	bytes_put16(packet + 22, from == CLIENT ? 25 : 40000);
	bytes_put32(packet + 24, seq);
	bytes_put32(packet + 28, ack);
	packet[32] = (uint8_t)(header / 4 << 4);
	packet[33] = flags;
	bytes_put16(packet + 34, 65535);
	memcpy(packet + 40, options, header - 20);
	return engine_input(e, now_ns, packet, &len, ENGINE_NO_CHECKSUM);
}

struct engine *drive_make_open(uint16_t segment_size)
{
	struct engine_config config;
	struct engine *e;

	engine_config_init(&config);
	config.rules.policy[0].segment_size = segment_size;
	cr_assert_eq(engine_create(&e, &config), 0);
	drive_put_in(e, 1, CLIENT, TCP_SYN, 0, 0, 0);
	drive_put_in(e, 1, SERVER, TCP_SYN | TCP_ACK, 0, 1, 0);
	drive_put_in(e, 1, CLIENT, TCP_ACK, 1, 1, 0);
	return e;
}

size_t drive_take_all(struct engine *e)
{
	struct engine_emit emit;
	size_t most = 0;

	while (engine_next(e, &emit))
		most = emit.bytes - 40 > most ? emit.bytes - 40 : most;
	return most;
}
