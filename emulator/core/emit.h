/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_EMIT_H
#define RESEG_CORE_EMIT_H

/*
 * Packets written in the name of one end
 */

#include "box.h"

/* The sequence number, acknowledgment and window of a packet written now in the name of `side`:
 * each is that end's own, or the box's. */
uint64_t emit_seq(const struct engine *e, const struct flow *f, enum engine_side side);
uint64_t emit_ack(const struct flow *f, enum engine_side side);
uint16_t emit_window(const struct engine *e, const struct flow *f, enum engine_side side);

/* The most octets of one packet to send, without its headers. */
#define EMIT_PAYLOAD_MAX (65535 - 40 - TCP_HEADER_BYTES - TCP_OPTIONS_MAX)

/* Are the segmentation and the checksum of a packet in the name of side left to the caller? */
bool emit_offloads(const struct engine *e, const struct flow *f, enum engine_side side);

/* Notes that the other end was just sent this acknowledgment and window. */
void emit_told(const struct engine *e, struct flow *f, enum engine_side side);

/* Writes a pure ACK, a piece, or a RST in the name of side. */
void emit_pure_ack(struct engine *e, struct flow *f, enum engine_side side,
		   struct engine_emit *out);
void emit_piece(struct engine *e, struct flow *f, enum engine_side side, const struct piece *piece,
		struct engine_emit *out);
void emit_rst(struct engine *e, struct flow *f, enum engine_side side, struct engine_emit *out);

#endif
