// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Live insertion: a replica target goes below a device that is in use, and out
 * again.
 *
 *	plain		VOL: T
 *	  |	create VOL-dmr-origin: T	(hidden; nobody uses it)
 *	  |	load   VOL: replica VOL-dmr-origin	(inactive)
 *	  v	resume VOL				(the swap, one ioctl)
 *	inserted	VOL: replica -> VOL-dmr-origin: T
 *
 * A replica that grows has its own table swapped for a longer one, above the
 * same origin.
 *
 * Taking out is the same path back. For a moment, both devices have T, as two
 * instances; only one of them gets I/O.
 *
 * L1 every step before the swap can be undone without the users noticing.
 * L2 a swap that fails may leave VOL suspended, with the old or the new table:
 *    the old one is loaded and resumed again.
 * L3 while VOL may be suspended, this process neither pages nor reclaims
 *    through it: its memory is locked, and the kernel allocates for it without
 *    I/O. Our own root filesystem may be on VOL.
 * L4 only tables whose targets keep no state of their own are moved: two
 *    instances of a raid or a thin pool would both write their metadata.
 * L5 a device is taken for our hidden one only if it has the uuid that we gave.
 * L6 what another tool left when it replaced VOL's table (the hidden device,
 *    the view above it) is removed before a new insertion, and when taking out.
 * L7 "retire" holds until the next resume. Where what it was said for does not
 *    happen, VOL's own table is loaded and resumed once more: else the next
 *    tool that takes VOL out would pass for us, and be trusted.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "device-impl.h"

#define UUID_PREFIX "DMR-origin-"

/* L4 */
static const char *const movable[] = {
	"linear", "striped", "crypt", "thin", "zero", "error", "delay",
	"flakey", "dust", "unstriped",
};

/* What is needed for the way there and the way back. */
struct change {
	struct dmr_dm *dm;
	const char *name;
	const char *meta;		/* NULL = none; of the way there */
	const char *options;		/* the same */
	char hidden[DMR_DM_NAME_LEN];
	char uuid[DMR_DM_NAME_LEN];
	struct dmr_dm_info info;	/* of name, before */
};

/* --- L3 ------------------------------------------------------------------- */

struct calm {
	bool was_locked;
	int was_flusher;
};

static bool memory_is_locked(void)
{
	unsigned long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmLck: %lu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib > 0;
}

/* Best effort: a process that may not do this may not change tables either. */
static struct calm calm_begin(void)
{
	struct calm c = { .was_locked = memory_is_locked() };

	c.was_flusher = prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0);
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	if (!c.was_locked)
		mlockall(MCL_CURRENT | MCL_FUTURE);
	return c;
}

static void calm_end(const struct calm *c)
{
	if (!c->was_locked)
		munlockall();
	if (c->was_flusher == 0)
		prctl(PR_SET_IO_FLUSHER, 0, 0, 0, 0);
}

/* --- what both ways share ------------------------------------------------- */

static int change_begin(struct change *c, struct dmr_dm *dm, const char *name)
{
	int ret = dmr_dm_check_name(dm, name);

	c->dm = dm;
	c->name = name;
	c->meta = c->options = NULL;
	if (!ret)
		ret = dmr_dm_name(dm, name, DMR_ORIGIN_SUFFIX, c->hidden);
	if (!ret)
		ret = dmr_dm_look(dm, name, &c->info);
	snprintf(c->uuid, sizeof(c->uuid), UUID_PREFIX "%.110s", name);
	return ret;
}

static int check_quiet(const struct change *c)
{
	if (c->info.is_suspended)
		return dmr_dm_fail(c->dm, -EBUSY, "%s is suspended", c->name);
	if (c->info.has_inactive)
		return dmr_dm_fail(c->dm, -EBUSY,
				   "%s has a second table loaded: someone else is changing it",
				   c->name);
	return 0;
}

/* Removes the hidden device if it is there, ours and not open (L5). */
static int drop_hidden(const struct change *c)
{
	if (!dmr_dm_number(c->hidden))
		return 0;
	if (!dmr_dm_has_uuid(c->dm, c->hidden, c->uuid))
		return dmr_dm_fail(c->dm, -EBUSY,
				   "there is a device %s, which is not ours",
				   c->hidden);
	return dmr_dm_unmake(c->dm, c->hidden, DM_HIDDEN);
}

/* L6. VOL is plain: nothing of ours is in use by it. */
static int drop_leftovers(const struct change *c)
{
	int ret = dmr_dm_number(c->hidden) ?
		  dmr_dm_drop_view(c->dm, c->name) : 0;

	return ret ? ret : drop_hidden(c);
}

static int reload(const struct change *c, const struct dm_rows *old)
{
	int ret = dmr_dm_load(c->dm, c->name, old);

	return ret ? ret : dmr_dm_resume(c->dm, c->name);
}

/* L2: the table that VOL had becomes, or stays, its live one. */
static int restore(const struct change *c, const struct dm_rows *old)
{
	struct dmr_dm_info now;
	int ret = dmr_dm_look(c->dm, c->name, &now);

	if (!ret && !now.is_suspended)
		return dmr_dm_clear(c->dm, c->name);
	return ret ? ret : reload(c, old);
}

#define TRY_RESUME	"try 'dmsetup resume' of it"

static int say_more(const struct change *c, int err, const char *state,
		    const char *remedy)
{
	char text[128];

	snprintf(text, sizeof(text), "%s", dmr_dm_error(c->dm));
	dmr_dm_begin(c->dm);
	return dmr_dm_fail(c->dm, err, "%s; now %s is %s: %s", text, c->name,
			   state, remedy);
}

/* L7, or what is left of it: L2. Returns @err, which is not to be hidden. */
static int take_back(const struct change *c, const struct dm_rows *old,
		     int err)
{
	struct dmr_dm_info now;
	int ret;

	if (!reload(c, old))
		return err;
	ret = dmr_dm_look(c->dm, c->name, &now);
	if (ret || now.is_suspended)
		return !ret && !reload(c, old) ? err :
		       say_more(c, err, "suspended", TRY_RESUME);
	dmr_dm_clear(c->dm, c->name);
	return say_more(c, err, "retired, and whoever takes it out is trusted",
			"'dmsetup suspend', then 'dmsetup resume' ends that");
}

static int resume_or_restore(const struct change *c, const struct dm_rows *old,
			     bool is_retired)
{
	int ret = dmr_dm_resume(c->dm, c->name);

	if (ret && is_retired)
		return take_back(c, old, ret);
	return ret && restore(c, old) ?
	       say_more(c, ret, "suspended", TRY_RESUME) : ret;
}

/* Swaps 'rows' in for 'old'. On failure 'old' is live again, if possible. */
static int swap(const struct change *c, const struct dm_rows *rows,
		const struct dm_rows *old, const char *farewell)
{
	struct calm calm = calm_begin();
	int ret = dmr_dm_load(c->dm, c->name, rows);

	if (!ret && farewell) {
		ret = dmr_dm_tell(c->dm, c->name, farewell);
		if (ret)
			dmr_dm_clear(c->dm, c->name);
	}
	if (!ret)
		ret = resume_or_restore(c, old, farewell);
	calm_end(&calm);
	return ret;
}

/* --- in ------------------------------------------------------------------- */

static bool is_movable(const struct dm_row *row)
{
	size_t i;

	for (i = 0; i < sizeof(movable) / sizeof(movable[0]); i++)
		if (!strcmp(row->type, movable[i]))
			return true;
	return false;
}

static int check_rows(const struct change *c, const struct dm_rows *rows)
{
	size_t i;

	if (!rows->nr)
		return dmr_dm_fail(c->dm, -EINVAL, "%s has no table", c->name);
	for (i = 0; i < rows->nr; i++)
		if (!is_movable(&rows->v[i]))
			return dmr_dm_fail(c->dm, -EINVAL,
					   "%s has a target of type %s, which can't be moved",
					   c->name, rows->v[i].type);
	return 0;
}

static int check_insert(const struct change *c, const struct dm_rows *rows)
{
	int ret = check_quiet(c);

	if (ret)
		return ret;
	if (c->info.form == DMR_DM_VIEW)
		return dmr_dm_fail(c->dm, -EINVAL, "%s is a view", c->name);
	if (c->info.form != DMR_DM_PLAIN && rows->nr > 1)
		return dmr_dm_fail(c->dm, -EINVAL,
				   "%s has a replica target among others",
				   c->name);
	if (c->info.form != DMR_DM_PLAIN)
		return dmr_dm_fail(c->dm, -EINVAL,
				   "%s is a replica device already, which was not inserted",
				   c->name);
	if (c->info.is_read_only)
		return dmr_dm_fail(c->dm, -EINVAL, "%s is read-only", c->name);
	return check_rows(c, rows);
}

/* The replica's table line: above the hidden device, by its number. */
static int replica_params(const struct change *c, char *params, size_t len)
{
	struct dmr_dm_info hidden;
	int n, ret = dmr_dm_look(c->dm, c->hidden, &hidden);

	if (ret)
		return ret;
	n = snprintf(params, len, "%u:%u %s %s",
		     (unsigned int)(hidden.dev >> 32),
		     (unsigned int)hidden.dev, c->meta ? c->meta : "-",
		     c->options ? c->options : "0");
	if (n >= (int)len)
		return dmr_dm_fail(c->dm, -EINVAL, "%s: too many options",
				   c->name);
	return 0;
}

static int swap_in(const struct change *c, const struct dm_rows *old)
{
	char params[DMR_DM_PARAMS_LEN];
	struct dm_row row = { 0, c->info.sectors, "replica", params };
	struct dm_rows rows = { &row, 1 };
	int ret = replica_params(c, params, sizeof(params));

	return ret ? ret : swap(c, &rows, old, NULL);
}

int dmr_dm_insert_kept(struct dmr_dm *dm, const char *name, const char *meta,
		       const char *options)
{
	DM_ROWS_AUTO old = { 0 };
	struct change c;
	int ret = change_begin(&c, dm, name);

	if (ret || c.info.form == DMR_DM_INSERTED)
		return ret;
	c.meta = meta;
	c.options = options;
	ret = dmr_dm_read_rows(dm, name, &old);
	if (!ret)
		ret = check_insert(&c, &old);
	if (!ret)
		ret = drop_leftovers(&c);
	if (!ret)
		ret = dmr_dm_make(dm, c.hidden, c.uuid, &old, DM_HIDDEN);
	if (ret)
		return ret;
	ret = swap_in(&c, &old);
	if (ret)
		drop_hidden(&c);				/* L1 */
	return ret;
}

int dmr_dm_insert(struct dmr_dm *dm, const char *name, const char *options)
{
	return dmr_dm_insert_kept(dm, name, NULL, options);
}

/* --- out ------------------------------------------------------------------ */

static int swap_out(const struct change *c)
{
	DM_ROWS_AUTO replica = { 0 };
	DM_ROWS_AUTO rows = { 0 };
	int ret = dmr_dm_read_rows(c->dm, c->hidden, &rows);

	if (!ret)
		ret = dmr_dm_read_rows(c->dm, c->name, &replica);
	return ret ? ret : swap(c, &rows, &replica, "retire");
}

int dmr_dm_take_out(struct dmr_dm *dm, const char *name)
{
	struct change c;
	int ret = change_begin(&c, dm, name);

	if (!ret && c.info.form == DMR_DM_PLAIN)
		return drop_leftovers(&c);
	if (!ret && c.info.form != DMR_DM_INSERTED)
		ret = dmr_dm_fail(dm, -EINVAL,
				  "%s was not inserted: remove it with dmsetup",
				  name);
	if (!ret)
		ret = check_quiet(&c);
	if (!ret)
		ret = dmr_dm_drop_view(dm, name);
	if (!ret)
		ret = swap_out(&c);
	return ret ? ret : drop_hidden(&c);
}

/*
 * L3: what keeps it from going may be a user. Who has suspended it will resume
 * it, which is the end of "retire", too.
 */
static int remove_retired(const struct change *c, const struct dm_rows *old)
{
	struct calm calm = calm_begin();
	int ret = dmr_dm_tell(c->dm, c->name, "retire");

	if (!ret) {
		ret = dmr_dm_unmake(c->dm, c->name, DM_SHOWN);
		if (ret && !c->info.is_suspended)
			take_back(c, old, ret);
	}
	calm_end(&calm);
	return ret;
}

int dmr_dm_retire(struct dmr_dm *dm, const char *name)
{
	DM_ROWS_AUTO old = { 0 };
	struct change c;
	int ret = change_begin(&c, dm, name);

	if (!ret && c.info.has_inactive)
		ret = dmr_dm_clear(dm, name);
	if (!ret)
		ret = dmr_dm_read_rows(dm, name, &old);
	return ret ? ret : remove_retired(&c, &old);
}

/* --- longer --------------------------------------------------------------- */

static int origin_sectors(const struct change *c, uint64_t *sectors)
{
	unsigned long long size;
	char path[64];
	FILE *f;
	int n;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/size",
		 (unsigned int)(c->info.origin >> 32),
		 (unsigned int)c->info.origin);
	f = fopen(path, "re");
	if (!f)
		return dmr_dm_fail(c->dm, -ENXIO, "%s: its origin is gone",
				   c->name);
	n = fscanf(f, "%llu", &size);
	fclose(f);
	*sectors = size;
	return n == 1 ? 0 : dmr_dm_fail(c->dm, -EIO, "%s: what is in it?",
					path);
}

/* L2 */
static int lengthen(const struct change *c, uint64_t sectors)
{
	DM_ROWS_AUTO old = { 0 };
	struct dm_row row;
	struct dm_rows rows = { &row, 1 };
	int ret = dmr_dm_read_rows(c->dm, c->name, &old);

	if (ret)
		return ret;
	if (old.nr != 1)
		return dmr_dm_fail(c->dm, -EINVAL,
				   "%s has a replica target among others",
				   c->name);
	row = old.v[0];
	row.sectors = sectors;
	return swap(c, &rows, &old, NULL);
}

int dmr_dm_extend(struct dmr_dm *dm, const char *name)
{
	struct change c;
	uint64_t sectors = 0;
	int ret = change_begin(&c, dm, name);

	if (!ret && c.info.form != DMR_DM_REPLICA &&
	    c.info.form != DMR_DM_INSERTED)
		ret = dmr_dm_fail(dm, -EINVAL, "%s is not a replica device",
				  name);
	if (!ret)
		ret = origin_sectors(&c, &sectors);
	if (ret || sectors <= c.info.sectors)
		return ret;
	ret = check_quiet(&c);
	return ret ? ret : lengthen(&c, sectors);
}
