/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * bench-client: puts load on the lab's server, and prints one number
 *
 *      bulk MS         sends for so long to the count service  Mbit/s, until all has arrived
 *      latency N       100 bytes there and back, N times       median microseconds
 *      short N         N dialogues one after the other: connect, EHLO, MAIL, RCPT, QUIT
 *                                                              dialogues a second
 */

#include "io/cli.h"
#include "io/clock.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#define REQUEST_BYTES 100

static void print_help(void)
{
	printf("Usage: bench-client bulk MS|latency N|short N HOST\n");
}

static int connect_to(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *to;
	int rc = getaddrinfo(host, port, &hints, &to), fd, one = 1;

	if (rc != 0)
		cli_die("%s: %s", host, gai_strerror(rc));
	fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen) < 0)
		cli_die("%s port %s: %s", host, port, strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	freeaddrinfo(to);
	return fd;
}

static void send_all(int fd, const void *data, size_t len)
{
	if (send(fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		cli_die("send: %s", strerror(errno));
}

static double seconds_since(uint64_t start_ns)
{
	return (double)(clock_ns(CLOCK_MONOTONIC) - start_ns) / 1e9;
}

static double bulk(const char *host, uint64_t ms)
{
	static char data[1 << 20];
	char answer[32] = "";
	int fd = connect_to(host, "9");
	uint64_t start = clock_ns(CLOCK_MONOTONIC), sent = 0;
	double seconds;

	while (seconds_since(start) * 1e3 < (double)ms) {
		send_all(fd, data, sizeof(data));
		sent += sizeof(data);
	}
	shutdown(fd, SHUT_WR);
	if (recv(fd, answer, sizeof(answer) - 1, 0) <= 0 || strtoull(answer, NULL, 10) != sent)
		cli_die("bulk: the server got %s", answer);
	seconds = seconds_since(start);
	close(fd);
	return (double)sent * 8 / 1e6 / seconds;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double latency(const char *host, uint64_t times)
{
	double *us = calloc(times, sizeof(*us)), median;
	char data[REQUEST_BYTES] = { 0 };
	int fd = connect_to(host, "7");

	for (uint64_t i = 0; i < times; i++) {
		uint64_t start = clock_ns(CLOCK_MONOTONIC);

		send_all(fd, data, sizeof(data));
		if (recv(fd, data, sizeof(data), MSG_WAITALL) != sizeof(data))
			cli_die("latency: no answer");
		us[i] = seconds_since(start) * 1e6;
	}
	close(fd);
	qsort(us, times, sizeof(*us), compare);
	median = us[times / 2];
	free(us);
	return median;
}

/* Reads so many replies; those of several lines have a "-" behind the code. */
static void replies(int fd, unsigned count)
{
	char text[2048], *line = text;
	size_t n = 0;

	while (count > 0) {
		ssize_t got = recv(fd, text + n, sizeof(text) - n, 0);
		char *end;

		if (got <= 0)
			cli_die("short: the server hung up");
		n += (size_t)got;
		for (; count > 0 && (end = memchr(line, '\n', n - (size_t)(line - text))); line = end + 1)
			count -= line[3] != '-';
	}
}

static void say(int fd, const char *text, unsigned answers)
{
	send_all(fd, text, strlen(text));
	replies(fd, answers);
}

static double dialogues(const char *host, uint64_t times)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC);

	for (uint64_t i = 0; i < times; i++) {
		int fd = connect_to(host, "25");

		replies(fd, 1);
		say(fd, "EHLO bench.example\r\n", 1);
		say(fd, "MAIL FROM:<a@client.example>\r\nRCPT TO:<b@server.example>\r\n", 2);
		say(fd, "QUIT\r\n", 1);
		close(fd);
	}
	return (double)times / seconds_since(start);
}

int main(int argc, char **argv)
{
	static const struct option table[] = { CLI_COMMON_OPTIONS };
	uint64_t n;

	cli_program = "bench-client";
	while (cli_option(argc, argv, "", table, print_help) != -1)
		;
	if (optind + 3 != argc)
		cli_die("give what, how much, and HOST; see --help");
	n = cli_number(argv[optind], argv[optind + 1], 1, 1000000);
	if (strcmp(argv[optind], "bulk") == 0)
		printf("%.1f\n", bulk(argv[optind + 2], n));
	else if (strcmp(argv[optind], "latency") == 0)
		printf("%.1f\n", latency(argv[optind + 2], n));
	else if (strcmp(argv[optind], "short") == 0)
		printf("%.1f\n", dialogues(argv[optind + 2], n));
	else
		cli_die("%s: give bulk, latency or short", argv[optind]);
	return EXIT_GOOD;
}
