/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What powercut-stage-run does to a stage, and powercut-stage-check expects of
 * it: epochs 1 to PLAN_EPOCHS of one volume, each from a seed and its number.
 */
#ifndef TESTS_POWERCUT_STAGE_H
#define TESTS_POWERCUT_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "stage-rig.h"

#define PLAN_EPOCHS	60
#define PLAN_WRITES	6
#define PLAN_TURN	30	/* before this one epochs begin to be applied */
#define PLAN_SEGMENT	(128 << 10)
#define PLAN_LOG	(8 << 20)

_Static_assert(PLAN_EPOCHS < RIG_EPOCHS, "the model has room for them");

enum plan_fate { PLAN_CLEAN, PLAN_PARTIAL, PLAN_ABORT };

struct plan_write {
	uint64_t chunk, nr;
	bool is_zero;
	uint32_t fill;
};

static inline enum plan_fate plan_fate(uint64_t epoch)
{
	if (epoch % 7 == 6)
		return PLAN_ABORT;
	return epoch % 4 == 3 ? PLAN_PARTIAL : PLAN_CLEAN;
}

/* The nth of the PLAN_WRITES writes of an epoch. */
static inline struct plan_write plan_write(unsigned int seed, uint64_t epoch,
					   unsigned int n)
{
	uint64_t x = (seed * 1000003ULL + epoch) * 64 + n + 1;
	struct plan_write w = { .fill = epoch * 100 + n };

	x *= 0x9e3779b97f4a7c15ULL;
	x ^= x >> 29;
	w.nr = 1 + x % 4;
	w.chunk = (x >> 8) % (RIG_BYTES / RIG_CHUNK - w.nr + 1);
	w.is_zero = (x >> 32) % 5 == 0;
	return w;
}

#endif
