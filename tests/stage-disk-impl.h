/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of a disk in memory, for the two stage-disk*.c. */
#ifndef STAGE_DISK_IMPL_H
#define STAGE_DISK_IMPL_H

#include <pthread.h>

#include "stage-disk.h"

#define FDS		256
#define FD_BASE		1000

enum op_type { OP_WRITE, OP_ZERO, OP_SIZE, OP_SYNC, OP_LOST, OP_CREATE,
	       OP_UNLINK, OP_RENAME, OP_SYNC_DIR };

struct file {
	char *data;
	uint64_t size;
	uint64_t filled;		/* allocated, from its beginning */
};

struct name {
	char path[256];
	int file;			/* -1: not there */
};

struct op {
	enum op_type type;
	int file, file2;
	char path[256];
	uint64_t off, len;
	char *data;
	uint64_t now;
};

struct bad_range {
	char path[64];
	uint64_t off, len;
};

struct disk {
	struct stage_io io;
	pthread_mutex_t lock;
	struct file *files;
	int nr_files;
	struct name *names;
	unsigned int nr_names;
	struct op *ops;
	uint64_t nr_ops, max_ops;
	int fds[FDS];			/* file + 1 */
	bool locked[FDS];
	bool tracing;
	uint64_t now, calls, fail_at, fail_more, space, used;
	int fail_err, sync_err, read_err;
	uint64_t reads, fail_read, begun;
	char slow_part[64], sync_part[64], broken_part[64];
	struct bad_range bad, unreadable; /* for writes; for reads */
	unsigned int slow_ms, sync_fails;
};

enum fate { OPEN_FATE, SAFE, LOST };

void disk_file_resize(struct file *f, uint64_t size);
void disk_file_write(struct file *f, const char *data, uint64_t off,
		     uint64_t len);
int disk_add_file(struct disk *d);
void disk_set_name(struct disk *d, const char *path, int file);
void disk_trace(struct disk *d, enum op_type type, int file, const char *path,
		uint64_t off, uint64_t len, const char *data);
void disk_replay(struct file *f, const struct op *op);
/* What has become of each change up to a moment: the next sync tells. */
enum fate *disk_find_fates(const struct disk *d, uint64_t moment);

#endif
