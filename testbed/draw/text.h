/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_DRAW_TEXT_H
#define RESEG_DRAW_TEXT_H

/*
 * Text in a buffer of limited size
 *
 * Text that does not fit is left out, but counted, as snprintf() does: `length` is then larger than
 * `room`, and says how much room all of it needs. The buffer belongs to the caller. No NUL is
 * written after the text.
 *
 * Numbers look the same on every machine, and as Python's % operator writes them: the decimal
 * number closest to the exact value, or the one with an even last digit if two are equally close.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_ELLIPSIS "\xe2\x80\xa6"

struct text {
	char *octets;
	size_t room;
	size_t length;		/* of all that was added, even if it did not fit */
};

/* Did all of it fit? */
static inline bool text_fits(const struct text *t)
{
	return t->length <= t->room;
}

/* What was added and did fit. */
static inline size_t text_kept(const struct text *t)
{
	return text_fits(t) ? t->length : t->room;
}

void text_add(struct text *t, const char *octets, size_t length);

/* The same, with XML's special characters replaced, so that it can be content or an attribute. */
void text_add_escaped(struct text *t, const char *octets, size_t length);

/* Adds a number with a comma after each three digits. */
void text_add_grouped(struct text *t, uint64_t n);

/*
 * Adds text as printf() would, with these conversions only:
 *
 *     %s               a string that ends with NUL; it is not escaped
 *     %d %lld %u %llu  whole numbers
 *     %.Nf             with N decimals, 0 to 9
 *     %g               six significant digits; as 0 if it is closer to 0 than 1e-22
 *
 * A number with a fraction must lie between -2^59 and 2^59.
 */
void text_format(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Rounds a number between -2^49 and 2^49 to one decimal. */
double text_tenths(double value);

/* How many characters of UTF-8 these octets are; none is taken to have more than four octets. */
size_t text_characters(const char *octets, size_t length);

/* How many octets the first `characters` of them take; all if there are fewer. */
size_t text_octets_of(const char *octets, size_t length, size_t characters);

#endif
