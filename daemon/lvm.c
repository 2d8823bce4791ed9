// SPDX-License-Identifier: GPL-2.0-or-later
#include "lvm.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAID_SIZE	160

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
	err = posix_spawnp(pid, argv[0], &files, &attr, (char *const *)argv,
			   environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return -err;
}

/* The beginning of what it says, on one line, and all of it read. */
static void listen_to(int fd, char said[SAID_SIZE])
{
	char rest[512];
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, rest, sizeof(rest))) > 0) {
		size_t fits = SAID_SIZE - 1 - len;

		fits = (size_t)n < fits ? (size_t)n : fits;
		memcpy(said + len, rest, fits);
		len += fits;
	}
	said[len] = 0;
	while (len && isspace((unsigned char)said[len - 1]))
		said[--len] = 0;
	for (char *c = said; *c; c++)
		if (*c == '\n')
			*c = ' ';
}

/* 0: it ended well; -EIO: not; -errno: it could not be run. */
static int run(const char *const argv[], int stream, char said[SAID_SIZE])
{
	int fd[2], err, status = -1;
	pid_t pid;

	said[0] = 0;
	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	err = spawn(argv, stream, fd[1], &pid);
	close(fd[1]);
	if (!err) {
		listen_to(fd[0], said);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		err = status ? -EIO : 0;
	}
	close(fd[0]);
	return err;
}

/* /dev/VG/LV, as udev and LVM name it. */
static bool is_volume_name(const char *path)
{
	static const char *const others[] = { "mapper/", "disk/", "block/" };
	const char *slash;

	if (strncmp(path, "/dev/", 5))
		return false;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strncmp(path + 5, others[i], strlen(others[i])))
			return false;
	slash = strchr(path + 5, '/');
	return slash && slash[1] && !strchr(slash + 1, '/');
}

int lvm_activate(const char *path, char error[KERNEL_ERROR_SIZE])
{
	const char *const argv[] = { "lvchange", "--yes", "--activate", "y",
			 "--ignoreactivationskip", path, NULL };
	char said[SAID_SIZE] = "";

	if (!access(path, F_OK))
		return 0;
	if (is_volume_name(path) && !run(argv, 2, said) && !access(path, F_OK))
		return 0;
	snprintf(error, KERNEL_ERROR_SIZE, "there is no origin=%.100s%s%.160s",
		 path, said[0] ? ": " : "", said);
	return -ENXIO;
}

bool lvm_is_hidden(const char *path)
{
	const char *const argv[] = { "lvs", "--noheadings", "--binary", "--options",
			 "lv_skip_activation", path, NULL };
	char said[SAID_SIZE];

	return !run(argv, 1, said) && !strcmp(said + strspn(said, " "), "1");
}

static bool is_volume(const char *path)
{
	const char *const argv[] = { "lvs", "--noheadings", "--options", "lv_name",
			 path, NULL };
	char said[SAID_SIZE];

	return !run(argv, 1, said);
}

int lvm_hide(const char *path, char error[KERNEL_ERROR_SIZE])
{
	const char *const argv[] = { "lvchange", "--yes", "--setactivationskip", "y",
			 path, NULL };
	char said[SAID_SIZE];

	if (!is_volume(path) || lvm_is_hidden(path) || !run(argv, 2, said))
		return 0;
	snprintf(error, KERNEL_ERROR_SIZE, "origin=%.100s: %.160s", path, said);
	return -EIO;
}
