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

/* stage:DIR/VOLUME[?…]: without what is behind DIR. */
static int length_of_folder(const char *stage)
{
	size_t len = strcspn(stage, "?");

	while (len && stage[len - 1] != '/')
		len--;
	return len;
}

static void place_of(const struct volume *v, char *place, size_t size)
{
	struct nbd_uri uri = { 0 };
	struct error err = { 0 };

	if (!strncmp(v->opened, LOCAL_STAGE_PREFIX, strlen(LOCAL_STAGE_PREFIX)))
		snprintf(place, size, "%.*s", length_of_folder(v->opened),
			 v->opened);
	else if (nbd_uri_parse(&uri, v->opened, &err))
		snprintf(place, size, "%s", v->opened);
	else if (uri.socket)
		snprintf(place, size, "%s", uri.socket);
	else
		snprintf(place, size, "%s:%s", uri.host, uri.port);
	nbd_uri_free(&uri);
}

static bool is_same(const char *a, const char *b)
{
	const size_t len = strlen(LOCAL_STAGE_PREFIX);

	if (!strcasecmp(a, b))
		return true;
	return !strncmp(a, LOCAL_STAGE_PREFIX, len) &&
	       !strncmp(b, LOCAL_STAGE_PREFIX, len) &&
	       local_stage_is_same_dir(a + len, b + len);
}

/* Of two that are open, one was judged when the other had been. */
static bool counts(const struct volume *v)
{
	return v->is_placed && (v->target.state == TARGET_OPENING ||
				v->target.state == TARGET_READY);
}

int place_check(struct volume *volume, struct replica_why *why)
{
	char here[512], there[512];

	volume->is_placed = volume->target.is_staged;
	if (!volume->is_placed)
		return 0;
	place_of(volume, here, sizeof(here));
	for (const struct volume *v = volume->group->volumes; v; v = v->next) {
		if (v == volume || !counts(v))
			continue;
		place_of(v, there, sizeof(there));
		if (is_same(here, there))
			continue;
		snprintf(why->text, sizeof(why->text), "the log of a group is "
			 "at one place, and %.60s goes to one of another name",
			 v->config->name);
		return -EINVAL;
	}
	return 0;
}
