/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int pool_create(struct pool *pool, uint64_t bytes)
{
	uint64_t pages = bytes / POOL_PAGE_BYTES;

	if (pages == 0 || pages >= POOL_NONE || pages > SIZE_MAX / POOL_PAGE_BYTES)
		return -EINVAL;
	/* calloc, because it maps a large area without touching it. */
	pool->base = calloc((size_t)pages, POOL_PAGE_BYTES);
	if (!pool->base)
		return -ENOMEM;
	pool->pages = (uint32_t)pages;
	pool->used = 0;
	pool->fresh = 0;
	pool->free = POOL_NONE;
	return 0;
}

void pool_destroy(struct pool *pool)
{
	free(pool->base);
	pool->base = NULL;
}

pool_page pool_take(struct pool *pool)
{
	pool_page page = pool->free;

	if (page != POOL_NONE)
		memcpy(&pool->free, pool_data(pool, page), sizeof(pool->free));
	else if (pool->fresh < pool->pages)
		page = pool->fresh++;
	else
		return POOL_NONE;
	pool->used++;
	return page;
}

void pool_give(struct pool *pool, pool_page page)
{
	memcpy(pool_data(pool, page), &pool->free, sizeof(pool->free));
	pool->free = page;
	pool->used--;
}
