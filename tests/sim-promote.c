// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A volume that was promoted, on the simulated kernel: its origin is the base
 * itself, its state comes from a real metadata device (kmod/format.h). And one
 * that is made above a file.
 */
#include "sim-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "format.h"

#define SIM_REGION	8192	/* sectors, if none is named */

static int refuse(char error[KERNEL_ERROR_SIZE], int err, const char *what)
{
	snprintf(error, KERNEL_ERROR_SIZE, "%s: %s", what, strerror(-err));
	return err;
}

/* The image of the volume is its base: where the kernel would have a loop. */
static int link_base(const struct kernel_promoted *p)
{
	const char *image = sim_path(p->name, ".img");

	if (access(p->base, R_OK | W_OK))
		return -errno;
	return symlink(p->base, image) && errno != EEXIST ? -errno : 0;
}

/* As check_fit() of the kernel. */
static bool fits(const struct sim_volume *v, const struct dmr_super *s,
		 const struct kernel_promoted *p)
{
	return v->info.chunk_sectors == s->chunk_sectors &&
	       (p->region_sectors ?: SIM_REGION) == s->region_sectors;
}

static int load_super(int fd, struct dmr_super *s, struct dmr_layout *l)
{
	char slots[2][DMR_BLOCK_SIZE];
	const char *why;

	if (pread(fd, slots, sizeof(slots), 0) != sizeof(slots) ||
	    dmr_super_choose(slots[0], slots[1], s, &why) < 0 ||
	    !dmr_layout_init(l, s->sectors, s->chunk_sectors,
			     s->region_sectors))
		return -EUCLEAN;
	return 0;
}

static int load_chunks(int fd, struct sim_volume *v, const struct dmr_super *s,
		       const struct dmr_layout *l)
{
	char block[DMR_BLOCK_SIZE];
	uint64_t have = UINT64_MAX;

	for (uint64_t c = 0; c < v->nr_chunks; c++) {
		uint64_t nr = dmr_layout_chunk_block(l, c);

		if (nr != have &&
		    pread(fd, block, sizeof(block), nr * DMR_BLOCK_SIZE) !=
		    sizeof(block))
			return -EIO;
		if (nr != have)
			dmr_block_check(block, s->volume_id, nr,
					DMR_ALL_SECTORS);
		have = nr;
		v->chunks[c] = dmr_block_test(block, c % DMR_BLOCK_BITS) ?
			       SIM_DIRTY : 0;
	}
	return 0;
}

static void take_super(struct sim_volume *v, const struct dmr_super *s)
{
	struct dmr_info *i = &v->info;

	i->dev_flags &= ~DMR_DEV_F_VOLATILE;
	i->meta_dev = dmr_devno(253, 201);
	memcpy(i->volume_id, s->volume_id, sizeof(i->volume_id));
	i->generation = v->meta.generation = s->generation;
	i->last_committed = i->last_named = s->last_committed;
	i->highest_seen = s->highest_seen;
	v->meta.committed = s->last_committed;
	v->meta.highest = s->highest_seen;
	i->role = s->role;
	i->loads = s->loads + 1;
	i->nr_ancestors = s->nr_ancestors;
	for (uint32_t n = 0; n < s->nr_ancestors; n++) {
		i->ancestors[n].generation = s->ancestors[n].generation;
		i->ancestors[n].end_epoch = s->ancestors[n].end_epoch;
	}
	sim_add_incarnation(i);
}

/* Since it was made by them, what the volume has of them is newer (V.map). */
static bool was_made_by(const struct sim_volume *v, const struct dmr_super *s)
{
	return sim_is_kept(v) && v->meta.generation == s->generation;
}

/* As loop_of() of the real one: before anything is made. */
static int check_metadata(const struct kernel_promoted *p)
{
	return strcmp(p->metadata, "none") && access(p->metadata, R_OK | W_OK) ?
	       -errno : 0;
}

static int load_metadata(const struct kernel_promoted *p)
{
	LOCKED;
	int fd = open(p->metadata, O_RDONLY | O_CLOEXEC), err;
	struct sim_volume *v = sim_find(p->name);
	struct dmr_layout l;
	struct dmr_super s;

	if (fd < 0)
		return -errno;
	err = v ? load_super(fd, &s, &l) : -ENXIO;
	if (!err && !fits(v, &s, p))
		err = -EINVAL;
	if (!err && !was_made_by(v, &s)) {
		take_super(v, &s);
		err = load_chunks(fd, v, &s, &l);
		sim_count(v);
	}
	close(fd);
	return err;
}

/* The device is the base itself: the target goes below it. */
static int unplain(const char *name)
{
	LOCKED;
	struct sim_volume *v = sim_find(name);

	sim_load(v);
	sim_load_larger(v);
	v->is_plain = v->was_written = false;
	return 0;
}

int sim_activate(const struct kernel_promoted *p,
		 char error[KERNEL_ERROR_SIZE])
{
	struct dmr_info info;
	bool is_plain, is_there = !sim_info(p->name, &info, &is_plain);
	int err;

	err = check_metadata(p);
	if (err)
		return refuse(error, err, p->metadata);
	if (is_there && !is_plain)
		return 0;
	err = link_base(p);
	if (err)
		return refuse(error, err, p->base);
	err = is_there ? unplain(p->name) :
	      sim_create(p->name, p->bytes, p->chunk_sectors ?
			 p->chunk_sectors * 512 : SIM_CHUNK);
	if (!err && strcmp(p->metadata, "none"))
		err = load_metadata(p);
	return err ? refuse(error, err, p->metadata) : 0;
}

/* The image may be a link to one that is gone. */
bool sim_is_new_base(const struct kernel_form *form)
{
	const char *image = sim_path(form->device, ".img");
	struct stat base, st;

	if (!form->origin || stat(form->origin, &base) ||
	    !S_ISREG(base.st_mode))
		return false;
	return stat(image, &st) || st.st_ino != base.st_ino ||
	       st.st_dev != base.st_dev;
}

/* What the kernel knew of another device of that name went with that. */
static int link_new_base(const struct kernel_form *form)
{
	LOCKED;
	const char *image;

	sim_forget(form->device);
	unlink(sim_path(form->device, ".map"));
	unlink(sim_path(form->device, ".view"));
	image = sim_path(form->device, ".img");
	if (unlink(image) && errno != ENOENT)
		return -errno;
	return symlink(form->origin, image) ? -errno : 0;
}

int sim_take_base(const struct kernel_form *form, char error[KERNEL_ERROR_SIZE])
{
	struct stat st;
	int err = stat(form->origin, &st) ? -errno : link_new_base(form);

	if (!err)
		err = sim_create(form->device, st.st_size, SIM_CHUNK);
	return err ? refuse(error, err, form->origin) : 0;
}

/* A test that has made the file "stays" says: somebody has it open. */
int sim_deactivate(const char *name, char error[KERNEL_ERROR_SIZE])
{
	LOCKED;
	struct sim_volume *v = sim_find(name);

	if (v && !access(sim_path("stays", ""), F_OK))
		return refuse(error, -EBUSY, name);
	if (v)
		v->is_plain = true;
	return 0;
}

/* A test that has made the file "shared" says: others activate it. */
bool sim_is_private_base(const char *base)
{
	return access(sim_path("shared", ""), F_OK);
}

/* Ours, that of a test that has made the file "open", and "meta NAME use". */
int sim_nr_opens(const char *name, char error[KERNEL_ERROR_SIZE])
{
	LOCKED;
	const struct sim_volume *v = sim_find(name);

	return 1 + !access(sim_path("open", ""), F_OK) + (v && v->is_busy);
}

/*
 * SIM_DIE_AT=STEP: as kill -9 there, at the SIM_DIE_TURN-th time (1).
 * SIM_HOLD_AT=STEP: it takes as long as the file "hold" is there; the file
 * "reached" tells that it has come there.
 */
void sim_note_step(const char *step)
{
	const char *at = getenv("SIM_DIE_AT"), *hold = getenv("SIM_HOLD_AT");
	const char *nth = getenv("SIM_DIE_TURN");
	static int turn;

	if (at && !strcmp(at, step) && ++turn >= (nth ? atoi(nth) : 1))
		raise(SIGKILL);
	if (!hold || strcmp(hold, step))
		return;
	close(open(sim_path("reached", ""), O_CREAT | O_WRONLY, 0600));
	while (!access(sim_path("hold", ""), F_OK))
		usleep(10000);
}

int __wrap_statvfs(const char *path, struct statvfs *fs);

/* SIM_FREE=BYTES: so many are free, wherever that is. */
int __wrap_statvfs(const char *path, struct statvfs *fs)
{
	const char *bytes = getenv("SIM_FREE");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int ret = fd < 0 ? -1 : fstatvfs(fd, fs);

	if (fd >= 0)
		close(fd);
	if (!ret && bytes) {
		fs->f_frsize = 1;
		fs->f_bavail = atoll(bytes);
	}
	return ret;
}
