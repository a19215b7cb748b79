/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Whole numbers as people write them. */

#include "io/decimal.h"

#include <criterion/criterion.h>

Test(decimal, is)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		bool is;
		uint64_t number;
	} cases[] = {
		{ "0", 0, 9, true, 0 },
		{ "007", 0, 9, true, 7 },
		{ "10", 0, 9, false, 0 },
		{ "4", 5, 9, false, 0 },
		{ "18446744073709551615", 0, UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", 0, UINT64_MAX, false, 0 },
		{ "99999999999999999999", 0, UINT64_MAX, false, 0 },
		{ "", 0, 9, false, 0 },
		{ "-1", 0, 9, false, 0 },
		{ "+1", 0, 9, false, 0 },
		{ " 1", 0, 9, false, 0 },
		{ "1 ", 0, 9, false, 0 },
		{ "1x", 0, 9, false, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t number;
		bool is = decimal_is(cases[i].text, cases[i].min, cases[i].max, &number);

		cr_expect_eq(is, cases[i].is, "\"%s\"", cases[i].text);
		cr_expect(!is || number == cases[i].number, "\"%s\"", cases[i].text);
	}
}

/* Reading ends after the digits, or at the digit that makes the number too large. */
Test(decimal, read)
{
	uint64_t number;
	size_t at = 1;

	cr_expect(decimal_read("x12-3", 5, &at, 99, &number));
	cr_expect_eq(number, 12);
	cr_expect_eq(at, 3);
	at = 1;
	cr_expect(!decimal_read("x123", 4, &at, 99, &number));
	cr_expect_eq(at, 3);
	at = 3;
	cr_expect(!decimal_read("x12-3", 5, &at, 99, &number));
	at = 0;
	cr_expect(decimal_read("123", 2, &at, 99, &number));
	cr_expect_eq(number, 12);
}
