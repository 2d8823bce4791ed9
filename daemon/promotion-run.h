/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The blocking part of a promotion: from a stage that nobody serves to a device
 * that is a primary.
 */
#ifndef REPLICAD_PROMOTION_RUN_H
#define REPLICAD_PROMOTION_RUN_H

#include <stdbool.h>

#include "history.h"
#include "hooks.h"
#include "kernel.h"
#include "promotion-record.h"

/* What an operator asks for. */
struct promotion_wish {
	uint64_t epoch;		/* that one exactly; 0 = see at_ns */
	uint64_t at_ns;		/* cut then or before; 0 = the newest image */
};

/*
 * Which epoch, by a history: fills r->epoch, cut_time, last_clean,
 * last_partial, dropped_bytes (by the log, an estimate). Pure. -ENOENT.
 */
int promotion_choose(const struct history *h,
		     const struct promotion_wish *wish,
		     struct promotion_record *r, struct error *err);

struct promotion_run {
	const char *state_dir;
	const struct kernel_ops *kernel_ops;
	const struct hooks *hooks;	/* NULL = none */
	struct promotion_wish wish;
	bool is_new;		/* r has volume, pair, dir, metadata only */
	bool is_dry;		/* choose, and tell; nothing is changed */
	bool is_asked;		/* promotion_ask() has been called */
	const bool *is_stopping;	/* looked at between two steps */
};

/*
 * P6 It has been planned, and nothing has been done yet: before-promote may
 * refuse. Any thread; nobody needs to hold the stage back. 0 or -errno.
 */
int promotion_ask(const struct promotion_run *run,
		  struct promotion_record *const *all, unsigned int nr,
		  struct error *err);

/*
 * @all: one, or the @nr members of a group, whose leader is the first (P7). Any
 * thread, one for a volume. 0; or -errno with a sentence: r->step tells how
 * far it has come, and calling it again goes on from there. -ECANCELED: it was
 * to stop. A new one that was refused has left nothing behind. -EINPROGRESS: it
 * is planned only, and promotion_ask() comes first (P6).
 */
int promotion_run(const struct promotion_run *run,
		  struct promotion_record *const *all, unsigned int nr,
		  struct error *err);

#endif
