/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/seq.h"
#include "core/tcpopt.h"
#include "core/units.h"
#include "replay/run.h"

#include <string.h>

#define DELAYED_ACK_NS (40 * NS_PER_MS)

/* Moves rcv_nxt past data beyond it that are now in order. */
static void close_holes(struct replay_end *end)
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

/* Keeps data that came out of order. If there are too many holes, it is lost, and comes again. */
static void keep_beyond(struct replay_end *end, uint64_t first, uint64_t after)
{
	size_t i = 0, joined;

	while (i < end->beyond_count && end->beyond[i].end < first)
		i++;
	for (joined = i; joined < end->beyond_count && end->beyond[joined].first <= after;
	     joined++) {
		first = end->beyond[joined].first < first ? end->beyond[joined].first : first;
		after = end->beyond[joined].end > after ? end->beyond[joined].end : after;
	}
	if (joined == i && end->beyond_count == HOLES_MAX)
		return;
	memmove(end->beyond + i + 1, end->beyond + joined,
		(end->beyond_count - joined) * sizeof(*end->beyond));
	end->beyond_count = end->beyond_count - (joined - i) + 1;
	end->beyond[i] = (struct range64){ first, after };
}

/* Is it a SYN with data, of which only the SYN is acknowledged? */
static bool has_syn_data(const struct captured *c, uint32_t ack)
{
	struct packet p;

	replay_view(c, &p);
	return (p.flags & TCP_SYN) && p.payload_bytes > 0 && ack == p.seq + 1;
}

void replay_end_opens(struct replay_end *end, bool is_syn)
{
	bool scaled = !is_syn && end->offered.present && end->got.present;
	uint64_t edge = end->acked + ((uint64_t)end->window << (scaled ? end->offered.shift : 0));

	end->edge = edge > end->edge ? edge : end->edge;
}

/* The next packet that this end sends, as it is in the capture. Returns false if there is none. */
static bool next_captured(const struct replay_pass *run, const struct replay_end *end,
			  struct packet *p)
{
	if (end->next == end->count)
		return false;
	replay_view(&run->r->captured[end->list[end->next]], p);
	return true;
}

/* What is sent past the window is dropped, and comes again; unless the capture shows that this end
 * took it, by what its next packet acknowledges. */
static uint64_t room_beyond(const struct replay_pass *run, const struct replay_end *end)
{
	struct packet p;
	uint64_t ack;

	if (!next_captured(run, end, &p))
		return end->edge;
	ack = seq_widen(end->isn, p.ack + end->shift, end->rcv_nxt);
	return (p.flags & TCP_ACK) && ack > end->edge ? ack : end->edge;
}

/* RFC 9293 section 3.10.7.3 and .4: a RST must acknowledge a SYN, or lie in the window. One that
 * comes before the end has answered a SYN is about an older connection. */
static bool believes_rst(const struct replay_end *end, const struct packet *p)
{
	uint64_t offset;

	if (!end->syn_seen)
		return !(p->flags & TCP_ACK) || p->ack == end->snd_nxt;
	offset = seq_widen(end->isn, p->seq, end->rcv_nxt);
	return end->syn_sent && offset + 1 >= end->rcv_nxt && offset <= end->edge;
}

/* Is its next packet another SYN? Windows sends up to two more if a server refuses the first. */
static bool asks_again(const struct replay_pass *run, const struct replay_end *end)
{
	struct packet p;

	return next_captured(run, end, &p) && (p.flags & TCP_SYN);
}

/* Has the end taken this SYN in place of an earlier one with another number? Its next packet shows
 * it. captured: the SYN as it was sent. */
static bool takes_instead(const struct replay_pass *run, const struct replay_end *end,
			  const struct packet *captured)
{
	struct packet p;

	return next_captured(run, end, &p) && (p.flags & TCP_ACK) && p.ack == captured->seq + 1;
}

static void take_syn(struct replay_pass *run, uint32_t connection, enum engine_side side,
		     const struct packet *p, const struct tcpopt *o)
{
	struct connection *c = &run->connection[connection];
	struct replay_end *end = &c->end[side];
	struct packet captured;

	replay_view(c->end[engine_other(side)].last, &captured);	/* SYNs pass at once */
	if (end->syn_seen && (p->seq == end->isn || !takes_instead(run, end, &captured)))
		return;
	end->syn_seen = true;
	end->isn = p->seq;
	end->shift = p->seq - captured.seq;
	end->rcv_nxt = end->acked = end->edge = SEQ_BASE + 1;
	end->got = (struct replay_scale){ o->has_window_shift, o->window_shift };
	if (end->syn_sent)
		replay_end_opens(end, true);
	/* The box removed the data of a SYN-ACK. They come again if only the SYN is
	 * acknowledged. */
	if ((p->flags & TCP_ACK) && captured.payload_bytes > 0)
		end->ack_ns = run->now_ns;
}

/* Handles the first ACK of this end's SYN. There may have been two SYNs with different numbers. */
static void note_syn_acked(const struct replay_pass *run, struct replay_end *end, uint32_t ack)
{
	struct packet p;

	end->syn_acked = true;
	end->syn_data_owed = has_syn_data(end->last, ack);
	for (size_t i = 0; ack != end->snd_nxt && i < end->next; i++) {
		replay_view(&run->r->captured[end->list[i]], &p);
		if ((p.flags & TCP_SYN) && p.payload_bytes == 0 && p.seq + 1 == ack)
			end->snd_nxt = ack;
	}
}

/* Data, a FIN, or an old number, which asks for an ACK: RFC 9293 section 3.10.7.4. */
static bool has_text(const struct replay_end *end, const struct packet *p)
{
	return p->payload_bytes > 0 || (p->flags & TCP_FIN) ||
	       seq_widen(end->isn, p->seq, end->rcv_nxt) < end->rcv_nxt;
}

/* Takes data and FIN as far as there is room for them, and notes when to acknowledge them. */
static void take_text(struct replay_pass *run, struct replay_end *end, const struct packet *p)
{
	uint64_t first = seq_widen(end->isn, p->seq, end->rcv_nxt);
	uint64_t after = first + p->payload_bytes + ((p->flags & TCP_FIN) != 0);

	if (first + p->payload_bytes > end->edge) {
		uint64_t room = room_beyond(run, end);

		after = after < room ? after : room;
	}
	if (first <= end->rcv_nxt && after > end->rcv_nxt) {
		bool holes = end->beyond_count > 0;

		end->rcv_nxt = after;
		run->progress_ns = run->now_ns;
		close_holes(end);
		end->unacked++;
		if (holes || end->unacked >= 2)
			end->ack_ns = run->now_ns;
		else if (end->ack_ns == UINT64_MAX)
			end->ack_ns = run->now_ns + DELAYED_ACK_NS;
		return;
	}
	if (first > end->rcv_nxt && after > first)
		keep_beyond(end, first, after);
	end->acked = 0;		/* to be acknowledged once more */
	end->ack_ns = run->now_ns;
}

void replay_end_receives(struct replay_pass *run, uint32_t connection, enum engine_side side,
			 uint8_t *ip, size_t bytes)
{
	struct replay_end *end = &run->connection[connection].end[side];
	struct tcpopt o;
	struct packet p;

	if (packet_parse(&p, ip, bytes) != PACKET_TCP)
		return;
	tcpopt_parse(&o, &p);
	if (o.has_timestamps)
		end->ts_recent = o.ts_val;
	replay_wake(run, connection, side, run->now_ns);
	if (p.flags & TCP_RST) {
		if (!believes_rst(end, &p) || (!end->syn_seen && asks_again(run, end)))
			return;
		if (!end->ended && run->connection[connection].end[engine_other(side)].rst_sent)
			replay_result(run, connection)->reset = true;
		end->ended = true;
		return;
	}
	if (p.flags & TCP_SYN)
		take_syn(run, connection, side, &p, &o);
	if ((p.flags & TCP_ACK) && end->syn_seen && end->syn_sent && !end->syn_acked)
		note_syn_acked(run, end, p.ack);
	if (!(p.flags & TCP_SYN) && end->syn_seen && has_text(end, &p))
		take_text(run, end, &p);
}
