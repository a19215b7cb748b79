/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/expect.h"

#include "probe/finch2008.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum kind { EXPECT_CLEAN, EXPECT_LAW, EXPECT_FILE };

struct expect {
	enum kind kind;
	const char *name;
	uint32_t segment_size;
	json_t *rows;
};

static int outcome_of(const char *name)
{
	for (int i = 0; name && i < OUTCOMES; i++) {
		if (strcmp(name, outcome_names[i]) == 0)
			return i;
	}
	return -1;
}

static bool load(struct expect *x, const char *path, struct error *error)
{
	json_error_t why;
	json_t *file = json_load_file(path, 0, &why), *row;
	size_t i;

	if (!file && why.line > 0)
		return error_set(error, 0, "line %d: %s", why.line, why.text);
	if (!file)
		return error_set(error, 0, "no such file; give finch2008, clean or a file");
	x->rows = json_incref(json_is_array(file) ? file : json_object_get(file, "rows"));
	json_decref(file);
	if (!json_is_array(x->rows))
		return error_set(error, 0, "holds no rows: make it with --format json");
	json_array_foreach(x->rows, i, row)
	{
		if (!json_is_integer(json_object_get(row, "size")) ||
		    outcome_of(json_string_value(json_object_get(row, "outcome"))) < 0)
			return error_set(error, 0,
					 "row %zu has no size or no known outcome: "
					 "make it with --format json",
					 i + 1);
	}
	return true;
}

bool expect_open(struct expect **out, const char *name, uint32_t segment_size, struct error *error)
{
	struct expect *x = calloc(1, sizeof(*x));
	bool good = true;

	if (!x)
		return error_set(error, 0, "out of memory");
	x->name = name;
	x->segment_size = segment_size;
	if (strcmp(name, "clean") == 0) {
		x->kind = EXPECT_CLEAN;
	} else if (strcmp(name, "finch2008") == 0) {
		x->kind = EXPECT_LAW;
	} else {
		x->kind = EXPECT_FILE;
		good = load(x, name, error);
	}
	if (good)
		*out = x;
	else
		expect_close(x);
	return good;
}

void expect_close(struct expect *x)
{
	if (!x)
		return;
	json_decref(x->rows);
	free(x);
}

const char *expect_name(const struct expect *x)
{
	return x->name;
}

/* The n-th row of this size, from 0, or the last one if there are fewer. */
static int outcome_in_file(const struct expect *x, uint32_t size, size_t n)
{
	int outcome = -1;
	json_t *row;
	size_t i;

	json_array_foreach(x->rows, i, row)
	{
		if (json_integer_value(json_object_get(row, "size")) != size)
			continue;
		outcome = outcome_of(json_string_value(json_object_get(row, "outcome")));
		if (n-- == 0)
			break;
	}
	return outcome;
}

/* How many rows of the same size come before this one: a size may be repeated. */
static size_t repetition(const struct sweep *s, const struct row *row)
{
	const struct row *first = row;

	while (first > s->rows && first[-1].size == row->size)
		first--;
	return (size_t)(row - first);
}

int expect_outcome(const struct expect *x, const struct sweep *s, const struct row *row)
{
	size_t split[2] = { sweep_split(s, row->size), 0 };

	switch (x->kind) {
	case EXPECT_LAW:
		/* Without a connection there was no segment to take the size from. */
		if (row->mss > 0 && finch2008_stalls(row->size, split, row->mss, x->segment_size))
			return OUTCOME_STALLED;
		return OUTCOME_OK;
	case EXPECT_FILE:
		return outcome_in_file(x, row->size, repetition(s, row));
	default:
		return OUTCOME_OK;
	}
}

bool expect_met(const struct expect *x, const struct sweep *s, const struct row *row)
{
	int expected = x ? expect_outcome(x, s, row) : OUTCOME_OK;

	if (expected >= 0 && sweep_answered((enum outcome)expected))
		return sweep_answered(row->outcome);
	return expected == (int)row->outcome;
}
