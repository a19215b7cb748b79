/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What reseg's programs choose at random comes from the seed of the lab. */

#include "lab.h"

#include <string.h>

TestSuite(seed, .timeout = 120);

/* The events of one kind in a lab with these options, without their times. */
static json_t *run_lab(struct lab_case c, const char *options, const char *command,
		       const char *kind)
{
	json_t *all, *event, *found = json_array();
	size_t i;

	lab_run_quiet(c, options, command);
	all = lab_json_lines("events");
	json_array_foreach(all, i, event) {
		if (strcmp(lab_string(event, "event"), kind) != 0)
			continue;
		json_object_del(event, "time_ns");
		json_array_append(found, event);
	}
	json_decref(all);
	return found;
}

#define EVENTS "--events $DIR/events "

/* Some sixty pieces, of which a third is lost the first time. */
static json_t *lost_pieces(struct lab_case c, const char *seed)
{
	char options[128];

	snprintf(options, sizeof(options), EVENTS "--fault drop:every=1,percent=30 %s", seed);
	lab_run(c.user, "rm -f $DIR/events");
	return run_lab(c, options, "reseg-probe one --size 20000 server", "fault");
}

LAB_TEST(seed, faults_act_again_where_they_did)
{
	json_t *first = lost_pieces(c, "--seed 5");

	cr_assert_gt(json_array_size(first), 5);
	cr_assert(json_equal(lost_pieces(c, "--seed 5"), first));
	cr_assert_not(json_equal(lost_pieces(c, "--seed 6"), first));
	/* without a seed, each run differs */
	cr_assert_not(json_equal(lost_pieces(c, ""), lost_pieces(c, "")));
}

/* The order in which reseg-probe tries sizes: what the client of each connection has written. */
static json_t *sizes_in_order(struct lab_case c, const char *seed)
{
	char options[128];

	snprintf(options, sizeof(options), EVENTS "--fault none %s", seed);
	lab_run(c.user, "rm -f $DIR/events");
	return run_lab(c, options, "reseg-probe identify --parallel 1 server", "arrival");
}

LAB_TEST(seed, identify_shuffles_alike)
{
	json_t *first = sizes_in_order(c, "--seed 5"), *plain = sizes_in_order(c, "");

	cr_assert_gt(json_array_size(first), 1000);
	cr_assert(json_equal(sizes_in_order(c, "--seed 5"), first));
	cr_assert_not(json_equal(sizes_in_order(c, "--seed 6"), first));
	/* Without a seed its order is always the same. */
	cr_assert_not(json_equal(plain, first));
	cr_assert(json_equal(sizes_in_order(c, ""), plain));
}

/* All programs of a lab have it, also those that enter later. */
LAB_TEST(seed, is_in_the_environment)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --seed 007 -- sh -c 'echo $RESEG_SEED; "
		"reseg-lab enter --on server -- printenv RESEG_SEED; "
		"tr \"\\0\" \"\\n\" </proc/$(pidof resegd)/environ | grep ^RESEG_SEED='", c.ip);

	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out, "7\n7\nRESEG_SEED=7\n");
	r = lab_run(c.user, "reseg-lab -%d -- printenv RESEG_SEED", c.ip);
	lab_expect_status(&r, 1);
}
