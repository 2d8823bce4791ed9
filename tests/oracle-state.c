// SPDX-License-Identifier: GPL-2.0-or-later
#include "oracle-state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC	0x6f7261636c650001ull
#define BLOCK	4096			/* what a disk writes at once */

_Static_assert(sizeof(struct oracle_state) <= BLOCK, "it is one block");

static int map(int fd, struct oracle_state **state)
{
	*state = mmap(NULL, sizeof(**state), PROT_READ | PROT_WRITE,
		      MAP_SHARED, fd, 0);
	return *state == MAP_FAILED ? -errno : 0;
}

/* The file appears under its name when it is whole. */
int oracle_state_create(const char *path, const struct oracle_plan *plan,
			struct oracle_state **state)
{
	char new[PATH_MAX];
	int fd, err;

	if (snprintf(new, sizeof(new), "%s.new", path) >= (int)sizeof(new))
		return -ENAMETOOLONG;
	fd = open(new, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = ftruncate(fd, BLOCK) ? -errno : map(fd, state);
	close(fd);
	if (err)
		return err;
	(*state)->plan = *plan;
	(*state)->magic = MAGIC;
	return rename(new, path) ? -errno : 0;
}

static bool is_state(const struct oracle_state *state)
{
	return state->magic == MAGIC && !oracle_plan_check(&state->plan);
}

int oracle_state_open(const char *path, struct oracle_state **state)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	int err;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else
		err = st.st_size == BLOCK ? map(fd, state) : -EINVAL;
	close(fd);
	if (!err && !is_state(*state)) {
		oracle_state_close(*state);
		err = -EINVAL;
	}
	return err;
}

int oracle_state_load(const char *path, struct oracle_state **state, int *fd)
{
	int err = 0;

	*fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (*fd < 0)
		return -errno;
	*state = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (*state == MAP_FAILED)
		err = -errno;
	else if (pread(*fd, *state, BLOCK, 0) != BLOCK || !is_state(*state))
		err = -EINVAL;
	if (err) {
		close(*fd);
		return err;
	}
	atomic_store(&(*state)->stop, 0);
	atomic_store(&(*state)->stopped, 0);
	atomic_store(&(*state)->failed, 0);
	return 0;
}

int oracle_state_save(const struct oracle_state *state, int fd)
{
	return pwrite(fd, state, BLOCK, 0) == BLOCK ? 0 : -EIO;
}

void oracle_state_close(struct oracle_state *state)
{
	munmap(state, sizeof(*state));
}

void oracle_state_completed(struct oracle_state *state,
			    struct oracle_bounds *bounds)
{
	uint32_t c;

	for (c = 0; c < state->plan.nr_chains; c++)
		bounds->completed[c] = atomic_load(&state->chain[c].completed);
}

void oracle_state_issued(struct oracle_state *state,
			 struct oracle_bounds *bounds)
{
	uint32_t c;

	for (c = 0; c < state->plan.nr_chains; c++)
		bounds->issued[c] = atomic_load(&state->chain[c].issued);
}
