/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alarms.h"

#include <errno.h>
#include <stdlib.h>

#define NOT_SET UINT32_MAX
/* Of each node. With four the heap has half as many levels as with two, and so half as many cache
 * misses: a million alarms do not fit in a cache. */
#define CHILDREN 4

int alarms_create(struct alarms *t, uint32_t max)
{
	t->count = 0;
	t->heap = calloc(max, sizeof(*t->heap));
	t->position = malloc(max * sizeof(*t->position));
	if (!t->heap || !t->position) {
		alarms_destroy(t);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < max; i++)
		t->position[i] = NOT_SET;
	return 0;
}

void alarms_destroy(struct alarms *t)
{
	free(t->heap);
	free(t->position);
	t->heap = NULL;
	t->position = NULL;
}

static uint32_t parent(uint32_t at)
{
	return (at - 1) / CHILDREN;
}

static void place_entry(struct alarms *t, uint32_t at, struct alarm entry)
{
	t->heap[at] = entry;
	t->position[entry.id] = at;
}

static void sift_up(struct alarms *t, uint32_t at, struct alarm entry)
{
	while (at > 0 && entry.at_ns < t->heap[parent(at)].at_ns) {
		place_entry(t, at, t->heap[parent(at)]);
		at = parent(at);
	}
	place_entry(t, at, entry);
}

static void sift_down(struct alarms *t, uint32_t at, struct alarm entry)
{
	for (;;) {
		uint32_t first = CHILDREN * at + 1, child = first;

		if (first >= t->count)
			break;
		for (uint32_t i = first + 1; i < first + CHILDREN && i < t->count; i++) {
			if (t->heap[i].at_ns < t->heap[child].at_ns)
				child = i;
		}
		if (entry.at_ns <= t->heap[child].at_ns)
			break;
		place_entry(t, at, t->heap[child]);
		at = child;
	}
	place_entry(t, at, entry);
}

void alarms_set(struct alarms *t, uint32_t id, uint64_t at_ns)
{
	struct alarm entry = { .at_ns = at_ns, .id = id };

	if (t->position[id] == NOT_SET)
		sift_up(t, t->count++, entry);
	else if (at_ns < t->heap[t->position[id]].at_ns)
		sift_up(t, t->position[id], entry);
}

void alarms_cancel(struct alarms *t, uint32_t id)
{
	uint32_t at = t->position[id];
	struct alarm last;

	if (at == NOT_SET)
		return;
	t->position[id] = NOT_SET;
	last = t->heap[--t->count];
	if (at == t->count)
		return;
	if (at > 0 && last.at_ns < t->heap[parent(at)].at_ns)
		sift_up(t, at, last);
	else
		sift_down(t, at, last);
}

uint64_t alarms_next(const struct alarms *t)
{
	return t->count > 0 ? t->heap[0].at_ns : UINT64_MAX;
}

uint32_t alarms_pop(struct alarms *t)
{
	uint32_t id = t->heap[0].id;

	alarms_cancel(t, id);
	return id;
}
