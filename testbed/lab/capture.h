/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_LAB_CAPTURE_H
#define RESEG_LAB_CAPTURE_H

/*
 * A capture at both ends: what client and server really send and receive, in one pcapng file
 * with two interfaces, named client and server. At the end its packets get the comments that the
 * box's own capture has for them.
 */

#include "lab/hosts.h"

struct capture;

/* Opens both ends: from now on no packet is missed. Exits with a message on any error. box: the
 * box's capture (io/box_capture.h); NULL: none. Both paths stay the caller's, and must live as long
 * as the capture. */
struct capture *capture_open(const struct hosts *h, const char *path, const char *box);

/* Writes packets until the descriptor `stop` is readable and all that was captured by then is
 * written. Reports how many packets are missing, also in the file, in a statistics block. */
void capture_run(struct capture *c, int stop);

#endif
