// SPDX-License-Identifier: GPL-2.0-or-later
/* The devices of the real kernel, by device-mapper. */
#include "kernel-dm.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "device.h"

/* libdevmapper keeps global state, and one may change devices at a time. */
static pthread_mutex_t dm_lock = PTHREAD_MUTEX_INITIALIZER;

/* One call from outside, with the lock and device-mapper open. */
struct dm_call {
	const char *device;
	const char *metadata;		/* of insert() */
	struct kernel_device *out;	/* the same */
	struct dmr_dm *dm;
	char name[DMR_DM_NAME_LEN];
	struct dmr_dm_info info;	/* of the device, before */
	char *error;
};

static int refuse(struct dm_call *c, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(struct dm_call *c, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(c->error, KERNEL_ERROR_SIZE, fmt, args);
	va_end(args);
	return err;
}

/* replicad may live on the very device that is suspended for a moment. */
static int insert_locked_in_memory(struct dm_call *c, const char *meta)
{
	int err;

	if (mlockall(MCL_CURRENT))
		return -errno;
	err = dmr_dm_insert_kept(c->dm, c->name, meta, NULL);
	munlockall();
	if (err && meta)
		return refuse(c, err, "%.180s (metadata=%.60s; its size: "
			      "replicactl kernel meta-size %" PRIu64 ")",
			      dmr_dm_error(c->dm), c->metadata,
			      c->info.sectors);
	return err;
}

static bool is_none(const char *metadata)
{
	return !strcmp(metadata, "none");
}

/* The number of the metadata device, 0 for none, in *@dev. */
static int find_metadata(struct dm_call *c, uint64_t *dev)
{
	struct stat st;

	*dev = 0;
	if (is_none(c->metadata))
		return 0;
	if (stat(c->metadata, &st))
		return refuse(c, -errno, "metadata=%.100s: %s", c->metadata,
			      strerror(errno));
	if (!S_ISBLK(st.st_mode))
		return refuse(c, -ENOTBLK, "metadata=%.100s is not a block "
			      "device", c->metadata);
	*dev = dmr_devno(major(st.st_rdev), minor(st.st_rdev));
	return 0;
}

/* What is there keeps its metadata device. */
static int check_metadata(struct dm_call *c, uint64_t meta)
{
	if (meta == c->info.meta)
		return 0;
	if (!c->info.meta)
		return refuse(c, -EINVAL, "%.60s has no metadata device, but "
			      "metadata=%.100s: disable it first",
			      c->name, c->metadata);
	return refuse(c, -EINVAL, "%.60s has the metadata device %u:%u, not "
		      "metadata=%.100s: disable it first", c->name,
		      dmr_major(c->info.meta), dmr_minor(c->info.meta),
		      c->metadata);
}

static int insert_new(struct dm_call *c, uint64_t meta)
{
	char number[32];
	int err;

	snprintf(number, sizeof(number), "%u:%u", dmr_major(meta),
		 dmr_minor(meta));
	err = insert_locked_in_memory(c, meta ? number : NULL);
	if (!err)
		c->out->was_written = dmr_dm_written(c->dm, c->name) != 0;
	return err;
}

static int make_ready(struct dm_call *c)
{
	bool is_plain = c->info.form == DMR_DM_PLAIN;
	uint64_t meta = 0;
	int err = 0;

	if (c->metadata)
		err = find_metadata(c, &meta);
	else if (is_plain)
		return refuse(c, -EINVAL, "metadata= is missing: the device "
			      "where to remember what was written (%" PRIu64
			      " sectors: replicactl kernel meta-size), or none:"
			      " then everything is sent again after each boot",
			      c->info.sectors);
	if (!err && is_plain)
		err = insert_new(c, meta);
	else if (!err && c->metadata)
		err = check_metadata(c, meta);
	return err;
}

static int do_insert(struct dm_call *c)
{
	int err = make_ready(c);

	if (!err)
		err = dmr_dm_info(c->dm, c->name, &c->info);
	if (err)
		return err;
	if (c->info.form != DMR_DM_INSERTED && c->info.form != DMR_DM_REPLICA)
		return -EINVAL;
	snprintf(c->out->name, sizeof(c->out->name), "%s", c->name);
	c->out->dev = c->info.dev;
	err = dmr_dm_create_view(c->dm, c->name, c->out->view);
	if (!err)	/* it stands beside the view */
		snprintf(c->out->live, sizeof(c->out->live), "%.*s",
			 (int)(strlen(c->out->view) - strlen(DMR_VIEW_SUFFIX)),
			 c->out->view);
	return err;
}

static int do_take_out(struct dm_call *c)
{
	if (c->info.form == DMR_DM_INSERTED || c->info.form == DMR_DM_PLAIN)
		return dmr_dm_take_out(c->dm, c->name);
	return dmr_dm_remove_view(c->dm, c->name);
}

static int do_look(struct dm_call *c)
{
	return c->info.form == DMR_DM_PLAIN;
}

static int with_device_mapper(struct dm_call *c,
			      int (*what)(struct dm_call *c))
{
	int ret;

	c->error[0] = 0;
	pthread_mutex_lock(&dm_lock);
	ret = dmr_dm_open(&c->dm);
	if (!ret)
		ret = dmr_dm_find(c->dm, c->device, c->name);
	if (!ret)
		ret = dmr_dm_info(c->dm, c->name, &c->info);
	if (!ret)
		ret = what(c);
	if (ret < 0 && !c->error[0])
		refuse(c, ret, "%s", c->dm && dmr_dm_error(c->dm)[0] ?
		       dmr_dm_error(c->dm) : strerror(-ret));
	dmr_dm_close(c->dm);
	pthread_mutex_unlock(&dm_lock);
	return ret;
}

int kernel_dm_is_plain(const char *device, char error[KERNEL_ERROR_SIZE])
{
	struct dm_call c = { .device = device, .error = error };

	return with_device_mapper(&c, do_look);
}

int kernel_dm_insert(const char *device, const char *metadata,
		     struct kernel_device *out, char error[KERNEL_ERROR_SIZE])
{
	struct dm_call c = { .device = device, .metadata = metadata,
			     .out = out, .error = error };

	out->was_written = false;
	return with_device_mapper(&c, do_insert);
}

int kernel_dm_take_out(const char *device, char error[KERNEL_ERROR_SIZE])
{
	struct dm_call c = { .device = device, .error = error };

	return with_device_mapper(&c, do_take_out);
}
