/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Device-mapper devices: create, query, remove, and the live insertion of a
 * replica target below a device that is in use.
 */
#ifndef REPLICA_DEVICE_H
#define REPLICA_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DMR_DM_NAME_LEN		128	/* with the NUL */
#define DMR_DM_TYPE_LEN		16
#define DMR_DM_PARAMS_LEN	512

/* Of volume VOL: the hidden device with its old table, and the view. */
#define DMR_ORIGIN_SUFFIX	"-dmr-origin"
#define DMR_VIEW_SUFFIX		"-dmr-view"

/*
 * All functions that return int return 0 or -errno; dmr_dm_error() then has the
 * reason in words. libdevmapper has globals: one call at a time in a process.
 * And one process at a time may change devices (the daemon), others may look.
 * Calls may wait for I/O of the device to complete.
 *
 *   -ENXIO	there is no such device
 *   -ENOTBLK	it is a block device, but not device-mapper's
 *   -EPERM, -EACCES	not root
 *   -EBUSY	open, suspended or in another's hands
 *   -EINVAL	the name or the table is not one that this works for
 */
struct dmr_dm;

int dmr_dm_open(struct dmr_dm **dm);
void dmr_dm_close(struct dmr_dm *dm);	/* NULL is fine */
const char *dmr_dm_error(const struct dmr_dm *dm);

/* Which part replica plays in a device's live table. */
enum dmr_dm_form {
	DMR_DM_PLAIN,		/* none */
	DMR_DM_REPLICA,		/* a replica made as such, not inserted */
	DMR_DM_INSERTED,	/* a replica above VOL-dmr-origin */
	DMR_DM_VIEW,
};

struct dmr_dm_info {
	char name[DMR_DM_NAME_LEN];
	uint64_t dev;			/* major << 32 | minor */
	uint64_t sectors;		/* of the live table */
	uint64_t origin;		/* its number; 0 if PLAIN */
	uint64_t meta;			/* the metadata device's; 0 = none */
	enum dmr_dm_form form;
	uint32_t nr_targets;		/* in the live table; 0 = none */
	int32_t open_count;
	bool is_suspended;
	bool is_read_only;
	bool has_inactive;		/* a loaded, not resumed table */
	char type[DMR_DM_TYPE_LEN];	/* of the first target */
	char params[DMR_DM_PARAMS_LEN];	/* its arguments, perhaps cut off */
};

int dmr_dm_info(struct dmr_dm *dm, const char *name, struct dmr_dm_info *info);

/*
 * Finds the device-mapper name of what an operator typed: a name, a path
 * (/dev/mapper/x, /dev/vg/lv, /dev/dm-3) or MAJOR:MINOR.
 */
int dmr_dm_find(struct dmr_dm *dm, const char *what,
		char name[DMR_DM_NAME_LEN]);

/* Whether this name is fit to be a volume: its hidden names fit, and so on. */
int dmr_dm_check_name(struct dmr_dm *dm, const char *name);

/*
 * Puts a replica target below the device, live: its table moves to
 * NAME-dmr-origin, its users see one short pause. options: what follows "ORIGIN
 * -" in the table line, with the count, as "0" or "2 preserve_pages 64"; NULL =
 * "0". Nothing to do if it is inserted already (its options stay). On failure
 * everything is as before; if even that fails, the error says how it is.
 * Refused: suspended or read-only devices, views, replicas that are not ours,
 * tables of several targets with a replica among them.
 */
int dmr_dm_insert(struct dmr_dm *dm, const char *name, const char *options);

/* The same with a metadata device, a path or MAJOR:MINOR; NULL or "-" = none. */
int dmr_dm_insert_kept(struct dmr_dm *dm, const char *name, const char *meta,
		       const char *options);

/*
 * 0: nothing has been written to the device, nor discarded, since it was
 * activated; 1: something has been, or it can't be told. Counts what a replica
 * that was inserted maps too. -errno: there is no such device.
 */
int dmr_dm_written(struct dmr_dm *dm, const char *name);

/*
 * The reverse: removes the view, says "retire", gives the device its old table
 * back and removes the hidden device. Of one that is plain, only what is left
 * over (another tool has replaced its table) is removed. A device made as a
 * replica is refused. -EBUSY with a plain device afterwards: someone
 * has the hidden device open; call again.
 */
int dmr_dm_take_out(struct dmr_dm *dm, const char *name);

/* The same of any block device, by its number, since it came up. */
bool dmr_block_written(uint64_t dev);

/*
 * A replica as a device of its own; origin and meta are a path or MAJOR:MINOR,
 * meta may be NULL = none. -EEXIST: there is a device of that name.
 */
int dmr_dm_create(struct dmr_dm *dm, const char *name, const char *origin,
		  const char *meta, uint64_t sectors, const char *options);

/*
 * A replica, made as such or inserted, gets a table as long as its origin is
 * now; its users see one short pause. Nothing to do if that is its length. On
 * failure everything is as before, as with dmr_dm_insert(), but for a metadata
 * device that fails when the longer table is made live: there is no way back
 * then, the device stays suspended, and the error says so. It goes on with
 * "dmsetup resume" when the metadata device works.
 */
int dmr_dm_extend(struct dmr_dm *dm, const char *name);

/* Nothing to do if there is none. -EBUSY: open. */
int dmr_dm_remove(struct dmr_dm *dm, const char *name);

/*
 * A replica device, for good: the kernel is told to "retire" it. -ENXIO: there
 * is none; -EBUSY: open.
 */
int dmr_dm_retire(struct dmr_dm *dm, const char *name);

/*
 * The read-only view of replica device 'volume', hidden from udev. One that is
 * there and fits is used. path gets /dev/mapper/VOLUME-dmr-view, ready to be
 * opened; needs DMR_DM_PATH_LEN bytes.
 */
#define DMR_DM_PATH_LEN	(DMR_DM_NAME_LEN + 32)
int dmr_dm_create_view(struct dmr_dm *dm, const char *volume, char *path);
int dmr_dm_remove_view(struct dmr_dm *dm, const char *volume);

/* "dmsetup message NAME 0 TEXT"; an answer is not returned. */
int dmr_dm_message(struct dmr_dm *dm, const char *name, const char *text);

/* The status line of the first target, its start and length not included. */
int dmr_dm_status(struct dmr_dm *dm, const char *name, char *buf, size_t len);

#endif
