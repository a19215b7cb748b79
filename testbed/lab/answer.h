/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_LAB_ANSWER_H
#define RESEG_LAB_ANSWER_H

/*
 * reseg-lab --answer: is this the fault of a mystery?
 */

#include "settings/mystery.h"

#include <stdbool.h>

/* Asks the lab that this process is on the client of; or, if there is a seed, compares the guess
 * with what the seed means, and nobody is asked. Prints the result, as JSON or for people. Returns
 * an exit status; exits with a message if the guess is not a fault, or there is no mystery. */
int answer_run(const struct mystery_guess *guess, const uint64_t *seed, bool json);

#endif
