// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * powercut-check LOG ORIGIN-SECTORS META-SECTORS FILE [SEED]: cuts the power at
 * every moment of a log of dm-log-writes, and looks at what would be recovered.
 *
 * The logged device has the origin, then the metadata. The log has writes in
 * the order in which they became durable: with FUA at once, others with the
 * next flush. The metadata is written with FUA only, so a flush is the
 * origin's. At each point the dirty set that the metadata stands for (its chunk
 * bits and all chunks of hot regions) must have every chunk in which the origin
 * differs from the image that the target had by then (powercut-run); a chunk
 * that is not dirty must have come with an epoch that the superblock knows. A
 * chunk that was marked must be dirty until the next epoch is committed. A
 * generation that was set is there, or a later one. The
 * volume is as large as the superblock says: nothing was written behind that,
 * and what it has grown by is dirty until it is shipped.
 * Before each flush, any of the writes that it makes durable may be durable
 * already: some subsets of them are tried. Of a write of metadata, some sectors
 * may be: that is tried too.
 *
 * CLEAN in a superblock is checked too: no write to the origin may become
 * durable after it.
 */
#include "../kmod/format.c"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "powercut.h"

#define LOG_MAGIC	0x6a736677736872ULL
#define LOG_FLUSH	1
#define LOG_FUA		2
#define LOG_DISCARD	4
#define LOG_MARK	8
#define SECTOR		512
#define SUBSETS		4
#define MAX_WORDS	20	/* complaints that are printed */
#define ENOUGH		1000	/* after so many the rest is not looked at */

struct log_super {
	uint64_t magic, version, nr_entries;
	uint32_t sectorsize;
};

struct log_entry {
	uint64_t sector, nr_sectors, flags, data_len;
};

/* A write that is not applied yet. */
struct pending {
	uint64_t sector, nr_sectors;
	uint8_t *data;			/* NULL = zeros */
};

static struct {
	int log, images;
	uint64_t at;			/* in the log */
	uint64_t origin_sectors, meta_sectors, nr_chunks;
	uint8_t *disk;			/* what is durable */
	struct powercut_chunk *target;
	bool *marked;			/* since the last epoch */
	uint64_t epoch;
	struct dmr_super super;
	struct dmr_layout layout;
	bool formatted, clean;
	unsigned int dice;
	uint64_t points, subsets, torn, dirty_sum, bad, late;
	uint64_t generation;		/* that was set */
	/* MARKs; SETs; sizes that it had */
	uint64_t nr_marks, nr_sets, nr_sizes;
} pc;

static void die(const char *what)
{
	fprintf(stderr, "powercut-check: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void read_log(void *buffer, size_t len)
{
	if (pread(pc.log, buffer, len, pc.at) != (ssize_t)len)
		die("the log ends");
	pc.at += len;
}

/* --- what would be recovered ---------------------------------------------- */

static uint8_t *meta_block(uint64_t nr)
{
	return pc.disk + pc.origin_sectors * SECTOR + nr * DMR_BLOCK_SIZE;
}

/* False while there is no superblock yet. */
static bool read_super(void)
{
	const char *why;
	int r = dmr_super_choose(meta_block(0), meta_block(1), &pc.super, &why);

	if (r == -ENODATA && !pc.formatted)
		return false;
	if (r < 0) {
		printf("# superblock: %s\n", why);
		pc.bad++;
		return false;
	}
	pc.formatted = true;
	return dmr_layout_init(&pc.layout, pc.super.sectors,
			       pc.super.chunk_sectors,
			       pc.super.region_sectors);
}

/* As the kernel would take it: damaged sectors are ones. */
static bool meta_bit(uint64_t block, uint64_t bit)
{
	static uint8_t copy[DMR_BLOCK_SIZE];
	static uint64_t have, have_points;

	if (have != block || have_points != pc.points + 1) {
		memcpy(copy, meta_block(block), sizeof(copy));
		dmr_block_check(copy, pc.super.volume_id, block,
				DMR_ALL_SECTORS);
		have = block;
		have_points = pc.points + 1;
	}
	return dmr_block_test(copy, bit % DMR_BLOCK_BITS);
}

static void find_dirty(bool *dirty, uint64_t nr)
{
	uint64_t c, region;

	for (c = 0; c < nr; c++) {
		region = c / pc.layout.region_chunks;
		dirty[c] = meta_bit(dmr_layout_hot_block(&pc.layout, region),
				    region);
	}
	for (c = 0; c < nr; c++)
		dirty[c] |= meta_bit(dmr_layout_chunk_block(&pc.layout, c), c);
}

static uint64_t version_of(uint64_t chunk)
{
	struct powercut_stamp stamp;

	memcpy(&stamp, pc.disk + chunk * CHUNK_BYTES, sizeof(stamp));
	return stamp.version;
}

static void complain(uint64_t chunk, const char *what)
{
	if (pc.bad++ < MAX_WORDS)
		printf("# point %" PRIu64 ", chunk %" PRIu64 ": %s (origin %"
		       PRIu64 ", target %" PRIu64 " of epoch %" PRIu64
		       ", superblock knows %" PRIu64 ")\n", pc.points, chunk,
		       what, version_of(chunk),
		       pc.target[chunk].version, pc.target[chunk].epoch,
		       pc.super.last_committed);
}

/* It is not dirty. */
static void check_clean_chunk(uint64_t c)
{
	if (!pc.target[c].epoch)
		complain(c, "forgotten, was never shipped");
	else if (pc.target[c].version != version_of(c))
		complain(c, "forgotten");
	else if (pc.target[c].epoch > pc.super.last_committed)
		complain(c, "cleared by an epoch that is not known");
	else if (pc.marked[c])
		complain(c, "forgotten, was marked");
}

static void note_size(void)
{
	static uint64_t sectors;

	if (pc.super.sectors < sectors) {
		printf("# point %" PRIu64 ": the volume has shrunk\n",
		       pc.points);
		pc.bad++;
	}
	pc.nr_sizes += pc.super.sectors > sectors;
	sectors = pc.super.sectors;
}

static void check_point(void)
{
	static bool *dirty;
	uint64_t c, nr;

	if (!dirty)
		dirty = calloc(pc.nr_chunks, 1);
	if (!read_super())
		return;
	if (pc.super.generation < pc.generation && pc.bad++ < MAX_WORDS)
		printf("# point %" PRIu64 ": generation %" PRIu64
		       " is forgotten\n", pc.points, pc.generation);
	nr = pc.layout.nr_chunks;
	find_dirty(dirty, nr);
	for (c = 0; c < nr; c++) {
		pc.dirty_sum += dirty[c];
		if (!dirty[c])
			check_clean_chunk(c);
	}
	for (; c < pc.nr_chunks; c++)
		if (version_of(c))
			complain(c, "written, and the volume is smaller");
	pc.points++;
}

/* --- the disk ------------------------------------------------------------- */

static void apply(const struct pending *w)
{
	uint8_t *to = pc.disk + w->sector * SECTOR;

	if (w->data)
		memcpy(to, w->data, w->nr_sectors * SECTOR);
	else
		memset(to, 0, w->nr_sectors * SECTOR);
}

/* What a write replaced. */
static uint8_t *old_content(const struct pending *w)
{
	uint8_t *old = malloc(w->nr_sectors * SECTOR + 1);

	return memcpy(old, pc.disk + w->sector * SECTOR,
		      w->nr_sectors * SECTOR);
}

/* Each of @w became durable on its own accord, or not; all is taken back. */
static void check_subset(const struct pending *w, size_t nr)
{
	uint8_t **old = calloc(nr, sizeof(*old));
	size_t i;

	for (i = 0; i < nr; i++)
		if (rand_r(&pc.dice) % 2) {
			old[i] = old_content(&w[i]);
			apply(&w[i]);
		}
	check_point();
	pc.subsets++;
	while (i--)
		if (old[i]) {
			memcpy(pc.disk + w[i].sector * SECTOR, old[i],
			       w[i].nr_sectors * SECTOR);
			free(old[i]);
		}
	free(old);
}

/* Power is cut within a write: each sector is old or new; all is taken back. */
static void check_torn(const struct pending *w)
{
	uint8_t *old = old_content(w);
	struct pending part = { w->sector, 1, w->data };

	for (; part.sector < w->sector + w->nr_sectors; part.sector++) {
		if (rand_r(&pc.dice) % 2)
			apply(&part);
		part.data += SECTOR;
	}
	check_point();
	pc.torn++;
	memcpy(pc.disk + w->sector * SECTOR, old, w->nr_sectors * SECTOR);
	free(old);
}

static void flush_pending(struct pending *w, size_t nr)
{
	size_t i;

	for (i = 0; i < SUBSETS && nr; i++)
		check_subset(w, nr);
	for (i = 0; i < nr; i++) {
		apply(&w[i]);
		free(w[i].data);
	}
}

/* --- the log -------------------------------------------------------------- */

static void read_images(void *what, size_t len)
{
	if (read(pc.images, what, len) != (ssize_t)len)
		die("the images end");
}

static void next_image(uint64_t epoch)
{
	struct powercut_epoch head;

	read_images(&head, sizeof(head));
	if (head.epoch != epoch || head.nr_chunks > pc.nr_chunks)
		die("the images don't match the log");
	read_images(pc.target, head.nr_chunks * sizeof(*pc.target));
	memset(pc.marked, 0, pc.nr_chunks);
	pc.epoch = epoch;
}

static void next_marks(uint64_t number)
{
	struct powercut_marks marks;
	unsigned int i;

	read_images(&marks, sizeof(marks));
	if (marks.number != number)
		die("the marks don't match the log");
	for (i = 0; i < POWERCUT_MARKS; i++)
		if (marks.chunk[i] < pc.nr_chunks)
			pc.marked[marks.chunk[i]] = true;
	pc.nr_marks++;
}

static void read_mark(const struct log_entry *e, const uint8_t *sector)
{
	char text[64] = "";
	uint64_t number;

	if (e->data_len < sizeof(text))
		memcpy(text, sector + sizeof(*e), e->data_len);
	if (sscanf(text, "epoch-%" SCNu64, &number) == 1)
		next_image(number);
	else if (sscanf(text, "marked-%" SCNu64, &number) == 1)
		next_marks(number);
	else if (sscanf(text, "generation-%" SCNu64, &pc.generation) == 1)
		pc.nr_sets++;
}

static struct pending read_write(const struct log_entry *e)
{
	struct pending w = { e->sector, e->nr_sectors, NULL };

	if (w.sector + w.nr_sectors > pc.origin_sectors + pc.meta_sectors)
		die("a write past the end");
	if (!(e->flags & LOG_DISCARD) && w.nr_sectors) {
		w.data = malloc(w.nr_sectors * SECTOR);
		read_log(w.data, w.nr_sectors * SECTOR);
	}
	return w;
}

static bool is_meta(const struct pending *w)
{
	return w->sector >= pc.origin_sectors;
}

static void note_clean(const struct pending *w)
{
	if (!is_meta(w)) {
		pc.late += pc.clean && w->nr_sectors;
		return;
	}
	if (read_super()) {
		pc.clean = pc.super.flags & DMR_SUPER_F_CLEAN;
		note_size();
	}
}

static void replay(uint64_t nr_entries)
{
	uint8_t sector[SECTOR];
	struct pending *held = NULL, w;
	struct log_entry e;
	size_t nr = 0, room = 0;

	while (nr_entries-- && pc.bad < ENOUGH) {
		read_log(sector, sizeof(sector));
		memcpy(&e, sector, sizeof(e));
		if (e.flags & LOG_MARK) {
			read_mark(&e, sector);
			continue;
		}
		w = read_write(&e);
		if (e.flags & LOG_FLUSH) {
			flush_pending(held, nr);
			nr = 0;
		}
		if (e.flags & (LOG_FUA | LOG_FLUSH)) {
			if (is_meta(&w) && w.data)
				check_torn(&w);
			apply(&w);
			note_clean(&w);
			free(w.data);
			check_point();
			continue;
		}
		note_clean(&w);
		if (nr == room) {
			room = room ? 2 * room : 64;
			held = realloc(held, room * sizeof(*held));
		}
		held[nr++] = w;
	}
	free(held);
}

int main(int argc, char **argv)
{
	struct log_super super;

	if (argc < 5)
		die("usage: powercut-check LOG ORIGIN META FILE [SEED]");
	pc.log = open(argv[1], O_RDONLY);
	pc.images = open(argv[4], O_RDONLY);
	pc.origin_sectors = strtoull(argv[2], NULL, 0);
	pc.meta_sectors = strtoull(argv[3], NULL, 0);
	pc.nr_chunks = pc.origin_sectors * SECTOR / CHUNK_BYTES;
	pc.dice = argc > 5 ? atoi(argv[5]) : 1;
	pc.disk = calloc(pc.origin_sectors + pc.meta_sectors, SECTOR);
	pc.target = calloc(pc.nr_chunks, sizeof(*pc.target));
	pc.marked = calloc(pc.nr_chunks, sizeof(*pc.marked));
	if (pc.log < 0 || pc.images < 0 || !pc.disk || !pc.target ||
	    !pc.marked)
		die("open");
	read_log(&super, sizeof(super));
	if (super.magic != LOG_MAGIC || super.sectorsize != SECTOR)
		die("it is no log of 512-byte sectors");
	pc.at = SECTOR;
	replay(super.nr_entries);
	printf("%" PRIu64 " points (%" PRIu64 " with subsets, %" PRIu64
	       " within a write), up to epoch %" PRIu64
	       ", %.1f chunks dirty on average\n", pc.points, pc.subsets,
	       pc.torn, pc.epoch, (double)pc.dirty_sum /
	       (pc.points ? pc.points : 1));
	printf("%" PRIu64 " sizes, %" PRIu64 " loads, marked %" PRIu64
	       " times, set %" PRIu64 "; %" PRIu64 " bad, %" PRIu64
	       " writes after CLEAN\n", pc.nr_sizes, pc.super.loads,
	       pc.nr_marks, pc.nr_sets, pc.bad, pc.late);
	return pc.bad || pc.late || !pc.epoch || pc.points < 50 || !pc.torn ||
	       pc.nr_sizes != 2 || pc.super.loads < 2 || !pc.nr_marks ||
	       !pc.nr_sets;
}
