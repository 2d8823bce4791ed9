/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small log with all kinds of records, and what a stage makes of it when any
 * one byte of it, or of what else there is, is another.
 *
 * Nothing that the stage writes reaches the disk: so one disk does for all.
 */
#ifndef STAGE_FLIPS_H
#define STAGE_FLIPS_H

#include "stage-rig.h"
#include "tap.h"

#define FLIP_SECTOR	512
#define FLIP_NEWEST	5		/* epoch; clean are 1 and 4, too */

extern struct disk *d;
extern struct model m;

/* Epochs of "a", in two segments of files, or in one of a device. */
void make_log(const struct stage_options *o);

/* Without a disk that takes anything, or NULL with @err. */
struct stage *look_only(const struct stage_options *o, struct error *err);

/* What it has tried to remove since it was opened. */
extern unsigned int nr_removed;

struct seen {
	unsigned int nr, refused, damaged, behind, good, wrong;
	unsigned int silent, torn;	/* behind, and nothing was told */
};

/* What is shown of the log, as the disk is now. */
void look(const struct stage_options *o, struct seen *seen);

typedef void looking(const struct stage_options *o, struct seen *seen);

/* One bit of each byte of a part; of an empty rest, one sector. */
void flip_part(const struct stage_options *o, const char *name, uint64_t from,
	       uint64_t to, looking *fn, struct seen *seen);
/* As what was lost, or what a power cut leaves: at most a block each. */
void zero_part(const struct stage_options *o, const char *name, uint64_t from,
	       uint64_t to, size_t piece, looking *fn, struct seen *seen);
/* Cut off at each @step bytes. */
void cut_off(const struct stage_options *o, const char *name, uint64_t step,
	     looking *fn, struct seen *seen);

void print_seen(const struct seen *seen);

static inline void say(const struct seen *seen, const char *what)
{
	print_seen(seen);
	is_int(seen->wrong, 0, "%s: nothing wrong is shown", what);
	is_int(seen->silent, 0, "and nothing older without a word");
	ok(seen->good && seen->nr > seen->good, "some matter, some don't");
}

#endif
