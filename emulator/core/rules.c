/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules.h"

/*
 * Are rules within their bounds?
 */

static bool range_good(const struct range *r)
{
	return r->first <= r->last;
}

static bool match_good(const struct match *m)
{
	return m->client.bits <= 128 && m->server.bits <= 128 && range_good(&m->port);
}

static bool fault_good(const struct fault *f)
{
	const struct fault_scope *s = &f->scope;

	if (!f->kind || f->every < 1 || f->percent < 1 || f->percent > 100 ||
	    !match_good(&s->match) || s->direction > DIRECTION_BOTH || !range_good(&s->flows) ||
	    !range_good(&s->arrivals) || !range_good(&s->seconds))
		return false;
	for (unsigned i = 0; i < FAULT_PARAMS_MAX; i++) {
		if (f->value[i] < f->kind->param[i].least || f->value[i] > f->kind->param[i].most)
			return false;
	}
	return true;
}

bool rules_good(const struct engine_rules *rules)
{
	if (rules->policies < 1 || rules->policies > POLICIES_MAX)
		return false;
	for (unsigned i = 0; i < rules->policies; i++) {
		const struct engine_policy *p = &rules->policy[i];

		if (p->segment_size < 1 || p->segment_size > ENGINE_SEGMENT_SIZE_MAX ||
		    p->direction > DIRECTION_BOTH || p->arrival > ARRIVAL_BURST ||
		    p->faults > FAULTS_MAX || !match_good(&p->match))
			return false;
		for (unsigned k = 0; k < p->faults; k++) {
			if (!fault_good(&p->fault[k]))
				return false;
		}
	}
	return true;
}
