// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The log's segments: each a block that says where it belongs in the log, then
 * the members' headers, then records. Where they are is the medium's business.
 *
 * G1 a number is used once, also by a segment that is dropped at once.
 * G2 a segment names the one before it, by number and salt, and where the log
 *    leaves that one: so the newest one leads to all that count, and one that
 *    comes back after a power cut is not among them.
 * G3 a new segment repeats the newest header of each member: dropping older
 *    ones loses no state.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "stage-parts.h"

struct stage_segment *stage_segment_find(const struct stage_group *g,
					 uint64_t number)
{
	unsigned int low = 0, high = g->nr_segments;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (g->segments[mid]->number == number)
			return g->segments[mid];
		if (g->segments[mid]->number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

int stage_segment_add(struct stage_group *g, struct stage_segment *s)
{
	unsigned int max = g->max_segments ? g->max_segments * 2 : 16;
	struct stage_segment **more;

	assert(!g->nr_segments ||
	       g->segments[g->nr_segments - 1]->number < s->number);
	if (g->nr_segments == g->max_segments) {
		more = realloc(g->segments, max * sizeof(*more));
		if (!more)
			return -ENOMEM;
		g->segments = more;
		g->max_segments = max;
	}
	g->segments[g->nr_segments++] = s;
	g->log_bytes += s->room;
	return 0;
}

void stage_segment_limit(struct stage_group *g, struct stage_segment *s,
			 uint64_t bytes)
{
	stage_store(&s->bytes, bytes);
	if (!g->stage->medium->is_sparse)
		return;
	g->log_bytes -= s->room - bytes;
	s->room = bytes;
}

static void segment_free(struct stage_group *g, struct stage_segment *s)
{
	g->stage->medium->close(g, s);
	free(s);
}

void stage_segment_drop(struct stage_group *g, struct stage_segment *s)
{
	unsigned int i = 0;

	pthread_rwlock_wrlock(&g->index_lock);
	while (g->segments[i] != s)
		i++;
	g->nr_segments--;
	memmove(&g->segments[i], &g->segments[i + 1],
		(g->nr_segments - i) * sizeof(s));
	pthread_rwlock_unlock(&g->index_lock);
	if (g->current == s)
		g->current = NULL;
	g->log_bytes -= s->room;
	g->stage->medium->remove(g, s);
	free(s);
}

void stage_segment_close_all(struct stage_group *g)
{
	for (unsigned int i = 0; i < g->nr_segments; i++)
		segment_free(g, g->segments[i]);
	free(g->segments);
	g->segments = NULL;
	g->nr_segments = g->max_segments = 0;
	g->current = NULL;
	if (g->device_fd >= 0)
		g->stage->io->close(g->stage->io->arg, g->device_fd);
	g->device_fd = -1;
}

/* The record of a member's header, in @buf. Returns its length. */
static size_t put_member(struct stage_volume *v, uint64_t salt, uint64_t lsn,
			 char *buf)
{
	struct stage_record r = {
		.type = STAGE_REC_HEADER,
		.member = v->meta.member,
		.payload = REPLICA_SLOT_BYTES,
	};

	if (!v->header.seq ||
	    replica_header_encode(&v->header, buf + STAGE_RECORD_BYTES, NULL))
		return 0;
	r.crc = stage_crc(buf + STAGE_RECORD_BYTES, REPLICA_SLOT_BYTES);
	stage_record_encode(&r, salt, lsn, buf);
	return STAGE_RECORD_BYTES + REPLICA_SLOT_BYTES;
}

/* G2, G3: what a new segment begins with. Returns its length. */
static size_t put_front(struct stage_group *g, struct stage_segment *s,
			char *buf)
{
	struct stage_segment_block b = {
		.number = s->number,
		.salt = s->salt,
		.bytes = s->bytes,
		.prev = stage_lsn_segment(g->end_lsn),
		.prev_salt = g->end_salt,
		.prev_end = stage_lsn_pos(g->end_lsn),
		.durable_lsn = g->durable_lsn,
		.clean = g->clean_epoch,
		.partial = g->partial_epoch,
		.seen = g->seen,
	};
	size_t len = STAGE_BLOCK_BYTES;

	if (g->current) {
		b.prev = g->current->number;
		b.prev_salt = g->current->salt;
		b.prev_end = g->current->tail;
	}
	memcpy(b.log_id, g->log_id, sizeof(b.log_id));
	stage_segment_encode(&b, buf);
	for (unsigned int i = 0; i < g->nr_members; i++)
		len += put_member(g->members[i], s->salt,
				  stage_lsn(s->number, len), buf + len);
	return len;
}

static int write_front(struct stage_group *g, struct stage_segment *s)
{
	const struct stage_io *io = g->stage->io;
	size_t most = STAGE_BLOCK_BYTES + g->nr_members *
		      (STAGE_RECORD_BYTES + REPLICA_SLOT_BYTES);
	char *buf = malloc(most);
	struct iovec iov = { .iov_base = buf };
	int err;

	if (!buf)
		return -ENOMEM;
	s->tail = iov.iov_len = put_front(g, s, buf);
	err = io->pwritev(io->arg, s->fd, &iov, 1, s->at);
	s->is_dirty = true;
	free(buf);
	return err;
}

static int segment_create(struct stage_group *g, struct stage_segment *s)
{
	int err = g->stage->medium->create(g, s);

	return err ? err : write_front(g, s);
}

static void segment_publish(struct stage_group *g, struct stage_segment *s)
{
	if (g->current)
		stage_store(&g->current->end, g->current->tail);
	g->current = s;
}

int stage_segment_begin(struct stage_group *g, struct error *err)
{
	struct stage_segment *s = calloc(1, sizeof(*s));
	int ret;

	if (!s || g->next_number > UINT32_MAX) {
		free(s);
		return error_set(err, -ENOMEM, "no memory for a segment");
	}
	s->fd = -1;
	s->number = g->next_number++;		/* G1 */
	s->bytes = s->room = g->stage->opts.segment_bytes;
	ret = getrandom(&s->salt, sizeof(s->salt), 0) < 0 ? -errno : 0;
	if (!ret)
		ret = segment_create(g, s);
	pthread_rwlock_wrlock(&g->index_lock);
	if (!ret)
		ret = stage_segment_add(g, s);
	pthread_rwlock_unlock(&g->index_lock);
	if (!ret) {
		segment_publish(g, s);
		return 0;
	}
	ret = error_set(err, ret, "%s: segment %" PRIu64 " of the log: %s",
			g->name, s->number, strerror(-ret));
	s->is_bad = ret != -ENOSPC;
	s->is_short = !s->is_bad;
	if (s->fd >= 0) {
		g->stage->medium->remove(g, s);
		if (g->current)		/* it may come back: log A9 */
			g->current->has_promise = true;
	}
	free(s);
	return ret;
}
