/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "emit.h"

#include "bytes.h"
#include "checksum.h"
#include "receive.h"

#include <string.h>

/*
 * Packets written in the name of one end
 *
 * The addresses, TTL, DSCP, flow label and DF are those of that end's own packets.
 * The fields below are the end's own where its half of the connection goes end to end,
 * and the box's where it is intercepted:
 *
 *                         its data intercepted    the other's data intercepted
 *      SEQ                the end of what it sent its own; see emit_seq()
 *      ACK, window, SACK  its own                 the box's rcv_nxt, buffer, holes
 *      TSval              its own newest          its own newest
 *      TSecr              its own                 the box's TS.Recent
 */

#define PROTO_TCP 6

uint64_t emit_seq(const struct engine *e, const struct flow *f, enum engine_side side)
{
	const struct relay *out = &f->relay[side];
	const struct endpoint *sink = &f->end[engine_other(side)];
	uint64_t edge = flow_window_edge(f, side);
	uint64_t end = out->intercepted ? box_sent_end(e, out) : out->rcv_nxt;

	/* What was sent may end past the window: the window was shrunk, or is closed and probed.
	 * The sink would ignore an ACK numbered past the window. But less than one unit of the
	 * window scale past the edge may only be rounding: then keep the number, since the sink
	 * takes no window from an ACK that is numbered before others (SND.WL1). */
	if (end <= edge || (sink->window > 0 && (end - edge) >> sink->window_shift == 0))
		return end;
	return edge;
}

uint64_t emit_ack(const struct flow *f, enum engine_side side)
{
	const struct relay *in = &f->relay[engine_other(side)];

	return in->intercepted ? in->rcv_nxt : in->snd_una;
}

uint16_t emit_window(const struct engine *e, const struct flow *f, enum engine_side side)
{
	const struct relay *in = &f->relay[engine_other(side)];
	uint64_t edge, window;

	if (!in->intercepted)
		return f->end[side].window;
	edge = receive_edge(e, in);
	window = edge > in->rcv_nxt ? (edge - in->rcv_nxt) >> f->end[side].window_shift : 0;
	return window < UINT16_MAX ? (uint16_t)window : UINT16_MAX;
}

void emit_told(const struct engine *e, struct flow *f, enum engine_side side)
{
	struct endpoint *end = &f->end[side];
	struct relay *in = &f->relay[engine_other(side)];

	flow_unmark(f, FLOW_ACK_INFO_OWED, side);
	end->has_news = false;
	if (in->intercepted) {
		uint64_t edge = in->rcv_nxt +
				((uint64_t)emit_window(e, f, side) << end->window_shift);

		if (edge > relay_edge(in))
			in->edge_low = (uint32_t)edge;
	}
}

bool emit_offloads(const struct engine *e, const struct flow *f, enum engine_side side)
{
	return e->config.offload && !f->end[side].local;
}

static size_t write_ip(struct engine *e, const struct flow *f, enum engine_side side,
		       size_t tcp_bytes)
{
	const struct endpoint *end = &f->end[side];
	uint8_t *ip = e->head;

	if (f->version == 4) {
		struct checksum c = { 0 };
		uint16_t sum;

		memset(ip, 0, 20);
		ip[0] = 0x45;
		ip[1] = (uint8_t)end->label;
		bytes_put16(ip + 2, (uint16_t)(20 + tcp_bytes));
		bytes_put16(ip + 4, ++e->ip_id);
		ip[6] = end->dont_fragment ? 0x40 : 0;
		ip[8] = end->ttl;
		ip[9] = PROTO_TCP;
		memcpy(ip + 12, flow_address(f, side), 4);
		memcpy(ip + 16, flow_address(f, engine_other(side)), 4);
		checksum_add(&c, ip, 20);
		sum = checksum_finish(&c);
		memcpy(ip + 10, &sum, sizeof(sum));
		return 20;
	}
	bytes_put32(ip, UINT32_C(6) << 28 | end->label);
	bytes_put16(ip + 4, (uint16_t)tcp_bytes);
	ip[6] = PROTO_TCP;
	ip[7] = end->ttl;
	memcpy(ip + 8, flow_address(f, side), 16);
	memcpy(ip + 24, flow_address(f, engine_other(side)), 16);
	return 40;
}

static size_t write_options(const struct engine *e, const struct flow *f, enum engine_side side,
			    bool with_sack, uint8_t *to)
{
	enum engine_side other = engine_other(side);
	const struct relay *in = &f->relay[other];
	size_t len = 0;

	if (f->timestamps)
		len += tcpopt_write_timestamps(to, f->end[side].ts_val,
					       in->intercepted ? f->end[other].ts_recent
							       : f->end[side].ts_ecr);
	if (with_sack && in->intercepted && f->sack) {
		struct sack_block blocks[SACK_BLOCKS_MAX];
		size_t max = (TCP_OPTIONS_MAX - len - 4) / 8;
		size_t count = receive_sack_blocks(e, f, other, blocks, max);

		if (count > 0)
			len += tcpopt_write_sack(to + len, blocks, count);
	}
	return len;
}

/* Writes the headers into e->head, and finishes the packet; the caller has put its payload into
 * out->part[1..]. */
static void write_packet(struct engine *e, struct flow *f, enum engine_side side, uint64_t seq,
			 uint8_t flags, bool with_sack, struct engine_emit *out)
{
	uint8_t options[TCP_OPTIONS_MAX];
	size_t options_bytes = flags & TCP_RST ? 0 : write_options(e, f, side, with_sack, options);
	size_t header = TCP_HEADER_BYTES + options_bytes;
	size_t payload = 0, ip_bytes, address_bytes = f->version == 4 ? 4 : 16;
	struct checksum c = { 0 };
	uint8_t *tcp;
	uint16_t sum;

	for (size_t i = 1; i < out->parts; i++)
		payload += out->part[i].bytes;
	ip_bytes = write_ip(e, f, side, header + payload);
	tcp = e->head + ip_bytes;
	bytes_put16(tcp, flow_port(f, side));
	bytes_put16(tcp + 2, flow_port(f, engine_other(side)));
	bytes_put32(tcp + 4, seq_narrow(f->end[side].isn, seq) +
				     (f->shifted >> side & 1u ? FAULT_SHIFT : 0));
	bytes_put32(tcp + 8, seq_narrow(f->end[engine_other(side)].isn, emit_ack(f, side)));
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = flags;
	bytes_put16(tcp + 14, flags & TCP_RST ? 0 : emit_window(e, f, side));
	bytes_put16(tcp + 16, 0);
	bytes_put16(tcp + 18, 0);
	memcpy(tcp + TCP_HEADER_BYTES, options, options_bytes);

	checksum_add_pseudo(&c, e->head + (f->version == 4 ? 12 : 8), address_bytes,
			    (uint32_t)(header + payload));
	if (emit_offloads(e, f, side)) {
		sum = (uint16_t)~checksum_finish(&c);
	} else {
		checksum_add(&c, tcp, header);
		for (size_t i = 1; i < out->parts; i++)
			checksum_add(&c, out->part[i].data, out->part[i].bytes);
		sum = checksum_finish(&c);
	}
	memcpy(tcp + 16, &sum, sizeof(sum));

	out->subject = (struct engine_subject){ f->serial, side, box_orphaned_by_ack(f, side) };
	out->segment_bytes = 0;
	out->local = f->end[side].local;
	out->summed = !emit_offloads(e, f, side);
	out->version = f->version;
	out->destination = flow_address(f, engine_other(side));
	out->part[0] = (struct stream_slice){ e->head, ip_bytes + header };
	out->bytes = ip_bytes + header + payload;
	emit_told(e, f, side);
	e->stats.emitted++;
}

void emit_pure_ack(struct engine *e, struct flow *f, enum engine_side side, struct engine_emit *out)
{
	out->parts = 1;
	write_packet(e, f, side, emit_seq(e, f, side), TCP_ACK, true, out);
}

void emit_piece(struct engine *e, struct flow *f, enum engine_side side, const struct piece *piece,
		struct engine_emit *out)
{
	const struct relay *r = &f->relay[side];
	uint8_t flags = TCP_ACK;

	out->parts = 1;
	if (piece->bytes > 0)
		out->parts += stream_slices(box_stream(e, r), &e->pool, piece->offset, piece->bytes,
					    out->part + 1);
	if (piece->push)
		flags |= TCP_PSH;
	if (piece->fin)
		flags |= TCP_FIN;
	write_packet(e, f, side, piece->offset, flags, false, out);
	out->segment_bytes = (uint16_t)piece->unit;
	/* The segments of a train take the IP IDs that follow its own. */
	if (piece->unit > 0)
		e->ip_id = (uint16_t)(e->ip_id + (piece->bytes - 1) / piece->unit);
}

void emit_rst(struct engine *e, struct flow *f, enum engine_side side, struct engine_emit *out)
{
	out->parts = 1;
	write_packet(e, f, side, emit_seq(e, f, side), TCP_RST | TCP_ACK, false, out);
}
