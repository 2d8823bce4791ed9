/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A volume: its device in the kernel, its target, its share of the epoch that
 * is being shipped, its counters. Lives on the reactor of its group, and is
 * touched by that thread only.
 */
#ifndef REPLICAD_VOLUME_H
#define REPLICAD_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "fence.h"
#include "identity.h"
#include "judge.h"
#include "kernel.h"
#include "limit.h"
#include "pump.h"
#include "target.h"

struct dmr_extents;
struct group;
struct reactor;
struct ship;
struct verify;

/* What one epoch asks of one volume; ship.c owns it. */
struct shipment {
	struct ship *ship;
	struct dmr_extents *frozen;
	struct dmr_extents *window;	/* the part of it that is shipped now */
	uint64_t cursor;		/* where the next window starts */
	uint64_t records, digest;
	bool is_frozen;			/* @frozen is known */
	bool is_open_sent;
	bool is_open_done;
	bool is_pumping;
	bool is_pumped;
	bool is_fuzzy;			/* the kernel's last word on it */
	bool is_short;			/* @window is less than @frozen */
	bool is_commit_sent;
	bool is_committed;
	bool is_in_doubt;
	uint64_t nr_held;		/* by the last RELEASE */
};

struct volume {
	struct volume *next;		/* in its group */
	struct group *group;
	struct reactor *reactor;
	struct volume_config *config;
	struct identity identity;
	struct kernel_device device;
	struct dmr_info info;		/* of the last GET or ATTACH */
	uint64_t info_ns;		/* the time of day of that GET */
	struct target target;
	char uri[512];		/* of a pair:NAME target, when last resolved */
	const char *opened;	/* the target as it was opened last; borrowed */
	bool is_placed;		/* it was judged since, and is staged */
	struct pump *pump;
	struct limiter limit;
	struct shipment shipment;
	int view_fd;
	enum judgement judgement;	/* of the last opening */
	bool is_spool_told;		/* that it can't be used */
	bool was_open;			/* a target was opened before */
	bool is_growing;		/* these three are of growth.c */
	uint64_t growth_asked_ns;
	char growth_error[200];		/* why it cannot, or "" */
	bool is_synced;			/* has a clean epoch: of this load, or
					 * of any where it is staged */
	struct verify *verify;		/* the last one, or NULL */
	bool is_comparing;		/* these three are of compare.c */
	bool is_all_sent;		/* not to be compared, though suspect */
	uint64_t compare_after;		/* until an epoch above it is clean */
	bool is_compare_told;		/* that the target knows no digests */
	uint64_t bytes_compared, bytes_equal;
	bool waits_durable;		/* U2 in continuity.c */
	bool has_meta_failed;		/* as was told last */
	enum fence_policy fence;	/* in force; these are of fence.c */
	bool is_held, is_fence_found;
	bool is_reopening, wants_reopen;	/* of giving-up.c, */
	bool is_stopped, is_in_doubt;		/* these, too, and */
	int given_up_err;			/* why nobody knows (D3) */
	const char *advice;		/* the next step after a refusal */
	bool is_rolled_back;		/* the target was refused for that */
	int refusal;			/* of judge_target(), until told */
	bool is_elsewhere;		/* of takeover.h */
	bool is_accepted;		/* by an operator, in spite of that */
	uint64_t stale_until_ns;	/* no data before (W6) */
	uint64_t bytes_shipped, bytes_zero;
	uint64_t sync_done_bytes;
	unsigned int reconnects;
	unsigned int degraded;
};

/*
 * Makes a volume of a config (owned from now on, also on an error) and an
 * inserted device. 0 or -errno with a sentence in @error.
 */
int volume_create(struct volume **volume, struct reactor *reactor,
		  struct volume_config *config,
		  const struct kernel_device *device,
		  char error[CONFIG_ERROR_SIZE]);
/* Its target is closed and it is in no group. */
void volume_destroy(struct volume *volume);

/* Reads GET into ->info. 0 or -errno. */
int volume_refresh(struct volume *volume);

/*
 * It has become larger, or may have. Between the two its group is stopped, and
 * nobody has its view open. 0 or -errno with a sentence; then it is as it was.
 */
void volume_close_view(struct volume *volume);
int volume_resize(struct volume *volume, char error[CONFIG_ERROR_SIZE]);

/* Who enables it wants it to run here, unless its group is paused. */
void volume_forget_pause(struct volume *volume);

/* What the kernel says of a device without its target, and what to do. */
extern const char volume_lost[], volume_lost_advice[];

/*
 * An operator says that this copy is the right one: a target that was refused
 * because we were rolled back or cloned (W5) is taken, and all is compared. For
 * the next opening only.
 */
void volume_accept(struct volume *volume);

/* Opens the target; the group gets group_target_ready() or _failed(). */
void volume_open_target(struct volume *volume);

/* As large as its target knows it: what the kernel has may be more. */
uint64_t volume_bytes(const struct volume *volume);
uint64_t volume_kernel_bytes(const struct volume *volume);
uint64_t volume_chunk_bytes(const struct volume *volume);
uint64_t volume_dirty_bytes(const struct volume *volume);
/* What @h is to say of that, by its kind: what an epoch has is not unsent. */
void volume_fill_unsent(const struct volume *volume, struct replica_header *h);
bool volume_is_local(const struct volume *volume);

/* The target had an image, but its log was full, and it was to do without. */
bool volume_is_in_place(const struct volume *volume);

/* The target has no consistent image, or one that misses partial data. */
bool volume_needs_clean(const struct volume *volume);

#endif
