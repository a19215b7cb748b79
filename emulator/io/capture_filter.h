/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_CAPTURE_FILTER_H
#define RESEG_IO_CAPTURE_FILTER_H

/* A pcap-filter(7) expression for the packets of captures. */

#include "io/capture_read.h"

struct capture_filter;

/* `text` must stay valid. Returns NULL if out of memory. */
struct capture_filter *capture_filter_new(const char *text);
void capture_filter_free(struct capture_filter *f);

/* Does the packet match? 1; 0; -1 if the expression makes no sense for its link type, with the
 * reason. */
int capture_filter_match(struct capture_filter *f, const struct capture_read_packet *packet,
			 struct error *error);

#endif
