// SPDX-License-Identifier: GPL-2.0-or-later
/* What a test device is called: the name of its files, and of its socket. */
#include "testdev-impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon.h"

struct testdev *testdev_find(const struct daemon *daemon, const char *name)
{
	struct testdev *t = daemon->testdevs;

	while (t && strcmp(t->name, name))
		t = t->next;
	return t;
}

bool testdev_is_name(const char *name)
{
	size_t len = strlen(name);

	return len && len < TESTDEV_NAME_LEN && name[0] != '.' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == len;
}

/* VOLUME-EPOCH, of a salvage with that word, or all that and a number. */
static void choose_name(struct testdev *t)
{
	const char *what = t->is_salvage ? "-salvage" : "";
	char name[TESTDEV_NAME_LEN];
	unsigned int nr = 1;

	snprintf(name, sizeof(name), "%.40s-%" PRIu64 "%s", t->volume,
		 t->epoch, what);
	while (testdev_find(t->daemon, name))
		snprintf(name, sizeof(name), "%.40s-%" PRIu64 "%s-%u",
			 t->volume, t->epoch, what, ++nr);
	strcpy(t->name, name);
}

static int set_socket(struct testdev *t, struct error *err)
{
	char path[TESTDEV_PATH_LEN];

	testdev_path(t->daemon, t->name, ".sock", path);
	if (strlen(path) >= sizeof(t->socket))
		return error_set(err, -ENAMETOOLONG, "%.200s is too long for a "
				 "socket: take a shorter --name", path);
	strcpy(t->socket, path);
	return 0;
}

int testdev_settle_name(struct testdev *t, struct error *err)
{
	if (!*t->name)
		choose_name(t);
	if (testdev_is_name(t->name))
		return set_socket(t, err);
	*t->name = 0;		/* it is part of no path */
	return error_set(err, -EBADMSG, "\"%.60s\" is no name for a volume",
			 t->volume);
}
