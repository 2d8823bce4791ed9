// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What recovery has found and does not count: segments that were begun for
 * nothing go, what may have been acknowledged stays to be looked at. Rules Z3
 * and Z4 are at the top of stage-recover.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "stage-parts.h"
#include "stage-recover.h"

/* Also behind something that is no record. */
bool stage_recover_has_commit(struct stage_group *g,
			      const struct stage_segment *segment,
			      uint64_t from)
{
	struct stage_segment s = *segment;
	struct walker w = { .g = g, .s = &s, .pos = from };
	bool has = false;
	int ret = 0;

	s.end = 0;
	while (!has && ret >= 0 && w.pos + STAGE_RECORD_BYTES <= s.bytes) {
		ret = stage_walk_next(&w, NULL);
		if (!ret)
			w.pos += STAGE_ALIGN;
		has = ret == 1 && (w.r.type == STAGE_REC_CLEAN ||
				   w.r.type == STAGE_REC_PARTIAL);
	}
	stage_walk_end(&w);
	return has || ret < 0;
}

/* Anywhere in it; where its front is damaged, if its salt is known. */
static bool has_commit(struct stage_group *g, const struct found *f)
{
	struct stage_segment s = f->s;

	s.salt = f->is_good ? f->b.salt : s.salt;
	return stage_recover_has_commit(g, &s, STAGE_BLOCK_BYTES);
}

/*
 * Z3. A predecessor of what counts was dropped before: it goes for good. What
 * stands before a commit that is kept may have that one's data.
 */
static bool is_kept(struct stage_group *g, const struct found *f,
		    bool is_before_kept)
{
	if (f->s.is_lost)
		return true;
	if (f->s.number < g->checkpoint.first)
		return false;
	if (is_before_kept && !f->is_blank)
		return true;
	return f->is_good || f->s.salt ? has_commit(g, f) : !f->is_blank;
}

/* Z6. They are looked at from the newest on: the last note is of the oldest. */
static void note_kept(struct stage_group *g, uint64_t number)
{
	char what[64] = "there is no image";

	if (g->clean_epoch)
		snprintf(what, sizeof(what), "the image is of epoch %" PRIu64,
			 g->clean_epoch);
	error_clear(&g->notice);
	error_set(&g->notice, -EBADMSG, "%s: the log is damaged, and does not "
		  "count from segment %" PRIu64 " on: %s; what it had is kept "
		  "in %s (replica-dump)", g->name, number, what, g->dir);
}

static int discard(struct stage_group *g, struct found *f, bool *has_kept,
		   struct error *err)
{
	if (!is_kept(g, f, *has_kept)) {
		g->stage->medium->remove(g, &f->s);
		return 0;
	}
	*has_kept = true;
	if (!f->s.is_lost)
		note_kept(g, f->s.number);
	return g->stage->medium->keep(g, &f->s, err);
}

/* Z4 */
int stage_recover_discard(struct recovery *rec, struct error *err)
{
	bool has_kept = false;
	int ret = 0;

	if (stage_checkpoint_confirm(rec->g, NULL))
		return 0;
	for (unsigned int i = rec->nr; !ret && i-- > 0;)
		if (rec->found[i].s.fd >= 0)
			ret = discard(rec->g, &rec->found[i], &has_kept,
				      err);
	return ret;
}
