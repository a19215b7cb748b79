/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/cli.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

const char *cli_program = "reseg";

static void complain(const char *format, va_list ap)
{
	flockfile(stderr);	/* one line, whoever else has something to say */
	fprintf(stderr, "%s: ", cli_program);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	funlockfile(stderr);
}

void cli_complain(const char *format, ...)
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
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || value < min ||
	    value > max)
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
	return (uint64_t)(fraction(option, text, min, max, "time in seconds") * 1e9);
}

void cli_ready(int fd)
{
	if (write(fd, "\n", 1) != 1)
		cli_complain("cannot report that it is ready: descriptor %d is closed", fd);
	close(fd);
}
