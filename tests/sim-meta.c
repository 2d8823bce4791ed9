// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The metadata device of a simulated volume: what survives a crash.
 *
 * M1 END is durable at once, unless it is_lazy: then a crash brings back the
 *    superblock as it was, and what was shipped since is dirty (D3).
 * M2 MARK and SET are durable after a few GETs; a crash before forgets them.
 */
#include "sim-impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define PENDING_GETS	2

bool sim_is_kept(const struct sim_volume *v)
{
	return !(v->info.dev_flags & DMR_DEV_F_VOLATILE);
}

static void name_it(struct sim_volume *v)
{
	v->meta.committed = v->info.last_named = v->info.last_committed;
	v->meta.highest = v->info.highest_seen;
	for (uint64_t i = 0; i < v->nr_chunks; i++)
		v->chunks[i] &= ~SIM_UNNAMED;
}

static void settle(struct sim_volume *v)
{
	v->info.dev_flags &= ~DMR_DEV_F_META_PENDING;
	v->meta.generation = v->info.generation;
	v->meta.role = v->info.role == DMR_ROLE_SECONDARY ? DMR_ROLE_SECONDARY :
							    DMR_ROLE_PRIMARY;
	for (uint64_t i = 0; i < v->nr_chunks; i++)
		v->chunks[i] &= ~SIM_MARKED;
}

void sim_add_incarnation(struct dmr_info *info)
{
	memmove(info->incarnations + 1, info->incarnations,
		(DMR_INCARNATIONS_MAX - 1) * sizeof(info->incarnations[0]));
	info->incarnations[0] = info->incarnation;
	if (info->nr_incarnations < DMR_INCARNATIONS_MAX)
		info->nr_incarnations++;
}

static void all_dirty(struct sim_volume *v)
{
	for (uint64_t i = 0; i < v->nr_chunks; i++)
		v->chunks[i] |= SIM_DIRTY;
	sim_count(v);
}

void sim_meta_keep(struct sim_volume *v)
{
	if (sim_is_kept(v))
		return;
	v->info.dev_flags &= ~DMR_DEV_F_VOLATILE;
	v->info.meta_dev = dmr_devno(253, 200);
	v->info.loads = 1;
	v->info.nr_incarnations = 0;
	sim_add_incarnation(&v->info);
	if (getrandom(v->info.volume_id, sizeof(v->info.volume_id), 0) < 0 ||
	    getrandom(&v->info.generation, 8, 0) < 0)
		v->info.generation = v->info.incarnation;
	name_it(v);
	settle(v);
	all_dirty(v);
}

void sim_meta_load(struct sim_volume *v)
{
	struct sim_meta *m = &v->meta;

	for (uint64_t i = 0; i < v->nr_chunks; i++) {
		uint8_t c = v->chunks[i];

		if (c & SIM_MARKED)
			c &= ~SIM_DIRTY;
		v->chunks[i] = c & (SIM_DIRTY | SIM_UNNAMED | SIM_FROZEN) ?
			       SIM_DIRTY : 0;
	}
	v->info.last_committed = v->info.last_named = m->committed;
	v->info.highest_seen = m->highest;
	v->info.generation = m->generation;
	v->info.role = m->role ?: DMR_ROLE_PRIMARY;
	v->info.dev_flags &= ~(DMR_DEV_F_META_PENDING | DMR_DEV_F_META_FAILED);
	sim_add_incarnation(&v->info);
	if (m->is_taken_out) {
		v->info.dev_flags |= DMR_DEV_F_SUSPECT;
		m->suspect_epoch = m->highest;
		all_dirty(v);
	}
	m->is_taken_out = false;
}

void sim_meta_ended(struct sim_volume *v, enum dmr_end how)
{
	if (!sim_is_kept(v)) {
		for (uint64_t i = 0; i < v->nr_chunks; i++)
			v->chunks[i] &= SIM_DIRTY;
		return;
	}
	if (how == DMR_END_COMMIT && v->info.epoch > v->meta.suspect_epoch)
		v->info.dev_flags &= ~DMR_DEV_F_SUSPECT;
	if (!v->meta.is_lazy)
		name_it(v);
}

void sim_meta_changed(struct sim_volume *v)
{
	if (!sim_is_kept(v)) {
		settle(v);
		return;
	}
	v->info.dev_flags |= DMR_DEV_F_META_PENDING;
	v->meta.pending = PENDING_GETS;
}

void sim_meta_looked(struct sim_volume *v)
{
	if (!(v->info.dev_flags & DMR_DEV_F_META_PENDING) ||
	    v->meta.is_stuck)
		return;
	if (!v->meta.pending || !--v->meta.pending)
		settle(v);
}

/* --- the side of the tests --------------------------------------------- */

static void fail(struct sim_volume *v)
{
	v->info.dev_flags |= DMR_DEV_F_META_FAILED;
	sim_send(v, DMR_EVENT_META_FAILED);
}

static void rip(struct sim_volume *v, bool is_recorded)
{
	sim_send(v, DMR_EVENT_REMOVED);
	if (v->info.epoch)
		sim_end_one(v, DMR_END_ABORT);
	v->is_plain = true;
	v->meta.is_taken_out = is_recorded;
	v->info.owner = 0;
}

/* The machine boots: what is in place is gone, and nobody has written yet. */
static void unplug(struct sim_volume *v)
{
	v->is_plain = true;
	v->was_written = false;
	v->info.owner = 0;
}

/* Frozen, and nobody ends it. */
static void open_epoch(struct sim_volume *v)
{
	v->info.epoch = ++v->info.highest_seen;
	for (uint64_t i = 0; i < v->nr_chunks; i++)
		if (v->chunks[i] & SIM_DIRTY)
			v->chunks[i] = SIM_FROZEN;
	sim_count(v);
}

int sim_meta(const char *name, const char *what)
{
	LOCKED;
	struct sim_volume *v = sim_find(name);

	if (!v)
		return -ENXIO;
	if (!strcmp(what, "lazy") || !strcmp(what, "prompt"))
		v->meta.is_lazy = what[0] == 'l';
	else if (!strcmp(what, "stuck") || !strcmp(what, "moving"))
		v->meta.is_stuck = what[0] == 's';
	else if (!strcmp(what, "fail"))
		fail(v);
	else if (!strcmp(what, "mend"))
		v->info.dev_flags &= ~DMR_DEV_F_META_FAILED;
	else if (!strcmp(what, "rip") || !strcmp(what, "rip unseen"))
		rip(v, !what[3]);
	else if (!strcmp(what, "use") || !strcmp(what, "leave"))
		v->is_busy = *what == 'u';
	else if (!strcmp(what, "open"))
		open_epoch(v);
	else if (!strcmp(what, "abort"))
		sim_end_one(v, DMR_END_ABORT);
	else if (!strcmp(what, "descend"))
		v->info.ancestors[v->info.nr_ancestors++].generation = 0x77;
	else if (!strcmp(what, "unplug"))
		unplug(v);
	else
		return -EINVAL;
	if (!v->meta.is_lazy && sim_is_kept(v) && !v->info.epoch)
		name_it(v);
	return 0;
}
