/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_DAEMON_H
#define RESEG_DAEMON_H

/*
 * resegd as a whole: its workers, and what it can be told while it runs
 *
 *      resegd.c    main()
 *      options.c   the command line
 *      daemon.c    its start, its loop and its end, signals, reloads
 *      requests.c  requests by the control socket
 *      worker.c    the packets
 */

#include "daemon/worker.h"
#include "io/control.h"
#include "settings/settings.h"

struct daemon {
	struct worker workers[SETTINGS_WORKERS_MAX];
	unsigned count;
	struct eventlog *log;
	struct box_capture *capture;
	struct control *control;
	struct settings settings;	/* as they are now */
	uint32_t last_fault;		/* id */
	const char *config;		/* the file; NULL: none */
	int argc;
	char **argv;
	uint64_t started_ns;
	uint64_t epoch_ns;	/* of the day, less the workers' time */
	int signals;
	int draining;		/* eventfd: workers that have begun to hand over */
	int ended;		/* the same: that have ended */
	bool stopping;
};

/* What daemon_set_rules() and daemon_reload() say if they fail: a line, or several. */
#define DAEMON_ERROR_BYTES (SETTINGS_MISTAKES_BYTES + 40)

/* Gives all workers the rules of d->settings, whose new faults get ids. With `before`, those that
 * are the same as they were then get theirs. Negative errno, and why. -EINVAL: they are refused,
 * and what was in use stays so; else a worker is late, and uses them later. */
int daemon_set_rules(struct daemon *d, const struct settings *before, char *error, size_t size);

/* Reads the configuration file again, and the command line. Returns false, and why, if that fails.
 * changed: the keys for which resegd must be started anew, see settings_fixed_changes(). */
bool daemon_reload(struct daemon *d, char changed[SETTINGS_NAMES_BYTES], char *error, size_t size);

/* Begins to hand all connections over; a second time: ends at once. */
void daemon_stop(struct daemon *d);

/* Opens all that resegd needs, and starts the workers. Ends the program if it cannot. answer: to
 * the requests of the control socket; its arg is d. */
void daemon_set_up(struct daemon *d, control_handler *answer);

/* Returns once all workers have ended: signals make them do so, requests, and this time of
 * CLOCK_MONOTONIC. */
void daemon_run(struct daemon *d, bool quiet, uint64_t end_ns);

void daemon_tear_down(struct daemon *d);

#endif
