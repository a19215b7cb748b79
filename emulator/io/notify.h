/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_NOTIFY_H
#define RESEG_IO_NOTIFY_H

/*
 * Tells a service manager how it goes: the protocol of sd_notify(3)
 *
 * Without NOTIFY_SOCKET in the environment it tells nobody.
 */

#include <stdint.h>

/* Opens the socket; to be called before privileges are given up. Negative errno: it is given, and
 * cannot be reached. */
int notify_open(void);

/* Sends lines as "READY=1" or "STOPPING=1\nSTATUS=handing over". */
void notify(const char *lines);

/* How often the manager wants to hear "WATCHDOG=1", in ns; 0: never. Tell it twice as often. */
uint64_t notify_watchdog_ns(void);

#endif
