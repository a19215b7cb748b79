/* SPDX-License-Identifier: GPL-2.0-or-later */

/* reseg-mta: real mail servers, and what it says of them. */

#include "lab.h"

#include <string.h>

TestSuite(mta, .timeout = 300);

/* Runs it with --format json into $DIR/NAME.json; returns the rows. */
static json_t *rows_of(struct lab_case c, const char *name, int status, const char *arguments)
{
	struct lab_result r = lab_run(c.user,
				      "reseg-mta -%d --keep $DIR/%s --format json %s >$DIR/%s.json",
				      c.ip, name, arguments, name);
	json_t *root;

	lab_expect_status(&r, status);
	r = lab_run(c.user, "cat $DIR/%s.json", name);
	root = lab_json(r.out);
	return json_incref(json_object_get(root, "rows"));
}

static const json_t *row_of(const json_t *rows, const char *sender, const char *workaround,
			    int size)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		if (strcmp(lab_string(row, "sender"), sender) == 0 &&
		    strcmp(lab_string(row, "workaround"), workaround) == 0 &&
		    lab_number(row, "size") == size)
			return row;
	}
	cr_assert_fail("no row for %s, %s, %d", sender, workaround, size);
	return NULL;
}

static void expect_outcome(const json_t *rows, const char *sender, const char *workaround, int size,
			   const char *outcome)
{
	const json_t *row = row_of(rows, sender, workaround, size);

	cr_assert_str_eq(lab_string(row, "outcome"), outcome, "%s, %s, %d: %s: %s", sender,
			 workaround, size,
			 lab_string(row, "outcome"), lab_string(row, "detail"));
}

static void need_mtas(struct lab_case c)
{
	if (lab_run(c.user, "test -d $RESEG_MTA/postfix").status != 0)
		cr_skip_test("no mail servers are unpacked: run testbed/check");
}

/* Those that write an envelope at once, and those that do not. */
LAB_TEST(mta, each_sender_as_it_comes)
{
	static const struct sender {
		const char *name;
		bool pipelines;
		bool changes_users;
	} senders[] = {
		{ "curl", false, false }, { "exim", true, false }, { "msmtp", true, false },
		{ "nullmailer", false, false }, { "opensmtpd", false, true }, { "postfix", true,
										true },
		{ "sendmail", true, true }, { "smtplib", false, false }, { "swaks", true, false },
	};
	json_t *rows;

	need_mtas(c);
	rows = rows_of(c, "senders", 1, "--workaround none --sizes 512-514");
	for (size_t i = 0; i < sizeof(senders) / sizeof(*senders); i++) {
		const struct sender *s = &senders[i];
		bool runs = c.user == LAB_ROOT || !s->changes_users;

		expect_outcome(rows, s->name, "none", 512, runs ? "delivered" : "not-run");
		expect_outcome(rows, s->name, "none", 513,
			       !runs ? "not-run" : s->pipelines ? "deferred" : "delivered");
		expect_outcome(rows, s->name, "none", 514, runs ? "delivered" : "not-run");
	}
	/* One recipient at most, so no such envelope. */
	expect_outcome(rows, "dma", "none", 513, "not-run");
}

/* What is said of the wire, against tshark's reading of the same captures and the law of
 * docs/wire.md: a message was delayed if and only if some arrival left S + 1 octets pending,
 * and nothing came behind it. */
Test(mta, captures_say_the_same)
{
	struct lab_case c = { LAB_ROOT, 4 };
	const json_t *row;
	json_t *rows;
	size_t i, read = 0;

	lab_start(c.user);
	need_mtas(c);
	lab_need("tshark");
	rows = rows_of(c, "captures", 1,
		       "--sender exim --sender postfix --sender sendmail --sender msmtp --sender "
		       "swaks --sender curl "
		       "--sender nullmailer --sender opensmtpd --workaround none --sizes "
		       "513,514,1961");
	json_array_foreach(rows, i, row) {
		struct lab_result r = lab_run(c.user,
			"tshark -r $DIR/captures/%s/lab.pcapng -T fields -e tcp.seq -e tcp.len "
			"-Y 'frame.interface_name == \"client\" && tcp.dstport == 25 && tcp.len > "
			"0'",
			lab_string(row, "folder"));
		unsigned long next = 1, seq, len;
		unsigned long pending = 0;
		bool stalled;

		lab_expect_status(&r, 0);
		cr_assert_neq(r.out[0], '\0');
		for (char *line = strtok(r.out, "\n"); line; line = strtok(NULL, "\n")) {
			cr_assert_eq(sscanf(line, "%lu\t%lu", &seq, &len), 2, "%s", line);
			if (seq != next)	/* sent once more */
				continue;
			next += len;
			pending += len;
			while (pending > 0 && pending != 513)
				pending = pending > 512 ? pending - 512 : 0;
		}
		stalled = pending > 0;
		cr_assert_eq(stalled, strcmp(lab_string(row, "outcome"), "deferred") == 0, "%s",
			     lab_string(row, "folder"));
		cr_assert_eq(stalled, json_is_true(json_object_get(row, "must_stall")), "%s",
			     lab_string(row, "folder"));
		read++;
	}
	cr_assert_eq(read, 24);
}

/* A machine writes captures in its own byte order. */
Test(mta, captures_of_either_byte_order)
{
	static const char script[] =
		"import os, struct, sys\n"
		"sys.path.insert(0, os.environ[\"FAKE_MTAS\"] + \"/../../mta\")\n"
		"import dpkt, wire\n"
		"def block(order, kind, body):\n"
		"    body += bytes(-len(body) % 4)\n"
		"    size = struct.pack(order + \"I\", len(body) + 12)\n"
		"    return struct.pack(order + \"I\", kind) + size + body + size\n"
		"def frame(seq, flags, data):\n"
		"    tcp = dpkt.tcp.TCP(sport=40000, dport=25, seq=seq, flags=flags, data=data)\n"
		"    ip = dpkt.ip.IP(src=bytes([198, 51, 100, 1]), dst=bytes([203, 0, 113, 1]), "
		"p=6, data=tcp)\n"
		"    return bytes(dpkt.ethernet.Ethernet(data=ip))\n"
		"for order in \"<>\":\n"
		"    with open(os.environ[\"DIR\"] + \"/c\", \"wb\") as out:\n"
		"        out.write(block(order, 0x0a0d0d0a, struct.pack(order + \"IHHq\", "
		"0x1a2b3c4d, 1, 0, -1)))\n"
		"        for name in 0, 1:\n"
		"            out.write(block(order, 1, struct.pack(order + \"HHI\", 1, 0, 0)))\n"
		"        for i, (interface, packet) in enumerate([(0, frame(9, 2, b\"\")), (0, "
		"frame(10, 24, b\"QUIT\")),\n"
		"                                                 (1, frame(14, 24, "
		"b\"more\"))]):\n"
		"            out.write(block(order, 6, struct.pack(order + \"IIIII\", interface, "
		"1, i, len(packet), len(packet)) + packet))\n"
		"    print([[(round(s.time * 1e9), s.start, s.data) for s in c] for c in "
		"wire.segments(out.name, 25)])\n";
	static const char expected[] =
		"[[(4294967297, 0, b'QUIT')]]\n[[(4294967297, 0, b'QUIT')]]\n";
	struct lab_result r = lab_run(LAB_ROOT,
				      "printf '%%s' '%s' >$DIR/order.py; /usr/bin/python3 "
				      "$DIR/order.py", script);

	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out, expected, "%s", r.out);
}

/* Each does what it says, on the wire and for the mail; those that only move the stall do so. */
Test(mta, work_arounds)
{
	static const struct {
		const char *sender, *name, *style, *outcome;
		int moved_to;
	} known[] = {
		{ "exim", "hosts_avoid_pipelining", "one-command", "delivered", 0 },
		{ "exim", "hosts_avoid_pipelining-for-one", "one-command", "delivered", 0 },
		{ "exim", "hosts_avoid_esmtp", "one-command", "delivered", 0 },
		{ "exim", "max_rcpt", "together", "delivered", 0 },
		{ "exim", "size_addition", "together", "delivered", 510 },
		{ "exim", "chunking", "with-text", "delivered", 0 },
		{ "exim", "hosts_pipe_connect", "with-hello", "delivered", 492 },
		{ "exim", "starttls", "records", "delivered", 491 },
		{ "exim", "server-no-pipelining", "one-command", "delivered", 0 },
		{ "exim", "route-advmss", "together", "deferred", 0 },
		{ "exim", "route-mtu", "together", "delivered", 0 },
		{ "exim", "tcpmss-own-syn", "together", "deferred", 0 },
		{ "exim", "tcpmss-syn-ack", "together", "delivered", 0 },
		{ "postfix", "discard-pipelining", "one-command", "delivered", 0 },
		{ "postfix", "discard-pipelining-for-one", "one-command", "delivered", 0 },
		{ "postfix", "discard-pipelining-transport", "one-command", "delivered", 0 },
		{ "postfix", "never-ehlo", "one-command", "delivered", 0 },
		{ "postfix", "recipient-limit", "together", "delivered", 0 },
		{ "postfix", "starttls", "records", "delivered", 491 },
		{ "sendmail", "max-rcpts", "first-line", "delivered", 0 },
		{ "sendmail", "starttls", "records", "delivered", 491 },
		{ "msmtp", "starttls", "records", "delivered", 0 },
		{ "smtplib", "pipelining", "together", "deferred", 0 },
		{ "smtplib", "first-line", "first-line", "delivered", 543 },
		{ "smtplib", "padded", "together", "delivered", 0 },
		{ "swaks", "no-pipelining", "one-command", "delivered", 0 },
	};
	struct lab_case c = { LAB_ROOT, 4 };
	json_t *rows, *moved;

	lab_start(c.user);
	need_mtas(c);
	rows = rows_of(c, "work-arounds", 1,
		       "--sender exim --sender postfix --sender sendmail --sender msmtp --sender "
		       "smtplib --sender swaks "
		       "--sizes 513");
	moved = rows_of(c, "moved", 1,
			"--sender exim --sender postfix --sender sendmail --sender smtplib "
			"--workaround size_addition "
			"--workaround hosts_pipe_connect --workaround starttls --workaround "
			"first-line "
			"--sizes 491,492,510,543");
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		const json_t *row = row_of(rows, known[i].sender, known[i].name, 513);

		expect_outcome(rows, known[i].sender, known[i].name, 513, known[i].outcome);
		cr_assert_str_eq(lab_string(row, "style"), known[i].style, "%s, %s: %s",
				 known[i].sender,
				 known[i].name, lab_string(row, "style"));
		if (known[i].moved_to > 0)
			expect_outcome(moved, known[i].sender, known[i].name, known[i].moved_to,
				       "deferred");
	}
}

LAB_TEST(mta, each_receiver)
{
	static const char *const receivers[] = { "reseg-sink", "aiosmtpd", "exim", "postfix",
						 "smtp-sink" };
	json_t *rows;

	need_mtas(c);
	rows = rows_of(c, "receivers", 1,
		       "--sender swaks --workaround none --sizes 513-514 --receiver reseg-sink "
		       "--receiver aiosmtpd "
		       "--receiver exim --receiver postfix --receiver smtp-sink");
	cr_assert_eq(json_array_size(rows), 10);
	for (size_t i = 0; i < 10; i++) {
		const json_t *row = json_array_get(rows, i);
		bool runs = c.user == LAB_ROOT || (strcmp(receivers[i / 2], "postfix") != 0 &&
						   strcmp(receivers[i / 2], "smtp-sink") != 0);

		cr_assert_str_eq(lab_string(row, "receiver"), receivers[i / 2]);
		cr_assert_str_eq(lab_string(row, "outcome"),
				 !runs ? "not-run" : i % 2 == 0 ? "deferred" : "delivered",
				 "%s: %s",
				 receivers[i / 2], lab_string(row, "detail"));
	}
}

/* Without the fault all is delivered, in both directions and over bad links; and the same again
 * is as expected. */
LAB_TEST(mta, no_fault_no_trouble)
{
	struct lab_result r;

	need_mtas(c);
	rows_of(c, "clean", 0,
		"--sender exim --sender swaks --workaround none --sizes 513,1025 --fault none "
		"--direction both");
	r = lab_run(
		c.user,
		"reseg-mta -%d --sender exim --sender swaks --workaround none --sizes 513,1025 "
		"--fault none "
		"--direction both --expect $DIR/clean.json",
		c.ip);
	lab_expect_status(&r, 0);
	cr_assert(strstr(r.out, "As expected"), "%s", r.out);
}

/* Senders that lose, repeat and refuse mail: what came of it is found out, whatever they say. */
LAB_TEST(mta, every_message_is_accounted_for)
{
	static const char *const outcomes[][2] = {
		{ "none", "delivered" }, { "loses", "lost" }, { "loses-some", "lost" },
		{ "twice", "duplicated" },
		{ "keeps", "duplicated" }, { "keeps-some", "deferred" }, { "bounces", "bounced" },
		{ "refuses", "bounced" }, { "fails", "deferred" },
		{ "alters", "altered" }, { "cuts", "altered" }, { "redirects", "altered" },
		{ "reports", "bounced" },
		{ "adds", "delivered" }, { "chats", "delivered" }, { "boasts", "delivered" },
	};
	json_t *rows = rows_of(c, "fake", 1, "--descriptions $FAKE_MTAS --sender fake --sizes 514");

	cr_assert_eq(json_array_size(rows), sizeof(outcomes) / sizeof(*outcomes));
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(*outcomes); i++) {
		expect_outcome(rows, "fake", outcomes[i][0], 514, outcomes[i][1]);
		cr_assert_eq(json_is_true(json_object_get(row_of(rows, "fake", outcomes[i][0], 514),
							  "good")),
			     strcmp(outcomes[i][1], "delivered") == 0 && strcmp(outcomes[i][0],
										"boasts") != 0,
										"%s",
			     outcomes[i][0]);
	}
}

/* How many recipients have this outcome. */
static int recipients_of(const json_t *row, const char *outcome)
{
	const json_t *one;
	size_t i;
	int count = 0;

	json_array_foreach(json_object_get(row, "recipients"), i, one)
		count += strcmp(lab_string(one, "outcome"), outcome) == 0;
	return count;
}

#define REFUSE                                                                           \
	"--descriptions $FAKE_MTAS --workaround none --fault none "                      \
	"--receiver rcpt-451-all --receiver rcpt-550-all --receiver rcpt-451-some "      \
	"--receiver rcpt-550-some --receiver data-451 --receiver data-554 "

/* A server refuses every second of eight recipients, or all. `whole`: the sender gives up all for
 * one. */
static void expect_refusals(const json_t *rows, const char *sender, bool whole, int all)
{
	const json_t *row;
	size_t i;
	int seen = 0;

	json_array_foreach(rows, i, row) {
		const char *receiver = lab_string(row, "receiver");
		const char *outcome = strstr(receiver, "451") ? "deferred" : "bounced";
		bool some = strstr(receiver, "some") != NULL && !whole;

		if (strcmp(lab_string(row, "sender"), sender) != 0)
			continue;
		if (strstr(receiver, "some") && all == 1)
			outcome = "delivered";
		cr_assert_eq(recipients_of(row, outcome), some && all > 1 ? all / 2 : all,
			     "%s, %s: %s, %s", sender,
			     receiver, lab_string(row, "outcome"), lab_string(row, "detail"));
		cr_assert_eq(recipients_of(row, "delivered"), some ? (all + 1) / 2 : 0, "%s, %s",
			     sender, receiver);
		cr_assert_str_eq(lab_string(row, "outcome"), outcome);
		cr_assert(strcmp(outcome, "delivered") == 0 ||
			  strstr(lab_string(row, "detail"), strcmp(outcome,
								   "deferred") == 0 ? "451" : "5"),
								   "%s, %s: %s",
			  sender, receiver, lab_string(row, "detail"));
		seen++;
	}
	cr_assert_eq(seen, 6, "%s: %d", sender, seen);
}

/* Without a real mail server: smtplib tells of each recipient. */
LAB_TEST(mta, some_recipients_are_refused)
{
	json_t *rows = rows_of(c, "refused", 1, REFUSE "--sender smtplib --sizes 514");

	expect_refusals(rows, "smtplib", false, 8);
}

Test(mta, every_sender_is_refused)
{
	static const struct {
		const char *name;
		bool whole;
	} senders[] = {
		{ "curl", true }, { "exim", false }, { "msmtp", true }, { "nullmailer", true },
		{ "opensmtpd", false },
		{ "postfix", false }, { "sendmail", false }, { "swaks", false },
	};
	struct lab_case c = { LAB_ROOT, 4 };
	json_t *rows;

	lab_start(c.user);
	need_mtas(c);
	rows = rows_of(
		c, "refused", 1,
		REFUSE
		"--sizes 514 --sender curl --sender exim --sender msmtp "
		"--sender nullmailer --sender opensmtpd --sender postfix --sender sendmail "
		"--sender swaks");
	for (size_t i = 0; i < sizeof(senders) / sizeof(*senders); i++)
		expect_refusals(rows, senders[i].name, senders[i].whole, 8);
	/* It sends to one recipient, which is not the second. */
	rows = rows_of(c, "one", 1, REFUSE "--sizes 128 --segment-size 128 --sender dma");
	expect_refusals(rows, "dma", false, 1);
}

/* The bounce goes to the same server, and is another message. */
Test(mta, a_bounce_is_told_from_the_message)
{
	static const char *const senders[] = { "exim", "postfix", "sendmail" };
	struct lab_case c = { LAB_ROOT, 4 };
	json_t *rows;

	lab_start(c.user);
	need_mtas(c);
	rows = rows_of(c, "split", 1,
		       "--sender exim --sender postfix --sender sendmail --workaround none "
		       "--fault split-command --sizes 513");
	for (size_t i = 0; i < 3; i++) {
		expect_outcome(rows, senders[i], "none", 513, "bounced");
		cr_assert_eq(recipients_of(row_of(rows, senders[i], "none", 513), "bounced"), 8,
			     "%s", senders[i]);
	}
}

LAB_TEST(mta, an_altered_message)
{
	json_t *rows = rows_of(c, "altered", 1,
			       "--sender smtplib --workaround none --sizes 513,514 "
						"--fault corrupt:every=1,arrivals=3");

	for (int size = 513; size <= 514; size++)
		expect_outcome(rows, "smtplib", "none", size, "altered");
}

/* What is written at once is seen in the capture, whatever it is; and who waits for good is found
 * to do so. */
LAB_TEST(mta, any_group_and_no_time_out)
{
	static const struct {
		const char *name;
		int size;
		const char *outcome;
	} known[] = {
		{ "none", 513, "stalled" }, { "none", 514, "delivered" }, { "in-pairs", 513,
									    "stalled" },
		{ "in-pairs", 514, "delivered" },
	};
	json_t *rows = rows_of(c, "stalls", 1,
			       "--descriptions $FAKE_MTAS --sender stalls --workaround none "
					       "--workaround in-pairs --sizes 513,514 --timeout 1");

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		const json_t *row = row_of(rows, "stalls", known[i].name, known[i].size);

		expect_outcome(rows, "stalls", known[i].name, known[i].size, known[i].outcome);
		cr_assert_eq(json_integer_value(json_array_get(json_object_get(row, "sizes"), 0)),
			     known[i].size);
		cr_assert(json_is_true(json_object_get(row,
						       "must_stall")) == (known[i].size == 513));
	}
}

/* Another try would not help. */
LAB_TEST(mta, a_stall_before_the_envelope)
{
	json_t *rows = rows_of(c, "hello", 1,
			       "--descriptions $FAKE_MTAS --sender hello --sizes 513,514 --timeout "
			       "1");

	for (int size = 513; size <= 514; size++) {
		expect_outcome(rows, "hello", "none", size, "deferred");
		cr_assert_eq(lab_number(row_of(rows, "hello", "none", size), "tries"), 1);
	}
}

/* The text's last packet stalls if it has 513 octets, end mark included. */
LAB_TEST(mta, message_size)
{
	json_t *rows = rows_of(c, "text-513", 1,
			       "--sender smtplib --workaround none --sizes 513,514 --message-size "
			       "513");

	for (int size = 513; size <= 514; size++)
		expect_outcome(rows, "smtplib", "none", size, "deferred");
	rows = rows_of(c, "text-514", 0,
		       "--sender smtplib --workaround none --sizes 513,514 --message-size 514");
	cr_assert_eq(json_integer_value(json_array_get(json_object_get(row_of(rows, "smtplib",
									      "none", 514),
								       "message_sizes"), 0)), 514);
	rows_of(c, "text-9", 2, "--sender smtplib --workaround none --sizes 514 --message-size 9");
}

/* Results come first, whatever becomes of the rest. */
LAB_TEST(mta, a_full_disk)
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

Test(mta, expectations_and_formats)
{
	struct lab_case c = { LAB_ROOT, 4 };
	struct lab_result r;

	lab_start(c.user);
	need_mtas(c);
	rows_of(c, "first", 1, "--sender exim --workaround none --sizes 512-514");
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
	lab_expect_error(&r, 2, "first.json is of another kind of run: there ip is 4");
	/* The work-around is no longer needed where the fault is mended, and somebody expected it
	 * to be. */
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

/* One's own build, as a program and as what make install filled. */
LAB_TEST(mta, binary)
{
	struct lab_result r;

	need_mtas(c);
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

/* What is not there is not run, and never good if it was asked for. */
LAB_TEST(mta, an_mta_that_is_not_here)
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
LAB_TEST(mta, by_its_path)
{
	struct lab_result r = lab_run(c.user,
				      "program=$(command -v reseg-mta); "
				      "PATH=/usr/sbin:/usr/bin:/sbin:/bin "
					      "$program -%d --sender smtplib --workaround none "
					      "--sizes 514", c.ip);

	lab_expect_status(&r, 0);
}

/* Nothing stays when it is interrupted. */
LAB_TEST(mta, interrupt)
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

Test(mta, usage)
{
	static const struct lab_usage cases[] = {
		{ "--sender none", "--sender none is not known: one of curl, dma, exim" },
		{ "--receiver curl", "--receiver curl is not known" },
		{ "--workaround magic", "--workaround magic is not known: see --list" },
		{ "--sizes 5x", "--sizes: not a list of sizes" },
		{ "--sizes 514-", "--sizes: not a list of sizes" },
		{ "--sizes 0", "--sizes: from 1 to 65536" },
		{ "--sizes 99999", "--sizes: from 1 to 65536" },
		{ "--jobs 0", "--jobs is at least 1" },
		{ "--timeout x", "argument --timeout: invalid int value: 'x'" },
		{ "--binary /bin/true", "--binary is for one --sender" },
		{ "--sender exim --binary /nowhere", "--binary /nowhere: there is no such thing" },
		{ "--sender postfix --binary /bin/true",
		  "of postfix it takes the folder that make install filled" },
		{ "--sender exim --binary /etc/passwd",
		  "--binary /etc/passwd: it is neither a program that may be run nor a folder" },
		{ "--message-size=-1", "--message-size: up to" },
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
	lab_expect_error(&r, 2, "x.toml: [sender]: tmpfs is a list");
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
