/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_LAB_ENTER_H
#define RESEG_LAB_ENTER_H

/* reseg-lab enter: runs a further command in a running lab. Takes the command line from that word
 * on, and returns an exit status. */
int enter_main(int argc, char **argv);

#endif
