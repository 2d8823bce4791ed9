// SPDX-License-Identifier: GPL-2.0-or-later
#include "limit.h"

#define NS_PER_SEC	1000000000ull

void limiter_set(struct limiter *l, uint64_t rate, uint64_t now_ns)
{
	l->rate = rate;
	l->level = 0;
	l->last_ns = now_ns;
	l->carry = 0;
}

static void limiter_fill(struct limiter *l, uint64_t now_ns)
{
	uint64_t ns = now_ns - l->last_ns;
	int64_t most = l->rate * LIMIT_BURST_MS / 1000 + 1;
	__uint128_t sum;

	sum = (__uint128_t)l->rate * ns + l->carry;
	l->last_ns = now_ns;
	l->carry = sum % NS_PER_SEC;
	sum /= NS_PER_SEC;
	if (sum > (__uint128_t)(most - l->level))
		l->level = most;
	else
		l->level += sum;
}

unsigned int limiter_wait(struct limiter *l, uint64_t now_ns)
{
	__uint128_t ms;

	if (!l->rate)
		return 0;
	limiter_fill(l, now_ns);
	if (l->level > 0)
		return 0;
	ms = (__uint128_t)(1 - l->level) * 1000 / l->rate + 1;
	return ms > 1000 ? 1000 : ms;
}

void limiter_take(struct limiter *l, uint64_t bytes)
{
	if (l->rate)
		l->level -= bytes;
}
