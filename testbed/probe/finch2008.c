/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/finch2008.h"

/* How many of the pending bytes are left after one arrival. */
static size_t after_arrival(size_t pending, size_t segment_size)
{
	while (pending > 0) {
		if (pending <= segment_size)
			return 0;
		if (pending == segment_size + 1)
			return pending;		/* no case handles these */
		pending -= segment_size;
	}
	return 0;
}

static size_t after_write(size_t pending, size_t bytes, size_t mss, size_t segment_size)
{
	while (bytes > 0) {
		size_t arrival = bytes < mss ? bytes : mss;

		pending = after_arrival(pending + arrival, segment_size);
		bytes -= arrival;
	}
	return pending;
}

bool finch2008_stalls(size_t size, const size_t *split, size_t mss, size_t segment_size)
{
	size_t pending = 0;

	for (; *split != 0 && *split < size; split++) {
		pending = after_write(pending, *split, mss, segment_size);
		size -= *split;
	}
	return after_write(pending, size, mss, segment_size) > 0;
}
