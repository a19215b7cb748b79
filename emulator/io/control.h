/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_CONTROL_H
#define RESEG_IO_CONTROL_H

/*
 * The control socket: a UNIX stream socket that takes one JSON object a line and answers each with
 * one
 *
 * Only its owner may use it, and a group if it was given to one. No client can hold up another, nor
 * the program: requests and answers are bounded, and nothing is waited for. A client that does not
 * read its answers, or is slow to ask, loses its place when others need it.
 */

#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define CONTROL_CLIENTS_MAX 16
#define CONTROL_FDS_MAX (1 + CONTROL_CLIENTS_MAX)
#define CONTROL_REQUEST_MAX 65536
/* Bytes of the socket's path, unix(7). */
#define CONTROL_PATH_MAX 107

struct control;

/* Answers a request. The caller frees the answer; NULL: out of memory. */
typedef json_t *control_handler(void *arg, json_t *request);

/* Listens at a path, with mode 0600. Replaces the socket of a server that is gone. Negative errno;
 * -EADDRINUSE: there is a server, or something that is not a socket. */
int control_open(struct control **out, const char *path, control_handler *handler, void *arg);

/* Do the user and the group for control_set_owner() exist? */
bool control_owner_exists(const char *owner);

/* Gives the socket to USER, USER:GROUP or :GROUP, names or numbers. With a group its mode is 0660.
 * Negative errno; -ENOENT: there is no such user or group. */
int control_set_owner(struct control *c, const char *owner);

/* Also removes the socket. c may be NULL. */
void control_close(struct control *c);

/* What to wait for: fills in up to CONTROL_FDS_MAX descriptors, and returns how many. */
size_t control_poll(const struct control *c, struct pollfd *fds);

/* To be called with those descriptors when one is ready. */
void control_serve(struct control *c, const struct pollfd *fds, size_t count);

/* Connects as a client. Returns the socket, or a negative errno. */
int control_connect(const char *path);

#endif
