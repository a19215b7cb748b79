/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab/seen.h"

#include "io/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>

#define WAIT_MS 200	/* for packets on the way from a link to the queue */

/* TCP packets that come in, but of fragments only the first: rules for ports do not see the others.
 * Nobody reads the socket: it only counts what the filter lets in. */
static const struct sock_filter tcp_in[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_HOST, 0, 10),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_PROTOCOL),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 5, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 7),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),		/* flags and fragment offset */
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 5, 0),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),		/* protocol */
	BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),		/* next header */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, 1),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

static int open_tap(const char *interface)
{
	struct sock_fprog program = {
		.len = sizeof(tcp_in) / sizeof(*tcp_in),
		.filter = (struct sock_filter *)tcp_in,
	};
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	int least = 1;
	/* Protocol 0: nothing comes before the socket is bound. */
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		cli_die("cannot count packets at the box (%s): %s", interface, strerror(errno));
	return fd;
}

void seen_start(struct seen *s, const struct hosts *h)
{
	hosts_enter(h, HOST_BOX);
	for (enum host host = HOST_CLIENT; host < HOSTS_MAX; host++) {
		bool linked = host < h->count && host != HOST_BOX;

		s->taps[host] = linked ? open_tap(host_link_of_box(host)) : -1;
	}
}

/* How many packets went each way since the taps were opened, including those for which the buffer
 * had no room. */
static void count_crossed(struct seen *s, uint32_t in[WAYS])
{
	memset(in, 0, WAYS * sizeof(*in));
	for (enum host host = HOST_CLIENT; host < HOSTS_MAX; host++) {
		struct tpacket_stats stats;
		socklen_t size = sizeof(stats);

		if (s->taps[host] < 0)
			continue;
		if (getsockopt(s->taps[host], SOL_PACKET, PACKET_STATISTICS, &stats, &size) < 0)
			cli_die("cannot count packets at the box: %s", strerror(errno));
		in[host == HOST_SERVER ? TO_CLIENT : TO_SERVER] += stats.tp_packets;
	}
}

/* How many packets came to the queues of the network namespace that this process is in; see
 * seq_show() of nfnetlink_queue in the kernel for the columns. A full queue drops packets before it
 * numbers them. */
static uint32_t queued(void)
{
	FILE *f = fopen("/proc/self/net/netfilter/nfnetlink_queue", "re");
	uint32_t sum = 0, dropped, last;

	if (!f)
		cli_die("/proc/self/net/netfilter/nfnetlink_queue: %s", strerror(errno));
	while (fscanf(f, "%*u %*u %*u %*u %*u %" SCNu32 " %*u %" SCNu32 " %*u", &dropped, &last) ==
	       2)
		sum += dropped + last;
	fclose(f);
	return sum;
}

/* Are fewer packets seen than chance explains: more than six standard deviations below the expected
 * number? Without loss, even one missing packet is too many. Counters wrap, so this looks at their
 * difference. More than expected is all right: a packet that an offloading card joined may come to
 * the queue in parts. */
static bool too_few(const uint32_t in[WAYS], uint32_t seen, const double loss[WAYS])
{
	double missing = (int32_t)(in[TO_SERVER] + in[TO_CLIENT] - seen), variance = 0;

	for (enum way way = TO_SERVER; way < WAYS; way++) {
		missing -= in[way] * loss[way];
		variance += in[way] * loss[way] * (1 - loss[way]);
	}
	return missing > 0 && missing * missing > 36 * variance;
}

bool seen_all(struct seen *s, const struct hosts *h, const double loss[WAYS])
{
	const struct timespec again = { .tv_nsec = 1000000 };
	uint32_t in[WAYS], crossed, seen;

	hosts_enter(h, HOST_BOX);
	count_crossed(s, in);
	crossed = in[TO_SERVER] + in[TO_CLIENT];
	seen = queued();
	for (unsigned ms = 0; too_few(in, seen, loss) && ms < WAIT_MS; ms++) {
		nanosleep(&again, NULL);
		seen = queued();
	}
	if (!too_few(in, seen, loss))
		return true;
	if (seen == 0)
		cli_say("resegd saw none of the %" PRIu32 " TCP packets that crossed the box, so "
			"the command's result does not count: resegd's rules are not loaded",
			crossed);
	else
		cli_say("resegd saw only %" PRIu32 " of %" PRIu32 " TCP packets that crossed the "
			"box, so the command's result does not count: keep resegd's rules "
			"loaded",
			seen, crossed);
	return false;
}
