/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_LAB_HOSTS_H
#define RESEG_LAB_HOSTS_H

/*
 * The three hosts of the lab, each a network namespace
 *
 *      client ------------------- box ------------------- server
 *      eth0                toclient  toserver               eth0
 *      198.51.100.2               .1  203.0.113.1             .2
 *      2001:db8:1::2             ::1  2001:db8:2::1          ::2
 *
 * All addresses are documentation ones (RFC 5737, RFC 3849). There may be more clients,
 * client2 and so on, each with a link of its own to the box: toclient2...
 */

#include "lab/rtnl.h"

#include <stdbool.h>
#include <stdint.h>

enum host { HOST_CLIENT, HOST_BOX, HOST_SERVER, HOST_CLIENT2 };

#define HOSTS_CLIENTS_MAX 8
#define HOSTS_MAX (HOST_CLIENT2 + HOSTS_CLIENTS_MAX - 1)

const char *host_name(enum host host);

#define HOST_SERVER_IPV4 "203.0.113.2"
#define HOST_SERVER_IPV6 "2001:db8:2::2"

struct hosts {
	unsigned count;
	int netns[HOSTS_MAX];	/* descriptors, from HOSTS_FD on */
};

struct hosts_options {
	unsigned clients;
	struct hosts_link {
		uint32_t mtu;
		bool offloads;	/* leave checksum and segmentation offloads on */
	} client, server;	/* their links; of all clients */
	struct rtnl_netem netem;	/* of both links, in both directions */
};

/* Makes user namespace (for who is not root), PID namespace and mount namespace.
 * The next child is the first process of the new PID namespace. Exits with advice if
 * this machine does not allow it. */
void hosts_unshare(void);

/* In that child: makes the hosts and their network, and a /proc and an /etc/hosts to
 * match. Exits with a message on any error. */
void hosts_create(struct hosts *h, const struct hosts_options *o);

/* Moves the calling process to a host. */
void hosts_enter(const struct hosts *h, enum host host);

/* Gives the calling process, and what it starts, the name of a host. */
void hosts_take_name(enum host host);

/* The first process of a lab has the network namespaces of its hosts open as these
 * descriptors, where enter.c finds them. */
#define HOSTS_FD 200

#endif
