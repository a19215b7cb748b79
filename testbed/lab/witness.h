/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_LAB_WITNESS_H
#define RESEG_LAB_WITNESS_H

/*
 * What the clients of a lab have tried: their connections, seen from outside the box
 *
 * It looks at the packets on the links between clients and box, and asks the box nothing.
 */

#include "lab/hosts.h"

#include <jansson.h>
#include <poll.h>
#include <stddef.h>

/* Connections that are remembered; later ones are only counted. */
#define WITNESS_MAX 10000

#define WITNESS_FDS_MAX HOSTS_CLIENTS_MAX

struct witness;

/* From now on it sees all packets. Exits with a message on any error. */
struct witness *witness_open(const struct hosts *h);

/* Fills in what to wait for, and returns how many they are. */
size_t witness_poll(const struct witness *w, struct pollfd fds[WITNESS_FDS_MAX]);

/* Reads the packets that have come. */
void witness_read(struct witness *w);

/* How many connections carried data, one way or the other: each is an experiment. */
uint64_t witness_experiments(const struct witness *w);

/* All connections that are remembered, also those that carried no data, as a new array. */
json_t *witness_connections(const struct witness *w);

#endif
