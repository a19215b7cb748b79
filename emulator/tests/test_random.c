/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Where random bytes come from. */

#include "io/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
	unsigned char at[20];
};

/* seed: NULL: none */
static struct bytes draw(const char *program, const char *seed)
{
	struct bytes bytes = { 0 };

	if (seed)
		setenv("RESEG_SEED", seed, 1);
	else
		unsetenv("RESEG_SEED");
	cr_assert_eq(random_bytes(program, &bytes, sizeof(bytes)), 0);
	return bytes;
}

static bool are_equal(struct bytes a, struct bytes b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

Test(random, a_seed_repeats_itself)
{
	struct bytes first = draw("resegd", "5");

	cr_assert(are_equal(draw("resegd", "5"), first));
	cr_assert_not(are_equal(draw("resegd", "6"), first));
	cr_assert_not(are_equal(draw("reseg-probe", "5"), first));
	/* The border between name and seed counts. */
	cr_assert_not(are_equal(draw("resegd5", "5"), draw("resegd", "55")));
	/* Not only the first word is filled, and no word equals the one before it. */
	cr_assert_neq(memcmp(first.at, first.at + 8, 8), 0);
	cr_assert_neq(memcmp(first.at + 16, "\0\0\0\0", 4), 0);
}

/* On all processors: a failure that was seen on one can be repeated on another. */
Test(random, a_seed_means_the_same_everywhere)
{
	static const unsigned char expected[4] = { 0x03, 0x28, 0xd8, 0xfd };

	cr_assert_eq(memcmp(draw("resegd", "5").at, expected, sizeof(expected)), 0);
}

Test(random, without_a_seed_nothing_repeats)
{
	unsigned char untouched = 77;

	cr_assert_not(are_equal(draw("resegd", NULL), draw("resegd", NULL)));
	cr_assert_not(are_equal(draw("resegd", ""), draw("resegd", "")));
	cr_assert_not(random_from_seed("resegd", &untouched, 1));
	cr_assert_eq(untouched, 77);
}
