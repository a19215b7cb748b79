/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_FAULTSPEC_H
#define RESEG_IO_FAULTSPEC_H

/*
 * Faults as people write them: NAME[:KEY=VALUE[,KEY=VALUE]...]
 *
 * Keys are the parameters of the kind and, for every kind, how often it acts (every, percent), in
 * which connections (client, server, port, flows), and at what in them (direction, arrivals,
 * seconds).
 */

#include "core/engine.h"
#include "io/error.h"

#include <stdio.h>

#define FAULTSPEC_EVERY_MAX 1000000

/* Reads a fault. Returns false if it cannot. */
bool faultspec_read(struct fault *f, const char *text, struct error *error);

/* Adds a fault to a policy; "none" adds nothing. Returns false if it cannot. */
bool faultspec_add(struct engine_policy *policy, const char *text, struct error *error);

/* Returns false, and says so, if the fault can never act where these halves are intercepted. The
 * message ends with what_to_do and the direction with which it could act. */
bool faultspec_can_act(const struct fault *f, unsigned intercepted, const char *what_to_do,
		       struct error *error);

/* The largest number that the keys of a match take. */
#define FAULTSPEC_PORT_MAX UINT16_MAX

/* Reads N, N-M or N-, where the last number may be at most `most`. Returns false if it is not a
 * range. */
bool faultspec_range(struct range *out, const char *text, size_t len, uint32_t most);

/* Reads an address or ADDRESS/BITS. Returns false if it is neither. */
bool faultspec_prefix(struct prefix *out, const char *text, size_t len);

/* Writes it as faultspec_read() reads it, without presets. */
void faultspec_print(FILE *out, const struct fault *f);

/* The same as a text, which the caller frees; NULL: out of memory. */
char *faultspec_text(const struct fault *f);

/* The hooks at which a kind acts: "cut", "cut, packet"; "-" for none. */
void faultspec_hooks(char *text, size_t size, const struct fault_kind *kind);

/* All kinds with their parameters, for people. */
void faultspec_list(FILE *out);

/* The same as a page of the documentation, in Markdown. */
void faultspec_page(FILE *out);

#endif
