/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * bench-accept: accepts every packet, which is the least that a daemon on an NFQUEUE can do;
 * others are measured against it
 */

#include "io/cli.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#define QUEUE_LENGTH 16384
#define SOCKET_BUFFER_BYTES (16 << 20)
#define MESSAGES_PER_VERDICT 64

static _Alignas(struct nlmsghdr) char message[0xffff + 4096];
static struct mnl_socket *queue;
static uint16_t number;

static void print_help(void)
{
	printf("Usage: bench-accept [OPTION]...\n"
	       "Accepts every packet of a queue.\n"
	       "\n"
	       "  --queue N     queue number (0)\n"
	       "  --gso         accept packets that offloads have joined, too\n"
	       "  --ready-fd N  write a line feed to descriptor N once packets are accepted\n"
	       "  --help, --version\n");
}

static void must(bool good, const char *what)
{
	if (!good)
		cli_die("%s: %s", what, strerror(errno));
}

static void bind_queue(bool gso)
{
	struct nlmsghdr *nlh = nfq_nlmsg_put(message, NFQNL_MSG_CONFIG, number);
	int size = SOCKET_BUFFER_BYTES;

	nfq_nlmsg_cfg_put_cmd(nlh, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
	must(mnl_socket_sendto(queue, nlh, nlh->nlmsg_len) >= 0, "cannot bind the queue");
	nlh = nfq_nlmsg_put(message, NFQNL_MSG_CONFIG, number);
	nfq_nlmsg_cfg_put_params(nlh, NFQNL_COPY_PACKET, 0xffff);
	nfq_nlmsg_cfg_put_qmaxlen(nlh, QUEUE_LENGTH);
	if (gso) {
		mnl_attr_put_u32(nlh, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
		mnl_attr_put_u32(nlh, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO));
	}
	must(mnl_socket_sendto(queue, nlh, nlh->nlmsg_len) >= 0, "cannot set up the queue");
	if (setsockopt(mnl_socket_get_fd(queue), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) <
	    0)
		setsockopt(mnl_socket_get_fd(queue), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static int note_id(const struct nlmsghdr *nlh, void *id)
{
	struct nlattr *attr[NFQA_MAX + 1] = { 0 };

	if (nfq_nlmsg_parse(nlh, attr) >= 0 && attr[NFQA_PACKET_HDR]) {
		const struct nfqnl_msg_packet_hdr *header = mnl_attr_get_payload(
			attr[NFQA_PACKET_HDR]);

		*(uint32_t *)id = ntohl(header->packet_id);
	}
	return MNL_CB_OK;
}

/* Receives the packets that wait, at least one, and accepts them with one verdict. */
static void accept_some(void)
{
	int fd = mnl_socket_get_fd(queue);
	uint32_t last = 0;
	char verdict[256];
	struct nlmsghdr *nlh;

	for (int i = 0; i < MESSAGES_PER_VERDICT; i++) {
		ssize_t n = recv(fd, message, sizeof(message), i == 0 ? 0 : MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			break;
		must(n >= 0 || errno == ENOBUFS || errno == EINTR, "the queue is lost");
		if (n > 0)
			mnl_cb_run(message, (size_t)n, 0, 0, note_id, &last);
	}
	if (last == 0)
		return;
	nlh = nfq_nlmsg_put(verdict, NFQNL_MSG_VERDICT_BATCH, number);
	nfq_nlmsg_verdict_put(nlh, (int)last, NF_ACCEPT);
	mnl_socket_sendto(queue, nlh, nlh->nlmsg_len);
}

int main(int argc, char **argv)
{
	enum { QUEUE = 256, GSO, READY_FD };
	static const struct option table[] = {
		{ "queue", required_argument, NULL, QUEUE },
		{ "gso", no_argument, NULL, GSO },
		{ "ready-fd", required_argument, NULL, READY_FD },
		CLI_COMMON_OPTIONS,
	};
	bool gso = false;
	int option, ready = -1;

	cli_program = "bench-accept";
	while ((option = cli_option(argc, argv, "", table, print_help)) != -1) {
		switch (option) {
		case QUEUE:
			number = (uint16_t)cli_number("--queue", optarg, 0, UINT16_MAX);
			break;
		case GSO:
			gso = true;
			break;
		case READY_FD:
			ready = (int)cli_number("--ready-fd", optarg, 0, INT32_MAX);
			break;
		}
	}
	queue = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	must(queue && mnl_socket_bind(queue, 0, MNL_SOCKET_AUTOPID) == 0, "no netlink socket");
	bind_queue(gso);
	if (ready >= 0)
		cli_ready(ready);
	for (;;)
		accept_some();
}
