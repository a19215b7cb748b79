/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The bug, end to end, on real TCP. */

#include "lab.h"

#include <string.h>

TestSuite(stall, .timeout = 500);

/* Octets of payload in a full segment: MTU 1500 less IP, TCP and timestamps. */
static int segment_bytes(int ip)
{
	return ip == 4 ? 1500 - 20 - 20 - 12 : 1500 - 40 - 20 - 12;
}

/* The law of 2008 in closed form, for one write over a path whose full segments leave nothing
 * pending: only the last arrival counts. */
static bool must_stall(int size, int ip, int s)
{
	int last = (size - 1) % segment_bytes(ip) + 1;

	return last > s && last % s == 1;
}

static void check_law(struct lab_case c, const char *protocol, int first, int last, int s)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --segment-size %d -- sh -c 'reseg-probe sweep --protocol %s "
		"--parallel 500 "
		"--timeout 3 --sizes %d-%d --format json $RESEG_SERVER'", c.ip, s, protocol, first,
		last);
	json_t *rows = lab_rows(&r), *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		int size = (int)lab_number(row, "size");
		const char *expected = must_stall(size, c.ip, s) ? "stalled" : "ok";

		cr_assert_eq(lab_number(row, "segment_bytes"), segment_bytes(c.ip));
		cr_assert_str_eq(lab_string(row, "outcome"), expected, "size %d: %s, not %s", size,
				 lab_string(row, "outcome"), expected);
		cr_assert_eq(lab_number(row, "bytes_acked"), size);
	}
	cr_assert_eq((int)i, last - first + 1);
}

LAB_TEST(stall, smtp_envelopes_at_512)
{
	check_law(c, "smtp", 35, 2100, 512);
}

LAB_TEST(stall, every_size_at_512)
{
	check_law(c, "echo", 1, 2100, 512);
}

LAB_TEST(stall, every_size_at_100)
{
	check_law(c, "echo", 1, 2100, 100);
}

LAB_TEST(stall, every_size_at_256)
{
	check_law(c, "echo", 1, 2100, 256);
}

LAB_TEST(stall, every_size_at_1000)
{
	check_law(c, "echo", 1, 2100, 1000);
}

LAB_TEST(stall, without_fault_every_size_works)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --fault none -- sh -c '"
		"reseg-probe sweep --sizes 35-2100 --expect clean $RESEG_SERVER && "
		"reseg-probe sweep --protocol echo --sizes 1-2100,65536 --expect clean "
		"$RESEG_SERVER'", c.ip);

	lab_expect_status(&r, 0);
}

LAB_TEST(stall, without_box_every_size_works)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --no-box -- sh -c '"
		"reseg-probe sweep --sizes 35-2100 --expect clean $RESEG_SERVER && "
		"reseg-probe sweep --protocol echo --sizes 1-2100,65536 --expect clean "
		"$RESEG_SERVER'", c.ip);

	lab_expect_status(&r, 0);
}

LAB_TEST(stall, split_write_works)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d -- sh -c '"
		"reseg-probe one --size 513 --split first-line --expect clean $RESEG_SERVER && "
		"reseg-probe one --size 1025 --split 100 --expect clean $RESEG_SERVER'", c.ip);

	lab_expect_status(&r, 0);
}

/* Reads from the server's own log what it really got on a connection. */
static int64_t received_by_sink(json_t *log, int64_t port)
{
	int64_t connection = -1, received = -1;
	json_t *line;
	size_t i;

	json_array_foreach(log, i, line) {
		if (strcmp(lab_string(line, "event"), "connected") == 0 &&
		    lab_number(line, "peer_port") == port)
			connection = lab_number(line, "connection");
		if (strcmp(lab_string(line, "event"), "closed") == 0 &&
		    lab_number(line, "connection") == connection)
			received = lab_number(line, "received");
	}
	cr_assert_geq(received, 0);
	return received;
}

LAB_TEST(stall, what_a_stall_leaves)
{
	const int64_t ehlo = strlen("EHLO probe.example\r\n");
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --events $DIR/events --sink-options \"--log $DIR/sink\" -- sh -c '"
		"reseg-probe sweep --sizes 513,1025 --timeout 1 --format json $RESEG_SERVER'",
		c.ip);
	json_t *rows = lab_rows(&r), *sink = lab_json_lines("sink"),
	*events = lab_json_lines("events");
	const json_t *small = json_array_get(rows, 0), *large = json_array_get(rows, 1);
	int stalls = 0, closed = 0;
	json_t *event;
	size_t i;

	cr_assert_str_eq(lab_string(small, "outcome"), "stalled");
	cr_assert_eq(lab_number(small, "replies"), 0);
	cr_assert_eq(lab_number(small, "bytes_acked"), 513);
	cr_assert_eq(received_by_sink(sink, lab_number(small, "local_port")), ehlo + 0);

	/* MAIL and the first RCPT fit in the first 512 octets. */
	cr_assert_str_eq(lab_string(large, "outcome"), "stalled");
	cr_assert_eq(lab_number(large, "replies"), 2);
	cr_assert_eq(lab_number(large, "bytes_acked"), 1025);
	cr_assert_eq(received_by_sink(sink, lab_number(large, "local_port")), ehlo + 512);

	json_array_foreach(events, i, event) {
		if (strcmp(lab_string(event, "event"), "stall") == 0) {
			cr_assert_eq(lab_number(event, "pending"), 513);
			stalls++;
		}
		if (strcmp(lab_string(event, "event"), "flow_closed") == 0) {
			const json_t *relay = json_array_get(json_object_get(event, "relays"), 0);

			cr_assert_str_eq(lab_string(event, "reason"), "reset");
			cr_assert_eq(lab_number(relay, "orphaned"), 513);
			cr_assert_eq(lab_number(relay, "acked") - lab_number(relay, "delivered"),
				     513);
			closed++;
		}
	}
	cr_assert_eq(stalls, 2);
	cr_assert_eq(closed, 2);
}

/* Message data: one write, so all arrivals but the last are full segments. */
static int send_message(struct lab_case c, const char *fault, int bytes)
{
	struct lab_result r = lab_run(c.user,
		"mkdir -p $DIR/saved; rm -f $DIR/saved/*\n"
		"seq -f 'line %%.0f of a mail that is looked at byte by byte' 20000 | sed "
		"'s/$/\\r/' | "
		"head -c %d | head -c -2 >$DIR/message; printf '\\r\\n' >>$DIR/message\n"
		"reseg-lab -%d --fault %s --sink-options \"--save $DIR/saved\" -- "
		"sh -c 'mail-client $RESEG_SERVER $RESEG_PORT $DIR/message'", bytes, c.ip, fault);

	cr_assert_leq(r.status, 1, "%s", r.err);
	if (r.status == 0) {
		r = lab_run(
			c.user,
			"test $(wc -c <$DIR/message) = %d && cmp $DIR/message $DIR/saved/message-1",
			bytes);
		lab_expect_status(&r, 0);
		return 0;
	}
	return 1;
}

LAB_TEST(stall, a_message_of_1_mib_arrives_byte_for_byte)
{
	cr_assert_eq(send_message(c, "off-by-one", 1 << 20), 0);
	cr_assert_eq(send_message(c, "none", 1 << 20), 0);
}

LAB_TEST(stall, a_message_stalls_when_its_last_packet_is_s_plus_1)
{
	const int mark = 3;	/* the end-of-data mark, in the same write */

	for (int packets = 0; packets < 20; packets += 10) {
		int before = packets * segment_bytes(c.ip);

		cr_assert_eq(send_message(c, "off-by-one", before + 512 - mark), 0);
		cr_assert_eq(send_message(c, "off-by-one", before + 513 - mark), 1);
		cr_assert_eq(send_message(c, "off-by-one", before + 514 - mark), 0);
		cr_assert_eq(send_message(c, "none", before + 513 - mark), 0);
	}
}
