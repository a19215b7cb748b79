/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The options of reseg-mta, and how it prints what it found. */

#include "lab.h"

#include <string.h>

TestSuite(mta_usage, .timeout = 500);

/* Results are printed first, even if nothing else can be written. */
LAB_TEST(mta_usage, a_full_disk)
{
	struct lab_result r = lab_run(c.user,
		"mkdir $DIR/full; unshare -Urm sh -c 'mount -t tmpfs -o size=4k tmpfs $DIR/full && "
		"exec reseg-mta -%d --sender smtplib --workaround none --sizes 513,514 --keep "
		"$DIR/full/kept "
		"--report $DIR/full/page.html'", c.ip);

	lab_expect_error(&r, 2, "No space left on device");
	cr_assert(strstr(r.out, "2 messages: 2 delivered"), "%s%s", r.out, r.err);
	cr_assert(strstr(r.err, "page.html is not written"), "%s", r.err);
	r = lab_run(c.user,
		    "reseg-mta -%d --sender smtplib --workaround none --sizes 514 >/dev/full",
		    c.ip);
	lab_expect_error(&r, 2, "standard output: No space left on device");
}

Test(mta_usage, expectations_and_formats)
{
	struct lab_case c = { LAB_ROOT, 4 };
	struct lab_result r;

	lab_start(c.user);
	lab_need_mtas(c);
	lab_mta_rows(c, "first", 1, "--sender exim --workaround none --sizes 512-514");
	r = lab_run(
		c.user,
		"reseg-mta --sender exim --workaround none --sizes 512-514 --format tap --expect "
		"$DIR/first.json");
	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out, "1..3\n"
				"ok 1 - exim, none, to reseg-sink, off-by-one, 512\n"
				"ok 2 - exim, none, to reseg-sink, off-by-one, 513\n"
				"ok 3 - exim, none, to reseg-sink, off-by-one, 514\n");
	r = lab_run(
		c.user,
		"reseg-mta -6 --sender exim --workaround none --sizes 513 --expect "
		"$DIR/first.json");
	lab_expect_error(&r, 2, "first.json is from a run with other settings: there ip is 4");
	/* A run with another fault is not in the expectations, and therefore not as expected. */
	r = lab_run(
		c.user,
		"reseg-mta --sender exim --workaround none --sizes 513 --fault none --format tap "
		"--expect $DIR/first.json");
	lab_expect_status(&r, 1);
	cr_assert(strstr(r.out, "not ok 1 - "), "%s", r.out);
	cr_assert(strstr(r.out, "expected: nothing"), "%s", r.out);

	r = lab_run(
		c.user,
		"cd $DIR && reseg-mta --sender exim --workaround none --sizes 512-513 --format "
		"junit "
		"--report page.html");
	lab_expect_status(&r, 1);
	cr_assert(strstr(r.out,
			 "<testsuites name=\"reseg-mta\" tests=\"2\" failures=\"1\" errors=\"0\""),
		  "%s", r.out);
	cr_assert(strstr(r.out, " timestamp=\"20"), "%s", r.out);
	cr_assert(strstr(r.out, "<property name=\"segment_size\" value=\"512\" />"), "%s", r.out);
	cr_assert(strstr(r.out, "<property name=\"versions.exim\" value=\"4."), "%s", r.out);
	cr_assert(strstr(r.out, "<failure type=\"deferred\""), "%s", r.out);
	cr_assert(strstr(r.out, "logs and captures: page.d/exim-none-reseg-sink-off-by-one-513\n"),
		  "%s", r.out);
	r = lab_run(
		c.user,
		"cd $DIR && grep -o 'href=\"[^#\"]*\"' page.html | cut -d'\"' -f2 | xargs ls | wc "
		"-l; "
		"grep -c '<rect class=\"deferred\"' page.html");
	cr_assert(strncmp(r.out, "12\n1\n", 5) == 0, "%s", r.out);
	r = lab_run(c.user,
		    "reseg-mta --sender exim --workaround none --sizes 513 --format markdown");
	cr_assert(strstr(r.out, "| exim | none | together | DEFER |"), "%s", r.out);
}

/* Your own build, as one program and as a folder that make install filled. */
LAB_TEST(mta_usage, binary)
{
	struct lab_result r;

	lab_need_mtas(c);
	r = lab_run(c.user, "reseg-mta -%d --sender exim --workaround none --sizes 513 "
			    "--binary $RESEG_MTA/exim/usr/sbin/exim4", c.ip);
	lab_expect_status(&r, 1);
	cr_assert(strstr(r.out, "DEFER"), "%s%s", r.out, r.err);
	r = lab_run(
		c.user,
		"reseg-mta -%d --sender exim --workaround none --sizes 514 --binary "
		"$RESEG_MTA/exim",
		c.ip);
	lab_expect_status(&r, 0);
	r = lab_run(c.user,
		    "reseg-mta -%d --sender exim --workaround none --sizes 514 --binary /bin/true",
		    c.ip);
	cr_assert_eq(r.status, 2, "%s", r.out);
}

/* A mail server that is missing is not run, and that is an error if it was asked for. */
LAB_TEST(mta_usage, an_mta_that_is_not_here)
{
	struct lab_result r = lab_run(c.user,
				      "mkdir $DIR/none; RESEG_MTA=$DIR/none reseg-mta -%d --sender "
				      "postfix "
					      "--workaround none --sizes 514 --format tap", c.ip);

	lab_expect_status(&r, 2);
	cr_assert(strstr(r.out, "not ok 1"), "%s", r.out);
	cr_assert(strstr(r.err, "postfix is not here: reseg-mta --fetch gets it"), "%s", r.err);
	r = lab_run(c.user,
		    "RESEG_MTA=$DIR/none reseg-mta -%d --workaround none --sizes 514 --format tap",
		    c.ip);
	lab_expect_status(&r, 0);
	cr_assert(
		strstr(r.out,
		       "- postfix, none, to reseg-sink, off-by-one, 514 # SKIP postfix is not "
		       "here"),
		"%s", r.out);
	cr_assert(strstr(r.out, " - smtplib, none, to reseg-sink, off-by-one, 514\n"), "%s", r.out);
}

/* It finds reseg's other programs beside itself. */
LAB_TEST(mta_usage, by_its_path)
{
	struct lab_result r = lab_run(c.user,
				      "program=$(command -v reseg-mta); "
				      "PATH=/usr/sbin:/usr/bin:/sbin:/bin "
					      "$program -%d --sender smtplib --workaround none "
					      "--sizes 514", c.ip);

	lab_expect_status(&r, 0);
}

/* An interrupted run leaves no files and no processes. */
LAB_TEST(mta_usage, interrupt)
{
	struct lab_result r;

	lab_need("bash");
	r = lab_run(c.user, "export TMPDIR=$DIR/tmp; mkdir $TMPDIR; "
			    "reseg-mta -%d --sender smtplib --workaround pipelining --sizes 513 "
			    "--timeout 60 >/dev/null 2>&1 & "
			    "until grep -qs stall $TMPDIR/*/*/events.jsonl; do sleep 0.05; done; "
			    "kill -TERM $!; wait $!; echo $?; ls $TMPDIR; pgrep -f $TMPDIR", c.ip);
	cr_assert_str_eq(r.out, "143\n", "%s%s", r.out, r.err);
}

Test(mta_usage, usage)
{
	static const struct lab_usage cases[] = {
		{ "--sender none", "--sender none is not known: one of curl, dma, exim" },
		{ "--receiver curl", "--receiver curl is not known" },
		{ "--workaround magic", "--workaround magic is not known: see --list" },
		{ "--sizes 5x", "--sizes 5x: give sizes as 511-515,1025" },
		{ "--sizes 514-", "--sizes 514-: give sizes as 511-515,1025" },
		{ "--sizes 0", "--sizes 0: give sizes from 1 to 65536" },
		{ "--sizes 99999", "--sizes 99999: give sizes from 1 to 65536" },
		{ "--jobs 0", "--jobs is at least 1" },
		{ "--timeout x", "argument --timeout: invalid int value: 'x'" },
		{ "--binary /bin/true", "--binary is for one --sender" },
		{ "--sender exim --binary /nowhere", "--binary /nowhere: there is no such thing" },
		{ "--sender postfix --binary /bin/true",
		  "for postfix give the folder that make install filled" },
		{ "--sender exim --binary /etc/passwd",
		  "--binary /etc/passwd: it is neither a program that may be run nor a folder" },
		{ "--message-size=-1", "--message-size: give 0 to" },
		{ "--for 6d", "--for: it needs --real-timeouts" },
		{ "--real-timeouts --for 6", "a number and s, m, h or d, as 6d: 6" },
		{ "--shard 3/2", "part and number of parts, as 1/2: 3/2" },
		{ "--sizes 512 --sender exim --workaround none --shard 2/2",
		  "--shard 2/2: nothing is left for this part" },
		{ "--report /dev/null/x.html", "/dev/null/x.d: Not a directory" },
		{ "--report x.d", "--report x.d: its folder would have the same name" },
		{ "--expect /nowhere", "/nowhere: No such file or directory" },
		{ "--expect /dev/null", "/dev/null: it is not what --format json writes" },
		{ "--sender dma --workaround starttls", "no sender has this work-around" },
		{ "--sender smtplib --sizes 514 --workaround none --fault magic",
		  "--fault magic: no such fault" },
		{ "--descriptions /nowhere", "--descriptions /nowhere: there is no such folder" },
		{ "--nonsense", "see --help" },
		{ 0 },
	};
	struct lab_result r;

	lab_expect_usage_errors(LAB_ROOT, "reseg-mta", "2>&1 >/dev/null | tail -n 1 >&2; exit 2",
				cases);
	r = lab_run(
		LAB_ROOT,
		"mkdir $DIR/mta; echo 'summary = 1 2' >$DIR/mta/x.toml; reseg-mta --descriptions "
		"$DIR/mta");
	lab_expect_error(&r, 2, "x.toml: Expected newline");
	r = lab_run(
		LAB_ROOT,
		"printf 'summary = \"x\"\\n[sender]\\nsends = \"x\"\\n' >$DIR/mta/x.toml; "
		"reseg-mta --descriptions $DIR/mta");
	lab_expect_error(&r, 2, "x.toml: [sender] has no key \"sends\": is it \"send\"?");
	r = lab_run(
		LAB_ROOT,
		"printf 'summary = \"x\"\n[sender]\nsend = \"x\"\ntmpfs = \"/x\"\n' "
		">$DIR/mta/x.toml; reseg-mta --descriptions $DIR/mta");
	lab_expect_error(&r, 2, "x.toml: [sender]: tmpfs must be a list");
	r = lab_run(
		LAB_ROOT,
		"printf 'summary = \"x\"\n[receiver]\n' >$DIR/mta/x.toml; reseg-mta --descriptions "
		"$DIR/mta");
	lab_expect_error(&r, 2, "x.toml: [receiver] lacks the key \"serve\"");
	r = lab_run(
		LAB_ROOT,
		"rm $DIR/mta/x.toml; mkfifo $DIR/mta/x.toml; reseg-mta --descriptions $DIR/mta");
	lab_expect_error(&r, 2, "x.toml: it is not a regular file");
}
