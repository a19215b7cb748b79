/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "draw/from_json.h"

#include <limits.h>
#include <stdlib.h>

/* Allocates an array for the elements of a JSON array; *count is how many. */
static void *array_for(const json_t *list, size_t size, size_t *count, struct error *error)
{
	void *array;

	*count = 0;
	if (!json_is_array(list)) {
		error_set(error, 0, "an array is missing");
		return NULL;
	}
	array = calloc(json_array_size(list) + 1, size);
	if (!array) {
		error_set(error, 0, "out of memory");
		return NULL;
	}
	*count = json_array_size(list);
	return array;
}

/* Reads an array of exactly `count` integers. */
static bool read_integers(const json_t *list, int64_t *integers, size_t count, struct error *error)
{
	if (json_array_size(list) != count)
		return error_set(error, 0, "not an array of %zu integers", count);
	for (size_t i = 0; i < count; i++) {
		const json_t *value = json_array_get(list, i);

		if (!json_is_integer(value))
			return error_set(error, 0, "not an array of %zu integers", count);
		integers[i] = json_integer_value(value);
	}
	return true;
}

/* Unpacks an object, without anything left in it. */
#define UNPACK(object, error, ...)                                                                 \
	(json_unpack_ex((json_t *)(object), &json_error, 0, __VA_ARGS__) == 0 ||                   \
	 error_set(error, 0, "%s", json_error.text))

/* Ways -------------------------------------------------------------------------------- */

static bool read_nodes(struct story_way *way, const json_t *nodes, const json_t *legs,
		       struct error *error)
{
	size_t count = json_array_size(nodes);
	int64_t n[4];

	if (count < 2 || count > STORY_NODES_MAX || json_array_size(legs) != count - 1)
		return error_set(error, 0, "%zu nodes and %zu legs", count, json_array_size(legs));
	way->node_count = (unsigned)count;
	for (size_t i = 0; i < count; i++) {
		if (!read_integers(json_array_get(nodes, i), n, 2, error))
			return false;
		if (n[0] < 0 || n[0] >= STORY_PLACES)
			return error_set(error, 0, "there is no place %lld", (long long)n[0]);
		way->nodes[i] = (struct story_node){ .place = (enum story_place)n[0],
						     .time_ns = n[1] };
	}
	for (size_t i = 0; i + 1 < count; i++) {
		if (!read_integers(json_array_get(legs, i), n, 4, error))
			return false;
		way->legs[i] = (struct story_leg){
			.flags = (unsigned)n[0],
			.first = n[1],
			.length = n[2],
			.ack = n[3],
		};
	}
	return true;
}

/* Reads the octets that UTF-8 names: U+0000 to U+00FF. */
static bool read_preview(struct story_way *way, const char *text, size_t length,
			 struct error *error)
{
	uint8_t *octets;
	size_t n = 0;

	if (length == 0)
		return true;
	octets = malloc(length);
	if (!octets)
		return error_set(error, 0, "out of memory");
	way->preview = octets;
	for (size_t i = 0; i < length; i++) {
		uint8_t octet = (uint8_t)text[i];

		if (octet >= 0xc4)
			return error_set(error, 0, "a preview is not Latin-1");
		/* jansson lets only whole characters through. */
		if (octet >= 0x80)
			octet = (uint8_t)(octet << 6 | ((uint8_t)text[++i] & 0x3f));
		octets[n++] = octet;
	}
	way->preview_length = n;
	return true;
}

static bool read_way(struct story_way *way, const json_t *object, struct error *error)
{
	json_error_t json_error;
	json_int_t lacks = 0, never = 0;
	json_t *nodes, *legs;
	const char *preview = "";
	size_t preview_length = 0;
	int is_lost = 0;

	way->comment = "";
	if (!UNPACK(object, error, "{s:o, s:o, s?b, s?I, s?I, s?s%, s?s% !}", "nodes", &nodes,
		    "legs", &legs, "is_lost", &is_lost, "lacks", &lacks, "never", &never, "comment",
		    &way->comment, &way->comment_length, "preview", &preview, &preview_length))
		return false;
	way->is_lost = is_lost;
	way->lacks = lacks;
	way->never = never;
	return read_nodes(way, nodes, legs, error) &&
	       read_preview(way, preview, preview_length, error);
}

/* Streams ----------------------------------------------------------------------------- */

static bool read_runs(const struct story_run **runs, size_t *count, const json_t *list,
		      struct error *error)
{
	struct story_run *array = array_for(list, sizeof(*array), count, error);
	int64_t n[2];

	*runs = array;
	for (size_t i = 0; i < *count; i++) {
		if (!read_integers(json_array_get(list, i), n, 2, error))
			return false;
		array[i] = (struct story_run){ .first = n[0], .end = n[1] };
	}
	return array;
}

static bool read_stream(struct story_stream *stream, const json_t *object, struct error *error)
{
	json_error_t json_error;
	json_int_t length, acked, delivered;
	json_t *arrivals, *cuts;
	int is_intercepted;

	if (!UNPACK(object, error, "{s:I, s:I, s:I, s:b, s:o, s:o !}", "length", &length, "acked",
		    &acked, "delivered", &delivered, "is_intercepted", &is_intercepted, "arrivals",
		    &arrivals, "cuts", &cuts))
		return false;
	stream->length = length;
	stream->acked = acked;
	stream->delivered = delivered;
	stream->is_intercepted = is_intercepted;
	return read_runs(&stream->arrivals, &stream->arrival_count, arrivals, error) &&
	       read_runs(&stream->cuts, &stream->cut_count, cuts, error);
}

/* Stories ----------------------------------------------------------------------------- */

static bool read_ways(struct story *story, const json_t *list, struct error *error)
{
	struct story_way *ways = array_for(list, sizeof(*ways), &story->way_count, error);
	struct error why;

	story->ways = ways;
	for (size_t i = 0; i < story->way_count; i++) {
		if (!read_way(&ways[i], json_array_get(list, i), &why))
			return error_set(error, 0, "way %zu: %s", i, why.text);
	}
	return ways;
}

static bool read_orphans(struct story *story, const json_t *list, struct error *error)
{
	struct story_orphans *orphans = array_for(list, sizeof(*orphans), &story->orphan_count,
						  error);
	int64_t n[3];

	story->orphans = orphans;
	for (size_t i = 0; i < story->orphan_count; i++) {
		if (!read_integers(json_array_get(list, i), n, 3, error))
			return false;
		orphans[i] = (struct story_orphans){
			.time_ns = n[0],
			.bytes = n[1],
			.never = n[2],
		};
	}
	return orphans;
}

static bool read_story(struct story *story, const json_t *object, struct error *error)
{
	json_error_t json_error;
	json_t *ways, *orphans, *streams;
	json_int_t number;

	if (!UNPACK(object, error, "{s:I, s:o, s:o, s:o !}", "number", &number, "ways", &ways,
		    "orphans", &orphans, "streams", &streams))
		return false;
	if (number < 0 || number > INT_MAX)
		return error_set(error, 0, "its number is %lld", (long long)number);
	story->number = (unsigned)number;
	if (!read_ways(story, ways, error) || !read_orphans(story, orphans, error))
		return false;
	if (json_array_size(streams) != STORY_SIDES)
		return error_set(error, 0, "%zu streams", json_array_size(streams));
	for (size_t side = 0; side < STORY_SIDES; side++) {
		if (!read_stream(&story->streams[side], json_array_get(streams, side), error))
			return false;
	}
	return story_is_sound(story) ||
	       error_set(error, 0, "numbers are too large, or times are out of order");
}

bool stories_from_json(struct stories *stories, const json_t *root, struct error *error)
{
	struct error why;

	stories->stories = array_for(root, sizeof(*stories->stories), &stories->count, error);
	for (size_t i = 0; i < stories->count; i++) {
		if (!read_story(&stories->stories[i], json_array_get(root, i), &why))
			return error_set(error, 0, "story %zu: %s", i, why.text);
	}
	return stories->stories;
}

void stories_free(struct stories *stories)
{
	for (size_t i = 0; i < stories->count; i++) {
		struct story *story = &stories->stories[i];

		for (size_t k = 0; k < story->way_count; k++)
			free((void *)story->ways[k].preview);
		free((void *)story->ways);
		free((void *)story->orphans);
		for (size_t side = 0; side < STORY_SIDES; side++) {
			free((void *)story->streams[side].arrivals);
			free((void *)story->streams[side].cuts);
		}
	}
	free(stories->stories);
	*stories = (struct stories){ 0 };
}
