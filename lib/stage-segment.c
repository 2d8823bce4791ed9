// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The log's files: NUMBER.seg, each a block that says where it belongs in the
 * log, then the members' headers, then records.
 *
 * G1 a number is used once, also by a segment that is dropped at once.
 * G2 a segment names the one before it, by number and salt, and where the log
 *    leaves that one: so the newest one leads to all that count, and a file
 *    that comes back after a power cut is not among them.
 * G3 a new segment repeats the newest header of each member: dropping older
 *    ones loses no state.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "stage-parts.h"

void stage_segment_path(const struct stage_group *g, uint64_t number,
			const char *suffix, char *path, size_t size)
{
	snprintf(path, size, "%s/%010" PRIu64 ".seg%s", g->dir, number,
		 suffix);
}

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
	g->log_bytes += s->bytes;
	return 0;
}

static void segment_free(struct stage_group *g, struct stage_segment *s)
{
	const struct stage_io *io = g->stage->io;

	if (s->fd >= 0)
		io->close(io->arg, s->fd);
	free(s);
}

void stage_segment_drop(struct stage_group *g, struct stage_segment *s)
{
	const struct stage_io *io = g->stage->io;
	char path[sizeof(g->dir) + 32];
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
	g->log_bytes -= s->bytes;
	stage_segment_path(g, s->number, "", path, sizeof(path));
	io->unlink(io->arg, path);
	g->is_dir_dirty = true;
	segment_free(g, s);
}

void stage_segment_close_all(struct stage_group *g)
{
	for (unsigned int i = 0; i < g->nr_segments; i++)
		segment_free(g, g->segments[i]);
	free(g->segments);
	g->segments = NULL;
	g->nr_segments = g->max_segments = 0;
	g->current = NULL;
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
	err = io->pwritev(io->arg, s->fd, &iov, 1, 0);
	s->is_dirty = true;
	free(buf);
	return err;
}

static int segment_create(struct stage_group *g, struct stage_segment *s,
			  const char *path)
{
	const struct stage_io *io = g->stage->io;
	int err;

	s->fd = io->open(io->arg, path, O_RDWR | O_CREAT | O_TRUNC);
	if (s->fd < 0)
		return s->fd;
	g->is_dir_dirty = true;
	err = io->truncate(io->arg, s->fd, s->bytes);
	if (!err)
		err = write_front(g, s);
	return err;
}

static void segment_publish(struct stage_group *g, struct stage_segment *s)
{
	if (g->current)
		stage_store(&g->current->end, g->current->tail);
	g->current = s;
}

int stage_segment_begin(struct stage_group *g, struct error *err)
{
	const struct stage_io *io = g->stage->io;
	struct stage_segment *s = calloc(1, sizeof(*s));
	char path[sizeof(g->dir) + 32];
	int ret;

	if (!s || g->next_number > UINT32_MAX) {
		free(s);
		return error_set(err, -ENOMEM, "no memory for a segment");
	}
	s->fd = -1;
	s->number = g->next_number++;		/* G1 */
	s->bytes = g->stage->opts.segment_bytes;
	ret = getrandom(&s->salt, sizeof(s->salt), 0) < 0 ? -errno : 0;
	stage_segment_path(g, s->number, "", path, sizeof(path));
	if (!ret)
		ret = segment_create(g, s, path);
	pthread_rwlock_wrlock(&g->index_lock);
	if (!ret)
		ret = stage_segment_add(g, s);
	pthread_rwlock_unlock(&g->index_lock);
	if (!ret) {
		segment_publish(g, s);
		return 0;
	}
	if (s->fd >= 0)
		io->unlink(io->arg, path);
	segment_free(g, s);
	return error_set(err, ret, "%s: %s", path, strerror(-ret));
}
