// SPDX-License-Identifier: GPL-2.0-or-later
#include "doctor.h"

#include <errno.h>
#include <fts.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

#define KERNEL_MAJOR	6
#define KERNEL_MINOR	1
#define LOCKDOWN	"/sys/kernel/security/lockdown"
#define SECURE_BOOT	"/sys/firmware/efi/efivars/SecureBoot-" \
			"8be4df61-93ca-11d2-aa0d-00e098032b8c"

/* --- kernel, module ------------------------------------------------------- */

void doctor_kernel(struct doctor *d)
{
	unsigned int major = 0, minor = 0;
	char release[100];

	if (!doctor_read(d, "/proc/sys/kernel/osrelease", release,
			 sizeof(release)) ||
	    sscanf(release, "%u.%u", &major, &minor) != 2) {
		doctor_find(d, "kernel", LEVEL_WARN, "mount /proc",
			    "its version is not known");
		return;
	}
	if (major < KERNEL_MAJOR ||
	    (major == KERNEL_MAJOR && minor < KERNEL_MINOR))
		doctor_find(d, "kernel", LEVEL_BAD,
			    "boot a kernel of 6.1 or newer",
			    "%s is older than 6.1, for which the module is made",
			    release);
	else
		doctor_find(d, "kernel", LEVEL_OK, NULL, "%s", release);
}

static bool is_module_name(const char *name)
{
	return !strncmp(name, "dm-replica.ko", 13);
}

/* Anywhere below the modules of this release. */
static bool is_installed(const struct doctor *d, const char *release)
{
	char path[300];
	char *dir, *list[2] = { NULL, NULL };
	bool is_found = false;
	FTSENT *e;
	FTS *fts;

	snprintf(path, sizeof(path), "/lib/modules/%.200s", release);
	dir = doctor_path(d, path);
	list[0] = dir;
	fts = dir ? fts_open(list, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL;
	while (fts && !is_found && (e = fts_read(fts))) {
		if (e->fts_info == FTS_F || e->fts_info == FTS_SL)
			is_found = is_module_name(e->fts_name);
	}
	if (fts)
		fts_close(fts);
	free(dir);
	return is_found;
}

void doctor_module(struct doctor *d)
{
	char release[100] = "";

	doctor_read(d, "/proc/sys/kernel/osrelease", release, sizeof(release));
	if (doctor_has(d, "/sys/module/dm_replica"))
		doctor_find(d, "module", LEVEL_OK, NULL,
			    "dm-replica is loaded");
	else if (is_installed(d, release))
		doctor_find(d, "module", LEVEL_BAD, "modprobe dm-replica",
			    "dm-replica is installed for %s, and not loaded",
			    release);
	else
		doctor_find(d, "module", LEVEL_BAD, "install it for this kernel: "
			    "dkms autoinstall, or make modules install-module, "
			    "then depmod", "there is no dm-replica for kernel %s",
			    release);
	if (!doctor_has(d, "/dev/mapper/control"))
		doctor_find(d, "device-mapper", LEVEL_BAD, "modprobe dm-mod",
			    "there is no /dev/mapper/control");
	else
		doctor_find(d, "device-mapper", LEVEL_OK, NULL, "is there");
}

/* --- Secure Boot ---------------------------------------------------------- */

static bool is_secure_boot(const struct doctor *d)
{
	char *path = doctor_path(d, SECURE_BOOT);
	FILE *file = path ? fopen(path, "re") : NULL;
	unsigned char value[5] = { 0 };	/* attributes, then the byte */
	size_t n = file ? fread(value, 1, sizeof(value), file) : 0;

	if (file)
		fclose(file);
	free(path);
	return n == 5 && value[4] == 1;
}

void doctor_secure_boot(struct doctor *d)
{
	char lockdown[100] = "";
	bool is_locked;

	if (doctor_is_hidden(d, LOCKDOWN, R_OK) ||
	    doctor_is_hidden(d, SECURE_BOOT, R_OK)) {
		doctor_cannot(d, "secure-boot", "its state");
		return;
	}
	doctor_read(d, LOCKDOWN, lockdown, sizeof(lockdown));
	is_locked = strstr(lockdown, "[integrity]") ||
		    strstr(lockdown, "[confidentiality]");
	if (!is_secure_boot(d) && !is_locked)
		doctor_find(d, "secure-boot", LEVEL_OK, NULL,
			    "is off: any module can be loaded");
	else if (doctor_has(d, "/sys/module/dm_replica"))
		doctor_find(d, "secure-boot", LEVEL_OK, NULL,
			    "is on, and the module is loaded");
	else
		doctor_find(d, "secure-boot", LEVEL_BAD, "sign the module with a "
			    "key that the firmware knows: DKMS does it; enroll "
			    "its key once: mokutil --import "
			    "/var/lib/dkms/mok.pub, and reboot",
			    "is on: the kernel takes signed modules only, "
			    "and dm-replica is not loaded");
}

/* --- io_uring ------------------------------------------------------------- */

static void try_io_uring(struct doctor *d)
{
	struct io_uring ring;
	int ret = io_uring_queue_init(8, &ring, 0);

	if (!ret)
		io_uring_queue_exit(&ring);
	if (ret == -EPERM && geteuid())
		doctor_cannot(d, "io_uring", "what root may do with it");
	else if (ret)
		doctor_find(d, "io_uring", LEVEL_BAD, "sysctl -w "
			    "kernel.io_uring_disabled=0, or take it out of the "
			    "container's seccomp filter", "cannot be used: %s",
			    strerror(-ret));
	else
		doctor_find(d, "io_uring", LEVEL_OK, NULL, "works");
}

void doctor_io_uring(struct doctor *d)
{
	char value[20] = "0";

	doctor_read(d, "/proc/sys/kernel/io_uring_disabled", value,
		    sizeof(value));
	if (value[0] == '2')
		doctor_find(d, "io_uring", LEVEL_BAD, "sysctl -w "
			    "kernel.io_uring_disabled=0",
			    "is switched off (kernel.io_uring_disabled=2)");
	else if (!d->root[0])
		try_io_uring(d);
	else
		doctor_find(d, "io_uring", LEVEL_OK, NULL,
			    "is not switched off");
}

/* --- programs, boot, clock ------------------------------------------------ */

static bool has_program(const struct doctor *d, const char *name)
{
	static const char *const dirs[] = {
		"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin",
		"/sbin", "/bin",
	};
	char path[200];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%.100s", dirs[i], name);
		if (doctor_has(d, path))
			return true;
	}
	return false;
}

void doctor_programs(struct doctor *d)
{
	if (has_program(d, "nbdkit"))
		doctor_find(d, "nbdkit", LEVEL_OK, NULL, "is installed");
	else
		doctor_find(d, "nbdkit", LEVEL_WARN, "apt-get install nbdkit",
			    "is missing: this site can receive nothing, and "
			    "has no test devices");
	if (!has_program(d, "nbd-client"))
		doctor_find(d, "nbd-client", LEVEL_WARN,
			    "apt-get install nbd-client",
			    "is missing: test devices are sockets, not /dev/nbdN");
}

static bool is_enabled(const struct doctor *d, const char *wants)
{
	char path[200];

	snprintf(path, sizeof(path), "/etc/systemd/system/%.100s", wants);
	return doctor_has(d, path);
}

void doctor_boot(struct doctor *d)
{
	if (!is_enabled(d, "sysinit.target.wants/replica-insert.service"))
		doctor_find(d, "boot", LEVEL_WARN,
			    "systemctl enable replica-insert.service",
			    "replica-insert.service is not enabled: after a boot "
			    "all of each volume is compared again");
	else if (!is_enabled(d, "multi-user.target.wants/replicad.service"))
		doctor_find(d, "boot", LEVEL_WARN,
			    "systemctl enable replicad.service",
			    "replicad.service is not enabled: after a boot "
			    "nothing is shipped");
	else
		doctor_find(d, "boot", LEVEL_OK, NULL, "both units are enabled");
}

static bool is_clock_set(const struct doctor *d)
{
	struct timex t = { .modes = 0 };

	if (d->root[0])
		return doctor_has(d, "/run/systemd/timesync/synchronized");
	return adjtimex(&t) != TIME_ERROR;
}

void doctor_clock(struct doctor *d)
{
	if (is_clock_set(d))
		doctor_find(d, "clock", LEVEL_OK, NULL, "is synchronized");
	else
		doctor_find(d, "clock", LEVEL_WARN, "run chrony or "
			    "systemd-timesyncd, at both sites",
			    "is not synchronized: the other site cannot tell how "
			    "old its replica is, and --at finds another epoch");
}
