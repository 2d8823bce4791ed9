// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * I1 A file gets its name when it is whole. On a device the superblocks are
 *    zeros, durably, until all bits are on disk: what is half done is new, and
 *    a new one is wholly dirty.
 * I2 What belongs to another volume, or to anything else that is known by its
 *    first 128 KiB (a member of an array, a filesystem), is never written over.
 * I3 It is made in memory: no error of the place it goes to can end us.
 */
#include "metadata-file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/dm-replica.h>

#include "format.h"

#define CHUNK_MIN	8		/* sectors; both as the kernel has it */
#define CHUNK_MAX	2048
#define REGION		8192
#define REGION_CHUNKS	64		/* at least */
#define LOOK_BYTES	(128 * 1024)	/* where others have their magic */
#define SECTOR		512

struct metadata_file {
	char path[PATH_MAX];
	char written[PATH_MAX];		/* the same, or a name beside it */
	struct dmr_layout layout;
	struct dmr_super super;
	uint32_t chunk_bytes;
	bool is_device;
	int fd;
	bool is_begun, is_done;
	char *map;			/* I3 */
	size_t len;
};

static int fail(const struct metadata_file *f, int code, struct error *err)
{
	return error_set(err, code, "%.180s: %s", f->path, strerror(-code));
}

/* --- what it says --------------------------------------------------------- */

static int set_layout(struct metadata_file *f, const struct replica_header *h,
		      struct error *err)
{
	uint32_t chunk = h->chunk_bytes / 512, region = REGION;

	chunk = chunk < CHUNK_MIN ? CHUNK_MIN : chunk;
	chunk = chunk > CHUNK_MAX ? CHUNK_MAX : chunk;
	if (region / chunk < REGION_CHUNKS)
		region = chunk * REGION_CHUNKS;
	f->chunk_bytes = chunk * 512;
	if (dmr_layout_init(&f->layout, h->volume_bytes / 512, chunk, region))
		return 0;
	return error_set(err, -EINVAL, "a volume of %" PRIu64 " bytes has too "
			 "many regions", h->volume_bytes);
}

static void set_super(struct metadata_file *f, const struct replica_header *h)
{
	struct dmr_super *s = &f->super;

	s->sequence = 1;
	memcpy(s->volume_id, h->volume_id, sizeof(s->volume_id));
	s->sectors = f->layout.sectors;
	s->chunk_sectors = f->layout.chunk_sectors;
	s->region_sectors = f->layout.region_sectors;
	s->role = DMR_ROLE_PRIMARY;
	s->generation = h->generation;
	s->last_committed = h->last_clean;
	s->highest_seen = h->highest_seen;
	s->last_write = s->last_contact = time(NULL);
	for (uint32_t i = 0; i < h->nr_ancestors &&
	     s->nr_ancestors < DMR_MAX_ANCESTORS; i++) {
		struct dmr_ancestor *a = &s->ancestors[s->nr_ancestors++];

		a->generation = h->ancestors[i].generation;
		a->end_epoch = h->ancestors[i].end_epoch;
	}
}

/* --- where it goes -------------------------------------------------------- */

static bool is_zero(const char *data, size_t len)
{
	static const char zeros[DMR_BLOCK_SIZE];

	for (size_t part; len; data += part, len -= part) {
		part = len < sizeof(zeros) ? len : sizeof(zeros);
		if (memcmp(data, zeros, part))
			return false;
	}
	return true;
}

/* Zeros, or what a try of ours that has not ended has left there (I1). */
static bool is_new(const struct metadata_file *f, char *data, size_t len)
{
	size_t supers = DMR_NR_SUPERS * DMR_BLOCK_SIZE;

	if (!is_zero(data, len < supers ? len : supers))
		return false;
	for (size_t at = supers; at < len; at += SECTOR) {
		uint64_t nr = at / DMR_BLOCK_SIZE;
		size_t part = len - at < SECTOR ? len - at : SECTOR;
		unsigned int bit = at % DMR_BLOCK_SIZE / SECTOR;

		if (!is_zero(data + at, part) &&
		    (nr >= f->layout.nr_blocks || part < SECTOR ||
		     dmr_block_check(data + nr * DMR_BLOCK_SIZE,
				     f->super.volume_id, nr, 1U << bit)))
			return false;
	}
	return true;
}

static bool is_ours(const struct metadata_file *f, const char *data)
{
	struct dmr_super old;
	const char *why;

	return dmr_super_choose(data, data + DMR_BLOCK_SIZE, &old, &why) >= 0 &&
	       !memcmp(old.volume_id, f->super.volume_id, 16);
}

/* I2 */
static int check_old(const struct metadata_file *f, int fd, struct error *err)
{
	char *data = calloc(1, LOOK_BYTES);
	ssize_t n = data ? pread(fd, data, LOOK_BYTES, 0) : -1;
	int ret = 0;

	if (n < 0)
		ret = fail(f, data ? -errno : -ENOMEM, err);
	else if (!is_ours(f, data) && !is_new(f, data, n))
		ret = error_set(err, -EEXIST, "%.180s: has something that is "
				"not of this volume: clear its first 128 KiB, "
				"or name another", f->path);
	free(data);
	return ret;
}

static int check_size(const struct metadata_file *f, int fd, struct error *err)
{
	uint64_t bytes;

	if (ioctl(fd, BLKGETSIZE64, &bytes))
		return fail(f, -errno, err);
	return bytes >= f->len ? 0 :
	       error_set(err, -ENOSPC, "%.180s: has %" PRIu64 " bytes, %zu are "
			 "needed", f->path, bytes, f->len);
}

static int check_place(struct metadata_file *f, struct error *err)
{
	int fd = open(f->path, O_RDONLY | O_CLOEXEC), ret = 0;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : fail(f, -errno, err);
	if (fstat(fd, &st))
		ret = fail(f, -errno, err);
	f->is_device = !ret && S_ISBLK(st.st_mode);
	if (!ret && !f->is_device && !S_ISREG(st.st_mode))
		ret = error_set(err, -EINVAL, "%.180s: is neither a file nor a "
				"block device", f->path);
	if (!ret)
		ret = check_old(f, fd, err);
	if (!ret && f->is_device)
		ret = check_size(f, fd, err);
	close(fd);
	return ret;
}

static int init(struct metadata_file *f, const char *path,
		const struct replica_header *h, struct error *err)
{
	int ret;

	memset(f, 0, sizeof(*f));
	f->fd = -1;
	snprintf(f->path, sizeof(f->path), "%s", path);
	ret = set_layout(f, h, err);
	if (ret)
		return ret;
	f->len = f->layout.nr_blocks * DMR_BLOCK_SIZE;
	set_super(f, h);
	return check_place(f, err);
}

int metadata_file_check(const char *path, const struct replica_header *h,
			struct error *err)
{
	struct metadata_file f;

	return init(&f, path, h, err);
}

/* --- writing -------------------------------------------------------------- */

static int write_at(const struct metadata_file *f, uint64_t at, uint64_t end)
{
	while (at < end) {
		ssize_t n = pwrite(f->fd, f->map + at, end - at, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		at += n;
	}
	return 0;
}

static int write_blocks(const struct metadata_file *f, uint64_t nr,
			uint64_t end)
{
	int ret = write_at(f, nr * DMR_BLOCK_SIZE, end * DMR_BLOCK_SIZE);

	return ret ? ret : fsync(f->fd) ? -errno : 0;
}

static int open_it(struct metadata_file *f)
{
	int flags = O_RDWR | O_CLOEXEC |
		    (f->is_device ? O_EXCL : O_CREAT | O_TRUNC);

	if (snprintf(f->written, sizeof(f->written), "%s%s", f->path,
		     f->is_device ? "" : ".new") >= PATH_MAX)
		return -ENAMETOOLONG;
	f->map = calloc(1, f->len);
	if (!f->map)
		return -ENOMEM;
	f->fd = open(f->written, flags, 0600);
	if (f->fd < 0)
		return -errno;
	f->is_begun = true;
	if (!f->is_device)
		return -posix_fallocate(f->fd, 0, f->len);
	return write_blocks(f, 0, DMR_NR_SUPERS);		/* I1 */
}

int metadata_file_begin(struct metadata_file **out, const char *path,
			const struct replica_header *h, struct error *err)
{
	struct metadata_file *f = malloc(sizeof(*f));
	int ret;

	if (!f)
		return error_set(err, -ENOMEM, "no memory");
	ret = init(f, path, h, err);
	if (!ret) {
		ret = open_it(f);
		if (ret)
			fail(f, ret, err);
	}
	if (ret)
		metadata_file_give_up(f);
	else
		*out = f;
	return ret;
}

int metadata_file_mark(void *arg, uint64_t off, uint64_t len)
{
	struct metadata_file *f = arg;
	uint64_t at = off / f->chunk_bytes;
	uint64_t end = (off + len + f->chunk_bytes - 1) / f->chunk_bytes;

	while (at < end) {
		uint64_t block = dmr_layout_chunk_block(&f->layout, at);
		unsigned int bit = at % DMR_BLOCK_BITS;
		uint64_t count = end - at;

		if (count > DMR_BLOCK_BITS - bit)
			count = DMR_BLOCK_BITS - bit;
		dmr_block_set(f->map + block * DMR_BLOCK_SIZE, bit, count);
		at += count;
	}
	return 0;
}

static int sync_folder(const char *path)
{
	char copy[PATH_MAX];
	int fd, ret;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = fsync(fd) ? -errno : 0;
	close(fd);
	return ret;
}

/* I1 */
static int finish(struct metadata_file *f)
{
	int ret;

	for (uint64_t nr = DMR_NR_SUPERS; nr < f->layout.nr_blocks; nr++)
		dmr_block_seal(f->map + nr * DMR_BLOCK_SIZE,
			       f->super.volume_id, nr, DMR_ALL_SECTORS);
	ret = write_blocks(f, DMR_NR_SUPERS, f->layout.nr_blocks);
	dmr_super_encode(&f->super, f->map + DMR_BLOCK_SIZE);
	f->super.sequence++;
	if (!ret)
		ret = write_blocks(f, 1, 2);
	dmr_super_encode(&f->super, f->map);
	if (!ret)
		ret = write_blocks(f, 0, 1);
	if (!ret && !f->is_device && rename(f->written, f->path))
		ret = -errno;
	f->is_done = !ret;
	return ret || f->is_device ? ret : sync_folder(f->path);
}

int metadata_file_end(struct metadata_file *f, struct error *err)
{
	int ret = finish(f);

	if (ret)
		fail(f, ret, err);
	metadata_file_give_up(f);
	return ret;
}

void metadata_file_give_up(struct metadata_file *f)
{
	if (f->is_begun && !f->is_done && !f->is_device)
		unlink(f->written);
	if (f->fd >= 0)
		close(f->fd);
	free(f->map);
	free(f);
}
