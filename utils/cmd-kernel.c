// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * "kernel": straight to the netlink family, for when the daemon does not run.
 * Nothing here becomes the owner of a device, so the daemon is not disturbed.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cmd.h"
#include "device.h"
#include "format.h"
#include "kernel-print.h"
#include "netlink.h"
#include "print.h"

#define HOLD_MAX_S	60
#define MARK_WAIT_S	30
#define MARK_LOOK_MS	20

struct session {
	const struct args *args;
	struct dmr_nl *nl;
};

static int exit_status_of(int err)
{
	switch (err) {
	case -ENODEV: case -ENOENT: case -ENXIO:
		return STATUS_NOT_FOUND;
	case -EPERM: case -EACCES:
		return STATUS_PERMISSION;
	case -EBUSY: case -EINVAL: case -ERANGE: case -ESTALE:
		return STATUS_REFUSED;
	case -ETIMEDOUT:
		return STATUS_TIMEOUT;
	default:
		return STATUS_FAILED;
	}
}

static int fail(const struct session *s, int err, const char *name)
{
	return ctl_fail(s->args, exit_status_of(err), "%s: %s", name,
			dmr_nl_error(s->nl));
}

static int open_kernel(struct session *s)
{
	int ret = dmr_nl_open(&s->nl);
	int status;

	if (!ret)
		return STATUS_OK;
	if (ret != -ENOENT)
		return ctl_fail(s->args, exit_status_of(ret), "netlink: %s",
				strerror(-ret));
	status = ctl_fail(s->args, STATUS_FAILED,
			  "the kernel module is not loaded");
	ctl_hint(s->args, "Load it: modprobe dm-replica");
	return status;
}

/* --- finding a device ----------------------------------------------------- */

struct wanted {
	const char *name;
	uint64_t dev;			/* 0: by name */
	struct dmr_info info;
	bool is_found;
};

static int compare(void *arg, const struct dmr_info *info)
{
	struct wanted *w = arg;

	if (w->dev ? w->dev != info->dev : strcmp(w->name, info->name) != 0)
		return 0;
	w->info = *info;
	w->is_found = true;
	return 0;
}

/* A name, a path of a block device, or MAJOR:MINOR. */
static int find(const struct session *s, const char *what,
		struct dmr_info *info)
{
	struct wanted w = { .name = what };
	unsigned int major, minor;
	struct stat st;
	int ret, end = 0;

	if (what[0] == '/' && !stat(what, &st) && S_ISBLK(st.st_mode))
		w.dev = dmr_devno(major(st.st_rdev), minor(st.st_rdev));
	if (sscanf(what, "%u:%u%n", &major, &minor, &end) == 2 && !what[end])
		w.dev = dmr_devno(major, minor);
	ret = dmr_nl_get_all(s->nl, compare, &w);
	if (ret)
		return fail(s, ret, what);
	if (!w.is_found)
		return ctl_fail(s->args, STATUS_NOT_FOUND,
				"the kernel has no replica device %.60s", what);
	*info = w.info;
	return STATUS_OK;
}

/* --- list, status --------------------------------------------------------- */

static int do_list(const struct session *s)
{
	struct kernel_list *list = kernel_list_create();
	int ret = list ? dmr_nl_get_all(s->nl, kernel_list_add, list) : -ENOMEM;

	if (!ret)
		kernel_list_print(list, args_has(s->args, "json"));
	kernel_list_destroy(list);
	return ret ? fail(s, ret, "list") : STATUS_OK;
}

static int do_status(const struct session *s)
{
	struct dmr_info info;
	int status = find(s, s->args->words[1], &info);

	if (!status)
		kernel_info_print(&info, args_has(s->args, "json"));
	return status;
}

/* --- dirty, mark ---------------------------------------------------------- */

static int do_dirty(const struct session *s)
{
	struct kernel_extents extents = { 0 };
	struct dmr_info info;
	int ret, status = find(s, s->args->words[1], &info);

	if (status)
		return status;
	extents.is_json = args_has(s->args, "json");
	extents.chunk_bytes = info.chunk_sectors * 512ULL;
	extents.volume_bytes = info.sectors * 512;
	kernel_extents_begin(&extents);
	ret = dmr_nl_get_dirty(s->nl, info.dev, 0, 0, kernel_extents_add,
			       &extents);
	kernel_extents_end(&extents);
	return ret ? fail(s, ret, info.name) : STATUS_OK;
}

/* The range of --offset and --length, widened to chunks. */
static int get_range(const struct session *s, const struct dmr_info *info,
		     struct dmr_extent *e)
{
	const char *offset = args_value(s->args, "offset");
	const char *length = args_value(s->args, "length");
	unsigned long long from, len, chunk = info->chunk_sectors * 512ULL;

	if (!offset || !length)
		return ctl_fail(s->args, STATUS_USAGE,
				"mark needs --all, or --offset and --length");
	if (args_bytes(offset, &from) || args_bytes(length, &len))
		return ctl_fail(s->args, STATUS_USAGE,
				"--offset and --length are sizes such as 64MiB");
	if (!len || from >= info->sectors * 512 ||
	    len > info->sectors * 512 - from)
		return ctl_fail(s->args, STATUS_REFUSED,
				"%s has only %llu bytes", info->name,
				(unsigned long long)info->sectors * 512);
	e->start = from / chunk;
	e->count = (from + len - 1) / chunk - e->start + 1;
	return STATUS_OK;
}

/* A crash forgets marks that are not durable. */
static int wait_durable(const struct session *s, const struct dmr_info *marked)
{
	const struct timespec pause = { .tv_nsec = MARK_LOOK_MS * 1000000L };
	double left_ms = ctl_timeout(s->args, MARK_WAIT_S) * 1000;
	struct dmr_info info;

	for (;; left_ms -= MARK_LOOK_MS) {
		int ret = dmr_nl_get(s->nl, marked->dev, &info);

		if (ret)
			return fail(s, ret, marked->name);
		if (!(info.dev_flags & DMR_DEV_F_META_PENDING))
			return STATUS_OK;
		if (info.dev_flags & DMR_DEV_F_META_FAILED)
			return ctl_fail(s->args, STATUS_FAILED, "%s: the "
				"metadata device has failed: it is marked, but "
				"a crash before the device works again would "
				"forget that", marked->name);
		if (left_ms <= 0)
			return ctl_fail(s->args, STATUS_TIMEOUT, "%s: it is "
				"marked, but the metadata device has not noted "
				"that yet: a crash now would forget it",
				marked->name);
		nanosleep(&pause, NULL);
	}
}

static int do_mark(const struct session *s)
{
	struct dmr_extent e = { 0 };
	struct dmr_info info;
	bool all = args_has(s->args, "all");
	int ret, status = find(s, s->args->words[1], &info);

	if (!status && !all)
		status = get_range(s, &info, &e);
	if (status)
		return status;
	ret = dmr_nl_mark(s->nl, info.dev, all ? NULL : &e, !all);
	if (ret)
		return fail(s, ret, info.name);
	status = wait_durable(s, &info);
	if (status)
		return status;
	kernel_marked_print(&info, all ? NULL : &e,
			    args_has(s->args, "json"));
	return STATUS_OK;
}

/* --- hold ----------------------------------------------------------------- */

static volatile sig_atomic_t is_interrupted;

static void on_signal(int sig)
{
	is_interrupted = 1;
}

static void sleep_for(double seconds)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct timespec ts = { seconds, (seconds - (long)seconds) * 1e9 };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	nanosleep(&ts, NULL);
}

/* A message, not HOLD: that is for the owner, which we do not want to be. */
static int tell_target(const struct session *s, const char *name,
		       const char *message)
{
	struct dmr_dm *dm;
	int status = STATUS_OK, ret = dmr_dm_open(&dm);

	if (ret)
		return ctl_fail(s->args, STATUS_FAILED, "not enough memory");
	ret = dmr_dm_message(dm, name, message);
	if (ret)
		status = ctl_fail(s->args, exit_status_of(ret), "%s",
				  dmr_dm_error(dm));
	dmr_dm_close(dm);
	return status;
}

static int do_hold(const struct session *s)
{
	const char *text = args_value(s->args, "time");
	double seconds = 10;
	char message[32];
	struct dmr_info info;
	int status = find(s, s->args->words[1], &info);

	if (status)
		return status;
	if (text && (args_seconds(text, &seconds) || seconds < 0.001 ||
		     seconds > HOLD_MAX_S))
		return ctl_fail(s->args, STATUS_USAGE,
				"--time=%.20s is not a time up to %ds", text,
				HOLD_MAX_S);
	snprintf(message, sizeof(message), "hold %.0f", seconds * 1000);
	status = tell_target(s, info.name, message);
	if (status)
		return status;
	if (!args_has(s->args, "json"))
		fprintf(stderr, "New writes to %s wait. Ctrl-C lets them go.\n",
			info.name);
	sleep_for(seconds);
	status = tell_target(s, info.name, "unhold");
	if (!status)
		kernel_held_print(&info, args_has(s->args, "json"));
	return status;
}

/* --- events --------------------------------------------------------------- */

static int do_events(const struct session *s)
{
	struct pollfd pfd = { .fd = dmr_nl_fd(s->nl), .events = POLLIN };
	struct dmr_nl_event ev;
	int ret;

	for (;;) {
		ret = dmr_nl_next_event(s->nl, &ev);
		if (ret == -ENOBUFS)
			fputs("replicactl: some events were lost\n", stderr);
		else if (ret < 0)
			return fail(s, ret, "events");
		else if (ret)
			kernel_event_print(&ev, args_has(s->args, "json"));
		else
			poll(&pfd, 1, -1);
	}
}

/* --- meta-size ------------------------------------------------------------ */

/* A word that is a number of sectors, or the standard where there is none. */
static bool get_sectors(const struct args *args, unsigned int i,
			unsigned long long standard, unsigned long long *n)
{
	char *end;

	*n = standard;
	if (i >= (unsigned int)args->nr_words)
		return true;
	errno = 0;
	*n = strtoull(args->words[i], &end, 10);
	return !errno && !*end && args->words[i][0] >= '0' &&
	       args->words[i][0] <= '9';
}

static int do_meta_size(const struct session *s)
{
	unsigned long long sectors, chunk, region;
	struct dmr_layout l;

	if (!get_sectors(s->args, 1, 0, &sectors) ||
	    !get_sectors(s->args, 2, 8, &chunk) || chunk > UINT32_MAX ||
	    !get_sectors(s->args, 3, 8192, &region) || region > UINT32_MAX)
		return ctl_fail(s->args, STATUS_USAGE, "meta-size: SECTORS, "
				"chunk_size and region_size are numbers of "
				"sectors");
	if (!dmr_layout_init(&l, sectors, chunk, region))
		return ctl_fail(s->args, STATUS_REFUSED, "meta-size: the target "
				"takes no volume of that shape");
	kernel_meta_size_print(l.nr_blocks * DMR_BLOCK_SIZE,
			       args_has(s->args, "json"));
	return STATUS_OK;
}

/* --- the verb ------------------------------------------------------------- */

static const struct action {
	const char *name;
	int min, max;			/* words after it */
	bool is_offline;		/* asks nobody */
	int (*run)(const struct session *s);
} actions[] = {
	{ "list", 0, 0, false, do_list },
	{ "status", 1, 1, false, do_status },
	{ "dirty", 1, 1, false, do_dirty },
	{ "mark", 1, 1, false, do_mark },
	{ "hold", 1, 1, false, do_hold },
	{ "events", 0, 0, false, do_events },
	{ "meta-size", 1, 3, true, do_meta_size },
};

static int run(const struct args *args)
{
	static const char *const action_names[] = {
		"list", "status", "dirty", "mark", "hold", "events",
		"meta-size", NULL
	};
	struct session s = { .args = args };
	size_t i, nr = sizeof(actions) / sizeof(actions[0]);
	int status = STATUS_OK;

	for (i = 0; i < nr; i++)
		if (!strcmp(args->words[0], actions[i].name))
			break;
	if (i == nr)
		return ctl_no_action(args, "kernel", args->words[0],
				     action_names);
	if (args->nr_words < 1 + actions[i].min ||
	    args->nr_words > 1 + actions[i].max)
		return ctl_fail(args, STATUS_USAGE, "kernel %s %s",
				actions[i].name, actions[i].is_offline ?
				"needs SECTORS [chunk_size [region_size]]" :
				actions[i].max ? "needs one volume" :
				"takes no volume");
	if (!actions[i].is_offline)
		status = open_kernel(&s);
	if (!status)
		status = actions[i].run(&s);
	dmr_nl_close(s.nl);
	return status;
}

static const struct option_spec options[] = {
	{ "all", NULL, "mark: the whole volume" },
	{ "offset", "SIZE", "mark: where to begin" },
	{ "length", "SIZE", "mark: how much" },
	{ "time", "TIME", "hold: how long, at most 60s (10s)" },
	{ NULL }
};

const struct command cmd_kernel = {
	.name = "kernel",
	.words = "ACTION [VOLUME]",
	.min_words = 1,
	.max_words = 4,
	.summary = "ask the kernel module, without replicad",
	.examples = "    replicactl kernel list\n"
		    "    replicactl kernel status vol --json\n"
		    "    replicactl kernel dirty vol\n"
		    "    replicactl kernel mark vol --offset 1GiB --length 64MiB\n"
		    "    replicactl kernel hold vol --time 5s\n"
		    "    replicactl kernel meta-size 2147483648\n",
	.text =
	"list            all replica devices\n"
	"status VOLUME   everything that the kernel knows of one\n"
	"dirty VOLUME    what has been written since the last cut, in bytes\n"
	"mark VOLUME     makes --all of it, or a range, dirty: it is shipped again\n"
	"hold VOLUME     lets new writes to its group wait, while this runs\n"
	"events          what the kernel tells, as it happens\n"
	"meta-size SECTORS [chunk_size [region_size]]\n"
	"                how large the metadata device of such a volume must be\n"
	"\n"
	"Needs root. VOLUME is a device-mapper name, a path or MAJOR:MINOR.\n",
	.options = options,
	.run = run,
};
