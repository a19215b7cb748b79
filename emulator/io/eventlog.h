/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_EVENTLOG_H
#define RESEG_IO_EVENTLOG_H

/*
 * The event log: one JSON object a line (JSON Lines); docs/events.md has the keys. May be
 * used by several threads at once.
 */

#include "core/engine.h"

struct eventlog;

/* Appends to the file, made if need be; "-" is standard output. epoch_ns is what the engine's
 * time lacks to be that since 1970. Negative errno. */
int eventlog_open(struct eventlog **out, const char *path, uint64_t epoch_ns);
void eventlog_close(struct eventlog *log);

/* An engine_observer whose arg is the log. */
void eventlog_observe(void *log, const struct engine_event *event);

/* Writes out what is buffered; waits for a pipe that is full. What a file does not take is lost,
 * whole lines of it, and told in the log once it takes some again. Negative errno: of the last
 * loss. */
int eventlog_flush(struct eventlog *log);

/* Makes the file another user's who is to open it anew, if it is this one's. */
void eventlog_give(struct eventlog *log, const char *user);

/* Goes on in a new file of the same name, if it is a regular one and somebody has moved the old one
 * away. Negative errno: it stays with the old one. */
int eventlog_reopen(struct eventlog *log);

/* Lines that were lost. */
uint64_t eventlog_lost(const struct eventlog *log);

#endif
