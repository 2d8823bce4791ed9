// SPDX-License-Identifier: GPL-2.0-or-later
/* An NBD server as a target: what it can do is used, what it does is known. */
#include "backend-rig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-replica.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pump.h"
#include "tap.h"

#define MIB	(1 << 20)

static void fill(char *buf, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = rand_r(&seed);
}

static void test_requests(void)
{
	char data[12288], back[12288];
	struct rig r;

	rig_init(&r);
	fill(data, sizeof(data), 1);
	start_nbdkit(&r, "memory", "8M", NULL);
	r.opts.connections = 4;
	r.opts.volume_bytes = 4 * MIB;
	is_int(rig_open(&r, r.uri), 0, "a server with memory");
	is_int(backend_info(r.b)->connections, 4, "has four connections");
	is_int(backend_info(r.b)->size, 8 * MIB, "and its size");
	is_int(backend_info(r.b)->can, BACKEND_CAN_ZERO | BACKEND_CAN_FUA |
	       BACKEND_CAN_FLUSH, "and can all there is");
	is_str(backend_name(r.b), r.uri, "and has a name");
	is_int(rig_write(&r, data, sizeof(data), MIB, 0), 0, "write");
	is_int(rig_zero(&r, 4096, MIB + 4096, BACKEND_FUA), 0, "zero");
	memset(data + 4096, 0, 4096);
	is_int(rig_flush(&r), 0, "flush");
	is_int(rig_read(&r, back, sizeof(back), MIB), 0, "read");
	ok(!memcmp(data, back, sizeof(data)), "gives it back");
	is_int(backend_write(r.b, data, 4096, 8 * MIB, 0, rig_answer, &r),
	       -EINVAL, "a write beyond the end is refused at once");
	ok(strstr(backend_error(r.b), "write of 4096 bytes at 8388608"), "%s",
	   backend_error(r.b));
	ok(!backend_unclean(r.b), "nothing is unclean");
	rig_close(&r);
	is_int(r.nr_closed, 1, "closed, once");
	is_int(r.nr_lost, 0, "and not lost");
	rig_free(&r);
}

static void test_one_connection(void)
{
	struct rig r;

	rig_init(&r);
	start_nbdkit(&r, "--filter=multi-conn", "memory", "8M",
		     "multi-conn-mode=disable", NULL);
	r.opts.connections = 4;
	is_int(rig_open(&r, r.uri), 0, "a server without MULTI_CONN");
	is_int(backend_info(r.b)->connections, 1, "has one connection");
	stop_nbdkit(&r);
	start_nbdkit(&r, "--filter=limit", "memory", "8M", "limit=2", NULL);
	is_int(rig_open(&r, r.uri), 0, "a server that takes two clients");
	is_int(backend_info(r.b)->connections, 2, "has two");
	rig_free(&r);
}

static void test_refused(void)
{
	struct rig r;

	rig_init(&r);
	start_nbdkit(&r, "memory", "8M", NULL);
	r.opts.volume_bytes = 8 * MIB;
	is_int(rig_open(&r, r.uri), -ENOSPC, "no room for the tail");
	ok(strstr(r.text, "8388608") && strstr(r.text, "8454144"), "%s",
	   r.text);
	r.opts.volume_bytes = 0;
	stop_nbdkit(&r);
	start_nbdkit(&r, "-r", "memory", "8M", NULL);
	is_int(rig_open(&r, r.uri), -EROFS, "read-only: %s", r.text);
	stop_nbdkit(&r);
	start_nbdkit(&r, "--filter=blocksize-policy", "memory", "8M",
		     "blocksize-minimum=64K", "blocksize-preferred=64K",
		     "blocksize-maximum=32M", NULL);
	is_int(rig_open(&r, r.uri), -EINVAL, "big blocks only: %s", r.text);
	stop_nbdkit(&r);
	is_int(rig_open(&r, r.uri), -ECONNREFUSED, "no server: %s", r.text);
	is_int(r.nr_ready, 1, "said once");
	is_int(rig_open(&r, "nbds://127.0.0.1/x"), -EINVAL,
	       "TLS without a key: %s", r.text);
	is_int(rig_open(&r, "http://127.0.0.1/x"), -EINVAL, "%s", r.text);
	r.opts.connections = 17;
	is_int(rig_open(&r, r.uri), -EINVAL, "%s", r.text);
	rig_free(&r);
}

static void test_no_flush(void)
{
	static char data[4096];
	struct rig r;

	rig_init(&r);
	start_nbdkit(&r, "eval", "get_size=echo 8M", "can_write=exit 0",
		     "pwrite=cat >/dev/null", "pread=head -c $3 /dev/zero",
		     NULL);
	is_int(rig_open(&r, r.uri), -EOPNOTSUPP, "no FLUSH: %s", r.text);
	r.opts.unsafe = true;
	is_int(rig_open(&r, r.uri), 0, "unsafe takes it");
	ok(!(backend_info(r.b)->can & BACKEND_CAN_FLUSH), "and knows it");
	is_int(rig_write(&r, data, sizeof(data), 0, BACKEND_FUA), 0,
	       "a FUA write is a write");
	is_int(rig_flush(&r), 0, "a flush is nothing");
	rig_free(&r);
}

static int grep(const struct rig *r, const char *pattern)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "cat %s/log | tr '\\n' ' ' | "
		 "grep -q '%s'", r->dir, pattern);
	return system(cmd);
}

/* B2 */
static void test_fua(void)
{
	static char data[4096];
	char log[128];
	struct rig r;

	rig_init(&r);
	snprintf(log, sizeof(log), "logfile=%s/log", r.dir);
	start_nbdkit(&r, "--filter=log", "--filter=fua", "memory", "8M",
		     log, NULL);
	is_int(rig_open(&r, r.uri), 0, "a server without FUA");
	ok(!(backend_info(r.b)->can & BACKEND_CAN_FUA), "is known as such");
	is_int(rig_write(&r, data, sizeof(data), 0, BACKEND_FUA), 0,
	       "a FUA write");
	is_int(grep(&r, "\\.\\.\\.Write .* Flush .*\\.\\.\\.Flush"), 0,
	       "is a write, its answer, and a flush");
	stop_nbdkit(&r);
	unlink(log + 8);
	start_nbdkit(&r, "--filter=log", "memory", "8M", log, NULL);
	is_int(rig_open(&r, r.uri), 0, "a server with FUA");
	is_int(rig_zero(&r, 4096, 0, BACKEND_FUA), 0, "gets it");
	is_int(grep(&r, "Zero .* fua=1"), 0, "as the flag");
	rig_free(&r);
}

static void test_server_error(void)
{
	static char data[4096];
	struct rig r;

	rig_init(&r);
	start_nbdkit(&r, "--filter=error", "memory", "8M",
		     "error-pwrite=ENOSPC", "error-pwrite-rate=100%", NULL);
	is_int(rig_open(&r, r.uri), 0, "a server that is full");
	is_int(rig_write(&r, data, sizeof(data), 4096, 0), -ENOSPC, "says so");
	is_str(backend_error(r.b), "write of 4096 bytes at 4096: No space "
	       "left on device", "in words");
	is_int(rig_read(&r, data, sizeof(data), 0), 0, "and stays");
	is_int(r.nr_lost, 0, "is not lost");
	ok(!backend_unclean(r.b), "nor unclean");
	rig_free(&r);
}

static void begin_writes(struct rig *r, unsigned int n)
{
	static char data[4096];
	unsigned int begun = 0;

	for (unsigned int i = 0; i < n; i++)
		begun += !rig_begin_write(r, data, sizeof(data), i * 4096);
	is_int(begun, n, "%u writes are begun", n);
}

static void test_server_dies(void)
{
	static char data[4096];
	struct rig r;

	rig_init(&r);
	r.opts.connections = 4;
	start_nbdkit(&r, "--filter=delay", "memory", "8M", "delay-write=30",
		     NULL);
	is_int(rig_open(&r, r.uri), 0, "a slow server");
	begin_writes(&r, 8);
	ok(backend_unclean(r.b), "to close it now would be unclean");
	ok(rig_read(&r, data, 4096, 0) == 0, "they are on the wire");
	stop_nbdkit(&r);
	ok(rig_wait(&r, &r.nr_lost, 1), "it dies, that is noticed: %s",
	   r.text);
	ok(strstr(r.text, "the server closed the connection"),
	   "with the reason");
	is_int(r.nr_answers, 9, "each request has been answered once");
	is_int(r.nr_errors, 8, "each write with an error");
	is_int(rig_write(&r, data, 4096, 0, 0), -ENOTCONN,
	       "later ones are refused");
	ok(backend_unclean(r.b), "the writes may still be done");
	rig_close(&r);
	is_int(r.nr_closed, 1, "closed");
	is_int(r.nr_lost, 1, "lost once");
	rig_free(&r);
}

static void test_idle_server_dies(void)
{
	static char data[4096];
	struct rig r;

	rig_init(&r);
	start_nbdkit(&r, "memory", "8M", NULL);
	is_int(rig_open(&r, r.uri), 0, "an idle server");
	is_int(rig_write(&r, data, 4096, 0, 0), 0, "all is answered");
	stop_nbdkit(&r);
	ok(rig_wait(&r, &r.nr_lost, 1), "it dies: %s", r.text);
	ok(!backend_unclean(r.b), "nothing can be done later");
	rig_free(&r);
}

static void test_deadline(void)
{
	struct rig r;

	rig_init(&r);
	r.opts.deadline_ms = 3000;
	start_nbdkit(&r, "--filter=delay", "memory", "8M", "delay-write=30",
		     NULL);
	is_int(rig_open(&r, r.uri), 0, "a server that does not answer");
	begin_writes(&r, 3);
	ok(rig_wait(&r, &r.nr_lost, 1), "is lost");
	is_int(r.lost_err, -ETIMEDOUT, "in time: %s", r.text);
	is_int(r.nr_errors, 3, "all writes get the error");
	ok(backend_unclean(r.b), "and may still be done");
	rig_free(&r);
}

/* The sends themselves get stuck, in the socket. */
static void test_server_hangs(void)
{
	static char data[16 * MIB];
	struct rig r;

	rig_init(&r);
	r.opts.deadline_ms = 3000;
	r.opts.connections = 2;
	start_nbdkit(&r, "memory", "32M", NULL);
	is_int(rig_open(&r, r.uri), 0, "a server");
	kill(r.nbdkit, SIGSTOP);
	for (unsigned int i = 0; i < 16; i++)
		rig_begin_write(&r, data + i * MIB, MIB, i * MIB);
	ok(rig_wait(&r, &r.nr_lost, 1), "hangs, and is lost");
	is_int(r.lost_err, -ETIMEDOUT, "in time: %s", r.text);
	is_int(r.nr_answers, 16, "all writes are answered");
	ok(r.nr_errors > 8, "%u with an error", r.nr_errors);
	rig_close(&r);
	is_int(r.nr_closed, 1, "it is closed");
	rig_free(&r);
}

static void test_close(void)
{
	struct rig r;

	rig_init(&r);
	r.opts.connections = 3;
	start_nbdkit(&r, "--filter=delay", "memory", "8M", "delay-write=30",
		     NULL);
	is_int(rig_open(&r, r.uri), 0, "a slow server");
	begin_writes(&r, 50);
	rig_close(&r);
	is_int(r.nr_closed, 1, "is closed amid writes");
	is_int(r.nr_answers, 50, "which are answered first");
	is_int(r.last_err, -ECANCELED, "with -ECANCELED");
	is_int(r.nr_lost, 0, "lost it was not");

	r.nr_ready = r.nr_closed = 0;
	is_int(backend_open(&r.b, r.ring, r.uri, &r.opts,
			    &(struct backend_events) { 0 }, &r, r.text,
			    sizeof(r.text)), 0, "one that is being opened");
	rig_close(&r);
	is_int(r.nr_closed, 1, "is closed without another event");
	rig_free(&r);
}

static unsigned int nr_done;
static struct pump_stats stats;

static void on_done(void *arg, int err, const struct pump_stats *s)
{
	struct rig *r = arg;

	stats = *s;
	nr_done++;
	r->last_err = err;
	ring_stop(r->ring);
}

/* A volume of 6 MiB and a bit, each third chunk of zeros, all but each 7th. */
static size_t make_source(int fd, char *data, struct dmr_extent *extents)
{
	size_t nr = 0;

	fill(data, 6 * MIB + 512, 3);
	for (unsigned int c = 0; c < 1536; c++) {
		if (c % 3 == 0)
			memset(data + c * 4096, 0, 4096);
		if (c % 7 == 0)
			memset(data + c * 4096, 0x55, 4096);
	}
	for (unsigned int c = 1; c < 1536; c += 7)
		extents[nr++] = (struct dmr_extent) { c, 6 };
	extents[nr - 1].count = 1537 - extents[nr - 1].start;
	return pwrite(fd, data, 6 * MIB + 512, 0) == 6 * MIB + 512 ? nr : 0;
}

/* Chunks that are not shipped keep the 0x55 that the file was made with. */
static void test_pump(unsigned int connections)
{
	static char data[8 * MIB], back[8 * MIB];
	struct dmr_extent extents[256];
	struct pump_options opts = { .memory = 2 * MIB };
	struct pump *pump;
	char path[128];
	struct rig r;
	int fd = memfd_create("source", 0), target;
	size_t nr = make_source(fd, data, extents);

	rig_init(&r);
	snprintf(path, sizeof(path), "%s/target", r.dir);
	target = open(path, O_RDWR | O_CREAT, 0600);
	memset(back, 0x55, sizeof(back));
	ok(write(target, back, sizeof(back)) == sizeof(back), "a target");
	start_nbdkit(&r, "file", path, NULL);
	r.opts.connections = connections;
	r.opts.volume_bytes = 6 * MIB + 512;
	is_int(rig_open(&r, r.uri), 0, "served, with %u connections",
	       connections);
	is_int(pump_create(&pump, r.ring, &opts), 0, "a pump");
	is_int(pump_start(pump, &(struct pump_job) {
		.backend = r.b, .fd = fd, .volume_bytes = 6 * MIB + 512,
		.extents = extents, .nr_extents = nr, .done = on_done,
		.arg = &r }), 0, "a job");
	ring_run(r.ring);
	is_int(r.last_err, 0, "is done");
	ok(stats.bytes_zero > MIB, "zeros among it: %d",
	   (int)stats.bytes_zero);
	is_int(rig_flush(&r), 0, "flushed");
	ok(pread(target, back, sizeof(back), 0) == sizeof(back), "read back");
	ok(!memcmp(data + 4096, back + 4096, 6 * MIB + 512 - 4096),
	   "byte for byte");
	ok(back[6 * MIB + 512] == 0x55, "nothing behind it is touched");
	pump_destroy(pump);
	rig_free(&r);
	close(target);
	close(fd);
}

int main(void)
{
	if (system("nbdkit --version >/dev/null 2>&1"))
		return tap_skip_all("nbdkit is not installed");
	test_requests();
	test_one_connection();
	test_refused();
	test_no_flush();
	test_fua();
	test_server_error();
	test_server_dies();
	test_idle_server_dies();
	test_deadline();
	test_server_hangs();
	test_close();
	test_pump(1);
	test_pump(4);
	return tap_done();
}
