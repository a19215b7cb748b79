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
	bool joined;		/* packets come as offloads have joined them (NFQA_CFG_F_GSO);
				 * else the kernel takes them apart before */
	uint32_t packets;	/* that may wait in the kernel for a verdict */
	uint32_t buffer_bytes;	/* of the socket they wait in. The kernel counts more than
				 * the bytes of a packet */
	uint32_t own_mark;	/* what has this mark, or came by this interface, is what the */
	uint32_t own_interface;	/* injector sent: it is let through and counted. 0: none */
};

struct queue_stats {
	uint64_t overruns;	/* times the kernel said that the socket was full */
	uint64_t lost;		/* packets the kernel dropped, for want of room in the queue
				 * or in the socket, as far as it tells */
	uint64_t truncated;	/* packets too long for the queue */
	uint64_t looped;	/* the injector's own */
	uint64_t errors;	/* verdicts the kernel refused */
};

/* Decides about one packet of *len bytes, with hints (enum engine_hint); it may change
 * the packet and shorten *len, and answers VERDICT_REPLACE then. */
typedef enum engine_verdict queue_handler(void *arg, void *packet, size_t *len, unsigned hints);

/* Binds a queue. On error a negative errno:
 * -EPROTONOSUPPORT, -EINVAL: this kernel has no NFQUEUE; -EPERM: no CAP_NET_ADMIN;
 * -EBUSY: another process has that queue (its netlink port, usually its process id,
 * is put into *owner); others as the kernel said. */
int queue_open(struct queue **out, const struct queue_config *config, uint32_t *owner);
void queue_close(struct queue *q);

/* What the kernel gives of queue_config.buffer_bytes: without CAP_NET_ADMIN in the first
 * user namespace no more than net.core.rmem_max. */
uint32_t queue_buffer_bytes(const struct queue *q);

/* To wait on, for reading. */
int queue_fd(const struct queue *q);

/* Takes packets out, as many as are there but not endlessly many, calls the handler
 * for each, and gives its verdict. Negative errno if the queue is lost. */
int queue_receive(struct queue *q, queue_handler *handler, void *arg);

/* Reads a file of /proc, so not for every packet. */
void queue_get_stats(const struct queue *q, struct queue_stats *out);

/* Has the kernel said that the socket was full? */
bool queue_overran(const struct queue *q);

/* Were packets longer than the kernel copies? */
bool queue_truncated(const struct queue *q);

/* Have the injector's own packets come back? */
bool queue_looped(const struct queue *q);

#endif
