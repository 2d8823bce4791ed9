// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * J1 a header of another pair, volume or generation is never overwritten.
 * J2 a target that is behind what the kernel has forgotten as committed or
 *    kept gets everything again: bits that would name what it lacks are gone.
 * J3 a target that has seen, in this incarnation, numbers that the kernel has
 *    not cut: this primary was rolled back or cloned. Refused.
 * J4 an incarnation that the kernel does not know is taken only for a volume
 *    without metadata: that is wholly dirty after each load. If epochs have
 *    been committed since that load, they went to another target: see J2.
 */
#include "judge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int say(struct replica_why *why, int result, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int say(struct replica_why *why, int result, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, args);
	va_end(args);
	return result;
}

static int judge_owner(const struct replica_header *h,
		       const struct identity *id, struct replica_why *why)
{
	char pair[33];

	identity_print(pair, h->pair_id);
	if (memcmp(h->pair_id, id->pair_id, 16))
		return say(why, -EPERM, "the target belongs to another pair "
			   "(%.8s…) and is not overwritten: take another, or "
			   "clear its last 64 KiB", pair);
	if (memcmp(h->volume_id, id->volume_id, 16))
		return say(why, -EPERM, "the target holds another volume of "
			   "this pair and is not overwritten");
	if (h->kind == REPLICA_KIND_HANDOVER ||
	    h->generation != id->generation)
		return say(why, -ESTALE, "the target is of another generation: "
			   "the other site has taken over");
	return 0;
}

/*
 * By the last session, not by the one that is to begin: else who is refused
 * would only have to try often enough.
 */
static int judge_session(const struct replica_header *h,
			 const struct identity *id, struct replica_why *why)
{
	if (replica_session_compare(&h->session, &id->session) <= 0)
		return 0;
	return say(why, -EKEYREVOKED, "superseded: the target has been in a "
		   "newer session (%" PRIu64 ".%" PRIu64 ", ours is %" PRIu64
		   ".%" PRIu64 ")", h->session.loads, h->session.attaches,
		   id->session.loads, id->session.attaches);
}

static uint64_t newest_image(const struct replica_header *h)
{
	return h->last_clean > h->last_partial ? h->last_clean :
						 h->last_partial;
}

static int judge_same_load(const struct replica_header *h,
			   const struct dmr_info *info,
			   struct replica_why *why)
{
	if (h->highest_seen > info->highest_seen)
		return say(why, -ESTALE, "the target has seen epoch %" PRIu64
			   ", this kernel has cut none above %" PRIu64
			   ": this primary was rolled back or cloned",
			   h->highest_seen, info->highest_seen);
	if (newest_image(h) < info->last_committed)
		return say(why, JUDGE_RESYNC, "the target has lost data: it "
			   "is at epoch %" PRIu64 ", %" PRIu64
			   " was committed", newest_image(h),
			   info->last_committed);
	return JUDGE_OURS;
}

static int judge_other_load(const struct dmr_info *info,
			    struct replica_why *why)
{
	if (!(info->dev_flags & DMR_DEV_F_VOLATILE))
		return say(why, -ESTALE, "the target was written by a load of "
			   "this volume that its metadata does not know");
	if (info->last_committed)
		return say(why, JUDGE_RESYNC, "the target has missed what went "
			   "elsewhere since the volume was loaded");
	return JUDGE_OURS;
}

int judge_target(const struct replica_header *h, const struct identity *id,
		 const struct dmr_info *info, struct replica_why *why)
{
	uint64_t bytes = info->sectors * 512;
	int err;

	if (!h)
		return info->last_committed ?
		       say(why, JUDGE_RESYNC, "the target is empty, but epoch "
			   "%" PRIu64 " was committed", info->last_committed) :
		       JUDGE_NEW;
	err = judge_owner(h, id, why);
	if (err)
		return err;
	if (h->volume_bytes != bytes)
		return say(why, -EINVAL, "the target is the image of a volume "
			   "of %" PRIu64 " bytes, this one has %" PRIu64,
			   h->volume_bytes, bytes);
	err = judge_session(h, id, why);
	if (err)
		return err;
	return h->incarnation == info->incarnation ?
	       judge_same_load(h, info, why) : judge_other_load(info, why);
}
