/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_LAB_REPORT_H
#define RESEG_LAB_REPORT_H

/*
 * What --report and --watch show of a lab
 *
 * reseg-report runs outside the lab, where /proc and user ids differ: so it is started before the
 * lab is made, and waits.
 */

#include "lab/options.h"

#include <sys/types.h>

/* A process that waits until it may draw the page: for a byte written to `go`. */
struct reporter {
	pid_t pid;
	int go;
};

/* Finds out now, before a lab that may take long, what would fail after it. If --capture is not
 * given, makes a folder for captures, which is removed at the end. */
void report_prepare(struct lab_options *o);

/* For a child: leaves that folder for its parent to remove. */
void report_forget(void);

/* Begins to show packets as they come. Returns the process. */
pid_t report_start_watch(const struct lab_options *o);

/* Starts the process that will draw the page. argv: reseg-lab's own, for the title. */
struct reporter report_prepare_page(const struct lab_options *o, int argc, char **argv);

/* Has the page drawn. If it is not written, this is reported, by reseg-report itself if it can. */
void report_write(struct reporter r);

#endif
