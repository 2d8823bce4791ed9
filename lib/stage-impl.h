/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of a stage. stage.c tells what must hold, stage-parts.h who does
 * what.
 *
 * Locks, in this order:
 *	files	read: who uses a segment's file without `lock`. Write: who drops
 *		segments that were applied
 *	lock	all of a group and its volumes that is not said to be otherwise
 *	base	while the bases are synced; no other is taken with it
 *	checkpoint	while that is written; no other is taken with it
 *	index	the trees and the list of segments; read while looking up, write
 *		while changing (then with `lock` too)
 * A function whose comment says "locked" is called with `lock` and may drop it
 * while it does I/O; "may not drop" says so.
 */
#ifndef REPLICA_STAGE_IMPL_H
#define REPLICA_STAGE_IMPL_H

#include <pthread.h>

#include "stage-fault.h"
#include "stage-format.h"
#include "stage-index.h"
#include "stage-io.h"
#include "stage-promote.h"

struct stage_device;
struct stage_group;

struct stage_segment {
	uint64_t number, salt;
	int fd;
	uint64_t at;		/* where in that it begins */
	unsigned int slot;	/* of a device: its number */
	uint64_t bytes;		/* capacity; the applier looks: atomic */
	uint64_t room;		/* that it takes of the budget */
	uint64_t tail;		/* the next record goes there */
	uint64_t end;		/* where the log leaves it; 0 = open; atomic */
	bool is_dirty;		/* written since its last sync */
	bool is_bad;		/* a write of it has failed, */
	bool is_short;		/* or a sync, or its disk was full */
	bool is_lost;		/* not of the log, but to be looked at */
	bool has_promise;	/* after end_lsn: log A9 */
};

static inline uint64_t stage_load(const uint64_t *value)
{
	return __atomic_load_n(value, __ATOMIC_ACQUIRE);
}

static inline void stage_store(uint64_t *value, uint64_t new)
{
	__atomic_store_n(value, new, __ATOMIC_RELEASE);
}

/* Records that are to be written, at their place (log A4). */
struct stage_gather {
	struct stage_segment *s;
	uint64_t pos, len;		/* len 0: there is none */
	char *buf;
};

struct epoch_entry {
	uint64_t epoch, lsn;	/* of its commit record */
	uint64_t commit_time, cut_time;
	uint64_t bytes;
	bool is_clean;
};

enum epoch_state {
	EPOCH_NONE,
	EPOCH_OPEN,
	EPOCH_COMMITTING,
	EPOCH_DROPPING,
};

struct open_epoch {
	enum epoch_state state;
	uint64_t nr;
	uint64_t records, digest;	/* in the log */
	uint64_t bytes;
	unsigned int in_flight;		/* data requests, of all members */
	unsigned int nr_prepared;
	uint64_t touched_ms;		/* monotonic: open, data, a promise */
	uint32_t kind;			/* that the prepared ones want */
	int failed;			/* -errno: will be dropped, because: */
	struct error why;
	bool is_window;			/* will be partial (log A7) */
	uint64_t partial_bytes;		/* of those before it, see there */
	bool is_in_place;		/* its data is not in the log … */
	uint64_t base_failures;		/* … and so many were before it */
};

struct stage_image {
	struct stage_image *next;	/* in group->images */
	struct stage_volume *v;
	uint64_t lsn, epoch;
	bool is_broken;			/* S10 */
	bool is_read;			/* of VOL, for the time of one read */
};

struct stage_volume {
	struct stage *stage;
	struct stage_volume *next;	/* by name */
	struct stage_volume *next_gone;	/* stage->gone_volumes */
	struct stage_group *g;		/* set once */
	struct stage_volume_block meta;	/* set once; ->bytes grows, written
					 * atomically with lock */
	unsigned int nr_conns;		/* lock */
	int base_fd;			/* set once; -1: not usable */
	struct stage_tree tree;		/* index */
	struct replica_header header;	/* as served; seq 0: none */
	struct replica_header writer;	/* the newest session's hello */
	uint64_t token;			/* of that session, in this process */
	bool is_session_kept;		/* so is it on the disk (session Y6) */
	bool is_open;			/* part of the open epoch … */
	bool is_prepared;		/* … and it has sent its commit */
	unsigned int in_flight;		/* its data requests */
	uint64_t records, digest;	/* W2 */
	struct replica_header commit;	/* if prepared */
	struct stage_fence fence;	/* lock; of all members at once, but
					 * for one that is given up */
};

/* Without the lock, too: a moment later it may be larger. */
static inline uint64_t stage_volume_bytes(const struct stage_volume *v)
{
	return stage_load(&v->meta.bytes);
}

struct stage_conn {
	struct stage_volume *v;		/* these two are set once */
	uint64_t bytes;			/* of the volume, then (conn V3) */
	uint64_t token;			/* 0 = no hello yet */
};

struct stage_group {
	struct stage_group *next;
	struct stage *stage;
	char name[STAGE_NAME_LEN];
	char dir[STAGE_PATH_LEN + STAGE_NAME_LEN + 8];
	uint8_t log_id[16];
	int device_fd;			/* slots T5; -1: not open */
	pthread_rwlock_t files;
	pthread_mutex_t lock;
	pthread_cond_t changed;		/* whatever somebody may wait for … */
	pthread_cond_t drained;		/* … and data requests that end */
	unsigned int nr_draining;	/* who wait for that */
	pthread_rwlock_t index_lock;
	struct stage_index *index;	/* index */
	struct stage_volume **members;	/* by number */
	unsigned int nr_members;
	struct error error;		/* code 0: it works */
	struct error notice;		/* set once: recovery Z6; 0: none */
	bool is_notice_kept;		/* with it: all was put aside */

	/* the log */
	struct stage_segment **segments;	/* index; ascending */
	unsigned int nr_segments, max_segments;
	struct stage_segment *current;	/* NULL: the next record begins one */
	uint64_t next_number;
	uint64_t end_lsn;		/* the log is good up to here … */
	uint64_t end_salt;		/* … in a segment of this salt */
	uint64_t durable_lsn;		/* newest commit that was synced */
	uint64_t log_bytes;
	struct stage_gather gather;
	char *spare;			/* a buffer for it, or NULL */
	bool is_dir_dirty;
	bool is_header_busy;		/* one header at a time */
	uint64_t tokens;
	uint64_t full;			/* S6: bytes that were wanting */
	bool wants_in_place, is_in_place_asked;	/* stage-inplace.c … */
	bool is_in_place_ready;		/* … I2 holds; if in place at all */
	bool has_announce_failed;	/* … it is tried again */

	/* epochs */
	struct open_epoch open;
	uint64_t idle_epoch;		/* dropped since nothing came, if no
					 * other was opened since; 0 = none */
	uint64_t seen, clean_epoch, partial_epoch;
	uint64_t clean_lsn, kept_lsn;	/* commits: clean; clean or partial */
	struct epoch_entry *epochs;	/* above applied, ascending */
	unsigned int nr_epochs, max_epochs;
	struct stage_image *images;

	/* the applier */
	pthread_t applier;
	bool has_applier, is_stopping, is_applying;
	bool is_clearing;		/* waits for reads to end */
	struct stage_checkpoint checkpoint;	/* as it is on disk, if: */
	pthread_mutex_t checkpoint_lock;	/* one write of it at a time: */
	struct stage_checkpoint written;	/* the last good one … */
	uint64_t written_seq;			/* … or what was tried */
	unsigned int weak_copy;			/* checkpoint C3 */
	bool is_checkpoint_sure;		/* checkpoint C1 */
	uint64_t floor_lsn;		/* older images are gone, or going */
	uint64_t room_wanted;		/* by writers, S6 */
	unsigned int settle;		/* waiting in stage_settle … */
	unsigned int settle_all;	/* … for everything */
	uint64_t apply_turns;		/* it had nothing to do so often */
	uint64_t applied_at;		/* when it did, last */
	struct error apply_error;
	pthread_mutex_t base_lock;	/* one sync of the bases at a time */
	uint64_t base_failures;		/* of a write in place, a sync; atomic,
					 * syncs with base_lock */
	uint64_t base_trusted;		/* inplace I6: so many do not count */
	uint64_t bytes_logged, bytes_applied, nr_syncs, nr_idle_drops;
};

struct stage {
	char dir[STAGE_PATH_LEN];
	struct stage_options opts;	/* defaults filled in */
	const struct stage_io *io;
	const struct stage_medium *medium;	/* set once: of segments */
	struct stage_device *device;		/* set once; NULL: files */
	int lock_fd;
	bool had_owner;			/* set once: of a view (notice N4) */
	pthread_mutex_t lock;		/* the lists; before a group's locks */
	struct stage_group *groups;
	struct stage_volume *volumes;
	struct stage_group *gone;	/* deleted: others may know them */
	struct stage_volume *gone_volumes;
	bool is_delete_stuck;		/* something could not be removed */
};

#endif
