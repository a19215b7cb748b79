/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_SINK_SMTP_H
#define RESEG_SINK_SMTP_H

/*
 * SMTP with PIPELINING, spoken as a server that accepts everything
 */

#include "sink/connection.h"

/* Takes commands and message text, up to a command that takes its time; keeps what follows. */
void smtp_take(struct sink *sink, struct connection *c, const char *data, size_t bytes);

/* Does what a command says, regardless of the list of chaos. */
void smtp_perform(struct sink *sink, struct connection *c, const char *line);

#endif
