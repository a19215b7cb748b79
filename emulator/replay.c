/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay.h"

#include "core/bytes.h"
#include "core/checksum.h"
#include "core/packet.h"
#include "core/seq.h"
#include "core/tcpopt.h"
#include "core/timers.h"
#include "io/linklayer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#define NS_PER_S UINT64_C(1000000000)
#define DELAYED_ACK_NS 40000000
/* If nothing happens for so long but that the box waits, nothing will. */
#define PATIENCE_NS (120 * NS_PER_S)
#define HOLES_MAX 64
#define WINDOW_MAX (UINT64_C(1) << 30)	/* RFC 7323 section 2.3 */
#define PACKET_BYTES 65536

/* A packet of the capture. */
struct captured {
	uint64_t time_ns;
	uint8_t *ip;
	uint32_t bytes;
	uint32_t connection;
	enum engine_side source;
	bool unsummed;		/* its TCP checksum is not to be looked at */
};

/* Octets that came out of order, as offsets. */
struct range64 {
	uint64_t first, end;
};

/*
 * One end of a connection. It sends list[next], list[next + 1]...; offsets are those of the
 * other end's stream.
 */
struct end {
	uint32_t *list;
	size_t count, next;
	uint64_t lag_ns;	/* it is so much later than in the capture */
	bool ended;		/* by a RST it got */
	/* What it got. */
	bool syn_seen;
	uint32_t isn;		/* the other's, as it sees it */
	uint32_t shift;		/* and by how much that is more than in the capture */
	uint64_t rcv_nxt;
	struct range64 beyond[HOLES_MAX];	/* sorted, apart from each other */
	size_t beyond_count;
	uint32_t ts_recent;
	/* What it told of that. */
	uint64_t acked;
	bool acked_itself;	/* by an ACK that the capture does not have */
	unsigned unacked;	/* segments */
	uint64_t ack_ns;	/* when it does so; UINT64_MAX: it need not */
	bool syn_sent;
	bool syn_data_owed;	/* its SYN had some, and was answered without regard to them */
	/* The last packet it sent. */
	const struct captured *last;
	uint32_t snd_nxt;	/* behind the highest it sent */
	uint32_t window;
	uint32_t ts_val;
};

struct connection {
	struct end end[2];	/* by side */
};

struct run {
	struct replay *r;
	struct engine *engine;
	struct boxcap_tap *tap;
	bool silent;		/* nothing is written of it */
	struct captured *packet;
	size_t packets, room;
	struct connection *connection;
	struct timers wake;	/* ends; their id is twice the connection's, and their side */
	uint32_t *of_flow;	/* the connection of each of the engine's flows; serials count from 1 */
	uint64_t flows;
	uint64_t now_ns;
	uint64_t last_ns;	/* when something was sent last */
};

static bool out_of_memory(char error[CAPREAD_ERROR_BYTES])
{
	snprintf(error, CAPREAD_ERROR_BYTES, "out of memory");
	return false;
}

/* Reading -------------------------------------------------------------------------------- */

/* Makes an array of `count` items that is full larger. */
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

static bool add_packet(struct run *run, const uint8_t *ip, size_t bytes, uint64_t time_ns)
{
	struct captured *c;

	if (!grow((void **)&run->packet, run->packets, &run->room, sizeof(*run->packet)))
		return false;
	c = &run->packet[run->packets];
	*c = (struct captured){ .time_ns = time_ns, .ip = malloc(bytes), .bytes = (uint32_t)bytes };
	if (!c->ip)
		return false;
	memcpy(c->ip, ip, bytes);
	run->packets++;
	return true;
}

/* Is it of the interface that is wanted? */
static bool is_wanted(const struct replay *r, const struct capread *in, const struct capread_packet *p)
{
	const char *name = capread_interface(in, p->interface), *wanted = r->interface;

	if (!wanted)
		return p->interface == 0;
	if (wanted[strspn(wanted, "0123456789")] == '\0')
		return p->interface == strtoul(wanted, NULL, 10);
	return name && strcmp(name, wanted) == 0;
}

static void sum_ipv4_header(uint8_t *ip, size_t header)
{
	struct checksum c = { 0 };
	uint16_t sum;

	memset(ip + 10, 0, 2);
	checksum_add(&c, ip, header);
	sum = checksum_finish(&c);
	memcpy(ip + 10, &sum, sizeof(sum));
}

/* Where a card joins segments the kernel may note a length of 0: it is all that was captured. */
static void mend_length(uint8_t *ip, size_t bytes)
{
	if (ip[0] >> 4 == 4 && bytes_get16(ip + 2) == 0 && bytes <= UINT16_MAX) {
		size_t header = (ip[0] & 15u) * 4u;

		if (header < 20 || header > bytes)
			return;
		bytes_put16(ip + 2, (uint16_t)bytes);
		sum_ipv4_header(ip, header);
	} else if (ip[0] >> 4 == 6 && bytes >= 40 && bytes_get16(ip + 4) == 0 && bytes - 40 <= UINT16_MAX) {
		bytes_put16(ip + 4, (uint16_t)(bytes - 40));
	}
}

static bool is_tcp(const uint8_t *ip, size_t bytes)
{
	return bytes >= 20 && ip[ip[0] >> 4 == 4 ? 9 : 6] == IPPROTO_TCP;
}

/* Takes one packet. Returns false if it cannot be done, with why. */
static bool read_one(struct run *run, const struct capread_packet *packet, uint64_t *last_ns,
		     char error[CAPREAD_ERROR_BYTES])
{
	uint8_t copy[PACKET_BYTES];
	struct packet view;
	size_t bytes;
	const uint8_t *ip = linklayer_ip(packet->link_type, packet->data, packet->bytes, &bytes);

	if (!linklayer_is_known(packet->link_type)) {
		run->r->unread++;
		run->r->unread_type = packet->link_type;
		return true;
	}
	if (!ip || bytes > ENGINE_PACKET_MAX) {
		run->r->others++;
		return true;
	}
	if (packet->bytes < packet->wire_bytes && is_tcp(ip, bytes)) {
		snprintf(error, CAPREAD_ERROR_BYTES, "packet %" PRIu64 " is cut off at %" PRIu32 " of %" PRIu32
			 " bytes: capture whole packets, as by tcpdump -s 0", packet->number, packet->bytes,
			 packet->wire_bytes);
		return false;
	}
	memcpy(copy, ip, bytes);
	mend_length(copy, bytes);
	if (packet_parse(&view, copy, bytes) != PACKET_TCP) {
		run->r->others++;
		return true;
	}
	/* A clock that was set back. */
	*last_ns = packet->time_ns > *last_ns ? packet->time_ns : *last_ns;
	return add_packet(run, copy, view.ip_bytes, *last_ns) || out_of_memory(error);
}

static bool read_all(struct run *run, struct capread *in, char error[CAPREAD_ERROR_BYTES])
{
	struct capread_packet packet = { .number = 0 };
	uint64_t last_ns = 0;
	int rc;

	while ((rc = capread_next(in, &packet, error)) > 0) {
		if (is_wanted(run->r, in, &packet) && !read_one(run, &packet, &last_ns, error))
			return false;
	}
	if (rc < 0) {
		char why[CAPREAD_ERROR_BYTES];

		memcpy(why, error, sizeof(why));
		snprintf(error, CAPREAD_ERROR_BYTES, "behind packet %" PRIu64 ": %.400s", packet.number, why);
		return false;
	}
	run->r->packets = run->packets;
	run->r->cut = capread_is_cut(in);
	return true;
}

/* Connections ---------------------------------------------------------------------------- */

/* What packets of a connection have in common, whichever way they go. */
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

/* A connection while packets are sorted into them. */
struct found {
	struct name name;
	uint32_t number;
	bool client_is_higher;	/* of the name's ends */
	bool answered;		/* there was a SYN-ACK */
	bool closing;		/* a SYN now begins another one of that name */
	uint32_t client_isn;
};

static int compare_names(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct name));
}

/* Orders packets by name, and then by time. */
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

static void view_of(const struct captured *c, struct packet *p)
{
	/* It was parsed once before, so it can be. */
	packet_parse(p, c->ip, c->bytes);
}

/* Begins a connection with this packet, whose sender is its client unless it is a SYN-ACK's. */
static bool begin(struct run *run, size_t *room, struct found *f, const struct named *n, const struct packet *p)
{
	struct replay_connection *c;
	const uint8_t *addresses = packet_addresses(p);
	size_t bytes = packet_address_bytes(p);
	bool by_server = (p->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);

	if (!grow((void **)&run->r->connection, run->r->connections, room, sizeof(*c)))
		return false;
	f->number = (uint32_t)run->r->connections++;
	f->client_is_higher = n->from_higher != by_server;
	f->answered = f->closing = false;
	f->client_isn = p->seq;
	c = &run->r->connection[f->number];
	*c = (struct replay_connection){
		.version = p->version,
		.whole = (p->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN,
	};
	memcpy(c->address[by_server], addresses, bytes);
	memcpy(c->address[!by_server], addresses + bytes, bytes);
	c->port[by_server] = p->src_port;
	c->port[!by_server] = p->dst_port;
	return true;
}

/* Says of each packet which connection it is of, and who sent it. */
static bool sort(struct run *run, char error[CAPREAD_ERROR_BYTES])
{
	struct named *named = calloc(run->packets + 1, sizeof(*named));
	struct found f = { .closing = true };
	size_t room = 0;

	if (!named)
		return out_of_memory(error);
	for (size_t i = 0; i < run->packets; i++) {
		struct packet p;

		view_of(&run->packet[i], &p);
		name_of(&named[i].name, &p, &named[i].from_higher);
		named[i].packet = (uint32_t)i;
	}
	qsort(named, run->packets, sizeof(*named), compare_named);
	for (size_t i = 0; i < run->packets; i++) {
		struct captured *c = &run->packet[named[i].packet];
		struct packet p;
		bool syn, other;

		view_of(c, &p);
		syn = (p.flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
		other = i == 0 || compare_names(&f.name, &named[i].name) != 0;
		/* Ports are used again; a SYN that is repeated is none of a new connection, though what was
		 * left of an old one may have been reset in between. */
		if (other || (syn && ((f.closing && f.answered) || p.seq != f.client_isn))) {
			f.name = named[i].name;
			if (!begin(run, &room, &f, &named[i], &p)) {
				free(named);
				return out_of_memory(error);
			}
		}
		f.answered |= (p.flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);
		f.closing |= (p.flags & (TCP_FIN | TCP_RST)) != 0;
		c->connection = f.number;
		c->source = named[i].from_higher == f.client_is_higher ? CLIENT : SERVER;
		run->r->connection[c->connection].packets[c->source]++;
	}
	free(named);
	return true;
}

/* Numbers connections in the order of their first packets. */
static bool renumber(struct run *run, char error[CAPREAD_ERROR_BYTES])
{
	size_t count = run->r->connections;
	uint32_t *number = malloc((count + 1) * sizeof(*number)), next = 0;
	struct replay_connection *c = calloc(count + 1, sizeof(*c));
	bool good = number && c;

	if (good)
		memset(number, 0xff, count * sizeof(*number));
	for (size_t i = 0; good && i < run->packets; i++) {
		uint32_t *old = &run->packet[i].connection;

		if (number[*old] == UINT32_MAX) {
			c[next] = run->r->connection[*old];
			number[*old] = next++;
		}
		*old = number[*old];
	}
	free(number);
	if (!good) {
		free(c);
		return out_of_memory(error);
	}
	free(run->r->connection);
	run->r->connection = c;
	return true;
}

/* Is the TCP checksum what a sender leaves to its hardware, the sum of the pseudo header? */
static bool is_left_to_hardware(const struct packet *p)
{
	struct checksum c = { 0 };
	uint16_t sum;

	checksum_add_pseudo(&c, packet_addresses(p), packet_address_bytes(p),
			    p->ip_bytes - (uint32_t)(p->tcp - p->ip));
	sum = (uint16_t)~checksum_finish(&c);
	return memcmp(p->tcp + 16, &sum, sizeof(sum)) == 0;
}

/* A checksum that is wrong, of a packet whose data the other end may acknowledge yet. */
struct doubt {
	uint32_t packet, seq, end;
};
#define DOUBTS_MAX 64

/* What is known of the checksums of one side of a connection. */
struct sums {
	uint64_t wrong, packets;
	struct doubt *doubt;	/* DOUBTS_MAX of them; NULL: there was none yet, as nearly always */
	unsigned doubts;
};

/* The end has acknowledged this, or was sent it once more, with a good checksum. */
static void settle(struct run *run, struct sums *sums, uint32_t seq, uint32_t end, bool acked)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < sums->doubts; i++) {
		const struct doubt *d = &sums->doubt[i];
		bool covers = (int32_t)(end - d->end) >= 0 && (acked || (int32_t)(d->seq - seq) >= 0);

		if (covers && acked) {
			run->packet[d->packet].unsummed = true;
			run->r->repaired++;
		} else if (!covers) {
			sums->doubt[kept++] = *d;
		}
	}
	sums->doubts = kept;
}

static void look_at_sum(struct run *run, struct sums sums[2], uint32_t number)
{
	struct captured *c = &run->packet[number];
	struct sums *own = &sums[c->source], *other = &sums[engine_other(c->source)];
	struct packet p;
	uint32_t end;

	view_of(c, &p);
	own->packets++;
	end = p.seq + p.payload_bytes + ((p.flags & (TCP_SYN | TCP_FIN)) != 0);
	c->unsummed = is_left_to_hardware(&p);
	if (c->unsummed || packet_checksum_good(&p)) {
		if (end != p.seq)
			settle(run, own, p.seq, end, false);
	} else {
		own->wrong++;
		if (end != p.seq && !own->doubt)
			own->doubt = calloc(DOUBTS_MAX, sizeof(*own->doubt));
		if (end != p.seq && own->doubt && own->doubts < DOUBTS_MAX)
			own->doubt[own->doubts++] = (struct doubt){ number, p.seq, end };
	}
	if (p.flags & TCP_ACK)
		settle(run, other, 0, p.ack, true);
}

/*
 * A capture may have checksums that no receiver has seen: it was edited or made anonymous, or a card
 * has summed up. A packet is taken as good if the other end has acknowledged it and no good one like
 * it came, or if no packet of its side is good.
 */
static bool mend_checksums(struct run *run, char error[CAPREAD_ERROR_BYTES])
{
	struct sums (*sums)[2] = calloc(run->r->connections + 1, sizeof(*sums));

	if (!sums)
		return out_of_memory(error);
	for (uint32_t i = 0; i < run->packets; i++)
		look_at_sum(run, sums[run->packet[i].connection], i);
	for (uint32_t i = 0; i < run->packets; i++) {
		struct captured *c = &run->packet[i];
		const struct sums *own = &sums[c->connection][c->source];

		if (own->wrong == own->packets && !c->unsummed) {
			c->unsummed = true;
			run->r->repaired++;
		}
	}
	for (size_t i = 0; i < run->r->connections; i++) {
		free(sums[i][CLIENT].doubt);
		free(sums[i][SERVER].doubt);
	}
	free(sums);
	return true;
}

/* Gives each end its packets. */
static bool make_ends(struct run *run, char error[CAPREAD_ERROR_BYTES])
{
	size_t count = run->r->connections;

	run->connection = calloc(count + 1, sizeof(*run->connection));
	if (!run->connection || timers_create(&run->wake, (uint32_t)(2 * count + 1)) < 0)
		return out_of_memory(error);
	for (size_t i = 0; i < count; i++) {
		for (unsigned side = CLIENT; side <= SERVER; side++) {
			struct end *end = &run->connection[i].end[side];

			end->ack_ns = UINT64_MAX;
			end->list = calloc(run->r->connection[i].packets[side] + 1, sizeof(*end->list));
			if (!end->list)
				return out_of_memory(error);
		}
	}
	for (size_t i = 0; i < run->packets; i++) {
		const struct captured *c = &run->packet[i];
		struct end *end = &run->connection[c->connection].end[c->source];

		end->list[end->count++] = (uint32_t)i;
	}
	return true;
}

/* What an end gets ------------------------------------------------------------------------ */

/* Moves rcv_nxt over what was beyond it. */
static void close_holes(struct end *end)
{
	size_t used = 0;

	while (used < end->beyond_count && end->beyond[used].first <= end->rcv_nxt) {
		if (end->beyond[used].end > end->rcv_nxt)
			end->rcv_nxt = end->beyond[used].end;
		used++;
	}
	end->beyond_count -= used;
	memmove(end->beyond, end->beyond + used, end->beyond_count * sizeof(*end->beyond));
}

/* Keeps what came out of order; if there are too many holes it is lost, and comes again. */
static void keep(struct end *end, uint64_t first, uint64_t after)
{
	size_t i = 0, joined;

	while (i < end->beyond_count && end->beyond[i].end < first)
		i++;
	for (joined = i; joined < end->beyond_count && end->beyond[joined].first <= after; joined++) {
		first = end->beyond[joined].first < first ? end->beyond[joined].first : first;
		after = end->beyond[joined].end > after ? end->beyond[joined].end : after;
	}
	if (joined == i && end->beyond_count == HOLES_MAX)
		return;
	memmove(end->beyond + i + 1, end->beyond + joined, (end->beyond_count - joined) * sizeof(*end->beyond));
	end->beyond_count = end->beyond_count - (joined - i) + 1;
	end->beyond[i] = (struct range64){ first, after };
}

static void wake(struct run *run, uint32_t connection, enum engine_side side, uint64_t at_ns)
{
	timers_set(&run->wake, 2 * connection + side, at_ns);
}

/* The sequence number of the SYN that the other end sent in the capture. */
static uint32_t captured_isn(const struct run *run, uint32_t connection, enum engine_side side)
{
	const struct end *other = &run->connection[connection].end[engine_other(side)];
	struct packet p = { .seq = 0 };

	for (size_t i = 0; i < other->count; i++) {
		view_of(&run->packet[other->list[i]], &p);
		if (p.flags & TCP_SYN)
			break;
	}
	return p.seq;
}

/* Is it a SYN with data, of which only the SYN is acknowledged? */
static bool has_syn_data(const struct captured *c, uint32_t ack)
{
	struct packet p;

	view_of(c, &p);
	return (p.flags & TCP_SYN) && p.payload_bytes > 0 && ack == p.seq + 1;
}

/* RFC 9293 section 3.10.7.3 and .4: it must acknowledge a SYN, or lie in the window. */
static bool believes_rst(const struct end *end, const struct packet *p)
{
	uint64_t offset;

	if (!end->syn_seen)
		return !(p->flags & TCP_ACK) || p->ack == end->snd_nxt;
	offset = seq_widen(end->isn, p->seq, end->rcv_nxt);
	return offset + 1 >= end->rcv_nxt && offset <= end->rcv_nxt + WINDOW_MAX;
}

static void get(struct run *run, uint32_t connection, enum engine_side side, uint8_t *ip, size_t bytes)
{
	struct end *end = &run->connection[connection].end[side];
	uint64_t first, after;
	struct tcpopt o;
	struct packet p;

	if (packet_parse(&p, ip, bytes) != PACKET_TCP)
		return;
	tcpopt_parse(&o, &p);
	if (o.has_timestamps)
		end->ts_recent = o.ts_val;
	wake(run, connection, side, run->now_ns);
	if (p.flags & TCP_RST) {
		if (!believes_rst(end, &p))
			return;
		end->ended = run->r->connection[connection].result.reset = true;
		return;
	}
	if (p.flags & TCP_SYN) {
		if (!end->syn_seen) {
			end->syn_seen = true;
			end->isn = p.seq;
			end->shift = p.seq - captured_isn(run, connection, side);
			end->rcv_nxt = end->acked = SEQ_BASE + 1;
			end->syn_data_owed = (p.flags & TCP_ACK) && end->last && p.ack != end->snd_nxt &&
					     has_syn_data(end->last, p.ack);
		}
		return;
	}
	if (!end->syn_seen || p.payload_bytes + (p.flags & TCP_FIN) == 0)
		return;
	first = seq_widen(end->isn, p.seq, end->rcv_nxt);
	after = first + p.payload_bytes + ((p.flags & TCP_FIN) != 0);
	if (first <= end->rcv_nxt && after > end->rcv_nxt) {
		bool holes = end->beyond_count > 0;

		end->rcv_nxt = after;
		close_holes(end);
		end->unacked++;
		if (holes || end->unacked >= 2)
			end->ack_ns = run->now_ns;
		else if (end->ack_ns == UINT64_MAX)
			end->ack_ns = run->now_ns + DELAYED_ACK_NS;
		return;
	}
	if (first > end->rcv_nxt)
		keep(end, first, after);
	end->acked = 0;		/* to be told once more */
	end->ack_ns = run->now_ns;
}

/* What an end sends ------------------------------------------------------------------------ */

/* Takes out what the engine has to send. */
static void take_output(struct run *run)
{
	struct engine_emit emit;
	uint8_t packet[PACKET_BYTES];

	while (engine_next(run->engine, &emit)) {
		size_t at = 0;

		if (run->tap)
			boxcap_emit(run->tap, run->now_ns, &emit);
		for (size_t i = 0; i < emit.parts; at += emit.part[i++].bytes)
			memcpy(packet + at, emit.part[i].data, emit.part[i].bytes);
		if (emit.subject.flow > 0 && emit.subject.flow <= run->flows)
			get(run, run->of_flow[emit.subject.flow - 1], engine_other(emit.subject.source), packet,
			    emit.bytes);
	}
}

static bool note_flow(struct run *run, uint64_t flow, uint32_t connection)
{
	if (flow <= run->flows)
		return true;
	/* They are numbered as their SYNs come. */
	run->of_flow = reallocarray(run->of_flow, flow, sizeof(*run->of_flow));
	if (!run->of_flow)
		return false;
	while (run->flows < flow)
		run->of_flow[run->flows++] = connection;
	return true;
}

/* Hands a packet of one end to the box. */
static bool put(struct run *run, uint32_t connection, enum engine_side side, uint8_t *ip, size_t bytes,
		unsigned hints)
{
	enum engine_verdict verdict;

	run->last_ns = run->now_ns;
	if (run->tap)
		boxcap_before(run->tap, ip, bytes, hints);
	verdict = engine_input(run->engine, run->now_ns, ip, &bytes, hints);
	if (run->tap)
		boxcap_after(run->tap, run->engine, run->now_ns, verdict, ip, bytes);
	if (!note_flow(run, engine_input_subject(run->engine).flow, connection))
		return false;
	run->r->connection[connection].result.taken |= engine_input_subject(run->engine).flow > 0;
	if (verdict != VERDICT_DROP)
		get(run, connection, engine_other(side), ip, bytes);
	take_output(run);
	return true;
}

/* Has the end got what its packet acknowledges? */
static bool is_ready(const struct run *run, uint32_t connection, const struct end *end, const struct packet *p)
{
	if (!run->r->connection[connection].whole || !(p->flags & TCP_ACK))
		return true;
	if (!end->syn_sent && !(p->flags & TCP_SYN))	/* of an older connection: a challenge ACK */
		return true;
	/* A SYN-ACK may answer the SYN alone; then it acknowledges no data of it. */
	return end->syn_seen && ((p->flags & TCP_SYN) ||
				 seq_widen(end->isn, p->ack + end->shift, end->rcv_nxt) <= end->rcv_nxt);
}

/* Has the end told by itself what this pure ACK would? */
static bool is_told(const struct end *end, const struct packet *p)
{
	uint64_t ack = seq_widen(end->isn, p->ack + end->shift, end->rcv_nxt);

	return end->syn_seen && p->payload_bytes == 0 && (p->flags & (TCP_SYN | TCP_FIN | TCP_RST)) == 0 &&
	       (ack < end->acked || (ack == end->acked && end->acked_itself));
}

static void note_sent(struct end *end, const struct packet *p)
{
	uint32_t nxt = p->seq + p->payload_bytes + ((p->flags & (TCP_SYN | TCP_FIN)) != 0);
	struct tcpopt o;

	tcpopt_parse(&o, p);
	/* The capture may have repetitions. */
	if ((p->flags & TCP_SYN) || (int32_t)(nxt - end->snd_nxt) > 0)
		end->snd_nxt = nxt;
	end->window = p->window;
	end->syn_sent |= (p->flags & TCP_SYN) != 0;
	if (o.has_timestamps)
		end->ts_val = o.ts_val;
	if (!(p->flags & TCP_ACK) || !end->syn_seen || !end->syn_sent)
		return;
	end->acked = seq_widen(end->isn, p->ack, end->rcv_nxt);
	if (end->acked >= end->rcv_nxt) {
		end->ack_ns = UINT64_MAX;
		end->unacked = 0;
	}
}

/* Sends the next packet of the capture. */
static bool send_captured(struct run *run, uint32_t connection, enum engine_side side)
{
	struct end *end = &run->connection[connection].end[side];
	const struct captured *c = &run->packet[end->list[end->next++]];
	uint8_t copy[PACKET_BYTES];
	unsigned hints = ENGINE_JOINED;
	struct packet p;

	end->lag_ns = run->now_ns - c->time_ns;
	run->r->connection[connection].result.sent[side]++;
	memcpy(copy, c->ip, c->bytes);
	packet_parse(&p, copy, c->bytes);
	if (is_told(end, &p)) {
		if (p.window != end->window)	/* but not this */
			end->ack_ns = run->now_ns;
		end->window = p.window;
		return true;
	}
	if (c->unsummed)
		hints |= ENGINE_NO_CHECKSUM;
	if ((p.flags & TCP_ACK) && end->shift != 0)
		packet_set_ack(&p, p.ack + end->shift);
	if ((p.flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK) &&
	    seq_widen(end->isn, p.ack, end->rcv_nxt) > end->rcv_nxt)
		packet_set_ack(&p, seq_narrow(end->isn, end->rcv_nxt));
	end->last = c;
	end->acked_itself = false;
	note_sent(end, &p);
	return put(run, connection, side, copy, c->bytes, hints);
}

/* Sends a segment of its own, with headers as its last packet had. */
static bool send_own(struct run *run, uint32_t connection, enum engine_side side, uint32_t seq, const uint8_t *data,
		     uint32_t bytes)
{
	struct end *end = &run->connection[connection].end[side];
	uint8_t segment[PACKET_BYTES];
	struct tcpopt o;
	struct packet p;
	size_t ip, header = TCP_HEADER_BYTES;
	uint8_t *tcp;

	end->ack_ns = UINT64_MAX;
	if (!end->last)
		return true;
	view_of(end->last, &p);
	tcpopt_parse(&o, &p);
	ip = (size_t)(p.tcp - p.ip);
	memcpy(segment, p.ip, ip + TCP_HEADER_BYTES);
	tcp = segment + ip;
	bytes_put32(tcp + 4, seq);
	bytes_put32(tcp + 8, seq_narrow(end->isn, end->rcv_nxt));
	if (o.has_timestamps)
		header += tcpopt_write_timestamps(tcp + TCP_HEADER_BYTES, end->ts_val, end->ts_recent);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = TCP_ACK | (bytes > 0 ? TCP_PSH : 0);
	bytes_put16(tcp + 14, (uint16_t)end->window);
	bytes_put16(tcp + 18, 0);
	if (bytes > 0)
		memcpy(tcp + header, data, bytes);
	header += bytes;
	if (p.version == 4) {
		bytes_put16(segment + 2, (uint16_t)(ip + header));
		sum_ipv4_header(segment, ip);
	} else {
		bytes_put16(segment + 4, (uint16_t)header);
	}
	packet_parse(&p, segment, ip + header);
	packet_set_checksum(&p);
	end->acked = end->rcv_nxt;
	end->acked_itself = true;
	end->unacked = 0;
	return put(run, connection, side, segment, p.ip_bytes, 0);
}

static bool send_ack(struct run *run, uint32_t connection, enum engine_side side)
{
	return send_own(run, connection, side, run->connection[connection].end[side].snd_nxt, NULL, 0);
}

/* Sends the data of its SYN again, for the box has taken them off: RFC 7413 section 4.2.1. */
static bool send_syn_data(struct run *run, uint32_t connection, enum engine_side side)
{
	struct end *end = &run->connection[connection].end[side];
	struct packet p;

	end->syn_data_owed = false;
	view_of(end->last, &p);
	return send_own(run, connection, side, p.seq + 1, p.payload, p.payload_bytes);
}

/* Sends what an end has to send now, and says when there is more. */
static bool act(struct run *run, uint32_t connection, enum engine_side side)
{
	struct end *end = &run->connection[connection].end[side];

	if (end->syn_data_owed && !end->ended && !send_syn_data(run, connection, side))
		return false;
	while (end->next < end->count && !end->ended) {
		const struct captured *c = &run->packet[end->list[end->next]];
		struct packet p;

		view_of(c, &p);
		if (!is_ready(run, connection, end, &p))
			break;
		if (c->time_ns + end->lag_ns > run->now_ns) {
			wake(run, connection, side, c->time_ns + end->lag_ns);
			break;
		}
		if (!send_captured(run, connection, side))
			return false;
	}
	if (end->ended)
		return true;
	if (end->ack_ns <= run->now_ns)
		return send_ack(run, connection, side);
	if (end->ack_ns != UINT64_MAX)
		wake(run, connection, side, end->ack_ns);
	return true;
}

/* The run ---------------------------------------------------------------------------------- */

static void observe(void *arg, const struct engine_event *event)
{
	struct run *run = arg;
	struct replay_connection *c;

	if (run->r->log && !run->silent)
		eventlog_observe(run->r->log, event);
	if (run->tap)
		boxcap_observe(run->tap, event);
	if (event->flow > run->flows)
		return;
	c = &run->r->connection[run->of_flow[event->flow - 1]];
	if (event->type == EVENT_STALL)
		c->result.stalls++;
	else if (event->type == EVENT_FAULT)
		c->result.acted++;
	else if (event->type == EVENT_FLOW_CLOSED)
		memcpy(c->result.totals, event->totals, sizeof(c->result.totals));
}

static bool drive(struct run *run, char error[CAPREAD_ERROR_BYTES])
{
	for (uint32_t i = 0; i < run->r->connections; i++) {
		for (unsigned side = CLIENT; side <= SERVER; side++) {
			const struct end *end = &run->connection[i].end[side];

			if (end->count > 0)
				wake(run, i, side, run->packet[end->list[0]].time_ns);
		}
	}
	for (;;) {
		uint64_t end_ns = timers_next(&run->wake), box_ns = engine_deadline(run->engine);
		uint64_t next = end_ns < box_ns ? end_ns : box_ns;

		if (next == UINT64_MAX || (end_ns == UINT64_MAX && box_ns > run->last_ns + PATIENCE_NS))
			return true;
		run->now_ns = next > run->now_ns ? next : run->now_ns;
		if (end_ns <= box_ns) {
			uint32_t id = timers_pop(&run->wake);

			if (!act(run, id / 2, id % 2))
				return out_of_memory(error);
		} else {
			engine_expire(run->engine, run->now_ns);
			take_output(run);
		}
	}
}

static void free_pass(struct run *run)
{
	boxcap_tap_free(run->tap);
	engine_destroy(run->engine);
	for (size_t i = 0; run->connection && i < run->r->connections; i++) {
		free(run->connection[i].end[CLIENT].list);
		free(run->connection[i].end[SERVER].list);
	}
	if (run->connection)
		timers_destroy(&run->wake);
	free(run->connection);
	free(run->of_flow);
	run->tap = NULL;
	run->engine = NULL;
	run->connection = NULL;
	run->of_flow = NULL;
	run->flows = 0;
}

/* Runs all connections through a box, from the beginning. */
static bool pass(struct run *run, struct engine_config *config, bool silent, char error[CAPREAD_ERROR_BYTES])
{
	struct replay *r = run->r;
	bool good = make_ends(run, error);

	run->silent = silent;
	run->now_ns = run->last_ns = 0;
	config->observer = observe;
	config->observer_arg = run;
	if (good && (engine_create(&run->engine, config) < 0 ||
		     (r->capture && !silent && boxcap_tap(&run->tap, r->capture, 0) < 0)))
		good = out_of_memory(error);
	good = good && drive(run, error);
	if (good) {
		engine_get_stats(run->engine, &r->stats);
		engine_shutdown(run->engine, run->now_ns);
		r->duration_ns = run->packets > 0 ? run->last_ns - run->packet[0].time_ns : 0;
	}
	free_pass(run);
	return good;
}

/* Without the faults; its results are kept beside those with them. */
static bool pass_without(struct run *run, char error[CAPREAD_ERROR_BYTES])
{
	struct engine_config config = run->r->engine;
	struct replay *r = run->r;

	for (unsigned i = 0; i < config.rules.policies; i++)
		config.rules.policy[i].faults = 0;
	if (!pass(run, &config, true, error))
		return false;
	for (size_t i = 0; i < r->connections; i++) {
		r->connection[i].without = r->connection[i].result;
		memset(&r->connection[i].result, 0, sizeof(r->connection[i].result));
	}
	return true;
}

bool replay_run(struct replay *r, struct capread *in, char error[CAPREAD_ERROR_BYTES])
{
	struct run run = { .r = r };
	bool good = read_all(&run, in, error) && sort(&run, error) && renumber(&run, error) &&
		    mend_checksums(&run, error) && pass_without(&run, error) &&
		    pass(&run, &r->engine, false, error);

	for (size_t i = 0; i < run.packets; i++)
		free(run.packet[i].ip);
	free(run.packet);
	return good;
}

void replay_free(struct replay *r)
{
	free(r->connection);
	r->connection = NULL;
	r->connections = 0;
}
