/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reactor's pool of equal buffers: one piece of memory, registered as one
 * buffer, so that reads and writes of files need not pin pages each time.
 * Where it may not be registered (RLIMIT_MEMLOCK), it is plain memory.
 */
#include "ring-private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE	(2UL << 20)

static void pool_register(struct ring *ring)
{
	struct iovec iov = {
		.iov_base = ring->pool.mem, .iov_len = ring->pool.len,
	};

	ring->pool.is_registered =
		!io_uring_register_buffers(&ring->uring, &iov, 1);
}

int ring_pool_init(struct ring *ring, unsigned int nr, size_t size)
{
	struct ring_pool *pool = &ring->pool;
	void *mem;

	if (!nr)
		return 0;
	if (!size || size % 4096)
		return -EINVAL;
	pool->free = calloc(nr, sizeof(*pool->free));
	pool->len = (nr * size + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	mem = aligned_alloc(HUGE_PAGE, pool->len);
	if (!pool->free || !mem) {
		free(mem);
		return -ENOMEM;
	}
	madvise(mem, pool->len, MADV_HUGEPAGE);
	pool->mem = mem;
	pool->buf_size = size;
	while (pool->nr_free < nr) {
		pool->free[pool->nr_free] = nr - 1 - pool->nr_free;
		pool->nr_free++;
	}
	pool_register(ring);
	return 0;
}

void ring_pool_exit(struct ring *ring)
{
	free(ring->pool.free);
	free(ring->pool.mem);
}

bool ring_pool_has(const struct ring *ring, const void *buf, size_t len)
{
	const struct ring_pool *pool = &ring->pool;
	size_t off = (const uint8_t *)buf - pool->mem;

	return pool->is_registered && off < pool->len &&
	       len <= pool->len - off;
}

void *ring_buf_get(struct ring *ring)
{
	struct ring_pool *pool = &ring->pool;

	if (!pool->nr_free)
		return NULL;
	return pool->mem + pool->free[--pool->nr_free] * pool->buf_size;
}

void ring_buf_put(struct ring *ring, void *buf)
{
	struct ring_pool *pool = &ring->pool;
	size_t off = (uint8_t *)buf - pool->mem;

	assert(off < pool->len && off % pool->buf_size == 0);
	pool->free[pool->nr_free++] = off / pool->buf_size;
}

unsigned int ring_buf_available(const struct ring *ring)
{
	return ring->pool.nr_free;
}
