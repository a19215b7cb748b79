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

static void close_all(struct injector *in[], unsigned count)
{
	while (count-- > 0)
		in[count]->close(in[count]);
}

/*
 * raw: raw sockets with the IP header included, one for each IP version. Packets
 * leave like the host's own, through the OUTPUT chains.
 */

#define IP_HEADERS_MAX 120
#define RAW_BATCH 64

/* Packets of one IP version that wait to be sent in one call. */
struct raw_batch {
	int fd;
	unsigned count;
	struct mmsghdr messages[RAW_BATCH];
	struct raw_packet {
		union {
			struct sockaddr_in in;
			struct sockaddr_in6 in6;
		} to;
		uint8_t head[IP_HEADERS_MAX];
		struct iovec iov[ENGINE_PARTS_MAX];
	} packets[RAW_BATCH];
};

struct raw_injector {
	struct injector base;
	struct raw_batch v4;
	struct raw_batch v6;
};

/* Counts a packet that was not sent. */
static void count_failure(struct inject_stats *stats, int error)
{
	if (error == EMSGSIZE) {
		stats->too_big++;
	} else if (error == EAGAIN || error == ENOBUFS || error == ENOMEM) {
		stats->congested++;
	} else {
		stats->failed++;
		stats->last_error = error;
	}
}

static void raw_flush_batch(struct raw_batch *b, struct inject_stats *stats)
{
	unsigned done = 0;

	while (done < b->count) {
		int n = sendmmsg(b->fd, b->messages + done, b->count - done, MSG_DONTWAIT);

		if (n > 0) {
			stats->sent += (unsigned)n;
			done += (unsigned)n;
			continue;
		}
		/* The first of them was refused; the others may pass. */
		done++;
		count_failure(stats, errno);
	}
	b->count = 0;
}

/* Puts a packet that is ready for the wire into its batch; once sent, it is counted in stats. */
static void raw_add(struct raw_injector *raw, const struct engine_emit *packet,
		    struct inject_stats *stats)
{
	struct raw_batch *b = packet->version == 4 ? &raw->v4 : &raw->v6;
	struct raw_packet *p = &b->packets[b->count];
	uint8_t *ttl = &p->head[packet->version == 4 ? 8 : 7];

	/* The box is a hop like any router, but nobody forwards what it sends, so it lowers the TTL
	 * itself. The kernel recomputes the IPv4 header's checksum. */
	memcpy(p->head, packet->part[0].data, packet->part[0].bytes);
	if (*ttl > 1)
		--*ttl;
	for (size_t i = 0; i < packet->parts; i++) {
		p->iov[i].iov_base = i == 0 ? p->head : (void *)packet->part[i].data;
		p->iov[i].iov_len = packet->part[i].bytes;
	}
	b->messages[b->count].msg_hdr = (struct msghdr){
		.msg_name = &p->to,
		.msg_iov = p->iov,
		.msg_iovlen = packet->parts,
	};
	if (packet->version == 4) {
		p->to.in = (struct sockaddr_in){ .sin_family = AF_INET };
		memcpy(&p->to.in.sin_addr, packet->destination, sizeof(p->to.in.sin_addr));
		b->messages[b->count].msg_hdr.msg_namelen = sizeof(p->to.in);
	} else {
		p->to.in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
		memcpy(&p->to.in6.sin6_addr, packet->destination, sizeof(p->to.in6.sin6_addr));
		b->messages[b->count].msg_hdr.msg_namelen = sizeof(p->to.in6);
	}
	if (++b->count == RAW_BATCH)
		raw_flush_batch(b, stats);
}

static void raw_flush_all(struct raw_injector *raw, struct inject_stats *stats)
{
	raw_flush_batch(&raw->v4, stats);
	raw_flush_batch(&raw->v6, stats);
}

static void raw_send(struct injector *in, const struct engine_emit *packet)
{
	raw_add((struct raw_injector *)in, packet, &in->stats);
}

static void raw_flush(struct injector *in)
{
	raw_flush_all((struct raw_injector *)in, &in->stats);
}

static void raw_close(struct injector *in)
{
	struct raw_injector *raw = (struct raw_injector *)in;

	close(raw->v4.fd);
	if (raw->v6.fd >= 0)
		close(raw->v6.fd);
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

static int raw_open_one(struct raw_injector **out)
{
	struct raw_injector *raw = calloc(1, sizeof(*raw));
	int rc;

	if (!raw)
		return -ENOMEM;
	raw->base.send = raw_send;
	raw->base.flush = raw_flush;
	raw->base.close = raw_close;
	rc = raw->v4.fd = raw_socket(AF_INET);
	if (rc < 0)
		goto fail;
	rc = raw->v6.fd = raw_socket(AF_INET6);
	if (rc < 0 && rc != -EAFNOSUPPORT) {	/* a kernel without IPv6 will do */
		close(raw->v4.fd);
		goto fail;
	}
	*out = raw;
	return 0;
fail:
	free(raw);
	return rc;
}

static int raw_open(struct injector *out[], unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct raw_injector *raw;
		int rc = raw_open_one(&raw);

		if (rc < 0) {
			close_all(out, i);
			return rc;
		}
		out[i] = &raw->base;
	}
	return 0;
}

/*
 * tun: packets enter this host through a TUN device, as if they had come from a network, and are
 * forwarded like any other. Segmentation and checksums are left to the outgoing device, which may
 * leave them to the receiver. What is sent in the name of this host itself cannot come from a
 * network (it would be a martian, RFC 1812 section 5.3.7), so it goes the raw way.
 */

struct tun_injector {
	struct injector base;
	int fd;			/* of its own queue of the device */
	struct raw_injector *raw;
};

#define AT_TCP_CHECKSUM 16

static void tun_send(struct injector *in, const struct engine_emit *packet)
{
	struct tun_injector *tun = (struct tun_injector *)in;
	size_t headers = packet->part[0].bytes;
	struct virtio_net_hdr header = {
		.flags = packet->summed ? 0 : VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = packet->version == 4 ? 20 : 40,
		.csum_offset = AT_TCP_CHECKSUM,
	};
	struct iovec iov[1 + ENGINE_PARTS_MAX] = { { &header, sizeof(header) } };

	if (packet->local) {
		raw_add(tun->raw, packet, &in->stats);
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
	if (writev(tun->fd, iov, (int)(1 + packet->parts)) >= 0)
		in->stats.sent++;
	else
		count_failure(&in->stats, errno);
}

static void tun_flush(struct injector *in)
{
	raw_flush_all(((struct tun_injector *)in)->raw, &in->stats);
}

static void tun_close(struct injector *in)
{
	struct tun_injector *tun = (struct tun_injector *)in;

	if (tun->raw)
		raw_close(&tun->raw->base);
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

static int open_ipv4_setting(const char *interface, const char *setting, int mode)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/%s", interface, setting);
	return open(path, mode | O_CLOEXEC);
}

/* Reads a setting of an IPv4 interface, one digit; '0' if it cannot be read. */
static char ipv4_setting(const char *interface, const char *setting)
{
	int fd = open_ipv4_setting(interface, setting, O_RDONLY);
	char value = '0';

	if (fd < 0)
		return '0';
	if (read(fd, &value, 1) != 1)
		value = '0';
	close(fd);
	return value;
}

/* In strict mode (RFC 3704 section 2.2) what comes from the interface would be dropped, since the
 * route back to its source is another. */
static bool is_filtered(const char *interface)
{
	char all = ipv4_setting("all", "rp_filter");

	return all == '1' || (all == '0' && ipv4_setting(interface, "rp_filter") == '1');
}

/* Each interface has its own switch for IPv4 forwarding, and a new one takes the default. (IPv6 has
 * one switch for all.) If it may not be set here, it stays as the administrator set it. */
static void forward_from(const char *interface)
{
	int fd = open_ipv4_setting(interface, "forwarding", O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		errno = 0;
	close(fd);
}

/* Opens a queue of the device of that name. A name may be a pattern for a new device; then it
 * becomes the device's name. */
static int tun_open_one(struct injector **out, char name[IFNAMSIZ], short flags)
{
	struct ifreq request = { .ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | flags) };
	struct tun_injector *tun = calloc(1, sizeof(*tun));
	int rc;

	if (!tun)
		return -ENOMEM;
	tun->base.send = tun_send;
	tun->base.flush = tun_flush;
	tun->base.close = tun_close;
	tun->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tun->fd < 0) {
		rc = -errno;
		free(tun);
		return rc;
	}
	memcpy(request.ifr_name, name, IFNAMSIZ);
	if (ioctl(tun->fd, TUNSETIFF, &request) < 0 ||
	    ioctl(tun->fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0)
		rc = -errno;
	else
		rc = raw_open_one(&tun->raw);
	if (rc < 0) {
		tun_close(&tun->base);
		return rc;
	}
	memcpy(name, request.ifr_name, IFNAMSIZ);
	*out = &tun->base;
	return 0;
}

static int tun_open(struct injector *out[], unsigned count)
{
	char name[IFNAMSIZ] = INJECT_INTERFACE;
	unsigned opened;
	int rc = 0;

	for (opened = 0; opened < count && rc == 0; opened += rc == 0)
		rc = tun_open_one(&out[opened], name, count > 1 ? IFF_MULTI_QUEUE : 0);
	if (rc == 0 && is_filtered(name))
		rc = -EXDEV;
	if (rc == 0)
		rc = interface_up(name);
	if (rc == 0)
		forward_from(name);
	for (unsigned i = 0; i < opened; i++) {
		out[i]->interface = if_nametoindex(name);
		memcpy(out[i]->name, name, sizeof(out[i]->name));
	}
	if (rc < 0)
		close_all(out, opened);
	return rc;
}

const struct injector_kind inject_kinds[] = {
	{ "tun", "a TUN device that leaves segmentation to the kernel; needs /dev/net/tun", true,
	  tun_open },
	{ "raw", "raw sockets; needs nothing but the privilege", false, raw_open },
	{ NULL, NULL, false, NULL },
};

int inject_open(struct injector *out[], unsigned count, const char *name)
{
	int rc = -EINVAL;

	for (const struct injector_kind *k = inject_kinds; k->name; k++) {
		if (strcmp(name, "auto") != 0 && strcmp(name, k->name) != 0)
			continue;
		rc = k->open(out, count);
		if (rc < 0)
			continue;
		for (unsigned i = 0; i < count; i++)
			out[i]->kind = k;
		return 0;
	}
	return rc;
}
