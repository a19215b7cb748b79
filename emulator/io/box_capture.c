/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/box_capture.h"

#include "core/bytes.h"
#include "core/checksum.h"
#include "core/packet.h"
#include "io/pcapng.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <net/ethernet.h>
#include <net/if_arp.h>

#define COMMENT_BYTES 8192	/* further parts are only counted */
#define PART_BYTES 128
/* One place for each flow, by its serial number. The serial numbers of one engine go up in steps of
 * the number of engines (struct engine_config). Since this is a prime, two flows that share a place
 * are at least this many flows apart; by then the older one has ended, or its remark is too old. */
#define REMARKS 65521
#define CUTS_MAX 3	/* that are reported of a packet in which many segments were joined */
#define PACKET_BYTES 65536

/* What precedes each packet. Not LINKTYPE_RAW: libpcap 1.10 cannot read a file of that type with
 * more than one interface. https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html */
#define COOKED_BYTES 16
#define COOKED_INBOUND 0
#define COOKED_OUTBOUND 4

struct box_capture {
	struct pcapng *file;
};

struct box_capture_tap {
	struct pcapng *file;
	uint64_t epoch_ns;
	/* What there is to say about a flow, on its next packet. Most of it is written at once,
	 * with the packet that is being handled. What a fault does to a piece that is not sent
	 * waits for another packet of the flow; if the flow ends before one comes, it is not
	 * written. */
	struct remark {
		uint64_t flow;
		char *text;		/* NULL: nothing */
		unsigned left_out;	/* parts for which there was no room */
		unsigned cuts;		/* so far */
		uint32_t cut_bytes;	/* cut in one piece; this matters if a stall follows */
	} remark[REMARKS];
	size_t in_bytes;
	struct record {
		uint8_t cooked[COOKED_BYTES];
		uint8_t packet[PACKET_BYTES];
	} in, out;		/* the packet as it came, and one that goes out */
};

int box_capture_open(struct box_capture **out, const char *path)
{
	struct box_capture *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	rc = pcapng_open(&c->file, path);
	if (rc < 0) {
		free(c);
		return rc;
	}
	/* In the order of enum engine_side. */
	pcapng_interface(c->file, "client", PCAPNG_LINUX_SLL);
	pcapng_interface(c->file, "server", PCAPNG_LINUX_SLL);
	*out = c;
	return 0;
}

bool box_capture_close(struct box_capture *c)
{
	bool good;

	if (!c)
		return true;
	good = pcapng_close(c->file);
	free(c);
	return good;
}

bool box_capture_flush(struct box_capture *c)
{
	return pcapng_flush(c->file);
}

int box_capture_tap(struct box_capture_tap **out, struct box_capture *c, uint64_t epoch_ns)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->file = c->file;
	(*out)->epoch_ns = epoch_ns;
	return 0;
}

void box_capture_tap_free(struct box_capture_tap *tap)
{
	if (!tap)
		return;
	for (size_t i = 0; i < REMARKS; i++)
		free(tap->remark[i].text);
	free(tap);
}

/* Comments ------------------------------------------------------------------------------- */

static void forget_remark(struct remark *r)
{
	free(r->text);
	*r = (struct remark){ 0 };
}

/* The remark on a flow, to be added to. */
static struct remark *remark_on(struct box_capture_tap *tap, uint64_t flow)
{
	struct remark *r = &tap->remark[flow % REMARKS];

	if (r->flow != flow)
		forget_remark(r);
	r->flow = flow;
	return r;
}

/* Adds a part. */
__attribute__((format(printf, 2, 3))) static void add(struct remark *r, const char *format, ...)
{
	size_t before = r->text ? strlen(r->text) : 0;
	char part[PART_BYTES], *text;
	va_list ap;

	va_start(ap, format);
	vsnprintf(part, sizeof(part), format, ap);
	va_end(ap);
	if (r->left_out > 0 || before > COMMENT_BYTES - PART_BYTES ||
	    asprintf(&text, "%s%s%s", r->text ? r->text : "", r->text ? "; " : "", part) < 0) {
		r->left_out++;
		return;
	}
	free(r->text);
	r->text = text;
}

/* Everything that there is to say about a flow, or NULL; the caller frees it. */
static char *take_comment(struct box_capture_tap *tap, uint64_t flow)
{
	struct remark *r = &tap->remark[flow % REMARKS];
	char *text, *longer;

	if (r->flow != flow)
		return NULL;
	text = r->text;
	if (text && r->left_out > 0 &&
	    asprintf(&longer, "%s; and %u more", text, r->left_out) >= 0) {
		free(text);
		text = longer;
	}
	*r = (struct remark){ 0 };
	return text;
}

static const char *name_of(enum engine_side side)
{
	return side == CLIENT ? "client" : "server";
}

/* All pieces but the last are full. */
static void add_cut(struct remark *r, const struct engine_event *ev)
{
	uint32_t full = ev->pieces > 1 ? (ev->bytes - ev->last_piece) / (ev->pieces - 1) : 0;

	if (++r->cuts > CUTS_MAX)
		return;
	switch (ev->pieces) {
	case 1:
		r->cut_bytes = ev->bytes;
		break;
	case 2:
		add(r, "cut: %" PRIu32 " + %" PRIu32, full, ev->last_piece);
		break;
	case 3:
		add(r, "cut: %" PRIu32 " + %" PRIu32 " + %" PRIu32, full, full, ev->last_piece);
		break;
	default:
		add(r, "cut: %" PRIu32 " x %" PRIu32 " + %" PRIu32, ev->pieces - 1, full,
		    ev->last_piece);
	}
}

static void add_orphaned(struct remark *r, const struct engine_event *ev, enum engine_side source)
{
	uint64_t orphaned = ev->totals[source].acked - ev->totals[source].delivered;

	if (orphaned > 0)
		add(r, "orphaned: %" PRIu64 " byte%s ACKed to the %s, never delivered", orphaned,
		    orphaned == 1 ? "" : "s", name_of(source));
}

void box_capture_observe(void *arg, const struct engine_event *ev)
{
	struct remark *r = remark_on(arg, ev->flow);

	switch (ev->type) {
	case EVENT_CUT:
		add_cut(r, ev);
		break;
	case EVENT_STALL:
		if (r->cut_bytes > 0)
			add(r, "cut: %" PRIu32, r->cut_bytes);
		add(r, "stall: %" PRIu32 " pending, S = %" PRIu32, ev->pending, ev->segment_size);
		break;
	case EVENT_RESUME:
		add(r, "resume: %" PRIu32 " pending", ev->pending);
		break;
	case EVENT_FAULT:
		if (ev->bytes > 0)
			add(r, "fault: %s (the %s's bytes %" PRIu64 "-%" PRIu64 ")", ev->fault,
			    name_of(ev->source), ev->offset, ev->offset + ev->bytes - 1);
		else
			add(r, "fault: %s", ev->fault);
		break;
	case EVENT_PATH:
		add(r, "the path carries at most %" PRIu32 " bytes a segment", ev->bytes);
		break;
	case EVENT_FLOW_CLOSED:
		add_orphaned(r, ev, CLIENT);
		add_orphaned(r, ev, SERVER);
		break;
	default:
		break;
	}
}

/* Packets -------------------------------------------------------------------------------- */

/* Writes a packet between the box and `end`, with what there is to say about it. */
static void write_packet(struct box_capture_tap *tap, uint64_t flow, enum engine_side end,
			 enum pcapng_way way, uint64_t now_ns, struct record *r, size_t bytes)
{
	char *comment = take_comment(tap, flow);

	memset(r->cooked, 0, sizeof(r->cooked));
	bytes_put16(r->cooked, way == PCAPNG_INBOUND ? COOKED_INBOUND : COOKED_OUTBOUND);
	bytes_put16(r->cooked + 2, ARPHRD_NONE);
	bytes_put16(r->cooked + 14, r->packet[0] >> 4 == 4 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
	pcapng_packet(tap->file, &(struct pcapng_packet){
					 .interface = end,
					 .way = way,
					 .time_ns = now_ns + tap->epoch_ns,
					 .data = r,
					 .bytes = (uint32_t)(COOKED_BYTES + bytes),
					 .wire_bytes = (uint32_t)(COOKED_BYTES + bytes),
					 .comment = comment,
				 });
	free(comment);
}

static void add_forged(struct box_capture_tap *tap, const struct engine_subject *subject)
{
	if (subject->orphaned > 0)
		add(remark_on(tap, subject->flow),
		    "forged ACK: the %s does not have the last %" PRIu64 " byte%s",
		    name_of(subject->source), subject->orphaned, subject->orphaned == 1 ? "" : "s");
}

/* Sets a checksum that was left to hardware. */
static void finish_checksum(uint8_t *packet, size_t bytes)
{
	struct packet p;

	if (packet_parse(&p, packet, bytes) == PACKET_TCP)
		packet_set_checksum(&p);
}

void box_capture_before(struct box_capture_tap *tap, const void *packet, size_t len, unsigned hints)
{
	tap->in_bytes = len < PACKET_BYTES ? len : PACKET_BYTES;
	memcpy(tap->in.packet, packet, tap->in_bytes);
	if (hints & ENGINE_NO_CHECKSUM)
		finish_checksum(tap->in.packet, tap->in_bytes);
}

void box_capture_after(struct box_capture_tap *tap, const struct engine *e, uint64_t now_ns,
		       enum engine_verdict verdict, const void *packet, size_t len)
{
	struct engine_subject subject = engine_input_subject(e);

	if (subject.flow == 0)
		return;
	write_packet(tap, subject.flow, subject.source, PCAPNG_INBOUND, now_ns, &tap->in,
		     tap->in_bytes);
	if (verdict == VERDICT_DROP)
		return;
	if (verdict == VERDICT_REPLACE) {
		memcpy(tap->in.packet, packet, len);
		tap->in_bytes = len;
	}
	add_forged(tap, &subject);
	write_packet(tap, subject.flow, engine_other(subject.source), PCAPNG_OUTBOUND, now_ns,
		     &tap->in, tap->in_bytes);
}

/* Copies `bytes` octets of the parts, from octet `at` on. */
static void copy_parts(const struct engine_emit *emit, size_t at, size_t bytes, uint8_t *to)
{
	for (size_t i = 0; i < emit->parts && bytes > 0; i++) {
		const struct stream_slice *part = &emit->part[i];
		size_t n;

		if (at >= part->bytes) {
			at -= part->bytes;
			continue;
		}
		n = part->bytes - at < bytes ? part->bytes - at : bytes;
		memcpy(to, part->data + at, n);
		to += n;
		bytes -= n;
		at = 0;
	}
}

/* Turns a train's headers into those of its segment that begins at octet `at` of the payload. */
static void make_segment(uint8_t *packet, uint8_t version, size_t at, unsigned number, size_t bytes,
			 bool last)
{
	uint8_t *tcp = packet + (version == 4 ? 20 : 40);

	if (version == 4) {
		struct checksum c = { 0 };
		uint16_t sum;

		bytes_put16(packet + 2, (uint16_t)bytes);
		bytes_put16(packet + 4, (uint16_t)(bytes_get16(packet + 4) + number));
		memset(packet + 10, 0, 2);
		checksum_add(&c, packet, 20);
		sum = checksum_finish(&c);
		memcpy(packet + 10, &sum, sizeof(sum));
	} else {
		bytes_put16(packet + 4, (uint16_t)(bytes - 40));
	}
	bytes_put32(tcp + 4, bytes_get32(tcp + 4) + (uint32_t)at);
	if (!last)
		tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
}

void box_capture_emit(struct box_capture_tap *tap, uint64_t now_ns, const struct engine_emit *emit)
{
	enum engine_side end = engine_other(emit->subject.source);
	size_t headers = emit->part[0].bytes, payload = emit->bytes - headers;
	size_t unit = emit->segment_bytes > 0 ? emit->segment_bytes : payload, at = 0;
	unsigned number = 0;

	if (emit->subject.flow == 0)
		return;
	add_forged(tap, &emit->subject);
	do {
		size_t n = payload - at < unit ? payload - at : unit;

		copy_parts(emit, 0, headers, tap->out.packet);
		copy_parts(emit, headers + at, n, tap->out.packet + headers);
		make_segment(tap->out.packet, emit->version, at, number++, headers + n,
			     at + n == payload);
		/* The checksum may have been left to the caller. */
		finish_checksum(tap->out.packet, headers + n);
		write_packet(tap, emit->subject.flow, end, PCAPNG_OUTBOUND, now_ns, &tap->out,
			     headers + n);
		at += n;
	} while (at < payload);
}
