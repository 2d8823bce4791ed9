/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stage: what a secondary keeps, so that it always has a consistent image.
 *
 * A stage is a directory with volumes. The writes of an epoch go to a log and
 * become visible all at once with the header that commits it; the applier
 * brings them to the volume's base when they leave the history.
 *
 * All functions may be called from any thread at any time and may block, unless
 * said otherwise. They return 0 or -errno and leave the sentence in *err (which
 * may be NULL); nothing is printed. Offsets and lengths are bytes, multiples of
 * STAGE_BLOCK. What is refused changes nothing.
 *
 *	-EINVAL		not for this volume, misaligned, or against the protocol
 *			(no hello, no open epoch, wrong count or digest)
 *	-ESHUTDOWN	a newer session has taken over (W1)
 *	-EPERM		wrong pair, volume, generation; or promoted
 *	-ENOSPC		the log is full (S6): the epoch is dropped
 *	-EIO		the log or the base failed; an open epoch is dropped
 *	-ETIMEDOUT	the epoch was dropped: nothing came (open_idle_ms)
 *	-ENOENT		no such volume or epoch
 *	-ESTALE		an image whose pin was broken (S10)
 */
#ifndef REPLICA_STAGE_H
#define REPLICA_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "header.h"

#define STAGE_BLOCK		512
#define STAGE_NAME_LEN		64	/* with its NUL; [A-Za-z0-9._-] */
#define STAGE_PATH_LEN		1024	/* with its NUL */
#define STAGE_IO_MAX		(64U << 20)	/* of one write */
#define STAGE_LATEST		0	/* as an epoch: the newest image */

struct stage;
struct stage_volume;	/* lives as long as its stage */
struct stage_conn;
struct stage_image;
struct stage_io;	/* stage-io.h */

/* --- directories ---------------------------------------------------------- */

/* All zero is a good default. They hold for each group of the directory. */
struct stage_options {
	uint64_t log_bytes;	/* most that the log may take; 0 = 16 GiB */
	uint64_t segment_bytes;	/* of one file of the log, 64 KiB to 2 GiB;
				 * 0 = 64 MiB. At most log_bytes / 4 is used */
	char log_device[STAGE_PATH_LEN]; /* stage-device.h; "": as it is */
	uint64_t index_bytes;	/* in memory: history pays first; 0 = 1 GiB */
	uint64_t history_ms;	/* epochs younger than this are kept, */
	uint64_t history_bytes;	/* while all take no more; 0 = log_bytes / 2 */
	uint64_t history_min_ms; /* a full log does not cost younger ones */
	uint64_t on_full_apply;	/* not 0: what cannot fit goes in place */
	uint64_t volume_bytes;	/* most by a hello; 0 = what its base is on */
	uint64_t open_idle_ms;	/* an idle open epoch is dropped; 0 = never */
	uint64_t patience_ms;	/* of a request, for room; 0 = 20 s */
	bool is_still;		/* no applier (stage-promote.h) */
	const struct stage_io *io;	/* NULL = the system's */
};

/*
 * Locks the directory, reads its volumes and recovers their logs. A volume that
 * cannot be recovered is there, with its error in stage_get_info(), and refuses
 * the rest; the others work. -EBUSY: another process has it (S9).
 */
int stage_open(struct stage **s, const char *dir,
	       const struct stage_options *opts, struct error *err);

/* All connections and images are closed. NULL is a no-op. */
void stage_close(struct stage *s);

struct stage_volume_config {
	const char *name;
	const char *group;	/* NULL = name: alone. A group shares one log */
	const char *base;	/* absolute; a file is made, or grown */
	uint64_t bytes;
	uint32_t chunk_bytes;	/* 0 = 4096 */
	uint8_t pair_id[16];	/* zero: those of the first hello are taken */
	uint8_t volume_id[16];
};

/*
 * A new volume. -EEXIST: there is one of that name. A group takes members only
 * as long as it has no epoch. The new one is in @v (which may be NULL).
 */
int stage_create_volume(struct stage *s, const struct stage_volume_config *c,
			struct stage_volume **v, struct error *err);

/* It gets more zeros. Durable, all or nothing. -EBUSY: a connection is open. */
int stage_grow_volume(struct stage_volume *v, uint64_t bytes, struct error *e);

/* NULL if there is none. @name needs no check before. */
struct stage_volume *stage_find(struct stage *s, const char *name);

/* The volume after @v, or the first for NULL; NULL at the end. By name. */
struct stage_volume *stage_next(struct stage *s, struct stage_volume *v);

enum stage_state {
	STAGE_EMPTY,		/* no image yet: the first sync has not ended */
	STAGE_OK,
	STAGE_LOG_FULL,		/* an epoch was refused: the image is good */
	STAGE_ERROR,		/* see ->error; images may still be readable */
	STAGE_IN_PLACE,		/* no image just now: on_full_apply */
	STAGE_PROMOTED,		/* fenced, or gone: stage-promote.h */
};

struct stage_info {
	char name[STAGE_NAME_LEN];
	char group[STAGE_NAME_LEN];
	char base[STAGE_PATH_LEN];
	uint64_t bytes;
	uint32_t chunk_bytes, nr_members;	/* of the group */
	enum stage_state state;
	struct error error;
	struct replica_header header;	/* as served; ->seq 0: never written */
	uint64_t open_epoch;		/* 0 = none */
	uint64_t applied_epoch;		/* the base has this one */
	uint64_t nr_epochs;		/* in the history */
	uint64_t log_bytes;		/* taken by the log */
	uint64_t log_needed;		/* LOG_FULL: at least that much more */
	uint64_t index_bytes;
	uint64_t bytes_logged, bytes_applied;	/* since it was opened … */
	uint64_t nr_syncs;		/* … of the log, for commits */
	uint64_t nr_idle_drops;		/* epochs dropped by open_idle_ms */
};

void stage_get_info(struct stage_volume *v, struct stage_info *info);

/* For who has opened it: of each log that lost epochs, and of their device. */
void stage_tell_notices(struct stage *s, void (*tell)(const char *text));

/* "ok", "log full" … */
const char *stage_state_name(enum stage_state state);

/* --- the export VOL: one for each connection ------------------------------ */

/*
 * A connection may read at once. It may write after it has written a
 * header(hello); each connection of a client says its own, with the same
 * session. -ENOMEM, or -EIO for a volume that was not recovered.
 */
int stage_conn_create(struct stage_conn **c, struct stage_volume *v,
		      struct error *err);

/* No call may be under way on it. NULL is a no-op. */
void stage_conn_destroy(struct stage_conn *c);

/* Of the volume when it was made: it stays so, and its tail where it is. */
uint64_t stage_conn_bytes(const struct stage_conn *c);

/*
 * Data: the newest committed image (in state IN_PLACE, what is there). Between
 * data and tail: zeros. Tail: the header as the stage sees it, never as a
 * client left it: `kind` and `epoch` are of the last write, the epochs are
 * those that are committed.
 */
int stage_conn_read(struct stage_conn *c, void *buf, size_t len, uint64_t off,
		    struct error *err);

/*
 * Data belongs to the open epoch. One slot in the tail is a header:
 *   hello	of a newer session: fences all older ones, waits for what they
 *		have under way and drops the open epoch, then answers (W1). Of
 *		the same session: joins it. Durable, unless the log is full.
 *   open	begins an epoch, instead of any that was open. Not durable
 *   partial, clean
 *		durable when answered; with the members of a group, when the
 *		last one is. A member that has no data need not open
 *   handover	no epoch is open, and it names the last clean one. Durable
 *   heartbeat	moves the cut time on. Not durable
 */
int stage_conn_write(struct stage_conn *c, const void *buf, size_t len,
		     uint64_t off, struct error *err);

/* Data only; up to the whole volume. */
int stage_conn_zero(struct stage_conn *c, uint64_t len, uint64_t off,
		    struct error *err);

/* --- images: VOL@EPOCH, VOL@latest, VOL@sum ------------------------------- */

/*
 * The image as of the newest epoch at or below @epoch that is still there, so
 * that a number of any epoch of the history does. It stays: the applier waits
 * for it (S10); only a full log breaks it. -ENOENT: older than the history, or
 * newer than anything committed.
 */
int stage_image_open(struct stage_image **i, struct stage_volume *v,
		     uint64_t epoch, struct error *err);
void stage_image_close(struct stage_image *i);
uint64_t stage_image_epoch(const struct stage_image *i);
int stage_image_read(struct stage_image *i, void *buf, size_t len,
		     uint64_t off, struct error *err);

enum stage_extent { STAGE_DATA, STAGE_ZERO };

/*
 * Calls fn for [off, off + len) in order, merged. Stops when fn returns
 * non-zero, and returns that. What is called data may be zeros all the same.
 */
int stage_image_extents(struct stage_image *i, uint64_t off, uint64_t len,
			int (*fn)(void *arg, uint64_t off, uint64_t len,
				  enum stage_extent type),
			void *arg, struct error *err);

struct stage_sum {
	uint8_t bytes[REPLICA_SUM_BYTES];
};

/*
 * VOL@sum: XXH3-128 (canonical) of @nr chunks from chunk @first on, as the next
 * commit would leave them: committed and partial data, not the open epoch (W4).
 * Seeded with the random number of the newest session.
 */
int stage_get_sums(struct stage_volume *v, uint64_t first, uint32_t nr,
		   struct stage_sum *sums, struct error *err);

struct stage_epoch {
	uint64_t epoch;
	uint64_t commit_time;	/* ns since 1970, by this site's clock */
	uint64_t cut_time;	/* by the primary's */
	uint64_t bytes;		/* that it took in the log */
	bool is_clean;		/* else partial: an image only with the next */
	bool is_base;		/* the oldest: the base as it is */
	unsigned int nr_images;	/* of this volume that are open: it is pinned */
};

/* Oldest first; as stage_image_extents() for fn. */
int stage_history(struct stage_volume *v,
		  int (*fn)(void *arg, const struct stage_epoch *e), void *arg);

/*
 * VOL@above (L2): what has a record above @epoch: clean, partial or open.
 * Extents ascend and may touch. As stage_image_extents() for fn.
 */
int stage_above(struct stage_volume *v, uint64_t epoch,
		int (*fn)(void *arg, uint64_t off, uint64_t len), void *arg,
		struct error *err);

/*
 * Returns when the applier has nothing left to do: for tests and for a
 * promotion. @is_all: the history goes too, as far as no image pins it.
 */
int stage_settle(struct stage_volume *v, bool is_all, struct error *err);

#endif
