/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output.h"

#include "emit.h"
#include "faults.h"
#include "observe.h"
#include "send.h"

/*
 * What a flow sends
 *
 * A piece goes through three files: send.c chooses it, faults change, drop, delay or double it
 * (faults.c), and emit.c writes it.
 */

static void owe_behind(struct engine *e, enum engine_side side, const struct piece *piece)
{
	e->behind = *piece;
	e->behind_side = side;
	e->behind_owed = true;
}

/* The next piece of one half in which faults act on each piece. `behind` waits until the piece
 * before it is out. It belongs to this flow: the engine stays with a flow until nothing is left to
 * send. */
static bool output_faulty_piece(struct engine *e, struct flow *f, enum engine_side side,
				struct engine_emit *out)
{
	struct piece piece, late;
	bool is_late = false, is_free = !e->behind_owed;

	if (e->behind_owed && e->behind_side == side) {
		e->behind_owed = false;
		emit_piece(e, f, side, &e->behind, out);
		return true;
	}
	while (send_next(e, f, side, &piece)) {
		switch (faults_piece(e, f, side, &piece)) {
		case FATE_VANISH:
			continue;
		case FATE_LATE:
			if (is_free && !is_late) {
				is_late = true;
				late = piece;
				continue;
			}
			break;
		case FATE_TWICE:
			if (is_free && !is_late)
				owe_behind(e, side, &piece);
			break;
		case FATE_ALTERED:
			stream_alter(box_stream(e, &f->relay[side]), &e->pool,
				     piece.offset + piece.bytes / 2);
			break;
		case FATE_FIN:
			piece.fin = true;
			box_transit(e, &f->relay[side])->early_fin = true;
			break;
		default:
			break;
		}
		if (is_late)
			owe_behind(e, side, &late);
		emit_piece(e, f, side, &piece, out);
		return true;
	}
	if (is_late)
		emit_piece(e, f, side, &late, out);
	return is_late;
}

/* The next piece of one half. */
static bool output_piece(struct engine *e, struct flow *f, enum engine_side side,
			 struct engine_emit *out)
{
	struct piece piece;

	if (faults_any_piece(e, f, side))
		return output_faulty_piece(e, f, side, out);
	if (!send_next(e, f, side, &piece))
		return false;
	if (emit_offloads(e, f, side))
		send_train(e, f, side, &piece, EMIT_PAYLOAD_MAX);
	emit_piece(e, f, side, &piece, out);
	return true;
}

/* The next packet of one flow, the most urgent kind first. */
bool output_next(struct engine *e, struct flow *f, struct engine_emit *out)
{
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		if (flow_is_marked(f, FLOW_RST_OWED, side)) {
			flow_unmark(f, FLOW_RST_OWED, side);
			emit_rst(e, f, side, out);
			return true;
		}
	}
	if (f->state != FLOW_OPEN)
		return false;
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		if (f->relay[side].ack_owed) {
			f->relay[side].ack_owed = false;
			e->stats.forged_acks++;
			observe_forged_ack(e, f, side);
			emit_pure_ack(e, f, engine_other(side), out);
			return true;
		}
	}
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		if (f->relay[side].intercepted && output_piece(e, f, side, out))
			return true;
	}
	for (unsigned side = CLIENT; side <= SERVER; side++) {
		if (flow_is_marked(f, FLOW_ACK_INFO_OWED, side)) {
			emit_pure_ack(e, f, side, out);
			return true;
		}
	}
	return false;
}
