/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_QUEUE_H
#define RESEG_IO_QUEUE_H

/*
 * The kernel's packet queue (NFQUEUE): packets in, verdicts out
 */

#include "core/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

struct queue_config {
	uint16_t number;
	bool joined;		/* packets come as offloads have joined them (NFQA_CFG_F_GSO); else
				 * the kernel takes them apart first */
	uint32_t packets;	/* that may wait in the kernel for a verdict */
	uint32_t buffer_bytes;	/* of the socket they wait in. The kernel counts more than a
				 * packet's bytes */
	/* A packet with this mark, or from this interface, is the injector's own: it is let through
	 * and counted. 0: no such mark, or interface. */
	uint32_t own_mark;
	uint32_t own_interface;
};

struct queue_stats {
	uint64_t overruns;	/* times the kernel reported a full socket */
	uint64_t lost;		/* packets the kernel dropped for lack of room in the queue or in
				 * the socket, as far as it reports them */
	uint64_t truncated;	/* packets too long for the queue */
	uint64_t looped;	/* the injector's own */
	uint64_t errors;	/* verdicts that the kernel refused */
};

/* Decides about one packet of *len bytes, with hints (enum engine_hint). It may change the packet
 * and shorten *len; then it returns VERDICT_REPLACE. */
typedef enum engine_verdict queue_handler(void *arg, void *packet, size_t *len, unsigned hints);

/* Binds a queue. On error a negative errno: -EPROTONOSUPPORT, -EINVAL: this kernel has no NFQUEUE;
 * -EPERM: no CAP_NET_ADMIN; -EBUSY: another process has that queue (its netlink port, usually its
 * process id, is put into *owner); others as the kernel reported them. */
int queue_open(struct queue **out, const struct queue_config *config, uint32_t *owner);
void queue_close(struct queue *q);

/* How much of queue_config.buffer_bytes the kernel grants: without CAP_NET_ADMIN in the first user
 * namespace no more than twice net.core.rmem_max. */
uint32_t queue_buffer_bytes(const struct queue *q);

/* A descriptor to wait on, for reading. */
int queue_fd(const struct queue *q);

/* Takes out the packets that are there, but not endlessly many; calls the handler for each, and
 * gives its verdict. Negative errno if the queue is lost. */
int queue_receive(struct queue *q, queue_handler *handler, void *arg);

/* Reads a file in /proc, so do not call it for every packet. */
void queue_get_stats(const struct queue *q, struct queue_stats *out);

/* Has the kernel reported a full socket? */
bool queue_overran(const struct queue *q);

/* Were any packets longer than the kernel copies? */
bool queue_truncated(const struct queue *q);

/* Have any of the injector's own packets come back? */
bool queue_looped(const struct queue *q);

#endif
