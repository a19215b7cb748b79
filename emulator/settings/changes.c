/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "settings/settings.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* The keys that cannot change while resegd runs, and where each is kept: as a number of so many
 * bytes, or as a text. A missing text is the same as its preset. */
static const struct fixed {
	const char *key;
	size_t at, bytes;
	const char *preset;	/* of a text; NULL: a number */
} fixed[] = {
#define NUMBER(key, member)                                                                        \
	{                                                                                          \
		key, offsetof(struct settings, member), sizeof(((struct settings *)NULL)->member), \
			NULL                                                                       \
	}
#define TEXT(key, member, preset)                                                                  \
	{                                                                                          \
		key, offsetof(struct settings, member), sizeof(char *), preset                     \
	}
	NUMBER("queue", queue.number),
	NUMBER("queue", workers),
	NUMBER("arrival", queue.joined),
	NUMBER("flows", engine.flows_max),
	NUMBER("window", engine.window_bytes),
	NUMBER("memory", engine.memory_bytes),
	NUMBER("overload", engine.overload),
	NUMBER("queue-length", queue.packets),
	NUMBER("queue-buffer", queue.buffer_bytes),
	TEXT("inject", inject, "auto"),
	TEXT("events", events, ""),
	TEXT("pcapng", pcapng, ""),
	TEXT("control", control, ""),
	TEXT("control-owner", control_owner, ""),
	TEXT("user", user, ""),
	NUMBER("sandbox", no_sandbox),
	NUMBER("grace", grace_ns),
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
		len += (size_t)snprintf(names + len, SETTINGS_NAMES_BYTES - len, "%s%s",
					len > 0 ? ", " : "", last);
	}
}
