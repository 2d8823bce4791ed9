// SPDX-License-Identifier: GPL-2.0-or-later
#include "place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "group.h"
#include "local-stage.h"
#include "uri.h"
#include "volume.h"

const char place_advice[] =
	"send all volumes of the group to one server, by one name: replicactl "
	"target use, or their target=; then it goes on by itself";

static bool is_same_folder(const char *a, const char *b)
{
	struct stage_name x = { 0 }, y = { 0 };
	struct error err = { 0 };
	bool is_same = false;

	if (!stage_name_parse(&x, a, &err)) {
		if (!stage_name_parse(&y, b, &err)) {
			is_same = local_stage_is_same_dir(x.options.dir,
							  y.options.dir);
			stage_name_clear(&y);
		}
		stage_name_clear(&x);
	}
	return is_same;
}

static bool is_same_server(const char *a, const char *b)
{
	struct nbd_uri x = { 0 }, y = { 0 };
	struct error err = { 0 };
	bool is_same;

	if (nbd_uri_parse(&x, a, &err) || nbd_uri_parse(&y, b, &err))
		is_same = false;
	else if (x.socket || y.socket)
		is_same = x.socket && y.socket && !strcmp(x.socket, y.socket);
	else
		is_same = !strcasecmp(x.host, y.host) &&
			  !strcmp(x.port, y.port);
	nbd_uri_free(&x);
	nbd_uri_free(&y);
	return is_same;
}

static bool is_same_place(const char *a, const char *b)
{
	return stage_name_is(a) && stage_name_is(b) ? is_same_folder(a, b) :
						      is_same_server(a, b);
}

/* Of two that are open, one was judged when the other had been. */
static bool counts(const struct volume *v)
{
	return v->is_placed && (v->target.state == TARGET_OPENING ||
				v->target.state == TARGET_READY);
}

int place_check(struct volume *volume, struct replica_why *why)
{
	volume->is_placed = volume->target.is_staged;
	if (!volume->is_placed)
		return 0;
	for (const struct volume *v = volume->group->volumes; v; v = v->next) {
		if (v == volume || !counts(v) ||
		    is_same_place(volume->opened, v->opened))
			continue;
		snprintf(why->text, sizeof(why->text), "the log of a group is "
			 "at one place, and %.60s goes to one of another name",
			 v->config->name);
		return -EINVAL;
	}
	return 0;
}
