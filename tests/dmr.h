/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of the family dm_replica, for tests (see genl.h for why the
 * tests have a client of their own). Every function returns 0 or -errno as the
 * kernel said it; genl->extack has its words.
 */
#ifndef TESTS_DMR_H
#define TESTS_DMR_H

#include <linux/dm-replica.h>
#include <stdbool.h>
#include <stddef.h>

#include "genl.h"

/* What GET says, numbers by attribute; absent ones are 0. */
struct dmr_get {
	uint64_t number[DMR_A_MAX + 1];
	char name[128];
	char uuid[130];
	unsigned char volume_id[16];
	bool has[DMR_A_MAX + 1];
};

struct dmr_extents {
	struct dmr_extent *extent;
	size_t nr;
	size_t room;
	uint64_t epoch;			/* that the messages named */
	bool mixed;			/* they named different ones */
};

struct dmr_held {
	uint64_t nr_held;
	bool fuzzy;
};

struct dmr_note {
	uint32_t event;
	uint64_t dev;
	uint64_t epoch;
	uint32_t epoch_flags;
	uint64_t nr_frozen;
	char request[DMR_MAX_REQUEST + 1];
};

/* The number of a block device by its path, in the family's form. */
int dmr_dev_of_path(const char *path, uint64_t *dev);

int dmr_get(struct genl *genl, uint64_t dev, struct dmr_get *get);
/* The highest epoch that any device of its group has seen. */
int dmr_highest(struct genl *genl, uint64_t dev, uint64_t *epoch);
int dmr_attach(struct genl *genl, uint64_t dev, struct dmr_get *get);
int dmr_join(struct genl *genl, uint64_t dev, uint64_t group);
int dmr_cut(struct genl *genl, uint64_t dev, uint64_t epoch, bool fuzzy);
int dmr_release(struct genl *genl, uint64_t dev, uint64_t epoch,
		const struct dmr_extent *extent, size_t nr,
		struct dmr_held *held);
int dmr_end(struct genl *genl, uint64_t dev, uint64_t epoch, enum dmr_end how);
/* nr 0: all. */
int dmr_mark(struct genl *genl, uint64_t dev, const struct dmr_extent *extent,
	     size_t nr);
/* SET, of nothing else. */
int dmr_set_generation(struct genl *genl, uint64_t dev, uint64_t generation);
int dmr_detach(struct genl *genl, uint64_t dev);
int dmr_hold(struct genl *genl, uint64_t dev, uint32_t timeout_ms);

/* cmd: DMR_CMD_GET_FROZEN (epoch is sent) or DMR_CMD_GET_DIRTY. */
int dmr_extents(struct genl *genl, int cmd, uint64_t dev, uint64_t epoch,
		struct dmr_extents *extents);
void dmr_extents_free(struct dmr_extents *extents);
uint64_t dmr_extents_chunks(const struct dmr_extents *extents);

int dmr_next_note(struct genl *genl, int timeout_ms, struct dmr_note *note);

/* Words for numbers, and back: "commit" -> DMR_END_COMMIT; -1 if unknown. */
int dmr_end_of_word(const char *word);
int dmr_event_of_word(const char *word);
const char *dmr_event_word(uint32_t event);
const char *dmr_state_word(uint64_t state);
/* "nr_dirty" -> DMR_A_NR_DIRTY; -1 if it is no field of GET. */
int dmr_field_of_word(const char *word);

#endif
