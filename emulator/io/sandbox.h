/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_SANDBOX_H
#define RESEG_IO_SANDBOX_H

/*
 * Gives up what is not needed after everything is open
 *
 * What stays is CAP_NET_ADMIN, which the kernel requires for each verdict, and the system calls
 * listed in sandbox.c, none of which makes a process or opens a connection. No packet is read
 * before this is done.
 */

/* Becomes `user` (NULL: no change), keeps one capability, and allows only the listed system calls.
 * Call it before there are threads. On error returns a negative errno, and puts into *what, in
 * words, what could not be done. -ENOENT: there is no such user. */
int sandbox_enter(const char *user, const char **what);

#endif
