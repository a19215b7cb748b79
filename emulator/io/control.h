/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_IO_CONTROL_H
#define RESEG_IO_CONTROL_H

/*
 * The control socket: a UNIX stream socket that takes a JSON object a line and answers each with
 * one
 *
 * Only its owner, and the group if it is given one, may use it. Nobody who uses it can hold up
 * another, nor the program: requests and answers are bounded, nothing is waited for, and who is
 * not ready to read or slow to ask gives up the place when others want it.
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

/* Answers a request. The answer is the caller's to free; NULL: out of memory. */
typedef json_t *control_handler(void *arg, json_t *request);

/* Listens at a path, with mode 0600. The place of a server that is gone is taken. Negative errno;
 * -EADDRINUSE: a server is there, or something that is no socket. */
int control_open(struct control **out, const char *path, control_handler *handler, void *arg);

/* Are there the user and the group that control_set_owner() is to be given? */
bool control_owner_exists(const char *owner);

/* Makes the socket another's: USER, USER:GROUP or :GROUP, names or numbers. With a group its mode
 * is 0660. Negative errno; -ENOENT: there is no such user or group. */
int control_set_owner(struct control *c, const char *owner);

/* Also removes the socket. c may be NULL. */
void control_close(struct control *c);

/* What to wait for: fills in up to CONTROL_FDS_MAX, and returns how many. */
size_t control_poll(const struct control *c, struct pollfd *fds);

/* To be called with them when one is ready. */
void control_serve(struct control *c, const struct pollfd *fds, size_t count);

/* As a client: connects. Returns the socket, or a negative errno. */
int control_connect(const char *path);

#endif
