/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files as block devices. */
#ifndef REPLICAD_LOOP_H
#define REPLICAD_LOOP_H

#include <stddef.h>

#define LOOP_PATH_LEN	64

/*
 * The block device of @path: itself, if it is one, else the loop device that
 * has the file, which is made if there is none; its size is the file's. Blocks;
 * any thread, one call at a time. 0 or -errno: -EBUSY where a loop device has a
 * part of the file, or has it read-only.
 */
int loop_device_of(const char *path, char *device, size_t size);

/*
 * The reverse, for a file that goes: when this returns 0, no loop device has it
 * but one that loses it when it is closed; also where there was none, or no
 * such file. -EBUSY: it is in use, or not ours; as above.
 */
int loop_release(const char *path);

#endif
