/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_CHALLENGE_H
#define RESEG_CORE_CHALLENGE_H

/*
 * Segments that may be forged: how they are answered, and which ACKs are not believed
 */

#include "box.h"

/* Notes that an end must be sent an ACK for a segment that may be forged. If last_ms is not NULL,
 * the rate is limited, so that nobody can make the box send many ACKs or start a dialogue of ACKs
 * (RFC 5961 section 7). */
void challenge_owe(struct engine *e, struct flow *f, enum engine_side side, uint32_t *last_ms);

/* Does this ACK acknowledge what was never sent, or lie further back than any window (RFC 5961
 * section 5.2)? The box may not have seen everything that goes end to end, since fragments pass
 * untouched; but nobody sends past the window edge, except one octet for a probe or a FIN. */
bool challenge_ack_is_wild(const struct engine *e, const struct flow *f, enum engine_side side,
			   uint64_t ack);

/*
 * Does an end acknowledge data of an intercepted half that the box has not seen, but no more than
 * the box has offered to take? Then a route was changed, and the source's packets bypass the box.
 * The end has everything that the box has, and the numbers are the same, so the ends can do without
 * the box. A single such ACK may be forged, so the box waits for another one and, if it holds
 * anything for this end, until its retransmission timer has gone off.
 */
bool challenge_has_gone_round(const struct engine *e, struct flow *f, enum engine_side side,
			      uint64_t ack);

#endif
