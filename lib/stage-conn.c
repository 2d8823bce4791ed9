// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The export VOL: the requests of a connection.
 *
 * V1 a data request is counted as under way from before it has a place in the
 *    log until its record is whole and in the index, or its epoch is marked as
 *    failed: who has waited for the count to be zero has seen all of them.
 * V2 the checksum of a request is made once: it is the record's, and its part
 *    of the digest (W2). Only a request that needs several records has more.
 * V3 a connection keeps the size with which it was opened, as the export behind
 *    it does: its tail stays where it is when the volume grows.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "stage-parts.h"
#include "stage-room.h"

/* Locked. */
static int check_usable(const struct stage_volume *v, struct error *err)
{
	const struct stage_group *g = v->g;

	if (g->error.code || (v->base_fd < 0 &&
			      stage_phase_of(g) < STAGE_PHASE_LEFT))
		return error_set(err, g->error.code ? g->error.code : -EIO,
				 "%s: %s", v->meta.name, g->error.text);
	return 0;
}

static void let_go(struct stage_volume *v)
{
	pthread_mutex_lock(&v->g->lock);
	v->nr_conns--;
	pthread_mutex_unlock(&v->g->lock);
}

int stage_conn_create(struct stage_conn **c, struct stage_volume *v,
		      struct error *err)
{
	uint64_t bytes;
	int ret;

	pthread_mutex_lock(&v->g->lock);
	ret = check_usable(v, err);
	if (!ret)
		v->nr_conns++;
	bytes = v->meta.bytes;
	pthread_mutex_unlock(&v->g->lock);
	if (ret)
		return ret;
	*c = calloc(1, sizeof(**c));
	if (*c) {
		(*c)->v = v;
		(*c)->bytes = bytes;
		return 0;
	}
	let_go(v);
	return error_set(err, -ENOMEM, "no memory");
}

void stage_conn_destroy(struct stage_conn *c)
{
	if (!c)
		return;
	let_go(c->v);
	free(c);
}

uint64_t stage_conn_bytes(const struct stage_conn *c)
{
	return c->bytes;
}

/* --- reading -------------------------------------------------------------- */

static int read_data(struct stage_volume *v, void *buf, size_t len,
		     uint64_t off, struct error *err)
{
	struct stage_image i = { .is_read = true };
	int ret;

	pthread_mutex_lock(&v->g->lock);
	stage_image_pin(&i, v,
			stage_fault(S5) ? UINT64_MAX >> 1 : v->g->clean_lsn);
	pthread_mutex_unlock(&v->g->lock);
	ret = stage_image_read_at(v, i.lsn, buf, len, off, err);
	pthread_mutex_lock(&v->g->lock);
	stage_image_unpin(&i);
	pthread_mutex_unlock(&v->g->lock);
	return ret;
}

static size_t min_size(size_t a, uint64_t b)
{
	return a < b ? a : b;
}

int stage_conn_read(struct stage_conn *c, void *buf, size_t len, uint64_t off,
		    struct error *err)
{
	struct stage_volume *v = c->v;
	uint64_t size = replica_export_bytes(c->bytes);
	uint64_t tail = replica_tail_offset(c->bytes);
	char *at = buf;
	size_t part;
	int ret;

	if (off > size || len > size - off)
		return error_set(err, -EINVAL, "%s: read beyond the end",
				 v->meta.name);
	if (len && off < c->bytes) {
		ret = stage_fence_check_read(v, err);
		if (ret)
			return ret;
		part = min_size(len, c->bytes - off);
		ret = read_data(v, at, part, off, err);
		if (ret)
			return ret;
		at += part;
		off += part;
		len -= part;
	}
	if (len && off < tail) {
		part = min_size(len, tail - off);
		memset(at, 0, part);
		at += part;
		off += part;
		len -= part;
	}
	if (len)
		stage_session_read_tail(v, at, len, off - tail);
	return 0;
}

/* --- writing -------------------------------------------------------------- */

static int check_range(const struct stage_conn *c, uint64_t len, uint64_t off,
		       struct error *err)
{
	const struct stage_volume *v = c->v;

	if (off % STAGE_BLOCK || len % STAGE_BLOCK || !len)
		return error_set(err, -EINVAL, "%s: %" PRIu64 " bytes at %"
				 PRIu64 " are not whole blocks of %u",
				 v->meta.name, len, off, STAGE_BLOCK);
	if (off >= c->bytes || len > c->bytes - off)
		return error_set(err, -EINVAL, "%s: %" PRIu64 " bytes at %"
				 PRIu64 " go beyond the volume's end",
				 v->meta.name, len, off);
	return 0;
}

/* Locked, not dropped. */
static int data_begin(struct stage_conn *c, struct error *err)
{
	struct stage_volume *v = c->v;
	struct stage_group *g = v->g;
	int ret = stage_session_check(c, err);

	if (!ret)
		ret = stage_epoch_check_idle(v, err);
	if (ret)
		return ret;
	if (g->open.state != EPOCH_OPEN || !v->is_open || v->is_prepared)
		return error_set(err, -EINVAL, "%s: data without an open epoch",
				 v->meta.name);
	if (g->open.failed)
		return error_set(err, g->open.failed, "%s: epoch %" PRIu64
				 " is dropped: %s", v->meta.name, g->open.nr,
				 g->open.why.text);
	v->in_flight++;
	g->open.in_flight++;
	return 0;
}

/* Locked. The last one out drops an epoch that has failed. */
static void data_end(struct stage_conn *c, int ret, const struct error *why)
{
	struct stage_volume *v = c->v;
	struct stage_group *g = v->g;

	if (ret)
		stage_epoch_fail(g, why);
	v->in_flight--;
	g->open.in_flight--;
	stage_epoch_touch(g);
	if (g->nr_draining)
		pthread_cond_broadcast(&g->drained);
	if (!g->open.in_flight && g->open.failed &&
	    g->open.state == EPOCH_OPEN && !g->is_header_busy)
		stage_epoch_drop(g);
}

/*
 * Locked, dropped. M5: history pays first, also what is pinned, and the writers
 * wait for that: above its budget the index has one record of each of them.
 * Then the epoch pays.
 */
static int keep_budget(struct stage_group *g, struct error *err)
{
	while (stage_index_is_full(g)) {
		if (!stage_wait_for_room(g)) {
			stage_inplace_want(g);
			return error_set(err, -ENOSPC, "the index is full: %"
					 PRIu64 " bytes are in use, and %s",
					 stage_index_bytes(g->index),
					 stage_room_word(g));
		}
		if (g->open.state != EPOCH_OPEN)
			return error_set(err, -ESHUTDOWN,
					 "the epoch was dropped");
	}
	return 0;
}

/* Locked, dropped. */
static int index_add(struct stage_volume *v, const struct stage_record *r,
		     uint64_t lsn, struct error *err)
{
	int ret;

	pthread_rwlock_wrlock(&v->g->index_lock);
	ret = stage_index_insert(v->g->index, &v->tree, r->off / STAGE_BLOCK,
				 r->len / STAGE_BLOCK, lsn,
				 r->type == STAGE_REC_ZERO, true);
	pthread_rwlock_unlock(&v->g->index_lock);
	return ret ? error_set(err, ret, "no memory for the index") :
		     keep_budget(v->g, err);
}

/* Locked, dropped. One record, of a request that is under way. */
static int put_record(struct stage_volume *v, struct stage_record *r,
		      const void *data, struct error *err)
{
	struct stage_group *g = v->g;
	uint64_t lsn;
	int ret;

	r->member = v->meta.member;
	r->epoch = g->open.nr;
	ret = stage_log_append(g, r, data, &lsn, err);
	if (!ret)
		ret = index_add(v, r, lsn, err);
	g->open.records++;
	g->open.digest += r->crc;
	g->open.bytes += STAGE_RECORD_BYTES + r->payload;
	return ret;
}

/* Locked, dropped. @crc: of the whole request. */
static int put_data(struct stage_volume *v, const char *buf, size_t len,
		    uint64_t off, uint32_t crc, struct error *err)
{
	uint32_t most = stage_log_max_payload(v->g);
	bool is_whole = len <= most;
	int ret = 0;

	while (!ret && len) {
		struct stage_record r = {
			.type = STAGE_REC_DATA,
			.off = off,
			.len = len < most ? len : most,
			.crc = crc,
		};

		r.payload = r.len;
		if (!is_whole)				/* V2 */
			r.crc = replica_digest(off, buf, r.len);
		ret = put_record(v, &r, buf, err);
		buf += r.len;
		off += r.len;
		len -= r.len;
	}
	return ret;
}

static int put_zeros(struct stage_volume *v, uint64_t len, uint64_t off,
		     struct error *err)
{
	int ret = 0;

	while (!ret && len) {
		struct stage_record r = {
			.type = STAGE_REC_ZERO,
			.off = off,
			.len = len < STAGE_ZERO_MAX ? len : STAGE_ZERO_MAX,
		};

		r.crc = replica_digest(off, NULL, r.len);
		ret = put_record(v, &r, NULL, err);
		off += r.len;
		len -= r.len;
	}
	return ret;
}

/* @buf NULL: zeros. */
static int write_data(struct stage_conn *c, const void *buf, uint64_t len,
		      uint64_t off, struct error *err)
{
	struct stage_volume *v = c->v;
	uint32_t crc = replica_digest(off, buf, len);
	struct error why = { 0 };
	int ret;

	stage_patience_begin(v->g);
	pthread_mutex_lock(&v->g->lock);
	ret = data_begin(c, err);
	if (ret) {
		pthread_mutex_unlock(&v->g->lock);
		return ret;
	}
	if (v->g->open.is_in_place)
		ret = stage_inplace_put(v, buf, len, off, &why);
	else
		ret = buf ? put_data(v, buf, len, off, crc, &why) :
			    put_zeros(v, len, off, &why);
	v->records++;
	v->digest += crc;
	data_end(c, ret, &why);
	pthread_mutex_unlock(&v->g->lock);
	return ret ? error_set(err, ret, "%s: %s", v->meta.name, why.text) : 0;
}

int stage_conn_write(struct stage_conn *c, const void *buf, size_t len,
		     uint64_t off, struct error *err)
{
	struct stage_volume *v = c->v;
	uint64_t tail = replica_tail_offset(c->bytes);
	int ret;

	if (off >= tail && off < tail + REPLICA_HEADERS_BYTES &&
	    len == REPLICA_SLOT_BYTES)
		return stage_session_write_header(c, buf, off, err);
	if (len > STAGE_IO_MAX)
		return error_set(err, -EINVAL, "%s: a write of %zu bytes",
				 v->meta.name, len);
	ret = check_range(c, len, off, err);
	return ret ? ret : write_data(c, buf, len, off, err);
}

int stage_conn_zero(struct stage_conn *c, uint64_t len, uint64_t off,
		    struct error *err)
{
	int ret = check_range(c, len, off, err);

	return ret ? ret : write_data(c, NULL, len, off, err);
}
