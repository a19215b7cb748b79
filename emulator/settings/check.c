/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "settings/settings.h"

#include "io/control.h"
#include "settings/keys.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>

/*
 * Checks of the settings against each other, once all are given
 */

/* Reports what is wrong with a key as it was given last. */
static void note_key(const struct settings *s, struct settings_mistakes *m, const char *name,
		     const char *value, const char *why)
{
	const struct settings_place *at = &s->at[settings_find_key(name) - settings_keys];
	char place[SETTINGS_PLACE_BYTES];

	settings_note(m, "%s%s%s %s: %s", settings_place_text(s->path, at, place),
		      at->line > 0 ? "" : "--", name, value, why);
}

/* Can this fault act in its policy, or in one that inherits it? */
static bool can_act(const struct settings *s, unsigned policy, const struct fault *f)
{
	const struct engine_rules *rules = &s->engine.rules;

	if (fault_can_act(f, rules->policy[policy].direction))
		return true;
	for (unsigned i = 1; policy == 0 && i < rules->policies; i++) {
		if (!(s->given[i] & GIVEN_FAULT) && fault_can_act(f, rules->policy[i].direction))
			return true;
	}
	return false;
}

static void check_fault(const struct settings *s, unsigned policy, unsigned i,
			struct settings_mistakes *m)
{
	const struct engine_policy *p = &s->engine.rules.policy[policy];
	const struct settings_place *at = &s->fault_at[policy][i];
	bool in_file = at->line > 0;
	const char *add = in_file ? "add direction = " : "add --direction ";
	char place[SETTINGS_PLACE_BYTES], *text;
	struct error why = { .at = 0 };

	if (can_act(s, policy, &p->fault[i]) ||
	    faultspec_can_act(&p->fault[i], p->direction, add, &why))
		return;
	text = faultspec_text(&p->fault[i]);
	settings_note(m, "%s%sfault %s: %s", settings_place_text(s->path, at, place),
		      in_file ? "" : "--", text ? text : p->fault[i].kind->name, why.text);
	free(text);
}

static void check_faults(const struct settings *s, struct settings_mistakes *m)
{
	for (unsigned i = 0; i < s->engine.rules.policies; i++) {
		if (i > 0 && !(s->given[i] & GIVEN_FAULT))
			continue;
		for (unsigned k = 0; k < s->engine.rules.policy[i].faults; k++)
			check_fault(s, i, k, m);
	}
}

void settings_finish(struct settings *s, struct settings_mistakes *m)
{
	struct engine_rules *rules = &s->engine.rules;
	const struct engine_policy *from = &rules->policy[0];

	for (unsigned i = 1; i < rules->policies; i++) {
		struct engine_policy *p = &rules->policy[i];

		if (!(s->given[i] & GIVEN_SEGMENT_SIZE))
			p->segment_size = from->segment_size;
		if (!(s->given[i] & GIVEN_DIRECTION))
			p->direction = from->direction;
		if (!(s->given[i] & GIVEN_ARRIVAL))
			p->arrival = from->arrival;
		if (!(s->given[i] & GIVEN_FAULT)) {
			memcpy(p->fault, from->fault, sizeof(p->fault));
			p->faults = from->faults;
		}
	}
	check_faults(s, m);
}

void settings_check(const struct settings *s, bool look_up, struct settings_mistakes *m)
{
	if (s->control_owner && !s->control)
		note_key(s, m, "control-owner", s->control_owner,
			 "there is no socket to give away: give control, too");
	if (s->control && strlen(s->control) > CONTROL_PATH_MAX)
		note_key(s, m, "control", s->control, "a socket's path has at most 107 bytes");
	if (s->user && s->no_sandbox)
		note_key(s, m, "user", s->user,
			 "changing the user needs the sandbox: drop one of the two");
	if (!look_up)
		return;
	if (s->control_owner && !control_owner_exists(s->control_owner))
		note_key(s, m, "control-owner", s->control_owner,
			 "there is no such user or group: give USER, USER:GROUP or :GROUP");
	if (s->user && !getpwnam(s->user))
		note_key(s, m, "user", s->user, "there is no such user");
}
