/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who a volume is, across restarts of the daemon and reboots: kept in
 * STATE_DIR/NAME.id, because a volume without metadata device gets a new id
 * from the kernel at each load.
 */
#ifndef REPLICAD_IDENTITY_H
#define REPLICAD_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "header.h"

/* See giving-up.h. */
enum given_up {
	GIVEN_UP_NO,
	GIVEN_UP_BEGUN,
	GIVEN_UP_DONE,
};

/* See takeover.h. */
enum taken_over {
	TAKEN_OVER_NO,
	TAKEN_OVER_SUPERSEDED,
	TAKEN_OVER_SPLIT_BRAIN,
};

struct identity {
	uint8_t pair_id[16];
	uint8_t volume_id[16];
	uint64_t generation;
	uint64_t incarnation;	/* of the kernel, at the last session */
	struct replica_session session;
	bool is_closed;		/* the last session ended in order: no request
				 * of it can still be under way */
	bool is_paused;		/* by an operator */
	bool is_suspect;	/* may have been written without us (L1) */
	enum given_up given_up;
	bool is_fenced;		/* readonly, when that began */
	enum taken_over taken_over;
	uint8_t taken_over_by[16];	/* identity_hash_target() */
	uint64_t target_bytes;	/* the volume's, when a target had its header
				 * at the end of it last; 0 = not known */
	uint8_t kernel_volume[16];	/* the id on the metadata device that
					 * epochs were committed with; or 0 */
};

/*
 * Reads STATE_DIR/NAME.id, or makes an identity (not written yet) where there
 * is none. 0 or -errno; -EBADMSG: the file is damaged.
 */
int identity_load(struct identity *id, const char *state_dir,
		  const char *name);

/*
 * Begins a session (W1): newer than all before it, and durable when this
 * returns 0. What the kernel counted is taken in, but it never goes back.
 */
int identity_begin_session(struct identity *id, const char *state_dir,
			   const char *name, uint64_t incarnation,
			   uint64_t loads, uint64_t attaches);

/*
 * Notes one of the flags, durably when this returns 0. Beginning a session
 * clears is_closed.
 */
int identity_note_closed(struct identity *id, const char *state_dir,
			 const char *name);
int identity_note_paused(struct identity *id, const char *state_dir,
			 const char *name, bool is_paused);
int identity_note_suspect(struct identity *id, const char *state_dir,
			  const char *name, bool is_suspect);
int identity_note_given_up(struct identity *id, const char *state_dir,
			   const char *name, enum given_up given_up);
/*
 * @target: that says so, as the configuration names it. Known to this process
 * also where it can't be written.
 */
int identity_note_taken_over(struct identity *id, const char *state_dir,
			     const char *name, enum taken_over taken_over,
			     const char *target);
int identity_note_target_bytes(struct identity *id, const char *state_dir,
			       const char *name, uint64_t bytes);
/* Which metadata device is this volume's: by the id on it. */
int identity_note_metadata(struct identity *id, const char *state_dir,
			   const char *name, const uint8_t kernel_volume[16]);

/*
 * Makes this site the volume's primary, as the header of a promotion says it:
 * pair, volume, generation; sessions go on from its. What was there goes.
 */
int identity_adopt(const char *state_dir, const char *name,
		   const struct replica_header *h);

/* Of a volume that is, or was, replicated here; true where that isn't known. */
bool identity_is_kept(const char *state_dir, const char *name);

/* The volume is gone for good, and so is this when it returns 0. */
int identity_forget(const char *state_dir, const char *name);

/* Random bytes for ids. */
void identity_random(void *buf, unsigned int len);

/* A target's name may come again: that of this pair. */
void identity_hash_target(uint8_t hash[16], const struct identity *id,
			  const char *target);

/* 16 bytes as 32 hex digits and a NUL. */
void identity_print(char text[33], const uint8_t id[16]);

/* The same 16 bytes for the same text: the id of a group from its name. */
void identity_hash(uint8_t id[16], const char *text);

#endif
