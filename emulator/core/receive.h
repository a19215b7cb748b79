/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_RECEIVE_H
#define RESEG_CORE_RECEIVE_H

/*
 * The relay toward the source: a TCP receiver, and the place where data is cut
 */

#include "box.h"

/* The right edge of what the relay can take from its source. */
uint64_t receive_edge(const struct engine *e, const struct relay *r);

/* Is a segment of the source acceptable (RFC 9293 section 3.10.7.4)? Not so are an
 * old duplicate, a keep-alive, whose one octet is no data (RFC 1122 section 4.2.3.6),
 * and what lies behind the window. They are answered with an ACK. */
bool receive_acceptable(const struct engine *e, const struct relay *r, uint64_t offset,
			uint32_t bytes, bool fin);

/* An acceptable packet of the source, whose first octet has this offset, as one arrival
 * or several. Stores what is inside the window, cuts what is in order, and owes the
 * source an ACK if it carried anything. */
void receive_packet(struct engine *e, struct flow *f, enum engine_side source, uint64_t offset,
		    const struct packet *p);

/* Is memory so short that only what is in order may still be stored, in the flows there
 * are? It can be sent on and freed. */
bool receive_is_short(const struct engine *e);

/* Cuts what is pending in a relay that holds something, unless a fault stalls it. push: the
 * last octet had PSH. */
void receive_cut(struct engine *e, struct flow *f, enum engine_side source, bool push);

/* Takes in what waits and has come in order. */
void receive_waiting(struct engine *e, struct flow *f, enum engine_side source);

/* Gives back all that a relay holds. */
void receive_end(struct engine *e, struct relay *r);

/* The same, for a relay that holds nothing any more. */
void receive_end_if_empty(struct engine *e, struct relay *r);

/* Does something wait for a hole before it to be filled? */
bool receive_has_holes(const struct engine *e, const struct relay *r);

/* The SACK blocks that tell the source what waits (RFC 2018 section 4: the newest
 * first). Returns how many, at most max. */
size_t receive_sack_blocks(const struct engine *e, const struct flow *f, enum engine_side source,
			   struct sack_block *blocks, size_t max);

#endif
