/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Fuzzes the reading of captures, the removal of link layers and the replay, with any bytes as a
 * file. */

#include "io/capture_read.h"
#include "io/linklayer.h"
#include "replay/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

static void read_packets(struct capture_read *c)
{
	struct error error = { .at = 0 };
	struct capture_read_packet p;
	uint64_t number = 0;
	size_t bytes;
	int rc;

	while ((rc = capture_read_next(c, &p, &error)) > 0) {
		uint8_t *copy = malloc(p.bytes + 1u);	/* alone, so that any overrun is seen */
		const uint8_t *ip;

		must(p.number == ++number && p.interface < capture_read_interfaces(c));
		memcpy(copy, p.data, p.bytes);
		ip = linklayer_ip(p.link_type, copy, p.bytes, &bytes);
		must(!ip || (ip >= copy && bytes >= 20 && ip + bytes <= copy + p.bytes));
		must(!ip || linklayer_is_known(p.link_type));
		if (p.comment)
			must(strlen(p.comment) <= UINT16_MAX);
		free(copy);
	}
	must((rc < 0) == (error.text[0] != '\0'));
}

/* Without a fault nothing may stall or hang, and nobody may send more packets than the capture
 * has. */
static void replay(struct capture_read *c)
{
	struct replay r = { .connections = 0 };
	struct error error = { .at = 0 };
	uint64_t packets = 0;

	engine_config_init(&r.engine);
	r.engine.rules.policy[0].faults = 0;
	r.engine.flows_max = 64;	/* a table that is made quickly */
	must(replay_load(&r, c, &error) && replay_run(&r, &error));
	for (size_t i = 0; i < r.connections; i++) {
		const struct replay_connection *one = &r.connection[i];
		enum replay_outcome outcome = replay_outcome(one);

		must(outcome != REPLAY_STALLED && outcome != REPLAY_HUNG && one->result.acted == 0);
		for (unsigned side = CLIENT; side <= SERVER; side++) {
			packets += one->packets[side];
			must(one->result.sent[side] <= one->packets[side]);
			must(one->result.totals[side].delivered <= one->result.totals[side].acked);
		}
	}
	must(packets == r.packets);
	replay_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("capture", MFD_CLOEXEC);
	struct error error;
	char path[64];
	struct capture_read *c;

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (capture_read_open(&c, path, &error)) {
		read_packets(c);
		capture_read_close(c);
	}
	if (capture_read_open(&c, path, &error)) {
		replay(c);
		capture_read_close(c);
	}
	close(fd);
	return 0;
}
