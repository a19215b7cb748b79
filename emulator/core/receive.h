/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_RECEIVE_H
#define RESEG_CORE_RECEIVE_H

/*
 * The relay toward the source: a TCP receiver, and the place where data is cut
 */

#include "box.h"

/* The right edge of what the relay can take from its source. */
uint64_t receive_edge(const struct engine *e, const struct relay *r);

/* Is a segment of the source acceptable (RFC 9293 section 3.10.7.4)? These are not: an old
 * duplicate, a keep-alive, whose one octet is not data (RFC 1122 section 4.2.3.6), and anything
 * past the window. They are answered with an ACK. */
bool receive_acceptable(const struct engine *e, const struct relay *r, uint64_t offset,
			uint32_t bytes, bool fin);

/* Takes an acceptable packet of the source, whose first octet has this offset, as one arrival or
 * several. Stores what is inside the window, cuts what is in order, and owes the source an ACK if
 * the packet carried anything. */
void receive_packet(struct engine *e, struct flow *f, enum engine_side source, uint64_t offset,
		    const struct packet *p);

/* Is memory so short that existing flows may store only what is in order? That can be sent on and
 * freed. */
bool receive_is_short(const struct engine *e);

/* Cuts what is pending in a relay that holds something, unless a fault stalls it. push: the
 * last octet had PSH. */
void receive_cut(struct engine *e, struct flow *f, enum engine_side source, bool push);

/* Takes in waiting data that is now in order. */
void receive_waiting(struct engine *e, struct flow *f, enum engine_side source);

/* Frees all that a relay holds. */
void receive_end(struct engine *e, struct relay *r);

/* The same, if the relay holds nothing any more. */
void receive_end_if_empty(struct engine *e, struct relay *r);

/* Is anything waiting for a hole before it to be filled? */
bool receive_has_holes(const struct engine *e, const struct relay *r);

/* The SACK blocks that report to the source what is waiting (RFC 2018 section 4: the newest first).
 * Returns how many, at most max. */
size_t receive_sack_blocks(const struct engine *e, const struct flow *f, enum engine_side source,
			   struct sack_block *blocks, size_t max);

#endif
