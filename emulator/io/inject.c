/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <net/if.h>
#include <netinet/in.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

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

/* Sends a packet that is ready for the wire, and counts it in stats. */
static void raw_transmit(const struct raw_injector *raw, const struct engine_emit *packet,
			 struct inject_stats *stats)
{
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
		stats->sent++;
	} else if (errno == EMSGSIZE) {
		stats->too_big++;
	} else {
		stats->failed++;
		stats->last_error = errno;
	}
}

static void raw_send(struct injector *in, const struct engine_emit *packet)
{
	raw_transmit((struct raw_injector *)in, packet, &in->stats);
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

/*
 * tun: packets enter this host by a TUN device, as if they had come from a network, and
 * are forwarded like any other. Segmentation and checksums are left to the way out, often
 * to the end that gets them. What is sent in the name of this host itself cannot come from
 * a network (it would be a martian, RFC 1812 section 5.3.7), and goes the raw way.
 */

struct tun_injector {
	struct injector base;
	int fd;
	struct injector *raw;
};

#define AT_TCP_CHECKSUM 16

static void tun_send(struct injector *in, const struct engine_emit *packet)
{
	struct tun_injector *tun = (struct tun_injector *)in;
	size_t headers = packet->part[0].bytes;
	struct virtio_net_hdr header = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = packet->version == 4 ? 20 : 40,
		.csum_offset = AT_TCP_CHECKSUM,
	};
	struct iovec iov[1 + ENGINE_PARTS_MAX] = { { &header, sizeof(header) } };

	if (packet->local) {
		raw_transmit((struct raw_injector *)tun->raw, packet, &in->stats);
		return;
	}
	if (packet->segment_bytes > 0) {
		header.gso_type = packet->version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4
						       : VIRTIO_NET_HDR_GSO_TCPV6;
		header.gso_size = packet->segment_bytes;
		header.hdr_len = (uint16_t)headers;
	}
	for (size_t i = 0; i < packet->parts; i++) {
		iov[1 + i].iov_base = (void *)packet->part[i].data;
		iov[1 + i].iov_len = packet->part[i].bytes;
	}
	if (writev(tun->fd, iov, (int)(1 + packet->parts)) >= 0) {
		in->stats.sent++;
	} else {
		in->stats.failed++;
		in->stats.last_error = errno;
	}
}

static void tun_close(struct injector *in)
{
	struct tun_injector *tun = (struct tun_injector *)in;

	if (tun->raw)
		tun->raw->close(tun->raw);
	close(tun->fd);
	free(tun);
}

/* Brings the interface up. */
static int interface_up(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (fd < 0)
		return -errno;
	memcpy(request.ifr_name, name, sizeof(request.ifr_name));
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int rp_filter(const char *name)
{
	char path[64], value = '0';
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, &value, 1) != 1)
		value = '0';
	close(fd);
	return value - '0';
}

static int tun_open(struct injector **out)
{
	struct ifreq request = {
		.ifr_name = INJECT_INTERFACE,
		.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR,
	};
	struct tun_injector *tun = calloc(1, sizeof(*tun));
	int rc;

	if (!tun)
		return -ENOMEM;
	tun->base.send = tun_send;
	tun->base.close = tun_close;
	tun->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tun->fd < 0) {
		rc = -errno;
		free(tun);
		return rc;
	}
	if (ioctl(tun->fd, TUNSETIFF, &request) < 0 ||
	    ioctl(tun->fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0) {
		rc = -errno;
		goto fail;
	}
	/* In strict mode (RFC 3704 section 2.2) what comes from here would be dropped, as the
	 * way back to its source is another. */
	rc = -EXDEV;
	if (rp_filter("all") == 1 || (rp_filter("all") == 0 && rp_filter(request.ifr_name) == 1))
		goto fail;
	rc = interface_up(request.ifr_name);
	if (rc < 0)
		goto fail;
	rc = raw_open(&tun->raw);
	if (rc < 0)
		goto fail;
	*out = &tun->base;
	return 0;
fail:
	tun_close(&tun->base);
	return rc;
}

const struct injector_kind inject_kinds[] = {
	{ "tun", "a TUN device that leaves segmentation to the kernel; needs /dev/net/tun", true, tun_open },
	{ "raw", "raw sockets; needs nothing but the privilege", false, raw_open },
	{ NULL, NULL, false, NULL },
};

int inject_open(struct injector **out, const char *name)
{
	int rc = -EINVAL;

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
