/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab/report.h"

#include "io/cli.h"
#include "lab/services.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A folder of captures that nobody asked to keep; NULL: none. Children forget it: only their parent
 * removes it. */
static char *own_folder;

static void remove_folder(void)
{
	static const char *const names[] = { "lab.pcapng", "lab.pcapng.part", "box.pcapng",
					     "events.jsonl" };

	if (!own_folder)
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char *path = options_path(own_folder, names[i]);

		unlink(path);
		free(path);
	}
	rmdir(own_folder);
}

/* Ends the program unless this file can be written. Leaves the file as it is, because there may be
 * no report. */
static void check_output(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd >= 0)
		unlink(path);
	else if (errno == EEXIST)	/* a FIFO may have no reader yet */
		fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno != ENXIO)
		cli_die("--report %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* Finds out now, before a lab that may take long, what would fail after it. */
void report_prepare(struct lab_options *o)
{
	const char *tmp = getenv("TMPDIR");
	char *folder, *report = services_find("reseg-report");

	free(report);
	if (access("/usr/bin/python3", X_OK) < 0)
		cli_die("--report and --watch need Python: install python3");
	if (o->report && strcmp(o->report, "-") != 0)
		check_output(o->report);
	if (o->capture)
		return;
	folder = options_path(tmp && tmp[0] ? tmp : "/tmp", "reseg-lab-XXXXXX");
	if (!mkdtemp(folder))
		cli_die("%s: %s", folder, strerror(errno));
	o->capture = own_folder = folder;
	atexit(remove_folder);
}

/* Starts reseg-report outside the lab, because the lab has another /proc and other users: so call
 * this before there is a lab. Unless `go` is -1, reseg-report waits for a byte from it, and does
 * nothing if the other end is closed first. It dies with this process. */
static pid_t start_report(const char *const *argv, int go)
{
	static const int ends[] = { SIGTERM, SIGHUP, SIGINT };
	pid_t parent = getpid(), pid = fork();
	sigset_t mask;
	char c;

	if (pid < 0)
		cli_die("fork: %s", strerror(errno));
	if (pid > 0)
		return pid;
	own_folder = NULL;
	/* Signals to the whole process group are not meant for this process, which has something to
	 * finish. If it waits, its pipe ends it; if it watches, it lets SIGTERM in once it can
	 * handle it. */
	sigfillset(&mask);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	prctl(PR_SET_PDEATHSIG, go >= 0 ? SIGKILL : SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_USAGE);
	if (go >= 0 && read(go, &c, 1) != 1)
		_exit(EXIT_GOOD);
	/* Ignoring a signal discards it if it is pending. */
	for (size_t i = 0; go >= 0 && i < sizeof(ends) / sizeof(*ends); i++) {
		signal(ends[i], SIG_IGN);
		signal(ends[i], SIG_DFL);
	}
	sigemptyset(&mask);
	if (go < 0)
		sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	execv(argv[0], (char *const *)argv);
	cli_die("%s: %s", argv[0], strerror(errno));
}

pid_t report_start_watch(const struct lab_options *o)
{
	char *path = options_box_path(o), *program = services_find("reseg-report");
	const char *argv[] = { program, "--watch", path, NULL };
	pid_t pid = start_report(argv, -1);

	free(program);
	free(path);
	return pid;
}

/* How reseg-lab was called, as a title. */
static char *title(int argc, char **argv)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		cli_die("out of memory");
	fputs("reseg-lab", out);
	for (int i = 1; i < argc; i++)
		fprintf(out, " %s", argv[i]);
	fclose(out);
	return text;
}

struct reporter report_prepare_page(const struct lab_options *o, int argc, char **argv)
{
	bool boxed = options_box_tells(o);
	char *ends = options_path(o->capture, "lab.pcapng"), *box = options_box_path(o),
	     *called = title(argc, argv);
	char *program = services_find("reseg-report");
	/* Where offloads join packets, those at the ends are not those at the box. */
	bool joined = o->hosts.client.offloads || o->hosts.server.offloads;
	const char *words[] = { program,
				"--output",
				o->report,
				"--title",
				called,
				boxed && joined ? box : "--ends",
				boxed && joined ? NULL : ends,
				boxed ? box : NULL,
				NULL };
	struct reporter r;
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		cli_die("pipe: %s", strerror(errno));
	fcntl(pipe_fds[1], F_SETFD, FD_CLOEXEC);
	r.pid = start_report(words, pipe_fds[0]);
	r.go = pipe_fds[1];
	close(pipe_fds[0]);
	free(program);
	free(ends);
	free(box);
	free(called);
	return r;
}

/* If the page is not written, this is reported, by reseg-report itself if it can. */
void report_write(struct reporter r)
{
	int status;

	void (*before)(int) = signal(SIGPIPE, SIG_IGN);	/* it may have been killed */
	bool asked = write(r.go, "\n", 1) == 1;

	signal(SIGPIPE, before);
	status = services_wait(r.pid);
	if (!asked || WIFSIGNALED(status))
		cli_say("there is no report: reseg-report was killed");
}

void report_forget(void)
{
	own_folder = NULL;
}
