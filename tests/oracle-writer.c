// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oracle-writer [options] STATE DEVICE...: writes chains of dependent records
 * (oracle-plan.h) to the volumes of one group, until it is told to stop
 * (SIGTERM, SIGINT, or the stop flag in STATE). STATE is made anew.
 *
 * With --plan and --go-on the state outlives the writer's machine: it is on a
 * disk, where a checker on the machine's host sees it.
 *
 * G1 A record is written only after the disk says that it is issued, and that
 *    the one before has completed. So a chain that goes on from what the disk
 *    says to have completed writes again at most one record, the same.
 *
 * Chains of one process: a thread each, synchronous O_DIRECT writes. A write
 * that fails ends it all with status 1: replication must never cost a write.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "oracle-state.h"

static const char usage[] =
"usage: oracle-writer [options] STATE DEVICE...\n"
"  --plan          make STATE, for devices of these sizes, and write nothing\n"
"  --go-on         STATE is a disk, or file, with a plan: go on where it is\n"
"  --chains N      chains of dependent writes (4)\n"
"  --seed N        what is written where (1)\n"
"  --max BYTES     largest record (1048576)\n"
"  --zero PERCENT  records of zeros, by write-zeroes (0)\n"
"  --discard       by discard instead, where that is sure to give zeros\n"
"  --durable PERCENT, --flush PERCENT, --nowait PERCENT\n"
"                  writes with FUA, followed by a flush, tried with NOWAIT\n"
"  --pause US      between two records of a chain (0)\n"
"  --records N     per chain, then stop (0: no limit)\n"
"  --seconds N     then stop (0: no limit)\n"
"  --stall MS      a write that takes longer is an error (0: no limit)\n";

enum {
	CHAINS = 256, SEED, MAX, ZERO, DISCARD, DURABLE, FLUSH, NOWAIT,
	PAUSE, RECORDS, SECONDS, STALL, PLAN, GO_ON, HELP
};

static const struct option long_options[] = {
	{ "chains", 1, NULL, CHAINS }, { "seed", 1, NULL, SEED },
	{ "max", 1, NULL, MAX }, { "zero", 1, NULL, ZERO },
	{ "discard", 0, NULL, DISCARD }, { "durable", 1, NULL, DURABLE },
	{ "flush", 1, NULL, FLUSH }, { "nowait", 1, NULL, NOWAIT },
	{ "pause", 1, NULL, PAUSE }, { "records", 1, NULL, RECORDS },
	{ "seconds", 1, NULL, SECONDS }, { "stall", 1, NULL, STALL },
	{ "plan", 0, NULL, PLAN }, { "go-on", 0, NULL, GO_ON },
	{ "help", 0, NULL, HELP }, { NULL, 0, NULL, 0 },
};

/* Set once, before the threads start. */
static unsigned long option[HELP - CHAINS + 1] = {
	[CHAINS - CHAINS] = 4, [SEED - CHAINS] = 1, [MAX - CHAINS] = 1 << 20,
};
#define OPTION(name)	option[(name) - CHAINS]

static struct oracle_state *state;
static int keep_fd;			/* of STATE, with --go-on */
static int fds[ORACLE_VOLUMES_MAX];

struct chain {
	pthread_t thread;
	uint32_t number;
	struct oracle_row row;
	struct oracle_sector *buffer;
	unsigned int dice;
	uint64_t longest_us;
	uint64_t retried;		/* NOWAIT writes that had to wait */
};

static struct chain chains[ORACLE_CHAINS_MAX];

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

static bool chance(struct chain *chain, unsigned long percent)
{
	return (unsigned long)rand_r(&chain->dice) % 100 < percent;
}

/* Where STATE is a disk: what is known is there, too. */
static int keep_state(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int err;

	if (!OPTION(GO_ON))
		return 0;
	pthread_mutex_lock(&lock);
	err = oracle_state_save(state, keep_fd);
	pthread_mutex_unlock(&lock);
	return err;
}

/* --- one record ----------------------------------------------------------- */

static int write_zeros(const struct oracle_record *record)
{
	uint64_t range[2] = { record->sector * 512,
			      record->nr_sectors * 512ull };

	return ioctl(fds[record->volume], OPTION(DISCARD) ? BLKDISCARD :
		     BLKZEROOUT, range) ? -errno : 0;
}

/* All of it, however many calls that takes; a NOWAIT refusal is retried. */
static int write_data(struct chain *chain, const struct oracle_record *record)
{
	size_t left = record->nr_sectors * 512ul;
	off_t offset = record->sector * 512;
	char *data = (char *)chain->buffer;
	int rwf = chance(chain, OPTION(DURABLE)) ? RWF_DSYNC : 0;

	rwf |= chance(chain, OPTION(NOWAIT)) ? RWF_NOWAIT : 0;
	while (left) {
		struct iovec iov = { data, left };
		ssize_t len = pwritev2(fds[record->volume], &iov, 1, offset,
				       rwf);

		if (len < 0 && errno == EAGAIN && (rwf & RWF_NOWAIT)) {
			rwf &= ~RWF_NOWAIT;
			chain->retried++;
			continue;
		}
		if (len <= 0)
			return len ? -errno : -EIO;
		data += len;
		offset += len;
		left -= len;
	}
	return 0;
}

static int write_record(struct chain *chain)
{
	const struct oracle_record *record = oracle_row_next(&chain->row);
	struct oracle_bounds seen = { .completed = { 0 } };
	uint64_t start, took;
	int err;

	oracle_state_completed(state, &seen);
	if (!record->zero)
		oracle_record_fill(&state->plan, chain->number, record,
				   seen.completed, chain->buffer);
	atomic_store(&state->chain[chain->number].issued, record->number);
	err = keep_state();						/* G1 */
	start = now_us();
	if (!err)
		err = record->zero ? write_zeros(record) :
		      write_data(chain, record);
	if (!err && chance(chain, OPTION(FLUSH)))
		err = fdatasync(fds[record->volume]) ? -errno : 0;
	took = now_us() - start;
	if (took > chain->longest_us)
		chain->longest_us = took;
	if (!err)
		atomic_store(&state->chain[chain->number].completed,
			     record->number);
	return err;
}

static void *run_chain(void *arg)
{
	struct chain *chain = arg;
	const struct oracle_record *last = &chain->row.last;
	int err = 0;

	while (!err && !atomic_load(&state->stop) &&
	       (!OPTION(RECORDS) || last->number < OPTION(RECORDS))) {
		err = write_record(chain);
		if (OPTION(PAUSE))
			usleep(OPTION(PAUSE));
	}
	if (err) {
		printf("# oracle-writer: chain %u record %" PRIu64 " volume %u "
		       "sector %" PRIu64 "+%u: %s\n", chain->number,
		       last->number, last->volume, last->sector,
		       last->nr_sectors, strerror(-err));
		atomic_store(&state->failed, 1);
		atomic_store(&state->stop, 1);
	}
	return NULL;
}

/* --- the whole ------------------------------------------------------------ */

static int open_volumes(char **path, struct oracle_plan *plan)
{
	for (; *path; path++) {
		int fd = open(*path, O_RDWR | O_CLOEXEC |
			      (OPTION(PLAN) ? 0 : O_DIRECT));
		off_t bytes = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

		if (bytes < 0 || plan->nr_volumes == ORACLE_VOLUMES_MAX) {
			fprintf(stderr, "oracle-writer: %s: %s\n", *path,
				strerror(errno));
			return -1;
		}
		plan->sectors[plan->nr_volumes] = bytes / 512;
		fds[plan->nr_volumes++] = fd;
	}
	return 0;
}

static int start_chains(void)
{
	uint32_t c;

	for (c = 0; c < state->plan.nr_chains; c++) {
		struct chain *chain = &chains[c];

		chain->number = c;
		chain->dice = state->plan.seed + c;
		chain->buffer = aligned_alloc(4096, ORACLE_RECORD_MAX * 512);
		if (!chain->buffer)
			return -ENOMEM;
		oracle_row_begin(&chain->row, &state->plan, c);
		while (chain->row.last.number <
		       atomic_load(&state->chain[c].completed))
			oracle_row_next(&chain->row);
		if (pthread_create(&chain->thread, NULL, run_chain, chain))
			return -EAGAIN;
	}
	return 0;
}

/* Joins them; prints what they did. */
static int end_chains(void)
{
	uint64_t records = 0, longest = 0, retried = 0;
	uint32_t c;

	for (c = 0; c < state->plan.nr_chains; c++) {
		pthread_join(chains[c].thread, NULL);
		records += atomic_load(&state->chain[c].completed);
		retried += chains[c].retried;
		if (chains[c].longest_us > longest)
			longest = chains[c].longest_us;
	}
	printf("# oracle-writer: records=%" PRIu64 " longest_ms=%" PRIu64
	       " nowait_retried=%" PRIu64 "\n", records, longest / 1000,
	       retried);
	if (keep_state() || atomic_load(&state->failed))
		return 1;
	atomic_store(&state->stopped, 1);
	if (OPTION(STALL) && longest / 1000 > OPTION(STALL)) {
		printf("# oracle-writer: a write took longer than %lu ms\n",
		       OPTION(STALL));
		return 1;
	}
	return 0;
}

/* Until a signal, the stop flag, or the time is up; or all have ended. */
static void wait_for_end(void)
{
	uint64_t end = now_us() + OPTION(SECONDS) * 1000000ull;
	const struct timespec tick = { .tv_nsec = 20000000 };
	uint32_t c;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	while (!atomic_load(&state->stop)) {
		if (sigtimedwait(&set, NULL, &tick) > 0)
			break;
		if (OPTION(SECONDS) && now_us() > end)
			break;
		for (c = 0; OPTION(RECORDS) && c < state->plan.nr_chains; c++)
			if (atomic_load(&state->chain[c].completed) <
			    OPTION(RECORDS))
				break;
		if (OPTION(RECORDS) && c == state->plan.nr_chains)
			break;
	}
	atomic_store(&state->stop, 1);
}

static int parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (c == HELP || c == '?') {
			fputs(usage, c == HELP ? stdout : stderr);
			return c == HELP ? 0 : 2;
		}
		OPTION(c) = optarg ? strtoul(optarg, NULL, 0) : 1;
	}
	if (argc - optind < 2) {
		fputs(usage, stderr);
		return 2;
	}
	return -1;
}

static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int make_state(const char *path, struct oracle_plan *plan)
{
	int err;

	plan->seed = OPTION(SEED);
	plan->nr_chains = OPTION(CHAINS);
	plan->max_record = OPTION(MAX) / 512;
	plan->zero_percent = OPTION(ZERO);
	if (getrandom(&plan->run, sizeof(plan->run), 0) != sizeof(plan->run))
		return -errno;
	err = oracle_plan_check(plan);
	return err ? err : oracle_state_create(path, plan, &state);
}

/* The volumes must be those that it was made for. */
static int load_state(const char *path, const struct oracle_plan *plan)
{
	int err = oracle_state_load(path, &state, &keep_fd);

	if (!err && (state->plan.nr_volumes != plan->nr_volumes ||
		     memcmp(state->plan.sectors, plan->sectors,
			    sizeof(plan->sectors))))
		err = -EINVAL;
	return err;
}

int main(int argc, char **argv)
{
	struct oracle_plan plan = { 0 };
	int err = parse_options(argc, argv);

	if (err >= 0)
		return err;
	if (open_volumes(argv + optind + 1, &plan))
		return 2;
	err = OPTION(GO_ON) ? load_state(argv[optind], &plan) :
	      make_state(argv[optind], &plan);
	if (!err && OPTION(PLAN))
		return 0;
	block_signals();
	if (!err)
		err = start_chains();
	if (err) {
		fprintf(stderr, "oracle-writer: %s\n", strerror(-err));
		return 2;
	}
	wait_for_end();
	return end_chains();
}
