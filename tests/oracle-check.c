// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oracle-check [--current] [--least N] STATE IMAGE...: is this set of images
 * (files or devices, one for each volume, in the writer's order) closed under
 * "depends on"? --current: the writer has stopped, and all that it wrote must
 * be there. --least: each chain must have got at least that far.
 *
 * Status 0: closed; 1: not; 2: it could not be looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "oracle-state.h"

#define PIECE	2048			/* sectors */

static int feed_volume(struct oracle_image *image, uint32_t volume,
		       uint64_t sectors, const char *path, char *buffer)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	uint64_t at, nr;

	if (fd < 0)
		return -errno;
	for (at = 0; !err && at < sectors; at += nr) {
		ssize_t len;

		nr = sectors - at < PIECE ? sectors - at : PIECE;
		len = pread(fd, buffer, nr * 512, at * 512);
		if (len < 0)
			err = -errno;
		else if ((uint64_t)len != nr * 512)
			err = -ENODATA;
		else
			oracle_image_put(image, volume, at, buffer, nr);
	}
	close(fd);
	return err;
}

static int feed(struct oracle_image *image, const struct oracle_plan *plan,
		char **path)
{
	char *buffer = malloc(PIECE * 512);
	int err = buffer ? 0 : -ENOMEM;
	uint32_t v;

	for (v = 0; !err && v < plan->nr_volumes; v++) {
		err = feed_volume(image, v, plan->sectors[v], path[v], buffer);
		if (err)
			fprintf(stderr, "oracle-check: %s: %s\n", path[v],
				err == -ENODATA ? "too short" :
				strerror(-err));
	}
	free(buffer);
	return err;
}

/* Prints the verdict; returns the exit status. */
static int judge(struct oracle_image *image, struct oracle_state *state,
		 bool current, uint64_t least)
{
	struct oracle_bounds bounds = { .completed = { 0 } };
	uint64_t whole[ORACLE_CHAINS_MAX];
	unsigned int violations;
	bool late = false;
	uint32_t c;

	if (current)
		oracle_state_completed(state, &bounds);
	oracle_state_issued(state, &bounds);
	violations = oracle_image_check(image, &bounds, whole);
	printf("# oracle-check: violations=%u whole:", violations);
	for (c = 0; c < state->plan.nr_chains; c++) {
		printf(" %" PRIu64, whole[c]);
		late = late || whole[c] < least;
	}
	printf("%s\n", late ? ": not far enough" : "");
	return violations || late;
}

int main(int argc, char **argv)
{
	struct oracle_state *state;
	struct oracle_image *image;
	bool current = false;
	uint64_t least = 0;
	int i, err;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--current"))
			current = true;
		else if (!strcmp(argv[i], "--least") && i + 1 < argc)
			least = strtoull(argv[++i], NULL, 0);
		else
			argc = 0;
	}
	if (argc - i < 2) {
		fprintf(stderr, "usage: oracle-check [--current] [--least N] "
			"STATE IMAGE...\n");
		return 2;
	}
	err = oracle_state_open(argv[i], &state);
	if (err) {
		fprintf(stderr, "oracle-check: %s: %s\n", argv[i],
			strerror(-err));
		return 2;
	}
	if (argc - i - 1 != (int)state->plan.nr_volumes) {
		fprintf(stderr, "oracle-check: the writer has %u volumes\n",
			state->plan.nr_volumes);
		return 2;
	}
	image = oracle_image_create(&state->plan);
	if (!image || feed(image, &state->plan, argv + i + 1))
		return 2;
	return judge(image, state, current, least);
}
