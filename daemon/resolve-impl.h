/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What resolve.c and resolve-look.c share. Not for others. */
#ifndef REPLICAD_RESOLVE_IMPL_H
#define REPLICAD_RESOLVE_IMPL_H

#include <limits.h>

#include "daemon.h"
#include "extents.h"
#include "resolve.h"
#include "salvage-file.h"
#include "volume.h"

/* In this order; a planned one skips SALVAGED, another one WAITS and HELD. */
enum resolve_phase {
	RESOLVE_WAITS,		/* until the target follows */
	RESOLVE_HELD,		/* writers wait: until all is at the target */
	RESOLVE_CLOSED,		/* they get an error: the last look */
	RESOLVE_SALVAGED,	/* nothing is left to be done but that */
	RESOLVE_DONE,
};

struct resolution {
	struct resolution *next;	/* daemon->resolutions */
	struct daemon *daemon;
	struct reactor *reactor;
	struct ring_work work;
	struct ring_job job;
	char dir[PATH_MAX], path[PATH_MAX], live[PATH_MAX];
	char device[DMR_NAME_LEN];
	enum resolve_phase phase;
	bool is_counted;		/* nobody else has it open */
	bool is_over;			/* it was given up before */
	bool is_owed;			/* after-demote, if it is given up */
	struct salvage_info info;
	uint64_t chunk_bytes;
	struct dmr_extents *dirty;
	int fd;				/* R1 */
	bool is_dry, is_planned;
	uint64_t wait_ns;		/* of a planned one: for the end */
	uint64_t until_ns;		/* monotonic; of that */
	unsigned int nr_open_seen;	/* in a row */
	struct ring_timer again;
	struct error error;
	void (*done)(void *arg, json_t *result, const struct error *err);
	void *arg;
};

/* resolve-look.c, on the volume's thread. -EAGAIN in ->error: once more. */
void resolve_find(struct resolution *r, const struct volume *v);
void resolve_look(struct resolution *r, struct volume *v);

#endif
