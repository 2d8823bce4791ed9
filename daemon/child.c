// SPDX-License-Identifier: GPL-2.0-or-later
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void on_end(struct ring_op *op, int res, unsigned int flags)
{
	struct child *c = container_of(op, struct child, poll);
	int status = 0;

	if (res == -ECANCELED)
		return;			/* the ring ends, and so do we */
	waitpid(c->pid, &status, 0);
	close(c->pidfd);
	c->pid = 0;
	c->ended(c, status);
}

/* H1 */
static int set_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, all;
	int err;

	sigemptyset(&none);
	sigfillset(&all);
	err = posix_spawnattr_setsigmask(attr, &none);
	if (!err)
		err = posix_spawnattr_setsigdefault(attr, &all);
	if (!err)
		err = posix_spawnattr_setpgroup(attr, 0);
	if (!err)
		err = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK |
					       POSIX_SPAWN_SETSIGDEF |
					       POSIX_SPAWN_SETPGROUP);
	return err;
}

/* H1 */
static int set_files(posix_spawn_file_actions_t *files, int log)
{
	int err = posix_spawn_file_actions_addopen(files, 0, "/dev/null",
						   O_RDONLY, 0);

	if (!err && log >= 0)
		err = posix_spawn_file_actions_adddup2(files, log, 1);
	if (!err && log >= 0)
		err = posix_spawn_file_actions_adddup2(files, log, 2);
	if (!err)
		err = posix_spawn_file_actions_addclosefrom_np(files, 3);
	return err;
}

static int spawn(pid_t *pid, char *const argv[], int log)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int err;

	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	err = set_files(&files, log);
	if (!err)
		err = set_attributes(&attr);
	if (!err)
		err = posix_spawnp(pid, argv[0], &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -err;
}

int child_start(struct child *c, struct ring *ring, char *const argv[],
		int log)
{
	int err = spawn(&c->pid, argv, log);

	if (err) {
		c->pid = 0;
		return err;
	}
	c->pidfd = syscall(SYS_pidfd_open, c->pid, 0);
	if (c->pidfd < 0) {
		err = -errno;
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
		c->pid = 0;
		return err;
	}
	c->ring = ring;
	c->poll.done = on_end;
	ring_poll(ring, &c->poll, c->pidfd, POLLIN, false);
	return 0;
}

void child_signal(struct child *c, int signo)
{
	if (c->pid)
		kill(c->pid, signo);
}
