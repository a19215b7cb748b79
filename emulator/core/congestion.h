/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_CONGESTION_H
#define RESEG_CORE_CONGESTION_H

/*
 * Congestion control and loss recovery of the relay toward the sink. Windows are in octets.
 */

#include "box.h"

/* The congestion window of a relay that has sent nothing yet. */
void congestion_begin(struct relay *r, uint16_t segment_size);

/* The sink acknowledged `acked` octets more, up to ack, which is noted as snd_una. */
void congestion_acked(const struct engine *e, struct relay *r, struct transit *t, uint64_t ack,
		      uint32_t acked);

/* The sink sent a duplicate ACK (RFC 5681 section 2) while something was in flight. */
void congestion_duplicate_ack(struct relay *r, struct transit *t);

/* The next hole to fill in recovery: the offset of a piece that the sink lacks and that was not yet
 * sent again. 0: there is none. */
uint64_t congestion_next_hole(const struct relay *r, const struct transit *t);

/* The retransmission timer went off, for the first time in a row if t->backoff is 0. */
void congestion_timed_out(struct relay *r, const struct transit *t);

/* All that is in flight counts as lost: it is sent again, as the windows allow. */
void congestion_go_back(const struct relay *r, struct transit *t);

/* Something is sent after a pause of more than one retransmission time-out: what the network
 * can take is no longer known (RFC 5681 section 4.1). */
void congestion_restart(struct relay *r, const struct transit *t);

#endif
