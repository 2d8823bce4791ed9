// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writers that never rest: what they fill a log with is in no image yet, and
 * cannot be applied. If this fails, a volume could never be copied to a log
 * that is smaller, or a log is full for ever of what was overwritten long ago;
 * also after a power cut at any moment. STAGE_SEEDS sets how many subsets are
 * tried for each (4).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-scene.h"
#include "tap.h"

#define CHUNKS		(RIG_BYTES / RIG_CHUNK)

static const struct stage_options refuse = { .log_bytes = 256 << 10 };
static const struct stage_options larger = { .log_bytes = 1 << 20 };
static const struct stage_options hour = {
	.log_bytes = 1 << 20, .history_ms = 3600000,
};

static enum stage_state state_now(void)
{
	struct stage_info info;

	stage_get_info(c.v, &info);
	return info.state;
}

static void open_again(const struct stage_options *o, uint64_t attaches)
{
	model_drop(&m);
	client_close(&c);
	stage_close(s);
	s = rig_open(d, o, NULL);
	client_connect(&c, s, "a");
	client_hello(&c, 1, attaches);
}

static int image_error(uint64_t epoch)
{
	struct stage_image *i;
	int ret = stage_image_open(&i, c.v, epoch, NULL);

	if (!ret)
		stage_image_close(i);
	return ret;
}

/* More than a log can hold, in one epoch. The error. */
static int flood(uint64_t epoch)
{
	int ret = client_open(&c, epoch);

	for (int i = 0; !ret && i < 4; i++)
		ret = client_write(&c, &m, 0, CHUNKS, epoch * 10 + i);
	return ret;
}

/* All of the volume. */
static int send_whole(uint64_t epoch, bool is_clean)
{
	int ret = client_open(&c, epoch);

	if (!ret)
		ret = client_write(&c, &m, 0, CHUNKS, epoch);
	return ret ? ret : client_commit(&c, &m, epoch, is_clean);
}

/* kill -9, and another process */
static void kill_and_open(const struct stage_options *o, uint64_t attaches)
{
	struct disk *killed = disk_kill(d, disk_moment(d));

	client_close(&c);
	stage_close(s);
	disk_destroy(d);
	d = killed;
	s = rig_open(d, o, NULL);
	client_connect(&c, s, "a");
	client_hello(&c, 1, attaches);
}

/*
 * Each process begins a segment of its own. Where those of before have no data
 * there is room: or a few kills would fill a log, for ever, with what cannot be
 * applied.
 */
static void test_kills(void)
{
	int bad = 0;

	begin(&larger, 1);
	bad += !!client_epoch(&c, &m, 1, 1, true);
	stage_settle(c.v, true, NULL);
	for (uint64_t n = 2; n < 20; n++) {
		bad += client_open_window(&c, n) ||
		       client_write(&c, &m, n, 1, n) ||
		       client_commit(&c, &m, n, false);
		kill_and_open(&larger, n);
	}
	is_int(bad, 0, "18 kills, each after a window: %s", c.err.text);
	is_int(client_epoch(&c, &m, 20, 20, true), 0, "a clean epoch: %s",
	       c.err.text);
	ok(shows(&c, m.image[20]), "is the image of all of them");
	end();
}

/* --- a first copy --------------------------------------------------------- */

/* inplace I7 */
static void test_first(void)
{
	begin(&refuse, 1);
	is_int(flood(1), -ENOSPC, "a first copy that the log cannot hold: %s",
	       c.err.text);
	is_int(come_back(2), 0, "it comes back");
	is_int(state_now(), STAGE_IN_PLACE, "there is no image to lose");
	is_int(flood(2), 0, "in place, whatever on_full says: %s", c.err.text);
	is_int(image_error(2), -ENOENT, "no image yet");
	is_int(client_commit(&c, &m, 2, true), 0, "clean: %s", c.err.text);
	ok(shows(&c, m.image[2]), "it is the image");
	is_int(flood(3), -ENOSPC, "what comes later is refused: %s",
	       c.err.text);
	is_int(come_back(3), 0, "it comes back");
	is_int(state_now(), STAGE_LOG_FULL, "the log is full");
	is_int(flood(4), -ENOSPC, "and stays so");
	ok(!image_error(2) && shows_epoch(c.v, 2, m.image[2]),
	   "the image is there");
	end();
}

/* One turn of the applier that was asked for in place. */
static enum stage_state ask_anyway(void)
{
	pthread_mutex_lock(&c.v->g->lock);
	c.v->g->is_in_place_asked = true;
	pthread_mutex_unlock(&c.v->g->lock);
	stage_settle(c.v, true, NULL);
	return state_now();
}

/* I7: an image that has come since it was asked for is not given up. */
static void test_first_is_there(void)
{
	begin(&refuse, 1);
	is_int(send_whole(1, true), 0, "an image");
	stage_settle(c.v, true, NULL);
	is_int(ask_anyway(), STAGE_OK, "is not given up for a first copy");
	ok(!image_error(1) && shows(&c, m.image[1]), "it is there");
	stage_faults = STAGE_FAULT_I7;
	is_int(ask_anyway(), STAGE_IN_PLACE, "inplace I7 off: noticed");
	stage_faults = 0;
	end();
}

/* The same by a writer that never rests: all is partial for long. */
static void test_first_partial(void)
{
	uint64_t e = 0;
	int ret = 0;

	begin(&refuse, 1);
	while (!ret && ++e < 99)
		ret = send_whole(e, false);
	is_int(ret, -ENOSPC, "epoch %d, all of them partial", (int)e);
	is_int(come_back(2), 0, "it comes back");
	for (ret = 0; !ret && ++e < 199;)
		ret = client_open(&c, e) ?:
		      client_write(&c, &m, e % 8, CHUNKS - 8, e) ?:
		      client_commit(&c, e < 198 ? &m : NULL, e, e == 198);
	is_int(ret, 0, "they go on: %s", c.err.text);
	ok(shows(&c, m.next), "the first clean one shows all of them");
	end();
}

/* --- windows, log A7 ------------------------------------------------------ */

/* Windows until one is refused; its number goes to *epoch. */
static int send_windows(uint64_t *epoch)
{
	int ret = 0;

	for (; !ret && *epoch < 99; ++*epoch)
		ret = client_open_window(&c, *epoch) ?:
		      client_write(&c, &m, *epoch % 8, 4, *epoch) ?:
		      client_commit(&c, &m, *epoch, false);
	return ret;
}

static void test_windows(void)
{
	uint64_t e = 2;

	begin(&larger, 1);
	send_whole(1, true);
	is_int(send_windows(&e), -ENOSPC, "windows end at %d: %s", (int)e,
	       c.err.text);
	ok(e > 5, "some were taken");
	is_int(come_back(2), 0, "it comes back");
	is_int(state_now(), STAGE_OK, "the log is not full");
	ok(shows(&c, m.image[1]), "the image is as it was");
	is_int(send_windows(&e), -ENOSPC, "no window more: %s", c.err.text);
	come_back(3);
	open_again(&larger, 4);
	is_int(send_windows(&e), -ENOSPC, "nor after a restart: %s",
	       c.err.text);
	come_back(5);
	is_int(send_whole(e, true), 0, "a clean one finds room: %s",
	       c.err.text);
	ok(shows(&c, m.image[e]), "and is the image");
	e++;
	is_int(client_open_window(&c, e), 0, "then there are windows again");
	is_int(client_write(&c, &m, 0, 4, e), 0, "which have room: %s",
	       c.err.text);
	end();
}

/* What is no window for the one who sends it may take all there is. */
static void test_degraded(void)
{
	uint64_t e = 2;
	int ret = 0;

	begin(&larger, 1);
	send_whole(1, true);
	while (!ret && e < 8)
		ret = send_whole(e++, false);
	is_int(ret, 0, "epochs that became partial: %s", c.err.text);
	is_int(client_open_window(&c, e), 0, "a window");
	is_int(client_write(&c, &m, 0, 4, e), -ENOSPC, "is too much: %s",
	       c.err.text);
	come_back(2);
	is_int(send_whole(++e, true), 0, "a clean one is not");
	ok(shows(&c, m.image[e]), "and is the image");
	end();
}

/* apply P6: what stands before the oldest clean epoch is more than enough. */
static void test_partial_first(void)
{
	uint64_t e = 2;
	int ret = 0;

	begin(&hour, 1);
	send_whole(1, true);
	for (; !ret && e < 6; e++)
		ret = send_whole(e, false);
	is_int(ret, 0, "epochs that became partial: %s", c.err.text);
	for (; !ret && e < 60; e++)
		ret = send_whole(e, true);
	is_int(ret, 0, "clean ones after them find room for ever: %s",
	       c.err.text);
	ok(shows(&c, m.image[e - 1]), "the newest is the image");
	end();
}

/* --- power cuts ----------------------------------------------------------- */

#define LAST_CLEAN	40

static struct marks sent, acked;

static int commit(uint64_t epoch, bool is_clean)
{
	int ret;

	/* It may be there before it is answered. */
	memcpy(m.image[epoch], m.next, sizeof(m.next));
	m.is_there[epoch] = is_clean;
	marks_add(&sent, d, is_clean ? epoch : m.clean,
		  is_clean ? m.partial : epoch);
	ret = client_commit(&c, &m, epoch, is_clean);
	marks_add(&acked, d, m.clean, m.partial);
	return ret;
}

static void begin_marked(const struct stage_options *o)
{
	begin(o, 1);
	sent.nr = acked.nr = 0;
	marks_add(&sent, d, 0, 0);
	marks_add(&acked, d, 0, 0);
}

/* I7. 1 is refused; in place: 2 partial, 3 given up, 4 clean; 5 is staged. */
static int first_copy(void)
{
	begin_marked(&refuse);
	flood(1);
	come_back(2);
	client_open(&c, 2);
	client_write(&c, &m, 0, 10, 2);
	commit(2, false);
	client_open(&c, 3);
	client_write(&c, &m, 8, 6, 3);
	come_back(3);
	client_open(&c, 4);
	client_write(&c, &m, 8, CHUNKS - 8, 4);
	commit(4, true);
	client_open(&c, 5);
	client_write(&c, &m, 3, 4, 5);
	return commit(5, true);
}

/* A7. 1 is clean; windows until there are too many; a clean one of all. */
static int windows(void)
{
	uint64_t e = 1;
	int ret;

	begin_marked(&larger);
	client_open(&c, e);
	client_write(&c, &m, 0, CHUNKS, e);
	commit(e, true);
	do {
		ret = client_open_window(&c, ++e) ?:
		      client_write(&c, &m, e % 8, 8, e) ?: commit(e, false);
	} while (!ret && e < LAST_CLEAN - 1);
	come_back(2);
	client_open(&c, LAST_CLEAN);
	return client_write(&c, &m, 0, CHUNKS, LAST_CLEAN) ?:
	       commit(LAST_CLEAN, true);
}

/* It goes on, with a clean epoch of all from this chunk on. */
static bool takes_clean(uint64_t from, const char *below)
{
	char image[RIG_BYTES];
	bool is_good;

	memcpy(image, below, from * RIG_CHUNK);
	fill(image + from * RIG_CHUNK, RIG_BYTES - from * RIG_CHUNK,
	     from * RIG_CHUNK, 50);
	is_good = !client_hello(&c, 9, 9) && !client_open(&c, 50) &&
		  !client_write(&c, NULL, from, CHUNKS - from, 50) &&
		  !client_commit(&c, NULL, 50, true) && shows(&c, image) &&
		  !image_error(50) && shows_epoch(c.v, 50, image);
	if (!is_good)
		printf("# going on: %s\n", c.err.text);
	return is_good;
}

/*
 * No image before the first clean one, and what was kept in place needs not be
 * sent again; then always one, and room for a clean epoch of all.
 */
static bool is_right(uint64_t moment)
{
	struct stage_info info;

	client_connect(&c, s, "a");
	stage_get_info(c.v, &info);
	if (info.state == STAGE_ERROR ||
	    !marks_allow(marks_find(&acked, moment), marks_find(&sent, moment),
			 info.header.last_clean, info.header.last_partial))
		return false;
	if (!info.header.last_clean)
		return image_error(STAGE_LATEST) &&
		       takes_clean(info.header.last_partial ? 8 : 0,
				   m.image[2]);
	return info.state == STAGE_OK && shows_all(c.v, &m) &&
	       shows(&c, m.image[info.header.last_clean]) &&
	       takes_clean(0, m.now);
}

static bool check_cut(const struct stage_options *o, struct disk *cut,
		      uint64_t moment)
{
	bool is_good;

	s = rig_open(cut, o, NULL);
	is_good = s && is_right(moment);
	client_close(&c);
	stage_close(s);
	disk_destroy(cut);
	return is_good;
}

static unsigned int count_bad(const struct stage_options *o,
			      int (*workload)(void), unsigned int most)
{
	const char *env = getenv("STAGE_SEEDS");
	unsigned int seeds = env ? atoi(env) : 4, bad = 0, nr = 0;
	int ret = workload();
	uint64_t last = disk_moment(d);

	client_close(&c);
	stage_close(s);
	for (uint64_t i = acked.list[0].moment; i <= last && bad < most; i++)
		for (unsigned int seed = 0; seed < seeds; seed++, nr++)
			if (!check_cut(o, disk_cut(d, i, seed < 2 ? seed :
						   i * 31 + seed), i)) {
				printf("# moment %llu of %llu, seed %u\n",
				       (unsigned long long)i,
				       (unsigned long long)last, seed);
				bad++;
			}
	disk_destroy(d);
	printf("# %u states, the workload: %d\n", nr, ret);
	return bad + !!ret;
}

static void test_cuts(void)
{
	is_int(count_bad(&refuse, first_copy, 5), 0,
	       "power cuts of a first copy that the log cannot hold");
	stage_faults = STAGE_FAULT_I3;
	ok(count_bad(&refuse, first_copy, 1), "I3 off: noticed");
	stage_faults = 0;
	is_int(count_bad(&larger, windows, 5), 0, "power cuts of windows");
	stage_faults = STAGE_FAULT_A7;
	ok(count_bad(&larger, windows, 1), "A7 off: noticed");
	stage_faults = 0;
}

int main(void)
{
	test_first();
	test_first_is_there();
	test_first_partial();
	test_windows();
	test_degraded();
	test_partial_first();
	test_kills();
	test_cuts();
	return tap_done();
}
