// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Volumes in files of a folder: FOLDER/VOLUME-ID.img, sparse, and
 * FOLDER/VOLUME-ID.meta. A device above them gets loop devices (loop.h).
 * The folder is told from another one of its name (state_folder_id).
 *
 * A snapshot is FOLDER/VOLUME-ID.NAME.snap, with an id of its own.
 */
#include "driver.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file-copy.h"
#include "loop.h"
#include "state-file.h"

static int name_file(char path[PATH_MAX], const struct made *m,
		     const char *suffix, struct error *err)
{
	if (snprintf(path, PATH_MAX, "%s/%s-%016" PRIx64 "%s", m->place,
		     m->volume, m->id, suffix) < PATH_MAX)
		return 0;
	return error_set(err, -ENAMETOOLONG, "the name of the folder %.100s "
			 "is too long", m->place);
}

static int file_plan(struct made *m, const struct section *backend,
		     struct error *err)
{
	if (!backend->folder || *backend->folder != '/')
		return error_set(err, -EINVAL, "[backend %s]: want folder=, an "
				 "absolute path", backend->name);
	if (snprintf(m->place, PATH_MAX, "%s", backend->folder) >= PATH_MAX)
		return error_set(err, -ENAMETOOLONG, "the name of the folder "
				 "%.100s is too long", backend->folder);
	return name_file(m->base, m, ".img", err) ?:
	       name_file(m->metadata, m, ".meta", err);
}

static int make_file(const char *path, uint64_t bytes, struct error *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int ret = fd < 0 || ftruncate(fd, bytes) || fsync(fd) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return ret ? error_set(err, ret, "%.180s: %s", path, strerror(-ret)) :
		     0;
}

static int open_place(const struct made *m, int *fd, struct error *err)
{
	*fd = open(m->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? error_set(err, -errno, "folder=%.180s: %s", m->place,
				   strerror(errno)) : 0;
}

static int sync_place(const struct made *m, int fd, struct error *err)
{
	return fsync(fd) ? error_set(err, -errno, "folder=%.180s: %s",
				     m->place, strerror(errno)) : 0;
}

static int read_place_id(const struct made *m, char id[MADE_NAME_LEN],
			 struct error *err)
{
	int ret = state_folder_id(m->place, id);

	return ret ? error_set(err, ret, "folder=%.180s: %s", m->place,
			       strerror(-ret)) : 0;
}

/* Files cannot be made in what is no folder, but that is to be said first. */
static int file_check(struct made *m, struct error *err)
{
	int fd, ret = open_place(m, &fd, err);

	if (!ret)
		close(fd);
	return ret ?: read_place_id(m, m->place_id, err);
}

static int file_create(struct made *m, struct error *err)
{
	int fd, ret = open_place(m, &fd, err);

	if (ret)
		return ret;
	ret = make_file(m->base, m->bytes, err) ?:
	      make_file(m->metadata, driver_metadata_bytes(m->bytes), err) ?:
	      sync_place(m, fd, err);
	close(fd);
	return ret;
}

/* It is not made again where it is gone. */
static int grow_file(const char *path, uint64_t bytes, uint64_t *is,
		     struct error *err)
{
	int fd = open(path, O_RDWR | O_CLOEXEC), ret = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		ret = -errno;
	else if ((uint64_t)st.st_size < bytes &&
		 (ftruncate(fd, bytes) || fsync(fd) || fstat(fd, &st)))
		ret = -errno;
	if (fd >= 0)
		close(fd);
	*is = ret ? 0 : st.st_size;
	return ret ? error_set(err, ret, "%.180s: %s", path, strerror(-ret)) :
		     0;
}

/* V5; of what was promoted: M3. */
static int file_extend(struct made *m, struct error *err)
{
	uint64_t is;

	if (m->has_others_metadata)
		return grow_file(m->base, m->bytes, &m->bytes, err);
	return grow_file(m->metadata, driver_metadata_bytes(m->bytes), &is,
			 err) ?: grow_file(m->base, m->bytes, &m->bytes, err);
}

static int release(const char *path, struct error *err)
{
	int ret = loop_release(path);

	if (ret == -EBUSY)
		return error_set(err, ret, "%.180s is in use", path);
	return ret ? error_set(err, ret, "%.180s: %s", path, strerror(-ret)) :
		     0;
}

static int check_unused(const char *path, struct error *err)
{
	int ret = file_check_unused(path);

	if (ret == -EBUSY)
		return error_set(err, ret, "%.180s is in use", path);
	return ret ? error_set(err, ret, "%.180s: cannot tell whether it is in "
			       "use: %s", path, strerror(-ret)) : 0;
}

static int remove_file(const char *path, struct error *err)
{
	if (!unlink(path) || errno == ENOENT)
		return 0;
	return error_set(err, -errno, "%.180s: %s", path, strerror(errno));
}

/* V1. What is not in another folder is not gone. */
static int check_folder(const struct made *m, struct error *err)
{
	char id[MADE_NAME_LEN];
	int ret = read_place_id(m, id, err);

	if (ret || !*m->place_id || !strcmp(id, m->place_id))
		return ret;
	return error_set(err, -ENXIO, "folder=%.180s is not the one in which "
			 "it was made: is that mounted?", m->place);
}

static int check_place(const struct made *m, struct error *err)
{
	return !access(m->base, F_OK) && !access(m->metadata, F_OK) ? 0 :
	       check_folder(m, err);
}

static int file_find_base(const struct made *m, bool *is_there,
			  struct error *err)
{
	*is_there = !access(m->base, F_OK);
	return check_place(m, err);
}

/* The loop devices first: what is in use stays as it is. */
static int file_check_free(const struct made *m, struct error *err)
{
	return check_place(m, err) ?:
	       release(m->base, err) ?: release(m->metadata, err) ?:
	       check_unused(m->base, err) ?: check_unused(m->metadata, err);
}

/* The folder is open, so that it is not unmounted meanwhile. */
static int file_destroy(const struct made *m, struct error *err)
{
	int fd, ret = open_place(m, &fd, err);

	if (ret)
		return ret;
	ret = file_check_free(m, err) ?:
	      remove_file(m->base, err) ?: remove_file(m->metadata, err) ?:
	      sync_place(m, fd, err);
	close(fd);
	return ret;
}

/* --- snapshots ------------------------------------------------------------ */

static void file_snapshot_path(const struct made *m, const struct snapshot *s,
			       char *path)
{
	if (snprintf(path, PATH_MAX, "%s/%s-%016" PRIx64 ".%s.snap", m->place,
		     m->volume, s->id, s->name) >= PATH_MAX)
		*path = 0;	/* which is no file */
}

static int tell_copied(const char *from, const char *to, int ret,
		       struct error *err)
{
	if (ret == -EBUSY)
		return error_set(err, -EOPNOTSUPP, "%.120s is in use, and its "
				 "filesystem has no reflinks: it cannot be "
				 "copied as it is at one moment", from);
	if (ret == -ECANCELED)
		return error_set(err, ret, "replicad is stopping: %.120s was "
				 "not copied", from);
	return ret ? error_set(err, ret, "%.120s to %.120s: %s", from, to,
			       strerror(-ret)) : 0;
}

static int tell_size(const char *path, uint64_t *bytes, struct error *err)
{
	struct stat st;

	if (stat(path, &st))
		return error_set(err, -errno, "%.180s: %s", path,
				 strerror(errno));
	*bytes = st.st_size;
	return 0;
}

/* Without reflinks -EINPROGRESS: it has to be copied. */
static int reflink(const char *from, const char *to, struct error *err)
{
	int ret = file_reflink(from, to);

	return ret == -EOPNOTSUPP ? -EINPROGRESS :
	       tell_copied(from, to, ret, err);
}

static int copy_base(const char *from, const char *to, atomic_ullong *done,
		     struct error *err)
{
	return tell_copied(from, to, file_copy(from, to, done), err);
}

static int end_snapshot(const struct made *m, struct snapshot *s,
			const char *path, struct error *err)
{
	int fd, ret = open_place(m, &fd, err);

	if (ret)
		return ret;
	ret = tell_size(path, &s->bytes, err) ?: sync_place(m, fd, err);
	close(fd);
	return ret;
}

static int file_snapshot(const struct made *m, struct snapshot *s,
			 struct error *err)
{
	char path[PATH_MAX];

	file_snapshot_path(m, s, path);
	return check_place(m, err) ?: reflink(m->base, path, err) ?:
	       end_snapshot(m, s, path, err);
}

static int file_copy_snapshot(const struct made *m, struct snapshot *s,
			      atomic_ullong *done, struct error *err)
{
	char path[PATH_MAX];

	file_snapshot_path(m, s, path);
	return copy_base(m->base, path, done, err) ?:
	       end_snapshot(m, s, path, err);
}

/* What a clone is of. */
static void source_path(const struct made *from, const struct snapshot *s,
			char *path)
{
	if (s)
		file_snapshot_path(from, s, path);
	else
		snprintf(path, PATH_MAX, "%s", from->base);
}

static int file_copied(struct made *m, struct error *err)
{
	int fd, ret = open_place(m, &fd, err);

	if (ret)
		return ret;
	ret = tell_size(m->base, &m->bytes, err) ?:
	      make_file(m->metadata, driver_metadata_bytes(m->bytes), err) ?:
	      sync_place(m, fd, err);
	close(fd);
	return ret;
}

static int file_clone(struct made *m, const struct made *from,
		      const struct snapshot *s, struct error *err)
{
	char path[PATH_MAX];

	source_path(from, s, path);
	return check_place(m, err) ?: check_place(from, err) ?:
	       reflink(path, m->base, err) ?: file_copied(m, err);
}

static int file_copy_clone(const struct made *m, const struct made *from,
			   const struct snapshot *s, atomic_ullong *done,
			   struct error *err)
{
	char path[PATH_MAX];

	source_path(from, s, path);
	return copy_base(path, m->base, done, err);
}

static int file_check_snapshot_free(const struct made *m,
				    const struct snapshot *s,
				    struct error *err)
{
	char path[PATH_MAX];

	file_snapshot_path(m, s, path);
	if (access(path, F_OK))
		return check_folder(m, err);
	return release(path, err) ?: check_unused(path, err);
}

static int file_drop_snapshot(const struct made *m, const struct snapshot *s,
			      struct error *err)
{
	char path[PATH_MAX];
	int fd, ret = open_place(m, &fd, err);

	if (ret)
		return ret;
	file_snapshot_path(m, s, path);
	ret = file_check_snapshot_free(m, s, err) ?: remove_file(path, err) ?:
	      sync_place(m, fd, err);
	close(fd);
	return ret;
}

const struct driver driver_file = {
	.name = "file",
	.plan = file_plan,
	.check = file_check,
	.create = file_create,
	.extend = file_extend,
	.find_base = file_find_base,
	.check_free = file_check_free,
	.destroy = file_destroy,
	.clone = file_clone,
	.copy = file_copy_clone,
	.copied = file_copied,
	.copies_alone = true,
	.snapshot = file_snapshot,
	.copy_snapshot = file_copy_snapshot,
	.check_snapshot_free = file_check_snapshot_free,
	.drop_snapshot = file_drop_snapshot,
	.snapshot_path = file_snapshot_path,
};
