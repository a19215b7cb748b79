/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mood.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void say(int fd, const char *text, size_t bytes)
{
	if (send(fd, text, bytes, MSG_NOSIGNAL) != (ssize_t)bytes)
		_exit(0);
}

static void answer(int fd, const struct mood *m, const char *to, const char *reply)
{
	while (m->endless && strcasecmp(m->endless_to, to) == 0) {
		say(fd, m->endless, strlen(m->endless));
		if (m->pause_us > 0)
			usleep(m->pause_us);
	}
	if (!reply)
		return;
	if (m->delay_us > 0)
		usleep(m->delay_us);
	if (reply[0] == '\0')
		_exit(0);
	say(fd, reply, strlen(reply));
	say(fd, "\r\n", 2);
}

/* Serves one connection, then ends the process. */
_Noreturn static void serve(int fd, const struct mood *m)
{
	FILE *in = fdopen(fd, "r");
	unsigned recipients = 0;
	char line[1024];

	answer(fd, m, "greeting", m->greeting);
	while (fgets(line, sizeof(line), in)) {
		if (strncmp(line, "EHLO", 4) == 0)
			answer(fd, m, "EHLO", m->ehlo);
		else if (strncmp(line, "MAIL", 4) == 0)
			answer(fd, m, "MAIL", m->mail);
		else if (strncmp(line, "RCPT", 4) == 0)
			answer(fd, m, "RCPT",
			       recipients++ > 0 && m->rcpt_after ? m->rcpt_after : m->rcpt);
		else if (strncmp(line, "DATA", 4) == 0)
			answer(fd, m, "DATA", m->data);
	}
	_exit(0);
}

/* Ends when its process group is killed. */
_Noreturn static void serve_all(int fd, const struct mood *m)
{
	setpgid(0, 0);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int one = accept(fd, NULL, NULL);

		if (one >= 0 && fork() == 0)
			serve(one, m);
		close(one);
	}
}

struct lab_result mood_run(int ip, const struct mood *m, const char *format)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} a = { .in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
	socklen_t len = ip == 4 ? sizeof(a.in) : sizeof(a.in6);
	char target[64], command[512];
	struct lab_result r;
	pid_t server;
	int fd;

	if (ip == 6)
		a.in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
					       .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	fd = socket(a.sa.sa_family, SOCK_STREAM, 0);
	if (fd < 0 || bind(fd, &a.sa, len) < 0)
		cr_skip_test("no IPv%d on the loopback", ip);
	cr_assert_eq(listen(fd, 100), 0);
	getsockname(fd, &a.sa, &len);
	snprintf(target, sizeof(target), ip == 4 ? "127.0.0.1:%u" : "[::1]:%u",
		 ntohs(a.in.sin_port));
	server = fork();
	if (server == 0)
		serve_all(fd, m);
	setpgid(server, server);
	close(fd);
	snprintf(command, sizeof(command), format, target);
	r = lab_run(LAB_ROOT, "%s", command);
	kill(-server, SIGKILL);
	waitpid(server, NULL, 0);
	return r;
}
