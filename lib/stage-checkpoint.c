// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The checkpoint: how far the base is. Two copies, one after the other, each
 * synced before the next is begun: one is whole at any moment, and what may be
 * done after a checkpoint is done when both have it.
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
	for (int i = 0; !ret && i < COPIES; i++) {
		struct iovec iov = { block, sizeof(block) };

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

static int pick(struct stage_group *g, const char *blocks, ssize_t len,
		struct stage_checkpoint *c, struct error *err)
{
	struct stage_checkpoint copy;
	bool is_found = false;
	int ret = -EBADMSG;

	for (int i = 0; i < COPIES; i++) {
		if (len < (i + 1) * STAGE_BLOCK_BYTES)
			break;
		ret = stage_checkpoint_decode(&copy, blocks +
					      i * STAGE_BLOCK_BYTES);
		if (ret == -EPROTONOSUPPORT)
			break;
		if (ret || memcmp(copy.log_id, g->log_id, 16))
			continue;
		if (!is_found || copy.seq > c->seq)
			*c = copy;
		is_found = true;
	}
	if (ret == -EPROTONOSUPPORT)
		return error_set(err, ret, "%s: the checkpoint is of a newer "
				 "format", g->name);
	return is_found ? 0 : error_set(err, -EIO, "%s: neither copy of the "
					"checkpoint is good", g->name);
}

int stage_checkpoint_read(struct stage_group *g, struct stage_checkpoint *c,
			  struct error *err)
{
	const struct stage_io *io = g->stage->io;
	char blocks[COPIES * STAGE_BLOCK_BYTES];
	int fd = checkpoint_open(g, O_RDONLY, err);
	ssize_t len;

	if (fd < 0)
		return fd;
	len = stage_pread(io, fd, blocks, sizeof(blocks), 0);
	io->close(io->arg, fd);
	if (len < 0)
		return error_set(err, len, "%s: reading the checkpoint: %s",
				 g->name, strerror(-len));
	len = pick(g, blocks, len, c, err);
	g->written = *c;
	g->written_seq = c->seq;
	return len;
}
