/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_ERROR_H
#define RESEG_IO_ERROR_H

/*
 * What is wrong with something that a person gave, in words that say what to do
 *
 * A function that can only fail because of the system returns a negative errno instead. Whoever
 * talks to the person prints the text: with cli_say() or cli_die(), in an answer on the control
 * socket, or beside the line of a file.
 */

#include <stdbool.h>
#include <stddef.h>

struct error {
	char text[700];		/* without a line feed; what does not fit is left out */
	size_t at;		/* where in the text that was read, in octets from 0 */
};

/* Sets both and returns false, so that a function can end with it. */
bool error_set(struct error *error, size_t at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
