/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab/witness.h"

#include "core/packet.h"
#include "core/side.h"
#include "core/units.h"
#include "io/cli.h"
#include "io/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#define PACKET_BYTES (1 << 17)
#define BUFFER_BYTES (8 << 20)	/* the kernel may give less; what is lost costs no connection */

/* What one end of a connection has sent. */
struct sent {
	uint32_t next;	/* the sequence number after all of it */
	uint64_t bytes;
	uint32_t acked_next;	/* the same of what came back acknowledged */
	uint64_t acked;
	bool begun;	/* its SYN was seen */
};

struct talk {
	uint8_t version;
	uint8_t address[2][16];	/* by side, as the ports */
	uint16_t port[2];
	uint64_t began_ns;
	struct sent sent[2];
	uint64_t now;	/* the client's bytes since the server last sent some, */
	uint64_t at_once;	/* and the most that they were */
	uint8_t end;	/* TCP_FIN or TCP_RST, the first of either side; 0: it goes on */
	enum engine_side ended_by;
};

struct witness {
	int taps[HOSTS_CLIENTS_MAX];
	size_t count;
	uint64_t opened_ns;
	struct talk *talk;	/* WITNESS_MAX */
	size_t talks;
	uint64_t experiments;
	uint8_t packet[PACKET_BYTES];
};

static int open_tap(const char *interface)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	int most = BUFFER_BYTES;
	/* Protocol 0: nothing comes before the socket is bound. */
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &most, sizeof(most)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		cli_die("cannot watch the box's link %s: %s", interface, strerror(errno));
	return fd;
}

struct witness *witness_open(const struct hosts *h)
{
	struct witness *w = calloc(1, sizeof(*w));

	if (w)
		w->talk = calloc(WITNESS_MAX, sizeof(*w->talk));
	if (!w || !w->talk)
		cli_die("out of memory");
	hosts_enter(h, HOST_BOX);
	for (enum host host = HOST_CLIENT; host < h->count; host++) {
		if (host != HOST_BOX && host != HOST_SERVER)
			w->taps[w->count++] = open_tap(host_link_of_box(host));
	}
	w->opened_ns = clock_ns(CLOCK_MONOTONIC);
	return w;
}

size_t witness_poll(const struct witness *w, struct pollfd fds[WITNESS_FDS_MAX])
{
	for (size_t i = 0; i < w->count; i++)
		fds[i] = (struct pollfd){ .fd = w->taps[i], .events = POLLIN };
	return w->count;
}

/* The connection of a packet that `source` sent, the newest first; NULL: there is none. */
static struct talk *find(struct witness *w, const struct packet *p, enum engine_side source)
{
	const uint8_t *from = packet_addresses(p), *to = from + packet_address_bytes(p);
	enum engine_side sink = source == CLIENT ? SERVER : CLIENT;
	size_t bytes = packet_address_bytes(p);

	for (size_t i = w->talks; i-- > 0;) {
		struct talk *t = &w->talk[i];

		if (t->version == p->version && t->port[source] == p->src_port &&
		    t->port[sink] == p->dst_port && memcmp(t->address[source], from, bytes) == 0 &&
		    memcmp(t->address[sink], to, bytes) == 0)
			return t;
	}
	return NULL;
}

/* A client's SYN begins a connection, unless it is repeated. */
static struct talk *begin(struct witness *w, const struct packet *p, struct talk *before)
{
	size_t bytes = packet_address_bytes(p);
	struct talk *t;

	if (before && before->sent[CLIENT].bytes == 0 && before->sent[CLIENT].next == p->seq + 1)
		return before;
	if (w->talks == WITNESS_MAX)
		return NULL;
	t = &w->talk[w->talks++];
	*t = (struct talk){ .version = p->version, .began_ns = clock_ns(CLOCK_MONOTONIC) };
	memcpy(t->address[CLIENT], packet_addresses(p), bytes);
	memcpy(t->address[SERVER], packet_addresses(p) + bytes, bytes);
	t->port[CLIENT] = p->src_port;
	t->port[SERVER] = p->dst_port;
	return t;
}

/* Adds to *sum by how much a sequence number is beyond *next, and moves *next there. */
static uint32_t advance(uint32_t *next, uint64_t *sum, uint32_t to)
{
	uint32_t more = to - *next;

	if (more == 0 || more > INT32_MAX)
		return 0;
	*next = to;
	*sum += more;
	return more;
}

static bool carried_data(const struct talk *t)
{
	return t->sent[CLIENT].bytes > 0 || t->sent[SERVER].bytes > 0;
}

/* Notes what a packet says about its connection. */
static void note(struct talk *t, const struct packet *p, enum engine_side source)
{
	struct sent *own = &t->sent[source], *other = &t->sent[source == CLIENT ? SERVER : CLIENT];
	uint32_t more = 0;

	if ((p->flags & TCP_SYN) && !own->begun) {
		own->begun = true;
		own->next = own->acked_next = p->seq + 1;
	}
	if (own->begun && p->payload_bytes > 0 && !(p->flags & TCP_SYN))
		more = advance(&own->next, &own->bytes, p->seq + p->payload_bytes);
	if (other->begun && (p->flags & TCP_ACK))
		advance(&other->acked_next, &other->acked, p->ack);
	if (source == CLIENT)
		t->now += more;
	else if (more > 0)
		t->now = 0;
	if (t->now > t->at_once)
		t->at_once = t->now;
	if (t->end == 0 && (p->flags & (TCP_FIN | TCP_RST))) {
		t->end = p->flags & TCP_RST ? TCP_RST : TCP_FIN;
		t->ended_by = source;
	}
}

static void see(struct witness *w, size_t len, enum engine_side source)
{
	struct packet p;
	struct talk *t;
	bool before;

	if (packet_parse(&p, w->packet, len) != PACKET_TCP)
		return;
	t = find(w, &p, source);
	if (source == CLIENT && (p.flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN) {
		t = begin(w, &p, t);
		w->experiments += !t;	/* it is not known whether it will carry data */
	}
	if (!t)
		return;
	before = carried_data(t);
	note(t, &p, source);
	w->experiments += !before && carried_data(t);
}

void witness_read(struct witness *w)
{
	for (size_t i = 0; i < w->count; i++) {
		struct sockaddr_ll from = { 0 };
		socklen_t size = sizeof(from);
		ssize_t n;

		while ((n = recvfrom(w->taps[i], w->packet, sizeof(w->packet), 0,
				     (struct sockaddr *)&from, &size)) >= 0) {
			see(w, (size_t)n, from.sll_pkttype == PACKET_OUTGOING ? SERVER : CLIENT);
			size = sizeof(from);
		}
	}
}

uint64_t witness_experiments(const struct witness *w)
{
	return w->experiments;
}

static json_t *connection(const struct witness *w, const struct talk *t)
{
	static const char *const names[] = { [CLIENT] = "client", [SERVER] = "server" };
	const struct sent *sent = &t->sent[CLIENT];
	char address[2][INET6_ADDRSTRLEN];
	uint64_t acked = sent->acked < sent->bytes ? sent->acked : sent->bytes;	/* not the FIN */

	for (unsigned side = CLIENT; side <= SERVER; side++)
		inet_ntop(t->version == 4 ? AF_INET : AF_INET6, t->address[side], address[side],
			  sizeof(address[side]));
	return json_pack("{s:I, s:s, s:i, s:s, s:i, s:I, s:I, s:I, s:I, s:s?, s:s?}", "start_ms",
			 (json_int_t)((t->began_ns - w->opened_ns) / NS_PER_MS), "client",
			 address[CLIENT], "client_port", (int)t->port[CLIENT], "server",
			 address[SERVER], "server_port", (int)t->port[SERVER], "at_once",
			 (json_int_t)t->at_once, "sent", (json_int_t)sent->bytes, "acked",
			 (json_int_t)acked, "received", (json_int_t)t->sent[SERVER].bytes, "end",
			 t->end == 0         ? NULL
			 : t->end == TCP_RST ? "reset"
					     : "fin",
			 "ended_by", t->end == 0 ? NULL : names[t->ended_by]);
}

json_t *witness_connections(const struct witness *w)
{
	json_t *list = json_array();

	for (size_t i = 0; i < w->talks; i++)
		json_array_append_new(list, connection(w, &w->talk[i]));
	return list;
}
