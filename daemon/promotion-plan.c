// SPDX-License-Identifier: GPL-2.0-or-later
/* What a promotion is to do, and whether it can: see promotion-run.c. */
#include "promotion-run-impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "identity.h"
#include "metadata-file.h"
#include "salvage-file.h"

#define SALVAGE_SPARE	(1U << 20)	/* its table, and room for a log */

uint64_t promotion_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* --- choosing ------------------------------------------------------------- */

static const struct stage_epoch *find(const struct history *h,
				      const struct promotion_wish *wish)
{
	if (wish->at_ns)
		return history_find_time(h, wish->at_ns);
	return history_find(h, wish->epoch ? wish->epoch : UINT64_MAX);
}

int promotion_choose(const struct history *h,
		     const struct promotion_wish *wish,
		     struct promotion_record *r, struct error *err)
{
	const struct stage_epoch *e = find(h, wish);

	if (!e && (wish->epoch || wish->at_ns))
		return error_set(err, -ENOENT, "%s: the history does not reach "
				 "back so far", h->name);
	if (!e)
		return error_set(err, -ENOENT, "%s: there is no consistent "
				 "image of it yet", h->name);
	if (wish->epoch && e->epoch != wish->epoch)
		return error_set(err, -ENOENT, "%s: there is no image of epoch "
				 "%" PRIu64 "; the next below is %" PRIu64,
				 h->name, wish->epoch, e->epoch);
	r->epoch = e->epoch;
	r->cut_time = e->cut_time;
	r->commit_time = e->commit_time;
	r->last_clean = h->last_clean;
	r->last_partial = h->last_partial;
	r->bytes = h->bytes;
	r->dropped_bytes = 0;
	for (size_t i = 0; i < h->nr; i++)
		if (h->epochs[i].epoch > e->epoch)
			r->dropped_bytes += h->epochs[i].bytes;
	return 0;
}

/* P7. What the log has above it is of all of them: the first one tells it. */
static int choose(struct promotion_work *w)
{
	const struct promotion_wish same = { .epoch = w->all[0]->epoch };
	bool is_first = w->r == w->all[0];
	struct history h;
	int ret = history_read(&h, w->v);

	if (ret)
		return error_set(w->err, ret, "no memory");
	ret = h.error.code ? error_set(w->err, h.error.code, "%s",
				       h.error.text) :
	      promotion_choose(&h, is_first ? &w->run->wish : &same, w->r,
			       w->err);
	history_clear(&h);
	if (!is_first)
		w->r->dropped_bytes = 0;
	return ret;
}

int promotion_name_salvage(const struct promotion_record *r,
			   char path[PATH_MAX])
{
	return snprintf(path, PATH_MAX, "%s/%s-%" PRIu64 "-%08" PRIx32
			SALVAGE_SUFFIX, r->dir, r->volume, r->epoch,
			(uint32_t)r->generation) >= PATH_MAX ?
	       -ENAMETOOLONG : 0;
}

/* What a record that was lost knew, as far as the salvage tells it. */
static void adopt_salvage(struct promotion_record *r)
{
	struct salvage s;
	char path[PATH_MAX];

	r->last_clean = r->epoch;
	if (promotion_name_salvage(r, path) || salvage_open(&s, path, NULL))
		return;
	memcpy(r->salvage, path, sizeof(path));
	r->last_clean = s.info.last_clean;
	r->last_partial = s.info.last_partial;
	r->dropped_bytes = s.info.data_bytes;
	r->begun_at = s.info.time;
	salvage_close(&s);
}

/* P5 */
static int adopt_fence(struct promotion_work *w, const struct stage_fence *f)
{
	const struct promotion_wish *wish = &w->run->wish;
	struct promotion_record *r = w->r;

	if (f->phase == STAGE_PHASE_GIVEN_UP)
		return error_set(w->err, -EINVAL, "%s: was promoted from this "
				 "stage once, and given up: what it has is old",
				 r->volume);
	if (wish->epoch && wish->epoch != f->epoch)
		return error_set(w->err, -EEXIST, "%s: was promoted already, "
				 "as of epoch %" PRIu64, r->volume, f->epoch);
	r->epoch = f->epoch;
	r->generation = f->header.generation;
	r->cut_time = f->header.cut_time;
	r->bytes = f->header.volume_bytes;
	adopt_salvage(r);
	return 0;
}

static int adopt_lost(struct promotion_work *w)
{
	struct promotion_record *r = w->r;
	const struct promotion_record known = *r;
	struct stage_fence f;
	int ret;

	if (!r->is_lost)
		return 0;
	stage_get_fence(w->v, &f);
	if (f.header.generation != r->generation)
		return error_set(w->err, -EIO, "%s: the record of its failover "
				 "was lost, and its stage has another",
				 r->volume);
	ret = adopt_fence(w, &f);
	r->old_generation = f.header.ancestors[0].generation;
	r->last_clean = known.last_clean;
	r->last_partial = known.last_partial;
	r->begun_at = known.begun_at;
	return ret;
}

int promotion_adopt_lost(struct promotion_work *w)
{
	return promotion_for_each(w, adopt_lost);
}

static int add_length(void *arg, uint64_t off, uint64_t len)
{
	*(uint64_t *)arg += len;
	return 0;
}

static int add_above(struct promotion_work *w)
{
	return stage_above(w->v, w->r->epoch, add_length, &w->need, w->err);
}

/* L4: before anything is closed. A volume without a way on would be no help. */
static int check_space(struct promotion_work *w)
{
	const char *dir = w->all[0]->dir;
	struct statvfs fs;
	uint64_t room;
	int ret;

	w->need = 0;
	ret = promotion_for_each(w, add_above);
	if (ret || !w->need)
		return ret;
	if (statvfs(dir, &fs))
		return error_set(w->err, -errno, "%.200s: %s", dir,
				 strerror(errno));
	w->need += SALVAGE_SPARE * w->nr;
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	return room >= w->need ? 0 :
	       error_set(w->err, -ENOSPC, "%.150s: the salvage of what is "
			 "dropped needs %" PRIu64 " bytes there, %" PRIu64
			 " are free", dir, w->need, room);
}

int promotion_check_members(struct promotion_work *w)
{
	struct stage_info info;
	struct stage_fence f;

	stage_get_fence(w->v, &f);
	if (f.phase >= STAGE_PHASE_LEFT)
		return 0;
	stage_get_info(w->v, &info);
	if (info.header.seq && info.header.members != info.nr_members)
		return error_set(w->err, -EIO, "%s: group %.60s has %u "
				 "members, and the stage describes %u of them: "
				 "a NAME.volume in %.100s is damaged or "
				 "missing", w->r->volume, info.group,
				 info.header.members, info.nr_members,
				 w->r->dir);
	if (info.nr_members == w->nr)
		return 0;
	if (w->nr == 1)
		return error_set(w->err, -EOPNOTSUPP, "%s: is one of %u in "
				 "group %.60s, and a group is not promoted in "
				 "parts", w->r->volume, info.nr_members,
				 info.group);
	return error_set(w->err, -EOPNOTSUPP, "%s: its group %.60s has %u "
			 "members by now, not %u", w->r->volume, info.group,
			 info.nr_members, w->nr);
}

/* P6: the generation is the same as before. */
static int plan_member(struct promotion_work *w)
{
	struct promotion_record *r = w->r;
	struct stage_info info;
	struct stage_fence f;
	int ret;

	stage_get_fence(w->v, &f);
	stage_get_info(w->v, &info);
	r->begun_at = promotion_now();
	r->old_generation = f.phase == STAGE_PHASE_OPEN ?
			    info.header.generation :
			    f.header.ancestors[0].generation;
	r->generation = w->all[0]->generation;
	ret = f.phase == STAGE_PHASE_OPEN ? choose(w) : adopt_fence(w, &f);
	if (!ret && f.phase != STAGE_PHASE_LEFT && promotion_has_metadata(r))
		ret = metadata_file_check(r->metadata, &info.header, w->err);
	return ret;
}

int promotion_plan(struct promotion_work *w)
{
	struct promotion_record *leader = w->all[0];
	struct stage_fence f;
	int ret = promotion_check_members(w);

	if (!leader->generation)
		identity_random(&leader->generation,
				sizeof(leader->generation));
	if (!ret)
		ret = promotion_for_each(w, plan_member);
	if (ret)
		return ret;
	stage_get_fence(w->v, &f);
	if (f.phase != STAGE_PHASE_OPEN)
		return 0;
	ret = stage_fence_check(w->v, leader->epoch, leader->generation,
				w->err);
	return ret ? ret : check_space(w);
}
