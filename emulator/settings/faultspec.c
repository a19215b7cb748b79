/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "settings/faultspec.h"

#include "io/decimal.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const struct fault_param every = {
	"every", "act only on every N-th occasion", 1, FAULTSPEC_EVERY_MAX, 1,
};
static const struct fault_param percent = {
	"percent", "and then only with this probability, in %", 1, 100, 100,
};

/* Keys for where and when a fault acts. */
enum scope_type { SCOPE_RANGE, SCOPE_PREFIX, SCOPE_DIRECTION };

static const struct scope_key {
	const char *name;
	const char *summary;
	const char *values;	/* what they look like, for people */
	size_t at;		/* in struct fault_scope */
	enum scope_type type;
	uint32_t most;
	uint32_t shift;		/* added to numbers that people count from 0 */
} scope_keys[] = {
	{ "direction", "in this half only; a packet belongs to the half that it travels in",
	  "c2s or s2c", offsetof(struct fault_scope, direction), SCOPE_DIRECTION, 0, 0 },
	{ "client", "in connections of these clients only",
	  "an address, or a prefix such as 198.51.100.0/24",
	  offsetof(struct fault_scope, match.client), SCOPE_PREFIX, 0, 0 },
	{ "server", "in connections to these servers only",
	  "an address, or a prefix such as 198.51.100.0/24",
	  offsetof(struct fault_scope, match.server), SCOPE_PREFIX, 0, 0 },
	{ "port", "in connections to these server ports only", "a port or a range, such as 25-587",
	  offsetof(struct fault_scope, match.port), SCOPE_RANGE, UINT16_MAX, 0 },
	{ "flows",
	  "in the N-th of these connections only, counted from 1 since the fault came into use",
	  "a number or a range, such as 1-2 or 3-", offsetof(struct fault_scope, flows),
	  SCOPE_RANGE, UINT32_MAX, 0 },
	{ "arrivals", "at the N-th arrival of data in that half of a connection only, up to 65534",
	  "a number or a range, such as 1-2 or 3-", offsetof(struct fault_scope, arrivals),
	  SCOPE_RANGE, UINT16_MAX, 0 },
	{ "seconds", "in the N-th second only, counted from 0 since the fault came into use",
	  "a number or a range, such as 10- or 0-59", offsetof(struct fault_scope, seconds),
	  SCOPE_RANGE, UINT32_MAX, 1 },
};

#define SCOPE_KEYS (sizeof(scope_keys) / sizeof(scope_keys[0]))

/* Where the value of a key is. */
static void *scope_value(struct fault_scope *s, const struct scope_key *k)
{
	return (char *)s + k->at;
}

static const void *scope_value_of(const struct fault_scope *s, const struct scope_key *k)
{
	return (const char *)s + k->at;
}

static bool number(const char *text, size_t len, size_t *at, uint32_t most, uint32_t *out)
{
	uint64_t n;
	bool good = decimal_read(text, len, at, most, &n);

	*out = (uint32_t)n;
	return good;
}

/* Reads a range of numbers up to most - shift, and adds shift to them. */
static bool read_range(struct range *out, const char *text, size_t len, uint32_t most,
		       uint32_t shift)
{
	size_t at = 0;

	most -= shift;
	if (!number(text, len, &at, most, &out->first))
		return false;
	out->last = out->first;
	if (at < len && text[at] == '-') {
		at++;
		out->last = most;
		if (at < len && !number(text, len, &at, most, &out->last))
			return false;
	}
	out->first += shift;
	out->last += shift;
	return at == len && out->first <= out->last && out->last > 0;
}

bool faultspec_range(struct range *out, const char *text, size_t len, uint32_t most)
{
	return read_range(out, text, len, most, 0);
}

bool faultspec_prefix(struct prefix *out, const char *text, size_t len)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = memchr(text, '/', len);
	size_t address_len = slash ? (size_t)(slash - text) : len, at = address_len + 1;
	uint32_t bits, most;

	if (address_len >= sizeof(address))
		return false;
	memcpy(address, text, address_len);
	address[address_len] = '\0';
	*out = (struct prefix){ .address = { [10] = 0xff, [11] = 0xff } };
	if (inet_pton(AF_INET, address, out->address + 12) == 1)
		most = 32;
	else if (inet_pton(AF_INET6, address, out->address) == 1)
		most = 128;
	else
		return false;
	bits = most;
	if (slash && (!number(text, len, &at, most, &bits) || at != len))
		return false;
	out->bits = (uint8_t)(128 - most + bits);
	return true;
}

/* The parameter of this name, and where its value is; NULL if there is none. */
static const struct fault_param *find_param(struct fault *f, const char *name, size_t len,
					    uint32_t **value)
{
	const struct fault_param *p;

	for (unsigned i = 0; i < FAULT_PARAMS_MAX; i++) {
		p = &f->kind->param[i];
		*value = &f->value[i];
		if (p->name && strlen(p->name) == len && strncmp(p->name, name, len) == 0)
			return p;
	}
	for (unsigned i = 0; i < 2; i++) {
		p = i == 0 ? &every : &percent;
		*value = i == 0 ? &f->every : &f->percent;
		if (strlen(p->name) == len && strncmp(p->name, name, len) == 0)
			return p;
	}
	return NULL;
}

static const struct scope_key *find_scope(const char *name, size_t len)
{
	for (size_t i = 0; i < SCOPE_KEYS; i++) {
		if (strlen(scope_keys[i].name) == len &&
		    strncmp(scope_keys[i].name, name, len) == 0)
			return &scope_keys[i];
	}
	return NULL;
}

static bool read_scope(struct fault *f, const struct scope_key *k, const char *value, size_t len)
{
	void *to = scope_value(&f->scope, k);

	switch (k->type) {
	case SCOPE_RANGE:
		return read_range(to, value, len, k->most, k->shift);
	case SCOPE_PREFIX:
		return faultspec_prefix(to, value, len);
	case SCOPE_DIRECTION:
		break;
	}
	if (len != 3 || (memcmp(value, "c2s", 3) != 0 && memcmp(value, "s2c", 3) != 0))
		return false;
	f->scope.direction = value[0] == 'c' ? DIRECTION_C2S : DIRECTION_S2C;
	return true;
}

/* Sets one KEY=VALUE, of len characters from `at` on. */
static bool set_param(struct fault *f, const char *whole, size_t at, size_t len,
		      struct error *error)
{
	const char *text = whole + at, *equals = memchr(text, '=', len);
	size_t name_len = equals ? (size_t)(equals - text) : len, digits = name_len + 1;
	const struct scope_key *k = find_scope(text, name_len);
	uint32_t *value, n;
	const struct fault_param *p;

	if (equals && k) {
		if (read_scope(f, k, equals + 1, len - name_len - 1))
			return true;
		return error_set(error, at + name_len + 1, "%s is %s: %.*s", k->name, k->values,
				 (int)len, text);
	}
	p = find_param(f, text, name_len, &value);
	if (!p || !equals)
		return error_set(error, at, "%s has no parameter \"%.*s\": see --list-faults",
				 f->kind->name, (int)len, text);
	if (!number(text, len, &digits, p->most, &n) || digits != len || n < p->least)
		return error_set(error, at + name_len + 1,
				 "%s is a number from %" PRIu32 " to %" PRIu32 ": %.*s", p->name,
				 p->least, p->most, (int)len, text);
	*value = n;
	return true;
}

bool faultspec_read(struct fault *f, const char *text, struct error *error)
{
	size_t len = strcspn(text, ":");
	char name[32], names[512] = "";
	const struct fault_kind *kind;

	snprintf(name, sizeof(name), "%.*s", (int)len, text);
	kind = fault_find(name);
	if (!kind) {
		for (const struct fault_kind *k = fault_table; k->name; k++) {
			strncat(names, k == fault_table ? "" : ", ",
				sizeof(names) - strlen(names) - 1);
			strncat(names, k->name, sizeof(names) - strlen(names) - 1);
		}
		error_set(error, 0, "no such fault; there are: %s", names);
		return false;
	}
	*f = fault_of(kind);
	while (text[len] != '\0') {
		size_t at = len + 1, param_len = strcspn(text + at, ",");

		if (!set_param(f, text, at, param_len, error))
			return false;
		len = at + param_len;
	}
	return true;
}

bool faultspec_add(struct engine_policy *policy, const char *text, struct error *error)
{
	struct fault f;

	if (!faultspec_read(&f, text, error))
		return false;
	if (!fault_acts(f.kind))
		return true;
	if (policy->faults == FAULTS_MAX)
		return error_set(error, 0, "%d faults at most", FAULTS_MAX);
	policy->fault[policy->faults++] = f;
	return true;
}

bool faultspec_can_act(const struct fault *f, unsigned intercepted, const char *what_to_do,
		       struct error *error)
{
	static const char *const names[] = { "none", "c2s", "s2c", "both" };
	static const char *const sources[] = {
		[DIRECTION_C2S] = "client", [DIRECTION_S2C] = "server"
	};
	unsigned direction = f->scope.direction, only = f->kind->only;

	if (fault_can_act(f, intercepted))
		return true;
	if (only != 0 && !(direction & only))
		return error_set(error, 0, "it acts only on what the %s sends: drop direction=%s",
				 sources[only], names[direction]);
	return error_set(error, 0,
			 "it can never act, as what the %s sends is not intercepted: %s%s",
			 sources[direction], what_to_do, names[intercepted | direction]);
}

static void print_prefix(FILE *out, const struct prefix *p)
{
	char address[INET6_ADDRSTRLEN];
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool is_ipv4 = p->bits >= 96 && memcmp(p->address, mapped, sizeof(mapped)) == 0;
	unsigned bits = is_ipv4 ? p->bits - 96u : p->bits;

	inet_ntop(is_ipv4 ? AF_INET : AF_INET6, p->address + (is_ipv4 ? 12 : 0), address,
		  sizeof(address));
	fputs(address, out);
	if (bits != (is_ipv4 ? 32 : 128))
		fprintf(out, "/%u", bits);
}

/* Writes the value of a key. If it is the preset, returns false and writes nothing. */
static bool print_scope(FILE *out, const struct fault_scope *s, const struct scope_key *k,
			char separator)
{
	const struct range *range = scope_value_of(s, k);
	const struct prefix *prefix = scope_value_of(s, k);
	static const struct prefix any;

	if (k->type == SCOPE_RANGE       ? range->last == 0
	    : k->type == SCOPE_DIRECTION ? s->direction == 0
					 : memcmp(prefix, &any, sizeof(any)) == 0)
		return false;
	fprintf(out, "%c%s=", separator, k->name);
	if (k->type == SCOPE_PREFIX)
		print_prefix(out, prefix);
	else if (k->type == SCOPE_DIRECTION)
		fputs(s->direction == DIRECTION_C2S ? "c2s" : "s2c", out);
	else if (range->first == range->last)
		fprintf(out, "%" PRIu32, range->first - k->shift);
	else if (range->last == k->most)
		fprintf(out, "%" PRIu32 "-", range->first - k->shift);
	else
		fprintf(out, "%" PRIu32 "-%" PRIu32, range->first - k->shift,
			range->last - k->shift);
	return true;
}

void faultspec_print(FILE *out, const struct fault *f)
{
	struct fault preset = fault_of(f->kind);
	char separator = ':';

	fputs(f->kind->name, out);
	for (unsigned i = 0; i < FAULT_PARAMS_MAX; i++) {
		if (f->value[i] == preset.value[i])
			continue;
		fprintf(out, "%c%s=%" PRIu32, separator, f->kind->param[i].name, f->value[i]);
		separator = ',';
	}
	if (f->every != preset.every) {
		fprintf(out, "%cevery=%" PRIu32, separator, f->every);
		separator = ',';
	}
	if (f->percent != preset.percent) {
		fprintf(out, "%cpercent=%" PRIu32, separator, f->percent);
		separator = ',';
	}
	for (size_t i = 0; i < SCOPE_KEYS; i++) {
		if (print_scope(out, &f->scope, &scope_keys[i], separator))
			separator = ',';
	}
}

char *faultspec_text(const struct fault *f)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	faultspec_print(out, f);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void print_param(FILE *out, const char *format, const struct fault_param *p, uint32_t preset)
{
	char values[64];

	snprintf(values, sizeof(values), "%" PRIu32 " to %" PRIu32 " (%" PRIu32 ")", p->least,
		 p->most, preset);
	fprintf(out, format, p->name, p->summary, values);
}

void faultspec_list(FILE *out)
{
	for (const struct fault_kind *k = fault_table; k->name; k++) {
		fprintf(out, "%-20s  %s\n", k->name, k->summary);
		for (unsigned i = 0; i < FAULT_PARAMS_MAX && k->param[i].name; i++)
			print_param(out, "  %-12s  %s, %s\n", &k->param[i], k->param[i].preset);
		if (k->every > 1)
			print_param(out, "  %-12s  %s, %s\n", &every, k->every);
	}
	fprintf(out, "\nEach of them also takes:\n");
	print_param(out, "  %-12s  %s, %s\n", &every, every.preset);
	print_param(out, "  %-12s  %s, %s\n", &percent, percent.preset);
	for (size_t i = 0; i < SCOPE_KEYS; i++)
		fprintf(out, "  %-12s  %s: %s\n", scope_keys[i].name, scope_keys[i].summary,
			scope_keys[i].values);
}

void faultspec_hooks(char *text, size_t size, const struct fault_kind *k)
{
	const char *const at[] = {
		k->cut || k->alter ? "cut" : NULL,
		k->piece ? "piece" : NULL,
		k->packet ? "packet" : NULL,
		k->shifts ? "connection" : NULL,
	};

	snprintf(text, size, "-");
	for (size_t i = 0, len = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		const char *comma = len > 0 ? ", " : "";

		if (at[i] && len < size)
			len += (size_t)snprintf(text + len, size - len, "%s%s", comma, at[i]);
	}
}

/* The keys for where and when. */
static void page_scope(FILE *out)
{
	fprintf(out, "\nA fault can be limited in where and when it acts:\n\n"
		     "| key | acts | value |\n|---|---|---|\n");
	for (size_t i = 0; i < SCOPE_KEYS; i++)
		fprintf(out, "| `%s` | %s | %s |\n", scope_keys[i].name, scope_keys[i].summary,
			scope_keys[i].values);
	fprintf(out,
		"\n"
		"A fault that can never act is refused. `lose-tail:direction=s2c`, for example,\n"
		"needs `--direction s2c` or `both`, because cuts and pieces are made only in\n"
		"intercepted halves. Packets are seen in both halves, whichever is intercepted.\n");
	fprintf(out,
		"\n"
		"`percent` is a share of occasions, not of connections:\n"
		"`drop:every=1,percent=30` loses 30 %% of the pieces of each connection. To\n"
		"choose connections, use `flows`, which takes their numbers. Only `isn-shift`\n"
		"has just one occasion in each connection, so its `percent` is a share of\n"
		"connections.\n"
		"\n"
		"`ack-then-die` forgets a connection at the first packet that comes once enough\n"
		"bytes are ACKed. So with `reset=1` the RSTs are sent when either end sends its\n"
		"next packet, not with the ACK. While both ends wait for each other, none is\n"
		"sent.\n");
	fprintf(out,
		"\n"
		"`off-by-one:flows=1-2` breaks the first two connections, and none after them.\n"
		"A connection that is refused has a number, too: a client that first tries an\n"
		"address where nobody listens uses one up.\n"
		"Each worker counts `every`, `flows` and `seconds` for itself, so with several\n"
		"workers a range applies to each.\n");
}

void faultspec_page(FILE *out)
{
	char hooks[64];

	fprintf(out,
		"# Faults\n\n"
		"Made by `resegd --list-faults=markdown`.\n\n"
		"`--fault NAME[:KEY=VALUE,...]` can be given up to %d times: the faults act side\n"
		"by side, in the order given. Without it the box has the first fault of the\n"
		"table.\n\n"
		"| fault | at | what the box does | what users see |\n"
		"|---|---|---|---|\n",
		FAULTS_MAX);
	for (const struct fault_kind *k = fault_table; k->name; k++) {
		faultspec_hooks(hooks, sizeof(hooks), k);
		fprintf(out, "| `%s` | %s | %s | %s |\n", k->name, hooks, k->summary, k->symptom);
	}
	fprintf(out,
		"\n"
		"The column *at* names the place where a fault acts. A *cut* is made once, when\n"
		"data arrives. A *piece* is what was cut, each time that it is sent. A *packet*\n"
		"is anything that comes in, before the box looks at it. A *connection* is\n"
		"considered once, at its first SYN.\n"
		"\n"
		"| fault | parameter | what it is | from, to (preset) |\n"
		"|---|---|---|---|\n");
	for (const struct fault_kind *k = fault_table; k->name; k++) {
		for (unsigned i = 0; i < FAULT_PARAMS_MAX && k->param[i].name; i++) {
			fprintf(out, "| `%s` ", k->name);
			print_param(out, "| `%s` | %s | %s |\n", &k->param[i], k->param[i].preset);
		}
		if (k->every > 1) {
			fprintf(out, "| `%s` ", k->name);
			print_param(out, "| `%s` | %s | %s |\n", &every, k->every);
		}
	}
	fprintf(out, "| all others ");
	print_param(out, "| `%s` | %s | %s |\n", &every, every.preset);
	fprintf(out, "| all ");
	print_param(out, "| `%s` | %s | %s |\n", &percent, percent.preset);
	page_scope(out);
}
