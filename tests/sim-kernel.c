// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ring.h"

#define MAX_VOLUMES	2048
#define ROOM		1048576	/* bytes: chunks that a volume can grow by */

struct sim_kernel {
	struct kernel kernel;
	uint32_t id;
	int fifo;
	char error[200];
};

static struct sim_volume *volumes[MAX_VOLUMES];	/* mapped, guarded by lock */
static uint64_t devs[MAX_VOLUMES];		/* their numbers */
static unsigned int nr_handles;

/* --- files ------------------------------------------------------------- */

const char *sim_path(const char *name, const char *suffix)
{
	static __thread char path[2][500];
	static __thread unsigned int turn;
	const char *folder = getenv("SIM_DIR");

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s%s",
		 folder ? folder : ".", name, suffix);
	return path[turn];
}

/* A thread's own, kept open: a real kernel would take a microsecond. */
int sim_lock(void)
{
	static __thread int fd = -1;

	if (fd < 0)
		fd = open(sim_path("lock", ""), O_RDWR | O_CREAT | O_CLOEXEC,
			  0600);
	if (fd >= 0)
		flock(fd, LOCK_EX);
	return fd;
}

void sim_unlock(int *fd)
{
	if (*fd >= 0)
		flock(*fd, LOCK_UN);
}

struct sim_volume *sim_map_file(const char *name)
{
	int fd = open(sim_path(name, ".map"), O_RDWR | O_CLOEXEC);
	struct stat st;
	void *map = MAP_FAILED;

	if (fd >= 0 && !fstat(fd, &st))
		map = mmap(NULL, st.st_size + ROOM, PROT_READ | PROT_WRITE,
			   MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	return map == MAP_FAILED ? NULL : map;
}

struct sim_volume *sim_find(const char *name)
{
	for (int i = 0; i < MAX_VOLUMES; i++) {
		if (volumes[i] && !strcmp(volumes[i]->name, name))
			return volumes[i];
		if (volumes[i])
			continue;
		volumes[i] = sim_map_file(name);
		devs[i] = volumes[i] ? volumes[i]->info.dev : 0;
		return volumes[i];
	}
	return NULL;
}

void sim_forget(const char *name)
{
	int last = 0, at = -1;

	for (int i = 0; i < MAX_VOLUMES && volumes[i]; i++) {
		at = strcmp(volumes[i]->name, name) ? at : i;
		last = i;
	}
	if (at < 0)
		return;
	volumes[at] = volumes[last];
	devs[at] = devs[last];
	volumes[last] = NULL;
}

static struct sim_volume *find_dev(uint64_t dev)
{
	for (int i = 0; i < MAX_VOLUMES && volumes[i]; i++)
		if (devs[i] == dev)
			return volumes[i];
	return NULL;
}

/* --- epochs ------------------------------------------------------------ */

void sim_count(struct sim_volume *v)
{
	uint64_t dirty = 0, frozen = 0, held = 0, preserved = 0;

	for (uint64_t i = 0; i < v->nr_chunks; i++) {
		uint8_t c = v->chunks[i];

		dirty += !!(c & SIM_DIRTY);
		frozen += !!(c & SIM_FROZEN);
		held += (c & (SIM_FROZEN | SIM_RELEASED)) == SIM_FROZEN;
		preserved += !!(c & SIM_PRESERVED);
	}
	v->info.nr_dirty = dirty;
	v->info.nr_frozen = frozen;
	v->info.nr_held = held;
	v->info.nr_preserved = preserved;
}

void sim_end_one(struct sim_volume *v, enum dmr_end how)
{
	for (uint64_t i = 0; i < v->nr_chunks; i++) {
		uint8_t *c = &v->chunks[i];

		if ((*c & SIM_FROZEN) && (how == DMR_END_ABORT ||
		    (how == DMR_END_KEEP && !(*c & SIM_RELEASED))))
			*c |= SIM_DIRTY;
		else if (*c & SIM_FROZEN)
			*c |= SIM_UNNAMED;
		*c &= SIM_ON_DISK;
	}
	v->ended = v->info.epoch;
	if (how != DMR_END_ABORT)
		v->info.last_committed = v->info.epoch;
	sim_meta_ended(v, how);
	v->info.nr_commits += how == DMR_END_COMMIT;
	v->info.nr_keeps += how == DMR_END_KEEP;
	v->info.nr_aborts += how == DMR_END_ABORT;
	v->info.epoch = 0;
	v->info.epoch_flags = 0;
	v->info.state = DMR_STATE_IDLE;
	sim_count(v);
}

/* What the kernel does when the owner's socket closes. */
void sim_notice_death(struct sim_volume *v)
{
	pid_t pid = v->info.owner >> 8;

	if (!pid || pid == getpid() || !kill(pid, 0) || errno != ESRCH)
		return;
	if (v->info.epoch)
		sim_end_one(v, DMR_END_ABORT);
	v->info.owner = 0;
	v->held_until = 0;
}

static int freeze(struct sim_volume *v)
{
	size_t len = v->info.chunk_sectors * 512;
	char buf[SIM_CHUNK_MAX];
	int img = open(sim_path(v->name, ".img"), O_RDONLY | O_CLOEXEC);
	int view = open(sim_path(v->name, ".view"), O_WRONLY | O_CLOEXEC);
	int err = img < 0 || view < 0 ? -EIO : 0;

	for (uint64_t i = 0; !err && i < v->nr_chunks; i++) {
		if (!(v->chunks[i] & SIM_DIRTY))
			continue;
		v->chunks[i] = SIM_FROZEN | (v->chunks[i] & SIM_UNNAMED);
		if (pread(img, buf, len, i * len) < 0 ||
		    pwrite(view, buf, len, i * len) < 0)
			err = -EIO;
	}
	close(img);
	close(view);
	return err;
}

static uint64_t now_realtime(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

bool sim_is_held(const struct sim_volume *v)
{
	return v->held_until > now_realtime();
}

static void cut_one(struct sim_volume *v, uint64_t epoch, uint32_t flags)
{
	v->info.epoch = epoch;
	v->info.highest_seen = epoch;
	v->info.epoch_flags = flags;
	v->info.state = DMR_STATE_FROZEN;
	v->info.cut_time = now_realtime();
	v->info.nr_cuts++;
	freeze(v);
	sim_count(v);
	sim_send(v, DMR_EVENT_FROZEN);
}

/* --- the table --------------------------------------------------------- */

static struct sim_kernel *sim_of(struct kernel *kernel)
{
	return container_of(kernel, struct sim_kernel, kernel);
}

static int refuse(struct kernel *kernel, int err, const char *text)
{
	snprintf(sim_of(kernel)->error, sizeof(sim_of(kernel)->error), "%s",
		 text);
	return err;
}

/* The volume, if this handle owns it and (@epoch not 0) that epoch is open. */
static int find(struct kernel *kernel, uint64_t dev, uint64_t epoch,
		struct sim_volume **v)
{
	*v = find_dev(dev);
	if (!*v)
		return refuse(kernel, -ENODEV, "no such device");
	sim_notice_death(*v);
	if ((*v)->info.owner != sim_of(kernel)->id)
		return refuse(kernel, -EPERM, "not the owner");
	if (epoch && (*v)->info.epoch != epoch)
		return refuse(kernel, -ESTALE, "that epoch is not open");
	return 0;
}

static int sim_open(struct kernel **kernel, char error[KERNEL_ERROR_SIZE])
{
	struct sim_kernel *sim = calloc(1, sizeof(*sim));
	char fifo[32];

	if (!sim)
		return -ENOMEM;
	sim->id = (uint32_t)getpid() << 8 | (nr_handles++ & 0xff);
	snprintf(fifo, sizeof(fifo), "events.%u", sim->id);
	mkfifo(sim_path(fifo, ""), 0600);
	sim->fifo = open(sim_path(fifo, ""), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (sim->fifo < 0) {
		snprintf(error, KERNEL_ERROR_SIZE, "%s: %s", sim_path(fifo, ""),
			 strerror(errno));
		free(sim);
		return -EIO;
	}
	sim->kernel.ops = &sim_kernel_ops;
	*kernel = &sim->kernel;
	return 0;
}

static void sim_close(struct kernel *kernel)
{
	LOCKED;
	struct sim_kernel *sim = sim_of(kernel);
	char fifo[32];

	for (int i = 0; i < MAX_VOLUMES && volumes[i]; i++) {
		if (volumes[i]->info.owner != sim->id)
			continue;
		if (volumes[i]->info.epoch)
			sim_end_one(volumes[i], DMR_END_ABORT);
		volumes[i]->info.owner = 0;
		volumes[i]->held_until = 0;
	}
	snprintf(fifo, sizeof(fifo), "events.%u", sim->id);
	unlink(sim_path(fifo, ""));
	close(sim->fifo);
	free(sim);
}

static int sim_fd(struct kernel *kernel)
{
	return sim_of(kernel)->fifo;
}

static const char *sim_error(struct kernel *kernel)
{
	return sim_of(kernel)->error;
}

static int sim_next_event(struct kernel *kernel, struct dmr_nl_event *ev)
{
	return read(sim_of(kernel)->fifo, ev, sizeof(*ev)) == sizeof(*ev);
}

static int sim_get(struct kernel *kernel, uint64_t dev, struct dmr_info *info)
{
	LOCKED;
	struct sim_volume *v = find_dev(dev);

	if (!v || v->is_plain)
		return refuse(kernel, -ENODEV, "no such device");
	sim_notice_death(v);
	*info = v->info;
	v->nr_gets++;
	sim_meta_looked(v);
	return 0;
}

static int sim_get_all(struct kernel *kernel, dmr_info_fn fn, void *arg)
{
	LOCKED;
	int err = 0;

	for (int i = 0; !err && i < MAX_VOLUMES && volumes[i]; i++) {
		if (volumes[i]->is_plain)
			continue;
		sim_notice_death(volumes[i]);
		volumes[i]->nr_dumps++;
		err = fn(arg, &volumes[i]->info);
		sim_meta_looked(volumes[i]);
	}
	return err;
}

static int sim_attach(struct kernel *kernel, uint64_t dev,
		      struct dmr_info *info)
{
	LOCKED;
	struct sim_volume *v = find_dev(dev);

	if (!v || v->is_plain)
		return refuse(kernel, -ENODEV, "no such device");
	sim_notice_death(v);
	if (v->info.owner && v->info.owner != sim_of(kernel)->id)
		return refuse(kernel, -EBUSY, "another process is attached");
	v->info.owner = sim_of(kernel)->id;
	v->info.attaches++;
	*info = v->info;
	return 0;
}

static int sim_detach(struct kernel *kernel, uint64_t dev)
{
	LOCKED;
	struct sim_volume *v;
	int err = find(kernel, dev, 0, &v);

	if (err)
		return err;
	if (v->info.epoch)
		sim_end_one(v, DMR_END_ABORT);
	v->info.owner = 0;
	v->held_until = 0;
	return 0;
}

static int sim_join(struct kernel *kernel, uint64_t dev, uint64_t group)
{
	LOCKED;
	struct sim_volume *v;
	int err = find(kernel, dev, 0, &v);

	if (!err && v->info.epoch)
		err = refuse(kernel, -EBUSY, "an epoch is open");
	if (!err)
		v->info.group = group;
	return err;
}

/* Next member of the group of @v after *i; a lone volume is its own group. */
static struct sim_volume *next_member(struct sim_volume *v, int *i)
{
	while (*i < MAX_VOLUMES && volumes[*i]) {
		struct sim_volume *m = volumes[(*i)++];

		if (m == v || (v->info.group &&
			       m->info.group == v->info.group))
			return m;
	}
	return NULL;
}

static int sim_cut(struct kernel *kernel, uint64_t dev, uint64_t epoch,
		   uint32_t flags, struct dmr_cut *cut)
{
	LOCKED;
	struct sim_volume *v, *m;
	int err = find(kernel, dev, 0, &v);

	if (err)
		return err;
	for (int i = 0; (m = next_member(v, &i));) {
		if (m->info.epoch)
			return refuse(kernel, -EBUSY, "an epoch is open");
		if (epoch <= m->info.highest_seen)
			return refuse(kernel, -ERANGE, "the number is used");
	}
	for (int i = 0; (m = next_member(v, &i));)
		cut_one(m, epoch, flags);
	cut->epoch = epoch;
	cut->epoch_flags = flags;
	cut->cut_time = v->info.cut_time;
	return 0;
}

static int sim_get_frozen(struct kernel *kernel, uint64_t dev, uint64_t epoch,
			  dmr_extents_fn fn, void *arg)
{
	LOCKED;
	struct sim_volume *v;
	int err = find(kernel, dev, epoch, &v);

	for (uint64_t i = 0; !err && i < v->nr_chunks; i++) {
		struct dmr_extent e = { i, 1 };

		if (v->chunks[i] & SIM_FROZEN)
			err = fn(arg, &e, 1);
	}
	return err;
}

static int sim_get_dirty(struct kernel *kernel, uint64_t dev,
			 dmr_extents_fn fn, void *arg)
{
	LOCKED;
	struct sim_volume *v = find_dev(dev);
	int err = v ? 0 : refuse(kernel, -ENODEV, "no such device");

	for (uint64_t i = 0; !err && i < v->nr_chunks; i++) {
		struct dmr_extent e = { i, 1 };

		if (v->chunks[i] & SIM_DIRTY)
			err = fn(arg, &e, 1);
	}
	return err;
}

static int release_one(struct sim_volume *v, const struct dmr_extent *e)
{
	for (uint64_t i = e->start; i < e->start + e->count; i++) {
		if (i >= v->nr_chunks || !(v->chunks[i] & SIM_FROZEN))
			return -EINVAL;
		v->chunks[i] |= SIM_RELEASED;
	}
	return 0;
}

static int sim_release(struct kernel *kernel, uint64_t dev, uint64_t epoch,
		       const struct dmr_extent *e, size_t nr,
		       struct dmr_released *out)
{
	LOCKED;
	struct sim_volume *v;
	int err = find(kernel, dev, epoch, &v);

	for (size_t i = 0; !err && i < nr; i++)
		err = release_one(v, &e[i]);
	if (err)
		return err;
	sim_count(v);
	out->nr_held = v->info.nr_held;
	out->epoch_flags = v->info.epoch_flags;
	return 0;
}

static int sim_end(struct kernel *kernel, uint64_t dev, uint64_t epoch,
		   enum dmr_end how)
{
	LOCKED;
	struct sim_volume *v, *m;
	int err = find(kernel, dev, 0, &v);

	if (err)
		return err;
	if (v->info.epoch != epoch)
		return v->ended == epoch && !v->info.epoch ? 0 :
		       refuse(kernel, -ESTALE, "that epoch is not open");
	for (int i = 0; how == DMR_END_COMMIT && (m = next_member(v, &i));)
		if (m->info.nr_held)
			return refuse(kernel, -EBUSY, "chunks are held");
	for (int i = 0; (m = next_member(v, &i));)
		sim_end_one(m, how);
	return 0;
}

static int sim_mark(struct kernel *kernel, uint64_t dev,
		    const struct dmr_extent *e, size_t nr)
{
	LOCKED;
	struct sim_volume *v = find_dev(dev);
	struct dmr_extent all = { 0, v ? v->nr_chunks : 0 };

	if (!v)
		return refuse(kernel, -ENODEV, "no such device");
	for (size_t i = 0; i < (e ? nr : 1); i++) {
		const struct dmr_extent *x = e ? &e[i] : &all;

		for (uint64_t c = x->start; c < x->start + x->count; c++)
			v->chunks[c] |= v->chunks[c] & SIM_DIRTY ? 0 :
					SIM_DIRTY | SIM_MARKED;
	}
	sim_meta_changed(v);
	sim_count(v);
	return 0;
}

static int sim_set(struct kernel *kernel, uint64_t dev,
		   const struct dmr_set *set)
{
	LOCKED;
	struct sim_volume *v;
	int err = find(kernel, dev, 0, &v);

	if (!err && v->info.epoch)
		err = refuse(kernel, -EBUSY, "an epoch is open");
	if (!err && set->ancestors && !sim_is_kept(v))
		err = refuse(kernel, -EOPNOTSUPP, "a volume without metadata "
			     "has no ancestors");
	if (err)
		return err;
	if (set->role)
		v->info.role = *set->role;
	if (set->generation)
		v->info.generation = *set->generation;
	if (set->ancestors) {
		v->info.nr_ancestors = set->nr_ancestors;
		memcpy(v->info.ancestors, set->ancestors,
		       set->nr_ancestors * sizeof(*set->ancestors));
	}
	sim_meta_changed(v);
	return 0;
}

static int sim_hold(struct kernel *kernel, uint64_t dev, uint32_t ms)
{
	LOCKED;
	struct sim_volume *v, *m;
	int err = find(kernel, dev, 0, &v);

	if (!err && ms && !access(sim_path("suspended", ""), F_OK))
		err = refuse(kernel, -EBUSY, "a device of the group is "
			     "suspended");
	for (int i = 0; !err && (m = next_member(v, &i));)
		m->held_until = ms ? now_realtime() + ms * 1000000ULL : 0;
	return err;
}

static int no_device(const char *device, char error[KERNEL_ERROR_SIZE])
{
	snprintf(error, KERNEL_ERROR_SIZE, "there is no device %s", device);
	return -ENXIO;
}

static int sim_is_plain(const struct kernel_form *form,
			char error[KERNEL_ERROR_SIZE])
{
	LOCKED;
	struct sim_volume *v = sim_find(form->device);

	if (sim_is_new_base(form))
		return 1;
	return v ? v->is_plain : no_device(form->device, error);
}

static int insert(const struct kernel_form *form, struct kernel_device *out,
		  char error[KERNEL_ERROR_SIZE])
{
	LOCKED;
	struct sim_volume *v = sim_find(form->device);

	if (!v)
		return no_device(form->device, error);
	if (!unlink(sim_path(v->name, ".late"))) {
		snprintf(error, KERNEL_ERROR_SIZE, "%s comes late", v->name);
		return -ENOENT;
	}
	out->was_written = v->is_plain && v->was_written;
	if (v->is_plain) {
		sim_load(v);
		sim_load_larger(v);
	}
	v->is_plain = v->was_written = false;
	sim_fit_view(v);
	if (form->metadata && strcmp(form->metadata, "none"))
		sim_meta_keep(v);
	out->form = !form->origin ? "inserted" :
		    strncmp(form->origin, "/dev/vg/", 8) ? "own" : "private";
	out->dev = v->info.dev;
	snprintf(out->name, sizeof(out->name), "%s", v->name);
	snprintf(out->view, sizeof(out->view), "%s", sim_path(v->name, ".view"));
	snprintf(out->live, sizeof(out->live), "%s", sim_path(v->name, ".img"));
	return 0;
}

static int sim_insert(const struct kernel_form *form,
		      struct kernel_device *out, char error[KERNEL_ERROR_SIZE])
{
	int err = sim_is_new_base(form) ? sim_take_base(form, error) : 0;

	return err ? err : insert(form, out, error);
}

static int sim_take_out(const struct kernel_form *form,
			char error[KERNEL_ERROR_SIZE])
{
	LOCKED;
	struct sim_volume *v = sim_find(form->device);

	sim_note_step("take out");
	if (!v)
		return -ENXIO;
	v->is_plain = true;
	v->held_until = 0;
	return 0;
}

const struct kernel_ops sim_kernel_ops = {
	.open = sim_open,
	.close = sim_close,
	.fd = sim_fd,
	.error = sim_error,
	.next_event = sim_next_event,
	.get = sim_get,
	.get_all = sim_get_all,
	.attach = sim_attach,
	.detach = sim_detach,
	.join = sim_join,
	.cut = sim_cut,
	.get_frozen = sim_get_frozen,
	.get_dirty = sim_get_dirty,
	.release = sim_release,
	.end = sim_end,
	.mark = sim_mark,
	.set = sim_set,
	.hold = sim_hold,
	.is_plain = sim_is_plain,
	.insert = sim_insert,
	.check_out = sim_check_out,
	.take_out = sim_take_out,
	.activate = sim_activate,
	.deactivate = sim_deactivate,
	.is_private_base = sim_is_private_base,
	.nr_opens = sim_nr_opens,
	.note_step = sim_note_step,
	.extend = sim_extend,
};
