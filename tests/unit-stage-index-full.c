// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The budget of the index. If this fails, a peer that sends many small records
 * takes the memory of the site that receives them, as far as the log reaches;
 * or what has room is refused.
 */
#include <errno.h>
#include <stdio.h>

#include "stage-scene.h"
#include "tap.h"

#define CHUNKS		(RIG_BYTES / RIG_CHUNK)
#define NODE		64		/* of a record, at most */
#define BUDGET		(3 * CHUNKS * NODE)
#define EPOCHS		40

static const struct stage_options hour = {
	.history_ms = 3600000, .index_bytes = BUDGET,
};

static uint64_t most;

/* A record for each chunk, and what the index has then. The error. */
static int send_scattered(uint64_t epoch, unsigned int times)
{
	int ret = client_open(&c, epoch);

	for (unsigned int i = 0; !ret && i < times * CHUNKS; i++) {
		/* Neighbours apart, so that none are joined. */
		ret = client_write(&c, &m, i * 7 % CHUNKS, 1, epoch * 100 + i);
		if (info_now().index_bytes > most)
			most = info_now().index_bytes;
	}
	return ret;
}

static int send_epochs(uint64_t from, uint64_t to)
{
	int ret = 0;

	for (uint64_t e = from; !ret && e <= to; e++) {
		ret = send_scattered(e, 1);
		if (!ret)
			ret = client_commit(&c, &m, e, true);
	}
	return ret;
}

static void test_history_pays(void)
{
	begin(&hour, 1);
	most = 0;
	is_int(send_epochs(1, EPOCHS), 0, "many small records: %s", c.err.text);
	ok(most <= BUDGET + NODE, "never more than the budget (%llu)",
	   (unsigned long long)most);
	ok(most > BUDGET - CHUNKS * NODE, "which is used");
	ok(shows_all(c.v, &m), "what is left of history is right");
	end();
}

static void test_pins_pay(void)
{
	struct stage_image *image;

	begin(&hour, 1);
	most = 0;
	send_epochs(1, 1);
	is_int(stage_image_open(&image, c.v, 1, NULL), 0, "an image is open");
	is_int(send_epochs(2, EPOCHS), 0, "many small records: %s", c.err.text);
	ok(most <= BUDGET + NODE, "never more than the budget (%llu)",
	   (unsigned long long)most);
	ok(shows_epoch(c.v, EPOCHS, m.image[EPOCHS]), "the newest is there");
	stage_image_close(image);
	end();
}

/* One epoch alone cannot be had. */
static void test_epoch_pays(void)
{
	begin(&hour, 1);
	most = 0;
	send_epochs(1, 1);
	is_int(send_scattered(2, 20), -ENOSPC, "too many in one epoch: %s",
	       c.err.text);
	ok(most <= BUDGET + NODE, "refused at the budget (%llu)",
	   (unsigned long long)most);
	model_drop(&m);
	is_int(come_back(2), 0, "it comes back");
	ok(shows_epoch(c.v, 1, m.image[1]), "the image is there");
	is_int(send_epochs(3, 6), 0, "what has room is taken: %s", c.err.text);
	ok(shows_all(c.v, &m), "and is right");
	end();
}

int main(void)
{
	test_history_pays();
	test_pins_pay();
	test_epoch_pays();
	return tap_done();
}
