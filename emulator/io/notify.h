/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_NOTIFY_H
#define RESEG_IO_NOTIFY_H

/*
 * Reports the program's state to a service manager: the protocol of sd_notify(3)
 *
 * Without NOTIFY_SOCKET in the environment it reports to nobody.
 */

#include <stdint.h>

/* Opens the socket; call it before giving up privileges. Negative errno: the environment names a
 * socket that cannot be reached. */
int notify_open(void);

/* Sends lines such as "READY=1" or "STOPPING=1\nSTATUS=handing over". */
void notify(const char *lines);

/* The longest that the manager waits for "WATCHDOG=1", in ns; 0: it does not wait. Send it twice as
 * often. */
uint64_t notify_watchdog_ns(void);

#endif
