/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "draw/story.h"

static bool is_amount(int64_t bytes)
{
	return bytes >= 0 && bytes <= STORY_BYTES_MAX;
}

static bool is_number(int64_t relative)
{
	return relative >= -STORY_BYTES_MAX && relative <= STORY_BYTES_MAX;
}

/* The nodes are in the order of time, and on a line that does not turn back. */
static bool nodes_are_sound(const struct story_way *way)
{
	int step;

	if (way->node_count < 2 || way->node_count > STORY_NODES_MAX)
		return false;
	step = (int)way->nodes[1].place - (int)way->nodes[0].place;
	for (unsigned i = 0; i < way->node_count; i++) {
		const struct story_node *node = &way->nodes[i];

		if ((unsigned)node->place >= STORY_PLACES || node->time_ns < 0 ||
		    node->time_ns > STORY_TIME_MAX_NS)
			return false;
		if (i == 0)
			continue;
		if (node->time_ns < node[-1].time_ns ||
		    ((int)node->place - (int)node[-1].place) * step <= 0)
			return false;
	}
	return true;
}

static bool way_is_sound(const struct story_way *way)
{
	if (!nodes_are_sound(way) || way->comment_length > STORY_COMMENT_MAX ||
	    way->preview_length > STORY_PREVIEW_MAX || !is_amount(way->lacks) ||
	    !is_amount(way->never))
		return false;
	for (size_t i = 0; i < way->comment_length; i++) {
		if ((uint8_t)way->comment[i] < ' ' || way->comment[i] == 0x7f)
			return false;
	}
	for (unsigned i = 0; i + 1 < way->node_count; i++) {
		const struct story_leg *leg = &way->legs[i];

		if (!is_number(leg->first) || !is_number(leg->ack) || !is_amount(leg->length))
			return false;
	}
	return true;
}

static bool runs_are_sound(const struct story_run *runs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!is_amount(runs[i].end) || runs[i].first < 0 || runs[i].first >= runs[i].end ||
		    (i > 0 && runs[i].first < runs[i - 1].end))
			return false;
	}
	return true;
}

static bool orphans_are_sound(const struct story *story)
{
	for (size_t i = 0; i < story->orphan_count; i++) {
		const struct story_orphans *o = &story->orphans[i];

		if (o->time_ns < 0 || o->time_ns > STORY_TIME_MAX_NS || !is_amount(o->bytes) ||
		    !is_amount(o->never) || (i > 0 && o->time_ns < o[-1].time_ns))
			return false;
	}
	return true;
}

bool story_is_sound(const struct story *story)
{
	int64_t before_ns = 0;

	if (story->way_count == 0 || !orphans_are_sound(story))
		return false;
	for (size_t i = 0; i < story->way_count; i++) {
		int64_t time_ns = story->ways[i].nodes[0].time_ns;

		if (!way_is_sound(&story->ways[i]) || time_ns < before_ns)
			return false;
		before_ns = time_ns;
	}
	for (size_t side = 0; side < STORY_SIDES; side++) {
		const struct story_stream *s = &story->streams[side];

		if (!is_amount(s->length) || !is_amount(s->acked) || !is_amount(s->delivered) ||
		    !runs_are_sound(s->arrivals, s->arrival_count) ||
		    !runs_are_sound(s->cuts, s->cut_count))
			return false;
	}
	return true;
}
