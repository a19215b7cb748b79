/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "box.h"
#include "engine.h"
#include "observe.h"

#include <string.h>

/*
 * Connections as a list shows them
 */

static void show_flow(const struct engine *e, uint64_t now_ns, const struct flow *f,
		      struct engine_flow_info *out)
{
	static const char states[][10] = {
		"free", "opening", "open", "reset", "closed", "forgotten"
	};

	*out = (struct engine_flow_info){
		.serial = f->serial,
		.version = f->version,
		.state = states[f->state],
		.policy = f->policy,
		.segment_size = box_policy(e, f)->segment_size,
		.idle_ns = ((uint32_t)(now_ns / NS_PER_MS) - f->touched_ms) * NS_PER_MS,
	};
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		const struct relay *r = &f->relay[side];
		const struct transit *t = box_transit(e, r);

		memcpy(out->address[side], flow_address(f, side), f->version == 4 ? 4 : 16);
		out->port[side] = flow_port(f, side);
		if (f->state != FLOW_OPEN)
			continue;
		/* S as the event `opened` has it: of the client's half, if that is intercepted. */
		if (r->intercepted && (side == CLIENT || !f->relay[CLIENT].intercepted))
			out->segment_size = box_segment_size(e, f, side);
		out->totals[side] = observe_totals(r);
		out->stalled[side] = t && t->stalled;
		out->pending[side] = t ? box_data_end(r) - t->cut_nxt : 0;
	}
}

size_t engine_flows(const struct engine *e, uint64_t now_ns, uint32_t *cursor,
		    struct engine_flow_info *out, size_t max)
{
	uint32_t end = *cursor + ENGINE_LOOK_MAX;
	size_t count = 0;

	if (end > e->table.fresh)
		end = e->table.fresh;
	for (; *cursor < end && count < max; ++*cursor) {
		const struct flow *f = flow_get(&e->table, *cursor);

		if (f->state != FLOW_FREE)
			show_flow(e, now_ns, f, &out[count++]);
	}
	return count;
}
