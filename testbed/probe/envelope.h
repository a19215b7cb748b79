/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_PROBE_ENVELOPE_H
#define RESEG_PROBE_ENVELOPE_H

/*
 * SMTP envelopes of an exact size: MAIL, RCPT..., DATA, pipelined (RFC 2920)
 *
 * Longer recipients, and more of them, make up the size. Every line keeps within the limits of RFC
 * 5321 section 4.5.3.1: local part 64, domain 255, path 256, command line 512 octets. All domains
 * are reserved ones (RFC 2606).
 */

#include <stddef.h>
#include <stdint.h>

/* MAIL FROM:<>, RCPT TO:<a@b> and DATA, each with CRLF. */
#define ENVELOPE_MIN 35
#define ENVELOPE_MAX 65536

/* Writes an envelope of exactly `size` bytes, ENVELOPE_MIN..ENVELOPE_MAX, to `to`.
 * Returns the number of its commands: each is due one reply. */
unsigned envelope_build(char *to, size_t size);

#endif
