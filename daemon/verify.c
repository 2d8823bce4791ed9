// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A round takes some chunks, reads them here and (digests, or the data of a
 * target that knows none) there, and then asks the kernel what was in motion:
 *
 *	IDLE -> READING		[begin_round] the target is ready
 *	READING -> LOOKING	[round_read] all is read, hashed, answered
 *	LOOKING -> CONFIRMING	[compare] something differs
 *	LOOKING, CONFIRMING -> READING [next_round], or IDLE, MARKING [finish]
 *	MARKING -> IDLE		[look_at_marks] what differs is marked for good
 *	READING -> WAITING	[round_read] the target has gone; the round is
 *				done again
 *
 * V1 a chunk is compared only if it was in no epoch that was open at any moment
 *    of its round, and is not dirty after it. What is written to it is dirty
 *    before it is to be read here, stays dirty until it is frozen, and frozen
 *    until it is committed, or kept, there. So what is compared was the same
 *    here and there all the while, or there is a difference. We are the one
 *    that cuts: each epoch of the round passes verify_note_frozen(), but for
 *    the one that was open already, for which the kernel is asked.
 *    Digests have what was kept (W4). Data that is read has it only if it is
 *    not kept aside: so without digests a round begins when the image has
 *    caught up, and a stage that gives none is not verified.
 * V2 chunks in motion are looked at again in a later pass.
 * V3 digests are those of our session only if no other has the target: where
 *    something differs, the header is read after them, and must be ours.
 */
#include "verify.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "continuity.h"
#include "events.h"
#include "extents.h"
#include "group.h"
#include "log.h"
#include "reactor.h"
#include "verify-impl.h"
#include "volume.h"

#define PASSES		6	/* then what still moves is let alone */
#define PASS_PAUSE_MS	200
#define WAIT_MS		200	/* for the target, or a cut that drains */

static void begin_round(struct verify *y);

/* --- the end ------------------------------------------------------------- */

static void mark_differing(struct verify *y)
{
	struct volume *v = y->volume;
	size_t nr;
	const struct dmr_extent *e = dmr_extents_array(y->differing, &nr);
	int err = kernel_mark(v->reactor->kernel, v->device.dev, e, nr);

	if (err) {
		snprintf(y->error, sizeof(y->error), "mark: %.150s",
			 kernel_error(v->reactor->kernel));
		return;
	}
	y->repaired = dmr_extents_chunks(y->differing);
	v->group->is_dirty = true;
}

static void tell(const struct verify *y)
{
	struct volume *v = y->volume;
	uint64_t differing = dmr_extents_chunks(y->differing) *
			     volume_chunk_bytes(v);

	if (y->error[0])
		log_warn(v->config->name, "verify ended early: %s", y->error);
	if (differing)
		log_warn(v->config->name, "verify: %" PRIu64 " bytes of the "
			 "replica differ%s", differing, y->repaired ?
			 "; they are sent again" : "");
	events_tell(v->reactor->events, v->config->name, "verify",
		    "%" PRIu64 " bytes compared, %" PRIu64 " differ%s%s",
		    y->compared * volume_chunk_bytes(v), differing,
		    y->error[0] ? "; ended early: " : "", y->error);
}

static void end(struct verify *y)
{
	y->state = VERIFY_IDLE;
	tell(y);
	group_kick(y->volume->group);
}

/* Of what it has marked: U6 in continuity.c. */
static void look_at_marks(struct verify *y)
{
	struct volume *v = y->volume;
	char why[CONFIG_ERROR_SIZE];
	int err = volume_refresh(v);

	if (err)
		snprintf(why, sizeof(why), "%.190s",
			 kernel_error(v->reactor->kernel));
	else
		err = continuity_marks(v, why);
	if (err == -EAGAIN && !y->is_stopping) {
		ring_timer_add(y->ring, &y->timer, CONTINUITY_LOOK_MS);
		return;
	}
	if (err && !y->error[0])
		snprintf(y->error, sizeof(y->error), "%.190s", why);
	end(y);
}

static void finish(struct verify *y)
{
	ring_timer_cancel(y->ring, &y->timer);
	verify_lanes_free(y);
	if (y->live_fd >= 0)
		close(y->live_fd);
	y->live_fd = -1;
	y->moving_left = dmr_extents_chunks(y->todo) +
			 dmr_extents_chunks(y->again);
	if (y->is_repair && !y->error[0] &&
	    !dmr_extents_is_empty(y->differing))
		mark_differing(y);
	if (!y->repaired) {
		end(y);
		return;
	}
	y->state = VERIFY_MARKING;
	group_kick(y->volume->group);
	ring_timer_add(y->ring, &y->timer, 0);
}

static void stop(struct verify *y, const char *why)
{
	if (!y->error[0])
		snprintf(y->error, sizeof(y->error), "%s", why);
	finish(y);
}

/* --- from round to round ------------------------------------------------- */

static void wait(struct verify *y, unsigned int ms)
{
	y->state = VERIFY_WAITING;
	ring_timer_add(y->ring, &y->timer, ms);
}

static void take_again(struct verify *y)
{
	struct dmr_extents *todo = y->todo;

	y->todo = y->again;
	y->again = todo;
	dmr_extents_clear(y->again);
	y->pass++;
}

static void next_round(struct verify *y)
{
	const struct pair *pair = &y->volume->group->pair;

	if (y->is_stopping) {
		finish(y);
	} else if (pair->state == PAIR_ERROR) {
		stop(y, pair_reason(pair));
	} else if (!dmr_extents_is_empty(y->todo)) {
		begin_round(y);
	} else if (dmr_extents_is_empty(y->again) || y->pass + 1 >= PASSES) {
		finish(y);
	} else {
		take_again(y);
		wait(y, PASS_PAUSE_MS);
	}
}

static void on_timer(struct ring_timer *timer)
{
	struct verify *y = container_of(timer, struct verify, timer);

	if (y->state == VERIFY_MARKING)
		look_at_marks(y);
	else if (y->state == VERIFY_LOOKING)
		verify_round_read(y);
	else
		next_round(y);
}

/* What the kernel says; -EAGAIN: it cannot say yet. */
static int add_open_epoch(struct verify *y)
{
	struct volume *v = y->volume;
	int err = volume_refresh(v);

	for (int tries = 0; !err && v->info.epoch && tries < 10; tries++) {
		err = kernel_get_frozen(v->reactor->kernel, v->device.dev,
					v->info.epoch, dmr_extents_add_array,
					y->moving);
		if (err != -EINTR)
			return err;
		err = 0;
	}
	return err;
}

static int add_dirty(struct verify *y)
{
	struct volume *v = y->volume;
	int err = -EINTR;

	for (int tries = 0; err == -EINTR && tries < 10; tries++)
		err = kernel_get_dirty(v->reactor->kernel, v->device.dev,
				       dmr_extents_add_array, y->moving);
	return err;
}

static void fail_kernel(struct verify *y)
{
	char why[200];

	snprintf(why, sizeof(why), "%.180s",
		 kernel_error(y->volume->reactor->kernel));
	stop(y, why);
}

static bool has_digests(const struct volume *v)
{
	return backend_info(v->target.backend)->can & BACKEND_CAN_SUM;
}

/* V1 */
static bool must_wait(const struct volume *v)
{
	const struct replica_header *h = &v->target.header;

	return v->target.state != TARGET_READY ||
	       (!has_digests(v) && h->last_partial > h->last_clean);
}

/* V1: an epoch that is not frozen yet comes to verify_note_frozen(). */
static void begin_round(struct verify *y)
{
	const struct volume *v = y->volume;
	int err;

	if (must_wait(v)) {
		wait(y, WAIT_MS);
		return;
	}
	if (v->target.is_staged && !has_digests(v)) {
		stop(y, "the target gives no digests");
		return;
	}
	y->seed = v->target.header.session.random;
	y->opens = v->target.opens;
	dmr_extents_clear(y->moving);
	err = add_open_epoch(y);
	if (err && err != -EAGAIN) {
		fail_kernel(y);
		return;
	}
	if (dmr_extents_take(y->todo, VERIFY_ROUND, y->round)) {
		stop(y, "no memory");
		return;
	}
	y->state = VERIFY_READING;
	verify_read_round(y);
}

/* --- comparing ----------------------------------------------------------- */

static int note_differing(struct verify *y, struct dmr_extents *differing)
{
	const char *ours = y->ours, *theirs = y->theirs;
	struct dmr_extent e;
	int err = 0;

	for (uint64_t from = 0; dmr_extents_next(y->round, from, 0, &e);
	     from = e.start + e.count)
		for (uint64_t c = e.start; c < e.start + e.count; c++) {
			if (memcmp(ours, theirs, REPLICA_SUM_BYTES) &&
			    !dmr_extents_contains(y->moving, c, 1))
				err = err ? err :
				      dmr_extents_add(differing, c, 1);
			ours += REPLICA_SUM_BYTES;
			theirs += REPLICA_SUM_BYTES;
		}
	return err;
}

/* V2. The round becomes what of it was still. */
static int put_back_moving(struct verify *y)
{
	int err = dmr_extents_add_set(y->again, y->round);

	if (!err)
		err = dmr_extents_subtract_set(y->round, y->moving);
	if (!err)
		err = dmr_extents_subtract_set(y->again, y->round);
	return err;
}

static void end_round(struct verify *y)
{
	if (dmr_extents_add_set(y->differing, y->found) ||
	    put_back_moving(y)) {
		stop(y, "no memory");
		return;
	}
	y->compared += dmr_extents_chunks(y->round);
	dmr_extents_clear(y->round);
	next_round(y);
}

/* V3 */
static void on_header(void *arg, int err)
{
	struct verify *y = arg;
	struct volume *v = y->volume;
	struct replica_header h;
	struct replica_why why;

	if (y->is_stopping) {
		finish(y);
	} else if (err) {
		verify_round_again(y);
	} else if (replica_header_pick(&h, y->slots, REPLICA_HEADERS_BYTES,
				       &why)) {
		stop(y, why.text);
	} else if (memcmp(&h.session, &v->target.header.session,
			  sizeof(h.session))) {
		stop(y, "another session has the target");
	} else {
		end_round(y);
	}
}

static void confirm(struct verify *y)
{
	struct volume *v = y->volume;
	int err = backend_read(v->target.backend, y->slots,
			       REPLICA_HEADERS_BYTES,
			       replica_tail_offset(volume_bytes(v)), on_header,
			       y);

	if (err)
		verify_round_again(y);
	else
		y->state = VERIFY_CONFIRMING;
}

/* The target is the one that was asked: V3 is about this connection. */
static bool is_same_target(const struct verify *y)
{
	const struct target *t = &y->volume->target;

	return t->state == TARGET_READY && t->opens == y->opens;
}

void verify_round_read(struct verify *y)
{
	int err = add_dirty(y);

	y->state = VERIFY_LOOKING;
	if (!err)
		err = add_open_epoch(y);
	if (y->is_stopping) {
		finish(y);
	} else if (!is_same_target(y)) {
		verify_round_again(y);
	} else if (err == -EAGAIN || err == -ESTALE) {
		ring_timer_add(y->ring, &y->timer, 2);
	} else if (err) {
		fail_kernel(y);
	} else {
		dmr_extents_clear(y->found);
		if (note_differing(y, y->found))
			stop(y, "no memory");
		else if (dmr_extents_is_empty(y->found))
			end_round(y);
		else
			confirm(y);
	}
}

void verify_round_again(struct verify *y)
{
	int err = dmr_extents_add_set(y->todo, y->round);

	dmr_extents_clear(y->round);
	if (err)
		stop(y, "no memory");
	else if (y->is_stopping || y->error[0])
		finish(y);
	else
		wait(y, WAIT_MS);
}

/* --- from outside -------------------------------------------------------- */

static bool is_running(const struct verify *y)
{
	return y && y->state != VERIFY_IDLE;
}

void verify_note_frozen(struct volume *v, const struct dmr_extents *frozen)
{
	if (is_running(v->verify) &&
	    dmr_extents_add_set(v->verify->moving, frozen))
		verify_stop(v, "no memory");
}

void verify_stop(struct volume *v, const char *why)
{
	struct verify *y = v->verify;

	if (!is_running(y) || y->is_stopping)
		return;
	y->is_stopping = true;
	snprintf(y->error, sizeof(y->error), "%s", why);
	if (y->state == VERIFY_WAITING || y->state == VERIFY_LOOKING ||
	    y->state == VERIFY_MARKING)
		ring_timer_add(y->ring, &y->timer, 0);
}

bool verify_is_idle(const struct volume *v)
{
	return !is_running(v->verify);
}

bool verify_get_report(const struct volume *v, struct verify_report *r)
{
	const struct verify *y = v->verify;
	uint64_t chunk = volume_chunk_bytes(v), left;

	if (!y)
		return false;
	left = dmr_extents_chunks(y->todo) + dmr_extents_chunks(y->round) +
	       dmr_extents_chunks(y->again);
	*r = (struct verify_report) {
		.is_running = is_running(y),
		.is_repair = y->is_repair,
		.total_bytes = y->total * chunk,
		.done_bytes = (y->total - left) * chunk,
		.compared_bytes = y->compared * chunk,
		.moving_bytes = is_running(y) ? 0 : y->moving_left * chunk,
		.differing_bytes = dmr_extents_chunks(y->differing) * chunk,
		.differing = y->differing,
		.repaired_bytes = y->repaired * chunk,
		.error = y->error,
	};
	return true;
}

static int refuse(char *error, int err, const char *why)
{
	snprintf(error, CONFIG_ERROR_SIZE, "%s", why);
	return err;
}

/* The device itself: the view has only what is frozen. */
static int open_live(struct verify *y, char *error)
{
	const char *path = y->volume->device.live;

	y->live_fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (y->live_fd < 0 && errno == EINVAL)
		y->live_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (y->live_fd >= 0)
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "%.200s: %s", path,
		 strerror(errno));
	return -errno;
}

static bool make_sets(struct verify *y)
{
	struct dmr_extents **const sets[] = {
		&y->todo, &y->again, &y->round, &y->moving, &y->found,
		&y->differing,
	};

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		*sets[i] = dmr_extents_create();
		if (!*sets[i])
			return false;
	}
	return !dmr_extents_add(y->todo, 0, y->total);
}

static int prepare(struct verify *y, char *error)
{
	if (!make_sets(y) || verify_lanes_create(y))
		return refuse(error, -ENOMEM, "no memory");
	return open_live(y, error);
}

int verify_start(struct volume *v, bool is_repair,
		 char error[CONFIG_ERROR_SIZE])
{
	struct verify *y;
	int err;

	if (is_running(v->verify))
		return refuse(error, -EBUSY, "it is being verified already");
	if (v->target.state != TARGET_READY)
		return refuse(error, -EBUSY, "the target is not connected");
	if (!v->is_synced)
		return refuse(error, -EBUSY, "there is no replica yet: the "
			      "first copy is being made");
	verify_free(v);
	y = v->verify = calloc(1, sizeof(*y));
	if (!y)
		return refuse(error, -ENOMEM, "no memory");
	y->volume = v;
	y->ring = v->reactor->ring;
	y->is_repair = is_repair;
	y->live_fd = -1;
	y->total = (volume_bytes(v) + volume_chunk_bytes(v) - 1) /
		   volume_chunk_bytes(v);
	y->timer.fire = on_timer;
	err = prepare(y, error);
	if (err)
		verify_free(v);
	else
		wait(y, 0);
	return err;
}

void verify_free(struct volume *v)
{
	struct verify *y = v->verify;

	if (!y)
		return;
	assert(!is_running(y));
	verify_lanes_free(y);
	if (y->live_fd >= 0)
		close(y->live_fd);
	dmr_extents_destroy(y->todo);
	dmr_extents_destroy(y->again);
	dmr_extents_destroy(y->round);
	dmr_extents_destroy(y->moving);
	dmr_extents_destroy(y->found);
	dmr_extents_destroy(y->differing);
	free(y);
	v->verify = NULL;
}
