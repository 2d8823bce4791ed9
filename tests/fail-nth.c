// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fail-nth ORIGIN META commands|tables [NAME...]: for each operation and n from
 * 1 on, the n-th thing that can fail in it does (fail-inject.h), until nothing
 * was left to fail. All else, for the kernel's log and kmemleak to say, is:
 *
 * F1 what succeeds has had its whole effect
 * F2 what fails has had its whole effect (the answer was lost) or none
 * F3 said again, it succeeds and has had its effect
 * F4 in the end as many things hold the module as at first
 *
 * Both disks are overwritten. Lines of TAP; status 4 where the kernel has no
 * fault injection.
 */
#include "fail-nth.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dm-raw.h"
#include "fail-inject.h"
#include "tap.h"

#define N_MAX		5000
#define BAD_MAX		5

struct dmr_get before, now;
uint64_t dev;
const char *origin, *meta;
uint64_t origin_sectors;
struct genl owner, looker;

static unsigned int nr_bad;

void must(const char *what, int err)
{
	if (!err)
		return;
	printf("Bail out! %s: %s %s\n", what, strerrorname_np(-err),
	       looker.extack);
	exit(1);
}

bool look(struct dmr_get *get)
{
	uint64_t state;
	int i;

	memset(get, 0, sizeof(*get));
	for (i = 0; dev && i < 6000; i++) {
		if (dmr_get(&looker, dev, get))
			return false;
		state = get->number[DMR_A_STATE];
		if (state != DMR_STATE_DRAINING && state != DMR_STATE_ABORTED)
			return true;
		usleep(10000);
	}
	return false;
}

/* What no failed operation may change. */
static bool is_as_before(void)
{
	static const int fields[] = {
		DMR_A_DEV, DMR_A_SECTORS, DMR_A_ROLE, DMR_A_STATE,
		DMR_A_GENERATION, DMR_A_OWNER, DMR_A_GROUP, DMR_A_MEMBERS,
		DMR_A_EPOCH, DMR_A_EPOCH_FLAGS, DMR_A_LAST_COMMITTED,
		DMR_A_HIGHEST_SEEN, DMR_A_NR_DIRTY, DMR_A_NR_FROZEN,
		DMR_A_NR_HELD,
	};
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (before.number[fields[i]] != now.number[fields[i]])
			return false;
	return true;
}

static void complain(const struct op *op, unsigned int n, const char *rule,
		     int err)
{
	printf("# %s, n %u: %s (%s)\n", op->name, n, rule,
	       err ? strerrorname_np(-err) : "success");
	nr_bad++;
}

/* One n. False: there was nothing left that could fail. */
static bool try_one(const struct op *op, unsigned int n, unsigned int *failed)
{
	bool injected, done;
	int err;

	op->prepare();
	look(&before);
	inject_arm(n);
	err = op->run();
	injected = inject_disarm();
	look(&now);
	done = op->done();
	*failed += err != 0;
	if (!err && !done)
		complain(op, n, "F1", err);
	if (err && !injected)
		complain(op, n, "it fails by itself", err);
	if (err && !done && !is_as_before() && !(op->partly && op->partly()))
		complain(op, n, "F2", err);
	if (err) {
		err = op->run();
		look(&now);
		if (err || !op->done())
			complain(op, n, "F3", err);
	}
	op->undo();
	return injected;
}

static void try_all(const struct op *op, unsigned int step)
{
	unsigned int n = 1 + (step > 1 ? rand() % step : 0), failed = 0, nr;

	nr_bad = 0;
	for (nr = 1; n < N_MAX && nr_bad < BAD_MAX; nr++, n += step)
		if (!try_one(op, n, &failed))
			break;
	ok(!nr_bad && n < N_MAX, "%s: of %u points %u tried, %u made it fail",
	   op->name, n, nr, failed);
}

/* --- setting up ----------------------------------------------------------- */

static int nr_users(void)
{
	FILE *f = fopen("/sys/module/dm_replica/refcnt", "r");
	int nr = -1;

	if (f && fscanf(f, "%d", &nr) != 1)
		nr = -1;
	if (f)
		fclose(f);
	return nr;
}

static uint64_t sectors_of(const char *path)
{
	uint64_t bytes = 0;
	int fd = open(path, O_RDONLY);

	must(path, fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) ? -errno : 0);
	close(fd);
	return bytes / 512;
}

static bool is_wanted(const char *name, char **names)
{
	bool any = *names;

	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return !any;
}

static unsigned int step_of_environment(void)
{
	const char *word = getenv("DMR_FAIL_STEP");
	int step = word ? atoi(word) : 1;

	return step < 1 ? 1 : step;
}

static void try_table(const struct op *op, unsigned int nr, char **names)
{
	unsigned int step = step_of_environment();

	for (; nr--; op++)
		if (is_wanted(op->name, names))
			try_all(op, step);
}

int main(int argc, char **argv)
{
	bool commands = argc > 3 && !strcmp(argv[3], "commands");
	int err, users;

	if (!commands && (argc < 4 || strcmp(argv[3], "tables"))) {
		fprintf(stderr, "usage: fail-nth ORIGIN META commands|tables "
			"[NAME...]\n");
		return 2;
	}
	err = inject_open();
	if (err == -ENOENT || err == -EACCES) {
		printf("1..0 # SKIP this kernel has no fault injection\n");
		return TAP_SKIP_STATUS;
	}
	must("fault injection", err);
	origin = argv[1];
	meta = argv[2];
	origin_sectors = sectors_of(origin);
	must("device-mapper", dm_raw_open());
	must("netlink", genl_open(&looker, DMR_GENL_NAME));
	must("netlink", genl_open(&owner, DMR_GENL_NAME));
	users = nr_users();
	wipe_meta();
	if (commands) {
		make_volume();
		try_table(command_ops, nr_command_ops, argv + 4);
		drop_volume();
	} else {
		try_table(table_ops, nr_table_ops, argv + 4);
		drop_volume();
	}
	is_int(nr_users(), users, "F4: the module's users are as many as before");
	return tap_done();
}
