/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Which fault a number stands for, and whether a guess is right. */

#include "settings/mystery.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* A class compares its answers, and keeps its numbers from year to year. If this has to change, add
 * a line to docs/CHANGELOG.md, as reseg-lab(1) promises. */
Test(mystery, a_seed_means_the_same_everywhere)
{
	static const struct {
		uint64_t seed;
		const char *fault;
		uint32_t segment_size;
	} cases[] = {
		{ 1, "banner-mask", 117 },
		{ 2, "mtu-blackhole:bytes=837", 885 },
		{ 3, "off-by-one", 850 },
		{ 5, "ack-then-die:bytes=524,reset=1", 489 },
		{ 7, "drop:every=1", 617 },
		{ 10, "lose-tail:bytes=6", 159 },
		{ 15, "corrupt:every=3", 785 },
		{ 20, "off-by-one:over=2", 268 },
		{ 24, "split-command", 610 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mystery m = mystery_of(cases[i].seed);

		cr_assert_str_eq(faultspec_text(&m.fault), cases[i].fault);
		cr_assert_eq(m.segment_size, cases[i].segment_size);
	}
}

/* All faults that come are good ones, and none comes too rarely. */
Test(mystery, seeds_choose_among_good_faults)
{
	unsigned times[64] = { 0 }, kinds = 0;

	for (uint64_t seed = 0; seed < 9000; seed++) {
		struct mystery m = mystery_of(seed);
		char *text = faultspec_text(&m.fault);
		struct error error;
		struct fault f;

		cr_assert(faultspec_read(&f, text, &error), "%s: %s", text, error.text);
		cr_assert(fault_acts(f.kind) && fault_can_act(&f, DIRECTION_C2S), "%s", text);
		cr_assert(m.segment_size >= 100 && m.segment_size <= 1000);
		kinds += times[m.fault.kind - fault_table]++ == 0;
		free(text);
	}
	cr_assert_eq(kinds, 9);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		cr_assert(times[i] == 0 || times[i] > 800, "%s: %u times", fault_table[i].name,
			  times[i]);
}

static enum mystery_verdict judge(const char *fault, uint32_t segment_size)
{
	/* off-by-one:over=2, with segments of 268 bytes */
	const struct mystery secret = mystery_of(20);
	const struct mystery_guess guess = { fault, segment_size };
	enum mystery_verdict verdict;
	struct error error;

	cr_assert(mystery_judge(&secret, &guess, &verdict, &error), "%s", error.text);
	return verdict;
}

/* What a guess does not say is not wrong, what it says must be right. */
Test(mystery, guesses)
{
	cr_assert_eq(judge("off-by-one", 0), MYSTERY_RIGHT);
	cr_assert_eq(judge("off-by-one:over=2", 268), MYSTERY_RIGHT);
	cr_assert_eq(judge("off-by-one:every=1,over=2,percent=100", 268), MYSTERY_RIGHT);
	/* also if it is the preset */
	cr_assert_eq(judge("off-by-one:over=1", 0), MYSTERY_PARTLY);
	cr_assert_eq(judge("off-by-one:over=2,every=2", 0), MYSTERY_PARTLY);
	cr_assert_eq(judge("off-by-one:flows=1-2", 0), MYSTERY_PARTLY);
	cr_assert_eq(judge("off-by-one", 512), MYSTERY_PARTLY);
	cr_assert_eq(judge("lose-tail", 268), MYSTERY_WRONG);
	cr_assert_eq(judge("none", 0), MYSTERY_WRONG);
}

Test(mystery, what_is_no_fault_is_no_guess)
{
	const struct mystery secret = mystery_of(20);
	const struct mystery_guess guess = { "off-by-two", 0 };
	enum mystery_verdict verdict;
	struct error error;

	cr_assert_not(mystery_judge(&secret, &guess, &verdict, &error));
	cr_assert(strstr(error.text, "there are: off-by-one, none"), "%s", error.text);
}
