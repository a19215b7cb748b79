/* SPDX-License-Identifier: GPL-2.0-or-later */

/* SYNs, and what both ends agree on. The language is that of script.h. */

#include "script/script.h"

#include <criterion/criterion.h>

TestSuite(handshake, .timeout = 20);

Test(handshake, handshake_passes_untouched)
{
	script_run((struct script){ .events = true },
		"client > S 0:0(0) win 64240 <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,TS val 5 ecr 1,nop,wscale 7>\n"
		"* opened S 512\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 502 <TS val 2 ecr 5>\n"
		"pass\n");
}

Test(handshake, handshake_loses_what_the_box_cannot_keep)
{
	script_run((struct script){ 0 },
		"client > SEW 0:0(0) win 64240 <mss 1460,tfo,mptcp>\n"
		"pass S 0:0(0) <mss 1460>\n"
		"server > SE. 0:0(0) ack 1 win 65160 <mss 1460,mptcp>\n"
		"pass S. 0:0(0) ack 1 <mss 1460>\n");
}

Test(handshake, data_on_a_syn_is_taken_off)
{
	script_run((struct script){ 0 },
		"client > S 0:100(100) win 64240 <mss 1460,tfo>\n"
		"pass S 0:0(0) <mss 1460>\n");
}

Test(handshake, syn_window_is_no_larger_than_the_buffer)
{
	script_run((struct script){ .window_bytes = 16384 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass S. 0:0(0) ack 1 win 16384\n");
}

Test(handshake, simultaneous_open)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S 0:0(0) win 65160 <mss 1460>\n"
		"pass\n"
		"client > S. 0:0(0) ack 1 win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:11(10) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		"server > . 1:1(0) ack 11 win 65160\n"
		"drop\n");
}

Test(handshake, refused_connection_passes_and_is_forgotten)
{
	script_run((struct script){ .at_end = script_nothing_is_left },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > R. 0:0(0) ack 1 win 0\n"
		"pass\n");
}

Test(handshake, repeated_syn_and_syn_ack)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460,tfo>\n"
		"pass S 0:0(0) <mss 1460>\n"
		"client > S 0:0(0) win 64240 <mss 1460,tfo>\n"
		"pass S 0:0(0) <mss 1460>\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"pass\n");
}

/* The SYN-ACK was lost after the box, and the server has restarted since: its refusal must pass. */
Test(handshake, refusal_after_a_lost_syn_ack_passes)
{
	script_run((struct script){ .direction = DIRECTION_BOTH, .at_end = script_nothing_is_held },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > R. 77:77(0) ack 1 win 0\n"
		"pass\n");
}

Test(handshake, lost_syn_ack_is_asked_for_again)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n");
}

Test(handshake, another_syn_ack_takes_the_place_of_one_that_was_lost)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"server > SE. 7000:7000(0) ack 1 win 65160 <mss 1000>\n"
		"pass S. 7000:7000(0) ack 1\n"
		"client > . 1:1(0) ack 7001 win 64240\n"
		"pass\n"
		"client > P. 1:11(10) ack 7001 win 64240\n"
		"drop\n"
		"client < . 7001:7001(0) ack 11\n"
		"server < P. 1:11(10) ack 7001\n");
}

Test(handshake, another_syn_ack_takes_the_data_of_the_first_with_it)
{
	script_run((struct script){ .direction = DIRECTION_S2C, .at_end = script_nothing_is_held },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"server > P. 1:101(100) ack 1 win 65160\n"
		"drop\n"
		"server < . 1:1(0) ack 101\n"
		"client < P. 1:101(100) ack 1\n"
		"server > S. 7000:7000(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n");
}

/* RFC 7323 section 2.2: no shift unless both offer one. */
Test(handshake, windows_are_scaled_if_both_ends_offer_it)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460,wscale 7>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 600 <mss 1460>\n"
		"pass\n"
		"client > P. 1:601(600) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 601 win 65535\n"
		/* at most half of what it offers in one segment, as Linux does */
		"server < . 1:301(300) ack 1 win 502\n"
		"server < . 301:513(212) ack 1\n"
		"server < P. 513:601(88) ack 1\n"
		/* this window of 100 is not scaled: it is not 12,800 */
		"server > . 1:1(0) ack 601 win 100\n"
		"drop\n"
		"client > P. 601:801(200) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 801\n");
}

/* RFC 7323 section 3.2 */
Test(handshake, timestamps_are_used_if_both_ends_offer_them)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460,TS val 10 ecr 0>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11 <>\n"
		"server < P. 1:11(10) ack 1 <>\n");
}

/* RFC 2018 section 2 */
Test(handshake, sack_is_used_if_both_ends_permit_it)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460,sackOK>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 502\n"
		"pass\n"
		"client > P. 11:21(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 1 <>\n");
}

/* The client gave up before the SYN-ACK came. */
Test(handshake, rst_of_a_client_that_does_not_want_it_any_more)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > R 1:1(0)\n"
		"pass R 1:1(0)\n");
}

/* The client's first packets are reordered: data, then the ACK that ends the handshake. */
Test(handshake, data_may_come_before_the_last_ack)
{
	script_run((struct script){ .at_end = script_nothing_is_held },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:11(10) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n"
		/* it is old by now, and answered as such */
		"client > . 1:1(0) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server > . 1:1(0) ack 11 win 65160\n"
		"drop\n");
}

Test(handshake, another_syn_ack_may_bring_a_window_scale)
{
	script_run((struct script){ .direction = DIRECTION_S2C },
		"client > S 0:0(0) win 64240 <mss 1460,sackOK,wscale 7>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"server > S. 100000:100000(0) ack 1 win 65160 <mss 1460,sackOK,wscale 7>\n"
		"pass\n"
		"client > . 1:1(0) ack 100001 win 502\n"
		"pass . 1:1(0) ack 100001\n"
		"server > P. 100001:101001(1000) ack 1 win 509\n"
		"drop\n"
		"server < . 1:1(0) ack 101001\n"
		"client < . 100001:100513(512) ack 1\n"
		"client < P. 100513:101001(488) ack 1\n");
}

/* RFC 3168 section 6.1.1: a SYN is not ECN-capable; nor is anything that the box sends. */
Test(handshake, ecn_is_taken_out_of_the_ip_header_of_a_syn)
{
	script_run((struct script){ 0 },
		"client > SEW 0:0(0) win 64240 <mss 1460> ecn\n"
		"pass S 0:0(0)\n"
		"server > S.E 0:0(0) ack 1 win 65160 <mss 1460> ecn\n"
		"pass S. 0:0(0) ack 1\n"
		"client > P. 1:11(10) ack 1 win 64240 ecn\n"
		"drop\n"
		"client < . 1:1(0) ack 11\n"
		"server < P. 1:11(10) ack 1\n");
	/* the same without the flags */
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460> ecn\n"
		"pass S 0:0(0)\n");
}

/* RFC 7323 section 2.2: the client offers a shift and the server none, so there is none. */
Test(handshake, the_clients_window_is_not_scaled_by_its_word_alone)
{
	script_run((struct script){ .direction = DIRECTION_S2C },
		"client > S 0:0(0) win 64240 <mss 1460,wscale 7>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 600\n"
		"pass . 1:1(0) ack 1\n"
		"server > P. 1:701(700) ack 1 win 65160\n"
		"drop\n"
		"server < . 1:1(0) ack 701\n"
		"client < . 1:513(512) ack 1\n");
}

/* The server closed after its first SYN-ACK. Its second SYN-ACK has another number: the server's
 * data must be taken from that number on. */
Test(handshake, another_syn_ack_takes_the_fin_of_the_first_with_it)
{
	script_run((struct script){ .direction = DIRECTION_S2C },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"server > F. 1:1(0) ack 1 win 65160\n"
		"drop\n"
		"server < . 1:1(0) ack 2\n"
		"client < F. 1:1(0) ack 1\n"
		"server > S. 7000:7000(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > . 1:1(0) ack 7001 win 502\n"
		"pass . 1:1(0) ack 7001\n"
		"server > P. 7001:7021(20) ack 1 win 65160\n"
		"drop\n"
		"server < . 1:1(0) ack 7021\n"
		"client < P. 7001:7021(20) ack 1\n");
}

/* A server that has restarted refuses the connection that its SYN-ACK began. It is over if the RST
 * acknowledges the SYN. */
Test(handshake, a_refusal_after_a_lost_syn_ack_is_the_end)
{
	script_run((struct script){ .direction = DIRECTION_BOTH },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"server > R. 77:77(0) ack 2 win 0\n"
		"drop\n"
		"server < . 1:1(0) ack 1\n"
		"flow 1 open S 512 idle 0, client 0 acked 0 delivered 0 pending, "
		"server 0 acked 0 delivered 0 pending\n"
		"server > R. 77:77(0) ack 1 win 0\n"
		"pass\n"
		"flow 1 reset S 512 idle 0\n");
}

/* The MSS must keep each packet, and two that offloads join, short enough for the queue. */
Test(handshake, the_largest_mss_is_half_of_what_the_queue_takes)
{
	script_run((struct script){ .segment_size = 65495, .events = true },
		"client > S 0:0(0) win 64240 <mss 65535,TS val 10 ecr 0>\n"
		"pass S 0:0(0) win 64240 <mss 32735,TS val 10 ecr 0>\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 32736,TS val 70 ecr 10>\n"
		"* opened S 32723\n"
		"pass S. 0:0(0) ack 1 win 65160 <mss 32735,TS val 70 ecr 10>\n");
	script_run((struct script){ .segment_size = 65495, .events = true },
		"client > S 0:0(0) win 64240 <mss 32735>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 32735>\n"
		"* opened S 32735\n"
		"pass\n");
}

/* RFC 9293 section 3.8.6: an end that knows of no window waits for an ACK that opens it. SYN
 * proxies begin like this. */
Test(handshake, a_window_that_opens_after_the_handshake_is_told)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 0 <mss 1460>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 64240\n"
		"pass\n"
		"server > . 1:1(0) ack 1 win 0\n"
		"drop\n"
		"server > . 1:1(0) ack 1 win 29200\n"
		"pass . 1:1(0) ack 1 win 65535\n"
		"server > . 1:1(0) ack 1 win 29201\n"
		"drop\n");
}

/* The same for the other half. */
Test(handshake, a_window_of_the_client_that_opens_after_the_handshake_is_told)
{
	script_run((struct script){ .direction = DIRECTION_S2C },
		"client > S 0:0(0) win 0 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 29200 <mss 1460>\n"
		"pass\n"
		"client > . 1:1(0) ack 1 win 0\n"
		"pass . 1:1(0) ack 1 win 65535\n"
		"client > . 1:1(0) ack 1 win 64240\n"
		"drop\n");
}

/* If the server's half is intercepted, the client's window is the box's, from the SYN on. */
Test(handshake, the_clients_syn_offers_no_more_than_the_buffer)
{
	script_run((struct script){ .window_bytes = 16384, .direction = DIRECTION_S2C },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass S 0:0(0) win 16384\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n");
}

/* A repeated SYN-ACK may widen the window. What the client sends into it passes, to the last octet
 * and a FIN after it, and the box counts it. */
Test(handshake, a_repeated_syn_ack_tells_how_much_may_pass)
{
	script_run((struct script){ .direction = DIRECTION_S2C },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 10 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 100 <mss 1460>\n"
		"pass\n"
		"client > FP. 1:101(100) ack 1 win 64240\n"
		"pass FP. 1:101(100) ack 1 win 65535\n"
		"server > P. 1:11(10) ack 1 win 100\n"
		"drop\n"
		"server < . 101:101(0) ack 11\n"
		"client < P. 1:11(10) ack 1\n");
}

/* A repeated SYN-ACK that comes late has an old window, which must not replace a wider one. */
Test(handshake, a_repeated_syn_ack_takes_no_window_back)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 1000 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 50 <mss 1460>\n"
		"pass\n"
		"client > P. 1:101(100) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"server < P. 1:101(100) ack 1\n");
}

/* The SYN-ACK was lost and comes again, with a window that has opened meanwhile: what the client
 * sends into it passes, and the server's ACK of it is no forgery. */
Test(handshake, a_repeated_syn_ack_may_bring_a_wider_window)
{
	script_run((struct script){ .direction = DIRECTION_S2C },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 0 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > P. 1:101(100) ack 1 win 64240\n"
		"pass P. 1:101(100) ack 1 win 65535\n"
		"server > F. 1:1(0) ack 101 win 65160\n"
		"drop\n"
		"server < . 101:101(0) ack 2\n"
		"client < F. 1:1(0) ack 101\n");
}

/* The wider window of a repeated SYN-ACK lets the box send more, too: just as much as it says, for
 * the window of a SYN is not scaled (RFC 7323 section 2.2). Of 500 octets, 384 remain in the units
 * of 128 in which the box keeps windows. */
Test(handshake, a_repeated_syn_ack_lets_more_be_sent)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 50 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 100 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 100 <mss 1460>\n"
		"pass\n"
		"client > P. 1:101(100) ack 1 win 64240\n"
		"drop\n"
		"client < . 1:1(0) ack 101\n"
		"server < P. 1:101(100) ack 1\n");
	script_run((struct script){ .segment_size = 100 },
		"client > S 0:0(0) win 64240 <mss 1460,wscale 7>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 300 <mss 1460,wscale 7>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 500 <mss 1460,wscale 7>\n"
		"pass\n"
		"client > P. 1:451(450) ack 1 win 502\n"
		"drop\n"
		"client < . 1:1(0) ack 451\n"
		"server < . 1:101(100) ack 1\n"
		"server < . 101:201(100) ack 1\n"
		"server < . 201:301(100) ack 1\n");
}

/* Another SYN-ACK acknowledges the SYN, too: from then on a RST must have the right sequence
 * number. */
Test(handshake, another_syn_ack_acknowledges_the_syn)
{
	script_run((struct script){ 0 },
		"client > S 0:0(0) win 64240 <mss 1460>\n"
		"pass\n"
		"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"server > S. 5000:5000(0) ack 1 win 65160 <mss 1460>\n"
		"pass\n"
		"client > . 1:1(0) ack 5001 win 64240\n"
		"pass\n"
		"client > R. 100:100(0) ack 5001 win 64240\n"
		"drop\n"
		"client < . 5001:5001(0) ack 1\n");
}
