/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_LAB_SERVICES_H
#define RESEG_LAB_SERVICES_H

/*
 * The processes of a lab: services that say when they are ready, and the command
 *
 * A service is started with a pipe on which it writes a line feed once it is ready,
 * so nothing here waits by the clock.
 */

#include "lab/hosts.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct service {
	const char *name;
	pid_t pid;	/* 0: not running */
	time_t stop_seconds;	/* how long it may take to end; 0: the default */
	bool aside;	/* what becomes of it is said, and does not concern the command's result */
	bool ignore_status;	/* not reseg's: however it ends when it is asked to is well */
	int ready;	/* read end of its pipe */
};

/* Notes where this program lies. In another mount namespace, in a chroot, that could not be found
 * out any more; so this comes first. */
void services_begin(void);

/* Finds a program of reseg's: beside this one, in a build tree, or installed. Exits with
 * EXIT_USAGE and a message if it is in none of these. The caller frees it. */
char *services_find(const char *program);

/* Puts the folders of reseg's programs in front of PATH, and lets iptables work for root
 * of a user namespace. */
void services_set_environment(void);

/* Starts argv on a host. `{ready}` in an argument stands for the number of the
 * descriptor to report on. */
struct service services_start(const struct hosts *h, enum host host, const char *name,
			      const char *const *argv);

/* Waits until it is ready, and exits with EXIT_USAGE if it ended instead: it has said
 * why. */
void services_await(struct service *s);

/* Waits until something listens on that TCP port of the host, and exits with EXIT_USAGE and
 * a message if the service ends before, or does not come to that. */
void services_await_port(const struct hosts *h, enum host host, struct service *s, uint16_t port);

/* Leaves Ctrl-C to the command, which it reaches by itself, and holds back the signals that
 * the others here wait for. */
void services_hold_signals(void);

/* Waits until a child ends, and passes SIGTERM and SIGHUP on to it. Returns its status, as
 * waitpid() does. */
int services_wait(pid_t child);

/* The exit status for that: its own, or 128 and the signal that ended it. */
int services_exit_status(int status);

/* Becomes argv, a command of the host in whose network this process is; does not return. If it
 * cannot be executed says so, and writes a line feed to the descriptor `failed`, unless that is
 * -1. */
_Noreturn void services_exec(enum host host, const char *const *argv, int failed);

/* Asks it to end, and makes it after a while. Returns false, and has said so, if it did
 * not end well, unless it is aside. */
bool services_stop(struct service *s);

/* Runs argv on a host to its end. Returns its exit status, or 128 and the signal that
 * ended it. SIGTERM and SIGHUP are passed on to it; Ctrl-C reaches it anyway. *ran, unless NULL:
 * it could be executed at all; if not that has been said. */
int services_run(const struct hosts *h, enum host host, const char *const *argv,
		 struct service *services, size_t count, bool *ran);

#endif
