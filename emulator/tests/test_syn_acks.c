/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Two SYN-ACKs with different numbers, of which the client may have either. */

#include "script/script.h"

#include <criterion/criterion.h>

TestSuite(syn_acks, .timeout = 20);

#define TWO_SYN_ACKS                                                                     \
	"client > S 0:0(0) win 64240 <mss 1460>\n"                                       \
	"pass\n"                                                                         \
	"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"                                \
	"pass\n"                                                                         \
	"server > S. 7000:7000(0) ack 1 win 65160 <mss 1460>\n"                          \
	"pass\n"

/* Neither SYN-ACK was lost, and the client has taken the first. */
Test(syn_acks, the_client_says_which_of_two_syn_acks_it_has_taken)
{
	script_run((struct script){ .direction = DIRECTION_BOTH },
		TWO_SYN_ACKS
		"client > . 1:1(0) ack 1 win 64240\n"
		"pass . 1:1(0) ack 1\n"
		"client > P. 1:11(10) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"server > P. 1:21(20) ack 11 win 65160\n"
		"drop\n"
		"server < . 11:11(0) ack 21\n"
		"client < P. 1:21(20) ack 11\n");
}

/* Its first packet may have data; and once it has acknowledged one, it is no longer asked. */
Test(syn_acks, the_client_says_once_which_syn_ack_it_has_taken)
{
	script_run((struct script){ 0 },
		TWO_SYN_ACKS
		"client > P. 1:11(10) ack 7001 win 64240\n"
		"drop\n"
		"client < . 7001:7001(0) ack 11\n"
		"server < P. 1:11(10) ack 7001\n"
		"server > . 7001:7001(0) ack 11 win 65160\n"
		"drop\n"
		"client > P. 11:21(10) ack 1 win 64240\n"
		"drop\n"
		"client < . 7001:7001(0) ack 21\n"
		"server < P. 11:21(10) ack 7001\n");
}

/* A server that sends data with the number of its second SYN-ACK means that one. */
Test(syn_acks, data_says_which_of_two_syn_acks_is_meant)
{
	script_run((struct script){ .direction = DIRECTION_S2C },
		TWO_SYN_ACKS
		"server > P. 7001:7021(20) ack 1 win 65160\n"
		"drop\n"
		"server < . 1:1(0) ack 7021\n"
		"client < P. 7001:7021(20) ack 1\n"
		"client > . 1:1(0) ack 1 win 64240\n"
		"drop\n"
		"client < . 7021:7021(0) ack 1\n"
		"client > . 1:1(0) ack 7021 win 64240\n"
		"pass . 1:1(0) ack 7021\n");
}
