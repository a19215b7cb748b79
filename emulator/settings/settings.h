/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_SETTINGS_H
#define RESEG_SETTINGS_H

/*
 * What resegd is told to do, by its command line and its configuration file
 *
 * Both say the same things by the same keys: "--segment-size 256" and "segment-size = 256". The
 * command line has the last word. A file may have sections [policy NAME] for some of the
 * connections; what such a section does not say it has from before the first section.
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

/* Keys that a policy has of its own. */
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
	char *control_owner;	/* whose that is, USER:GROUP; NULL: its own */
	char *user;		/* whom it becomes; NULL: it stays who it is */
	bool no_sandbox;	/* it keeps its privileges, and all system calls */
	uint32_t given
		[POLICIES_MAX]; /* keys that a policy has of its own: a bit for each, GIVEN_... */
	const char *path;	/* of the file, which the caller keeps; NULL: none */
	struct settings_place place;	/* of the key that is being read */
	struct settings_place at[SETTINGS_KEYS_MAX];	/* of each key that was given last */
	struct settings_place fault_at[POLICIES_MAX][FAULTS_MAX];
};

/* One key. On the command line it has "--" before it. */
struct settings_key {
	const char *name;
	enum {
		SETTINGS_WHOLE = 1,	/* for the whole */
		SETTINGS_POLICY = 2,	/* also for a policy */
		SETTINGS_MATCH = 4,	/* only for a policy */
		SETTINGS_ENGINE = 8,	/* with one of these: needs no network */
		SETTINGS_LAB = 16,	/* the same: reseg-lab passes it on */
	} where;
	bool (*set)(struct settings *s, unsigned policy, const char *value,
		    struct faultspec_error *error);
};

/* All keys; the last has no name. Those of SETTINGS_MATCH are for sections of a file only. */
extern const struct settings_key settings_keys[];

/* Makes a table for getopt_long(): the keys that have one of these bits of `where`, each with the
 * value first and its number in settings_keys; then the `count` other options, which end the
 * table. */
void settings_options(struct option *table, int first, int where, const struct option *others,
		      size_t count);

void settings_init(struct settings *s);
void settings_free(struct settings *s);

/* Reads a file. Adds what is wrong in it, with the file's name, line and column, to mistakes. */
void settings_load(struct settings *s, const char *path, struct settings_mistakes *m);

/* Does as one key of the command line says. Adds why it cannot to mistakes. */
void settings_set(struct settings *s, const struct settings_key *key, const char *value,
		  struct settings_mistakes *m);

/* What is said after this replaces what was said before, and does not add to it. */
void settings_override(struct settings *s);

/* Gives each policy what it has not said itself. To be called once all is said. Adds to mistakes
 * the faults that can never act, as what they are for is not intercepted. */
void settings_finish(struct settings *s, struct settings_mistakes *m);

/* Adds to mistakes what resegd could not start with, as keys contradict each other or name users
 * that there are not. look_up: whether users are looked up, for which a sandbox has no room. */
void settings_check(const struct settings *s, bool look_up, struct settings_mistakes *m);

/* The keys in which these differ and that cannot be changed while resegd runs, with ", " between
 * them; "" if there is none. */
#define SETTINGS_NAMES_BYTES 400
void settings_fixed_changes(const struct settings *a, const struct settings *b,
			    char names[SETTINGS_NAMES_BYTES]);

/* Gives the faults of s ids: those of `before` that are the same in a policy of the same name
 * keep theirs. Where before is NULL, those that have one keep it. *last is the id given last. */
void settings_number_faults(struct settings *s, const struct settings *before, uint32_t *last);

#endif
