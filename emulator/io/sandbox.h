/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_SANDBOX_H
#define RESEG_IO_SANDBOX_H

/*
 * Gives up what is not needed once everything is open
 *
 * What stays is CAP_NET_ADMIN, which the kernel wants for each verdict, and the system calls of the
 * list in sandbox.c, none of which makes a process or a socket. A packet is read only behind this.
 */

/* Becomes `user` (NULL: stays who it is), keeps one capability, and lets no system call but those
 * that are listed. To be called before there are threads. On error a negative errno, and in *what
 * what could not be done, in words. -ENOENT: there is no such user. */
int sandbox_enter(const char *user, const char **what);

#endif
