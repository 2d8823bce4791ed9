// SPDX-License-Identifier: GPL-2.0-or-later
#include "oracle-export.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ZEROS		(1 << 16)
#define CMD_FLAG_FUA	1

static const char zeros[ZEROS];

/* --- files ---------------------------------------------------------------- */

static int export_create(struct export *e, const char *path,
			 uint64_t volume_bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return -errno;
	e->volume_bytes = volume_bytes;
	e->bytes = replica_export_bytes(volume_bytes);
	err = ftruncate(fd, e->bytes) ? -errno : 0;
	if (!err)
		e->data = mmap(NULL, e->bytes, PROT_READ | PROT_WRITE,
			       MAP_SHARED, fd, 0);
	if (!err && e->data == MAP_FAILED)
		err = -errno;
	close(fd);
	return err;
}

int exports_create(struct exports *x, struct oracle_state *state,
		   char **path, uint32_t nr)
{
	int err = nr == state->plan.nr_volumes ? 0 : -EINVAL;

	memset(x, 0, sizeof(*x));
	pthread_mutex_init(&x->lock, NULL);
	x->state = state;
	x->image = oracle_image_create(&state->plan);
	if (!x->image)
		return -ENOMEM;
	for (; !err && x->nr < nr; x->nr++)
		err = export_create(&x->export[x->nr], path[x->nr],
				    state->plan.sectors[x->nr] * 512);
	return err;
}

void exports_destroy(struct exports *x)
{
	uint32_t i;

	for (i = 0; i < x->nr; i++)
		munmap(x->export[i].data, x->export[i].bytes);
	oracle_image_destroy(x->image);
}

/* --- judging -------------------------------------------------------------- */

/* The writer is told to stop: the first violation tells most. */
static void __attribute__((format(printf, 3, 4)))
violation(struct exports *x, uint32_t nr, const char *fmt, ...)
{
	const struct replica_header *h = &x->export[nr].header;
	va_list args;

	x->nr_violations++;
	printf("# target: volume %u, header %s, epoch %" PRIu64 ", last clean %"
	       PRIu64 ": ", nr, replica_kind_name(h->kind), h->epoch,
	       h->last_clean);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	atomic_store(&x->state->stop, 1);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

/* X3: of all members, the same epoch. */
static bool is_image(const struct exports *x)
{
	const struct replica_header *h;
	uint32_t i;

	for (i = 0; i < x->nr; i++) {
		h = &x->export[i].header;
		if (h->state != REPLICA_STATE_OK || !h->last_clean ||
		    h->last_clean != x->export[0].header.last_clean)
			return false;
	}
	return true;
}

static void check_image(struct exports *x)
{
	uint64_t epoch = x->export[0].header.last_clean, start;
	int bad;

	if (!is_image(x) || (epoch == x->checked_epoch && !x->is_changed))
		return;
	if (epoch != x->open_epoch) /* nothing was frozen */
		oracle_state_issued(x->state, &x->bounds);
	start = now_us();
	bad = oracle_image_check(x->image, &x->bounds, NULL);
	x->check_us += now_us() - start;
	if (bad)
		violation(x, 0, "%d violations of the image", bad);
	x->nr_images++;
	x->checked_epoch = epoch;
	x->is_changed = false;
	oracle_state_completed(x->state, &x->bounds);
}

static void note_open(struct exports *x, const struct replica_header *h)
{
	if (h->kind != REPLICA_KIND_OPEN || h->epoch <= x->open_epoch)
		return;
	x->open_epoch = h->epoch;
	x->nr_opened++;
	oracle_state_issued(x->state, &x->bounds);
}

/* --- requests ------------------------------------------------------------- */

static void note_durable(struct export *e)
{
	e->is_applying = e->header.state == REPLICA_STATE_APPLYING;
}

static bool is_commit(const struct replica_header *h)
{
	return h->kind == REPLICA_KIND_CLEAN || h->kind == REPLICA_KIND_PARTIAL;
}

static void write_header(struct exports *x, uint32_t nr,
			 const struct nbd_request *r, const void *payload)
{
	struct export *e = &x->export[nr];
	uint64_t seq = e->header.seq;
	struct replica_why why;

	memcpy(e->data + r->offset, payload, r->len);
	if (replica_header_pick(&e->header, e->data +
				replica_tail_offset(e->volume_bytes),
				REPLICA_HEADERS_BYTES, &why)) {
		violation(x, nr, "no header: %s", why.text);
		return;
	}
	if (e->header.seq == seq)
		return; /* a late one: it does not count */
	if (r->flags & CMD_FLAG_FUA)
		note_durable(e);
	if (is_commit(&e->header) && e->nr_unflushed)
		violation(x, nr, "%" PRIu64 " writes were not flushed (X2)",
			  e->nr_unflushed);
	x->nr_partial += nr == 0 && e->header.kind == REPLICA_KIND_PARTIAL;
	note_open(x, &e->header);
	check_image(x);
}

static void write_data(struct exports *x, uint32_t nr,
		       const struct nbd_request *r, const char *payload)
{
	struct export *e = &x->export[nr];
	uint64_t at = r->offset, end = r->offset + r->len, len;

	if (!e->is_applying)
		violation(x, nr, "data at %" PRIu64 "+%u (X1)", r->offset,
			  r->len);
	for (; at < end; at += len) {
		const char *from = payload ? payload + at - r->offset : zeros;

		len = payload || end - at < ZEROS ? end - at : ZEROS;
		memcpy(e->data + at, from, len);
		oracle_image_put(x->image, nr, at / 512, from, len / 512);
	}
	e->nr_unflushed++;
	x->is_changed = true;
}

static int execute_write(struct exports *x, uint32_t nr,
			 const struct nbd_request *r, const void *payload)
{
	struct export *e = &x->export[nr];

	if (r->offset % 512 || r->len % 512)
		return NBD_EINVAL;
	if (r->offset + r->len <= e->volume_bytes)
		write_data(x, nr, r, payload);
	else if (r->offset >= replica_tail_offset(e->volume_bytes) && payload)
		write_header(x, nr, r, payload);
	else
		violation(x, nr, "a write at %" PRIu64 "+%u", r->offset,
			  r->len);
	return 0;
}

int exports_execute(struct exports *x, uint32_t nr,
		    const struct nbd_request *r, const void *payload,
		    const void **data)
{
	struct export *e = &x->export[nr];

	if (r->offset > e->bytes || r->len > e->bytes - r->offset)
		return NBD_EINVAL;
	switch (r->command) {
	case NBD_CMD_READ:
		*data = e->data + r->offset;
		return 0;
	case NBD_CMD_WRITE:
		return execute_write(x, nr, r, payload);
	case NBD_CMD_WRITE_ZEROES:
		return execute_write(x, nr, r, NULL);
	case NBD_CMD_FLUSH:
		e->nr_unflushed = 0;
		note_durable(e);
		return 0;
	default:
		return NBD_EINVAL;
	}
}

enum phase exports_phase(const struct exports *x, uint32_t nr,
			 const struct nbd_request *r, const void *payload)
{
	const struct export *e = &x->export[nr];
	struct replica_header h;

	if (r->command == NBD_CMD_FLUSH)
		return PHASE_FLUSH;
	if (r->command == NBD_CMD_READ)
		return PHASE_OTHER;
	if (r->offset < e->volume_bytes)
		return PHASE_DATA;
	if (r->command != NBD_CMD_WRITE ||
	    replica_header_decode(&h, payload, r->len, NULL))
		return PHASE_OTHER;
	if (h.kind == REPLICA_KIND_HELLO)
		return PHASE_HELLO;
	if (h.kind == REPLICA_KIND_OPEN)
		return PHASE_OPEN;
	return is_commit(&h) ? PHASE_COMMIT : PHASE_OTHER;
}
