/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_RANDOM_H
#define RESEG_IO_RANDOM_H

/*
 * All that reseg's programs choose at random
 *
 * It comes from the kernel, or from the environment variable RESEG_SEED if that is set, as
 * reseg-lab --seed does. Any text will do; an empty one counts as none. The same seed gives a
 * program the same bytes each time it asks, and other programs other bytes.
 */

#include <stdbool.h>
#include <stddef.h>

/* Fills `to` with bytes that RESEG_SEED and the name of the program determine. Returns false, and
 * leaves `to` as it is, if there is no seed. */
bool random_from_seed(const char *program, void *to, size_t size);

/* The same; but without a seed it fills `to` with bytes that nobody can guess. Returns 0, or a
 * negative errno: then the program cannot go on. */
int random_bytes(const char *program, void *to, size_t size);

#endif
