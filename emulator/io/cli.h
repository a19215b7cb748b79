/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_CLI_H
#define RESEG_IO_CLI_H

/*
 * What the command lines of all programs have in common
 *
 * An error is one line on standard error that says what to do. Exit status: 0 good, 1 a bad
 * finding, 2 usage or set-up error.
 */

#include <getopt.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { EXIT_GOOD = 0, EXIT_FINDING = 1, EXIT_USAGE = 2 };

/* The program's name in messages; set it before anything else. */
extern const char *cli_program;

/* Copies text in a form that is safe to show: control characters, and what is not UTF-8, become
 * \xNN. What does not fit is left out. */
void cli_escape(char *to, size_t size, const char *text);

/* Prints "program: message" and a line feed on standard error. The message is escaped, so it is one
 * line. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, and exits with EXIT_USAGE. */
_Noreturn void cli_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same with EXIT_FINDING, for what goes wrong after set-up. */
_Noreturn void cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As cli_say() and cli_die(), for each line of a text. */
void cli_say_lines(const char *text);
_Noreturn void cli_die_lines(const char *text);

/* The options that every program has: the end of its table for cli_option(). */
enum { CLI_HELP = 1000, CLI_VERSION };

#define CLI_COMMON_OPTIONS                                                                         \
	{ "help", no_argument, NULL, CLI_HELP }, { "version", no_argument, NULL, CLI_VERSION },    \
	{                                                                                          \
		NULL, 0, NULL, 0                                                                   \
	}

/* The next option, as from getopt_long(); -1 after the last. Handles --help, --version and unknown
 * options. short_options may begin with "+". */
int cli_option(int argc, char **argv, const char *short_options, const struct option *table,
	       void (*print_help)(void));

/* Reads the whole text as a decimal number min..max; dies and names the option if it is anything
 * else. */
uint64_t cli_number(const char *option, const char *text, uint64_t min, uint64_t max);

/* Reads a number min..max, with or without a fraction; dies likewise. */
double cli_fraction(const char *option, const char *text, double min, double max);

/* Reads a time in seconds, with or without a fraction. Returns nanoseconds; dies likewise. */
uint64_t cli_seconds(const char *option, const char *text, double min, double max);

/* Reports on a descriptor that the program is ready: writes one line feed, then closes it. */
void cli_ready(int fd);

#endif
