/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "settings/settings.h"

#include <stdlib.h>
#include <string.h>

/*
 * Which faults are the same as before a reload, so that their counts go on
 */

static bool is_same(const struct fault *a, const struct fault *b)
{
	char *text_a = faultspec_text(a), *text_b = faultspec_text(b);
	bool same = text_a && text_b && strcmp(text_a, text_b) == 0;

	free(text_a);
	free(text_b);
	return same;
}

static bool has_id(const struct engine_policy *p, uint32_t id)
{
	for (unsigned i = 0; i < p->faults; i++) {
		if (p->fault[i].id == id)
			return true;
	}
	return false;
}

static void number_policy(struct engine_policy *p, const struct engine_policy *before,
			  uint32_t *last)
{
	for (unsigned i = 0; i < p->faults && before; i++)
		p->fault[i].id = 0;
	for (unsigned i = 0; i < p->faults; i++) {
		struct fault *f = &p->fault[i];

		for (unsigned k = 0; before && k < before->faults && f->id == 0; k++) {
			if (!has_id(p, before->fault[k].id) && is_same(f, &before->fault[k]))
				f->id = before->fault[k].id;
		}
		if (f->id == 0)
			f->id = ++*last;
	}
}

void settings_number_faults(struct settings *s, const struct settings *before, uint32_t *last)
{
	for (unsigned i = 0; i < s->engine.rules.policies; i++) {
		const struct engine_policy *old = NULL;

		for (unsigned k = 0; before && k < before->engine.rules.policies && !old; k++) {
			if (strcmp(before->policy_name[k], s->policy_name[i]) == 0)
				old = &before->engine.rules.policy[k];
		}
		number_policy(&s->engine.rules.policy[i], old, last);
	}
}
