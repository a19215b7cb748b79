/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Fuzzes the reader of captures and what takes link layers off: any bytes, as a file. */

#include "io/capread.h"
#include "io/linklayer.h"

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

static void read_packets(struct capread *c)
{
	char error[CAPREAD_ERROR_BYTES] = "";
	struct capread_packet p;
	uint64_t number = 0;
	size_t bytes;
	int rc;

	while ((rc = capread_next(c, &p, error)) > 0) {
		uint8_t *copy = malloc(p.bytes + 1u);	/* of its own, so that any overrun is seen */
		const uint8_t *ip;

		must(p.number == ++number && p.interface < capread_interfaces(c));
		memcpy(copy, p.data, p.bytes);
		ip = linklayer_ip(p.link_type, copy, p.bytes, &bytes);
		must(!ip || (ip >= copy && bytes >= 20 && ip + bytes <= copy + p.bytes));
		must(!ip || linklayer_is_known(p.link_type));
		if (p.comment)
			must(strlen(p.comment) <= UINT16_MAX);
		free(copy);
	}
	must((rc < 0) == (error[0] != '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("capture", MFD_CLOEXEC);
	char path[64], error[CAPREAD_ERROR_BYTES];
	struct capread *c;

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (capread_open(&c, path, error)) {
		read_packets(c);
		capread_close(c);
	}
	close(fd);
	return 0;
}
