/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_PROBE_REPLIES_H
#define RESEG_PROBE_REPLIES_H

/*
 * What an SMTP server said on one connection: the codes of its replies, and its words
 *
 * Codes are kept as runs, "220 250x4 354". The words of two replies are kept: the last one, and the
 * first that refuses (4xx or 5xx), because the last one often only follows from it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLY_TEXT_BYTES 256	/* of a reply; what is longer is cut */
#define REPLY_RUNS 8

struct replies {
	struct reply_run {
		uint16_t code;
		uint16_t count;
	} runs[REPLY_RUNS];
	unsigned run_count;
	bool more;			/* there were more runs than are kept */
	uint16_t last_code;		/* 0: no reply came */
	char last[REPLY_TEXT_BYTES];	/* code and text, one printable line; "": none */
	char refusal[REPLY_TEXT_BYTES];	/* likewise */
};

/* Is this a line of a reply, of one line or of many? A box may put an asterisk after the code. */
bool reply_is_line(const char *line);

/* Joins such a line to those before it; "" in `to`: there is none. What does not fit is left
 * out. */
void reply_join(char to[static REPLY_TEXT_BYTES], const char *line);

/* Notes a whole reply that begins with a code of three digits. Its lines are joined. */
void replies_note(struct replies *r, const char *text);

/* Notes words that are not a whole reply, as the last ones. */
void replies_quote(struct replies *r, const char *text);

/* Did the server reply alike, whatever the number of recipients? */
bool replies_alike(const struct replies *a, const struct replies *b);

/* Widens low and high, which begin as copies of one, to the counts of another that is alike. */
void replies_widen(struct replies *low, struct replies *high, const struct replies *other);

#define REPLY_CODES_BYTES (REPLY_RUNS * 16 + 8)

/* The codes, as "220 250x4-6 354". low and high may be the same. "": no reply came. */
void replies_codes(char to[static REPLY_CODES_BYTES], const struct replies *low,
		   const struct replies *high);

#endif
