/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The status as JSON, as the control socket shows it. */
#ifndef REPLICAD_STATUS_H
#define REPLICAD_STATUS_H

#include <jansson.h>

struct daemon;
struct look;
struct reactor;
struct volume;

/* One volume; on its reactor's thread. NULL when out of memory. */
json_t *status_volume(struct volume *volume);

/*
 * Appends the volumes of this reactor to @all; on its thread. The first reactor
 * that has any fills @look, for all of them: one netlink dump.
 */
void status_reactor(json_t *all, struct reactor *reactor, struct look **look);
/* The same for one of them; nothing if it is not there. */
void status_one(json_t *all, struct reactor *reactor, const char *name);

/*
 * The whole answer, on the main thread: the volumes that run (@running, the
 * reference is kept by the caller), those that do not, the verdict. @only: one
 * volume by name, which may not be there, or NULL. NULL when out of memory.
 */
json_t *status_all(const struct daemon *daemon, const json_t *running,
		   const char *only);

#endif
