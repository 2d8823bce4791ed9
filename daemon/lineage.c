// SPDX-License-Identifier: GPL-2.0-or-later
#include "lineage.h"

static bool descends_from(const struct lineage_side *side, uint64_t generation)
{
	for (uint32_t i = 0; i < side->nr_ancestors; i++)
		if (side->ancestors[i].generation == generation)
			return true;
	return false;
}

uint64_t lineage_end_of(const struct lineage_side *side, uint64_t generation)
{
	for (uint32_t i = 0; i < side->nr_ancestors; i++)
		if (side->ancestors[i].generation == generation)
			return side->ancestors[i].end_epoch;
	return 0;
}

static bool has_common(const struct lineage_side *a,
		       const struct lineage_side *b)
{
	for (uint32_t i = 0; i < a->nr_ancestors; i++)
		if (descends_from(b, a->ancestors[i].generation))
			return true;
	return false;
}

enum lineage lineage_judge(const struct lineage_side *mine,
			   const struct lineage_side *peer)
{
	bool is_old = descends_from(peer, mine->generation);
	bool is_new = descends_from(mine, peer->generation);

	if (mine->generation == peer->generation)
		return mine->is_primary && peer->is_primary ? LINEAGE_TWINS :
							      LINEAGE_SAME;
	if (is_old && is_new)
		return LINEAGE_SPLIT_BRAIN;
	if (is_new)
		return LINEAGE_SUCCESSOR;
	if (is_old)
		return LINEAGE_SUPERSEDED;
	return has_common(mine, peer) ? LINEAGE_SPLIT_BRAIN :
					LINEAGE_UNRELATED;
}

const char *lineage_name(enum lineage lineage)
{
	static const char *const names[] = {
		[LINEAGE_SAME] = "same",
		[LINEAGE_TWINS] = "twins",
		[LINEAGE_SUCCESSOR] = "successor",
		[LINEAGE_SUPERSEDED] = "superseded",
		[LINEAGE_SPLIT_BRAIN] = "split-brain",
		[LINEAGE_UNRELATED] = "unrelated",
	};

	return names[lineage];
}
