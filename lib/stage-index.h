/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the newest record of a place is: for each volume a tree of the records
 * in the log, all in one arena for the group. Not thread-safe: the caller has a
 * lock. Offsets and lengths are sectors of 512 bytes.
 */
#ifndef REPLICA_STAGE_INDEX_H
#define REPLICA_STAGE_INDEX_H

#include <stdbool.h>
#include <stdint.h>

struct stage_index;

#define STAGE_TREE_LATE	32

/* A volume's tree; zero = empty. */
struct stage_tree {
	uint32_t root;
	uint32_t nr_late;
	uint32_t late[STAGE_TREE_LATE];	/* not in it yet: many are put there
					 * in less time than one by one */
};

/* What a place reads as. */
struct stage_piece {
	uint64_t off, len;
	uint64_t lsn;		/* of the record; 0 = none: the base */
	uint64_t record_off;	/* of the whole record */
	uint32_t record_len;
	uint32_t node;		/* of the index, until the lock is dropped */
	bool is_zero;
	bool is_verified;	/* its payload was seen to be good */
};

/* NULL when out of memory. destroy takes NULL. */
struct stage_index *stage_index_create(void);
void stage_index_destroy(struct stage_index *ix);

/* Bytes for nodes that are in use. */
uint64_t stage_index_bytes(const struct stage_index *ix);

/* A record, with @lsn above 0 and not in the tree. 0 or -ENOMEM. */
int stage_index_insert(struct stage_index *ix, struct stage_tree *tree,
		       uint64_t off, uint32_t len, uint64_t lsn, bool is_zero,
		       bool is_verified);

/*
 * The piece that begins at @off, at most @len long: its newest record with an
 * lsn of at most @max_lsn.
 */
void stage_index_find(const struct stage_index *ix,
		      const struct stage_tree *tree, uint64_t off,
		      uint64_t len, uint64_t max_lsn,
		      struct stage_piece *piece);

/* Until the lock is dropped: @node of a piece. */
void stage_index_verified(struct stage_index *ix, uint32_t node);

/* Removes all records with an lsn in [min_lsn, max_lsn]. */
void stage_index_erase(struct stage_index *ix, struct stage_tree *tree,
		       uint64_t min_lsn, uint64_t max_lsn);

#endif
