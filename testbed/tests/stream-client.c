/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * stream-client: sends bytes to an echo server and closes its half, while it reads what comes back,
 * on one connection or on many. Exit status 0: on each the same bytes came, then the end of the
 * stream; 1: anything else, with a message.
 */

#include "io/cli.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>

#define CHUNK 65536
/* Longer than any back-off that a lossy link may cause. */
#define PATIENCE_MS 120000
#define PARALLEL_MAX 4096

struct options {
	uint64_t connections;
	uint64_t parallel;
	uint64_t abort_every;	/* 0: never */
	uint64_t bytes;
	struct in_addr from;	/* 0: this host's usual address */
};

/* How many addresses --from counts up. */
#define SOURCES 100

struct connection {
	uint64_t number;	/* from 0 */
	uint64_t total, sent, got;
	bool aborts;		/* in the middle, by a RST */
};

static struct connection connections[PARALLEL_MAX];
static struct pollfd fds[PARALLEL_MAX];

static void print_help(void)
{
	printf("Usage: stream-client [OPTION]... HOST PORT BYTES\n"
	       "\n"
	       "  --connections N  make N, each of 1 to BYTES bytes; a single one has BYTES (1)\n"
	       "  --parallel N     at most N at once (100)\n"
	       "  --abort-every N  every Nth connection ends with a RST when half is sent (never)\n"
	       "  --from IPV4      use %d source addresses in turn, IPV4 and those after it\n"
	       "  --help, --version\n", SOURCES);
}

static uint64_t mix(uint64_t i)
{
	i = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
	return i ^ i >> 29;
}

static uint8_t byte_at(const struct connection *c, uint64_t i)
{
	return (uint8_t)(mix(i + c->number * 77) >> 24);
}

static void fail(const struct connection *c, const char *what)
{
	cli_say("connection %llu: %s after %llu of %llu bytes sent, %llu received",
		     (unsigned long long)c->number, what, (unsigned long long)c->sent,
		     (unsigned long long)c->total, (unsigned long long)c->got);
	exit(EXIT_FINDING);
}

static void begin(const struct options *o, size_t i, uint64_t number, const struct addrinfo *to)
{
	struct connection *c = &connections[i];
	struct pollfd *p = &fds[i];

	*c = (struct connection){
		.number = number,
		.total = o->connections == 1 ? o->bytes : 1 + mix(number) % o->bytes,
		.aborts = o->abort_every != 0 && number % o->abort_every == 0,
	};
	p->events = POLLIN | POLLOUT;
	p->fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (o->from.s_addr != 0) {
		struct sockaddr_in from = { .sin_family = AF_INET };

		from.sin_addr.s_addr = htonl(ntohl(o->from.s_addr) + (uint32_t)(number % SOURCES));
		if (bind(p->fd, (const struct sockaddr *)&from, sizeof(from)) < 0)
			fail(c, strerror(errno));
	}
	if (p->fd < 0 || (connect(p->fd, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS))
		fail(c, strerror(errno));
}

static void send_some(struct connection *c, struct pollfd *p)
{
	static uint8_t bytes[CHUNK];
	uint64_t left = c->total - c->sent;
	size_t chunk = left < CHUNK ? (size_t)left : CHUNK;
	ssize_t n;

	for (size_t i = 0; i < chunk; i++)
		bytes[i] = byte_at(c, c->sent + i);
	n = send(p->fd, bytes, chunk, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN)
		fail(c, strerror(errno));
	c->sent += n > 0 ? (uint64_t)n : 0;
	if (c->sent == c->total) {
		shutdown(p->fd, SHUT_WR);
		p->events = POLLIN;
	}
}

/* Returns false when the connection is over. */
static bool receive_some(struct connection *c, const struct pollfd *p)
{
	static uint8_t bytes[CHUNK];
	ssize_t n = recv(p->fd, bytes, sizeof(bytes), 0);

	if (n < 0 && errno == EAGAIN)
		return true;
	if (n < 0)
		fail(c, strerror(errno));
	for (ssize_t i = 0; i < n; i++, c->got++) {
		if (c->got >= c->total || bytes[i] != byte_at(c, c->got))
			fail(c, "a byte is wrong");
	}
	if (n == 0 && c->got < c->total)
		fail(c, "the stream ended");
	return n > 0;
}

/* Returns false when the connection is over. */
static bool serve(struct connection *c, struct pollfd *p)
{
	struct linger abort = { .l_onoff = 1 };

	if ((p->revents & POLLOUT) && c->sent < c->total)
		send_some(c, p);
	if (c->aborts && c->sent >= c->total / 2) {
		setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
		return false;
	}
	return !(p->revents & (POLLIN | POLLERR | POLLHUP)) || receive_some(c, p);
}

static void run(const struct options *o, const struct addrinfo *to)
{
	uint64_t begun = 0;
	size_t open = 0;

	while (open < o->parallel && begun < o->connections)
		begin(o, open++, begun++, to);
	while (open > 0) {
		if (poll(fds, open, PATIENCE_MS) <= 0)
			fail(&connections[0], "nothing moves");
		for (size_t i = 0; i < open; i++) {
			if (fds[i].revents == 0 || serve(&connections[i], &fds[i]))
				continue;
			close(fds[i].fd);
			if (begun < o->connections) {
				begin(o, i, begun++, to);
				continue;
			}
			/* The last connection moves to this place, and is served next. */
			connections[i] = connections[--open];
			fds[i--] = fds[open];
		}
	}
}

int main(int argc, char **argv)
{
	enum { CONNECTIONS = 256, PARALLEL, ABORT_EVERY, FROM };
	static const struct option table[] = {
		{ "connections", required_argument, NULL, CONNECTIONS },
		{ "parallel", required_argument, NULL, PARALLEL },
		{ "abort-every", required_argument, NULL, ABORT_EVERY },
		{ "from", required_argument, NULL, FROM },
		CLI_COMMON_OPTIONS,
	};
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *to;
	struct options o = { .connections = 1, .parallel = 100 };
	int option, rc;

	cli_program = "stream-client";
	while ((option = cli_option(argc, argv, "", table, print_help)) != -1) {
		switch (option) {
		case CONNECTIONS:
			o.connections = cli_number("--connections", optarg, 1, UINT32_MAX);
			break;
		case PARALLEL:
			o.parallel = cli_number("--parallel", optarg, 1, PARALLEL_MAX);
			break;
		case ABORT_EVERY:
			o.abort_every = cli_number("--abort-every", optarg, 1, UINT32_MAX);
			break;
		case FROM:
			if (inet_pton(AF_INET, optarg, &o.from) != 1)
				cli_die("--from %s: give an IPv4 address", optarg);
			hints.ai_family = AF_INET;
			break;
		}
	}
	if (optind + 3 != argc)
		cli_die("give HOST, PORT and BYTES; see --help");
	o.bytes = cli_number("BYTES", argv[optind + 2], 1, UINT64_MAX / 2);
	rc = getaddrinfo(argv[optind], argv[optind + 1], &hints, &to);
	if (rc != 0)
		cli_die("%s: %s", argv[optind], gai_strerror(rc));
	run(&o, to);
	freeaddrinfo(to);
	return EXIT_GOOD;
}
