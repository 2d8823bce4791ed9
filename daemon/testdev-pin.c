// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The image of a test device where this process is the one who can read it: of
 * a stage of ours (stage:DIR/VOLUME), and of a salvage.
 *
 * A second process cannot have it: the stage's lock is exclusive, and has to be
 * (S9). Readers of closed epochs are no exception, for what they read is not
 * closed: the applier moves it from the log to the base, and drops segments,
 * and only a pin in the applier's own process keeps it from doing so (S10); the
 * index that finds a record is in that process's memory, too. So this process
 * serves the image: to nbdkit, which it starts with one end of a socket.
 *
 *	opening	job: the stage, the image		-> testdev_pinned()
 *	serving	job: until nbdkit has closed its end	-> testdev_unpinned()
 *
 * T1 the image is open before nbdkit is started, and until it has gone. It is
 *    gone with this process, too, as nbdkit is (V2): nothing stays pinned.
 * T2 a job has the pin to itself; between the two it is the main thread's.
 *    None of them holds a lock of the stage while it waits for nbdkit.
 * A salvage is a file that only we know to read. It is open as long as an image
 * would be, so it is there until nbdkit has gone, even if somebody removes it.
 *
 * T3 a stage that is not open is opened only with the options of its volume's
 *    own target: others would drop its history.
 */
#include "testdev-impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "local-stage.h"
#include "salvage-file.h"
#include "serve-image.h"

#define BUSY_TRIES	750
#define BUSY_MS		20

struct testdev_pin {
	struct testdev *t;
	struct ring_job job;
	struct stage_name name;		/* none of a salvage */
	bool may_open;			/* T3 */
	uint64_t epoch;
	struct local_stage *stage;
	struct stage_image *image;
	char *path;			/* of a salvage, or NULL */
	struct salvage salvage;
	bool is_salvage_open;
	struct served served;
	int ours, theirs;		/* the socket; -1: closed */
	struct error err;
};

static struct ring *ring_of(const struct testdev_pin *pin)
{
	return pin->t->daemon->reactors[0].ring;
}

int testdev_pin_socket(const struct testdev_pin *pin)
{
	return pin->theirs;
}

static void close_socket(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* --- opening -------------------------------------------------------------- */

/* As it is, if it is open; it may be about to be. */
static int find_stage(struct testdev_pin *pin)
{
	const struct timespec wait = { .tv_nsec = BUSY_MS * 1000000 };
	int ret;

	for (int i = 0; i < BUSY_TRIES; i++) {
		ret = local_stage_find(&pin->stage, &pin->name, &pin->err);
		if (ret != -EAGAIN)
			return ret;
		nanosleep(&wait, NULL);
	}
	return ret;
}

/* T3 */
static int get_stage(struct testdev_pin *pin)
{
	const char *dir = pin->name.options.dir;
	int ret = find_stage(pin);

	if (ret || pin->stage)
		return ret;
	if (pin->may_open)
		return local_stage_get(&pin->stage, &pin->name, &pin->err);
	return error_set(&pin->err, -EOPNOTSUPP, "the stage %.150s is not open "
			 "here: name its volume, or have nbdkit serve it", dir);
}

static int read_image(void *arg, void *buf, size_t len, uint64_t off)
{
	return stage_image_read(arg, buf, len, off, NULL);
}

static int read_salvage(void *arg, void *buf, size_t len, uint64_t off)
{
	return salvage_read(arg, buf, len, off);
}

static int open_salvage(struct testdev_pin *pin)
{
	int ret = salvage_open(&pin->salvage, pin->path, &pin->err);

	pin->is_salvage_open = !ret;
	pin->served = (struct served){
		.bytes = pin->salvage.info.volume_bytes,
		.read = read_salvage, .arg = &pin->salvage,
	};
	return ret;
}

static int open_image(struct testdev_pin *pin)
{
	struct stage_volume *v = stage_find(local_stage_of(pin->stage),
					    pin->name.volume);
	struct stage_info info;
	int ret;

	if (!v)
		return error_set(&pin->err, -ENOENT, "the stage %.150s has no "
				 "volume %s", pin->name.options.dir,
				 pin->name.volume);
	ret = stage_image_open(&pin->image, v, pin->epoch, &pin->err);
	if (ret)
		return ret;
	stage_get_info(v, &info);
	pin->served = (struct served){
		.bytes = info.bytes,	/* which cannot grow now */
		.read = read_image, .arg = pin->image,
	};
	if (stage_image_epoch(pin->image) == pin->epoch)
		return 0;
	return error_set(&pin->err, -ENOENT, "it is not in the history any "
			 "more");
}

static int make_socket(struct testdev_pin *pin)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return error_set(&pin->err, -errno, "no socket: %s",
				 strerror(errno));
	pin->ours = fds[0];
	pin->theirs = fds[1];
	return 0;
}

static void let_go(struct testdev_pin *pin)
{
	if (pin->image)
		stage_image_close(pin->image);
	if (pin->stage)
		local_stage_put(pin->stage);
	if (pin->is_salvage_open)
		salvage_close(&pin->salvage);
	pin->image = NULL;
	pin->stage = NULL;
	pin->is_salvage_open = false;
	close_socket(&pin->ours);
	close_socket(&pin->theirs);
}

static void open_blocking(struct ring_job *job)
{
	struct testdev_pin *pin = container_of(job, struct testdev_pin, job);
	int ret = pin->path ? open_salvage(pin) : get_stage(pin);

	if (!ret && !pin->path)
		ret = open_image(pin);
	if (!ret)
		ret = make_socket(pin);
	if (ret)
		let_go(pin);
}

static void free_pin(struct testdev_pin *pin)
{
	stage_name_clear(&pin->name);
	free(pin->path);
	free(pin);
}

static void on_open(struct ring_job *job)
{
	struct testdev_pin *pin = container_of(job, struct testdev_pin, job);
	struct testdev *t = pin->t;
	struct error err = pin->err;

	if (err.code) {
		t->pin = NULL;
		free_pin(pin);
	}
	testdev_pinned(t, &err);
}

static int start_job(struct testdev_pin *pin,
		     void (*blocking)(struct ring_job *job),
		     void (*done)(struct ring_job *job))
{
	pin->job.blocking = blocking;
	pin->job.done = done;
	return ring_job_start(ring_of(pin), &pin->job);
}

static int name_source(struct testdev_pin *pin, const struct testdev *t,
		       struct error *err)
{
	if (!t->is_salvage)
		return stage_name_parse(&pin->name, t->target, err);
	pin->path = strdup(t->target);
	return pin->path ? 0 : error_set(err, -ENOMEM, "no memory");
}

int testdev_pin_start(struct testdev *t, struct error *err)
{
	struct testdev_pin *pin = calloc(1, sizeof(*pin));
	int ret = pin ? name_source(pin, t, err) :
			error_set(err, -ENOMEM, "no memory");

	if (ret) {
		free(pin);
		return ret;
	}
	pin->t = t;
	pin->may_open = t->wish.may_open;
	pin->epoch = t->epoch;
	pin->ours = pin->theirs = -1;
	ret = start_job(pin, open_blocking, on_open);
	if (ret) {
		free_pin(pin);
		return error_set(err, ret, "no thread: %s", strerror(-ret));
	}
	t->pin = pin;
	return 0;
}

const struct salvage_info *testdev_pin_salvage(const struct testdev_pin *pin)
{
	return &pin->salvage.info;
}

/* --- serving -------------------------------------------------------------- */

static void serve_blocking(struct ring_job *job)
{
	struct testdev_pin *pin = container_of(job, struct testdev_pin, job);

	serve_image(pin->ours, &pin->served);
	let_go(pin);
}

static void on_served(struct ring_job *job)
{
	struct testdev_pin *pin = container_of(job, struct testdev_pin, job);
	struct testdev *t = pin->t;

	t->pin = NULL;
	free_pin(pin);
	testdev_unpinned(t);
}

/* Without a thread nbdkit finds its socket closed, and says so. */
void testdev_pin_serve(struct testdev_pin *pin)
{
	close_socket(&pin->theirs);
	if (!start_job(pin, serve_blocking, on_served))
		return;
	let_go(pin);
	on_served(&pin->job);
}

/* The name of a pin never changes, so it can be read while a job has it. */
const char *testdev_of_stage(const struct daemon *daemon, const char *dir,
			     const char *volume)
{
	for (const struct testdev *t = daemon->testdevs; t; t = t->next)
		if (t->pin && !t->is_salvage &&
		    !strcmp(t->pin->name.volume, volume) &&
		    local_stage_is_same_dir(t->pin->name.options.dir, dir))
			return t->name;
	return NULL;
}

const char *testdev_of_salvage(const struct daemon *daemon, const char *name)
{
	char file[SALVAGE_NAME_LEN + sizeof(SALVAGE_SUFFIX)];

	snprintf(file, sizeof(file), "%s" SALVAGE_SUFFIX, name);
	for (const struct testdev *t = daemon->testdevs; t; t = t->next)
		if (t->pin && t->is_salvage &&
		    !strcmp(strrchr(t->target, '/') + 1, file))
			return t->name;
	return NULL;
}
