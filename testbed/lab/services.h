/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_LAB_SERVICES_H
#define RESEG_LAB_SERVICES_H

/*
 * The processes of a lab: services that report when they are ready, and the command
 *
 * A service is started with a pipe, to which it writes a line feed once it is ready: nothing here
 * guesses how long that takes.
 */

#include "lab/hosts.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct service {
	const char *name;
	pid_t pid;	/* 0: not running */
	time_t stop_seconds;	/* how long it may take to end; 0: the default */
	bool aside;	/* how it ends is reported, but does not affect the command's result */
	bool ignore_status;	/* not reseg's: when asked to end, it may end in any way */
	int ready;	/* read end of its pipe */
};

/* Notes the folder of this program. Call it first: in a chroot, another mount namespace hides
 * it. */
void services_begin(void);

/* Finds a program of reseg's: beside this one, in a build tree, or installed. Exits with EXIT_USAGE
 * and a message if it is in none of these places. The caller frees the path. */
char *services_find(const char *program);

/* Puts the folders of reseg's programs in front of PATH, and makes iptables work for root of a user
 * namespace. */
void services_set_environment(void);

/* Starts argv on a host. `{ready}` in an argument stands for the number of the descriptor to report
 * on. */
struct service services_start(const struct hosts *h, enum host host, const char *name,
			      const char *const *argv);

/* Forks a service that is this program itself, and fills in s. Returns -1; in the child, the
 * descriptor to report on with cli_ready(). */
int services_fork(struct service *s);

/* Waits until it is ready. Exits with EXIT_USAGE if it ended instead: it has said why. */
void services_await(struct service *s);

/* Waits until something listens on that TCP port of the host. Exits with EXIT_USAGE and a message
 * if the service ends before, or never gets there. */
void services_await_port(const struct hosts *h, enum host host, struct service *s, uint16_t port);

/* Leaves Ctrl-C to the command, which gets it directly, and holds back the signals that the other
 * functions here wait for. */
void services_hold_signals(void);

/* Waits until a child ends, and passes SIGTERM and SIGHUP on to it. Returns its status, as
 * waitpid() does. */
int services_wait(pid_t child);

/* The exit status for that: the child's own, or 128 and the signal that ended it. */
int services_exit_status(int status);

/* Becomes argv, a command of the host in whose network this process is; does not return. If argv
 * cannot be executed, says so, and writes a line feed to the descriptor `failed`, unless that is
 * -1. */
_Noreturn void services_exec(enum host host, const char *const *argv, int failed);

/* Asks it to end, and kills it after a while. If it did not end well, says so, and returns false
 * unless s->aside is set. */
bool services_stop(struct service *s);

/* Runs argv on a host to its end. Returns its exit status, or 128 and the signal that ended it.
 * SIGTERM and SIGHUP are passed on to it; Ctrl-C reaches it anyway. *ran, unless NULL: whether it
 * could be executed at all; if not, that has been said. */
int services_run(const struct hosts *h, enum host host, const char *const *argv,
		 struct service *services, size_t count, bool *ran);

#endif
