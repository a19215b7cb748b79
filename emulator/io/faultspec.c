/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/faultspec.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct fault_param every = {
	"every", "act on each such occasion", 1, FAULTSPEC_EVERY_MAX, 1,
};
static const struct fault_param percent = {
	"percent", "and then with this probability", 1, 100, 100,
};

__attribute__((format(printf, 3, 4)))
static bool refuse(char *error, size_t size, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error, size, format, ap);
	va_end(ap);
	return false;
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

/* One KEY=VALUE, of len characters. */
static bool set_param(struct fault *f, const char *text, size_t len, char *error, size_t size)
{
	const char *equals = memchr(text, '=', len);
	size_t name_len = equals ? (size_t)(equals - text) : len;
	uint32_t *value;
	const struct fault_param *p = find_param(f, text, name_len, &value);
	char *end = NULL;
	unsigned long n;

	if (!p || !equals)
		return refuse(error, size, "%s has no parameter \"%.*s\": see --list-faults", f->kind->name,
			      (int)len, text);
	n = equals[1] >= '0' && equals[1] <= '9' ? strtoul(equals + 1, &end, 10) : 0;
	if (n < p->least || n > p->most || end != text + len)
		return refuse(error, size, "%s is a number from %" PRIu32 " to %" PRIu32 ": %.*s", p->name,
			      p->least, p->most, (int)len, text);
	*value = (uint32_t)n;
	return true;
}

bool faultspec_add(struct engine_config *config, const char *text, char *error, size_t size)
{
	size_t len = strcspn(text, ":");
	char name[32], names[512] = "";
	const struct fault_kind *kind;
	struct fault f;

	snprintf(name, sizeof(name), "%.*s", (int)len, text);
	kind = fault_find(name);
	if (!kind) {
		for (const struct fault_kind *k = fault_table; k->name; k++) {
			strncat(names, k == fault_table ? "" : ", ", sizeof(names) - strlen(names) - 1);
			strncat(names, k->name, sizeof(names) - strlen(names) - 1);
		}
		return refuse(error, size, "no such fault; there are: %s", names);
	}
	f = fault_of(kind);
	while (text[len] != '\0') {
		const char *param = text + len + 1;
		size_t param_len = strcspn(param, ",");

		if (!set_param(&f, param, param_len, error, size))
			return false;
		len = (size_t)(param - text) + param_len;
	}
	if (!kind->cut && !kind->packet && !kind->piece)
		return true;
	if (config->faults == FAULTS_MAX)
		return refuse(error, size, "%d faults at most", FAULTS_MAX);
	config->fault[config->faults++] = f;
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
	if (f->percent != preset.percent)
		fprintf(out, "%cpercent=%" PRIu32, separator, f->percent);
}

static void print_param(FILE *out, const char *format, const struct fault_param *p, uint32_t preset)
{
	char values[64];

	snprintf(values, sizeof(values), "%" PRIu32 " to %" PRIu32 " (%" PRIu32 ")", p->least, p->most,
		 preset);
	fprintf(out, format, p->name, p->summary, values);
}

void faultspec_list(FILE *out)
{
	for (const struct fault_kind *k = fault_table; k->name; k++) {
		fprintf(out, "%-14s  %s\n", k->name, k->summary);
		for (unsigned i = 0; i < FAULT_PARAMS_MAX && k->param[i].name; i++)
			print_param(out, "  %-12s  %s, %s\n", &k->param[i], k->param[i].preset);
		if (k->every > 1)
			print_param(out, "  %-12s  %s, %s\n", &every, k->every);
	}
	fprintf(out, "\nEach of them also takes\n");
	print_param(out, "  %-12s  %s, %s\n", &every, every.preset);
	print_param(out, "  %-12s  %s, %s\n", &percent, percent.preset);
}

void faultspec_page(FILE *out)
{
	fprintf(out, "# Faults\n\n"
		     "Made by `resegd --list-faults=markdown`.\n\n"
		     "`--fault NAME[:KEY=VALUE,...]`, up to %d times: faults act side by side, in their order.\n"
		     "Without it the box has the first of the table.\n\n"
		     "| fault | at | what the box does | what its users see |\n|---|---|---|---|\n", FAULTS_MAX);
	for (const struct fault_kind *k = fault_table; k->name; k++)
		fprintf(out, "| `%s` | %s | %s | %s |\n", k->name, k->hook, k->summary, k->symptom);
	fprintf(out, "\nA *cut* is made when data arrives, and never again; a *piece* is what was cut, each time that it is\n"
		     "sent; a *packet* is anything that comes, before the box looks at it.\n\n"
		     "| fault | parameter | what it is | from, to (preset) |\n|---|---|---|---|\n");
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
}
