// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * NAME.fence, in the stage's directory: that a volume is closed to those who
 * wrote it, and how far its way out of the stage has come.
 *
 *	open   -> fenced [stage_fence]	the file is durable
 *	fenced -> left [stage_fence_finish]	it says so; then the log goes
 *	left   -> given up [stage_fence_give_up]	likewise served, but
 *				never promoted again: its base is old
 *
 * F1 A fence is durable before stage_fence() returns, and is looked at before
 *    anything else of the volume when a stage is opened: so no writer of an old
 *    generation is ever let in again (P5). One that is found is made durable
 *    before it counts: who wrote it may have been killed before its sync.
 * F2 What is above the epoch stays in the log until the volume has left (L2,
 *    L4): bringing the base up drops only segments that have nothing above.
 * F3 A fenced volume has no applier: its base never passes the epoch.
 * F4 Of a volume that has left, the stage opens neither base nor log; what a
 *    power cut has left of the log is removed. Its header goes on being served:
 *    by it the old primary learns that it was superseded (L3).
 * F5 Of a group, each member has its file, and that of the first member is the
 *    last that is written: it alone decides for all of them. Until it is there,
 *    others count for nothing; when it says left, all have left.
 */
#include "stage-promote.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-parts.h"

#define SUFFIX		".fence"
#define MAGIC		"dmrfence"
#define FENCE_VERSION	1
#define FENCE_BYTES	(STAGE_BLOCK_BYTES + REPLICA_SLOT_BYTES)

/* Where it is. */
struct place {
	const struct stage_io *io;
	const char *dir, *name;
};

struct wire {
	char magic[8];
	uint32_t crc;			/* of what follows it, in both blocks */
	uint32_t version;
	uint32_t phase;
	uint32_t reserved;
	uint64_t epoch;
	char name[STAGE_NAME_LEN];
};

/* --- the file ------------------------------------------------------------- */

static uint32_t checksum(const char *blocks)
{
	size_t from = offsetof(struct wire, version);

	return stage_crc(blocks + from, FENCE_BYTES - from);
}

static int encode(const char *name, const struct stage_fence *f,
		  char blocks[FENCE_BYTES], struct error *err)
{
	struct wire w = {
		.magic = MAGIC,
		.version = htole32(FENCE_VERSION),
		.phase = htole32(f->phase),
		.epoch = htole64(f->epoch),
	};
	struct replica_why why;
	int ret = replica_header_encode(&f->header, blocks + STAGE_BLOCK_BYTES,
					&why);

	if (ret)
		return error_set(err, ret, "%s: header: %s", name, why.text);
	strncpy(w.name, name, sizeof(w.name) - 1);
	memset(blocks, 0, STAGE_BLOCK_BYTES);
	memcpy(blocks, &w, sizeof(w));
	w.crc = htole32(checksum(blocks));
	memcpy(blocks, &w, sizeof(w));
	return 0;
}

/* Why it is not a fence of this volume, or NULL. */
static const char *decode(const char *name, const char *blocks, ssize_t len,
			  struct stage_fence *f)
{
	struct wire w;

	if (len < FENCE_BYTES)
		return "it is cut off";
	memcpy(&w, blocks, sizeof(w));
	if (memcmp(w.magic, MAGIC, sizeof(w.magic)) ||
	    le32toh(w.crc) != checksum(blocks))
		return "it is damaged";
	if (le32toh(w.version) != FENCE_VERSION)
		return "it is of a newer format";
	if (strncmp(w.name, name, sizeof(w.name)))
		return "it is of another volume";
	f->phase = le32toh(w.phase);
	f->epoch = le64toh(w.epoch);
	if (f->phase == STAGE_PHASE_OPEN || f->phase > STAGE_PHASE_GIVEN_UP ||
	    replica_header_decode(&f->header, blocks + STAGE_BLOCK_BYTES,
				  REPLICA_SLOT_BYTES, NULL))
		return "it makes no sense";
	return NULL;
}

static int write_file(const struct stage_io *io, const char *path, char *blocks)
{
	struct iovec iov = { blocks, FENCE_BYTES };
	int fd = io->open(io->arg, path, O_RDWR | O_CREAT | O_TRUNC), ret;

	if (fd < 0)
		return fd;
	ret = io->pwritev(io->arg, fd, &iov, 1, 0);
	if (!ret && !stage_fault(F1))
		ret = io->sync(io->arg, fd);
	io->close(io->arg, fd);
	return ret;
}

static void path_of(const struct place *at, const char *suffix,
		    char path[STAGE_PATH_LEN + 136])
{
	snprintf(path, STAGE_PATH_LEN + 136, "%s/%s" SUFFIX "%s", at->dir,
		 at->name, suffix);
}

/* F1 */
static int put(const struct place *at, const struct stage_fence *f,
	       struct error *err)
{
	char path[STAGE_PATH_LEN + 136], tmp[STAGE_PATH_LEN + 136];
	const struct stage_io *io = at->io;
	char blocks[FENCE_BYTES];
	int ret = encode(at->name, f, blocks, err);

	if (ret)
		return ret;
	path_of(at, "", path);
	path_of(at, ".new", tmp);
	ret = write_file(io, tmp, blocks);
	if (!ret)
		ret = io->rename(io->arg, tmp, path);
	if (!ret && !stage_fault(F1))
		ret = io->sync_dir(io->arg, at->dir);
	return ret ? error_set(err, ret, "%s: %s", path, strerror(-ret)) : 0;
}

/* F5 */
static int put_all(const struct stage_group *g, const struct stage_fence *f,
		   struct error *err)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < g->nr_members; i++) {
		unsigned int at = stage_fault(S7) ? i : g->nr_members - 1 - i;
		const struct place place = { g->stage->io, g->stage->dir,
					     g->members[at]->meta.name };

		ret = put(&place, &f[at], err);
	}
	return ret;
}

/* One for each member. Only when it is durable does it count. */
static int fence_write(struct stage_group *g, const struct stage_fence *f,
		       struct error *err)
{
	int ret = put_all(g, f, err);

	if (ret)
		return ret;
	pthread_mutex_lock(&g->lock);
	for (unsigned int i = 0; i < g->nr_members; i++)
		g->members[i]->fence = f[i];
	pthread_mutex_unlock(&g->lock);
	return 0;
}

/* F1. *f stays as it is where there is none. */
static int get(const struct place *at, struct stage_fence *f,
	       struct error *err)
{
	char path[STAGE_PATH_LEN + 136], blocks[FENCE_BYTES];
	const struct stage_io *io = at->io;
	const char *why;
	ssize_t len;
	int fd, ret;

	path_of(at, "", path);
	fd = io->open(io->arg, path, O_RDONLY);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return error_set(err, fd, "%s: %s", path, strerror(-fd));
	ret = stage_fault(F1) ? 0 : io->sync(io->arg, fd);
	if (!ret && !stage_fault(F1))
		ret = io->sync_dir(io->arg, at->dir);
	len = ret ? ret : stage_pread(io, fd, blocks, sizeof(blocks), 0);
	io->close(io->arg, fd);
	why = len < 0 ? strerror(-len) : decode(at->name, blocks, len, f);
	return why ? error_set(err, -EIO, "%s: %s", path, why) : 0;
}

int stage_fence_peek(const char *dir, const char *name, struct stage_fence *f,
		     struct error *err)
{
	const struct place at = { &stage_view_io, dir, name };

	memset(f, 0, sizeof(*f));
	return get(&at, f, err);
}

int stage_fence_give_up(const char *dir, const char *name, struct error *err)
{
	const struct place at = { &stage_system_io, dir, name };
	struct stage_fence f = { .phase = STAGE_PHASE_OPEN };
	int ret = get(&at, &f, err);

	if (ret || f.phase != STAGE_PHASE_LEFT)
		return ret;
	f.phase = STAGE_PHASE_GIVEN_UP;
	return put(&at, &f, err);
}

/* --- the log of one that has left ----------------------------------------- */

/* F4. A segment more or less does no harm: nobody looks at them any more. */
static void remove_log(struct stage_group *g)
{
	pthread_rwlock_wrlock(&g->files);
	pthread_mutex_lock(&g->lock);
	for (unsigned int i = 0; i < g->nr_members; i++) {
		pthread_rwlock_wrlock(&g->index_lock);
		stage_index_erase(g->index, &g->members[i]->tree, 0,
				  UINT64_MAX);
		pthread_rwlock_unlock(&g->index_lock);
	}
	g->nr_epochs = 0;
	g->current = NULL;
	stage_segment_close_all(g);
	g->stage->medium->remove_all(g);
	pthread_mutex_unlock(&g->lock);
	pthread_rwlock_unlock(&g->files);
}

/* F5 */
static int load_member(struct stage_volume *v, const struct stage_fence *first,
		       struct error *err)
{
	const struct place at = { v->stage->io, v->stage->dir, v->meta.name };
	struct stage_fence *f = &v->fence;
	int ret = get(&at, f, err);

	if (ret)
		return ret;
	if (f->phase == STAGE_PHASE_OPEN || f->epoch != first->epoch ||
	    f->header.generation != first->header.generation)
		return error_set(err, -EIO, "%s/%s" SUFFIX ": is not that of "
				 "its group, which was promoted as of epoch %"
				 PRIu64, at.dir, at.name, first->epoch);
	if (first->phase == STAGE_PHASE_FENCED)
		f->phase = STAGE_PHASE_FENCED;
	else if (f->phase == STAGE_PHASE_FENCED)
		f->phase = STAGE_PHASE_LEFT;
	return 0;
}

static bool is_whole(const struct stage_group *g)
{
	for (unsigned int i = 0; i < g->nr_members; i++)
		if (!g->members[i])
			return false;
	return g->nr_members;
}

int stage_fence_load(struct stage_group *g, struct error *err)
{
	struct stage_volume *v = is_whole(g) ? g->members[0] : NULL;
	const struct place at = { g->stage->io, g->stage->dir,
				  v ? v->meta.name : NULL };
	int ret = v ? get(&at, &v->fence, err) : 0;

	if (ret || stage_phase_of(g) == STAGE_PHASE_OPEN)
		return ret;
	for (unsigned int i = 1; !ret && i < g->nr_members; i++)
		ret = load_member(g->members[i], &v->fence, err);
	if (!ret && stage_phase_of(g) >= STAGE_PHASE_LEFT)
		remove_log(g);
	return ret;
}

/* F5: without the first one's, each is taken for that of all. */
int stage_fence_look(const struct stage_volume *of, enum stage_phase *phase,
		     struct error *err)
{
	const struct stage_group *g = of->g;
	int ret = 0;

	*phase = STAGE_PHASE_OPEN;
	for (unsigned int i = 0; !ret && i < g->nr_members; i++) {
		const struct stage_volume *v = g->members[i];
		const struct place at = { g->stage->io, g->stage->dir,
					  v ? v->meta.name : NULL };
		struct stage_fence f = { .phase = STAGE_PHASE_OPEN };

		ret = v ? get(&at, &f, err) : 0;
		if (f.phase != STAGE_PHASE_OPEN &&
		    (*phase == STAGE_PHASE_OPEN || f.phase < *phase))
			*phase = f.phase;
		if (v && !i && !ret && f.phase == STAGE_PHASE_OPEN)
			break;
	}
	return ret;
}

/* --- what is refused ------------------------------------------------------ */

int stage_fence_check_write(const struct stage_volume *v, struct error *err)
{
	const struct stage_fence *f = &v->fence;

	if (f->phase == STAGE_PHASE_OPEN)
		return 0;
	return error_set(err, -EPERM, "%s: was promoted here as of epoch %"
			 PRIu64 " (generation %016" PRIx64 "): the writer is "
			 "superseded", v->meta.name, f->epoch,
			 f->header.generation);
}

int stage_fence_check_read(const struct stage_volume *v, struct error *err)
{
	if (v->fence.phase < STAGE_PHASE_LEFT)
		return 0;
	return error_set(err, -EPERM, "%s: is a primary here, and no image any "
			 "more: read its device", v->meta.name);
}

/* --- the way out ---------------------------------------------------------- */

void stage_get_fence(struct stage_volume *v, struct stage_fence *fence)
{
	pthread_mutex_lock(&v->g->lock);
	*fence = v->fence;
	pthread_mutex_unlock(&v->g->lock);
}

/* Locked. */
static bool has_image(const struct stage_group *g, uint64_t epoch)
{
	if (epoch && epoch == g->checkpoint.applied_epoch)
		return g->floor_lsn <= g->checkpoint.applied_lsn;
	for (unsigned int i = 0; i < g->nr_epochs; i++)
		if (g->epochs[i].epoch == epoch)
			return g->epochs[i].is_clean &&
			       g->epochs[i].lsn >= g->floor_lsn;
	return false;
}

/* Locked. */
static uint64_t cut_time_of(const struct stage_group *g, uint64_t epoch)
{
	for (unsigned int i = 0; i < g->nr_epochs; i++)
		if (g->epochs[i].epoch == epoch)
			return g->epochs[i].cut_time;
	return g->checkpoint.cut_time;
}

static int check_again(const struct stage_volume *v, uint64_t epoch,
		       uint64_t generation, struct error *err)
{
	const struct stage_fence *f = &v->fence;

	if (f->epoch == epoch && f->header.generation == generation)
		return 0;
	return error_set(err, -EEXIST, "%s: was promoted already, as of epoch "
			 "%" PRIu64, v->meta.name, f->epoch);
}

static int check_member(const struct stage_volume *v, uint64_t epoch,
			uint64_t generation, struct error *err)
{
	if (!v->header.seq || !has_image(v->g, epoch))
		return error_set(err, -ENOENT, "%s: there is no image of epoch "
				 "%" PRIu64, v->meta.name, epoch);
	if (!generation || generation == v->header.generation)
		return error_set(err, -EINVAL, "%s: the generation must be a "
				 "new one", v->meta.name);
	return 0;
}

static int check_fence(const struct stage_volume *v, uint64_t epoch,
		       uint64_t generation, struct error *err)
{
	const struct stage_group *g = v->g;
	int ret = 0;

	if (g->error.code)
		return error_set(err, g->error.code, "%s", g->error.text);
	if (stage_phase_of(g) != STAGE_PHASE_OPEN)
		return check_again(v, epoch, generation, err);
	if (stage_is_in_place(g))
		return error_set(err, -ENOENT, "%s: has no consistent image: "
				 "its log was full, and epochs are applied in "
				 "place (on_full=apply)", v->meta.name);
	for (unsigned int i = 0; !ret && i < g->nr_members; i++)
		ret = check_member(g->members[i], epoch, generation, err);
	return ret;
}

/* Locked. */
static void make_fence(const struct stage_volume *v, uint64_t epoch,
		       uint64_t generation, struct stage_fence *f)
{
	struct replica_header *h = &f->header;
	uint32_t keep = v->header.nr_ancestors;

	f->phase = STAGE_PHASE_FENCED;
	f->epoch = epoch;
	*h = v->header;
	if (keep == REPLICA_ANCESTORS_MAX)
		keep--;
	memmove(h->ancestors + 1, h->ancestors, keep * sizeof(*h->ancestors));
	h->ancestors[0].generation = h->generation;
	h->ancestors[0].end_epoch = epoch;
	h->nr_ancestors = keep + 1;
	h->generation = generation;
	h->role = REPLICA_ROLE_PRIMARY;
	h->state = REPLICA_STATE_OK;
	h->kind = REPLICA_KIND_HELLO;
	h->cut_time = cut_time_of(v->g, epoch);
	h->highest_seen = v->g->seen;
	h->last_clean = epoch;
	h->last_partial = h->last_partial < epoch ? h->last_partial : 0;
	h->epoch = h->records = h->digest = h->merge_id = 0;
	h->seq++;
}

int stage_fence_check(struct stage_volume *v, uint64_t epoch,
		      uint64_t generation, struct error *err)
{
	int ret;

	pthread_mutex_lock(&v->g->lock);
	ret = check_fence(v, epoch, generation, err);
	pthread_mutex_unlock(&v->g->lock);
	return ret;
}

/* One for each member, to be freed; NULL: no memory. */
static struct stage_fence *make_fences(struct stage_group *g, uint64_t epoch,
				       uint64_t generation)
{
	struct stage_fence *all = calloc(g->nr_members, sizeof(*all));

	pthread_mutex_lock(&g->lock);
	for (unsigned int i = 0; all && i < g->nr_members; i++)
		make_fence(g->members[i], epoch, generation, &all[i]);
	pthread_mutex_unlock(&g->lock);
	return all;
}

int stage_fence(struct stage_volume *v, uint64_t epoch, uint64_t generation,
		struct error *err)
{
	struct stage_group *g = v->g;
	int ret = stage_fence_check(v, epoch, generation, err);
	struct stage_fence *all;

	assert(g->stage->opts.is_still);			/* F3 */
	if (ret || stage_phase_of(g) != STAGE_PHASE_OPEN)
		return ret;
	all = make_fences(g, epoch, generation);
	ret = all ? fence_write(g, all, err) :
		    error_set(err, -ENOMEM, "no memory");
	free(all);
	pthread_mutex_lock(&g->lock);
	if (!ret)
		stage_epoch_drop(g);
	pthread_mutex_unlock(&g->lock);
	return ret;
}

static int check_fenced(struct stage_volume *v, struct error *err)
{
	if (v->g->error.code)
		return error_set(err, v->g->error.code, "%s", v->g->error.text);
	return v->fence.phase == STAGE_PHASE_OPEN ?
	       error_set(err, -EINVAL, "%s: is not fenced", v->meta.name) :
	       stage_fence_check_read(v, err);
}

int stage_fence_read(struct stage_volume *v, void *buf, size_t len,
		     uint64_t off, struct error *err)
{
	int ret = check_fenced(v, err);

	return ret ? ret : stage_image_read_at(v, v->g->kept_lsn, buf, len,
					       off, err);
}

int stage_fence_apply(struct stage_volume *v, struct error *err)
{
	struct stage_group *g = v->g;

	if (!g->error.code && stage_phase_of(g) >= STAGE_PHASE_LEFT)
		return 0;
	if (check_fenced(v, err))
		return -EINVAL;
	assert(!g->has_applier);				/* F3 */
	return stage_apply_upto(g, stage_fault(F3) ? g->clean_epoch :
				   v->fence.epoch, err);
}

static void close_base(struct stage_volume *v)
{
	const struct stage_io *io = v->stage->io;

	if (v->base_fd >= 0)
		io->close(io->arg, v->base_fd);
	v->base_fd = -1;
}

/* F5 */
static int note_left(struct stage_group *g, struct error *err)
{
	struct stage_fence *all = calloc(g->nr_members, sizeof(*all));
	int ret;

	for (unsigned int i = 0; all && i < g->nr_members; i++) {
		all[i] = g->members[i]->fence;
		all[i].phase = STAGE_PHASE_LEFT;
	}
	ret = all ? fence_write(g, all, err) :
		    error_set(err, -ENOMEM, "no memory");
	free(all);
	return ret;
}

int stage_fence_finish(struct stage_volume *v, struct error *err)
{
	struct stage_group *g = v->g;
	int ret = g->error.code || v->fence.phase < STAGE_PHASE_LEFT ?
		  check_fenced(v, err) : 0;

	if (ret || v->fence.phase >= STAGE_PHASE_LEFT)
		return ret;
	if (g->checkpoint.applied_epoch != v->fence.epoch)
		return error_set(err, -EINVAL, "%s: the base is at epoch %"
				 PRIu64 ", not at %" PRIu64, v->meta.name,
				 g->checkpoint.applied_epoch, v->fence.epoch);
	if (stage_fault(F2))
		remove_log(g);
	ret = note_left(g, err);
	if (ret)
		return ret;
	remove_log(g);						/* F2 */
	for (unsigned int i = 0; i < g->nr_members; i++)
		close_base(g->members[i]);
	return 0;
}
