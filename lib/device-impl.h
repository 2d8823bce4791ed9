/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Single steps on devices, for device-insert.c. Not for others. */
#ifndef REPLICA_DEVICE_IMPL_H
#define REPLICA_DEVICE_IMPL_H

#include <stddef.h>
#include <stdint.h>

#include "device.h"

struct dm_row {
	uint64_t start;
	uint64_t sectors;
	char type[DMR_DM_TYPE_LEN];
	char *params;			/* owned by the table */
};

struct dm_rows {
	struct dm_row *v;
	size_t nr;
};

void dm_rows_destroy(struct dm_rows *rows);

#define DM_ROWS_AUTO \
	__attribute__((cleanup(dm_rows_destroy))) struct dm_rows

/* The first error of a call stays (error.h); a new call starts with begin. */
void dmr_dm_begin(struct dmr_dm *dm);
int dmr_dm_fail(struct dmr_dm *dm, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * A line of /sys/dev/block/…/stat: false only if it says that nothing was
 * written or discarded.
 */
bool dmr_dm_stat_is_written(const char *line);

/* As the public ones, but part of a call that has begun. */
int dmr_dm_look(struct dmr_dm *dm, const char *name, struct dmr_dm_info *info);
int dmr_dm_drop_view(struct dmr_dm *dm, const char *volume);
int dmr_dm_tell(struct dmr_dm *dm, const char *name, const char *text);

/* The name of the hidden device or of the view; checks that it fits. */
int dmr_dm_name(struct dmr_dm *dm, const char *volume, const char *suffix,
		char name[DMR_DM_NAME_LEN]);

int dmr_dm_read_rows(struct dmr_dm *dm, const char *name,
		     struct dm_rows *rows);

enum dm_look {
	DM_SHOWN,			/* udev handles it, and is waited for */
	DM_HIDDEN,			/* udev rules off */
	DM_HIDDEN_READ_ONLY,
};

/* Creates a device with this table, running. uuid may be NULL. */
int dmr_dm_make(struct dmr_dm *dm, const char *name, const char *uuid,
		const struct dm_rows *rows, enum dm_look look);

/* 0 also when there is none. -EBUSY: open. */
int dmr_dm_unmake(struct dmr_dm *dm, const char *name, enum dm_look look);

/* The inactive table: load, swap it in (one short pause), drop. */
int dmr_dm_load(struct dmr_dm *dm, const char *name,
		const struct dm_rows *rows);
int dmr_dm_resume(struct dmr_dm *dm, const char *name);
int dmr_dm_clear(struct dmr_dm *dm, const char *name);

/* The number of a device, 0 if there is none. No error is set. */
uint64_t dmr_dm_number(const char *name);

/* Whether the device exists and has this uuid. */
bool dmr_dm_has_uuid(struct dmr_dm *dm, const char *name, const char *uuid);

#endif
