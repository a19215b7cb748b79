/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "draw/text.h"

#include <stdarg.h>
#include <string.h>

void text_add(struct text *t, const char *octets, size_t length)
{
	size_t left = t->room - text_kept(t);

	if (length > 0 && left > 0)
		memcpy(t->octets + t->length, octets, length < left ? length : left);
	t->length += length;
}

static void add_char(struct text *t, char c)
{
	text_add(t, &c, 1);
}

static void add_string(struct text *t, const char *string)
{
	for (; *string; string++)
		add_char(t, *string);
}

void text_add_escaped(struct text *t, const char *octets, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		switch (octets[i]) {
		case '&':
			add_string(t, "&amp;");
			break;
		case '<':
			add_string(t, "&lt;");
			break;
		case '>':
			add_string(t, "&gt;");
			break;
		case '"':
			add_string(t, "&quot;");
			break;
		case '\'':
			add_string(t, "&#x27;");
			break;
		default:
			add_char(t, octets[i]);
		}
	}
}

size_t text_octets_of(const char *octets, size_t length, size_t characters)
{
	size_t at = 0;

	for (; at < length && characters > 0; characters--) {
		size_t end = at + 4;

		at++;
		while (at < length && at < end && (octets[at] & 0xc0) == 0x80)
			at++;
	}
	return at;
}

size_t text_characters(const char *octets, size_t length)
{
	size_t n = 0;

	for (size_t at = 0; at < length; n++)
		at += text_octets_of(octets + at, length - at, 1);
	return n;
}

/* Whole numbers ----------------------------------------------------------------------- */

enum { WHOLE_DIGITS = 20 };	/* of 2^64 - 1 */

/* Writes the digits as numbers 0 to 9, the highest first. Returns how many: none for 0. */
static size_t whole_digits(uint64_t n, uint8_t digits[WHOLE_DIGITS])
{
	uint8_t last_first[WHOLE_DIGITS];
	size_t count = 0;

	for (; n > 0; n /= 10)
		last_first[count++] = (uint8_t)(n % 10);
	for (size_t i = 0; i < count; i++)
		digits[i] = last_first[count - 1 - i];
	return count;
}

/* Adds a number with at least `least` digits. */
static void add_whole(struct text *t, uint64_t n, size_t least)
{
	uint8_t digits[WHOLE_DIGITS];
	size_t count = whole_digits(n, digits);

	for (size_t i = count; i < least; i++)
		add_char(t, '0');
	for (size_t i = 0; i < count; i++)
		add_char(t, (char)('0' + digits[i]));
}

static void add_signed(struct text *t, int64_t n)
{
	if (n < 0)
		add_char(t, '-');
	add_whole(t, n < 0 ? -(uint64_t)n : (uint64_t)n, 1);
}

void text_add_grouped(struct text *t, uint64_t n)
{
	uint8_t digits[WHOLE_DIGITS];
	size_t count = whole_digits(n, digits);

	if (count == 0)
		add_char(t, '0');
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && (count - i) % 3 == 0)
			add_char(t, ',');
		add_char(t, (char)('0' + digits[i]));
	}
}

/* Numbers with a fraction ------------------------------------------------------------- */

enum { FRACTION_WORDS = 4, FRACTION_BITS = 32 * FRACTION_WORDS, SIGNIFICANT = 6 };

/* The size of a number, exactly. A fraction's bits below 2^-128 are left out; only numbers below
 * 2^-75 have such bits. */
struct exact {
	bool is_negative;
	uint64_t whole;
	uint32_t fraction[FRACTION_WORDS];	/* the highest bits first */
};

/* IEEE 754's double: a sign, 11 bits of exponent, 52 bits of the mantissa. */
static struct exact take_apart(double value)
{
	struct exact x = { 0 };
	uint64_t bits, mantissa;
	int exponent;

	memcpy(&bits, &value, sizeof(bits));
	x.is_negative = bits >> 63;
	exponent = (int)(bits >> 52 & 0x7ff);
	mantissa = bits & ((1ULL << 52) - 1);
	if (exponent > 0)
		mantissa |= 1ULL << 52;
	exponent -= 1075;	/* the value is mantissa * 2^exponent */
	if (exponent >= 0) {
		x.whole = exponent < 11 ? mantissa << exponent : 0;	/* else out of range */
		return x;
	}
	x.whole = exponent > -64 ? mantissa >> -exponent : 0;
	for (int bit = 0; bit < 53; bit++) {
		int at = -exponent - bit - 1;	/* 0: a half, 1: a quarter... */

		if (at >= 0 && at < FRACTION_BITS && mantissa >> bit & 1)
			x.fraction[at / 32] |= 1U << (31 - at % 32);
	}
	return x;
}

/* Takes the next decimal off the fraction. */
static uint8_t next_decimal(struct exact *x)
{
	uint64_t carry = 0;

	for (size_t i = FRACTION_WORDS; i-- > 0;) {
		carry += (uint64_t)x->fraction[i] * 10;
		x->fraction[i] = (uint32_t)carry;
		carry >>= 32;
	}
	return (uint8_t)carry;
}

static bool is_zero(const struct exact *x)
{
	uint32_t any = 0;

	for (size_t i = 0; i < FRACTION_WORDS; i++)
		any |= x->fraction[i];
	return any == 0;
}

/* Is a number to be rounded up that ends with this digit, and goes on with what is left of x? */
static bool rounds_up(struct exact x, bool is_odd)
{
	uint8_t next = next_decimal(&x);

	return next > 5 || (next == 5 && (!is_zero(&x) || is_odd));
}

/* The value times ten to the power of `decimals`, as a whole number. */
static uint64_t scaled(struct exact x, unsigned decimals, uint64_t *power)
{
	uint64_t fraction = 0;

	*power = 1;
	for (unsigned i = 0; i < decimals; i++) {
		fraction = fraction * 10 + next_decimal(&x);
		*power *= 10;
	}
	if (rounds_up(x, (decimals > 0 ? fraction : x.whole) & 1))
		fraction++;
	return fraction;
}

double text_tenths(double value)
{
	struct exact x = take_apart(value);
	uint64_t power, fraction = scaled(x, 1, &power);
	double rounded = (double)(x.whole * power + fraction) / (double)power;

	return x.is_negative ? -rounded : rounded;
}

static void add_fixed(struct text *t, double value, unsigned decimals)
{
	struct exact x = take_apart(value);
	uint64_t power, fraction = scaled(x, decimals, &power);

	if (x.is_negative)
		add_char(t, '-');
	add_whole(t, x.whole + fraction / power, 1);
	if (decimals == 0)
		return;
	add_char(t, '.');
	add_whole(t, fraction % power, decimals);
}

/* Six significant digits, and the power of ten of the first. */
struct significant {
	uint8_t digits[SIGNIFICANT];
	int exponent;
};

static void round_up(struct significant *s)
{
	size_t i = SIGNIFICANT;

	while (i > 0 && s->digits[i - 1] == 9)
		s->digits[--i] = 0;
	if (i > 0) {
		s->digits[i - 1]++;
		return;
	}
	s->digits[0] = 1;
	s->exponent++;
}

/* Returns false if it is 0. */
static bool significant_of(struct exact x, struct significant *s)
{
	uint8_t whole[WHOLE_DIGITS];
	size_t count = whole_digits(x.whole, whole), n = 0;
	bool up;

	s->exponent = (int)count - 1;
	while (n < count && n < SIGNIFICANT) {
		s->digits[n] = whole[n];
		n++;
	}
	if (count == 0) {
		if (is_zero(&x))
			return false;
		while ((s->digits[0] = next_decimal(&x)) == 0)
			s->exponent--;
		n = 1;
	}
	if (count > SIGNIFICANT) {
		bool more = !is_zero(&x);

		for (size_t i = SIGNIFICANT + 1; i < count; i++)
			more |= whole[i] > 0;
		up = whole[n] > 5 ||
		     (whole[n] == 5 && (more || s->digits[SIGNIFICANT - 1] % 2 == 1));
	} else {
		while (n < SIGNIFICANT)
			s->digits[n++] = next_decimal(&x);
		up = rounds_up(x, s->digits[SIGNIFICANT - 1] & 1);
	}
	if (up)
		round_up(s);
	return true;
}

static void add_significant(struct text *t, const struct significant *s)
{
	bool is_short = s->exponent >= -4 && s->exponent < SIGNIFICANT;
	int before = is_short ? s->exponent + 1 : 1;	/* digits before the point */
	int used = SIGNIFICANT;

	while (used > 1 && s->digits[used - 1] == 0)
		used--;
	if (before <= 0)
		add_string(t, "0.");
	for (int i = before; i < 0; i++)
		add_char(t, '0');
	for (int i = 0; i < used || i < before; i++) {
		if (i > 0 && i == before)
			add_char(t, '.');
		add_char(t, (char)('0' + s->digits[i]));
	}
	if (is_short)
		return;
	add_string(t, s->exponent < 0 ? "e-" : "e+");
	add_whole(t, (uint64_t)(s->exponent < 0 ? -s->exponent : s->exponent), 2);
}

static void add_general(struct text *t, double value)
{
	struct exact x = take_apart(value);
	struct significant s;

	if (x.is_negative)
		add_char(t, '-');
	if (significant_of(x, &s))
		add_significant(t, &s);
	else
		add_char(t, '0');
}

/* Formats ----------------------------------------------------------------------------- */

void text_format(struct text *t, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	for (const char *at = format; *at; at++) {
		if (*at != '%') {
			add_char(t, *at);
			continue;
		}
		at++;
		if (*at == 's') {
			add_string(t, va_arg(list, const char *));
		} else if (*at == 'd') {
			add_signed(t, va_arg(list, int));
		} else if (*at == 'u') {
			add_whole(t, va_arg(list, unsigned), 1);
		} else if (*at == 'g') {
			add_general(t, va_arg(list, double));
		} else if (at[0] == '.' && at[1] >= '0' && at[1] <= '9' && at[2] == 'f') {
			add_fixed(t, va_arg(list, double), (unsigned)(at[1] - '0'));
			at += 2;
		} else if (at[0] == 'l' && at[1] == 'l' && at[2] == 'd') {
			add_signed(t, va_arg(list, long long));
			at += 2;
		} else if (at[0] == 'l' && at[1] == 'l' && at[2] == 'u') {
			add_whole(t, va_arg(list, unsigned long long), 1);
			at += 2;
		} else {
			break;
		}
	}
	va_end(list);
}
