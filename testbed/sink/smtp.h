/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_SINK_SMTP_H
#define RESEG_SINK_SMTP_H

/*
 * SMTP with PIPELINING, as a server speaks it that accepts everything
 */

#include "sink/connection.h"

/* Takes commands and message text, up to a command that takes its time; what follows is kept. */
void smtp_take(struct sink *sink, struct connection *c, const char *data, size_t bytes);

/* Does what a command says, whatever the list of chaos says. */
void smtp_perform(struct sink *sink, struct connection *c, const char *line);

#endif
