/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * mail-client HOST PORT FILE: sends one mail without pipelining, its text from the
 * file and the end-of-data mark in one write. Exit status 0: accepted; 1: no reply
 * to the end of data within 2 seconds; 2: anything else.
 */

#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fd;

/* Waits for one reply; returns the first digit of its code, 0 if none comes. */
static int reply(void)
{
	struct pollfd p = { .fd = 0, .events = POLLIN };
	char text[4096];
	size_t n = 0;

	p.fd = fd;
	do {
		ssize_t got;

		if (poll(&p, 1, 2000) <= 0)
			return 0;
		got = read(fd, text + n, sizeof(text) - 1 - n);
		if (got <= 0)
			return 0;
		n += (size_t)got;
		text[n] = '\0';
		/* The last line has a space after its code. */
	} while (text[n - 1] != '\n' || text[3] == '-');
	return text[0] - '0';
}

static int command(const char *line)
{
	if (write(fd, line, strlen(line)) < 0)
		return 0;
	return reply();
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *a;
	static char text[4 << 20];
	size_t n;
	FILE *f;
	int last;

	if (argc != 4 || getaddrinfo(argv[1], argv[2], &hints, &a) != 0)
		return 2;
	fd = socket(a->ai_family, SOCK_STREAM, 0);
	f = fopen(argv[3], "re");
	if (fd < 0 || !f || connect(fd, a->ai_addr, a->ai_addrlen) < 0)
		return 2;
	freeaddrinfo(a);
	n = fread(text, 1, sizeof(text) - 4, f);
	fclose(f);
	n += (size_t)snprintf(text + n, 4, ".\r\n");
	if (reply() != 2 || command("HELO client.example\r\n") != 2 ||
	    command("MAIL FROM:<>\r\n") != 2 || command("RCPT TO:<r@example>\r\n") != 2 ||
	    command("DATA\r\n") != 3)
		return 2;
	if (write(fd, text, n) != (ssize_t)n)
		return 2;
	last = reply();
	return last == 2 ? 0 : last == 0 ? 1 : 2;
}
