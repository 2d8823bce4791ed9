// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a target's header says about us. If this failed, a target that lost
 * data, or one that knows more of us than we do, would be written to as if it
 * were ours (J1 … J5).
 */
#include "judge.h"

#include <errno.h>
#include <string.h>

#include "tap.h"

#define SECTORS	2048

static struct replica_header h;
static struct identity id;
static struct dmr_info info;

/*
 * A volume in its third load (incarnation 33, before it 32 and 31), which has
 * committed epoch 50; a target that has it, from the load before.
 */
static void start(void)
{
	memset(&h, 0, sizeof(h));
	memset(&id, 0, sizeof(id));
	memset(&info, 0, sizeof(info));
	memset(id.pair_id, 1, 16);
	memset(id.volume_id, 2, 16);
	memset(id.kernel_volume, 3, 16);
	id.generation = info.generation = h.generation = 9;
	id.session.loads = h.session.loads = 2;
	id.session.attaches = h.session.attaches = 4;
	memcpy(h.pair_id, id.pair_id, 16);
	memcpy(h.volume_id, id.volume_id, 16);
	memcpy(info.volume_id, id.kernel_volume, 16);
	info.sectors = SECTORS;
	h.volume_bytes = SECTORS * 512;
	info.loads = 3;
	info.incarnation = info.incarnations[0] = 33;
	info.incarnations[1] = 32;
	info.incarnations[2] = 31;
	info.nr_incarnations = 3;
	info.last_committed = info.highest_seen = info.last_named = 50;
	h.named = 48;
	h.incarnation = 32;
	h.last_clean = h.highest_seen = 50;
}

/* Without metadata; the load before has committed elsewhere in its numbers. */
static void start_volatile(void)
{
	start();
	info.dev_flags = DMR_DEV_F_VOLATILE;
	info.last_named = 0;
	info.nr_incarnations = 0;
	info.last_committed = info.highest_seen = 0;
}

static void judged(int want, const char *words, const char *what)
{
	struct replica_why why = { "" };
	int got = judge_target(&h, &id, &info, &why);

	is_int(got, want, "%s", what);
	ok(strstr(why.text, words), "… %s", why.text[0] ? why.text : "(ours)");
}

static void test_kept(void)
{
	start();
	judged(JUDGE_OURS, "", "as the last load left it");
	h.last_clean = h.highest_seen = 60;
	judged(JUDGE_OURS, "", "ahead of a superblock that a crash left (J5)");
	h.last_clean = 49;
	judged(JUDGE_RESYNC, "lost data: it is at epoch 49, 50",
	       "behind what was committed (J2)");
	h.last_partial = 50;
	judged(JUDGE_OURS, "", "a partial epoch counts: it was kept");
	start();
	h.incarnation = 31;
	judged(JUDGE_OURS, "", "an older load that we know");
	h.incarnation = 34;
	judged(-EUCLEAN, "rolled back or cloned", "one that we don't know (J4)");
	h.session.attaches++;
	judged(-EUCLEAN, "rolled back or cloned",
	       "… is told before a newer session");
	h.incarnation = 32;
	judged(-EKEYREVOKED, "superseded", "a newer session of a known one");
	start();
	h.named = 51;
	judged(-EUCLEAN, "named epoch 51 once, now only 50",
	       "a superblock that is older than the header knows (J6)");
	start();
	h.incarnation = 33;
	judged(JUDGE_OURS, "", "this load");
	h.highest_seen = 51;
	judged(-EUCLEAN, "cut none above 50", "ahead of this load (J3)");
	h.highest_seen = h.last_clean = 49;
	judged(JUDGE_RESYNC, "lost data", "behind this load");
}

static void test_other_metadata(void)
{
	start();
	memset(info.volume_id, 8, 16);
	info.incarnations[0] = 33;
	info.nr_incarnations = 1;
	info.last_committed = 0;
	judged(JUDGE_OURS, "", "a metadata device that is new to us");
	info.last_committed = 3;
	judged(JUDGE_RESYNC, "missed what went elsewhere",
	       "… that has committed elsewhere");
	h.session.attaches++;
	judged(-EKEYREVOKED, "superseded", "… does not hide a newer session");
}

static void test_volatile(void)
{
	start_volatile();
	judged(JUDGE_OURS, "", "no metadata: wholly dirty");
	info.last_committed = 2;
	judged(JUDGE_RESYNC, "missed what went elsewhere",
	       "… and committed elsewhere since");
	h.incarnation = 33;
	judged(-EUCLEAN, "cut none above 0", "ahead of this load (J3)");
}

static void test_owners(void)
{
	struct replica_why why;

	start();
	h.pair_id[5] ^= 1;
	judged(-EPERM, "another pair", "another pair (J1)");
	start();
	h.volume_id[5] ^= 1;
	judged(-EPERM, "another volume", "another volume");
	start();
	h.volume_bytes += 4096;
	judged(-EINVAL, "of 1052672 bytes, this one has 1048576",
	       "another size");
	is_int(judge_target(NULL, &id, &info, &why), JUDGE_RESYNC,
	       "an empty target, after commits");
	info.last_committed = 0;
	is_int(judge_target(NULL, &id, &info, &why), JUDGE_NEW,
	       "an empty target, before any");
}

static void test_generations(void)
{
	start();
	h.generation = 10;
	judged(-EPERM, "nothing to do with", "an unrelated generation");
	h.ancestors[0] = (struct replica_ancestor) { 9, 44 };
	h.nr_ancestors = 1;
	judged(-ESTALE, "has taken over, as of epoch 44", "a successor (L3)");
	h.session.attaches++;
	judged(-ESTALE, "has taken over", "… is told before its session");
	info.ancestors[0] = (struct dmr_nl_ancestor) { 7, 20 };
	info.nr_ancestors = 1;
	h.ancestors[0].generation = 7;
	judged(-ENOTUNIQ, "split brain", "one that went another way");
	h.generation = 7;
	h.nr_ancestors = 0;
	judged(-EPERM, "from before the failover", "an ancestor");
	start();
	h.kind = REPLICA_KIND_HANDOVER;
	judged(-ESTALE, "handed over", "handed over");
}

int main(void)
{
	test_kept();
	test_other_metadata();
	test_volatile();
	test_owners();
	test_generations();
	return tap_done();
}
