// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *	a larger table -> run_clock(): growth_is_due() -> main: op_extend ->
 *	reactor: group stops, view is closed -> job: table, view -> reactor:
 *	volume_resize(), group starts -> target: hello of the new size
 *
 * G1 what a target is told, and what is read, is volume_bytes(): it changes
 *    only while the group is stopped. The kernel's size is looked at before
 *    each cut, and it ends an open epoch when it grows: so no epoch has chunks
 *    that the target has no place for.
 * G2 the kernel has marked what is new, durably: whoever dies here, it is
 *    shipped with the next clean epoch.
 * G3 it is asked for, and after a while again: the one who was asked may have
 *    been without memory, or may have met no volume. Where it fails the group
 *    says why, and the next try comes with its next connection. So the size
 *    stays the old one until all is there that the new one needs:
 *    volume_resize() looks at the view, too.
 */
#include "growth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "group.h"
#include "log.h"
#include "ops.h"
#include "reactor.h"
#include "volume.h"

#define LOOK_MS		1000
#define ASK_AGAIN_NS	5000000000ULL

static bool has_grown(const struct volume *v)
{
	return volume_kernel_bytes(v) > volume_bytes(v);
}

/* Whoever waits in the line may be asked twice: that does no harm. */
static bool is_asked(const struct volume *v)
{
	return v->is_growing && ring_now(v->reactor->ring) <
	       v->growth_asked_ns + ASK_AGAIN_NS;
}

/* G3 */
static void see_to(struct volume *v)
{
	char error[sizeof(v->growth_error)];
	struct reactor *r = v->reactor;

	if (v->growth_error[0]) {
		memcpy(error, v->growth_error, sizeof(error));
		v->growth_error[0] = 0;
		group_target_failed(v->group, v, true, error);
	} else if (r->grown) {
		ring_timer_add(r->ring, &v->group->clock, LOOK_MS);
		if (is_asked(v))
			return;
		v->is_growing = true;
		v->growth_asked_ns = ring_now(r->ring);
		r->grown(r->grown_arg, v->config->name);
	}
}

bool growth_is_due(struct group *g)
{
	for (struct volume *v = g->volumes; v; v = v->next)
		if (has_grown(v)) {
			see_to(v);
			return true;
		}
	return false;
}

bool growth_was_it(struct volume *volumes)
{
	for (struct volume *v = volumes; v; v = v->next)
		if (!volume_refresh(v) && has_grown(v))
			return true;
	return false;
}

void growth_ended(struct volume *v, const char *error)
{
	v->is_growing = false;
	snprintf(v->growth_error, sizeof(v->growth_error), "%s",
		 has_grown(v) ? error : "");
}

/* --- the way to the main thread ---------------------------------------- */

struct notice {
	struct ring_work work;
	struct daemon *daemon;
	char volume[64];
};

static void on_extended(struct op *op)
{
	if (op->err)
		log_warn(op->name, "it has grown, but that cannot be taken "
			 "up: %s", op->error);
	op_free(op);
}

static void take_notice(struct ring_work *work)
{
	struct notice *n = container_of(work, struct notice, work);

	if (!n->daemon->is_stopping)
		op_extend(n->daemon, n->volume, true, on_extended, NULL);
	free(n);
}

void growth_tell(void *arg, const char *volume)
{
	struct daemon *daemon = arg;
	struct notice *n = calloc(1, sizeof(*n));

	if (!n)
		return;
	n->daemon = daemon;
	snprintf(n->volume, sizeof(n->volume), "%s", volume);
	n->work.run = take_notice;
	ring_post(daemon->reactors[0].ring, &n->work);
}
