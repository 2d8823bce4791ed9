// SPDX-License-Identifier: GPL-2.0-or-later
#include "lvm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "tool.h"

/* /dev/VG/LV-dmr-origin, as udev and LVM name it, and 58-dm-replica.rules. */
static bool is_private_name(const char *path)
{
	static const char *const others[] = { "mapper/", "disk/", "block/" };
	size_t len = strlen(path), end = strlen(DMR_ORIGIN_SUFFIX);
	const char *slash;

	if (strncmp(path, "/dev/", 5))
		return false;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strncmp(path + 5, others[i], strlen(others[i])))
			return false;
	slash = strchr(path + 5, '/');
	return slash && !strchr(slash + 1, '/') &&
	       len > (size_t)(slash + 1 - path) + end &&
	       !strcmp(path + len - end, DMR_ORIGIN_SUFFIX);
}

static bool is_volume(const char *path)
{
	const char *const argv[] = { "lvs", "--noheadings", "--options",
				     "lv_name", path, NULL };
	char said[TOOL_SAID];

	return !tool_run(argv, TOOL_LOOKS, 1, said);
}

int lvm_check(const char *path, char error[KERNEL_ERROR_SIZE])
{
	if (is_private_name(path) || access(path, F_OK) || !is_volume(path))
		return 0;
	snprintf(error, KERNEL_ERROR_SIZE, "origin=%.100s is a logical volume: "
		 "rename it (lvrename) to a name that ends with "
		 DMR_ORIGIN_SUFFIX ", and say origin=/dev/VG/NAME"
		 DMR_ORIGIN_SUFFIX, path);
	return -EINVAL;
}

int lvm_activate(const char *path, char error[KERNEL_ERROR_SIZE])
{
	const char *const argv[] = { "lvchange", "--yes", "--activate", "y",
				     "--activationmode", "complete",
				     "--ignoreactivationskip", path, NULL };
	char said[TOOL_SAID] = "";

	if (!access(path, F_OK))
		return 0;
	if (is_private_name(path) && !tool_run(argv, TOOL_CHANGES, 2, said) &&
	    !access(path, F_OK))
		return 0;
	snprintf(error, KERNEL_ERROR_SIZE, "there is no origin=%.100s%s%.160s",
		 path, said[0] ? ": " : "", said);
	return -ENXIO;
}

bool lvm_is_hidden(const char *path)
{
	const char *const argv[] = { "lvs", "--noheadings", "--binary",
				     "--options", "lv_skip_activation", path,
				     NULL };
	char said[TOOL_SAID];

	return is_private_name(path) && !tool_run(argv, TOOL_LOOKS, 1, said) &&
	       !strcmp(said + strspn(said, " "), "1");
}

int lvm_hide(const char *path, bool hidden, char error[KERNEL_ERROR_SIZE])
{
	const char *const argv[] = { "lvchange", "--yes",
				     "--setactivationskip", hidden ? "y" : "n",
				     path, NULL };
	char said[TOOL_SAID];

	if (!is_private_name(path) || !tool_run(argv, TOOL_CHANGES, 2, said))
		return 0;
	snprintf(error, KERNEL_ERROR_SIZE, "origin=%.100s: %.160s", path, said);
	return -EIO;
}
