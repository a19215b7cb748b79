/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fault.h"

#include <string.h>

/*
 * The firewall of 2008. Its loop took the last piece when pending <= S, and a
 * full one when pending > S + 1; one value in between was nobody's case:
 *
 *      pending    ... S-1   S   S+1  S+2 ...
 *                 last piece |  ??  | full piece, more to come
 *
 * More data un-sticks it, a FIN does not.
 */
static uint32_t off_by_one_cut(uint32_t pending, uint32_t segment_size, uint32_t bytes)
{
	return pending == segment_size + 1 ? 0 : bytes;
}

const struct fault fault_table[] = {
	{
		.name = "off-by-one",
		.summary = "segment size + 1 bytes pending are never sent on (the firewall of 2008)",
		.hook = "cut",
		.cut = off_by_one_cut,
	},
	{
		.name = "none",
		.summary = "no fault: the box is a byte-exact relay",
		.hook = "-",
	},
	{ .name = NULL },
};

const struct fault *fault_find(const char *name)
{
	for (const struct fault *f = fault_table; f->name; f++) {
		if (strcmp(f->name, name) == 0)
			return f;
	}
	return NULL;
}
