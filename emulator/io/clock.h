/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_CLOCK_H
#define RESEG_IO_CLOCK_H

#include "core/units.h"

#include <stdint.h>
#include <time.h>

/* What a clock shows, in nanoseconds. */
static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

#endif
