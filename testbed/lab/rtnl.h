/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_LAB_RTNL_H
#define RESEG_LAB_RTNL_H

/*
 * Links, addresses and routes of the network namespace the caller is in (rtnetlink)
 *
 * Every function returns 0 or a negative errno. Addresses are text.
 */

#include <stdint.h>

struct rtnl;

int rtnl_open(struct rtnl **out);
void rtnl_close(struct rtnl *r);

/* A veth pair: `name` here, `peer_name` in the namespace of the descriptor. */
int rtnl_add_veth(struct rtnl *r, const char *name, const char *peer_name, int peer_netns,
		  uint32_t mtu);

int rtnl_set_up(struct rtnl *r, const char *name);

/* IPv6 addresses work at once: without duplicate address detection (RFC 4862 section 5.4), because
 * nobody here can have the same one. */
int rtnl_add_address(struct rtnl *r, const char *name, const char *address, uint8_t prefix);

/* How a link treats the packets it is given to send. Probabilities are 0..1. */
struct rtnl_netem {
	uint64_t delay_ns;
	uint64_t jitter_ns;	/* the delay varies by up to this, up and down */
	uint64_t rate_bytes;	/* per second; 0: as fast as it can */
	double loss;		/* on average, in bursts (Gilbert's model) */
	double burst;		/* mean number of packets lost in a row, at least 1; 0: no loss */
	double duplicate;
	double reorder;		/* sent at once, before delayed ones */
};

/* -ENOENT: the kernel has no netem. */
int rtnl_add_netem(struct rtnl *r, const char *name, const struct rtnl_netem *netem);

/* A route through an interface. */
struct rtnl_route {
	const char *to;		/* the network; NULL: all of the gateway's family */
	uint8_t prefix;
	const char *gateway;	/* NULL: the network is on the link itself */
	uint32_t mtu;		/* of the path that it leads to; 0: that of the link */
};

int rtnl_add_route(struct rtnl *r, const char *name, const struct rtnl_route *to);

#endif
