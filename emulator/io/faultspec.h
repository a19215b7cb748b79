/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_FAULTSPEC_H
#define RESEG_IO_FAULTSPEC_H

/*
 * Faults as people write them: NAME[:KEY=VALUE[,KEY=VALUE]...]
 *
 * Keys are the parameters of the kind, and for each of them `every` (it acts on each
 * such occasion) and `percent` (and then with this probability).
 */

#include "core/engine.h"

#include <stdio.h>

#define FAULTSPEC_EVERY_MAX 1000000
/* Room for what faultspec_add() says is wrong. */
#define FAULTSPEC_ERROR_BYTES 600

/* Adds a fault to the configuration; "none" adds nothing. Returns false, and why in error, if
 * it cannot. */
bool faultspec_add(struct engine_config *config, const char *text, char *error, size_t size);

/* Writes it as faultspec_add() reads it, without what is preset. */
void faultspec_print(FILE *out, const struct fault *f);

/* All kinds with their parameters, for people. */
void faultspec_list(FILE *out);

/* The same as a page of the documentation, in Markdown. */
void faultspec_page(FILE *out);

#endif
