/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_DRAW_NOTES_H
#define RESEG_DRAW_NOTES_H

/*
 * What is written of a way: its packets, the notes below it, all that is known about it
 */

#include "draw/story.h"
#include "draw/text.h"

/* What is remarkable about a way. */
enum kind {
	KIND_NONE,
	KIND_STALL,
	KIND_RESUME,
	KIND_FAULT,
	KIND_ORPHANED,
	KIND_FORGED,
	KIND_LOST,
	KINDS,
};

extern const char kind_names[KINDS][sizeof("orphaned")];

/* By a word of its comment, the first of those above that it has; otherwise by its being lost. */
enum kind notes_kind(const struct story_way *way);

enum {
	NOTES_MAX = 4,
	NOTE_CHARACTERS = 47,		/* of a note, to the end of the ladder */
	NOTE_OCTETS = 4 * (NOTE_CHARACTERS + 1),
};

struct note {
	enum kind kind;
	bool is_never;			/* of an ACK: bytes that are never delivered */
	char octets[NOTE_OCTETS];
	size_t length;
};

/* The notes below a way, from top to bottom. Returns how many there are. `scratch` is overwritten;
 * it has room for STORY_COMMENT_MAX octets. */
unsigned notes_of(const struct story_way *way, char *scratch, struct note notes[NOTES_MAX]);

/* Adds a packet as packetdrill writes it; in at most NOTES_PACKET_MAX characters of ASCII. */
void notes_add_packet(struct text *t, const struct story_leg *leg);

enum { NOTES_PACKET_MAX = 100 };

/* Are they written alike? */
bool notes_is_same_packet(const struct story_leg *a, const struct story_leg *b);

enum { NOTES_DETAILS_MAX = STORY_COMMENT_MAX + 2048 };	/* octets */

/* Adds all that is known about a way, in lines; at most NOTES_DETAILS_MAX octets. */
void notes_add_details(struct text *t, const struct story *story, const struct story_way *way);

/* Adds what a fold leaves out: `count` ways, one or more. */
void notes_add_fold(struct text *t, const struct story_way *ways, size_t count);

/* Adds a number and a name, which gets an s unless the number is 1. */
void notes_add_count(struct text *t, int64_t n, const char *what);

/* Cuts it to so many characters, the last of which is then an ellipsis. `fits` is false if there
 * was more of it. Needs room for the ellipsis. Returns its new length. */
size_t notes_shorten(char *octets, size_t length, bool fits, size_t characters);

#endif
