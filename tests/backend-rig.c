// SPDX-License-Identifier: GPL-2.0-or-later
#include "backend-rig.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS		120000
#define LISTEN_MS	60000

static void look(struct rig *r)
{
	if (r->until && *r->until >= r->until_is)
		ring_stop(r->ring);
}

static void on_watchdog(struct ring_timer *timer)
{
	struct rig *r = container_of(timer, struct rig, watchdog);

	ring_stop(r->ring);
}

bool rig_wait(struct rig *r, const unsigned int *counter, unsigned int value)
{
	r->until = counter;
	r->until_is = value;
	ring_timer_add(r->ring, &r->watchdog, WAIT_MS);
	if (*counter < value)
		ring_run(r->ring);
	ring_timer_cancel(r->ring, &r->watchdog);
	r->until = NULL;
	return *counter >= value;
}

static void on_ready(void *arg, int err, const char *text)
{
	struct rig *r = arg;

	r->nr_ready++;
	r->ready_err = err;
	snprintf(r->text, sizeof(r->text), "%s", text);
	look(r);
}

static void on_lost(void *arg, int err, const char *text)
{
	struct rig *r = arg;

	r->nr_lost++;
	r->lost_err = err;
	snprintf(r->text, sizeof(r->text), "%s", text);
	look(r);
}

static void on_closed(void *arg)
{
	struct rig *r = arg;

	r->nr_closed++;
	r->b = NULL;
	look(r);
}

void rig_answer(void *arg, int err)
{
	struct rig *r = arg;

	r->nr_answers++;
	r->nr_errors += err != 0;
	r->last_err = err;
	look(r);
}

static const struct backend_events events = {
	.ready = on_ready,
	.lost = on_lost,
};

void rig_init(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->dir, sizeof(r->dir), "/tmp/backend-XXXXXX");
	if (!mkdtemp(r->dir) || ring_create(&r->ring, NULL)) {
		printf("Bail out! no folder, or no ring\n");
		exit(1);
	}
	snprintf(r->uri, sizeof(r->uri), "nbd+unix:///?socket=%s/sock",
		 r->dir);
	r->watchdog.fire = on_watchdog;
}

void rig_free(struct rig *r)
{
	char cmd[128];

	rig_close(r);
	stop_nbdkit(r);
	ring_destroy(r->ring);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", r->dir);
	if (system(cmd))
		printf("# %s stays\n", r->dir);
}

/* What it says must not come into the middle of one of our lines. */
static pid_t spawn(char *const argv[])
{
	pid_t pid = fork();

	if (!pid) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(126);
		execvp(argv[0], argv);
		_exit(127);
	}
	return pid;
}

/* The file is there before anyone listens; the kernel knows. */
static bool listens(const char *path)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[512];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, " 00010000 ") && strstr(line, path);
	if (f)
		fclose(f);
	return found;
}

void start_nbdkit(struct rig *r, ...)
{
	char path[128], *argv[32] = { "nbdkit", "-f", "--exit-with-parent",
				      "-U", path };
	unsigned int n = 5;
	va_list args;

	snprintf(path, sizeof(path), "%s/sock", r->dir);
	unlink(path);
	va_start(args, r);
	while (n < 31 && (argv[n] = va_arg(args, char *)))
		n++;
	va_end(args);
	r->nbdkit = spawn(argv);
	for (unsigned int ms = 0; !listens(path); ms += 10) {
		if (ms > LISTEN_MS) {
			printf("Bail out! nbdkit does not start\n");
			exit(1);
		}
		usleep(10000);
	}
}

void stop_nbdkit(struct rig *r)
{
	if (!r->nbdkit)
		return;
	kill(r->nbdkit, SIGKILL);
	waitpid(r->nbdkit, NULL, 0);
	r->nbdkit = 0;
}

int rig_open(struct rig *r, const char *target)
{
	int err;

	rig_close(r);
	r->nr_ready = r->nr_lost = r->nr_closed = 0;
	r->nr_answers = r->nr_errors = 0;
	err = backend_open(&r->b, r->ring, target, &r->opts, &events, r,
			   r->text, sizeof(r->text));
	if (err)
		return err;
	return rig_wait(r, &r->nr_ready, 1) ? r->ready_err : -ETIME;
}

void rig_close(struct rig *r)
{
	if (!r->b)
		return;
	backend_close(r->b, on_closed, r);
	rig_wait(r, &r->nr_closed, 1);
}

static int result(struct rig *r, int err)
{
	if (err)
		return err;
	return rig_wait(r, &r->nr_answers, r->nr_answers + 1) ? r->last_err :
								-ETIME;
}

int rig_write(struct rig *r, const void *buf, size_t len, uint64_t off,
	      unsigned int flags)
{
	return result(r, backend_write(r->b, buf, len, off, flags, rig_answer,
				       r));
}

int rig_begin_write(struct rig *r, const void *buf, size_t len, uint64_t off)
{
	return backend_write(r->b, buf, len, off, 0, rig_answer, r);
}

int rig_zero(struct rig *r, uint64_t len, uint64_t off, unsigned int flags)
{
	return result(r, backend_zero(r->b, len, off, flags, rig_answer, r));
}

int rig_read(struct rig *r, void *buf, size_t len, uint64_t off)
{
	return result(r, backend_read(r->b, buf, len, off, rig_answer, r));
}

int rig_flush(struct rig *r)
{
	return result(r, backend_flush(r->b, rig_answer, r));
}

int rig_write_each(struct rig *r, const void *buf, size_t len, uint64_t off)
{
	return result(r, backend_write_each(r->b, buf, len, off, rig_answer,
					    r));
}

int rig_sums(struct rig *r, uint64_t first, uint32_t nr, void *sums,
	     uint64_t seed)
{
	return result(r, backend_sums(r->b, first, nr, sums, seed, rig_answer,
				      r));
}
