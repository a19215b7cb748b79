/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Comments in the box's capture: each must be on a packet of the connection that it is about. */

#include "io/box_capture.h"
#include "io/capture_read.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define S 512

static char path[32];
static struct box_capture *capture;
static struct box_capture_tap *tap;

static void make(void)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/reseg-box_capture-XXXXXX");
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	close(fd);
	cr_assert_eq(box_capture_open(&capture, path), 0);
	cr_assert_eq(box_capture_tap(&tap, capture, 0), 0);
}

static void remove_it(void)
{
	box_capture_tap_free(tap);
	box_capture_close(capture);
	unlink(path);
}

TestSuite(box_capture, .init = make, .fini = remove_it);

static void observe(uint64_t flow, struct engine_event event)
{
	event.flow = flow;
	box_capture_observe(tap, &event);
}

/* A fault acts on the piece of the client's data that begins at this octet. */
static void lose_piece(uint64_t flow, uint64_t offset)
{
	observe(flow, (struct engine_event){
		.type = EVENT_FAULT, .fault = "drop", .offset = offset, .bytes = S,
	});
}

/* The box sends a packet without data; its source port is the flow's number modulo 2^16. */
static void send_packet(uint64_t flow)
{
	uint8_t headers[40] = { 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0,
				198, 51, 100, 2, 203, 0, 113, 2,
				(uint8_t)(flow >> 8), (uint8_t)flow, 0, 25, [32] = 0x50, 0x10 };
	struct engine_emit emit = {
		.subject = { .flow = flow, .source = CLIENT },
		.version = 4,
		.bytes = sizeof(headers),
		.parts = 1,
		.part[0] = { headers, sizeof(headers) },
	};

	box_capture_emit(tap, 0, &emit);
}

/* The flows of the capture's packets, in order, and their comments; NULL: none. Flow 0 ends it. */
struct expected {
	uint64_t flow;
	const char *comment;
};

static void expect(const struct expected *expected)
{
	struct capture_read_packet packet;
	struct capture_read *in;
	struct error error;

	cr_assert(box_capture_flush(capture));
	cr_assert(capture_read_open(&in, path, &error), "%s", error.text);
	for (; expected->flow > 0; expected++) {
		cr_assert_eq(capture_read_next(in, &packet, &error), 1, "flow %u has no packet",
			     (unsigned)expected->flow);
		cr_assert_eq(packet.data[16 + 20] << 8 | packet.data[16 + 21],
			     expected->flow % 65536);
		if (expected->comment)
			cr_expect(packet.comment && strcmp(packet.comment, expected->comment) == 0,
				  "flow %u: \"%s\", not \"%s\"", (unsigned)expected->flow,
				  packet.comment ? packet.comment : "", expected->comment);
		else
			cr_expect_null(packet.comment, "flow %u: \"%s\"", (unsigned)expected->flow,
				       packet.comment);
	}
	cr_assert_eq(capture_read_next(in, &packet, &error), 0);
	capture_read_close(in);
}

Test(box_capture, two_connections_wait_for_their_packets)
{
	lose_piece(1, 0);
	lose_piece(2, 20);
	lose_piece(1, S);
	observe(2, (struct engine_event){ .type = EVENT_FORGED_ACK });
	send_packet(3);
	send_packet(2);
	send_packet(1);
	send_packet(2);
	send_packet(1);
	expect((struct expected[]){
		{ 3, NULL },
		{ 2, "fault: drop (the client's bytes 20-531)" },
		{ 1, "fault: drop (the client's bytes 0-511); "
		     "fault: drop (the client's bytes 512-1023)" },
		{ 2, NULL },
		{ 1, NULL },
		{ 0, NULL },
	});
}

/* When a fault is removed, all that it stalled is cut before anything is sent: the comments of all
 * these connections must wait. */
Test(box_capture, forty_connections_resume_at_once)
{
	struct expected expected[41] = { { 0, NULL } };

	for (uint64_t flow = 1; flow <= 40; flow++) {
		observe(flow, (struct engine_event){ .type = EVENT_RESUME, .pending = S + 1 });
		observe(flow, (struct engine_event){
			.type = EVENT_CUT, .bytes = S + 1, .pieces = 2, .last_piece = 1,
		});
	}
	for (uint64_t flow = 40; flow >= 1; flow--) {
		expected[40 - flow] = (struct expected){
			flow, "resume: 513 pending; cut: 512 + 1"
		};
		send_packet(flow);
	}
	expect(expected);
}

/* A cut into one piece is mentioned only with a stall after it on the same connection. */
Test(box_capture, a_stall_is_told_with_the_cut_before_it)
{
	for (uint64_t flow = 1; flow <= 2; flow++)
		observe(flow, (struct engine_event){
			.type = EVENT_CUT, .bytes = S, .pieces = 1, .last_piece = S,
		});
	for (uint64_t flow = 2; flow <= 3; flow++)
		observe(flow, (struct engine_event){
			.type = EVENT_STALL, .pending = S + 1, .segment_size = S,
		});
	for (uint64_t flow = 1; flow <= 3; flow++)
		send_packet(flow);
	expect((struct expected[]){
		{ 1, NULL },
		{ 2, "cut: 512; stall: 513 pending, S = 512" },
		{ 3, "stall: 513 pending, S = 512" },
		{ 0, NULL },
	});
}

/* A connection that has ended has no more packets: comments that wait for one must not go to
 * another connection. */
Test(box_capture, what_waits_ends_with_its_connection)
{
	lose_piece(1, 0);
	lose_piece(2, 0);
	observe(1, (struct engine_event){
		.type = EVENT_FLOW_CLOSED, .reason = CLOSE_IDLE,
		.totals[CLIENT] = { true, 2 * S, S },
	});
	send_packet(2);
	for (uint64_t flow = 3; flow < 200000; flow++)
		lose_piece(flow, 0);
	send_packet(1);
	send_packet(199999);
	expect((struct expected[]){
		{ 2, "fault: drop (the client's bytes 0-511)" },
		{ 1, NULL },
		{ 199999, "fault: drop (the client's bytes 0-511)" },
		{ 0, NULL },
	});
}

/* A comment has a maximum length; it says how much it leaves out. */
Test(box_capture, a_long_comment_says_how_much_it_leaves_out)
{
	struct capture_read_packet packet;
	struct capture_read *in;
	struct error error;
	unsigned told = 0, more = 0;

	for (uint64_t i = 0; i < 1000; i++)
		lose_piece(1, i * S);
	send_packet(1);
	cr_assert(box_capture_flush(capture));
	cr_assert(capture_read_open(&in, path, &error), "%s", error.text);
	cr_assert_eq(capture_read_next(in, &packet, &error), 1);
	cr_assert_not_null(packet.comment);
	cr_assert_leq(strlen(packet.comment), 8300);
	for (const char *at = packet.comment; (at = strstr(at, "fault: drop")); at++)
		told++;
	cr_assert_geq(told, 60);
	cr_assert_eq(sscanf(strrchr(packet.comment, ';'), "; and %u more", &more), 1, "%s",
		     packet.comment);
	cr_assert_eq(told + more, 1000);
	capture_read_close(in);
}
