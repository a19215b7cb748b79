/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_LAB_DOCTOR_H
#define RESEG_LAB_DOCTOR_H

#include <stdbool.h>

/* reseg-lab --doctor: tries what a lab needs from this machine, and prints what is missing and what
 * to do about it, as a table or as JSON. Returns an exit status: EXIT_FINDING if something is
 * missing that a lab cannot do without. */
int doctor_run(bool json);

#endif
