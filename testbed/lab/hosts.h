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
 * client2 and so on, each with a link of its own to the box: toclient2... And there may be a
 * router beyond the box, which forwards only smaller packets than the links at both ends carry:
 *
 *      box ------------------ router ----------------- server
 *      toserver        tobox          toserver           eth0
 *      203.0.113.17      .18       203.0.113.1             .2
 *      2001:db8:3::1     ::2     2001:db8:2::1            ::2
 */

#include "lab/rtnl.h"

#include <stdbool.h>
#include <stdint.h>

#define HOSTS_CLIENTS_MAX 8

enum host {
	HOST_CLIENT,
	HOST_BOX,
	HOST_SERVER,
	HOST_CLIENT2,
	/* Last, because it is neither an end nor the box. */
	HOST_ROUTER = HOST_CLIENT2 + HOSTS_CLIENTS_MAX - 1,
	HOSTS_MAX
};

const char *host_name(enum host host);

/* The box's interface to a host. */
const char *host_link_of_box(enum host host);

#define HOST_SERVER_IPV4 "203.0.113.2"
#define HOST_SERVER_IPV6 "2001:db8:2::2"

struct hosts {
	unsigned count;		/* without the router */
	int netns[HOSTS_MAX];	/* descriptors, from HOSTS_FD on */
};

/* The two directions of a path. */
enum way { TO_SERVER, TO_CLIENT, WAYS };

struct hosts_options {
	unsigned clients;
	struct hosts_link {
		uint32_t mtu;
		bool offloads;	/* leave checksum and segmentation offloads on */
	} client, server;	/* links: of all clients, and of the server */
	uint32_t path_mtu;	/* from a router to the ends, in both directions; 0: no router */
	struct rtnl_netem netem[WAYS];	/* of both links */
	int names;		/* resolve to addresses of IP version 4 or 6 only; 0: to both */
};

/* In the first process of a PID namespace (namespace_unshare()): makes a mount namespace, the hosts
 * and their network, and a /proc and an /etc/hosts to match. Exits with a message on any error. */
void hosts_create(struct hosts *h, const struct hosts_options *o);

/* Moves the calling process to a host. */
void hosts_enter(const struct hosts *h, enum host host);

/* Gives the calling process, and what it starts, the name of a host. */
void hosts_take_name(enum host host);

/* The first process of a lab has the network namespaces of its hosts open as these
 * descriptors, where enter.c finds them. */
#define HOSTS_FD 200

#endif
