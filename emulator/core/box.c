/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "box.h"

/*
 * How long segments are
 */

uint32_t box_path_max(const struct flow *f, enum engine_side source)
{
	uint32_t mss = f->end[engine_other(source)].mss;

	if (f->path_mss[source] != 0 && f->path_mss[source] < mss)
		mss = f->path_mss[source];
	/* RFC 6691: the MSS option does not count options; a sender subtracts them. */
	if (f->timestamps)
		mss = mss > TCPOPT_TIMESTAMPS_BYTES ? mss - TCPOPT_TIMESTAMPS_BYTES : 1;
	return mss;
}

uint16_t box_segment_size(const struct engine *e, const struct flow *f, enum engine_side source)
{
	uint32_t size = box_policy(e, f)->segment_size;
	uint32_t most = box_path_max(f, source);

	return (uint16_t)(size < most ? size : most);
}

/* Where segments were joined, each but the last was as long as the source could make it: the
 * smaller of both ends' MSS (RFC 6691: the MSS option does not count options), since an end's MSS
 * shows what its own link carries. If a source sends more than its MSS (Linux: advmss of a route),
 * a longer segment has shown that. */
uint32_t box_wire_segment(const struct flow *f, enum engine_side source, const struct packet *p)
{
	uint32_t mss = f->end[CLIENT].mss < f->end[SERVER].mss ? f->end[CLIENT].mss
							       : f->end[SERVER].mss;

	if (mss < f->end[source].longest)
		mss = f->end[source].longest;
	return mss > p->options_bytes ? mss - p->options_bytes : 1;
}
