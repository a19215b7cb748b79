/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe.h"

/* Fills in what all events have. Returns false if there is no observer. */
static bool begin_event(const struct engine *e, const struct flow *f, enum engine_event_type type,
			struct engine_event *event)
{
	if (!e->config.observer)
		return false;
	*event = (struct engine_event){
		.type = type,
		.now_ns = e->now_ns,
		.flow = f->serial,
		.version = f->version,
	};
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		event->address[side] = flow_address(f, side);
		event->port[side] = flow_port(f, side);
	}
	return true;
}

static void tell_observer(const struct engine *e, const struct engine_event *event)
{
	e->config.observer(e->config.observer_arg, event);
}

/* Octets of data before an offset. */
static uint64_t data_before(uint64_t offset)
{
	return offset - SEQ_BASE - 1;
}

static uint32_t pending(const struct engine *e, const struct relay *r)
{
	return (uint32_t)(box_data_end(r) - box_transit(e, r)->cut_nxt);
}

void observe_opened(struct engine *e, const struct flow *f)
{
	struct engine_event event;

	if (!begin_event(e, f, EVENT_FLOW_OPENED, &event))
		return;
	event.segment_size = box_segment_size(e, f, f->relay[CLIENT].intercepted ? CLIENT : SERVER);
	tell_observer(e, &event);
}

void observe_arrival(struct engine *e, const struct flow *f, enum engine_side source,
		     uint64_t offset, uint32_t bytes)
{
	struct engine_event event;

	if (!begin_event(e, f, EVENT_ARRIVAL, &event))
		return;
	event.source = source;
	event.offset = data_before(offset);
	event.bytes = bytes;
	event.pending = pending(e, &f->relay[source]);
	tell_observer(e, &event);
}

void observe_forged_ack(struct engine *e, const struct flow *f, enum engine_side source)
{
	struct engine_event event;
	const struct relay *r = &f->relay[source];

	if (!begin_event(e, f, EVENT_FORGED_ACK, &event))
		return;
	event.source = source;
	event.offset = data_before(box_data_end(r));
	event.orphaned = box_orphaned(r);
	tell_observer(e, &event);
}

void observe_cut(struct engine *e, const struct flow *f, enum engine_side source, uint64_t offset,
		 uint32_t bytes, uint32_t pieces, uint32_t last_piece)
{
	struct engine_event event;

	if (!begin_event(e, f, EVENT_CUT, &event))
		return;
	event.source = source;
	event.offset = data_before(offset);
	event.bytes = bytes;
	event.pieces = pieces;
	event.last_piece = last_piece;
	tell_observer(e, &event);
}

static void observe_pending(struct engine *e, const struct flow *f, enum engine_side source,
			    enum engine_event_type type)
{
	struct engine_event event;
	const struct relay *r = &f->relay[source];

	if (!begin_event(e, f, type, &event))
		return;
	event.source = source;
	event.offset = data_before(box_transit(e, r)->cut_nxt);
	event.pending = pending(e, r);
	event.segment_size = box_transit(e, r)->segment_size;
	tell_observer(e, &event);
}

void observe_stall(struct engine *e, const struct flow *f, enum engine_side source)
{
	observe_pending(e, f, source, EVENT_STALL);
}

void observe_resume(struct engine *e, const struct flow *f, enum engine_side source)
{
	observe_pending(e, f, source, EVENT_RESUME);
}

void observe_fault(struct engine *e, const struct flow *f, enum engine_side source,
		   const struct fault *fault, const struct piece *piece)
{
	struct engine_event event;

	if (!begin_event(e, f, EVENT_FAULT, &event))
		return;
	event.source = source;
	event.fault = fault->kind->name;
	if (piece && piece->bytes > 0) {
		event.offset = data_before(piece->offset);
		event.bytes = piece->bytes;
	}
	tell_observer(e, &event);
}

void observe_path(struct engine *e, const struct flow *f, enum engine_side source)
{
	struct engine_event event;

	e->stats.paths_limited++;
	if (!begin_event(e, f, EVENT_PATH, &event))
		return;
	event.source = source;
	event.bytes = box_path_max(f, source);
	event.segment_size = box_policy(e, f)->segment_size;
	tell_observer(e, &event);
}

struct engine_totals observe_totals(const struct relay *r)
{
	if (!r->intercepted)
		return (struct engine_totals){ .intercepted = false };
	return (struct engine_totals){
		.intercepted = true,
		.acked = data_before(box_data_end(r)),
		.delivered = data_before(box_data_end(r)) - box_orphaned(r),
	};
}

void observe_closed(struct engine *e, const struct flow *f, enum engine_close_reason reason)
{
	struct engine_event event;

	if (!begin_event(e, f, EVENT_FLOW_CLOSED, &event))
		return;
	event.reason = reason;
	for (unsigned side = CLIENT; side <= SERVER; side++)
		event.totals[side] = observe_totals(&f->relay[side]);
	tell_observer(e, &event);
}
