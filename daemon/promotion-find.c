// SPDX-License-Identifier: GPL-2.0-or-later
/* Where a volume is that is to be promoted, and who goes with it. */
#include "promotion-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "local-stage.h"
#include "ops.h"
#include "stage-promote.h"
#include "state-file.h"

/* --- where the volume is -------------------------------------------------- */

const char *promotion_stage_of(const struct pairing *pairing)
{
	json_t *param;
	size_t i;

	json_array_foreach(pairing->record.params, i, param) {
		const char *text = json_string_value(param);

		if (text && !strncmp(text, "dir=", 4))
			return text + 4;
	}
	return NULL;
}

static bool has_volume(const char *dir, const char *volume)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/%s.volume", dir, volume) <
	       PATH_MAX && !access(path, F_OK);
}

static bool was_given_up(const char *dir, const char *volume)
{
	struct stage_fence f;

	return !stage_fence_peek(dir, volume, &f, NULL) &&
	       f.phase == STAGE_PHASE_GIVEN_UP;
}

bool promotion_is_replica(const struct daemon *daemon, const char *volume)
{
	if (!volume_name_is_valid(volume))
		return false;
	for (struct pairing *p = daemon->pairings; p; p = p->next)
		if (promotion_has_replica(p, volume))
			return true;
	return false;
}

bool promotion_has_replica(const struct pairing *p, const char *volume)
{
	const char *dir = promotion_stage_of(p);

	return dir && has_volume(dir, volume);
}

bool promotion_serves_replica(const struct pairing *p, const char *volume)
{
	return p->state == PAIRING_SERVING &&
	       promotion_has_replica(p, volume) &&
	       !was_given_up(promotion_stage_of(p), volume);
}

struct pairing *promotion_pair_of(const struct daemon *daemon,
				  const char *volume)
{
	struct pairing *p = daemon->pairings;

	while (p && !promotion_serves_replica(p, volume))
		p = p->next;
	return p;
}

static void each_of_stage(const char *dir,
			  void (*each)(void *arg, const char *dir,
				       const char *volume), void *arg)
{
	struct stage_members m;

	if (stage_members_all(dir, &m, NULL))
		return;
	for (unsigned int i = 0; i < m.nr; i++)
		if (!was_given_up(dir, m.names[i]))
			each(arg, dir, m.names[i]);
	stage_members_clear(&m);
}

void promotion_each_replica(const struct daemon *daemon,
			    void (*each)(void *arg, const char *dir,
					 const char *volume), void *arg)
{
	for (const struct pairing *p = daemon->pairings; p; p = p->next)
		if (p->state != PAIRING_ENDING && promotion_stage_of(p))
			each_of_stage(promotion_stage_of(p), each, arg);
}

/* By the stages that the pairs have, or of that one. */
static int find_stage(const struct daemon *daemon,
		      const struct promotion_request *q,
		      struct promotion_record *r, struct error *err)
{
	unsigned int nr = 0;
	bool is_old = false;

	for (struct pairing *p = daemon->pairings; p; p = p->next) {
		const char *dir = promotion_stage_of(p);

		if (p->state == PAIRING_ENDING || !dir ||
		    (q->dir && !local_stage_is_same_dir(dir, q->dir)) ||
		    (!q->dir && !has_volume(dir, q->volume)))
			continue;
		if (!q->dir && was_given_up(dir, q->volume)) {
			is_old = true;
			continue;
		}
		if (nr++)
			return error_set(err, -EINVAL, "%s: more than one pair "
					 "has it: name the stage (--dir)",
					 q->volume);
		snprintf(r->pair, sizeof(r->pair), "%s", p->record.name);
		snprintf(r->dir, sizeof(r->dir), "%s", dir);
	}
	if (is_old && !nr)
		return error_set(err, -EINVAL, "%.60s: was promoted here once, "
				 "and given up: what the stage has is old",
				 q->volume);
	if (q->dir && !nr)
		snprintf(r->dir, sizeof(r->dir), "%s", q->dir);
	if (!r->dir[0] || !has_volume(r->dir, q->volume))
		return error_set(err, -ENOENT, "there is no replica of %.60s "
				 "here%s%.150s", q->volume, q->dir ? ": not in "
				 : ", in the stage of no pair", q->dir ?: "");
	return 0;
}

static int set_metadata(const struct promotion_request *q,
			struct promotion_record *r, struct error *err)
{
	int n = q->metadata ? snprintf(r->metadata, sizeof(r->metadata), "%s",
				       q->metadata) :
		snprintf(r->metadata, sizeof(r->metadata), "%s/%s.meta", r->dir,
			 r->volume);

	if (n >= PATH_MAX || (r->metadata[0] != '/' &&
			      strcmp(r->metadata, "none")))
		return error_set(err, -EINVAL, "metadata=%.150s: want an "
				 "absolute path, or none", r->metadata);
	return 0;
}

/* --- whose record was lost (P5) ------------------------------------------- */

/* F5. As a fence is found, so is the group: -EBADMSG, or why not. */
static int look_at_group(const char *dir, const char *volume,
			 struct stage_members *m, struct stage_fence *f,
			 struct error *err)
{
	int ret = stage_members_list(dir, volume, m, err);

	if (ret)
		return ret;
	ret = m->first[0] ? stage_fence_peek(dir, m->first, f, err) :
	      error_set(err, -EBADMSG, "%.60s: its group has no first member",
			volume);
	if (ret)
		stage_members_clear(m);
	return ret;
}

bool promotion_is_unfenced(const struct promotion_record *r)
{
	struct stage_members m;
	struct stage_fence f;

	if (look_at_group(r->dir, r->volume, &m, &f, NULL))
		return false;
	stage_members_clear(&m);
	return f.phase == STAGE_PHASE_OPEN;
}

/* One that a newer replicad has written is not replaced. */
static int check_record(const struct daemon *daemon, const char *name,
			struct error *err)
{
	struct promotion_record r;
	int ret = promotion_load(daemon->config.state_dir, name, &r);

	return ret == -EPROTONOSUPPORT ?
	       error_set(err, ret, "%s: the record of its failover: %s", name,
			 state_error(ret)) : 0;
}

static bool is_lost(const struct daemon *daemon, const char *dir,
		    const char *name)
{
	return !promotion_find(daemon, name) && !was_given_up(dir, name);
}

/* What is the same for all of a group; the run asks the stage for the rest. */
static void fill_lost(const struct daemon *daemon,
		      const struct promotion_record *of, const char *name,
		      struct promotion_record *r)
{
	if (!promotion_load(daemon->config.state_dir, name, r) &&
	    r->generation == of->generation)
		return;
	*r = *of;
	r->is_lost = true;
	r->salvage[0] = 0;
	snprintf(r->volume, sizeof(r->volume), "%.40s", name);
	if (strcmp(of->metadata, "none") &&
	    snprintf(r->metadata, sizeof(r->metadata), "%s/%s.meta", r->dir,
		     r->volume) >= PATH_MAX)
		strcpy(r->metadata, "none");
}

int promotion_find_lost(const struct daemon *daemon,
			const struct promotion_record *of,
			struct promotion_record **all, unsigned int *nr,
			struct error *err)
{
	struct stage_members m;
	struct stage_fence f;
	int ret = look_at_group(of->dir, of->volume, &m, &f, err);

	*all = NULL;
	*nr = 0;
	if (ret)
		return ret;
	if (f.phase != STAGE_PHASE_OPEN &&
	    f.header.generation == of->generation) {
		*all = calloc(m.nr, sizeof(**all));
		ret = *all ? 0 : error_set(err, -ENOMEM, "no memory");
	}
	for (unsigned int i = 0; *all && i < m.nr; i++) {
		if (!is_lost(daemon, of->dir, m.names[i]))
			continue;
		if (check_record(daemon, m.names[i], err))
			ret = err->code;
		else
			fill_lost(daemon, of, m.names[i], &(*all)[(*nr)++]);
	}
	stage_members_clear(&m);
	return ret;
}

bool promotion_lacks(const struct daemon *daemon,
		     const struct promotion_record *r,
		     char name[STAGE_NAME_LEN])
{
	struct stage_members m;
	struct stage_fence f;
	bool is_any = false;

	if (look_at_group(r->dir, r->volume, &m, &f, NULL))
		return false;
	for (unsigned int i = 0; f.phase >= STAGE_PHASE_LEFT &&
	     f.header.generation == r->generation && i < m.nr; i++) {
		if (daemon_find(daemon, m.names[i]) ||
		    !is_lost(daemon, r->dir, m.names[i]))
			continue;
		memcpy(name, m.names[i], sizeof(m.names[i]));
		is_any = true;
	}
	stage_members_clear(&m);
	return is_any;
}

/*
 * Those that have left are by themselves (T7): of them, the one that is asked
 * for, and with --group whoever else has no promotion here.
 */
static int keep_lost(const struct daemon *daemon,
		     const struct promotion_request *q, const char *dir,
		     struct stage_members *m, struct error *err)
{
	struct stage_fence f = { 0 };
	unsigned int nr = 0;
	int ret = m->nr > 1 ? stage_fence_peek(dir, m->first, &f, err) : 0;

	if (ret || f.phase < STAGE_PHASE_LEFT)
		return ret;
	for (unsigned int i = 0; i < m->nr; i++)
		if (!strcmp(m->names[i], q->volume) ||
		    (q->is_group && !daemon_find(daemon, m->names[i]) &&
		     is_lost(daemon, dir, m->names[i])))
			memmove(m->names[nr++], m->names[i],
				sizeof(m->names[i]));
	m->nr = nr;
	return 0;
}

/* --- who goes with it ----------------------------------------------------- */

static int check_name(const struct daemon *daemon, const char *name,
		      struct error *err)
{
	if (!volume_name_is_valid(name))
		return error_set(err, -EDESTADDRREQ, "\"%.60s\" is not a name "
				 "for a volume", name);
	if (daemon_find(daemon, name))
		return error_set(err, -EEXIST, "%s is a primary here already: "
				 "it is replicated from this site", name);
	if (promotion_find(daemon, name))
		return error_set(err, -EBUSY, "%s: was promoted here before",
				 name);
	if (op_find_aside(daemon, name))
		return error_set(err, -EBUSY, "%s: a clone of that name is being"
				 " made here", name);
	return check_record(daemon, name, err);
}

static int check_group(const struct promotion_request *q,
		       const struct stage_members *m, struct error *err)
{
	if (m->nr > 1 && !q->is_group)
		return error_set(err, -EOPNOTSUPP, "%s: is one of %u in group "
				 "%.60s, and a group is not promoted in parts: "
				 "--group", q->volume, m->nr, m->group);
	if (m->nr > 1 && q->metadata && strcmp(q->metadata, "none"))
		return error_set(err, -EINVAL, "metadata=%.100s: that is one "
				 "place, for %u volumes", q->metadata, m->nr);
	return 0;
}

static int fill(const struct daemon *daemon, const struct promotion_request *q,
		const struct stage_members *m, struct promotion_record *all,
		struct error *err)
{
	int ret = check_group(q, m, err);

	for (unsigned int i = 0; !ret && i < m->nr; i++) {
		struct promotion_record *r = &all[i];

		if (i)
			*r = all[0];
		ret = check_name(daemon, m->names[i], err);
		if (ret)
			break;
		snprintf(r->volume, sizeof(r->volume), "%.40s", m->names[i]);
		if (m->nr > 1) {
			memcpy(r->group, m->group, sizeof(r->group));
			memcpy(r->leader, all[0].volume, sizeof(r->leader));
		}
		ret = set_metadata(q, r, err);
	}
	return ret;
}

int promotion_make_records(const struct daemon *daemon,
			   const struct promotion_request *q,
			   struct promotion_record **all, unsigned int *nr,
			   struct error *err)
{
	struct promotion_record first = { 0 };
	struct stage_members m;
	int ret = check_name(daemon, q->volume, err);

	if (!ret)
		ret = find_stage(daemon, q, &first, err);
	if (!ret)
		ret = stage_members_list(first.dir, q->volume, &m, err);
	if (ret)
		return ret;
	ret = keep_lost(daemon, q, first.dir, &m, err);
	*nr = m.nr;
	*all = calloc(m.nr, sizeof(**all));
	if (!*all)
		ret = error_set(err, -ENOMEM, "no memory");
	if (!ret) {
		**all = first;
		ret = fill(daemon, q, &m, *all, err);
	}
	if (ret)
		free(*all);
	stage_members_clear(&m);
	return ret;
}
