/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_TESTBED_NET_H
#define RESEG_TESTBED_NET_H

/* Sockets and addresses, for the probe, the sink and the lab. */

#include "io/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <netinet/in.h>

/* "[" INET6_ADDRSTRLEN "]:65535" */
#define NET_TEXT_BYTES 64

union net_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static inline socklen_t net_length(const union net_address *a)
{
	return a->sa.sa_family == AF_INET ? sizeof(a->in) : sizeof(a->in6);
}

/* In host order. */
uint16_t net_port(const union net_address *a);

/* The address without the port, IPv4-mapped ones as IPv4. */
void net_text(const union net_address *a, char text[NET_TEXT_BYTES]);

/* Resolves HOST, HOST:PORT, [HOST] or [HOST]:PORT to its first address; a bare IPv6 address needs
 * no brackets. Returns false, and why, if it cannot. */
bool net_resolve(const char *target, uint16_t default_port, int family, union net_address *out,
		 struct error *error);

/* A listening, non-blocking socket on a port of an address; NULL: of all, IPv6 and IPv4. Negative
 * errno; -EADDRNOTAVAIL if it is not an address. */
int net_listen(const char *address, uint16_t port);

/* Raises the limit of open descriptors as far as the process may. */
void net_raise_descriptor_limit(void);

#endif
