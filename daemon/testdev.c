// SPDX-License-Identifier: GPL-2.0-or-later
#include "testdev-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "daemon.h"
#include "local-stage.h"
#include "log.h"
#include "salvage-file.h"
#include "state-file.h"

#define TRIES		5	/* when an epoch goes before it is held */
#define HOLD_MS		15000
#define START_MS	60000
#define PROBE_MS	20
#define KILL_MS		5000	/* after SIGTERM */

static void let_go(struct testdev *t);

static struct ring *ring_of(const struct testdev *t)
{
	return t->daemon->reactors[0].ring;
}

static uint64_t realtime(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

void testdev_path(const struct daemon *daemon, const char *name,
		  const char *suffix, char path[TESTDEV_PATH_LEN])
{
	snprintf(path, TESTDEV_PATH_LEN, "%.250s/tests%s%s%s",
		 daemon->config.state_dir, *name ? "/" : "", name, suffix);
}

/* --- the end, and the answer ---------------------------------------------- */

/* V3 */
static void answer(struct testdev *t, const struct error *err)
{
	testdev_done_fn *done = t->done;

	t->done = NULL;
	if (done)
		done(t->arg, err ? NULL : testdev_json(t), err);
}

static void remove_files(const struct testdev *t)
{
	static const char *const suffixes[] = { ".sock", ".log", ".json" };
	char path[TESTDEV_PATH_LEN];

	for (int i = 0; *t->name && i < 3; i++) {
		testdev_path(t->daemon, t->name, suffixes[i], path);
		unlink(path);
	}
}

static void unlink_from_list(struct testdev *t)
{
	struct testdev **link = &t->daemon->testdevs;

	while (*link != t)
		link = &(*link)->next;
	*link = t->next;
}

static void free_testdev(struct testdev *t)
{
	struct daemon *daemon = t->daemon;
	testdev_done_fn *dropped = t->dropped;
	void *arg = t->dropped_arg;

	ring_timer_cancel(ring_of(t), &t->again);
	remove_files(t);
	unlink_from_list(t);
	free(t->target);
	free(t->image);
	free(t);
	if (dropped)
		dropped(arg, NULL, NULL);
	daemon_wrap_up(daemon);
}

static void detach_blocking(struct ring_job *job)
{
	struct testdev *t = container_of(job, struct testdev, job);

	testdev_detach(t->device, t->device_pid);
}

static void on_detached(struct ring_job *job)
{
	struct testdev *t = container_of(job, struct testdev, job);

	t->is_job = false;
	t->device[0] = 0;
	let_go(t);
}

static bool start_job(struct testdev *t, void (*blocking)(struct ring_job *),
		      void (*done)(struct ring_job *))
{
	t->job.blocking = blocking;
	t->job.done = done;
	t->is_job = !ring_job_start(ring_of(t), &t->job);
	return t->is_job;
}

static void on_kill_time(struct ring_timer *timer)
{
	struct testdev *t = container_of(timer, struct testdev, again);

	child_signal(&t->nbdkit, SIGKILL);
}

static void end_nbdkit(struct testdev *t)
{
	child_signal(&t->nbdkit, SIGTERM);
	t->again.fire = on_kill_time;
	ring_timer_add(ring_of(t), &t->again, KILL_MS);
}

/* Takes the next step towards its end; the last one frees it. */
static void let_go(struct testdev *t)
{
	bool is_held = t->hold || t->probe || t->pin;

	if (t->state != TESTDEV_DROPPING || t->is_asking || t->is_job)
		return;
	if (t->device[0] && start_job(t, detach_blocking, on_detached))
		return;
	if (t->hold)
		nbd_abort(t->hold);
	if (t->probe)
		nbd_abort(t->probe);
	if (child_runs(&t->nbdkit))
		end_nbdkit(t);
	else if (!is_held)
		free_testdev(t);
}

static void drop(struct testdev *t)
{
	if (t->state == TESTDEV_DROPPING)
		return;
	t->state = TESTDEV_DROPPING;
	ring_timer_cancel(ring_of(t), &t->again);
	let_go(t);
}

/* The creation has failed. */
static void give_up(struct testdev *t, const struct error *err)
{
	answer(t, err);
	drop(t);
}

/* --- nbdkit --------------------------------------------------------------- */

/* The last line of its log, without "nbdkit: ". */
static void read_complaint(const struct testdev *t, char *text, size_t size)
{
	char path[TESTDEV_PATH_LEN], *log = NULL, *line;
	size_t len;

	testdev_path(t->daemon, t->name, ".log", path);
	if (state_file_read(path, &log, &len)) {
		snprintf(text, size, "it says nothing");
		return;
	}
	while (len && log[len - 1] == '\n')
		log[--len] = 0;
	line = strrchr(log, '\n');
	line = line ? line + 1 : log;
	if (!strncmp(line, "nbdkit: ", 8))
		line += 8;
	snprintf(text, size, "%s", *line ? line : "it says nothing");
	free(log);
}

static void describe_end(const struct testdev *t, int status, char *text,
			 size_t size)
{
	char complaint[150];

	read_complaint(t, complaint, sizeof(complaint));
	if (WIFSIGNALED(status))
		snprintf(text, size, "nbdkit was ended by signal %d",
			 WTERMSIG(status));
	else
		snprintf(text, size, "nbdkit has ended: %s", complaint);
}

static void on_end(struct child *child, int status)
{
	struct testdev *t = container_of(child, struct testdev, nbdkit);
	struct error err = { 0 };

	if (t->state == TESTDEV_DROPPING) {
		let_go(t);
		return;
	}
	describe_end(t, status, t->reason, sizeof(t->reason));
	if (t->done) {
		error_set(&err, -EIO, "%s", t->reason);
		give_up(t, &err);
		return;
	}
	log_warn(t->volume, "test device %s: %s", t->name, t->reason);
	t->state = TESTDEV_ENDED;
}

static int run_nbdkit(struct testdev *t, const struct testdev_source *source)
{
	char *argv[10 + TESTDEV_SOURCE_ARGS] = {
		"nbdkit", "-f", "--exit-with-parent", "-U", t->socket,
		"--filter=cow", "nbd", "shared=true",
	};
	char path[TESTDEV_PATH_LEN];
	int log, err;

	memcpy(argv + 8, source->arg, source->nr * sizeof(*argv));
	testdev_path(t->daemon, t->name, ".log", path);
	log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (log < 0)
		return -errno;
	t->nbdkit.ended = on_end;
	err = child_start(&t->nbdkit, ring_of(t), argv, log);
	close(log);
	return err;
}

static int start_nbdkit(struct testdev *t, struct error *err)
{
	struct testdev_source source;
	int ret = t->pin ? testdev_source_make_fd(&source, err) :
			   testdev_source_make(&source, t->image, err);

	if (ret)
		return ret;
	t->nbdkit.give = t->pin ? testdev_pin_socket(t->pin) : 0;
	ret = run_nbdkit(t, &source);
	testdev_source_clear(&source);
	return ret ? error_set(err, ret, "nbdkit cannot be started: %s",
			       strerror(-ret)) : 0;
}

/* V2 */
static int write_record(const struct testdev *t)
{
	char path[TESTDEV_PATH_LEN];
	json_t *json = testdev_json(t);
	char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
	int err = -ENOMEM;

	testdev_path(t->daemon, t->name, ".json", path);
	if (text)
		err = state_file_write(path, text, strlen(text));
	free(text);
	json_decref(json);
	return err;
}

/* --- READY ---------------------------------------------------------------- */

static void set_ready(struct testdev *t)
{
	t->state = TESTDEV_READY;
	if (t->hold)
		nbd_disconnect(t->hold);
	log_info(t->volume, "test device %s, as of epoch %" PRIu64 ": %s",
		 t->name, t->epoch, t->device[0] ? t->device : t->socket);
	answer(t, NULL);
}

static void attach_blocking(struct ring_job *job)
{
	struct testdev *t = container_of(job, struct testdev, job);

	if (t->wish.attach == TESTDEV_ATTACH_AUTO && !testdev_can_attach())
		return;
	testdev_attach(t->socket, t->device, &t->device_pid, &t->job_err);
}

static void on_attached(struct ring_job *job)
{
	struct testdev *t = container_of(job, struct testdev, job);

	t->is_job = false;
	if (t->state == TESTDEV_DROPPING) {
		let_go(t);
		return;
	}
	if (t->job_err.code && t->wish.attach == TESTDEV_ATTACH_YES) {
		give_up(t, &t->job_err);
		return;
	}
	if (t->job_err.code)
		log_warn(t->volume, "test device %s: %s", t->name,
			 t->job_err.text);
	if (t->device[0])
		write_record(t);	/* as V2: the kernel has it, too */
	set_ready(t);
}

/* --- STARTING ------------------------------------------------------------- */

static void on_answered(struct testdev *t)
{
	ring_timer_cancel(ring_of(t), &t->again);
	if (t->wish.attach == TESTDEV_ATTACH_NO) {
		set_ready(t);
		return;
	}
	t->state = TESTDEV_ATTACHING;
	if (!start_job(t, attach_blocking, on_attached))
		set_ready(t);
}

static void on_probe_ready(struct nbd_conn *conn, void *arg)
{
	struct testdev *t = arg;

	t->bytes = nbd_get_info(conn)->size;
	nbd_disconnect(conn);
}

static void on_probe_closed(struct nbd_conn *conn, void *arg, int code,
			    const char *text)
{
	struct testdev *t = arg;
	struct error err = { 0 };

	t->probe = NULL;
	if (t->state == TESTDEV_DROPPING)
		let_go(t);
	else if (!code)
		on_answered(t);
	else if (ring_now(ring_of(t)) < t->deadline_ns)
		ring_timer_add(ring_of(t), &t->again, PROBE_MS);
	else {
		error_set(&err, -ETIMEDOUT, "nbdkit does not answer: %s", text);
		give_up(t, &err);
	}
}

static const struct nbd_callbacks probe_callbacks = {
	.ready = on_probe_ready,
	.closed = on_probe_closed,
};

static void on_probe_time(struct ring_timer *timer)
{
	struct testdev *t = container_of(timer, struct testdev, again);
	char uri[TESTDEV_SOCKET_LEN + 40];

	snprintf(uri, sizeof(uri), "nbd+unix:///?socket=%s", t->socket);
	if (nbd_connect(ring_of(t), uri, NULL, &probe_callbacks, t, &t->probe))
		t->probe = NULL;
}

static int start(struct testdev *t, struct error *err)
{
	int ret = write_record(t);

	if (ret)
		return error_set(err, ret, "its record cannot be written: %s",
				 strerror(-ret));
	ret = start_nbdkit(t, err);
	if (ret)
		return ret;
	t->deadline_ns = ring_now(ring_of(t)) + START_MS * 1000000ULL;
	t->again.fire = on_probe_time;
	ring_timer_add(ring_of(t), &t->again, PROBE_MS);
	return 0;
}

/* --- HOLDING -------------------------------------------------------------- */

static int ask(struct testdev *t, struct error *err);

static void begin(struct testdev *t)
{
	struct error err = { 0 };

	t->state = TESTDEV_STARTING;
	if (start(t, &err))
		give_up(t, &err);
}

/* Nothing holds the epoch: it went meanwhile, or cannot be had. */
static void retry(struct testdev *t, int code, const char *text)
{
	struct error err = { 0 };

	if (code == -ENOENT && !t->is_salvage && ++t->tries < TRIES) {
		code = ask(t, &err);
		if (!code)
			return;
	}
	if (t->is_salvage)
		error_set(&err, code, "%s", text);
	else
		error_set(&err, code ?: -EIO, "epoch %" PRIu64 " cannot be "
			  "opened: %s", t->epoch, text);
	give_up(t, &err);
}

static void on_held(struct nbd_conn *conn, void *arg)
{
	begin(arg);
}

/* Before it is READY there is more to come, or an error. */
static void on_hold_closed(struct nbd_conn *conn, void *arg, int code,
			   const char *text)
{
	struct testdev *t = arg;

	t->hold = NULL;
	if (t->state == TESTDEV_DROPPING)
		let_go(t);
	else if (t->state == TESTDEV_HOLDING)	/* else nbdkit has its own */
		retry(t, code, text);
}

/* What is told of an image by its history, a salvage tells itself. */
static void begin_salvage(struct testdev *t)
{
	const struct salvage_info *s = testdev_pin_salvage(t->pin);
	struct error err = { 0 };

	snprintf(t->volume, sizeof(t->volume), "%s", s->volume);
	t->epoch = s->last_clean > s->last_partial ? s->last_clean :
						     s->last_partial;
	t->cut_time = s->cut_time;
	if (testdev_settle_name(t, &err))
		give_up(t, &err);
	else
		begin(t);
}

/* After begin(), whatever became of it, nbdkit has its socket or never will. */
void testdev_pinned(struct testdev *t, const struct error *err)
{
	bool is_wanted = t->state != TESTDEV_DROPPING;

	if (!err->code) {
		if (is_wanted && t->is_salvage)
			begin_salvage(t);
		else if (is_wanted)
			begin(t);
		testdev_pin_serve(t->pin);
	} else if (is_wanted) {
		retry(t, err->code, err->text);
	} else {
		let_go(t);
	}
}

void testdev_unpinned(struct testdev *t)
{
	let_go(t);	/* if it waits for that */
}

static const struct nbd_callbacks hold_callbacks = {
	.ready = on_held,
	.closed = on_hold_closed,
};

static int connect_image(struct testdev *t, struct error *err)
{
	const struct nbd_opts opts = { .deadline_ms = HOLD_MS };
	char suffix[STAGE_NAME_LEN + 24];

	snprintf(suffix, sizeof(suffix), "@%" PRIu64, t->epoch);
	free(t->image);
	t->image = history_uri(t->target, suffix);
	if (!t->image || nbd_connect(ring_of(t), t->image, &opts,
				     &hold_callbacks, t, &t->hold)) {
		t->hold = NULL;
		return error_set(err, -ENOMEM, "no memory");
	}
	return 0;
}

static int hold(struct testdev *t, struct error *err)
{
	int ret = t->is_salvage || stage_name_is(t->target) ?
		  testdev_pin_start(t, err) : connect_image(t, err);

	if (!ret)
		t->state = TESTDEV_HOLDING;
	return ret;
}

/* --- ASKING --------------------------------------------------------------- */

static void on_history(void *arg, const struct history *h,
		       const struct error *told)
{
	struct testdev *t = arg;
	struct error err = { 0 };
	int ret;

	t->is_asking = false;
	if (t->state == TESTDEV_DROPPING) {
		let_go(t);
		return;
	}
	if (!h) {
		give_up(t, told);
		return;
	}
	ret = testdev_choose_epoch(t, h, &err);
	if (!ret)
		ret = testdev_settle_name(t, &err);
	if (!ret)
		ret = hold(t, &err);
	if (ret)
		give_up(t, &err);
}

static int ask(struct testdev *t, struct error *err)
{
	int ret = ask_history(t->daemon, t->target, on_history, t, err);

	t->is_asking = !ret;
	t->state = TESTDEV_ASKING;
	return ret;
}

/* --- from outside --------------------------------------------------------- */

static int check_wish(const struct daemon *daemon,
		      const struct testdev_wish *wish, struct error *err)
{
	unsigned int nr = 0;

	if (daemon->is_stopping)	/* testdev_drop_all() was there */
		return error_set(err, -ESHUTDOWN, "replicad is stopping");
	for (const struct testdev *t = daemon->testdevs; t; t = t->next)
		nr++;
	if (nr >= TESTDEVS_MAX)
		return error_set(err, -EBUSY, "there are %u test devices: drop "
				 "some", nr);
	if (wish->name && !testdev_is_name(wish->name))
		return error_set(err, -EDESTADDRREQ, "\"%.60s\" is not a name "
				 "for a test device: use letters, digits and "
				 ". _ -", wish->name);
	if (wish->name && testdev_find(daemon, wish->name))
		return error_set(err, -EEXIST, "there is a test device %s",
				 wish->name);
	return 0;
}

static int make_folder(const struct daemon *daemon, struct error *err)
{
	char path[TESTDEV_PATH_LEN];

	testdev_path(daemon, "", "", path);
	if (!mkdir(path, 0700) || errno == EEXIST)
		return 0;
	return error_set(err, -errno, "%.200s: %s", path, strerror(errno));
}

int testdev_create(struct daemon *daemon, const struct testdev_wish *wish,
		   testdev_done_fn *done, void *arg, struct error *err)
{
	struct testdev *t;
	int ret = check_wish(daemon, wish, err);

	if (!ret)
		ret = make_folder(daemon, err);
	if (ret)
		return ret;
	t = calloc(1, sizeof(*t));
	if (t)
		t->target = strdup(wish->target);
	if (!t || !t->target) {
		free(t);
		return error_set(err, -ENOMEM, "no memory");
	}
	t->daemon = daemon;
	t->wish = *wish;
	t->is_salvage = wish->is_salvage;
	snprintf(t->name, sizeof(t->name), "%s", wish->name ?: "");
	t->created_ns = realtime();
	t->next = daemon->testdevs;
	daemon->testdevs = t;
	ret = t->is_salvage ? hold(t, err) : ask(t, err);
	if (ret) {
		drop(t);
		return ret;
	}
	t->done = done;
	t->arg = arg;
	return 0;
}

int testdev_drop(struct daemon *daemon, const char *name,
		 testdev_done_fn *done, void *arg, struct error *err)
{
	struct testdev *t = *name ? testdev_find(daemon, name) : NULL;

	if (!t || t->done || t->state == TESTDEV_DROPPING)
		return error_set(err, -ENOENT, "there is no test device %.80s",
				 name);
	if (t->device[0] && testdev_is_used(t->device))
		return error_set(err, -EBUSY, "%s: %s is in use: unmount it "
				 "first", name, t->device);
	t->dropped = done;
	t->dropped_arg = arg;
	log_info(t->volume, "test device %s is dropped", t->name);
	drop(t);
	return 0;
}

void testdev_drop_all(struct daemon *daemon)
{
	static const struct error stopping = {
		.code = -ECANCELED, .text = "replicad is stopping",
	};
	struct testdev *next;

	for (struct testdev *t = daemon->testdevs; t; t = next) {
		next = t->next;
		give_up(t, &stopping);
	}
}
