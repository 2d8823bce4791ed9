// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Failures of the applier while an epoch is open in place. If this fails, one
 * of them ends the process, or what was acknowledged is lost.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

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

static void *say_hello(void *arg)
{
	client_hello(arg, 1, 4);
	return NULL;
}

static bool is_announced(struct stage_group *g)
{
	bool is_on;

	pthread_mutex_lock(&g->lock);
	is_on = stage_is_in_place(g) && g->is_applying;
	pthread_mutex_unlock(&g->lock);
	return is_on;
}

/*
 * I2, of a second time in place in the life of one process: who comes while
 * what was kept goes to the bases waits, and what it writes stays.
 */
static void test_second_time(void)
{
	struct client other = { 0 };
	pthread_t thread;

	begin_in_place();
	client_open(&c, 2);
	client_write(&c, &m, 0, CHUNKS, 5);
	is_int(client_commit(&c, &m, 2, true), 0, "it ends in place");
	is_int(client_epoch(&c, &m, 3, 3, false), 0, "a partial epoch");
	client_open(&c, 4);
	for (int i = 0; i < 4; i++)
		client_write(&c, &m, 0, CHUNKS, i);
	model_drop(&m);
	client_connect(&other, s, "a");
	disk_slow(d, "base", 100);
	pthread_create(&thread, NULL, say_hello, &other);
	while (!is_announced(c.v->g))
		usleep(1000);
	client_close(&c);
	client_connect(&c, s, "a");
	c.h.seq += 8;			/* after the other's */
	is_int(client_hello(&c, 1, 5), 0, "who comes meanwhile");
	ok(!is_announced(c.v->g), "waits");
	client_open(&c, 5);
	client_write(&c, &m, 0, CHUNKS, 6);
	pthread_join(thread, NULL);
	disk_slow(d, "base", 0);
	is_int(client_commit(&c, &m, 5, true), 0, "has its epoch taken");
	ok(shows(&c, m.image[5]), "with nothing older over it");
	client_close(&other);
	end();
}

int main(void)
{
	test_room();
	test_second_time();
	return tap_done();
}
