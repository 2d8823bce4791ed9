// SPDX-License-Identifier: GPL-2.0-or-later
/* Whatever breaks, whenever it is aborted: one done(), and nothing twice. */
#include "pump-rig.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

#define MIB	(1 << 20)

static void test_bad_sector(void)
{
	static const uint64_t sectors[] = { 0, 100 * 8, 511 * 8 };
	struct rig r;

	for (size_t i = 0; i < sizeof(sectors) / sizeof(sectors[0]); i++) {
		rig_init(&r, 2 * MIB, 0);
		rig_faults.bad_sector = sectors[i];
		is_int(rig_ship(&r), -EIO, "sector %d is bad", (int)sectors[i]);
		is_int(r.stats.bad_sector, sectors[i], "it is found");
		ok(strstr(pump_error(r.pump), "sector") &&
		   strstr(pump_error(r.pump), "Input/output error"),
		   "and named: %s", pump_error(r.pump));
		ok(rig_is_harmless(&r), "and not released");
		ok(!r.released[sectors[i] / 8], "least of all itself");
		rig_free(&r);
	}

	rig_init(&r, 2 * MIB, 0);
	rig_faults.bad_sector = 100 * 8 + 3;
	is_int(rig_ship(&r), -EIO, "a bad sector within a chunk");
	is_int(r.stats.bad_sector, 100 * 8, "gives the chunk's first sector");
	rig_free(&r);

	rig_init(&r, 2 * MIB, 0);
	rig_faults.bad_sector = 400 * 8;
	r.extents[0].count = 300;
	is_int(rig_ship(&r), 0, "a bad sector that is not wanted");
	is_int(r.stats.bad_sector, UINT64_MAX, "is no error");
	ok(rig_is_right(&r), "all is shipped");
	rig_free(&r);
}

static void test_source_ends_early(void)
{
	struct rig r;

	rig_init(&r, 2 * MIB, 0);
	ok(!ftruncate(r.fd, MIB + 100), "the source shrinks");
	is_int(rig_ship(&r), -ENODATA, "that is an error");
	ok(strstr(pump_error(r.pump), "the source ends") &&
	   strstr(pump_error(r.pump), "2097152"), "%s", pump_error(r.pump));
	ok(r.stats.bad_sector >= MIB / 512, "it says where");
	ok(rig_is_harmless(&r), "nothing beyond it was released");
	/* The mapping ends there too. */
	ok(!ftruncate(r.fd, 2 * MIB), "it grows again");
	rig_free(&r);

	rig_init(&r, MIB, 0);
	close(r.fd);
	is_int(rig_ship(&r), -EBADF, "a source that is closed");
	r.fd = open("/dev/null", O_RDONLY);
	rig_free(&r);
}

static void test_short_reads(void)
{
	struct rig r;

	rig_init(&r, 2 * MIB + 512, 5);
	rig_faults.short_reads = true;
	is_int(rig_ship(&r), 0, "short reads");
	ok(rig_is_right(&r), "are continued");
	ok(rig_faults.nr_reads > 8, "(%u of them)", rig_faults.nr_reads);
	rig_free(&r);
}

static void test_target_fails(bool at_once)
{
	unsigned int right = 0, n;

	for (n = 1; n <= 64; n++) {
		struct rig r;

		rig_init(&r, MIB, 3);
		r.seed = n;
		r.opts.io_bytes = 16 * 1024;
		r.opts.memory = 4 * r.opts.io_bytes;
		r.opts.depth = 1 + n % 9;
		r.target.fail_at = n;
		r.target.fail_at_once = at_once;
		right += rig_ship(&r) == -EIO && rig_is_harmless(&r) &&
			 !strcmp(pump_error(r.pump), "the rig says no");
		rig_free(&r);
	}
	is_int(right, n - 1, "the target fails at any request%s: one done, "
	       "with the reason", at_once ? ", at once" : "");
}

static unsigned int abort_everywhere(bool from_memory, bool held)
{
	unsigned int step = 0, wrong = 0;
	bool finished = false;

	while (!finished && ++step < 2000) {
		struct rig r;

		rig_init(&r, MIB, 4);
		r.seed = step;
		r.opts.io_bytes = 16 * 1024;
		r.opts.memory = 5 * r.opts.io_bytes;
		r.opts.depth = 7;
		r.from_memory = from_memory;
		r.held = held;
		r.opts.spool_path = ".";
		r.opts.spool_bytes = MIB;
		r.abort_at = step;
		rig_ship(&r);
		finished = r.steps < step || !r.result;
		if (!rig_is_harmless(&r) ||
		    (r.result != -ECANCELED && !finished))
			wrong++;
		rig_free(&r);
	}
	ok(step > 10, "aborted at each of %u steps", step);
	return wrong;
}

static void test_abort(void)
{
	struct rig r;

	is_int(abort_everywhere(false, false), 0,
	       "reading a file: one done(-ECANCELED), nothing twice");
	is_int(abort_everywhere(true, false), 0, "memory: the same");
	is_int(abort_everywhere(false, true), 0,
	       "by way of the spool: the same");

	rig_init(&r, MIB, 0);
	is_int(rig_start(&r), 0, "a job");
	pump_abort(r.pump);
	pump_abort(r.pump);
	is_int(r.nr_done, 0, "is not done inside pump_abort()");
	rig_run(&r);
	is_int(r.nr_done, 1, "aborted twice, it is done once");
	is_int(r.result, -ECANCELED, "with -ECANCELED");
	pump_abort(r.pump);
	is_int(r.nr_done, 1, "an abort without a job is nothing");
	memset(r.target.seen, 0, MIB / RIG_CHUNK);
	memset(r.released, 0, MIB / RIG_CHUNK);
	r.target.nr_data = r.target.nr_zero = 0;
	r.target.digest = 0;
	is_int(rig_ship(&r), 0, "and the next job");
	ok(rig_is_right(&r), "is none the worse");
	rig_free(&r);
}

/* Without memory a job fails; the next one has what there is then. */
static void test_no_memory(void)
{
	struct rig r;

	rig_init(&r, MIB, 7);
	is_int(rig_ship(&r), 0, "a job");
	pump_trim(r.pump);
	rig_faults.no_memory = true;
	is_int(rig_ship(&r), -ENOMEM, "then there is no memory for a buffer");
	rig_faults.no_memory = false;
	memset(r.target.seen, 0, MIB / RIG_CHUNK);
	r.target.nr_data = r.target.nr_zero = 0;
	r.target.digest = 0;
	memset(r.released, 0, MIB / RIG_CHUNK);
	is_int(rig_ship(&r), 0, "with memory the next job goes on");
	ok(rig_is_right(&r), "and is right");
	rig_free(&r);
}

int main(void)
{
	test_bad_sector();
	test_source_ends_early();
	test_short_reads();
	test_target_fails(false);
	test_target_fails(true);
	test_abort();
	test_no_memory();
	return tap_done();
}
