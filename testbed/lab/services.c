/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab/services.h"

#include "io/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <netinet/tcp.h>

#define STOP_SECONDS 5
#define PORT_SECONDS 30

/* Programs -------------------------------------------------------------------------- */

/* Relative paths start at the folder of this program: they are those of a build tree. */
static const char *const folders[] = { ".", "../emulator", "../rules", RESEG_BINDIR,
				       RESEG_SBINDIR };

static char own_folder[PATH_MAX];	/* empty: not known */

void services_begin(void)
{
	ssize_t n = readlink("/proc/self/exe", own_folder, sizeof(own_folder) - 1);

	own_folder[n > 0 ? n : 0] = '\0';
	if (n > 0)
		*strrchr(own_folder, '/') = '\0';
}

static char *folder_path(size_t i)
{
	char *path;

	if (folders[i][0] == '/')
		return strdup(folders[i]);
	if (own_folder[0] == '\0' || asprintf(&path, "%s/%s", own_folder, folders[i]) < 0)
		return NULL;
	return path;
}

char *services_find(const char *program)
{
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		char *folder = folder_path(i), *path = NULL;

		if (folder && asprintf(&path, "%s/%s", folder, program) < 0)
			path = NULL;
		free(folder);
		if (path && access(path, X_OK) == 0)
			return path;
		free(path);
	}
	if (own_folder[0] == '\0')
		cli_die("there is no /proc here: run mount -t proc proc /proc");
	cli_die("%s is neither next to this program nor installed: build or install all of reseg",
		program);
}

void services_set_environment(void)
{
	const char *old = getenv("PATH");
	char *path = strdup(old ? old : "/usr/bin:/bin");

	/* Debian's PATH of an ordinary user lacks the folders named sbin. */
	for (size_t i = sizeof(folders) / sizeof(folders[0]); i-- > 0 && path;) {
		char *folder = folder_path(i), *longer;

		if (folder && asprintf(&longer, "%s:%s", folder, path) >= 0) {
			free(path);
			path = longer;
		}
		free(folder);
	}
	if (path) {
		char *longer;

		if (asprintf(&longer, "%s:/usr/sbin:/sbin", path) >= 0) {
			setenv("PATH", longer, 1);
			free(longer);
		}
	}
	free(path);
	/* Root of a mere user namespace may not write to the usual place of this lock. */
	if (access("/run", W_OK) < 0)
		setenv("XTABLES_LOCKFILE", "/dev/null", 1);
}

/* Processes -------------------------------------------------------------------------- */

static sigset_t held_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	return signals;
}

void services_hold_signals(void)
{
	sigset_t signals = held_signals();

	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	sigprocmask(SIG_BLOCK, &signals, NULL);
}

/* Waits for one of the held signals, and passes it on unless it is SIGCHLD. */
static void pass_signal_on(pid_t child)
{
	sigset_t signals = held_signals();
	int sig = sigwaitinfo(&signals, NULL);

	if (sig == SIGTERM || sig == SIGHUP)
		kill(child, sig);
}

int services_wait(pid_t child)
{
	int status;

	while (waitpid(child, &status, WNOHANG) == 0)
		pass_signal_on(child);
	return status;
}

int services_exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Restores, in a child, the signals that the lab ignores or blocks. */
static void restore_signals(void)
{
	sigset_t none;

	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void services_exec(enum host host, const char *const *argv, int failed)
{
	int error;

	hosts_take_name(host);
	restore_signals();
	execvp(argv[0], (char *const *)argv);
	error = errno;
	cli_say("%s: %s", argv[0], strerror(error));
	if (failed >= 0 && write(failed, "\n", 1) < 0)
		_exit(EXIT_USAGE);	/* nobody waits for it */
	_exit(error == ENOENT ? 127 : 126);	/* as shells do */
}

static _Noreturn void exec_on(const struct hosts *h, enum host host, const char *const *argv,
			      int failed)
{
	hosts_enter(h, host);
	services_exec(host, argv, failed);
}

static const char *fill_in(const char *argument, int ready)
{
	const char *at = strstr(argument, "{ready}");
	char *filled;

	if (!at)
		return argument;
	if (asprintf(&filled, "%.*s%d%s", (int)(at - argument), argument, ready,
		     at + strlen("{ready}")) < 0)
		cli_die("out of memory");
	return filled;
}

struct service services_start(const struct hosts *h, enum host host, const char *name,
			      const char *const *argv)
{
	struct service s = { .name = name };
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		cli_die("pipe: %s", strerror(errno));
	s.pid = fork();
	if (s.pid < 0)
		cli_die("fork: %s", strerror(errno));
	if (s.pid == 0) {
		const char *filled[64] = { NULL };

		fcntl(pipe_fds[1], F_SETFD, 0);
		filled[0] = argv[0];
		for (size_t i = 1; i < 63 && argv[i]; i++)
			filled[i] = fill_in(argv[i], pipe_fds[1]);
		setpgid(0, 0);	/* Ctrl-C is for the command */
		exec_on(h, host, filled, -1);
	}
	close(pipe_fds[1]);
	s.ready = pipe_fds[0];
	return s;
}

int services_fork(struct service *s)
{
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		cli_die("pipe: %s", strerror(errno));
	s->pid = fork();
	if (s->pid < 0)
		cli_die("fork: %s", strerror(errno));
	if (s->pid == 0) {
		setpgid(0, 0);	/* Ctrl-C is for the command */
		close(pipe_fds[0]);
		return pipe_fds[1];
	}
	close(pipe_fds[1]);
	s->ready = pipe_fds[0];
	return -1;
}

void services_await(struct service *s)
{
	char byte;
	ssize_t n;

	do {
		n = read(s->ready, &byte, 1);
	} while (n < 0 && errno == EINTR);
	close(s->ready);
	if (n != 1)
		exit(EXIT_USAGE);
}

/* Does anything listen on this TCP port of the network namespace that this process is in?
 * /proc/net/tcp: "  sl  local_address rem_address   st ...", numbers in hexadecimal. */
static bool is_listened_to(uint16_t port)
{
	static const char *const files[] = { "/proc/net/tcp", "/proc/net/tcp6" };
	bool found = false;

	for (size_t i = 0; i < 2 && !found; i++) {
		FILE *f = fopen(files[i], "re");
		char line[512];

		while (f && !found && fgets(line, sizeof(line), f)) {
			unsigned local, state;

			found = sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x", &local,
				       &state) == 2 &&
				local == port && state == TCP_LISTEN;
		}
		if (f)
			fclose(f);
	}
	return found;
}

void services_await_port(const struct hosts *h, enum host host, struct service *s, uint16_t port)
{
	/* Nothing reports when a socket begins to listen, so look again and again. */
	const struct timespec again = { .tv_nsec = 5000000 };
	sigset_t child;

	close(s->ready);
	hosts_enter(h, host);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (unsigned tries = 0; !is_listened_to(port); tries++) {
		int status;

		if (waitpid(s->pid, &status, WNOHANG) == s->pid)
			cli_die("%s ended (status %d) before it listened on port %u", s->name,
				services_exit_status(status), port);
		if (tries == PORT_SECONDS * 200)
			cli_die("%s does not listen on port %u after %d s: if it listens on "
				"another, give --port",
				s->name, port, PORT_SECONDS);
		sigtimedwait(&child, NULL, &again);
	}
}

bool services_stop(struct service *s)
{
	struct timespec limit = { .tv_sec = s->stop_seconds > 0 ? s->stop_seconds : STOP_SECONDS };
	int status;
	sigset_t child;

	if (s->pid == 0)
		return true;
	kill(s->pid, SIGTERM);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while (waitpid(s->pid, &status, WNOHANG) == 0) {
		if (sigtimedwait(&child, NULL, &limit) < 0 && errno == EAGAIN) {
			cli_say("%s does not end, and is killed", s->name);
			kill(s->pid, SIGKILL);
			waitpid(s->pid, &status, 0);
			break;
		}
	}
	s->pid = 0;
	if (s->ignore_status || (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM))
		return true;
	if (services_exit_status(status) != 0)
		cli_say("%s failed (status %d)", s->name, services_exit_status(status));
	return s->aside || services_exit_status(status) == 0;
}

/* Starts argv. *ran, unless NULL: whether it could be executed, which closes the pipe. */
static pid_t start_command(const struct hosts *h, enum host host, const char *const *argv,
			   bool *ran)
{
	int pipe_fds[2];
	char byte;
	ssize_t n;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		cli_die("pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		cli_die("fork: %s", strerror(errno));
	if (pid == 0)
		exec_on(h, host, argv, pipe_fds[1]);
	close(pipe_fds[1]);
	do {
		n = read(pipe_fds[0], &byte, 1);
	} while (n < 0 && errno == EINTR);
	close(pipe_fds[0]);
	if (ran)
		*ran = n == 0;
	return pid;
}

int services_run(const struct hosts *h, enum host host, const char *const *argv,
		 struct service *services, size_t count, bool *ran)
{
	pid_t command = start_command(h, host, argv, ran);

	for (;;) {
		int status;
		pid_t ended;

		pass_signal_on(command);
		/* Without services, reap only the command: others are waited for later. */
		while ((ended = waitpid(count > 0 ? -1 : command, &status, WNOHANG)) > 0) {
			if (ended == command)
				return services_exit_status(status);
			for (size_t i = 0; i < count; i++) {
				if (services[i].pid != ended)
					continue;
				services[i].pid = 0;
				cli_say("%s ended while the command ran (status %d)",
					services[i].name, services_exit_status(status));
				if (!services[i].aside)
					return EXIT_USAGE;
			}
		}
	}
}
