/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "box.h"

/*
 * The relay toward the source: a TCP receiver (RFC 9293 section 3.10.7.4) that
 * acknowledges in the sink's name, and the place where data is cut
 *
 * Cutting happens once, when data arrives, and never waits for the sink: so what a
 * fault sees depends on the stream and its arrivals only, not on how fast the sink
 * reads.
 */

uint64_t receive_edge(const struct engine *e, const struct relay *r)
{
	return r->snd_una + e->config.window_bytes;
}

/* Full pieces, then what is left. */
static uint32_t cut_policy(uint32_t pending, uint32_t segment_size)
{
	return pending < segment_size ? pending : segment_size;
}

static void cut(struct engine *e, struct flow *f, enum engine_side source, struct stream *s,
		bool push)
{
	struct relay *r = &f->relay[source];
	const struct fault *fault = e->config.fault;
	uint64_t start = r->cut_nxt;
	uint32_t pieces = 0, last = 0, pending;

	while ((pending = (uint32_t)(r->rcv_nxt - r->cut_nxt)) > 0) {
		uint32_t bytes = cut_policy(pending, r->segment_size);

		if (fault->cut)
			bytes = fault->cut(pending, r->segment_size, bytes);
		if (bytes == 0)
			break;
		if (r->stalled) {
			report_resume(e, f, source);
			r->stalled = false;
		}
		stream_cut(s, bytes, pieces > 0 && last == r->segment_size);
		r->cut_nxt += bytes;
		last = bytes;
		pieces++;
	}
	if (pieces > 0) {
		if (push && pending == 0)
			stream_push(s);
		report_cut(e, f, source, start, (uint32_t)(r->cut_nxt - start), pieces, last);
	}
	if (pending > 0 && !r->stalled) {
		r->stalled = true;
		e->stats.stalls++;
		report_stall(e, f, source);
	}
}

void receive_waiting(struct engine *e, struct flow *f, enum engine_side source)
{
	struct relay *r = &f->relay[source];
	struct stream *s = box_stream(e, r);
	struct arrival a;

	while (s && stream_can_cut(s) && stream_take_waiting(s, r->rcv_nxt, &a)) {
		r->rcv_nxt += a.bytes;
		r->ack_owed = true;
		e->stats.orphaned_bytes += a.bytes;
		report_arrival(e, f, source, a.start, a.bytes);
		cut(e, f, source, s, a.push);
	}
	if (r->fin != 0 && r->rcv_nxt == r->fin) {
		r->rcv_nxt++;
		r->ack_owed = true;
	}
}

void receive_end_if_empty(struct engine *e, struct relay *r)
{
	struct stream *s = box_stream(e, r);

	if (!s || s->waiting_count > 0 || box_orphaned(r) > 0)
		return;
	stream_end(s, &e->pool);
	pool_give(&e->pool, r->stream);
	r->stream = POOL_NONE;
}

static void store(struct engine *e, struct relay *r, uint64_t offset, const uint8_t *data,
		  uint32_t bytes, bool push)
{
	if (r->stream == POOL_NONE) {
		r->stream = pool_take(&e->pool);
		if (r->stream == POOL_NONE) {
			e->stats.refused_arrivals++;
			return;
		}
		stream_begin(box_stream(e, r), r->cut_nxt);
	}
	if (stream_store(box_stream(e, r), &e->pool, offset, data, bytes, push) < 0)
		e->stats.refused_arrivals++;
}

bool receive_segment(struct engine *e, struct flow *f, enum engine_side source, uint64_t offset,
		     const uint8_t *data, uint32_t bytes, bool fin, bool push)
{
	struct relay *r = &f->relay[source];
	uint64_t end = offset + bytes, edge = receive_edge(e, r);

	/*
	 * Not acceptable: wholly before rcv_nxt (an old duplicate, or a
	 * keep-alive, whose one octet is no data: RFC 1122 section 4.2.3.6), or
	 * wholly behind the window. An ACK says where we are.
	 */
	if (end + fin < r->rcv_nxt || (end + fin == r->rcv_nxt && (bytes > 0 || fin)) ||
	    offset > edge || (offset == edge && bytes > 0)) {
		r->ack_owed = true;
		return false;
	}
	if (bytes == 0 && !fin)
		return true;
	r->ack_owed = true;

	/* Only the part inside the window, and nothing behind the FIN. */
	if (end > edge) {
		end = edge;
		fin = false;
	}
	if (r->fin != 0 && end > r->fin)
		end = r->fin;
	if (offset < r->rcv_nxt && end > r->rcv_nxt) {
		data += r->rcv_nxt - offset;
		offset = r->rcv_nxt;
	}
	if (fin && r->fin == 0)
		r->fin = end;
	if (offset >= r->rcv_nxt && end > offset)
		store(e, r, offset, data, (uint32_t)(end - offset), push);
	receive_waiting(e, f, source);
	receive_end_if_empty(e, r);
	return true;
}

size_t receive_sack_blocks(const struct engine *e, const struct flow *f, enum engine_side source,
			   struct sack_block *blocks, size_t max)
{
	const struct stream *s = box_stream(e, &f->relay[source]);
	uint32_t isn = f->end[source].isn;
	size_t count = 0, newest = 0;

	if (s && s->waiting_count > 0 && s->waiting[0].start == f->relay[source].rcv_nxt)
		return 0;	/* in order: it waits for room, not for a hole to be filled */
	for (size_t i = 0; s && i < s->waiting_count; i++) {
		const struct arrival *a = &s->waiting[i];
		uint32_t left = seq_narrow(isn, a->start);
		uint32_t right = left + a->bytes;

		if (count > 0 && blocks[count - 1].right == left) {
			blocks[count - 1].right = right;
		} else if (count < max) {
			blocks[count++] = (struct sack_block){ left, right };
		} else if (a->start <= s->newest) {
			/* All places are taken by older ones. */
			blocks[count - 1] = (struct sack_block){ left, right };
		} else {
			break;
		}
		if (a->start <= s->newest)
			newest = count - 1;
	}
	if (newest > 0) {
		struct sack_block first = blocks[newest];

		blocks[newest] = blocks[0];
		blocks[0] = first;
	}
	return count;
}
