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

struct queue_stats {
	uint64_t overruns;	/* times the kernel had to drop packets: the socket was full */
	uint64_t errors;	/* verdicts the kernel refused */
};

/* Decides about one packet of *len bytes, with hints (enum engine_hint); it may change
 * the packet and shorten *len, and answers VERDICT_REPLACE then. */
typedef enum engine_verdict queue_handler(void *arg, void *packet, size_t *len, unsigned hints);

/* Binds queue number `number`. With `joined`, packets come as offloads have joined them
 * (NFQA_CFG_F_GSO); else the kernel takes them apart before. On error a negative errno:
 * -EPROTONOSUPPORT, -EINVAL: this kernel has no NFQUEUE; -EPERM: no CAP_NET_ADMIN;
 * -EBUSY: another process has that queue (its netlink port, usually its process id,
 * is put into *owner); others as the kernel said. */
int queue_open(struct queue **out, uint16_t number, bool joined, uint32_t *owner);
void queue_close(struct queue *q);

/* To wait on, for reading. */
int queue_fd(const struct queue *q);

/* Takes packets out, as many as are there but not endlessly many, calls the handler
 * for each, and gives its verdict. Negative errno if the queue is lost. */
int queue_receive(struct queue *q, queue_handler *handler, void *arg);

void queue_get_stats(const struct queue *q, struct queue_stats *out);

#endif
