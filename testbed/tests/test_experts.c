/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Captures taken at both ends, read by tshark's TCP analysis. In virtual time only: a busy machine
 * may be so slow that an end, or the box, sends again what only came late. */

#include "lab.h"

#include <stdio.h>
#include <string.h>

TestSuite(experts, .timeout = 1000);

/* A segment may go no further than its receiver has offered. One octet more is a probe of a closed
 * window. */
static void check_windows(const char *file)
{
	struct lab_result r = lab_run(LAB_ROOT,
		"tshark -r $DIR/cap/%s.pcapng -T fields -E separator=, -e tcp.srcport -e tcp.seq "
		"-e tcp.len "
		"-e tcp.ack -e tcp.window_size", file);
	long edge[2] = { 0 }, packets = 0; /* of the window that the server and the client offer */

	lab_expect_status(&r, 0);
	for (char *line = strtok(r.out, "\n"); line; line = strtok(NULL, "\n")) {
		long port, seq, len, ack, window;
		bool client;

		cr_assert_eq(sscanf(line, "%ld,%ld,%ld,%ld,%ld", &port, &seq, &len, &ack, &window),
			     5,
			     "%s", line);
		client = port != 7;
		cr_assert(len == 0 || seq + len <= edge[!client] + 1, "%s: %s is past the window",
			  file,
			  line);
		if (ack + window > edge[client])
			edge[client] = ack + window;
		packets++;
	}
	cr_assert_gt(packets, 300);
}

/* The packets of a capture that a display filter picks, one a line. */
static char *picked(const char *file, const char *filter)
{
	struct lab_result r = lab_run(LAB_ROOT,
		"tshark -r $DIR/cap/%s.pcapng -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE "
		"-Y '%s'",
		file, filter);

	lab_expect_status(&r, 0);
	return r.out;
}

static void check_experts(const char *end, bool box_sends)
{
	/* 0xffff is a good checksum, the other zero: Linux writes it, tshark doubts it. */
	char *lines = picked(end, "tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || "
				  "tcp.analysis.out_of_order || (ip && ip.checksum.status != 1) || "
				  "(tcp.checksum.status != 1 && tcp.checksum != 0xffff)");

	cr_assert_str_eq(lines, "", "%s: %.2000s", end, lines);
	if (box_sends) {
		lines = picked(end, strcmp(end, "server") == 0
					    ? "tcp.analysis.retransmission && tcp.dstport == 7"
					    : "tcp.analysis.retransmission && tcp.srcport == 7");
		cr_assert_str_eq(lines, "", "%s: %.2000s", end, lines);
	}
	/* The ends' kernels may probe for a lost tail (RFC 8985) when the machine is slow; the
	 * answer to that is a duplicate. */
	if (picked(end, "tcp.analysis.retransmission")[0] == '\0') {
		lines = picked(end, "tcp.analysis.duplicate_ack");
		cr_assert_str_eq(lines, "", "%s: %.2000s", end, lines);
	}
}

/* In a run in which nothing is lost, tshark's TCP analysis must find nothing at either end: as if
 * the box were not there. */
LAB_TEST(experts, a_clean_run_gives_the_experts_nothing_to_say)
{
	static const char *const directions[] = { "c2s", "s2c", "both" };
	static const char *const ends[] = { "client", "server" };

	lab_need("tshark");
	for (size_t d = 0; d < 3; d++) {
		struct lab_result r = lab_run(c.user,
			"rm -rf $DIR/cap; reseg-lab -%d --fault none --direction %s "
			"--capture $DIR/cap -- sh -c 'stream-client $RESEG_SERVER 7 500000'",
			c.ip, directions[d]);

		lab_expect_status(&r, 0);
		for (size_t i = 0; i < 2; i++) {
			r = lab_run(LAB_ROOT,
				    "tshark -r $DIR/cap/lab.pcapng -w $DIR/cap/%s.pcapng -Y "
					      "\"tcp && frame.interface_name == %s\" 2>/dev/null",
					      ends[i], ends[i]);
			lab_expect_status(&r, 0);
			/* The box sends data only to the sink. */
			check_experts(ends[i], d == 2 || d != i);
			check_windows(ends[i]);
		}
	}
}
