/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device-mapper's ioctls by hand, for tests: one call each, without the udev
 * and the retries of a library. All return 0 or -errno.
 */
#ifndef TESTS_DM_RAW_H
#define TESTS_DM_RAW_H

#include <stdbool.h>
#include <stdint.h>

int dm_raw_open(void);
int dm_raw_create(const char *name);
/* One target from sector 0 on; it becomes the inactive table. */
int dm_raw_load(const char *name, uint64_t sectors, const char *target,
		const char *params, bool read_only);
int dm_raw_resume(const char *name);
int dm_raw_suspend(const char *name);
/* The inactive table goes. */
int dm_raw_clear(const char *name);
int dm_raw_remove(const char *name);
int dm_raw_message(const char *name, const char *text);
/* Its number, major << 32 | minor. */
int dm_raw_number(const char *name, uint64_t *number);

#endif
