/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/inject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <netinet/in.h>

/*
 * raw: raw sockets with the IP header included, one for each IP version. Packets
 * take the host's own way out, through the OUTPUT chains.
 */

struct raw_injector {
	struct injector base;
	int fd4;
	int fd6;
};

#define IP_HEADERS_MAX 120

static void raw_send(struct injector *in, const struct engine_emit *packet)
{
	struct raw_injector *raw = (struct raw_injector *)in;
	struct sockaddr_in to4 = { .sin_family = AF_INET };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6 };
	struct iovec iov[ENGINE_PARTS_MAX];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = packet->parts };
	uint8_t head[IP_HEADERS_MAX];
	uint8_t *ttl = &head[packet->version == 4 ? 8 : 7];

	for (size_t i = 0; i < packet->parts; i++) {
		iov[i].iov_base = (void *)packet->part[i].data;
		iov[i].iov_len = packet->part[i].bytes;
	}
	/* The box is a hop like any router, but nobody forwards what it sends. The
	 * kernel computes the IPv4 header's checksum anew. */
	memcpy(head, packet->part[0].data, packet->part[0].bytes);
	iov[0].iov_base = head;
	if (*ttl > 1)
		--*ttl;

	if (packet->version == 4) {
		memcpy(&to4.sin_addr, packet->destination, sizeof(to4.sin_addr));
		msg.msg_name = &to4;
		msg.msg_namelen = sizeof(to4);
	} else {
		memcpy(&to6.sin6_addr, packet->destination, sizeof(to6.sin6_addr));
		msg.msg_name = &to6;
		msg.msg_namelen = sizeof(to6);
	}
	if (sendmsg(packet->version == 4 ? raw->fd4 : raw->fd6, &msg, MSG_DONTWAIT) >= 0) {
		in->stats.sent++;
	} else if (errno == EMSGSIZE) {
		in->stats.too_big++;
	} else {
		in->stats.failed++;
		in->stats.last_error = errno;
	}
}

static void raw_close(struct injector *in)
{
	struct raw_injector *raw = (struct raw_injector *)in;

	close(raw->fd4);
	if (raw->fd6 >= 0)
		close(raw->fd6);
	free(raw);
}

static int raw_socket(int family)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	int mark = INJECT_MARK;
	int rc;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static int raw_open(struct injector **out)
{
	struct raw_injector *raw = calloc(1, sizeof(*raw));
	int rc;

	if (!raw)
		return -ENOMEM;
	raw->base.send = raw_send;
	raw->base.close = raw_close;
	rc = raw->fd4 = raw_socket(AF_INET);
	if (rc < 0)
		goto fail;
	rc = raw->fd6 = raw_socket(AF_INET6);
	if (rc < 0 && rc != -EAFNOSUPPORT) {	/* a kernel without IPv6 will do */
		close(raw->fd4);
		goto fail;
	}
	*out = &raw->base;
	return 0;
fail:
	free(raw);
	return rc;
}

const struct injector_kind inject_kinds[] = {
	{ "raw", "raw sockets; needs nothing but the privilege", raw_open },
	{ NULL, NULL, NULL },
};

int inject_open(struct injector **out, const char *name)
{
	int rc = -ENOENT;

	for (const struct injector_kind *k = inject_kinds; k->name; k++) {
		if (strcmp(name, "auto") != 0 && strcmp(name, k->name) != 0)
			continue;
		rc = k->open(out);
		if (rc == 0) {
			(*out)->kind = k;
			return 0;
		}
	}
	return rc;
}
