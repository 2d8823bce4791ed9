/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of a stage, as replicad is one, and the model of what the stage has
 * to show: the image of each epoch.
 */
#ifndef STAGE_RIG_H
#define STAGE_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "stage-disk.h"
#include "stage-parts.h"

#define RIG_BYTES	(96 * 1024)	/* of a volume */
#define RIG_CHUNK	4096
#define RIG_DIR		"/stage"
#define RIG_EPOCHS	64
#define RIG_DEVICE	"/dev/log"	/* as ->log_device */
#define RIG_SLOT	((64 << 10) + STAGE_BLOCK_BYTES)
#define RIG_DEVICE_BYTES (STAGE_DEVICE_HEAD + 24 * RIG_SLOT)

struct client {
	struct stage_volume *v;
	struct stage_conn *conn;
	struct replica_header h;	/* last written or read */
	uint64_t records, digest;
	struct error err;		/* of the last call */
};

/* What each epoch must look like; index: the epoch's number. */
struct model {
	char now[RIG_BYTES];		/* all that was committed or kept */
	char next[RIG_BYTES];		/* and with the open epoch */
	char image[RIG_EPOCHS][RIG_BYTES];
	bool is_there[RIG_EPOCHS];	/* a clean one */
	uint64_t clean, partial;
};

/* What was sent, or answered, up to a moment of the disk. */
struct mark {
	uint64_t moment, clean, partial;
};

struct marks {
	struct mark list[256];
	unsigned int nr;
};

void marks_add(struct marks *marks, const struct disk *d, uint64_t clean,
	       uint64_t partial);
/* The last one up to then, or the first. */
const struct mark *marks_find(const struct marks *marks, uint64_t moment);
/* May a stage have this, after a cut? What was answered, or was under way. */
bool marks_allow(const struct mark *acked, const struct mark *sent,
		 uint64_t clean, uint64_t partial);

/* A blank one. */
void rig_make_device(struct disk *d, const char *path, uint64_t bytes);
/* A stage with volumes "a", "b" and so on, in one group if nr > 1; and with the
 * device that the options name, if any. */
struct stage *rig_create(struct disk *d, const struct stage_options *opts,
			 unsigned int nr);
/* Another volume: 0 or -errno. @group NULL: alone. */
int rig_add_volume(struct stage *s, const char *name, const char *group,
		   uint64_t bytes, struct error *err);
/* Opens what rig_create() has made; NULL if that is refused. */
struct stage *rig_open(struct disk *d, const struct stage_options *opts,
		       struct error *err);

/* A connection, and a hello with this session. Each returns 0 or -errno. */
int client_connect(struct client *c, struct stage *s, const char *volume);
int client_hello(struct client *c, uint64_t loads, uint64_t attaches);
void client_close(struct client *c);

int client_header(struct client *c, uint32_t kind, uint64_t epoch);
int client_open(struct client *c, uint64_t epoch);
int client_open_window(struct client *c, uint64_t epoch);
/* Whole chunks, filled from @seed; also into the model (NULL: none). */
int client_write(struct client *c, struct model *m, uint64_t chunk,
		 uint64_t nr, uint32_t seed);
int client_zero(struct client *c, struct model *m, uint64_t chunk,
		uint64_t nr);
int client_commit(struct client *c, struct model *m, uint64_t epoch,
		  bool is_clean);
/* open, some writes from @seed, commit. */
int client_epoch(struct client *c, struct model *m, uint64_t epoch,
		 uint32_t seed, bool is_clean);
/* What the model has of the open epoch is gone. */
void model_drop(struct model *m);
void fill(char *buf, size_t len, uint64_t off, uint32_t seed);

/* Is VOL what the model says of its newest clean epoch? And each image? */
bool shows(struct client *c, const char *image);
bool shows_epoch(struct stage_volume *v, uint64_t epoch, const char *image);
/* The newest image, and all that the history lists. */
bool shows_all(struct stage_volume *v, const struct model *m);
/* VOL@sum against data. */
bool sums_are(struct stage_volume *v, const char *image);

#endif
