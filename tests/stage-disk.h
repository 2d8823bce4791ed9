/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk in memory for a stage: files in directories, a cache that loses what
 * was not synced, calls that fail when told to. It keeps a trace of all that
 * was done, so that the state after a power cut at any moment can be built.
 */
#ifndef STAGE_DISK_H
#define STAGE_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "stage-io.h"

struct disk;

struct disk *disk_create(void);
void disk_destroy(struct disk *d);
const struct stage_io *disk_io(struct disk *d);

/* The clock of the disk, ns. It moves by itself a little with each look. */
void disk_set_now(struct disk *d, uint64_t now);

/*
 * The call with this number from now on (1 = the next write, zero, truncate,
 * sync, unlink, rename or create) fails with @err, and the @more that follow.
 * 0: none.
 */
void disk_fail(struct disk *d, uint64_t nth, int err, uint64_t more);
uint64_t disk_calls(const struct disk *d);
/* The nth read from now on fails: EIO. 0: none. */
void disk_fail_read(struct disk *d, uint64_t nth);
uint64_t disk_reads(const struct disk *d);
/* Only syncs of files whose name has @part in it fail, @nr times. A failed one
 * loses what was written, but the cache goes on showing it, as clean. */
void disk_fail_sync(struct disk *d, const char *part, unsigned int nr);
/* With another error than EIO: 0 = that. */
void disk_set_sync_error(struct disk *d, int err);
/* Names with @part fail to be read, written and synced: EIO. "": none. */
void disk_break(struct disk *d, const char *part);
/* Writes that touch this of a file fail: EIO. */
void disk_break_range(struct disk *d, const char *path, uint64_t off,
		      uint64_t len);
/* Reads that touch it, likewise. Length 0: none. */
void disk_break_reads(struct disk *d, const char *path, uint64_t off,
		      uint64_t len);
/* With another error than EIO: 0 = that. */
void disk_set_read_error(struct disk *d, int err);
/* Bytes of files that were told to go to the disk before their sync. */
uint64_t disk_begun(const struct disk *d);
/* At most so many bytes may be written; 0 = any. Files are sparse. */
void disk_set_space(struct disk *d, uint64_t bytes);
/* Writes to names with @part take this long. */
void disk_slow(struct disk *d, const char *part, unsigned int ms);

/* How far the trace is. A position in it is a moment. */
uint64_t disk_moment(const struct disk *d);
bool disk_is_sync(const struct disk *d, uint64_t moment);
/*
 * A new disk, as a power cut at a moment leaves it: what was synced, and of the
 * rest what the seed says, torn in pieces of 512 bytes. Seed 0: nothing of it;
 * 1: all of it.
 */
struct disk *disk_cut(const struct disk *d, uint64_t moment, uint64_t seed);
/* As kill -9 leaves it: everything, and it knows what is not synced. */
struct disk *disk_kill(const struct disk *d, uint64_t moment);

/* For tests that spoil things. NULL if there is no such file. */
char *disk_data(struct disk *d, const char *path, uint64_t *size);
void disk_remove(struct disk *d, const char *path);
void disk_resize(struct disk *d, const char *path, uint64_t size);
/* The nth file, in the order of their making; NULL at the end. */
const char *disk_name(struct disk *d, unsigned int nth);
/* The files as they are, without a past: no cuts. */
struct disk *disk_copy(const struct disk *d);

#endif
