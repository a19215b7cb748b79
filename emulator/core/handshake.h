/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_HANDSHAKE_H
#define RESEG_CORE_HANDSHAKE_H

/*
 * From the first SYN to an open flow
 */

#include "box.h"

/* Takes a packet that belongs to no flow. A SYN makes a new flow, *made; then the packet still has
 * to go through handshake_segment(). */
enum engine_verdict handshake_first_packet(struct engine *e, const struct flow_key *key,
					   unsigned sender, struct packet *p, flow_handle *made);

/* Takes a packet of a flow in state FLOW_OPENING. Afterwards the flow may be open, or gone. */
enum engine_verdict handshake_segment(struct engine *e, flow_handle h, enum engine_side side,
				      struct packet *p, const struct tcpopt *o);

/* Answers a SYN as a closed port does. */
void handshake_refuse(struct engine *e, const struct flow_key *key, unsigned sender,
		      const struct packet *p);

/* Notes how an end sends, as any of its packets shows: TTL, DSCP, DF. */
void handshake_learn_header(struct endpoint *end, const struct packet *p);

/* Notes what an end offers in its SYN. */
void handshake_learn_syn(struct endpoint *end, const struct packet *p, const struct tcpopt *o);

/* Opens a flow, once both SYNs are known. */
void handshake_start_relays(struct engine *e, struct flow *f);

/* Passes on a repeated SYN or SYN-ACK of an open flow, without what the box removes from it. It may
 * offer a wider window than the first. */
enum engine_verdict handshake_pass_syn_again(const struct engine *e, struct flow *f,
					     enum engine_side side, struct packet *p);

#endif
