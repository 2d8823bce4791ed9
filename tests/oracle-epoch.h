/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One epoch of a group, shipped by hand: cut, wait, read through the views,
 * release, end. What replicad does, without replicad: this proves the module
 * alone. The "target" is a copy in memory of each volume.
 *
 * Besides the right things it says some twice, and asks for what it must not
 * get: a released chunk of a clean epoch is refused (K4).
 */
#ifndef TESTS_ORACLE_EPOCH_H
#define TESTS_ORACLE_EPOCH_H

#include "dmr.h"
#include "oracle-state.h"

struct member {
	char *device, *view, *origin;	/* paths */
	uint64_t dev;
	int view_fd;
	uint64_t sectors;
	uint32_t chunk_sectors;
	char *copy;			/* what the target has */
	bool fuzzy;			/* said by the last RELEASE */
	uint64_t nr_held;		/* "" */
};

struct shipper {
	struct genl genl;
	struct oracle_state *state;
	struct oracle_image *image;
	struct member member[ORACLE_VOLUMES_MAX];
	uint32_t nr_members;
	uint64_t epoch;			/* the last one that was cut */
	unsigned int dice;
	char *buffer;			/* of BATCH_MAX chunks */
	/* options */
	unsigned int batch;		/* chunks read at once, at most */
	unsigned int delay_us;		/* between FROZEN and the first read */
	unsigned int pause_us;		/* after each read */
	/* counters */
	uint64_t chunks, probes;
	uint64_t busy;			/* cuts that had to be said again */
};

#define BATCH_MAX_SECTORS	2048

/* What to do with an epoch. */
struct fate {
	bool fuzzy;			/* asked for at the cut */
	enum dmr_end end;
	bool early;			/* abort without waiting for FROZEN */
	unsigned int percent;		/* of the chunks are read before END */
};

/* Opens device, view and copy. Prints why it can't. */
int member_open(struct shipper *s, struct member *member);

/*
 * Returns 0, or -errno with the reason printed; -EBADE: the module broke its
 * word (a released chunk was read, a frozen set changed). *clean: it was
 * committed and is clean, so the copies are an image of the cut, to be checked
 * with bounds.
 */
int epoch_ship(struct shipper *s, const struct fate *fate,
	       struct oracle_bounds *bounds, bool *clean);

#endif
