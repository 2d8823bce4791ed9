/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The metadata of a volume that becomes a primary, made before the kernel sees
 * it: so its first load knows already what is dirty, and of which generation it
 * is (L2).
 */
#ifndef REPLICAD_METADATA_FILE_H
#define REPLICAD_METADATA_FILE_H

#include <stdint.h>

#include "error.h"
#include "header.h"

struct metadata_file;

/*
 * Begins at @path: a block device, or a file, which is made. @h: the header of
 * the new generation. -EEXIST: there is a volume's metadata, or other data, and
 * not of this volume. -ENOSPC: the device is too small.
 */
int metadata_file_begin(struct metadata_file **f, const char *path,
			const struct replica_header *h, struct error *err);

/* These bytes of the volume are dirty. 0, as a callback of stage_above(). */
int metadata_file_mark(void *f, uint64_t off, uint64_t len);

/* All of it is durable when this returns 0. Frees f, in any case. */
int metadata_file_end(struct metadata_file *f, struct error *err);
void metadata_file_give_up(struct metadata_file *f);

/* Could it begin? The same refusals, and nothing is changed. */
int metadata_file_check(const char *path, const struct replica_header *h,
			struct error *err);

#endif
