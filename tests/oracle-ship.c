// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oracle-ship [options] STATE DEVICE,VIEW,ORIGIN...: ships epoch after epoch of
 * a group into memory while oracle-writer writes to it, and checks the copy
 * after each epoch that is committed clean: it must be closed under "depends
 * on", and lie between what had completed before the cut and what had been
 * issued after it. At the end the writer is stopped, the rest is shipped, and
 * the copy must equal the origin, byte for byte.
 *
 * Status 0: all held; 1: a violation; 2: something else went wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "oracle-epoch.h"

static const char usage[] =
"usage: oracle-ship [options] STATE DEVICE,VIEW,ORIGIN...\n"
"  --cuts N          epochs to ship (0: no limit)\n"
"  --seconds N       stop after that time (0: no limit)\n"
"  --group N         number of the group (1)\n"
"  --fuzzy P, --abort P, --keep P    percent of the epochs\n"
"  --batch CHUNKS    read at once, at most (64)\n"
"  --delay US        between FROZEN and the first read (0)\n"
"  --pause US        between a read and its release (0)\n"
"  --seed N          for the dice (1)\n"
"  --clean N         at least so many epochs must have been clean (1)\n"
"  --degraded N      at least so many epochs must have degraded (0)\n";

enum {
	CUTS = 256, SECONDS, GROUP, FUZZY, ABORT, KEEP, BATCH, DELAY, PAUSE,
	SEED, CLEAN, DEGRADED, HELP
};

static const struct option long_options[] = {
	{ "cuts", 1, NULL, CUTS }, { "seconds", 1, NULL, SECONDS },
	{ "group", 1, NULL, GROUP }, { "fuzzy", 1, NULL, FUZZY },
	{ "abort", 1, NULL, ABORT }, { "keep", 1, NULL, KEEP },
	{ "batch", 1, NULL, BATCH }, { "delay", 1, NULL, DELAY },
	{ "pause", 1, NULL, PAUSE }, { "seed", 1, NULL, SEED },
	{ "clean", 1, NULL, CLEAN }, { "degraded", 1, NULL, DEGRADED },
	{ "help", 0, NULL, HELP }, { NULL, 0, NULL, 0 },
};

static unsigned long option[HELP - CUTS + 1] = {
	[GROUP - CUTS] = 1, [BATCH - CUTS] = 64, [SEED - CUTS] = 1,
	[CLEAN - CUTS] = 1,
};
#define OPTION(name)	option[(name) - CUTS]

static struct shipper ship;
static uint64_t nr_cuts, nr_clean, nr_degraded, nr_aborted, nr_kept;

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* --- setting up ----------------------------------------------------------- */

static int parse_member(char *text)
{
	struct member *member = &ship.member[ship.nr_members];

	if (ship.nr_members == ORACLE_VOLUMES_MAX)
		return -E2BIG;
	member->device = strtok(text, ",");
	member->view = strtok(NULL, ",");
	member->origin = strtok(NULL, ",");
	if (!member->origin)
		return -EINVAL;
	ship.nr_members++;
	return 0;
}

static int join_group(void)
{
	uint32_t m;
	int err = 0;

	for (m = 0; !err && m < ship.nr_members; m++) {
		err = member_open(&ship, &ship.member[m]);
		if (!err && ship.nr_members > 1)
			err = dmr_join(&ship.genl, ship.member[m].dev,
				       OPTION(GROUP));
	}
	if (err)
		printf("# ship: group: %s %s\n", strerror(-err),
		       ship.genl.extack);
	return err;
}

static int set_up(char **argv)
{
	int err = oracle_state_open(*argv++, &ship.state);

	for (; !err && *argv; argv++)
		err = parse_member(*argv);
	if (!err && ship.nr_members != ship.state->plan.nr_volumes)
		err = -EINVAL;
	if (!err)
		err = genl_open(&ship.genl, DMR_GENL_NAME);
	if (!err)
		err = genl_subscribe(&ship.genl);
	ship.buffer = aligned_alloc(4096, BATCH_MAX_SECTORS * 512);
	if (!err)
		ship.image = oracle_image_create(&ship.state->plan);
	if (!err && (!ship.image || !ship.buffer))
		err = -ENOMEM;
	if (err) {
		printf("# ship: %s\n", strerror(-err));
		return err;
	}
	ship.dice = OPTION(SEED);
	ship.batch = OPTION(BATCH);
	ship.delay_us = OPTION(DELAY);
	ship.pause_us = OPTION(PAUSE);
	return join_group();
}

/* --- epoch after epoch ---------------------------------------------------- */

static struct fate draw_fate(void)
{
	struct fate fate = { .end = DMR_END_COMMIT, .percent = 100 };
	unsigned long dice = rand_r(&ship.dice) % 100;

	fate.fuzzy = (unsigned long)rand_r(&ship.dice) % 100 < OPTION(FUZZY);
	if (dice < OPTION(ABORT)) {
		fate.end = DMR_END_ABORT;
		fate.early = rand_r(&ship.dice) % 2;
	} else if (dice < OPTION(ABORT) + OPTION(KEEP)) {
		fate.end = DMR_END_KEEP;
	}
	if (fate.end != DMR_END_COMMIT)
		fate.percent = rand_r(&ship.dice) % 101;
	return fate;
}

static void count(const struct fate *fate, bool clean)
{
	nr_cuts++;
	nr_clean += clean;
	nr_aborted += fate->end == DMR_END_ABORT;
	nr_kept += fate->end == DMR_END_KEEP;
	nr_degraded += !clean && fate->end == DMR_END_COMMIT && !fate->fuzzy;
}

/* Returns the violations, or -errno. */
static int one_epoch(const struct fate *fate, bool *clean)
{
	struct oracle_bounds bounds;
	int bad, err = epoch_ship(&ship, fate, &bounds, clean);

	if (err)
		return err;
	count(fate, *clean);
	bad = *clean ? oracle_image_check(ship.image, &bounds, NULL) : 0;
	if (bad)
		printf("# ship: epoch %" PRIu64 ": %d violations\n",
		       ship.epoch, bad);
	return bad;
}

static int ship_epochs(void)
{
	int64_t end = now_ms() + OPTION(SECONDS) * 1000;
	int err = 0;
	bool clean;

	while (!err && (!OPTION(CUTS) || nr_cuts < OPTION(CUTS)) &&
	       (!OPTION(SECONDS) || now_ms() < end) &&
	       !atomic_load(&ship.state->failed)) {
		struct fate fate = draw_fate();

		err = one_epoch(&fate, &clean);
	}
	return err;
}

/* --- the end -------------------------------------------------------------- */

static int stop_writer(void)
{
	int64_t end = now_ms() + 60000;

	atomic_store(&ship.state->stop, 1);
	while (!atomic_load(&ship.state->stopped)) {
		if (atomic_load(&ship.state->failed) || now_ms() > end) {
			printf("# ship: the writer failed\n");
			return -EIO;
		}
		usleep(10000);
	}
	return 0;
}

static int all_shipped(bool *done)
{
	struct dmr_get get;
	uint32_t m;
	int err = 0;

	*done = true;
	for (m = 0; !err && m < ship.nr_members; m++) {
		err = dmr_get(&ship.genl, ship.member[m].dev, &get);
		if (get.number[DMR_A_NR_DIRTY])
			*done = false;
	}
	return err;
}

static int compare_member(const struct member *member)
{
	int fd = open(member->origin, O_RDONLY | O_DIRECT | O_CLOEXEC);
	uint64_t at, nr, bad = 0, s;

	if (fd < 0)
		return -errno;
	for (at = 0; at < member->sectors; at += nr) {
		nr = member->sectors - at < BATCH_MAX_SECTORS ?
		     member->sectors - at : BATCH_MAX_SECTORS;
		if (pread(fd, ship.buffer, nr * 512, at * 512) !=
		    (ssize_t)nr * 512) {
			bad = UINT64_MAX;
			break;
		}
		for (s = 0; s < nr; s++)
			bad += memcmp(ship.buffer + s * 512, member->copy +
				      (at + s) * 512, 512) != 0;
	}
	close(fd);
	if (bad)
		printf("# ship: %s: %" PRId64 " sectors differ from %s\n",
		       member->device, bad, member->origin);
	return bad ? 1 : 0;
}

/* Ships what is left; the copies must then be the volumes. */
static int finish(void)
{
	const struct fate fate = { .end = DMR_END_COMMIT, .percent = 100 };
	bool done = false, clean = false;
	int tries, err = stop_writer();
	uint32_t m;

	for (tries = 0; !err && !(done && clean) && tries < 50; tries++) {
		err = one_epoch(&fate, &clean);
		if (!err)
			err = all_shipped(&done);
	}
	for (m = 0; !err && m < ship.nr_members; m++)
		err = compare_member(&ship.member[m]);
	return err;
}

static void report(void)
{
	uint64_t longest = 0, copies = 0;
	struct dmr_get get;
	uint32_t m;

	for (m = 0; m < ship.nr_members; m++) {
		if (dmr_get(&ship.genl, ship.member[m].dev, &get))
			continue;
		copies += get.number[DMR_A_NR_COPIES];
		if (get.number[DMR_A_GATE_MAX_NS] > longest)
			longest = get.number[DMR_A_GATE_MAX_NS];
	}
	printf("# ship: cuts=%" PRIu64 " clean=%" PRIu64 " degraded=%" PRIu64
	       " aborted=%" PRIu64 " kept=%" PRIu64 " busy=%" PRIu64
	       " chunks=%" PRIu64 " copies=%" PRIu64 " probes=%" PRIu64
	       " gate_max_us=%" PRIu64 "\n", nr_cuts, nr_clean, nr_degraded,
	       nr_aborted, nr_kept, ship.busy, ship.chunks, copies,
	       ship.probes, longest / 1000);
}

static int parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (c == HELP || c == '?') {
			fputs(usage, c == HELP ? stdout : stderr);
			return c == HELP ? 0 : 2;
		}
		OPTION(c) = strtoul(optarg, NULL, 0);
	}
	if (argc - optind < 2) {
		fputs(usage, stderr);
		return 2;
	}
	return -1;
}

int main(int argc, char **argv)
{
	int err = parse_options(argc, argv);

	if (err >= 0)
		return err;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (set_up(argv + optind))
		return 2;
	err = ship_epochs();
	if (!err)
		err = finish();
	atomic_store(&ship.state->stop, 1);
	report();
	if (err < 0 && err != -EBADE)
		return 2;
	if (!err && (nr_clean < OPTION(CLEAN) ||
		     nr_degraded < OPTION(DEGRADED))) {
		printf("# ship: too few clean or degraded epochs\n");
		return 2;
	}
	return err ? 1 : 0;
}
