// SPDX-License-Identifier: GPL-2.0-or-later
/* This site's data are kept, and another one is asked: R7, R9 in resolve.h. */
#include "resolve-impl.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "giving-up.h"
#include "log.h"
#include "promotion.h"

/* One whose volumes are not known yet may be of any. */
bool resolve_may_go_on(const struct daemon *daemon, const char *volume)
{
	for (const struct resolution *r = daemon->resolutions; r; r = r->next)
		if (!r->is_dry && !r->is_found)
			return true;
	return resolve_is_under_way(daemon, volume, NULL);
}

bool resolve_may_be_over(const struct daemon *daemon, const char *volume)
{
	int noted = giving_up_is_noted(daemon->config.state_dir, volume);

	return (noted && noted != -ENOENT) ||
	       promotion_is_ending(daemon, volume) ||
	       resolve_may_go_on(daemon, volume);
}

bool resolve_is_over(const struct daemon *daemon, const char *volume)
{
	return !resolve_may_go_on(daemon, volume) &&
	       (promotion_is_ending(daemon, volume) ||
		giving_up_is_noted(daemon->config.state_dir, volume) > 0);
}

static bool is_asked_now(const struct daemon *daemon, const char *volume)
{
	const struct resolve_local *l = daemon->keeping;

	while (l && strcmp(l->volume, volume))
		l = l->next;
	return l;
}

static int say_asked(const char *volume, struct error *err)
{
	return error_set(err, -EBUSY, "%.60s: the other site is being asked to "
			 "give it up", volume);
}

static int say_noted(const struct daemon *daemon, const char *volume,
		     const struct keeping *k, struct error *err)
{
	return error_set(err, -EBUSY, "%.60s: the other side of the pair %s "
			 "was asked to give it up, and has perhaps: replicactl "
			 "resolve %.60s --keep local asks again, pair revoke "
			 "%s ends it (%.60s/keeping/%.60s.json)", volume,
			 k->pair, volume, k->pair, daemon->config.state_dir,
			 volume);
}

static int say_unread(const struct daemon *daemon, const char *volume, int ret,
		      struct error *err)
{
	return error_set(err, ret, "%.120s/keeping/%.60s.json: %s: whether "
			 "the other site was asked is not known",
			 daemon->config.state_dir, volume, strerror(-ret));
}

int resolve_check_kept(const struct daemon *daemon, const char *volume,
		       struct error *err)
{
	struct keeping k;
	int ret;

	if (is_asked_now(daemon, volume))
		return say_asked(volume, err);
	ret = keeping_load(daemon->config.state_dir, volume, &k);
	if (!ret)
		return say_noted(daemon, volume, &k, err);
	return ret == -ENOENT ? 0 : say_unread(daemon, volume, ret, err);
}

static int check_here(const struct daemon *daemon, const char *volume,
		      struct error *err)
{
	int noted;

	if (is_asked_now(daemon, volume))
		return say_asked(volume, err);
	if (resolve_may_go_on(daemon, volume))
		return error_set(err, -EBUSY, "%s: is being resolved", volume);
	noted = giving_up_is_noted(daemon->config.state_dir, volume);
	if (noted < 0)
		return error_set(err, noted, "%s: whether it was given up here "
				 "cannot be read", volume);
	if (noted || promotion_is_ending(daemon, volume))
		return error_set(err, -EINVAL, "%s was given up here: it is "
				 "the other site's data that count", volume);
	return 0;
}

int resolve_check_idle(const struct daemon *daemon, const char *volume,
		       struct error *err)
{
	return check_here(daemon, volume, err) ?:
	       resolve_check_kept(daemon, volume, err);
}

/* R9. One that is there stays; of another pair, it is to be known first. */
static int note(const struct daemon *daemon, struct resolve_local *l,
		struct error *err)
{
	struct keeping before;
	int ret = keeping_load(daemon->config.state_dir, l->volume, &before);

	if (ret && ret != -ENOENT)
		return say_unread(daemon, l->volume, ret, err);
	l->was_noted = !ret;
	if (l->was_noted)
		return strcmp(before.id, l->note.id) ?
		       say_noted(daemon, l->volume, &before, err) : 0;
	ret = keeping_note(daemon->config.state_dir, l->volume, &l->note);
	if (!ret)
		return 0;
	keeping_drop(daemon->config.state_dir, l->volume);
	return error_set(err, ret, "%.120s/keeping: %s: nobody was asked",
			 daemon->config.state_dir, strerror(-ret));
}

int resolve_local_begin(struct daemon *daemon, struct resolve_local *l,
			struct error *err)
{
	int ret = check_here(daemon, l->volume, err);

	if (!ret)
		ret = note(daemon, l, err);
	if (ret)
		return ret;
	l->next = daemon->keeping;
	daemon->keeping = l;
	return 0;
}

void resolve_local_end(struct daemon *daemon, struct resolve_local *l,
		       bool is_known)
{
	struct resolve_local **link = &daemon->keeping;
	int ret;

	while (*link != l)
		link = &(*link)->next;
	*link = l->next;
	if (!is_known)
		return;
	ret = keeping_drop(daemon->config.state_dir, l->volume);
	if (ret)
		log_err(l->volume, "%.200s/keeping: %s: that the other site "
			"has answered is not noted: ask it again",
			daemon->config.state_dir, strerror(-ret));
}
