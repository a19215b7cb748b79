/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The part of Criterion that the core tests use, for processors that Criterion does not know, such
 * as s390x, or that are emulated without the kernel's help, where no program can execute itself.
 * Each test is a process; time limits are left to meson. Prints TAP. testbed/dev/cross uses it.
 */

#ifndef RESEG_BARE_CRITERION_H
#define RESEG_BARE_CRITERION_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Users of Criterion must not see warnings about this file. */
#pragma GCC system_header

struct bare_options {
	void (*init)(void);
	void (*fini)(void);
	double timeout;
};

/* A test; or, if run is NULL, the settings of a suite. */
struct bare_test {
	const char *suite, *name;
	void (*run)(void);
	struct bare_options options;
	struct bare_test *next;
};

/* The list is there once, though several files may include this. The last test is first. */
struct bare_test *bare_tests __attribute__((weak));

#define bare_add(id, ...) \
	__attribute__((constructor)) static void bare_add_##id(void) \
	{ \
		static struct bare_test test = { __VA_ARGS__ }; \
		test.next = bare_tests; \
		bare_tests = &test; \
	}

#define TestSuite(suite_, ...) \
	bare_add(suite_, .suite = #suite_, .options = { __VA_ARGS__ }) \
	struct bare_test

#define Test(suite_, name_, ...) \
	static void suite_##_##name_(void); \
	bare_add(suite_##_##name_, .suite = #suite_, .name = #name_, .run = suite_##_##name_, \
		 .options = { __VA_ARGS__ }) \
	static void suite_##_##name_(void)

static inline struct bare_options bare_suite(const char *name)
{
	for (const struct bare_test *t = bare_tests; t; t = t->next) {
		if (!t->run && strcmp(t->suite, name) == 0)
			return t->options;
	}
	return (struct bare_options){ 0 };
}

static inline void bare_run(const struct bare_test *t)
{
	struct bare_options suite = bare_suite(t->suite);

	if (suite.init)
		suite.init();
	t->run();
	if (suite.fini)
		suite.fini();
}

__attribute__((weak)) int main(void)
{
	int number = 0, failed = 0;

	puts("TAP version 13");
	for (const struct bare_test *t = bare_tests; t; t = t->next) {
		int status = 1;
		pid_t pid;

		if (!t->run)
			continue;
		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			bare_run(t);
			exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0)
			status = 1;
		failed += status != 0;
		printf("%sok %d - %s::%s\n", status == 0 ? "" : "not ", ++number, t->suite,
		       t->name);
	}
	printf("1..%d\n", number);
	return failed > 0;
}

#define bare_fail(condition, ...) \
	((condition) ? (void)0 : (printf("# %s:%d: %s\n# ", __FILE__, __LINE__, #condition), \
				  printf("" __VA_ARGS__), puts(""), exit(1)))

#define cr_assert(x, ...) bare_fail(x, __VA_ARGS__)
#define cr_assert_not(x, ...) bare_fail(!(x), __VA_ARGS__)
#define cr_assert_eq(a, b, ...) bare_fail((a) == (b), __VA_ARGS__)
#define cr_assert_neq(a, b, ...) bare_fail((a) != (b), __VA_ARGS__)
#define cr_assert_lt(a, b, ...) bare_fail((a) < (b), __VA_ARGS__)
#define cr_assert_leq(a, b, ...) bare_fail((a) <= (b), __VA_ARGS__)
#define cr_assert_gt(a, b, ...) bare_fail((a) > (b), __VA_ARGS__)
#define cr_assert_geq(a, b, ...) bare_fail((a) >= (b), __VA_ARGS__)
#define cr_assert_null(p, ...) bare_fail((p) == NULL, __VA_ARGS__)
#define cr_assert_not_null(p, ...) bare_fail((p) != NULL, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) bare_fail(strcmp(a, b) == 0, __VA_ARGS__)
#define cr_assert_arr_eq(a, b, n, ...) bare_fail(memcmp(a, b, n) == 0, __VA_ARGS__)

#endif
