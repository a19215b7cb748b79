/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_SETTINGS_KEYS_H
#define RESEG_SETTINGS_KEYS_H

/*
 * What each key does: settings_keys, and how its rows are used
 */

#include "settings/settings.h"

/* NULL: there is no such key. */
const struct settings_key *settings_find_key(const char *name);

/* Sets one key, and notes where it was given. Returns false, and why, if it cannot. */
bool settings_set_key(struct settings *s, const struct settings_key *key, unsigned policy,
		      const char *value, struct settings_place place, struct error *error);

#endif
