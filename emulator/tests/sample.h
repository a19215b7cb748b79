/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_TESTS_SAMPLE_H
#define RESEG_TESTS_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

/* A real packet from Linux, except for its TCP checksum: SYN, MSS 1460, SACK, timestamps, window
 * scale 7. */
extern const uint8_t sample_syn[60];

/* Sets the TCP checksum of an IPv4 packet without IP options. */
void sample_fix_checksum(uint8_t *ip, size_t len);

/* Writes sample_syn with its checksum. Returns its length. */
size_t sample_make_syn(uint8_t *to);

#endif
