/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/sim.h"

#include "core/bytes.h"
#include "core/packet.h"
#include "core/tcpopt.h"
#include "core/units.h"
#include "settings/faultspec.h"
#include "sim/router.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 16384
#define SEGMENTS_MAX 65536
#define PACKET_MAX 70000
/* The most segments that an end sends at once. */
#define FLIGHT_MAX 32
#define RTO_FIRST_NS (1000 * NS_PER_MS)
/* A packet that would wait longer than this for a leg is dropped. */
#define QUEUE_MAX_NS (500 * NS_PER_MS)
#define RTO_MAX_NS (20000 * NS_PER_MS)

/* Randomness: splitmix64 (Steele, Lea and Flood, 2014). */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint32_t below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(next_random(state) % n);
}

static bool chance(uint64_t *state, double p)
{
	return (double)(next_random(state) >> 11) / 9007199254740992.0 < p;
}

/* The ends ------------------------------------------------------------------------------ */

/* Numbers in an end's stream: 0 is the SYN, 1 the first octet, and the FIN comes last. */
struct segment {
	uint32_t start, bytes;
};

struct sim_end {
	uint32_t isn, peer_isn;
	/* sending */
	struct segment *segments;	/* as first sent; always sent again like that */
	uint32_t segments_count;
	uint32_t written;		/* octets the program has written so far */
	uint32_t writes_done;
	uint32_t una, nxt, max, edge;	/* max: the highest nxt; edge: of the peer's window */
	uint32_t window_seq;		/* of the segment that announced it */
	uint32_t total;
	unsigned dup_acks, cwnd;
	uint64_t rto_ns, rto_at_ns;
	/* receiving */
	bool *have;			/* by number */
	uint32_t rcv_nxt, fin_at, edge_told, read;
	uint32_t ts_recent;
	bool synced;			/* has the peer's SYN */
	bool closes_last;		/* got the peer's FIN before it sent its own */
	bool ack_now;
	enum { ALIVE, ABORTED, WAS_RESET } life;
};

struct event {
	uint64_t at_ns;
	uint64_t order;			/* decides between events at the same time */
	enum { ARRIVES_AT_BOX, ARRIVES_AT_END, TICK } kind;
	enum engine_side end;		/* from or to which */
	uint8_t *bytes;
	size_t len;
};

struct sim {
	const struct sim_options *o;
	struct sim_result *result;
	struct engine *engine;
	uint64_t random, now_ns, orders;
	struct sim_end end[2];
	uint64_t busy_ns[2][2];		/* when a leg is free: [its end][towards the box] */
	struct event events[EVENTS_MAX];
	size_t events_count;
	size_t in_flight;
	bool drained;
};

static void fail(struct sim *s, const char *why)
{
	if (!s->result->error)
		s->result->error = why;
}

static uint8_t octet(enum engine_side source, uint32_t number)
{
	return (uint8_t)(number * 17 + (number >> 7) * 3 + (source == CLIENT ? 5 : 130));
}

/* Events: a heap ---------------------------------------------------------------------- */

static bool earlier(const struct event *a, const struct event *b)
{
	return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->order < b->order);
}

static void add_event(struct sim *s, struct event e)
{
	size_t i;

	if (s->events_count == EVENTS_MAX) {
		fail(s, "too many packets are under way");
		free(e.bytes);
		return;
	}
	e.order = s->orders++;
	s->in_flight += e.kind != TICK;
	for (i = s->events_count++; i > 0 && earlier(&e, &s->events[(i - 1) / 2]); i = (i - 1) / 2)
		s->events[i] = s->events[(i - 1) / 2];
	s->events[i] = e;
}

static struct event take_event(struct sim *s)
{
	struct event first = s->events[0], last = s->events[--s->events_count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < s->events_count) {
		if (child + 1 < s->events_count &&
		    earlier(&s->events[child + 1], &s->events[child]))
			child++;
		if (!earlier(&s->events[child], &last))
			break;
		s->events[i] = s->events[child];
		i = child;
	}
	s->events[i] = last;
	s->in_flight -= first.kind != TICK;
	return first;
}

/* The legs ---------------------------------------------------------------------------- */

static void trace(struct sim *s, const char *what, enum engine_side end, const uint8_t *bytes,
		  size_t len)
{
	uint8_t copy[PACKET_MAX];
	struct packet p;
	const char *from_client;
	enum engine_side from;

	if (!s->o->trace)
		return;
	memcpy(copy, bytes, len);
	if (packet_parse(&p, copy, len) != PACKET_TCP)
		return;
	from = p.src_port == 25 ? SERVER : CLIENT;
	from_client = from == CLIENT ? ">" : "<";
	fprintf(s->o->trace, "%+.6f %s-%s %s %s%s%s%s%s %" PRIu32 ":%" PRIu32 "(%" PRIu32 ")",
		(double)s->now_ns / NS_PER_S, end == CLIENT ? "client" : "server", what,
		from_client, p.flags & TCP_SYN ? "S" : "", p.flags & TCP_FIN ? "F" : "",
		p.flags & TCP_RST ? "R" : "", p.flags & TCP_PSH ? "P" : "",
		p.flags & TCP_ACK ? "." : "", p.seq - s->end[from].isn,
		p.seq - s->end[from].isn + p.payload_bytes, p.payload_bytes);
	if (p.flags & TCP_ACK)
		fprintf(s->o->trace, " ack %" PRIu32, p.ack - s->end[engine_other(from)].isn);
	fprintf(s->o->trace, " win %u\n", p.window);
}

static uint16_t plain_sum(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void addresses(const struct sim *s, enum engine_side from, uint8_t *to)
{
	size_t n = s->o->ipv6 ? 16 : 4;

	memset(to, 0, 2 * n);
	to[0] = to[n] = s->o->ipv6 ? 0x20 : 198;
	to[n - 1] = from == CLIENT ? 1 : 2;
	to[2 * n - 1] = from == CLIENT ? 2 : 1;
}

/* A router beyond the box reports to a packet's source, and so to the box, that it is too big. */
static void say_too_big(struct sim *s, enum engine_side end, const uint8_t *packet)
{
	struct event e = { .kind = ARRIVES_AT_BOX,
			   .end = end,
			   .bytes = malloc(ROUTER_ANSWER_BYTES),
			   .at_ns = s->now_ns + s->o->delay_ns };

	e.len = router_too_big(e.bytes, packet, s->o->path_bytes[end]);
	add_event(s, e);
}

/* FNV-1a. */
static uint64_t digest(uint64_t sum, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum = (sum ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
	return sum;
}

/* A packet enters a leg, toward the box or an end. */
static void transmit(struct sim *s, int kind, enum engine_side end, const uint8_t *bytes,
		     size_t len)
{
	unsigned copies = chance(&s->random, s->o->repeat) ? 2 : 1;

	uint64_t *busy = &s->busy_ns[end][kind == ARRIVES_AT_BOX];
	size_t headers = (s->o->ipv6 ? 40 : 20) + 20;

	if (len < headers || len > headers + s->o->mss[end]) {
		fail(s, "a packet is not a TCP segment, or exceeds the MTU of its leg");
		return;
	}
	if (kind == ARRIVES_AT_END && s->o->path_bytes[end] != 0 && len > s->o->path_bytes[end]) {
		if (!s->o->silent)
			say_too_big(s, end, bytes);
		return;
	}
	s->result->packets++;
	s->result->digest = digest(s->result->digest, &s->now_ns, sizeof(s->now_ns));
	s->result->digest = digest(s->result->digest, bytes, len);
	trace(s, kind == ARRIVES_AT_BOX ? "sends" : "is sent", end, bytes, len);
	for (unsigned i = 0; i < copies; i++) {
		uint64_t delay = s->o->delay_ns;
		struct event e = { .kind = kind, .end = end, .len = len };

		if (s->o->rate > 0) {
			if (*busy < s->now_ns)
				*busy = s->now_ns;
			if (*busy - s->now_ns > QUEUE_MAX_NS)
				continue;
			*busy += len * 1000 * NS_PER_MS / s->o->rate;
			delay += *busy - s->now_ns;
		}
		if (chance(&s->random, s->o->loss))
			continue;
		if (chance(&s->random, s->o->reorder))
			delay += next_random(&s->random) % (3 * s->o->delay_ns + 1);
		e.at_ns = s->now_ns + delay;
		e.bytes = malloc(len);
		memcpy(e.bytes, bytes, len);
		add_event(s, e);
	}
}

/* Packets of the ends ----------------------------------------------------------------- */

static uint32_t window_of(const struct sim *s, enum engine_side side)
{
	const struct sim_end *end = &s->end[side];
	uint32_t used = end->rcv_nxt - (end->read < end->rcv_nxt ? end->read : end->rcv_nxt);

	if (s->now_ns < s->o->opens_ns[side])
		return 0;
	return s->o->buffer[side] > used ? s->o->buffer[side] - used : 0;
}

/* Writes up to three SACK blocks of data that came out of order. Returns 0 if there is none. */
static size_t write_sack(const struct sim *s, enum engine_side side, uint8_t *to)
{
	const struct sim_end *end = &s->end[side];
	uint32_t total = s->end[engine_other(side)].total, at = end->rcv_nxt;
	size_t blocks = 0;

	while (blocks < 3) {
		while (at <= total && !end->have[at])
			at++;
		if (at > total)
			break;
		bytes_put32(to + 4 + 8 * blocks, end->peer_isn + at);
		while (at <= total && end->have[at])
			at++;
		bytes_put32(to + 8 + 8 * blocks++, end->peer_isn + at);
	}
	if (blocks == 0)
		return 0;
	to[0] = to[1] = 1, to[2] = 5, to[3] = (uint8_t)(2 + 8 * blocks);
	return 4 + 8 * blocks;
}

/* Writes the options of a segment. Returns their length. */
static size_t write_options(const struct sim *s, enum engine_side side, uint8_t flags,
			    uint32_t bytes, uint8_t options[40])
{
	const struct sim_end *end = &s->end[side];
	size_t n = 0;

	memset(options, 0, 40);
	if (flags & TCP_SYN) {
		options[n++] = 2, options[n++] = 4;
		bytes_put16(options + n, (uint16_t)s->o->mss[side]);
		n += 2;
		options[n++] = 1, options[n++] = 3, options[n++] = 3,
		options[n++] = s->o->window_shift;
		if (s->o->sack)
			options[n++] = 1, options[n++] = 1, options[n++] = 4, options[n++] = 2;
	}
	if (s->o->timestamps) {
		options[n++] = 1, options[n++] = 1, options[n++] = 8, options[n++] = 10;
		bytes_put32(options + n, (uint32_t)(s->now_ns / NS_PER_MS) + 1);
		bytes_put32(options + n + 4, end->ts_recent);
		n += 8;
	}
	if (s->o->sack && end->synced && !(flags & (TCP_SYN | TCP_RST)) && bytes == 0)
		n += write_sack(s, side, options + n);
	return n;
}

static void send_packet(struct sim *s, enum engine_side side, uint8_t flags, uint32_t start,
			uint32_t bytes)
{
	struct sim_end *end = &s->end[side];
	uint8_t p[PACKET_MAX], options[40], pseudo[40];
	size_t ip = s->o->ipv6 ? 40 : 20, n, header, address = s->o->ipv6 ? 16 : 4;
	uint8_t shift = flags & TCP_SYN ? 0 : s->o->window_shift;
	uint32_t window = window_of(s, side) >> shift;
	uint32_t edge;

	n = write_options(s, side, flags, bytes, options);
	if (window > 65535)
		window = 65535;
	edge = end->rcv_nxt + (window << shift);
	if (end->synced && (int32_t)(edge - end->edge_told) > 0)
		end->edge_told = edge;

	header = 20 + n;
	memset(p, 0, ip + 20);
	if (s->o->ipv6) {
		p[0] = 0x60;
		bytes_put16(p + 4, (uint16_t)(header + bytes));
		p[6] = 6, p[7] = 64;
		addresses(s, side, p + 8);
	} else {
		p[0] = 0x45;
		bytes_put16(p + 2, (uint16_t)(ip + header + bytes));
		p[6] = 0x40, p[8] = 64, p[9] = 6;
		addresses(s, side, p + 12);
		bytes_put16(p + 10, plain_sum(p, 20, 0));
	}
	bytes_put16(p + ip, side == CLIENT ? 40000 : 25);
	bytes_put16(p + ip + 2, side == CLIENT ? 25 : 40000);
	bytes_put32(p + ip + 4, end->isn + start);
	if (flags & TCP_ACK)
		bytes_put32(p + ip + 8, end->peer_isn + end->rcv_nxt);
	p[ip + 12] = (uint8_t)(header / 4 << 4);
	p[ip + 13] = flags;
	bytes_put16(p + ip + 14, (uint16_t)window);
	memcpy(p + ip + 20, options, n);
	for (uint32_t i = 0; i < bytes; i++)
		p[ip + header + i] = octet(side, start + i);
	addresses(s, side, pseudo);
	bytes_put16(p + ip + 16, plain_sum(p + ip, header + bytes,
					   (uint32_t)(uint16_t)~plain_sum(pseudo, 2 * address, 0) +
						   6 + (uint32_t)(header + bytes)));
	transmit(s, ARRIVES_AT_BOX, side, p, ip + header + bytes);
}

/* The largest segment that fits both legs: the other end announces what its own leg can take. */
static uint32_t segment_max(const struct sim *s)
{
	uint32_t mss = s->o->mss[CLIENT] < s->o->mss[SERVER] ? s->o->mss[CLIENT]
							     : s->o->mss[SERVER];

	return mss - (s->o->timestamps ? 12 : 0);
}

/* Sends what may be sent, in segments whose borders never change. */
static void pump(struct sim *s, enum engine_side side)
{
	struct sim_end *end = &s->end[side];
	uint32_t sent = 0;
	bool any = false;

	if (end->nxt == 0) {	/* the SYN */
		send_packet(s, side, side == CLIENT ? TCP_SYN : TCP_SYN | TCP_ACK, 0, 0);
		end->nxt = 1;
		any = true;
	}
	for (uint32_t i = 0; i < end->segments_count && end->una > 0; i++) {
		struct segment *seg = &end->segments[i];
		bool is_fin = seg->bytes == 0;
		uint32_t after = seg->start + (is_fin ? 1 : seg->bytes);
		/* A probe may have delivered part of the segment. */
		uint32_t first = seg->start < end->nxt ? end->nxt : seg->start;

		if (after <= end->una)
			continue;
		if (after > end->nxt && seg->start + seg->bytes > end->edge) {
			/* Probe a closed window with one octet of the segment; after a while, use
			 * a window that is too small for it. */
			if (end->una == end->nxt && s->now_ns >= end->rto_at_ns && !is_fin) {
				uint32_t fits = end->edge > first ? end->edge - first : 1;

				send_packet(s, side, TCP_ACK, first, fits);
				if (end->max < first + fits)
					end->max = first + fits;
				any = true;
			}
			break;
		}
		if (++sent > end->cwnd)
			break;
		if (after > end->nxt) {
			send_packet(s, side, is_fin ? TCP_FIN | TCP_ACK : TCP_PSH | TCP_ACK, first,
				    is_fin ? 0 : after - first);
			end->nxt = after;
			any = true;
		}
	}
	if (end->max < end->nxt)
		end->max = end->nxt;
	if (any)
		end->ack_now = false;
	if (any || end->rto_at_ns == UINT64_MAX)
		end->rto_at_ns = s->now_ns + end->rto_ns;
}

/* The program writes; the last write is followed by a FIN. */
static void write_more(struct sim *s, enum engine_side side)
{
	struct sim_end *end = &s->end[side];
	uint32_t left, most = segment_max(s);

	if (end->una == 0 || end->writes_done > s->o->writes[side])
		return;
	if (end->writes_done == s->o->writes[side]) {
		end->segments[end->segments_count++] = (struct segment){ 1 + end->written, 0 };
		end->writes_done++;
		return;
	}
	left = s->o->write[side][end->writes_done++];
	while (left > 0 && end->segments_count < SEGMENTS_MAX - 1) {
		uint32_t n = left < most ? left : most;

		end->segments[end->segments_count++] = (struct segment){ 1 + end->written, n };
		end->written += n;
		left -= n;
	}
}

static void take_ack(struct sim *s, enum engine_side side, const struct packet *p, bool has_text)
{
	struct sim_end *end = &s->end[side];
	uint32_t ack = p->ack - end->isn, seq = p->seq - end->peer_isn;
	uint32_t shift = p->flags & TCP_SYN ? 0 : s->o->window_shift;
	uint32_t edge = ack + ((uint32_t)p->window << shift);

	if (ack > end->max) {
		fail(s, "an end got an ACK of what it never sent");
		return;
	}
	if ((int32_t)(ack - end->una) < 0)
		return;
	if ((int32_t)(seq - end->window_seq) >= 0) {
		end->edge = edge;
		end->window_seq = seq;
	}
	if (ack > end->una) {
		end->una = ack;
		if (end->nxt < ack)
			end->nxt = ack;
		end->dup_acks = 0;
		end->rto_ns = RTO_FIRST_NS / 2;
		end->rto_at_ns = s->now_ns + end->rto_ns;
		end->cwnd = end->cwnd < FLIGHT_MAX ? end->cwnd + 1 : FLIGHT_MAX;
	} else if (!has_text && end->nxt > end->una && ++end->dup_acks == 3) {
		end->nxt = end->una;
	}
}

static void take_text(struct sim *s, enum engine_side side, const struct packet *p)
{
	struct sim_end *end = &s->end[side];
	enum engine_side source = engine_other(side);
	uint32_t seq = p->seq - end->peer_isn;
	bool fin = p->flags & TCP_FIN;

	/* After the hand-over, segments are the other end's own, and may use up the window that the
	 * box offered. */
	if (!s->drained && p->payload_bytes > 0 && s->o->direction & (1 << source) &&
	    p->payload_bytes > s->o->segment_size)
		fail(s, "a piece is larger than the segment size");
	if (!s->drained && p->payload_bytes > 0 &&
	    (int32_t)(seq + p->payload_bytes - end->edge_told) > 1)
		fail(s, "a segment goes beyond the window");
	if (end->rcv_nxt <= s->end[source].total && chance(&s->random, s->o->reneges[side]))
		memset(end->have + end->rcv_nxt, 0, s->end[source].total + 1 - end->rcv_nxt);
	if ((int32_t)(seq - end->rcv_nxt) > 0 && chance(&s->random, s->o->forgets[side])) {
		end->ack_now = true;
		return;
	}
	for (uint32_t i = 0; i < p->payload_bytes; i++) {
		uint32_t number = seq + i;

		if ((int32_t)(number - end->rcv_nxt) < 0)
			continue;
		if (number > s->end[source].total) {
			fail(s, "an end got an octet past the last");
			return;
		}
		if (p->payload[i] != octet(source, number)) {
			fail(s, "an octet was changed");
			return;
		}
		if ((int32_t)(number - end->edge_told) < 0)
			end->have[number] = true;
	}
	if (fin) {
		if (seq + p->payload_bytes != s->end[source].total + 1)
			fail(s, "a FIN is in the wrong place");
		end->fin_at = seq + p->payload_bytes;
	}
	while (end->rcv_nxt <= s->end[source].total && end->have[end->rcv_nxt])
		end->rcv_nxt++;
	if (end->fin_at != 0 && end->rcv_nxt == end->fin_at) {
		end->rcv_nxt++;
		end->closes_last = end->max < end->total + 2;
	}
	end->ack_now = true;
}

/* Does this end have everything, and an ACK of its FIN? */
static bool end_is_done(const struct sim *s, enum engine_side side)
{
	return s->end[side].una == s->end[side].total + 2 &&
	       s->end[side].rcv_nxt == s->end[engine_other(side)].total + 2;
}

/* Done, and not in TIME-WAIT: this end no longer knows the connection. */
static bool is_closed(const struct sim *s, enum engine_side side)
{
	return s->end[side].closes_last && end_is_done(s, side);
}

/* Takes a RST for a connection that exists. */
static void take_rst(struct sim *s, enum engine_side side, const struct packet *p)
{
	struct sim_end *end = &s->end[side];
	uint32_t seq = p->seq - end->peer_isn;

	if (s->end[engine_other(side)].life != ALIVE) {
		/* RFC 5961 section 3.2; before a SYN has come, the ACK counts. */
		if (end->synced ? seq == end->rcv_nxt : p->ack == end->isn + 1)
			end->life = WAS_RESET;
		else
			end->ack_now = seq > end->rcv_nxt && seq < end->edge_told;
		return;
	}
	if (!end_is_done(s, side))	/* in TIME-WAIT it does no harm */
		fail(s, "an end got a RST");
}

/* Takes a SYN. Returns false if the segment has nothing else in it. */
static bool take_syn(struct sim *s, enum engine_side side, const struct packet *p,
		     const struct tcpopt *o)
{
	struct sim_end *end = &s->end[side];

	if (!end->synced) {
		end->synced = true;
		end->peer_isn = p->seq;
		end->rcv_nxt = 1;
		end->edge_told = 1;
		end->window_seq = 0;
		end->edge = side == SERVER ? 1u + p->window : 0;
		if (side == SERVER)
			pump(s, side);
	}
	end->ack_now = side == CLIENT;
	end->ts_recent = o->ts_val;
	if (p->flags & TCP_ACK)
		return true;
	if (side == SERVER && end->una == 0)
		end->nxt = 0;
	return false;
}

static void arrive_at_end(struct sim *s, enum engine_side side, uint8_t *bytes, size_t len)
{
	struct sim_end *end = &s->end[side];
	struct packet p;
	struct tcpopt o;
	bool has_text;
	uint32_t seq;

	if (bytes[s->o->ipv6 ? 6 : 9] != 6)	/* a router's report on a connection that is over */
		return;
	if (packet_parse(&p, bytes, len) != PACKET_TCP || p.ip_bytes != len ||
	    !packet_checksum_good(&p)) {
		fail(s, "an end got a damaged packet");
		return;
	}
	if (is_closed(s, side) || end->life != ALIVE) {
		/* RFC 9293 section 3.10.7.1 */
		if (p.flags & TCP_RST)
			return;
		if (p.flags & TCP_ACK)
			send_packet(s, side, TCP_RST, p.ack - end->isn, 0);
		else
			send_packet(s, side, TCP_RST | TCP_ACK, -end->isn, 0);
		return;
	}
	if (p.flags & TCP_RST) {
		take_rst(s, side, &p);
		return;
	}
	tcpopt_parse(&o, &p);
	if ((p.flags & TCP_SYN) && !take_syn(s, side, &p, &o))
		return;
	if (!end->synced)
		return;
	seq = p.seq - end->peer_isn;
	has_text = p.payload_bytes > 0 || (p.flags & TCP_FIN);
	if (s->o->timestamps && !o.has_timestamps) {
		fail(s, "a segment lacks the timestamps that were agreed on");
		return;
	}
	if (s->o->timestamps && (int32_t)(o.ts_val - end->ts_recent) < 0) {
		end->ack_now = true;	/* PAWS */
		return;
	}
	/* Acceptable? RFC 9293 section 3.10.7.4 */
	if (!(p.flags & TCP_SYN) &&
	    ((int32_t)(seq + p.payload_bytes + !!(p.flags & TCP_FIN) - end->rcv_nxt) < 0 ||
	     (int32_t)(seq - end->edge_told) > 0)) {
		end->ack_now = true;
		return;
	}
	if ((int32_t)(seq - end->rcv_nxt) <= 0 && s->o->timestamps)
		end->ts_recent = o.ts_val;
	if (p.flags & TCP_ACK)
		take_ack(s, side, &p, has_text);
	if (has_text && !(p.flags & TCP_SYN))
		take_text(s, side, &p);
}

/* The box ------------------------------------------------------------------------------- */

/* Does what a network card does if segmentation and checksums are left to it. The packet's checksum
 * field holds the sum of the pseudo header, with the length of the whole. */
static void card_transmit(struct sim *s, enum engine_side end, const uint8_t *packet, size_t len,
			  uint32_t segment)
{
	size_t ip = s->o->ipv6 ? 40 : 20, headers;
	uint32_t payload, seq, pseudo;
	uint8_t bytes[PACKET_MAX];

	if (len < ip + 20) {
		fail(s, "a packet is not a TCP segment");
		return;
	}
	headers = ip + (size_t)(packet[ip + 12] >> 4) * 4;
	payload = (uint32_t)(len - headers);
	seq = bytes_get32(packet + ip + 4);
	pseudo = bytes_get16(packet + ip + 16);
	if (segment == 0)
		segment = payload;
	for (uint32_t at = 0, n; at == 0 || at < payload; at += n) {
		n = payload - at < segment ? payload - at : segment;
		memcpy(bytes, packet, headers);
		memcpy(bytes + headers, packet + headers + at, n);
		if (s->o->ipv6) {
			bytes_put16(bytes + 4, (uint16_t)(headers - ip + n));
		} else {
			bytes_put16(bytes + 2, (uint16_t)(headers + n));
			bytes_put16(bytes + 10, 0);
			bytes_put16(bytes + 10, plain_sum(bytes, 20, 0));
		}
		bytes_put32(bytes + ip + 4, seq + at);
		if (at + n < payload)
			bytes[ip + 13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
		bytes_put16(bytes + ip + 16, 0);
		bytes_put16(bytes + ip + 16, plain_sum(bytes + ip, headers - ip + n,
						       pseudo + 0xffff - (payload - n)));
		transmit(s, ARRIVES_AT_END, end, bytes, headers + n);
		if (n == 0)
			break;
	}
}

static void box_output(struct sim *s)
{
	struct engine_emit emit;
	uint8_t bytes[PACKET_MAX], client[32];
	const char *wrong;

	addresses(s, CLIENT, client);
	while (engine_next(s->engine, &emit)) {
		enum engine_side end;
		size_t at = 0;

		for (size_t i = 0; i < emit.parts; at += emit.part[i++].bytes)
			memcpy(bytes + at, emit.part[i].data, emit.part[i].bytes);
		end = memcmp(emit.destination, client, s->o->ipv6 ? 16 : 4) == 0 ? CLIENT : SERVER;
		if (s->o->offload)
			card_transmit(s, end, bytes, at, emit.segment_bytes);
		else
			transmit(s, ARRIVES_AT_END, end, bytes, at);
	}
	wrong = engine_wrong(s->engine);
	if (wrong)
		fail(s, wrong);
}

static void arrive_at_box(struct sim *s, enum engine_side from, uint8_t *bytes, size_t len)
{
	enum engine_verdict verdict = engine_input(s->engine, s->now_ns, bytes, &len, 0);

	if (verdict != VERDICT_DROP)
		transmit(s, ARRIVES_AT_END, engine_other(from), bytes, len);
	box_output(s);
}

/* The program is killed, so its end sends a RST. */
static void abort_end(struct sim *s, enum engine_side side)
{
	send_packet(s, side, TCP_RST | TCP_ACK, s->end[side].max, 0);
	s->end[side].life = ABORTED;
	s->result->aborted = true;
}

/* Every 10 ms the programs read and write, and the timers of the ends are checked. */
static void tick(struct sim *s)
{
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		struct sim_end *end = &s->end[side];
		uint32_t before = window_of(s, side);
		uint32_t least = s->o->buffer[side] < 2 * s->o->mss[side] ? s->o->buffer[side] / 2
									  : s->o->mss[side];

		if ((!end->synced && side == SERVER) || end->life != ALIVE)
			continue;
		if (s->o->abort_ns[side] != 0 && s->now_ns >= s->o->abort_ns[side] &&
		    end->una > 0 && !is_closed(s, side)) {
			abort_end(s, side);
			continue;
		}
		if (end->rcv_nxt > end->read) {
			uint32_t left = end->rcv_nxt - end->read;

			end->read += left < s->o->reads[side] ? left : s->o->reads[side];
			if (before < least && window_of(s, side) >= least)
				end->ack_now = true;
		}
		if (s->o->opens_ns[side] > 0 && s->now_ns >= s->o->opens_ns[side] &&
		    s->now_ns < s->o->opens_ns[side] + 10 * NS_PER_MS)
			end->ack_now = true;
		if (s->now_ns % s->o->write_gap_ns < 10 * NS_PER_MS)
			write_more(s, side);
		if (end->nxt == 0 && side == CLIENT)
			pump(s, side);
		if (end->nxt > end->una && s->now_ns >= end->rto_at_ns) {
			end->nxt = end->una;
			end->cwnd = 1;
			end->rto_ns = end->rto_ns * 2 < RTO_MAX_NS ? end->rto_ns * 2 : RTO_MAX_NS;
		}
		pump(s, side);
	}
}

static void start(struct sim *s)
{
	struct engine_config config;
	struct engine_policy *policy;
	struct error error;

	engine_config_init(&config);
	policy = &config.rules.policy[0];
	policy->faults = 0;
	policy->direction = s->o->direction;
	policy->segment_size = s->o->segment_size;
	config.window_bytes = s->o->window_bytes;
	config.offload = s->o->offload;
	config.flows_max = 4;
	config.memory_bytes = 1 << 20;
	if (!faultspec_add(policy, s->o->fault, &error) || engine_create(&s->engine, &config) < 0)
		abort();
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		struct sim_end *end = &s->end[side];

		for (uint32_t i = 0; i < s->o->writes[side]; i++)
			end->total += s->o->write[side][i];
		end->isn = (uint32_t)next_random(&s->random);
		if (chance(&s->random, 0.3))	/* about to wrap */
			end->isn = UINT32_MAX - below(&s->random, end->total + 2);
		end->segments = calloc(SEGMENTS_MAX, sizeof(*end->segments));
		end->cwnd = 10;
		end->rto_ns = RTO_FIRST_NS;
	}
	for (unsigned side = CLIENT; side <= SERVER; side++)
		s->end[side].have = calloc(s->end[engine_other(side)].total + 4, sizeof(bool));
}

/* What is checked every 10 ms. Returns true once all is over. */
static bool look(struct sim *s)
{
	struct sim_result *result = s->result;

	if (!result->done && end_is_done(s, CLIENT) && end_is_done(s, SERVER)) {
		result->done = true;
		result->time_ns = s->now_ns;
	}
	engine_get_stats(s->engine, &result->stats);
	if ((result->done || result->aborted) && result->stats.flows_active == 0 &&
	    s->in_flight == 0)
		return true;
	if (s->o->drain_ns != 0 && !s->drained && s->now_ns >= s->o->drain_ns) {
		s->drained = true;
		engine_drain(s->engine, s->now_ns);
		box_output(s);
	}
	tick(s);
	add_event(s, (struct event){ .at_ns = s->now_ns + 10 * NS_PER_MS, .kind = TICK });
	return false;
}

/* An end gets a packet, and answers. */
static void end_gets(struct sim *s, const struct event *e)
{
	struct sim_end *end = &s->end[e->end];

	trace(s, "gets", e->end, e->bytes, e->len);
	arrive_at_end(s, e->end, e->bytes, e->len);
	if (end->life != ALIVE)
		return;
	if (!is_closed(s, e->end) && end->synced &&
	    (e->end == CLIENT || s->end[SERVER].una > 0 || s->end[SERVER].nxt == 0))
		pump(s, e->end);
	if (end->ack_now && end->una > 0)
		send_packet(s, e->end, TCP_ACK, end->max, 0);
	end->ack_now = false;
}

void sim_run(const struct sim_options *o, struct sim_result *result)
{
	struct sim *s = calloc(1, sizeof(*s));
	bool over = false;

	memset(result, 0, sizeof(*result));
	s->o = o;
	s->result = result;
	s->random = o->seed;
	s->now_ns = 1000 * NS_PER_MS;
	start(s);
	add_event(s, (struct event){ .at_ns = s->now_ns, .kind = TICK });
	while (!result->error && !over && s->now_ns < o->limit_ns) {
		uint64_t deadline = engine_deadline(s->engine);
		struct event e;

		if (deadline < s->events[0].at_ns) {
			s->now_ns = deadline > s->now_ns ? deadline : s->now_ns;
			engine_expire(s->engine, s->now_ns);
			box_output(s);
			continue;
		}
		e = take_event(s);
		s->now_ns = e.at_ns;
		switch (e.kind) {
		case TICK:
			over = look(s);
			break;
		case ARRIVES_AT_BOX:
			arrive_at_box(s, e.end, e.bytes, e.len);
			break;
		case ARRIVES_AT_END:
			end_gets(s, &e);
			break;
		}
		free(e.bytes);
	}
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		struct sim_end *sink = &s->end[engine_other(side)];

		result->delivered[side] = sink->rcv_nxt > 0 ? sink->rcv_nxt - 1 : 0;
		if (result->delivered[side] > s->end[side].total)
			result->delivered[side] = s->end[side].total;
	}
	engine_get_stats(s->engine, &result->stats);
	if (!result->done)
		result->time_ns = s->now_ns;
	while (s->events_count > 0)
		free(take_event(s).bytes);
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		free(s->end[side].segments);
		free(s->end[side].have);
	}
	engine_destroy(s->engine);
	free(s);
}

/* Makes the ends and paths behave as badly as they may. */
static void make_hard(struct sim_options *o, uint64_t *r)
{
	uint32_t headers = o->ipv6 ? 60 : 40, least = o->ipv6 ? 1280 : 120;

	for (unsigned side = CLIENT; side <= SERVER; side++) {
		if (chance(r, 0.3))
			o->reneges[side] = below(r, 201) / 1000.0;
		if (chance(r, 0.2))
			o->forgets[side] = below(r, 501) / 1000.0;
		if (chance(r, 0.2))
			o->opens_ns[side] = 1000 * NS_PER_MS + below(r, 3000) * NS_PER_MS;
		if (chance(r, 0.2))
			o->buffer[side] = (2u << o->window_shift) + 40 + below(r, 1000);
		/* The ends do not discover path MTUs: only packets from the box may be too big. */
		if (chance(r, 0.2) && o->drain_ns == 0 &&
		    (o->direction & (1 << engine_other(side))) && headers + o->mss[side] > least)
			o->path_bytes[side] = least + below(r, headers + o->mss[side] - least);
	}
	o->silent = chance(r, 0.3);
}

void sim_random(struct sim_options *o, uint64_t seed)
{
	static const enum engine_direction directions[] = { DIRECTION_C2S, DIRECTION_S2C,
							    DIRECTION_BOTH };
	uint64_t r = seed ^ UINT64_C(0x5eed);

	memset(o, 0, sizeof(*o));
	o->seed = seed;
	o->fault = "none";
	o->direction = directions[below(&r, 3)];
	o->segment_size = chance(&r, 0.5) ? 512 : 1 + below(&r, 1500);
	o->window_bytes = chance(&r, 0.5)
				  ? STREAM_WINDOW_MAX
				  : ENGINE_WINDOW_MIN +
					    below(&r, STREAM_WINDOW_MAX - ENGINE_WINDOW_MIN);
	o->ipv6 = chance(&r, 0.5);
	o->timestamps = chance(&r, 0.5);
	o->sack = chance(&r, 0.5);
	o->window_shift = (uint8_t)below(&r, 8);
	o->loss = below(&r, 201) / 1000.0;
	o->repeat = below(&r, 201) / 1000.0;
	o->reorder = below(&r, 201) / 1000.0;
	o->delay_ns = (1 + below(&r, 40)) * NS_PER_MS;
	o->write_gap_ns = (1 + below(&r, 10)) * 10 * NS_PER_MS;
	o->limit_ns = UINT64_C(7200) * 1000 * NS_PER_MS;
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		uint32_t most = chance(&r, 0.3) ? 20 : 3000;

		o->mss[side] = 88 + below(&r, 1373);
		o->buffer[side] = chance(&r, 0.3) ? o->mss[side] + below(&r, 2000) : 65000;
		o->reads[side] = chance(&r, 0.3) ? 100 + below(&r, 1000) : 1 << 20;
		o->writes[side] = below(&r, 60);
		for (uint32_t i = 0; i < o->writes[side]; i++)
			o->write[side][i] = 1 + below(&r, most);
	}
	o->offload = chance(&r, 0.3);
	if (chance(&r, 0.3))
		o->rate = 20000 + below(&r, 1000000);
	if (chance(&r, 0.2))
		o->drain_ns = 1000 * NS_PER_MS + below(&r, 6000) * NS_PER_MS;
	if (chance(&r, 0.2)) {
		o->abort_ns[below(&r, 2)] = 1000 * NS_PER_MS + below(&r, 5000) * NS_PER_MS;
		/* The RST may be lost, with nobody left to ask for another: allow longer than the
		 * box waits. */
		o->limit_ns = UINT64_C(8000) * 1000 * NS_PER_MS;
	}
	make_hard(o, &r);
}
