// SPDX-License-Identifier: GPL-2.0-or-later
/* Of storm: four writers, each with regions of its own, and a shipper. */
#include "storm.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WRITERS		4
#define MAX_CHUNKS	8	/* of a write */
#define COPY		64	/* chunks, at most, that are shipped at once */

static pthread_t threads[WRITERS + 1];
static unsigned int seeds[WRITERS + 1];

void storm_fill(void *chunk, uint32_t nr, uint32_t value)
{
	uint32_t *word = chunk, i;

	for (i = 0; i < CHUNK / 4; i++)
		word[i] = value ? (i & 1 ? value : nr) : 0;
}

bool storm_has(const void *chunk, uint32_t nr, uint32_t value)
{
	static __thread uint32_t want[CHUNK / 4];

	storm_fill(want, nr, value);
	return !memcmp(chunk, want, CHUNK);
}

static void *aligned(size_t size)
{
	void *p = NULL;

	if (posix_memalign(&p, CHUNK, size))
		abort();
	return p;
}

/* --- writers -------------------------------------------------------------- */

/* A region of writer @me, or -1. */
static int64_t a_region(unsigned int me)
{
	uint32_t nr = storm.nr_chunks / REGION;
	uint32_t region = rand_r(&seeds[me]) % (nr / WRITERS) * WRITERS + me;

	return storm.fd < 0 || region >= nr ? -1 : (int64_t)region;
}

static void write_some(unsigned int me, uint32_t first, uint32_t nr,
		       uint32_t value, char *buf)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		storm_fill(buf + i * CHUNK, first + i, value);
	if (pwrite(storm.fd, buf, nr * CHUNK, (off_t)first * CHUNK) !=
	    (ssize_t)nr * CHUNK) {
		storm_fail("write", first, -errno);
		return;
	}
	for (i = 0; i < nr; i++)
		storm.shadow[first + i] = value;
	storm.nr_writes[me]++;
}

static void discard(uint32_t region)
{
	uint64_t range[2] = { (uint64_t)region * REGION * CHUNK,
			      REGION * CHUNK };

	if (ioctl(storm.fd, BLKDISCARD, range))
		storm_fail("discard", region * REGION, -errno);
	else
		memset(storm.shadow + region * REGION, 0,
		       REGION * sizeof(storm.shadow[0]));
	storm.nr_discards++;
}

static void *writer(void *arg)
{
	unsigned int me = (uintptr_t)arg;
	char *buf = aligned(MAX_CHUNKS * CHUNK);
	uint32_t value = 0, nr;
	int64_t region;

	while (!__atomic_load_n(&storm.stop, __ATOMIC_RELAXED)) {
		pthread_rwlock_rdlock(&storm.turn);
		region = a_region(me);
		nr = 1 + rand_r(&seeds[me]) % MAX_CHUNKS;
		if (region >= 0 && rand_r(&seeds[me]) % 32 == 0)
			discard(region);
		else if (region >= 0)
			write_some(me, region * REGION + rand_r(&seeds[me]) %
				   (REGION - nr), nr, ++value, buf);
		pthread_rwlock_unlock(&storm.turn);
		usleep(rand_r(&seeds[me]) % 2000);
	}
	free(buf);
	return NULL;
}

/* --- the shipper ---------------------------------------------------------- */

/*
 * Its errors are expected: the volume comes and goes below it. What it has not
 * committed stays dirty, and that is what the storm looks at.
 */
static struct genl genl;
static struct dmr_extents frozen;
static size_t at;			/* the extent that is next */
static char *buf;

static bool copy(const struct dmr_extent *e)
{
	ssize_t len = e->count * CHUNK;
	off_t pos = e->start * CHUNK;

	return pread(storm.view_fd, buf, len, pos) == len &&
	       pwrite(storm.target_fd, buf, len, pos) == len;
}

static void give_up(void)
{
	dmr_end(&genl, storm.dev, storm.epoch, DMR_END_ABORT);
	storm.epoch = 0;
}

static void open_epoch(void)
{
	struct dmr_get get;
	uint64_t next;

	if (dmr_attach(&genl, storm.dev, &get))
		return;
	next = get.number[DMR_A_HIGHEST_SEEN] + 1;
	if (!dmr_cut(&genl, storm.dev, next, !(rand_r(&seeds[WRITERS]) % 8)))
		storm.epoch = next;
	dmr_extents_free(&frozen);
	at = 0;
}

static void end_epoch(void)
{
	unsigned int dice = rand_r(&seeds[WRITERS]) % 8;

	if (dice == 0 || fsync(storm.target_fd))
		give_up();
	else if (!dmr_end(&genl, storm.dev, storm.epoch, dice == 1 ?
			  DMR_END_KEEP : DMR_END_COMMIT))
		storm.nr_epochs++;
	storm.epoch = 0;
}

static void one_extent(void)
{
	struct dmr_extent e = frozen.extent[at++];
	struct dmr_held held;

	if (e.count > COPY) {
		frozen.extent[--at] = (struct dmr_extent){ e.start + COPY,
							   e.count - COPY };
		e.count = COPY;
	}
	if (!copy(&e) || dmr_release(&genl, storm.dev, storm.epoch, &e, 1,
				     &held))
		give_up();
}

static void ship_step(void)
{
	int err;

	if (storm.view_fd < 0)
		return;
	if (!storm.epoch) {
		open_epoch();
	} else if (!frozen.extent) {
		err = dmr_extents(&genl, DMR_CMD_GET_FROZEN, storm.dev,
				  storm.epoch, &frozen);
		if (err && err != -EAGAIN)
			give_up();
		else if (!err && !frozen.nr)
			end_epoch();
	} else if (at < frozen.nr) {
		one_extent();
	} else {
		end_epoch();
	}
}

static void *shipper(void *arg)
{
	buf = aligned(COPY * CHUNK);
	while (!__atomic_load_n(&storm.stop, __ATOMIC_RELAXED)) {
		pthread_rwlock_rdlock(&storm.turn);
		pthread_mutex_lock(&storm.netlink);
		if (genl.fd < 0 && genl_open(&genl, DMR_GENL_NAME))
			genl.fd = -1;
		if (genl.fd >= 0)
			ship_step();
		/* Nobody holds the module when it is to be unloaded. */
		if (storm.fd < 0 && genl.fd >= 0) {
			genl_close(&genl);
			storm.epoch = 0;
		}
		pthread_mutex_unlock(&storm.netlink);
		pthread_rwlock_unlock(&storm.turn);
		usleep(rand_r(&seeds[WRITERS]) % 5000);
	}
	genl_close(&genl);
	dmr_extents_free(&frozen);
	free(buf);
	return NULL;
}

void storm_load_start(unsigned int seed)
{
	uintptr_t i;

	genl.fd = -1;
	for (i = 0; i <= WRITERS; i++) {
		seeds[i] = seed + i;
		if (pthread_create(&threads[i], NULL,
				   i < WRITERS ? writer : shipper, (void *)i))
			abort();
	}
}

void storm_load_join(void)
{
	unsigned int i;

	for (i = 0; i <= WRITERS; i++)
		pthread_join(threads[i], NULL);
}
