/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What resolve.c, resolve-look.c, resolve-salvage.c share. Not for others. */
#ifndef REPLICAD_RESOLVE_IMPL_H
#define REPLICAD_RESOLVE_IMPL_H

#include <limits.h>

#include "daemon.h"
#include "extents.h"
#include "resolve.h"
#include "salvage-file.h"
#include "volume.h"

/* In this order; one that is not planned skips WAITS and HELD. */
enum resolve_phase {
	RESOLVE_WAITS,		/* until the target follows */
	RESOLVE_HELD,		/* writers wait: until all is at the target */
	RESOLVE_CLOSED,		/* they get an error: the last look */
	RESOLVE_SALVAGED,	/* nothing is left to be done but that */
	RESOLVE_DONE,
};

struct resolve_member {
	char path[PATH_MAX], live[PATH_MAX];
	char device[DMR_NAME_LEN];
	struct salvage_info info;	/* ->volume: its name */
	uint64_t chunk_bytes;
	struct dmr_extents *dirty;
	uint64_t kept_bytes;		/* of one given up before, in ->path */
	int fd;				/* R1 */
};

struct resolution {
	struct resolution *next;	/* daemon->resolutions */
	struct daemon *daemon;
	struct reactor *reactor;
	struct ring_work work;
	struct ring_job job;
	char dir[PATH_MAX];
	char volume[64];		/* that was asked for */
	char group[64];			/* "" = that one alone */
	struct resolve_member *all;	/* in the order of the group */
	struct volume **volumes;	/* of these; during a look */
	unsigned int nr;
	unsigned int nr_ended;		/* promotions that are over */
	bool is_found;			/* ->all is known; main thread */
	enum resolve_phase phase;
	bool is_counted;		/* nobody else has them open */
	bool is_over;			/* they were given up before */
	bool is_owed;			/* after-demote, if they are given up */
	bool is_dry, is_planned, is_group, is_asked;
	json_t *named;			/* R10; a reference, or NULL */
	uint64_t wait_ns;		/* of a planned one: for the end */
	uint64_t until_ns;		/* monotonic; of that */
	unsigned int nr_open_seen;	/* in a row */
	struct ring_timer again;
	struct error error;
	void (*done)(void *arg, json_t *result, const struct error *err);
	void *arg;
};

/* Is it one of those that are to be given up? */
bool resolve_has(const struct resolution *r, const char *volume);

/* Room for so many, of which nothing is known. 0 or -ENOMEM. */
int resolve_make_members(struct resolution *r, unsigned int nr);

/* By another than @but. Until it has found them, only what was asked for. */
bool resolve_is_under_way(const struct daemon *daemon, const char *volume,
			  const struct resolution *but);

/* resolve-local.c. R7, R9: 0, or -errno with a sentence; main thread. */
int resolve_check_kept(const struct daemon *daemon, const char *volume,
		       struct error *err);

/* resolve-look.c, on the volumes' thread. -EAGAIN in ->error: once more. */
void resolve_find(struct resolution *r, struct volume *v);
void resolve_look(struct resolution *r);
void resolve_undo(struct resolution *r);

/* resolve-salvage.c. Blocks. -EAGAIN in ->error: it was called off. */
void resolve_salvage(struct resolution *r);
/* What was kept aside when they were given up before. Blocks. */
void resolve_find_salvages(struct resolution *r);
bool resolve_has_dirty(const struct resolution *r);

#endif
