/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lag: how old the newest committed image is. Its largest value just
 * before each commit and one sample at each heartbeat go into a ring of the
 * last LAG_SAMPLES. All times are by one clock, which may be set: lag_follow().
 */
#ifndef REPLICAD_LAG_H
#define REPLICAD_LAG_H

#include <stdbool.h>
#include <stdint.h>

#define LAG_SAMPLES	600

struct lag {
	uint64_t committed_ns;		/* the image is as of then, ns since
					 * 1970; 0 = there is none */
	int64_t offset_ns;		/* the time of day without that since
					 * boot, when that was said */
	uint64_t samples[LAG_SAMPLES];	/* ns */
	unsigned int nr, next;
};

struct lag_summary {
	double min_s, median_s, max_s;	/* 0 without samples */
};

/* An epoch cut at @cut_ns is committed now. */
void lag_committed(struct lag *lag, uint64_t cut_ns, uint64_t now_ns);

/* A target has an image as of @image_ns (0: none). */
void lag_found(struct lag *lag, uint64_t image_ns, uint64_t now_ns);

/* Now and then: if the clock was set since, what it said once goes with it. */
void lag_follow(struct lag *lag, uint64_t now_ns);

/* Nothing was dirty until now: the image is as of now. */
void lag_is_current(struct lag *lag, uint64_t now_ns);

/* @is_behind: something is dirty, or an epoch is open. */
void lag_sample(struct lag *lag, bool is_behind, uint64_t now_ns);

/* Seconds, or a negative number where nothing was ever committed. */
double lag_now(const struct lag *lag, bool is_behind, uint64_t now_ns);

void lag_summarize(const struct lag *lag, struct lag_summary *summary);

#endif
