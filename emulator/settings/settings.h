/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_SETTINGS_H
#define RESEG_SETTINGS_H

/*
 * The settings of resegd, from its command line and its configuration file
 *
 * Both take the same settings by the same keys: "--segment-size 256" and "segment-size = 256". The
 * command line has the last word. A file may have sections [policy NAME] for some of the
 * connections; a key that such a section leaves out has its value from before the first section.
 */

#include "core/engine.h"
#include "io/queue.h"
#include "settings/faultspec.h"
#include "settings/mistakes.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#define SETTINGS_NAME_BYTES 32
#define SETTINGS_WORKERS_MAX 64
#define SETTINGS_KEYS_MAX 32
#define SETTINGS_GRACE_SECONDS 5
#define SETTINGS_GRACE_MAX_SECONDS 86400
/* Packets that may wait in the kernel, and memory for as many small ones. */
#define SETTINGS_QUEUE_LENGTH 16384
#define SETTINGS_QUEUE_BUFFER (32 << 20)

/* Keys that a policy sets itself. */
enum { GIVEN_SEGMENT_SIZE = 1, GIVEN_DIRECTION = 2, GIVEN_ARRIVAL = 4, GIVEN_FAULT = 8 };

struct settings {
	struct engine_config engine;
	char policy_name[POLICIES_MAX][SETTINGS_NAME_BYTES];	/* the first is "default" */
	struct queue_config queue;	/* of the first worker */
	bool queue_buffer_given;
	unsigned workers;
	uint64_t grace_ns;
	char *inject;
	char *events;		/* NULL: none */
	char *pcapng;		/* the same */
	char *control;		/* the same */
	char *control_owner;	/* who owns that, USER:GROUP; NULL: resegd's own user */
	char *user;		/* the user that resegd becomes; NULL: it keeps its own */
	bool no_sandbox;	/* it keeps its privileges, and all system calls */
	bool secret;		/* resegd tells nothing about its faults */
	uint32_t given
		[POLICIES_MAX]; /* keys that a policy sets for itself: a bit for each, GIVEN_... */
	const char *path;	/* of the file, which the caller keeps; NULL: none */
	struct settings_place place;	/* of the key that is being read */
	struct settings_place at[SETTINGS_KEYS_MAX];	/* of each key, where it was given last */
	struct settings_place fault_at[POLICIES_MAX][FAULTS_MAX];
};

/* One key. On the command line it has "--" before it. */
struct settings_key {
	const char *name;
	enum {
		SETTINGS_WHOLE = 1,	/* for all connections; not in a policy */
		SETTINGS_POLICY = 2,	/* for all connections, or in a policy */
		SETTINGS_MATCH = 4,	/* only in a policy */
		SETTINGS_ENGINE = 8,	/* besides: it needs no network */
		SETTINGS_LAB = 16,	/* besides: reseg-lab passes it on */
	} where;
	bool (*set)(struct settings *s, unsigned policy, const char *value, struct error *error);
};

/* All keys; the last has no name. Those with SETTINGS_MATCH are for sections of a file only. */
extern const struct settings_key settings_keys[];

/* Makes a table for getopt_long(): the keys with one of the bits of `where`, each with the value
 * `first` plus its number in settings_keys; then the `count` other options, which end the table. */
void settings_options(struct option *table, int first, int where, const struct option *others,
		      size_t count);

void settings_init(struct settings *s);
void settings_free(struct settings *s);

/* Reads a file. Adds its mistakes, with the file's name, line and column, to m. */
void settings_load(struct settings *s, const char *path, struct settings_mistakes *m);

/* Applies one key of the command line. If it cannot, adds the reason to m. */
void settings_set(struct settings *s, const struct settings_key *key, const char *value,
		  struct settings_mistakes *m);

/* What is given after this replaces what was given before, and does not add to it. */
void settings_override(struct settings *s);

/* Fills in what a policy does not set itself. Call it once all is given. Adds to m the faults that
 * can never act because the halves they are for are not intercepted. */
void settings_finish(struct settings *s, struct settings_mistakes *m);

/* Adds to m what keeps resegd from starting: keys that contradict each other, or users that do not
 * exist. look_up: whether to look up users, which a sandbox does not allow. */
void settings_check(const struct settings *s, bool look_up, struct settings_mistakes *m);

/* Lists the keys in which these differ and which cannot change while resegd runs, with ", " between
 * them; "" if there are none. */
#define SETTINGS_NAMES_BYTES 400
void settings_fixed_changes(const struct settings *a, const struct settings *b,
			    char names[SETTINGS_NAMES_BYTES]);

/* Gives the faults of s ids. Faults that `before` also has in a policy of the same name keep their
 * ids. If before is NULL, those that have an id keep it. *last is the id given last. */
void settings_number_faults(struct settings *s, const struct settings *before, uint32_t *last);

#endif
