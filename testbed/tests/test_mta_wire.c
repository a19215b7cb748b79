/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What reseg-mta says of a message besides its outcome. */

#include "lab.h"

#include <string.h>

TestSuite(mta_wire, .timeout = 500);

/* The only row of a run with these arguments. */
static const json_t *only_row(struct lab_case c, const char *name, int status,
			      const char *arguments)
{
	json_t *rows = lab_mta_rows(c, name, status, arguments);

	cr_assert_eq(json_array_size(rows), 1);
	return json_array_get(rows, 0);
}

/* All waits count, wherever the server is silent: before its greeting, before a late reply, after
 * the sender has closed its half of the connection, and if the sender's end does not show on the
 * wire because what it wrote before was never ACKed. */
LAB_TEST(mta_wire, how_long_the_sender_waited)
{
	static const struct {
		const char *name, *arguments, *outcome;
		double least_s;
	} waits[] = {
		{ "greeting", "--workaround none --fault ack-thin", "deferred", 2 },
		{ "late", "--workaround none --fault none --receiver data-late", "delivered", 1.5 },
		{ "half", "--workaround half-closes --fault psh-hold", "deferred", 2 },
		{ "dead", "--workaround pauses --fault ack-then-die:bytes=800", "deferred", 2 },
		{ "stall", "--workaround none --fault lose-tail", "deferred", 2 },
	};

	for (size_t i = 0; i < LAB_COUNT(waits); i++) {
		const json_t *row;
		char arguments[256];
		double waited_s;

		snprintf(arguments, sizeof(arguments),
			 "--descriptions $FAKE_MTAS --sender waits --sizes 513 %s",
			 waits[i].arguments);
		row = only_row(c, waits[i].name, strcmp(waits[i].outcome, "delivered") != 0,
			       arguments);
		waited_s = json_real_value(json_object_get(row, "waited_s"));
		cr_assert_str_eq(lab_string(row, "outcome"), waits[i].outcome, "%s: %s",
				 waits[i].name, lab_string(row, "detail"));
		cr_assert(waited_s >= waits[i].least_s && waited_s < waits[i].least_s + 1,
			  "%s: %g", waits[i].name, waited_s);
	}
}

/* A sender that gave up has said QUIT, which is no text. */
LAB_TEST(mta_wire, no_text_without_a_reply_to_data)
{
	const json_t *row = only_row(c, "quits", 1,
				     "--descriptions $FAKE_MTAS --sender waits --workaround quits "
				     "--sizes 513 --fault lose-tail");
	const json_t *segments = json_array_get(json_object_get(row, "wire"), 0);

	cr_assert_eq(json_array_size(segments), 3);
	cr_assert_str_eq(json_string_value(json_array_get(segments, 2)), "QUIT 6");
	cr_assert_eq(json_array_size(json_object_get(row, "message_sizes")), 0);
}

/* Where no envelope was written, nothing can be said of how it was written. */
LAB_TEST(mta_wire, no_style_without_an_envelope)
{
	const json_t *row = only_row(c, "boasts", 1,
				     "--descriptions $FAKE_MTAS --sender waits --workaround boasts "
				     "--sizes 513 --fault ack-thin");

	cr_assert_str_eq(lab_string(row, "style"), "");
	cr_assert(json_is_null(json_object_get(row, "as_described")));
	cr_assert_str_eq(lab_string(row, "problem"), "deferred: exit status 1: timed out");
}

/* Two writes are not one, even if the second is the smaller one. */
LAB_TEST(mta_wire, commands_in_two_writes)
{
	static const char *const workarounds[] = { "none", "in-pairs" };
	json_t *rows = lab_mta_rows(c, "pieces", 0,
				    "--descriptions $FAKE_MTAS --sender stalls --workaround none "
				    "--workaround in-pairs --sizes 514");

	for (size_t i = 0; i < LAB_COUNT(workarounds); i++)
		cr_assert_str_eq(lab_string(json_array_get(rows, i), "style"), "other", "%s: %s",
				 workarounds[i], lab_string(json_array_get(rows, i), "style"));
}

/* The detail is the line that says why, for every recipient. */
Test(mta_wire, why_mail_is_deferred)
{
	static const struct {
		const char *sender, *arguments, *why;
	} known[] = {
		{ "sendmail", "--fault lose-tail", "Connection timed out with [203.0.113.2]" },
		{ "sendmail", "--fault none --receiver data-close",
		  "Connection reset by [203.0.113.2]" },
		{ "msmtp", "--fault none --receiver data-close",
		  "the server sent an empty reply" },
	};
	struct lab_case c = { LAB_ROOT, 4 };

	lab_start(c.user);
	lab_need_mtas(c);
	for (size_t i = 0; i < LAB_COUNT(known); i++) {
		const json_t *row, *one;
		char arguments[256];
		size_t j;

		snprintf(arguments, sizeof(arguments),
			 "--descriptions $FAKE_MTAS --workaround none --sizes 513 --sender %s %s",
			 known[i].sender, known[i].arguments);
		row = only_row(c, "why", 1, arguments);
		cr_assert_eq(json_array_size(json_object_get(row, "recipients")), 8);
		json_array_foreach(json_object_get(row, "recipients"), j, one) {
			cr_assert_str_eq(lab_string(one, "outcome"), "deferred");
			cr_assert_str_eq(lab_string(one, "detail"), known[i].why, "%s",
					 known[i].arguments);
		}
	}
}

/* The last reply is not the one that decided, if the sender had gone by then. */
LAB_TEST(mta_wire, a_reply_to_nobody)
{
	const json_t *row = only_row(c, "late", 1,
				     "--descriptions $FAKE_MTAS --sender waits --workaround none "
				     "--fault none --sizes 514 --receiver late-421");

	cr_assert_str_eq(lab_string(row, "outcome"), "bounced", "%s", lab_string(row, "detail"));
}
