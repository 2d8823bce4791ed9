// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Headers: who may write, and what a header does.
 *
 * Y1 data and commits are taken from the newest session only. A hello of a
 *    newer one that is not refused (Y7) shuts out all others, then waits for
 *    what they have under way, drops the open epoch, and only then is answered
 *    (W1, S8).
 * Y2 one header is handled at a time in a group, but for heartbeats.
 * Y3 what is served is what the stage knows: the epochs that are committed, the
 *    generation that was adopted with a clean one (L3), the cut time of the
 *    image. Kind, epoch and session are of the last write.
 * Y4 a commit is refused, and its epoch dropped, when count or digest are not
 *    those of the data that came (W2).
 * Y5 a group's epoch is committed by the last member's header; until then those
 *    of the others are promises (S7).
 * Y6 a handover that the log cannot hold is refused, and is none: the site that
 *    takes over must find it after a power cut. A hello is taken even then: the
 *    refusal of what follows is how the primary learns of it. Who it is stands
 *    in the checkpoint then, durably, before it is answered (checkpoint C2): no
 *    power cut lets the one before it in again. Where not even that can be
 *    written it is refused, and so is another hello of it, until it can.
 * Y7 a hello of a larger volume makes the replica larger before it is taken, by
 *    nobody who could not write. The tail may be elsewhere then: who said it
 *    opens the export again. What is too large, or finds no room, is refused
 *    before anybody is shut out: who writes goes on, with the epoch that is
 *    open. No request of theirs reaches what is new: a connection has the size
 *    that it was made with (conn V3).
 * Y8 a session's headers, and the hellos of its other connections, are of the
 *    pair, the volume and the generation of its first hello, or of one that
 *    this names as an ancestor: a writer may go on from the header that was
 *    served after its hello (Y3).
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "stage-parts.h"
#include "stage-room.h"

/* A clean commit names an image that there is: this one is there no more. */
static void say_applying(struct replica_header *h)
{
	h->state = REPLICA_STATE_APPLYING;
	if (h->kind == REPLICA_KIND_CLEAN || h->kind == REPLICA_KIND_HANDOVER)
		h->kind = REPLICA_KIND_HEARTBEAT;
}

/* A number may have been seen since, with another member or in the log. */
void stage_session_header(struct stage_volume *v, struct replica_header *h)
{
	pthread_mutex_lock(&v->g->lock);
	*h = v->fence.phase ? v->fence.header : v->header;
	if (h->seq && !v->fence.phase) {
		h->highest_seen = v->g->seen;
		h->volume_bytes = v->meta.bytes;	/* may have grown */
		if (stage_is_in_place(v->g))
			say_applying(h);
	}
	pthread_mutex_unlock(&v->g->lock);
}

/* --- reading -------------------------------------------------------------- */

void stage_session_read_tail(struct stage_volume *v, void *buf, size_t len,
			     uint64_t from)
{
	char slots[REPLICA_HEADERS_BYTES] = { 0 };
	struct replica_header h;

	stage_session_header(v, &h);
	if (h.seq)
		replica_header_encode(&h, slots + h.seq % REPLICA_SLOTS *
				      REPLICA_SLOT_BYTES, NULL);
	memset(buf, 0, len);
	if (from < sizeof(slots))
		memcpy(buf, slots + from, len < sizeof(slots) - from ? len :
		       sizeof(slots) - from);
}

/* Y3 */
void stage_session_serve(struct stage_volume *v, const struct replica_header *h,
			 uint64_t clean, uint64_t partial,
			 struct replica_header *served)
{
	bool is_adopted = !v->header.seq || h->kind == REPLICA_KIND_CLEAN;
	const struct replica_header *of = is_adopted ? &v->writer : &v->header;

	*served = *h;
	served->generation = of->generation;
	served->nr_ancestors = of->nr_ancestors;
	memcpy(served->ancestors, of->ancestors, sizeof(of->ancestors));
	memcpy(served->pair_id, v->writer.pair_id, sizeof(served->pair_id));
	memcpy(served->volume_id, v->writer.volume_id,
	       sizeof(served->volume_id));
	served->session = v->writer.session;
	served->volume_bytes = v->meta.bytes;
	served->chunk_bytes = v->meta.chunk_bytes;
	served->last_clean = clean;
	served->last_partial = partial;
	served->highest_seen = v->g->seen;
	served->hints = 0;
	if (h->epoch > v->g->seen)
		served->epoch = 0;
	served->state = clean && (h->kind == REPLICA_KIND_CLEAN ||
				  !stage_is_in_place(v->g)) ?
			REPLICA_STATE_OK : REPLICA_STATE_APPLYING;
	if (h->kind != REPLICA_KIND_CLEAN && h->kind != REPLICA_KIND_HEARTBEAT)
		served->cut_time = v->header.cut_time;
}

/* A heartbeat may have come since @h was let in: numbers never go back. */
static void serve(struct stage_volume *v, const struct replica_header *h)
{
	struct replica_header served;

	stage_session_serve(v, h, v->g->clean_epoch, v->g->partial_epoch,
			    &served);
	if (served.seq < v->header.seq)
		served.seq = v->header.seq;
	v->header = served;
}

/* --- who ------------------------------------------------------------------ */

static int refuse_superseded(struct stage_volume *v, struct error *err)
{
	return error_set(err, -ESHUTDOWN, "%s: superseded by session %" PRIu64
			 ".%" PRIu64, v->meta.name, v->writer.session.loads,
			 v->writer.session.attaches);
}

int stage_session_check(struct stage_conn *c, struct error *err)
{
	struct stage_volume *v = c->v;

	if (v->g->error.code)
		return error_set(err, v->g->error.code, "%s",
				 v->g->error.text);
	if (stage_fence_check_write(v, err))
		return -EPERM;
	if (!c->token)
		return error_set(err, -EINVAL, "%s: no hello on this "
				 "connection yet", v->meta.name);
	if (c->token != v->token && !stage_fault(S8))
		return refuse_superseded(v, err);
	return 0;
}

static bool is_zero_id(const uint8_t *id)
{
	static const uint8_t zero[16];

	return !memcmp(id, zero, sizeof(zero));
}

/* The ids that a hello must have; the first one on the spot. */
static int check_ids(const struct stage_volume *v,
		     const struct replica_header *h, struct error *err)
{
	const uint8_t *pair = v->header.seq ? v->header.pair_id :
					      v->meta.pair_id;
	const uint8_t *volume = v->header.seq ? v->header.volume_id :
						v->meta.volume_id;

	if (!is_zero_id(pair) && memcmp(pair, h->pair_id, 16))
		return error_set(err, -EPERM, "%s: belongs to another pair",
				 v->meta.name);
	if (!is_zero_id(volume) && memcmp(volume, h->volume_id, 16))
		return error_set(err, -EPERM, "%s: is of another volume of "
				 "this pair", v->meta.name);
	return 0;
}

static bool is_ancestor(const struct replica_header *h, uint64_t generation)
{
	for (uint32_t i = 0; i < h->nr_ancestors; i++)
		if (h->ancestors[i].generation == generation)
			return true;
	return false;
}

static int check_generation(const struct stage_volume *v,
			    const struct replica_header *h, struct error *err)
{
	if (!v->header.seq || h->generation == v->header.generation ||
	    is_ancestor(h, v->header.generation))
		return 0;
	return error_set(err, -EPERM, "%s: the writer is of %s generation",
			 v->meta.name, is_ancestor(&v->header, h->generation) ?
			 "an older" : "an unrelated");
}

static int check_shape(const struct stage_volume *v,
		       const struct replica_header *h, struct error *err)
{
	if (h->volume_bytes < v->meta.bytes)			/* Y7 */
		return error_set(err, -EINVAL, "%s: %" PRIu64 " bytes here, %"
				 PRIu64 " there", v->meta.name, v->meta.bytes,
				 h->volume_bytes);
	if (h->chunk_bytes != v->meta.chunk_bytes)
		return error_set(err, -EINVAL, "%s: chunks of %u bytes here, "
				 "of %u there", v->meta.name,
				 v->meta.chunk_bytes, h->chunk_bytes);
	if (h->members != v->g->nr_members)
		return error_set(err, -EINVAL, "%s: a group of %u here, of %u "
				 "there", v->meta.name, v->g->nr_members,
				 h->members);
	if (h->volume_bytes > v->meta.bytes)
		return stage_volume_check_growth(v, h->volume_bytes, err);
	return 0;
}

/* --- hello ---------------------------------------------------------------- */

static int log_header(struct stage_volume *v, struct error *err)
{
	struct stage_record r = {
		.type = STAGE_REC_HEADER,
		.member = v->meta.member,
		.payload = REPLICA_SLOT_BYTES,
	};
	char slot[REPLICA_SLOT_BYTES];
	struct replica_why why;
	struct error full = { 0 };
	uint64_t lsn;
	int ret = replica_header_encode(&v->header, slot, &why);

	if (ret)
		return error_set(err, ret, "%s: header: %s", v->meta.name,
				 why.text);
	r.crc = stage_crc(slot, sizeof(slot));
	ret = stage_log_append(v->g, &r, slot, &lsn, &full);
	if (!ret)
		ret = stage_log_sync(v->g, &full);
	if (!ret)
		stage_log_accept(v->g);
	else
		stage_log_rewind(v->g);
	return ret ? error_set(err, ret, "%s: %s", v->meta.name, full.text) : 0;
}

/* Y6. Locked, dropped. */
static int keep_session(struct stage_volume *v, struct error *err)
{
	struct replica_session session = v->writer.session;
	int ret;

	pthread_mutex_unlock(&v->g->lock);
	ret = stage_checkpoint_keep(v->g, v->meta.member, &session, err);
	pthread_mutex_lock(&v->g->lock);
	v->is_session_kept = !ret;
	return ret;
}

static bool is_same_session(const struct replica_session *a,
			    const struct replica_session *b)
{
	return !replica_session_compare(a, b) && a->random == b->random;
}

static const char *other_word(const struct stage_volume *v,
			      const struct replica_header *h)
{
	const struct replica_header *w = &v->writer;

	if (!is_same_session(&h->session, &w->session))
		return "session";
	if (memcmp(h->pair_id, w->pair_id, sizeof(h->pair_id)))
		return "pair";
	if (memcmp(h->volume_id, w->volume_id, sizeof(h->volume_id)))
		return "volume";
	return h->generation == w->generation ||
	       is_ancestor(w, h->generation) ? NULL : "generation";
}

/* Y8 */
static int check_words(const struct stage_volume *v,
		       const struct replica_header *h, struct error *err)
{
	const char *other = other_word(v, h);

	return other ? error_set(err, -EPERM, "%s: a header of another %s than "
				 "its connection", v->meta.name, other) : 0;
}

/* One more connection of the newest session. */
static int join_session(struct stage_conn *c, const struct replica_header *h,
			struct error *err)
{
	struct stage_volume *v = c->v;
	int ret = v->token ? check_words(v, h, err) : 0;

	if (ret)
		return ret;
	if (h->volume_bytes > v->meta.bytes)
		return error_set(err, -EINVAL, "%s: it grows with a new "
				 "session only", v->meta.name);
	if (!v->token) {		/* it is from before we were opened */
		v->token = ++v->g->tokens;
		v->writer = *h;
	}
	if (!v->is_session_kept)
		ret = keep_session(v, err);
	if (ret)
		return ret;
	c->token = v->token;
	if (h->seq > v->header.seq && v->g->open.state == EPOCH_NONE)
		serve(v, h);
	return 0;
}

static int begin_session(struct stage_conn *c, const struct replica_header *h,
			 struct error *err)
{
	struct stage_volume *v = c->v;
	struct error full = { 0 };
	uint64_t token;
	int ret;

	if (v->header.seq && h->seq <= v->header.seq)
		return error_set(err, -EINVAL, "%s: header %" PRIu64 " after %"
				 PRIu64, v->meta.name, h->seq, v->header.seq);
	ret = stage_volume_grow(v, h->volume_bytes, err);	/* Y7 */
	if (ret)
		return ret;
	v->writer = *h;
	v->token = token = ++v->g->tokens;	/* Y1: the others are out */
	stage_epoch_drop(v->g);
	v->g->idle_epoch = 0;
	serve(v, h);
	v->is_session_kept = false;
	ret = log_header(v, &full);
	v->is_session_kept = !ret;
	if (ret == -ENOSPC)
		ret = keep_session(v, err);
	else if (ret)
		error_set(err, ret, "%s", full.text);
	if (!ret)		/* else no disk would say who wrote */
		c->token = token;
	return ret;
}

static int check_hello(const struct stage_volume *v,
		       const struct replica_header *h, struct error *err)
{
	int ret = check_ids(v, h, err);

	if (!ret)
		ret = check_shape(v, h, err);
	return ret ? ret : check_generation(v, h, err);
}

static const struct replica_session *
newest_session(const struct stage_volume *v)
{
	return v->token ? &v->writer.session : &v->header.session;
}

static bool is_newer_session(const struct stage_volume *v,
			     const struct replica_header *h)
{
	return (!v->token && !v->header.seq && v->is_session_kept) ||
	       replica_session_compare(&h->session, newest_session(v)) > 0;
}

static int take_hello(struct stage_conn *c, const struct replica_header *h,
		      struct error *err)
{
	struct stage_volume *v = c->v;
	const struct replica_session *newest = newest_session(v);
	int ret = check_hello(v, h, err);

	if (ret)
		return ret;
	if (!is_newer_session(v, h)) {
		if (is_same_session(&h->session, newest))
			return join_session(c, h, err);
		return error_set(err, -ESHUTDOWN, "%s: superseded by session %"
				 PRIu64 ".%" PRIu64, v->meta.name,
				 newest->loads, newest->attaches);
	}
	return begin_session(c, h, err);
}

/* --- open, partial, clean ------------------------------------------------- */

/* The client has given up what was open, unless the new one is refused. */
static int begin_epoch(struct stage_group *g, uint64_t nr, struct error *err)
{
	int ret = stage_epoch_check(g, nr, err);

	if (ret)
		return ret;
	stage_epoch_drop(g);
	return stage_epoch_open(g, nr, err);
}

static int take_open(struct stage_conn *c, const struct replica_header *h,
		     struct error *err)
{
	struct stage_volume *v = c->v;
	struct stage_group *g = v->g;
	bool joins;
	int ret = 0;

	if (g->open.failed)
		stage_epoch_drop(g);
	joins = g->open.state != EPOCH_NONE && g->open.nr == h->epoch &&
		!v->is_open;
	if (!joins)
		ret = begin_epoch(g, h->epoch, err);
	if (ret)
		return ret;
	v->is_open = true;
	g->open.is_window |= h->hints & REPLICA_HINT_WINDOW;
	serve(v, h);
	return 0;
}

/* Nothing of this member is under way any more, or its epoch is gone. */
static void wait_for_data(struct stage_volume *v)
{
	while (v->in_flight)
		stage_drain(v->g);
}

static int check_count(const struct stage_volume *v,
		       const struct replica_header *h, struct error *err)
{
	if ((h->records == v->records && h->digest == v->digest) ||
	    stage_fault(W2))
		return 0;
	return error_set(err, -EINVAL, "%s: epoch %" PRIu64 " has %" PRIu64
			 " records of digest %" PRIx64 ", the header says %"
			 PRIu64 " of %" PRIx64, v->meta.name, h->epoch,
			 v->records, v->digest, h->records, h->digest);
}

/* Is the open epoch what this commit is about? */
static int check_commit(struct stage_volume *v, const struct replica_header *h,
			struct error *err)
{
	struct stage_group *g = v->g;

	if (h->epoch == g->idle_epoch && stage_epoch_check_idle(v, err))
		return -ETIMEDOUT;
	if (g->open.state != EPOCH_OPEN || g->open.nr != h->epoch)
		return error_set(err, -EINVAL, "%s: epoch %" PRIu64
				 " is not open", v->meta.name, h->epoch);
	if (g->open.failed)
		return error_set(err, g->open.failed, "%s: epoch %" PRIu64
				 " is dropped: %s", v->meta.name, h->epoch,
				 g->open.why.text);
	if (v->is_prepared)
		return error_set(err, -EINVAL, "%s: epoch %" PRIu64
				 " is committed twice", v->meta.name,
				 h->epoch);
	if (g->open.nr_prepared && g->open.kind != h->kind)
		return error_set(err, -EINVAL, "%s: the members of a group "
				 "commit in different ways", v->meta.name);
	return check_count(v, h, err);
}

/* Y5 */
static int prepare(struct stage_volume *v, const struct replica_header *h,
		   struct error *err)
{
	struct stage_group *g = v->g;

	v->is_prepared = true;
	v->commit = *h;
	stage_epoch_touch(g);
	g->open.kind = h->kind;
	if (++g->open.nr_prepared < g->nr_members && !stage_fault(S7))
		return 0;
	for (unsigned int i = 0; i < g->nr_members; i++)
		if (!g->members[i]->is_prepared) /* only with the fault */
			g->members[i]->commit = *h;
	g->open.state = EPOCH_COMMITTING;
	return stage_epoch_commit(g, err);
}

static int take_commit(struct stage_conn *c, const struct replica_header *h,
		       struct error *err)
{
	struct stage_volume *v = c->v;
	struct stage_group *g = v->g;
	int ret = 0;

	if (g->open.state == EPOCH_NONE && !h->records &&
	    h->epoch != g->idle_epoch)
		ret = stage_epoch_open(g, h->epoch, err);
	if (ret)
		return ret;
	wait_for_data(v);
	ret = check_commit(v, h, err);
	if (ret) {
		if (g->open.nr == h->epoch)
			stage_epoch_drop(g);		/* Y4 */
		return ret;
	}
	return prepare(v, h, err);
}

static int take_handover(struct stage_conn *c, const struct replica_header *h,
			 struct error *err)
{
	struct stage_volume *v = c->v;
	struct replica_header before = v->header;
	int ret;

	if (v->g->open.state != EPOCH_NONE ||
	    h->epoch != v->g->clean_epoch ||
	    v->g->partial_epoch > v->g->clean_epoch)
		return error_set(err, -EINVAL, "%s: handed over in the middle "
				 "of an epoch", v->meta.name);
	serve(v, h);
	ret = log_header(v, err);
	if (ret && v->header.seq == h->seq)	/* no heartbeat since */
		v->header = before;
	return ret;
}

/*
 * Not in line with the others: a commit may take its time. The order is that
 * of the numbers, not of the cut times: the primary's clock may be set back.
 */
static int take_heartbeat(struct stage_conn *c,
			  const struct replica_header *h)
{
	if (h->epoch <= c->v->g->seen)
		serve(c->v, h);
	return 0;
}

/* --- all kinds ------------------------------------------------------------ */

static int take_header(struct stage_conn *c, const struct replica_header *h,
		       struct error *err)
{
	struct stage_volume *v = c->v;
	int ret;

	if (h->kind == REPLICA_KIND_HELLO)
		return take_hello(c, h, err);
	ret = stage_session_check(c, err);
	if (!ret)
		ret = check_words(v, h, err);
	if (ret)
		return ret;
	if (h->seq <= v->header.seq)
		return error_set(err, -EINVAL, "%s: header %" PRIu64 " after %"
				 PRIu64, v->meta.name, h->seq, v->header.seq);
	switch (h->kind) {
	case REPLICA_KIND_OPEN:
		return take_open(c, h, err);
	case REPLICA_KIND_PARTIAL:
	case REPLICA_KIND_CLEAN:
		return take_commit(c, h, err);
	case REPLICA_KIND_HANDOVER:
		return take_handover(c, h, err);
	default:
		return take_heartbeat(c, h);
	}
}

/* inplace I5: a new session, or the next epoch of the one that is there. */
static bool is_writer_back(struct stage_conn *c, const struct replica_header *h)
{
	const struct stage_volume *v = c->v;

	if (h->kind == REPLICA_KIND_HELLO)
		return !check_hello(v, h, NULL) && is_newer_session(v, h);
	return h->kind == REPLICA_KIND_OPEN && h->seq > v->header.seq &&
	       !stage_session_check(c, NULL) && !check_words(v, h, NULL);
}

/* Y2 */
static int handle(struct stage_conn *c, const struct replica_header *h,
		  struct error *err)
{
	struct stage_group *g = c->v->g;
	int ret;

	if (g->error.code)
		return error_set(err, g->error.code, "%s", g->error.text);
	if (stage_fence_check_write(c->v, err))
		return -EPERM;
	if (h->kind == REPLICA_KIND_HEARTBEAT)
		return take_header(c, h, err);
	if (is_writer_back(c, h))
		stage_inplace_ask(g);
	while (g->is_header_busy || stage_inplace_is_pending(g))
		pthread_cond_wait(&g->changed, &g->lock);
	g->is_header_busy = true;
	ret = take_header(c, h, err);
	g->is_header_busy = false;
	pthread_cond_broadcast(&g->changed);
	return ret;
}

int stage_session_write_header(struct stage_conn *c, const void *slot,
			       uint64_t off, struct error *err)
{
	struct stage_volume *v = c->v;
	struct replica_header h;
	struct replica_why why;
	int ret = replica_header_decode(&h, slot, REPLICA_SLOT_BYTES, &why);

	if (ret)
		return error_set(err, -EINVAL, "%s: header: %s", v->meta.name,
				 why.text);
	if (off != replica_slot_offset(c->bytes, h.seq))	/* V3 */
		return error_set(err, -EINVAL, "%s: header %" PRIu64
				 " is not in its slot", v->meta.name, h.seq);
	stage_patience_begin(v->g);
	pthread_mutex_lock(&v->g->lock);
	ret = handle(c, &h, err);
	pthread_mutex_unlock(&v->g->lock);
	return ret;
}
