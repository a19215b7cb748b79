/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receive.h"

#include "faults.h"
#include "observe.h"

#include <string.h>

/*
 * The relay toward the source: a TCP receiver (RFC 9293 section 3.10.7.4) that
 * acknowledges in the sink's name, and the place where data is cut
 *
 * Data is cut once, when it arrives, and cutting never waits for the sink. So what a fault sees
 * depends only on the stream and its arrivals, not on how fast the sink reads.
 */

_Static_assert(sizeof(struct transit) <= POOL_PAGE_BYTES,
	       "what is under way is one page of the pool");

uint64_t receive_edge(const struct engine *e, const struct relay *r)
{
	/* While draining, take what was promised and nothing more, so that in the end the source
	 * has sent nothing that the sink cannot take. */
	return e->draining ? relay_edge(r) : r->snd_una + e->config.window_bytes;
}

void receive_cut(struct engine *e, struct flow *f, enum engine_side source, bool push)
{
	const struct relay *r = &f->relay[source];
	struct transit *t = box_transit(e, r);
	uint64_t start = t->cut_nxt;
	uint32_t pieces = 0, last = 0, pending;
	uint32_t arrived = (uint32_t)(box_data_end(r) - start);

	while ((pending = (uint32_t)(box_data_end(r) - t->cut_nxt)) > 0) {
		uint32_t bytes = faults_cut(e, f, source, pending, arrived, push);

		if (bytes == 0)
			break;
		if (t->stalled) {
			observe_resume(e, f, source);
			t->stalled = false;
		}
		stream_cut(&t->stream, t->segment_size, bytes);
		t->cut_nxt += bytes;
		last = bytes < t->segment_size ? bytes : t->segment_size;
		pieces += (bytes + last - 1) / last;
	}
	if (pieces > 0) {
		if (push && pending == 0)
			stream_push(&t->stream);
		observe_cut(e, f, source, start, (uint32_t)(t->cut_nxt - start), pieces, last);
	}
	t->stalled_push = push;
	if (pending > 0 && !t->stalled) {
		t->stalled = true;
		e->stats.stalls++;
		observe_stall(e, f, source);
	}
}

/* Takes in what arrived, which is next in order and stored. */
static void deliver(struct engine *e, struct flow *f, enum engine_side source, uint32_t bytes,
		    bool push)
{
	struct relay *r = &f->relay[source];
	uint64_t start = r->rcv_nxt;

	r->rcv_nxt += bytes;
	if (r->arrivals < UINT16_MAX)
		r->arrivals++;
	e->stats.orphaned_bytes += bytes;
	observe_arrival(e, f, source, start, bytes);
	receive_cut(e, f, source, push);
}

/* The relay's struct transit, made if there is none; NULL: the pool has no page. */
static struct transit *need_transit(struct engine *e, struct flow *f, enum engine_side source)
{
	struct relay *r = &f->relay[source];
	struct transit *t = box_transit(e, r);

	if (t)
		return t;
	r->transit = pool_take(&e->pool);
	t = box_transit(e, r);
	if (!t)
		return NULL;
	memset(t, 0, offsetof(struct transit, stream));
	t->cut_nxt = t->snd_nxt = t->snd_max = r->rcv_nxt;
	t->recover = r->recovered ? r->rcv_nxt : r->rcv_nxt - 1;
	t->segment_size = box_segment_size(e, f, source);
	stream_begin(&t->stream, r->rcv_nxt);
	return t;
}

void receive_waiting(struct engine *e, struct flow *f, enum engine_side source)
{
	struct relay *r = &f->relay[source];
	struct stream *s = box_stream(e, r);
	struct arrival a;

	while (s && stream_take_waiting(s, &e->pool, r->rcv_nxt, &a)) {
		r->ack_owed = true;
		deliver(e, f, source, a.bytes, a.push);
	}
	if (!r->fin_seen || r->rcv_nxt != relay_fin(r))
		return;
	if (!need_transit(e, f, source)) {
		e->stats.refused_arrivals++;
		return;
	}
	r->ack_owed = true;
	r->rcv_nxt++;
}

void receive_end(struct engine *e, struct relay *r)
{
	if (r->transit == POOL_NONE)
		return;
	stream_end(box_stream(e, r), &e->pool);
	pool_give(&e->pool, r->transit);
	r->transit = POOL_NONE;
}

void receive_end_if_empty(struct engine *e, struct relay *r)
{
	const struct transit *t = box_transit(e, r);

	if (!t || t->stream.waiting_count > 0 || r->snd_una < r->rcv_nxt)
		return;
	r->recovered = t->recover == r->snd_una;
	receive_end(e, r);
}

/* Takes octets that begin at rcv_nxt, up to the first that is already waiting. Returns how many; 0:
 * there is no room for them. */
static uint32_t take_in_order(struct engine *e, struct flow *f, enum engine_side source,
			      struct stream *s, const uint8_t *data, uint32_t bytes, bool push)
{
	struct relay *r = &f->relay[source];

	if (s->waiting_count > 0) {
		struct arrival next = stream_waiting(s, &e->pool, 0);

		if (next.start - r->rcv_nxt < bytes) {
			bytes = (uint32_t)(next.start - r->rcv_nxt);
			push = false;
		}
	}
	if (stream_store(s, &e->pool, r->rcv_nxt, data, bytes) < 0) {
		/* Data in order comes first: what is waiting was not acknowledged, and a receiver
		 * may discard data that it has reported by SACK (RFC 2018 section 8). */
		stream_forget_waiting(s, &e->pool, r->rcv_nxt);
		if (stream_store(s, &e->pool, r->rcv_nxt, data, bytes) < 0)
			return 0;
	}
	deliver(e, f, source, bytes, push);
	return bytes;
}

bool receive_is_short(const struct engine *e)
{
	return e->pool.used >= e->pool.pages - e->pool.pages / 4;
}

static void store(struct engine *e, struct flow *f, enum engine_side source, uint64_t offset,
		  const uint8_t *data, uint32_t bytes, bool push)
{
	struct relay *r = &f->relay[source];
	struct transit *t = need_transit(e, f, source);
	struct stream *s = t ? &t->stream : NULL;
	uint64_t end = offset + bytes;

	if (s && offset > r->rcv_nxt) {
		if (receive_is_short(e) || stream_wait(s, &e->pool, offset, data, bytes, push) < 0)
			e->stats.refused_arrivals++;
		return;
	}
	while (s && offset < end) {
		uint32_t n = take_in_order(e, f, source, s, data, (uint32_t)(end - offset), push);

		if (n == 0)
			break;
		receive_waiting(e, f, source);
		n = (uint32_t)(r->rcv_nxt - offset);
		data += n;
		offset += n;
	}
	if (offset < end)
		e->stats.refused_arrivals++;
}

bool receive_acceptable(const struct engine *e, const struct relay *r, uint64_t offset,
			uint32_t bytes, bool fin)
{
	uint64_t end = offset + bytes + fin, edge = receive_edge(e, r);

	/* A source that has probed a closed window counts that octet as sent, so its ACKs are
	 * numbered one past the edge; accept them (RFC 9293 section 3.10.7.4). */
	if (bytes == 0 && !fin)
		return offset >= r->rcv_nxt && offset <= edge + 1;
	return end > r->rcv_nxt && (offset < edge || (offset == edge && bytes == 0));
}

/* Has anything arrived that lies past a FIN at this offset? Then either that or the FIN is not the
 * source's. */
static bool has_data_behind(const struct engine *e, const struct relay *r, uint64_t offset)
{
	const struct stream *s = box_stream(e, r);
	struct arrival last;

	if (r->rcv_nxt > offset)
		return true;
	if (!s || s->waiting_count == 0)
		return false;
	last = stream_waiting(s, &e->pool, s->waiting_count - 1u);
	return last.start + last.bytes > offset;
}

/* One arrival: bytes octets from offset on, then perhaps a FIN. */
static void receive_arrival(struct engine *e, struct flow *f, enum engine_side source,
			    uint64_t offset, const uint8_t *data, uint32_t bytes, bool fin,
			    bool push)
{
	struct relay *r = &f->relay[source];
	uint64_t first = offset, end = offset + bytes, edge = receive_edge(e, r);
	bool is_last = false;

	if (bytes == 0 && !fin)
		return;
	r->ack_owed = true;

	/* Only the part inside the window, and nothing after the FIN. */
	if (end > edge) {
		end = edge;
		fin = false;
	}
	if (r->fin_seen && end > relay_fin(r))
		end = relay_fin(r);
	if (offset < r->rcv_nxt && end > r->rcv_nxt) {
		data += r->rcv_nxt - offset;
		offset = r->rcv_nxt;
	}
	if (fin && !r->fin_seen && !has_data_behind(e, r, end)) {
		r->fin_low = (uint32_t)end;
		r->fin_seen = is_last = true;
	}
	if (is_last && need_transit(e, f, source))
		box_transit(e, r)->fin_segment = first;
	if (offset >= r->rcv_nxt && end > offset)
		store(e, f, source, offset, data, (uint32_t)(end - offset), push);
	receive_waiting(e, f, source);
	receive_end_if_empty(e, r);
}

void receive_packet(struct engine *e, struct flow *f, enum engine_side source, uint64_t offset,
		    const struct packet *p)
{
	bool is_one = !p->joined || box_policy(e, f)->arrival == ARRIVAL_BURST;
	uint32_t left = p->payload_bytes;
	uint32_t most = is_one ? UINT32_MAX : box_wire_segment(f, source, p);
	const uint8_t *data = p->payload;

	for (; left > most; left -= most, data += most, offset += most)
		receive_arrival(e, f, source, offset, data, most, false, false);
	receive_arrival(e, f, source, offset, data, left, p->flags & TCP_FIN, p->flags & TCP_PSH);
}

bool receive_has_holes(const struct engine *e, const struct relay *r)
{
	const struct stream *s = box_stream(e, r);

	return s && s->waiting_count > 0;
}

size_t receive_sack_blocks(const struct engine *e, const struct flow *f, enum engine_side source,
			   struct sack_block *blocks, size_t max)
{
	const struct relay *r = &f->relay[source];
	const struct stream *s = box_stream(e, r);
	size_t count = 0, newest = 0;

	if (!receive_has_holes(e, r))
		return 0;
	for (unsigned i = 0; i < s->waiting_count; i++) {
		struct arrival a = stream_waiting(s, &e->pool, i);
		uint32_t left = seq_narrow(f->end[source].isn, a.start);
		uint32_t right = left + a.bytes;

		if (count > 0 && blocks[count - 1].right == left)
			blocks[count - 1].right = right;
		else if (count < max)
			blocks[count++] = (struct sack_block){ left, right };
		else if (a.start <= s->newest)	/* full, but the newest must be reported */
			blocks[count - 1] = (struct sack_block){ left, right };
		else
			break;
		if (a.start <= s->newest)
			newest = count - 1;
	}
	if (newest > 0) {
		struct sack_block first = blocks[newest];

		blocks[newest] = blocks[0];
		blocks[0] = first;
	}
	return count;
}
