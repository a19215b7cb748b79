/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_SEND_H
#define RESEG_CORE_SEND_H

/*
 * The relay toward the sink: a TCP sender
 */

#include "box.h"

/* Notes what else the sink has, as its SACK blocks report. Returns true if that is news. */
bool send_sacked(struct engine *e, struct flow *f, enum engine_side source, const struct tcpopt *o);

/* The sink acknowledged everything before ack. `duplicate`: apart from the offset, the segment
 * meets RFC 5681's definition of a duplicate ACK. */
void send_acked(struct engine *e, struct flow *f, enum engine_side source, uint64_t ack,
		bool duplicate);

/* The same for a relay that ends now: only the acknowledgment is noted. */
void send_is_acked(struct engine *e, struct flow *f, enum engine_side source, uint64_t ack);

/* The next piece that the windows allow, counted as sent; false if there is none. */
bool send_next(struct engine *e, struct flow *f, enum engine_side source, struct piece *out);

/* Makes a train of a full piece: adds the pieces that follow it and may be sent too, up to max
 * octets in all. */
void send_train(struct engine *e, struct flow *f, enum engine_side source, struct piece *train,
		uint32_t max);

/* A router reports that a packet with data from offset on was too big on its way to the sink, where
 * packets may have mtu bytes at most. The report is believed if that data is under way. */
void send_too_big(struct engine *e, struct flow *f, enum engine_side source, uint64_t offset,
		  uint32_t mtu);

/* The timer of a relay that has something under way went off. Returns false if the sink must
 * be given up. */
bool send_timeout(struct engine *e, struct flow *f, enum engine_side source);

#endif
