/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab/capture.h"

#include "core/packet.h"
#include "core/siphash.h"
#include "core/units.h"
#include "io/capture_read.h"
#include "io/cli.h"
#include "io/clock.h"
#include "io/linklayer.h"
#include "io/pcapng.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pcap/pcap.h>

#define ENDS 2
#define SNAPLEN 262144
/* For each end: room for all packets of an upload of 20 MiB, in pieces of 512 bytes, even if none
 * of them was read. The kernel fills it in 160 blocks (TPACKET_V3), and after BLOCK_MS closes a
 * block even if it is not full: so with little traffic the buffer is full after 16 seconds. */
#define KERNEL_BUFFER_BYTES (40 << 20)
#define BLOCK_MS 100
#define LAST_BLOCKS_MS 5000	/* the longest wait for the last blocks */

static const enum host ends[ENDS] = { HOST_CLIENT, HOST_SERVER };

struct capture {
	const char *path;
	const char *box;
	struct pcapng *file;
	struct capture_end {
		struct pcapng *file;
		pcap_t *pcap;
		uint32_t interface;
		uint32_t written;
		uint32_t dropped;
	} end[ENDS];
};

static pcap_t *open_end(const struct hosts *h, enum host host)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *p;

	hosts_enter(h, host);
	p = pcap_create("eth0", error);
	if (!p)
		cli_die("cannot capture at the %s: %s", host_name(host), error);
	pcap_set_snaplen(p, SNAPLEN);
	pcap_set_buffer_size(p, KERNEL_BUFFER_BYTES);
	pcap_set_timeout(p, BLOCK_MS);
	pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO);
	if (pcap_activate(p) < 0)
		cli_die("cannot capture at the %s: %s", host_name(host), pcap_geterr(p));
	if (pcap_setnonblock(p, 1, error) < 0)
		cli_die("cannot capture at the %s: %s", host_name(host), error);
	return p;
}

static struct pcapng *create(const char *path)
{
	struct pcapng *file;
	int rc = pcapng_open(&file, path);

	if (rc < 0)
		cli_die("%s: %s", path, strerror(-rc));
	for (uint32_t i = 0; i < ENDS; i++)
		pcapng_interface(file, host_name(ends[i]), PCAPNG_ETHERNET);
	return file;
}

struct capture *capture_open(const struct hosts *h, const char *path, const char *box)
{
	struct capture *c = calloc(1, sizeof(*c));

	if (!c)
		cli_die("out of memory");
	c->path = path;
	c->box = box;
	c->file = create(path);
	for (uint32_t i = 0; i < ENDS; i++)
		c->end[i] = (struct capture_end){
			.file = c->file,
			.pcap = open_end(h, ends[i]),
			.interface = i,
		};
	return c;
}

static void write_packet(u_char *user, const struct pcap_pkthdr *header, const u_char *data)
{
	struct capture_end *end = (struct capture_end *)user;
	uint64_t time_ns = (uint64_t)header->ts.tv_sec * NS_PER_S + (uint64_t)header->ts.tv_usec;

	pcapng_packet(end->file, &(struct pcapng_packet){
					 .interface = end->interface,
					 .time_ns = time_ns,
					 .data = data,
					 .bytes = header->caplen,
					 .wire_bytes = header->len,
				 });
	end->written++;
}

/* Writes the packets that are there. Returns false if there are none. */
static bool drain_socket(struct capture *c)
{
	bool any = false;

	for (size_t i = 0; i < ENDS; i++) {
		if (pcap_dispatch(c->end[i].pcap, -1, write_packet, (u_char *)&c->end[i]) > 0)
			any = true;
	}
	return any;
}

/* How many packets of an end the kernel has counted so far, including those it had to drop. */
static uint32_t count(struct capture_end *end)
{
	struct pcap_stat stat;

	if (pcap_stats(end->pcap, &stat) < 0)
		return 0;
	end->dropped = stat.ps_drop;
	return stat.ps_recv;
}

/* Writes all packets of an end that the kernel has counted by now. */
static void finish(struct capture *c, struct capture_end *end)
{
	struct pollfd fd = { .fd = pcap_get_selectable_fd(end->pcap), .events = POLLIN };
	uint32_t all = count(end);
	unsigned tries = LAST_BLOCKS_MS / BLOCK_MS;

	while (end->written + end->dropped < all && tries-- > 0) {
		poll(&fd, 1, BLOCK_MS);
		drain_socket(c);
		count(end);
	}
}

static void note_dropped(struct pcapng *file, const struct capture *c)
{
	uint64_t now_ns = clock_ns(CLOCK_REALTIME);

	for (size_t i = 0; i < ENDS; i++) {
		if (c->end[i].dropped > 0)
			pcapng_dropped(file, c->end[i].interface, now_ns, c->end[i].dropped);
	}
}

/* Comments ------------------------------------------------------------------------------- */

/* A packet of the box's capture, found by what it has in common with the same packet at an end. */
struct noted {
	uint64_t hash;
	unsigned interface;
	size_t order;
	char *comment;		/* NULL: none */
};

/* A hash of everything that a hop leaves unchanged. */
static uint64_t hash_of(const uint8_t *ip, size_t bytes)
{
	static const uint8_t key[16];
	uint8_t copy[UINT16_MAX];
	struct packet p;

	if (bytes > sizeof(copy))
		return 0;
	memcpy(copy, ip, bytes);
	if (packet_parse(&p, copy, bytes) != PACKET_TCP)
		return 0;
	p.ip[p.version == 4 ? 8 : 7] = 0;		/* TTL, */
	if (p.version == 4)
		memset(p.ip + 10, 0, 2);		/* its checksum, */
	memset(p.tcp + 16, 0, 2);			/* TCP's, which hardware may compute */
	return siphash(key, copy, p.ip_bytes);
}

static int compare(const void *a, const void *b)
{
	const struct noted *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	if (x->interface != y->interface)
		return x->interface < y->interface ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* All packets of the box's capture, sorted. */
static struct noted *read_notes(const char *path, size_t *count)
{
	struct capture_read_packet packet;
	struct noted *notes = NULL;
	struct capture_read *in;
	struct error error;
	size_t room = 0, bytes;

	*count = 0;
	if (!capture_read_open(&in, path, &error))
		return NULL;	/* resegd says why there is none */
	while (capture_read_next(in, &packet, &error) > 0) {
		const uint8_t *ip = linklayer_ip(packet.link_type, packet.data, packet.bytes,
						 &bytes);

		if (*count == room) {
			room = 2 * room + 1024;
			notes = reallocarray(notes, room, sizeof(*notes));
			if (!notes)
				cli_die("out of memory");
		}
		notes[*count] = (struct noted){
			.hash = ip ? hash_of(ip, bytes) : 0,
			.interface = packet.interface,
			.order = *count,
			.comment = packet.comment ? strdup(packet.comment) : NULL,
		};
		++*count;
	}
	capture_read_close(in);
	if (notes)
		qsort(notes, *count, sizeof(*notes), compare);
	return notes;
}

/* Takes the first packet with this hash that is not taken yet, and returns its comment. */
static const char *take_note(struct noted *notes, size_t count, uint64_t hash, unsigned interface)
{
	size_t from = 0, to = count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (notes[middle].hash < hash ||
		    (notes[middle].hash == hash && notes[middle].interface < interface))
			from = middle + 1;
		else
			to = middle;
	}
	for (; from < count && notes[from].hash == hash && notes[from].interface == interface;
	     from++) {
		if (notes[from].order == SIZE_MAX)
			continue;
		notes[from].order = SIZE_MAX;
		return notes[from].comment;
	}
	return NULL;
}

/* Rewrites the capture, with comments. */
static bool add_comments(const struct capture *c, struct noted *notes, size_t count)
{
	struct capture_read_packet packet;
	struct capture_read *in;
	struct pcapng *out;
	struct error error;
	char *part;
	bool good;
	int rc;

	if (asprintf(&part, "%s.part", c->path) < 0)
		cli_die("out of memory");
	if (!capture_read_open(&in, c->path, &error))
		cli_die("%s", error.text);
	out = create(part);
	while ((rc = capture_read_next(in, &packet, &error)) > 0) {
		size_t bytes;
		const uint8_t *ip = linklayer_ip(packet.link_type, packet.data, packet.bytes,
						 &bytes);

		pcapng_packet(out,
			      &(struct pcapng_packet){
				      .interface = packet.interface,
				      .time_ns = packet.time_ns,
				      .data = packet.data,
				      .bytes = packet.bytes,
				      .wire_bytes = packet.wire_bytes,
				      .comment = ip ? take_note(notes, count, hash_of(ip, bytes),
								packet.interface)
						    : NULL,
			      });
	}
	capture_read_close(in);
	note_dropped(out, c);
	good = pcapng_close(out) && rc == 0 && rename(part, c->path) == 0;
	if (!good)
		unlink(part);
	free(part);
	return good;
}

static bool comment(const struct capture *c)
{
	struct noted *notes;
	size_t count;
	bool good;

	if (!c->box)
		return true;
	notes = read_notes(c->box, &count);
	good = !notes || add_comments(c, notes, count);
	for (size_t i = 0; notes && i < count; i++)
		free(notes[i].comment);
	free(notes);
	return good;
}

void capture_run(struct capture *c, int stop)
{
	struct pollfd fds[ENDS + 1];
	uint32_t dropped = 0;
	bool written;

	for (size_t i = 0; i < ENDS; i++)
		fds[i] = (struct pollfd){ .fd = pcap_get_selectable_fd(c->end[i].pcap),
					  .events = POLLIN };
	fds[ENDS] = (struct pollfd){ .fd = stop, .events = POLLIN };
	do {
		if (poll(fds, ENDS + 1, -1) < 0 && errno != EINTR)
			cli_die("poll: %s", strerror(errno));
		drain_socket(c);
	} while (!fds[ENDS].revents);
	for (size_t i = 0; i < ENDS; i++)
		finish(c, &c->end[i]);
	for (size_t i = 0; i < ENDS; i++) {
		dropped += c->end[i].dropped;
		pcap_close(c->end[i].pcap);
	}
	note_dropped(c->file, c);
	written = pcapng_close(c->file) && comment(c);
	free(c);
	if (dropped > 0)
		cli_say("the capture misses %" PRIu32 " packets, as this machine was too slow: "
			"send fewer bytes, or run fewer other programs",
			dropped);
	if (!written)
		cli_say("the capture could not be written whole: is the disk full?");
}
