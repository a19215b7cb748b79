/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab/capture.h"

#include "io/cli.h"
#include "io/pcapng.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#define ENDS 2
#define SNAPLEN 262144
#define KERNEL_BUFFER_BYTES (16 << 20)

static const enum host ends[ENDS] = { HOST_CLIENT, HOST_SERVER };

struct capture {
	struct pcapng *file;
	struct capture_end {
		struct pcapng *file;
		pcap_t *pcap;
		uint32_t interface;
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
	pcap_set_immediate_mode(p, 1);
	pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO);
	if (pcap_activate(p) < 0 || pcap_setnonblock(p, 1, error) < 0)
		cli_die("cannot capture at the %s: %s", host_name(host), pcap_geterr(p));
	return p;
}

struct capture *capture_open(const struct hosts *h, const char *path)
{
	struct capture *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		cli_die("out of memory");
	rc = pcapng_open(&c->file, path);
	if (rc < 0)
		cli_die("%s: %s", path, strerror(-rc));
	for (uint32_t i = 0; i < ENDS; i++) {
		c->end[i] = (struct capture_end){ c->file, open_end(h, ends[i]), i };
		pcapng_interface(c->file, host_name(ends[i]), PCAPNG_ETHERNET);
	}
	return c;
}

static void write_packet(u_char *user, const struct pcap_pkthdr *header, const u_char *data)
{
	struct capture_end *end = (struct capture_end *)user;
	uint64_t time_ns = (uint64_t)header->ts.tv_sec * 1000000000 + (uint64_t)header->ts.tv_usec;

	pcapng_packet(end->file, end->interface, time_ns, data, header->caplen, header->len);
}

/* Writes what is there; false once there is nothing. */
static bool drain(struct capture *c)
{
	bool any = false;

	for (size_t i = 0; i < ENDS; i++) {
		if (pcap_dispatch(c->end[i].pcap, -1, write_packet, (u_char *)&c->end[i]) > 0)
			any = true;
	}
	return any;
}

int capture_run(struct capture *c, int stop)
{
	struct pollfd fds[ENDS + 1];
	unsigned dropped = 0;
	bool written;

	for (size_t i = 0; i < ENDS; i++)
		fds[i] = (struct pollfd){ .fd = pcap_get_selectable_fd(c->end[i].pcap),
					  .events = POLLIN };
	fds[ENDS] = (struct pollfd){ .fd = stop, .events = POLLIN };
	do {
		if (poll(fds, ENDS + 1, -1) < 0 && errno != EINTR)
			cli_die("poll: %s", strerror(errno));
		drain(c);
	} while (!fds[ENDS].revents);
	while (drain(c))
		;
	for (size_t i = 0; i < ENDS; i++) {
		struct pcap_stat stat;

		if (pcap_stats(c->end[i].pcap, &stat) == 0)
			dropped += stat.ps_drop;
		pcap_close(c->end[i].pcap);
	}
	written = pcapng_close(c->file);
	free(c);
	if (dropped > 0)
		cli_complain("the capture misses %u packets: this machine was too slow", dropped);
	if (!written)
		cli_complain("the capture could not be written whole: is the disk full?");
	return dropped > 0 || !written ? EXIT_USAGE : EXIT_GOOD;
}
