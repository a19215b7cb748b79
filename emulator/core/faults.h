/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_FAULTS_H
#define RESEG_CORE_FAULTS_H

/*
 * Where the engine asks its faults
 */

#include "box.h"

/* Prepares a new engine whose configuration is set. */
void faults_begin(struct engine *e);

/* Changes the rules, which rules_good() must accept. Afterwards each flow needs faults_renew(). */
void faults_set_rules(struct engine *e, const struct engine_rules *rules);

/* Does a policy say that a connection of this client passes untouched? */
bool faults_passes(const struct engine *e, const struct flow_key *key, unsigned client);

/* Chooses the policy and the faults of a new flow whose ends are known. */
void faults_start(struct engine *e, struct flow *f);

/* The same for an existing flow, after the rules were changed; old: what they were. again: by
 * source, whether stalled data must be cut again because the fault that stalled it has changed
 * or is gone. */
void faults_renew(struct engine *e, struct flow *f, const struct engine_rules *old, bool again[2]);

/* How many of the pending octets, which are stored, are cut next; 0: a stall. arrived: how many
 * were pending when the cutting began; push: the last of them had PSH. */
uint32_t faults_cut(struct engine *e, struct flow *f, enum engine_side source, uint32_t pending,
		    uint32_t arrived, bool push);

/* What becomes of a packet that has come in. It may be rewritten; *rewritten is set then. */
enum fault_fate faults_packet(struct engine *e, const struct flow *f, enum engine_side source,
			      struct packet *p, bool *rewritten);

/* Does a fault for this connection need the Fast Open option to pass? */
bool faults_keep_fast_open(const struct engine *e, const struct flow *f);

/* Does any fault act on the pieces of this half? */
static inline bool faults_any_piece(const struct engine *e, const struct flow *f,
				    enum engine_side source)
{
	return e->piece_faults[f->policy] & f->relay[source].faults;
}

/* Does any fault act on the packets that this end sends? */
static inline bool faults_any_packet(const struct engine *e, const struct flow *f,
				     enum engine_side source)
{
	return e->packet_faults[f->policy] & f->relay[source].faults;
}

/* What becomes of a piece that is about to be sent. */
enum fault_fate faults_piece(struct engine *e, const struct flow *f, enum engine_side source,
			     const struct piece *piece);

#endif
