/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/checksum.h"
#include "replay/run.h"

#include <stdlib.h>
#include <string.h>

void replay_sum_ipv4(uint8_t *ip, size_t header_bytes)
{
	struct checksum c = { 0 };
	uint16_t sum;

	memset(ip + 10, 0, 2);
	checksum_add(&c, ip, header_bytes);
	sum = checksum_finish(&c);
	memcpy(ip + 10, &sum, sizeof(sum));
}

/* Is the TCP checksum the sum of the pseudo header, which a sender leaves to its hardware to
 * finish? */
static bool is_left_to_hardware(const struct packet *p)
{
	struct checksum c = { 0 };
	uint16_t sum;

	checksum_add_pseudo(&c, packet_addresses(p), packet_address_bytes(p),
			    p->ip_bytes - (uint32_t)(p->tcp - p->ip));
	sum = (uint16_t)~checksum_finish(&c);
	return memcmp(p->tcp + 16, &sum, sizeof(sum)) == 0;
}

/* A packet with a wrong checksum, whose data the other end may still acknowledge. */
struct doubt {
	uint32_t packet, seq, end;
};
#define DOUBTS_MAX 64

/* What is known about the checksums of one side of a connection. */
struct sums {
	uint64_t wrong, packets;
	struct doubt *doubt;	/* DOUBTS_MAX of them; NULL: there was none yet, as nearly always */
	unsigned doubts;
};

/* The other end has acknowledged this, or it was sent once more with a good checksum. */
static void settle(struct replay *r, struct sums *sums, uint32_t seq, uint32_t end, bool acked)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < sums->doubts; i++) {
		const struct doubt *d = &sums->doubt[i];
		bool covers = (int32_t)(end - d->end) >= 0 &&
			      (acked || (int32_t)(d->seq - seq) >= 0);

		if (covers && acked) {
			r->captured[d->packet].unsummed = true;
			r->repaired++;
		} else if (!covers) {
			sums->doubt[kept++] = *d;
		}
	}
	sums->doubts = kept;
}

static void look_at_sum(struct replay *r, struct sums sums[2], uint32_t number)
{
	struct captured *c = &r->captured[number];
	struct sums *own = &sums[c->source], *other = &sums[engine_other(c->source)];
	struct packet p;
	uint32_t end;

	replay_view(c, &p);
	own->packets++;
	end = p.seq + p.payload_bytes + ((p.flags & (TCP_SYN | TCP_FIN)) != 0);
	c->unsummed |= is_left_to_hardware(&p);
	if (c->unsummed || packet_checksum_good(&p)) {
		if (end != p.seq)
			settle(r, own, p.seq, end, false);
	} else {
		own->wrong++;
		if (end != p.seq && !own->doubt)
			own->doubt = calloc(DOUBTS_MAX, sizeof(*own->doubt));
		if (end != p.seq && own->doubt && own->doubts < DOUBTS_MAX)
			own->doubt[own->doubts++] = (struct doubt){ number, p.seq, end };
	}
	if (p.flags & TCP_ACK)
		settle(r, other, 0, p.ack, true);
}

/*
 * A capture may have checksums that no receiver has seen: it was edited or anonymized, or a card
 * computed the sums. A packet counts as good if the other end acknowledged it and no good packet
 * like it came, or if no packet of its side is good.
 */
bool replay_mend_checksums(struct replay *r, struct error *error)
{
	struct sums(*sums)[2] = calloc(r->connections + 1, sizeof(*sums));

	if (!sums)
		return error_set(error, 0, "out of memory");
	for (uint32_t i = 0; i < r->packets; i++)
		look_at_sum(r, sums[r->captured[i].connection], i);
	for (uint32_t i = 0; i < r->packets; i++) {
		struct captured *c = &r->captured[i];
		const struct sums *own = &sums[c->connection][c->source];

		if (own->wrong == own->packets && !c->unsummed) {
			c->unsummed = true;
			r->repaired++;
		}
	}
	for (size_t i = 0; i < r->connections; i++) {
		free(sums[i][CLIENT].doubt);
		free(sums[i][SERVER].doubt);
	}
	free(sums);
	return true;
}
