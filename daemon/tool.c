// SPDX-License-Identifier: GPL-2.0-or-later
#include "tool.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* Signals as in a shell; @stream, 1 or 2, goes to @fd, the other nowhere. */
static int spawn(const char *const argv[], int stream, int fd, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int err;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
				 POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 3 - stream, "/dev/null",
					 O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&files, fd, stream);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	err = posix_spawnp(pid, argv[0], &files, &attr, (char *const *)argv,
			   environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return -err;
}

static int ms_until(const struct timespec *end)
{
	struct timespec now;
	int64_t ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (end->tv_sec - now.tv_sec) * 1000LL +
	     (end->tv_nsec - now.tv_nsec) / 1000000;
	return ms > 0 ? ms : 0;
}

/* The beginning of what it says, and all of it read. -ETIMEDOUT: no end. */
static int listen_to(int fd, int seconds, char said[TOOL_SAID])
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	struct timespec end;
	size_t len = 0;
	ssize_t n = 1;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	while (n > 0) {
		char rest[512];
		size_t fits = TOOL_SAID - 1 - len;

		if (poll(&poll_fd, 1, ms_until(&end)) <= 0)
			return -ETIMEDOUT;
		n = read(fd, rest, sizeof(rest));
		fits = n > 0 && (size_t)n < fits ? (size_t)n : fits;
		if (n > 0)
			memcpy(said + len, rest, fits);
		len += n > 0 ? fits : 0;
		said[len] = 0;
	}
	return 0;
}

/* On one line. */
static void make_line(char *said)
{
	size_t len = strlen(said);

	while (len && isspace((unsigned char)said[len - 1]))
		said[--len] = 0;
	for (; *said; said++)
		if (*said == '\n')
			*said = ' ';
}

int tool_run(const char *const argv[], int seconds, int stream,
	     char said[TOOL_SAID])
{
	int fd[2], err, status = -1;
	pid_t pid;

	said[0] = 0;
	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	err = spawn(argv, stream, fd[1], &pid);
	close(fd[1]);
	if (!err) {
		err = listen_to(fd[0], seconds, said);
		if (err)
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		make_line(said);
		if (err)
			snprintf(said, TOOL_SAID, "%s does not end", argv[0]);
		else
			err = status ? -EIO : 0;
	}
	close(fd[0]);
	return err;
}
