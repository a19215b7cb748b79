/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Captures taken at both ends, read by tshark: an independent witness. */

#include "lab.h"

#include <stdlib.h>
#include <string.h>

TestSuite(wire, .timeout = 500);

#define EHLO_BYTES 20	/* "EHLO probe.example\r\n" */

/* One packet, its sequence numbers relative to the SYN. */
struct seen {
	bool at_server;		/* captured at the server's end */
	bool from_server;
	long stream, seq, len, ack;
	bool bad;		/* a checksum is not good */
};

struct capture {
	struct seen *packets;
	size_t count;
};

static struct capture read_capture(void)
{
	struct lab_result r = lab_run(LAB_ROOT,
		"tshark -r $DIR/cap/lab.pcapng -o tcp.check_checksum:TRUE -o "
		"ip.check_checksum:TRUE "
		"-Y tcp -T fields -E separator=, -E occurrence=f -e frame.interface_name -e "
		"tcp.srcport "
		"-e tcp.stream -e tcp.seq -e tcp.len -e tcp.ack -e tcp.checksum.status "
		"-e ip.checksum.status 2>/dev/null");
	struct capture c = { 0 };

	lab_expect_status(&r, 0);
	for (char *line = strtok(r.out, "\n"); line; line = strtok(NULL, "\n")) {
		struct seen *p;
		char *field = line;
		long number[7] = { 0 };

		c.packets = realloc(c.packets, (c.count + 1) * sizeof(*c.packets));
		p = &c.packets[c.count++];
		for (size_t i = 0; i < 7 && (field = strchr(field, ',')); i++)
			number[i] = strtol(++field, NULL, 10);
		*p = (struct seen){
			.at_server = strncmp(line, "server", 6) == 0,
			.from_server = number[0] == 25 || number[0] == 7,
			.stream = number[1],
			.seq = number[2],
			.len = number[3],
			.ack = number[4],
			/* 1 is good; IPv6 has no header checksum */
			.bad = number[5] != 1 || (number[6] != 1 && number[6] != 0),
		};
	}
	cr_assert_gt(c.count, 20);
	return c;
}

static struct capture capture_of(struct lab_case c, const char *options, int size)
{
	struct lab_result r;

	lab_need("tshark");
	r = lab_run(c.user, "reseg-lab -%d %s --capture $DIR/cap -- sh -c '"
			    "reseg-probe one --size %d --timeout 1 $RESEG_SERVER'", c.ip, options,
			    size);
	cr_assert_leq(r.status, 1, "%s", r.err);
	return read_capture();
}

/* The highest acknowledgment, and the highest octet, seen at one end. */
static long highest_ack(const struct capture *c, bool at_server, bool from_server)
{
	long highest = 0;

	for (size_t i = 0; i < c->count; i++) {
		const struct seen *p = &c->packets[i];

		if (p->at_server == at_server && p->from_server == from_server && p->ack > highest)
			highest = p->ack;
	}
	return highest;
}

static long highest_octet(const struct capture *c, bool at_server, bool from_server)
{
	long highest = 0;

	for (size_t i = 0; i < c->count; i++) {
		const struct seen *p = &c->packets[i];

		if (p->at_server == at_server && p->from_server == from_server && p->len > 0 &&
		    p->seq + p->len - 1 > highest)
			highest = p->seq + p->len - 1;
	}
	return highest;
}

static void check_sound(const struct capture *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct seen *p = &c->packets[i];

		cr_assert_not(p->bad, "a bad checksum in packet %zu", i + 1);
		if (p->at_server && !p->from_server)
			cr_assert_leq(p->len, 512, "a segment of %ld at the server", p->len);
	}
}

/* After n octets of envelope the client has sent the octets 1..EHLO_BYTES + n, and a
 * full acknowledgment is one more. */
static void check_stall(struct lab_case lab, int size, int delivered)
{
	struct capture c = capture_of(lab, "", size);
	bool one_packet = false;

	check_sound(&c);
	for (size_t i = 0; i < c.count; i++) {
		const struct seen *p = &c.packets[i];

		one_packet |= !p->at_server && !p->from_server && p->len == size &&
			      p->seq == EHLO_BYTES + 1;
	}
	cr_assert(one_packet, "the envelope took several packets");
	cr_assert_eq(highest_octet(&c, false, false), EHLO_BYTES + size);
	cr_assert_eq(highest_ack(&c, false, true), EHLO_BYTES + size + 1, "not all was ACKed");
	cr_assert_eq(highest_octet(&c, true, false), EHLO_BYTES + delivered);
	cr_assert_eq(highest_ack(&c, true, true), EHLO_BYTES + delivered + 1,
		     "the server ACKed another amount");
}

LAB_TEST(wire, at_513_the_server_gets_and_acks_nothing)
{
	check_stall(c, 513, 0);
}

LAB_TEST(wire, at_1025_the_server_gets_and_acks_512)
{
	check_stall(c, 1025, 512);
}

LAB_TEST(wire, at_514_all_arrives_in_two_pieces)
{
	struct capture cap = capture_of(c, "", 514);
	bool first = false, second = false;

	check_sound(&cap);
	for (size_t i = 0; i < cap.count; i++) {
		const struct seen *p = &cap.packets[i];

		if (!p->at_server || p->from_server)
			continue;
		first |= p->seq == EHLO_BYTES + 1 && p->len == 512;
		second |= p->seq == EHLO_BYTES + 1 + 512 && p->len == 2;
	}
	cr_assert(first && second);
	cr_assert_eq(highest_ack(&cap, true, true), EHLO_BYTES + 514 + 1);
}

LAB_TEST(wire, without_box_both_ends_see_the_same)
{
	struct capture cap = capture_of(c, "--no-box", 513);

	cr_assert_eq(highest_octet(&cap, true, false), EHLO_BYTES + 513);
	cr_assert_eq(highest_ack(&cap, true, true), EHLO_BYTES + 513 + 1);
}

/* Packets that the client's offloads joined are cut as if they had come in segments; the trains
 * sent of them are, on a wire, the same pieces. */
LAB_TEST(wire, joined_segments_are_cut_as_they_would_have_been)
{
	const char *const injectors[] = { "auto", "raw" };
	long segment = c.ip == 4 ? 1448 : 1428, total = 60000;	/* in one write */

	lab_need("tshark");
	for (size_t i = 0; i < 2; i++) {
		struct lab_result r = lab_run(c.user,
			"rm -rf $DIR/cap; reseg-lab -%d --fault none --offloads=client --inject %s "
			"--capture $DIR/cap -- sh -c 'stream-client $RESEG_SERVER 7 %ld'", c.ip,
			injectors[i],
			total);
		bool joined = false;
		long octets = 0;
		struct capture cap;

		lab_expect_status(&r, 0);
		cap = read_capture();
		for (size_t n = 0; n < cap.count; n++) {
			const struct seen *p = &cap.packets[n];
			long at = (p->seq - 1) % segment, left = segment - at;
			long piece = left < 512 ? left : 512;

			if (p->from_server || p->len == 0)
				continue;
			if (!p->at_server) {
				joined |= p->len > segment;
				continue;
			}
			if (p->seq - 1 + piece > total)
				piece = total - (p->seq - 1);
			cr_assert(at % 512 == 0, "a piece at %ld", p->seq);
			cr_assert_eq(p->len, piece, "%ld octets at %ld", p->len, p->seq);
			octets += p->len;
		}
		cr_assert(joined, "the client joined no segments");
		cr_assert_geq(octets, total);
	}
}
