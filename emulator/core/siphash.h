/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_SIPHASH_H
#define RESEG_CORE_SIPHASH_H

/*
 * SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
 * Keyed, so that nobody who chooses addresses and ports can choose collisions.
 */

#include <stddef.h>
#include <stdint.h>

uint64_t siphash(const uint8_t key[16], const void *data, size_t len);

#endif
