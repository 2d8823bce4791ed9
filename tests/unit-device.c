// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Live insertion on a device-mapper in memory: if this fails, a step that goes
 * wrong leaves a mounted volume suspended, changed, or with a device too many.
 */
#include "device-impl.h"

#include <errno.h>
#include <stdio.h>

#include "fake-dm.h"
#include "tap.h"

#define T	"linear 8:0 0"
#define UUID	"DMR-origin-vol"
#define IN	"replica 253:1 - 0"

static struct dmr_dm *dm;

static void start(void)
{
	fake_dm_reset();
	fake_dm_add("vol", "", "linear", "8:0 0");
	fake_dm_add("vol", "", "linear", "8:16 0");
	fake_dm_open("vol", 1);
}

static void is_plain(const char *when)
{
	is_str(fake_dm_show("vol"), T, "%s: the old table is live", when);
	is_str(fake_dm_show("vol-dmr-origin"), "-", "%s: nothing else", when);
}

static void is_inserted(const char *when)
{
	is_str(fake_dm_show("vol"), IN, "%s: the replica is live", when);
	is_str(fake_dm_show("vol-dmr-origin"), T, "%s: above the old table",
	       when);
}

static void test_in_and_out(void)
{
	struct dmr_dm_info info;
	unsigned int changes;

	start();
	is_int(dmr_dm_insert(dm, "vol", NULL), 0, "insert");
	is_inserted("insert");
	is_int(dmr_dm_info(dm, "vol", &info), 0, "it is known");
	ok(info.form == DMR_DM_INSERTED && info.sectors == 4096 &&
	   info.origin == ((253ULL << 32) | 1), "as inserted");
	changes = fake_dm_changes;
	is_int(dmr_dm_insert(dm, "vol", "2 preserve_pages 4"), 0, "again");
	is_int(fake_dm_changes, changes, "changes nothing");
	is_int(dmr_dm_take_out(dm, "vol"), 0, "take out");
	is_plain("take out");
	is_str(fake_dm_message, "retire", "the kernel was told");
	changes = fake_dm_changes;
	is_int(dmr_dm_take_out(dm, "vol"), 0, "again");
	is_int(fake_dm_changes, changes, "changes nothing");
}

/* Each change fails once, in each way; then it is tried again. */
static void test_failing_insert(enum fake_dm_failure how)
{
	unsigned int at;
	char when[64];

	for (at = 1;; at++) {
		int ret;

		start();
		fake_dm_fail_at = at;
		fake_dm_failure = how;
		ret = dmr_dm_insert(dm, "vol", NULL);
		if (fake_dm_changes < at)
			break;
		snprintf(when, sizeof(when), "insert, step %u fails (%d)", at,
			 how);
		if (how != FAKE_DM_REFUSED && !ret)
			continue;
		ok(ret < 0 && dmr_dm_error(dm)[0], "%s: %s", when,
		   dmr_dm_error(dm));
		is_plain(when);
		is_int(dmr_dm_insert(dm, "vol", NULL), 0, "then it works");
		is_inserted(when);
	}
	ok(at > 3, "there were %u steps", at - 1);
}

static void test_failing_take_out(enum fake_dm_failure how)
{
	unsigned int at, before;
	char when[64];

	for (at = 1;; at++) {
		start();
		dmr_dm_insert(dm, "vol", NULL);
		before = fake_dm_changes;
		fake_dm_fail_at = before + at;
		fake_dm_failure = how;
		snprintf(when, sizeof(when), "take out, step %u fails (%d)",
			 at, how);
		if (!dmr_dm_take_out(dm, "vol"))
			break;
		ok(dmr_dm_error(dm)[0], "%s: %s", when, dmr_dm_error(dm));
		ok(!strstr(fake_dm_show("vol"), "suspended") &&
		   !strstr(fake_dm_show("vol"), "inactive"),
		   "%s: it runs, with one table", when);
		ok(!strstr(fake_dm_show("vol"), "retired"),
		   "%s: nobody else may take it out unnoticed (L7)", when);
		is_int(dmr_dm_take_out(dm, "vol"), 0, "then it works");
		is_plain(when);
	}
	ok(at > 3, "there were %u steps", at - 1);
}

/* Nothing can be done then but say so. */
static void test_failing_twice(void)
{
	start();
	fake_dm_suspend("vol");
	is_int(dmr_dm_insert(dm, "vol", NULL), -EBUSY, "a suspended volume");
	start();
	fake_dm_fail_at = 3;
	fake_dm_failure = FAKE_DM_LEFT_SUSPENDED;
	is_int(dmr_dm_insert(dm, "vol", NULL), -EIO, "a swap that fails");
	ok(strstr(dmr_dm_error(dm), "resume"), "says what: %s",
	   dmr_dm_error(dm));
}

static void refuses(int err, const char *words)
{
	unsigned int changes = fake_dm_changes;

	is_int(dmr_dm_insert(dm, "vol", NULL), err, "refused: %s",
	       dmr_dm_error(dm));
	ok(strstr(dmr_dm_error(dm), words), "because: %s", words);
	is_int(fake_dm_changes, changes, "nothing was tried");
}

static void test_refusals(void)
{
	fake_dm_reset();
	refuses(-ENXIO, "no device vol");
	fake_dm_add("vol", "", "raid", "raid1 3 0 region_size 1024");
	refuses(-EINVAL, "raid");
	fake_dm_reset();
	fake_dm_add("vol", "", "linear", "8:0 0");
	fake_dm_add("vol", "", "replica", "8:16 - 0");
	refuses(-EINVAL, "among others");
	fake_dm_reset();
	fake_dm_add("vol", "", "replica", "8:16 - 0");
	refuses(-EINVAL, "not inserted");
	is_int(dmr_dm_take_out(dm, "vol"), -EINVAL, "nor taken out");
	fake_dm_reset();
	fake_dm_add("vol", "", "replica-view", "8:16");
	refuses(-EINVAL, "view");
	start();
	fake_dm_set_read_only("vol");
	refuses(-EINVAL, "read-only");
	start();
	fake_dm_load("vol");
	refuses(-EBUSY, "someone else");
	start();
	fake_dm_add("vol-dmr-origin", "another", "linear", "8:32 0");
	refuses(-EBUSY, "not ours");
}

static void test_leftover(void)
{
	start();
	fake_dm_add("vol-dmr-origin", UUID, "linear", "8:99 0");
	is_int(dmr_dm_insert(dm, "vol", NULL), 0,
	       "what an earlier try left is replaced");
	is_inserted("leftover");
	fake_dm_open("vol-dmr-origin", 1);
	is_int(dmr_dm_take_out(dm, "vol"), -EBUSY, "the hidden one is open");
	is_str(fake_dm_show("vol"), T, "the volume is plain all the same");
	is_int(dmr_dm_insert(dm, "vol", NULL), -EBUSY, "not in again yet");
	fake_dm_open("vol-dmr-origin", 0);
	is_int(dmr_dm_take_out(dm, "vol"), 0, "closed, it goes");
	is_plain("leftover");
}

/* lvextend and others load LVM's own table over ours. */
static void test_replaced(void)
{
	char path[DMR_DM_PATH_LEN];

	start();
	dmr_dm_insert(dm, "vol", NULL);
	dmr_dm_create_view(dm, "vol", path);
	fake_dm_replace("vol", "linear", "8:0 0");
	is_int(dmr_dm_insert(dm, "vol", NULL), 0, "in again");
	is_str(fake_dm_show("vol-dmr-view"), "-", "the old view is gone");
	ok(!strncmp(fake_dm_show("vol"), "replica", 7), "it is a replica");
	dmr_dm_create_view(dm, "vol", path);
	fake_dm_replace("vol", "linear", "8:0 0");
	is_int(dmr_dm_take_out(dm, "vol"), 0, "taken out");
	is_str(fake_dm_show("vol-dmr-view"), "-", "the old view is gone");
	is_plain("replaced");
}

static void test_kept(void)
{
	struct dmr_dm_info info;

	start();
	is_int(dmr_dm_insert_kept(dm, "vol", "7:3", NULL), 0,
	       "insert with metadata");
	is_str(fake_dm_show("vol"), "replica 253:1 7:3 0", "its table");
	is_int(dmr_dm_info(dm, "vol", &info), 0, "it is known");
	ok(info.meta == ((7ULL << 32) | 3), "with its metadata");
	is_int(dmr_dm_take_out(dm, "vol"), 0, "take out");
	is_plain("kept");
	dmr_dm_insert(dm, "vol", NULL);
	dmr_dm_info(dm, "vol", &info);
	ok(!info.meta, "and without");
}

static void test_written(void)
{
	static const char *const written[] = {
		"", "5 0 40 1 0 0 0 0 0 1 1 0 0", "nothing",
		"5 0 40 1 1 0 8 0 0 1 1 0 0 0 0 0 0",
		"5 0 40 1 0 0 0 0 0 1 1 1 0 64 0 0 0",
		"0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
	};
	size_t i;

	ok(!dmr_dm_stat_is_written("   5 0 40 1 2 0 0 0 1 1 1 0 0 0 0 3 3\n"),
	   "reads and flushes do not count");
	for (i = 0; i < sizeof(written) / sizeof(written[0]); i++)
		ok(dmr_dm_stat_is_written(written[i]), "written: '%s'",
		   written[i]);
}

static void test_view(void)
{
	char path[DMR_DM_PATH_LEN];

	start();
	is_int(dmr_dm_create_view(dm, "vol", path), -EINVAL, "view of plain");
	dmr_dm_insert(dm, "vol", NULL);
	is_int(dmr_dm_create_view(dm, "vol", path), 0, "a view");
	is_str(path, "/dev/mapper/vol-dmr-view", "its path");
	is_str(fake_dm_show("vol-dmr-view"), "replica-view 253:1", "its table");
	is_int(dmr_dm_create_view(dm, "vol", path), 0, "it is used again");
	fake_dm_open("vol-dmr-view", 1);
	is_int(dmr_dm_take_out(dm, "vol"), -EBUSY, "an open view stops it");
	is_inserted("open view");
	fake_dm_open("vol-dmr-view", 0);
	is_int(dmr_dm_take_out(dm, "vol"), 0, "closed, it goes with it");
	is_plain("view");
	is_int(dmr_dm_remove_view(dm, "vol"), 0, "no view is fine");
	fake_dm_add("vol-dmr-view", "", "linear", "8:5 0");
	dmr_dm_insert(dm, "vol", NULL);
	is_int(dmr_dm_create_view(dm, "vol", path), 0,
	       "something else of that name is replaced");
	ok(!strncmp(fake_dm_show("vol-dmr-view"), "replica-view", 12),
	   "by a view");
}

static void test_names(void)
{
	static const char *const bad[] = {
		"", "a/b", "-a", ".", "..", "a b", "a@b", "a-dmr-origin",
		"a-dmr-view", "\xff",
	};
	char name[200], found[DMR_DM_NAME_LEN];
	size_t i, refused = 0;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused += dmr_dm_check_name(dm, bad[i]) == -EINVAL &&
			   dmr_dm_error(dm)[0];
	is_int(refused, i, "bad names are refused");
	memset(name, 'a', sizeof(name));
	name[117] = 0;
	is_int(dmr_dm_check_name(dm, name), -EINVAL, "too long: %s",
	       dmr_dm_error(dm));
	name[116] = 0;
	is_int(dmr_dm_check_name(dm, name), 0, "just short enough");
	is_int(dmr_dm_check_name(dm, "vg-lv--1_a.b+c"), 0, "LVM's are good");
	start();
	is_int(dmr_dm_find(dm, "vol", found), 0, "found by name");
	is_int(dmr_dm_find(dm, "253:0", found), 0, "found by number");
	is_str(found, "vol", "with its name");
	is_int(dmr_dm_find(dm, "253:5", found), -ENXIO, "no such number");
	is_int(dmr_dm_find(dm, "8:0", found), -ENOTBLK, "not ours: %s",
	       dmr_dm_error(dm));
	is_int(dmr_dm_find(dm, "/dev/null", found), -ENOTBLK, "not a disk: %s",
	       dmr_dm_error(dm));
	is_int(dmr_dm_find(dm, "/dev/nothing", found), -ENXIO, "nothing: %s",
	       dmr_dm_error(dm));
}

static void test_extend(void)
{
	start();
	is_int(dmr_dm_extend(dm, "vol"), -EINVAL, "plain: %s",
	       dmr_dm_error(dm));
	is_int(dmr_dm_extend(dm, "none"), -ENXIO, "none: %s",
	       dmr_dm_error(dm));
	dmr_dm_insert(dm, "vol", NULL);
	is_int(dmr_dm_extend(dm, "vol"), -ENXIO, "%s", dmr_dm_error(dm));
	is_inserted("its origin is gone");
}

/* "new" is open: what was done of it fails to be taken back, and that is said. */
static void test_failing_retire(void)
{
	fake_dm_failure = FAKE_DM_REFUSED;
	fake_dm_fail_at = fake_dm_changes + 3;
	is_int(dmr_dm_retire(dm, "new"), -EBUSY, "no table can be loaded: %s",
	       dmr_dm_error(dm));
	ok(strstr(dmr_dm_error(dm), "now new is retired"), "that is said");
	ok(strstr(fake_dm_show("new"), " retired"), "and is so");
	fake_dm_failure = FAKE_DM_LEFT_SUSPENDED;
	fake_dm_fail_at = fake_dm_changes + 4;
	is_int(dmr_dm_retire(dm, "new"), -EBUSY, "it can't be resumed: %s",
	       dmr_dm_error(dm));
	ok(!strstr(fake_dm_show("new"), "suspended"), "then it is once more");
	ok(!strstr(fake_dm_show("new"), "retired") &&
	   !strstr(dmr_dm_error(dm), "retired"), "is not retired, nor said to be");
}

static void test_create(void)
{
	start();
	is_int(dmr_dm_create(dm, "new", "8:16", NULL, 4096,
			     "2 preserve_pages 64"),
	       0, "a replica of its own");
	is_str(fake_dm_show("new"), "replica 8:16 - 2 preserve_pages 64",
	       "its table");
	is_int(dmr_dm_create(dm, "new", "8:16", "8:32", 4096, NULL), -EEXIST, "twice");
	is_int(dmr_dm_message(dm, "new", "mark all"), 0, "a message");
	is_str(fake_dm_message, "mark all", "arrives");
	fake_dm_open("new", 1);
	is_int(dmr_dm_remove(dm, "new"), -EBUSY, "open: %s", dmr_dm_error(dm));
	is_int(dmr_dm_retire(dm, "new"), -EBUSY, "nor for good: %s",
	       dmr_dm_error(dm));
	is_str(fake_dm_show("new"), "replica 8:16 - 2 preserve_pages 64",
	       "that is forgotten (L7)");
	test_failing_retire();
	fake_dm_open("new", 0);
	fake_dm_load("new");
	is_int(dmr_dm_retire(dm, "new"), 0, "for good, whatever was begun");
	is_str(fake_dm_show("new"), "-", "it is gone");
	is_str(fake_dm_message, "retire", "as planned");
	is_int(dmr_dm_create(dm, "new", "8:16", NULL, 4096, NULL), 0, "again");
	fake_dm_suspend("new");
	is_int(dmr_dm_retire(dm, "new"), 0, "also what was left suspended");
	is_int(dmr_dm_create(dm, "new", "8:16", NULL, 4096, NULL), 0, "again");
	is_int(dmr_dm_remove(dm, "new"), 0, "removed");
	is_int(dmr_dm_retire(dm, "new"), -ENXIO, "there is none: %s",
	       dmr_dm_error(dm));
	is_int(dmr_dm_remove(dm, "new"), 0, "twice");
}

int main(void)
{
	if (dmr_dm_open(&dm))
		return 1;
	test_in_and_out();
	test_failing_insert(FAKE_DM_REFUSED);
	test_failing_insert(FAKE_DM_LEFT_SUSPENDED);
	test_failing_insert(FAKE_DM_LEFT_SWAPPED);
	test_failing_take_out(FAKE_DM_REFUSED);
	test_failing_take_out(FAKE_DM_LEFT_SUSPENDED);
	test_failing_take_out(FAKE_DM_LEFT_SWAPPED);
	test_failing_twice();
	test_refusals();
	test_leftover();
	test_replaced();
	test_kept();
	test_written();
	test_view();
	test_names();
	test_create();
	test_extend();
	dmr_dm_close(dm);
	return tap_done();
}
