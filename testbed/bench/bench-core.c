/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * bench-core: what a packet costs in the engine alone
 *
 * No kernel takes part: this program makes the packets, with a clock of its own that
 * advances by a fixed step, and acts as the server, which answers what the engine sends. So
 * the engine does the same in each run, to the last instruction, and only the time it takes
 * differs. No packet is lost, and the ends answer at once.
 *
 *      segment     a stream, 1,448 octets a packet, sent on as packets of 512
 *      burst       the same, 45 segments a packet, as offloads join them on both sides
 *      dialogue    100 octets there, 100 back, one at a time
 *      open        a connection, 100 octets, and its end
 *
 * Each packet put in counts, the server's ACKs too. The time includes making them, a few
 * nanoseconds each. The engine is told that their TCP checksums are left to hardware, as is
 * usual in a queue; it computes those of the packets that it sends, unless it has offloads.
 */

#include "core/engine.h"
#include "io/cli.h"
#include "io/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>

#define REPETITIONS 9
#define PACKETS_DEFAULT 200000
#define IDLE_MAX (1 << 24)

#define PACKET_NS 1000
#define SEGMENT_BYTES 1448
#define BURST_BYTES (45 * SEGMENT_BYTES)
#define MESSAGE_BYTES 100
#define CLIENT_ISN 1000
#define SERVER_ISN 2000000000
#define SERVER_PORT 25
#define SERVER_ADDRESS 0xcb007102	/* 203.0.113.2 */
#define CLIENT_ADDRESS 0x0a000000	/* 10.0.0.0/16 */

struct headers {
	struct iphdr ip;
	struct tcphdr tcp;
	struct {
		uint8_t nop[2], kind, length;
		uint32_t value, echo;
	} timestamps;
};

/* MSS 1460, window scale 7, SACK. */
static const uint8_t syn_options[] = { 2, 4, 0x05, 0xb4, 1, 3, 3, 7, 1, 1, 4, 2 };

struct flow {
	uint32_t number;	/* determines its address and port */
	uint32_t nxt[2];	/* by side: the next number it sends */
	uint32_t arrived;	/* at the server: all of the client's numbers before this */
};

struct bench {
	struct engine *engine;
	uint64_t now_ns;
	uint64_t packets;	/* put in */
	uint64_t octets;	/* that the client sent */
	uint32_t idle;		/* flows, numbers 1 to idle */
	uint32_t opened;	/* flows, in all */
	uint64_t turns;		/* dialogues on idle flows */
	struct flow active;	/* number 0 */
};

/* Packets ------------------------------------------------------------------------- */

/* Takes what the engine sends; packets to the server arrive there. */
static void take_output(struct bench *b, struct flow *f)
{
	struct engine_emit emit;

	while (engine_next(b->engine, &emit)) {
		struct tcphdr tcp;

		memcpy(&tcp, emit.part[0].data + sizeof(struct iphdr), sizeof(tcp));
		if (ntohs(tcp.dest) == SERVER_PORT)
			f->arrived = ntohl(tcp.seq) + tcp.fin +
				     (uint32_t)(emit.bytes - sizeof(struct iphdr) - 4u * tcp.doff);
	}
}

static void put_packet(struct bench *b, struct flow *f, enum engine_side side, uint8_t flags,
		       uint32_t payload)
{
	static _Alignas(8) uint8_t packet[sizeof(struct headers) + BURST_BYTES];
	struct headers *h = (void *)packet;
	bool syn = flags & TH_SYN;
	size_t options = sizeof(h->timestamps) + (syn ? sizeof(syn_options) : 0);
	size_t len = sizeof(h->ip) + sizeof(h->tcp) + options + payload;
	uint32_t now_ms = htonl((uint32_t)(b->now_ns / 1000000));
	/* Each address has many ports, and each port many addresses. */
	uint32_t client = htonl(CLIENT_ADDRESS + (f->number & 0xffff));
	uint16_t port = htons((uint16_t)(1024 + (f->number & 0x7fff) + (f->number >> 16)));

	*h = (struct headers){
		.ip = { .version = 4,
			.ihl = 5,
			.tot_len = htons((uint16_t)len),
			.frag_off = htons(IP_DF),
			.ttl = 64,
			.protocol = IPPROTO_TCP },
		.tcp = { .seq = htonl(f->nxt[side]), .window = htons(UINT16_MAX) },
		.timestamps = { { TCPOPT_NOP, TCPOPT_NOP },
				TCPOPT_TIMESTAMP,
				TCPOLEN_TIMESTAMP,
				now_ms,
				now_ms },
	};
	h->ip.saddr = side == CLIENT ? client : htonl(SERVER_ADDRESS);
	h->ip.daddr = side == CLIENT ? htonl(SERVER_ADDRESS) : client;
	h->tcp.source = side == CLIENT ? port : htons(SERVER_PORT);
	h->tcp.dest = side == CLIENT ? htons(SERVER_PORT) : port;
	h->tcp.th_flags = flags;
	h->tcp.doff = (5 + options / 4) & 0xf;
	if (flags & TH_ACK)
		h->tcp.ack_seq = htonl(side == CLIENT ? f->nxt[SERVER] : f->arrived);
	if (syn)
		memcpy(h + 1, syn_options, sizeof(syn_options));
	f->nxt[side] += payload + syn + !!(flags & TH_FIN);
	if (syn && side == CLIENT)
		f->arrived = f->nxt[CLIENT];
	if (side == CLIENT)
		b->octets += payload;
	b->packets++;

	b->now_ns += PACKET_NS;
	if (engine_deadline(b->engine) <= b->now_ns) {
		engine_expire(b->engine, b->now_ns);
		take_output(b, f);
	}
	engine_input(b->engine, b->now_ns, packet, &len,
		     ENGINE_NO_CHECKSUM | (payload > SEGMENT_BYTES ? ENGINE_JOINED : 0));
	take_output(b, f);
}

/* Works: steps that are repeated ---------------------------------------------------- */

static void open_flow(struct bench *b, struct flow *f, uint32_t number)
{
	*f = (struct flow){ .number = number, .nxt = { CLIENT_ISN, SERVER_ISN } };
	put_packet(b, f, CLIENT, TH_SYN, 0);
	put_packet(b, f, SERVER, TH_SYN | TH_ACK, 0);
	put_packet(b, f, CLIENT, TH_ACK, 0);
	b->opened++;
}

/* The server sends one ACK for all that came at once, as with GRO, until all has arrived. */
static void send_data(struct bench *b, uint32_t bytes)
{
	struct flow *f = &b->active;
	uint32_t acked;

	put_packet(b, f, CLIENT, TH_ACK, bytes);
	do {
		acked = f->arrived;
		put_packet(b, f, SERVER, TH_ACK, 0);
	} while (f->arrived != acked);
}

static void segment(struct bench *b)
{
	send_data(b, SEGMENT_BYTES);
}

static void burst(struct bench *b)
{
	send_data(b, BURST_BYTES);
}

static void converse(struct bench *b, struct flow *f)
{
	put_packet(b, f, CLIENT, TH_PUSH | TH_ACK, MESSAGE_BYTES);
	put_packet(b, f, SERVER, TH_PUSH | TH_ACK, MESSAGE_BYTES);
}

static void dialogue(struct bench *b)
{
	converse(b, &b->active);
}

/* A dialogue on each idle flow in turn, but not in the order in which they were opened, which
 * may be their order in memory: steps of a prime visit all of them. This program itself keeps
 * nothing for a flow, as that would cause cache misses of its own. */
static void spread(struct bench *b)
{
	uint32_t sent = (uint32_t)(b->turns / b->idle) * MESSAGE_BYTES;
	struct flow f = {
		.number = 1 + (uint32_t)(b->turns++ * 998244353 % b->idle),
		.nxt = { CLIENT_ISN + 1 + sent, SERVER_ISN + 1 + sent },
	};

	converse(b, &f);
}

static void open_and_close(struct bench *b)
{
	struct flow f;

	open_flow(b, &f, b->opened);
	put_packet(b, &f, CLIENT, TH_PUSH | TH_ACK, MESSAGE_BYTES);
	put_packet(b, &f, SERVER, TH_ACK, 0);
	put_packet(b, &f, CLIENT, TH_FIN | TH_ACK, 0);
	put_packet(b, &f, SERVER, TH_FIN | TH_ACK, 0);
	put_packet(b, &f, CLIENT, TH_ACK, 0);
}

struct work {
	const char *name;
	enum engine_arrival arrival;
	bool offload;
	bool stream;		/* time for an octet counts */
	void (*step)(struct bench *b);
};

static const struct work works[] = {
	{ "segment", ARRIVAL_SEGMENT, false, true, segment },
	{ "burst", ARRIVAL_BURST, true, true, burst },
	{ "dialogue", ARRIVAL_SEGMENT, false, false, dialogue },
	{ "open", ARRIVAL_SEGMENT, false, false, open_and_close },
};
#define WORKS (sizeof(works) / sizeof(works[0]))

/* With --idle, after each of the others. */
static const struct work spread_work = { "spread", ARRIVAL_SEGMENT, false, false, spread };

/* Measuring --------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(struct bench *b, const struct work *work, uint64_t packets)
{
	uint64_t all = b->packets, octets = b->octets;
	double ns[REPETITIONS];

	for (size_t i = 0; i < REPETITIONS; i++) {
		uint64_t before = b->packets, start = clock_ns(CLOCK_MONOTONIC);

		while (b->packets - before < packets)
			work->step(b);
		ns[i] = (double)(clock_ns(CLOCK_MONOTONIC) - start) / (double)(b->packets - before);
	}
	qsort(ns, REPETITIONS, sizeof(ns[0]), compare);
	all = b->packets - all;
	octets = b->octets - octets;
	printf("{\"work\": \"%s\", \"flows\": %" PRIu32 ", \"packets\": %" PRIu64
	       ", \"ns_per_packet\": %.1f",
	       work->name, b->idle + 1, all, ns[REPETITIONS / 2]);
	if (work->stream)
		printf(", \"ns_per_kib\": %.1f",
		       ns[REPETITIONS / 2] * (double)all * 1024 / (double)octets);
	printf("}\n");
}

/* What was measured must have been the common case. */
static void check(const struct bench *b)
{
	struct engine_stats s;

	engine_get_stats(b->engine, &s);
	if (s.flows_active != b->idle + 1 || s.flows_opened != b->opened || s.orphaned_bytes > 0 ||
	    s.retransmissions > 0 || s.refused_arrivals > 0 || s.passed_unknown_flow > 0)
		cli_die("the engine did something else: %" PRIu64 " flows are open, %" PRIu64
			" bytes orphaned, %" PRIu64 " pieces sent again",
			s.flows_active, s.orphaned_bytes, s.retransmissions);
}

static uint64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	uint64_t pages = 0;

	if (!f || fscanf(f, "%*u %" SCNu64, &pages) != 1)
		cli_die("cannot read /proc/self/statm");
	fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void run_work(const struct work *work, uint64_t packets, uint32_t idle)
{
	struct bench b = { .now_ns = 1000000000, .idle = idle };
	uint64_t before = resident_bytes();
	struct engine_config config;

	engine_config_init(&config);
	config.rules.policy[0].faults = 0;
	config.rules.policy[0].arrival = work->arrival;
	config.offload = work->offload;
	config.flows_max = idle + 2;	/* the active one, and one that opens and closes */
	if (engine_create(&b.engine, &config) < 0)
		cli_die("no memory for %" PRIu32 " flows", idle);
	open_flow(&b, &b.active, 0);
	for (uint32_t i = 1; i <= idle; i++)
		open_flow(&b, &(struct flow){ 0 }, i);
	if (idle > 0)
		printf("{\"flows\": %" PRIu32 ", \"resident_bytes_before\": %" PRIu64
		       ", \"resident_bytes\": %" PRIu64 "}\n",
		       idle + 1, before, resident_bytes());
	measure(&b, work, packets);
	if (idle > 0)
		measure(&b, &spread_work, packets);
	check(&b);
	engine_destroy(b.engine);
}

static void print_help(void)
{
	printf("Usage: bench-core [OPTION]...\n"
	       "Measures the engine alone, and prints JSON Lines.\n"
	       "\n"
	       "  --work NAME  only this: segment, burst, dialogue or open\n"
	       "  --packets N  put in N packets, %d times, and take the median (%d)\n"
	       "  --idle N     first open N flows; then measure beside them, and also a dialogue\n"
	       "               on each of them in turn (work spread)\n"
	       "  --help, --version\n",
	       REPETITIONS, PACKETS_DEFAULT);
}

int main(int argc, char **argv)
{
	enum { WORK = 256, PACKETS, IDLE };
	static const struct option table[] = {
		{ "work", required_argument, NULL, WORK },
		{ "packets", required_argument, NULL, PACKETS },
		{ "idle", required_argument, NULL, IDLE },
		CLI_COMMON_OPTIONS,
	};
	uint64_t packets = PACKETS_DEFAULT;
	const char *name = NULL;
	uint32_t idle = 0;
	bool found = false;
	int option;

	cli_program = "bench-core";
	while ((option = cli_option(argc, argv, "", table, print_help)) != -1) {
		switch (option) {
		case WORK:
			name = optarg;
			break;
		case PACKETS:
			packets = cli_number("--packets", optarg, 1, UINT32_MAX);
			break;
		case IDLE:
			idle = (uint32_t)cli_number("--idle", optarg, 0, IDLE_MAX);
			break;
		}
	}
	for (size_t i = 0; i < WORKS; i++) {
		if (name && strcmp(name, works[i].name) != 0)
			continue;
		found = true;
		run_work(&works[i], packets, idle);
	}
	if (!found)
		cli_die("--work %s: give segment, burst, dialogue or open", name);
	return EXIT_GOOD;
}
