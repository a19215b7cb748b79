/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Text in a buffer of limited size, and numbers as the C library writes them. */

#include "draw/text.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static char octets[256];

static struct text begin(size_t room)
{
	memset(octets, '#', sizeof(octets));
	return (struct text){ .octets = octets, .room = room };
}

/* Is this the text, and is nothing written after it? */
static void expect(const struct text *t, const char *what)
{
	size_t kept = text_kept(t);

	cr_assert_lt(kept, sizeof(octets));
	cr_assert_eq(octets[kept], '#', "\"%s\": written beyond its end", what);
	octets[kept] = '\0';
	cr_assert_str_eq(octets, what, "\"%s\", not \"%s\"", octets, what);
	octets[kept] = '#';
}

Test(text, what_does_not_fit_is_counted)
{
	struct text t = begin(5);

	text_add(&t, "abc", 3);
	cr_assert(text_fits(&t));
	text_format(&t, "d%se", "");
	cr_assert(text_fits(&t));
	expect(&t, "abcde");
	text_add_escaped(&t, "<f", 2);
	text_add(&t, "gh", 2);
	cr_assert_not(text_fits(&t));
	cr_assert_eq(t.length, 5 + 5 + 2);
	expect(&t, "abcde");
	t = begin(5);
	text_add(&t, "abcdefgh", 8);
	cr_assert_eq(t.length, 8);
	expect(&t, "abcde");
	t = (struct text){ 0 };
	text_format(&t, "%d", 12);
	cr_assert_eq(t.length, 2);
	cr_assert_eq(text_kept(&t), 0);
}

Test(text, what_xml_would_take_for_more_is_escaped)
{
	struct text t = begin(100);

	text_add_escaped(&t, "<a b='\"&'>\xc3\xa9", 12);
	expect(&t, "&lt;a b=&#x27;&quot;&amp;&#x27;&gt;\xc3\xa9");
}

Test(text, whole_numbers)
{
	struct text t = begin(200);

	text_format(&t, "%d %d %u %lld %llu", 0, -7, 4294967295U, INT64_MIN + 0LL,
		    (unsigned long long)UINT64_MAX);
	expect(&t, "0 -7 4294967295 -9223372036854775808 18446744073709551615");
	t = begin(200);
	for (uint64_t n = 0; n < 10000000; n = n * 10 + 1) {
		text_add_grouped(&t, n);
		text_format(&t, " ");
	}
	expect(&t, "0 1 11 111 1,111 11,111 111,111 1,111,111 ");
}

Test(text, characters)
{
	static const char mixed[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
	static const char broken[] = "\x80\x80\x80\x80\x80\x80\xc3";

	cr_assert_eq(text_characters(mixed, sizeof(mixed) - 1), 5);
	cr_assert_eq(text_octets_of(mixed, sizeof(mixed) - 1, 0), 0);
	cr_assert_eq(text_octets_of(mixed, sizeof(mixed) - 1, 3), 6);
	cr_assert_eq(text_octets_of(mixed, sizeof(mixed) - 1, 9), sizeof(mixed) - 1);
	/* No character has more than four octets. */
	cr_assert_eq(text_octets_of(broken, sizeof(broken) - 1, 1), 4);
	cr_assert_eq(text_characters(broken, sizeof(broken) - 1), 3);
}

/* The same as the C library, whose numbers are exact, too. */
static void compare(double value)
{
	static const char *const formats[] = { "%g", "%.0f", "%.1f", "%.3f", "%.6f", "%.9f" };
	char wanted[100];

	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		struct text t = begin(200);

		snprintf(wanted, sizeof(wanted), formats[i], value);
		text_format(&t, formats[i], value);
		expect(&t, wanted);
	}
	snprintf(wanted, sizeof(wanted), "%.1f", value);
	if (fabs(value) > 5e14)
		return;
	cr_assert_eq(text_tenths(value), strtod(wanted, NULL), "%a", value);
}

Test(text, fractions)
{
	static const double values[] = {
		0,
		1,
		10,
		0.5,
		1.5,
		2.5,
		0.05,
		0.15,
		0.25,
		0.35,
		0.45,
		0.95,
		0.999999,
		9.95,
		99.95,
		999999,
		999999.5,
		1000000,
		1234567,
		123456.5,
		123457.5,
		12345.65,
		0.0001,
		0.00001,
		0.000123456,
		0.00009999995,
		3.47e-8,
		1e-22,
		1e15,
		5e17,
		860.0 / 513,
		320 / 1.0000001,
		0.0005,
		0.0015,
		2.0005,
		255,
		4503599627370496.5,
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		compare(values[i]);
		if (values[i] > 0)
			compare(-values[i]);
	}
}

Test(text, many_fractions)
{
	uint64_t random = 1;

	for (unsigned i = 0; i < 100000; i++) {
		double value;

		random = random * 6364136223846793005U + 1442695040888963407U;
		value = ldexp((double)(random >> 11), (int)(i % 110) - 104);
		if (value < 5e17)
			compare(value);
		/* Halfway between two numbers of one decimal. */
		compare((double)(random >> 44) / 4 + 0.25);
	}
}
