/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Real software: Exim relays a message through the box. */

#include "lab.h"

TestSuite(exim, .timeout = 60);

static struct lab_result relay(struct lab_case c, int size)
{
	struct lab_result r;

	r = lab_run(LAB_ROOT, "test -x \"$EXIM_TREE/usr/sbin/exim4\"");
	if (r.status != 0)
		cr_skip_test("no Exim is unpacked: run testbed/check");
	r = lab_run(c.user, "reseg-lab -%d --sink-options \"--log $DIR/sink-%d\" -- sh $EXIM_RELAY %d", c.ip,
		    size, size);
	lab_expect_status(&r, 0);
	return r;
}

/* Did the server get an envelope of this size, by whatever pieces? */
static int64_t envelope_bytes(int size)
{
	char name[32];
	json_t *log, *line;
	int64_t before = 0, after = 0;
	bool in_envelope = false;
	size_t i;

	/* What came between the read that held EHLO and the one that held DATA. */
	snprintf(name, sizeof(name), "sink-%d", size);
	log = lab_json_lines(name);
	json_array_foreach(log, i, line) {
		const char *event = lab_string(line, "event");

		if (strcmp(event, "received") == 0 && !in_envelope)
			before = lab_number(line, "total");
		if (strcmp(event, "received") == 0)
			after = lab_number(line, "total");
		if (strcmp(event, "command") != 0)
			continue;
		if (strcmp(lab_string(line, "line"), "EHLO") == 0)
			in_envelope = true;
		if (strcmp(lab_string(line, "line"), "DATA") == 0)
			break;
	}
	return after - before;
}

static void expect_delivered(struct lab_case c, int size)
{
	struct lab_result r = relay(c, size);

	cr_assert(strstr(r.out, "Completed"), "%s", r.out);
	cr_assert(strstr(r.out, "queue: empty"), "%s", r.out);
	cr_assert_eq(envelope_bytes(size), size);
}

LAB_TEST(exim, envelopes_of_512_and_514_are_delivered)
{
	expect_delivered(c, 512);
	expect_delivered(c, 514);
}

LAB_TEST(exim, an_envelope_of_513_stays_on_the_queue)
{
	struct lab_result r = relay(c, 513);

	cr_assert(strstr(r.out, "SMTP timeout after pipelined MAIL FROM"), "%s", r.out);
	cr_assert(strstr(r.out, "queue: 1 message"), "%s", r.out);
	cr_assert_not(strstr(r.out, "Completed"), "%s", r.out);
	cr_assert_eq(envelope_bytes(513), 0);
}
