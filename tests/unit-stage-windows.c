// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writers that never rest: what they fill a log with is in no image yet, and
 * cannot be applied. If this fails, a volume could never be copied to a log
 * that is smaller, or a log is full for ever of what was overwritten long ago.
 */
#include <errno.h>
#include <string.h>

#include "stage-rig.h"
#include "tap.h"

#define CHUNKS		(RIG_BYTES / RIG_CHUNK)

static const struct stage_options refuse = { .log_bytes = 256 << 10 };
static const struct stage_options larger = { .log_bytes = 1 << 20 };
static const struct stage_options hour = {
	.log_bytes = 1 << 20, .history_ms = 3600000,
};

static struct disk *d;
static struct stage *s;
static struct client c;
static struct model m;

static void begin(const struct stage_options *o)
{
	memset(&m, 0, sizeof(m));
	d = disk_create();
	s = rig_create(d, o, 1);
	client_connect(&c, s, "a");
	client_hello(&c, 1, 1);
}

static void end(void)
{
	client_close(&c);
	stage_close(s);
	disk_destroy(d);
}

static enum stage_state state_now(void)
{
	struct stage_info info;

	stage_get_info(c.v, &info);
	return info.state;
}

/* As replicad does after a refusal. */
static int come_back(uint64_t attaches)
{
	model_drop(&m);
	client_close(&c);
	client_connect(&c, s, "a");
	return client_hello(&c, 1, attaches);
}

static void restart(const struct stage_options *o, uint64_t attaches)
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

/* --- a first copy --------------------------------------------------------- */

/* inplace I7 */
static void test_first(void)
{
	begin(&refuse);
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

/* The same by a writer that never rests: all is partial for long. */
static void test_first_partial(void)
{
	uint64_t e = 0;
	int ret = 0;

	begin(&refuse);
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

	begin(&larger);
	send_whole(1, true);
	is_int(send_windows(&e), -ENOSPC, "windows end at %d: %s", (int)e,
	       c.err.text);
	ok(e > 5, "some were taken");
	is_int(come_back(2), 0, "it comes back");
	is_int(state_now(), STAGE_OK, "the log is not full");
	ok(shows(&c, m.image[1]), "the image is as it was");
	is_int(send_windows(&e), -ENOSPC, "no window more: %s", c.err.text);
	come_back(3);
	restart(&larger, 4);
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

	begin(&larger);
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

	begin(&hour);
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

int main(void)
{
	test_first();
	test_first_partial();
	test_windows();
	test_degraded();
	test_partial_first();
	return tap_done();
}
