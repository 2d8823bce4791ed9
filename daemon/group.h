/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volumes that are cut together (or one that is alone), their targets, and the
 * loop that ships their epochs. All on the thread of the group's reactor.
 */
#ifndef REPLICAD_GROUP_H
#define REPLICAD_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "hooks-late.h"
#include "lag.h"
#include "pace.h"
#include "pair.h"
#include "ring.h"
#include "ship.h"

struct reactor;
struct replica_header;
struct volume;

struct group {
	struct group *next;		/* on its reactor */
	struct reactor *reactor;
	char *name;			/* of the group, or its lone volume */
	bool is_named;			/* group= was given */
	unsigned int nr_volumes;
	struct volume *volumes;
	struct pair pair;
	struct ship ship;
	struct pace pace;
	struct lag lag;
	struct ring_work turn;		/* look what is to be done next */
	struct ring_timer clock;	/* the next cut */
	struct ring_timer retry;
	struct ring_timer beat;
	struct ring_timer fence;	/* these two are of fence.c */
	bool is_fenced;
	struct group_hook syncing_hook, superseded_hook;
	struct ring_timer grace;	/* until a pending event is not put off
					 * any longer */
	bool wants_open;		/* targets are to be open … */
	bool wants_opening;		/* … and those closed be opened now */
	bool wants_ship;
	bool has_pending;		/* PAUSE or DISABLE after this epoch */
	enum pair_event pending;
	bool has_resume;		/* RESUME after that PAUSE */
	bool is_in_doubt;		/* W3: ->ship.epoch is open still */
	bool is_log_full;		/* that is why the last epoch failed */
	bool is_unproven;		/* was in error; not clean since */
	bool is_dirty;			/* written, or in no image yet */
	unsigned int failures;		/* of connections, in a row */
	void (*stopped)(struct group *group);	/* after group_stop() */
	uint64_t epochs_clean, epochs_partial, epochs_aborted;
	uint64_t last_clean_epoch;
	uint64_t rate_bytes;		/* shipped since rate_ns */
	uint64_t rate_ns;
	double rate;			/* bytes a second, smoothed */
};

/* NULL when out of memory. Owns a copy of the name. */
struct group *group_create(struct reactor *reactor, const char *name,
			   bool is_named);
/* Only while disabled and without volumes. */
void group_destroy(struct group *group);

/*
 * Only while disabled. Attaches to the volume's device and joins it to the
 * kernel's group; -errno with a sentence in @error.
 */
int group_add(struct group *group, struct volume *volume,
	      char error[CONFIG_ERROR_SIZE]);
void group_remove(struct group *group, struct volume *volume);

/* Paused where a member says so. */
void group_start(struct group *group);

/*
 * Finishes the open epoch, or aborts it when @grace_ms are over, closes the
 * targets, then calls stopped(), later; that may destroy the group.
 */
void group_stop(struct group *group, unsigned int grace_ms,
		void (*stopped)(struct group *group));

/*
 * The open epoch is finished first, or aborted after a while. A pause outlives
 * the daemon: -errno says that it will not, and is in force nevertheless.
 */
int group_pause(struct group *group);
int group_resume(struct group *group);
/*
 * If it waits until it tries its targets again: now, and then soon. false: it
 * tries nothing, because it is paused or has ended.
 */
bool group_try_now(struct group *group);
bool group_waits_for_retry(const struct group *group);
/* What is not well is tried at this moment: a connection is under way. */
bool group_is_trying(const struct group *group);

/* An event of the kernel; @volume NULL: some were lost, look at everything. */
void group_event(struct group *group, struct volume *volume,
		 const struct dmr_nl_event *ev);

/* Looks again what is to be done, at the end of the ring's turn. */
void group_kick(struct group *group);
bool group_is_shipping(const struct group *group);

/* group-beat.c: group::beat, its period, and what else it takes. */
void group_on_beat(struct ring_timer *timer);
unsigned int group_beat_ms(const struct group *group);
void group_note_rate(struct group *group);
uint64_t group_realtime(void);		/* ns since 1970 */

/*
 * group-failure.c, of ->ship, which has failed: what that is for the pair, with
 * a sentence, "" if it is nobody's fault; and is the member's target to be
 * opened again?
 */
enum pair_event group_judge_failure(struct group *group, char *reason,
				    size_t len);
bool group_distrusts(const struct group *group, const struct volume *volume);
/* After each @event of the pair. */
void group_note_error(struct group *group, enum pair_event event);

/* From volume.c. */
void group_target_ready(struct group *group, struct volume *volume);
void group_target_failed(struct group *group, struct volume *volume,
			 bool is_refused, const char *text);
void group_target_closed(struct group *group, struct volume *volume);
/* From giving-up.c. */
void group_given_up(struct group *group, const char *reason);
void group_fill_header(const struct group *group, struct replica_header *h);

/* Something is dirty, or an epoch is open: the lag grows. */
bool group_is_behind(const struct group *group);
/* In the members' identities; the first error, after all were tried. */
bool group_is_paused(const struct group *group);
int group_note_paused(struct group *group, bool is_paused);
/* G5: a verify has requests of its own under way; its end kicks the group. */
bool group_is_verifying(const struct group *group);
/* Another session has one of the targets. */
bool group_is_superseded(const struct group *group);
/* The cut time of the oldest image of all; 0: one has none. All are ready. */
uint64_t group_image_ns(const struct group *group);
/* A number that no member's kernel and no target has seen (C5). */
uint64_t group_next_epoch(const struct group *group);
/* Milliseconds until the stale_wait of all targets is over; 0 = now. */
unsigned int group_stale_ms(const struct group *group);

#endif
