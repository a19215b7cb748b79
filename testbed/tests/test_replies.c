/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The probe against servers that refuse, close, or keep sending; and sizes that are repeated. */

#include "lab.h"
#include "mood.h"
#include "probe/replies.h"

#include <stdio.h>
#include <string.h>

TestSuite(replies, .timeout = 500);
TestSuite(refusal, .timeout = 500);
TestSuite(limit, .timeout = 500);
TestSuite(repeat, .timeout = 500);

static const json_t *row_at(const json_t *root, size_t i)
{
	return json_array_get(json_object_get(root, "rows"), i);
}

/* The notes ---------------------------------------------------------------------------- */

Test(replies, runs_and_words)
{
	struct replies few = { 0 }, many = { 0 }, low, high;
	char codes[REPLY_CODES_BYTES];

	replies_note(&few, "220 hello");
	replies_note(&few, "250 a");
	replies_note(&few, "250 b");
	replies_note(&few, "450 later\r\a");
	replies_note(&few, "554 none");
	cr_assert_str_eq(few.last, "554 none");
	cr_assert_str_eq(few.refusal, "450 later\\x0d\\x07");
	replies_codes(codes, &few, &few);
	cr_assert_str_eq(codes, "220 250x2 450 554");

	low = high = few;
	replies_note(&many, "220 hello");
	for (int i = 0; i < 3; i++)
		replies_note(&many, "250 a");
	replies_note(&many, "450 later");
	cr_assert_not(replies_alike(&few, &many));
	replies_note(&many, "554 none");
	cr_assert(replies_alike(&few, &many));
	replies_widen(&low, &high, &many);
	replies_codes(codes, &low, &high);
	cr_assert_str_eq(codes, "220 250x2-3 450 554");
}

/* More runs of codes than are kept, each with the largest number. */
Test(replies, bounded)
{
	struct replies r = { 0 }, high;
	char codes[REPLY_CODES_BYTES];

	for (int i = 0; i < 2 * REPLY_RUNS; i++)
		replies_note(&r, i % 2 ? "250 a" : "450 b");
	cr_assert_eq(r.last_code, 250);
	high = r;
	for (int i = 0; i < REPLY_RUNS; i++) {
		r.runs[i].count = 10000;
		high.runs[i].count = 65535;
	}
	replies_codes(codes, &r, &high);
	cr_assert_str_eq(codes + strlen(codes) - 4, " ...", "%s", codes);
}

Test(replies, lines)
{
	char text[REPLY_TEXT_BYTES] = "";
	static const char *const bad[] = { "", "25", "2500 ok", "SSH-2.0", "* OK", "-20 hi" };

	reply_join(text, "550-5.7.1 first");
	reply_join(text, "550-");
	reply_join(text, "550 5.7.1 second");
	cr_assert_str_eq(text, "550 5.7.1 first  5.7.1 second");
	text[0] = '\0';
	reply_join(text, "220****");
	cr_assert_str_eq(text, "220 ****");
	for (int i = 0; i < 100; i++)
		reply_join(text, "220-more and more");
	cr_assert_lt(strlen(text), sizeof(text));
	cr_assert(reply_is_line("250") && reply_is_line("250-") && reply_is_line("250 ok"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_assert_not(reply_is_line(bad[i]), "%s", bad[i]);
}

/* Refusals ------------------------------------------------------------------------------ */

/* 300 bytes have two recipients, 600 have three. */
static const struct refusal {
	struct mood mood;
	const char *outcome, *codes[2], *refusal, *last, *detail;
} refusals[] = {
	{ { .greeting = "554-5.7.1 go\r\n554 5.7.1 away" },
	  "error",
	  { "554", "554" },
	  "554 5.7.1 go 5.7.1 away",
	  "554 5.7.1 go 5.7.1 away",
	  "the server greets with an error" },
	{ { .greeting = "220 test", .ehlo = "550 5.7.1 bad name" },
	  "error",
	  { "220 550", "220 550" },
	  "550 5.7.1 bad name",
	  "550 5.7.1 bad name",
	  "the server refuses EHLO" },
	{ { .greeting = "220 test", .ehlo = "250 test" },
	  "error",
	  { "220 250", "220 250" },
	  NULL,
	  "250 test",
	  "does not offer PIPELINING" },
	{ { .greeting = "220 test",
	    .ehlo = EHLO_REPLY,
	    .mail = "530 Must issue STARTTLS",
	    .rcpt = "503 MAIL first",
	    .data = "503 RCPT first" },
	  "rejected",
	  { "220 250 530 503x3", "220 250 530 503x4" },
	  "530 Must issue STARTTLS",
	  "503 RCPT first",
	  NULL },
	{ { READY, .rcpt = "550 relay\033denied", .data = "554 no recipients" },
	  "rejected",
	  { "220 250x2 550x2 554", "220 250x2 550x3 554" },
	  "550 relay\\x1bdenied",
	  "554 no recipients",
	  NULL },
	/* RFC 2920 allows this. */
	{ { READY, .rcpt = "450 later", .data = "354 go" },
	  "rejected",
	  { "220 250x2 450x2 354", "220 250x2 450x3 354" },
	  "450 later",
	  "354 go",
	  NULL },
	{ { GOOD, .rcpt_after = "450 later" },
	  "ok",
	  { "220 250x3 450 354", "220 250x3 450x2 354" },
	  "450 later",
	  "354 go",
	  NULL },
	{ { READY, .rcpt = "250 ok", .data = "421 busy" },
	  "rejected",
	  { "220 250x4 421", "220 250x5 421" },
	  "421 busy",
	  "421 busy",
	  NULL },
	{ { READY, .rcpt = "250 ok", .data = "" },
	  "error",
	  { "220 250x4", "220 250x5" },
	  NULL,
	  "250 ok",
	  "the server closed the connection" },
	/* A 421 announces the end of the session: that is no stall. */
	{ { READY, .rcpt = "250 ok", .data = NULL, .rcpt_after = "421 too many" },
	  "error",
	  { "220 250x3 421", "220 250x3 421x2" },
	  "421 too many",
	  "421 too many",
	  "the server ended the session" },
	{ { READY, .rcpt = "250 ok", .data = NULL },
	  "stalled",
	  { "220 250x4", "220 250x5" },
	  NULL,
	  "250 ok",
	  NULL },
};

static const char *string_or_none(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static void check_refusal(const struct refusal *c, int ip)
{
	struct lab_result r = mood_run(
		ip, &c->mood, "reseg-probe sweep --sizes 300,600 --timeout 2 --format json %s");
	bool answered = strcmp(c->outcome, "ok") == 0 || strcmp(c->outcome, "rejected") == 0;
	const json_t *root = lab_json(r.out);

	lab_expect_status(&r, answered ? 0 : 1);
	for (size_t i = 0; i < 2; i++) {
		const json_t *row = row_at(root, i);

		cr_assert_str_eq(lab_string(row, "outcome"), c->outcome, "%s", r.out);
		cr_assert_str_eq(string_or_none(row, "codes"), c->codes[i], "%s", r.out);
		cr_assert_str_eq(string_or_none(row, "refusal"), c->refusal ? c->refusal : "", "%s",
				 r.out);
		cr_assert_str_eq(string_or_none(row, "last_reply"), c->last, "%s", r.out);
		cr_assert(strstr(string_or_none(row, "detail"), c->detail ? c->detail : ""), "%s",
			  r.out);
	}
}

Test(refusal, is_told_from_a_stall)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		check_refusal(&refusals[i], 4);
		check_refusal(&refusals[i], 6);
	}
}

static void expect_all(const struct lab_result *r, const char *const *texts)
{
	for (; *texts; texts++)
		cr_assert(strstr(r->out, *texts), "no \"%s\":\n%s%s", *texts, r->out, r->err);
}

/* Columns stay under their headings, and lines within 80 characters; the server's words have a line
 * of their own. */
Test(refusal, table)
{
	static const struct mood reject = { READY, .rcpt = "550 no", .data = "554 none" };
	static const struct mood colourful = { .greeting = "220 test",
					       .ehlo = EHLO_REPLY,
					       .mail = "250 \033[31m",
					       .rcpt = "550 no",
					       .rcpt_after = "452 no",
					       .data = "354 go" };
	struct lab_result r =
		mood_run(4, &reject, "reseg-probe sweep --sizes 300-302,600 --timeout 2 %s");
	const char *end = strchr(r.out, '\n');

	lab_expect_status(&r, 0);
	expect_all(
		&r,
		(const char *const[]){
			"       size  outcome      replies  bytes ACKed       time  reply codes\n",
			"    300-302  rejected         all          all  ",
			" s  220 250x2 550x2 554\n",
			"\n             refusal: 550 no; last reply: 554 none\n",
			"        600  rejected      5 of 5          600  ",
			" s  220 250x2 550x3 554\n", NULL });
	for (const char *line = r.out; end; line = end + 1, end = strchr(line, '\n'))
		cr_assert_leq(end - line, 80, "%s", line);
	r = mood_run(4, &colourful, "reseg-probe sweep --sizes 300,600,65536 --timeout 2 %s");
	cr_assert_null(strchr(r.out, '\033'), "%s", r.out);
	expect_all(&r,
		   (const char *const[]){ "220 250x2 550 452 354\n", "... 550 452x2 354\n", NULL });
	/* Sizes that differ only in the number of recipients share a line; those that differ in
	 * codes do not. */
	r = mood_run(4, &colourful, "reseg-probe sweep --sizes 285-288,600-601 --timeout 2 %s");
	expect_all(&r, (const char *const[]){ "    285-286  rej", "    287-288  rej", NULL });
	r = mood_run(4, &reject, "reseg-probe sweep --sizes 285-288 --timeout 2 %s");
	expect_all(&r, (const char *const[]){ "    285-288  rej", " 250x2 550x1-2 554\n", NULL });
}

/* On a terminal nothing of the progress report is left over. */
Test(refusal, on_a_terminal)
{
	static const struct mood reject = { READY, .rcpt = "550 no", .data = "554 none" };
	struct lab_result r;

	lab_need("script");
	r = mood_run(4, &reject,
		     "script -qec 'reseg-probe sweep --sizes 300,600 --timeout 2 %s' /dev/null");
	lab_expect_status(&r, 0);
	expect_all(&r, (const char *const[]){ "\033[K       size  outcome",
					      "        300  \033[33mrejected\033[0m  ",
					      "        600  \033[33mrejected\033[0m  ", NULL });
}

/* The other formats show the server's words, too. */
Test(refusal, tap_and_junit)
{
	static const struct mood closes = { READY, .rcpt = "250 ok", .data = "" };
	struct lab_result r = mood_run(
		4, &closes, "reseg-probe sweep --sizes 300,600 --format tap --timeout 2 %s");

	lab_expect_status(&r, 1);
	expect_all(&r, (const char *const[]){ "3 of 4 replies, 300 bytes ACKed; the server closed "
					      "the connection; last reply: 250 ok\n",
					      "4 of 5 replies, 600 bytes ACKed; the server closed "
					      "the connection; last reply: 250 ok\n",
					      NULL });
	r = mood_run(4, &closes, "reseg-probe sweep --sizes 300,600 --format junit --timeout 2 %s");
	lab_expect_status(&r, 1);
	expect_all(&r, (const char *const[]){ "failures=\"2\"", "; last reply: 250 ok\"/>", NULL });
}

/* Expectations are about the path: a refusal meets them like any other reply, silence does not. */
Test(refusal, meets_an_expectation)
{
	static const struct mood reject = { READY, .rcpt = "550 no", .data = "354 go" },
				 silent = { READY, .rcpt = "250 ok", .data = NULL };
	struct lab_result r = mood_run(
		6, &reject,
		"reseg-probe sweep --sizes 300,600 --format json --timeout 2 %1$s >$DIR/before; "
		"reseg-probe sweep --sizes 300,600 --expect $DIR/before --timeout 2 %1$s && "
		"reseg-probe sweep --sizes 300,600 --expect clean --timeout 2 %1$s");

	lab_expect_status(&r, 0);
	r = mood_run(6, &silent, "reseg-probe sweep --sizes 300,600 --expect clean --timeout 1 %s");
	lab_expect_status(&r, 1);
}

/* identify must show the server's words. */
LAB_TEST(refusal, identify)
{
	struct lab_result r =
		lab_run(c.user,
			"reseg-lab -%d --fault none --sink-options '--chaos RCPT=550' -- "
			"reseg-probe identify server",
			c.ip);

	lab_expect_status(&r, 0);
	expect_all(&r, (const char *const[]){ "no fault found",
					      "the server refused part of the envelope",
					      ": 550 chaos", NULL });
	r = lab_run(c.user,
		    "reseg-lab -%d --fault none --sink-options '--chaos EHLO=550' -- "
		    "reseg-probe identify --timeout 1 server",
		    c.ip);
	lab_expect_error(&r, 2, "the server refuses EHLO; last reply: 550 ");
}

/* Servers without an end ------------------------------------------------------------------ */

#define KILOBYTE_OF(x) x x x x x x x x x x x x x x x x
#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct endless {
	struct mood mood;
	const char *detail, *last;
	int replies;
	bool drips;
} endless[] = {
	{ { GOOD, .endless = "2", .endless_to = "greeting", .pause_us = 20000 },
	  "is not ready within --limit",
	  "",
	  0,
	  true },
	{ { GOOD, .endless = "220-more\r\n", .endless_to = "greeting", .pause_us = 20000 },
	  "is not ready within --limit",
	  "220 more more",
	  0,
	  true },
	{ { GOOD, .endless = KILOBYTE_OF(X64), .endless_to = "greeting" },
	  "its reply does not end",
	  "",
	  0,
	  false },
	{ { GOOD, .endless = KILOBYTE_OF("220-more\r\n"), .endless_to = "greeting" },
	  "its reply does not end",
	  "220 more more",
	  0,
	  false },
	{ { GOOD, .endless = "2", .endless_to = "EHLO", .pause_us = 20000 },
	  "is not ready within --limit",
	  "220 test",
	  0,
	  true },
	{ { GOOD, .endless = "250-" X64 "\r\n", .endless_to = "EHLO" },
	  "its reply does not end",
	  "250 xxx",
	  0,
	  false },
	{ { GOOD, .endless = "2", .endless_to = "DATA", .pause_us = 20000 },
	  "not all replies came within --limit",
	  "250 ok",
	  3,
	  true },
	{ { GOOD, .endless = "250-" X64 "\r\n", .endless_to = "RCPT" },
	  "its reply does not end",
	  "250 xxx",
	  1,
	  false },
};

static void check_endless(const struct endless *c, int ip)
{
	struct lab_result r = mood_run(
		ip, &c->mood,
		c->drips
			? "reseg-probe sweep --sizes 300,301 --timeout 2 --limit 3 --format json %s"
			: "reseg-probe sweep --sizes 300,301 --timeout 20 --format json %s");
	const json_t *root = lab_json(r.out);

	lab_expect_status(&r, 1);
	for (size_t i = 0; i < 2; i++) {
		const json_t *row = row_at(root, i);

		cr_assert_str_eq(lab_string(row, "outcome"), "error", "%s", r.out);
		cr_assert(strstr(lab_string(row, "detail"), c->detail), "%s", r.out);
		cr_assert(strstr(string_or_none(row, "last_reply"), c->last), "%s", r.out);
		cr_assert_eq(lab_number(row, "replies"), c->replies, "%s", r.out);
	}
}

Test(limit, a_server_that_keeps_sending)
{
	for (size_t i = 0; i < sizeof(endless) / sizeof(*endless); i++)
		check_endless(&endless[i], i % 2 ? 6 : 4);
}

/* Without the option the limit is ten time-outs. identify has a limit, too, and reports it in a
 * line. */
Test(limit, of_itself)
{
	struct lab_result r =
		mood_run(4, &endless[0].mood, "reseg-probe sweep --sizes 300,600 --timeout 0.2 %s");

	lab_expect_status(&r, 1);
	expect_all(&r,
		   (const char *const[]){ "300  error ", "600  error ", "within --limit\n", NULL });
	r = mood_run(4, &endless[1].mood, "reseg-probe identify --timeout 0.5 --limit 1 %s");
	lab_expect_error(&r, 2, "within --limit; last reply: 220 more more");
}

/* A slow server that stays within the limit is not taken for an endless one. All of its replies
 * together take longer than --timeout, but none of them does. A shorter limit shows that it is
 * slow. */
Test(limit, slow_is_not_endless)
{
	static const struct mood slow = { GOOD, .delay_us = 250000 };
	struct lab_result r =
		mood_run(4, &slow, "reseg-probe sweep --sizes 300,600 --timeout 1 --limit 20 %s");

	lab_expect_status(&r, 0);
	r = mood_run(4, &slow, "reseg-probe sweep --sizes 300,600 --timeout 1 --limit 1 %s");
	lab_expect_status(&r, 1);
	expect_all(&r,
		   (const char *const[]){ "300  error ", "600  error ", "within --limit; ", NULL });
}

/* Repetition -------------------------------------------------------------------------------- */

Test(repeat, rows_in_order)
{
	static const struct mood good = { GOOD };
	static const struct {
		const char *options;
		int sizes[8];
	} cases[] = {
		{ "--sizes 300,301 --repeat 2", { 300, 300, 301, 301 } },
		{ "--sizes 301,300,300", { 300, 300, 301 } },
		{ "--sizes 300-302,301 --repeat 2", { 300, 300, 301, 301, 301, 301, 302, 302 } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char command[128];
		struct lab_result r;
		const json_t *root;
		size_t n = 0;

		snprintf(command, sizeof(command),
			 "reseg-probe sweep %s --format json --timeout 5 %%s", cases[i].options);
		r = mood_run(i % 2 ? 6 : 4, &good, command);
		root = lab_json(r.out);
		for (; n < 8 && cases[i].sizes[n] > 0; n++) {
			cr_assert_eq(lab_number(row_at(root, n), "size"), cases[i].sizes[n], "%s",
				     r.out);
			cr_assert_str_eq(lab_string(row_at(root, n), "outcome"), "ok");
		}
		cr_assert_null(row_at(root, n), "%s", r.out);
	}
}

/* Equal rows share a line; the n-th row of a size is compared with the n-th that is expected. */
Test(repeat, table_and_expectation)
{
	static const struct mood good = { GOOD };
	struct lab_result r = mood_run(
		4, &good, "reseg-probe sweep --sizes 300,302-303 --repeat 3 --timeout 5 %s");

	lab_expect_status(&r, 0);
	expect_all(&r, (const char *const[]){ "     300 x3  ok  ", "    302-303  ok  ", NULL });
	r = mood_run(
		4, &good,
		"echo '[{\"size\": 300, \"outcome\": \"ok\"}, {\"size\": 300, \"outcome\": "
		"\"stalled\"},"
		" {\"size\": 302, \"outcome\": \"ok\"}]' >$DIR/before; "
		"reseg-probe sweep --sizes 300,302 --repeat 2 --expect $DIR/before --timeout 5 %s");
	lab_expect_status(&r, 1);
	expect_all(&r, (const char *const[]){ "expected: stalled", "1 of 4 sizes", NULL });
}

Test(repeat, usage)
{
	static const struct lab_usage cases[] = {
		{ "sweep --sizes 300 --repeat 0 127.0.0.1", "--repeat" },
		{ "sweep --sizes 300 --repeat x 127.0.0.1", "--repeat" },
		{ "one --size 300 --repeat 2 127.0.0.1", "sweep --sizes 300 --repeat 2" },
		{ "sweep --sizes 35-65536 --repeat 4 127.0.0.1", "more than 200000" },
		{ "sweep --sizes 35-65536,35-65536,35-65536,35-65536 127.0.0.1",
		  "more than 200000" },
		{ "identify --repeat 2 127.0.0.1", "identify takes" },
		{ "one --size 300 --limit 1 127.0.0.1", "at least 10 s" },
		{ "identify --limit 1 127.0.0.1", "at least 3 s" },
		{ "one --size 300 --limit x 127.0.0.1", "in seconds" },
		{ NULL, NULL },
	};

	lab_expect_usage_errors(LAB_ROOT, "reseg-probe", "", cases);
}
