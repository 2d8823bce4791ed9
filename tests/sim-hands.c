// SPDX-License-Identifier: GPL-2.0-or-later
/* The simulated kernel's users: what an application and an operator do. */
#include "sim-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_US	10000

static int copy_to(const char *name, const char *suffix, const void *buf,
		   size_t len, uint64_t off)
{
	int fd = open(sim_path(name, suffix), O_WRONLY | O_CLOEXEC);
	ssize_t done = fd < 0 ? -1 : pwrite(fd, buf, len, off);

	if (fd >= 0)
		close(fd);
	return done == (ssize_t)len ? 0 : -EIO;
}

void sim_load(struct sim_volume *v)
{
	v->info.loads++;
	v->info.attaches = 0;
	v->info.epoch = 0;
	v->info.owner = 0;
	v->info.nr_commits = 0;
	v->info.state = DMR_STATE_IDLE;
	v->info.role = DMR_ROLE_PRIMARY;
	v->held_until = 0;
	if (getrandom(&v->info.incarnation, 8, 0) < 8)
		v->info.incarnation = v->info.loads;
	if (sim_is_kept(v)) {
		sim_meta_load(v);
	} else {
		v->info.highest_seen = v->info.last_committed = 0;
		memset(v->chunks, SIM_DIRTY, v->nr_chunks);
	}
	sim_count(v);
}

static int make_file(const char *name, const char *suffix, uint64_t bytes)
{
	int fd = open(sim_path(name, suffix), O_RDWR | O_CREAT | O_CLOEXEC,
		      0600);
	int err = fd < 0 || ftruncate(fd, bytes) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

int sim_create(const char *name, uint64_t bytes, uint32_t chunk_bytes)
{
	LOCKED;
	uint64_t chunks = (bytes + chunk_bytes - 1) / chunk_bytes;
	struct sim_volume *v;
	int err = make_file(name, ".map", sizeof(*v) + chunks);

	if (!err)
		err = make_file(name, ".img", bytes);
	if (!err)
		err = make_file(name, ".view", bytes);
	v = err ? NULL : sim_map_file(name);
	if (!v)
		return err ? err : -EIO;
	snprintf(v->name, sizeof(v->name), "%s", name);
	v->nr_chunks = chunks;
	v->info.sectors = bytes / 512;
	v->info.chunk_sectors = chunk_bytes / 512;
	v->info.role = DMR_ROLE_PRIMARY;
	v->info.dev_flags = DMR_DEV_F_VOLATILE;
	v->info.members = 1;
	if (getrandom(&v->info.dev, 8, 0) < 8)
		return -EIO;
	sim_load(v);
	return 0;
}

static void write_chunk(struct sim_volume *v, uint64_t i, bool *is_first)
{
	uint8_t *c = &v->chunks[i];

	*is_first &= !(*c & SIM_DIRTY);
	*c = (*c & ~SIM_MARKED) | SIM_DIRTY;
	if ((*c & SIM_FROZEN) && !(*c & SIM_RELEASED))
		*c |= SIM_PRESERVED;
}

static void maybe_degrade(struct sim_volume *v)
{
	sim_count(v);
	if (!v->info.epoch || v->info.epoch_flags || !v->degrade_after ||
	    v->info.nr_preserved < v->degrade_after)
		return;
	v->info.epoch_flags = DMR_EPOCH_F_FUZZY;
	v->info.nr_degraded++;
	sim_send(v, DMR_EVENT_DEGRADED);
}

/* -EAGAIN: it is to wait. */
static int try_write(const char *name, const void *buf, size_t len,
		     uint64_t off)
{
	LOCKED;
	struct sim_volume *v = sim_find(name);
	uint64_t chunk;
	bool is_first;
	int err;

	if (!v)
		return -ENXIO;
	chunk = v->info.chunk_sectors * 512;
	if (v->is_plain) {
		v->was_written = true;
		return copy_to(name, ".img", buf, len, off);
	}
	sim_notice_death(v);
	if (v->info.role != DMR_ROLE_PRIMARY)
		return -EIO;
	if (sim_is_held(v))
		return -EAGAIN;
	is_first = !v->info.nr_dirty;
	for (uint64_t i = off / chunk; i * chunk < off + len; i++)
		write_chunk(v, i, &is_first);
	maybe_degrade(v);
	err = copy_to(name, ".img", buf, len, off);
	if (!err && v->info.epoch_flags)
		err = copy_to(name, ".view", buf, len, off);
	v->info.written_sectors += len / 512;
	if (is_first)
		sim_send(v, DMR_EVENT_DIRTY);
	return err;
}

int sim_write(const char *name, const void *buf, size_t len, uint64_t off)
{
	int err;

	while ((err = try_write(name, buf, len, off)) == -EAGAIN)
		usleep(WAIT_US);
	return err;
}

int sim_reload(const char *name)
{
	LOCKED;
	struct sim_volume *v = sim_find(name);

	if (v) {
		sim_load(v);
		v->was_written = false;	/* the counters begin anew */
	}
	return v ? 0 : -ENXIO;
}

int sim_request(const char *name, const char *text)
{
	LOCKED;
	struct sim_volume *v = sim_find(name);

	if (v)
		sim_send_request(v, text);
	return v ? 0 : -ENXIO;
}

int sim_degrade_after(const char *name, uint64_t chunks)
{
	LOCKED;
	struct sim_volume *v = sim_find(name);

	if (v)
		v->degrade_after = chunks;
	return v ? 0 : -ENXIO;
}

int sim_asked(const char *name, uint64_t *gets, uint64_t *dumps)
{
	LOCKED;
	struct sim_volume *v = sim_find(name);

	if (!v)
		return -ENXIO;
	*gets = v->nr_gets;
	*dumps = v->nr_dumps;
	return 0;
}

int sim_info(const char *name, struct dmr_info *info, bool *is_plain)
{
	LOCKED;
	struct sim_volume *v = sim_find(name);

	if (!v)
		return -ENXIO;
	sim_notice_death(v);
	*info = v->info;
	*is_plain = v->is_plain;
	return 0;
}

/* Has replicad itself the device open? */
static bool is_open_here(const char *name)
{
	struct stat image, st;
	int limit = getdtablesize();

	if (stat(sim_path(name, ".img"), &image))
		return false;
	for (int fd = 0; fd < limit && fd < 1024; fd++)
		if (!fstat(fd, &st) && st.st_ino == image.st_ino &&
		    st.st_dev == image.st_dev)
			return true;
	return false;
}

int sim_check_out(const struct kernel_form *form, char error[KERNEL_ERROR_SIZE])
{
	LOCKED;
	struct sim_volume *v = sim_find(form->device);

	if (!v || !form->origin ||
	    (!v->is_busy && !is_open_here(form->device)))
		return 0;
	snprintf(error, KERNEL_ERROR_SIZE, "%s is in use", form->device);
	return -EBUSY;
}
