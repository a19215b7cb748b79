/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_LAB_MYSTERY_H
#define RESEG_LAB_MYSTERY_H

/*
 * A lab's mystery: who keeps count of the experiments, and says whether an answer is right
 *
 * One process of the lab watches the clients' connections, and listens on a socket of the client's
 * network. It takes one answer in each connection, a JSON object up to the end of what comes, and
 * sends the result, which is an object too; reseg-lab(1) has its keys.
 */

#include "lab/services.h"

#include <jansson.h>

struct mystery_guess;

/* In place of a fault, for those who want to be told. */
#define MYSTERY_GIVE_UP "give-up"

/* Starts that process, which watches from when it is ready. */
struct service mystery_start(const struct hosts *h, uint64_t seed);

/* Connects to it from the client of its lab. Returns a descriptor, or a negative errno. */
int mystery_connect(void);

/* The result of an answer, without what only a lab knows: a new object. The guess must be good, or
 * MYSTERY_GIVE_UP. */
json_t *mystery_result(uint64_t seed, const struct mystery_guess *guess);

#endif
