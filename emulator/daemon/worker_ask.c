/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/worker_ask.h"

#include <errno.h>
#include <stdlib.h>

#define ANSWER_SECONDS 2

/* Locks the question if a new one may be asked. */
static int begin_question(struct worker *w)
{
	struct worker_question *q = &w->question;
	int rc = 0;

	pthread_mutex_lock(&q->lock);
	if (q->what == QUESTION_ENDED)
		rc = -ESRCH;
	else if (q->what != QUESTION_NONE)
		rc = -EBUSY;
	if (rc < 0)
		pthread_mutex_unlock(&q->lock);
	return rc;
}

struct timespec worker_answer_until(void)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ANSWER_SECONDS;
	return until;
}

/* Asks it, and waits for the answer. The question stays locked. */
static int put_question(struct worker *w, enum worker_question_type what)
{
	struct worker_question *q = &w->question;
	struct timespec until = worker_answer_until();
	int rc = 0;

	q->what = what;
	q->error = 0;
	worker_add_one(q->asked);
	while (q->what == what && rc == 0)
		rc = pthread_cond_clockwait(&q->answered, &q->lock, CLOCK_MONOTONIC, &until);
	return q->what == what ? -rc : q->error;
}

void worker_set_rules(struct worker *w, const struct engine_rules *rules)
{
	struct worker_question *q = &w->question;

	pthread_mutex_lock(&q->lock);
	q->rules = *rules;
	q->rules_wanted++;
	pthread_mutex_unlock(&q->lock);
	worker_add_one(q->asked);
}

int worker_await_rules(struct worker *w, const struct timespec *until)
{
	struct worker_question *q = &w->question;
	int rc = 0;

	pthread_mutex_lock(&q->lock);
	while (q->rules_used != q->rules_wanted && q->what != QUESTION_ENDED && rc == 0)
		rc = pthread_cond_clockwait(&q->answered, &q->lock, CLOCK_MONOTONIC, until);
	if (q->what == QUESTION_ENDED)
		rc = -ESRCH;
	else
		rc = q->rules_used != q->rules_wanted ? -rc : q->rules_error;
	pthread_mutex_unlock(&q->lock);
	return rc;
}

int worker_get_report(struct worker *w, struct worker_report *out)
{
	int rc = begin_question(w);

	if (rc < 0)
		return rc;
	rc = put_question(w, QUESTION_REPORT);
	*out = w->question.report;
	pthread_mutex_unlock(&w->question.lock);
	return rc;
}

int worker_get_flows(struct worker *w, struct engine_flow_info **out, size_t *count)
{
	struct worker_question *q = &w->question;
	int rc = begin_question(w);

	if (rc < 0)
		return rc;
	free(q->flows);		/* of an answer that came too late */
	q->flows = NULL;
	q->flow_count = q->flow_room = 0;
	q->cursor = 0;
	rc = put_question(w, QUESTION_FLOWS);
	if (rc == 0) {
		*out = q->flows;
		*count = q->flow_count;
		q->flows = NULL;
	}
	pthread_mutex_unlock(&q->lock);
	return rc;
}
