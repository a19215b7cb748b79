/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_LAB_OPTIONS_H
#define RESEG_LAB_OPTIONS_H

/*
 * The command line of reseg-lab
 */

#include "lab/hosts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAB_RESEGD_ARGS_MAX 32

struct lab_options {
	const char *resegd_args[LAB_RESEGD_ARGS_MAX];	/* options, each with its value */
	size_t resegd_count;
	const char *fault;	/* the last one; NULL: resegd's default */
	const char *box_command;	/* in place of resegd; NULL: none */
	struct hosts_options hosts;
	bool path_mtu_silent;	/* the router does not report packets that are too large */
	double loss[WAYS];	/* probability, for each packet on each link; made by rules */
	const char *capture;	/* a folder; NULL: none */
	const char *pcapng;	/* where resegd's capture is; NULL: in that folder */
	const char *report;	/* NULL: none */
	const char *sink_options;
	const char *server;	/* in place of reseg-sink; NULL: none */
	const char *const *command;	/* NULL: the sweep */
	uint64_t seed;		/* if seeded: for the random choices of reseg's programs */
	uint32_t segment_size;
	unsigned faults;
	unsigned workers;
	uint16_t port;
	bool seeded;
	bool config;		/* a file has more settings */
	bool no_box;
	bool ipv6;
	bool events;		/* the event log has a file of its own */
	bool watch;
	bool doctor;
	bool mystery;		/* the seed chooses the fault, which is a secret */
	bool sized;		/* --segment-size is given */
	bool json;	/* the doctor prints JSON, or --answer does */
	uint64_t mystery_seed;
	const char *answer;	/* NULL: none */
};

/* Reads the command line. Ends the program for --help, --doctor, --answer and the like, and for
 * mistakes. */
void options_read(struct lab_options *o, int argc, char **argv);

/* Does resegd run on the box? */
static inline bool options_has_resegd(const struct lab_options *o)
{
	return !o->no_box && !o->box_command;
}

/* Does it run, and log and capture what it does? */
static inline bool options_box_tells(const struct lab_options *o)
{
	return options_has_resegd(o) && !o->mystery;
}

/* FOLDER/NAME, which the caller frees. */
char *options_path(const char *folder, const char *name);

/* Where resegd's capture is; the caller frees it. */
char *options_box_path(const struct lab_options *o);

#endif
