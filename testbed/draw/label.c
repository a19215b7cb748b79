/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "draw/label.h"

void label_add(struct text *out, const struct label *label, const char *octets, size_t length)
{
	text_format(out, "<text x=\"%g\" y=\"%g\" class=\"%s", text_tenths(label->x),
		    text_tenths(label->y), label->css);
	if (label->more_css)
		text_format(out, " %s", label->more_css);
	if (label->data)
		text_format(out, "\" data-%s=\"%u", label->data, label->value);
	text_format(out, "\">");
	text_add_escaped(out, octets, length);
	text_format(out, "</text>");
}

void label_add_string(struct text *out, const struct label *label, const char *string)
{
	size_t length = 0;

	while (string[length])
		length++;
	label_add(out, label, string, length);
}
