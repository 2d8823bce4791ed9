// SPDX-License-Identifier: GPL-2.0-or-later
/* Which epoch of a history a test device is of. */
#include "testdev-impl.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int refuse_epoch(const struct testdev *t, const struct history *h,
			struct error *err)
{
	const struct stage_epoch *oldest = NULL;

	for (size_t i = 0; !oldest && i < h->nr; i++)
		if (h->epochs[i].is_clean)
			oldest = &h->epochs[i];
	if (!oldest)
		return error_set(err, -ESTALE, "%s: there is no consistent "
				 "image yet", h->name);
	return error_set(err, -ENOENT, "%s: the history does not go back that "
			 "far: its oldest image is epoch %" PRIu64, h->name,
			 oldest->epoch);
}

int testdev_choose_epoch(struct testdev *t, const struct history *h,
			 struct error *err)
{
	const struct testdev_wish *w = &t->wish;
	const struct stage_epoch *e;

	if (w->epoch > h->last_clean && h->last_clean)
		return error_set(err, -ENOENT, "%s: there is no epoch %" PRIu64
				 " yet, the newest image is that of %" PRIu64,
				 h->name, w->epoch, h->last_clean);
	e = w->at_ns ? history_find_time(h, w->at_ns) :
		       history_find(h, w->epoch ?: UINT64_MAX);
	if (!e)
		return refuse_epoch(t, h, err);
	t->epoch = e->epoch;
	t->cut_time = e->cut_time;
	memcpy(t->volume, h->name, sizeof(t->volume));
	return 0;
}
