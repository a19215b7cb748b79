/* SPDX-License-Identifier: GPL-2.0-or-later */

/* reseg-mta on real mail servers. */

#include "lab.h"

#include <string.h>

TestSuite(mta, .timeout = 500);

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

/* Senders that write the envelope at once stall at 513 octets; those that do not are delivered. */
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

	lab_need_mtas(c);
	rows = lab_mta_rows(c, "senders", 1, "--workaround none --sizes 512-514");
	for (size_t i = 0; i < sizeof(senders) / sizeof(*senders); i++) {
		const struct sender *s = &senders[i];
		bool runs = c.user == LAB_ROOT || !s->changes_users;

		expect_outcome(rows, s->name, "none", 512, runs ? "delivered" : "not-run");
		expect_outcome(rows, s->name, "none", 513,
			       !runs ? "not-run" : s->pipelines ? "deferred" : "delivered");
		expect_outcome(rows, s->name, "none", 514, runs ? "delivered" : "not-run");
	}
	/* It sends to one recipient only, so it has no such envelope. */
	expect_outcome(rows, "dma", "none", 513, "not-run");
}

/* Checks what reseg-mta says of the wire against tshark's reading of the same captures and the law
 * of docs/wire.md: a message was delayed if and only if some arrival left S + 1 octets pending, and
 * nothing followed. */
Test(mta, captures_say_the_same)
{
	struct lab_case c = { LAB_ROOT, 4 };
	const json_t *row;
	json_t *rows;
	size_t i, read = 0;

	lab_start(c.user);
	lab_need_mtas(c);
	lab_need("tshark");
	rows = lab_mta_rows(c, "captures", 1,
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
			if (seq != next)	/* repeated */
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

/* Captures are in the byte order of the machine that wrote them. */
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

/* A runtime's trace may end with other words than the cause. */
Test(mta, the_cause_is_found_in_what_a_sender_said)
{
	static const char script[] =
		"import os, pathlib, sys\n"
		"sys.path.insert(0, os.environ[\"FAKE_MTAS\"] + \"/../../mta\")\n"
		"import account\n"
		"said = pathlib.Path(os.environ[\"DIR\"] + \"/said\")\n"
		"for text in (\"node:internal\\n\\nError: Cannot find module\\n    at x\\n\\n"
		"Node.js v20\\n\", \"Traceback\\n  File x\\nsmtplib.SMTPException: no\\n\", "
		"\"one\\ntwo\\n\\n\", \"\"):\n"
		"    said.write_text(text)\n"
		"    print(account.last_words(said))\n";
	struct lab_result r = lab_run(LAB_ROOT,
				      "printf '%%s' '%s' >$DIR/words.py; /usr/bin/python3 "
				      "$DIR/words.py", script);

	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out, "Error: Cannot find module\nsmtplib.SMTPException: no\ntwo\n\n",
			 "%s", r.out);
}

/* Each work-around does what it says, on the wire and for the mail; some only move the stall to
 * another size. */
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
	lab_need_mtas(c);
	rows = lab_mta_rows(c, "work-arounds", 1,
		       "--sender exim --sender postfix --sender sendmail --sender msmtp --sender "
		       "smtplib --sender swaks "
		       "--sizes 513");
	moved = lab_mta_rows(c, "moved", 1,
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

	lab_need_mtas(c);
	rows = lab_mta_rows(c, "receivers", 1,
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

/* Without the fault everything is delivered, intercepted in both directions; and a second run
 * passes that expects the same. */
LAB_TEST(mta, no_fault_no_trouble)
{
	struct lab_result r;

	lab_need_mtas(c);
	lab_mta_rows(c, "clean", 0,
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

/* Senders that lose, repeat and refuse mail: reseg-mta must find out what became of it, whatever
 * they say. */
LAB_TEST(mta, every_message_is_accounted_for)
{
	static const char *const outcomes[][2] = {
		{ "none", "delivered" }, { "loses", "lost" }, { "loses-some", "lost" },
		{ "twice", "duplicated" },
		{ "keeps", "duplicated" }, { "keeps-some", "deferred" }, { "bounces", "bounced" },
		{ "refuses", "bounced" }, { "fails", "deferred" },
		{ "alters", "altered" }, { "cuts", "altered" }, { "redirects", "altered" },
		{ "reports", "bounced" }, { "bounces-all", "bounced" },
		{ "gives-up-some", "bounced" }, { "forgets-some", "lost" },
		{ "adds", "delivered" }, { "chats", "delivered" }, { "boasts", "delivered" },
	};
	json_t *rows = lab_mta_rows(c, "fake", 1,
				    "--descriptions $FAKE_MTAS --sender fake --sizes 514");

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

/* The servers refuse every second recipient, or all. `whole`: the sender gives up all of them if
 * one is refused. */
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

/* The message is taken, but the sender fails: for now, so that it is sent again, or for good. */
LAB_TEST(mta, a_failure_after_the_message)
{
	json_t *rows = lab_mta_rows(c, "rude", 1,
				    "--descriptions $FAKE_MTAS --sender smtplib --workaround none "
				    "--fault none --sizes 514 --receiver quit-421 --receiver "
				    "quit-500");

	cr_assert_str_eq(lab_string(json_array_get(rows, 0), "outcome"), "duplicated");
	cr_assert_str_eq(lab_string(json_array_get(rows, 1), "outcome"), "delivered");
}

/* Needs no real mail server: smtplib tells of each recipient. */
LAB_TEST(mta, some_recipients_are_refused)
{
	json_t *rows = lab_mta_rows(c, "refused", 1, REFUSE "--sender smtplib --sizes 514");

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
	lab_need_mtas(c);
	rows = lab_mta_rows(
		c, "refused", 1,
		REFUSE
		"--sizes 514 --sender curl --sender exim --sender msmtp "
		"--sender nullmailer --sender opensmtpd --sender postfix --sender sendmail "
		"--sender swaks");
	for (size_t i = 0; i < sizeof(senders) / sizeof(*senders); i++)
		expect_refusals(rows, senders[i].name, senders[i].whole, 8);
	/* It sends to one recipient only, which is not the second, so "some" does not refuse it. */
	rows = lab_mta_rows(c, "one", 1, REFUSE "--sizes 128 --segment-size 128 --sender dma");
	expect_refusals(rows, "dma", false, 1);
}

/* A bounce goes to the same server: it must not be taken for the message. */
Test(mta, a_bounce_is_told_from_the_message)
{
	static const char *const senders[] = { "exim", "postfix", "sendmail" };
	struct lab_case c = { LAB_ROOT, 4 };
	json_t *rows;

	lab_start(c.user);
	lab_need_mtas(c);
	rows = lab_mta_rows(c, "split", 1,
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
	json_t *rows = lab_mta_rows(c, "altered", 1,
			       "--sender smtplib --workaround none --sizes 513,514 "
						"--fault corrupt:every=1,arrivals=3");

	for (int size = 513; size <= 514; size++)
		expect_outcome(rows, "smtplib", "none", size, "altered");
}

/* The capture must show which commands were written at once, whichever they are; and a sender that
 * waits for ever must be found to do so. */
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
	json_t *rows = lab_mta_rows(c, "stalls", 1,
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

/* Another try would not help, so there must be none. */
LAB_TEST(mta, a_stall_before_the_envelope)
{
	json_t *rows = lab_mta_rows(c, "hello", 1,
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
	json_t *rows = lab_mta_rows(c, "text-513", 1,
			       "--sender smtplib --workaround none --sizes 513,514 --message-size "
			       "513");

	for (int size = 513; size <= 514; size++)
		expect_outcome(rows, "smtplib", "none", size, "deferred");
	rows = lab_mta_rows(c, "text-514", 0,
		       "--sender smtplib --workaround none --sizes 513,514 --message-size 514");
	cr_assert_eq(json_integer_value(json_array_get(json_object_get(row_of(rows, "smtplib",
									      "none", 514),
								       "message_sizes"), 0)), 514);
	lab_mta_rows(c, "text-9", 2,
		     "--sender smtplib --workaround none --sizes 514 --message-size 9");
}
