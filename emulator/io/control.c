/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/control.h"

#include "io/decimal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

struct client {
	int fd;			/* -1: none */
	uint64_t served;	/* the order in which they were last answered */
	char *in;		/* CONTROL_REQUEST_MAX bytes, and a line feed */
	size_t in_bytes;
	bool skips;		/* until the end of a line that was too long, and was answered
				 * already */
	char *out;		/* what is left of an answer, from out_at on; NULL: nothing */
	size_t out_bytes, out_at;
};

struct control {
	int fd;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	control_handler *handler;
	void *arg;
	uint64_t served;
	struct client clients[CONTROL_CLIENTS_MAX];
};

_Static_assert(CONTROL_PATH_MAX + 1 == sizeof(((struct sockaddr_un *)NULL)->sun_path), "unix(7)");

#define CONNECT_SECONDS 2
#define IN_BYTES (CONTROL_REQUEST_MAX + 1)
#define TOO_LONG "the line of a request has at most 65536 characters"

static int address_of(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	memcpy(address->sun_path, path, strlen(path) + 1);
	return 0;
}

int control_connect(const char *path)
{
	struct sockaddr_un address;
	struct timeval patience = { .tv_sec = CONNECT_SECONDS };
	int rc = address_of(path, &address), fd;

	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* A server that takes no more connections must not hold up the caller. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

/* Removes the socket of a server that is gone. */
static int take_place(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EADDRINUSE;
	fd = control_connect(path);
	if (fd >= 0) {
		close(fd);
		return -EADDRINUSE;
	}
	if (fd != -ECONNREFUSED)
		return fd == -EAGAIN ? -EADDRINUSE : fd;
	return unlink(path) < 0 ? -errno : 0;
}

int control_open(struct control **out, const char *path, control_handler *handler, void *arg)
{
	struct control *c = calloc(1, sizeof(*c));
	struct sockaddr_un address;
	mode_t mask;
	int rc;

	if (!c)
		return -ENOMEM;
	rc = address_of(path, &address);
	if (rc == 0)
		rc = take_place(path);
	if (rc < 0)
		goto free_control;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0) {
		rc = -errno;
		goto free_control;
	}
	/* It must never be open to others, not even for a moment. */
	mask = umask(0177);
	rc = bind(c->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	if (rc == 0 && listen(c->fd, CONTROL_CLIENTS_MAX) < 0)
		rc = -errno;
	if (rc < 0)
		goto close_socket;
	memcpy(c->path, address.sun_path, sizeof(c->path));
	c->handler = handler;
	c->arg = arg;
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		c->clients[i].fd = -1;
	*out = c;
	return 0;

close_socket:
	close(c->fd);
free_control:
	free(c);
	return rc;
}

/* The number of a user or group that is given by number or name. Returns false if there is none. */
static bool find_id(const char *name, bool group, unsigned *id)
{
	const struct passwd *pw = group ? NULL : getpwnam(name);
	const struct group *gr = group ? getgrnam(name) : NULL;
	uint64_t number;
	bool is_number = decimal_is(name, 0, UINT32_MAX - 1, &number);

	*id = pw ? pw->pw_uid : gr ? gr->gr_gid : (unsigned)number;
	return pw || gr || is_number;
}

/* The folder may belong to another user, who could put something else there meanwhile. So change
 * what is open, and only if it is a socket. */
static int give_socket(const char *path, uid_t uid, gid_t gid, bool with_group)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char by_fd[32];
	struct stat st;
	int rc = 0;

	if (fd < 0)
		return -errno;
	snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode))
		rc = -ENOTSOCK;
	else if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 ||
		 (with_group && chmod(by_fd, 0660) < 0))
		rc = -errno;
	close(fd);
	return rc;
}

/* The numbers of USER:GROUP; UINT32_MAX for a part that is not given. Returns false if there is no
 * such user or group. */
static bool read_owner(const char *owner, unsigned *uid, unsigned *gid)
{
	const char *colon = strchr(owner, ':');
	char *user = strndup(owner, colon ? (size_t)(colon - owner) : strlen(owner));
	bool found = user != NULL;

	*uid = *gid = UINT32_MAX;
	if (found && user[0] != '\0')
		found = find_id(user, false, uid);
	if (found && colon)
		found = find_id(colon + 1, true, gid);
	free(user);
	return found;
}

bool control_owner_exists(const char *owner)
{
	unsigned uid, gid;

	return read_owner(owner, &uid, &gid);
}

int control_set_owner(struct control *c, const char *owner)
{
	unsigned uid, gid;

	if (!read_owner(owner, &uid, &gid))
		return -ENOENT;
	return give_socket(c->path, uid, gid, strchr(owner, ':') != NULL);
}

static void drop(struct client *client)
{
	if (client->fd < 0)
		return;
	close(client->fd);
	free(client->in);
	free(client->out);
	*client = (struct client){ .fd = -1 };
}

void control_close(struct control *c)
{
	if (!c)
		return;
	/* Remove the socket first, so that it is gone once a client learns of the end. */
	unlink(c->path);
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		drop(&c->clients[i]);
	close(c->fd);
	free(c);
}

size_t control_poll(const struct control *c, struct pollfd *fds)
{
	fds[0] = (struct pollfd){ .fd = c->fd, .events = POLLIN };
	/* Read nothing more from a client before it has taken its answer. */
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		fds[1 + i] = (struct pollfd){ .fd = c->clients[i].fd,
					      .events = c->clients[i].out ? POLLOUT : POLLIN };
	return CONTROL_FDS_MAX;
}

/* A free place, or else the place of the client that was answered longest ago. */
static struct client *find_place(struct control *c)
{
	struct client *oldest = &c->clients[0];

	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (c->clients[i].fd < 0)
			return &c->clients[i];
		if (c->clients[i].served < oldest->served)
			oldest = &c->clients[i];
	}
	drop(oldest);
	return oldest;
}

static void take_client(struct control *c)
{
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	char *in;
	struct client *client;

	if (fd < 0)
		return;
	in = malloc(IN_BYTES);
	if (!in) {
		close(fd);
		return;
	}
	client = find_place(c);
	*client = (struct client){ .fd = fd, .in = in, .served = ++c->served };
}

/* Sends what the socket takes. Returns false if the client is gone. */
static bool send_answer(struct client *client)
{
	while (client->out && client->out_at < client->out_bytes) {
		ssize_t n = send(client->fd, client->out + client->out_at,
				 client->out_bytes - client->out_at, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		client->out_at += (size_t)n;
	}
	free(client->out);
	client->out = NULL;
	return true;
}

static json_t *refusal(const char *why)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error", why);
}

/* Sends an answer and frees it. Returns false if that is impossible. */
static bool reply(struct control *c, struct client *client, json_t *answer)
{
	char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

	json_decref(answer);
	if (!text)
		return false;
	client->out_bytes = strlen(text) + 1;
	client->out_at = 0;
	text[client->out_bytes - 1] = '\n';	/* in place of the terminating zero */
	client->out = text;
	client->served = ++c->served;
	return send_answer(client);
}

/* Answers one request, a line of len characters. */
static bool answer_line(struct control *c, struct client *client, const char *line, size_t len)
{
	json_error_t error;
	json_t *request = json_loadb(line, len, 0, &error);
	json_t *answer = request ? c->handler(c->arg, request)
				 : refusal("a request is a JSON object on one line");

	json_decref(request);
	return reply(c, client, answer);
}

/* Answers the complete requests, one at a time as the answers are taken. A request that is too long
 * is refused at once, and read to its end. */
static bool answer_all(struct control *c, struct client *client)
{
	char *end;

	while (!client->out && (end = memchr(client->in, '\n', client->in_bytes))) {
		size_t len = (size_t)(end - client->in);

		if (!client->skips && !answer_line(c, client, client->in, len))
			return false;
		client->skips = false;
		client->in_bytes -= len + 1;
		memmove(client->in, end + 1, client->in_bytes);
	}
	if (client->out || client->in_bytes < IN_BYTES)
		return true;
	client->in_bytes = 0;
	if (client->skips)
		return true;
	client->skips = true;
	return reply(c, client, refusal(TOO_LONG));
}

static bool serve(struct control *c, struct client *client)
{
	ssize_t n;

	if (client->out)
		return send_answer(client) && (client->out || answer_all(c, client));
	n = recv(client->fd, client->in + client->in_bytes, IN_BYTES - client->in_bytes, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	client->in_bytes += (size_t)n;
	return answer_all(c, client);
}

void control_serve(struct control *c, const struct pollfd *fds, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct client *client = &c->clients[i - 1];

		if (fds[i].revents && fds[i].fd == client->fd && !serve(c, client))
			drop(client);
	}
	if (fds[0].revents)
		take_client(c);
}
