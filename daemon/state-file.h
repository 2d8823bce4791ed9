/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small files that must survive a power cut whole: the old one or the new. */
#ifndef REPLICAD_STATE_FILE_H
#define REPLICAD_STATE_FILE_H

#include <stddef.h>

#include <jansson.h>

/*
 * Replaces the file at @path: written beside it, synced, renamed, and the
 * folder synced, so that it is durable when this returns 0. Mode 0600.
 */
int state_file_write(const char *path, const char *text, size_t len);

/* It is gone, durably, when this returns 0; also if there is none. */
int state_file_remove(const char *path);

/*
 * Makes a folder for such files, mode 0700, unless there is one: its name is
 * durable, in any case, when this returns 0.
 */
int state_folder_make(const char *path);

/* What is in it, and what is not any more, is durable when this returns 0. */
int state_folder_sync(const char *path);

/*
 * Tells a folder from another one of its name, such as what is seen of a mount
 * point that nothing is mounted on: its number and the time of its birth, which
 * a reboot does not change. No space is in it. 0 or -errno.
 */
#define STATE_FOLDER_ID_LEN	64
int state_folder_id(const char *path, char id[STATE_FOLDER_ID_LEN]);

/*
 * Each NAME of a file NAME.json in the folder that is a volume's or a pair's
 * name; of none if there is no such folder. 0, or -errno: it cannot be read.
 */
int state_folder_each(const char *path,
		      void (*each)(void *arg, const char *name), void *arg);

/*
 * Reads a whole file of at most 1 MiB. *text is allocated, ends with a NUL and
 * is the caller's. 0 or -errno; -ENOENT where there is none.
 */
int state_file_read(const char *path, char **text, size_t *len);

/*
 * Reads one that is an object with a "schema_version", which each of them has.
 * *root is the caller's, NULL after an error: -EBADMSG, it is damaged;
 * -EPROTONOSUPPORT, intact, but of a version of replicad to come, which alone
 * knows what it says: nothing is done on it, and it is not replaced.
 */
int state_json_read(const char *path, json_t **root);

/* In words, what state_json_read() returns, or who looks at what it reads. */
const char *state_error(int err);

#endif
