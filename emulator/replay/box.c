/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/run.h"

#include <stdlib.h>
#include <string.h>

void replay_take_output(struct replay_pass *run)
{
	struct engine_emit emit;
	uint8_t packet[PACKET_BYTES];

	while (engine_next(run->engine, &emit)) {
		size_t at = 0;

		if (run->tap)
			box_capture_emit(run->tap, run->now_ns, &emit);
		for (size_t i = 0; i < emit.parts; at += emit.part[i++].bytes)
			memcpy(packet + at, emit.part[i].data, emit.part[i].bytes);
		if (emit.subject.flow > 0 && emit.subject.flow <= run->flows)
			replay_end_receives(run, run->of_flow[emit.subject.flow - 1],
					    engine_other(emit.subject.source), packet, emit.bytes);
	}
}

static bool note_flow(struct replay_pass *run, uint64_t flow, uint32_t connection)
{
	if (flow <= run->flows)
		return true;
	/* Flows are numbered in the order of their SYNs. */
	run->of_flow = reallocarray(run->of_flow, flow, sizeof(*run->of_flow));
	if (!run->of_flow)
		return false;
	while (run->flows < flow)
		run->of_flow[run->flows++] = connection;
	return true;
}

bool replay_box_receives(struct replay_pass *run, uint32_t connection, enum engine_side side,
			 uint8_t *ip, size_t bytes, unsigned hints)
{
	enum engine_verdict verdict;

	run->last_ns = run->now_ns;
	run->in_hand = connection;
	if (run->tap)
		box_capture_before(run->tap, ip, bytes, hints);
	verdict = engine_input(run->engine, run->now_ns, ip, &bytes, hints);
	if (run->tap)
		box_capture_after(run->tap, run->engine, run->now_ns, verdict, ip, bytes);
	if (!note_flow(run, engine_input_subject(run->engine).flow, connection))
		return false;
	replay_result(run, connection)->taken |= engine_input_subject(run->engine).flow > 0;
	if (verdict != VERDICT_DROP)
		replay_end_receives(run, connection, engine_other(side), ip, bytes);
	replay_take_output(run);
	return true;
}
