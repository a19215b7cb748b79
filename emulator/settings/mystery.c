/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "settings/mystery.h"

#include <stdlib.h>
#include <string.h>

/* Any whole number of this range; if `most` is 0, the preset. */
struct choice {
	uint32_t least, most;
};

/* The faults that a mystery may be: each changes what a client gets back, or when, even if the
 * network loses nothing and the client's kernel has its presets. Rows may be added only at a price:
 * each number then stands for another fault. */
static const struct candidate {
	const char *name;
	struct choice value[FAULT_PARAMS_MAX];
	struct choice every;
} candidates[] = {
	{ "off-by-one", .value = { { 1, 3 } } },
	{ "lose-tail", .value = { { 1, 8 } } },
	{ "corrupt", .every = { 1, 3 } },
	{ "drop", .every = { 1, 3 } },
	{ "mtu-blackhole", .value = { { 600, 1300 } } },
	{ .name = "banner-mask" },
	{ .name = "split-command" },
	{ .name = "wscale-strip" },
	{ "ack-then-die", .value = { { 200, 1200 }, { 0, 1 } } },
};

#define CANDIDATES (sizeof(candidates) / sizeof(candidates[0]))

/* One more than this still fits into one segment of Ethernet, over IPv6 too. */
static const struct choice segment_sizes = { 100, 1000 };

/* SplitMix64, of Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void choose(uint32_t *value, const struct choice *from, uint64_t *state)
{
	if (from->most > 0)
		*value = from->least + (uint32_t)(next(state) % (from->most - from->least + 1));
}

struct mystery mystery_of(uint64_t seed)
{
	uint64_t state = seed;
	const struct candidate *c = &candidates[next(&state) % CANDIDATES];
	struct mystery m = { .fault = fault_of(fault_find(c->name)) };

	choose(&m.segment_size, &segment_sizes, &state);
	for (unsigned i = 0; i < FAULT_PARAMS_MAX; i++)
		choose(&m.fault.value[i], &c->value[i], &state);
	choose(&m.fault.every, &c->every, &state);
	return m;
}

/* Does the text of a fault, NAME:KEY=VALUE,..., have this key? */
static bool says(const char *text, const char *key)
{
	size_t len = key ? strlen(key) : 0;

	for (const char *at = strpbrk(text, ":,"); len > 0 && at; at = strpbrk(at + 1, ":,")) {
		if (strncmp(at + 1, key, len) == 0 && at[1 + len] == '=')
			return true;
	}
	return false;
}

/* Fills in, from the secret, what a guess does not say. */
static void fill_in(struct fault *guess, const char *text, const struct fault *secret)
{
	for (unsigned i = 0; i < FAULT_PARAMS_MAX; i++) {
		if (!says(text, secret->kind->param[i].name))
			guess->value[i] = secret->value[i];
	}
	if (!says(text, "every"))
		guess->every = secret->every;
	if (!says(text, "percent"))
		guess->percent = secret->percent;
}

bool mystery_judge(const struct mystery *secret, const struct mystery_guess *guess,
		   enum mystery_verdict *verdict, struct error *error)
{
	char *told, *true_text;
	struct fault f;

	if (!faultspec_read(&f, guess->fault, error))
		return false;
	*verdict = MYSTERY_WRONG;
	if (f.kind != secret->fault.kind)
		return true;
	fill_in(&f, guess->fault, &secret->fault);
	told = faultspec_text(&f);
	true_text = faultspec_text(&secret->fault);
	*verdict = told && true_text && strcmp(told, true_text) == 0 &&
				   (guess->segment_size == 0 ||
				    guess->segment_size == secret->segment_size)
			   ? MYSTERY_RIGHT
			   : MYSTERY_PARTLY;
	free(told);
	free(true_text);
	return true;
}
