/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an export of a stage is: the name that a client asks for, and what it
 * may then do. Knows nothing of nbdkit.
 *
 *	NAME		data and tail, read and write: stage_conn_*()
 *	NAME@latest	the newest image at the time of opening, read only
 *	NAME@EPOCH	the image as of an epoch that is committed, read only
 *	NAME@history	a table of the epochs (history.h), read only
 *	NAME@sum	digests, 16 bytes a chunk, read only
 *	NAME@above	what the stage has above its image, as a list
 *	NAME@above@EPOCH … above that epoch (plugin-list.h), read only
 *	NAME@dirty	what no primary knows to be here, as a list, read only
 *	@verbs		what the two replicads have to say to each other, of no
 *			volume (verbs-wire.h); if replicad has started us
 *
 * X1 a name is looked up in the table of volumes; it is part of no path. No
 *    name before the "@" is that of the only volume.
 * X2 NAME@EPOCH stays what it is, for every connection that opens it: an epoch
 *    that is not committed yet is refused, else it would be one image now and
 *    another later. Of NAME@latest and the lists each opening is its own.
 * X3 Before its first clean epoch a stage cannot say which of its base is what
 *    a primary believes: nobody has kept count since others could write there.
 *    So NAME@dirty has all of it, and after that epoch nothing.
 *
 * All functions but open and close may be called from any thread, several at
 * once. They return 0 or -errno with a sentence.
 */
#ifndef REPLICA_PLUGIN_EXPORT_H
#define REPLICA_PLUGIN_EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugin-list.h"
#include "plugin-quota.h"
#include "stage.h"

#define EXPORT_NAME_LEN		160	/* of one that is opened, with NUL */
#define EXPORT_BLOCK_MAX	(32U << 20)
#define EXPORT_SUM_MAX		65536	/* 16 MiB of chunks of 4 KiB */
#define EXPORT_SUM_MOST		(256U << 10) /* nbdcopy asks for so many, … */
#define EXPORT_SUM_BYTES	sizeof(struct stage_sum)

struct export;

/* 0 goes on, else the walk ends and returns it. */
typedef int export_extent_fn(void *arg, uint64_t off, uint64_t len,
			     enum stage_extent type);

struct export_ops {
	const char *what;		/* behind the "@"; "" for none */
	const char *help;		/* one line, for a list */
	int (*open)(struct export *e, const char *arg, struct error *err);
	int (*read)(struct export *e, void *buf, size_t len, uint64_t off,
		    struct error *err);
	/* NULL: read only */
	int (*write)(struct export *e, const void *buf, size_t len,
		     uint64_t off, struct error *err);
	int (*zero)(struct export *e, uint64_t len, uint64_t off,
		    struct error *err);
	/* NULL: all is data */
	int (*extents)(struct export *e, uint64_t off, uint64_t len,
		       export_extent_fn *fn, void *arg, struct error *err);
	bool is_same_for_all;		/* X2; connections see the same */
	uint32_t block_min, block_max;
};

struct export {
	const struct export_ops *ops;	/* set once, as all here */
	char name[EXPORT_NAME_LEN];
	struct stage_volume *v;
	struct quota *quota;
	struct quota_user user;
	uint64_t volume_bytes;
	uint32_t chunk_bytes;
	uint64_t bytes;			/* of the export */
	struct stage_conn *conn;
	struct stage_image *image;	/* or NULL */
	struct extent_list list;
	struct relay *relay;		/* of @verbs, which has no v */
};

/* By which @verbs reaches replicad; both NULL: it does not. They stay. */
struct export_verbs {
	const char *socket, *pair;
};

int export_open(struct export **e, struct stage *s, struct quota *q,
		const struct export_verbs *verbs, const char *name,
		struct error *err);
void export_close(struct export *e);

/* Whose quota_user it is. */
struct export *export_of_user(struct quota_user *u);

/* One line for a person: what it is and how new. */
void export_describe(const struct export *e, char *text, size_t size);

/*
 * Calls fn for each export that there is, of the epochs only the newest ones,
 * until it returns non-zero, and returns that.
 */
int export_list(struct stage *s, int (*fn)(void *arg, const char *name,
					   const char *text), void *arg);

/*
 * The name of the only volume, for a client that names none; NULL where there
 * is another number of them. @name is of EXPORT_NAME_LEN.
 */
const char *export_default(struct stage *s, char *name);

/*
 * @name as it may stand in a log: what is not a printable ASCII character is
 * "\xNN", and what is too long for @size ends with "...".
 */
void export_escape(const char *name, char *text, size_t size);

#endif
