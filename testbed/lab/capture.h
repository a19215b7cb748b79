/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_LAB_CAPTURE_H
#define RESEG_LAB_CAPTURE_H

/*
 * A capture at both ends: what the client and the server really send and get, in one
 * pcapng file with two interfaces, named client and server
 */

#include "lab/hosts.h"

struct capture;

/* Opens both ends: from now on no packet is missed. Exits with a message on any
 * error. */
struct capture *capture_open(const struct hosts *h, const char *path);

/* Writes packets until the descriptor `stop` is readable and all that was captured
 * by then is written. Returns an exit status. */
int capture_run(struct capture *c, int stop);

#endif
