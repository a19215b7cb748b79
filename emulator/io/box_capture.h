/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_BOX_CAPTURE_H
#define RESEG_IO_BOX_CAPTURE_H

/*
 * A capture of what a box takes in and sends, with comments that explain it
 *
 * A pcapng file with two interfaces, `client` and `server`: the packets between the box and each of
 * them, for the connections that the box knows. What came in is inbound; what the box passed on
 * or made itself is outbound. A train that it made appears as its segments. A packet that matters
 * has a comment: parts separated by "; ", each beginning with a word that docs/captures.md
 * lists.
 */

#include "core/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The file. Several threads may share it. */
struct box_capture;

/* Creates the file, or empties it. Negative errno. */
int box_capture_open(struct box_capture **out, const char *path);

/* Returns false if some of it could not be written. */
bool box_capture_close(struct box_capture *c);

/* Writes out what is buffered. Returns the same. */
bool box_capture_flush(struct box_capture *c);

/* Observes one engine, for one thread. */
struct box_capture_tap;

/* epoch_ns: add it to the engine's time to get the time since 1970. -ENOMEM. */
int box_capture_tap(struct box_capture_tap **out, struct box_capture *c, uint64_t epoch_ns);
void box_capture_tap_free(struct box_capture_tap *tap);

/* An engine_observer whose arg is the tap. */
void box_capture_observe(void *tap, const struct engine_event *event);

/* To be called before and after engine_input(), with what it is given and returns. */
void box_capture_before(struct box_capture_tap *tap, const void *packet, size_t len,
			unsigned hints);
void box_capture_after(struct box_capture_tap *tap, const struct engine *e, uint64_t now_ns,
		       enum engine_verdict verdict, const void *packet, size_t len);

/* To be called with what engine_next() gave out. */
void box_capture_emit(struct box_capture_tap *tap, uint64_t now_ns, const struct engine_emit *emit);

#endif
