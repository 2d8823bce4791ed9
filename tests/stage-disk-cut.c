// SPDX-License-Identifier: GPL-2.0-or-later
/* What a power cut, or kill -9, leaves of a disk in memory. */
#include "stage-disk-impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_dir_of(const char *dir, const char *path)
{
	size_t len = strlen(dir);

	return !strncmp(dir, path, len) && path[len] == '/' &&
	       !strchr(path + len + 1, '/');
}

enum fate *disk_find_fates(const struct disk *d, uint64_t moment)
{
	enum fate *fates = calloc(moment + 1, sizeof(*fates));
	enum fate *files = calloc(d->nr_files + 1, sizeof(*files));
	const char *dirs[8];
	unsigned int nr_dirs = 0;

	for (uint64_t i = moment; i-- > 0;) {
		const struct op *op = &d->ops[i];

		if (op->type == OP_SYNC) {
			files[op->file] = SAFE;
		} else if (op->type == OP_LOST) {
			files[op->file] = LOST;
		} else if (op->type == OP_SYNC_DIR) {
			unsigned int j = 0;

			while (j < nr_dirs && strcmp(dirs[j], op->path))
				j++;
			if (j == nr_dirs && j < 8)
				dirs[nr_dirs++] = op->path;
		} else if (op->path[0]) {
			for (unsigned int j = 0; j < nr_dirs; j++)
				if (is_dir_of(dirs[j], op->path))
					fates[i] = SAFE;
		} else {
			fates[i] = files[op->file];
		}
	}
	free(files);
	return fates;
}

void disk_replay(struct file *f, const struct op *op)
{
	if (op->type == OP_SIZE)
		disk_file_resize(f, op->len);
	else if (op->type == OP_WRITE || op->type == OP_ZERO)
		disk_file_write(f, op->data, op->off, op->len);
}

/* --- the state at a moment ------------------------------------------------ */

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A part of a change, in whole sectors; of a change of size, all or nothing. */
static void replay_torn(struct file *f, const struct op *op, uint64_t *state)
{
	if (op->type == OP_SIZE) {
		if (next_random(state) % 2)
			disk_replay(f, op);
		return;
	}
	for (uint64_t at = 0; at < op->len; ) {
		uint64_t len = 512 - (op->off + at) % 512;

		len = len < op->len - at ? len : op->len - at;
		if (next_random(state) % 2)
			disk_file_write(f, op->data ? op->data + at : NULL,
					op->off + at, len);
		at += len;
	}
}

static void replay_unsafe(struct disk *new, const struct op *op,
			  uint64_t *state)
{
	switch (next_random(state) % 4) {
	case 0:
		break;
	case 1:
		replay_torn(&new->files[op->file], op, state);
		break;
	default:
		disk_replay(&new->files[op->file], op);
	}
}

static void replay_name(struct disk *new, const struct op *op)
{
	if (op->type == OP_CREATE) {
		disk_set_name(new, op->path, op->file);
	} else if (op->type == OP_UNLINK) {
		disk_set_name(new, op->path, -1);
	} else {
		disk_set_name(new, op->path, -1);
		disk_set_name(new, op->data, op->file);
	}
}

/* What there is becomes the past of a disk whose trace begins anew. */
static void restart_trace(struct disk *d)
{
	d->tracing = true;
	for (int i = 0; i < d->nr_files; i++) {
		disk_trace(d, OP_SIZE, i, NULL, 0, d->files[i].size, NULL);
		disk_trace(d, OP_WRITE, i, NULL, 0, d->files[i].size,
			   d->files[i].data);
		disk_trace(d, OP_SYNC, i, NULL, 0, 0, NULL);
	}
	for (unsigned int i = 0; i < d->nr_names; i++) {
		char dir[256];

		if (d->names[i].file < 0)
			continue;
		disk_trace(d, OP_CREATE, d->names[i].file, d->names[i].path, 0,
			   0, NULL);
		snprintf(dir, sizeof(dir), "%s", d->names[i].path);
		*strrchr(dir, '/') = 0;
		disk_trace(d, OP_SYNC_DIR, -1, dir, 0, 0, NULL);
	}
}

struct disk *disk_cut(const struct disk *d, uint64_t moment, uint64_t seed)
{
	struct disk *new = disk_create();
	uint64_t state = seed * 0x9e3779b97f4a7c15ULL + 1;
	enum fate *fates = disk_find_fates(d, moment);

	new->tracing = false;
	new->now = moment ? d->ops[moment - 1].now : d->now;
	for (int i = 0; i < d->nr_files; i++)
		disk_add_file(new);
	for (uint64_t i = 0; i < moment; i++) {
		const struct op *op = &d->ops[i];
		bool is_name = op->path[0];

		if (op->type == OP_SYNC || op->type == OP_SYNC_DIR ||
		    op->type == OP_LOST)
			continue;
		if (fates[i] == LOST)
			continue;
		if (seed == 1 || fates[i] == SAFE) {
			if (is_name)
				replay_name(new, op);
			else
				disk_replay(&new->files[op->file], op);
		} else if (seed && is_name) {
			if (next_random(&state) % 2)
				replay_name(new, op);
		} else if (seed) {
			replay_unsafe(new, op, &state);
		}
	}
	free(fates);
	restart_trace(new);
	return new;
}

struct disk *disk_kill(const struct disk *d, uint64_t moment)
{
	struct disk *new = disk_create();

	new->now = moment ? d->ops[moment - 1].now : d->now;
	for (int i = 0; i < d->nr_files; i++)
		disk_add_file(new);
	for (uint64_t i = 0; i < moment; i++) {
		const struct op *op = &d->ops[i];

		if (op->path[0] && op->type != OP_SYNC_DIR)
			replay_name(new, op);
		else if (op->file >= 0)
			disk_replay(&new->files[op->file], op);
		disk_trace(new, op->type, op->file, op->path, op->off, op->len,
			   op->data);
	}
	return new;
}

struct disk *disk_copy(const struct disk *d)
{
	struct disk *new = disk_create();

	new->tracing = false;
	new->now = d->now;
	for (int i = 0; i < d->nr_files; i++) {
		int file = disk_add_file(new);

		disk_file_write(&new->files[file], d->files[i].data, 0,
				d->files[i].size);
	}
	for (unsigned int i = 0; i < d->nr_names; i++)
		disk_set_name(new, d->names[i].path, d->names[i].file);
	return new;
}
