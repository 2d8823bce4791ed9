// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * storm SECONDS SEED ORIGIN META TARGET: what an administrator may do to a
 * volume, in random order, while it is written and shipped: reload, suspend,
 * resume, hold, mark, grow, retire, take out, unload the module. Now and then
 * all stand still, and then:
 *
 * O1 every chunk has what was last written to it (a shadow in memory knows)
 * O2 (P3) every chunk in which ORIGIN and TARGET differ is dirty or frozen
 *
 * It goes on, however slow the machine is, until each of them was done, and
 * growth and taking out also with an epoch open.
 *
 * TARGET is written by the shipper; it is never ahead of what the volume knows
 * by more than an epoch that is dirty again. All three are overwritten. The
 * seed is printed first; lines of TAP.
 */
#include "storm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "dm-raw.h"
#include "tap.h"

#define SMALL		2048		/* chunks, before it grows */

struct storm storm = { .netlink = PTHREAD_MUTEX_INITIALIZER, .fd = -1,
		       .view_fd = -1 };

static const char *origin, *meta;
static int origin_fd;
static uint32_t nr_all;			/* chunks of the disk */
static unsigned int failures, nr_checks, nr_grown_open, nr_taken_open;
static struct genl looker;

void storm_fail(const char *what, uint32_t chunk, int err)
{
	if (__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED) < 10)
		printf("# %s, chunk %u: %s %s\n", what, chunk,
		       strerrorname_np(-err), looker.extack);
}

unsigned int storm_failures(void)
{
	return __atomic_load_n(&failures, __ATOMIC_RELAXED);
}

static void must(const char *what, int err)
{
	if (err)
		storm_fail(what, 0, err);
}

/* --- up and down ---------------------------------------------------------- */

static int load(uint32_t nr_chunks, unsigned int hot)
{
	char params[256];

	snprintf(params, sizeof(params), "%s %s 6 region_size 512 "
		 "hot_regions %u preserve_pages %u", origin, meta, hot,
		 rand() % 4 ? 64 : 0);
	return dm_raw_load(VOL, (uint64_t)nr_chunks * 8, "replica", params,
			   false);
}

static int open_node(const char *name, int flags)
{
	char path[64];
	uint64_t number;
	int fd;

	must(name, dm_raw_number(name, &number));
	snprintf(path, sizeof(path), "/dev/%s", name);
	unlink(path);
	if (mknod(path, S_IFBLK | 0600, makedev(number >> 32,
						number & 0xffffffff)))
		must(path, -errno);
	fd = open(path, flags | O_DIRECT | O_CLOEXEC);
	must(path, fd < 0 ? -errno : 0);
	return fd;
}

static void view_up(void)
{
	must("create view", dm_raw_create(VIEW));
	must("load view", dm_raw_load(VIEW, (uint64_t)storm.nr_chunks * 8,
				      "replica-view", origin, true));
	must("resume view", dm_raw_resume(VIEW));
	storm.view_fd = open_node(VIEW, O_RDONLY);
}

static void view_down(void)
{
	close(storm.view_fd);
	storm.view_fd = -1;
	must("remove view", dm_raw_remove(VIEW));
}

static void volume_up(void)
{
	must("create", dm_raw_create(VOL));
	must("load", load(storm.nr_chunks, 4 + rand() % 8));
	must("resume", dm_raw_resume(VOL));
	must("number", dm_raw_number(VOL, &storm.dev));
	storm.fd = open_node(VOL, O_RDWR);
	view_up();
}

/* The view may outlive it for a while. */
static void volume_down(bool planned)
{
	bool view_first = rand() % 2;

	close(storm.fd);
	storm.fd = -1;
	if (view_first)
		view_down();
	if (planned)
		must("retire", dm_raw_message(VOL, "retire"));
	must("remove", dm_raw_remove(VOL));
	if (!view_first)
		view_down();
	storm.dev = 0;
}

/* --- the oracle ----------------------------------------------------------- */

static void add_set(unsigned char *set, int cmd, uint64_t epoch)
{
	struct dmr_extents extents;
	uint64_t at;
	size_t i;
	int err = dmr_extents(&looker, cmd, storm.dev, epoch, &extents);

	must("extents", err);
	for (i = 0; !err && i < extents.nr; i++)
		for (at = extents.extent[i].start; at < nr_all &&
		     at < extents.extent[i].start + extents.extent[i].count;
		     at++)
			set[at] = 1;
	dmr_extents_free(&extents);
}

static void take_sets(unsigned char *set)
{
	struct dmr_get get;
	int i;

	for (i = 0; i < 3000; i++) {
		must("get", dmr_get(&looker, storm.dev, &get));
		if (get.number[DMR_A_STATE] != DMR_STATE_DRAINING)
			break;
		usleep(10000);
	}
	add_set(set, DMR_CMD_GET_DIRTY, 0);
	if (get.number[DMR_A_EPOCH])
		add_set(set, DMR_CMD_GET_FROZEN, get.number[DMR_A_EPOCH]);
}

/* The turn is held for writing. */
static void check(void)
{
	static unsigned char a[CHUNK] __attribute__((aligned(CHUNK)));
	static unsigned char b[CHUNK] __attribute__((aligned(CHUNK)));
	unsigned char *set = calloc(nr_all, 1);
	uint32_t i;

	take_sets(set);
	for (i = 0; i < storm.nr_chunks; i++) {
		if (pread(origin_fd, a, CHUNK, (off_t)i * CHUNK) != CHUNK ||
		    pread(storm.target_fd, b, CHUNK, (off_t)i * CHUNK) != CHUNK)
			storm_fail("read", i, -errno);
		if (!storm_has(a, i, storm.shadow[i]))
			storm_fail("O1: a write was lost", i, 0);
		if (memcmp(a, b, CHUNK) && !set[i])
			storm_fail("O2: a write was forgotten", i, 0);
	}
	nr_checks++;
	free(set);
}

/* --- operations ----------------------------------------------------------- */

static void do_reload(void)
{
	must("reload", load(storm.nr_chunks, 4 + rand() % 8));
	must("resume", dm_raw_resume(VOL));
}

static void do_suspend(void)
{
	must("suspend", dm_raw_suspend(VOL));
	usleep(rand() % 20000);
	must("resume", dm_raw_resume(VOL));
}

static void do_hold(void)
{
	must("hold", dm_raw_message(VOL, "hold 60000"));
	usleep(rand() % 50000);
	if (rand() % 2)
		must("unhold", dm_raw_message(VOL, "unhold"));
	else
		do_suspend();
}

static void do_mark(void)
{
	struct dmr_extent extent = { rand() % storm.nr_chunks, 1 };

	pthread_mutex_lock(&storm.netlink);
	must("mark", dmr_mark(&looker, storm.dev, &extent, 1));
	pthread_mutex_unlock(&storm.netlink);
}

/* The shipper does nothing meanwhile. */
static bool is_epoch_open(void)
{
	struct dmr_get get;

	must("get", dmr_get(&looker, storm.dev, &get));
	return get.number[DMR_A_EPOCH];
}

/* The shipper's turn, until it has one open, or for seconds; then ours. */
static void wait_for_epoch(void)
{
	pthread_mutex_lock(&storm.netlink);
	for (int i = 0; i < 500 && !is_epoch_open(); i++) {
		pthread_mutex_unlock(&storm.netlink);
		usleep(20000);
		pthread_mutex_lock(&storm.netlink);
	}
}

/* Now and then what the shipper has open stays so until it has grown. */
static void resume_larger(void)
{
	bool shipper_waits = !nr_grown_open || rand() % 2;

	if (shipper_waits) {
		wait_for_epoch();
		nr_grown_open += is_epoch_open();
	}
	must("resume larger", dm_raw_resume(VOL));
	if (shipper_waits)
		pthread_mutex_unlock(&storm.netlink);
}

/* Under load; only the view stands still, and is made anew. */
static void do_grow(void)
{
	uint32_t more = storm.nr_chunks + 1 + rand() % 300;

	if (more > nr_all)
		return;
	must("load larger", load(more, 4 + rand() % 8));
	resume_larger();
	pthread_rwlock_wrlock(&storm.turn);
	storm.nr_chunks = more;
	view_down();
	view_up();
	check();
	pthread_rwlock_unlock(&storm.turn);
}

static void replace_module(void)
{
	const char *ko = getenv("DMR_KO");
	char command[512];

	genl_close(&looker);
	snprintf(command, sizeof(command), "rmmod dm-replica && %s %s",
		 ko ? "insmod" : "modprobe", ko ? ko : "dm-replica");
	if (system(command))
		storm_fail("the module is still in use", 0, 0);
	must("netlink", genl_open(&looker, DMR_GENL_NAME));
}

/* The module goes only when nothing of the shipper's is left. */
static void down_and_up(bool planned, bool module)
{
	pthread_rwlock_wrlock(&storm.turn);
	nr_taken_open += !planned && is_epoch_open();
	volume_down(planned);
	pthread_rwlock_unlock(&storm.turn);
	usleep(20000 + rand() % 50000);
	pthread_rwlock_wrlock(&storm.turn);
	if (module)
		replace_module();
	volume_up();
	check();
	pthread_rwlock_unlock(&storm.turn);
}

static void do_retire(void)
{
	down_and_up(true, rand() % 2);
}

static void do_take_out(void)
{
	down_and_up(false, rand() % 2);
}

static void do_check(void)
{
	pthread_rwlock_wrlock(&storm.turn);
	check();
	pthread_rwlock_unlock(&storm.turn);
}

static struct operation {
	const char *name;
	void (*run)(void);
	unsigned int weight, nr;
} operations[] = {
	{ "reload", do_reload, 6, 0 }, { "suspend", do_suspend, 6, 0 },
	{ "hold", do_hold, 3, 0 }, { "mark", do_mark, 3, 0 },
	{ "grow", do_grow, 1, 0 }, { "retire", do_retire, 3, 0 },
	{ "take out", do_take_out, 1, 0 }, { "check", do_check, 2, 0 },
};
#define NR_OPERATIONS	(sizeof(operations) / sizeof(operations[0]))
#define SUM_OF_WEIGHTS	25

static void one_operation(void)
{
	unsigned int dice = rand() % SUM_OF_WEIGHTS, i = 0;

	while (dice >= operations[i].weight)
		dice -= operations[i++].weight;
	operations[i].run();
	operations[i].nr++;
	usleep(rand() % 300000);
}

static bool was_all_done(void)
{
	size_t i;

	for (i = 0; i < NR_OPERATIONS; i++)
		if (!operations[i].nr)
			return false;
	return nr_grown_open && nr_taken_open;
}

/* The disks are equal: the first sync, without a copy. */
static void settle(void)
{
	struct dmr_extent all = { 0, storm.nr_chunks };
	struct dmr_held held;
	struct dmr_get get;

	must("attach", dmr_attach(&looker, storm.dev, &get));
	must("cut", dmr_cut(&looker, storm.dev, 1, false));
	while (get.number[DMR_A_STATE] != DMR_STATE_FROZEN)
		must("get", dmr_get(&looker, storm.dev, &get));
	must("release", dmr_release(&looker, storm.dev, 1, &all, 1, &held));
	must("commit", dmr_end(&looker, storm.dev, 1, DMR_END_COMMIT));
	must("detach", dmr_detach(&looker, storm.dev));
}

/* --- main ----------------------------------------------------------------- */

static void zero_start(int fd)
{
	static char zeros[CHUNK] __attribute__((aligned(CHUNK)));
	uint32_t i;

	for (i = 0; i < nr_all; i++)
		if (pwrite(fd, zeros, CHUNK, (off_t)i * CHUNK) != CHUNK)
			break;
}

static int open_disk(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT | O_CLOEXEC);

	if (fd < 0) {
		printf("Bail out! %s: %m\n", path);
		exit(1);
	}
	return fd;
}

static void set_up(char **path)
{
	pthread_rwlockattr_t attr;
	uint64_t bytes = 0;
	int fd;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr,
		PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&storm.turn, &attr);
	origin = path[0];
	meta = path[1];
	fd = open_disk(origin, O_RDWR);
	if (ioctl(fd, BLKGETSIZE64, &bytes))
		exit(1);
	nr_all = bytes / CHUNK;
	storm.nr_chunks = SMALL;
	storm.shadow = calloc(nr_all, sizeof(storm.shadow[0]));
	zero_start(fd);
	close(fd);
	fd = open_disk(meta, O_RDWR);
	zero_start(fd);
	close(fd);
	origin_fd = open_disk(origin, O_RDONLY);
	storm.target_fd = open_disk(path[2], O_RDWR);
	zero_start(storm.target_fd);
	must("device-mapper", dm_raw_open());
	must("netlink", genl_open(&looker, DMR_GENL_NAME));
}

static void report(void)
{
	size_t i;

	ok(!failures, "O1, O2: %u checks, %u failures", nr_checks, failures);
	for (i = 0; i < NR_OPERATIONS; i++)
		printf("# %u times %s\n", operations[i].nr, operations[i].name);
	ok(was_all_done(), "all of that, %u times grown and %u times taken out "
	   "with an epoch open", nr_grown_open, nr_taken_open);
	printf("# writes %u %u %u %u, discards %u, epochs %u, %u chunks\n",
	       storm.nr_writes[0], storm.nr_writes[1], storm.nr_writes[2],
	       storm.nr_writes[3], storm.nr_discards, storm.nr_epochs,
	       storm.nr_chunks);
	ok(storm.nr_epochs && storm.nr_writes[0] && nr_checks > 1,
	   "there was a load, and epochs were committed");
}

int main(int argc, char **argv)
{
	const char *slow = getenv("DMR_SLOW");
	time_t end, patience;

	if (argc != 6) {
		fprintf(stderr, "usage: storm SECONDS SEED ORIGIN META "
			"TARGET\n");
		return 2;
	}
	printf("# seed %s\n", argv[2]);
	fflush(stdout);
	srand(atoi(argv[2]));
	set_up(argv + 3);
	volume_up();
	settle();
	end = time(NULL) + atoi(argv[1]);
	patience = end + 120 * (slow ? atoi(slow) : 1);
	storm_load_start(atoi(argv[2]));
	while (time(NULL) < (was_all_done() ? end : patience) &&
	       !storm_failures())
		one_operation();
	do_check();
	__atomic_store_n(&storm.stop, true, __ATOMIC_RELAXED);
	storm_load_join();
	volume_down(true);
	report();
	return tap_done();
}
