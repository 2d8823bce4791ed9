// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Applying in place: what a log that is full costs where the operator chose
 * on_full=apply (S6, the third exception of P1), or where there is no image yet
 * (the first one). An epoch that the log cannot
 * hold is refused; the next ones go to the bases directly, and there is no
 * image until a clean one has ended.
 *
 *	staged -> wanted	[stage_inplace_want] an epoch was refused, and
 *				all history has gone that may
 *	wanted -> staged	[stage_inplace_turn] there is history again
 *	wanted -> in place	[stage_inplace_turn] somebody comes to write
 *	in place -> staged	by the first clean commit, since:
 *
 * I1 in place is a matter of the log alone: its newest clean commit is before
 *    checkpoint.in_place_lsn. That is durable before the first byte goes to a
 *    base, and needs no undoing.
 * I2 it begins at the end of the log, with no epoch open and all that was kept
 *    in the bases: so no record of the log is newer than what is there, and
 *    none may be applied over it. Headers wait for that, a hello too: who
 *    comes back after a refusal is told the truth.
 * I3 a commit of an epoch in place, clean or partial, follows a sync of the
 *    bases, and none failed since it was opened: the system tells a failure
 *    once, and it may have been the applier's sync that was told. What an
 *    aborted one has left in them is the primary's to overwrite: it is dirty
 *    there.
 * I4 epochs younger than history_min are not given up for it (P5); images that
 *    are open are (S10).
 * I5 the refusal itself costs nothing: the last image goes when a hello or an
 *    open, of one who may write, asks for the bases. Where nobody comes any
 *    more there is an image to fail over to.
 * I6 bases are distrusted after a write or a sync of them in place has failed,
 *    and where this process did not see all that went before: the system may
 *    show what is not on the disk, nor will be. Digests are refused then, so
 *    all that the primary owes is sent again; what no commit has confirmed, it
 *    owes. A clean commit ends that, of an epoch that was opened after the last
 *    failure (I3): nothing is owed any more that was not written again.
 * I7 before the first clean epoch there is no image that could be lost: what
 *    the log cannot hold goes in place whatever on_full says, or a volume that
 *    is larger than the log could never be copied. An image that has come since
 *    that was wanted is not given up for it.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "stage-parts.h"

bool stage_is_in_place(const struct stage_group *g)
{
	return g->clean_lsn < g->checkpoint.in_place_lsn;	/* I1 */
}

bool stage_inplace_is_pending(const struct stage_group *g)
{
	return g->has_applier && !g->apply_error.code &&
	       (stage_is_in_place(g) ? !g->is_in_place_ready :
				       g->is_in_place_asked);
}

bool stage_inplace_is_distrusted(const struct stage_group *g)
{
	return stage_is_in_place(g) &&
	       g->base_trusted != stage_load(&g->base_failures);
}

/* I4: the applier has taken all that may go. */
static bool has_history(const struct stage_group *g)
{
	for (unsigned int i = 0; i < g->nr_epochs; i++)
		if (g->epochs[i].is_clean && !stage_fault(I4))
			return true;
	return false;
}

/* I7 */
static bool may_go(const struct stage_group *g)
{
	return g->stage->opts.on_full_apply || !g->clean_epoch;
}

void stage_inplace_want(struct stage_group *g)
{
	if (may_go(g) && g->has_applier && !stage_is_in_place(g))
		g->wants_in_place = !has_history(g);
}

void stage_inplace_ask(struct stage_group *g)
{
	if (!g->wants_in_place || g->is_in_place_asked)
		return;
	g->is_in_place_asked = true;
	pthread_cond_broadcast(&g->changed);
}

/* --- the applier's part --------------------------------------------------- */

/* Nothing that is in an image may be read from now on. */
static void break_images(struct stage_group *g, uint64_t lsn)
{
	g->floor_lsn = lsn;
	for (struct stage_image *i = g->images; i; i = i->next)
		if (!i->is_read)
			i->is_broken = true;
}

/* Locked, dropped. I1 */
static int announce(struct stage_group *g, struct error *err)
{
	struct stage_checkpoint c = g->checkpoint;
	int ret;

	c.in_place_lsn = c.floor_lsn = g->end_lsn;
	c.seq++;
	break_images(g, c.floor_lsn);
	pthread_mutex_unlock(&g->lock);
	ret = stage_fault(I1) ? 0 : stage_checkpoint_write(g, &c, err);
	pthread_mutex_lock(&g->lock);
	if (!ret)
		g->checkpoint = c;
	else
		g->floor_lsn = g->checkpoint.floor_lsn;
	return ret;
}

/* Without the lock. I2; as apply P3 */
static int apply_kept(struct stage_group *g, struct stage_checkpoint *c,
		      uint64_t kept, struct error *err)
{
	uint64_t failures = stage_load(&g->base_failures);
	int ret = stage_checkpoint_confirm(g, err);

	*c = g->checkpoint;
	if (ret || kept <= c->applied_lsn)
		return ret;
	ret = stage_apply_records(g, c->applied_lsn, kept, err);
	if (!ret)
		ret = stage_apply_sync(g, failures, err);
	c->seq++;
	c->first = stage_lsn_segment(kept);
	c->applied_lsn = kept;
	if (c->in_place_lsn <= kept)	/* recovery takes applied for clean */
		c->in_place_lsn = c->floor_lsn = kept + 1;
	return ret ? ret : stage_checkpoint_write(g, c, err);
}

/* Locked, dropped. Also later, for the room that partial epochs take. */
static void go_in_place(struct stage_group *g)
{
	struct stage_checkpoint c;
	struct error err = { 0 };
	uint64_t kept = g->kept_lsn;
	bool is_new = !stage_is_in_place(g);
	int ret = 0;

	g->is_applying = true;
	error_clear(&g->apply_error);	/* it is pending again: I2 */
	if (is_new) {
		g->is_in_place_ready = false;	/* as it may be from before */
		ret = announce(g, &err);
	}
	assert(g->open.state == EPOCH_NONE || !is_new);
	if (!ret) {
		pthread_mutex_unlock(&g->lock);
		ret = apply_kept(g, &c, kept, &err);
		pthread_mutex_lock(&g->lock);
	}
	if (ret) {
		g->apply_error = err;
	} else {
		g->floor_lsn = c.floor_lsn;
		stage_apply_finish(g, &c);
		if (is_new)		/* what it has was synced: I6 */
			g->base_trusted = stage_load(&g->base_failures);
	}
	g->has_announce_failed = !stage_is_in_place(g);
	/* Once I2 holds, what fails later for want of room takes none of it. */
	g->is_in_place_ready = !ret || (!is_new && g->is_in_place_ready);
	g->is_applying = false;
}

static bool is_due(const struct stage_group *g, bool is_pressed)
{
	if (stage_is_in_place(g))
		return !g->is_in_place_ready ||
		       (is_pressed && g->kept_lsn > g->checkpoint.applied_lsn);
	return g->is_in_place_asked;
}

void stage_inplace_applied(struct stage_group *g)
{
	if (!g->has_announce_failed || stage_is_in_place(g))
		return;
	g->has_announce_failed = false;
	g->wants_in_place = g->is_in_place_asked = false;
}

bool stage_inplace_turn(struct stage_group *g, bool is_pressed)
{
	bool is_idle;

	if (!is_due(g, is_pressed))
		return false;
	if (g->is_in_place_asked && g->open.failed && !g->open.in_flight &&
	    !g->is_header_busy)
		stage_epoch_drop(g);
	is_idle = g->open.state == EPOCH_NONE && !g->is_header_busy;
	if (g->is_in_place_asked && !is_idle)
		return false;		/* they end soon, and say so */
	if (stage_is_in_place(g) ||
	    ((may_go(g) || stage_fault(I7)) && !has_history(g) && g->end_lsn)) {
		go_in_place(g);
	} else if (g->has_announce_failed) {
		/* What it has failed with is nobody's concern any more. */
		g->has_announce_failed = false;
		error_clear(&g->apply_error);
	}
	g->wants_in_place = g->is_in_place_asked = g->has_announce_failed;
	pthread_cond_broadcast(&g->changed);
	return true;
}

/* --- an epoch in place ---------------------------------------------------- */

int stage_inplace_check(const struct stage_group *g, struct error *err)
{
	if (!stage_is_in_place(g) || g->is_in_place_ready)
		return 0;
	return error_set(err, -EIO, "%s: applying in place: %s", g->name,
			 g->has_applier ? g->apply_error.text :
			 "nothing is applied now");
}

int stage_inplace_put(struct stage_volume *v, const void *buf, uint64_t len,
		      uint64_t off, struct error *err)
{
	const struct stage_io *io = v->stage->io;
	struct iovec iov = { (void *)buf, len };
	struct stage_group *g = v->g;
	int ret;

	assert(g->open.is_in_place && stage_is_in_place(g) &&
	       g->is_in_place_ready);
	pthread_mutex_unlock(&g->lock);
	ret = buf ? io->pwritev(io->arg, v->base_fd, &iov, 1, off) :
		    io->zero(io->arg, v->base_fd, off, len);
	__atomic_add_fetch(&g->bytes_applied, len, __ATOMIC_RELAXED);
	pthread_mutex_lock(&g->lock);
	if (ret)
		__atomic_add_fetch(&g->base_failures, 1, __ATOMIC_RELEASE);
	return ret ? error_set(err, -EIO, "writing %s: %s", v->meta.base,
			       strerror(-ret)) : 0;
}

int stage_inplace_sync(struct stage_group *g, struct error *err)
{
	uint64_t failures = g->open.base_failures;
	int ret;

	if (!g->open.is_in_place || stage_fault(I3))
		return 0;
	pthread_mutex_unlock(&g->lock);
	ret = stage_apply_sync(g, failures, err);
	pthread_mutex_lock(&g->lock);
	return ret;
}
