/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_DAEMON_REQUESTS_H
#define RESEG_DAEMON_REQUESTS_H

/*
 * Requests from resegctl, and their answers
 */

#include <jansson.h>

/* A control_handler whose arg is the daemon. */
json_t *requests_answer(void *daemon, json_t *request);

#endif
