/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/error.h"

#include <stdarg.h>
#include <stdio.h>

bool error_set(struct error *error, size_t at, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error->text, sizeof(error->text), format, ap);
	va_end(ap);
	error->at = at;
	return false;
}
