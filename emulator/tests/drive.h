/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_TESTS_DRIVE_H
#define RESEG_TESTS_DRIVE_H

/*
 * Drives an engine without a script, for tests with more packets or more exact times than fit one
 *
 * One connection over IPv4 from port 40000 to port 25; both ends take segments of 65,471 octets.
 */

#include "core/engine.h"

/* Puts in a packet whose checksum is left to hardware. Returns the verdict. */
enum engine_verdict drive_put_in(struct engine *e, uint64_t now_ns, enum engine_side from,
				 uint8_t flags, uint32_t seq, uint32_t ack, uint32_t bytes);

/* Makes an engine that cuts at segment_size, with the connection open. */
struct engine *drive_make_open(uint16_t segment_size);

/* Takes out everything the engine has to send. Returns the longest payload in one packet of it. */
size_t drive_take_all(struct engine *e);

#endif
