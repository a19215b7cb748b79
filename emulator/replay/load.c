/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/bytes.h"
#include "core/checksum.h"
#include "core/units.h"
#include "io/decimal.h"
#include "io/linklayer.h"
#include "replay/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#define IPV6_HEADER 40
/* A longer silence is replayed as one of this length. By then the box has let go of all
 * connections but those with a closed window. These it would probe once a minute until the next
 * packet, which may be decades away where captures were joined or a clock was wrong. */
#define SILENCE_MAX_NS (86400 * NS_PER_S)

/* A capture that is being read. */
struct load {
	struct replay *r;
	size_t room;		/* for packets */
	size_t connection_room;
	uint64_t last_ns;
	uint64_t left_out_ns;	/* of silences */
	unsigned interface;	/* of the packets so far */
};

/* Reading -------------------------------------------------------------------------------- */

/* Enlarges an array if its `count` items fill it. */
static bool grow(void **array, size_t count, size_t *room, size_t item)
{
	void *larger;

	if (count < *room)
		return true;
	larger = reallocarray(*array, 2 * *room + 64, item);
	if (!larger)
		return false;
	*array = larger;
	*room = 2 * *room + 64;
	return true;
}

/* Is it from the chosen interface? If none is chosen: from the first one with TCP. */
static bool is_wanted(const struct load *l, const struct capture_read *in,
		      const struct capture_read_packet *p)
{
	const char *name = capture_read_interface(in, p->interface), *wanted = l->r->interface;
	uint64_t number;

	if (!wanted)
		return l->r->packets == 0 || p->interface == l->interface;
	if (decimal_is(wanted, 0, UINT32_MAX, &number))
		return p->interface == number;
	return name && strcmp(name, wanted) == 0;
}

/* When a card joins segments, the kernel may note a length of 0: it stands for the whole packet. */
static void mend_length(uint8_t *ip, size_t bytes)
{
	if (ip[0] >> 4 == 4 && bytes_get16(ip + 2) == 0 && bytes <= UINT16_MAX) {
		size_t header = (ip[0] & 15u) * 4u;

		if (header < 20 || header > bytes)
			return;
		bytes_put16(ip + 2, (uint16_t)bytes);
		replay_sum_ipv4(ip, header);
	} else if (ip[0] >> 4 == 6 && bytes_get16(ip + 4) == 0 && bytes >= IPV6_HEADER &&
		   bytes - IPV6_HEADER <= UINT16_MAX) {
		bytes_put16(ip + 4, (uint16_t)(bytes - IPV6_HEADER));
	}
}

/*
 * Removes what may stand between the IP header and the TCP header: the box would let such packets
 * pass, but here their connection is replayed. Returns how many of the `bytes` octets are left.
 */
static size_t take_out_extensions(uint8_t *ip, size_t bytes)
{
	bool v4 = ip[0] >> 4 == 4;
	size_t header = v4 ? (ip[0] & 15u) * 4u : IPV6_HEADER, extensions, length;
	uint8_t protocol;

	extensions = linklayer_upper(ip, bytes, &protocol);
	if (protocol != IPPROTO_TCP || extensions <= header)
		return bytes;
	extensions -= header;
	length = bytes_get16(ip + (v4 ? 2 : 4));
	if (length < extensions)
		return bytes;
	bytes_put16(ip + (v4 ? 2 : 4), (uint16_t)(length - extensions));
	ip[v4 ? 9 : 6] = IPPROTO_TCP;
	memmove(ip + header, ip + header + extensions, bytes - header - extensions);
	if (v4)
		replay_sum_ipv4(ip, header);
	return bytes - extensions;
}

/* When a packet is to be sent. The clock may be coarse, or have been set back. The packets keep
 * their order, or an end would send all it has before the other has acknowledged any of it. */
static uint64_t time_of(struct load *l, uint64_t time_ns)
{
	time_ns = time_ns > l->left_out_ns ? time_ns - l->left_out_ns : 0;
	if (time_ns <= l->last_ns)
		return l->last_ns + 1;
	if (l->r->packets > 0 && time_ns - l->last_ns > SILENCE_MAX_NS) {
		l->left_out_ns += time_ns - l->last_ns - SILENCE_MAX_NS;
		return l->last_ns + SILENCE_MAX_NS;
	}
	return time_ns;
}

static bool add_packet(struct load *l, const struct capture_read_packet *from,
		       const struct packet *p, bool cut)
{
	struct replay *r = l->r;
	struct captured *c;

	if (!grow((void **)&r->captured, r->packets, &l->room, sizeof(*r->captured)))
		return false;
	c = &r->captured[r->packets];
	l->last_ns = time_of(l, from->time_ns);
	*c = (struct captured){
		.time_ns = l->last_ns,
		.number = from->number,
		.ip = malloc(p->ip_bytes),
		.bytes = p->ip_bytes,
		.unsummed = cut,
	};
	if (!c->ip)
		return false;
	memcpy(c->ip, p->ip, p->ip_bytes);
	r->packets++;
	l->interface = from->interface;
	return true;
}

/* Counts, by kind, what is not a TCP segment that can be replayed. */
static void leave_out(struct replay *r, enum packet_kind kind, const uint8_t *ip, size_t bytes,
		      bool cut)
{
	uint8_t protocol;

	linklayer_upper(ip, bytes, &protocol);
	if (kind == PACKET_FRAGMENT)
		r->fragments++;
	else if (protocol != IPPROTO_TCP)
		r->not_tcp++;
	else if (cut)
		r->headless++;
	else
		r->malformed++;
}

/* Takes one packet. Returns false if memory is short. */
static bool read_one(struct load *l, const struct capture_read_packet *packet)
{
	uint8_t copy[PACKET_BYTES];
	struct replay *r = l->r;
	size_t bytes, whole, left;
	const uint8_t *ip = linklayer_ip(packet->link_type, packet->data, packet->bytes, &bytes);
	struct packet p;
	enum packet_kind kind;
	bool cut = packet->bytes < packet->wire_bytes;

	if (!linklayer_is_known(packet->link_type)) {
		r->unread++;
		r->unread_type = packet->link_type;
		return true;
	}
	if (!ip || bytes == 0) {
		r->not_tcp++;
		return true;
	}
	whole = bytes + (cut ? packet->wire_bytes - packet->bytes : 0);
	if (whole > ENGINE_PACKET_MAX) {
		leave_out(r, PACKET_MALFORMED, ip, bytes, false);
		return true;
	}
	/* What the capture cut off becomes zeros: only faults that read text depend on the
	 * data. */
	memcpy(copy, ip, bytes);
	memset(copy + bytes, 0, whole - bytes);
	mend_length(copy, whole);
	left = take_out_extensions(copy, whole);
	kind = packet_parse(&p, copy, left);
	if (kind != PACKET_TCP) {
		leave_out(r, kind, ip, bytes, cut);
		return true;
	}
	cut = p.ip_bytes + (whole - left) > bytes;
	if (cut && r->cut_off++ == 0)
		r->first_cut_off = packet->number;
	return add_packet(l, packet, &p, cut);
}

static bool read_all(struct load *l, struct capture_read *in, struct error *error)
{
	struct capture_read_packet packet = { .number = 0 };
	struct replay *r = l->r;
	int rc;

	while ((rc = capture_read_next(in, &packet, error)) > 0) {
		bool wanted = is_wanted(l, in, &packet);
		int matches = wanted && r->filter ? capture_filter_match(r->filter, &packet, error)
						  : wanted;

		if (matches < 0)
			return false;
		if (matches && !read_one(l, &packet))
			return error_set(error, 0, "out of memory");
		r->other_interfaces += !wanted;
		r->filtered_out += wanted && !matches;
		if (r->progress)
			r->progress("packets read", packet.number, 0);
	}
	r->cut = capture_read_is_cut(in);
	if (rc == 0)
		return true;
	error_set(&r->broken, 0, "after packet %" PRIu64 ": %s", packet.number, error->text);
	return true;
}

/* Connections ---------------------------------------------------------------------------- */

/* What the packets of a connection have in common, in either direction. */
struct name {
	uint8_t address[2][16];	/* the lower end first */
	uint16_t port[2];
	uint8_t version;
};

static void name_of(struct name *n, const struct packet *p, bool *swapped)
{
	const uint8_t *addresses = packet_addresses(p);
	size_t bytes = packet_address_bytes(p);
	int order = memcmp(addresses, addresses + bytes, bytes);

	*swapped = order > 0 || (order == 0 && p->src_port > p->dst_port);
	memset(n, 0, sizeof(*n));
	memcpy(n->address[*swapped], addresses, bytes);
	memcpy(n->address[!*swapped], addresses + bytes, bytes);
	n->port[*swapped] = p->src_port;
	n->port[!*swapped] = p->dst_port;
	n->version = p->version;
}

/* A connection while packets are being sorted into connections. */
struct found {
	struct name name;
	uint32_t number;
	bool client_is_higher;	/* of the name's ends */
	bool answered;		/* there was a SYN-ACK */
	bool closing;		/* a SYN from now on begins another one of that name */
	/* By side: */
	bool syn_seen[2];
	uint32_t isn[2];
	bool begun[2], reset[2];	/* it has sent something; a RST */
	uint32_t nxt[2];		/* after the highest number that it has sent */
	uint32_t reset_nxt[2];		/* the same when it sent its last RST */
};

static int compare_names(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct name));
}

/* For sorting packets by name, and then by time. */
struct named {
	struct name name;
	uint32_t packet;
	bool from_higher;
};

static int compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = compare_names(&x->name, &y->name);

	return order != 0 ? order : (x->packet > y->packet) - (x->packet < y->packet);
}

/* Begins a connection with this packet. Its sender is the client, unless it is a SYN-ACK. */
static bool begin_connection(struct load *l, struct found *f, const struct named *n,
			     const struct packet *p)
{
	struct replay_connection *c;
	const uint8_t *addresses = packet_addresses(p);
	size_t bytes = packet_address_bytes(p);
	bool by_server = (p->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);

	if (!grow((void **)&l->r->connection, l->r->connections, &l->connection_room, sizeof(*c)))
		return false;
	f->number = (uint32_t)l->r->connections++;
	f->client_is_higher = n->from_higher != by_server;
	f->answered = f->closing = false;
	memset(f->begun, 0, sizeof(f->begun));
	memset(f->reset, 0, sizeof(f->reset));
	f->syn_seen[CLIENT] = (p->flags & TCP_SYN) != 0;
	f->syn_seen[SERVER] = by_server;
	f->isn[CLIENT] = by_server ? p->ack - 1 : p->seq;
	f->isn[SERVER] = p->seq;
	c = &l->r->connection[f->number];
	*c = (struct replay_connection){
		.version = p->version,
	};
	memcpy(c->address[by_server], addresses, bytes);
	memcpy(c->address[!by_server], addresses + bytes, bytes);
	c->port[by_server] = p->src_port;
	c->port[!by_server] = p->dst_port;
	return true;
}

/* Does a SYN begin another connection of the same name? Ports are reused. */
static bool is_another(const struct found *f, enum engine_side side, const struct packet *p)
{
	/* A repeated SYN does not, even if what was left of an old connection was reset in
	 * between. */
	if (f->closing && f->answered)
		return true;
	if (f->syn_seen[side])
		return p->seq != f->isn[side];
	/* Both ends may open one (RFC 9293 section 3.5). */
	return !f->syn_seen[CLIENT] || f->answered;
}

static enum engine_side side_of(const struct found *f, const struct named *n)
{
	return n->from_higher == f->client_is_higher ? CLIENT : SERVER;
}

/* Notes RSTs, and whether the connection went on after one: with a SYN, or with an ACK of what the
 * sender of the RST has sent since. */
static void watch_resets(struct replay_connection *c, struct found *f, enum engine_side side,
			 const struct packet *p)
{
	enum engine_side other = engine_other(side);
	uint32_t nxt = p->seq + p->payload_bytes + ((p->flags & (TCP_SYN | TCP_FIN)) != 0);
	bool opens = (f->reset[CLIENT] || f->reset[SERVER]) && (p->flags & TCP_SYN);
	bool has_more = f->reset[other] && (p->flags & TCP_ACK) &&
			(int32_t)(p->ack - f->reset_nxt[other]) > 0;

	if (!f->begun[side] || (int32_t)(nxt - f->nxt[side]) > 0)
		f->nxt[side] = nxt;
	f->begun[side] = true;
	if (p->flags & TCP_RST) {
		f->reset[side] = true;
		f->reset_nxt[side] = f->nxt[side];
	} else if (opens || has_more) {
		memcpy(c->due, c->packets, sizeof(c->due));
	}
}

/* Finds the connection of each packet, and its sender. */
static bool sort(struct load *l, struct error *error)
{
	struct named *named = calloc(l->r->packets + 1, sizeof(*named));
	struct found f = { .closing = true };

	if (!named)
		return error_set(error, 0, "out of memory");
	for (size_t i = 0; i < l->r->packets; i++) {
		struct packet p;

		replay_view(&l->r->captured[i], &p);
		name_of(&named[i].name, &p, &named[i].from_higher);
		named[i].packet = (uint32_t)i;
	}
	qsort(named, l->r->packets, sizeof(*named), compare_named);
	for (size_t i = 0; i < l->r->packets; i++) {
		struct captured *c = &l->r->captured[named[i].packet];
		struct packet p;
		bool syn, other;

		replay_view(c, &p);
		syn = (p.flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
		other = i == 0 || compare_names(&f.name, &named[i].name) != 0;
		if (other || (syn && is_another(&f, side_of(&f, &named[i]), &p))) {
			f.name = named[i].name;
			if (!begin_connection(l, &f, &named[i], &p)) {
				free(named);
				return error_set(error, 0, "out of memory");
			}
		}
		/* If several cards or processors capture, a SYN-ACK may come before its SYN. */
		l->r->connection[f.number].whole |= syn;
		f.answered |= (p.flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);
		f.closing |= (p.flags & (TCP_FIN | TCP_RST)) != 0;
		c->connection = f.number;
		c->source = side_of(&f, &named[i]);
		if ((p.flags & TCP_SYN) && !f.syn_seen[c->source]) {
			f.syn_seen[c->source] = true;
			f.isn[c->source] = p.seq;
		}
		l->r->connection[c->connection].packets[c->source]++;
		watch_resets(&l->r->connection[c->connection], &f, c->source, &p);
	}
	free(named);
	return true;
}

/* Numbers connections in the order of their first packets. */
static bool renumber(struct load *l, struct error *error)
{
	size_t count = l->r->connections;
	uint32_t *number = malloc((count + 1) * sizeof(*number)), next = 0;
	struct replay_connection *c = calloc(count + 1, sizeof(*c));
	bool good = number && c;

	if (good)
		memset(number, 0xff, count * sizeof(*number));
	for (size_t i = 0; good && i < l->r->packets; i++) {
		uint32_t *old = &l->r->captured[i].connection;

		if (number[*old] == UINT32_MAX) {
			c[next] = l->r->connection[*old];
			number[*old] = next++;
		}
		*old = number[*old];
	}
	free(number);
	if (!good) {
		free(c);
		return error_set(error, 0, "out of memory");
	}
	free(l->r->connection);
	l->r->connection = c;
	return true;
}

bool replay_load(struct replay *r, struct capture_read *in, struct error *error)
{
	struct load l = { .r = r };

	return read_all(&l, in, error) && sort(&l, error) && renumber(&l, error) &&
	       replay_mend_checksums(r, error);
}
