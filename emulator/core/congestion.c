/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "congestion.h"

/*
 * RFC 5681 (slow start, congestion avoidance, fast retransmit) and RFC 6582 (NewReno recovery)
 *
 * In recovery each ACK lets one hole be filled: first the one at snd_una, then, if the sink sends
 * SACK (RFC 2018, RFC 6675), those below the last octet that it has reported.
 */

#define DUP_ACKS 3

/* RFC 6928 section 2. */
static uint32_t initial_window(uint32_t smss)
{
	uint32_t least = 2 * smss > 14600 ? 2 * smss : 14600;

	return 10 * smss < least ? 10 * smss : least;
}

void congestion_begin(struct relay *r, uint16_t segment_size)
{
	r->cwnd = initial_window(segment_size);
	r->ssthresh = UINT32_MAX;
}

/* RFC 5681 section 3.1; in slow start by octets with L = 2 (RFC 3465), since one ACK of a modern
 * receiver stands for many segments. */
static void grow(const struct engine *e, struct relay *r, uint32_t smss, uint32_t acked)
{
	if (r->cwnd < r->ssthresh)
		r->cwnd += acked < 2 * smss ? acked : 2 * smss;
	else
		r->cwnd += smss * smss / r->cwnd > 0 ? smss * smss / r->cwnd : 1;
	if (r->cwnd > e->config.window_bytes) /* more can never be in flight */
		r->cwnd = e->config.window_bytes;
}

/* RFC 6582 section 3.2 step 3. */
static void recover(struct relay *r, struct transit *t, uint64_t ack, uint32_t acked)
{
	uint32_t smss = t->segment_size;

	if (ack >= t->recover) {
		uint32_t out = relay_flight(r, t) > smss ? relay_flight(r, t) : smss;

		r->cwnd = r->ssthresh < out + smss ? r->ssthresh : out + smss;
		t->recovering = false;
		return;
	}
	t->resend_owed = true;
	if (t->resend_nxt < ack)
		t->resend_nxt = ack;
	r->cwnd = r->cwnd > acked ? r->cwnd - acked : smss;
	if (acked >= smss)
		r->cwnd += smss;
}

void congestion_acked(const struct engine *e, struct relay *r, struct transit *t, uint64_t ack,
		      uint32_t acked)
{
	if (t->recovering)
		recover(r, t, ack, acked);
	else
		grow(e, r, t->segment_size, acked);
}

/* RFC 5681 section 3.1, equation 4. */
static void halve(struct relay *r, const struct transit *t)
{
	uint32_t smss = t->segment_size, half = relay_flight(r, t) / 2;

	r->ssthresh = half > 2 * smss ? half : 2 * smss;
}

uint64_t congestion_next_hole(const struct relay *r, const struct transit *t)
{
	uint64_t from = t->resend_nxt > r->snd_una ? t->resend_nxt : r->snd_una;
	uint64_t hole = stream_skip_sacked(&t->stream, from);

	if (hole >= t->snd_max)
		return 0;
	return hole == r->snd_una || hole < stream_sacked_end(&t->stream) ? hole : 0;
}

void congestion_duplicate_ack(struct relay *r, struct transit *t)
{
	uint32_t smss = t->segment_size;

	if (t->dup_acks < UINT8_MAX)
		t->dup_acks++;
	if (t->recovering) {
		/* A packet has left the network: another may enter, old or new. */
		if (congestion_next_hole(r, t) != 0)
			t->resend_owed = true;
		else
			r->cwnd += smss;
		return;
	}
	if (t->dup_acks != DUP_ACKS || r->snd_una <= t->recover)
		return;
	halve(r, t);
	r->cwnd = r->ssthresh + DUP_ACKS * smss;
	t->recover = t->snd_max;
	t->recovering = true;
	t->resend_owed = true;
	t->resend_nxt = r->snd_una;
}

void congestion_timed_out(struct relay *r, const struct transit *t)
{
	if (t->backoff == 0)	/* RFC 5681 section 3.1: once for each loss */
		halve(r, t);
	r->cwnd = t->segment_size;
}

void congestion_go_back(const struct relay *r, struct transit *t)
{
	t->dup_acks = 0;
	t->recovering = false;
	t->resend_owed = false;
	t->recover = t->snd_max;	/* RFC 6582 section 4 */
	t->snd_nxt = r->snd_una;
}

void congestion_restart(struct relay *r, const struct transit *t)
{
	if (r->cwnd > initial_window(t->segment_size))
		r->cwnd = initial_window(t->segment_size);
}
