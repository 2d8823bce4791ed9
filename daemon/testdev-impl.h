/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of a test device, for testdev*.c. */
#ifndef REPLICAD_TESTDEV_IMPL_H
#define REPLICAD_TESTDEV_IMPL_H

#include "child.h"
#include "history.h"
#include "nbd.h"
#include "ring.h"
#include "testdev.h"

#define TESTDEV_PATH_LEN	400
#define TESTDEV_SOCKET_LEN	108	/* of sockaddr_un */

enum testdev_state {
	TESTDEV_ASKING,
	TESTDEV_HOLDING,
	TESTDEV_STARTING,
	TESTDEV_ATTACHING,
	TESTDEV_READY,
	TESTDEV_ENDED,
	TESTDEV_DROPPING,
};

struct testdev_pin;
struct salvage_info;

struct testdev {
	struct testdev *next;		/* daemon->testdevs */
	struct daemon *daemon;
	enum testdev_state state;
	char name[TESTDEV_NAME_LEN];	/* "" until it is known */
	char volume[STAGE_NAME_LEN];
	char *target;			/* of the volume; path of a salvage */
	bool is_salvage;
	char *image;			/* URI of VOL@EPOCH; from HOLDING on */
	struct testdev_wish wish;	/* its strings are not ours */
	uint64_t epoch, cut_time, bytes;
	uint64_t created_ns;		/* since 1970 */
	unsigned int tries;		/* of asking and holding */
	bool is_asking;
	struct nbd_conn *hold;		/* V1; or: */
	struct testdev_pin *pin;	/* what we have to read ourselves */
	struct nbd_conn *probe;		/* of our nbdkit, while STARTING */
	struct ring_timer again;	/* the next probe; the last resort */
	uint64_t deadline_ns;		/* of STARTING */
	struct child nbdkit;
	char socket[TESTDEV_SOCKET_LEN];
	char reason[200];		/* why it is ENDED */
	char device[32];		/* /dev/nbdN, or "" */
	int device_pid;			/* as the kernel tells who made it */
	struct ring_job job;		/* attaching, detaching */
	bool is_job;
	struct error job_err;
	testdev_done_fn *done;		/* of the creation; NULL: answered */
	void *arg;
	testdev_done_fn *dropped;
	void *dropped_arg;
};

/* Of this device, or of all: STATE_DIR/tests/NAME.SUFFIX */
void testdev_path(const struct daemon *daemon, const char *name,
		  const char *suffix, char path[TESTDEV_PATH_LEN]);
json_t *testdev_json(const struct testdev *t);

/* --- testdev-name.c ------------------------------------------------------- */

struct testdev *testdev_find(const struct daemon *daemon, const char *name);
bool testdev_is_name(const char *name);

/*
 * When it is known of what @t is: t->name, if nobody has said one, and
 * t->socket. 0 or -errno with a sentence.
 */
int testdev_settle_name(struct testdev *t, struct error *err);

/* --- testdev-epoch.c ------------------------------------------------------ */

/*
 * What t->wish says, of @h: to t->epoch, ->cut_time and ->volume. 0 or -errno
 * with a sentence.
 */
int testdev_choose_epoch(struct testdev *t, const struct history *h,
			 struct error *err);

/* --- testdev-source.c ----------------------------------------------------- */

#define TESTDEV_SOURCE_ARGS	9

/* Parameters for nbdkit's nbd plugin; allocated. */
struct testdev_source {
	unsigned int nr;
	char *arg[TESTDEV_SOURCE_ARGS];
};

/* For the URI of an export. 0 or -errno with a sentence; then *s is empty. */
int testdev_source_make(struct testdev_source *s, const char *image,
			struct error *err);
/* For the socket that nbdkit is given as 3. */
int testdev_source_make_fd(struct testdev_source *s, struct error *err);
void testdev_source_clear(struct testdev_source *s);

/* --- testdev-pin.c: what this process has open, and nbdkit cannot have ---- */

/*
 * Opens t->epoch of the stage that t->target names, or the salvage. 0, t->pin
 * is set and testdev_pinned() comes, later; or -errno with a sentence.
 */
int testdev_pin_start(struct testdev *t, struct error *err);

/* In testdev.c: the image is open, or *err tells why not (-ENOENT: it went). */
void testdev_pinned(struct testdev *t, const struct error *err);

/* When that has come without an error, of a salvage: what it says of itself. */
const struct salvage_info *testdev_pin_salvage(const struct testdev_pin *pin);

/* The end of a socket for nbdkit to read the image from. */
int testdev_pin_socket(const struct testdev_pin *pin);

/*
 * Once, after testdev_pinned(), when nbdkit has its end of the socket or never
 * will: it is served until nbdkit has closed it. Then testdev_unpinned() comes,
 * and there is no pin.
 */
void testdev_pin_serve(struct testdev_pin *pin);
void testdev_unpinned(struct testdev *t);

/* --- testdev-attach.c: these block ---------------------------------------- */

/* Could this machine do it at all? */
bool testdev_can_attach(void);

/*
 * The server at @socket becomes a block device, whose name goes to @device, and
 * what tells it from a later one of the same name to *pid. 0 or -errno with a
 * sentence.
 */
int testdev_attach(const char *socket, char device[32], int *pid,
		   struct error *err);

/* Is it ours still? Then it is none any more. */
void testdev_detach(const char *device, int pid);

/* Mounted, or held by another device or program. */
bool testdev_is_used(const char *device);

#endif
