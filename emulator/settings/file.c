/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "settings/settings.h"

#include "settings/keys.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The configuration file: its sections and keys, and its mistakes by line and column
 */

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_"

/* Most characters in a line. */
#define LINE_MOST 199

/* inih reports no columns and does not give its handler line numbers: so it gets one line at a
 * time, and the current line is kept here. */
struct file {
	struct settings *settings;
	struct settings_mistakes *mistakes;
	FILE *in;
	unsigned line;		/* from 1 */
	unsigned policy;	/* that this section is for */
	uint32_t seen;		/* keys of this section: a bit for each */
	char text[LINE_MOST + 2];	/* of the line */
};

__attribute__((format(printf, 3, 4))) static void complain(struct file *f, size_t column,
							   const char *format, ...)
{
	struct settings_place at = { f->line, (unsigned)column + 1 };
	char place[SETTINGS_PLACE_BYTES], what[1000];
	va_list ap;

	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	settings_place_text(f->settings->path, &at, place);
	settings_note(f->mistakes, "%s%s", place, what);
}

static size_t blanks(const char *text)
{
	return strspn(text, " \t");
}

/* Puts an empty policy in this place. */
static unsigned begin_policy(struct settings *s, unsigned i)
{
	s->engine.rules.policy[i] = (struct engine_policy){ .direction = DIRECTION_C2S };
	s->given[i] = 0;
	return i;
}

/* The number of a policy, which is created if it is new. */
static unsigned policy_of(struct file *f, const char *section, size_t column)
{
	struct settings *s = f->settings;
	struct engine_rules *rules = &s->engine.rules;
	const char *name = section + 7 +
			   (strncmp(section, "policy ", 7) == 0 ? blanks(section + 7) : 0);
	bool good = strncmp(section, "policy ", 7) == 0 && name[0] != '\0' &&
		    strlen(name) < SETTINGS_NAME_BYTES &&
		    name[strspn(name, NAME_CHARACTERS)] == '\0' && strcmp(name, "default") != 0;
	unsigned i = 1;

	if (!good)
		complain(f, column,
			 "[%s]: sections are [policy NAME], with a name of fewer than %d letters, "
			 "digits, dots, hyphens and underscores, other than default",
			 section, SETTINGS_NAME_BYTES);
	while (good && i < rules->policies && strcmp(s->policy_name[i], name) != 0)
		i++;
	if (i == POLICIES_MAX)
		complain(f, column, "%d policies at most", POLICIES_MAX - 1);
	if (good && i < rules->policies)
		return i;
	/* Without such a policy, still read what follows, to find the mistakes in it. */
	if (!good || i == POLICIES_MAX)
		return begin_policy(s, POLICIES_MAX - 1);
	snprintf(s->policy_name[i], SETTINGS_NAME_BYTES, "%s", name);
	rules->policies++;
	return begin_policy(s, i);
}

/* Reads the head of a section, after its [. */
static void begin_section(struct file *f, const char *text)
{
	size_t length = strcspn(text, "]"), column = (size_t)(text - f->text);
	const char *rest = text + length;
	char section[sizeof(f->text)];

	f->seen = 0;
	if (*rest != ']') {
		complain(f, column - 1, "a section without its ]");
		f->policy = begin_policy(f->settings, POLICIES_MAX - 1);
		return;
	}
	rest += 1 + blanks(rest + 1);
	memcpy(section, text, length);
	section[length] = '\0';
	if (!strchr(";#\r\n", *rest))
		complain(f, (size_t)(rest - f->text), "only a comment may follow a section's ]");
	f->policy = policy_of(f, section, column - 1);
}

/* Reads a line into f->text. Returns false at the end. *good: it is text of at most `most`
 * characters. */
static bool next_line(struct file *f, size_t most, bool *good)
{
	static const char mark[] = "\xef\xbb\xbf";	/* some editors begin a file with it */
	char *line = NULL;
	size_t room = 0, skip;
	ssize_t length = getline(&line, &room, f->in);

	if (length < 0) {
		free(line);
		return false;
	}
	f->line++;
	skip = f->line == 1 && strncmp(line, mark, strlen(mark)) == 0 ? strlen(mark) : 0;
	*good = strlen(line) == (size_t)length;
	if (!*good) {
		complain(f, strlen(line), "a NUL character: this is not a text file");
	} else if (strcspn(line + skip, "\n") > most) {
		complain(f, 0, "a line of more than %zu characters", most);
		*good = false;
	} else {
		snprintf(f->text, sizeof(f->text), "%s", line + skip);
	}
	free(line);
	return true;
}

/* An ini_reader. Returns lines without leading blanks, which would mean that a value goes on. A
 * line already reported as wrong becomes an empty one. */
static char *read_line(char *to, int size, void *arg)
{
	struct file *f = arg;
	const char *text;
	bool good;

	if (!next_line(f, (size_t)size - 1 < LINE_MOST ? (size_t)size - 1 : LINE_MOST, &good))
		return NULL;
	snprintf(to, (size_t)size, "\n");
	text = f->text + blanks(f->text);
	/* inih calls no handler for these. */
	if (good && text[0] == '[')
		begin_section(f, text + 1);
	else if (good && !strchr("[;#\r\n", text[0]) && !strpbrk(text, "=:"))
		complain(f, blanks(f->text), "neither \"key = value\" nor [policy NAME]");
	else if (good)
		snprintf(to, (size_t)size, "%s", text);
	return to;
}

/* Where the value of the line is. */
static size_t value_column(const struct file *f)
{
	size_t at = strcspn(f->text, "=:");

	at += f->text[at] != '\0';
	return at + blanks(f->text + at);
}

/* An ini_handler. It ignores sections: see begin_section(). */
static int handle_key(void *arg, const char *section, const char *name, const char *value)
{
	struct file *f = arg;
	const struct settings_key *key = settings_find_key(name);
	size_t column = blanks(f->text);
	struct settings_place place = { f->line, (unsigned)column + 1 };
	struct error error;
	bool again;

	(void)section;
	if (!key) {
		complain(f, column, "%s: no such key; see reseg.conf(5)", name);
		return 1;
	}
	again = (f->seen >> (key - settings_keys) & 1u) && strcmp(name, "fault") != 0;
	f->seen |= 1u << (key - settings_keys);
	if (f->policy > 0 && (key->where & SETTINGS_WHOLE))
		complain(f, column, "%s is for all connections: put it before the first section",
			 name);
	else if (f->policy == 0 && key->where == SETTINGS_MATCH)
		complain(f, column,
			 "%s chooses connections for a policy: put it into a section [policy NAME]",
			 name);
	else if (again)
		complain(f, column, "%s is given twice in this section", name);
	else if (!settings_set_key(f->settings, key, f->policy, value, place, &error))
		complain(f, value_column(f) + error.at, "%s %s: %s", name, value, error.text);
	return 1;
}

void settings_load(struct settings *s, const char *path, struct settings_mistakes *m)
{
	struct file f = { .settings = s, .mistakes = m };
	int line;

	s->path = path;
	f.in = fopen(path, "re");
	if (!f.in) {
		settings_note(m, "%s: %s", path, strerror(errno));
		return;
	}
	line = ini_parse_stream(read_line, &f, handle_key, &f);
	if (ferror(f.in))
		settings_note(m, "%s: %s", path, strerror(errno));
	else if (line != 0 && m->count == 0)
		settings_note(m, "%s: line %d cannot be read", path, line);
	fclose(f.in);
}
