/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_DAEMON_OPTIONS_H
#define RESEG_DAEMON_OPTIONS_H

/*
 * The command line of resegd, and the configuration file that it names
 */

#include "settings/settings.h"

#include <stdbool.h>
#include <stdint.h>

/* The options that only a command line may have. */
struct invocation {
	const char *config;
	bool check;
	int ready_fd;
	bool quiet;
	uint64_t duration_ns;	/* UINT64_MAX: until it is asked to end */
};

/* Reads the options that are not keys. Ends the program for --help and the like, and for
 * mistakes. */
void options_read(struct invocation *in, int argc, char **argv);

/* Reads the file (NULL: there is none), and then the keys of the command line. look_up: users and
 * groups must exist. Returns false, and all mistakes, if there are any; free s in any case. */
bool options_read_settings(struct settings *s, const char *config, int argc, char **argv,
			   bool look_up, struct settings_mistakes *m);

#endif
