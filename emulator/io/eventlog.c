/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/eventlog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <jansson.h>

struct eventlog {
	FILE *file;
	bool own_file;
	bool lost;
	uint64_t epoch_ns;	/* to add to the engine's time to get the time of day */
};

static const char *const event_names[EVENT_TYPES] = {
	[EVENT_FLOW_OPENED] = "flow_opened",
	[EVENT_ARRIVAL] = "arrival",
	[EVENT_FORGED_ACK] = "forged_ack",
	[EVENT_CUT] = "cut",
	[EVENT_STALL] = "stall",
	[EVENT_RESUME] = "resume",
	[EVENT_FAULT] = "fault",
	[EVENT_FLOW_CLOSED] = "flow_closed",
};

static const char *const reason_names[CLOSE_REASONS] = {
	[CLOSE_FIN] = "fin",
	[CLOSE_RESET] = "reset",
	[CLOSE_TIMEOUT] = "timeout",
	[CLOSE_IDLE] = "idle",
	[CLOSE_REPLACED] = "replaced",
	[CLOSE_HANDED_OVER] = "handed_over",
	[CLOSE_SHUTDOWN] = "shutdown",
	[CLOSE_FORGOTTEN] = "forgotten",
};

static const char *const side_names[] = { [CLIENT] = "client", [SERVER] = "server" };

int eventlog_open(struct eventlog **out, const char *path, uint64_t epoch_ns)
{
	struct eventlog *log = calloc(1, sizeof(*log));

	if (!log)
		return -ENOMEM;
	json_object_seed(0);	/* now, for several threads may make the first object */
	log->own_file = strcmp(path, "-") != 0;
	log->file = log->own_file ? fopen(path, "ae") : stdout;
	if (!log->file) {
		int rc = -errno;

		free(log);
		return rc;
	}
	log->epoch_ns = epoch_ns;
	*out = log;
	return 0;
}

void eventlog_close(struct eventlog *log)
{
	if (!log)
		return;
	eventlog_flush(log);
	if (log->own_file)
		fclose(log->file);
	free(log);
}

static void set(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void set_ends(json_t *object, const struct engine_event *event)
{
	static const char *const port_keys[] = { "client_port", "server_port" };

	for (unsigned side = CLIENT; side <= SERVER; side++) {
		char text[INET6_ADDRSTRLEN];

		inet_ntop(event->version == 4 ? AF_INET : AF_INET6, event->address[side], text,
			  sizeof(text));
		json_object_set_new(object, side_names[side], json_string(text));
		set(object, port_keys[side], event->port[side]);
	}
}

static void set_totals(json_t *object, const struct engine_event *event)
{
	json_t *relays = json_array();

	for (unsigned side = CLIENT; side <= SERVER; side++) {
		const struct engine_totals *totals = &event->totals[side];
		json_t *relay;

		if (!totals->intercepted)
			continue;
		relay = json_pack("{s:s}", "source", side_names[side]);
		set(relay, "acked", totals->acked);
		set(relay, "delivered", totals->delivered);
		set(relay, "orphaned", totals->acked - totals->delivered);
		json_array_append_new(relays, relay);
	}
	json_object_set_new(object, "relays", relays);
}

void eventlog_observe(void *arg, const struct engine_event *event)
{
	struct eventlog *log = arg;
	json_t *object = json_object();

	json_object_set_new(object, "event", json_string(event_names[event->type]));
	set(object, "time_ns", event->now_ns + log->epoch_ns);
	set(object, "flow", event->flow);
	switch (event->type) {
	case EVENT_FLOW_OPENED:
		set_ends(object, event);
		set(object, "segment_size", event->segment_size);
		break;
	case EVENT_FLOW_CLOSED:
		set_ends(object, event);
		json_object_set_new(object, "reason", json_string(reason_names[event->reason]));
		set_totals(object, event);
		break;
	case EVENT_FAULT:
		json_object_set_new(object, "source", json_string(side_names[event->source]));
		json_object_set_new(object, "fault", json_string(event->fault));
		if (event->bytes > 0) {
			set(object, "offset", event->offset);
			set(object, "bytes", event->bytes);
		}
		break;
	default:
		json_object_set_new(object, "source", json_string(side_names[event->source]));
		set(object, "offset", event->offset);
		break;
	}
	switch (event->type) {
	case EVENT_ARRIVAL:
		set(object, "bytes", event->bytes);
		set(object, "pending", event->pending);
		break;
	case EVENT_FORGED_ACK:
		set(object, "orphaned", event->orphaned);
		break;
	case EVENT_CUT:
		set(object, "bytes", event->bytes);
		set(object, "pieces", event->pieces);
		set(object, "last_piece", event->last_piece);
		break;
	case EVENT_STALL:
	case EVENT_RESUME:
		set(object, "pending", event->pending);
		break;
	default:
		break;
	}
	flockfile(log->file);
	if (json_dumpf(object, log->file, JSON_COMPACT) < 0 || fputc('\n', log->file) == EOF)
		log->lost = true;
	funlockfile(log->file);
	json_decref(object);
}

bool eventlog_flush(struct eventlog *log)
{
	bool good;

	flockfile(log->file);
	if (fflush(log->file) != 0)
		log->lost = true;
	good = !log->lost;
	funlockfile(log->file);
	return good;
}
