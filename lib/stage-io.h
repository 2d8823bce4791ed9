/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The only way in which a stage touches its files: a table of calls, so that a
 * test can count them, fail them, or play a disk that loses power.
 *
 * Like the system calls of their names, but they return -errno.
 */
#ifndef REPLICA_STAGE_IO_H
#define REPLICA_STAGE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct stage_io {
	void *arg;		/* the first argument of each */
	/* Files are named by a path; flags as for open(2), mode 0600. */
	int (*open)(void *arg, const char *path, int flags);
	void (*close)(void *arg, int fd);
	/* Nobody else may have it: -EBUSY. Ends with close. */
	int (*lock)(void *arg, int fd);
	/* Bytes of a file or a block device. */
	int (*size)(void *arg, int fd, uint64_t *size);
	/* All of it or an error; the vector may be changed. */
	int (*pwritev)(void *arg, int fd, struct iovec *iov, int nr,
		       uint64_t off);
	/* Bytes read: fewer only at the end of the file. stage_pread() is how
	 * it is called. */
	ssize_t (*pread)(void *arg, int fd, void *buf, size_t len,
			 uint64_t off);
	/* Makes a range read as zeros. */
	int (*zero)(void *arg, int fd, uint64_t off, uint64_t len);
	/* Is [off, off + *len) a hole? Cuts *len to where that changes. */
	bool (*is_hole)(void *arg, int fd, uint64_t off, uint64_t *len);
	int (*truncate)(void *arg, int fd, uint64_t len);
	int (*sync)(void *arg, int fd);		/* fdatasync */
	/* What is read after this comes from the disk. */
	void (*drop_cache)(void *arg, int fd);
	int (*unlink)(void *arg, const char *path);
	int (*rename)(void *arg, const char *from, const char *to);
	int (*mkdir)(void *arg, const char *path);	/* it may be there */
	int (*sync_dir)(void *arg, const char *path);
	/* fn for each name in a directory, until it returns an error. */
	int (*list)(void *arg, const char *path,
		    int (*fn)(void *fn_arg, const char *name), void *fn_arg);
	uint64_t (*now)(void *arg);		/* ns since 1970 */
	/* It may be gone, or have something in it: then it stays. */
	int (*rmdir)(void *arg, const char *path);
	/* A regular file, not a device. */
	bool (*is_file)(void *arg, int fd);
	/* Bytes of the file system that a file is in, or of the device. */
	int (*most)(void *arg, int fd, uint64_t *bytes);
	/* What was written there is on its way to the disk: to have less to do
	 * in the next sync, which alone says what is durable, and of what went
	 * wrong. */
	void (*begin_sync)(void *arg, int fd, uint64_t off, uint64_t len);
};

/*
 * What a read that failed with @err means: -EIO, the medium does not give what
 * it has there, and nobody is to hope that it will; else @err, which may heal,
 * or -EUCLEAN for one that a codec may return, too.
 */
int stage_read_error(int err);
/* Bytes read, or that. */
ssize_t stage_pread(const struct stage_io *io, int fd, void *buf, size_t len,
		    uint64_t off);

/* The system's. */
extern const struct stage_io stage_system_io;

/*
 * The same, but nothing is locked nor changed: to look at what somebody else
 * may have open. Such a stage has no applier; volumes and images can be read.
 */
extern const struct stage_io stage_view_io;
/* Does somebody else have the lock of a file that a view has open? */
bool stage_view_is_locked(int fd);

#endif
