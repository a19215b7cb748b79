/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_LAB_SEEN_H
#define RESEG_LAB_SEEN_H

/*
 * Whether the box has seen what crossed it
 *
 * A command's result says nothing about the box if its packets bypassed the queue, because rules
 * are missing or were removed. So this counts the TCP packets that come to the box by its links,
 * and compares them with the kernel's count of those that came to the queue.
 */

#include "lab/hosts.h"

#include <stdbool.h>

struct seen {
	int taps[HOSTS_MAX];	/* one on the box's side of each link; -1: there is none */
};

/* From now on packets count; the rules must be loaded. Exits with a message on any error. */
void seen_start(struct seen *s, const struct hosts *h);

/* Did all of them come to the queue? If not, says so. Call it once, while resegd still runs. loss:
 * the probability, each way, that a packet is lost at the box before the rules. */
bool seen_all(struct seen *s, const struct hosts *h, const double loss[WAYS]);

#endif
