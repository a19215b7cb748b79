/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* nobody, on every system */
#define ORDINARY_ID "65534"
#define STEP_DOWN "setpriv --reuid " ORDINARY_ID " --regid " ORDINARY_ID " --clear-groups "
#define AS_ORDINARY STEP_DOWN "--no-new-privs -- "
/* With sub-ids, by a mount namespace in which /etc/subuid and /etc/subgid have them. */
#define AS_SUB_IDS                                                                       \
	"unshare --mount sh -c 'echo nobody:200000:65536 >$DIR/.sub && "                 \
	"mount --bind $DIR/.sub /etc/subuid && "                                         \
	"mount --bind $DIR/.sub /etc/subgid && exec \"$@\"' sh " STEP_DOWN

static char dir[64];

static void remove_dir(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command) != 0)	/* NOLINT(cert-env33-c): the folder's name is ours */
		fprintf(stderr, "%s is left\n", dir);
}

const char *lab_dir(void)
{
	if (dir[0] == '\0') {
		strcpy(dir, "/tmp/reseg-test-XXXXXX");
		cr_assert_not_null(mkdtemp(dir));
		cr_assert_eq(chmod(dir, 0777), 0);
		setenv("DIR", dir, 1);
		setenv("TMPDIR", dir, 1);	/* so that what a program leaves is removed, too */
		atexit(remove_dir);
	}
	return dir;
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	char part[4096];
	size_t n;

	cr_assert_not_null(f, "%s: %s", path, strerror(errno));
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		fwrite(part, 1, n, to);
	fclose(f);
	fclose(to);
	return text;
}

/* $RESEG_TEST_VM runs a command under another kernel; such as "testbed/vm --quiet". */
#define IN_VM                                                                            \
	"$RESEG_TEST_VM --keep $DIR -- env -u RESEG_VM_REPEAT DIR=$DIR TMPDIR=$DIR "       \
	"PATH=\"$PATH\" LAB_COMMAND=\"$LAB_COMMAND\" LAB_LINE=\"$LAB_LINE\" "

static struct lab_result run(const char *prefix, const char *command)
{
	static unsigned serial;
	struct lab_result r;
	char out[128], err[128], *line;
	int status;

	snprintf(out, sizeof(out), "%s/.out-%u", lab_dir(), ++serial);
	snprintf(err, sizeof(err), "%s/.err-%u", lab_dir(), serial);
	setenv("LAB_COMMAND", command, 1);
	cr_assert_geq(asprintf(&line, "%s timeout -k 5 400 sh -c \"$LAB_COMMAND\"", prefix), 0);
	setenv("LAB_LINE", line, 1);
	free(line);
	cr_assert_geq(asprintf(&line, "%s sh -c 'eval \"$LAB_LINE\"' </dev/null >%s 2>%s",
			       getenv("RESEG_TEST_VM") ? IN_VM : "", out, err),
		      0);
	status = system(line);	/* NOLINT(cert-env33-c): the test's own command line */
	free(line);
	r.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	r.out = read_file(out);
	r.err = read_file(err);
	return r;
}

struct lab_result lab_run(enum lab_user user, const char *format, ...)
{
	bool step_down = user != LAB_ROOT && geteuid() == 0;
	struct lab_result r;
	char *command;
	va_list ap;

	va_start(ap, format);
	cr_assert_geq(vasprintf(&command, format, ap), 0);
	va_end(ap);
	r = run(!step_down ? "" : user == LAB_SUB_IDS ? AS_SUB_IDS : AS_ORDINARY, command);
	free(command);
	return r;
}

/* An ordinary user may not be able to read the folder of this build: copies what the tests run to a
 * folder that anybody can read. */
static void stage(void)
{
	char text[8192];
	struct lab_result r = run("",
		"mkdir $DIR/bin && cd $DIR/bin && "
		"for program in reseg-lab reseg-probe reseg-sink resegd reseg-rules mail-client "
		"stream-client; do "
		"cp \"$(command -v $program)\" . || exit; done && "
		"cp \"$(dirname \"$(command -v reseg-rules)\")\"/*.nft . && "
		"cp \"$(dirname \"$(command -v reseg-rules)\")\"/*.iptables . && "
		"cp \"$(command -v reseg-mta)\" . && cp -r \"$(dirname \"$(command -v "
		"reseg-mta)\")\"/mta . && "
		"cp $NO_NFQUEUE no-nfqueue.so && cp -r $FAKE_MTAS fake-mtas && "
		"if [ -e $RESEG_MTA ]; then cp -r $RESEG_MTA/ mtas; fi && chmod -R a+rX .");

	lab_expect_status(&r, 0);
	snprintf(text, sizeof(text), "%s/bin:%s", dir, getenv("PATH"));
	setenv("PATH", text, 1);
	snprintf(text, sizeof(text), "%s/bin/no-nfqueue.so", dir);
	setenv("NO_NFQUEUE", text, 1);
	snprintf(text, sizeof(text), "%s/bin/fake-mtas", dir);
	setenv("FAKE_MTAS", text, 1);
	snprintf(text, sizeof(text), "%s/bin/mtas", dir);
	setenv("RESEG_MTA", text, 1);
}

void lab_start(enum lab_user user)
{
	struct lab_result r;

	if (user == LAB_ROOT && geteuid() != 0)
		cr_skip_test("not run by root");
	if (user == LAB_ROOT)
		return;
	if (lab_run(user, "command -v reseg-lab").status != 0)
		stage();
	if (user == LAB_SUB_IDS && lab_run(user,
					   "command -v newuidmap && grep -q \"^$(id -un):\" "
					   "/etc/subuid "
						 "/etc/subgid").status != 0)
		cr_skip_test("this user has no sub-ids, or newuidmap is not installed");
	r = lab_run(user, "unshare --user --map-root-user true");
	if (r.status != 0)
		cr_skip_test("an ordinary user may not make user namespaces here: %s", r.err);
}

void lab_need(const char *program)
{
	if (lab_run(LAB_ROOT, "command -v %s", program).status != 0)
		cr_skip_test("%s is not installed", program);
}

void lab_run_quiet(struct lab_case c, const char *options, const char *command)
{
	struct lab_result r = lab_run(c.user, "reseg-lab -%d %s -- sh -c '%s'", c.ip, options,
				      command);

	cr_assert_leq(r.status, 1, "%s%s", r.out, r.err);
	cr_assert_str_eq(r.err, "");
}

void lab_write_script(const char *name, struct lab_case c, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", lab_dir(), name);
	f = fopen(path, "we");
	cr_assert_not_null(f);
	fprintf(f, "t=%s\n%s\n", c.ip == 4 ? "iptables" : "ip6tables", text);
	fclose(f);
}

void lab_has(const struct lab_result *r, const char *text)
{
	cr_assert(strstr(r->out, text), "no \"%s\" in:\n%s%s", text, r->out, r->err);
}

void lab_expect_status(const struct lab_result *r, int status)
{
	cr_assert_eq(r->status, status, "status %d, not %d\n%s%s", r->status, status, r->out,
		     r->err);
}

bool lab_is_line_with(const char *text, const char *part)
{
	const char *end = strchr(text, '\n');

	return end && end[1] == '\0' && strstr(text, part);
}

void lab_expect_error(const struct lab_result *r, int status, const char *text)
{
	lab_expect_status(r, status);
	cr_assert(lab_is_line_with(r->err, text), "not one line with \"%s\": %s", text, r->err);
}

void lab_expect_usage_errors(enum lab_user user, const char *program, const char *suffix,
			     const struct lab_usage *cases)
{
	for (; cases->text; cases++) {
		struct lab_result r = lab_run(user, "%s %s %s", program, cases->arguments, suffix);

		lab_expect_error(&r, 2, cases->text);
	}
}

json_t *lab_json(const char *text)
{
	json_error_t error;
	json_t *json = json_loads(text, 0, &error);

	cr_assert_not_null(json, "no JSON (line %d: %s): %s", error.line, error.text, text);
	return json;
}

json_t *lab_rows(const struct lab_result *r)
{
	json_t *rows = json_object_get(lab_json(r->out), "rows");

	cr_assert(json_array_size(rows) > 0, "%s", r->err);
	return rows;
}

json_t *lab_json_lines(const char *name)
{
	json_t *lines = json_array();
	char path[128], *text;

	snprintf(path, sizeof(path), "%s/%s", lab_dir(), name);
	text = read_file(path);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		json_array_append_new(lines, lab_json(line));
	free(text);
	return lines;
}

json_t *lab_mta_rows(struct lab_case c, const char *name, int status, const char *arguments)
{
	struct lab_result r = lab_run(c.user,
				      "reseg-mta -%d --keep $DIR/%s --format json %s >$DIR/%s.json",
				      c.ip, name, arguments, name);
	json_t *root;

	lab_expect_status(&r, status);
	r = lab_run(c.user, "cat $DIR/%s.json", name);
	root = lab_json(r.out);
	return json_incref(json_object_get(root, "rows"));
}

void lab_need_mtas(struct lab_case c)
{
	if (lab_run(c.user, "test -d $RESEG_MTA/postfix").status != 0)
		cr_skip_test("no mail servers are unpacked: run testbed/check");
}

int64_t lab_number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	cr_assert(json_is_integer(value), "no number %s", key);
	return json_integer_value(value);
}

const char *lab_string(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	cr_assert_not_null(value, "no string %s", key);
	return value;
}
