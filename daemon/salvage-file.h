/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A salvage: what a rollback has dropped (L4), in a file STAGE/NAME.salvage,
 * NAME being VOLUME-EPOCH-GENERATION. It has extents of the volume with the
 * data that was newest there, little endian:
 *
 *	0	magic "dmrsalvg", crc32c of the rest of the block, version
 *		(4 each), extents, bytes of data, bytes of the volume, the
 *		generation, the epoch that was gone back to, the newest clean
 *		and partial ones, when (ns since 1970), when the newest was
 *		cut (8 each), volume (64)
 *	4096	the data, one extent after the other
 *	then	for each extent: offset, length (8 each), crc32c, 0 (4 each)
 */
#ifndef REPLICAD_SALVAGE_FILE_H
#define REPLICAD_SALVAGE_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define SALVAGE_SUFFIX	".salvage"
#define SALVAGE_NAME_LEN	128

struct salvage_info {
	char volume[64];
	uint64_t nr_extents, data_bytes, volume_bytes;
	uint64_t generation;		/* of what was dropped */
	uint64_t epoch;			/* the volume went on from this one */
	uint64_t last_clean, last_partial;
	uint64_t time, cut_time;	/* ns since 1970 */
};

struct salvage_extent {
	uint64_t off, len;
	uint64_t at;			/* in the file */
	uint32_t crc;
	bool is_checked;		/* its data has that crc */
};

/* --- making one ----------------------------------------------------------- */

struct salvage_writer;

/* @info: all but extents and data. It becomes @path when it is whole. */
int salvage_begin(struct salvage_writer **w, const char *path,
		  const struct salvage_info *info, struct error *err);
/* Extents ascend. */
int salvage_add(struct salvage_writer *w, uint64_t off, const void *data,
		size_t len, struct error *err);
/* Durable when it returns 0. Frees w, in any case. */
int salvage_end(struct salvage_writer *w, struct error *err);
void salvage_give_up(struct salvage_writer *w);

/* --- reading one ---------------------------------------------------------- */

struct salvage {
	struct salvage_info info;
	struct salvage_extent *extents;
	int fd;
	char path[PATH_MAX];
};

/* What it says of itself; its table and data are not looked at. */
int salvage_look(struct salvage_info *info, const char *path,
		 struct error *err);

/* -EBADMSG: damaged, or none. */
int salvage_open(struct salvage *s, const char *path, struct error *err);
void salvage_close(struct salvage *s);
/*
 * @len bytes of the volume at @off, which are in it; zeros where nothing was
 * dropped. Data that is not what it was is not told: -EBADMSG. So the whole of
 * an extent is read when some of it is wanted for the first time. By one thread
 * at a time.
 */
int salvage_read(struct salvage *s, void *buf, size_t len, uint64_t off);
/*
 * Writes the data to @path, each extent at its offset in the volume; it must
 * not be there yet. What was not dropped is a hole.
 */
int salvage_export(const struct salvage *s, const char *path,
		   struct error *err);

#endif
