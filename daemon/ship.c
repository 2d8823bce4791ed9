// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *	IDLE -> CUTTING		[ship_start]
 *	CUTTING -> SENDING	[try_cut] the kernel took the number
 *	SENDING -> COMMITTING	[commit_all] every member is pumped
 *	COMMITTING -> IDLE	[finish_commit] CLEAN, PARTIAL, ABORTED, DOUBT
 *	CUTTING, SENDING -> ABORTING [fail]
 *	ABORTING -> IDLE	[finish_abort] when nothing is under way
 *
 * A member in SENDING, two things at once, then a third:
 *
 *	cut --.-- FROZEN -- GET_FROZEN --.-- pump: read, RELEASE, send
 *	      '-- header(open), durable -'
 *
 * E1 the first data write of an epoch leaves after header(open) is durable at
 *    that target (W6): start_pump() asks for both.
 * E2 a commit header leaves after every member is pumped: all replies are in,
 *    and every member's last RELEASE has said whether it is clean (S7).
 * E3 the header says clean only if the cut was, no member has degraded, and all
 *    that was frozen has been sent.
 * E4 END(commit) and END(keep) follow the durable header of *every* member;
 *    END(abort) only where no header can still be on its way; else DOUBT (W3).
 * E5 END(keep) where the header says partial: what was not released is dirty
 *    again.
 * E6 an epoch is of the size that the targets know: who has grown before the
 *    cut is seen when its chunks are; whoever grows later ends it (kernel).
 */
#include "ship.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "compare.h"
#include "extents.h"
#include "log.h"
#include "verify.h"
#include "volume.h"

#define CUT_RETRY_MS	2	/* while the previous cut drains (K3) … */
#define CUT_SLOW_MS	50	/* … and when that takes long */
#define CUT_FAST_TRIES	100
#define CUT_LONG_TRIES	200	/* then it is worth a line in the log */
#define LOOK_MS		500	/* events are hints: FROZEN may be lost */

static void take_step(struct ring_work *work);
static void on_timer(struct ring_timer *timer);
static void check_progress(struct ship *ship);

static void fail(struct ship *ship, enum ship_blame blame,
		 struct volume *volume, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

void ship_init(struct ship *ship, struct ring *ring, struct kernel *kernel,
	       const char *name,
	       void (*done)(struct ship *ship, enum ship_result result))
{
	memset(ship, 0, sizeof(*ship));
	ship->ring = ring;
	ship->kernel = kernel;
	ship->name = name;
	ship->done = done;
	ship->step.run = take_step;
	ship->timer.fire = on_timer;
}

/* --- ending ------------------------------------------------------------ */

static void finish(struct ship *ship, enum ship_result result)
{
	ring_timer_cancel(ship->ring, &ship->timer);
	ship->phase = SHIP_IDLE;
	ship->done(ship, result);
}

static int end_epoch(struct ship *ship, enum dmr_end how)
{
	return kernel_end(ship->kernel, ship->volumes->device.dev,
			  ship->epoch, how);
}

/* The kernel aborts by itself when we are gone; an error changes nothing. */
static void finish_abort(struct ship *ship)
{
	if (ship->was_cut)
		end_epoch(ship, DMR_END_ABORT);
	finish(ship, SHIP_ABORTED);
}

static void fail(struct ship *ship, enum ship_blame blame,
		 struct volume *volume, const char *fmt, ...)
{
	va_list args;

	if (ship->phase != SHIP_CUTTING && ship->phase != SHIP_SENDING)
		return;
	ship->phase = SHIP_ABORTING;
	ship->blame = blame;
	ship->blamed = volume;
	va_start(args, fmt);
	vsnprintf(ship->text, sizeof(ship->text), fmt, args);
	va_end(args);
	for (struct volume *v = ship->volumes; v; v = v->next)
		if (v->shipment.is_pumping)
			pump_abort(v->pump);
	ring_defer(ship->ring, &ship->step);
}

void ship_abort(struct ship *ship, const char *why)
{
	fail(ship, SHIP_BLAME_NOBODY, NULL, "%s", why);
}

/* --- headers ----------------------------------------------------------- */

/* What is staged leaves the image that there is alone. */
static enum replica_state state_of(const struct target *t,
				   enum replica_kind kind)
{
	bool is_whole = kind == REPLICA_KIND_CLEAN ||
			(t->is_staged && t->header.last_clean &&
			 t->header.state == REPLICA_STATE_OK);

	return is_whole ? REPLICA_STATE_OK : REPLICA_STATE_APPLYING;
}

static void fill_header(const struct ship *ship, const struct volume *v,
			enum replica_kind kind, struct replica_header *h)
{
	*h = v->target.header;
	h->kind = kind;
	h->epoch = ship->epoch;
	h->highest_seen = ship->epoch;
	h->incarnation = v->info.incarnation;
	h->named = v->info.last_named;
	h->state = state_of(&v->target, kind);
	h->records = v->shipment.records;
	h->digest = v->shipment.digest;
	h->hints = kind == REPLICA_KIND_OPEN &&
		   ship->flags & DMR_EPOCH_F_FUZZY ? REPLICA_HINT_WINDOW : 0;
	volume_fill_unsent(v, h);
	if (kind == REPLICA_KIND_PARTIAL)
		h->last_partial = ship->epoch;
	if (kind != REPLICA_KIND_CLEAN)
		return;
	h->last_clean = ship->epoch;
	h->cut_time = ship->cut_time;
}

static struct volume *volume_of(struct target *t)
{
	return container_of(t, struct volume, target);
}

static void on_open_written(struct target *t, int err, bool maybe)
{
	struct volume *v = volume_of(t);

	v->shipment.is_open_done = true;
	if (err)
		fail(v->shipment.ship, SHIP_BLAME_TARGET, v,
		     "opening epoch %" PRIu64 ": %s", v->shipment.ship->epoch,
		     t->backend ? backend_error(t->backend) : strerror(-err));
	check_progress(v->shipment.ship);
}

static void send_open(struct volume *v)
{
	struct ship *ship = v->shipment.ship;
	struct replica_header h;
	int err;

	if (v->shipment.is_open_sent)
		return;
	fill_header(ship, v, REPLICA_KIND_OPEN, &h);
	err = target_write_header(&v->target, &h, true, on_open_written);
	if (err)
		fail(ship, SHIP_BLAME_TARGET, v, "opening epoch %" PRIu64
		     ": %s", ship->epoch, strerror(-err));
	v->shipment.is_open_sent = !err;
}

/* --- pumping ----------------------------------------------------------- */

static void on_read(void *arg, const struct dmr_extent *extents, size_t nr)
{
	struct volume *v = arg;
	struct ship *ship = v->shipment.ship;
	struct dmr_released released;
	int err;

	if (ship->phase != SHIP_SENDING)
		return;
	err = kernel_release(ship->kernel, v->device.dev, ship->epoch, extents,
			     nr, &released);
	if (err) {
		fail(ship, SHIP_BLAME_KERNEL, v, "release: %s",
		     kernel_error(ship->kernel));
		return;
	}
	v->shipment.nr_held = released.nr_held;
	v->shipment.is_fuzzy |= released.epoch_flags & DMR_EPOCH_F_FUZZY;
}

/* Once: a spool that can't be used makes epochs degrade, no more. */
static void tell_spool(struct volume *v)
{
	const char *text = pump_spool_error(v->pump);

	if (text[0] && !v->is_spool_told)
		log_warn(v->config->name, "the spool is not used: %s", text);
	v->is_spool_told = text[0];
}

/* Once: the bytes are as right as ever, but they are many. */
static void tell_compare(struct volume *v, const struct pump_stats *stats)
{
	if (stats->is_unknown && !v->is_compare_told)
		log_warn(v->config->name, "the target's digests cannot be had, "
			 "all is sent: %s", v->target.backend ?
			 backend_error(v->target.backend) : "it is closed");
	v->is_compare_told |= stats->is_unknown;
}

static void on_pumped(void *arg, int err, const struct pump_stats *stats)
{
	struct volume *v = arg;
	struct ship *ship = v->shipment.ship;

	v->shipment.is_pumping = false;
	v->shipment.is_pumped = !err;
	v->shipment.records = stats->records;
	v->shipment.digest = stats->digest;
	v->bytes_shipped += stats->bytes_sent;
	v->bytes_zero += stats->bytes_zero;
	v->bytes_compared += stats->bytes_compared;
	v->bytes_equal += stats->bytes_equal;
	tell_spool(v);
	tell_compare(v, stats);
	if (stats->bad_sector != UINT64_MAX)
		fail(ship, SHIP_BLAME_KERNEL, v, "sector %" PRIu64 " of the "
		     "volume cannot be read: %s", stats->bad_sector,
		     pump_error(v->pump));
	else if (err)
		fail(ship, SHIP_BLAME_TARGET, v, "%s", pump_error(v->pump));
	check_progress(ship);
}

static void start_pump(struct volume *v)
{
	struct shipment *s = &v->shipment;
	struct pump_job job = {
		.backend = v->target.backend,
		.fd = v->view_fd,
		.volume_bytes = volume_bytes(v),
		.compare = compare_is_on(v),
		.seed = v->target.header.session.random,
		.held = !(s->ship->flags & DMR_EPOCH_F_FUZZY),
		.on_read = on_read,
		.done = on_pumped,
		.arg = v,
	};
	int err;

	if (!s->is_frozen || !s->is_open_done || s->is_pumping || s->is_pumped)
		return;
	job.extents = dmr_extents_array(s->window, &job.nr_extents);
	err = pump_start(v->pump, &job);
	s->is_pumping = !err;
	if (err)
		fail(s->ship, SHIP_BLAME_KERNEL, v, "%s", pump_error(v->pump));
}

/* --- what is frozen ---------------------------------------------------- */

/*
 * A fuzzy epoch ships a window: from where the last one ended, so that chunks
 * at the front which are written all the time don't starve the others.
 */
static int take_window(struct volume *v)
{
	struct shipment *s = &v->shipment;
	uint64_t window = v->config->window << s->ship->window_scale;
	uint64_t most = window / volume_chunk_bytes(v) ?: 1;
	uint64_t from = s->cursor;
	struct dmr_extent e;
	int err = 0;

	dmr_extents_clear(s->window);
	if (!(s->ship->flags & DMR_EPOCH_F_FUZZY))
		return dmr_extents_add_set(s->window, s->frozen);
	if (!dmr_extents_next(s->frozen, from, most, &e))
		from = 0;
	while (!err && most && dmr_extents_next(s->frozen, from, most, &e)) {
		err = dmr_extents_add(s->window, e.start, e.count);
		from = e.start + e.count;
		most -= e.count;
	}
	s->cursor = from;
	s->is_short = dmr_extents_chunks(s->window) <
		      dmr_extents_chunks(s->frozen);
	return err;
}

static int read_frozen(struct volume *v)
{
	struct shipment *s = &v->shipment;
	int err;

	for (int tries = 0; tries < 10; tries++) {
		dmr_extents_clear(s->frozen);
		err = kernel_get_frozen(s->ship->kernel, v->device.dev,
					s->ship->epoch, dmr_extents_add_array,
					s->frozen);
		if (err != -EINTR)
			break;
	}
	return err;
}

/* E6. Of those, too, of which nothing is frozen. */
static int check_size(struct volume *v)
{
	if (!volume_refresh(v) && volume_kernel_bytes(v) == volume_bytes(v))
		return 0;
	fail(v->shipment.ship, SHIP_BLAME_KERNEL, v, "it is not as large as "
	     "it was before the cut");
	return -ESTALE;
}

static void on_frozen(struct volume *v, uint32_t epoch_flags)
{
	struct shipment *s = &v->shipment;
	struct ship *ship = s->ship;
	int err;

	if (s->is_frozen)
		return;
	err = read_frozen(v);
	if (err == -EAGAIN)
		return;
	if (err || take_window(v)) {
		fail(ship, SHIP_BLAME_KERNEL, v, "frozen chunks: %s",
		     err ? kernel_error(ship->kernel) : "no memory");
		return;
	}
	if (check_size(v))
		return;
	verify_note_frozen(v, s->frozen);
	s->is_frozen = true;
	s->is_fuzzy |= epoch_flags & DMR_EPOCH_F_FUZZY;
	s->nr_held = dmr_extents_chunks(s->frozen);
	if (dmr_extents_is_empty(s->frozen))
		s->is_pumped = true;
	else
		send_open(v);
	check_progress(ship);
}

void ship_event(struct ship *ship, struct volume *volume,
		const struct dmr_nl_event *ev)
{
	if (ship->phase != SHIP_SENDING || ev->epoch != ship->epoch)
		return;
	if (ev->type == DMR_EVENT_FROZEN)
		on_frozen(volume, ev->epoch_flags);
	else if (ev->type == DMR_EVENT_DEGRADED)
		volume->shipment.is_fuzzy = true;
}

/* FROZEN may have been lost: ask. */
static void look(struct ship *ship)
{
	for (struct volume *v = ship->volumes; v; v = v->next) {
		if (v->shipment.is_frozen)
			continue;
		if (volume_refresh(v))
			fail(ship, SHIP_BLAME_KERNEL, v, "%s",
			     kernel_error(ship->kernel));
		else if (v->info.epoch != ship->epoch)
			fail(ship, SHIP_BLAME_KERNEL, v, "the kernel has ended "
			     "epoch %" PRIu64 " by itself", ship->epoch);
		else if (v->info.state == DMR_STATE_FROZEN)
			on_frozen(v, v->info.epoch_flags);
		if (ship->phase != SHIP_SENDING)
			return;
	}
	ring_timer_add(ship->ring, &ship->timer, LOOK_MS);
}

/* --- cut --------------------------------------------------------------- */

static void send_opens(struct ship *ship)
{
	for (struct volume *v = ship->volumes; v; v = v->next)
		if (v->info.nr_dirty && ship->phase == SHIP_SENDING)
			send_open(v);
}

/* No epoch of ours is open: one that is was left when its END failed. */
static void end_left_epoch(struct ship *ship)
{
	uint64_t epoch;

	for (struct volume *v = ship->volumes; v; v = v->next) {
		epoch = volume_refresh(v) ? 0 : v->info.epoch;
		if (epoch && !kernel_end(ship->kernel, v->device.dev, epoch,
					 DMR_END_ABORT))
			log_warn(v->config->name, "epoch %" PRIu64 " was still "
				 "open in the kernel: aborted", epoch);
	}
}

static void on_cut_busy(struct ship *ship)
{
	bool is_slow = ship->tries++ >= CUT_FAST_TRIES;

	if (ship->tries == CUT_LONG_TRIES)
		log_warn(ship->name, "no cut for seconds: %s",
			 kernel_error(ship->kernel));
	if (is_slow)
		end_left_epoch(ship);
	ring_timer_add(ship->ring, &ship->timer, is_slow ? CUT_SLOW_MS :
							   CUT_RETRY_MS);
}

static void try_cut(struct ship *ship)
{
	struct dmr_cut cut;
	int err = kernel_cut(ship->kernel, ship->volumes->device.dev,
			     ship->epoch, ship->flags, &cut);

	if (err == -EBUSY) {
		on_cut_busy(ship);
		return;
	}
	if (err) {
		fail(ship, SHIP_BLAME_KERNEL, ship->volumes, "cut: %s",
		     kernel_error(ship->kernel));
		return;
	}
	ship->was_cut = true;
	ship->cut_time = cut.cut_time;
	ship->cut_ns = ring_now(ship->ring);
	ship->phase = SHIP_SENDING;
	send_opens(ship);
	ring_timer_add(ship->ring, &ship->timer, LOOK_MS);
}

static void on_timer(struct ring_timer *timer)
{
	struct ship *ship = container_of(timer, struct ship, timer);

	if (ship->phase == SHIP_CUTTING)
		try_cut(ship);
	else if (ship->phase == SHIP_SENDING)
		look(ship);
}

static void reset_shipment(struct shipment *s, struct ship *ship)
{
	struct shipment clean = {
		.ship = ship,
		.frozen = s->frozen,
		.window = s->window,
		.cursor = s->cursor,
	};

	*s = clean;
}

void ship_start(struct ship *ship, struct volume *volumes, uint64_t epoch,
		bool is_fuzzy)
{
	assert(ship->phase == SHIP_IDLE);
	ship->volumes = volumes;
	ship->epoch = epoch;
	ship->flags = is_fuzzy ? DMR_EPOCH_F_FUZZY : 0;
	ship->was_cut = false;
	ship->tries = 0;
	ship->blame = SHIP_BLAME_NOBODY;
	ship->blamed = NULL;
	ship->text[0] = 0;
	for (struct volume *v = volumes; v; v = v->next)
		reset_shipment(&v->shipment, ship);
	ship->phase = SHIP_CUTTING;
	try_cut(ship);
}

/* --- commit ------------------------------------------------------------ */

static bool is_all_clean(const struct ship *ship)
{
	for (struct volume *v = ship->volumes; v; v = v->next)
		if (v->shipment.is_fuzzy || v->shipment.is_short ||
		    (v->shipment.nr_held &&
		     !dmr_extents_is_empty(v->shipment.frozen)))
			return false;
	return !(ship->flags & DMR_EPOCH_F_FUZZY);
}

/* E4 */
static void finish_commit(struct ship *ship)
{
	bool is_everywhere = true, is_in_doubt = false;

	for (struct volume *v = ship->volumes; v; v = v->next) {
		is_everywhere &= v->shipment.is_committed;
		is_in_doubt |= v->shipment.is_in_doubt;
	}
	ship->took_ns = ring_now(ship->ring) - ship->cut_ns;
	ship->commit_took_ns = ring_now(ship->ring) - ship->commit_ns;
	if (is_in_doubt) {
		finish(ship, SHIP_DOUBT);
	} else if (!is_everywhere) {
		finish_abort(ship);
	} else if (end_epoch(ship, ship->is_clean ? DMR_END_COMMIT :
						    DMR_END_KEEP)) {
		ship->blame = SHIP_BLAME_KERNEL;
		ship->blamed = ship->volumes;
		snprintf(ship->text, sizeof(ship->text), "end: %s",
			 kernel_error(ship->kernel));
		finish_abort(ship);
	} else {
		finish(ship, ship->is_clean ? SHIP_CLEAN : SHIP_PARTIAL);
	}
}

static bool is_commit_under_way(const struct ship *ship)
{
	for (struct volume *v = ship->volumes; v; v = v->next)
		if (v->shipment.is_commit_sent)
			return true;
	return false;
}

static void on_commit_failed(struct volume *v, int err)
{
	struct ship *ship = v->shipment.ship;

	if (ship->blamed)
		return;
	ship->blame = SHIP_BLAME_TARGET;
	ship->blamed = v;
	snprintf(ship->text, sizeof(ship->text), "commit of epoch %" PRIu64
		 ": %s", ship->epoch, v->target.backend ?
		 backend_error(v->target.backend) : strerror(-err));
}

static void on_committed(struct target *t, int err, bool maybe)
{
	struct volume *v = volume_of(t);

	v->shipment.is_commit_sent = false;
	v->shipment.is_committed = !err;
	v->shipment.is_in_doubt = err && maybe;
	if (err)
		on_commit_failed(v, err);
	ring_defer(v->shipment.ship->ring, &v->shipment.ship->step);
}

static void commit_all(struct ship *ship)
{
	struct replica_header h;
	int err;

	ship->phase = SHIP_COMMITTING;
	ship->commit_ns = ring_now(ship->ring);
	ship->is_clean = is_all_clean(ship);
	for (struct volume *v = ship->volumes; v; v = v->next) {
		fill_header(ship, v, ship->is_clean ? REPLICA_KIND_CLEAN :
						      REPLICA_KIND_PARTIAL, &h);
		err = target_commit(&v->target, &h, on_committed);
		v->shipment.is_commit_sent = !err;
		if (err)
			on_commit_failed(v, err);
	}
	ring_defer(ship->ring, &ship->step);
}

/* --- progress ---------------------------------------------------------- */

static bool is_busy(const struct volume *v)
{
	const struct shipment *s = &v->shipment;

	return s->is_pumping || (s->is_open_sent && !s->is_open_done);
}

static bool is_any_busy(const struct ship *ship)
{
	for (struct volume *v = ship->volumes; v; v = v->next)
		if (is_busy(v))
			return true;
	return false;
}

static bool is_all_pumped(const struct ship *ship)
{
	for (struct volume *v = ship->volumes; v; v = v->next)
		if (!v->shipment.is_pumped || is_busy(v))
			return false;
	return true;
}

static void check_progress(struct ship *ship)
{
	for (struct volume *v = ship->volumes; v; v = v->next)
		if (ship->phase == SHIP_SENDING)
			start_pump(v);
	if (ship->phase == SHIP_ABORTING || (ship->phase == SHIP_SENDING &&
					     is_all_pumped(ship)))
		ring_defer(ship->ring, &ship->step);
}

static void take_step(struct ring_work *work)
{
	struct ship *ship = container_of(work, struct ship, step);

	if (ship->phase == SHIP_SENDING && is_all_pumped(ship))
		commit_all(ship);
	else if (ship->phase == SHIP_ABORTING && !is_any_busy(ship))
		finish_abort(ship);
	else if (ship->phase == SHIP_COMMITTING && !is_commit_under_way(ship))
		finish_commit(ship);
}

/* --- W3 ---------------------------------------------------------------- */

static bool is_committed_at(const struct ship *ship, const struct volume *v)
{
	const struct replica_header *h = &v->target.header;

	return (ship->is_clean ? h->last_clean : h->last_partial) ==
	       ship->epoch;
}

int ship_resolve(struct ship *ship, struct volume *volumes)
{
	bool is_everywhere = true;
	enum dmr_end how = DMR_END_ABORT;
	int err;

	ship->volumes = volumes;
	for (struct volume *v = volumes; v; v = v->next)
		is_everywhere &= is_committed_at(ship, v);
	if (is_everywhere)
		how = ship->is_clean ? DMR_END_COMMIT : DMR_END_KEEP;
	err = end_epoch(ship, how);
	log_info(ship->name, "epoch %" PRIu64 " was in doubt: %s", ship->epoch,
		 err ? kernel_error(ship->kernel) :
		 is_everywhere ? "it is committed" : "aborted");
	if (err)
		return err;
	return !is_everywhere ? SHIP_ABORTED :
	       ship->is_clean ? SHIP_CLEAN : SHIP_PARTIAL;
}

bool ship_met_full_log(const struct ship *ship)
{
	return ship->blame == SHIP_BLAME_TARGET &&
	       ship->blamed->target.backend &&
	       backend_is_full(ship->blamed->target.backend);
}

void ship_give_up(struct ship *ship, struct volume *volumes)
{
	ship->volumes = volumes;
	end_epoch(ship, DMR_END_ABORT);
}
