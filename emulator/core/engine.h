/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_ENGINE_H
#define RESEG_CORE_ENGINE_H

/*
 * The box: packets in, packets out, one deadline
 *
 * To drive the engine, include only this header. The engine makes no system call, reads no clock,
 * prints nothing and allocates nothing after engine_create(). So it can run behind a kernel queue,
 * in a simulator, under a fuzzer or over a capture.
 *
 * How to drive it:
 *
 *      verdict = engine_input(e, now, packet, len);      for each packet
 *      while (engine_next(e, &emit)) send emit;          after each call that can
 *                                                        make output
 *      engine_expire(e, now);                            once engine_deadline() is
 *                                                        reached
 *
 * Take all output out before the next packet goes in. Otherwise two packets that should each get an
 * ACK get only one between them.
 *
 * Time is in nanoseconds from any fixed start and never goes back. Numbers are in host order and in
 * bytes unless stated otherwise. Use an engine from one thread only.
 */

#include "event.h"
#include "rules.h"
#include "verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The defaults: segment size (S) 512, the first fault of the table, client to server. */
void engine_config_init(struct engine_config *config);

struct engine;

/* Reserves all memory. -EINVAL for a configuration out of range, -ENOMEM. */
int engine_create(struct engine **out, const struct engine_config *config);
void engine_destroy(struct engine *e);

/* Hands in one IP packet of *len bytes, with hints (enum engine_hint). The engine may change it in
 * place, and shortens *len if it cuts something off; it keeps no reference. Whatever the bytes are,
 * there is exactly one verdict. */
enum engine_verdict engine_input(struct engine *e, uint64_t now_ns, void *packet, size_t *len,
				 unsigned hints);

/* Hands in a whole IP packet with a router's ICMP message that came in at another engine. Returns
 * true if it was about a connection of this one. */
bool engine_icmp(struct engine *e, uint64_t now_ns, void *packet, size_t len);

/* The subject of the last packet handed in. Its flow is 0 if the packet belongs to no connection
 * that the box knows. */
struct engine_subject engine_input_subject(const struct engine *e);

/* Takes out the next packet to send. It stays valid until the next call of any function of the
 * engine; its parts after the first stay valid while only engine_next() is called. Returns false
 * when there is none. */
bool engine_next(struct engine *e, struct engine_emit *out);

/* When engine_expire() must be called next; UINT64_MAX: never. It may be early: then nothing is due
 * yet, and there is a new deadline. */
uint64_t engine_deadline(const struct engine *e);
void engine_expire(struct engine *e, uint64_t now_ns);

/* Begins to hand all flows back to their ends. A flow can go once its sink has everything that was
 * ACKed, since the numbers on both sides of the box are the same. From now on new flows pass
 * untouched, and the box opens no window any further; it still takes what it has offered to
 * take, and delivers it. Draining is over when no flow is active. */
void engine_drain(struct engine *e, uint64_t now_ns);

/* Reports every flow as closed, with what it orphans, and forgets it. */
void engine_shutdown(struct engine *e, uint64_t now_ns);

void engine_get_stats(const struct engine *e, struct engine_stats *out);

/* For tests, once all output was taken out: NULL if the engine's state is consistent, else what is
 * wrong. */
const char *engine_wrong(const struct engine *e);

/* Changes the rules from now on. Open flows get the policy that matches them now. Halves that are
 * intercepted, and what is already cut, stay as they are; data that a fault has stalled goes on if
 * the fault no longer stalls it. A flow that was open before does not count for any fault's
 * `flows`, unless it already did. -EINVAL for rules out of range; then nothing changes. */
int engine_set_rules(struct engine *e, uint64_t now_ns, const struct engine_rules *rules);

/* How often each fault of a policy acted, in the policy's order. */
void engine_get_faults(const struct engine *e, unsigned policy, uint64_t acted[FAULTS_MAX]);

/* One flow in a list of flows. */
struct engine_flow_info {
	uint64_t serial;
	uint8_t version;		/* 4 or 6 */
	uint8_t address[2][16];		/* by side; 4 or 16 bytes, network order; zeros follow */
	uint16_t port[2];
	const char *state;		/* "opening", "open", "reset", "closed" or "forgotten" */
	unsigned policy;
	uint32_t segment_size;
	bool stalled[2];		/* by source */
	uint64_t pending[2];
	struct engine_totals totals[2];
	uint64_t idle_ns;		/* since its last packet */
};

/* Lists flows from place *cursor on, and advances *cursor. It must be 0 at first; if a call does
 * not advance it, there are no more flows. Returns how many, at most max. A call looks at no more
 * than ENGINE_LOOK_MAX places, so it does not take long; a list that takes several calls may miss
 * flows that are added in between. */
#define ENGINE_LOOK_MAX 4096
size_t engine_flows(const struct engine *e, uint64_t now_ns, uint32_t *cursor,
		    struct engine_flow_info *out, size_t max);

#endif
