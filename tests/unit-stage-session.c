// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A session that begins when its log has no room even for its header, and then
 * the power goes. If this fails, an older session that was shut out comes in
 * again, and writes what the newer one has replaced (session Y6, W1).
 * STAGE_SEEDS sets how many subsets are tried for each power cut (4).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-scene.h"
#include "tap.h"

#define MOST_SESSIONS	1000

static const struct stage_options in_files = {
	.log_bytes = 320 << 10, .history_ms = 3600000,
	.history_min_ms = 3600000,
};
static const struct stage_options on_device = {
	.log_bytes = 320 << 10, .history_ms = 3600000,
	.history_min_ms = 3600000, .log_device = RIG_DEVICE,
};

static uint64_t newest;			/* session 1.this was answered … */
static uint64_t begun, answered;	/* … between these moments */

/* Sessions come until the log takes none any more; each is answered. */
static bool fill_log(const struct stage_options *o)
{
	struct stage_group *g;
	uint64_t end_lsn;

	begin(o, 1);
	write_epochs(1, 3);
	g = stage_find(s, "a")->g;
	for (newest = 2; newest < MOST_SESSIONS; newest++) {
		end_lsn = g->end_lsn;
		begun = disk_moment(d);
		if (client_hello(&c, 1, newest))
			return false;
		answered = disk_moment(d);
		if (g->end_lsn == end_lsn)
			return true;
	}
	return false;
}

/* A connection's first word, to a stage as it is now. */
static int hello(struct stage *of, uint64_t attaches)
{
	struct client old = { 0 };
	int ret = client_connect(&old, of, "a");

	if (!ret)
		ret = client_hello(&old, 1, attaches);
	client_close(&old);
	return ret;
}

static bool has_image(struct stage *of)
{
	struct client it = { 0 };
	bool is_good = !client_connect(&it, of, "a") &&
		       it.h.last_clean == 3 && shows(&it, m.image[3]);

	client_close(&it);
	return is_good;
}

/* @is_answered: the newest one was. Else the one before may be let in. */
static bool is_shut_out(struct disk *cut, const struct stage_options *o,
			bool is_answered)
{
	struct stage *again = rig_open(cut, o, NULL);
	int older = again ? hello(again, newest - 1) : -1;
	bool is_good = again && has_image(again) &&
		       (older == -ESHUTDOWN || (!is_answered && !older)) &&
		       !hello(again, newest) &&
		       hello(again, newest - 1) == -ESHUTDOWN;

	stage_close(again);
	disk_destroy(cut);
	return is_good;
}

static unsigned int count_cuts(const struct stage_options *o,
			       unsigned int *nr)
{
	const char *env = getenv("STAGE_SEEDS");
	unsigned int seeds = env ? atoi(env) : 4, bad = 0;

	for (uint64_t i = begun; i <= answered; i++)
		for (unsigned int seed = 0; seed < seeds; seed++, ++*nr)
			bad += !is_shut_out(disk_cut(d, i, seed < 2 ? seed :
						     i * 31 + seed), o,
					    i == answered);
	return bad;
}

static void test_cuts(const struct stage_options *o, const char *where)
{
	unsigned int nr = 0;

	ok(fill_log(o), "%s: a session finds no room, and is answered", where);
	is_int(hello(s, newest - 1), -ESHUTDOWN, "the one before is out");
	is_int(count_cuts(o, &nr), 0, "a power cut at any moment");
	ok(nr >= 16, "%u states", nr);
	client_open(&c, 9);
	is_int(client_write(&c, NULL, 0, 1, 9), -ENOSPC,
	       "what follows is refused");
	is_int(stage_settle(c.v, true, NULL), 0, "room is made");
	ok(is_shut_out(disk_cut(d, disk_moment(d), 0), o, true),
	   "what is written of the log's end later has it, too");
	end();

	fill_log(o);
	stage_faults = STAGE_FAULT_C2;
	begun = disk_moment(d);
	is_int(client_hello(&c, 1, ++newest), 0, "one more");
	answered = disk_moment(d);
	stage_faults = 0;
	ok(count_cuts(o, &nr), "C2 off: noticed");
	end();
}

/* Killed before the sync: what is read then is in the cache alone. C1 */
static void test_killed(void)
{
	unsigned int bad = 0, nr = 0;

	fill_log(&in_files);
	for (uint64_t i = begun; i <= answered; i++) {
		struct disk *killed = disk_kill(d, i);
		struct stage *again = rig_open(killed, &in_files, NULL);

		if (hello(again, newest) || hello(again, newest)) {
			bad++;
		} else {
			nr++;
			bad += !is_shut_out(disk_cut(killed,
						     disk_moment(killed), 0),
					    &in_files, true);
		}
		stage_close(again);
		disk_destroy(killed);
	}
	is_int(bad, 0, "a kill at any moment, a hello, a power cut");
	ok(nr > 3, "%u moments", nr);
	end();
}

/* Then it is not answered, whichever of its connections asks. */
static void test_failing(int err)
{
	unsigned int refused = 0, bad = 0;

	fill_log(&in_files);
	newest++;
	for (uint64_t nth = 1; nth < 6; nth++) {
		disk_fail(d, nth, err, 100);
		if (!hello(s, newest)) {
			bad += nth < 2;
			continue;
		}
		refused++;
		bad += !hello(s, newest);
		disk_fail(d, 0, 0, 0);
		bad += hello(s, newest) ||
		       !is_shut_out(disk_cut(d, disk_moment(d), 0), &in_files,
				    true);
		newest++;
	}
	disk_fail(d, 0, 0, 0);
	ok(refused > 2, "%s: %u refused", strerror(-err), refused);
	is_int(bad, 0, "what was not kept is not answered, and can be");
	end();
}

/* Whose hello was refused may not write: nothing on the disk says who it is. */
static void test_refused(void)
{
	fill_log(&in_files);
	disk_fail(d, 1, -EIO, 100);
	ok(client_hello(&c, 1, ++newest), "a hello is refused");
	disk_fail(d, 0, 0, 0);
	stage_settle(c.v, true, NULL);		/* there is room now */
	is_int(client_open(&c, 9), -ESHUTDOWN, "then nothing else is taken");
	is_int(come_back(++newest), 0, "before it comes back");
	is_int(client_open(&c, 9), 0, "  then it is");
	end();
}

int main(void)
{
	test_cuts(&in_files, "in files");
	test_cuts(&on_device, "on a device");
	test_killed();
	test_failing(-EIO);
	test_failing(-ENOSPC);
	test_refused();
	return tap_done();
}
