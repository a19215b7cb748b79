/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net.h"

#include "io/decimal.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <arpa/inet.h>

#define BACKLOG 4096

uint16_t net_port(const union net_address *a)
{
	return ntohs(a->sa.sa_family == AF_INET ? a->in.sin_port : a->in6.sin6_port);
}

void net_text(const union net_address *a, char text[NET_TEXT_BYTES])
{
	if (a->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &a->in.sin_addr, text, NET_TEXT_BYTES);
	else if (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
		inet_ntop(AF_INET, &a->in6.sin6_addr.s6_addr[12], text, NET_TEXT_BYTES);
	else
		inet_ntop(AF_INET6, &a->in6.sin6_addr, text, NET_TEXT_BYTES);
}

static bool split(const char *target, char *host, size_t size, const char **port,
		  struct error *error)
{
	const char *start = target, *end;

	if (target[0] == '[') {
		start++;
		end = strchr(start, ']');
		if (!end || (end[1] != '\0' && end[1] != ':'))
			return error_set(error, 0,
					 "write an IPv6 address with a port as [ADDRESS]:PORT");
		*port = end[1] == ':' ? end + 2 : NULL;
	} else {
		end = strchr(target, ':');
		if (end && strchr(end + 1, ':'))
			end = NULL;	/* two colons: an IPv6 address alone */
		*port = end ? end + 1 : NULL;
		if (!end)
			end = target + strlen(target);
	}
	if (end == start || (size_t)(end - start) >= size)
		return error_set(error, 0, "give a host name or an address");
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';
	return true;
}

static bool parse_port(const char *text, uint16_t *port, struct error *error)
{
	uint64_t value;

	if (!decimal_is(text, 1, UINT16_MAX, &value))
		return error_set(error, 0, "give the port as a number from 1 to 65535");
	*port = (uint16_t)value;
	return true;
}

bool net_resolve(const char *target, uint16_t default_port, int family, union net_address *out,
		 struct error *error)
{
	struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	uint16_t number = default_port;
	char host[256];
	const char *port = NULL;
	int rc;

	if (!split(target, host, sizeof(host), &port, error) ||
	    (port && !parse_port(port, &number, error)))
		return false;
	rc = getaddrinfo(host, NULL, &hints, &list);
	if (rc != 0)
		return error_set(error, 0, "%s", gai_strerror(rc));
	memcpy(out, list->ai_addr, list->ai_addrlen);
	if (out->sa.sa_family == AF_INET)
		out->in.sin_port = htons(number);
	else
		out->in6.sin6_port = htons(number);
	freeaddrinfo(list);
	return true;
}

static int listen_on(const union net_address *a)
{
	int one = 1, zero = 0, rc;
	int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a->sa.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, &a->sa, net_length(a)) < 0 || listen(fd, BACKLOG) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

int net_listen(const char *address, uint16_t port)
{
	union net_address a = { .in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) } };
	int fd;

	if (address) {
		if (inet_pton(AF_INET6, address, &a.in6.sin6_addr) == 1)
			return listen_on(&a);
		a = (union net_address){ .in = { .sin_family = AF_INET, .sin_port = htons(port) } };
		return inet_pton(AF_INET, address, &a.in.sin_addr) == 1 ? listen_on(&a)
									: -EADDRNOTAVAIL;
	}
	fd = listen_on(&a);
	if (fd != -EAFNOSUPPORT)
		return fd;
	a = (union net_address){ .in = { .sin_family = AF_INET, .sin_port = htons(port) } };
	return listen_on(&a);
}

void net_raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}
