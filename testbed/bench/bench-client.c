/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * bench-client: puts load on the lab's server, and prints one number
 *
 *      bulk MS         sends to the count service for MS milliseconds
 *                                                              Mbit/s, until all has arrived
 *      many MS FROM    the same on 16 connections at once, from 16 source addresses, the
 *                      first of which is FROM                  Mbit/s, all together
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

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#define REQUEST_BYTES 100
#define CONNECTIONS 16

static void print_help(void)
{
	printf("Usage: bench-client bulk MS|latency N|short N HOST\n"
	       "       bench-client many MS HOST FROM\n");
}

/* Connects from a source address, if one is given. */
static int connect_from(const struct in_addr *from, const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_family = from ? AF_INET : AF_UNSPEC },
			*to;
	int rc = getaddrinfo(host, port, &hints, &to), fd, one = 1;

	if (rc != 0)
		cli_die("%s: %s", host, gai_strerror(rc));
	fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (from) {
		struct sockaddr_in source = { .sin_family = AF_INET, .sin_addr = *from };

		if (bind(fd, (const struct sockaddr *)&source, sizeof(source)) < 0)
			cli_die("%s: %s", inet_ntoa(*from), strerror(errno));
	}
	if (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen) < 0)
		cli_die("%s port %s: %s", host, port, strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	freeaddrinfo(to);
	return fd;
}

static int connect_to(const char *host, const char *port)
{
	return connect_from(NULL, host, port);
}

static void send_all(int fd, const void *data, size_t len)
{
	if (send(fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		cli_die("send: %s", strerror(errno));
}

static double seconds_since(uint64_t start_ns)
{
	return (double)(clock_ns(CLOCK_MONOTONIC) - start_ns) / NS_PER_S;
}

static double send_for(int fd, uint64_t ms)
{
	static char data[1 << 20];
	char answer[32] = "";
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

static double bulk(const char *host, uint64_t ms)
{
	return send_for(connect_to(host, "9"), ms);
}

static double many(const char *host, uint64_t ms, const char *text)
{
	struct in_addr from;
	double sum = 0, figure;
	int fds[2];

	if (inet_pton(AF_INET, text, &from) != 1 || pipe(fds) < 0)
		cli_die("%s: give an IPv4 address", text);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct in_addr source = { htonl(ntohl(from.s_addr) + i) };

		if (fork() != 0)
			continue;
		figure = send_for(connect_from(&source, host, "9"), ms);
		if (write(fds[1], &figure, sizeof(figure)) < 0)
			cli_die("pipe: %s", strerror(errno));
		_exit(EXIT_GOOD);
	}
	close(fds[1]);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		if (read(fds[0], &figure, sizeof(figure)) != sizeof(figure))
			cli_die("many: a connection failed");
		sum += figure;
	}
	return sum;
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

/* Reads `count` replies; if one has several lines, all but the last have a "-" after the code. */
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
		for (; count > 0 && (end = memchr(line, '\n', n - (size_t)(line - text)));
		     line = end + 1)
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
	if (optind + 3 != argc && (optind + 4 != argc || strcmp(argv[optind], "many") != 0))
		cli_die("give what, how much, and HOST; see --help");
	n = cli_number(argv[optind], argv[optind + 1], 1, 1000000);
	if (strcmp(argv[optind], "bulk") == 0)
		printf("%.1f\n", bulk(argv[optind + 2], n));
	else if (strcmp(argv[optind], "many") == 0 && optind + 4 == argc)
		printf("%.1f\n", many(argv[optind + 2], n, argv[optind + 3]));
	else if (strcmp(argv[optind], "latency") == 0)
		printf("%.1f\n", latency(argv[optind + 2], n));
	else if (strcmp(argv[optind], "short") == 0)
		printf("%.1f\n", dialogues(argv[optind + 2], n));
	else
		cli_die("%s: give bulk, many, latency or short", argv[optind]);
	return EXIT_GOOD;
}
