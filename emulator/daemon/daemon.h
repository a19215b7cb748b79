/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_DAEMON_H
#define RESEG_DAEMON_H

/*
 * resegd as a whole: its workers, and the requests it takes while it runs
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
	uint64_t epoch_ns;	/* time of day, minus the workers' clock */
	int signals;
	int draining;		/* eventfd: workers that have begun to hand over */
	int ended;		/* the same: workers that have ended */
	bool stopping;
};

/* Gives all workers the rules of d->settings, and new faults their ids. Faults that are the same in
 * `before` keep the ids they have there. On failure: negative errno, and why. -EINVAL: the rules
 * are refused, and the old ones stay in use; otherwise a worker is late, and uses them later. */
int daemon_set_rules(struct daemon *d, const struct settings *before, struct error *error);

/* Reads the configuration file again, and the command line. Returns false, and why, if that fails.
 * changed: the keys for which resegd must be restarted, see settings_fixed_changes(). */
bool daemon_reload(struct daemon *d, char changed[SETTINGS_NAMES_BYTES],
		   struct settings_mistakes *m);

/* Begins to hand all connections over; a second call ends at once. */
void daemon_stop(struct daemon *d);

/* Opens all that resegd needs, and starts the workers. Ends the program if it cannot. answer:
 * handles the requests of the control socket; its arg is d. */
void daemon_set_up(struct daemon *d, control_handler *answer);

/* Returns once all workers have ended: because of signals or requests, or because this time of
 * CLOCK_MONOTONIC has come. */
void daemon_run(struct daemon *d, bool quiet, uint64_t end_ns);

void daemon_tear_down(struct daemon *d);

#endif
