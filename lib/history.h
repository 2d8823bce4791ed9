/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The history of a replica as a table: VOL@history, what it says of each epoch
 * and of the volume, as of one moment. Documentation/protocol.rst has the
 * format.
 */
#ifndef REPLICA_HISTORY_H
#define REPLICA_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "stage.h"
#include "stage-notice.h"

#define HISTORY_VERSION		1
#define HISTORY_SUFFIX		"@history"
#define HISTORY_ALIGN		512	/* its length is a multiple of that */
#define HISTORY_BYTES_MAX	(256U << 20)

struct ring;

/* Times are ns since 1970: the cut's by the primary's clock, others by this. */
struct history {
	char name[STAGE_NAME_LEN];
	char group[STAGE_NAME_LEN];
	struct error error;		/* code 0, or why the state is ERROR */
	enum stage_state state;
	uint64_t bytes;			/* of the volume */
	uint32_t chunk_bytes;
	uint64_t now;			/* when this was asked */
	uint64_t last_clean, last_partial, highest_seen, open_epoch;
	uint64_t cut_time;		/* the image is as of then */
	uint64_t unsent, unsent_time;	/* as in struct replica_header */
	uint64_t log_bytes, log_needed;	/* as in struct stage_info */
	struct stage_notices notices;
	struct stage_epoch *epochs;	/* oldest first; epochs ascend */
	size_t nr;
};

/* What a stage has of a volume. 0 or -ENOMEM. */
int history_read(struct history *h, struct stage_volume *v);

/*
 * The same, of a folder that nbdkit or replicad may have open or not, and which
 * stays as it is. -ENOENT, or what is wrong with it, with a sentence.
 */
int history_view(struct history *h, const char *dir, const char *volume,
		 struct error *err);

/* All of it as it is served, allocated. 0 or -ENOMEM. */
int history_encode(const struct history *h, void **bytes, size_t *len);

/*
 * The reverse, of bytes that may be anybody's: texts are made printable.
 *	-EOPNOTSUPP	not a history at all: the server does not keep one
 *	-EBADMSG	damaged
 *	-EPROTONOSUPPORT of a newer format
 */
int history_decode(struct history *h, const void *bytes, size_t len,
		   struct error *err);

/* NULL and what is cleared already are fine. */
void history_clear(struct history *h);

/* The newest clean epoch that fits; NULL if there is none. */
const struct stage_epoch *history_find(const struct history *h,
				       uint64_t epoch);
const struct stage_epoch *history_find_time(const struct history *h,
					    uint64_t cut_time);

/*
 * The URI of another export of the same volume: of nbd://host/vol and
 * "@history" nbd://host/vol@history. Allocated; NULL: no memory.
 */
char *history_uri(const char *uri, const char *suffix);

/*
 * Asks the server of @uri, the URI of a volume, for its history. done() comes
 * once, on the ring's thread, not from inside the call; @h is valid in it, and
 * NULL with an error and its sentence. NULL: no memory. @deadline_ms is for
 * connecting, and for each request; 0 = the default of nbd.h.
 */
struct history_fetch;
typedef void history_done_fn(void *arg, const struct history *h,
			     const struct error *err);
struct history_fetch *history_fetch_start(struct ring *ring, const char *uri,
					  unsigned int deadline_ms,
					  history_done_fn *done, void *arg);

/* done() follows, later, if it has not come: with -ECANCELED, or its result. */
void history_fetch_cancel(struct history_fetch *f);

#endif
