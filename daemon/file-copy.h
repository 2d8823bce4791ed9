/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that nobody else has open, and copies of one as it is at one moment. */
#ifndef REPLICAD_FILE_COPY_H
#define REPLICAD_FILE_COPY_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * 0: nobody else has it open, or there is none. -EBUSY: somebody has, also
 * after a moment, in which a loop device lets go of it. Blocks.
 */
int file_check_unused(const char *path);

/*
 * Makes @to, durable but for its name, of what @from is at one moment: what
 * was written before, and nothing that was written after something that is not
 * in it. By a reflink. -EOPNOTSUPP: the filesystem has none, and @to is there,
 * empty; -EEXIST: it was there. Blocks, but not for long.
 */
int file_reflink(const char *from, const char *to);

/*
 * @to, which is there, becomes a copy of @from, durably. Of a file (holes stay)
 * nobody else may have it open: -EBUSY. Of a device, which is another's to
 * keep as it is, @bytes are copied. *@done: the bytes of data so far. After a
 * failure there may be a part of it; -ECANCELED: file_copy_stop(). Blocks.
 */
int file_copy(const char *from, const char *to, atomic_ullong *done);
int device_copy(const char *from, const char *to, uint64_t bytes,
		atomic_ullong *done);

/* Any thread. Copies that are under way soon fail, as do those that begin. */
void file_copy_stop(void);

#endif
