/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_PROBE_EVIDENCE_H
#define RESEG_PROBE_EVIDENCE_H

/*
 * What has been found out about a path so far, and the sentences that support it
 */

#include "probe/hypothesis.h"
#include "probe/trials.h"

#define IDENTIFY_EVIDENCE_MAX 16

struct identify {
	struct trials trials;	/* how to try it, and what was noted on the way */
	/* out */
	enum identify_class class;
	bool sure;		/* all but one hypothesis are ruled out */
	uint32_t segment_size;	/* these as far as the class has them; else 0 */
	uint32_t over;
	uint32_t bytes;		/* lose-tail: longest piece lost; MTU: longest packet that passes;
				 * ack-then-die: ACKed before it died */
	uint64_t delay_ns;	/* for each recipient */
	uint64_t time_ns;	/* that all of this took */
	struct sweep_codes codes;	/* the server's replies to the smallest envelope */
	size_t odd;		/* sizes with other replies, or with late ones */
	char *evidence[IDENTIFY_EVIDENCE_MAX];	/* sentences */
	size_t evidence_count;
};

/* Adds a sentence, whose text identify_free() frees; those beyond IDENTIFY_EVIDENCE_MAX are left
 * out. Ends the program if there is no memory. */
__attribute__((format(printf, 2, 3))) void evidence(struct identify *id, const char *format, ...);

/* Quotes what became of an envelope that failed, in the server's own words if there are any. */
void evidence_quote(struct identify *id, const struct row *row);

/* Something is wrong, and nothing explains it. */
void evidence_unsure(struct identify *id);

#endif
