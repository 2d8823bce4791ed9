// SPDX-License-Identifier: GPL-2.0-or-later
/* Of fail-nth: what device-mapper does with the volume's tables. */
#include "fail-nth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dm-raw.h"

#define CHUNK_SECTORS	8
#define SMALL		4096		/* sectors, before it grows */

static char params[256];

void wipe_meta(void)
{
	static char zeros[64 * 1024];
	int fd = open(meta, O_WRONLY | O_SYNC);

	must(meta, fd < 0 ? -errno : 0);
	if (write(fd, zeros, sizeof(zeros)) < 0)
		must("zeros for the metadata", -errno);
	close(fd);
}

static const char *line(void)
{
	snprintf(params, sizeof(params), "%s %s 4 region_size 512 "
		 "hot_regions 8", origin, meta);
	return params;
}

static int load(uint64_t sectors)
{
	return dm_raw_load(VOL, sectors, "replica", line(), false);
}

static void find(void)
{
	if (dm_raw_number(VOL, &dev))
		dev = 0;
}

/* From anything to a volume. What is there already is no error. */
static int bring_up(uint64_t sectors)
{
	int err = dm_raw_create(VOL);

	if (err && err != -EBUSY)
		return err;
	err = load(sectors);
	return err ? err : dm_raw_resume(VOL);
}

static int bring_up_whole(void)
{
	return bring_up(origin_sectors);
}

static void retire(void)
{
	dm_raw_message(VOL, "retire");
	dm_raw_remove(VOL);
	dev = 0;
}

void make_volume(void)
{
	must("create", bring_up_whole());
	find();
}

void drop_volume(void)
{
	retire();
}

static uint64_t nr_dirty(void)
{
	return now.number[DMR_A_NR_DIRTY];
}

/* --- the first format ----------------------------------------------------- */

static void prepare_format(void)
{
	retire();
	wipe_meta();
}

static bool is_all_dirty(void)
{
	find();
	return look(&now) &&
	       nr_dirty() == origin_sectors / CHUNK_SECTORS;
}

/* A device without a table, or one that was never resumed, is as nothing. */
static void undo_format(void)
{
	retire();
}

/* --- it was there before -------------------------------------------------- */

static const struct dmr_extent kept[] = { { 3, 1 }, { 200, 2 } };

static void commit_all(void)
{
	struct dmr_extents frozen;
	struct dmr_held held;
	struct dmr_get get;
	uint64_t epoch;

	must("attach", dmr_attach(&owner, dev, &get));
	epoch = get.number[DMR_A_HIGHEST_SEEN] + 1;
	must("cut", dmr_cut(&owner, dev, epoch, false));
	look(&get);
	must("frozen", dmr_extents(&owner, DMR_CMD_GET_FROZEN, dev, epoch,
				   &frozen));
	if (frozen.nr)
		must("release", dmr_release(&owner, dev, epoch, frozen.extent,
					    frozen.nr, &held));
	must("end", dmr_end(&owner, dev, epoch, DMR_END_COMMIT));
	must("detach", dmr_detach(&owner, dev));
	dmr_extents_free(&frozen);
}

/* Three chunks are dirty, and it was shut down. */
static void prepare_again(void)
{
	find();
	if (!dev)
		make_volume();
	commit_all();
	must("mark", dmr_mark(&owner, dev, kept, 2));
	retire();
}

/* P3: they are dirty, whatever else is. */
static bool has_kept(void)
{
	struct dmr_extents dirty;
	uint64_t at;
	size_t i, hits = 0;

	find();
	if (!look(&now) || dmr_extents(&looker, DMR_CMD_GET_DIRTY, dev, 0,
				       &dirty))
		return false;
	for (i = 0; i < dirty.nr; i++)
		for (at = dirty.extent[i].start;
		     at < dirty.extent[i].start + dirty.extent[i].count; at++)
			hits += at == 3 || at == 200 || at == 201;
	dmr_extents_free(&dirty);
	return hits == 3;
}

static void undo_nothing(void)
{
}

/* --- reload, suspend, growth ---------------------------------------------- */

static void prepare_live(void)
{
	find();
	if (!dev)
		make_volume();
	commit_all();
	must("mark", dmr_mark(&owner, dev, kept, 2));
}

static int reload(void)
{
	int err = load(origin_sectors);

	return err ? err : dm_raw_resume(VOL);
}

static int suspend_resume(void)
{
	int err = dm_raw_suspend(VOL);

	return err ? err : dm_raw_resume(VOL);
}

static bool is_live(void)
{
	return has_kept() && nr_dirty() == 3;
}

static void undo_live(void)
{
	dm_raw_clear(VOL);
	dm_raw_resume(VOL);
}

static void prepare_small(void)
{
	retire();
	wipe_meta();
	must("small", bring_up(SMALL));
	find();
	commit_all();
	must("mark", dmr_mark(&owner, dev, kept, 2));
}

static bool has_grown(void)
{
	return has_kept() && now.number[DMR_A_SECTORS] == origin_sectors &&
	       nr_dirty() == 3 + (origin_sectors - SMALL) / CHUNK_SECTORS;
}

/* --- removal, the view ---------------------------------------------------- */

static int remove_it(void)
{
	int err = dm_raw_remove(VOL);

	return err == -ENXIO ? 0 : err;
}

static bool is_gone(void)
{
	find();
	return !dev;
}

static int retire_it(void)
{
	int err = dm_raw_suspend(VOL);

	err = err ? err : dm_raw_message(VOL, "retire");
	err = err ? err : dm_raw_remove(VOL);
	return err == -ENXIO ? 0 : err;
}

static int make_view(void)
{
	int err = dm_raw_create(VIEW);

	if (err && err != -EBUSY)
		return err;
	err = dm_raw_load(VIEW, origin_sectors, "replica-view", origin, true);
	return err ? err : dm_raw_resume(VIEW);
}

static bool has_view(void)
{
	uint64_t number;

	return is_live() && !dm_raw_number(VIEW, &number);
}

static void drop_view(void)
{
	dm_raw_remove(VIEW);
}

const struct op table_ops[] = {
	{ "first-format", prepare_format, bring_up_whole, is_all_dirty,
	  undo_format, NULL },
	{ "come-up-again", prepare_again, bring_up_whole, has_kept,
	  undo_nothing, NULL },
	{ "reload", prepare_live, reload, is_live, undo_live, NULL },
	{ "suspend", prepare_live, suspend_resume, is_live, undo_live, NULL },
	/* It is suspended then, and goes on growing when it is resumed. */
	{ "grow", prepare_small, bring_up_whole, has_grown, undo_format,
	  has_kept },
	{ "remove", prepare_live, remove_it, is_gone, undo_nothing, NULL },
	{ "retire", prepare_live, retire_it, is_gone, undo_format, NULL },
	{ "view", prepare_live, make_view, has_view, drop_view, NULL },
};
const unsigned int nr_table_ops = sizeof(table_ops) / sizeof(table_ops[0]);
