/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/identify.h"

#include "core/units.h"

#include <inttypes.h>

#include <jansson.h>

static const char *const class_names[CLASSES] = {
	"none",         "off-by-one",  "lose-tail",   "mtu-blackhole",
	"ack-then-die", "banner-mask", "slow-server", "unsure",
};

static const char *const class_texts[CLASSES] = {
	"no fault found",
	"a re-segmenting middlebox acknowledges, but never forwards, certain sizes",
	"a re-segmenting middlebox loses short last pieces",
	"an MTU black hole: packets over a size vanish, and nobody is told",
	"a middlebox acknowledges a number of bytes, then forwards nothing more",
	"a relay on the way hides the server's greeting",
	"the server takes time for each recipient: call-outs, not the network",
	"something is wrong, and no hypothesis explains it",
};

void identify_print(FILE *out, const struct identify *id, const char *target)
{
	fprintf(out, "%s: %s%s\n", target, class_texts[id->class],
		id->class != CLASS_UNSURE && !id->sure ? " (likely)" : "");
	if (id->class == CLASS_OFF_BY_ONE)
		fprintf(out,
			"  as resegd --segment-size %" PRIu32 " --fault off-by-one:over=%" PRIu32
			"\n",
			id->segment_size, id->over);
	if (id->class == CLASS_LOSE_TAIL)
		fprintf(out,
			"  as resegd --segment-size %" PRIu32 " --fault lose-tail:bytes=%" PRIu32
			"\n",
			id->segment_size, id->bytes);
	if (id->class == CLASS_MTU_BLACKHOLE || id->class == CLASS_ACK_THEN_DIE)
		fprintf(out, "  as resegd --fault %s:bytes=%" PRIu32 "\n", class_names[id->class],
			id->bytes);
	if (id->class == CLASS_BANNER_MASK)
		fprintf(out, "  as resegd --fault banner-mask\n");
	for (size_t i = 0; i < id->evidence_count; i++)
		fprintf(out, "  - %s\n", id->evidence[i]);
	fprintf(out, "  %zu connections, %.1f s\n", id->trials.connections,
		(double)id->time_ns / NS_PER_S);
}

static void set_known(json_t *object, const char *key, uint32_t value)
{
	if (value > 0)
		json_object_set_new(object, key, json_integer(value));
}

void identify_print_json(FILE *out, const struct identify *id, const char *target)
{
	json_t *list = json_array(), *object;

	for (size_t i = 0; i < id->evidence_count; i++)
		json_array_append_new(list, json_string(id->evidence[i]));
	object = json_pack("{s:s, s:s, s:s, s:b, s:I, s:f, s:o}", "target", target, "class",
			   class_names[id->class], "text", class_texts[id->class], "sure",
			   (int)(id->sure && id->class != CLASS_UNSURE), "connections",
			   (json_int_t)id->trials.connections, "time_s",
			   (double)id->time_ns / NS_PER_S, "evidence", list);
	set_known(object, "segment_size", id->segment_size);
	set_known(object, "over", id->over);
	set_known(object, "bytes", id->bytes);
	if (id->trials.refused > 0)
		json_object_set_new(object, "refusal", json_string(id->trials.refusal));
	if (id->delay_ns > 0)
		json_object_set_new(object, "delay_s", json_real((double)id->delay_ns / NS_PER_S));
	json_dumpf(object, out, JSON_INDENT(2));
	fprintf(out, "\n");
	json_decref(object);
}
