/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_CAPFILTER_H
#define RESEG_IO_CAPFILTER_H

/* An expression of pcap-filter(7), for the packets of captures. */

#include "io/capread.h"

struct capfilter;

/* `text` must stay. Returns NULL if memory is short. */
struct capfilter *capfilter_new(const char *text);
void capfilter_free(struct capfilter *f);

/* Does the packet match? 1; 0; -1 if the expression makes no sense for its link type, with why. */
int capfilter_match(struct capfilter *f, const struct capread_packet *packet, char error[CAPREAD_ERROR_BYTES]);

#endif
