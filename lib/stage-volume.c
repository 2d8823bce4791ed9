// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The table of volumes: NAME.volume in the stage's directory, one block each,
 * and GROUP.log/ with the log. A volume is there from the moment at which its
 * block has its name; all that it needs is made before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "stage-device.h"
#include "stage-parts.h"

#define SUFFIX		".volume"

bool stage_path(const struct stage *s, const char *name, const char *suffix,
		char *path, size_t size)
{
	int n = snprintf(path, size, "%s/%s%s", s->dir, name, suffix);

	return n > 0 && (size_t)n < size;
}

/* --- groups --------------------------------------------------------------- */

/* It is held for some microseconds by each request: to sleep costs more. */
static void init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

static int init_locks(struct stage_group *g)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr,
			PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&g->files, &attr);
	pthread_rwlock_init(&g->index_lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	init_lock(&g->lock);
	pthread_mutex_init(&g->base_lock, NULL);
	pthread_mutex_init(&g->checkpoint_lock, NULL);
	pthread_cond_init(&g->changed, NULL);
	pthread_cond_init(&g->drained, NULL);
	return 0;
}

struct stage_group *stage_group_create(struct stage *s, const char *name,
				       const uint8_t *log_id, struct error *err)
{
	struct stage_group *g = calloc(1, sizeof(*g));

	if (g)
		g->index = stage_index_create();
	if (!g || !g->index) {
		free(g);
		error_set(err, -ENOMEM, "no memory");
		return NULL;
	}
	g->stage = s;
	g->device_fd = -1;
	g->next_number = 1;
	snprintf(g->name, sizeof(g->name), "%s", name);
	stage_path(s, name, ".log", g->dir, sizeof(g->dir));
	memcpy(g->log_id, log_id, sizeof(g->log_id));
	init_locks(g);
	return g;
}

void stage_group_destroy(struct stage_group *g)
{
	stage_segment_close_all(g);
	stage_index_destroy(g->index);
	pthread_rwlock_destroy(&g->files);
	pthread_rwlock_destroy(&g->index_lock);
	pthread_mutex_destroy(&g->lock);
	pthread_mutex_destroy(&g->base_lock);
	pthread_mutex_destroy(&g->checkpoint_lock);
	pthread_cond_destroy(&g->changed);
	pthread_cond_destroy(&g->drained);
	free(g->gather.buf);
	free(g->spare);
	free(g->members);
	free(g->epochs);
	free(g);
}

int stage_group_add_member(struct stage_group *g, struct stage_volume *v)
{
	unsigned int nr = v->meta.member + 1;
	struct stage_volume **more;

	if (nr > g->nr_members) {
		more = realloc(g->members, nr * sizeof(*more));
		if (!more)
			return -ENOMEM;
		g->members = more;
		while (g->nr_members < nr)
			g->members[g->nr_members++] = NULL;
	}
	if (g->members[v->meta.member])
		return -EEXIST;
	g->members[v->meta.member] = v;
	v->g = g;
	return 0;
}

static struct stage_group *find_group(struct stage *s, const char *name)
{
	struct stage_group *g = s->groups;

	while (g && strcmp(g->name, name))
		g = g->next;
	return g;
}

static struct stage_group *get_group(struct stage *s, const char *name,
				     const uint8_t *log_id, struct error *err)
{
	struct stage_group *g = find_group(s, name);

	if (g)
		return g;
	g = stage_group_create(s, name, log_id, err);
	if (!g)
		return NULL;
	g->next = s->groups;
	s->groups = g;
	return g;
}

/* --- bases ---------------------------------------------------------------- */

/* That of a volume that is described was as large, durably, before that. */
static int refuse_short(const struct stage_volume *v, uint64_t size,
			struct error *err)
{
	return error_set(err, -EIO, "%s: has %llu bytes, the volume %llu: it "
			 "is not the base, or has lost its end: do not make it larger, "
			 "but put it back, or delete the replica", v->meta.base,
			 (unsigned long long)size,
			 (unsigned long long)v->meta.bytes);
}

static int fit_base(struct stage_volume *v, bool is_new, struct error *err)
{
	const struct stage_io *io = v->stage->io;
	uint64_t size;
	int ret = stage_fault(S9) ? 0 : io->lock(io->arg, v->base_fd);

	if (ret)
		return error_set(err, ret, "%s: another process has it",
				 v->meta.base);
	ret = io->size(io->arg, v->base_fd, &size);
	if (!ret && size < v->meta.bytes) {
		if (!is_new)
			return refuse_short(v, size, err);
		ret = io->truncate(io->arg, v->base_fd, v->meta.bytes);
		if (!ret)
			ret = io->sync(io->arg, v->base_fd);
	}
	return ret ? error_set(err, ret, "%s: is smaller than the volume, and "
			       "cannot be grown: %s", v->meta.base,
			       strerror(-ret)) : 0;
}

/* A new one, if there is none: its name is on the disk before the volume's. */
static int make_base(struct stage_volume *v, struct error *err)
{
	const struct stage_io *io = v->stage->io;
	int fd = io->open(io->arg, v->meta.base, O_RDWR | O_CREAT), ret;
	char dir[STAGE_PATH_LEN];

	if (fd < 0)
		return error_set(err, fd, "%s: %s", v->meta.base,
				 strerror(-fd));
	io->close(io->arg, fd);
	memcpy(dir, v->meta.base, sizeof(dir));
	*strrchr(dir, '/') = 0;
	ret = io->sync_dir(io->arg, dir[0] ? dir : "/");
	return ret ? error_set(err, ret, "%s: %s", v->meta.base,
			       strerror(-ret)) : 0;
}

/* O_EXCL: nobody else may have a block device (S9). */
static int open_base(struct stage_volume *v, bool is_new, struct error *err)
{
	const struct stage_io *io = v->stage->io;
	int flags = stage_fault(S9) ? O_RDWR : O_RDWR | O_EXCL;
	int fd = io->open(io->arg, v->meta.base, flags), ret;

	if (fd < 0)
		return error_set(err, fd, "%s: %s", v->meta.base,
				 strerror(-fd));
	v->base_fd = fd;
	ret = fit_base(v, is_new, err);
	if (ret) {
		io->close(io->arg, fd);
		v->base_fd = -1;
	}
	return ret;
}

/* --- volumes -------------------------------------------------------------- */

static struct stage_volume *volume_create(struct stage *s,
					  const struct stage_volume_block *b)
{
	struct stage_volume *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->stage = s;
	v->base_fd = -1;
	v->meta = *b;
	v->is_session_kept = true;
	return v;
}

void stage_volume_destroy(struct stage_volume *v)
{
	const struct stage_io *io = v->stage->io;

	if (v->base_fd >= 0)
		io->close(io->arg, v->base_fd);
	free(v);
}

static void add_volume(struct stage *s, struct stage_volume *v)
{
	struct stage_volume **at = &s->volumes;

	while (*at && strcmp((*at)->meta.name, v->meta.name) < 0)
		at = &(*at)->next;
	v->next = *at;
	*at = v;
}

int stage_block_read(const struct stage *s, const char *name,
		     const char *suffix, char *block)
{
	const struct stage_io *io = s->io;
	char path[STAGE_PATH_LEN + 128];
	ssize_t n;
	int fd;

	if (!stage_path(s, name, suffix, path, sizeof(path)))
		return -ENAMETOOLONG;
	fd = io->open(io->arg, path, O_RDONLY);
	if (fd < 0)
		return fd;
	n = stage_pread(io, fd, block, STAGE_BLOCK_BYTES, 0);
	io->close(io->arg, fd);
	return n < 0 ? n : n < STAGE_BLOCK_BYTES ? -EBADMSG : 0;
}

/* A block that is no good makes a volume that tells so. */
static void make_unreadable(struct stage_volume_block *b, const char *name)
{
	static unsigned int nr;

	memset(b, 0, sizeof(*b));
	memccpy(b->name, name, 0, sizeof(b->name) - 1);
	snprintf(b->group, sizeof(b->group), "?%u", nr++);
	b->bytes = STAGE_BLOCK;
	b->chunk_bytes = STAGE_BLOCK;
}

static int load_volume(struct stage *s, const char *file, const char *name,
		       struct error *err)
{
	char block[STAGE_BLOCK_BYTES];
	struct stage_volume_block b;
	struct stage_volume *v;
	struct stage_group *g;
	int bad = stage_block_read(s, name, SUFFIX, block), ret;

	if (!bad)
		bad = stage_volume_decode(&b, block);
	if (!bad && strcmp(b.name, name))
		bad = -EBADMSG;
	if (bad)
		make_unreadable(&b, name);
	g = get_group(s, b.group, b.log_id, err);
	v = g ? volume_create(s, &b) : NULL;
	if (!v)
		return error_set(err, -ENOMEM, "no memory");
	if (bad)
		error_set(&g->error, -EIO, "%s: not the description of a "
			  "volume, or damaged: %s", file, strerror(-bad));
	add_volume(s, v);
	ret = stage_group_add_member(g, v);
	if (ret) {
		v->g = g;
		error_set(&g->error, -EIO, "%s: two members have its number",
			  name);
	}
	return 0;
}

struct load {
	struct stage *s;
	struct error *err;
};

static int load_file(void *arg, const char *file)
{
	struct load *load = arg;
	size_t len = strlen(file), tail = strlen(SUFFIX);
	char name[STAGE_NAME_LEN];

	if (len <= tail || len - tail >= sizeof(name) ||
	    strcmp(file + len - tail, SUFFIX))
		return 0;
	memcpy(name, file, len - tail);
	name[len - tail] = 0;
	return stage_name_ok(name) ? load_volume(load->s, file, name,
						 load->err) : 0;
}

static int check_device(const struct stage *s, struct error *err)
{
	return s->device && s->device->fd < 0 ?
	       error_set(err, -EIO, "%s", s->device->error.text) : 0;
}

static void start_group(struct stage_group *g)
{
	int ret = g->error.code;

	if (!ret && !stage_fault(F4))
		ret = stage_fence_load(g, &g->error);
	if (stage_phase_of(g) >= STAGE_PHASE_LEFT)
		return;
	if (!ret)
		ret = check_device(g->stage, &g->error);
	for (unsigned int i = 0; !ret && i < g->nr_members; i++) {
		if (g->members[i])
			ret = open_base(g->members[i], false, &g->error);
		else
			ret = error_set(&g->error, -EIO, "%s: member %u is "
					"missing", g->name, i);
	}
	if (!ret)
		ret = stage_group_recover(g, &g->error);
	if (!ret && stage_phase_of(g) == STAGE_PHASE_OPEN &&
	    !g->stage->opts.is_still && g->stage->io != &stage_view_io)
		stage_apply_start(g, &g->error);
}

int stage_volumes_load(struct stage *s, struct error *err)
{
	struct load load = { s, err };
	int ret = s->io->list(s->io->arg, s->dir, load_file, &load);

	if (ret)
		return error_set(err, ret, "%s: %s", s->dir, strerror(-ret));
	stage_delete_resume(s, NULL);	/* what is left does no harm */
	for (struct stage_group *g = s->groups; g; g = g->next)
		start_group(g);
	return 0;
}

/* --- a new one ------------------------------------------------------------ */

static int check_config(const struct stage *s,
			const struct stage_volume_config *c,
			struct error *err)
{
	if (!c->name || !stage_name_ok(c->name) ||
	    (c->group && !stage_name_ok(c->group)))
		return error_set(err, -EINVAL, "'%s' is no name: letters, "
				 "digits, '.', '_' and '-', at most %d",
				 c->name ? c->name : "", STAGE_NAME_LEN - 1);
	if (!c->base || c->base[0] != '/' ||
	    strlen(c->base) >= STAGE_PATH_LEN)
		return error_set(err, -EINVAL, "%s: the base must be an "
				 "absolute path", c->name);
	if (!c->bytes || c->bytes % STAGE_BLOCK ||
	    c->bytes > REPLICA_VOLUME_MAX)
		return error_set(err, -EINVAL, "%s: a volume of %llu bytes "
				 "cannot be", c->name,
				 (unsigned long long)c->bytes);
	if (c->chunk_bytes & (c->chunk_bytes - 1) ||
	    (c->chunk_bytes && c->chunk_bytes < STAGE_BLOCK))
		return error_set(err, -EINVAL, "%s: a chunk of %u bytes "
				 "cannot be", c->name, c->chunk_bytes);
	for (struct stage_volume *v = s->volumes; v; v = v->next)
		if (!strcmp(v->meta.name, c->name))
			return error_set(err, -EEXIST, "%s: is there already",
					 c->name);
	return 0;
}

static int make_log(struct stage_group *g, struct error *err)
{
	const struct stage_io *io = g->stage->io;
	int ret = io->mkdir(io->arg, g->dir);

	if (ret)
		return error_set(err, ret, "%s: %s", g->dir, strerror(-ret));
	memcpy(g->checkpoint.log_id, g->log_id, sizeof(g->log_id));
	g->checkpoint.seq = 1;
	ret = stage_checkpoint_write(g, &g->checkpoint, err);
	if (!ret)
		ret = io->sync_dir(io->arg, g->dir);
	return ret ? error_set(err, ret, "%s: %s", g->dir, strerror(-ret)) : 0;
}

int stage_block_write(const struct stage *s, const char *name,
		      const char *suffix, const char *block, struct error *err)
{
	const struct stage_io *io = s->io;
	char path[STAGE_PATH_LEN + 128], tmp[STAGE_PATH_LEN + 136];
	struct iovec iov = { (void *)block, STAGE_BLOCK_BYTES };
	int fd, ret;

	stage_path(s, name, suffix, path, sizeof(path));
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	fd = io->open(io->arg, tmp, O_RDWR | O_CREAT | O_TRUNC);
	if (fd < 0)
		return error_set(err, fd, "%s: %s", tmp, strerror(-fd));
	ret = io->pwritev(io->arg, fd, &iov, 1, 0);
	if (!ret)
		ret = io->sync(io->arg, fd);
	io->close(io->arg, fd);
	if (!ret)
		ret = io->rename(io->arg, tmp, path);
	if (!ret)
		ret = io->sync_dir(io->arg, s->dir);
	return ret ? error_set(err, ret, "%s: %s", path, strerror(-ret)) : 0;
}

static int write_meta(struct stage *s, const struct stage_volume_block *b,
		      struct error *err)
{
	char block[STAGE_BLOCK_BYTES];

	stage_volume_encode(b, block);
	return stage_block_write(s, b->name, SUFFIX, block, err);
}

static void fill_meta(const struct stage_volume_config *c,
		      const struct stage_group *g, struct stage_volume_block *b)
{
	memset(b, 0, sizeof(*b));
	snprintf(b->name, sizeof(b->name), "%s", c->name);
	snprintf(b->group, sizeof(b->group), "%s", g->name);
	snprintf(b->base, sizeof(b->base), "%s", c->base);
	memcpy(b->log_id, g->log_id, sizeof(b->log_id));
	memcpy(b->pair_id, c->pair_id, sizeof(b->pair_id));
	memcpy(b->volume_id, c->volume_id, sizeof(b->volume_id));
	b->bytes = c->bytes;
	b->chunk_bytes = c->chunk_bytes ? c->chunk_bytes : 4096;
	b->member = g->nr_members;
}

/* May it still take members? */
static int check_group(struct stage_group *g, struct error *err)
{
	uint64_t most = g->stage->opts.segment_bytes / 4 /
			(STAGE_RECORD_BYTES + REPLICA_SLOT_BYTES);

	if (g->error.code)
		return error_set(err, g->error.code, "%s", g->error.text);
	if (g->seen || g->nr_segments || stage_phase_of(g))
		return error_set(err, -EBUSY, "%s: the group has epochs: it "
				 "takes no more members", g->name);
	if (g->nr_members >= most || g->nr_members == REPLICA_MEMBERS_MAX)
		return error_set(err, -EINVAL, "%s: no more than %u members "
				 "with segments of %llu bytes", g->name,
				 g->nr_members, (unsigned long long)
				 g->stage->opts.segment_bytes);
	return 0;
}

/* The volume for @c in @g, complete on disk; NULL with the error in *err. */
static struct stage_volume *make_volume(struct stage_group *g,
					const struct stage_volume_config *c,
					struct error *err)
{
	struct stage_volume_block b;
	struct stage_volume *v;
	int ret;

	fill_meta(c, g, &b);
	v = volume_create(g->stage, &b);
	if (!v) {
		error_set(err, -ENOMEM, "no memory");
		return NULL;
	}
	ret = make_base(v, err);
	if (!ret)
		ret = open_base(v, true, err);
	if (!ret && !g->nr_members)
		ret = make_log(g, err);
	if (!ret)
		ret = write_meta(g->stage, &b, err);
	if (!ret)
		return v;
	stage_volume_destroy(v);
	return NULL;
}

static int create_locked(struct stage *s, const struct stage_volume_config *c,
			 struct stage_volume **out, struct error *err)
{
	const char *group = c->group ? c->group : c->name;
	struct stage_volume *v;
	uint8_t log_id[16];
	struct stage_group *g;
	int ret = check_config(s, c, err);

	if (!ret && s->is_delete_stuck)	/* its name may be among them */
		ret = stage_delete_resume(s, err);
	if (!ret)
		ret = check_device(s, err);
	if (ret)
		return ret;
	if (getrandom(log_id, sizeof(log_id), 0) != sizeof(log_id))
		return error_set(err, -EIO, "no random numbers");
	g = get_group(s, group, log_id, err);
	ret = g ? check_group(g, err) : -ENOMEM;
	if (ret)
		return ret;
	v = make_volume(g, c, err);
	if (!v)
		return err && err->code ? err->code : -EIO;
	pthread_mutex_lock(&g->lock);
	ret = stage_group_add_member(g, v);
	pthread_mutex_unlock(&g->lock);
	if (ret) {
		stage_volume_destroy(v);
		return error_set(err, ret, "no memory");
	}
	add_volume(s, v);
	if (out)
		*out = v;
	return g->has_applier ? 0 : stage_apply_start(g, err);
}

int stage_create_volume(struct stage *s, const struct stage_volume_config *c,
			struct stage_volume **v, struct error *err)
{
	struct error mine = { 0 };
	int ret;

	pthread_mutex_lock(&s->lock);
	ret = create_locked(s, c, v, &mine);
	pthread_mutex_unlock(&s->lock);
	return ret ? error_set(err, ret, "%s", mine.text) : 0;
}

/* --- growing -------------------------------------------------------------- */

/* Locked. */
static int check_growth(const struct stage_volume *v, uint64_t bytes,
			struct error *err)
{
	const struct stage_group *g = v->g;

	if (v->base_fd < 0 || g->error.code)
		return error_set(err, -EIO, "%s: %s", v->meta.name,
				 g->error.text);
	if (bytes < v->meta.bytes || bytes % STAGE_BLOCK ||
	    bytes > REPLICA_VOLUME_MAX)
		return error_set(err, -EINVAL, "%s: it cannot go from %llu "
				 "bytes to %llu", v->meta.name,
				 (unsigned long long)v->meta.bytes,
				 (unsigned long long)bytes);
	return 0;
}

/*
 * A file is sparse, so that a wrong size costs nothing at once; but a volume
 * never becomes smaller again.
 */
static int check_limit(const struct stage_volume *v, uint64_t bytes,
		       struct error *err)
{
	uint64_t chosen = v->stage->opts.volume_bytes, most = chosen;
	const struct stage_io *io = v->stage->io;
	int ret = chosen ? 0 : io->most(io->arg, v->base_fd, &most);

	if (ret)
		return error_set(err, ret, "%s: %s", v->meta.base,
				 strerror(-ret));
	if (bytes <= most)
		return 0;
	return error_set(err, -EINVAL, "%s: %llu bytes here, %llu there; it "
			 "grows to no more than %llu%s", v->meta.name,
			 (unsigned long long)v->meta.bytes,
			 (unsigned long long)bytes, (unsigned long long)most,
			 chosen ? "" : ", which is what its base is on");
}

int stage_volume_check_growth(const struct stage_volume *v, uint64_t bytes,
			      struct error *err)
{
	int ret = check_growth(v, bytes, err);

	return ret ? ret : check_limit(v, bytes, err);
}

/*
 * Whatever a device has there, the image has zeros. No image that is open, and
 * no record of the log, has a place there: readers and the applier go on.
 */
static int grow_base(struct stage_volume *v, uint64_t bytes, struct error *err)
{
	const struct stage_io *io = v->stage->io;
	uint64_t old = v->meta.bytes, size;
	uint64_t failures = stage_load(&v->g->base_failures);
	int ret = io->size(io->arg, v->base_fd, &size);

	if (!ret && size < bytes)
		ret = io->truncate(io->arg, v->base_fd, bytes);
	if (!ret)
		ret = io->zero(io->arg, v->base_fd, old, bytes - old);
	if (!ret)
		ret = stage_apply_sync(v->g, failures, NULL);
	return ret ? error_set(err, ret, "%s: cannot be grown to %llu bytes: "
			       "%s", v->meta.base, (unsigned long long)bytes,
			       strerror(-ret)) : 0;
}

/* The base is larger before the description says so. */
int stage_volume_grow(struct stage_volume *v, uint64_t bytes, struct error *err)
{
	struct stage_volume_block larger = v->meta;
	int ret = check_growth(v, bytes, err);

	if (ret || bytes == v->meta.bytes)
		return ret;
	larger.bytes = bytes;
	ret = grow_base(v, bytes, err);
	if (!ret)
		ret = write_meta(v->stage, &larger, err);
	if (!ret)
		stage_store(&v->meta.bytes, bytes);
	return ret;
}

int stage_grow_volume(struct stage_volume *v, uint64_t bytes,
		      struct error *err)
{
	int ret;

	pthread_mutex_lock(&v->stage->lock);
	pthread_mutex_lock(&v->g->lock);
	if (v->nr_conns || v->g->open.state != EPOCH_NONE)
		ret = error_set(err, -EBUSY, "%s: it is open, and cannot grow "
				"now", v->meta.name);
	else
		ret = stage_volume_grow(v, bytes, err);
	pthread_mutex_unlock(&v->g->lock);
	pthread_mutex_unlock(&v->stage->lock);
	return ret;
}
