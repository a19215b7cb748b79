/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_DECIMAL_H
#define RESEG_IO_DECIMAL_H

/*
 * Whole numbers as people write them: digits, without a sign or blanks
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Reads the digits of text[*at..len); *at is then after them. Returns false if there are none, or
 * if the number is larger than most: then *at is at the first digit too many. */
static inline bool decimal_read(const char *text, size_t len, size_t *at, uint64_t most,
				uint64_t *out)
{
	size_t start = *at;

	*out = 0;
	for (; *at < len && text[*at] >= '0' && text[*at] <= '9'; ++*at) {
		unsigned digit = (unsigned)(text[*at] - '0');

		if (*out > most / 10 || digit > most - *out * 10)
			return false;
		*out = *out * 10 + digit;
	}
	return *at > start;
}

/* Reads a text that is nothing but a number from min to max. */
static inline bool decimal_is(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	size_t at = 0;

	return decimal_read(text, strlen(text), &at, max, out) && text[at] == '\0' && *out >= min;
}

#endif
