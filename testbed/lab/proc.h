/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_LAB_PROC_H
#define RESEG_LAB_PROC_H

/*
 * Reads and writes files of /proc and /proc/sys
 */

/* Writes a text to an existing file. Returns 0 or a negative errno. */
int proc_write(const char *path, const char *text);

/* The number in a file; -1 if there is no such file, or no number in it. */
long proc_number(const char *path);

#endif
