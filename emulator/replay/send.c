/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/bytes.h"
#include "core/seq.h"
#include "core/tcpopt.h"
#include "replay/run.h"

#include <string.h>

/* Has the end got what its packet acknowledges? */
static bool is_ready(const struct replay_pass *run, uint32_t connection,
		     const struct replay_end *end, const struct packet *p)
{
	if (!run->r->connection[connection].whole || !(p->flags & TCP_ACK))
		return true;
	/* A challenge ACK of an older connection. */
	if (!end->syn_sent && !(p->flags & TCP_SYN))
		return true;
	/* A SYN-ACK may answer the SYN alone; then it does not acknowledge the SYN's data. */
	return end->syn_seen && ((p->flags & TCP_SYN) || seq_widen(end->isn, p->ack + end->shift,
								   end->rcv_nxt) <= end->rcv_nxt);
}

/* Has the end already acknowledged by itself what this pure ACK does? */
static bool is_told(const struct replay_end *end, const struct packet *p)
{
	uint64_t ack = seq_widen(end->isn, p->ack + end->shift, end->rcv_nxt);

	return end->syn_seen && p->payload_bytes == 0 &&
	       (p->flags & (TCP_SYN | TCP_FIN | TCP_RST)) == 0 &&
	       (ack < end->acked || (ack == end->acked && end->acked_itself));
}

static void note_sent(struct replay_end *end, const struct packet *p)
{
	uint32_t nxt = p->seq + p->payload_bytes + ((p->flags & (TCP_SYN | TCP_FIN)) != 0);
	struct tcpopt o;

	tcpopt_parse(&o, p);
	/* The capture may have repeated packets, or another SYN-ACK that comes too late. */
	if ((p->flags & TCP_SYN) ? !end->syn_acked : (int32_t)(nxt - end->snd_nxt) > 0)
		end->snd_nxt = nxt;
	end->window = p->window;
	end->syn_sent |= (p->flags & TCP_SYN) != 0;
	if (p->flags & TCP_SYN)
		end->offered = (struct replay_scale){ o.has_window_shift, o.window_shift };
	if (o.has_timestamps)
		end->ts_val = o.ts_val;
	if (!(p->flags & TCP_ACK) || !end->syn_seen || !end->syn_sent)
		return;
	end->acked = seq_widen(end->isn, p->ack, end->rcv_nxt);
	replay_end_opens(end, p->flags & TCP_SYN);
	if (end->acked >= end->rcv_nxt) {
		end->ack_ns = UINT64_MAX;
		end->unacked = 0;
	}
}

/* Sends the next packet of the capture. */
static bool send_captured(struct replay_pass *run, uint32_t connection, enum engine_side side)
{
	struct replay_end *end = &run->connection[connection].end[side];
	const struct captured *c = &run->r->captured[end->list[end->next++]];
	uint8_t copy[PACKET_BYTES];
	unsigned hints = ENGINE_JOINED;
	struct packet p;

	end->lag_ns = run->now_ns - c->time_ns;
	run->progress_ns = run->now_ns;
	replay_result(run, connection)->sent[side]++;
	if (run->r->progress)
		run->r->progress(run->without ? "packets replayed without the fault"
					      : "packets replayed",
				 ++run->sent, run->r->packets);
	memcpy(copy, c->ip, c->bytes);
	packet_parse(&p, copy, c->bytes);
	if (is_told(end, &p)) {
		if (p.window != end->window)	/* the window is still news */
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
	end->rst_sent |= (p.flags & TCP_RST) != 0;
	note_sent(end, &p);
	return replay_box_receives(run, connection, side, copy, c->bytes, hints);
}

/* Sends a segment that the capture does not have, with headers like those of the last packet. */
static bool send_own(struct replay_pass *run, uint32_t connection, enum engine_side side,
		     uint32_t seq, const uint8_t *data, uint32_t bytes)
{
	struct replay_end *end = &run->connection[connection].end[side];
	uint8_t segment[PACKET_BYTES];
	struct tcpopt o;
	struct packet p;
	size_t ip, header = TCP_HEADER_BYTES;
	uint8_t *tcp;

	end->ack_ns = UINT64_MAX;
	if (!end->last)
		return true;
	replay_view(end->last, &p);
	tcpopt_parse(&o, &p);
	ip = (size_t)(p.tcp - p.ip);
	memcpy(segment, p.ip, ip + TCP_HEADER_BYTES);
	tcp = segment + ip;
	bytes_put32(tcp + 4, seq);
	bytes_put32(tcp + 8, seq_narrow(end->isn, end->rcv_nxt));
	if (o.has_timestamps)
		header += tcpopt_write_timestamps(tcp + TCP_HEADER_BYTES, end->ts_val,
						  end->ts_recent);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = TCP_ACK | (bytes > 0 ? TCP_PSH : 0);
	bytes_put16(tcp + 14, (uint16_t)end->window);
	bytes_put16(tcp + 18, 0);
	if (bytes > 0)
		memcpy(tcp + header, data, bytes);
	header += bytes;
	if (p.version == 4) {
		bytes_put16(segment + 2, (uint16_t)(ip + header));
		replay_sum_ipv4(segment, ip);
	} else {
		bytes_put16(segment + 4, (uint16_t)header);
	}
	packet_parse(&p, segment, ip + header);
	packet_set_checksum(&p);
	end->acked = end->rcv_nxt;
	replay_end_opens(end, false);
	end->acked_itself = true;
	end->unacked = 0;
	return replay_box_receives(run, connection, side, segment, p.ip_bytes, 0);
}

static bool send_ack(struct replay_pass *run, uint32_t connection, enum engine_side side)
{
	return send_own(run, connection, side, run->connection[connection].end[side].snd_nxt, NULL,
			0);
}

/* Sends the data of its SYN again, because the box removed them: RFC 7413 section 4.2.1. */
static bool send_syn_data(struct replay_pass *run, uint32_t connection, enum engine_side side)
{
	struct replay_end *end = &run->connection[connection].end[side];
	struct packet p;

	end->syn_data_owed = false;
	replay_view(end->last, &p);
	return send_own(run, connection, side, p.seq + 1, p.payload, p.payload_bytes);
}

bool replay_end_sends(struct replay_pass *run, uint32_t connection, enum engine_side side)
{
	struct replay_end *end = &run->connection[connection].end[side];

	if (end->syn_data_owed && !end->ended && !send_syn_data(run, connection, side))
		return false;
	while (end->next < end->count && !end->ended) {
		const struct captured *c = &run->r->captured[end->list[end->next]];
		struct packet p;

		replay_view(c, &p);
		if (!is_ready(run, connection, end, &p))
			break;
		if (c->time_ns + end->lag_ns > run->now_ns) {
			replay_wake(run, connection, side, c->time_ns + end->lag_ns);
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
		replay_wake(run, connection, side, end->ack_ns);
	return true;
}
