/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "flow.h"

#include "siphash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct flow_key) == 36, "a key is hashed as bytes, so it has no padding");

int flow_table_create(struct flow_table *t, uint32_t max, const uint8_t hash_key[16])
{
	uint32_t buckets = 16;

	while (buckets < max && buckets < UINT32_C(1) << 31)
		buckets *= 2;
	t->flows = calloc(max, sizeof(*t->flows));
	t->buckets = malloc((size_t)buckets * sizeof(*t->buckets));
	if (!t->flows || !t->buckets) {
		flow_table_destroy(t);
		return -ENOMEM;
	}
	memset(t->buckets, 0xff, (size_t)buckets * sizeof(*t->buckets));	/* FLOW_NONE */
	t->bucket_mask = buckets - 1;
	t->max = max;
	t->active = 0;
	t->fresh = 0;
	t->free = FLOW_NONE;
	memcpy(t->hash_key, hash_key, sizeof(t->hash_key));
	return 0;
}

void flow_table_destroy(struct flow_table *t)
{
	free(t->flows);
	free(t->buckets);
	t->flows = NULL;
	t->buckets = NULL;
}

void flow_key_of(struct flow_key *key, unsigned *sender, const struct packet *p)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	size_t len = packet_address_bytes(p);
	const uint8_t *src = packet_addresses(p);
	const uint8_t *dst = src + len;
	int order = memcmp(src, dst, len);

	*sender = order > 0 || (order == 0 && p->src_port > p->dst_port) ? 1 : 0;
	memset(key, 0, sizeof(*key));
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *to = key->address[i];

		if (len == 4) {
			memcpy(to, mapped, sizeof(mapped));
			to += sizeof(mapped);
		}
		memcpy(to, i == *sender ? src : dst, len);
		key->port[i] = i == *sender ? p->src_port : p->dst_port;
	}
}

static flow_handle *bucket_of(const struct flow_table *t, const struct flow_key *key)
{
	return &t->buckets[siphash(t->hash_key, key, sizeof(*key)) & t->bucket_mask];
}

flow_handle flow_find(const struct flow_table *t, const struct flow_key *key)
{
	flow_handle h = *bucket_of(t, key);

	while (h != FLOW_NONE && memcmp(&t->flows[h].key, key, sizeof(*key)) != 0)
		h = t->flows[h].next;
	return h;
}

flow_handle flow_add(struct flow_table *t, const struct flow_key *key)
{
	flow_handle *bucket = bucket_of(t, key);
	flow_handle h = t->free;
	struct flow *f;

	if (h != FLOW_NONE)
		t->free = t->flows[h].next;
	else if (t->fresh < t->max)
		h = t->fresh++;
	else
		return FLOW_NONE;
	f = &t->flows[h];
	memset(f, 0, sizeof(*f));
	f->key = *key;
	f->state = FLOW_OPENING;
	f->relay[CLIENT].transit = POOL_NONE;
	f->relay[SERVER].transit = POOL_NONE;
	f->next = *bucket;
	*bucket = h;
	t->active++;
	return h;
}

void flow_remove(struct flow_table *t, flow_handle handle)
{
	struct flow *f = &t->flows[handle];
	flow_handle *link = bucket_of(t, &f->key);

	while (*link != handle)
		link = &t->flows[*link].next;
	*link = f->next;
	f->state = FLOW_FREE;
	f->next = t->free;
	t->free = handle;
	t->active--;
}
