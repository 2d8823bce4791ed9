// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The open epoch of a group.
 *
 *	NONE -> OPEN		[stage_epoch_open]
 *	OPEN -> COMMITTING	[stage_epoch_commit] all members are prepared
 *	COMMITTING -> NONE	[stage_epoch_commit] durable, and so visible
 *	OPEN, COMMITTING -> DROPPING -> NONE [stage_epoch_drop]
 *
 * O1 a number is above all that was ever seen, and less than 2^32 above (C5).
 * O2 one epoch is open at a time, so the records of an epoch are those between
 *    two commits in the log, and "at or below E" is "not after E's commit".
 * O3 from COMMITTING or DROPPING on, no data request begins; the commit record
 *    is written, and the epoch forgotten, when none is under way.
 * O4 a commit is entered into the table, becomes the image and is answered only
 *    after its sync; if that fails the epoch is dropped and the log goes on in
 *    another segment (S3).
 * O5 an epoch for which nothing comes, while nothing is under way, is dropped
 *    after open_idle_ms, promises of a group's members with it: a client that
 *    is gone for ever holds no room in the log.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stage-parts.h"

#define JUMP_MAX	(1ULL << 32)

static void reset_members(struct stage_group *g)
{
	for (unsigned int i = 0; i < g->nr_members; i++) {
		struct stage_volume *v = g->members[i];

		v->is_open = v->is_prepared = false;
		v->records = v->digest = 0;
	}
	memset(&g->open, 0, sizeof(g->open));
}

/* What is in no image yet, and cannot be applied (apply P1). */
static uint64_t partial_bytes(const struct stage_group *g)
{
	uint64_t bytes = 0;

	for (unsigned int i = g->nr_epochs; i && !g->epochs[i - 1].is_clean;
	     i--)
		bytes += g->epochs[i - 1].bytes;
	return bytes;
}

/* May it be opened, once what is open is dropped? */
int stage_epoch_check(const struct stage_group *g, uint64_t nr,
		      struct error *err)
{
	int ret = stage_inplace_check(g, err);

	if (ret || stage_fault(NUMBER))
		return ret;
	if (nr > g->seen && nr - g->seen < JUMP_MAX)		/* O1 */
		return 0;
	return error_set(err, -EINVAL, "epoch %" PRIu64 " is not above %"
			 PRIu64 ", the highest seen, by less than 2^32", nr,
			 g->seen);
}

int stage_epoch_open(struct stage_group *g, uint64_t nr, struct error *err)
{
	struct stage_record r = { .type = STAGE_REC_OPEN, .epoch = nr };
	uint64_t lsn;
	int ret;

	assert(g->open.state == EPOCH_NONE && !g->open.in_flight);
	ret = stage_epoch_check(g, nr, err);
	if (ret)
		return ret;
	g->seen = nr > g->seen ? nr : g->seen;
	reset_members(g);
	ret = stage_log_append(g, &r, NULL, &lsn, err);
	if (ret) {
		stage_log_rewind(g);
		return ret;
	}
	g->open.nr = nr;
	g->open.bytes = STAGE_RECORD_BYTES;
	g->open.partial_bytes = partial_bytes(g);
	g->open.is_in_place = stage_is_in_place(g);
	g->open.base_failures = stage_load(&g->base_failures);
	g->open.state = EPOCH_OPEN;
	g->idle_epoch = 0;
	stage_epoch_touch(g);
	return 0;
}

void stage_epoch_fail(struct stage_group *g, const struct error *why)
{
	if (g->open.failed)
		return;
	g->open.failed = why->code ? why->code : -EIO;
	g->open.why = *why;
}

static void forget_records(struct stage_group *g, uint64_t after)
{
	pthread_rwlock_wrlock(&g->index_lock);
	for (unsigned int i = 0; i < g->nr_members; i++)
		stage_index_erase(g->index, &g->members[i]->tree, after + 1,
				  UINT64_MAX);
	pthread_rwlock_unlock(&g->index_lock);
}

void stage_drain(struct stage_group *g)
{
	g->nr_draining++;
	pthread_cond_wait(&g->drained, &g->lock);
	g->nr_draining--;
}

void stage_epoch_drop(struct stage_group *g)
{
	if (g->open.state == EPOCH_NONE)
		return;
	g->open.state = EPOCH_DROPPING;
	pthread_cond_broadcast(&g->changed);
	while (g->open.in_flight && !stage_fault(W1_WAIT))	/* O3 */
		stage_drain(g);
	if (g->open.state != EPOCH_DROPPING)
		return;					/* by another */
	forget_records(g, stage_fault(S2) ? g->clean_lsn : g->kept_lsn);
	if (!stage_fault(W1_WAIT))
		stage_log_rewind(g);
	reset_members(g);
	pthread_cond_broadcast(&g->changed);
}

/* --- nothing comes -------------------------------------------------------- */

static uint64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

void stage_epoch_touch(struct stage_group *g)
{
	g->open.touched_ms = monotonic_ms();
}

void stage_epoch_drop_idle(struct stage_group *g)
{
	uint64_t most = g->stage->opts.open_idle_ms, nr = g->open.nr;

	if (!most || g->open.state != EPOCH_OPEN || g->is_header_busy ||
	    (g->open.in_flight && !stage_fault(O5)) ||
	    monotonic_ms() - g->open.touched_ms < most)
		return;
	stage_epoch_drop(g);
	g->idle_epoch = nr;
	g->nr_idle_drops++;
}

int stage_epoch_check_idle(const struct stage_volume *v, struct error *err)
{
	const struct stage_group *g = v->g;

	if (!g->idle_epoch || g->open.state != EPOCH_NONE)
		return 0;
	return error_set(err, -ETIMEDOUT, "%s: epoch %" PRIu64 " was dropped: "
			 "nothing came for %" PRIu64 " ms", v->meta.name,
			 g->idle_epoch, g->stage->opts.open_idle_ms);
}

/* --- commit --------------------------------------------------------------- */

int stage_epoch_add(struct stage_group *g, const struct epoch_entry *e)
{
	unsigned int max = g->max_epochs ? g->max_epochs * 2 : 64;
	struct epoch_entry *more;

	if (g->nr_epochs == g->max_epochs) {
		more = realloc(g->epochs, max * sizeof(*more));
		if (!more)
			return -ENOMEM;
		g->epochs = more;
		g->max_epochs = max;
	}
	g->epochs[g->nr_epochs++] = *e;
	return 0;
}

/* The members' headers as they are after the commit. */
static int put_members(struct stage_group *g, char *payload, struct error *err)
{
	bool is_partial = g->open.kind == REPLICA_KIND_PARTIAL;
	uint64_t clean = is_partial ? g->clean_epoch : g->open.nr;
	uint64_t partial = is_partial ? g->open.nr : g->partial_epoch;
	struct replica_header served;
	struct replica_why why;

	for (unsigned int i = 0; i < g->nr_members; i++) {
		struct stage_volume *v = g->members[i];

		stage_session_serve(v, &v->commit, clean, partial, &served);
		stage_commit_put_member(payload, i, v->meta.member);
		if (replica_header_encode(&served, payload +
					  stage_commit_slot(i), &why))
			return error_set(err, -EINVAL, "header: %s", why.text);
		v->commit = served;
	}
	return 0;
}

static int write_commit(struct stage_group *g, const struct stage_commit *c,
			uint64_t *lsn, struct error *err)
{
	struct stage_record r = {
		.type = g->open.kind == REPLICA_KIND_PARTIAL ?
			STAGE_REC_PARTIAL : STAGE_REC_CLEAN,
		.epoch = g->open.nr,
		.payload = stage_commit_len(g->nr_members),
	};
	char *payload = calloc(1, r.payload);
	int ret;

	if (!payload)
		return error_set(err, -ENOMEM, "no memory");
	stage_commit_encode(c, payload);
	ret = put_members(g, payload, err);
	r.crc = stage_crc(payload, r.payload);
	if (!ret)
		ret = stage_inplace_sync(g, err);
	if (!ret)
		ret = stage_log_append(g, &r, payload, lsn, err);
	if (!ret)
		ret = stage_fault(S3_COMMIT) ? stage_log_write(g, err) :
					       stage_log_sync(g, err);
	if (ret && stage_fault(S3_CLOSE))
		ret = stage_log_sync(g, err);
	free(payload);
	return ret;
}

/* A heartbeat may have come since: what is served never goes back. */
static void publish_header(struct stage_volume *v)
{
	struct replica_header before = v->header;

	v->header = v->commit;
	if (before.seq > v->header.seq)
		v->header.seq = before.seq;
	if (v->header.kind == REPLICA_KIND_PARTIAL)
		v->header.cut_time = before.cut_time;
}

/* O4: from here on it is what the image is made of. */
static void publish(struct stage_group *g, const struct epoch_entry *e)
{
	int ret = stage_epoch_add(g, e);

	assert(!ret);				/* room was made before */
	for (unsigned int i = 0; i < g->nr_members; i++)
		publish_header(g->members[i]);
	stage_log_accept(g);
	g->kept_lsn = g->durable_lsn = e->lsn;
	if (g->open.kind == REPLICA_KIND_PARTIAL)
		g->partial_epoch = e->epoch;
	else
		g->clean_epoch = e->epoch;
	if (e->is_clean) {
		g->clean_lsn = e->lsn;
		g->base_trusted = g->open.base_failures;
	}
	g->full = 0;
	g->wants_in_place = false;
	reset_members(g);
	pthread_cond_broadcast(&g->changed);
}

static uint64_t cut_time(const struct stage_group *g)
{
	uint64_t oldest = UINT64_MAX;

	for (unsigned int i = 0; i < g->nr_members; i++)
		if (g->members[i]->commit.cut_time < oldest)
			oldest = g->members[i]->commit.cut_time;
	return oldest;
}

int stage_epoch_commit(struct stage_group *g, struct error *err)
{
	const struct stage_io *io = g->stage->io;
	bool is_clean = g->open.kind != REPLICA_KIND_PARTIAL;
	struct epoch_entry e = {
		.epoch = g->open.nr,
		.commit_time = io->now(io->arg),
		.cut_time = cut_time(g),
		.bytes = g->open.bytes,
		.is_clean = is_clean || stage_fault(S1),
	};
	struct stage_commit c = {
		.records = g->open.records,
		.digest = g->open.digest,
		.commit_time = e.commit_time,
		.cut_time = e.cut_time,
		.bytes = e.bytes,
		.nr_members = g->nr_members,
	};
	int ret = stage_epoch_add(g, &e);

	assert(g->open.state == EPOCH_COMMITTING && !g->open.in_flight);
	g->nr_epochs -= !ret;			/* it was for the room only */
	if (!ret)
		ret = write_commit(g, &c, &e.lsn, err);
	if (ret)
		stage_epoch_drop(g);
	else
		publish(g, &e);
	return ret;
}
