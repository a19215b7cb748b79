/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_DAEMON_REQUESTS_H
#define RESEG_DAEMON_REQUESTS_H

/*
 * What resegctl asks and tells
 */

#include <jansson.h>

/* A control_handler whose arg is the daemon. */
json_t *requests_answer(void *daemon, json_t *request);

#endif
