/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The event log when its file is full: no line is torn, and each is either there or counted as
 * lost. */

#include "io/eventlog.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

static char path[32];
static struct eventlog *events;
static uint64_t observed;

static void make(void)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/reseg-eventlog-XXXXXX");
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	close(fd);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(eventlog_open(&events, path, 0), 0);
	observed = 0;
}

static void remove_it(void)
{
	eventlog_close(events);
	unlink(path);
}

TestSuite(eventlog, .init = make, .fini = remove_it);

/* Limits the size of this process's files, which is like a full disk. */
static void give_room(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Logs so many arrivals with consecutive offsets, each written at once. */
static void observe(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct engine_event event = {
			.type = EVENT_ARRIVAL, .flow = 1, .source = CLIENT, .offset = ++observed,
			.bytes = 1,
		};

		eventlog_observe(events, &event);
		eventlog_flush(events);
	}
}

struct found {
	uint64_t lines, lost;
};

/* Fails the test if a line is not JSON, or is missing without being counted as lost. */
static void read_log(const char *name, struct found *found)
{
	FILE *f = fopen(name, "r");
	uint64_t before = found->lines + found->lost;
	char line[1024];

	cr_assert(f, "%s", name);
	while (fgets(line, sizeof(line), f)) {
		json_error_t error;
		json_t *event = json_loads(line, 0, &error);
		json_int_t offset;

		cr_assert(event && strchr(line, '\n'), "not a whole line of JSON: %s", line);
		if (strcmp(json_string_value(json_object_get(event, "event")),
			   "events_lost") == 0) {
			found->lost += (uint64_t)json_integer_value(json_object_get(event,
										    "lines"));
			before = UINT64_MAX;
		} else {
			offset = json_integer_value(json_object_get(event, "offset"));
			found->lines++;
			cr_assert(before == UINT64_MAX || offset == (json_int_t)before + 1,
				  "%" JSON_INTEGER_FORMAT " after %" PRIu64, offset, before);
			before = (uint64_t)offset;
		}
		json_decref(event);
	}
	fclose(f);
}

static uint64_t lines_of(const char *name)
{
	FILE *f = fopen(name, "r");
	uint64_t lines = 0;
	int c;

	cr_assert(f, "%s", name);
	while ((c = fgetc(f)) != EOF)
		lines += c == '\n';
	fclose(f);
	return lines;
}

Test(eventlog, each_line_is_there_or_counted)
{
	/* the file is full at each octet of a line in turn, then again within the rest of it, or at
	 * its end */
	for (rlim_t room = 900; room < 1100; room++) {
		struct found found = { 0, 0 };

		observe(2);
		give_room(room);
		observe(12);
		cr_assert_eq(eventlog_flush(events), -EFBIG);
		give_room(room + 3);
		observe(3);
		give_room(room + 400);
		observe(9);
		give_room(RLIM_INFINITY);
		observe(2);
		read_log(path, &found);
		cr_assert_eq(found.lines + found.lost, observed,
			     "room for %ju: %" PRIu64 " and %" PRIu64 " of %" PRIu64,
			     (uintmax_t)room, found.lines, found.lost, observed);
		cr_assert_eq(found.lost, eventlog_lost(events));
		cr_assert_gt(found.lost, 0);
		remove_it();
		make();
	}
}

/* A full file is moved away: the new one must not begin with the rest of a line begun there. */
Test(eventlog, a_new_file_begins_with_a_line)
{
	struct found found = { 0, 0 };
	char old[64];

	snprintf(old, sizeof(old), "%s.old", path);
	give_room(950);
	observe(12);
	cr_assert_eq(rename(path, old), 0);
	cr_assert_eq(eventlog_reopen(events), 0);
	observe(2);
	read_log(path, &found);
	cr_assert_eq(found.lines, 2);
	cr_assert_eq(found.lost, eventlog_lost(events));
	/* there the last line is incomplete */
	cr_assert_eq(lines_of(old), 12 - found.lost);
	unlink(old);
}

/* A file that was not moved stays open, as this user may not be allowed to open it anew. */
Test(eventlog, a_file_in_its_place_stays)
{
	struct found found = { 0, 0 };

	observe(3);
	chmod(path, 0);
	cr_assert_eq(eventlog_reopen(events), 0);
	observe(3);
	chmod(path, 0600);
	read_log(path, &found);
	cr_assert_eq(found.lines, 6);
}
