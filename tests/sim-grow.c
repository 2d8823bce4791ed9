// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A volume that grows, on the simulated kernel: its origin is larger first,
 * then its table says so, then its view.
 */
#include "sim-impl.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_size;
}

/* As dmr_meta_grow(): what is open is aborted, what is new is dirty. */
static int grow_table(struct sim_volume *v, uint64_t bytes)
{
	uint64_t chunk = v->info.chunk_sectors * 512;
	uint64_t chunks = (bytes + chunk - 1) / chunk;
	uint64_t from = v->info.sectors * 512 / chunk;

	if (truncate(sim_path(v->name, ".map"), sizeof(*v) + chunks))
		return -errno;
	if (v->info.epoch)
		sim_end_one(v, DMR_END_ABORT);
	for (uint64_t i = from; i < chunks; i++)
		v->chunks[i] = SIM_DIRTY;
	v->nr_chunks = chunks;
	v->info.sectors = bytes / 512;
	sim_count(v);
	sim_send(v, DMR_EVENT_DIRTY);
	return 0;
}

int sim_grow(const char *name, uint64_t bytes, bool is_table)
{
	LOCKED;
	struct sim_volume *v = sim_find(name);

	if (!v)
		return -ENXIO;
	if (bytes < v->info.sectors * 512)
		return -EINVAL;
	if (truncate(sim_path(name, ".img"), bytes))
		return -errno;
	return is_table ? grow_table(v, bytes) : 0;
}

static int refuse(char error[KERNEL_ERROR_SIZE], int err, const char *name,
		  const char *what)
{
	snprintf(error, KERNEL_ERROR_SIZE, "%s %s", name, what);
	return err;
}

void sim_load_larger(struct sim_volume *v)
{
	uint64_t bytes = size_of(sim_path(v->name, ".img"));

	if (bytes > v->info.sectors * 512 && !grow_table(v, bytes))
		sim_note_step("loaded larger");
}

/* As a view that is made anew. */
void sim_fit_view(struct sim_volume *v)
{
	const char *path = sim_path(v->name, ".view");
	uint64_t bytes = v->info.sectors * 512;

	if (size_of(path) < bytes && truncate(path, bytes))
		sim_note_step("no larger view");
}

int sim_extend(const struct kernel_form *form, uint64_t *now,
	       char error[KERNEL_ERROR_SIZE])
{
	LOCKED;
	struct sim_volume *v = sim_find(form->device);
	uint64_t bytes = size_of(sim_path(form->device, ".img"));
	int err = 0;

	if (!v || v->is_plain)
		return refuse(error, -ENXIO, form->device, "is no replica");
	sim_note_step("extend");
	if (bytes > v->info.sectors * 512) {
		if (!access(sim_path(v->name, ".small"), F_OK))
			return refuse(error, -ENOSPC, v->name, "cannot grow: "
				      "its metadata device is too small");
		err = grow_table(v, bytes);
	}
	sim_note_step("extended");
	*now = v->info.sectors * 512;
	if (form->has_no_view)
		return err;
	if (!err && !access(sim_path(v->name, ".shown"), F_OK))
		return refuse(error, -EBUSY, v->name, "has a view that is in "
			      "use");
	if (!err && truncate(sim_path(v->name, ".view"), bytes))
		err = -errno;
	return err;
}
