/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_LAB_REPORT_H
#define RESEG_LAB_REPORT_H

/*
 * What --report and --watch show of a lab
 *
 * reseg-report runs outside the lab, whose /proc and user ids differ: so it is started before the
 * lab is made, and waits.
 */

#include "lab/options.h"

#include <sys/types.h>

/* A page that is to be drawn, by a process that waits until it may. */
struct reporter {
	pid_t pid;
	int go;
};

/* Finds out what can fail before the lab, which may take long; and sees to captures, if nobody
 * wants to keep them. */
void report_prepare(struct lab_options *o);

/* In a child: those captures are its parent's to remove. */
void report_forget(void);

/* Starts to show packets as they come. Returns the process. */
pid_t report_start_watch(const struct lab_options *o);

/* Starts what will draw the page. argv: reseg-lab's own, for the title. */
struct reporter report_prepare_page(const struct lab_options *o, int argc, char **argv);

/* Has it drawn. If it is not written that is said, by reseg-report itself if it can. */
void report_write(struct reporter r);

#endif
