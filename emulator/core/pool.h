/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RESEG_CORE_POOL_H
#define RESEG_CORE_POOL_H

/*
 * A bounded pool of pages
 *
 * All memory that grows with traffic comes from here, in pages of one size: the octets in flight,
 * and the book-keeping of each relay that holds any. The pool is reserved once; a page takes real
 * memory only after its first use.
 */

#include <stddef.h>
#include <stdint.h>

#define POOL_PAGE_BYTES 4096

/* Names a page. POOL_NONE names none. */
typedef uint32_t pool_page;
#define POOL_NONE UINT32_MAX

struct pool {
	uint8_t *base;
	uint32_t pages;		/* in all */
	uint32_t used;		/* taken and not given back */
	uint32_t fresh;		/* pages from here on were never taken */
	pool_page free;		/* head of the list of pages given back */
};

/* Makes a pool of this many bytes, rounded down to pages. -ENOMEM if that cannot be reserved;
 * -EINVAL if it is less than one page, or too many pages to number. */
int pool_create(struct pool *pool, uint64_t bytes);
void pool_destroy(struct pool *pool);

/* Takes a page, whose content is undefined; POOL_NONE if all are taken. */
pool_page pool_take(struct pool *pool);
void pool_give(struct pool *pool, pool_page page);

static inline void *pool_data(const struct pool *pool, pool_page page)
{
	return pool->base + (size_t)page * POOL_PAGE_BYTES;
}

#endif
