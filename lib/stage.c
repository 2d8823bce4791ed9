// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The stage: a directory with volumes, and one log for each group of them.
 *
 *	header(open), data, header(clean)
 *	  -> session (who may)  -> epoch (what is open)  -> log  -> segments
 *					'-> index
 *	applier: log -> base -> checkpoint -> segments go
 *	image: index, log, base
 *
 * What must hold, and where it is kept (DESIGN section 6):
 *
 * S1 only clean epochs, with the partial ones below, reach the base: apply P1
 * S2 an abort drops the open epoch only: stage_epoch_drop()
 * S3 an epoch is what its commit says, or nothing: epoch O4, recover Z1, Z2
 * S4 applying again changes nothing: apply P1
 * S5 VOL is the newest committed image: stage_conn_read()
 * S6 a full log costs history, then the epoch, never the image, unless the
 *    operator said so: log_roll(), apply P4, P5, stage-inplace.c
 * S7 a group's epoch is committed by its last member: session Y5
 * S8 only the newest session writes: session Y1
 * S9 one process: lock_dir(), open_base()
 * S10 who reads an image holds the applier back: apply P4
 */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-device.h"
#include "stage-parts.h"
#include "stage-room.h"

#define MIB		(1ULL << 20)
#define SEGMENT_MIN	(64ULL << 10)
#define LOG_MIN		(4 * SEGMENT_MIN)

#ifdef STAGE_FAULTS
unsigned long long stage_faults;
unsigned int stage_fault_patience_ms;
#endif

static int lock_dir(struct stage *s, struct error *err)
{
	const struct stage_io *io = s->io;
	char path[STAGE_PATH_LEN + 16];
	int ret;

	stage_path(s, "lock", "", path, sizeof(path));
	s->lock_fd = io->open(io->arg, path, O_RDWR | O_CREAT);
	if (s->lock_fd < 0)
		return error_set(err, s->lock_fd, "%s: %s", path,
				 strerror(-s->lock_fd));
	ret = stage_fault(S9) ? 0 : io->lock(io->arg, s->lock_fd);
	if (io == &stage_view_io)
		s->had_owner = stage_view_is_locked(s->lock_fd);
	return ret ? error_set(err, ret, "%s: another process has it",
			       s->dir) : 0;
}

/*
 * What was made just before a kill is seen, and may still go with a power cut:
 * a volume, one that has grown, a fence.
 */
static int sync_names(struct stage *s, struct error *err)
{
	int ret = s->io->sync_dir(s->io->arg, s->dir);

	return ret ? error_set(err, ret, "%s: %s", s->dir, strerror(-ret)) : 0;
}

/* Where they are not given. */
static int set_defaults(struct stage *s, struct error *err)
{
	struct stage_options *o = &s->opts;

	if (!o->log_bytes)
		o->log_bytes = 16384 * MIB;
	if (!o->segment_bytes)
		o->segment_bytes = 64 * MIB;
	if (o->log_bytes < LOG_MIN || o->segment_bytes < SEGMENT_MIN ||
	    o->segment_bytes > 2048 * MIB)
		return error_set(err, -EINVAL, "a log of %llu bytes, in "
				 "segments of %llu, cannot be",
				 (unsigned long long)o->log_bytes,
				 (unsigned long long)o->segment_bytes);
	if (o->segment_bytes > o->log_bytes / 4)
		o->segment_bytes = o->log_bytes / 4;
	o->segment_bytes &= ~(uint64_t)(STAGE_BLOCK_BYTES - 1);
	if (!o->index_bytes)
		o->index_bytes = 1024 * MIB;
	if (!o->history_bytes)
		o->history_bytes = o->log_bytes / 2;
	if (!o->patience_ms)
		o->patience_ms = STAGE_PATIENCE_MS;
	return 0;
}

int stage_open(struct stage **out, const char *dir,
	       const struct stage_options *opts, struct error *err)
{
	struct stage *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return error_set(err, -ENOMEM, "no memory");
	s->lock_fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	if (opts)
		s->opts = *opts;
	s->io = s->opts.io ? s->opts.io : &stage_system_io;
	s->medium = &stage_files;
	ret = strlen(dir) < sizeof(s->dir) ? 0 :
	      error_set(err, -ENAMETOOLONG, "%s: too long", dir);
	snprintf(s->dir, sizeof(s->dir), "%s", dir);
	if (!ret)
		ret = lock_dir(s, err);
	if (!ret)
		ret = sync_names(s, err);
	if (!ret)
		ret = stage_device_open(s, err);
	if (!ret)
		ret = set_defaults(s, err);
	if (!ret)
		ret = stage_volumes_load(s, err);
	if (!ret)
		*out = s;
	else
		stage_close(s);
	return ret;
}

void stage_close(struct stage *s)
{
	struct stage_volume *v;
	struct stage_group *g;

	if (!s)
		return;
	for (g = s->groups; g; g = g->next)
		stage_apply_stop(g);
	stage_delete_free(s);
	while ((v = s->volumes)) {
		s->volumes = v->next;
		stage_volume_destroy(v);
	}
	while ((g = s->groups)) {
		s->groups = g->next;
		stage_group_destroy(g);
	}
	stage_device_close(s);
	if (s->lock_fd >= 0)
		s->io->close(s->io->arg, s->lock_fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct stage_volume *stage_find(struct stage *s, const char *name)
{
	struct stage_volume *v;

	pthread_mutex_lock(&s->lock);
	for (v = s->volumes; v; v = v->next)
		if (!strcmp(v->meta.name, name))
			break;
	pthread_mutex_unlock(&s->lock);
	return v;
}

struct stage_volume *stage_next(struct stage *s, struct stage_volume *v)
{
	struct stage_volume *next;

	pthread_mutex_lock(&s->lock);
	next = v ? v->next : s->volumes;
	pthread_mutex_unlock(&s->lock);
	return next;
}

/* --- what there is to tell ------------------------------------------------ */

static const char *const state_names[] = {
	[STAGE_EMPTY] = "empty",
	[STAGE_OK] = "ok",
	[STAGE_LOG_FULL] = "log full",
	[STAGE_ERROR] = "error",
	[STAGE_IN_PLACE] = "applying in place",
	[STAGE_PROMOTED] = "promoted",
};

const char *stage_state_name(enum stage_state state)
{
	if (state > STAGE_PROMOTED)
		return "?";
	return state_names[state];
}

static enum stage_state state_of(const struct stage_group *g)
{
	if (g->error.code || g->apply_error.code)
		return STAGE_ERROR;
	if (stage_phase_of(g) != STAGE_PHASE_OPEN)
		return STAGE_PROMOTED;
	if (stage_is_in_place(g))
		return STAGE_IN_PLACE;
	if (g->full)
		return STAGE_LOG_FULL;
	return g->clean_epoch ? STAGE_OK : STAGE_EMPTY;
}

static void fill_info(const struct stage_volume *v, struct stage_info *info)
{
	const struct stage_group *g = v->g;

	info->nr_members = g->nr_members;
	info->state = state_of(g);
	info->error = g->error.code ? g->error : g->apply_error;
	info->open_epoch = g->open.state == EPOCH_NONE ? 0 : g->open.nr;
	info->applied_epoch = g->checkpoint.applied_epoch;
	info->nr_epochs = g->nr_epochs;
	info->log_bytes = g->log_bytes;
	info->log_needed = g->full;
	info->index_bytes = stage_index_bytes(g->index);
	info->bytes_logged = g->bytes_logged;
	info->bytes_applied = stage_load(&g->bytes_applied);
	info->nr_syncs = g->nr_syncs;
	info->nr_idle_drops = g->nr_idle_drops;
}

void stage_tell_notices(struct stage *s, void (*tell)(const char *text))
{
	pthread_mutex_lock(&s->lock);
	for (const struct stage_group *g = s->groups; g; g = g->next)
		if (g->notice.code)
			tell(g->notice.text);
	if (s->device && s->device->notice.code)
		tell(s->device->notice.text);
	if (s->device && s->device->growth.code)
		tell(s->device->growth.text);
	pthread_mutex_unlock(&s->lock);
}

void stage_get_info(struct stage_volume *v, struct stage_info *info)
{
	memset(info, 0, sizeof(*info));
	memcpy(info->name, v->meta.name, sizeof(info->name));
	memcpy(info->group, v->g->name, sizeof(info->group));
	memcpy(info->base, v->meta.base, sizeof(info->base));
	info->bytes = stage_volume_bytes(v);
	info->chunk_bytes = v->meta.chunk_bytes;
	stage_session_header(v, &info->header);
	pthread_mutex_lock(&v->g->lock);
	fill_info(v, info);
	pthread_mutex_unlock(&v->g->lock);
}

/* Locked. */
static unsigned int count_images(const struct stage_volume *v, uint64_t lsn)
{
	unsigned int nr = 0;

	for (const struct stage_image *i = v->g->images; i; i = i->next)
		nr += i->v == v && i->lsn == lsn && !i->is_read &&
		      !i->is_broken;
	return nr;
}

static int tell_base(const struct stage_volume *v,
		     int (*fn)(void *arg, const struct stage_epoch *e),
		     void *arg)
{
	const struct stage_group *g = v->g;
	struct stage_epoch base = {
		.epoch = g->checkpoint.applied_epoch,
		.commit_time = g->checkpoint.commit_time,
		.cut_time = g->checkpoint.cut_time,
		.is_clean = true,
		.is_base = true,
		.nr_images = count_images(v, g->checkpoint.applied_lsn),
	};

	return base.epoch && g->floor_lsn <= g->checkpoint.applied_lsn ?
	       fn(arg, &base) : 0;
}

int stage_history(struct stage_volume *v,
		  int (*fn)(void *arg, const struct stage_epoch *e), void *arg)
{
	struct stage_group *g = v->g;
	int ret;

	pthread_mutex_lock(&g->lock);
	ret = stage_phase_of(g) >= STAGE_PHASE_LEFT ? 0 :
						      tell_base(v, fn, arg);
	for (unsigned int i = 0; !ret && i < g->nr_epochs; i++) {
		const struct epoch_entry *e = &g->epochs[i];
		struct stage_epoch told = {
			.epoch = e->epoch,
			.commit_time = e->commit_time,
			.cut_time = e->cut_time,
			.bytes = e->bytes,
			.is_clean = e->is_clean,
			.nr_images = count_images(v, e->lsn),
		};

		if (e->lsn >= g->floor_lsn)
			ret = fn(arg, &told);
	}
	pthread_mutex_unlock(&g->lock);
	return ret;
}
