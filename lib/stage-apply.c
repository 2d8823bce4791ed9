// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The applier: a thread for each group, which brings epochs to the bases when
 * they leave the history, in the order of the log.
 *
 * P1 only up to a clean commit (S1). The order of the log is that of the
 *    epochs, so what a later record overwrites is overwritten here too, and
 *    doing all of it again changes nothing (S4).
 * P2 before it touches a base it makes durable how far it is going: from then
 *    on, also after a power cut, older images are gone [floor_lsn].
 * P3 base written, base synced, checkpoint durable, and only then are records
 *    forgotten and segments dropped. A sync that fails is not repeated by
 *    itself: everything since the last checkpoint is applied again (S3). So it
 *    is when another's sync of the bases has failed meanwhile: the system tells
 *    a failure once.
 * P4 it never goes past the image of somebody who reads or has it open, unless
 *    the log or the index is full: then it breaks the pin first (S6, S10).
 * P5 an epoch younger than history_min_ms is not taken for want of room.
 * P6 in a full log it goes on to the first clean commit at least, however much
 *    was partial before that one, and then until it is enough.
 * P7 of a device that groups share, one that has more than three quarters of
 *    what others leave lets history go, though nobody of its own wants room:
 *    so who comes later, or is idle for long, finds some.
 *
 * The thread also looks, once a second or so, for an epoch that is open for
 * nothing (epoch O5).
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stage-parts.h"
#include "stage-room.h"

#define NS_PER_MS	1000000ULL
#define ROUND_NS	(1000 * NS_PER_MS)	/* not more often, if idle */

/* --- how far to go -------------------------------------------------------- */

static uint64_t now(const struct stage_group *g)
{
	return g->stage->io->now(g->stage->io->arg);
}

static bool is_older(const struct epoch_entry *e, uint64_t now_ns, uint64_t ms)
{
	return !ms || (now_ns > e->commit_time &&
		       now_ns - e->commit_time >= ms * NS_PER_MS);
}

bool stage_index_is_full(const struct stage_group *g)
{
	return stage_index_bytes(g->index) > g->stage->opts.index_bytes;
}

/*
 * P7: fewer are free than a quarter of those and of its own, and the next? The
 * one that is written can't go. Also of a group that is alone: who comes later
 * is not there yet.
 */
static bool has_too_much(const struct stage_group *g)
{
	return g->nr_segments > 1 &&
	       !g->stage->medium->has_room(g, (g->nr_segments + 6) / 3);
}

static bool is_pressed(const struct stage_group *g)
{
	const struct stage_options *o = &g->stage->opts;

	return g->room_wanted || stage_index_is_full(g) || has_too_much(g) ||
	       g->log_bytes + o->segment_bytes > o->log_bytes / 4 * 3;
}

/* May history go this far for want of room? P5 */
static bool may_take(const struct stage_group *g, const struct epoch_entry *e,
		     uint64_t now_ns)
{
	return is_older(e, now_ns, g->stage->opts.history_min_ms) ||
	       stage_fault(S6);
}

/* The commit to go to, by age and by size; 0 = stay. */
static uint64_t wanted_lsn(const struct stage_group *g, bool is_pressing)
{
	const struct stage_options *o = &g->stage->opts;
	uint64_t now_ns = now(g), lsn = 0, above = 0, before = 0, freed = 0;
	uint64_t enough = g->room_wanted > o->log_bytes / 8 ?
			  g->room_wanted : o->log_bytes / 8;

	for (unsigned int i = 0; i < g->nr_epochs; i++)
		above += g->epochs[i].bytes;
	for (unsigned int i = 0; i < g->nr_epochs; i++) {
		const struct epoch_entry *e = &g->epochs[i];
		bool is_over = above > o->history_bytes &&
			       !stage_fault(SIZE);

		above -= e->bytes;
		before += e->bytes;
		if (!e->is_clean)
			continue;
		if (g->settle_all || is_older(e, now_ns, o->history_ms) ||
		    stage_fault(AGE) ||
		    (is_over && may_take(g, e, now_ns)) ||
		    (is_pressing && freed < enough &&
		     may_take(g, e, now_ns))) {
			lsn = e->lsn;
			freed = before;		/* P6 */
		}
	}
	return lsn > g->floor_lsn ? lsn : g->floor_lsn;
}

/* The oldest image that is in use; UINT64_MAX if none is. */
static uint64_t oldest_pin(const struct stage_group *g, bool is_breaking)
{
	uint64_t lsn = UINT64_MAX;

	for (struct stage_image *i = g->images; i; i = i->next)
		if (!i->is_broken && (i->is_read || !is_breaking) &&
		    i->lsn < lsn)
			lsn = i->lsn;
	return stage_fault(S10) ? UINT64_MAX : lsn;
}

/* The newest clean commit that is not after @lsn; NULL if it is applied. */
static const struct epoch_entry *entry_at(const struct stage_group *g,
					  uint64_t lsn)
{
	const struct epoch_entry *found = NULL;

	for (unsigned int i = 0; i < g->nr_epochs; i++)
		if (g->epochs[i].is_clean && g->epochs[i].lsn <= lsn)
			found = &g->epochs[i];
	return found;
}

static const struct epoch_entry *choose(const struct stage_group *g,
					bool is_pressing, bool is_breaking)
{
	uint64_t lsn = wanted_lsn(g, is_pressing);
	uint64_t pin = oldest_pin(g, is_breaking);

	return entry_at(g, pin < lsn ? pin : lsn);	/* P4 */
}

bool stage_apply_can_free(struct stage_group *g)
{
	return g->has_applier && !g->apply_error.code &&
	       (g->is_applying || choose(g, true, true) ||
		(stage_is_in_place(g) &&
		 g->kept_lsn > g->checkpoint.applied_lsn));
}

/* Now, or is there time to gather more? */
static bool is_due(const struct stage_group *g)
{
	uint64_t now_ns = now(g);

	return g->settle || is_pressed(g) || now_ns < g->applied_at ||
	       now_ns - g->applied_at >= ROUND_NS;
}

static const struct epoch_entry *next_target(struct stage_group *g)
{
	const struct epoch_entry *e = NULL;

	if (is_due(g))
		e = choose(g, is_pressed(g), false);
	if (!e && g->room_wanted)
		e = choose(g, true, true);
	return e;
}

/* --- applying ------------------------------------------------------------- */

static int apply_data(struct walker *w, struct stage_volume *v,
		      struct error *err)
{
	const struct stage_io *io = v->stage->io;
	const char *data = stage_walk_payload(w, err);
	struct iovec iov = { (void *)data, w->r.payload };

	if (!data)
		return -EIO;
	if (replica_digest(w->r.off, data, w->r.len) != w->r.crc)
		return error_set(err, -EIO, "%s: the log is damaged: segment %"
				 PRIu64 ", record at %u", w->g->name,
				 w->s->number, stage_lsn_pos(w->lsn));
	return io->pwritev(io->arg, v->base_fd, &iov, 1, w->r.off);
}

static int apply_record(struct walker *w, struct error *err)
{
	const struct stage_io *io = w->g->stage->io;
	struct stage_volume *v;
	int ret;

	if (w->r.type != STAGE_REC_DATA && w->r.type != STAGE_REC_ZERO)
		return 0;
	v = w->g->members[w->r.member];
	if (w->r.type == STAGE_REC_DATA)
		ret = apply_data(w, v, err);
	else
		ret = io->zero(io->arg, v->base_fd, w->r.off, w->r.len);
	__atomic_add_fetch(&w->g->bytes_applied, w->r.len, __ATOMIC_RELAXED);
	return ret ? error_set(err, ret, "writing %s: %s", v->meta.base,
			       strerror(-ret)) : 0;
}

int stage_apply_records(struct stage_group *g, uint64_t from, uint64_t to,
			struct error *err)
{
	struct walker w;
	int ret = stage_walk_begin(&w, g, from, err);

	while (!ret) {
		ret = stage_walk_next(&w, err);
		if (!ret)
			ret = error_set(err, -EIO, "%s: the log is damaged: "
					"it ends before epochs that were "
					"committed", g->name);
		if (ret < 0)
			break;
		ret = apply_record(&w, err);
		if (w.lsn >= to)
			break;
	}
	stage_walk_end(&w);
	return ret;
}

static int sync_bases(struct stage_group *g, struct error *err)
{
	const struct stage_io *io = g->stage->io;

	for (unsigned int i = 0; i < g->nr_members; i++) {
		struct stage_volume *v = g->members[i];
		int ret = io->sync(io->arg, v->base_fd);

		if (ret && !stage_fault(S3_BASE))
			return error_set(err, ret, "syncing %s: %s",
					 v->meta.base, strerror(-ret));
	}
	return 0;
}

/* A failure is counted before another sync can be good. */
int stage_apply_sync(struct stage_group *g, uint64_t since, struct error *err)
{
	int ret;

	pthread_mutex_lock(&g->base_lock);
	ret = sync_bases(g, err);
	if (ret)
		__atomic_add_fetch(&g->base_failures, 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&g->base_lock);
	if (!ret && since != stage_load(&g->base_failures))
		ret = error_set(err, -EIO, "%s: its bases could not be synced "
				"while they were written", g->name);
	return ret;
}

/* P2 */
static int announce(struct stage_group *g, const struct epoch_entry *e,
		    struct error *err)
{
	struct stage_checkpoint c = g->checkpoint;
	int ret;

	if (c.floor_lsn >= e->lsn)
		return 0;
	c.floor_lsn = e->lsn;
	c.seq++;
	ret = stage_checkpoint_write(g, &c, err);
	pthread_mutex_lock(&g->lock);
	if (!ret)
		g->checkpoint = c;
	pthread_mutex_unlock(&g->lock);
	return ret;
}

static void next_checkpoint(const struct stage_group *g,
			    const struct epoch_entry *e,
			    struct stage_checkpoint *c)
{
	*c = g->checkpoint;
	c->seq++;
	c->first = stage_lsn_segment(e->lsn);
	c->applied_lsn = e->lsn;
	c->applied_epoch = e->epoch;
	c->commit_time = e->commit_time;
	c->cut_time = e->cut_time;
	if (e->lsn > c->in_place_lsn)
		c->in_place_lsn = 0;	/* it is over, and its log is gone */
}

/* Without the lock. P3 */
static int apply_to(struct stage_group *g, const struct epoch_entry *e,
		    struct stage_checkpoint *c, struct error *err)
{
	uint64_t failures = stage_load(&g->base_failures);
	int ret = stage_checkpoint_confirm(g, err);

	if (!ret)
		ret = announce(g, e, err);
	next_checkpoint(g, e, c);
	if (!ret)
		ret = stage_apply_records(g, g->checkpoint.applied_lsn, e->lsn,
					  err);
	if (!ret && !stage_fault(S4))
		ret = stage_apply_sync(g, failures, err);
	if (!ret)
		ret = stage_checkpoint_write(g, c, err);
	return ret;
}

/* --- before and after ----------------------------------------------------- */

/* Locked. Images that cannot stay are told, readers are waited for. P4 */
static void clear_way(struct stage_group *g, uint64_t lsn)
{
	struct stage_image *i;

	g->floor_lsn = lsn;
	for (i = g->images; i; i = i->next)
		if (!i->is_read && i->lsn < lsn && !stage_fault(S10))
			i->is_broken = true;
	while (!stage_fault(S10)) {
		for (i = g->images; i; i = i->next)
			if (i->is_read && i->lsn < lsn)
				break;
		if (!i)
			return;
		g->is_clearing = true;
		pthread_cond_wait(&g->changed, &g->lock);
		g->is_clearing = false;
	}
}

static void forget_applied(struct stage_group *g, uint64_t lsn)
{
	unsigned int nr = 0;

	pthread_rwlock_wrlock(&g->index_lock);
	for (unsigned int i = 0; i < g->nr_members; i++)
		stage_index_erase(g->index, &g->members[i]->tree, 0, lsn);
	pthread_rwlock_unlock(&g->index_lock);
	while (nr < g->nr_epochs && g->epochs[nr].lsn <= lsn)
		nr++;
	if (!nr)
		return;
	g->nr_epochs -= nr;
	memmove(g->epochs, g->epochs + nr, g->nr_epochs * sizeof(*g->epochs));
}

/* With `files`. */
static void drop_segments(struct stage_group *g)
{
	while (g->nr_segments) {
		struct stage_segment *s = g->segments[0];

		if (s == g->current || s->is_dirty ||
		    s->number >= g->checkpoint.first)
			break;
		stage_segment_drop(g, s);
	}
}

/* Locked, dropped. */
void stage_apply_finish(struct stage_group *g, const struct stage_checkpoint *c)
{
	g->checkpoint = *c;
	forget_applied(g, c->applied_lsn);
	pthread_mutex_unlock(&g->lock);
	pthread_rwlock_wrlock(&g->files);
	pthread_mutex_lock(&g->lock);
	drop_segments(g);
	pthread_rwlock_unlock(&g->files);
	g->room_wanted = 0;
	error_clear(&g->apply_error);
	stage_inplace_applied(g);
}

/* Locked, dropped. */
static void round_to(struct stage_group *g, struct epoch_entry e)
{
	struct stage_checkpoint c;
	struct error err = { 0 };
	int ret;

	g->is_applying = true;
	clear_way(g, e.lsn);
	pthread_mutex_unlock(&g->lock);
	ret = apply_to(g, &e, &c, &err);
	pthread_mutex_lock(&g->lock);
	if (ret)
		g->apply_error = err;
	else
		stage_apply_finish(g, &c);
	g->is_applying = false;
	g->applied_at = now(g);
	pthread_cond_broadcast(&g->changed);
}

int stage_apply_upto(struct stage_group *g, uint64_t epoch, struct error *err)
{
	const struct epoch_entry *e = NULL;
	int ret;

	assert(!g->has_applier);
	pthread_mutex_lock(&g->lock);
	for (unsigned int i = 0; i < g->nr_epochs; i++)
		if (g->epochs[i].is_clean && g->epochs[i].epoch == epoch)
			e = &g->epochs[i];
	if (e)
		round_to(g, *e);
	ret = g->apply_error.code;
	if (ret)
		error_set(err, ret, "%s", g->apply_error.text);
	else if (g->checkpoint.applied_epoch != epoch)
		ret = error_set(err, -ENOENT, "%s: there is no epoch %" PRIu64
				" to apply", g->name, epoch);
	pthread_mutex_unlock(&g->lock);
	return ret;
}

/* Locked, dropped. */
static void wait_for_work(struct stage_group *g)
{
	g->apply_turns++;
	g->room_wanted = 0;
	pthread_cond_broadcast(&g->changed);
	stage_wait_a_second(g);
}

static void *applier(void *arg)
{
	struct stage_group *g = arg;
	const struct epoch_entry *e;

	pthread_mutex_lock(&g->lock);
	while (!g->is_stopping) {
		bool has_worked = true;

		stage_epoch_drop_idle(g);
		e = next_target(g);
		if (e)
			round_to(g, *e);
		else
			has_worked = stage_inplace_turn(g, is_pressed(g));
		if (!has_worked || g->apply_error.code)
			wait_for_work(g);
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

int stage_apply_start(struct stage_group *g, struct error *err)
{
	int ret = pthread_create(&g->applier, NULL, applier, g);

	g->has_applier = !ret;
	return ret ? error_set(err, -ret, "no thread for the applier") : 0;
}

void stage_apply_stop(struct stage_group *g)
{
	if (!g->has_applier)
		return;
	pthread_mutex_lock(&g->lock);
	g->is_stopping = true;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
	pthread_join(g->applier, NULL);
	g->has_applier = false;
}

int stage_settle(struct stage_volume *v, bool is_all, struct error *err)
{
	struct stage_group *g = v->g;
	uint64_t turns;
	int ret;

	if (!g->has_applier)
		return error_set(err, -EIO, "%s: %s", v->meta.name,
				 g->error.text);
	pthread_mutex_lock(&g->lock);
	g->settle++;
	g->settle_all += is_all;
	turns = g->apply_turns;
	pthread_cond_broadcast(&g->changed);
	while (g->apply_turns == turns)
		pthread_cond_wait(&g->changed, &g->lock);
	ret = g->apply_error.code;
	if (ret)
		error_set(err, ret, "%s", g->apply_error.text);
	g->settle--;
	g->settle_all -= is_all;
	pthread_mutex_unlock(&g->lock);
	return ret;
}
