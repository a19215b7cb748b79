/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "settings.h"

#include "core/units.h"
#include "io/cli.h"
#include "io/control.h"
#include "io/inject.h"

#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <math.h>
#include <pwd.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a machine may have. */
#define FLOWS_MAX (1 << 24)
#define MEMORY_MIN (1 << 20)
#define MEMORY_MAX (UINT64_C(1) << 40)
#define QUEUE_LENGTH_MAX (1 << 24)
#define QUEUE_BUFFER_MIN (1 << 16)
#define QUEUE_BUFFER_MAX (1 << 30)

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_"

enum { GIVEN_SEGMENT_SIZE = 1, GIVEN_DIRECTION = 2, GIVEN_ARRIVAL = 4, GIVEN_FAULT = 8 };

/* Values ------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3)))
static bool refuse(struct faultspec_error *error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error->text, sizeof(error->text), format, ap);
	va_end(ap);
	error->at = 0;
	return false;
}

static bool number(const char *text, uint64_t min, uint64_t max, uint64_t *out,
		   struct faultspec_error *error)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || *out < min || *out > max)
		return refuse(error, "give a whole number from %" PRIu64 " to %" PRIu64, min, max);
	return true;
}

static bool number32(const char *text, uint32_t min, uint32_t max, uint32_t *out,
		     struct faultspec_error *error)
{
	uint64_t n;

	if (!number(text, min, max, &n, error))
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool copy(char **to, const char *value, struct faultspec_error *error)
{
	char *text = strdup(value);

	if (!text)
		return refuse(error, "out of memory");
	free(*to);
	*to = text;
	return true;
}

/* Keys ---------------------------------------------------------------------------------- */

static bool set_queue(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	const char *colon = strchr(value, ':');
	char *first_text = strndup(value, colon ? (size_t)(colon - value) : strlen(value));
	uint32_t first, last;
	bool good;

	(void)policy;
	if (!first_text)
		return refuse(error, "out of memory");
	good = number32(first_text, 0, UINT16_MAX, &first, error);
	free(first_text);
	if (!good)
		return false;
	last = first;
	if (colon && !number32(colon + 1, first, UINT16_MAX, &last, error))
		return false;
	if (last - first >= SETTINGS_WORKERS_MAX)
		return refuse(error, "that is more than %d workers", SETTINGS_WORKERS_MAX);
	s->queue.number = (uint16_t)first;
	s->workers = last - first + 1;
	return true;
}

static bool set_segment_size(struct settings *s, unsigned policy, const char *value,
			     struct faultspec_error *error)
{
	s->given[policy] |= GIVEN_SEGMENT_SIZE;
	return number32(value, 1, ENGINE_SEGMENT_SIZE_MAX, &s->engine.rules.policy[policy].segment_size, error);
}

/* The first one takes the place of the preset, further ones are added. */
static bool set_fault(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	struct engine_policy *p = &s->engine.rules.policy[policy];

	if (!(s->given[policy] & GIVEN_FAULT))
		p->faults = 0;
	s->given[policy] |= GIVEN_FAULT;
	if (!faultspec_add(p, value, error))
		return false;
	if (p->faults > 0)	/* else it is none */
		s->fault_at[policy][p->faults - 1] = s->place;
	return true;
}

static bool set_direction(struct settings *s, unsigned policy, const char *value,
			  struct faultspec_error *error)
{
	static const char *const names[] = { "none", "c2s", "s2c", "both" };

	s->given[policy] |= GIVEN_DIRECTION;
	for (unsigned i = DIRECTION_NONE; i <= DIRECTION_BOTH; i++) {
		if (strcmp(value, names[i]) == 0) {
			s->engine.rules.policy[policy].direction = i;
			return true;
		}
	}
	return refuse(error, "give c2s, s2c, both or none");
}

static bool set_arrival(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	bool wire = strcmp(value, "wire") == 0;

	s->given[policy] |= GIVEN_ARRIVAL;
	if (wire && policy > 0)
		return refuse(error, "wire is for all connections: give segment or burst, or put it before the "
				     "first section");
	if (!wire && strcmp(value, "segment") != 0 && strcmp(value, "burst") != 0)
		return refuse(error, "give segment, wire or burst");
	s->engine.rules.policy[policy].arrival = strcmp(value, "burst") == 0 ? ARRIVAL_BURST : ARRIVAL_SEGMENT;
	/* Where segments were joined only the kernel knows for sure, and to ask it costs. */
	if (policy == 0)
		s->queue.joined = !wire;
	return true;
}

static bool set_client(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	return faultspec_prefix(&s->engine.rules.policy[policy].match.client, value, strlen(value)) ||
	       refuse(error, "give an address, or a prefix as 198.51.100.0/24");
}

static bool set_server(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	return faultspec_prefix(&s->engine.rules.policy[policy].match.server, value, strlen(value)) ||
	       refuse(error, "give an address, or a prefix as 198.51.100.0/24");
}

static bool set_port(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	return faultspec_range(&s->engine.rules.policy[policy].match.port, value, strlen(value), UINT16_MAX) ||
	       refuse(error, "give a port, or a range as 25-587");
}

static bool set_flows(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	(void)policy;
	return number32(value, 1, FLOWS_MAX, &s->engine.flows_max, error);
}

static bool set_window(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	(void)policy;
	return number32(value, ENGINE_WINDOW_MIN, STREAM_WINDOW_MAX, &s->engine.window_bytes, error);
}

static bool set_memory(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	(void)policy;
	return number(value, MEMORY_MIN, MEMORY_MAX, &s->engine.memory_bytes, error);
}

static bool set_overload(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	(void)policy;
	if (strcmp(value, "pass") != 0 && strcmp(value, "refuse") != 0)
		return refuse(error, "give pass or refuse");
	s->engine.overload = strcmp(value, "pass") == 0 ? OVERLOAD_PASS : OVERLOAD_REFUSE;
	return true;
}

static bool set_queue_length(struct settings *s, unsigned policy, const char *value,
			     struct faultspec_error *error)
{
	(void)policy;
	return number32(value, 1, QUEUE_LENGTH_MAX, &s->queue.packets, error);
}

static bool set_queue_buffer(struct settings *s, unsigned policy, const char *value,
			     struct faultspec_error *error)
{
	(void)policy;
	s->queue_buffer_given = true;
	return number32(value, QUEUE_BUFFER_MIN, QUEUE_BUFFER_MAX, &s->queue.buffer_bytes, error);
}

static bool set_inject(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	bool known = strcmp(value, "auto") == 0;

	(void)policy;
	for (const struct injector_kind *k = inject_kinds; k->name; k++)
		known |= strcmp(value, k->name) == 0;
	return known ? copy(&s->inject, value, error) : refuse(error, "no such injector; see resegd --help");
}

static bool set_user(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	(void)policy;
	return copy(&s->user, value, error);
}

static bool set_sandbox(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	(void)policy;
	s->no_sandbox = strcmp(value, "off") == 0;
	return s->no_sandbox || strcmp(value, "on") == 0 || refuse(error, "give on or off");
}

static bool set_pcapng(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	(void)policy;
	return copy(&s->pcapng, value, error);
}

static bool set_events(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	(void)policy;
	return copy(&s->events, value, error);
}

static bool set_control(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	(void)policy;
	return copy(&s->control, value, error);
}

static bool set_control_owner(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	(void)policy;
	return copy(&s->control_owner, value, error);
}

static bool set_grace(struct settings *s, unsigned policy, const char *value, struct faultspec_error *error)
{
	char *end;
	double seconds = strtod(value, &end);

	(void)policy;
	if (end == value || *end != '\0' || !isfinite(seconds) || seconds < 0 ||
	    seconds > SETTINGS_GRACE_MAX_SECONDS)
		return refuse(error, "give a time in seconds from 0 to %d", SETTINGS_GRACE_MAX_SECONDS);
	s->grace_ns = (uint64_t)(seconds * NS_PER_S);
	return true;
}

const struct settings_key settings_keys[] = {
	{ "queue", SETTINGS_BOX, set_queue },
	{ "segment-size", SETTINGS_POLICY | SETTINGS_ENGINE, set_segment_size },
	{ "fault", SETTINGS_POLICY | SETTINGS_ENGINE, set_fault },
	{ "direction", SETTINGS_POLICY | SETTINGS_ENGINE, set_direction },
	{ "arrival", SETTINGS_POLICY | SETTINGS_ENGINE, set_arrival },
	{ "client", SETTINGS_MATCH, set_client },
	{ "server", SETTINGS_MATCH, set_server },
	{ "port", SETTINGS_MATCH, set_port },
	{ "flows", SETTINGS_BOX | SETTINGS_ENGINE, set_flows },
	{ "window", SETTINGS_BOX | SETTINGS_ENGINE, set_window },
	{ "memory", SETTINGS_BOX | SETTINGS_ENGINE, set_memory },
	{ "overload", SETTINGS_BOX | SETTINGS_ENGINE, set_overload },
	{ "queue-length", SETTINGS_BOX, set_queue_length },
	{ "queue-buffer", SETTINGS_BOX, set_queue_buffer },
	{ "inject", SETTINGS_BOX, set_inject },
	{ "events", SETTINGS_BOX | SETTINGS_ENGINE, set_events },
	{ "pcapng", SETTINGS_BOX, set_pcapng },
	{ "control", SETTINGS_BOX, set_control },
	{ "control-owner", SETTINGS_BOX, set_control_owner },
	{ "user", SETTINGS_BOX, set_user },
	{ "sandbox", SETTINGS_BOX, set_sandbox },
	{ "grace", SETTINGS_BOX, set_grace },
	{ .name = NULL },
};

_Static_assert(sizeof(settings_keys) / sizeof(settings_keys[0]) - 1 <= SETTINGS_KEYS_MAX,
	       "raise SETTINGS_KEYS_MAX, and what has a bit for each key");

static const struct settings_key *find_key(const char *name)
{
	for (const struct settings_key *k = settings_keys; k->name; k++) {
		if (strcmp(k->name, name) == 0)
			return k;
	}
	return NULL;
}

/* Mistakes ------------------------------------------------------------------------------ */

/* What is said of a place, "FILE:LINE:COLUMN: " or nothing. */
#define PLACE_BYTES 600

static const char *place_text(const struct settings *s, const struct settings_place *at,
			      char text[PLACE_BYTES])
{
	text[0] = '\0';
	if (at->line > 0)
		snprintf(text, PLACE_BYTES, "%.500s:%u:%u: ", s->path, at->line, at->column);
	return text;
}

/* Adds a line. */
__attribute__((format(printf, 2, 3)))
static void note(struct settings_mistakes *m, const char *format, ...)
{
	enum { LINE_BYTES = 2000, FOR_THE_COUNT = 80 };
	char line[LINE_BYTES], escaped[LINE_BYTES];
	size_t room = sizeof(m->text) - FOR_THE_COUNT - m->bytes;
	va_list ap;
	int n;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	cli_escape(escaped, sizeof(escaped), line);
	m->count++;
	if (m->left_out == 0) {
		n = snprintf(m->text + m->bytes, room, "%s%s", m->bytes > 0 ? "\n" : "", escaped);
		if (n >= 0 && (size_t)n < room) {
			m->bytes += (size_t)n;
			return;
		}
	}
	m->left_out++;
	snprintf(m->text + m->bytes, FOR_THE_COUNT, "\nand %u more mistakes", m->left_out);
}

/* Says what is wrong with a key as it was given last. */
static void note_key(const struct settings *s, struct settings_mistakes *m, const char *name,
		     const char *value, const char *why)
{
	const struct settings_place *at = &s->at[find_key(name) - settings_keys];
	char place[PLACE_BYTES];

	note(m, "%s%s%s %s: %s", place_text(s, at, place), at->line > 0 ? "" : "--", name, value, why);
}

/* All --------------------------------------------------------------------------------- */

void settings_init(struct settings *s)
{
	*s = (struct settings){
		.policy_name[0] = "default",
		.queue = { .joined = true, .packets = SETTINGS_QUEUE_LENGTH, .buffer_bytes = SETTINGS_QUEUE_BUFFER },
		.workers = 1,
		.grace_ns = SETTINGS_GRACE_SECONDS * NS_PER_S,
	};
	engine_config_init(&s->engine);
}

void settings_free(struct settings *s)
{
	free(s->inject);
	free(s->events);
	free(s->pcapng);
	free(s->control);
	free(s->control_owner);
	free(s->user);
	s->inject = s->events = s->pcapng = s->control = s->control_owner = s->user = NULL;
}

/* Sets one key, and remembers where it was given. */
static bool set_key(struct settings *s, const struct settings_key *key, unsigned policy,
		    const char *value, struct settings_place place, struct faultspec_error *error)
{
	s->place = s->at[key - settings_keys] = place;
	return key->set(s, policy, value, error);
}

void settings_set(struct settings *s, const struct settings_key *key, const char *value,
		  struct settings_mistakes *m)
{
	static const struct settings_place command_line;
	struct faultspec_error why;

	if (!set_key(s, key, 0, value, command_line, &why))
		note(m, "--%s %s: %s", key->name, value, why.text);
}

void settings_override(struct settings *s)
{
	s->given[0] &= ~(uint32_t)GIVEN_FAULT;
}

/* Can this fault act in its policy, or in one that has it from there? */
static bool can_act(const struct settings *s, unsigned policy, const struct fault *f)
{
	const struct engine_rules *rules = &s->engine.rules;

	if (fault_can_act(f, rules->policy[policy].direction))
		return true;
	for (unsigned i = 1; policy == 0 && i < rules->policies; i++) {
		if (!(s->given[i] & GIVEN_FAULT) && fault_can_act(f, rules->policy[i].direction))
			return true;
	}
	return false;
}

static void check_fault(const struct settings *s, unsigned policy, unsigned i,
			struct settings_mistakes *m)
{
	const struct engine_policy *p = &s->engine.rules.policy[policy];
	const struct settings_place *at = &s->fault_at[policy][i];
	bool in_file = at->line > 0;
	const char *add = in_file ? "add direction = " : "add --direction ";
	char place[PLACE_BYTES], *text;
	struct faultspec_error why = { .at = 0 };

	if (can_act(s, policy, &p->fault[i]) ||
	    faultspec_can_act(&p->fault[i], p->direction, add, &why))
		return;
	text = faultspec_text(&p->fault[i]);
	note(m, "%s%sfault %s: %s", place_text(s, at, place), in_file ? "" : "--",
	     text ? text : p->fault[i].kind->name, why.text);
	free(text);
}

static void check_faults(const struct settings *s, struct settings_mistakes *m)
{
	for (unsigned i = 0; i < s->engine.rules.policies; i++) {
		if (i > 0 && !(s->given[i] & GIVEN_FAULT))
			continue;
		for (unsigned k = 0; k < s->engine.rules.policy[i].faults; k++)
			check_fault(s, i, k, m);
	}
}

void settings_finish(struct settings *s, struct settings_mistakes *m)
{
	struct engine_rules *rules = &s->engine.rules;
	const struct engine_policy *from = &rules->policy[0];

	for (unsigned i = 1; i < rules->policies; i++) {
		struct engine_policy *p = &rules->policy[i];

		if (!(s->given[i] & GIVEN_SEGMENT_SIZE))
			p->segment_size = from->segment_size;
		if (!(s->given[i] & GIVEN_DIRECTION))
			p->direction = from->direction;
		if (!(s->given[i] & GIVEN_ARRIVAL))
			p->arrival = from->arrival;
		if (!(s->given[i] & GIVEN_FAULT)) {
			memcpy(p->fault, from->fault, sizeof(p->fault));
			p->faults = from->faults;
		}
	}
	check_faults(s, m);
}

void settings_check(const struct settings *s, bool look_up, struct settings_mistakes *m)
{
	if (s->control_owner && !s->control)
		note_key(s, m, "control-owner", s->control_owner,
			 "there is no socket to give away: give control, too");
	if (s->control && strlen(s->control) > CONTROL_PATH_MAX)
		note_key(s, m, "control", s->control, "a socket's path has at most 107 bytes");
	if (s->user && s->no_sandbox)
		note_key(s, m, "user", s->user,
			 "with sandbox off it stays who it is: give one of the two");
	if (!look_up)
		return;
	if (s->control_owner && !control_owner_exists(s->control_owner))
		note_key(s, m, "control-owner", s->control_owner,
			 "there is no such user or group: give USER, USER:GROUP or :GROUP");
	if (s->user && !getpwnam(s->user))
		note_key(s, m, "user", s->user, "there is no such user");
}

/* What is fixed once resegd runs: where it is kept, as a number of so many bytes, or as a text that
 * may be missing, which is as good as its preset. */
static const struct fixed {
	const char *key;
	size_t at, bytes;
	const char *preset;	/* of a text; NULL: a number */
} fixed[] = {
#define NUMBER(key, member) { key, offsetof(struct settings, member), sizeof(((struct settings *)NULL)->member), NULL }
#define TEXT(key, member, preset) { key, offsetof(struct settings, member), sizeof(char *), preset }
	NUMBER("queue", queue.number), NUMBER("queue", workers), NUMBER("arrival", queue.joined),
	NUMBER("flows", engine.flows_max), NUMBER("window", engine.window_bytes),
	NUMBER("memory", engine.memory_bytes), NUMBER("overload", engine.overload),
	NUMBER("queue-length", queue.packets), NUMBER("queue-buffer", queue.buffer_bytes),
	TEXT("inject", inject, "auto"), TEXT("events", events, ""), TEXT("pcapng", pcapng, ""),
	TEXT("control", control, ""), TEXT("control-owner", control_owner, ""), TEXT("user", user, ""),
	NUMBER("sandbox", no_sandbox), NUMBER("grace", grace_ns),
#undef NUMBER
#undef TEXT
};

static const char *text_at(const struct settings *s, const struct fixed *f)
{
	const char *const *text = (const void *)((const char *)s + f->at);

	return *text ? *text : f->preset;
}

static bool differ(const struct fixed *f, const struct settings *a, const struct settings *b)
{
	if (f->preset)
		return strcmp(text_at(a, f), text_at(b, f)) != 0;
	return memcmp((const char *)a + f->at, (const char *)b + f->at, f->bytes) != 0;
}

void settings_fixed_changes(const struct settings *a, const struct settings *b,
			    char names[SETTINGS_NAMES_BYTES])
{
	const char *last = "";
	size_t len = 0;

	names[0] = '\0';
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (strcmp(fixed[i].key, last) == 0 || !differ(&fixed[i], a, b))
			continue;
		last = fixed[i].key;
		len += (size_t)snprintf(names + len, SETTINGS_NAMES_BYTES - len, "%s%s", len > 0 ? ", " : "", last);
	}
}

static bool is_same(const struct fault *a, const struct fault *b)
{
	char *text_a = faultspec_text(a), *text_b = faultspec_text(b);
	bool same = text_a && text_b && strcmp(text_a, text_b) == 0;

	free(text_a);
	free(text_b);
	return same;
}

static bool has_id(const struct engine_policy *p, uint32_t id)
{
	for (unsigned i = 0; i < p->faults; i++) {
		if (p->fault[i].id == id)
			return true;
	}
	return false;
}

static void number_policy(struct engine_policy *p, const struct engine_policy *before, uint32_t *last)
{
	for (unsigned i = 0; i < p->faults && before; i++)
		p->fault[i].id = 0;
	for (unsigned i = 0; i < p->faults; i++) {
		struct fault *f = &p->fault[i];

		for (unsigned k = 0; before && k < before->faults && f->id == 0; k++) {
			if (!has_id(p, before->fault[k].id) && is_same(f, &before->fault[k]))
				f->id = before->fault[k].id;
		}
		if (f->id == 0)
			f->id = ++*last;
	}
}

void settings_number_faults(struct settings *s, const struct settings *before, uint32_t *last)
{
	for (unsigned i = 0; i < s->engine.rules.policies; i++) {
		const struct engine_policy *old = NULL;

		for (unsigned k = 0; before && k < before->engine.rules.policies && !old; k++) {
			if (strcmp(before->policy_name[k], s->policy_name[i]) == 0)
				old = &before->engine.rules.policy[k];
		}
		number_policy(&s->engine.rules.policy[i], old, last);
	}
}

/* A file -------------------------------------------------------------------------------- */

/* Characters of a line. */
#define LINE_MOST 199

/* inih tells neither columns nor, to its handler, lines: so it is handed one line at a time, and
 * the line it is at is remembered here. */
struct file {
	struct settings *settings;
	struct settings_mistakes *mistakes;
	FILE *in;
	unsigned line;		/* from 1 */
	unsigned policy;	/* whose section this is */
	uint32_t seen;		/* keys of this section: a bit for each */
	char text[LINE_MOST + 2];	/* of the line */
};

__attribute__((format(printf, 3, 4)))
static void complain(struct file *f, size_t column, const char *format, ...)
{
	struct settings_place at = { f->line, (unsigned)column + 1 };
	char place[PLACE_BYTES], what[1000];
	va_list ap;

	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	place_text(f->settings, &at, place);
	note(f->mistakes, "%s%s", place, what);
}

static size_t blanks(const char *text)
{
	return strspn(text, " \t");
}

/* An empty policy in this place. */
static unsigned begin_policy(struct settings *s, unsigned i)
{
	s->engine.rules.policy[i] = (struct engine_policy){ .direction = DIRECTION_C2S };
	s->given[i] = 0;
	return i;
}

/* The number of a policy, made if it is new. */
static unsigned policy_of(struct file *f, const char *section, size_t column)
{
	struct settings *s = f->settings;
	struct engine_rules *rules = &s->engine.rules;
	const char *name = section + 7 + (strncmp(section, "policy ", 7) == 0 ? blanks(section + 7) : 0);
	bool good = strncmp(section, "policy ", 7) == 0 && name[0] != '\0' &&
		    strlen(name) < SETTINGS_NAME_BYTES && name[strspn(name, NAME_CHARACTERS)] == '\0' &&
		    strcmp(name, "default") != 0;
	unsigned i = 1;

	if (!good)
		complain(f, column, "[%s]: sections are [policy NAME], with a name of less than %d letters, digits, dots, "
			 "hyphens and underscores that is not default", section, SETTINGS_NAME_BYTES);
	while (good && i < rules->policies && strcmp(s->policy_name[i], name) != 0)
		i++;
	if (i == POLICIES_MAX)
		complain(f, column, "%d policies at most", POLICIES_MAX - 1);
	if (good && i < rules->policies)
		return i;
	/* What follows is read even if there is no such policy, for the mistakes in it. */
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
		complain(f, (size_t)(rest - f->text), "behind a section's ] stands nothing but a comment");
	f->policy = policy_of(f, section, column - 1);
}

/* Reads a line into f->text. Returns false at the end. *good: it is text of no more than `most`
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
		complain(f, strlen(line), "a character of value 0: this is no text");
	} else if (strcspn(line + skip, "\n") > most) {
		complain(f, 0, "a line of more than %zu characters", most);
		*good = false;
	} else {
		snprintf(f->text, sizeof(f->text), "%s", line + skip);
	}
	free(line);
	return true;
}

/* An ini_reader: without blanks at the beginning, which would mean that a value goes on. What is
 * wrong already is as good as an empty line. */
static char *read_line(char *to, int size, void *arg)
{
	struct file *f = arg;
	const char *text;
	bool good;

	if (!next_line(f, (size_t)size - 1 < LINE_MOST ? (size_t)size - 1 : LINE_MOST, &good))
		return NULL;
	snprintf(to, (size_t)size, "\n");
	text = f->text + blanks(f->text);
	/* It calls nobody for these. */
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

/* An ini_handler. Sections are none of its business: see begin_section(). */
static int handle(void *arg, const char *section, const char *name, const char *value)
{
	struct file *f = arg;
	const struct settings_key *key = find_key(name);
	size_t column = blanks(f->text);
	struct settings_place place = { f->line, (unsigned)column + 1 };
	struct faultspec_error error;
	bool again;

	(void)section;
	if (!key) {
		complain(f, column, "%s: no such key; see reseg.conf(5)", name);
		return 1;
	}
	again = (f->seen >> (key - settings_keys) & 1u) && strcmp(name, "fault") != 0;
	f->seen |= 1u << (key - settings_keys);
	if (f->policy > 0 && (key->where & SETTINGS_BOX))
		complain(f, column, "%s is for all connections: put it before the first section", name);
	else if (f->policy == 0 && key->where == SETTINGS_MATCH)
		complain(f, column, "%s chooses connections for a policy: put it into a section "
			 "[policy NAME]", name);
	else if (again)
		complain(f, column, "%s stands here twice", name);
	else if (!set_key(f->settings, key, f->policy, value, place, &error))
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
		note(m, "%s: %s", path, strerror(errno));
		return;
	}
	line = ini_parse_stream(read_line, &f, handle, &f);
	if (ferror(f.in))
		note(m, "%s: %s", path, strerror(errno));
	else if (line != 0 && m->count == 0)
		note(m, "%s: line %d cannot be read", path, line);
	fclose(f.in);
}
