// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *	CLOSED -> OPENING	[target_open]
 *	OPENING			connect, read the slots, probe what has no
 *				header, judge, hello, reread
 *	OPENING -> READY	[on_reread]
 *	OPENING, READY -> FAILED [fail]; the owner gets failed() and closes
 *	READY -> FAILED		[target_distrust], without a word
 *	any but CLOSED -> CLOSING [target_close] -> CLOSED [on_closed]
 *
 * T1 nothing is written before judge() has said 0, and what it refuses never
 *    becomes ->header.
 * T2 the number of the hello leaves a gap: a header that an older connection
 *    still has under way never gets the number of one of ours.
 * T3 a target without a header is judged only if it is empty (probe.h), or may
 *    be overwritten; a stage knows by itself that its volume is new.
 * T4 a callback of the backend that comes after target_close() is dropped.
 * T5 no data leaves on a connection that has not said hello: a stage would
 *    refuse it.
 * T6 where the volume has grown, the header is looked for in its new place
 *    first. A stage that is smaller still has it at its end: a hello there
 *    makes it larger, and it is opened again. On any other target it is where
 *    the volume ended before; the hello, which is durable, goes to the new
 *    place, and what is data now is written after that.
 * T7 a link that breaks in the TLS handshake looks like a wrong key, where the
 *    server hangs up: only several are believed, with none between that went
 *    well.
 */
#include "target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HELLO_GAP	3	/* odd: the hello goes to the older slot */
#define MOST_REJECTED	4	/* handshakes, since one that went well (T7) */

static void report_failure(struct ring_work *work)
{
	struct target *t = container_of(work, struct target, report);

	t->is_report_due = false;
	if (t->state == TARGET_FAILED)
		t->events->failed(t, t->is_refused, t->text);
}

static bool is_hopeless(int err)
{
	switch (err) {
	case -EINVAL: case -ENOSPC: case -EOPNOTSUPP: case -EPROTONOSUPPORT:
	case -EROFS: case -EBADMSG: case -ESTALE: case -EPERM:
	case -EKEYREJECTED:
		return true;
	default:
		return false;
	}
}

/* T7. Of what has come from backend_open(). */
static bool is_refusal(struct target *t, int err)
{
	if (err != -EKEYREJECTED)
		return is_hopeless(err);
	if (t->nr_rejected < MOST_REJECTED)
		t->nr_rejected++;
	return t->nr_rejected == MOST_REJECTED;
}

static void fail(struct target *t, bool is_refused, const char *what,
		 const char *text)
{
	if (t->state != TARGET_OPENING && t->state != TARGET_READY)
		return;
	t->state = TARGET_FAILED;
	t->is_refused = is_refused;
	snprintf(t->text, sizeof(t->text), "%s%s", what, text);
	t->is_report_due = true;
	ring_defer(t->ring, &t->report);
}

static void fail_request(struct target *t, const char *what)
{
	fail(t, false, what, t->backend ? backend_error(t->backend) : "");
}

int target_init(struct target *t, struct ring *ring, const char *name,
		uint64_t volume_bytes, const struct target_events *events)
{
	memset(t, 0, sizeof(*t));
	t->ring = ring;
	t->name = name;
	t->volume_bytes = volume_bytes;
	t->events = events;
	t->report.run = report_failure;
	t->slots = aligned_alloc(4096, REPLICA_HEADERS_BYTES);
	return t->slots ? 0 : -ENOMEM;
}

void target_clear(struct target *t)
{
	ring_defer_cancel(t->ring, &t->report);
	free(t->slots);
	t->slots = NULL;
}

/* --- headers ----------------------------------------------------------- */

static void finish_write(struct target *t, int err)
{
	target_done_fn *done = t->done;
	bool maybe = err && t->is_sent;

	t->is_writing = false;
	t->done = NULL;
	if (!err) {
		t->header = t->next;
		t->last_contact = time(NULL);
	}
	if (done)
		done(t, err, maybe);
}

static void on_written(void *arg, int err)
{
	finish_write(arg, err);
}

static bool is_growing(const struct target *t)
{
	return backend_info(t->backend)->is_smaller;
}

/* T6 */
static uint64_t tail_offset(const struct target *t)
{
	if (is_growing(t))
		return backend_info(t->backend)->size - REPLICA_TAIL_BYTES;
	return replica_tail_offset(t->volume_bytes);
}

/* T5: a hello on each connection. */
static int write_slot(struct target *t, bool is_durable)
{
	uint64_t off = tail_offset(t) + t->next.seq % REPLICA_SLOTS *
		       REPLICA_SLOT_BYTES;

	if (t->next.kind == REPLICA_KIND_HELLO)
		return backend_write_each(t->backend, t->slots,
					  REPLICA_SLOT_BYTES, off, on_written,
					  t);
	return backend_write(t->backend, t->slots, REPLICA_SLOT_BYTES, off,
			     is_durable ? BACKEND_FUA : 0, on_written, t);
}

/* Encodes t->next and sends it. */
static int send_header(struct target *t, bool is_durable)
{
	struct replica_why why;
	int err = replica_header_encode(&t->next, t->slots, &why);

	if (err)
		fail(t, true, "header: ", why.text);
	else
		err = write_slot(t, is_durable);
	t->is_sent = !err;
	return err;
}

static int begin_write(struct target *t, const struct replica_header *h,
		       target_done_fn *done)
{
	if (t->state != TARGET_READY)
		return -ENOTCONN;
	if (t->is_writing)
		return -EBUSY;
	t->next = *h;
	t->next.seq = t->header.seq + 1;
	t->done = done;
	t->is_sent = false;
	return 0;
}

int target_write_header(struct target *t, const struct replica_header *h,
			bool is_durable, target_done_fn *done)
{
	int err = begin_write(t, h, done);

	if (!err)
		err = send_header(t, is_durable);
	t->is_writing |= !err;
	return err;
}

static void on_flushed(void *arg, int err)
{
	struct target *t = arg;

	if (!err)
		err = t->state == TARGET_READY ? send_header(t, true) :
						 -ENOTCONN;
	if (err)
		finish_write(t, err);
}

int target_commit(struct target *t, const struct replica_header *h,
		  target_done_fn *done)
{
	int err = begin_write(t, h, done);

	if (!err)
		err = t->is_staged ? send_header(t, true) :
				     backend_flush(t->backend, on_flushed, t);
	t->is_writing |= !err;
	return err;
}

void target_distrust(struct target *t)
{
	if (t->state == TARGET_READY)
		t->state = TARGET_FAILED;
}

/* --- opening ----------------------------------------------------------- */

static void read_slots(struct target *t, uint64_t off, backend_done_fn *done)
{
	int err = backend_read(t->backend, t->slots, REPLICA_HEADERS_BYTES,
			       off, done, t);

	if (err)
		fail_request(t, "the header cannot be read: ");
}

/* True with the newest header, or zeroes, in *h; else it has failed. */
static bool pick_header(struct target *t, struct replica_header *h,
			bool *is_new)
{
	struct replica_why why;
	char text[240];
	int err = replica_header_pick(h, t->slots, REPLICA_HEADERS_BYTES,
				      &why);

	*is_new = err == -ENODATA || (err == -EBADMSG && t->may_overwrite);
	if (*is_new)
		memset(h, 0, sizeof(*h));
	if (!err || *is_new)
		return true;
	snprintf(text, sizeof(text), "%.180s%s", why.text, err == -EBADMSG ?
		 " (overwrite=yes would replace it)" : "");
	fail(t, true, "what stands in the place of the header: ", text);
	return false;
}

static void on_reread(void *arg, int err)
{
	struct target *t = arg;
	struct replica_header h;
	bool is_new;

	if (t->state != TARGET_OPENING)
		return;
	if (err) {
		fail_request(t, "the header cannot be read: ");
		return;
	}
	if (!pick_header(t, &h, &is_new))
		return;
	if (is_new || h.seq < t->next.seq) {
		fail(t, false, "the header that was written is not there", "");
		return;
	}
	if (memcmp(&h.session, &t->next.session, sizeof(h.session))) {
		t->is_superseded = true;
		fail(t, true, "superseded by another session", "");
		return;
	}
	t->header = h;
	t->state = TARGET_READY;
	t->events->ready(t);
}

static void on_hello_written(struct target *t, int err, bool maybe)
{
	if (t->state != TARGET_OPENING)
		return;
	if (err && is_growing(t))
		fail(t, is_hopeless(err), "the replica cannot be made larger, "
		     "its site says why: ", backend_error(t->backend));
	else if (err == -EINVAL || err == -EPERM)
		fail(t, true, "the target refuses the hello, its site's log "
		     "says why: ", backend_error(t->backend));
	else if (err)
		fail_request(t, "hello: ");
	else if (is_growing(t))
		fail(t, false, "the replica has grown with the volume, and is "
		     "opened again", "");
	else
		read_slots(t, tail_offset(t), on_reread);
}

static void say_hello(struct target *t)
{
	t->next.seq = t->header.seq + HELLO_GAP;
	t->done = on_hello_written;
	t->is_writing = t->had_hello = true;
	if (send_header(t, true)) {
		t->is_writing = false;
		fail_request(t, "hello: ");
	}
}

static void judge(struct target *t, const struct replica_header *found,
		  bool is_new)
{
	struct replica_why why = { "" };
	int err;

	t->next = *found;
	err = t->events->judge(t, &t->next, is_new, &why);
	t->is_superseded = err == -EKEYREVOKED;
	if (err) {
		fail(t, err != -EBUSY, "", why.text);
		return;
	}
	t->header = *found;
	say_hello(t);
}

static void judge_new(struct target *t)
{
	static const struct replica_header none;

	judge(t, &none, true);
}

static void on_probed(struct probe *probe, int err, const char *what)
{
	struct target *t = container_of(probe, struct target, probe);
	char text[160];

	if (t->state != TARGET_OPENING)
		return;
	if (err)
		fail_request(t, "it cannot be read: ");
	else if (!what)
		judge_new(t);
	else {
		snprintf(text, sizeof(text), "the target has no replica header,"
			 " but is not empty (%s): take another, clear it, or "
			 "allow it with overwrite=yes", what);
		fail(t, true, "", text);
	}
}

static void judge_found(struct target *t)
{
	struct replica_header found;
	bool is_new;

	if (!pick_header(t, &found, &is_new))
		return;
	if (!is_new)
		judge(t, &found, false);
	else if (is_growing(t))
		fail(t, true, "too small: the stage was made for a smaller "
		     "volume", "");
	else if (t->may_overwrite || t->is_staged)
		judge_new(t);
	else if (probe_start(&t->probe, t->backend, on_probed))
		fail_request(t, "it cannot be read: ");
}

static void on_read_again(void *arg, int err)
{
	struct target *t = arg;

	if (t->state != TARGET_OPENING)
		return;
	if (err)
		fail_request(t, "the header cannot be read: ");
	else
		judge_found(t);
}

/* T6: that header counts only if there is none in the new place. */
static void on_old_read(void *arg, int err)
{
	struct target *t = arg;
	struct replica_header found;

	if (t->state != TARGET_OPENING)
		return;
	if (!err && !replica_header_pick(&found, t->slots,
					 REPLICA_HEADERS_BYTES, NULL))
		judge(t, &found, false);
	else
		read_slots(t, tail_offset(t), on_read_again);
}

static void on_first_read(void *arg, int err)
{
	struct target *t = arg;
	struct replica_header found;
	bool has_moved = t->old_bytes && t->old_bytes < t->volume_bytes &&
			 !t->is_staged;

	if (t->state != TARGET_OPENING)
		return;
	if (!err && has_moved &&
	    replica_header_pick(&found, t->slots, REPLICA_HEADERS_BYTES, NULL))
		read_slots(t, replica_tail_offset(t->old_bytes), on_old_read);
	else
		on_read_again(t, err);
}

static void on_ready(void *arg, int err, const char *text)
{
	struct target *t = arg;

	if (err) {
		fail(t, is_refusal(t, err), "", text);
		return;
	}
	t->nr_rejected = 0;
	t->is_staged = backend_info(t->backend)->is_staged;
	read_slots(t, tail_offset(t), on_first_read);
}

static void on_lost(void *arg, int err, const char *text)
{
	fail(arg, false, "", text);
}

static const struct backend_events backend_events = {
	.ready = on_ready,
	.lost = on_lost,
};

void target_open(struct target *t, const char *uri,
		 const struct backend_options *opts, bool may_overwrite)
{
	char text[256] = "";
	int err;

	t->state = TARGET_OPENING;
	t->opens++;
	t->is_superseded = t->had_hello = false;
	t->may_overwrite = may_overwrite;
	err = backend_open(&t->backend, t->ring, uri, opts, &backend_events, t,
			   text, sizeof(text));
	if (err)
		fail(t, is_hopeless(err), "", text[0] ? text : strerror(-err));
}

static void on_closed(void *arg)
{
	struct target *t = arg;

	t->backend = NULL;
	t->state = TARGET_CLOSED;
	t->events->closed(t);
}

static void close_without_backend(struct ring_work *work)
{
	struct target *t = container_of(work, struct target, report);

	t->report.run = report_failure;
	on_closed(t);
}

void target_close(struct target *t)
{
	if (t->state == TARGET_CLOSED || t->state == TARGET_CLOSING)
		return;
	t->state = TARGET_CLOSING;
	t->is_report_due = false;
	t->was_unclean = t->backend && backend_unclean(t->backend);
	if (t->backend) {
		backend_close(t->backend, on_closed, t);
		return;
	}
	t->report.run = close_without_backend;
	ring_defer(t->ring, &t->report);
}
