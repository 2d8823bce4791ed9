// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The oracle must accept what a crash may leave behind, and reject everything
 * else: an oracle that cannot fail proves nothing. Volumes are memory here;
 * chains take turns at random, and an image is taken between any two sectors.
 */
#include <stdlib.h>
#include <string.h>

#include "oracle-image.h"
#include "tap.h"

#define VOLUMES	2
#define CHAINS	4
#define SECTORS	8192

struct world {
	struct oracle_plan plan;
	struct oracle_row row[CHAINS];
	uint64_t seen[ORACLE_CHAINS_MAX];	/* completed */
	uint32_t done[CHAINS];		/* sectors of row.last written */
	struct oracle_sector *disk[VOLUMES];
	struct oracle_sector record[CHAINS][ORACLE_RECORD_MAX];
};

static struct world world;
static unsigned int dice_state = 1;

static uint32_t dice(uint32_t limit)
{
	return rand_r(&dice_state) % limit;
}

static void record_begin(struct world *w, uint32_t c)
{
	const struct oracle_record *record = oracle_row_next(&w->row[c]);

	w->done[c] = 0;
	memset(w->record[c], 0, record->nr_sectors * 512);
	if (!record->zero)
		oracle_record_fill(&w->plan, c, record, w->seen, w->record[c]);
}

static void world_create(struct world *w, uint32_t zero_percent, uint64_t seed)
{
	uint32_t i;

	w->plan = (struct oracle_plan){
		.run = 7 + seed, .seed = seed, .nr_chains = CHAINS,
		.nr_volumes = VOLUMES, .max_record = 512,
		.zero_percent = zero_percent,
		.sectors = { SECTORS, SECTORS - 1000 },
	};
	memset(w->seen, 0, sizeof(w->seen));
	for (i = 0; i < VOLUMES; i++) {
		free(w->disk[i]);
		w->disk[i] = calloc(SECTORS, 512);
	}
	for (i = 0; i < CHAINS; i++) {
		oracle_row_begin(&w->row[i], &w->plan, i);
		record_begin(w, i);
	}
}

/* Writes a piece of one chain's record, not in order; ends it when whole. */
static void step(struct world *w, uint32_t c)
{
	const struct oracle_record *record = &w->row[c].last;
	uint32_t nr = 1 + dice(record->nr_sectors - w->done[c]), s;

	for (; nr; nr--, w->done[c]++) {
		s = (w->done[c] + record->number) % record->nr_sectors;
		w->disk[record->volume][record->sector + s] = w->record[c][s];
	}
	if (w->done[c] < record->nr_sectors)
		return;
	w->seen[c] = record->number;
	record_begin(w, c);
}

static void run(struct world *w, uint32_t steps)
{
	while (steps--)
		step(w, dice(CHAINS));
}

/* Until every chain is between two records. */
static void settle(struct world *w)
{
	uint32_t c;

	for (c = 0; c < CHAINS; c++)
		while (w->done[c])
			step(w, c);
}

static unsigned int check(struct world *w, struct oracle_image *image,
			  bool bounded)
{
	struct oracle_image *fresh = image ? NULL :
				     oracle_image_create(&w->plan);
	struct oracle_bounds bounds = { .completed = { 0 } };
	unsigned int violations;
	uint32_t i;

	for (i = 0; i < VOLUMES; i++)
		oracle_image_put(image ? image : fresh, i, 0, w->disk[i],
				 w->plan.sectors[i]);
	for (i = 0; i < CHAINS; i++) {
		bounds.completed[i] = w->seen[i];
		bounds.issued[i] = w->row[i].last.number;
	}
	violations = oracle_image_check(image ? image : fresh,
					bounded ? &bounds : NULL, NULL);
	oracle_image_destroy(fresh);
	return violations;
}

/* The newest finished data record of a chain, recomputed from the plan. */
static struct oracle_record newest_data(struct world *w, uint32_t c)
{
	struct oracle_record newest = { 0 };
	struct oracle_row row;

	oracle_row_begin(&row, &w->plan, c);
	while (oracle_row_next(&row)->number <= w->seen[c])
		if (!row.last.zero)
			newest = row.last;
	return newest;
}

static struct oracle_sector *sector_of(struct world *w,
				       const struct oracle_record *record)
{
	return &w->disk[record->volume][record->sector];
}

static void accepts_every_moment(uint32_t zero_percent)
{
	struct oracle_image *image;
	unsigned int bad = 0;
	int i;

	world_create(&world, zero_percent, 11 + zero_percent);
	image = oracle_image_create(&world.plan);
	for (i = 0; i < 800; i++) {
		run(&world, dice(8));
		bad += check(&world, image, true);
		if (i % 100 == 0)
			bad += check(&world, NULL, true);
	}
	is_int(bad, 0, "images between any two sectors pass, %u %% zeros",
	       zero_percent);
	oracle_image_destroy(image);
}

/* Damages a settled world; the check must find it, without bounds if it can. */
static void rejects(const char *what, void (*damage)(struct world *w),
		    bool bounded)
{
	int found = 0, round;

	for (round = 0; round < 8; round++) {
		world_create(&world, 0, 100 + round);
		run(&world, 600);
		settle(&world);
		if (check(&world, NULL, true))
			break;
		damage(&world);
		found += check(&world, NULL, bounded) > 0;
	}
	is_int(found, 8, "rejected: %s", what);
}

static void flip_a_bit(struct world *w)
{
	struct oracle_record record = newest_data(w, dice(CHAINS));

	((char *)sector_of(w, &record))[dice(512)] ^= 1 << dice(8);
}

static void misplace_a_sector(struct world *w)
{
	struct oracle_record record = newest_data(w, dice(CHAINS));

	w->disk[record.volume][record.sector + 1] =
		w->disk[record.volume][record.sector];
}

/* The record before the newest is missing: its write was lost. */
static void lose_a_record(struct world *w)
{
	struct oracle_record record = newest_data(w, 1);

	memset(sector_of(w, &record), 0, record.nr_sectors * 512);
	w->seen[1] = record.number;
	do
		step(w, 1);
	while (w->done[1]);
}

static void tear_two_records(struct world *w)
{
	struct oracle_record record;

	/* torn: first sector only; then the next is begun without its rest */
	do {
		do
			step(w, 2);
		while (w->done[2]);
		record = newest_data(w, 2);
	} while (record.nr_sectors < 2);
	memset(sector_of(w, &record) + 1, 0, 512);
	do
		step(w, 2);
	while (!w->done[2] && w->seen[2] == record.number);
}

static struct oracle_sector *old_disk;

/* A cut that was not atomic over the group: volume 1 stayed behind. */
static void split_the_group(struct world *w)
{
	old_disk = malloc(SECTORS * 512);
	memcpy(old_disk, w->disk[1], SECTORS * 512);
	run(w, 200);
	memcpy(w->disk[1], old_disk, SECTORS * 512);
	free(old_disk);
}

/* One chunk is newer than the rest: it was not preserved. */
static void let_a_chunk_through(struct world *w)
{
	struct oracle_sector *disk[VOLUMES];
	struct oracle_record record;
	int i;

	for (i = 0; i < VOLUMES; i++) {
		disk[i] = malloc(SECTORS * 512);
		memcpy(disk[i], w->disk[i], SECTORS * 512);
	}
	run(w, 200);
	settle(w);
	record = newest_data(w, 3);
	for (i = 0; i < VOLUMES; i++) {
		if (i == (int)record.volume)
			memcpy(disk[i] + record.sector, sector_of(w, &record),
			       record.nr_sectors * 512);
		memcpy(w->disk[i], disk[i], SECTORS * 512);
		free(disk[i]);
	}
}

/* Chain 0 goes on, having seen chain 1; then chain 1's last record is lost. */
static void break_a_dependency(struct world *w)
{
	struct oracle_record record = newest_data(w, 1);
	struct oracle_sector old[ORACLE_RECORD_MAX];

	do {
		memcpy(old, sector_of(w, &w->row[1].last), 512 *
		       w->row[1].last.nr_sectors);
		record = w->row[1].last;
		do
			step(w, 1);
		while (w->done[1]);
	} while (newest_data(w, 1).number != record.number);
	do
		step(w, 0);
	while (w->done[0]);
	do
		step(w, 0);
	while (w->done[0]);
	memcpy(sector_of(w, &record), old, 512 * record.nr_sectors);
}

static void zero_a_sector(struct world *w)
{
	struct oracle_record record = newest_data(w, 0);

	step(w, 0);
	settle(w);
	memset(sector_of(w, &record), 0, 512);
}

static void use_another_run(struct world *w)
{
	w->plan.run++;
}

static void rejects_what_bounds_tell(void)
{
	struct oracle_sector *early = malloc(SECTORS * 512 * VOLUMES);
	int i;

	world_create(&world, 0, 5);
	run(&world, 300);
	settle(&world);
	for (i = 0; i < VOLUMES; i++)
		memcpy(early + i * SECTORS, world.disk[i], SECTORS * 512);
	run(&world, 300);
	settle(&world);
	for (i = 0; i < VOLUMES; i++)
		memcpy(world.disk[i], early + i * SECTORS, SECTORS * 512);
	is_int(check(&world, NULL, false), 0, "an old image is closed");
	ok(check(&world, NULL, true), "but too old for its cut");
	free(early);

	world_create(&world, 0, 5);
	run(&world, 300);
	settle(&world);
	world.row[2].last.number--;
	world.seen[2]--;
	world.row[2].last.number--;
	ok(check(&world, NULL, true), "an image newer than its cut is refused");
}

static void rejects_a_lost_zero(void)
{
	struct oracle_sector old[ORACLE_RECORD_MAX];
	struct oracle_record zero;

	world_create(&world, 40, 9);
	run(&world, 800);
	settle(&world);
	do {
		zero = world.row[0].last;
		memcpy(old, sector_of(&world, &zero), zero.nr_sectors * 512);
		do
			step(&world, 0);
		while (world.done[0]);
	} while (!zero.zero || !memcmp(old, sector_of(&world, &zero),
				       zero.nr_sectors * 512));
	do
		step(&world, 0);
	while (world.done[0]);
	is_int(check(&world, NULL, true), 0, "a zero record is seen");
	memcpy(sector_of(&world, &zero), old, zero.nr_sectors * 512);
	ok(check(&world, NULL, false), "rejected: a lost zero record");
}

static void rejects_bad_plans(void)
{
	struct oracle_plan plan = world.plan;

	is_int(oracle_plan_check(&plan), 0, "a plan");
	plan.nr_chains = 0;
	ok(oracle_plan_check(&plan) < 0, "no chains");
	plan.nr_chains = ORACLE_CHAINS_MAX + 1;
	ok(oracle_plan_check(&plan) < 0, "too many chains");
	plan = world.plan;
	plan.sectors[1] = 2047;
	ok(oracle_plan_check(&plan) < 0, "a volume that is too small");
}

int main(void)
{
	accepts_every_moment(0);
	accepts_every_moment(30);
	rejects("a bit flipped", flip_a_bit, false);
	rejects("a sector in another's place", misplace_a_sector, false);
	rejects("a lost record", lose_a_record, false);
	rejects("two torn records of a chain", tear_two_records, false);
	rejects("a group cut one by one", split_the_group, false);
	rejects("a chunk from after the cut", let_a_chunk_through, false);
	rejects("a broken dependency between chains", break_a_dependency,
		false);
	rejects("a sector of zeros", zero_a_sector, false);
	rejects("another run's data", use_another_run, true);
	rejects_what_bounds_tell();
	rejects_a_lost_zero();
	rejects_bad_plans();
	return tap_done();
}
