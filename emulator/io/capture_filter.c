/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/capture_filter.h"

#include <stdio.h>
#include <stdlib.h>

#include <pcap/pcap.h>

#define LINK_RAW 101
#define CAPTURED_MAX 262144	/* tcpdump's own limit */

/* The expression for one link type. */
struct program {
	uint16_t link_type;
	struct bpf_program code;
};

struct capture_filter {
	const char *text;
	struct program *program;
	size_t programs;
};

struct capture_filter *capture_filter_new(const char *text)
{
	struct capture_filter *f = calloc(1, sizeof(*f));

	if (f)
		f->text = text;
	return f;
}

void capture_filter_free(struct capture_filter *f)
{
	for (size_t i = 0; f && i < f->programs; i++)
		pcap_freecode(&f->program[i].code);
	if (f)
		free(f->program);
	free(f);
}

static bool compile(struct program *p, const char *text, struct error *error)
{
	/* In files DLT_RAW has a number of its own. */
	pcap_t *pcap = pcap_open_dead(p->link_type == LINK_RAW ? DLT_RAW : p->link_type,
				      CAPTURED_MAX);
	bool good = pcap && pcap_compile(pcap, &p->code, text, 1, PCAP_NETMASK_UNKNOWN) == 0;

	if (!good)
		error_set(error, 0, "--filter %s: for link type %u: %s", text, p->link_type,
			  pcap ? pcap_geterr(pcap) : "out of memory");
	if (pcap)
		pcap_close(pcap);
	return good;
}

int capture_filter_match(struct capture_filter *f, const struct capture_read_packet *packet,
			 struct error *error)
{
	struct pcap_pkthdr header = { .caplen = packet->bytes, .len = packet->wire_bytes };
	struct program *larger;
	size_t i = 0;

	while (i < f->programs && f->program[i].link_type != packet->link_type)
		i++;
	if (i == f->programs) {
		larger = reallocarray(f->program, i + 1, sizeof(*larger));
		if (!larger)
			goto no_memory;
		f->program = larger;
		larger[i].link_type = packet->link_type;
		if (!compile(&larger[i], f->text, error))
			return -1;
		f->programs++;
	}
	return pcap_offline_filter(&f->program[i].code, &header, packet->data) != 0;
no_memory:
	error_set(error, 0, "out of memory");
	return -1;
}
