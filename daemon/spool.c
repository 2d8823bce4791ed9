// SPDX-License-Identifier: GPL-2.0-or-later
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct spool {
	int fd;
	uint32_t slot_bytes;
	uint32_t nr_free;
	uint32_t *free_slots;		/* a stack of nr_free */
};

static int refuse(int err, char *text, size_t text_len, const char *path,
		  const char *why)
{
	snprintf(text, text_len, "spool %.150s: %s", path, why);
	return err;
}

/* With O_DIRECT if the file system has it. */
static int open_direct(const char *path, int flags)
{
	int fd = open(path, flags | O_RDWR | O_CLOEXEC | O_DIRECT, 0600);

	if (fd < 0 && errno == EINVAL)
		fd = open(path, flags | O_RDWR | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static int open_file(const char *path)
{
	int fd = open_direct(path, O_CREAT | O_NOFOLLOW);

	if (fd >= 0)
		unlink(path);
	return fd;
}

static int open_path(const char *path, char *text, size_t text_len)
{
	struct stat st;
	int fd;

	if (stat(path, &st))
		fd = errno == ENOENT ? open_file(path) : -errno;
	else if (S_ISDIR(st.st_mode))
		fd = open_direct(path, O_TMPFILE);
	else if (S_ISBLK(st.st_mode))
		fd = open_direct(path, O_EXCL);
	else if (S_ISREG(st.st_mode) && st.st_size == 0)
		fd = open_file(path);
	else
		return refuse(-EEXIST, text, text_len, path,
			      "it exists and is not empty");
	if (fd == -EBUSY)
		return refuse(fd, text, text_len, path,
			      "the device is in use");
	return fd < 0 ? refuse(fd, text, text_len, path, strerror(-fd)) : fd;
}

static int reserve(int fd, uint64_t bytes)
{
	struct stat st;
	uint64_t size;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISBLK(st.st_mode))
		return fallocate(fd, 0, 0, bytes) && errno != EOPNOTSUPP ?
			-errno : 0;
	if (ioctl(fd, BLKGETSIZE64, &size))
		return -errno;
	return size < bytes ? -ENOSPC : 0;
}

static struct spool *spool_alloc(int fd, uint32_t nr_slots,
				 uint32_t slot_bytes)
{
	struct spool *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->free_slots = malloc(nr_slots * sizeof(*s->free_slots));
	if (!s->free_slots) {
		free(s);
		return NULL;
	}
	s->fd = fd;
	s->slot_bytes = slot_bytes;
	s->nr_free = nr_slots;
	for (uint32_t i = 0; i < nr_slots; i++)
		s->free_slots[i] = nr_slots - 1 - i;
	return s;
}

int spool_create(struct spool **s, const char *path, uint64_t bytes,
		 uint32_t slot_bytes, char *text, size_t text_len)
{
	uint64_t nr = bytes / slot_bytes;
	int fd, err;

	*s = NULL;
	if (!nr || nr > UINT32_MAX)
		return refuse(-EINVAL, text, text_len, path,
			      "its size must be between one buffer and 2^32 "
			      "buffers");
	fd = open_path(path, text, text_len);
	if (fd < 0)
		return fd;
	err = reserve(fd, nr * slot_bytes);
	if (!err) {
		*s = spool_alloc(fd, nr, slot_bytes);
		err = *s ? 0 : -ENOMEM;
	}
	if (err) {
		close(fd);
		refuse(err, text, text_len, path, strerror(-err));
	}
	return err;
}

void spool_destroy(struct spool *s)
{
	if (!s)
		return;
	close(s->fd);
	free(s->free_slots);
	free(s);
}

int64_t spool_get(struct spool *s)
{
	return s->nr_free ? (int64_t)s->free_slots[--s->nr_free] : -ENOSPC;
}

void spool_put(struct spool *s, uint32_t slot)
{
	s->free_slots[s->nr_free++] = slot;
}

void spool_write(struct spool *s, struct xfer *x, struct ring *ring,
		 uint32_t slot, const void *buf, uint32_t len)
{
	xfer_write(x, ring, s->fd, buf, len, (uint64_t)slot * s->slot_bytes);
}

void spool_read(struct spool *s, struct xfer *x, struct ring *ring,
		uint32_t slot, void *buf, uint32_t len)
{
	xfer_read(x, ring, s->fd, buf, len, (uint64_t)slot * s->slot_bytes);
}
