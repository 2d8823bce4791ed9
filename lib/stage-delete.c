// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A volume that goes, or a group of them: GROUP.delete says so.
 *
 *	there	-[the note is durable]->  going	 -[end()]->  gone
 *
 *	end()	bases, log, what else there is of a volume, sync
 *		descriptions (NAME.volume), sync
 *		the note
 *
 * E1 before the note is durable nothing is removed; from then on the volumes
 *    are in no list, also of a stage that is opened later, and what was begun
 *    is ended there, from whichever step.
 * E2 a description goes when all that it leads to has gone, durably: so nothing
 *    is forgotten, and no fence is found by a later volume of the same name.
 * E3 the note names the log: where a power cut brings it back, it does not mean
 *    a later volume of the same name. None is made before it has gone.
 * E4 who has the volume open holds it: a connection, an image. Others may know
 *    it (->next, an export): it stays in memory, and refuses everything.
 * E5 a base goes only if it is a file and nobody else has it. That of one that
 *    was a primary here is not the stage's any more: it goes when who has ended
 *    that primary says so. Where the group does not work its fences are looked
 *    at on the disk; one that cannot be read may be that of a primary, whose
 *    base and metadata stay.
 */
#include "stage-delete.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-device.h"
#include "stage-parts.h"

#define SUFFIX	".delete"
#define PATH	(STAGE_PATH_LEN + STAGE_NAME_LEN + 300)

/* --- ending it ------------------------------------------------------------ */

static int tell(struct error *err, int ret, const char *path)
{
	return error_set(err, ret, "%s: cannot be removed: %s; that is tried "
			 "again when the stage is opened", path,
			 strerror(-ret));
}

static int remove_file(const struct stage *s, const char *name,
		       const char *suffix, struct error *err)
{
	char path[PATH];
	int ret;

	stage_path(s, name, suffix, path, sizeof(path));
	ret = s->io->unlink(s->io->arg, path);
	return ret && ret != -ENOENT ? tell(err, ret, path) : 0;
}

static int sync_dir(const struct stage *s, const char *dir, struct error *err)
{
	int ret = s->io->sync_dir(s->io->arg, dir);

	return ret ? tell(err, ret, dir) : 0;
}

static int unlink_base(const struct stage *s, const char *base,
		       struct error *err)
{
	char dir[STAGE_PATH_LEN];
	int ret = s->io->unlink(s->io->arg, base);

	if (ret)
		return tell(err, ret, base);
	snprintf(dir, sizeof(dir), "%s", base);
	*strrchr(dir, '/') = 0;
	return sync_dir(s, dir[0] ? dir : "/", err);
}

static bool is_gone_or_not_ours(int err)
{
	return err == -ENOENT || err == -EBUSY || err == -ENXIO ||
	       err == -ENODEV || err == -ELOOP || err == -EISDIR ||
	       err == -ETXTBSY || err == -ENOTDIR;
}

/* E5 */
static int remove_base(const struct stage *s, const char *base,
		       struct error *err)
{
	const struct stage_io *io = s->io;
	int fd = io->open(io->arg, base, O_RDWR | O_EXCL), ret = 0;

	if (fd < 0)
		return is_gone_or_not_ours(fd) ? 0 : tell(err, fd, base);
	if (!io->lock(io->arg, fd) && io->is_file(io->arg, fd))
		ret = unlink_base(s, base, err);
	io->close(io->arg, fd);
	return ret;
}

struct removal {
	const struct stage *s;
	const char *dir;
	struct error *err;
};

static int remove_from_log(void *arg, const char *name)
{
	const struct removal *r = arg;
	char path[PATH];
	int ret;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	snprintf(path, sizeof(path), "%s/%.255s", r->dir, name);
	ret = r->s->io->unlink(r->s->io->arg, path);
	return ret && ret != -ENOENT ? tell(r->err, ret, path) : 0;
}

/* Its slots first: what names them goes when they are free (E2). */
static int remove_log(struct stage *s, const struct stage_delete_block *b,
		      struct error *err)
{
	const struct stage_io *io = s->io;
	char dir[PATH];
	struct removal r = { s, dir, err };
	int ret = s->device ? stage_device_release(s, b->log_id, err) : 0;

	if (ret)
		return ret;
	stage_path(s, b->group, ".log", dir, sizeof(dir));
	ret = io->list(io->arg, dir, remove_from_log, &r);
	if (ret == -ENOENT)
		return 0;
	if (!ret)
		ret = io->sync_dir(io->arg, dir);		/* E2 */
	if (!ret)
		ret = io->rmdir(io->arg, dir);
	return ret ? tell(err, ret, dir) : 0;
}

static int remove_state(const struct stage *s, const char *name,
			struct error *err)
{
	int ret = remove_file(s, name, ".fence", err);

	return ret ? ret : remove_file(s, name, ".meta", err);
}

/* E2. The members' files with @fn, then durably. */
static int remove_members(const struct stage_group *g,
			  int (*fn)(const struct stage *s, const char *name,
				    struct error *err), struct error *err)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && g && i < g->nr_members; i++)
		if (g->members[i])
			ret = fn(g->stage, g->members[i]->meta.name, err);
	return !ret && g ? sync_dir(g->stage, g->stage->dir, err) : ret;
}

static int remove_description(const struct stage *s, const char *name,
			      struct error *err)
{
	return remove_file(s, name, ".volume", err);
}

static int remove_bases(const struct stage_group *g, struct error *err)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && g && i < g->nr_members; i++)
		if (g->members[i])
			ret = remove_base(g->stage, g->members[i]->meta.base,
					  err);
	return ret;
}

/* E1. @g: the members that still have a description; NULL: none has. */
static int end(struct stage *s, const struct stage_delete_block *b,
	       const struct stage_group *g, struct error *err)
{
	int ret = b->keeps_bases ? 0 : remove_bases(g, err);

	if (!ret)
		ret = remove_log(s, b, err);
	if (!ret)
		ret = remove_members(g, remove_state, err);
	if (!ret)
		ret = remove_members(g, remove_description, err);
	if (!ret)
		ret = remove_file(s, b->group, SUFFIX, err);	/* E3 */
	if (ret)
		s->is_delete_stuck = true;
	return ret;
}

/* --- memory --------------------------------------------------------------- */

static void take_out_volume(struct stage *s, struct stage_volume *v)
{
	struct stage_volume **at = &s->volumes;

	while (*at && *at != v)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = v->next;			/* v->next stays, E4 */
	v->next_gone = s->gone_volumes;
	s->gone_volumes = v;
}

/* With the stage's lock. */
static void take_out(struct stage_group *g)
{
	struct stage *s = g->stage;
	struct stage_group **at = &s->groups;

	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	g->next = s->gone;
	s->gone = g;
	for (unsigned int i = 0; i < g->nr_members; i++)
		if (g->members[i])
			take_out_volume(s, g->members[i]);
}

static void close_base(struct stage_volume *v)
{
	const struct stage_io *io = v->stage->io;

	if (v->base_fd >= 0)
		io->close(io->arg, v->base_fd);
	v->base_fd = -1;
}

/* Who reads without a connection has `files`. */
static void close_files(struct stage_group *g)
{
	pthread_rwlock_wrlock(&g->files);
	pthread_mutex_lock(&g->lock);
	pthread_rwlock_wrlock(&g->index_lock);
	for (unsigned int i = 0; i < g->nr_members; i++)
		if (g->members[i]) {
			stage_index_erase(g->index, &g->members[i]->tree, 0,
					  UINT64_MAX);
			close_base(g->members[i]);
		}
	g->nr_epochs = 0;
	stage_segment_close_all(g);
	pthread_rwlock_unlock(&g->index_lock);
	pthread_mutex_unlock(&g->lock);
	pthread_rwlock_unlock(&g->files);
}

void stage_delete_free(struct stage *s)
{
	struct stage_volume *v;
	struct stage_group *g;

	while ((v = s->gone_volumes)) {
		s->gone_volumes = v->next_gone;
		stage_volume_destroy(v);
	}
	while ((g = s->gone)) {
		s->gone = g->next;
		stage_group_destroy(g);
	}
}

/* --- beginning it --------------------------------------------------------- */

/* Locked. */
static int check_idle(const struct stage_group *g, struct error *err)
{
	for (unsigned int i = 0; i < g->nr_members; i++)
		if (g->members[i] && g->members[i]->nr_conns)
			return error_set(err, -EBUSY, "%s: somebody is "
					 "connected to it: a primary that "
					 "writes it, or who reads it",
					 g->members[i]->meta.name);
	for (const struct stage_image *i = g->images; i; i = i->next)
		return error_set(err, -EBUSY, "%s: an image of it is open, of "
				 "epoch %llu", i->v->meta.name,
				 (unsigned long long)i->epoch);
	return 0;
}

static bool is_primary(enum stage_phase phase)
{
	return phase == STAGE_PHASE_FENCED || phase == STAGE_PHASE_LEFT;
}

static int refuse_primary(const char *name, struct error *err)
{
	return error_set(err, -EPERM, "%s: was promoted, and its base is that "
			 "of a primary here", name);
}

/* Locked. E5 */
static int check_fences(const struct stage_volume *v, struct error *err)
{
	const struct stage_group *g = v->g;
	enum stage_phase phase = STAGE_PHASE_OPEN;
	int ret;

	for (unsigned int i = 0; i < g->nr_members; i++)
		if (g->members[i] && is_primary(g->members[i]->fence.phase))
			return refuse_primary(g->members[i]->meta.name, err);
	ret = g->error.code ? stage_fence_look(v, &phase, err) : 0;
	return !ret && is_primary(phase) ? refuse_primary(g->name, err) : ret;
}

/* E5. The group is shut: nobody changes a fence. */
static bool keeps_bases(const struct stage_volume *v,
			const struct error *error, unsigned int flags)
{
	enum stage_phase phase = stage_phase_of(v->g);

	if (flags & STAGE_DELETE_KEEP_BASE ||
	    (error->code && stage_fence_look(v, &phase, NULL)))
		return true;
	return phase == STAGE_PHASE_GIVEN_UP &&
	       !(flags & STAGE_DELETE_GIVEN_UP);
}

/* Locked. */
static int check(const struct stage_volume *v, unsigned int flags,
		 struct error *err)
{
	const struct stage_group *g = v->g;
	int ret;

	if (!stage_name_ok(g->name))	/* its description is damaged */
		return error_set(err, -EIO, "%s", g->error.text);
	ret = check_fences(v, err);
	if (ret)
		return ret;
	if (flags & STAGE_DELETE_GIVEN_UP && !g->error.code &&
	    stage_phase_of(g) != STAGE_PHASE_GIVEN_UP)
		return error_set(err, -ESTALE, "%s: was not given up here",
				 v->meta.name);
	if (g->nr_members > 1 && !(flags & STAGE_DELETE_GROUP))
		return error_set(err, -EOPNOTSUPP, "%s: is one of %u in group "
				 "%s: they have one log, and go together",
				 v->meta.name, g->nr_members, g->name);
	return check_idle(g, err);
}

int stage_delete_check(struct stage_volume *v, unsigned int flags,
		       struct error *err)
{
	int ret;

	pthread_mutex_lock(&v->g->lock);
	ret = check(v, flags, err);
	pthread_mutex_unlock(&v->g->lock);
	return ret;
}

/* E4. From here on nobody opens it. */
static int shut(struct stage_volume *v, unsigned int flags, struct error *err)
{
	struct stage_group *g = v->g;
	int ret;

	pthread_mutex_lock(&g->lock);
	ret = check(v, flags, err);
	if (!ret)
		error_set(&g->error, -ENOENT, "it was deleted");
	pthread_mutex_unlock(&g->lock);
	return ret;
}

/*
 * The note may be there all the same, if its sync has failed: then it must go,
 * durably, or the volume is not to be used.
 */
static int undo(struct stage_group *g, const struct error *before,
		bool has_applier, struct error *err)
{
	struct stage *s = g->stage;
	int ret = remove_file(s, g->name, SUFFIX, NULL);

	if (!ret)
		ret = sync_dir(s, s->dir, NULL);
	pthread_mutex_lock(&g->lock);
	if (ret)
		error_set(&g->error, -EIO, "it is not known whether it is "
			  "deleted: open the stage again");
	else
		g->error = *before;
	g->is_stopping = false;
	pthread_mutex_unlock(&g->lock);
	if (!ret && has_applier)
		stage_apply_start(g, err);
	return ret;
}

static int write_note(struct stage_group *g,
		      const struct stage_delete_block *b, struct error *err)
{
	char block[STAGE_BLOCK_BYTES];

	stage_delete_encode(b, block);
	return stage_block_write(g->stage, g->name, SUFFIX, block, err);
}

/* @error: what it had before it was shut. */
static void fill_note(const struct stage_volume *v, const struct error *error,
		      unsigned int flags, struct stage_delete_block *b)
{
	const struct stage_group *g = v->g;

	memset(b, 0, sizeof(*b));
	memcpy(b->group, g->name, sizeof(b->group));
	memcpy(b->log_id, g->log_id, sizeof(b->log_id));
	b->keeps_bases = keeps_bases(v, error, flags);
}

static int delete_locked(struct stage_volume *v, unsigned int flags,
			 struct error *err)
{
	struct stage_group *g = v->g;
	struct error before = g->error;
	struct stage_delete_block b;
	bool has_applier = g->has_applier;
	int ret = shut(v, flags, err);

	if (ret)
		return ret;
	stage_apply_stop(g);
	fill_note(v, &before, flags, &b);
	ret = write_note(g, &b, err);
	if (ret) {
		undo(g, &before, has_applier, NULL);
		return ret;
	}
	take_out(g);
	close_files(g);
	return end(g->stage, &b, g, err);
}

int stage_delete(struct stage_volume *v, unsigned int flags, struct error *err)
{
	struct stage *s = v->stage;
	bool is_gone;
	int ret;

	pthread_mutex_lock(&s->lock);
	pthread_mutex_lock(&v->g->lock);
	is_gone = v->next_gone || s->gone_volumes == v;
	pthread_mutex_unlock(&v->g->lock);
	ret = is_gone ? error_set(err, -ENOENT, "%s: it was deleted",
				  v->meta.name) : delete_locked(v, flags, err);
	pthread_mutex_unlock(&s->lock);
	return ret;
}

/* --- what was begun ------------------------------------------------------- */

struct notes {
	char (*names)[STAGE_NAME_LEN];
	unsigned int nr;
	int ret;
};

static int note_name(void *arg, const char *file)
{
	struct notes *n = arg;
	size_t len = strlen(file), tail = strlen(SUFFIX);
	void *more;

	if (len <= tail || len - tail >= STAGE_NAME_LEN ||
	    strcmp(file + len - tail, SUFFIX))
		return 0;
	more = realloc(n->names, (n->nr + 1) * sizeof(*n->names));
	if (!more)
		return -ENOMEM;
	n->names = more;
	memcpy(n->names[n->nr], file, len - tail);
	n->names[n->nr++][len - tail] = 0;
	return 0;
}

static struct stage_group *find_group(struct stage *s, const char *name)
{
	struct stage_group *g = s->groups;

	while (g && strcmp(g->name, name))
		g = g->next;
	return g;
}

/* Those of an earlier try are in no list any more. */
static struct stage_group *find_gone(struct stage *s,
				     const struct stage_delete_block *b)
{
	struct stage_group *g = s->gone;

	while (g && memcmp(g->log_id, b->log_id, sizeof(b->log_id)))
		g = g->next;
	return g;
}

/* A note that cannot be read is no reason to remove anything. */
static int resume(struct stage *s, const char *name, struct error *err)
{
	char block[STAGE_BLOCK_BYTES];
	struct stage_delete_block b;
	struct stage_group *g = find_group(s, name);
	int ret = stage_block_read(s, name, SUFFIX, block);

	if (!ret)
		ret = stage_delete_decode(&b, block);
	if (!ret && strcmp(b.group, name))
		ret = -EBADMSG;
	if (ret) {
		if (g)
			error_set(&g->error, -EIO, "%s" SUFFIX " is damaged",
				  name);
		return error_set(err, -EIO, "%s" SUFFIX " is damaged", name);
	}
	if (g && memcmp(g->log_id, b.log_id, sizeof(b.log_id)))	/* E3 */
		return remove_file(s, name, SUFFIX, err);
	if (g) {
		error_set(&g->error, -ENOENT, "it was deleted");
		take_out(g);
	}
	return end(s, &b, g ? g : find_gone(s, &b), err);
}

int stage_delete_resume(struct stage *s, struct error *err)
{
	struct notes n = { 0 };
	int ret = s->io->list(s->io->arg, s->dir, note_name, &n), one;

	s->is_delete_stuck = ret;
	for (unsigned int i = 0; i < n.nr; i++) {
		one = resume(s, n.names[i], err);
		if (one)
			ret = one;
	}
	s->is_delete_stuck = ret;
	free(n.names);
	return ret;
}
