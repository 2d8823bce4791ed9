// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What an operator is to know of a log until it has been dealt with.
 *
 * N1 what recovery has told (Z6) is told as long as something is there that was
 *    put aside; where not all of it could be, as long as the stage is open.
 * N2 what was kept by who opened the stage before is told as well: a restart
 *    forgets nothing.
 * N3 nothing of it is remembered: who has looked at a kept file removes it, and
 *    that is all that is to be done, once the log goes on in another segment:
 *    where the stage is opened before that, it is found again.
 * N4 who looks at what another process has open tells only what was put aside:
 *    what it takes for damage may be what that one is doing.
 */
#include "stage-notice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "stage-device.h"
#include "stage-parts.h"

#define DIR_SHOWN	"%.100s"	/* of a path, as much as there is room for */

struct kept {
	unsigned int nr_files, nr_slots;
	uint64_t first;			/* of the files: the lowest number */
};

static int count_file(void *arg, const char *name)
{
	struct kept *k = arg;
	uint64_t number;
	int len = 0;

	if (sscanf(name, "%10" SCNu64 ".seg.lost%n", &number, &len) != 1 ||
	    !len || name[len])
		return 0;
	if (!k->nr_files++ || number < k->first)
		k->first = number;
	return 0;
}

static int count_slot(void *arg, const struct stage_segment *s)
{
	struct kept *k = arg;

	k->nr_slots += s->is_lost;
	return 0;
}

/* A directory that cannot be read has nothing that could be looked at. */
static struct kept look(struct stage_group *g)
{
	const struct stage_io *io = g->stage->io;
	struct kept k = { 0 };

	io->list(io->arg, g->dir, count_file, &k);
	if (!g->stage->device)
		return k;
	pthread_mutex_lock(&g->lock);
	g->stage->medium->list(g, count_slot, &k);
	pthread_mutex_unlock(&g->lock);
	return k;
}

static void put_step(const struct stage_group *g, const struct kept *k,
		     char step[ERROR_TEXT_LEN])
{
	if (k->nr_files)
		snprintf(step, ERROR_TEXT_LEN, "look at " DIR_SHOWN "/%010"
			 PRIu64 ".seg.lost (replica-dump), then remove it: this "
			 "is told until no such file is there", g->dir,
			 k->first);
	else if (k->nr_slots)
		snprintf(step, ERROR_TEXT_LEN, "make room in " DIR_SHOWN
			 ", and have the stage opened again: then what is kept "
			 "on the device can be copied there", g->dir);
	else if (g->stage->io == &stage_view_io)
		strcpy(step, "have the stage opened (by nbdkit, or replicad): "
		       "then what did not count is kept");
	else
		snprintf(step, ERROR_TEXT_LEN, "make room in " DIR_SHOWN
			 ", where it can be written, and have the stage opened "
			 "again: then what did not count is kept there",
			 g->dir);
}

/* Also if it has ended, or come, since then. */
bool stage_has_owner(const struct stage *s)
{
	return s->io == &stage_view_io &&
	       (s->had_owner || stage_view_is_locked(s->lock_fd));
}

void stage_get_notices(struct stage_volume *v, struct stage_notices *n)
{
	struct stage_group *g = v->g;
	const struct stage_device *d = g->stage->device;
	struct kept k = look(g);
	bool is_there = k.nr_files || k.nr_slots;

	memset(n, 0, sizeof(*n));
	if (d && d->notice.code)
		memcpy(n->device, d->notice.text, sizeof(n->device));
	if (g->notice.code && (is_there || !g->is_notice_kept) &&
	    !stage_has_owner(g->stage))			/* N1, N4 */
		memcpy(n->log, g->notice.text, sizeof(n->log));
	else if (is_there)					/* N2 */
		snprintf(n->log, sizeof(n->log), "%.60s: what did not count of "
			 "its log when the stage was opened before is kept in "
			 DIR_SHOWN, g->name, g->dir);
	if (n->log[0])
		put_step(g, &k, n->step);
}
