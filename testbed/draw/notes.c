/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "draw/notes.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"	/* for an octet that is not printable */

const char kind_names[KINDS][sizeof("orphaned")] = {
	"", "stall", "resume", "fault", "orphaned", "forged", "lost",
};

static const char place_names[STORY_PLACES][8] = { "client", "box", "server" };

void notes_add_count(struct text *t, int64_t n, const char *what)
{
	text_add_grouped(t, (uint64_t)n);
	text_format(t, " %s%s", what, n == 1 ? "" : "s");
}

size_t notes_shorten(char *octets, size_t length, bool fits, size_t characters)
{
	if (fits && text_characters(octets, length) <= characters)
		return length;
	length = text_octets_of(octets, length, characters - 1);
	memcpy(octets + length, TEXT_ELLIPSIS, sizeof(TEXT_ELLIPSIS) - 1);
	return length + sizeof(TEXT_ELLIPSIS) - 1;
}

/* Packets ----------------------------------------------------------------------------- */

/* Are its numbers written even if it has no data? */
static bool shows_numbers(const struct story_leg *leg)
{
	return leg->length > 0 || leg->flags & (STORY_SYN | STORY_FIN | STORY_RST);
}

bool notes_is_same_packet(const struct story_leg *a, const struct story_leg *b)
{
	unsigned letters = STORY_SYN | STORY_FIN | STORY_RST | STORY_PSH | STORY_ACK;

	return (a->flags & letters) == (b->flags & letters) && a->length == b->length &&
	       (!shows_numbers(a) || a->first == b->first) &&
	       (!(a->flags & STORY_ACK) || a->ack == b->ack);
}

void notes_add_packet(struct text *t, const struct story_leg *leg)
{
	unsigned flags = leg->flags;
	int64_t end = leg->first + leg->length;

	text_format(t, "%s%s%s%s%s", flags & STORY_SYN ? "S" : "", flags & STORY_FIN ? "F" : "",
		    flags & STORY_RST ? "R" : "", flags & STORY_PSH ? "P" : "",
		    flags & STORY_ACK ? "." : "");
	if (shows_numbers(leg))
		text_format(t, " %lld:%lld(%lld)", (long long)leg->first, (long long)end,
			    (long long)leg->length);
	if (flags & STORY_ACK)
		text_format(t, " ack %lld", (long long)leg->ack);
}

void notes_add_fold(struct text *t, const struct story_way *ways, size_t count)
{
	int64_t octets = 0, time_ns = ways[count - 1].nodes[0].time_ns - ways[0].nodes[0].time_ns;

	for (size_t i = 0; i < count; i++) {
		if (!story_made_by_box(&ways[i]))
			octets += ways[i].legs[0].length;
	}
	notes_add_count(t, (int64_t)count, "packet");
	text_format(t, ", ");
	notes_add_count(t, octets, "byte");
	text_format(t, " of data, %.3f s", (double)time_ns / 1e9);
}

/* Comments ---------------------------------------------------------------------------- */

/* A part of a comment. The parts are separated by "; ". */
struct part {
	const char *octets;
	size_t length;
};

/* Does this stand there? */
static bool stands_at(const char *octets, size_t left, const char *what)
{
	size_t i = 0;

	while (i < left && what[i] && octets[i] == what[i])
		i++;
	return what[i] == '\0';
}

/* Takes the next part; false after the last. Begin with *at == 0. */
static bool next_part(const char *comment, size_t length, size_t *at, struct part *part)
{
	size_t end = *at;

	if (*at > length)
		return false;
	while (end < length && !stands_at(comment + end, length - end, "; "))
		end++;
	part->octets = comment + *at;
	part->length = end - *at;
	*at = end < length ? end + 2 : length + 1;
	return true;
}

/* Is this its word: what it begins with, up to a colon or to its end? */
static bool has_word(const struct part *part, const char *word)
{
	size_t length = 0;

	if (!stands_at(part->octets, part->length, word))
		return false;
	while (word[length])
		length++;
	return length == part->length || part->octets[length] == ':';
}

static bool comment_has(const char *comment, size_t length, const char *word)
{
	struct part part;

	for (size_t at = 0; next_part(comment, length, &at, &part);) {
		if (has_word(&part, word))
			return true;
	}
	return false;
}

enum kind notes_kind(const struct story_way *way)
{
	for (enum kind kind = KIND_STALL; kind <= KIND_FORGED; kind++) {
		if (comment_has(way->comment, way->comment_length,
				kind == KIND_FORGED ? "forged ACK" : kind_names[kind]))
			return kind;
	}
	return way->is_lost ? KIND_LOST : KIND_NONE;
}

/* Replaces `what` by something shorter wherever it stands. Returns the new length. */
static size_t replace(char *octets, size_t length, const char *what, const char *by)
{
	size_t to = 0;

	for (size_t at = 0; at < length;) {
		if (!stands_at(octets + at, length - at, what)) {
			octets[to++] = octets[at++];
			continue;
		}
		for (const char *c = what; *c; c++)
			at++;
		for (const char *c = by; *c; c++)
			octets[to++] = *c;
	}
	return to;
}

/* Copies a comment with its parts in shorter words. Returns its new length. */
static size_t shorten_comment(const struct story_way *way, char *scratch)
{
	struct part part;
	size_t to = 0;

	for (size_t at = 0; next_part(way->comment, way->comment_length, &at, &part);) {
		size_t length = part.length;

		if (part.octets > way->comment) {
			scratch[to++] = ';';
			scratch[to++] = ' ';
		}
		memmove(scratch + to, part.octets, length);
		length = replace(scratch + to, length, " to the client,", ",");
		length = replace(scratch + to, length, " to the server,", ",");
		length = replace(scratch + to, length, "the client's bytes ", "bytes ");
		to += replace(scratch + to, length, "the server's bytes ", "bytes ");
	}
	return to;
}

static bool is_same(const struct part *a, const struct part *b)
{
	return a->length == b->length &&
	       (a->length == 0 || memcmp(a->octets, b->octets, a->length) == 0);
}

/* How many parts equal this one; 0 if it is not the first of them. */
static unsigned count_same(const char *comment, size_t length, const struct part *part)
{
	struct part other;
	unsigned count = 0;

	for (size_t at = 0; next_part(comment, length, &at, &other);) {
		if (!is_same(&other, part))
			continue;
		if (count == 0 && other.octets != part->octets)
			return 0;
		count++;
	}
	return count;
}

/* Adds the parts that begin with this word, each once. What no longer fits would not be seen. */
static void add_parts(struct text *t, const char *comment, size_t length, const char *word)
{
	struct part part;

	for (size_t at = 0; text_fits(t) && next_part(comment, length, &at, &part);) {
		unsigned count = has_word(&part, word) ? count_same(comment, length, &part) : 0;

		if (count == 0)
			continue;
		if (t->length > 0)
			text_format(t, "; ");
		text_add(t, part.octets, part.length);
		if (count > 1)
			text_format(t, ", %u times", count);
	}
}

/* Notes ------------------------------------------------------------------------------- */

static struct text note_text(struct note *note)
{
	return (struct text){ .octets = note->octets, .room = sizeof(note->octets) };
}

static void end_note(struct note *note, const struct text *t)
{
	note->length = notes_shorten(note->octets, text_kept(t), text_fits(t), NOTE_CHARACTERS);
}

static void note_forged(const struct story_way *way, struct note *note)
{
	struct text t = note_text(note);

	*note = (struct note){ .kind = KIND_FORGED, .is_never = way->never > 0 };
	text_format(&t, "forged: ");
	notes_add_count(&t, way->lacks, "byte");
	if (!note->is_never) {
		text_format(&t, " not delivered yet");
	} else if (way->never == way->lacks) {
		text_format(&t, " never delivered");
	} else {
		text_format(&t, " not delivered, ");
		text_add_grouped(&t, (uint64_t)way->never);
		text_format(&t, " never");
	}
	end_note(note, &t);
}

static void note_lost(struct note *note)
{
	struct text t = note_text(note);

	*note = (struct note){ .kind = KIND_LOST };
	text_format(&t, "lost");
	end_note(note, &t);
}

unsigned notes_of(const struct story_way *way, char *scratch, struct note notes[NOTES_MAX])
{
	size_t length = way->comment_length > 0 ? shorten_comment(way, scratch) : 0;
	bool stalls = comment_has(scratch, length, kind_names[KIND_STALL]), is_first = true;
	unsigned n = 0;

	if (way->never > 0 || way->lacks > 0)
		note_forged(way, &notes[n++]);
	for (enum kind kind = KIND_STALL; kind <= KIND_ORPHANED; kind++) {
		struct note *note = &notes[n];
		struct text t = note_text(note);

		if ((kind == KIND_FAULT && stalls) ||
		    !comment_has(scratch, length, kind_names[kind]))
			continue;
		*note = (struct note){ .kind = kind };
		if (is_first)
			add_parts(&t, scratch, length, "cut");
		add_parts(&t, scratch, length, kind_names[kind]);
		end_note(note, &t);
		is_first = false;
		n++;
	}
	if (way->is_lost && is_first)
		note_lost(&notes[n++]);
	return n;
}

/* Details ----------------------------------------------------------------------------- */

/* Adds an octet of Latin-1. */
static void add_latin(struct text *t, uint8_t octet)
{
	bool is_hyphen = octet == 0xad;	/* a soft one, which is not printed */
	bool is_printable = (octet >= ' ' && octet < 0x7f) || (octet > 0xa0 && !is_hyphen);
	char two[2] = { (char)(0xc0 | octet >> 6), (char)(0x80 | (octet & 0x3f)) };
	char one = (char)octet;

	if (!is_printable)
		text_format(t, REPLACEMENT);
	else if (octet < 0x80)
		text_add(t, &one, 1);
	else
		text_add(t, two, sizeof(two));
}

/* Adds the beginning of the data, without the ends of its last lines. */
static void add_preview(struct text *t, const struct story_way *way)
{
	size_t length = way->preview_length;
	const uint8_t *data = way->preview;

	while (length >= 2 && data[length - 2] == '\r' && data[length - 1] == '\n')
		length -= 2;
	text_format(t, "\n");
	for (size_t i = 0; i < length; i++) {
		if (i + 1 < length && data[i] == '\r' && data[i + 1] == '\n') {
			text_format(t, "\n");
			i++;
		} else {
			add_latin(t, data[i]);
		}
	}
	if (way->legs[0].length > STORY_PREVIEW_MAX)
		text_format(t, " ...");
}

void notes_add_details(struct text *t, const struct story *story, const struct story_way *way)
{
	int64_t start_ns = story->ways[0].nodes[0].time_ns;

	for (unsigned leg = 0; leg + 1 < way->node_count; leg++) {
		if (leg > 0 && notes_is_same_packet(&way->legs[leg - 1], &way->legs[leg]))
			continue;
		if (leg > 0)
			text_format(t, " -> ");
		notes_add_packet(t, &way->legs[leg]);
	}
	if (story_made_by_box(way))
		text_format(t, "\nThe box, as the %s, at ",
			    story_side(way) == STORY_BY_CLIENT ? "client" : "server");
	else
		text_format(t, "\nThe %s, at ", place_names[way->nodes[0].place]);
	for (unsigned i = 0; i < way->node_count; i++)
		text_format(t, "%s%s %.6f s", i > 0 ? ", " : "", place_names[way->nodes[i].place],
			    (double)(way->nodes[i].time_ns - start_ns) / 1e9);
	if (way->comment_length > 0) {
		text_format(t, "\n");
		text_add(t, way->comment, way->comment_length);
	}
	if (way->preview_length > 0)
		add_preview(t, way);
}
