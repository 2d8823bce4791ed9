// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A set of chunks as an array of sorted runs.
 *
 * Layout: v[head … head + nr - 1] are the runs. 'head' grows when runs are
 * taken from the front, so that emptying a set window by window is linear.
 *
 * X1 runs are ascending, of at least one chunk, and never touch each other.
 * X2 'chunks' is the sum of their lengths.
 * X3 no run goes past 2^64 - 1, so start + count never wraps.
 * X4 a function that can fail allocates before it changes anything.
 */
#include "extents.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct dmr_extents {
	struct dmr_extent *v;
	size_t head;
	size_t nr;
	size_t cap;			/* of v, in runs */
	uint64_t chunks;
};

#define MIN_RUNS 16

static uint64_t end_of(const struct dmr_extent *e)
{
	return e->start + e->count;
}

static struct dmr_extent *run(const struct dmr_extents *set, size_t i)
{
	return &set->v[set->head + i];
}

static bool is_run(uint64_t start, uint64_t count)
{
	return count && start + count > start;
}

struct dmr_extents *dmr_extents_create(void)
{
	return calloc(1, sizeof(struct dmr_extents));
}

void dmr_extents_destroy(struct dmr_extents *set)
{
	if (!set)
		return;
	free(set->v);
	free(set);
}

void dmr_extents_clear(struct dmr_extents *set)
{
	set->head = 0;
	set->nr = 0;
	set->chunks = 0;
}

/* Room for 'more' runs behind the last one. */
static int reserve(struct dmr_extents *set, size_t more)
{
	size_t cap = set->cap ? set->cap : MIN_RUNS;
	struct dmr_extent *v;

	if (set->head && set->head >= set->nr) {
		memmove(set->v, set->v + set->head, set->nr * sizeof(*set->v));
		set->head = 0;
	}
	if (set->head + set->nr + more <= set->cap)
		return 0;
	while (cap < set->head + set->nr + more)
		cap *= 2;
	v = reallocarray(set->v, cap, sizeof(*v));
	if (!v)
		return -ENOMEM;
	set->v = v;
	set->cap = cap;
	return 0;
}

/* Index of the first run that ends at or after 'at'; nr if there is none. */
static size_t find_touching(const struct dmr_extents *set, uint64_t at)
{
	size_t low = 0, high = set->nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (end_of(run(set, mid)) < at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Index of the first run that ends after 'at', so it covers it or follows. */
static size_t find_after(const struct dmr_extents *set, uint64_t at)
{
	size_t i = find_touching(set, at);

	return i < set->nr && end_of(run(set, i)) == at ? i + 1 : i;
}

/* Runs i … j - 1 become the nr_new runs in 'with'. There is room. */
static void replace(struct dmr_extents *set, size_t i, size_t j,
		    const struct dmr_extent *with, size_t nr_new)
{
	size_t k;

	assert(i <= j && j <= set->nr && nr_new <= 2);
	for (k = i; k < j; k++)
		set->chunks -= run(set, k)->count;
	if (i == 0 && nr_new <= j) {
		set->head += j - nr_new;
	} else if (j - i != nr_new) {
		memmove(run(set, i + nr_new), run(set, j),
			(set->nr - j) * sizeof(*set->v));
	}
	set->nr = set->nr - (j - i) + nr_new;
	for (k = 0; k < nr_new; k++) {
		*run(set, i + k) = with[k];
		set->chunks += with[k].count;
	}
}

int dmr_extents_add(struct dmr_extents *set, uint64_t start, uint64_t count)
{
	struct dmr_extent e = { .start = start };
	uint64_t end = start + count;
	size_t i, j;
	int ret;

	if (!is_run(start, count))
		return -EINVAL;
	ret = reserve(set, 1);
	if (ret)
		return ret;
	i = find_touching(set, start);
	for (j = i; j < set->nr && run(set, j)->start <= end; j++)
		;
	if (j > i) {
		if (run(set, i)->start < start)
			e.start = run(set, i)->start;
		if (end_of(run(set, j - 1)) > end)
			end = end_of(run(set, j - 1));
	}
	e.count = end - e.start;
	replace(set, i, j, &e, 1);
	return 0;
}

int dmr_extents_subtract(struct dmr_extents *set, uint64_t start,
			 uint64_t count)
{
	struct dmr_extent rest[2];
	uint64_t end = start + count;
	size_t i, j, nr_rest = 0;

	if (!is_run(start, count))
		return -EINVAL;
	i = find_after(set, start);
	for (j = i; j < set->nr && run(set, j)->start < end; j++)
		;
	if (j == i)
		return 0;
	if (run(set, i)->start < start)
		rest[nr_rest++] = (struct dmr_extent){
			run(set, i)->start, start - run(set, i)->start };
	if (end_of(run(set, j - 1)) > end)
		rest[nr_rest++] = (struct dmr_extent){
			end, end_of(run(set, j - 1)) - end };
	if (nr_rest > j - i && reserve(set, 1))
		return -ENOMEM;
	replace(set, i, j, rest, nr_rest);
	return 0;
}

int dmr_extents_add_array(void *arg, const struct dmr_extent *v, size_t nr)
{
	int ret = 0;
	size_t i;

	for (i = 0; i < nr && !ret; i++)
		ret = dmr_extents_add(arg, v[i].start, v[i].count);
	return ret;
}

/* set becomes what is in 'with'; with is empty then. */
static void adopt(struct dmr_extents *set, struct dmr_extents *with)
{
	free(set->v);
	*set = *with;
	*with = (struct dmr_extents){ 0 };
}

int dmr_extents_add_set(struct dmr_extents *set,
			const struct dmr_extents *other)
{
	struct dmr_extents sum = { 0 };
	size_t i = 0, j = 0;
	int ret;

	assert(set != other);
	if (!other->nr)
		return 0;
	ret = reserve(&sum, set->nr + other->nr);
	while (!ret && (i < set->nr || j < other->nr)) {
		bool from_set = j == other->nr ||
			(i < set->nr &&
			 run(set, i)->start <= run(other, j)->start);
		struct dmr_extent *e = from_set ? run(set, i++) :
						  run(other, j++);

		ret = dmr_extents_add(&sum, e->start, e->count);
	}
	if (!ret)
		adopt(set, &sum);
	free(sum.v);
	return ret;
}

/* The part of *e below 'end' goes to 'to', when it has any. */
static int keep_below(struct dmr_extents *to, const struct dmr_extent *e,
		      uint64_t end)
{
	if (e->start >= end)
		return 0;
	return dmr_extents_add(to, e->start, end - e->start);
}

/* Adds *e without what is in 'other', whose runs before *j end before it. */
static int add_without(struct dmr_extents *to, struct dmr_extent e,
		       const struct dmr_extents *other, size_t *j)
{
	uint64_t end = end_of(&e);
	int ret = 0;

	while (*j < other->nr && end_of(run(other, *j)) <= e.start)
		++*j;
	while (!ret && *j < other->nr && run(other, *j)->start < end) {
		ret = keep_below(to, &e, run(other, *j)->start);
		e.start = end_of(run(other, *j));
		if (e.start >= end)
			return ret;
		++*j;
	}
	return ret ? ret : keep_below(to, &e, end);
}

int dmr_extents_subtract_set(struct dmr_extents *set,
			     const struct dmr_extents *other)
{
	struct dmr_extents rest = { 0 };
	size_t i, j = 0;
	int ret;

	assert(set != other);
	if (!other->nr || !set->nr)
		return 0;
	ret = reserve(&rest, set->nr + other->nr);
	for (i = 0; i < set->nr && !ret; i++)
		ret = add_without(&rest, *run(set, i), other, &j);
	if (!ret)
		adopt(set, &rest);
	free(rest.v);
	return ret;
}

uint64_t dmr_extents_chunks(const struct dmr_extents *set)
{
	return set->chunks;
}

size_t dmr_extents_runs(const struct dmr_extents *set)
{
	return set->nr;
}

bool dmr_extents_contains(const struct dmr_extents *set, uint64_t start,
			  uint64_t count)
{
	size_t i = find_after(set, start);

	return is_run(start, count) && i < set->nr &&
	       run(set, i)->start <= start &&
	       end_of(run(set, i)) >= start + count;
}

bool dmr_extents_intersects(const struct dmr_extents *set, uint64_t start,
			    uint64_t count)
{
	size_t i = find_after(set, start);

	return is_run(start, count) && i < set->nr &&
	       run(set, i)->start < start + count;
}

const struct dmr_extent *dmr_extents_array(const struct dmr_extents *set,
					   size_t *nr)
{
	*nr = set->nr;
	return set->nr ? run(set, 0) : NULL;
}

bool dmr_extents_next(const struct dmr_extents *set, uint64_t from,
		      uint64_t most, struct dmr_extent *e)
{
	size_t i = find_after(set, from);

	if (i == set->nr)
		return false;
	*e = *run(set, i);
	if (e->start < from) {
		e->count -= from - e->start;
		e->start = from;
	}
	if (most && e->count > most)
		e->count = most;
	return true;
}

int dmr_extents_take(struct dmr_extents *set, uint64_t most,
		     struct dmr_extents *window)
{
	struct dmr_extent e;
	int ret;

	assert(set != window);
	dmr_extents_clear(window);
	while (most && dmr_extents_next(set, 0, most, &e)) {
		ret = dmr_extents_add(window, e.start, e.count);
		if (!ret)
			ret = dmr_extents_subtract(set, e.start, e.count);
		if (ret)
			return ret;
		most -= e.count;
	}
	return 0;
}
