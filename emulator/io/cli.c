/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/cli.h"

#include "core/units.h"
#include "io/decimal.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *cli_program = "reseg";

/* How many bytes the first character of a text takes if it may be shown; 0: it may not. */
static size_t character(const unsigned char *c)
{
	static const struct {
		unsigned char first, last;	/* of the first byte */
		unsigned char second_least, second_most;
		unsigned char bytes;
	} forms[] = {
		/* RFC 3629 section 4, without the controls U+0080 to U+009F */
		{ 0x20, 0x7e, 0, 0, 1 },       { 0xc2, 0xc2, 0xa0, 0xbf, 2 },
		{ 0xc3, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t n = 2;

		if (c[0] < forms[i].first || c[0] > forms[i].last)
			continue;
		if (forms[i].bytes == 1)
			return 1;
		if (c[1] < forms[i].second_least || c[1] > forms[i].second_most)
			return 0;
		while (n < forms[i].bytes && (c[n] & 0xc0) == 0x80)
			n++;
		return n == forms[i].bytes ? n : 0;
	}
	return 0;
}

void cli_escape(char *to, size_t size, const char *text)
{
	size_t at = 0;

	while (*text != '\0') {
		size_t n = character((const unsigned char *)text);

		if (at + (n > 0 ? n : 4) >= size)
			break;
		if (n > 0)
			memcpy(to + at, text, n);
		else
			snprintf(to + at, size - at, "\\x%02x", (unsigned char)*text);
		at += n > 0 ? n : 4;
		text += n > 0 ? n : 1;
	}
	to[at] = '\0';
}

static void complain(const char *format, va_list ap)
{
	char *text = NULL, *escaped = NULL;
	int len = vasprintf(&text, format, ap);
	size_t size = 4 * (size_t)(len > 0 ? len : 0) + 1;

	if (len >= 0)
		escaped = malloc(size);
	if (escaped)
		cli_escape(escaped, size, text);
	flockfile(stderr);	/* one line, whoever else writes */
	fprintf(stderr, "%s: %s\n", cli_program, escaped ? escaped : "out of memory");
	funlockfile(stderr);
	free(escaped);
	if (len >= 0)
		free(text);
}

void cli_say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain(format, ap);
	va_end(ap);
}

void cli_die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain(format, ap);
	va_end(ap);
	exit(EXIT_USAGE);
}

void cli_fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain(format, ap);
	va_end(ap);
	exit(EXIT_FINDING);
}

void cli_say_lines(const char *text)
{
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");

		cli_say("%.*s", (int)length, text);
		text += length + (text[length] != '\0');
	}
}

void cli_die_lines(const char *text)
{
	cli_say_lines(text);
	exit(EXIT_USAGE);
}

int cli_option(int argc, char **argv, const char *short_options, const struct option *table,
	       void (*print_help)(void))
{
	int option;

	opterr = 0;
	option = getopt_long(argc, argv, short_options, table, NULL);
	switch (option) {
	case CLI_HELP:
		print_help();
		exit(EXIT_GOOD);
	case CLI_VERSION:
		printf("%s (reseg) %s\n", cli_program, RESEG_VERSION);
		exit(EXIT_GOOD);
	case '?':
		cli_die("%s: not an option, or one that needs a value; see --help",
			argv[optind - 1]);
	default:
		return option;
	}
}

uint64_t cli_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	uint64_t value;

	if (!decimal_is(text, min, max, &value))
		cli_die("%s %s: give a whole number from %llu to %llu", option, text,
			(unsigned long long)min, (unsigned long long)max);
	return value;
}

static double fraction(const char *option, const char *text, double min, double max,
		       const char *what)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !isfinite(value) || value < min || value > max)
		cli_die("%s %s: give a %s from %g to %g", option, text, what, min, max);
	return value;
}

double cli_fraction(const char *option, const char *text, double min, double max)
{
	return fraction(option, text, min, max, "number");
}

uint64_t cli_seconds(const char *option, const char *text, double min, double max)
{
	return (uint64_t)(fraction(option, text, min, max, "time in seconds") * NS_PER_S);
}

void cli_ready(int fd)
{
	if (write(fd, "\n", 1) != 1)
		cli_say("cannot report that it is ready: descriptor %d is closed", fd);
	close(fd);
}
