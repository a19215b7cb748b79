/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_TESTS_SCRIPT_H
#define RESEG_TESTS_SCRIPT_H

/*
 * A small language for tests of exact wire behaviour
 *
 * Packets are written as packetdrill writes them, with sequence numbers relative to
 * each side's ISN. One line each:
 *
 *      client > P. 1:514(513) ack 1 win 1000      the client's packet reaches the box
 *      client:2000 > S 0:0(0) win 1000            the same, from another client port; and
 *      server:2000 > S. 0:0(0) ack 1 win 1000     the server's answer
 *      pass                                       verdict: the packet goes on as it is
 *      pass . 1:1(0) ack 1                        verdict: it goes on, rewritten to this
 *      drop                                       verdict: the box has taken it
 *      server < P. 1:513(512) ack 1               the box sends this to the server
 *      * stall client 0 pending 513               the observer gets this event
 *      * fault drop client piece 0 bytes 512      the same, with the piece that a fault acted on
 *      +0.2                                       this many seconds pass
 *      faults NAME:KEY=VALUE,...                  the faults are replaced by these; the N-th is
 *                                                 the same fault as the N-th before, so its
 *                                                 counts go on
 *      policy PORTS NAME:KEY=VALUE,...            from now on connections to these ports have a
 *                                                 policy of their own, with these faults
 *      policy PORTS pass                          the same; the policy lets them pass
 *      acted 2 0                                  how often each of the first policy's faults
 *                                                 has acted
 *      anything                                   whatever the box has done is accepted
 *      icmp 1400 client > . 1:513(512) ack 1      a router beyond the box reports that this
 *                                                 packet, sent in the client's name, is too
 *                                                 big for its MTU of 1400; +1400: plus the
 *                                                 headers, without options
 *      drain                                      the box begins to hand over its flows
 *      hold                                       from now on the box's output is not taken out
 *      take                                       it is taken out again
 *      shutdown                                   the box is stopped
 *      count passed_overload 1                    this counter of struct engine_stats is 1
 *      flow 1 open S 512 idle 60, client 513 acked 0 delivered 513 pending stalled
 *                                                 how the box lists the connection with this
 *                                                 serial number: its state, S and whole seconds
 *                                                 without a packet; then each intercepted half
 *      # ...                                      a comment
 *
 * After each of ">", "+", "faults", "policy", "drain", "take" and "shutdown" comes everything
 * that the box does then, in order; anything more, or anything else, fails the test. A field
 * that an expectation leaves out (win, options) may have any value. Options:
 * <mss N,wscale N,sackOK,TS val N ecr N,sack A:B C:D,tfo,mptcp,md5,ao,nop>.
 *
 * A packet that goes in may end with "joined": offloads have joined it; "no-sum": its checksum
 * was left to hardware; "bad-sum": it is damaged; or "local": its source is this host, which
 * also marks what the box sends in this host's name. "ecn" stands for the ECN bits of the IP
 * header (RFC 3168), in packets that go in and in those that come out. "orphaned N" at the end
 * of what comes out: the box says that it acknowledges N octets that the other end does not
 * have.
 *
 * A script need not write out payload: unless a line ends with it, as in 'QUIT\r\n' or '\x16',
 * each octet is a function of its offset. This is checked in everything that the box lets out,
 * as are lengths, checksums and IP headers; "altered" at the end says that one bit in the
 * middle is wrong. Every script runs over IPv4, over IPv6, and with sequence numbers that
 * wrap.
 */

#include "core/engine.h"

struct script {
	const char *fault;		/* NULL: none; several are separated by blanks */
	uint32_t segment_size;		/* 0: 512 */
	enum engine_direction direction;	/* 0: client to server */
	enum engine_arrival arrival;
	enum engine_overload overload;
	bool offload;			/* segmentation and checksums are left to hardware: "seg
					 * 512" at the end of a packet is the segment length */
	uint32_t window_bytes;		/* 0: the default */
	uint64_t memory_bytes;		/* 0: 4 MiB */
	uint32_t flows_max;		/* 0: 64 */
	uint64_t key;			/* the first half of the engine's hash key */
	bool events;			/* events are expected too, as "*" lines */
	void (*at_end)(const struct engine_stats *stats);	/* may be NULL */
};

/* Runs the lines; fails the test at the first difference, with the lines so far. */
void script_run(struct script s, const char *text);

/* For at_end: fail the test if the box still holds an octet; or, the second, knows a flow. */
void script_nothing_is_held(const struct engine_stats *stats);
void script_nothing_is_left(const struct engine_stats *stats);

/* The opening most tests use: no timestamps, so S is 512; window scale 7. */
#define SCRIPT_HANDSHAKE                                                                 \
	"client > S 0:0(0) win 64240 <mss 1460,sackOK,wscale 7>\n"                       \
	"pass\n"                                                                         \
	"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,wscale 7>\n"                \
	"pass\n"                                                                         \
	"client > . 1:1(0) ack 1 win 502\n"                                              \
	"pass\n"

/* The same with the server's half intercepted: the last packet gets the box's ACK and window. */
#define SCRIPT_HANDSHAKE_BOTH                                                            \
	"client > S 0:0(0) win 64240 <mss 1460,sackOK,wscale 7>\n"                       \
	"pass\n"                                                                         \
	"server > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,wscale 7>\n"                \
	"pass\n"                                                                         \
	"client > . 1:1(0) ack 1 win 502\n"                                              \
	"pass . 1:1(0) ack 1 win 2016\n"

/* An opening without window scaling, and 100 octets that are ACKed and in flight, with all
 * events. */
#define SCRIPT_100_OUT_WITH_EVENTS                                                       \
	"client > S 0:0(0) win 64240 <mss 1460>\n"                                       \
	"pass\n"                                                                         \
	"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"                                \
	"* opened S 512\n"                                                               \
	"pass\n"                                                                         \
	"client > P. 1:101(100) ack 1 win 64240\n"                                       \
	"* arrival client 0 bytes 100 pending 100\n"                                     \
	"* cut client 0 bytes 100 pieces 1 last 100\n"                                   \
	"drop\n"                                                                         \
	"* ack client 100 orphaned 100\n"                                                \
	"client < . 1:1(0) ack 101\n"                                                    \
	"server < P. 1:101(100) ack 1\n"

/* With S = 100, 5,000 octets are 50 pieces: more than any window here. */
#define SCRIPT_TEN_PIECES                                                                       \
	"server < . 1:101(100) ack 1\n"                                                  \
	"server < . 101:201(100) ack 1\n"                                                \
	"server < . 201:301(100) ack 1\n"                                                \
	"server < . 301:401(100) ack 1\n"                                                \
	"server < . 401:501(100) ack 1\n"                                                \
	"server < . 501:601(100) ack 1\n"                                                \
	"server < . 601:701(100) ack 1\n"                                                \
	"server < . 701:801(100) ack 1\n"                                                \
	"server < . 801:901(100) ack 1\n"                                                \
	"server < . 901:1001(100) ack 1\n"

#define SCRIPT_HANDSHAKE_AND_5000                                                               \
	SCRIPT_HANDSHAKE                                                                 \
	"client > . 1:5001(5000) ack 1 win 502\n"                                        \
	"drop\n"                                                                         \
	"client < . 1:1(0) ack 5001\n"                                                   \
	SCRIPT_TEN_PIECES

#define SCRIPT_THREE_DUPLICATE_ACKS                                                             \
	"server > . 1:1(0) ack 1 win 509\n"                                              \
	"drop\n"                                                                         \
	"server > . 1:1(0) ack 1 win 509\n"                                              \
	"drop\n"                                                                         \
	"server > . 1:1(0) ack 1 win 509\n"                                              \
	"drop\n"

#define SCRIPT_HANDSHAKE_NO_SACK                                                         \
	"client > S 0:0(0) win 64240 <mss 1460>\n"                                       \
	"pass\n"                                                                         \
	"server > S. 0:0(0) ack 1 win 65160 <mss 1460>\n"                                \
	"pass\n"                                                                         \
	"client > . 1:1(0) ack 1 win 64240\n"                                            \
	"pass\n"

/* 513 octets in one segment: the server gets nothing of them, or everything. */
#define SCRIPT_513_STALLS "client > P. 1:514(513) ack 1 win 502\ndrop\nclient < . 1:1(0) ack 514\n"
#define SCRIPT_513_PASSES                                                                \
	SCRIPT_513_STALLS                                                                \
	"server < . 1:513(512) ack 1\n"                                                  \
	"server < P. 513:514(1) ack 1\n"

/* RFC 5961 section 3.2. The server's half is not intercepted, so the number that the client expects
 * lies between what it has ACKed and what has passed. A RST in that range may be forged: it passes,
 * for the client to judge, and the box asks the server by an ACK. */
#define SCRIPT_SUSPECTED_RST                                                             \
	SCRIPT_HANDSHAKE                                                                 \
	"client > P. 1:101(100) ack 1 win 502\n"                                         \
	"drop\n"                                                                         \
	"client < . 1:1(0) ack 101\n"                                                    \
	"server < P. 1:101(100) ack 1\n"                                                 \
	"server > . 1:1001(1000) ack 1 win 509\n"                                        \
	"pass . 1:1001(1000) ack 101\n"                                                  \
	"server > R 501:501(0)\n"                                                        \
	"pass R 501:501(0)\n"                                                            \
	"server < . 101:101(0) ack 1\n"

#endif
