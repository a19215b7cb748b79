/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab/rtnl.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

struct rtnl {
	struct mnl_socket *socket;
	unsigned sequence;
	char buffer[8192];
};

int rtnl_open(struct rtnl **out)
{
	struct rtnl *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return -ENOMEM;
	r->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (r->socket && mnl_socket_bind(r->socket, 0, MNL_SOCKET_AUTOPID) == 0) {
		*out = r;
		return 0;
	}
	rc = -errno;
	if (r->socket)
		mnl_socket_close(r->socket);
	free(r);
	return rc;
}

void rtnl_close(struct rtnl *r)
{
	mnl_socket_close(r->socket);
	free(r);
}

static struct nlmsghdr *request(struct rtnl *r, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(r->buffer);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = ++r->sequence;
	return nlh;
}

static int talk(struct rtnl *r, const struct nlmsghdr *nlh)
{
	char answer[8192];
	ssize_t n;

	if (mnl_socket_sendto(r->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(r->socket, answer, sizeof(answer));
	} while (n < 0 && errno == EINTR);
	if (n < 0 || mnl_cb_run(answer, (size_t)n, r->sequence, mnl_socket_get_portid(r->socket),
				NULL, NULL) < 0)
		return -errno;
	return 0;
}

int rtnl_add_veth(struct rtnl *r, const char *name, const char *peer_name, int peer_netns,
		  uint32_t mtu)
{
	struct nlmsghdr *nlh = request(r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *info, *data, *peer;

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, peer_name);
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)peer_netns);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return talk(r, nlh);
}

int rtnl_set_up(struct rtnl *r, const char *name)
{
	struct nlmsghdr *nlh = request(r, RTM_NEWLINK, 0);
	struct ifinfomsg *link = mnl_nlmsg_put_extra_header(nlh, sizeof(*link));

	link->ifi_index = (int)if_nametoindex(name);
	link->ifi_change = IFF_UP;
	link->ifi_flags = IFF_UP;
	return talk(r, nlh);
}

/* Puts an address as an attribute. Returns its family, or 0 if it is not an address. */
static uint8_t put_address(struct nlmsghdr *nlh, uint16_t type, const char *text)
{
	uint8_t binary[16];

	if (inet_pton(AF_INET, text, binary) == 1) {
		mnl_attr_put(nlh, type, 4, binary);
		return AF_INET;
	}
	if (inet_pton(AF_INET6, text, binary) == 1) {
		mnl_attr_put(nlh, type, 16, binary);
		return AF_INET6;
	}
	return 0;
}

int rtnl_add_address(struct rtnl *r, const char *name, const char *address, uint8_t prefix)
{
	struct nlmsghdr *nlh = request(r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	struct ifaddrmsg *addr = mnl_nlmsg_put_extra_header(nlh, sizeof(*addr));

	addr->ifa_prefixlen = prefix;
	addr->ifa_flags = IFA_F_NODAD;
	addr->ifa_index = if_nametoindex(name);
	addr->ifa_family = put_address(nlh, IFA_LOCAL, address);
	put_address(nlh, IFA_ADDRESS, address);
	return talk(r, nlh);
}

/* Packets that may wait in the delay of one link. */
#define NETEM_LIMIT 10000

static uint32_t netem_probability(double p)
{
	return (uint32_t)(p * UINT32_MAX);
}

/* Gilbert's model: in the bad state all packets are lost, in the good one none. It leaves the bad
 * state with probability r, after 1/r packets on average, and is in it for p / (p + r) of all. */
static void put_bursts(struct nlmsghdr *nlh, const struct rtnl_netem *netem)
{
	double r = 1 / netem->burst, p = netem->loss * r / (1 - netem->loss);
	struct tc_netem_gemodel model = { .p = netem_probability(p), .r = netem_probability(r) };
	struct nlattr *nest = mnl_attr_nest_start(nlh, TCA_NETEM_LOSS);

	mnl_attr_put(nlh, NETEM_LOSS_GE, sizeof(model), &model);
	mnl_attr_nest_end(nlh, nest);
}

int rtnl_add_netem(struct rtnl *r, const char *name, const struct rtnl_netem *netem)
{
	struct nlmsghdr *nlh = request(r, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
	struct tcmsg *tc = mnl_nlmsg_put_extra_header(nlh, sizeof(*tc));
	struct tc_netem_reorder reorder = { .probability = netem_probability(netem->reorder) };
	/* This older field holds only 32 bits; TCA_NETEM_RATE64 has a rate that is larger. */
	struct tc_netem_rate rate = {
		.rate = netem->rate_bytes < UINT32_MAX ? (uint32_t)netem->rate_bytes : UINT32_MAX,
	};
	struct tc_netem_qopt *options;
	struct nlattr *nest;

	tc->tcm_ifindex = (int)if_nametoindex(name);
	tc->tcm_parent = TC_H_ROOT;
	mnl_attr_put_strz(nlh, TCA_KIND, "netem");
	/* The options are a struct, followed by attributes. */
	nest = mnl_attr_nest_start(nlh, TCA_OPTIONS);
	options = mnl_nlmsg_put_extra_header(nlh, sizeof(*options));
	options->limit = NETEM_LIMIT;
	options->duplicate = netem_probability(netem->duplicate);
	options->gap = netem->reorder > 0 ? 1 : 0;
	mnl_attr_put_u64(nlh, TCA_NETEM_LATENCY64, netem->delay_ns);
	mnl_attr_put_u64(nlh, TCA_NETEM_JITTER64, netem->jitter_ns);
	if (netem->burst > 0)
		put_bursts(nlh, netem);
	if (netem->reorder > 0)
		mnl_attr_put(nlh, TCA_NETEM_REORDER, sizeof(reorder), &reorder);
	if (netem->rate_bytes > 0)
		mnl_attr_put(nlh, TCA_NETEM_RATE, sizeof(rate), &rate);
	if (netem->rate_bytes >= UINT32_MAX)
		mnl_attr_put_u64(nlh, TCA_NETEM_RATE64, netem->rate_bytes);
	mnl_attr_nest_end(nlh, nest);
	return talk(r, nlh);
}

int rtnl_add_route(struct rtnl *r, const char *name, const struct rtnl_route *to)
{
	struct nlmsghdr *nlh = request(r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(nlh, sizeof(*route));
	struct nlattr *metrics;

	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_protocol = RTPROT_STATIC;
	route->rtm_scope = to->gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	route->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(nlh, RTA_OIF, if_nametoindex(name));
	if (to->to) {
		route->rtm_family = put_address(nlh, RTA_DST, to->to);
		route->rtm_dst_len = to->prefix;
	}
	if (to->gateway)
		route->rtm_family = put_address(nlh, RTA_GATEWAY, to->gateway);
	if (to->mtu > 0) {
		metrics = mnl_attr_nest_start(nlh, RTA_METRICS);
		mnl_attr_put_u32(nlh, RTAX_MTU, to->mtu);
		/* locked, so that forwarding obeys it, too */
		mnl_attr_put_u32(nlh, RTAX_LOCK, 1 << RTAX_MTU);
		mnl_attr_nest_end(nlh, metrics);
	}
	return talk(r, nlh);
}
