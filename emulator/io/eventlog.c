/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/eventlog.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <jansson.h>

#define BUFFER_BYTES 65536

struct eventlog {
	pthread_mutex_t lock;
	char *path;		/* NULL: standard output */
	int fd;
	bool regular;		/* a file, not a pipe */
	bool torn;		/* the last write ended within a line; the buffer begins with its
				 * rest */
	int error;		/* errno of the last line that was lost; 0: none */
	uint64_t epoch_ns;	/* to add to the engine's time to get the time of day */
	_Atomic uint64_t lost;	/* lines that could not be written; read without the lock */
	uint64_t lost_told;	/* those that the log itself has reported */
	size_t used;		/* bytes waiting in the buffer, which ends with a whole line */
	char buffer[BUFFER_BYTES];
};

static const char *const event_names[EVENT_TYPES] = {
	[EVENT_FLOW_OPENED] = "flow_opened",
	[EVENT_ARRIVAL] = "arrival",
	[EVENT_FORGED_ACK] = "forged_ack",
	[EVENT_CUT] = "cut",
	[EVENT_STALL] = "stall",
	[EVENT_RESUME] = "resume",
	[EVENT_FAULT] = "fault",
	[EVENT_PATH] = "path",
	[EVENT_FLOW_CLOSED] = "flow_closed",
};

static const char *const reason_names[CLOSE_REASONS] = {
	[CLOSE_FIN] = "fin",           [CLOSE_RESET] = "reset",
	[CLOSE_TIMEOUT] = "timeout",   [CLOSE_IDLE] = "idle",
	[CLOSE_REPLACED] = "replaced", [CLOSE_HANDED_OVER] = "handed_over",
	[CLOSE_SHUTDOWN] = "shutdown", [CLOSE_FORGOTTEN] = "forgotten",
};

static const char *const side_names[] = { [CLIENT] = "client", [SERVER] = "server" };

static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

	return fd < 0 ? -errno : fd;
}

int eventlog_open(struct eventlog **out, const char *path, uint64_t epoch_ns)
{
	struct eventlog *log = calloc(1, sizeof(*log));
	struct stat st;
	int rc = 0;

	if (!log)
		return -ENOMEM;
	json_object_seed(0);	/* now, because several threads may make the first object */
	log->fd = STDOUT_FILENO;
	if (strcmp(path, "-") != 0) {
		log->path = strdup(path);
		rc = log->fd = log->path ? open_file(path) : -ENOMEM;
	}
	if (rc < 0) {
		free(log->path);
		free(log);
		return rc;
	}
	log->regular = log->path && fstat(log->fd, &st) == 0 && S_ISREG(st.st_mode);
	pthread_mutex_init(&log->lock, NULL);
	log->epoch_ns = epoch_ns;
	*out = log;
	return 0;
}

static uint64_t lines_in(const char *text, size_t bytes)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < bytes; i++)
		lines += text[i] == '\n';
	return lines;
}

/* Writes what is waiting. What cannot be written is lost, but no line is torn: the rest of a line
 * that was begun stays waiting. Returns how many lines are lost. */
static uint64_t write_out(struct eventlog *log)
{
	size_t written = 0, keep = 0;
	uint64_t lost;
	char *rest;

	while (written < log->used) {
		ssize_t n = write(log->fd, log->buffer + written, log->used - written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			log->error = n < 0 ? errno : EIO;
			break;
		}
		written += (size_t)n;
	}
	if (written > 0)
		log->torn = log->buffer[written - 1] != '\n';
	rest = log->buffer + written;
	if (log->torn)
		keep = (size_t)((char *)memchr(rest, '\n', log->used - written) + 1 - rest);
	lost = lines_in(rest + keep, log->used - written - keep);
	memmove(log->buffer, rest, keep);
	log->used = keep;
	return lost;
}

/* Appends a line to what is waiting. */
static void add_line(struct eventlog *log, const json_t *object)
{
	size_t room = BUFFER_BYTES - log->used,
	       bytes = json_dumpb(object, log->buffer + log->used, room, JSON_COMPACT);

	if (bytes + 1 > room) {
		log->lost += write_out(log);
		room = BUFFER_BYTES - log->used;
		bytes = json_dumpb(object, log->buffer + log->used, room, JSON_COMPACT);
	}
	if (bytes == 0 || bytes + 1 > room) {	/* out of memory */
		log->lost++;
		return;
	}
	log->used += bytes;
	log->buffer[log->used++] = '\n';
}

/* Is the open file still the one of that name? */
static bool is_in_place(const struct eventlog *log)
{
	struct stat here, open;

	return stat(log->path, &here) == 0 && fstat(log->fd, &open) == 0 &&
	       here.st_dev == open.st_dev && here.st_ino == open.st_ino;
}

int eventlog_reopen(struct eventlog *log)
{
	int rc;

	/* A pipe is not replaced; so do not wait for the lock, whose holder may be waiting for the
	 * pipe's reader. */
	if (!log->regular || is_in_place(log))
		return 0;
	rc = open_file(log->path);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&log->lock);
	log->lost += write_out(log) + lines_in(log->buffer, log->used);
	log->used = 0;
	log->torn = false;
	close(log->fd);
	log->fd = rc;
	pthread_mutex_unlock(&log->lock);
	return 0;
}

void eventlog_give(struct eventlog *log, const char *user)
{
	const struct passwd *pw = getpwnam(user);
	struct stat st;

	if (pw && log->regular && fstat(log->fd, &st) == 0 && st.st_uid == geteuid() &&
	    fchown(log->fd, pw->pw_uid, pw->pw_gid) < 0)
		errno = 0;	/* it is open; that is enough until it must be reopened */
}

void eventlog_close(struct eventlog *log)
{
	if (!log)
		return;
	eventlog_flush(log);
	if (log->path)
		close(log->fd);
	pthread_mutex_destroy(&log->lock);
	free(log->path);
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

/* Reports lost lines in the log itself, once there is room again. */
static void tell_lost(struct eventlog *log, uint64_t now_ns)
{
	uint64_t lost;
	json_t *object;

	log->lost += write_out(log);
	if (log->used > 0)
		return;
	lost = log->lost;
	object = json_pack("{s:s}", "event", "events_lost");
	set(object, "time_ns", now_ns + log->epoch_ns);
	set(object, "flow", 0);
	set(object, "lines", lost - log->lost_told);
	add_line(log, object);
	/* If there is no room for this line either, it does not count as a lost event. */
	if (write_out(log) == 0)
		log->lost_told = lost;
	json_decref(object);
}

/* What a line says apart from its type, time and connection. */
static void set_facts(json_t *object, const struct engine_event *event)
{
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
	case EVENT_PATH:
		json_object_set_new(object, "source", json_string(side_names[event->source]));
		set(object, "segment_bytes", event->bytes);
		set(object, "segment_size", event->segment_size);
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
}

void eventlog_observe(void *arg, const struct engine_event *event)
{
	struct eventlog *log = arg;
	json_t *object = json_object();

	json_object_set_new(object, "event", json_string(event_names[event->type]));
	set(object, "time_ns", event->now_ns + log->epoch_ns);
	set(object, "flow", event->flow);
	set_facts(object, event);
	pthread_mutex_lock(&log->lock);
	if (log->lost > log->lost_told)
		tell_lost(log, event->now_ns);
	add_line(log, object);
	pthread_mutex_unlock(&log->lock);
	json_decref(object);
}

int eventlog_flush(struct eventlog *log)
{
	int rc;

	pthread_mutex_lock(&log->lock);
	log->lost += write_out(log);
	rc = -log->error;
	pthread_mutex_unlock(&log->lock);
	return rc;
}

uint64_t eventlog_lost(const struct eventlog *log)
{
	return log->lost;
}
