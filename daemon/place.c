// SPDX-License-Identifier: GPL-2.0-or-later
#include "place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "group.h"
#include "local-stage.h"
#include "uri.h"
#include "volume.h"

const char place_advice[] =
	"send all volumes of the group to one server: replicactl target use, "
	"or their target=; then it goes on by itself";

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

/* What it was opened as is true while it is open, and of the last such kind. */
static bool counts(const struct volume *v)
{
	return v->target.is_staged && (v->target.state == TARGET_OPENING ||
				       v->target.state == TARGET_READY);
}

int place_check(const struct volume *volume, struct replica_why *why)
{
	char here[512], there[512];

	if (!volume->target.is_staged)
		return 0;
	place_of(volume, here, sizeof(here));
	for (const struct volume *v = volume->group->volumes; v; v = v->next) {
		if (v == volume || !counts(v))
			continue;
		place_of(v, there, sizeof(there));
		if (!strcmp(here, there))
			continue;
		snprintf(why->text, sizeof(why->text), "the log of a group is "
			 "at one place, and %.60s goes elsewhere",
			 v->config->name);
		return -EINVAL;
	}
	return 0;
}
