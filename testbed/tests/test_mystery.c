/* SPDX-License-Identifier: GPL-2.0-or-later */

/* "Find the fault": nothing tells it before the answer, a client can notice it, and answers are
 * judged and counted. */

#include "lab.h"

#include <string.h>

TestSuite(mystery, .timeout = 500);

#define FAULTS 9
#define SEEDS 100

/* A seed for each fault that a mystery can be. */
static struct secret {
	unsigned seed;
	const char *name, *fault;
	int64_t segment_size;
} secrets[FAULTS];

static struct secret secret_of(unsigned seed)
{
	struct lab_result r = lab_run(LAB_ROOT,
				      "reseg-lab --mystery %u --answer give-up --format json",
				      seed);
	const json_t *told = json_object_get(lab_json(r.out), "secret");
	const char *fault = lab_string(told, "fault");

	lab_expect_status(&r, 1);
	return (struct secret){ seed, strndup(fault, strcspn(fault, ":")), fault,
				lab_number(told, "segment_size") };
}

static void find_secrets(void)
{
	size_t found = 0;

	for (unsigned seed = 1; seed < SEEDS && found < FAULTS; seed++) {
		struct secret s = secret_of(seed);
		size_t i = 0;

		while (i < found && strcmp(secrets[i].name, s.name) != 0)
			i++;
		if (i == found)
			secrets[found++] = s;
	}
	cr_assert_eq(found, FAULTS);
}

/* Looks at everything that the lab shows, without knowing what to look for. */
static const char look[] =
	"for p in /proc/[0-9]*; do\n"
	"	for file in cmdline environ comm; do tr \"\\0\" \"\\n\" <$p/$file; done\n"
	"	ls -l $p/fd\n"
	"done\n"
	"for command in status flows metrics fault \"fault on duplicate\" \"fault off all\" "
	"\"fault change all none\" reload drain; do\n"
	"	resegctl --control $DIR/ctl $command && exit 9\n"
	"	resegctl --control $DIR/ctl --format json $command && exit 9\n"
	"done\n"
	"reseg-probe sweep --sizes 100,601,1200 --timeout 1 server\n"
	"reseg-lab --answer no-retransmit\n"
	"reseg-lab --answer no-retransmit --format json\n"
	"exit 0\n";

LAB_TEST(mystery, nothing_tells_it_before_the_answer)
{
	lab_write_script("look", c, look);
	find_secrets();
	for (size_t i = 0; i < FAULTS; i++) {
		struct lab_result r = lab_run(c.user,
			"rm -rf $DIR/seen && mkdir $DIR/seen && reseg-lab -%d --mystery %u "
			"--control $DIR/ctl --capture $DIR/seen --report - -- sh $DIR/look "
			">$DIR/seen/out 2>$DIR/seen/err", c.ip, secrets[i].seed);

		lab_expect_status(&r, 0);
		/* It did look, and the box did not log. */
		r = lab_run(c.user, "cd $DIR/seen && ls && grep -o -m 1 resegd.*--mystery out && "
				    "grep -c -F 'this box has a mystery' err && "
				    "grep -c 'wrong: mystery' out && grep -o -m 1 ladder out");
		cr_assert_str_eq(r.out, "err\nlab.pcapng\nout\n", "%s", r.out);
		r = lab_run(c.user, "cd $DIR/seen && grep -a -w -n -e %s -e %s -e S=%d -r .",
			    secrets[i].name, secrets[i].fault, (int)secrets[i].segment_size);
		cr_assert_eq(r.status, 1, "%s: %s%s", secrets[i].fault, r.out, r.err);
	}
}

/* Ends with 0 if some envelope gets other replies than without a fault, or gets them late; or if
 * the banner is not what it was. */
static const char notice[] =
	"reseg-probe sweep --sizes 100-1400 --timeout 0.7 server >$DIR/table && "
	"! grep -q \" 500\" $DIR/table || exit 0\n"
	"read -r banner </dev/tcp/server/25\n"
	"case $banner in \"220 sink ESMTP\"*) exit 7 ;; esac\n";

LAB_TEST(mystery, a_client_can_notice_each)
{
	struct lab_result r;

	lab_need("bash");
	lab_write_script("notice", c, notice);
	r = lab_run(c.user, "reseg-lab -%d --fault none -- bash $DIR/notice", c.ip);
	lab_expect_status(&r, 7);
	find_secrets();
	for (size_t i = 0; i < FAULTS; i++) {
		r = lab_run(c.user, "reseg-lab -%d --mystery %u -- bash $DIR/notice", c.ip,
			    secrets[i].seed);
		cr_assert_eq(r.status, 0, "%s: %d %s%s", secrets[i].fault, r.status, r.out, r.err);
	}
}

static json_t *result_in(struct lab_case c, const char *name)
{
	return lab_json(lab_run(c.user, "cat $DIR/%s", name).out);
}

/* replied: something came back after the 220 and the reply to EHLO, 42 bytes. */
static void expect_connection(const json_t *result, size_t i, int at_once, int acked, bool replied)
{
	const json_t *c = json_array_get(json_object_get(result, "connections"), i);

	cr_assert_eq(lab_number(c, "at_once"), at_once);
	cr_assert_eq(lab_number(c, "sent"), acked);
	cr_assert_eq(lab_number(c, "acked"), acked);
	cr_assert_eq(lab_number(c, "received") > 42, replied, "%d",
		     (int)lab_number(c, "received"));
	cr_assert_str_eq(lab_string(c, "end"), "reset");
}

/* Mystery 20 is off-by-one:over=2, with segments of 268 bytes. Each line is an experiment, or an
 * answer. The connection that is refused carries no data, so it does not count. */
static const char find[] =
	"reseg-probe one --size 269 server\n"
	"reseg-lab --answer lose-tail --format json >$DIR/wrong; echo $?\n"
	"reseg-probe one --size 270 --timeout 1 server\n"
	"reseg-probe one --size 270 server:99\n"
	"reseg-lab --answer off-by-one:over=1 --format json >$DIR/partly; echo $?\n"
	"reseg-lab --answer off-by-one:over=2 --segment-size 268 --format json >$DIR/right\n"
	"echo $?\n"
	"reseg-probe one --size 271 server\n"
	"reseg-lab --answer lose-tail; echo $?\n";

LAB_TEST(mystery, answers_are_judged_and_experiments_counted)
{
	struct lab_result r;
	json_t *wrong, *partly, *right;

	lab_write_script("find", c, find);
	r = lab_run(c.user, "reseg-lab -%d --mystery 20 -- sh $DIR/find", c.ip);
	lab_expect_status(&r, 0);
	cr_assert(strstr(r.err, "this mystery has ended"), "%s", r.err);
	lab_has(&r, "right: mystery 20 is off-by-one:over=2, with segments of 268 bytes "
		    "(2 experiments, 3 answers)\n");
	lab_has(&r, "\nthe same without a mystery: reseg-lab --fault off-by-one:over=2 "
		    "--segment-size 268\n0\n");

	wrong = result_in(c, "wrong");
	cr_assert_str_eq(lab_string(wrong, "verdict"), "wrong");
	cr_assert_eq(lab_number(wrong, "seed"), 20);
	cr_assert(json_is_null(json_object_get(wrong, "secret")));
	cr_assert_eq(lab_number(wrong, "experiments"), 1);
	partly = result_in(c, "partly");
	cr_assert_str_eq(lab_string(partly, "verdict"), "partly");
	cr_assert(json_is_null(json_object_get(partly, "secret")));
	right = result_in(c, "right");
	cr_assert_str_eq(lab_string(right, "verdict"), "right");
	cr_assert_str_eq(lab_string(json_object_get(right, "secret"), "fault"),
			 "off-by-one:over=2");
	cr_assert_eq(json_array_size(json_object_get(right, "earlier")), 2);
	cr_assert_eq(lab_number(right, "experiments"), 2);
	expect_connection(right, 0, 269, 289, true);
	expect_connection(right, 1, 270, 290, false);
	expect_connection(right, 2, 0, 0, false);
}

/* Outside of a lab a teacher checks what a class has handed in. */
Test(mystery, answers_outside_of_a_lab)
{
	static const struct {
		const char *arguments, *text;
		int status;
	} cases[] = {
		{ "off-by-one", "right: mystery 20 is off-by-one:over=2, with segments of 268", 0 },
		{ "off-by-one:over=2 --segment-size 268", "right: mystery 20 is ", 0 },
		{ "off-by-one --segment-size 267", "partly: mystery 20 is off-by-one, but ", 1 },
		{ "lose-tail", "wrong: mystery 20 is not lose-tail\n", 1 },
		{ "give-up", "gave up: mystery 20 is off-by-one:over=2, with segments of 268", 1 },
	};

	lab_start(LAB_ORDINARY);
	for (size_t i = 0; i < LAB_COUNT(cases); i++) {
		struct lab_result r = lab_run(LAB_ORDINARY, "reseg-lab --mystery 20 --answer %s",
					      cases[i].arguments);

		lab_expect_status(&r, cases[i].status);
		lab_has(&r, cases[i].text);
	}
}

/* Without a command it is a shell: a sweep would expect a certain fault. */
Test(mystery, the_command_is_a_shell)
{
	struct lab_result r;

	lab_start(LAB_ORDINARY);
	r = lab_run(LAB_ORDINARY, "echo 'hostname; reseg-lab enter -- reseg-lab --answer give-up; "
				  "exit 5' | SHELL=/bin/sh reseg-lab --mystery 20");
	lab_expect_status(&r, 5);
	lab_has(&r, "client\ngave up: mystery 20 is off-by-one:over=2, with segments of 268 bytes "
		    "(0 experiments, 1 answer)\n");
}

Test(mystery, usage)
{
	static const struct lab_usage cases[] = {
		{ "--mystery seven", "give a whole number from 0 to" },
		{ "--mystery 7 --fault drop -- true", "--fault: with --mystery the seed alone" },
		{ "--mystery 7 --segment-size 9 -- true", "--segment-size: with --mystery" },
		{ "--mystery 7 --direction both -- true", "--direction: with --mystery" },
		{ "--mystery 7 --arrival wire -- true", "--arrival: with --mystery" },
		{ "--mystery 7 --config /dev/null -- true", "--config: with --mystery" },
		{ "--mystery 7 --events /dev/null -- true", "the box tells nothing about itself" },
		{ "--mystery 7 --pcapng /dev/null -- true", "the box tells nothing about itself" },
		{ "--mystery 7 --watch -- true", "drop one of the two" },
		{ "--mystery 7 --no-box -- true", "there is no resegd to give --mystery to" },
		{ "--answer drop", "no mystery here: give it on the client of a lab" },
		{ "-- reseg-lab --answer drop", "no mystery here: give it on the client of a lab" },
		{ "--mystery 7 -- reseg-lab enter --on box -- reseg-lab --answer drop",
		  "no mystery here: give it on the client of a lab" },
		{ "--answer nosuch", "--answer nosuch: no such fault; there are: off-by-one" },
		{ "--mystery 7 --answer drop:fast=1", "drop has no parameter" },
		{ "--mystery 7 --answer drop --answer none", "a mystery is one fault" },
		{ "--mystery 7 --answer drop none", "takes one fault, and no command" },
		{ "--mystery 7 --answer drop --fault none", "give the fault with --answer alone" },
		{ NULL, NULL },
	};

	lab_start(LAB_ORDINARY);
	lab_expect_usage_errors(LAB_ORDINARY, "reseg-lab", "", cases);
}
