/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files as block devices. */
#ifndef REPLICAD_LOOP_H
#define REPLICAD_LOOP_H

#include <stddef.h>

#define LOOP_PATH_LEN	64

/*
 * The block device of @path: itself, if it is one, else the loop device that
 * has the file, which is made if there is none. Blocks; any thread, one call at
 * a time. 0 or -errno.
 */
int loop_device_of(const char *path, char *device, size_t size);

#endif
