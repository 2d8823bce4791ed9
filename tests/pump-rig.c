// SPDX-License-Identifier: GPL-2.0-or-later
#include "pump-rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "header.h"

#define STUCK_MS	60000

struct rig_call {
	backend_done_fn *done;
	void *arg;
	int err;
};

struct rig_faults rig_faults;

/* --- the source's faults ------------------------------------------------- */

void __real_ring_read(struct ring *ring, struct ring_op *op, int fd, void *buf,
		      unsigned int len, uint64_t off);
void __wrap_ring_read(struct ring *ring, struct ring_op *op, int fd, void *buf,
		      unsigned int len, uint64_t off);
void __real_ring_write(struct ring *ring, struct ring_op *op, int fd,
		       const void *buf, unsigned int len, uint64_t off);
void __wrap_ring_write(struct ring *ring, struct ring_op *op, int fd,
		       const void *buf, unsigned int len, uint64_t off);

/* Reading it at 0 gives EIO. */
static int broken_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	return fd;
}

void __wrap_ring_read(struct ring *ring, struct ring_op *op, int fd, void *buf,
		      unsigned int len, uint64_t off)
{
	struct rig_faults *f = &rig_faults;

	if (fd == f->source_fd && fd) {
		uint64_t bad = f->bad_sector;

		f->nr_reads++;
		if (bad >= off / 512 && bad < (off + len + 511) / 512) {
			__real_ring_read(ring, op, broken_fd(), buf, len, 0);
			return;
		}
		if (f->short_reads && len > 1)
			len = len / 2 + rand() % (len / 2);
	}
	__real_ring_read(ring, op, fd, buf, len, off);
}

void __wrap_ring_write(struct ring *ring, struct ring_op *op, int fd,
		       const void *buf, unsigned int len, uint64_t off)
{
	static char garbage[1 << 20] __attribute__((aligned(4096)));

	if (rig_faults.fail_writes)
		__real_ring_write(ring, op, broken_fd(), buf, len, 0);
	else
		__real_ring_write(ring, op, fd, rig_faults.corrupt_writes ?
				  garbage : buf, len, off);
}

/* --- memory -------------------------------------------------------------- */

int __real_posix_memalign(void **p, size_t align, size_t size);
int __wrap_posix_memalign(void **p, size_t align, size_t size);

int __wrap_posix_memalign(void **p, size_t align, size_t size)
{
	return rig_faults.no_memory ? ENOMEM :
				      __real_posix_memalign(p, align, size);
}

/* --- the target ---------------------------------------------------------- */

static struct rig *rig_of(struct backend *b)
{
	return container_of(b, struct rig, target.b);
}

static int target_take(struct backend *b, uint64_t len, uint64_t off,
		       backend_done_fn *done, void *arg)
{
	struct rig *r = rig_of(b);
	struct rig_target *t = &r->target;
	struct rig_call *call;
	int err = 0;

	if (++t->nr_calls > t->most_calls)
		t->most_calls = t->nr_calls;
	if (len && t->nr_data + t->nr_zero == t->fail_at)
		err = backend_set_error(b, -EIO, "the rig says no");
	if (t->sums_failed && !len)
		err = -EIO;
	t->sums_failed = false;
	if (err && t->fail_at_once) {
		t->nr_calls--;
		return err;
	}
	if (t->nr_calls > t->max_calls) {
		t->max_calls = t->nr_calls * 2;
		t->calls = realloc(t->calls, t->max_calls * sizeof(*t->calls));
	}
	call = malloc(sizeof(*call));
	*call = (struct rig_call) { done, arg, err };
	t->calls[t->nr_calls - 1] = call;
	for (uint64_t at = off; at < off + len && !err; at += RIG_CHUNK)
		t->seen[at / RIG_CHUNK]++;
	ring_post(r->ring, &r->tick);
	return 0;
}

static int target_write(struct backend *b, const void *buf, size_t len,
			uint64_t off, unsigned int flags,
			backend_done_fn *done, void *arg)
{
	struct rig_target *t = &rig_of(b)->target;

	t->nr_data++;
	t->digest += replica_digest(off, buf, len);
	memcpy(t->image + off, buf, len);
	return target_take(b, len, off, done, arg);
}

static int target_zero(struct backend *b, uint64_t len, uint64_t off,
		       unsigned int flags, backend_done_fn *done, void *arg)
{
	struct rig_target *t = &rig_of(b)->target;

	t->nr_zero++;
	t->digest += replica_digest(off, NULL, len);
	memset(t->image + off, 0, len);
	return target_take(b, len, off, done, arg);
}

static int target_sums(struct backend *b, uint64_t first, uint32_t nr,
		       void *sums, uint64_t seed, backend_done_fn *done,
		       void *arg)
{
	struct rig *r = rig_of(b);
	struct rig_target *t = &r->target;

	t->nr_sums += nr;
	t->sum_requests++;
	for (uint64_t c = first; c < first + nr; c++) {
		uint64_t off = c * RIG_CHUNK, left = r->bytes - off;

		replica_sum(sums, t->image + off, left < RIG_CHUNK ? left :
			    RIG_CHUNK, t->sum_seed);
		sums = (char *)sums + REPLICA_SUM_BYTES;
	}
	if (t->sum_requests == t->sums_fail_at) {
		t->sums_failed = true;
		backend_set_error(b, -EIO, "no digests");
	}
	return target_take(b, 0, 0, done, arg);
}

static const struct backend_ops target_ops = {
	.write = target_write,
	.zero = target_zero,
	.sums = target_sums,
};

static void answer_one(struct rig *r)
{
	struct rig_target *t = &r->target;
	unsigned int i = t->in_order ? 0 : rand_r(&r->seed) % t->nr_calls;
	struct rig_call call = *t->calls[i];

	free(t->calls[i]);
	t->nr_calls--;
	if (t->in_order)
		memmove(t->calls, t->calls + 1,
			t->nr_calls * sizeof(*t->calls));
	else
		t->calls[i] = t->calls[t->nr_calls];
	call.done(call.arg, call.err);
}

static void count_step(struct rig *r)
{
	if (++r->steps == r->abort_at)
		pump_abort(r->pump);
}

static void rig_tick(struct ring_work *work)
{
	struct rig *r = container_of(work, struct rig, tick);
	struct rig_target *t = &r->target;
	unsigned int n = t->nr_calls ? 1 + rand_r(&r->seed) % t->nr_calls : 0;

	count_step(r);
	if (t->stuck && !r->nr_done && !(r->abort_at &&
					 r->steps >= r->abort_at))
		return;
	while (n-- && t->nr_calls)
		answer_one(r);
	if (t->nr_calls)
		ring_post(r->ring, &r->tick);
}

/* --- the rig ------------------------------------------------------------- */

static void on_read(void *arg, const struct dmr_extent *extents, size_t nr)
{
	struct rig *r = arg;

	for (size_t i = 0; i < nr; i++) {
		for (uint64_t c = 0; c < extents[i].count; c++)
			r->released[extents[i].start + c]++;
	}
	count_step(r);
	if (r->stop_when_released && rig_all_released(r))
		ring_stop(r->ring);
}

static void on_done(void *arg, int err, const struct pump_stats *stats)
{
	struct rig *r = arg;

	r->nr_done++;
	r->result = err;
	r->stats = *stats;
	ring_stop(r->ring);
}

static void on_watchdog(struct ring_timer *timer)
{
	printf("Bail out! the job does not end\n");
	exit(1);
}

static void fill_source(struct rig *r, unsigned int zero_every)
{
	unsigned int seed = 1;

	for (uint64_t i = 0; i < r->bytes / sizeof(int); i++)
		((int *)r->source)[i] = rand_r(&seed);
	for (uint64_t c = 0; zero_every && c * RIG_CHUNK < r->bytes;
	     c += zero_every) {
		uint64_t left = r->bytes - c * RIG_CHUNK;

		memset(r->source + c * RIG_CHUNK, 0,
		       left < RIG_CHUNK ? left : RIG_CHUNK);
	}
}

static void target_init(struct rig_target *t, uint64_t bytes)
{
	t->b.ops = &target_ops;
	t->b.info = (struct backend_info) {
		.size = backend_bytes_needed(bytes),
		.max_io = 32 << 20,
		.min_block = 1,
		.can = BACKEND_CAN_ZERO | BACKEND_CAN_SUM,
		.connections = 1,
	};
	t->b.opts.volume_bytes = bytes;
	t->image = malloc(t->b.info.size);
	memset(t->image, 0xaa, t->b.info.size);
	t->seen = calloc(1, bytes / RIG_CHUNK + 1);
}

void rig_init(struct rig *r, uint64_t bytes, unsigned int zero_every)
{
	memset(r, 0, sizeof(*r));
	rig_faults = (struct rig_faults) { .bad_sector = UINT64_MAX };
	if (ring_create(&r->ring, NULL))
		exit(1);
	r->bytes = bytes;
	r->fd = memfd_create("source", MFD_CLOEXEC);
	if (ftruncate(r->fd, bytes))
		exit(1);
	r->source = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			 r->fd, 0);
	fill_source(r, zero_every);
	rig_faults.source_fd = r->fd;
	r->released = calloc(1, bytes / RIG_CHUNK + 1);
	r->extents = calloc(bytes / RIG_CHUNK + 1, sizeof(*r->extents));
	target_init(&r->target, bytes);
	r->tick.run = rig_tick;
	r->watchdog.fire = on_watchdog;
	rig_all(r);
}

void rig_free(struct rig *r)
{
	pump_destroy(r->pump);
	ring_destroy(r->ring);
	for (unsigned int i = 0; i < r->target.nr_calls; i++)
		free(r->target.calls[i]);
	free(r->target.calls);
	free(r->target.image);
	free(r->target.seen);
	free(r->released);
	free(r->extents);
	munmap(r->source, r->bytes);
	close(r->fd);
}

static uint64_t nr_chunks(const struct rig *r)
{
	return (r->bytes + RIG_CHUNK - 1) / RIG_CHUNK;
}

void rig_all(struct rig *r)
{
	r->extents[0] = (struct dmr_extent) { 0, nr_chunks(r) };
	r->nr_extents = 1;
}

/* Neighbours are left as two extents, as a reply in pieces may have them. */
void rig_random(struct rig *r, unsigned int one_of)
{
	r->nr_extents = 0;
	for (uint64_t c = 0; c < nr_chunks(r); ) {
		uint64_t n = 1 + rand_r(&r->seed) % 8;

		if (n > nr_chunks(r) - c)
			n = nr_chunks(r) - c;
		if (rand_r(&r->seed) % one_of == 0)
			r->extents[r->nr_extents++] =
				(struct dmr_extent) { c, n };
		c += n;
	}
}

void rig_pump(struct rig *r)
{
	pump_destroy(r->pump);
	if (pump_create(&r->pump, r->ring, &r->opts))
		exit(1);
}

int rig_start(struct rig *r)
{
	struct pump_job job = {
		.backend = &r->target.b,
		.fd = r->from_memory ? -1 : r->fd,
		.mem = r->source,
		.volume_bytes = r->bytes,
		.extents = r->extents,
		.nr_extents = r->nr_extents,
		.compare = r->compare,
		.seed = r->seed_of_sums,
		.held = r->held,
		.on_read = on_read,
		.done = on_done,
		.arg = r,
	};

	if (!r->pump)
		rig_pump(r);
	r->nr_done = 0;
	return pump_start(r->pump, &job);
}

void rig_run(struct rig *r)
{
	ring_timer_add(r->ring, &r->watchdog, STUCK_MS);
	ring_run(r->ring);
	ring_timer_cancel(r->ring, &r->watchdog);
}

int rig_ship(struct rig *r)
{
	int err = rig_start(r);

	if (err)
		return err;
	rig_run(r);
	return r->result;
}

/* How often each chunk is wanted: 0 or 1. */
static uint8_t *wanted(const struct rig *r)
{
	uint8_t *w = calloc(1, nr_chunks(r) + 1);

	for (size_t i = 0; i < r->nr_extents; i++)
		memset(w + r->extents[i].start, 1, r->extents[i].count);
	return w;
}

bool rig_all_released(const struct rig *r)
{
	uint8_t *w = wanted(r);
	bool all = !memcmp(w, r->released, nr_chunks(r));

	free(w);
	return all;
}

static bool chunk_is_right(const struct rig *r, uint64_t c, bool is_wanted)
{
	uint64_t off = c * RIG_CHUNK, left = r->bytes - off;
	size_t n = left < RIG_CHUNK ? left : RIG_CHUNK;

	if (is_wanted)
		return !memcmp(r->source + off, r->target.image + off, n);
	for (size_t i = 0; i < n; i++) {
		if (r->target.image[off + i] != (char)0xaa)
			return false;
	}
	return true;
}

bool rig_is_right(struct rig *r)
{
	const struct rig_target *t = &r->target;
	uint8_t *w = wanted(r);
	bool right = !memcmp(w, r->released, nr_chunks(r)) &&
		     !memcmp(w, t->seen, nr_chunks(r));

	for (uint64_t c = 0; right && c < nr_chunks(r); c++)
		right = chunk_is_right(r, c, w[c]);
	free(w);
	return right && r->nr_done == 1 && !r->result &&
	       t->digest == r->stats.digest &&
	       t->nr_data + t->nr_zero == r->stats.records;
}

bool rig_is_harmless(struct rig *r)
{
	uint8_t *w = wanted(r);
	bool fine = r->nr_done == 1 && !r->target.nr_calls;

	for (uint64_t c = 0; c < nr_chunks(r); c++)
		fine = fine && r->released[c] <= w[c] &&
		       r->target.seen[c] <= w[c];
	free(w);
	return fine;
}
