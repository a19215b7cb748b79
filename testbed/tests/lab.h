/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_TESTS_LAB_H
#define RESEG_TESTS_LAB_H

/*
 * Runs commands, as root and as an ordinary user, and reads what they print
 *
 * A test that this machine or user cannot run is skipped with the reason; none passes
 * because something was missing.
 */

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

enum lab_user {
	LAB_ROOT,
	LAB_ORDINARY,
	LAB_SUB_IDS,		/* an ordinary user who has sub-ids (subuid(5)) */
};

struct lab_case {
	enum lab_user user;
	int ip;			/* 4 or 6 */
};

/* One test for each user and IP version, which calls NAME with the case. */
#define LAB_TEST(suite, name)                                                                      \
	static void name(struct lab_case c);                                                       \
	Test(suite, name##_root_ipv4)                                                              \
	{                                                                                          \
		lab_start(LAB_ROOT);                                                               \
		name((struct lab_case){ LAB_ROOT, 4 });                                            \
	}                                                                                          \
	Test(suite, name##_root_ipv6)                                                              \
	{                                                                                          \
		lab_start(LAB_ROOT);                                                               \
		name((struct lab_case){ LAB_ROOT, 6 });                                            \
	}                                                                                          \
	Test(suite, name##_user_ipv4)                                                              \
	{                                                                                          \
		lab_start(LAB_ORDINARY);                                                           \
		name((struct lab_case){ LAB_ORDINARY, 4 });                                        \
	}                                                                                          \
	Test(suite, name##_user_ipv6)                                                              \
	{                                                                                          \
		lab_start(LAB_ORDINARY);                                                           \
		name((struct lab_case){ LAB_ORDINARY, 6 });                                        \
	}                                                                                          \
	static void name(struct lab_case c)

/* Skips the test if it cannot be run as this user. */
void lab_start(enum lab_user user);

/* Skips the test if a program is not installed. */
void lab_need(const char *program);

struct lab_result {
	int status;		/* exit status, or 128 + the signal */
	char *out;		/* standard output and standard error, each as one string */
	char *err;
};

/* Runs a shell command line to its end. The programs of this build are in PATH, and
 * $DIR is a new folder that anybody may write to, gone after the test. */
struct lab_result lab_run(enum lab_user user, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* For the shell: starts resegd in the background, and waits until it is ready. */
#define START_RESEGD(options)                                                            \
	"mkfifo $DIR/ready; resegd " options " --ready-fd 3 3>$DIR/ready & "             \
	"read line <$DIR/ready; rm $DIR/ready; "

/* For the shell, in a lab: runs what follows on the box. */
#define ON_BOX "reseg-lab enter --on box -- "

#define LAB_COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Runs a command in a lab with these options. Fails the test unless the lab ends with 0 or 1 and
 * says nothing on standard error. */
void lab_run_quiet(struct lab_case c, const char *options, const char *command);

/* The path of $DIR. */
const char *lab_dir(void);

/* Writes a script to the folder; $t in it is iptables or ip6tables. */
void lab_write_script(const char *name, struct lab_case c, const char *text);

/* Fails the test unless the command ended with this status. */
void lab_expect_status(const struct lab_result *r, int status);

/* Fails the test unless it printed this. */
void lab_has(const struct lab_result *r, const char *text);

/* Is the text just one line, with this part in it? */
bool lab_is_line_with(const char *text, const char *part);

/* Fails the test unless it ended with this status and said just one line on standard
 * error, with this text in it. */
void lab_expect_error(const struct lab_result *r, int status, const char *text);

/* Arguments that a program must refuse, with this text in its one line. */
struct lab_usage {
	const char *arguments, *text;
};

/* Runs the program with each of these arguments, followed by `suffix`; the row after the last has
 * no text. */
void lab_expect_usage_errors(enum lab_user user, const char *program, const char *suffix,
			     const struct lab_usage *cases);

/* Text as JSON; fails the test if it is not. */
json_t *lab_json(const char *text);

/* The rows that reseg-probe printed as JSON; fails the test if there are none. */
json_t *lab_rows(const struct lab_result *r);

/* The lines of a JSON Lines file, as an array. */
json_t *lab_json_lines(const char *name);

/* Runs reseg-mta with --format json into $DIR/NAME.json; returns the rows. */
json_t *lab_mta_rows(struct lab_case c, const char *name, int status, const char *arguments);

/* Skips the test if no mail servers are unpacked. */
void lab_need_mtas(struct lab_case c);

/* A number of a JSON object; fails the test if there is none. */
int64_t lab_number(const json_t *object, const char *key);
const char *lab_string(const json_t *object, const char *key);

#endif
