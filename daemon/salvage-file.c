// SPDX-License-Identifier: GPL-2.0-or-later
#include "salvage-file.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <isa-l/crc.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC		"dmrsalvg"
#define SALVAGE_VERSION	1
#define FRONT_BYTES	4096
#define PIECE_BYTES	(1U << 20)
#define EXTENT_MOST	(16U << 20)	/* to be checked for one byte of it */
#define MAX_EXTENTS	(1ULL << 32)

struct front {
	char magic[8];
	uint32_t crc, version;
	uint64_t nr_extents, data_bytes, volume_bytes, generation, epoch;
	uint64_t last_clean, last_partial, time, cut_time;
	char volume[64];
};

struct disk_extent {
	uint64_t off, len;
	uint32_t crc, reserved;
};

static_assert(sizeof(struct front) == 152 && sizeof(struct disk_extent) == 24,
	      "as on disk");

struct salvage_writer {
	char path[PATH_MAX], tmp[PATH_MAX];
	struct salvage_info info;
	struct salvage_extent *extents;
	size_t max;
	int fd;
};

static uint32_t crc_of(uint32_t crc, const void *data, size_t len)
{
	return crc32_iscsi((unsigned char *)data, len, crc);
}

static int fail(const char *path, int code, struct error *err)
{
	return error_set(err, code, "%.180s: %s", path, strerror(-code));
}

static int write_at(int fd, const void *buf, size_t len, uint64_t off)
{
	const char *at = buf;

	while (len) {
		ssize_t n = pwrite(fd, at, len, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		at += n;
		off += n;
		len -= n;
	}
	return 0;
}

static int read_at(int fd, void *buf, size_t len, uint64_t off)
{
	char *at = buf;

	while (len) {
		ssize_t n = pread(fd, at, len, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EBADMSG;
		at += n;
		off += n;
		len -= n;
	}
	return 0;
}

/* And the one above it: the folder may have been made for the first one. */
static int sync_folder(const char *path)
{
	char copy[PATH_MAX];
	int fd, up, ret;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	up = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ret = up < 0 || fsync(fd) || fsync(up) ? -errno : 0;
	if (up >= 0)
		close(up);
	close(fd);
	return ret;
}

/* --- making one ----------------------------------------------------------- */

int salvage_begin(struct salvage_writer **out, const char *path,
		  const struct salvage_info *info, struct error *err)
{
	struct salvage_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return error_set(err, -ENOMEM, "no memory");
	w->info = *info;
	w->info.nr_extents = w->info.data_bytes = 0;
	snprintf(w->path, sizeof(w->path), "%s", path);
	if (snprintf(w->tmp, sizeof(w->tmp), "%s.new", path) >= PATH_MAX) {
		free(w);
		return fail(path, -ENAMETOOLONG, err);
	}
	w->fd = open(w->tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (w->fd < 0) {
		int code = -errno;

		free(w);
		return fail(path, code, err);
	}
	*out = w;
	return 0;
}

static int grow(struct salvage_writer *w)
{
	size_t max = w->max ? 2 * w->max : 1024;
	struct salvage_extent *more;

	if (w->info.nr_extents < w->max)
		return 0;
	more = realloc(w->extents, max * sizeof(*more));
	if (!more)
		return -ENOMEM;
	w->extents = more;
	w->max = max;
	return 0;
}

static bool joins(const struct salvage_writer *w, uint64_t off)
{
	const struct salvage_extent *last;

	if (!w->info.nr_extents)
		return false;
	last = &w->extents[w->info.nr_extents - 1];
	return last->off + last->len == off && last->len < EXTENT_MOST;
}

int salvage_add(struct salvage_writer *w, uint64_t off, const void *data,
		size_t len, struct error *err)
{
	struct salvage_extent *e;
	int ret = write_at(w->fd, data, len, FRONT_BYTES + w->info.data_bytes);

	if (!ret)
		ret = grow(w);
	if (ret)
		return fail(w->path, ret, err);
	if (!joins(w, off))
		w->extents[w->info.nr_extents++] = (struct salvage_extent) {
			.off = off,
			.crc = ~0U,
		};
	e = &w->extents[w->info.nr_extents - 1];
	e->len += len;
	e->crc = crc_of(e->crc, data, len);
	w->info.data_bytes += len;
	return 0;
}

static int write_table(struct salvage_writer *w)
{
	uint64_t at = FRONT_BYTES + w->info.data_bytes;
	int ret = 0;

	for (uint64_t i = 0; !ret && i < w->info.nr_extents; i++) {
		const struct disk_extent d = {
			.off = htole64(w->extents[i].off),
			.len = htole64(w->extents[i].len),
			.crc = htole32(w->extents[i].crc),
		};

		ret = write_at(w->fd, &d, sizeof(d), at);
		at += sizeof(d);
	}
	return ret;
}

static uint32_t front_crc(const char *block)
{
	size_t from = offsetof(struct front, version);

	return crc_of(~0U, block + from, FRONT_BYTES - from);
}

static int write_front(struct salvage_writer *w)
{
	const struct salvage_info *i = &w->info;
	char block[FRONT_BYTES] = "";
	struct front f = {
		.magic = MAGIC,
		.version = htole32(SALVAGE_VERSION),
		.nr_extents = htole64(i->nr_extents),
		.data_bytes = htole64(i->data_bytes),
		.volume_bytes = htole64(i->volume_bytes),
		.generation = htole64(i->generation),
		.epoch = htole64(i->epoch),
		.last_clean = htole64(i->last_clean),
		.last_partial = htole64(i->last_partial),
		.time = htole64(i->time),
		.cut_time = htole64(i->cut_time),
	};

	memcpy(f.volume, i->volume, sizeof(f.volume));
	memcpy(block, &f, sizeof(f));
	f.crc = htole32(front_crc(block));
	memcpy(block, &f, sizeof(f));
	return write_at(w->fd, block, sizeof(block), 0);
}

int salvage_end(struct salvage_writer *w, struct error *err)
{
	int ret = write_table(w);

	if (!ret)
		ret = write_front(w);
	if (!ret && (fsync(w->fd) || rename(w->tmp, w->path)))
		ret = -errno;
	if (!ret)
		ret = sync_folder(w->path);
	if (ret)
		fail(w->path, ret, err);
	else
		w->tmp[0] = 0;
	salvage_give_up(w);
	return ret;
}

void salvage_give_up(struct salvage_writer *w)
{
	if (w->tmp[0])
		unlink(w->tmp);
	close(w->fd);
	free(w->extents);
	free(w);
}

/* --- reading one ---------------------------------------------------------- */

static void take_front(struct salvage_info *i, const struct front *f)
{
	memcpy(i->volume, f->volume, sizeof(i->volume));
	i->volume[sizeof(i->volume) - 1] = 0;
	i->nr_extents = le64toh(f->nr_extents);
	i->data_bytes = le64toh(f->data_bytes);
	i->volume_bytes = le64toh(f->volume_bytes);
	i->generation = le64toh(f->generation);
	i->epoch = le64toh(f->epoch);
	i->last_clean = le64toh(f->last_clean);
	i->last_partial = le64toh(f->last_partial);
	i->time = le64toh(f->time);
	i->cut_time = le64toh(f->cut_time);
}

static bool has_size(int fd, const struct salvage_info *i)
{
	struct stat st;

	return !fstat(fd, &st) &&
	       (uint64_t)st.st_size == FRONT_BYTES + i->data_bytes +
	       i->nr_extents * sizeof(struct disk_extent);
}

static int read_front(int fd, struct salvage_info *info)
{
	char block[FRONT_BYTES];
	struct front f;
	int ret = read_at(fd, block, sizeof(block), 0);

	if (ret)
		return ret;
	memcpy(&f, block, sizeof(f));
	if (memcmp(f.magic, MAGIC, sizeof(f.magic)) ||
	    le32toh(f.crc) != front_crc(block))
		return -EBADMSG;
	if (le32toh(f.version) != SALVAGE_VERSION)
		return -EPROTONOSUPPORT;
	take_front(info, &f);
	return info->nr_extents < MAX_EXTENTS && has_size(fd, info) ? 0 :
	       -EBADMSG;
}

/* They ascend, and have the data that there is. */
static int take_table(struct salvage *s, const struct disk_extent *d)
{
	uint64_t end = 0, bytes = 0;

	for (uint64_t i = 0; i < s->info.nr_extents; i++) {
		struct salvage_extent *e = &s->extents[i];

		e->off = le64toh(d[i].off);
		e->len = le64toh(d[i].len);
		e->crc = le32toh(d[i].crc);
		e->at = FRONT_BYTES + bytes;
		if (e->off < end || e->len > s->info.volume_bytes ||
		    e->off > s->info.volume_bytes - e->len)
			return -EBADMSG;
		end = e->off + e->len;
		bytes += e->len;
	}
	return bytes == s->info.data_bytes ? 0 : -EBADMSG;
}

static int read_table(struct salvage *s)
{
	size_t nr = s->info.nr_extents;
	struct disk_extent *d = calloc(nr + 1, sizeof(*d));
	int ret;

	s->extents = calloc(nr + 1, sizeof(*s->extents));
	ret = !d || !s->extents ? -ENOMEM :
	      read_at(s->fd, d, nr * sizeof(*d),
		      FRONT_BYTES + s->info.data_bytes);
	if (!ret)
		ret = take_table(s, d);
	free(d);
	return ret;
}

static int tell(const char *path, int code, struct error *err)
{
	return code == -EBADMSG ?
	       error_set(err, code, "%.180s: is no salvage, or damaged", path) :
	       fail(path, code, err);
}

/* Whatever has such a name: a pipe is not waited for. */
static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -EBADMSG;
}

int salvage_look(struct salvage_info *info, const char *path,
		 struct error *err)
{
	int fd = open_file(path);
	int ret = fd < 0 ? fd : read_front(fd, info);

	if (fd >= 0)
		close(fd);
	return ret ? tell(path, ret, err) : 0;
}

int salvage_open(struct salvage *s, const char *path, struct error *err)
{
	int ret;

	memset(s, 0, sizeof(*s));
	snprintf(s->path, sizeof(s->path), "%s", path);
	s->fd = open_file(path);
	ret = s->fd < 0 ? s->fd : read_front(s->fd, &s->info);
	if (!ret)
		ret = read_table(s);
	if (!ret)
		return 0;
	salvage_close(s);
	return tell(path, ret, err);
}

void salvage_close(struct salvage *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	free(s->extents);
	s->extents = NULL;
}

/* To @out, or nowhere (-1). */
static int copy_extent(const struct salvage *s, const struct salvage_extent *e,
		       int out, char *buf)
{
	uint32_t crc = ~0U;
	uint64_t done = 0;
	int ret = 0;

	while (!ret && done < e->len) {
		size_t part = e->len - done < PIECE_BYTES ? e->len - done :
							    PIECE_BYTES;

		ret = read_at(s->fd, buf, part, e->at + done);
		if (!ret && out >= 0)
			ret = write_at(out, buf, part, e->off + done);
		crc = crc_of(crc, buf, part);
		done += part;
	}
	return ret ? ret : crc == e->crc ? 0 : -EBADMSG;
}

static int check_extent(const struct salvage *s, struct salvage_extent *e)
{
	char *buf;
	int ret;

	if (e->is_checked)
		return 0;
	buf = malloc(PIECE_BYTES);
	ret = buf ? copy_extent(s, e, -1, buf) : -ENOMEM;
	free(buf);
	e->is_checked = !ret;
	return ret;
}

/* The first extent that ends behind @off, or their number. */
static uint64_t find_extent(const struct salvage *s, uint64_t off)
{
	uint64_t low = 0, high = s->info.nr_extents, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (s->extents[mid].off + s->extents[mid].len <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int salvage_read(struct salvage *s, void *buf, size_t len, uint64_t off)
{
	struct salvage_extent *e = s->extents + find_extent(s, off);
	const struct salvage_extent *last = s->extents + s->info.nr_extents;
	uint64_t from, to, end = off + len;
	int ret = 0;

	memset(buf, 0, len);
	for (; !ret && e < last && e->off < end; e++) {
		from = e->off > off ? e->off : off;
		to = e->off + e->len < end ? e->off + e->len : end;
		ret = check_extent(s, e);
		if (!ret)
			ret = read_at(s->fd, (char *)buf + (from - off),
				      to - from, e->at + (from - e->off));
	}
	return ret;
}

int salvage_export(const struct salvage *s, const char *path,
		   struct error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char *buf = malloc(PIECE_BYTES);
	int ret = fd < 0 ? -errno : buf ? 0 : -ENOMEM;

	if (!ret && ftruncate(fd, s->info.volume_bytes))
		ret = -errno;
	for (uint64_t i = 0; !ret && i < s->info.nr_extents; i++)
		ret = copy_extent(s, &s->extents[i], fd, buf);
	if (!ret && fsync(fd))
		ret = -errno;
	if (fd >= 0)
		close(fd);
	free(buf);
	if (ret == -EBADMSG)
		return error_set(err, ret, "%.180s: its data is damaged",
				 s->path);
	return ret ? fail(path, ret, err) : 0;
}
