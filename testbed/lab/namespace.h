/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_LAB_NAMESPACE_H
#define RESEG_LAB_NAMESPACE_H

/*
 * Namespaces of users, processes and mounts, and why a machine may forbid them
 *
 * Root may make those of processes and mounts at once. Everybody else first becomes root of a user
 * namespace.
 */

/* Makes a user namespace (unless the user is root) and a PID namespace. The next child is the first
 * process of the latter. The mounts stay those of the outside: reseg-lab may be the first process
 * of a container, which others enter by its mounts. Exits with advice if this machine does not
 * allow it. */
void namespace_unshare(void);

/* Makes a mount namespace: mounts made from now on are seen in the lab only. Exits with advice if
 * this machine does not allow it. */
void namespace_make_mounts(void);

/* Ends the program with advice. error: the errno with which a namespace was refused. */
_Noreturn void namespace_die(int error);

#endif
