// SPDX-License-Identifier: GPL-2.0-or-later
#include "state-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

#define MAX_STATE_FILE	(1024 * 1024)
#define SCHEMA_VERSION	1

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define CLOSED_AT_END	__attribute__((cleanup(close_fd)))

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t done = write(fd, text, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		text += done;
		len -= done;
	}
	return fsync(fd) ? -errno : 0;
}

static int write_new(const char *path, const char *text, size_t len)
{
	CLOSED_AT_END int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC |
				    O_CLOEXEC, 0600);

	return fd < 0 ? -errno : write_all(fd, text, len);
}

int state_folder_sync(const char *path)
{
	CLOSED_AT_END int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) ? -errno : 0;
}

static int sync_folder_of(const char *path)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	return state_folder_sync(dirname(copy));
}

int state_folder_make(const char *path)
{
	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	return sync_folder_of(path);
}

int state_file_write(const char *path, const char *text, size_t len)
{
	char temporary[PATH_MAX];
	int err;

	if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	err = write_new(temporary, text, len);
	if (!err && rename(temporary, path))
		err = -errno;
	if (err) {
		unlink(temporary);
		return err;
	}
	return sync_folder_of(path);
}

/* One that is not there may have been removed by who could not sync that. */
int state_file_remove(const char *path)
{
	int err = unlink(path) && errno != ENOENT ? -errno :
						    sync_folder_of(path);

	return err == -ENOENT ? 0 : err;	/* nor is its folder there */
}

static int read_all(int fd, char *text, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, text + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		done += n;
	}
	text[size] = 0;
	return 0;
}

int state_file_read(const char *path, char **text, size_t *len)
{
	/* A pipe of that name is not waited for. */
	CLOSED_AT_END int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int err;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	if (st.st_size > MAX_STATE_FILE)
		return -EFBIG;
	*text = malloc(st.st_size + 1);
	if (!*text)
		return -ENOMEM;
	err = read_all(fd, *text, st.st_size);
	if (err) {
		free(*text);
		*text = NULL;
		return err;
	}
	*len = st.st_size;
	return 0;
}

int state_folder_each(const char *path,
		      void (*each)(void *arg, const char *name), void *arg)
{
	struct dirent *entry;
	DIR *dir = opendir(path);
	int err = dir || errno == ENOENT ? 0 : -errno;

	while (dir) {
		errno = 0;
		entry = readdir(dir);
		if (!entry) {
			err = -errno;
			break;
		}
		size_t len = strlen(entry->d_name);
		char name[sizeof(entry->d_name)];

		if (len < 6 || strcmp(entry->d_name + len - 5, ".json"))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(len - 5),
			 entry->d_name);
		if (volume_name_is_valid(name))
			each(arg, name);
	}
	if (dir)
		closedir(dir);
	return err;
}

int state_folder_id(const char *path, char id[STATE_FOLDER_ID_LEN])
{
	struct statx st;

	if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &st))
		return -errno;
	if (!(st.stx_mask & STATX_BTIME))
		st.stx_btime = (struct statx_timestamp){ 0 };
	snprintf(id, STATE_FOLDER_ID_LEN, "%" PRIu64 "-%" PRId64 ".%09u",
		 (uint64_t)st.stx_ino, (int64_t)st.stx_btime.tv_sec,
		 st.stx_btime.tv_nsec);
	return 0;
}

static int check_version(const json_t *root)
{
	const json_t *version = json_object_get(root, "schema_version");

	if (!json_is_integer(version) ||
	    json_integer_value(version) < SCHEMA_VERSION)
		return -EBADMSG;
	return json_integer_value(version) == SCHEMA_VERSION ?
	       0 : -EPROTONOSUPPORT;
}

int state_json_read(const char *path, json_t **root)
{
	size_t len;
	char *text;
	int err = state_file_read(path, &text, &len);

	*root = NULL;
	if (err)
		return err;
	*root = json_loadb(text, len, 0, NULL);
	free(text);
	err = check_version(*root);
	if (err) {
		json_decref(*root);
		*root = NULL;
	}
	return err;
}

const char *state_error(int err)
{
	switch (err) {
	case -EBADMSG:
		return "it is damaged";
	case -EPROTONOSUPPORT:
		return "a newer version of dm-replica has written it: install "
		       "that version again";
	default:
		return strerror(-err);
	}
}
