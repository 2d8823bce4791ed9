// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Appending to a group's log.
 *
 * A writer reserves its place under the lock. A large record is written there
 * without it, by its writer: many writes under way, no copy of the data. Small
 * ones are gathered: they are copied to where they will stand, and who finds no
 * room there any more writes all of it at once. Not so what opens an epoch: its
 * number is seen from then on, also after a kill.
 *
 * A1 places are given out in order and without gaps; a write that fails leaves
 *    a hole, and then the log goes back to end_lsn and on in a new segment.
 * A2 end_lsn only moves on when nothing is under way, over records that are
 *    whole [stage_log_accept]: so what is before it can be walked from record
 *    to record.
 * A3 data leaves one segment's worth of the budget for commits and headers.
 * A4 what is gathered stands at one place, without gaps, in a segment that is
 *    dirty, and is of the open epoch or of the header that is being handled. It
 *    is written before the sync, or given up in a rewind. So nobody reads it.
 * A5 room is made by the applier, of the budget as of the disk: a writer waits
 *    while it can, and its segment stays, since what it has is not committed.
 *    A request has one patience, for all of its records: that is of who opened
 *    the stage, and by default less than a client's.
 *    A disk that promises more than it has may say so at the sync: the epoch is
 *    refused then, for want of room, and history makes some for the next one.
 * A6 the segment with the newest commit stays, also when all of it is applied.
 *    Of a log that was larger it may be more than all of the budget: then it
 *    counts as one of today's, until the next commit lets it go.
 * A7 windows, which only a clean epoch after them makes an image of, and which
 *    cannot be applied before that, get an eighth of the budget, so that it
 *    finds room: or they would fill the log for ever, overwriting each other.
 *    Not where there is no image yet (inplace I7).
 * A8 what is appended goes to the disk while its epoch is open, and a commit
 *    waits for the last of it, not for all: the sync says what is durable, as
 *    if this were not so. A page goes with the write that fills it, so that it
 *    goes once.
 * A9 where a segment takes all of its room at once (a slot), the log goes on
 *    in the same one, at end_lsn, after an epoch that was given up. A link that
 *    is cut again and again would take slot after slot, and no commit would
 *    ever free them. What is left there of that epoch is not taken for what is
 *    written since: each record has its epoch's number, which is used once, and
 *    what opened it stood at end_lsn, where the next record is. So not where a
 *    commit or a header may be behind, nor where a write or a sync has failed;
 *    and never beyond where the next segment, which is gone, was begun: if it
 *    comes back after a power cut, it says that the log leaves this one there.
 *    Its front is gone, too: else one bad sector, of a slot that is free, would
 *    bring it back long after (device B7).
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nbd.h"
#include "stage-device.h"
#include "stage-parts.h"
#include "stage-room.h"

#define OTHERS_MS	10000	/* for the appliers of other groups */
#define GATHER_BYTES	(128U << 10)
#define RECORD_IOVS	3	/* head, gap, payload */

/* A5, with the write itself, and a second that ends late. */
static_assert(STAGE_PATIENCE_MS + 5000 <= NBD_DEADLINE_MS,
	      "who waits for an answer learns that there is no room");

/* A5: monotonic, ms; of the request that this thread handles. */
static _Thread_local uint64_t patience_end;

uint32_t stage_log_max_payload(const struct stage_group *g)
{
	uint64_t most = g->stage->opts.segment_bytes / 4;

	return most < STAGE_IO_MAX ? most : STAGE_IO_MAX;
}

static bool has_data(const struct stage_record *r)
{
	return r->type == STAGE_REC_DATA || r->type == STAGE_REC_ZERO;
}

/* --- room ----------------------------------------------------------------- */

static uint64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/* Also where the time of day is set back meanwhile. */
void stage_wait_a_second(struct stage_group *g)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec++;
	pthread_cond_clockwait(&g->changed, &g->lock, CLOCK_MONOTONIC, &ts);
}

/* A6: by how much the oldest one, which cannot go yet, is too large. */
static uint64_t excess(const struct stage_group *g)
{
	uint64_t most = g->stage->opts.segment_bytes;
	const struct stage_segment *s = g->nr_segments ? g->segments[0] : NULL;

	return s && s != g->current && s->room > most &&
	       s->number == stage_lsn_segment(g->kept_lsn) &&
	       g->kept_lsn <= g->checkpoint.applied_lsn ? s->room - most : 0;
}

/* A3 */
static unsigned int nr_needed(bool is_data)
{
	return is_data ? 2 : 1;
}

static bool is_in_budget(const struct stage_group *g, bool is_data)
{
	const struct stage_options *o = &g->stage->opts;

	return g->log_bytes - excess(g) + nr_needed(is_data) *
	       o->segment_bytes <= o->log_bytes;
}

static bool may_begin(const struct stage_group *g, bool is_data)
{
	return is_in_budget(g, is_data) &&
	       g->stage->medium->has_room(g, nr_needed(is_data));
}

const char *stage_room_word(struct stage_group *g)
{
	return stage_apply_can_free(g) ? "history makes no room in time" :
					 "no more history can go";
}

static int refuse_full(struct stage_group *g, struct error *err)
{
	struct stage_device *d = g->stage->device;
	unsigned int nr_out = d ? stage_device_nr_out(d) : 0;
	char out[64] = "";

	if (nr_out)
		snprintf(out, sizeof(out), ", %u slots of its device are out "
			 "of use", nr_out);
	g->full = g->stage->opts.segment_bytes;
	return error_set(err, -ENOSPC, "the log is full: %llu bytes are in "
			 "use%s, and %s%s", (unsigned long long)g->log_bytes, out,
			 stage_room_word(g),
			 g->stage->opts.on_full_apply || !g->clean_epoch ?
			 "; what comes next may be applied in place" : "");
}

/* Locked, not dropped. History leaves some, if it can. */
static void want_room(struct stage_group *g)
{
	if (g->room_wanted)	/* or those who wait would wake each other */
		return;
	g->room_wanted = g->stage->opts.segment_bytes;
	pthread_cond_broadcast(&g->changed);
}

void stage_patience_begin(const struct stage_group *g)
{
	patience_end = monotonic_ms() + (stage_fault_patience_ms ?:
					 g->stage->opts.patience_ms);
}

bool stage_wait_for_room(struct stage_group *g)
{
	if (!stage_apply_can_free(g) || monotonic_ms() >= patience_end)
		return false;
	want_room(g);
	stage_wait_a_second(g);
	return true;
}

/* Locked, dropped. Is it another group that has the room? Apply P7 */
static bool wait_for_others(struct stage_group *g, bool is_data, uint64_t until)
{
	if (!is_in_budget(g, is_data) || !g->stage->medium->is_shared(g) ||
	    monotonic_ms() >= until || monotonic_ms() >= patience_end)
		return false;
	stage_wait_a_second(g);
	return true;
}

/* Locked, dropped. The next segment, by us or by somebody else. */
static int log_roll(struct stage_group *g, bool is_data, struct error *err)
{
	uint64_t others = monotonic_ms() + OTHERS_MS;
	struct stage_segment *before = g->current;
	struct error e = { 0 };
	int ret;

	for (;;) {
		if (may_begin(g, is_data)) {
			error_clear(&e);
			ret = stage_segment_begin(g, &e);
			if (ret != -ENOSPC)
				return ret ? error_set(err, ret, "%s",
						       e.text) : 0;
		}
		if (!stage_wait_for_room(g) &&
		    !wait_for_others(g, is_data, others))
			return refuse_full(g, err);
		if (is_data && g->open.state != EPOCH_OPEN)
			return error_set(err, -ESHUTDOWN,
					 "the epoch was dropped");
		if (g->current != before)
			return 0;
	}
}

/* Locked, dropped. */
static int log_reserve(struct stage_group *g, const struct stage_record *r,
		       struct stage_segment **s, uint64_t *pos,
		       struct error *err)
{
	int ret;

	assert(r->payload <= g->stage->opts.segment_bytes / 2);
	while (!g->current || stage_record_end(g->current->tail, r->payload) >
			      g->current->bytes) {
		ret = log_roll(g, has_data(r), err);
		if (ret)
			return ret;
	}
	*s = g->current;
	*pos = g->current->tail;
	g->current->tail = stage_record_end(*pos, r->payload);	/* A1 */
	g->current->is_dirty = true;
	return 0;
}

/* --- writing -------------------------------------------------------------- */

/* A8. No length would be all of the file. */
static_assert(STAGE_BIG >= STAGE_PAGE, "a write of a page at least");

static void begin_sync(const struct stage_io *io, const struct stage_segment *s,
		       uint64_t pos, uint64_t len)
{
	uint64_t from = (s->at + pos) & ~(STAGE_PAGE - 1ULL);
	uint64_t to = (s->at + pos + len) & ~(STAGE_PAGE - 1ULL);

	if (len >= STAGE_BIG)
		io->begin_sync(io->arg, s->fd, from, to - from);
}

struct place {
	struct stage_segment *s;
	uint64_t pos;
	bool is_data;			/* of the open epoch */
};

/*
 * Locked, dropped. A segment is sparse: its disk may be full before the budget
 * is used up. The place is kept, and it is tried again as history goes (A5).
 */
static int write_at(struct stage_group *g, const struct place *at,
		    const struct iovec *iov, int nr)
{
	uint64_t seq;
	const struct stage_io *io = g->stage->io;
	struct iovec left[RECORD_IOVS];
	uint64_t len = 0;
	int ret;

	for (int i = 0; i < nr; i++)
		len += iov[i].iov_len;
	for (;;) {
		seq = g->checkpoint.seq;
		memcpy(left, iov, nr * sizeof(*iov));	/* it uses them up */
		pthread_mutex_unlock(&g->lock);
		ret = io->pwritev(io->arg, at->s->fd, left, nr,
				  at->s->at + at->pos);
		if (!ret)
			begin_sync(io, at->s, at->pos, len);
		pthread_mutex_lock(&g->lock);
		at->s->is_bad |= ret && ret != -ENOSPC;
		at->s->is_short |= ret == -ENOSPC;
		if (ret != -ENOSPC)
			return ret;
		/* It may have made room just now. */
		if (seq == g->checkpoint.seq && !stage_wait_for_room(g))
			return ret;
		if (at->is_data && g->open.state != EPOCH_OPEN)
			return -ECANCELED;
	}
}

/* Locked, dropped. Its buffer is kept for the next one. */
static int write_gathered(struct stage_group *g, struct stage_gather *gather,
			  bool is_data)
{
	struct place at = { gather->s, gather->pos, is_data };
	struct iovec iov = { gather->buf, gather->len };
	int ret;

	if (!gather->len)
		return 0;
	ret = write_at(g, &at, &iov, 1);
	if (g->spare)
		free(gather->buf);
	else
		g->spare = gather->buf;
	return ret;
}

/* Locked, not dropped. From here on it is the caller's, if there is any. */
static struct stage_gather take_gathered(struct stage_group *g)
{
	struct stage_gather taken = { 0 };

	if (g->gather.len) {
		taken = g->gather;
		memset(&g->gather, 0, sizeof(g->gather));
	}
	return taken;
}

static int begin_gather(struct stage_group *g, struct stage_segment *s,
			uint64_t pos)
{
	struct stage_gather *gather = &g->gather;

	if (!gather->buf) {
		gather->buf = g->spare ? g->spare : malloc(GATHER_BYTES);
		g->spare = NULL;
	}
	gather->s = s;
	gather->pos = pos;
	return gather->buf ? 0 : -ENOMEM;
}

static uint64_t gather_bytes(const struct stage_group *g)
{
	uint64_t most = g->stage->opts.segment_bytes / 8;

	return most < GATHER_BYTES ? most : GATHER_BYTES;
}

static bool is_gathered(const struct stage_group *g,
			const struct stage_record *r)
{
	return r->type != STAGE_REC_OPEN && r->payload < STAGE_BIG &&
	       STAGE_RECORD_BYTES + r->payload <= gather_bytes(g);
}

static bool has_place(const struct stage_gather *gather,
		      const struct stage_segment *s, uint64_t pos, uint64_t end,
		      uint64_t most)
{
	return gather->len && gather->s == s &&
	       gather->pos + gather->len == pos &&
	       end - gather->pos <= most;
}

/* Locked, dropped; it has its place before that (A4). */
static int gather_record(struct stage_group *g, struct stage_segment *s,
			 uint64_t pos, const struct stage_record *r,
			 const void *payload)
{
	uint64_t end = stage_record_end(pos, r->payload);
	struct stage_gather full = { 0 };
	char *at;
	int ret = 0;

	if (!has_place(&g->gather, s, pos, end, gather_bytes(g))) {
		full = take_gathered(g);
		ret = begin_gather(g, s, pos);
	}
	if (!ret) {
		at = g->gather.buf + g->gather.len;
		stage_record_encode(r, s->salt, stage_lsn(s->number, pos), at);
		if (r->payload)
			memcpy(at + STAGE_RECORD_BYTES, payload, r->payload);
		g->gather.len = end - g->gather.pos;
	}
	return write_gathered(g, &full, has_data(r)) ?: ret;
}

/*
 * Locked, dropped. Head, gap and payload in one write, so that whole pages are
 * whole.
 */
static int write_record(struct stage_group *g, struct stage_segment *s,
			uint64_t pos, const struct stage_record *r,
			const void *payload)
{
	static const char zeros[STAGE_PAGE];
	char head[STAGE_RECORD_BYTES];
	struct place at = { s, pos, has_data(r) };
	struct iovec iov[RECORD_IOVS] = {
		{ head, sizeof(head) },
		{ (void *)zeros, stage_payload_pos(pos, r->payload) - pos -
				 sizeof(head) },
		{ (void *)payload, r->payload },
	};

	stage_record_encode(r, s->salt, stage_lsn(s->number, pos), head);
	return write_at(g, &at, iov, r->payload ? RECORD_IOVS : 1);
}

static int refuse_write(struct stage_group *g, const char *what, int ret,
			uint64_t bytes, struct error *err)
{
	if (ret == -ENOSPC) {
		g->full = bytes;
		stage_inplace_want(g);
	}
	return error_set(err, ret == -ENOSPC ? ret : -EIO,
			 "%s the log: %s", what, strerror(-ret));
}

/* A7 */
static bool is_too_much(const struct stage_group *g,
			const struct stage_record *r)
{
	return g->open.is_window && has_data(r) && g->clean_epoch &&
	       g->open.partial_bytes + g->open.bytes + r->payload >
	       g->stage->opts.log_bytes / 8 && !stage_fault(A7);
}

int stage_log_append(struct stage_group *g, struct stage_record *r,
		     const void *payload, uint64_t *lsn, struct error *err)
{
	struct stage_segment *s;
	uint64_t pos;
	int ret;

	assert(!(r->payload % STAGE_ALIGN));
	if (is_too_much(g, r))
		return error_set(err, -ENOSPC, "an eighth of the log has "
				 "windows that no clean epoch has followed: "
				 "the next one has to be clean");
	ret = log_reserve(g, r, &s, &pos, err);
	if (ret == -ENOSPC && r->epoch)
		stage_inplace_want(g);
	if (ret)
		return ret;
	s->has_promise |= !has_data(r) && r->type != STAGE_REC_OPEN;
	*lsn = stage_lsn(s->number, pos);
	ret = is_gathered(g, r) ? gather_record(g, s, pos, r, payload) :
				  write_record(g, s, pos, r, payload);
	g->bytes_logged += STAGE_RECORD_BYTES + r->payload;
	return ret ? refuse_write(g, "writing to", ret,
				  r->payload + STAGE_RECORD_BYTES, err) : 0;
}

/* --- durability ----------------------------------------------------------- */

static unsigned int take_dirty(struct stage_group *g,
			       struct stage_segment **dirty)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < g->nr_segments; i++) {
		if (!g->segments[i]->is_dirty)
			continue;
		g->segments[i]->is_dirty = false;
		dirty[nr++] = g->segments[i];
	}
	return nr;
}

static int sync_segments(struct stage_group *g, struct error *err)
{
	const struct stage_io *io = g->stage->io;
	struct stage_segment **dirty =
		malloc((g->nr_segments + 1) * sizeof(*dirty));
	bool is_dir_dirty = g->is_dir_dirty, is_dir;
	unsigned int nr;
	int ret = 0;

	if (!dirty)
		return error_set(err, -ENOMEM, "no memory");
	nr = take_dirty(g, dirty);
	g->is_dir_dirty = false;
	pthread_mutex_unlock(&g->lock);
	/* A commit's own segment is last: it is durable if all else is. */
	if (is_dir_dirty)
		ret = io->sync_dir(io->arg, g->dir);
	is_dir = ret;
	for (unsigned int i = 0; !ret && i < nr; i++)
		if (!i || dirty[i]->fd != dirty[i - 1]->fd)
			ret = io->sync(io->arg, dirty[i]->fd);
	pthread_mutex_lock(&g->lock);
	for (unsigned int i = 0; i < nr; i++)
		dirty[i]->is_short |= ret && !is_dir;	/* slots T3 */
	free(dirty);
	g->nr_syncs += nr;
	g->is_dir_dirty |= ret && is_dir_dirty;
	/* A thin device that is full says EIO to who writes by the cache. */
	if (ret == -ENOSPC ||
	    (ret && !is_dir && !g->stage->medium->is_sparse))
		want_room(g);
	return ret ? refuse_write(g, "syncing", ret,
				  g->stage->opts.segment_bytes, err) : 0;
}

int stage_log_write(struct stage_group *g, struct error *err)
{
	struct stage_gather gather = take_gathered(g);	/* A4 */
	int ret = write_gathered(g, &gather, false);

	return ret ? refuse_write(g, "writing to", ret, gather.len, err) : 0;
}

int stage_log_sync(struct stage_group *g, struct error *err)
{
	return stage_log_write(g, err) ?: sync_segments(g, err);
}

void stage_log_accept(struct stage_group *g)
{
	assert(!g->open.in_flight);
	g->end_lsn = stage_lsn(g->current->number, g->current->tail);
	g->end_salt = g->current->salt;
	g->current->has_promise = false;
}

static void segment_cut(struct stage_group *g, struct stage_segment *s,
			uint64_t pos)
{
	s->tail = pos;
	stage_store(&s->end, pos);
	s->is_dirty = false;
	g->stage->medium->cut(g, s, pos);
}

/* A9 */
static bool may_go_on(const struct stage_group *g,
		      const struct stage_segment *s)
{
	return !g->stage->medium->is_sparse && !s->is_bad && !s->is_short &&
	       !s->has_promise;
}

void stage_log_go_on(struct stage_group *g, struct stage_segment *s,
		     uint64_t pos)
{
	uint64_t end = stage_load(&s->end);

	/* Nor up to there: what ends there counts as synced (log walk). */
	if (end)
		stage_segment_limit(g, s, end > pos ? end - 1 : end);
	s->tail = pos;
	stage_store(&s->end, 0);
	g->current = s;
}

/* A9. If that fails it is told at the next sync. */
static void forget_front(struct stage_group *g, const struct stage_segment *s)
{
	static const char zeros[STAGE_BLOCK_BYTES];
	const struct stage_io *io = g->stage->io;
	struct iovec iov = { (void *)zeros, sizeof(zeros) };

	if (!g->stage->medium->is_sparse && s->fd >= 0 && !s->has_promise)
		io->pwritev(io->arg, s->fd, &iov, 1, s->at);
}

void stage_log_rewind(struct stage_group *g)
{
	uint64_t number = stage_lsn_segment(g->end_lsn);
	uint64_t pos = stage_lsn_pos(g->end_lsn);
	struct stage_segment *s;

	assert(!g->open.in_flight);
	g->gather.len = 0;				/* A4 */
	if (g->current && g->current->number == number &&
	    g->current->tail == pos)
		return;
	while (g->nr_segments) {
		s = g->segments[g->nr_segments - 1];
		if (s->number <= number)
			break;
		forget_front(g, s);
		stage_segment_drop(g, s);
	}
	s = stage_segment_find(g, number);
	g->current = NULL;
	if (s && may_go_on(g, s))
		stage_log_go_on(g, s, pos);
	else if (s)
		segment_cut(g, s, pos);
}
