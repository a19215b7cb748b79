/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_EVENTLOG_H
#define RESEG_IO_EVENTLOG_H

/*
 * The event log: one JSON object a line (JSON Lines); docs/events.md lists the keys. Several
 * threads may use it at once.
 */

#include "core/engine.h"

struct eventlog;

/* Appends to the file, which is created if need be; "-" is standard output. epoch_ns: add it to the
 * engine's time to get the time since 1970. Negative errno. */
int eventlog_open(struct eventlog **out, const char *path, uint64_t epoch_ns);
void eventlog_close(struct eventlog *log);

/* An engine_observer whose arg is the log. */
void eventlog_observe(void *log, const struct engine_event *event);

/* Writes out what is buffered; waits for a pipe that is full. Lines that a file does not take are
 * dropped whole; the log says how many once writing works again. Negative errno: of the last
 * loss. */
int eventlog_flush(struct eventlog *log);

/* Gives the file to the user who will have to reopen it, if it belongs to the process's own
 * user. */
void eventlog_give(struct eventlog *log, const char *user);

/* Goes on in a new file of the same name, if the log is a regular file and somebody has moved the
 * old one away. Negative errno: it stays with the old file. */
int eventlog_reopen(struct eventlog *log);

/* Lines that were lost. */
uint64_t eventlog_lost(const struct eventlog *log);

#endif
