/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "box.h"

#include <string.h>

/*
 * Where the engine asks its faults
 *
 * A kind says what it would change; whether it does so this time is decided here, by how
 * often it is to act. Faults are asked in their order. A cut goes through all of them; of
 * packets and pieces the first that acts has its way.
 */

void hooks_begin(struct engine *e)
{
	memcpy(&e->random, e->config.hash_key, sizeof(e->random));
	e->random |= 1;
	for (unsigned i = 0; i < e->config.faults; i++)
		e->any_piece |= e->config.fault[i].kind->piece != NULL;
}

/* Marsaglia's xorshift64: repeatable with the engine's key. */
static uint32_t random_percent(struct engine *e)
{
	e->random ^= e->random << 13;
	e->random ^= e->random >> 7;
	e->random ^= e->random << 17;
	return (uint32_t)(e->random >> 32) % 100;
}

/* There is an occasion for fault i: does it act? */
static bool acts(struct engine *e, unsigned i)
{
	const struct fault *f = &e->config.fault[i];

	if (++e->occasions[i] % f->every != 0)
		return false;
	return f->percent >= 100 || random_percent(e) < f->percent;
}

uint32_t hooks_cut(struct engine *e, uint32_t pending, uint32_t segment_size)
{
	uint32_t bytes = pending < segment_size ? pending : segment_size;
	bool any = false;

	for (unsigned i = 0; i < e->config.faults && bytes > 0; i++) {
		const struct fault *f = &e->config.fault[i];
		uint32_t other;

		if (!f->kind->cut)
			continue;
		any = true;
		other = f->kind->cut(f, pending, segment_size, bytes);
		if (other != bytes && acts(e, i))
			bytes = other;
	}
	/* Where no fault decides about each piece, all full ones are cut at once. */
	if (!any && bytes > 0 && bytes == segment_size)
		return pending - pending % bytes;
	return bytes;
}

enum fault_fate hooks_packet(struct engine *e, const struct fault_packet *p)
{
	for (unsigned i = 0; i < e->config.faults; i++) {
		const struct fault *f = &e->config.fault[i];
		enum fault_fate fate = f->kind->packet ? f->kind->packet(f, p) : FATE_NONE;

		if (fate != FATE_NONE && acts(e, i))
			return fate;
	}
	return FATE_NONE;
}

enum fault_fate hooks_piece(struct engine *e, const struct piece *piece)
{
	const struct fault_piece p = { piece->bytes, piece->push || piece->fin, piece->again };

	if (piece->bytes == 0 && !piece->fin)	/* a probe */
		return FATE_NONE;
	for (unsigned i = 0; i < e->config.faults; i++) {
		const struct fault *f = &e->config.fault[i];
		enum fault_fate fate = f->kind->piece ? f->kind->piece(f, &p) : FATE_NONE;

		if (fate != FATE_NONE && acts(e, i))
			return fate;
	}
	return FATE_NONE;
}
