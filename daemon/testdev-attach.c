// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A test device as /dev/nbdN: nbd-client sets it up, by netlink, and the kernel
 * has the connection from then on. The path of the socket is its identity in
 * /sys, so that a number that somebody else has got meanwhile is left alone.
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

static bool is_free(int number)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/nbd%d", number);
	if (access(path, F_OK))
		return false;
	strcat(path, "/pid");
	return access(path, F_OK);
}

static bool is_ours(const char *socket, const char *device)
{
	char path[64], line[TESTDEV_SOCKET_LEN + 2] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%.16s/backend", device + 5);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	line[strcspn(line, "\n")] = 0;
	return !strcmp(line, socket);
}

int testdev_attach(const char *socket, char device[32], struct error *err)
{
	char path[32];
	char *const argv[] = {
		"nbd-client", "-unix", (char *)socket, path, "-i",
		(char *)socket, NULL
	};

	if (!testdev_can_attach())
		return error_set(err, -EOPNOTSUPP, "the kernel cannot attach "
				 "it: that needs root, the module nbd and "
				 "nbd-client");
	for (int i = 0; i < NUMBERS; i++) {
		snprintf(path, sizeof(path), "/dev/nbd%d", i);
		if (is_free(i) && !run(argv)) {
			strcpy(device, path);
			return 0;
		}
	}
	return error_set(err, -EBUSY, "nbd-client has found no free /dev/nbdN");
}

void testdev_detach(const char *socket, const char *device)
{
	char *const argv[] = { "nbd-client", "-d", (char *)device, NULL };

	if (!strncmp(device, "/dev/nbd", 8) && is_ours(socket, device))
		run(argv);
}

bool testdev_is_used(const char *device)
{
	int fd = open(device, O_RDONLY | O_EXCL | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EBUSY;
}
