// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Failures of the applier while an epoch is open in place. If this fails, one
 * of them ends the process, or what was acknowledged is lost.
 */
#include <errno.h>
#include <stdio.h>

#include "stage-scene.h"
#include "tap.h"

#define CHUNKS	(RIG_BYTES / RIG_CHUNK)

static const struct stage_options in_place = {
	.log_bytes = 256 << 10, .on_full_apply = 1,
};

/* An epoch that the log cannot hold, before there is any image (I7). */
static void begin_in_place(void)
{
	begin(&in_place, 1);
	client_open(&c, 1);
	for (int i = 0; i < 4; i++)
		client_write(&c, &m, 0, CHUNKS, i);
	come_back(2);
}

/*
 * I2, I3: what partial epochs have left in the log is to be forgotten, for
 * their room, and the bases cannot be synced.
 */
static void test_room(void)
{
	begin_in_place();
	is_int(client_epoch(&c, &m, 2, 2, false), 0, "a partial epoch");
	client_open(&c, 3);
	is_int(client_write(&c, &m, 0, 2, 3), 0, "one is open");
	disk_fail_sync(d, "base", 1000);
	pthread_mutex_lock(&c.v->g->lock);
	ok(stage_inplace_turn(c.v->g, true), "the applier wants room");
	pthread_mutex_unlock(&c.v->g->lock);
	is_int(info_now().error.code, -EIO, "and fails: %s",
	       info_now().error.text);
	is_int(client_write(&c, &m, 2, 1, 4), 0, "who writes goes on");
	is_int(client_commit(&c, &m, 3, true), -EIO, "but may not commit: %s",
	       c.err.text);
	model_drop(&m);
	disk_fail_sync(d, "base", 0);
	come_back(3);
	client_open(&c, 4);
	client_write(&c, &m, 0, CHUNKS, 4);
	is_int(client_commit(&c, &m, 4, true), 0, "the next one is good");
	ok(shows(&c, m.image[4]), "and shown");
	end();
}

int main(void)
{
	test_room();
	return tap_done();
}
