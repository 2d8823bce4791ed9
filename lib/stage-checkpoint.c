// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The checkpoint: how far the base is. Two copies, one after the other, each
 * synced before the next is begun: one is whole at any moment, and what may be
 * done after a checkpoint is done when both have it. So either is enough, if
 * the other cannot be read, or is not good.
 *
 * C1 what a recovery has read may be in the system's cache alone: a kill
 *    between a write and its sync, then a power cut, and an older one counts
 *    again. So it is written anew, and until that was done nothing that it
 *    allows is done: no segment goes, no base is touched
 *    [stage_checkpoint_confirm].
 * C2 it has the newest session of a member where the log has no room for that:
 *    it is there, and is written over in place. All that is written since has
 *    it, too, whoever writes it; and each has a number of its own, also after
 *    one that has failed, for that may be on the disk.
 * C3 the first to be written is the one that may not be good: where a power cut
 *    has torn one, or an error has, the other is all that there is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "stage-parts.h"

#define COPIES	2

static int checkpoint_open(struct stage_group *g, int flags, struct error *err)
{
	const struct stage_io *io = g->stage->io;
	char path[sizeof(g->dir) + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/checkpoint", g->dir);
	fd = io->open(io->arg, path, flags);
	if (fd < 0)
		error_set(err, fd, "%s: %s", path, strerror(-fd));
	return fd;
}

/* With its lock. C2 */
static int __write_copies(struct stage_group *g, struct stage_checkpoint *c,
			  struct error *err)
{
	const struct stage_io *io = g->stage->io;
	char block[STAGE_BLOCK_BYTES];
	int fd = checkpoint_open(g, O_RDWR | O_CREAT, err);
	int ret = 0;

	if (fd < 0)
		return fd;
	c->seq = ++g->written_seq;
	stage_checkpoint_encode(c, block);
	for (unsigned int n = 0, i = g->weak_copy; !ret && n < COPIES;
	     n++, i = (i + 1) % COPIES) {
		struct iovec iov = { block, sizeof(block) };

		g->weak_copy = stage_fault(C3) ? 0 : i;
		ret = io->pwritev(io->arg, fd, &iov, 1, i * sizeof(block));
		if (!ret && !stage_fault(C2))
			ret = io->sync(io->arg, fd);
	}
	io->close(io->arg, fd);
	g->is_checkpoint_sure = !ret;
	if (!ret)
		g->written = *c;
	return ret ? error_set(err, ret, "%s: writing the checkpoint: %s",
			       g->name, strerror(-ret)) : 0;
}

static int __write(struct stage_group *g, const struct stage_checkpoint *c,
		   struct error *err)
{
	struct stage_checkpoint new = *c;

	memcpy(new.sessions, g->written.sessions, sizeof(new.sessions));
	return __write_copies(g, &new, err);
}

int stage_checkpoint_write(struct stage_group *g,
			   const struct stage_checkpoint *c, struct error *err)
{
	int ret;

	pthread_mutex_lock(&g->checkpoint_lock);
	ret = __write(g, c, err);
	pthread_mutex_unlock(&g->checkpoint_lock);
	return ret;
}

int stage_checkpoint_confirm(struct stage_group *g, struct error *err)
{
	int ret;

	pthread_mutex_lock(&g->checkpoint_lock);
	ret = g->is_checkpoint_sure ? 0 : __write(g, &g->checkpoint, err);
	pthread_mutex_unlock(&g->checkpoint_lock);
	return ret;
}

int stage_checkpoint_keep(struct stage_group *g, uint32_t member,
			  const struct replica_session *s, struct error *err)
{
	struct stage_checkpoint new;
	int ret;

	if (member >= STAGE_SESSIONS_MAX)
		return 0;
	pthread_mutex_lock(&g->checkpoint_lock);
	new = g->written;
	new.sessions[member] = *s;
	ret = __write_copies(g, &new, err);
	pthread_mutex_unlock(&g->checkpoint_lock);
	return ret;
}

struct copies {
	char block[COPIES][STAGE_BLOCK_BYTES];
	int error[COPIES];		/* of reading it */
};

/* By its number, of those that are good. C3 */
static int pick(struct stage_group *g, const struct copies *copies,
		struct stage_checkpoint *c, struct error *err)
{
	struct stage_checkpoint copy;
	unsigned int nr_good = 0;
	int ret;

	for (unsigned int i = 0; i < COPIES; i++) {
		ret = copies->error[i] ?:
		      stage_checkpoint_decode(&copy, copies->block[i]);
		if (ret == -EPROTONOSUPPORT)
			return error_set(err, ret, "%s: the checkpoint is of a "
					 "newer format", g->name);
		if (ret || memcmp(copy.log_id, g->log_id, 16)) {
			g->weak_copy = i;
			continue;
		}
		if (!nr_good || copy.seq > c->seq)
			*c = copy;
		nr_good++;
	}
	if (!nr_good)
		return error_set(err, -EIO, "%s: neither copy of the "
				 "checkpoint is good", g->name);
	/* What is not good may have been tried, and be read again. C2 */
	g->written_seq = c->seq + (nr_good < COPIES);
	if (stage_fault(C3))
		g->weak_copy = 0;
	return 0;
}

static int read_copy(struct stage_group *g, int fd, char *block, uint64_t off)
{
	ssize_t len = stage_pread(g->stage->io, fd, block, STAGE_BLOCK_BYTES,
				  off);

	return len < 0 ? len : len < STAGE_BLOCK_BYTES ? -EBADMSG : 0;
}

int stage_checkpoint_read(struct stage_group *g, struct stage_checkpoint *c,
			  struct error *err)
{
	const struct stage_io *io = g->stage->io;
	int fd = checkpoint_open(g, O_RDONLY, err), ret;
	struct copies copies;

	if (fd < 0)
		return fd;
	for (unsigned int i = 0; i < COPIES; i++)
		copies.error[i] = read_copy(g, fd, copies.block[i],
					    i * STAGE_BLOCK_BYTES);
	io->close(io->arg, fd);
	ret = pick(g, &copies, c, err);
	for (unsigned int i = 0; ret == -EIO && i < COPIES; i++)
		if (copies.error[i] && copies.error[i] != -EBADMSG)
			return error_set(err, copies.error[i], "%s: reading "
					 "the checkpoint: %s", g->name,
					 strerror(-copies.error[i]));
	g->written = *c;
	return ret;
}
