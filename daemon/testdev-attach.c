// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A test device as /dev/nbdN: nbd-client sets it up, by netlink, and the kernel
 * has the connection from then on. The pid of that nbd-client is what /sys
 * knows of it, so a number that somebody else has got meanwhile is left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testdev-impl.h"

#define NUMBERS	64

extern char **environ;

/* The exit status of a program, without a word of it. */
static int run(char *const argv[])
{
	posix_spawn_file_actions_t files;
	int status = 0, err;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&files, 0, 1);
	posix_spawn_file_actions_adddup2(&files, 0, 2);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	err = posix_spawnp(&pid, argv[0], &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	if (err)
		return -err;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}

static bool has_driver(void)
{
	return !access("/sys/module/nbd", F_OK);
}

static bool has_program(void)
{
	char *const argv[] = { "nbd-client", "-V", NULL };

	return !run(argv);
}

bool testdev_can_attach(void)
{
	char *const argv[] = { "modprobe", "-q", "nbd", NULL };

	if (geteuid() || !has_program())
		return false;
	return has_driver() || (!run(argv) && has_driver());
}

/* Who has set it up; 0: nobody. -1: there is no such device. */
static int owner_of(const char *device)
{
	char path[64];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%.16s", device + 5);
	if (access(path, F_OK))
		return -1;
	strcat(path, "/pid");
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%d", &pid) != 1)
		pid = 0;
	fclose(f);
	return pid;
}

int testdev_attach(const char *socket, char device[32], int *pid,
		   struct error *err)
{
	char path[32];
	char *const argv[] = {
		"nbd-client", "-unix", (char *)socket, path, NULL
	};

	if (!testdev_can_attach())
		return error_set(err, -EOPNOTSUPP, "the kernel cannot attach "
				 "it: that needs root, the module nbd and "
				 "nbd-client");
	for (int i = 0; i < NUMBERS; i++) {
		snprintf(path, sizeof(path), "/dev/nbd%d", i);
		if (owner_of(path) || run(argv))
			continue;
		*pid = owner_of(path);
		strcpy(device, path);
		return 0;
	}
	return error_set(err, -EBUSY, "nbd-client has found no free /dev/nbdN");
}

void testdev_detach(const char *device, int pid)
{
	char *const argv[] = { "nbd-client", "-d", (char *)device, NULL };

	if (!strncmp(device, "/dev/nbd", 8) && pid > 0 &&
	    owner_of(device) == pid)
		run(argv);
}

bool testdev_is_used(const char *device)
{
	int fd = open(device, O_RDONLY | O_EXCL | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EBUSY;
}
