/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#define MESSAGE_BYTES (0xffff + 4096)
/* How many messages are taken out before the caller can see to its timers again. */
#define MESSAGES_PER_WAKEUP 64

struct queue {
	struct mnl_socket *socket;
	unsigned portid;
	uint16_t number;
	FILE *proc;		/* NULL: there is none */
	uint32_t own_mark;
	uint32_t own_interface;
	bool drop_held;		/* packets up to drop_id await one common verdict */
	uint32_t drop_id;
	struct queue_stats stats;
	queue_handler *handler;
	void *handler_arg;
	_Alignas(struct nlmsghdr) char message[MESSAGE_BYTES];
	_Alignas(struct nlmsghdr) char verdict[MESSAGE_BYTES];
};

/* Sends a configuration message and waits for the kernel's answer. */
static int configure(struct queue *q, struct nlmsghdr *nlh)
{
	char answer[512];
	ssize_t n;

	nlh->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(q->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(q->socket, answer, sizeof(answer));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	/* A queue bound earlier could send packets before the answer; this socket has none. */
	if (mnl_cb_run(answer, (size_t)n, 0, q->portid, NULL, NULL) < 0)
		return -errno;
	return 0;
}

static int bind_queue(struct queue *q, const struct queue_config *config)
{
	struct nlmsghdr *nlh;
	int rc;

	/* Parameters can be set only once the queue exists; so bind without copying, then set. */
	nlh = nfq_nlmsg_put(q->message, NFQNL_MSG_CONFIG, q->number);
	nfq_nlmsg_cfg_put_cmd(nlh, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
	rc = configure(q, nlh);
	if (rc < 0)
		return rc;
	nlh = nfq_nlmsg_put(q->message, NFQNL_MSG_CONFIG, q->number);
	nfq_nlmsg_cfg_put_params(nlh, NFQNL_COPY_PACKET, 0xffff);
	nfq_nlmsg_cfg_put_qmaxlen(nlh, config->packets);
	if (config->joined) {
		mnl_attr_put_u32(nlh, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
		mnl_attr_put_u32(nlh, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO));
	}
	return configure(q, nlh);
}

/* Who has bound the queue, and how many packets were dropped before it? Both 0 if unknown. The file
 * is read anew each time but opened only once: after giving up its privileges the program could not
 * open it. */
static void read_proc(const struct queue *q, uint32_t *owner, uint64_t *lost)
{
	char line[256];

	*owner = 0;
	*lost = 0;
	if (!q->proc)
		return;
	rewind(q->proc);
	while (fgets(line, sizeof(line), q->proc)) {
		unsigned n;
		uint32_t port;
		uint64_t queue_dropped, user_dropped;

		/* number, port, waiting, copy mode, copy range, the two drop counts */
		if (sscanf(line, "%u %" SCNu32 " %*u %*u %*u %" SCNu64 " %" SCNu64, &n, &port,
			   &queue_dropped, &user_dropped) == 4 &&
		    n == q->number) {
			*owner = port;
			*lost = queue_dropped + user_dropped;
		}
	}
}

int queue_open(struct queue **out, const struct queue_config *config, uint32_t *owner)
{
	struct queue *q = calloc(1, sizeof(*q));
	/* The kernel doubles this, for its own needs. */
	int size = (int)((config->buffer_bytes + 1) / 2);
	uint64_t lost;
	int rc;

	*owner = 0;
	if (!q)
		return -ENOMEM;
	q->number = config->number;
	q->proc = fopen("/proc/net/netfilter/nfnetlink_queue", "re");
	q->own_mark = config->own_mark;
	q->own_interface = config->own_interface;
	q->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!q->socket) {
		rc = -errno;
		goto free_queue;
	}
	if (mnl_socket_bind(q->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		rc = -errno;
		goto close_socket;
	}
	q->portid = mnl_socket_get_portid(q->socket);
	rc = bind_queue(q, config);
	if (rc == -EPERM || rc == -EBUSY) {
		/* The kernel returns EPERM both without privilege and if the queue is another's. */
		read_proc(q, owner, &lost);
		rc = *owner != 0 ? -EBUSY : -EPERM;
	}
	if (rc < 0)
		goto close_socket;
	/* SO_RCVBUFFORCE needs CAP_NET_ADMIN in the first user namespace. */
	if (setsockopt(queue_fd(q), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(queue_fd(q), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	*out = q;
	return 0;

close_socket:
	mnl_socket_close(q->socket);
free_queue:
	if (q->proc)
		fclose(q->proc);
	free(q);
	return rc;
}

void queue_close(struct queue *q)
{
	if (!q)
		return;
	mnl_socket_close(q->socket);
	if (q->proc)
		fclose(q->proc);
	free(q);
}

uint32_t queue_buffer_bytes(const struct queue *q)
{
	int size = 0;
	socklen_t len = sizeof(size);

	getsockopt(queue_fd(q), SOL_SOCKET, SO_RCVBUF, &size, &len);
	return (uint32_t)size;
}

int queue_fd(const struct queue *q)
{
	return mnl_socket_get_fd(q->socket);
}

static void send_verdict(struct queue *q, const struct nlmsghdr *nlh)
{
	if (mnl_socket_sendto(q->socket, nlh, nlh->nlmsg_len) < 0)
		q->stats.errors++;
}

/* One message drops all packets up to an id, except those that have a verdict already. */
static void flush_drops(struct queue *q)
{
	struct nlmsghdr *nlh;

	if (!q->drop_held)
		return;
	q->drop_held = false;
	nlh = nfq_nlmsg_put(q->verdict, NFQNL_MSG_VERDICT_BATCH, q->number);
	nfq_nlmsg_verdict_put(nlh, (int)q->drop_id, NF_DROP);
	send_verdict(q, nlh);
}

/* What the kernel reports about a packet: what it did not do for us, and where the packet comes
 * from. */
static unsigned hints_of(struct nlattr *const attr[], uint8_t hook)
{
	uint32_t info = attr[NFQA_SKB_INFO] ? ntohl(mnl_attr_get_u32(attr[NFQA_SKB_INFO])) : 0;

	return (info & NFQA_SKB_CSUMNOTREADY ? ENGINE_NO_CHECKSUM : 0) |
	       (info & NFQA_SKB_GSO ? ENGINE_JOINED : 0) |
	       (hook == NF_INET_LOCAL_OUT ? ENGINE_LOCAL : 0);
}

static bool has_value(const struct nlattr *attr, uint32_t value)
{
	return attr && value != 0 && ntohl(mnl_attr_get_u32(attr)) == value;
}

/* A packet that the kernel could not copy whole: the last four octets of the longest IP packet do
 * not fit. The box would miss the unseen data, so the packet must not pass if that can be avoided:
 * if offloads have joined it, its source sends the data again, in other portions. */
static enum engine_verdict truncated(struct queue *q, unsigned hints)
{
	q->stats.truncated++;
	return hints & ENGINE_JOINED ? VERDICT_DROP : VERDICT_ACCEPT;
}

static int handle_packet(const struct nlmsghdr *nlh, void *arg)
{
	struct queue *q = arg;
	struct nlattr *attr[NFQA_MAX + 1] = { 0 };
	const struct nfqnl_msg_packet_hdr *header;
	struct nlmsghdr *answer;
	enum engine_verdict verdict = VERDICT_ACCEPT;
	void *packet = NULL;
	size_t len = 0;
	unsigned hints;
	uint32_t id;

	if (NFNL_SUBSYS_ID(nlh->nlmsg_type) != NFNL_SUBSYS_QUEUE ||
	    NFNL_MSG_TYPE(nlh->nlmsg_type) != NFQNL_MSG_PACKET || nfq_nlmsg_parse(nlh, attr) < 0 ||
	    !attr[NFQA_PACKET_HDR])
		return MNL_CB_OK;
	header = mnl_attr_get_payload(attr[NFQA_PACKET_HDR]);
	id = ntohl(header->packet_id);
	if (attr[NFQA_PAYLOAD]) {
		packet = mnl_attr_get_payload(attr[NFQA_PAYLOAD]);
		len = mnl_attr_get_payload_len(attr[NFQA_PAYLOAD]);
		hints = hints_of(attr, header->hook);
		if (has_value(attr[NFQA_MARK], q->own_mark) ||
		    has_value(attr[NFQA_IFINDEX_INDEV], q->own_interface))
			q->stats.looped++;
		else if (!attr[NFQA_CAP_LEN])
			verdict = q->handler(q->handler_arg, packet, &len, hints);
		else
			verdict = truncated(q, hints);
	}
	if (verdict == VERDICT_DROP) {
		q->drop_held = true;
		q->drop_id = id;
		return MNL_CB_OK;
	}
	flush_drops(q);
	answer = nfq_nlmsg_put(q->verdict, NFQNL_MSG_VERDICT, q->number);
	nfq_nlmsg_verdict_put(answer, (int)id, NF_ACCEPT);
	if (verdict == VERDICT_REPLACE)
		nfq_nlmsg_verdict_put_pkt(answer, packet, (uint32_t)len);
	send_verdict(q, answer);
	return MNL_CB_OK;
}

int queue_receive(struct queue *q, queue_handler *handler, void *arg)
{
	int rc = 0;

	q->handler = handler;
	q->handler_arg = arg;
	for (int i = 0; i < MESSAGES_PER_WAKEUP; i++) {
		ssize_t n = recv(queue_fd(q), q->message, sizeof(q->message), MSG_DONTWAIT);

		if (n < 0 && errno == ENOBUFS) {
			q->stats.overruns++;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = errno == EAGAIN ? 0 : -errno;
			break;
		}
		/* An error message answers a verdict that came too late. */
		if (mnl_cb_run(q->message, (size_t)n, 0, q->portid, handle_packet, q) < 0)
			q->stats.errors++;
	}
	flush_drops(q);
	return rc;
}

bool queue_looped(const struct queue *q)
{
	return q->stats.looped > 0;
}

bool queue_truncated(const struct queue *q)
{
	return q->stats.truncated > 0;
}

bool queue_overran(const struct queue *q)
{
	return q->stats.overruns > 0;
}

void queue_get_stats(const struct queue *q, struct queue_stats *out)
{
	uint32_t owner;

	*out = q->stats;
	read_proc(q, &owner, &out->lost);
}
