/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "send.h"

#include "congestion.h"
#include "emit.h"
#include "faults.h"
#include "observe.h"
#include "receive.h"
#include "rto.h"

/*
 * The relay toward the sink: a TCP sender in the source's name
 *
 * RFC 9293 section 3.8.6 (window, zero window); rto.c has the retransmission timer, congestion.c
 * how much may be in flight. The relay sends whole pieces, as they were cut; SMSS is S. After a
 * timeout snd_nxt goes back to snd_una, and what the sink lacks is sent again in the same pieces,
 * as the window opens.
 */

/* RFC 9293 section 3.8.3: R2 of at least 100 s. The sink is given up at the timeout after this
 * many in a row: if the first takes 200 ms, after more than 8 minutes. */
#define TIMEOUTS_MAX 15
/* The least that a path may be reported to carry: RFC 791, RFC 8200 section 5. */
#define MTU_MIN_IPV4 68
#define MTU_MIN_IPV6 1280
#define MSS_MIN_IPV4 (MTU_MIN_IPV4 - 40)
/* What nearly every path carries: RFC 1122 section 3.3.3; every IPv6 path must. */
#define MSS_SURE_IPV4 (576 - 40)
#define MSS_SURE_IPV6 (MTU_MIN_IPV6 - 60)
/* If the timer goes off again after this many timeouts in a row, a smaller piece is tried. With a
 * first timeout of 200 ms that is after 1.4 s; for a size that nearly every path carries, 25 s. */
#define TIMEOUTS_TOO_BIG 2
#define TIMEOUTS_TOO_BIG_SURE 6
/* After this many timeouts in a row it is worth reporting that nobody answers: 13 s with a first
 * timeout of 200 ms, a minute with one of a second. */
#define TIMEOUTS_UNANSWERED 6
/* One segment may fill a window of this size or less. Linux: TCP_MSS_DEFAULT. */
#define WINDOW_SMALL 536
/* The delay before resending what a sink has reported by SACK but seems to have discarded: its ACKs
 * may have been reordered. */
#define RENEGE_DELAY_MS 10

/* Is all data cut, so that the FIN may be sent after it? */
static bool fin_is_due(const struct relay *r, const struct transit *t)
{
	return box_has_fin(r) && t->cut_nxt == relay_fin(r);
}

/* The offset after the last thing that could be sent. */
static uint64_t sendable_end(const struct relay *r, const struct transit *t)
{
	return t->cut_nxt + fin_is_due(r, t);
}

/* The last window reported to the source may have held it up: send an update once a good part has
 * opened (RFC 9293 section 3.8.6.2.2). */
static void window_update(const struct engine *e, struct flow *f, enum engine_side source)
{
	struct relay *r = &f->relay[source];
	enum engine_side sink = engine_other(source);
	uint64_t most = (uint64_t)UINT16_MAX << f->end[sink].window_shift;
	uint64_t window = (uint64_t)emit_window(e, f, sink) << f->end[sink].window_shift;
	uint64_t told = relay_edge(r) > r->rcv_nxt ? relay_edge(r) - r->rcv_nxt : 0;

	if (most > e->config.window_bytes)
		most = e->config.window_bytes;
	/* After its FIN the source needs no window and may be gone; an update could draw a RST. */
	if (box_has_fin(r))
		return;
	if (told < most / 2 && window > told && window - told >= most / 4)
		r->ack_owed = true;
	/* If most of the buffer stays full, a good part may never open: report room for one
	 * segment. */
	if (told == 0 && window >= f->end[sink].mss)
		r->ack_owed = true;
}

/* Has the sink discarded what it had reported by SACK (RFC 2018 section 8)? Its ACK ends where such
 * octets begin; if it still had them, it would have acknowledged them. */
static bool has_reneged(const struct relay *r, const struct transit *t)
{
	return stream_skip_sacked(&t->stream, r->snd_una) != r->snd_una;
}

bool send_sacked(struct engine *e, struct flow *f, enum engine_side source, const struct tcpopt *o)
{
	const struct relay *r = &f->relay[source];
	struct transit *t = box_transit(e, r);
	bool news = false;

	if (!t || !f->sack)
		return false;
	for (size_t i = 0; i < o->sack_count; i++) {
		uint64_t left = seq_widen(f->end[source].isn, o->sack[i].left, r->snd_una);
		uint64_t right = seq_widen(f->end[source].isn, o->sack[i].right, r->snd_una);

		/* Skip blocks below snd_una, which are D-SACKs (RFC 2883), and blocks of what was
		 * not sent. */
		if (left > r->snd_una && left < right && right <= t->snd_max)
			news |= stream_sack(&t->stream, left, right);
	}
	return news;
}

static void move_una(struct engine *e, struct relay *r, uint64_t ack)
{
	e->stats.orphaned_bytes -= box_orphaned(r);
	r->snd_una = ack;
	e->stats.orphaned_bytes += box_orphaned(r);
}

void send_is_acked(struct engine *e, struct flow *f, enum engine_side source, uint64_t ack)
{
	struct relay *r = &f->relay[source];

	if (ack > r->snd_una)
		move_una(e, r, ack);
}

void send_acked(struct engine *e, struct flow *f, enum engine_side source, uint64_t ack,
		bool duplicate)
{
	struct relay *r = &f->relay[source];
	struct transit *t = box_transit(e, r);
	uint32_t acked;

	if (!t)
		return;
	if (ack == r->snd_una) {
		const struct endpoint *sink = &f->end[engine_other(source)];

		/* The sink is alive, so its window may stay closed as long as it likes (RFC 9293
		 * section 3.8.6.1). Once it is open, the wait is over. */
		if ((relay_flight(r, t) == 0 || sink->window == 0) && t->backoff > TIMEOUTS_MAX / 2)
			t->backoff = TIMEOUTS_MAX / 2;
		if (relay_flight(r, t) == 0 && flow_window_edge(f, source) > t->snd_nxt &&
		    !duplicate) {
			t->backoff = 0;
			t->timer_ns = 0;
		}
		if (duplicate && relay_flight(r, t) > 0)
			congestion_duplicate_ack(r, t);
		return;
	}
	if (ack < r->snd_una)
		return;

	acked = (uint32_t)(ack - r->snd_una);
	move_una(e, r, ack);
	if (t->snd_nxt < ack)
		t->snd_nxt = ack;
	if (t->timed_end != 0 && ack >= t->timed_end) {
		rto_measure(r, e->now_ns - t->timed_at_ns);
		t->timed_end = 0;
	}
	t->backoff = 0;
	t->dup_acks = 0;
	congestion_acked(e, r, t, ack, acked);
	t->timer_ns = 0;
	if (relay_flight(r, t) > 0)
		rto_start_timer(e, r, t);
	if (has_reneged(r, t))
		t->timer_ns = e->now_ns + RENEGE_DELAY_MS * NS_PER_MS;

	stream_release(&t->stream, &e->pool, ack < t->cut_nxt ? ack : t->cut_nxt);
	receive_waiting(e, f, source);
	receive_end_if_empty(e, r);
	window_update(e, f, source);
}

/* Notes that [offset, offset + octets) goes out now. */
static void sent(struct engine *e, struct relay *r, struct transit *t, uint64_t offset,
		 uint32_t octets)
{
	uint64_t end = offset + octets;

	r->sent_ms = e->now_ms;
	if (relay_flight(r, t) == 0 || t->timer_ns == 0)
		rto_start_timer(e, r, t);
	if (offset < t->snd_max) {
		e->stats.retransmissions++;
		t->timed_end = 0;	/* Karn's algorithm, RFC 6298 section 3 */
	} else if (t->timed_end == 0) {
		t->timed_end = end;
		t->timed_at_ns = e->now_ns;
	}
	if (end > t->snd_nxt)
		t->snd_nxt = end;
	if (end > t->snd_max)
		t->snd_max = end;
}

/* The most octets that an ordinary sender would put into one segment here: what the path carries,
 * and half of the widest window so far. Without that half, a sink that offers less than two
 * segments would get one only when its buffer is empty. Linux does the same
 * (tcp_bound_to_half_wnd()), so both sides of the box wait for the same windows. */
static uint32_t segment_max(const struct flow *f, enum engine_side source, const struct transit *t)
{
	const struct endpoint *sink = &f->end[engine_other(source)];
	uint8_t shift = relay_sink_is_new(&f->relay[source]) ? 0 : sink->window_shift;
	uint32_t widest = (uint32_t)sink->widest << shift;
	uint32_t most = box_path_max(f, source);

	if (widest > WINDOW_SMALL)
		widest /= 2;
	if (widest > 0 && widest < most)
		most = widest;
	return most < t->segment_size ? most : t->segment_size;
}

/* The piece or FIN at an offset before sendable_end(). If a piece is too large to be sent whole, a
 * part of it. */
static void piece_at(const struct flow *f, enum engine_side source, struct transit *t,
		     uint64_t offset, struct piece *out)
{
	uint32_t most = segment_max(f, source, t);

	*out = (struct piece){ .offset = offset };
	if (offset >= t->cut_nxt) {
		out->fin = true;
		return;
	}
	out->bytes = stream_piece(&t->stream, t->segment_size, offset, &out->push);
	/* If only a part of this was sent before, up to where a window ended, that part can be sent
	 * again, however little fits now. */
	if (offset < t->snd_max && offset + most > t->snd_max &&
	    offset + most > flow_window_edge(f, source))
		most = (uint32_t)(t->snd_max - offset);
	if (out->bytes > most) {
		out->bytes = most;
		out->push = false;
	}
}

bool send_next(struct engine *e, struct flow *f, enum engine_side source, struct piece *out)
{
	struct relay *r = &f->relay[source];
	struct transit *t = box_transit(e, r);
	uint32_t octets, out_bytes;

	if (!t)
		return false;
	if (t->probe_owed) {
		/* The number of an old octet and no data: the sink must answer such a segment with
		 * an ACK that shows its window (RFC 9293 section 3.10.7.4). So no piece needs to be
		 * cut smaller to probe. */
		t->probe_owed = false;
		*out = (struct piece){ .offset = r->snd_una - 1 };
		return true;
	}
	if (t->resend_owed) {
		uint64_t hole = congestion_next_hole(r, t);

		t->resend_owed = false;
		if (hole != 0) {
			piece_at(f, source, t, hole, out);
			out->again = true;
			sent(e, r, t, out->offset, out->bytes + out->fin);
			t->resend_nxt = hole + out->bytes + out->fin;
			return true;
		}
	}
	if (t->snd_nxt < t->snd_max)
		t->snd_nxt = stream_skip_sacked(&t->stream, t->snd_nxt);
	if (t->snd_nxt >= sendable_end(r, t))
		return false;
	piece_at(f, source, t, t->snd_nxt, out);
	out->again = t->snd_nxt < t->snd_max;
	octets = out->bytes + out->fin;
	out_bytes = (uint32_t)(t->snd_nxt - r->snd_una);
	if (relay_flight(r, t) == 0 && e->now_ms - r->sent_ms > rto_ms(r, t->backoff))
		congestion_restart(r, t);
	if (out_bytes > 0 && out_bytes + octets > r->cwnd)
		return false;
	if (out->offset + octets > flow_window_edge(f, source) &&
	    out->offset + octets > t->snd_max) {
		/* It does not fit. With nothing out, no ACK will come by itself. */
		if (relay_flight(r, t) == 0 && t->timer_ns == 0)
			rto_start_timer(e, r, t);
		return false;
	}
	sent(e, r, t, out->offset, octets);
	return true;
}

/* How many new octets may be sent now, at most max: full pieces of one run, but not its last piece,
 * as send_next() would return them one after the other. */
static uint32_t full_pieces(const struct flow *f, enum engine_side source, struct transit *t,
			    uint32_t max)
{
	const struct relay *r = &f->relay[source];
	uint64_t end = stream_run_end(&t->stream, t->snd_nxt) - 1;

	if (end > t->snd_nxt + max)
		end = t->snd_nxt + max;
	if (end > r->snd_una + r->cwnd)
		end = r->snd_una + r->cwnd;
	if (end > flow_window_edge(f, source))
		end = flow_window_edge(f, source);
	if (t->snd_nxt < t->snd_max || end <= t->snd_nxt)
		return 0;
	return (uint32_t)(end - t->snd_nxt) / t->segment_size * t->segment_size;
}

void send_train(struct engine *e, struct flow *f, enum engine_side source, struct piece *train,
		uint32_t max)
{
	struct relay *r = &f->relay[source];
	struct transit *t = box_transit(e, r);
	struct piece next = *train;

	if (segment_max(f, source, t) < t->segment_size)
		return;
	/* All but the last have the same length, and only the last may have PSH. */
	while (next.bytes == t->segment_size && !next.push && train->bytes + next.bytes <= max &&
	       t->snd_nxt == train->offset + train->bytes && t->snd_nxt < t->cut_nxt &&
	       stream_skip_sacked(&t->stream, t->snd_nxt) == t->snd_nxt && !t->resend_owed) {
		uint32_t bytes = full_pieces(f, source, t, max - train->bytes);

		if (bytes > 0)
			sent(e, r, t, t->snd_nxt, bytes);
		else if (send_next(e, f, source, &next))
			bytes = next.bytes;
		else
			break;
		train->bytes += bytes;
		train->push = next.push;
		train->unit = t->segment_size;
	}
}

/*
 * The window has been too small for the next piece for a whole timeout, and nothing is out. If the
 * window is open, send what fits and remember the cut: a sender must not wait forever for a window
 * that a small buffer cannot offer (RFC 9293 section 3.8.6.2.1). If it is closed, probe it.
 */
static void persist(const struct engine *e, const struct flow *f, enum engine_side source,
		    struct transit *t)
{
	uint64_t edge = flow_window_edge(f, source);

	if (t->backoff < TIMEOUTS_MAX)
		t->backoff++;
	if (edge > t->snd_nxt && t->snd_nxt < t->cut_nxt) {
		uint32_t fits = (uint32_t)(edge - t->snd_nxt);
		bool push;

		if (fits >= stream_piece(&t->stream, t->segment_size, t->snd_nxt, &push) ||
		    stream_split(&t->stream, t->segment_size, t->snd_nxt, fits) == 0)
			return;
	}
	t->probe_owed = true;
	rto_start_timer(e, &f->relay[source], t);
}

/* From now on the path to a sink is known to carry no more than this, with TCP options. */
static void limit_path(struct engine *e, struct flow *f, enum engine_side source, uint32_t most)
{
	f->path_mss[source] = (uint16_t)most;
	observe_path(e, f, source);
}

void send_too_big(struct engine *e, struct flow *f, enum engine_side source, uint64_t offset,
		  uint32_t mtu)
{
	const struct relay *r = &f->relay[source];
	struct transit *t = box_transit(e, r);
	uint32_t headers = (f->version == 4 ? 20 : 40) + TCP_HEADER_BYTES;
	uint32_t options = f->timestamps ? TCPOPT_TIMESTAMPS_BYTES : 0;
	uint32_t least = f->version == 4 ? MTU_MIN_IPV4 : MTU_MIN_IPV6;

	/* RFC 5927 section 4.1: believe it only about what is in flight and can be too big. */
	if (!t || offset < r->snd_una || offset >= t->snd_max || mtu < least ||
	    mtu >= headers + options + segment_max(f, source, t))
		return;
	limit_path(e, f, source, mtu - headers);
	/* What was in flight in larger segments is lost, but not because the network is loaded. */
	congestion_go_back(r, t);
}

/* A piece was sent in vain again and again: perhaps a router drops it for its size without
 * reporting it (RFC 8899 section 4.3, RFC 4821 section 7.7). A piece of a size that nearly every
 * path carries is given much longer. */
static void seek_path(struct engine *e, struct flow *f, enum engine_side source, struct transit *t)
{
	const struct relay *r = &f->relay[source];
	uint32_t sure = f->version == 4 ? MSS_SURE_IPV4 : MSS_SURE_IPV6, bytes;
	uint32_t options = f->timestamps ? TCPOPT_TIMESTAMPS_BYTES : 0;
	struct piece piece;

	/* A FIN is small, and a closed window takes nothing. */
	if (r->snd_una >= t->cut_nxt || f->end[engine_other(source)].window == 0)
		return;
	piece_at(f, source, t, r->snd_una, &piece);
	bytes = piece.bytes + options;
	if (bytes > sure && t->backoff >= TIMEOUTS_TOO_BIG)
		limit_path(e, f, source, sure);
	else if (f->version == 4 && bytes > MSS_MIN_IPV4 && t->backoff >= TIMEOUTS_TOO_BIG_SURE)
		limit_path(e, f, source, bytes / 2 > MSS_MIN_IPV4 ? bytes / 2 : MSS_MIN_IPV4);
}

bool send_timeout(struct engine *e, struct flow *f, enum engine_side source)
{
	struct relay *r = &f->relay[source];
	struct transit *t = box_transit(e, r);

	t->timer_ns = 0;
	if (relay_flight(r, t) == 0) {
		if (t->snd_nxt >= sendable_end(r, t))
			return true;
		if (t->backoff >= TIMEOUTS_MAX)
			return false;
		persist(e, f, source, t);
		return true;
	}
	if (t->backoff >= TIMEOUTS_MAX)
		return false;
	seek_path(e, f, source, t);
	congestion_timed_out(r, t);
	/* A sink may discard what it has reported by SACK (RFC 2018 section 8), so its report is
	 * forgotten at the second timeout in a row. */
	if (t->backoff > 0 || has_reneged(r, t))
		t->stream.sacked_count = 0;
	if (++t->backoff == TIMEOUTS_UNANSWERED && f->end[engine_other(source)].window > 0 &&
	    !faults_any_piece(e, f, source) && !faults_any_packet(e, f, engine_other(source)))
		e->stats.unanswered++;
	congestion_go_back(r, t);
	rto_start_timer(e, r, t);	/* even if nothing can be sent now: something is out */
	return true;
}
