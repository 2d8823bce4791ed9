// SPDX-License-Identifier: GPL-2.0-or-later
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* --- in the child, before the program: async-signal-safe calls only ------- */

static void reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);		/* some can't be, and are */
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int set_files(int log, int give)
{
	int null = open("/dev/null", O_RDONLY);

	if (null < 0 || dup2(null, 0) < 0)
		return -errno;
	if (log >= 0 && (dup2(log, 1) < 0 || dup2(log, 2) < 0))
		return -errno;
	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC))
		return -errno;
	if (!give || (give == 3 && !fcntl(3, F_SETFD, 0)))
		return 0;
	return dup2(give, 3) < 0 ? -errno : 0;
}

/* H1, H3. Does not return; what went wrong goes to @report. */
static void become(char *const argv[], int log, int give, pid_t parent,
		   int report)
{
	int err;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(127);
	reset_signals();
	setpgid(0, 0);
	report = fcntl(report, F_DUPFD_CLOEXEC, 4);	/* 3 is taken */
	err = set_files(log, give);
	if (!err) {
		execvp(argv[0], argv);
		err = -errno;
	}
	if (write(report, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

/* 0, or what it could not become. */
static int read_report(int fd)
{
	int err = 0;
	ssize_t n;

	do
		n = read(fd, &err, sizeof(err));
	while (n < 0 && errno == EINTR);
	return n == sizeof(err) ? err : 0;
}

static int spawn(pid_t *pid, char *const argv[], int log, int give)
{
	pid_t parent = getpid();
	int report[2], err;

	if (pipe2(report, O_CLOEXEC))
		return -errno;
	*pid = fork();
	if (!*pid)
		become(argv, log, give, parent, report[1]);
	err = *pid < 0 ? -errno : 0;
	close(report[1]);
	if (!err) {
		err = read_report(report[0]);
		if (err)
			waitpid(*pid, NULL, 0);
	}
	close(report[0]);
	return err;
}

int child_start(struct child *c, struct ring *ring, char *const argv[],
		int log)
{
	int err = spawn(&c->pid, argv, log, c->give);

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
