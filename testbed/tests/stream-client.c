/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * stream-client HOST PORT BYTES: sends that many bytes to an echo server and closes its
 * half, while it reads what comes back. Exit status 0: the same bytes, then the end of
 * the stream; 1: anything else, in words.
 */

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 65536
/* Longer than any back-off that a lossy link may cause. */
#define PATIENCE_MS 60000

static uint8_t byte_at(uint64_t i)
{
	return (uint8_t)((i * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

static int fail(const char *what, uint64_t at)
{
	fprintf(stderr, "stream-client: %s at byte %llu\n", what, (unsigned long long)at);
	return 1;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *a;
	static uint8_t out[CHUNK], in[CHUNK];
	uint64_t total, sent = 0, got = 0;
	struct pollfd p;

	if (argc != 4 || getaddrinfo(argv[1], argv[2], &hints, &a) != 0)
		return fail("usage: HOST PORT BYTES", 0);
	total = strtoull(argv[3], NULL, 10);
	p.fd = socket(a->ai_family, SOCK_STREAM, 0);
	if (p.fd < 0 || connect(p.fd, a->ai_addr, a->ai_addrlen) < 0)
		return fail(strerror(errno), 0);
	for (;;) {
		ssize_t n;

		p.events = (short)(POLLIN | (sent < total ? POLLOUT : 0));
		if (poll(&p, 1, PATIENCE_MS) <= 0)
			return fail("nothing moves", got);
		if (p.revents & POLLOUT && sent < total) {
			size_t chunk = total - sent < CHUNK ? (size_t)(total - sent) : CHUNK;

			for (size_t i = 0; i < chunk; i++)
				out[i] = byte_at(sent + i);
			n = send(p.fd, out, chunk, MSG_DONTWAIT | MSG_NOSIGNAL);
			if (n < 0 && errno != EAGAIN)
				return fail(strerror(errno), sent);
			sent += n > 0 ? (uint64_t)n : 0;
			if (sent == total)
				shutdown(p.fd, SHUT_WR);
		}
		if (!(p.revents & (POLLIN | POLLERR | POLLHUP)))
			continue;
		n = recv(p.fd, in, sizeof(in), MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			return fail(strerror(errno), got);
		if (n == 0)
			return got == total ? 0 : fail("the stream ended", got);
		for (ssize_t i = 0; i < n; i++, got++) {
			if (got >= total || in[i] != byte_at(got))
				return fail("a byte is wrong", got);
		}
	}
}
