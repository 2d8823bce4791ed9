// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * J1 a header of another pair, volume or generation is never overwritten; what
 *    its generation means for us is the business of lineage.h (L3).
 * J2 a target that is behind what the kernel has forgotten as committed or
 *    kept gets everything again: bits that would name what it lacks are gone.
 * J3 a target that has seen, in this incarnation, numbers that the kernel has
 *    not cut: this primary was rolled back or cloned. Refused.
 * J4 an incarnation that the metadata does not know: the same (W5), whatever
 *    the session says. Two exceptions, where a load began wholly dirty: a
 *    volume without metadata, and a metadata device with which nothing has been
 *    committed yet (U3 in continuity.c). If epochs have been committed since,
 *    they went to another target: see J2.
 * J5 one that it knows, of an earlier load: the header may be ahead of the
 *    superblock, which is written now and then; what was shipped after that is
 *    dirty again (D3). Behind it is J2.
 * J6 the header repeats what the superblock named durably when it was written.
 *    A superblock that does not name that any more is an older copy: rolled
 *    back within a load (W5).
 */
#include "judge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lineage.h"

const char judge_advice[] =
"find out which copy of this volume is the right one (a snapshot may have been "
"restored, or two machines run it): if this one, replicactl resync";

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
	return 0;
}

/* L3: who is whose successor, by the generations. */
static int judge_lineage(const struct replica_header *h,
			 const struct identity *id,
			 const struct dmr_info *info, struct replica_why *why)
{
	struct replica_ancestor own[DMR_MAX_NL_ANCESTORS];
	struct lineage_side mine = { .generation = id->generation,
				     .ancestors = own, .is_primary = true };
	const struct lineage_side peer = { .generation = h->generation,
					   .ancestors = h->ancestors,
					   .nr_ancestors = h->nr_ancestors };

	for (; mine.nr_ancestors < info->nr_ancestors; mine.nr_ancestors++) {
		uint32_t i = mine.nr_ancestors;

		own[i].generation = info->ancestors[i].generation;
		own[i].end_epoch = info->ancestors[i].end_epoch;
	}
	switch (lineage_judge(&mine, &peer)) {
	case LINEAGE_SUPERSEDED:
		return say(why, -ESTALE, "the target is of another generation: "
			   "the other site has taken over, as of epoch %" PRIu64,
			   lineage_end_of(&peer, id->generation));
	case LINEAGE_SPLIT_BRAIN:
		return say(why, -ENOTUNIQ, "split brain: both sites have been "
			   "primary since they went apart");
	case LINEAGE_SUCCESSOR:
		return say(why, -EPERM, "the target is of an older generation, "
			   "from before the failover, and is not overwritten: "
			   "take a new one");
	case LINEAGE_UNRELATED:
		return say(why, -EPERM, "the target is of another generation "
			   "that this volume has nothing to do with");
	default:
		break;
	}
	return h->kind == REPLICA_KIND_HANDOVER ?
	       say(why, -ESTALE, "the volume was handed over to the other "
		   "site") : 0;
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

static int lost_data(const struct replica_header *h,
		     const struct dmr_info *info, struct replica_why *why)
{
	return say(why, JUDGE_RESYNC, "the target has lost data: it is at "
		   "epoch %" PRIu64 ", %" PRIu64 " was committed",
		   newest_image(h), info->last_committed);
}

static int judge_same_load(const struct replica_header *h,
			   const struct dmr_info *info,
			   struct replica_why *why)
{
	if (h->highest_seen > info->highest_seen)
		return say(why, -EUCLEAN, "the target has seen epoch %" PRIu64
			   ", this kernel has cut none above %" PRIu64
			   ": this primary was rolled back or cloned",
			   h->highest_seen, info->highest_seen);
	if (newest_image(h) < info->last_committed)
		return lost_data(h, info, why);
	return JUDGE_OURS;
}

static bool knows(const struct dmr_info *info, uint64_t incarnation)
{
	for (uint32_t i = 0; i < info->nr_incarnations; i++)
		if (info->incarnations[i] == incarnation)
			return true;
	return info->incarnation == incarnation;
}

/* A load that began wholly dirty: J4. */
static bool is_fresh(const struct identity *id, const struct dmr_info *info)
{
	return info->dev_flags & DMR_DEV_F_VOLATILE ||
	       memcmp(id->kernel_volume, info->volume_id, 16);
}

static int judge_fresh_load(const struct dmr_info *info,
			    struct replica_why *why)
{
	if (info->last_committed)
		return say(why, JUDGE_RESYNC, "the target has missed what went "
			   "elsewhere since the volume was loaded");
	return JUDGE_OURS;
}

static int judge_earlier_load(const struct replica_header *h,
			      const struct dmr_info *info,
			      struct replica_why *why)
{
	if (newest_image(h) < info->last_committed)
		return lost_data(h, info, why);
	return JUDGE_OURS;
}

static int judge_named(const struct replica_header *h,
		       const struct dmr_info *info, struct replica_why *why)
{
	if (h->named <= info->last_named)
		return 0;
	return say(why, -EUCLEAN, "this primary was rolled back or cloned: its "
		   "metadata named epoch %" PRIu64 " once, now only %" PRIu64,
		   h->named, info->last_named);
}

static int judge_load(const struct replica_header *h,
		      const struct identity *id, const struct dmr_info *info,
		      struct replica_why *why)
{
	if (h->incarnation == info->incarnation)
		return judge_same_load(h, info, why);
	if (knows(info, h->incarnation))
		return judge_earlier_load(h, info, why);
	return judge_fresh_load(info, why);
}

/* J4, J6: before the session, which a copy of ours would call superseded. */
static int judge_history(const struct replica_header *h,
			 const struct identity *id,
			 const struct dmr_info *info, struct replica_why *why)
{
	if (is_fresh(id, info))
		return 0;
	if (knows(info, h->incarnation))
		return judge_named(h, info, why);
	return say(why, -EUCLEAN, "this primary was rolled back or cloned: the "
		   "target was written by a load of the volume that its "
		   "metadata does not know");
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
	if (!err)
		err = judge_lineage(h, id, info, why);
	if (err)
		return err;
	if (h->volume_bytes > bytes)
		return say(why, -EINVAL, "the target is the image of a volume "
			   "of %" PRIu64 " bytes, this one has %" PRIu64,
			   h->volume_bytes, bytes);
	err = judge_history(h, id, info, why);
	if (!err)
		err = judge_session(h, id, why);
	return err ? err : judge_load(h, id, info, why);
}
