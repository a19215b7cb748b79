/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Fuzzes the packet view and TCP options, with any bytes as one IP packet. */

#include "core/packet.h"
#include "core/tcpopt.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sack_block blocks[SACK_BLOCKS_MAX] = {
		{ 1, 2 }, { 3, 4 }, { 5, 6 }, { 7, 8 }
	};
	uint8_t *bytes = malloc(size + 1);	/* of its own, so that any overrun is seen */
	struct packet p, again;
	struct tcpopt o;
	bool good;

	memcpy(bytes, data, size);
	if (packet_parse(&p, bytes, size) != PACKET_TCP) {
		free(bytes);
		return 0;
	}
	must(p.ip_bytes <= size && p.payload + p.payload_bytes == p.ip + p.ip_bytes);
	good = packet_checksum_good(&p);
	tcpopt_parse(&o, &p);
	must(o.sack_count <= SACK_BLOCKS_MAX && o.sack_at + o.sack_bytes <= p.options_bytes);
	/* A change keeps a good checksum good and a bad one bad. */
	packet_set_seq(&p, p.seq + 1);
	packet_set_ack(&p, p.ack ^ 0xffff);
	packet_set_window(&p, (uint16_t)~p.window);
	tcpopt_replace_sack(&p, &o, blocks, size % (SACK_BLOCKS_MAX + 1));
	tcpopt_remove_unkept(&p, size & 1);
	packet_set_flags(&p, p.flags ^ TCP_ECE);
	must(packet_checksum_good(&p) == good);
	packet_clear_ecn(&p);
	packet_drop_payload(&p);
	must(packet_checksum_good(&p));
	must(packet_parse(&again, bytes, p.ip_bytes) == PACKET_TCP && again.payload_bytes == 0);
	free(bytes);
	return 0;
}
