/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the parts of a stage do for each other. Those that return int return 0
 * or -errno with the sentence in *err.
 */
#ifndef REPLICA_STAGE_PARTS_H
#define REPLICA_STAGE_PARTS_H

#include "stage-checkpoint.h"
#include "stage-impl.h"

/* --- where segments are: stage-files.c, stage-slots.c --------------------- */

/*
 * With the group's lock, or alone with the group. What a removal has left, and
 * what it brings back after a power cut, is told apart by the log itself
 * (segment G2).
 */
struct stage_medium {
	bool is_sparse;		/* what has no data takes no room */
	/* fn for each until an error; only what open() needs is set in *s. */
	int (*list)(struct stage_group *g,
		    int (*fn)(void *arg, const struct stage_segment *s),
		    void *arg);
	/* Sets ->fd, ->at and, to what is there, ->bytes. */
	int (*open)(struct stage_group *g, struct stage_segment *s);
	/* Once it is not open any more: a no-op. */
	void (*close)(struct stage_group *g, struct stage_segment *s);
	/* A new one of ->number, ->salt, ->bytes. After a failure: remove(). */
	int (*create)(struct stage_group *g, struct stage_segment *s);
	/* It is of no use any more; closed too. */
	void (*remove)(struct stage_group *g, struct stage_segment *s);
	/* To be looked at; closed. An error: it is as it was. */
	int (*keep)(struct stage_group *g, struct stage_segment *s,
		    struct error *err);
	/* What was removed or kept until now stays so. 0 or -errno. */
	int (*settle)(struct stage_group *g);
	/* What is behind @end is of no use any more. */
	void (*cut)(struct stage_group *g, struct stage_segment *s,
		    uint64_t end);
	/* Could so many be made? Without the lock, too. */
	bool (*has_room)(const struct stage_group *g, unsigned int nr);
	/* How many segments may there be that it cannot name? */
	unsigned int (*nr_unknown)(const struct stage_group *g);
	/* Has another group some of the room that there is? Also without. */
	bool (*is_shared)(const struct stage_group *g);
	/* All of a group whose log is not needed any more. */
	void (*remove_all)(struct stage_group *g);
};

extern const struct stage_medium stage_files, stage_slots;

/* --- stage-segment.c ------------------------------------------------------ */

struct stage_segment *stage_segment_find(const struct stage_group *g,
					 uint64_t number);
/* It has no more than @bytes, and takes no more where that is for free. */
void stage_segment_limit(struct stage_group *g, struct stage_segment *s,
			 uint64_t bytes);
/* Locked; neither drops it. Begins a new one, which becomes ->current. */
int stage_segment_begin(struct stage_group *g, struct error *err);
/* Adds one that is there; 0 or -ENOMEM. */
int stage_segment_add(struct stage_group *g, struct stage_segment *s);
/* Removes it from the list and from the disk. Locked, not dropped. */
void stage_segment_drop(struct stage_group *g, struct stage_segment *s);
/* Frees all, keeping the files. */
void stage_segment_close_all(struct stage_group *g);

/* --- stage-log.c: appending, making durable ------------------------------- */

/* Locked, dropped. Appends; *lsn tells where. */
int stage_log_append(struct stage_group *g, struct stage_record *r,
		     const void *payload, uint64_t *lsn, struct error *err);
/* Locked, dropped. All that was appended is in the files, and not durable. */
int stage_log_write(struct stage_group *g, struct error *err);
/* Locked, dropped. All that was appended is on disk. */
int stage_log_sync(struct stage_group *g, struct error *err);
/* Locked, not dropped. Forgets what is after end_lsn; nothing is under way. */
void stage_log_rewind(struct stage_group *g);
/* Locked, or alone with the group. The log goes on in @s, at @pos (A9). */
void stage_log_go_on(struct stage_group *g, struct stage_segment *s,
		     uint64_t pos);
/* Locked. What was appended so far is good: the log goes on from there. */
void stage_log_accept(struct stage_group *g);
uint32_t stage_log_max_payload(const struct stage_group *g); /* of a record */

/* --- stage-epoch.c: open, commit, drop; all locked ------------------------ */

int stage_epoch_check(const struct stage_group *g, uint64_t nr,
		      struct error *err);
int stage_epoch_open(struct stage_group *g, uint64_t nr, struct error *err);
/* Notes why it must go; the first reason counts. */
void stage_epoch_fail(struct stage_group *g, const struct error *why);
/* Locked. Waits until one more data request has ended, or may have. */
void stage_drain(struct stage_group *g);
/* O5: something has come for the open epoch. Not dropped. */
void stage_epoch_touch(struct stage_group *g);
/* O5: drops it if nothing has come for long. Not dropped. */
void stage_epoch_drop_idle(struct stage_group *g);
/* -ETIMEDOUT if that has happened to the newest epoch, else 0. */
int stage_epoch_check_idle(const struct stage_volume *v, struct error *err);
/* Waits for what is under way and forgets it (S2). None open: a no-op. */
void stage_epoch_drop(struct stage_group *g);
/* All members are prepared. */
int stage_epoch_commit(struct stage_group *g, struct error *err);
/* Enters a committed epoch into the table; 0 or -ENOMEM. Not dropped. */
int stage_epoch_add(struct stage_group *g, const struct epoch_entry *e);

/* --- stage-session.c: headers --------------------------------------------- */

int stage_session_write_header(struct stage_conn *c, const void *slot,
			       uint64_t off, struct error *err);
/* @from: bytes from the beginning of the tail. */
void stage_session_read_tail(struct stage_volume *v, void *buf, size_t len,
			     uint64_t from);
/* The header as it is served now. */
void stage_session_header(struct stage_volume *v, struct replica_header *h);
/* Locked, not dropped. May c write data now? (S8) */
int stage_session_check(struct stage_conn *c, struct error *err);
/* Locked, not dropped. The header as it is to be served, with these epochs. */
void stage_session_serve(struct stage_volume *v, const struct replica_header *h,
			 uint64_t clean, uint64_t partial,
			 struct replica_header *served);

/* --- stage-image.c -------------------------------------------------------- */

int stage_image_read_at(struct stage_volume *v, uint64_t lsn, void *buf,
			size_t len, uint64_t off, struct error *err);
/* Locked, not dropped. */
void stage_image_pin(struct stage_image *i, struct stage_volume *v,
		     uint64_t lsn);
void stage_image_unpin(struct stage_image *i);

/* --- stage-walk.c: reading the log from record to record ------------------ */

struct walker {
	struct stage_group *g;
	struct stage_segment *s;		/* NULL: at the end */
	uint64_t pos;			/* of the next record */
	uint64_t lsn;			/* of this one */
	struct stage_record r;
	char *buf;
	size_t size;			/* of buf */
	uint64_t from, len;		/* what it has of s */
};

/* Begins after the record at @lsn (0: with the first one). */
int stage_walk_begin(struct walker *w, struct stage_group *g, uint64_t lsn,
		     struct error *err);
/* 1: w->r is the next record. 0: the log ends here. Or -EIO. */
int stage_walk_next(struct walker *w, struct error *err);
/* The payload of w->r, until the next call; NULL with -EIO or -ENOMEM. */
const char *stage_walk_payload(struct walker *w, struct error *err);
void stage_walk_end(struct walker *w);

/* --- stage-apply.c -------------------------------------------------------- */

int stage_apply_start(struct stage_group *g, struct error *err);
void stage_apply_stop(struct stage_group *g);
/* The log between two commits to the bases; these synced, and none failed since
 * base_failures was this; locked and dropped: all that follows a checkpoint. */
int stage_apply_records(struct stage_group *g, uint64_t from, uint64_t to,
			struct error *err);
int stage_apply_sync(struct stage_group *g, uint64_t since, struct error *err);
void stage_apply_finish(struct stage_group *g,
			const struct stage_checkpoint *c);
/* Without the lock, and without an applier: applies up to a clean epoch. */
int stage_apply_upto(struct stage_group *g, uint64_t epoch, struct error *err);

/* --- stage-inplace.c: on_full=apply; all locked --------------------------- */

/* Is there no image, since the bases are written in place? Not dropped. */
bool stage_is_in_place(const struct stage_group *g);
/* An epoch was refused for want of room. Not dropped. */
void stage_inplace_want(struct stage_group *g);
/* Somebody comes who will write: now it is done. Not dropped. */
void stage_inplace_ask(struct stage_group *g);
/* Headers wait for the applier. Not dropped. */
bool stage_inplace_is_pending(const struct stage_group *g);
/* The applier: is there something to do, and was it done? Dropped. */
bool stage_inplace_turn(struct stage_group *g, bool is_pressed);
/* History was applied: what has failed is not waited for any more, or who ends
 * an epoch would wait for that, and it for him. Not dropped. */
void stage_inplace_applied(struct stage_group *g);
/* May the bases read otherwise than the disk has them? Not dropped. */
bool stage_inplace_is_distrusted(const struct stage_group *g);
/* May an epoch be opened? Not dropped. */
int stage_inplace_check(const struct stage_group *g, struct error *err);
/* Dropped. Data of an epoch in place; NULL: zeros. */
int stage_inplace_put(struct stage_volume *v, const void *buf, uint64_t len,
		      uint64_t off, struct error *err);
/* Dropped. All of such an epoch is on the disk; of others: a no-op. */
int stage_inplace_sync(struct stage_group *g, struct error *err);
/* --- stage-promote.c ------------------------------------------------------ */

/* Alone with the group, before its base and its log are opened. */
int stage_fence_load(struct stage_group *g, struct error *err);
/* -EPERM where it has been promoted; any lock. */
int stage_fence_check_write(const struct stage_volume *v, struct error *err);
int stage_fence_check_read(const struct stage_volume *v, struct error *err);

/* --- stage-recover.c, stage-volume.c -------------------------------------- */

/* Alone with the group. Reads its log; ->error where that cannot be. */
int stage_group_recover(struct stage_group *g, struct error *err);
int stage_volumes_load(struct stage *s, struct error *err);
struct stage_group *stage_group_create(struct stage *s, const char *name,
				       const uint8_t *log_id,
				       struct error *err);
int stage_group_add_member(struct stage_group *g, struct stage_volume *v);
/* May a hello make it so large? Changes nothing (session Y7). */
int stage_volume_check_growth(const struct stage_volume *v, uint64_t bytes,
			      struct error *err);
/* Locked. Who writes, with an epoch open, writes none of what is new. */
int stage_volume_grow(struct stage_volume *v, uint64_t bytes,
		      struct error *err);
void stage_volume_destroy(struct stage_volume *v);
void stage_group_destroy(struct stage_group *g);
/* NAME and suffix: one block, read or (atomically, durably) written. */
int stage_block_read(const struct stage *s, const char *name,
		     const char *suffix, char *block);
int stage_block_write(const struct stage *s, const char *name,
		      const char *suffix, const char *block, struct error *err);

/* --- stage-delete.c ------------------------------------------------------- */

/* Alone with the stage, or with its lock: what was begun is ended. It is not
 * in the lists afterwards, even if that fails (->is_delete_stuck). */
int stage_delete_resume(struct stage *s, struct error *err);
/* Those that are gone, at the end. */
void stage_delete_free(struct stage *s);
/* ->dir and a name; false if that is too long. */
bool stage_path(const struct stage *s, const char *name, const char *suffix,
		char *path, size_t size);

/* Of all that are in it: that of its first member. Any lock. */
static inline enum stage_phase stage_phase_of(const struct stage_group *g)
{
	return g->nr_members && g->members[0] ? g->members[0]->fence.phase :
						STAGE_PHASE_OPEN;
}

#endif
