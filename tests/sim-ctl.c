// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What an application and an operator do to the simulated kernel:
 *
 *	sim-ctl create V BYTES [CHUNK]	sim-ctl write V OFFSET BYTES [SEED]
 *	sim-ctl storm V WRITES SEED [DELAY_US [SPAN]]	random 4 KiB writes
 *	sim-ctl reload V		sim-ctl degrade V CHUNKS
 *	sim-ctl request V TEXT		dmsetup message V 0 request TEXT
 *	sim-ctl get V FIELD		one number
 *	sim-ctl meta V WHAT		see sim_meta()
 *	sim-ctl origin V BYTES		its origin becomes larger …
 *	sim-ctl grow V BYTES		… and its table, too
 *	sim-ctl pair V W WRITES [DELAY_US]	write n to V, then n to W, …
 *	sim-ctl count V [DELAY_US]	write 1, 2, … until one fails, and
 *					print each that was acknowledged
 */
#include "sim-kernel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK	4096

static uint64_t state = 88172645463325252ULL;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static void fill(char *buf, size_t len)
{
	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t word = next_random();

		memcpy(buf + i, &word, 8);
	}
}

static int write_run(const char *name, uint64_t off, uint64_t len)
{
	char buf[CHUNK];
	int err = 0;

	for (; !err && len; off += CHUNK, len -= CHUNK) {
		fill(buf, sizeof(buf));
		err = sim_write(name, buf, CHUNK, off);
	}
	return err;
}

static int do_storm(char **argv, int argc)
{
	uint64_t writes = strtoull(argv[1], NULL, 0), chunks;
	useconds_t delay = argc > 3 ? atoi(argv[3]) : 0;
	struct dmr_info info;
	bool is_plain;
	int err = sim_info(argv[0], &info, &is_plain);

	state ^= strtoull(argv[2], NULL, 0) * 2654435761ULL;
	chunks = argc > 4 ? strtoull(argv[4], NULL, 0) : info.sectors / 8;
	while (!err && writes--) {
		err = write_run(argv[0], next_random() % chunks * CHUNK, CHUNK);
		if (delay)
			usleep(delay);
	}
	return err;
}

/* Each write depends on the one before; the number is at the front. */
static int do_pair(char **argv, int argc)
{
	uint64_t writes = strtoull(argv[2], NULL, 0);
	useconds_t delay = argc > 3 ? atoi(argv[3]) : 0;
	char buf[CHUNK] = "";
	int err = 0;

	for (uint64_t n = 1; !err && n <= writes; n++) {
		memcpy(buf, &n, sizeof(n));
		err = sim_write(argv[0], buf, CHUNK, 0);
		if (!err)
			err = sim_write(argv[1], buf, CHUNK, 0);
		if (delay)
			usleep(delay);
	}
	return err;
}

/* An application that has the device open, and believes what it is told. */
static int do_count(char **argv, int argc)
{
	useconds_t delay = argc > 1 ? atoi(argv[1]) : 0;
	char buf[CHUNK] = "";
	int err = 0;

	for (uint64_t n = 1; !err; n++) {
		memcpy(buf, &n, sizeof(n));
		err = sim_write(argv[0], buf, CHUNK, n % 16 * CHUNK);
		if (!err)
			err = sim_write(argv[0], buf, CHUNK, 0);
		if (!err)
			printf("%" PRIu64 "\n", n);
		fflush(stdout);
		usleep(delay);
	}
	return err;
}

static int do_get(char **argv, int argc)
{
	struct dmr_info i;
	bool is_plain;
	uint64_t gets = 0, dumps = 0;
	int err = sim_info(argv[0], &i, &is_plain) ?:
		  sim_asked(argv[0], &gets, &dumps);
	const struct { const char *name; uint64_t value; } fields[] = {
		{ "dirty", i.nr_dirty }, { "frozen", i.nr_frozen },
		{ "epoch", i.epoch }, { "committed", i.last_committed },
		{ "highest", i.highest_seen }, { "commits", i.nr_commits },
		{ "aborts", i.nr_aborts }, { "keeps", i.nr_keeps },
		{ "cuts", i.nr_cuts }, { "owner", i.owner },
		{ "plain", is_plain }, { "degraded", i.nr_degraded },
		{ "flags", i.dev_flags }, { "loads", i.loads },
		{ "ancestors", i.nr_ancestors }, { "role", i.role },
		{ "gets", gets }, { "dumps", dumps },
		{ "generation", i.generation }, { "sectors", i.sectors },
	};

	for (size_t f = 0; !err && f < sizeof(fields) / sizeof(*fields); f++)
		if (!strcmp(fields[f].name, argv[1]))
			printf("%" PRIu64 "\n", fields[f].value);
	return err;
}

static int do_create(char **argv, int argc)
{
	return sim_create(argv[0], strtoull(argv[1], NULL, 0),
			  argc > 2 ? atoi(argv[2]) : SIM_CHUNK);
}

static int do_write(char **argv, int argc)
{
	if (argc > 3)
		state ^= strtoull(argv[3], NULL, 0) * 2654435761ULL;
	return write_run(argv[0], strtoull(argv[1], NULL, 0),
			 strtoull(argv[2], NULL, 0));
}

static int do_reload(char **argv, int argc)
{
	return sim_reload(argv[0]);
}

static int do_origin(char **argv, int argc)
{
	return sim_grow(argv[0], strtoull(argv[1], NULL, 0), false);
}

static int do_grow(char **argv, int argc)
{
	return sim_grow(argv[0], strtoull(argv[1], NULL, 0), true);
}

static int do_request(char **argv, int argc)
{
	return sim_request(argv[0], argv[1]);
}

static int do_meta(char **argv, int argc)
{
	return sim_meta(argv[0], argv[1]);
}

static int do_degrade(char **argv, int argc)
{
	return sim_degrade_after(argv[0], strtoull(argv[1], NULL, 0));
}

static const struct {
	const char *name;
	int nr_args;
	int (*run)(char **argv, int argc);
} commands[] = {
	{ "create", 2, do_create }, { "write", 3, do_write },
	{ "storm", 3, do_storm }, { "pair", 3, do_pair },
	{ "get", 2, do_get }, { "reload", 1, do_reload },
	{ "degrade", 2, do_degrade }, { "request", 2, do_request },
	{ "meta", 2, do_meta }, { "count", 1, do_count },
	{ "origin", 2, do_origin }, { "grow", 2, do_grow },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		int err;

		if (argc < 2 || strcmp(argv[1], commands[i].name) ||
		    argc - 2 < commands[i].nr_args)
			continue;
		err = commands[i].run(argv + 2, argc - 2);
		if (err)
			fprintf(stderr, "sim-ctl %s: %s\n", argv[1],
				strerror(-err));
		return err ? 1 : 0;
	}
	fprintf(stderr, "sim-ctl: see the top of its source\n");
	return 2;
}
