/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As much of the kernel's interface as kmod/dirty.c needs, for a test of that
 * file in user space. One thread; RCU callbacks run at once, but leave the
 * memory poisoned, so that a reader that comes later is seen.
 */
#ifndef KSHIM_H
#define KSHIM_H

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef u64 sector_t;
typedef unsigned int gfp_t;

#define GFP_KERNEL	1u
#define GFP_NOIO	1u
#define GFP_NOWAIT	0u
#define __GFP_NOWARN	0u
#define gfpflags_allow_blocking(gfp)	((gfp) & 1u)

#define likely(x)	(x)
#define unlikely(x)	(x)
#define noinline
#define min(a, b)	((a) < (b) ? (a) : (b))
#define max(a, b)	((a) > (b) ? (a) : (b))
#define min_t(t, a, b)	min((t)(a), (t)(b))
#define BITS_PER_LONG	64
#define BIT(n)		(1UL << (n))
#define BITS_TO_LONGS(n)	(((n) + 63) / 64)
#define DIV_ROUND_UP_ULL(a, b)	(((u64)(a) + (b) - 1) / (b))
#define DECLARE_FLEX_ARRAY(t, name) \
	struct { struct { } empty_##name; t name[]; }
#define array_size(n, size)	((size_t)(n) * (size))
#define READ_ONCE(x)		(*(volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))
#define cmpxchg(p, old, new)	__sync_val_compare_and_swap(p, old, new)
#define cond_resched()		((void)0)
#define swap(a, b) \
	do { __typeof__(a) _tmp = (a); (a) = (b); (b) = _tmp; } while (0)
#define ERR_PTR(e)		((void *)(long)(e))
#define IS_ERR_OR_NULL(p)	(!(p) || (unsigned long)(p) >= -4095UL)

/* One thread: order is the compiler's. */
static inline void smp_mb__before_atomic(void)
{
	__asm__ volatile("" ::: "memory");
}

struct rcu_head { void *next, *func; };

/* Fails the n-th allocation from now on; 0 = none. */
extern unsigned int kshim_fail;
extern long kshim_live;

static inline void *kzalloc(size_t len, gfp_t gfp)
{
	(void)gfp;
	if (kshim_fail && !--kshim_fail)
		return NULL;
	kshim_live++;
	return calloc(1, len);
}

static inline void kfree(void *p)
{
	if (p)
		kshim_live--;
	free(p);
}

#define vzalloc(len)		kzalloc(len, GFP_KERNEL)
#define vfree(p)		kfree(p)
#define kfree_rcu(p, field)	kfree(p)

static inline int ilog2(u64 n)
{
	return 63 - __builtin_clzll(n);
}

static inline bool test_bit(unsigned long n, const unsigned long *p)
{
	return p[n / 64] >> (n % 64) & 1;
}

static inline void set_bit(unsigned long n, unsigned long *p)
{
	p[n / 64] |= 1UL << (n % 64);
}

static inline void clear_bit(unsigned long n, unsigned long *p)
{
	p[n / 64] &= ~(1UL << (n % 64));
}

static inline unsigned long find_next_bit(const unsigned long *p,
					  unsigned long size,
					  unsigned long from)
{
	unsigned long w;

	for (; from < size; from = (from | 63) + 1) {
		w = p[from / 64] >> (from % 64);
		if (w)
			return min(size, from + __builtin_ctzl(w));
	}
	return size;
}

#define for_each_set_bit(i, p, size)					\
	for ((i) = find_next_bit(p, size, 0); (i) < (size);		\
	     (i) = find_next_bit(p, size, (i) + 1))

static inline bool bitmap_empty(const unsigned long *p, unsigned long size)
{
	return find_next_bit(p, size, 0) == size;
}

#define hweight_long(w)	((unsigned int)__builtin_popcountl(w))
#define __ffs(w)	((unsigned int)__builtin_ctzl(w))

#endif
