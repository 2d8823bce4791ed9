// SPDX-License-Identifier: GPL-2.0-or-later
/* The list of exports, and what is said about each. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "plugin-export.h"

#define EPOCHS_LISTED	32	/* of a volume, the newest */
#define NAMES_LISTED	8000	/* nbdkit takes 10,000 */
#define NAMES_FIXED	6	/* of a volume */
#define TEXT_LEN	200

#define NS_PER_S	1000000000ULL

static void print_time(char text[32], uint64_t ns)
{
	time_t seconds = ns / NS_PER_S;
	struct tm tm;

	if (!ns || !gmtime_r(&seconds, &tm) ||
	    !strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		strcpy(text, "an unknown time");
}

static void describe_volume(const struct stage_info *info, char *text,
			    size_t size)
{
	char time[32];

	print_time(time, info->header.cut_time);
	if (info->state == STAGE_ERROR)
		snprintf(text, size, "replica, state error: %s",
			 info->error.text);
	else if (info->state == STAGE_IN_PLACE)
		snprintf(text, size, "replica without a consistent image: the "
			 "log was full, and it is applied in place");
	else if (info->state == STAGE_PROMOTED)
		snprintf(text, size, "promoted: it is a primary here");
	else if (!info->header.last_clean)
		snprintf(text, size, "replica, no image yet");
	else
		snprintf(text, size, "replica of %s, epoch %" PRIu64
			 ", state %s", time, info->header.last_clean,
			 stage_state_name(info->state));
}

void export_describe(const struct export *e, char *text, size_t size)
{
	struct stage_info info;

	if (!e->v) {
		snprintf(text, size, "%s", e->ops->help);
		return;
	}
	stage_get_info(e->v, &info);
	if (!*e->ops->what)
		describe_volume(&info, text, size);
	else if (e->image)
		snprintf(text, size, "%s, image of epoch %" PRIu64, info.name,
			 stage_image_epoch(e->image));
	else
		snprintf(text, size, "%s, %s", info.name, e->ops->help);
}

/* --- the list ------------------------------------------------------------- */

struct recent {
	struct stage_epoch epochs[EPOCHS_LISTED];
	unsigned int nr;		/* seen */
};

static int note_epoch(void *arg, const struct stage_epoch *e)
{
	struct recent *r = arg;

	if (e->is_clean)
		r->epochs[r->nr++ % EPOCHS_LISTED] = *e;
	return 0;
}

struct listing {
	int (*fn)(void *arg, const char *name, const char *text);
	void *arg;
	unsigned int epochs;		/* of each volume */
};

static int tell(const struct listing *l, const char *volume, const char *what,
		const char *text)
{
	char name[EXPORT_NAME_LEN];

	snprintf(name, sizeof(name), "%s%s%s", volume, *what ? "@" : "", what);
	return l->fn(l->arg, name, text);
}

/* Newest first. */
static int tell_epochs(const struct listing *l, struct stage_volume *v,
		       const char *volume)
{
	struct recent r = { .nr = 0 };
	char text[TEXT_LEN], what[32], time[32];
	int ret = 0;

	stage_history(v, note_epoch, &r);
	for (unsigned int i = 0; !ret && i < l->epochs && i < r.nr; i++) {
		const struct stage_epoch *e =
			&r.epochs[(r.nr - 1 - i) % EPOCHS_LISTED];

		print_time(time, e->cut_time);
		snprintf(what, sizeof(what), "%" PRIu64, e->epoch);
		snprintf(text, sizeof(text), "image of %s", time);
		ret = tell(l, volume, what, text);
	}
	return ret;
}

static bool has_latest(const struct stage_info *info)
{
	return info->header.last_clean && info->state != STAGE_IN_PLACE &&
	       info->state != STAGE_PROMOTED;
}

/* What can be read without an image: the history, digests, the lists. */
static bool has_tables(const struct stage_info *info)
{
	return info->state != STAGE_ERROR && info->state != STAGE_PROMOTED;
}

static int tell_volume(const struct listing *l, struct stage_volume *v)
{
	struct stage_info info;
	char text[TEXT_LEN];
	int ret;

	stage_get_info(v, &info);
	describe_volume(&info, text, sizeof(text));
	ret = tell(l, info.name, "", text);
	if (!ret && has_latest(&info))
		ret = tell(l, info.name, "latest", "the newest image");
	if (!ret && has_tables(&info))
		ret = tell(l, info.name, "history", "a table of the epochs");
	if (!ret && has_tables(&info))
		ret = tell(l, info.name, "sum", "digests of the chunks");
	if (!ret && has_tables(&info))
		ret = tell(l, info.name, "above", "what is above the image");
	if (!ret && has_tables(&info))
		ret = tell(l, info.name, "dirty", "what no primary knows of");
	return ret ? ret : tell_epochs(l, v, info.name);
}

int export_list(struct stage *s, int (*fn)(void *arg, const char *name,
					   const char *text), void *arg)
{
	struct listing l = { .fn = fn, .arg = arg };
	struct stage_volume *v = NULL;
	unsigned int nr = 0, room;
	int ret = 0;

	while ((v = stage_next(s, v)))
		nr++;
	if (!nr)
		return 0;
	room = NAMES_LISTED / nr;
	l.epochs = room > NAMES_FIXED ? room - NAMES_FIXED : 0;
	if (l.epochs > EPOCHS_LISTED)
		l.epochs = EPOCHS_LISTED;
	while (!ret && (v = stage_next(s, v)))
		ret = tell_volume(&l, v);
	return ret;
}

const char *export_default(struct stage *s, char *name)
{
	struct stage_volume *v = stage_next(s, NULL);
	struct stage_info info;

	if (!v || stage_next(s, v))
		return NULL;
	stage_get_info(v, &info);
	strcpy(name, info.name);
	return name;
}
