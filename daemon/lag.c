// SPDX-License-Identifier: GPL-2.0-or-later
#include "lag.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS	1e9
#define STEP_NS	1000000000LL	/* less is no clock that was set */

/* Nobody sets this one, and it goes on while the machine sleeps. */
static int64_t offset_at(uint64_t now_ns)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return now_ns - (t.tv_sec * 1000000000ULL + t.tv_nsec);
}

void lag_found(struct lag *lag, uint64_t image_ns, uint64_t now_ns)
{
	lag->committed_ns = image_ns;
	lag->offset_ns = offset_at(now_ns);
}

void lag_follow(struct lag *lag, uint64_t now_ns)
{
	int64_t offset_ns = offset_at(now_ns);
	int64_t step = offset_ns - lag->offset_ns;

	if (!lag->committed_ns || llabs(step) < STEP_NS)
		return;
	lag->committed_ns += step;
	lag->offset_ns = offset_ns;
}

static uint64_t lag_ns(const struct lag *lag, uint64_t now_ns)
{
	return now_ns > lag->committed_ns ? now_ns - lag->committed_ns : 0;
}

static void add(struct lag *lag, uint64_t sample)
{
	lag->samples[lag->next] = sample;
	lag->next = (lag->next + 1) % LAG_SAMPLES;
	if (lag->nr < LAG_SAMPLES)
		lag->nr++;
}

/* What was written just after the previous cut waited longest. */
void lag_committed(struct lag *lag, uint64_t cut_ns, uint64_t now_ns)
{
	if (lag->committed_ns)
		add(lag, lag_ns(lag, now_ns));
	lag_found(lag, cut_ns, now_ns);
}

void lag_is_current(struct lag *lag, uint64_t now_ns)
{
	if (lag->committed_ns)
		lag_found(lag, now_ns, now_ns);
}

void lag_sample(struct lag *lag, bool is_behind, uint64_t now_ns)
{
	if (lag->committed_ns)
		add(lag, is_behind ? lag_ns(lag, now_ns) : 0);
}

double lag_now(const struct lag *lag, bool is_behind, uint64_t now_ns)
{
	if (!lag->committed_ns)
		return -1;
	return is_behind ? lag_ns(lag, now_ns) / NS : 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void lag_summarize(const struct lag *lag, struct lag_summary *summary)
{
	uint64_t sorted[LAG_SAMPLES];

	memset(summary, 0, sizeof(*summary));
	if (!lag->nr)
		return;
	memcpy(sorted, lag->samples, lag->nr * sizeof(sorted[0]));
	qsort(sorted, lag->nr, sizeof(sorted[0]), compare);
	summary->min_s = sorted[0] / NS;
	summary->median_s = sorted[lag->nr / 2] / NS;
	summary->max_s = sorted[lag->nr - 1] / NS;
}
