// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a log says after whatever has happened.
 *
 *	chain	the newest segment whose predecessors are all there, by number
 *		and salt, down to the oldest that is needed
 *		[stage_recover_chain]
 *	scan	record by record, into the index; an epoch counts when its
 *		commit has the right count and digest [scan_log]
 *	tail	the last epoch, unless something later shows that its sync had
 *		ended: synced now, and read back from the disk [confirm_tail]
 *
 * Z1 nothing is reported that a power cut could still take: the log is synced
 *    before (S3). What a failed sync has left in the system's cache as clean is
 *    not believed either: the cache is dropped before the payloads are read.
 * Z2 the log ends where the first record is not good; all that counts is before
 *    that, what is behind is never looked at again: the next record goes to a
 *    new segment, or stands there (log A9).
 *    A good record of a member that nobody describes is no end: it is an error,
 *    for what is behind it counts as well.
 * Z3 a segment that is damaged, or has a commit that doesn't count, or anything
 *    that was answered (Z8), is kept, as the file NUMBER.seg.lost, or where it
 *    is; so are those before one that is, but for those that count, which go as
 *    ever. Of the one in which the log ends a copy is kept, if it is damaged or
 *    has the beginning of what is kept. Without that a damaged one is not
 *    recovered, for it may be cut, or be written again; but a failover goes on
 *    and tells it. What cannot be read of it, behind the end, is zeros in the
 *    copy, which is told: else it could be for ever that nothing is served. It
 *    is told, and kept likewise, where nothing else is damaged, too.
 * Z4 nothing goes before the checkpoint that allows it is on the disk, for it
 *    may have been read from the cache of a process that was killed. Where that
 *    cannot be written all of it stays, for the next one who opens the stage.
 * Z5 what cannot be read is not what is bad: it may have been acknowledged, and
 *    can be there the next time. So that is an error, and nothing is changed;
 *    behind the end, and in segments that do not count, only where the medium
 *    is not given up (behind D3): those are not moved before all were judged.
 * Z6 who opens the stage is told of what is kept as damaged (Z3), and of which
 *    epoch the image is without it.
 * Z7 new segments have numbers far above those that are known, where there is
 *    one which nobody can name (device B7): if it turns out to be good after
 *    all, it is not taken for what came last.
 * Z8 it is damage, and told as such (Z6), where something does not count that
 *    was answered: what opens an epoch, or is a header, stands behind it, which
 *    is only written behind what is durable, and never behind what was given up
 *    (epoch O2, O4; session Y1, Y2; log A9); or a later segment's front names
 *    it. Also where the log of a file ends at what is neither a record nor
 *    zeros. Else power may have been lost during a commit, which is no part of
 *    the log then, and in the last segment not worth a word.
 * Z9 what was given up goes, durably, before the segment whose front says so by
 *    naming an older one as its predecessor. Else a power cut may leave the
 *    one without the other, and it counts the next time, whatever was told of
 *    the log meanwhile.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "stage-parts.h"
#include "stage-recover.h"

struct scan {
	struct stage_group *g;
	struct walker w;
	uint64_t limit;			/* lsn at which to end */
	uint64_t partial;		/* epoch, before all that is scanned */
	bool is_open;
	uint64_t epoch, open_lsn, records, digest;
	uint64_t end_lsn, end_salt;	/* the good part */
	uint64_t stop_lsn;		/* what it ended at; 0: nothing */
	uint64_t tail_open, tail_commit; /* not confirmed yet; 0 = none */
};

/* --- scan ----------------------------------------------------------------- */

static bool is_in_range(const struct stage_group *g,
			const struct stage_record *r)
{
	return r->member < g->nr_members &&
	       r->off < g->members[r->member]->meta.bytes &&
	       r->len <= g->members[r->member]->meta.bytes - r->off;
}

/* Z2 */
static int check_members(const struct stage_group *g, unsigned int nr,
			 struct error *err)
{
	return nr <= g->nr_members ? 0 :
	       error_set(err, -EIO, "%s: its log is that of %u members, and "
			 "only %u are described here: a NAME.volume is damaged "
			 "or missing", g->name, nr, g->nr_members);
}

static void mark_good(struct scan *sc)
{
	sc->end_lsn = stage_lsn(sc->w.s->number, sc->w.pos);
	sc->end_salt = sc->w.s->salt;
}

static bool scan_open(struct scan *sc)
{
	if (sc->is_open || (!stage_fault(NUMBER) &&
			    (sc->w.r.epoch <= sc->g->clean_epoch ||
			     sc->w.r.epoch <= sc->g->partial_epoch)))
		return false;
	sc->is_open = true;
	sc->epoch = sc->w.r.epoch;
	sc->open_lsn = sc->w.lsn;
	sc->records = sc->digest = 0;
	sc->tail_open = sc->tail_commit = 0;	/* its sync had ended */
	if (sc->epoch > sc->g->seen)
		sc->g->seen = sc->epoch;
	return true;
}

static bool scan_data(struct scan *sc, int *ret)
{
	const struct stage_record *r = &sc->w.r;

	if (!sc->is_open || r->epoch != sc->epoch || !is_in_range(sc->g, r))
		return false;
	sc->records++;
	sc->digest += r->crc;
	*ret = stage_index_insert(sc->g->index,
				  &sc->g->members[r->member]->tree,
				  r->off / STAGE_BLOCK, r->len / STAGE_BLOCK,
				  sc->w.lsn, r->type == STAGE_REC_ZERO, false);
	return !*ret;
}

/*
 * What comes later in the log counts, whatever its number: a heartbeat that
 * came during a commit may stand before that, at a segment's front.
 */
static bool take_header(struct stage_group *g, uint32_t member,
			const void *slot)
{
	struct replica_header h;
	uint64_t seq;

	if (member >= g->nr_members ||
	    replica_header_decode(&h, slot, REPLICA_SLOT_BYTES, NULL))
		return false;
	seq = g->members[member]->header.seq;
	g->members[member]->header = h;
	if (h.seq < seq)
		g->members[member]->header.seq = seq;
	if (h.highest_seen > g->seen)
		g->seen = h.highest_seen;
	return true;
}

static bool scan_header(struct scan *sc, const char *payload)
{
	if (!take_header(sc->g, sc->w.r.member, payload))
		return false;
	if (!sc->is_open) {
		sc->tail_open = sc->tail_commit = 0;
		mark_good(sc);
	}
	return true;
}

static bool is_whole(const struct scan *sc, const struct stage_commit *c)
{
	return stage_fault(S3_COUNT) || (sc->records == c->records &&
					 sc->digest == c->digest);
}

static void note_commit(struct scan *sc, bool is_clean)
{
	struct stage_group *g = sc->g;

	g->kept_lsn = sc->w.lsn;
	if (is_clean) {
		g->clean_lsn = sc->w.lsn;
		g->clean_epoch = sc->epoch;
	} else {
		g->partial_epoch = sc->epoch;
	}
	if (sc->w.lsn > g->durable_lsn) {
		sc->tail_open = sc->open_lsn;
		sc->tail_commit = sc->w.lsn;
	}
	sc->is_open = false;
	mark_good(sc);
}

static bool scan_commit(struct scan *sc, const char *payload, int *ret,
			struct error *err)
{
	const struct stage_record *r = &sc->w.r;
	struct stage_commit c;
	struct epoch_entry e = {
		.epoch = r->epoch,
		.lsn = sc->w.lsn,
		.is_clean = r->type == STAGE_REC_CLEAN || stage_fault(S1),
	};

	if (stage_commit_decode(&c, payload, r->payload) || !sc->is_open ||
	    r->epoch != sc->epoch || !is_whole(sc, &c))
		return false;
	*ret = check_members(sc->g, c.nr_members, err);
	if (*ret)
		return false;
	e.commit_time = c.commit_time;
	e.cut_time = c.cut_time;
	e.bytes = c.bytes;
	*ret = stage_epoch_add(sc->g, &e);
	for (uint32_t i = 0; !*ret && i < c.nr_members; i++)
		take_header(sc->g, stage_commit_get_member(payload, i),
			    payload + stage_commit_slot(i));
	note_commit(sc, r->type == STAGE_REC_CLEAN);
	return !*ret;
}

/* False: the log ends before this record (or *ret is an error). Z2 */
static bool scan_record(struct scan *sc, int *ret, struct error *err)
{
	const struct stage_record *r = &sc->w.r;
	const char *payload;

	if (sc->w.lsn >= sc->limit)
		return false;
	*ret = check_members(sc->g, r->member + 1, err);
	if (*ret)
		return false;
	switch (r->type) {
	case STAGE_REC_DATA:
	case STAGE_REC_ZERO:
		return scan_data(sc, ret);
	case STAGE_REC_OPEN:
		return scan_open(sc);
	}
	payload = stage_walk_payload(&sc->w, err);
	if (!payload)
		*ret = -EIO;
	if (!payload || stage_crc(payload, r->payload) != r->crc)
		return false;
	return r->type == STAGE_REC_HEADER ? scan_header(sc, payload) :
					     scan_commit(sc, payload, ret, err);
}

/* As if there were nothing above the base. */
static void reset(struct stage_group *g)
{
	for (unsigned int i = 0; i < g->nr_members; i++) {
		stage_index_erase(g->index, &g->members[i]->tree, 0,
				  UINT64_MAX);
		memset(&g->members[i]->header, 0,
		       sizeof(g->members[i]->header));
	}
	g->nr_epochs = 0;
	g->clean_epoch = g->checkpoint.applied_epoch;
	g->clean_lsn = g->kept_lsn = g->checkpoint.applied_lsn;
	g->floor_lsn = g->checkpoint.floor_lsn;
}

/* As many as it has a header of, at least. */
static unsigned int members_of(const struct stage_record *r)
{
	unsigned int nr = 0;

	if (r->type == STAGE_REC_HEADER)
		return r->member + 1;
	while (r->payload >= stage_commit_len(nr + 1))
		nr++;
	return nr;
}

/* The headers that stand before the first record that is scanned. */
static int scan_fronts(struct stage_group *g, uint64_t upto, struct error *err)
{
	struct walker w;
	const char *payload;
	int ret = stage_walk_begin(&w, g, 0, err);

	while (!ret && w.s && (ret = stage_walk_next(&w, err)) == 1) {
		ret = 0;
		if (w.lsn > upto)
			break;
		if (w.r.type != STAGE_REC_HEADER &&
		    w.r.type != STAGE_REC_CLEAN &&
		    w.r.type != STAGE_REC_PARTIAL)
			continue;
		payload = stage_walk_payload(&w, err);
		if (!payload)
			ret = -EIO;				/* Z5 */
		if (!payload || stage_crc(payload, w.r.payload) != w.r.crc)
			break;
		ret = check_members(g, members_of(&w.r), err);
		if (w.r.type == STAGE_REC_HEADER)
			take_header(g, w.r.member, payload);
		if (ret || w.r.type == STAGE_REC_HEADER)
			continue;
		/* The last one that was applied in place (I2). */
		if (w.r.type == STAGE_REC_PARTIAL &&
		    w.r.epoch > g->partial_epoch)
			g->partial_epoch = w.r.epoch;
		for (uint32_t i = 0; i < g->nr_members && w.r.payload >=
		     stage_commit_len(i + 1); i++)
			take_header(g, stage_commit_get_member(payload, i),
				    payload + stage_commit_slot(i));
	}
	stage_walk_end(&w);
	return ret;
}

static int scan_log(struct scan *sc, struct error *err)
{
	struct stage_group *g = sc->g;
	int ret, more = 0;

	reset(g);
	g->partial_epoch = sc->partial;
	ret = scan_fronts(g, g->checkpoint.applied_lsn, err);
	if (!ret)
		ret = stage_walk_begin(&sc->w, g, g->checkpoint.applied_lsn,
				       err);
	if (!ret && g->checkpoint.applied_lsn)
		mark_good(sc);
	while (!ret && (more = stage_walk_next(&sc->w, err)) == 1)
		if (!scan_record(sc, &ret, err))
			break;
	if (sc->w.s)
		sc->stop_lsn = more ? sc->w.lsn :
				      stage_lsn(sc->w.s->number, sc->w.pos);
	stage_walk_end(&sc->w);
	if (more < 0)
		ret = more;
	for (unsigned int i = 0; i < g->nr_members; i++)
		stage_index_erase(g->index, &g->members[i]->tree,
				  g->kept_lsn + 1, UINT64_MAX);
	return ret ? error_set(err, ret, "no memory for the index") : 0;
}

/* --- tail ----------------------------------------------------------------- */

static int sync_all(struct stage_group *g, struct error *err)
{
	const struct stage_io *io = g->stage->io;
	int ret = 0;

	for (unsigned int i = 0; !ret && i < g->nr_segments; i++)
		if (!i || g->segments[i]->fd != g->segments[i - 1]->fd)
			ret = io->sync(io->arg, g->segments[i]->fd);
	if (!ret)
		ret = io->sync_dir(io->arg, g->dir);
	for (unsigned int i = 0; !ret && i < g->nr_segments; i++)
		if (!i || g->segments[i]->fd != g->segments[i - 1]->fd)
			io->drop_cache(io->arg, g->segments[i]->fd);
	return ret ? error_set(err, -EIO, "%s: syncing the log: %s", g->name,
			       strerror(-ret)) : 0;
}

static bool is_good_payload(const struct stage_record *r, const char *payload)
{
	switch (r->type) {
	case STAGE_REC_DATA:
		return replica_digest(r->off, payload, r->len) == r->crc;
	case STAGE_REC_ZERO:
	case STAGE_REC_OPEN:
		return true;
	}
	return stage_crc(payload, r->payload) == r->crc;
}

/* Is all that the last epoch has on the disk, and good? 1, 0 or -errno (Z5). */
static int verify_tail(struct scan *sc, struct error *err)
{
	struct walker w = {
		.g = sc->g,
		.s = stage_segment_find(sc->g,
					stage_lsn_segment(sc->tail_open)),
		.pos = stage_lsn_pos(sc->tail_open),
	};
	const char *payload;
	int ret = 1;

	while (ret == 1 && w.lsn < sc->tail_commit) {
		ret = stage_walk_next(&w, err);
		payload = ret == 1 ? stage_walk_payload(&w, err) : "";
		if (!payload)
			ret = -EIO;
		else if (ret == 1)
			ret = is_good_payload(&w.r, payload);
	}
	stage_walk_end(&w);
	return ret;
}

/* Z1 */
static int confirm_tail(struct scan *sc, struct error *err)
{
	struct stage_group *g = sc->g;
	uint64_t tail = sc->tail_open, stop = sc->stop_lsn;
	int ret = 0;

	if (!stage_fault(S3_SYNC))
		ret = sync_all(g, err);
	if (ret || !tail || stage_fault(S3_VERIFY))
		return ret;
	ret = verify_tail(sc, err);
	if (ret)
		return ret < 0 ? ret : 0;
	*sc = (struct scan) {
		.g = g,
		.limit = tail,
		.partial = sc->partial,
	};
	ret = scan_log(sc, err);
	sc->stop_lsn = stop;
	return ret;
}

/* --- the rest ------------------------------------------------------------- */

/* Out of the list, into @f again. */
static void untake_segment(struct stage_group *g, struct recovery *rec)
{
	struct stage_segment *s = g->segments[--g->nr_segments];

	g->log_bytes -= s->room;
	for (unsigned int i = 0; i < rec->nr; i++)
		if (rec->found[i].is_chosen &&
		    rec->found[i].s.number == s->number)
			rec->found[i].s.fd = s->fd;
	free(s);
}

/* Log A9: nothing else is there, nor a commit behind its end. */
static bool may_go_on(const struct recovery *rec)
{
	for (unsigned int i = 0; i < rec->nr; i++)
		if (rec->found[i].s.fd >= 0)	/* not of the log */
			return false;
	return rec->may_go_on && !rec->g->stage->medium->is_sparse;
}

static void settle_end(struct scan *sc, struct recovery *rec)
{
	uint64_t number = stage_lsn_segment(sc->end_lsn);
	struct stage_group *g = sc->g;
	struct stage_segment *s;

	while (g->nr_segments &&
	       g->segments[g->nr_segments - 1]->number > number)
		untake_segment(g, rec);
	s = stage_segment_find(g, number);
	if (s && may_go_on(rec))
		stage_log_go_on(g, s, stage_lsn_pos(sc->end_lsn));
	else if (s)
		stage_recover_leave(g, s, stage_lsn_pos(sc->end_lsn));
	g->end_lsn = sc->end_lsn;
	g->end_salt = sc->end_salt;
	g->durable_lsn = g->kept_lsn;
}

static int check_floor(const struct stage_group *g, struct error *err)
{
	for (unsigned int i = 0; i < g->nr_epochs; i++)
		if (g->epochs[i].is_clean && g->epochs[i].lsn == g->floor_lsn)
			return 0;
	return g->floor_lsn == g->checkpoint.applied_lsn ||
	       g->floor_lsn == g->checkpoint.in_place_lsn ? 0 :
	       error_set(err, -EIO, "%s: the log is damaged: an epoch is "
			 "missing that the base has a part of", g->name);
}

/* Checkpoint C2: the log had no room for it. */
static void take_sessions(struct stage_group *g)
{
	for (unsigned int i = 0; i < g->nr_members; i++) {
		struct stage_volume *v = g->members[i];
		const struct replica_session *s;

		v->is_session_kept = true;
		if (i >= STAGE_SESSIONS_MAX)
			continue;
		s = &g->checkpoint.sessions[i];
		v->is_session_kept =
			replica_session_compare(s, &v->header.session) <= 0;
		if (!v->is_session_kept)
			v->header.session = *s;
	}
}

static int recover(struct recovery *rec, struct error *err)
{
	struct scan sc = { .g = rec->g, .limit = UINT64_MAX };
	int ret = stage_recover_find(rec, err);

	if (!ret)
		ret = stage_recover_chain(rec, err);
	sc.partial = rec->g->partial_epoch;
	if (!ret)
		ret = scan_log(&sc, err);
	if (!ret)
		ret = confirm_tail(&sc, err);
	if (!ret)
		ret = check_floor(rec->g, err);
	if (!ret)
		ret = stage_recover_judge(rec, sc.end_lsn, sc.stop_lsn, err);
	if (ret)
		return ret;
	take_sessions(rec->g);
	settle_end(&sc, rec);
	return stage_recover_discard(rec, err);
}

int stage_group_recover(struct stage_group *g, struct error *err)
{
	struct recovery rec = { .g = g };
	int ret = stage_checkpoint_read(g, &g->checkpoint, err);

	if (!ret)
		ret = recover(&rec, err);
	for (unsigned int i = 0; i < rec.nr; i++)
		g->stage->medium->close(g, &rec.found[i].s);
	free(rec.found);
	g->base_failures = stage_is_in_place(g);	/* inplace I6 */
	return ret;
}
