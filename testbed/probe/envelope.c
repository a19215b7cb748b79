/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/envelope.h"

#include <string.h>

static const char sender[] = "MAIL FROM:<>\r\n";
static const char rcpt[] = "RCPT TO:<";
static const char rcpt_end[] = ">\r\n";
static const char data[] = "DATA\r\n";
static const char domain_end[] = ".example";

#define LENGTH(text) (sizeof(text) - 1)
#define MAILBOX_MIN 3				/* a@b */
#define MAILBOX_MAX 254				/* a path of 256 less <> */
#define LINE_MIN (LENGTH(rcpt) + MAILBOX_MIN + LENGTH(rcpt_end))
#define LINE_MAX (LENGTH(rcpt) + MAILBOX_MAX + LENGTH(rcpt_end))
#define LOCAL_PART_MAX 64
#define LABEL_MAX 63

static char *put_text(char *to, const char *text, size_t len)
{
	memcpy(to, text, len);
	return to + len;
}

/* A domain of len octets: labels of x, and .example at the end if it fits. */
static char *put_domain(char *to, size_t len)
{
	size_t end = len > LENGTH(domain_end) ? LENGTH(domain_end) : 0;
	size_t labels = len - end;

	for (size_t i = 0; i < labels; i++) {
		/* A dot after every 63 octets, but never as the last octet of the labels. */
		*to++ = i % (LABEL_MAX + 1) == LABEL_MAX && i + 1 < labels ? '.' : 'x';
	}
	/* 64 octets without a dot would be a label that is one too long: put the dot in earlier. */
	if (labels % (LABEL_MAX + 1) == 0)
		to[-2] = '.';
	return put_text(to, domain_end, end);
}

static char *put_mailbox(char *to, size_t len)
{
	size_t domain_min = len >= 2 + LENGTH(domain_end) + 1 ? LENGTH(domain_end) + 1 : 1;
	size_t local = len - 1 - domain_min;

	if (local > LOCAL_PART_MAX)
		local = LOCAL_PART_MAX;
	memset(to, 'r', local);
	to += local;
	*to++ = '@';
	return put_domain(to, len - local - 1);
}

unsigned envelope_build(char *to, size_t size)
{
	size_t rest = size - LENGTH(sender) - LENGTH(data);
	size_t lines = (rest + LINE_MAX - 1) / LINE_MAX;

	to = put_text(to, sender, LENGTH(sender));
	for (size_t i = 0; i < lines; i++) {
		/* The lines are of about the same length, so none is below the least. */
		size_t line = rest / lines + (i < rest % lines ? 1 : 0);

		to = put_text(to, rcpt, LENGTH(rcpt));
		to = put_mailbox(to, line - LENGTH(rcpt) - LENGTH(rcpt_end));
		to = put_text(to, rcpt_end, LENGTH(rcpt_end));
	}
	put_text(to, data, LENGTH(data));
	return (unsigned)(lines + 2);
}
