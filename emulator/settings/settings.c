/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "settings/settings.h"

#include "core/units.h"

#include <stdlib.h>

void settings_init(struct settings *s)
{
	*s = (struct settings){
		.policy_name[0] = "default",
		.queue = { .joined = true,
			   .packets = SETTINGS_QUEUE_LENGTH,
			   .buffer_bytes = SETTINGS_QUEUE_BUFFER },
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

void settings_override(struct settings *s)
{
	s->given[0] &= ~(uint32_t)GIVEN_FAULT;
}
