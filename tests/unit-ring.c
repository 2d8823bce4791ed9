/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reactor: each operation, and the promise of exactly one last callback
 * for each, whatever ends it.  If this failed, everything asynchronous in the
 * daemon would hang, leak, or touch freed memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "ring.h"
#include "tap.h"

/* An operation that notes what its callbacks said. */
struct noted {
	struct ring_op op;
	unsigned int nr_calls, nr_last;
	int res;
};

static struct ring *ring;
static struct ring_timer watchdog;
static bool is_hung;

static void note(struct ring_op *op, int res, unsigned int flags)
{
	struct noted *n = container_of(op, struct noted, op);

	n->nr_calls++;
	n->nr_last += !(flags & RING_MORE);
	n->res = res;
	ring_stop(ring);
}

static void hung(struct ring_timer *timer)
{
	(void)timer;
	is_hung = true;
	ring_stop(ring);
}

static void create(const struct ring_opts *opts)
{
	if (ring_create(&ring, opts))
		abort();
	memset(&watchdog, 0, sizeof(watchdog));
	watchdog.fire = hung;
	ring_timer_add(ring, &watchdog, 120000);
}

/* One result of an operation that has been started. */
static int result(struct noted *n)
{
	unsigned int before = n->nr_calls;

	while (n->nr_calls == before && !is_hung)
		ring_run(ring);
	return n->res;
}

static struct noted *noted(void)
{
	static struct noted all[64];
	static unsigned int nr;
	struct noted *n = &all[nr++ % 64];

	memset(n, 0, sizeof(*n));
	n->op.done = note;
	return n;
}

/* --- files ---------------------------------------------------------------- */

static void test_files(void)
{
	struct ring_opts opts = { .nr_bufs = 4, .buf_size = 8192 };
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	char plain[8192];
	struct noted *n;
	char *buf;

	create(&opts);
	buf = ring_buf_get(ring);
	memset(buf, 'x', 8192);
	n = noted();
	ring_write(ring, &n->op, fd, buf, 8192, 4096);
	is_int(result(n), 8192, "write from the pool");
	n = noted();
	ring_fsync(ring, &n->op, fd, true);
	is_int(result(n), 0, "fsync");
	n = noted();
	ring_read(ring, &n->op, fd, plain, 8192, 8192);
	is_int(result(n), 4096, "a short read at the end of the file");
	ok(plain[0] == 'x' && plain[4095] == 'x', "reads what was written");
	n = noted();
	ring_read(ring, &n->op, fd, buf + 4096, 4096, 0);
	is_int(result(n), 4096, "read into the middle of a pool buffer");
	ok(!buf[4096] && buf[4095] == 'x', "and only there");
	n = noted();
	ring_fallocate(ring, &n->op, fd, 0, 0, 1 << 20);
	is_int(result(n), 0, "fallocate");
	is_int(lseek(fd, 0, SEEK_END), 1 << 20, "and the file is so long");
	n = noted();
	ring_read(ring, &n->op, 4711, plain, 1, 0);
	is_int(result(n), -EBADF, "an error comes in the callback");
	ok(!n->op.pending && n->nr_last == 1, "and is its last");
	ring_buf_put(ring, buf);
	ring_destroy(ring);
	close(fd);
}

static void test_pool(void)
{
	struct ring_opts opts = { .nr_bufs = 3, .buf_size = 4096 };
	char *a, *b, *c;

	create(&opts);
	a = ring_buf_get(ring);
	b = ring_buf_get(ring);
	c = ring_buf_get(ring);
	ok(a && b && c && a != b && b != c && a != c &&
	   !((uintptr_t)a % 4096), "three buffers, aligned");
	ok(!ring_buf_get(ring) && !ring_buf_available(ring), "and no fourth");
	ring_buf_put(ring, b);
	ok(ring_buf_get(ring) == b, "one that came back is given again");
	ring_destroy(ring);
	opts.buf_size = 100;
	is_int(ring_create(&ring, &opts), -EINVAL, "a size that is not 4096·n");
}

/* More operations in a turn than the queue has entries. */
static void test_overflow(void)
{
	struct ring_opts opts = { .entries = 8 };
	static struct noted many[500];
	int fd = open("/dev/zero", O_RDONLY);
	unsigned int i, nr = 0;
	static char c;

	create(&opts);
	for (i = 0; i < 500; i++) {
		many[i].op.done = note;
		ring_read(ring, &many[i].op, fd, &c, 1, 0);
	}
	for (i = 0; i < 500 && !is_hung; i++)
		while (!many[i].nr_last && !is_hung)
			ring_run(ring);
	for (i = 0; i < 500; i++)
		nr += many[i].nr_calls == 1 && many[i].res == 1;
	is_int(nr, 500, "500 operations through a queue of 8");
	ring_destroy(ring);
	close(fd);
}

/* --- sockets -------------------------------------------------------------- */

struct stream {
	struct ring_recv recv;
	unsigned int nr_last;
	size_t len;
	uint64_t sum;
	int res;
};

static void stream_data(struct ring_recv *recv, const void *buf, int res,
			unsigned int flags)
{
	struct stream *s = container_of(recv, struct stream, recv);
	int i;

	for (i = 0; buf && i < res; i++)
		s->sum += ((const uint8_t *)buf)[i] * ++s->len;
	if (flags & RING_MORE)
		return;
	s->res = res;
	s->nr_last++;
	ring_stop(ring);
}

static int listen_tcp(struct sockaddr_in *sin)
{
	socklen_t len = sizeof(*sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	memset(sin, 0, sizeof(*sin));
	sin->sin_family = AF_INET;
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)sin, len) || listen(fd, 10) ||
	    getsockname(fd, (struct sockaddr *)sin, &len))
		abort();
	return fd;
}

static uint8_t big[6 << 20];

static void send_big(int fd)
{
	struct iovec iov[2] = { { big, 100 },
				{ big + 100, sizeof(big) - 100 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct noted *n = noted();

	ring_send(ring, &n->op, fd, &msg);
	is_int(result(n), sizeof(big), "send: all of it");
}

static void test_sockets(void)
{
	static struct stream s;
	struct noted *acc = noted(), *con = noted();
	struct sockaddr_in sin;
	int lfd = listen_tcp(&sin), fd = socket(AF_INET, SOCK_STREAM, 0), peer;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < sizeof(big); i++) {
		big[i] = i * 7 / 5;
		sum += big[i] * (i + 1);
	}
	create(NULL);
	ring_accept(ring, &acc->op, lfd);
	ring_connect(ring, &con->op, fd, (struct sockaddr *)&sin, sizeof(sin));
	while ((!acc->nr_calls || !con->nr_calls) && !is_hung)
		ring_run(ring);
	peer = acc->res;
	ok(con->res == 0 && peer >= 0, "connect and accept");
	s.recv.data = stream_data;
	ring_recv(ring, &s.recv, peer);
	send_big(fd);
	shutdown(fd, SHUT_WR);
	while (!s.nr_last && !is_hung)
		ring_run(ring);
	ok(s.len == sizeof(big) && s.sum == sum && s.res == 0,
	   "receive: every byte in its place, then the end");
	ok(acc->op.pending, "accept goes on");
	ring_cancel(ring, &acc->op);
	is_int(result(acc), -ECANCELED, "until it is cancelled");
	is_int(acc->nr_last, 1, "with one last callback");
	ring_destroy(ring);
	close(fd);
	close(peer);
	close(lfd);
}

static void test_recv_stop(void)
{
	static struct stream s;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		abort();
	memset(&s, 0, sizeof(s));
	create(NULL);
	s.recv.data = stream_data;
	ring_recv(ring, &s.recv, fds[0]);
	if (write(fds[1], "abc", 3) != 3)
		abort();
	ring_recv_stop(&s.recv);
	ring_recv_stop(&s.recv);
	while (!s.nr_last && !is_hung)
		ring_run(ring);
	ok(s.len == 0 && s.res == -ECANCELED && s.nr_last == 1,
	   "after a stop nothing comes but the end");
	ring_destroy(ring);
	close(fds[0]);
	close(fds[1]);
}

static void test_poll(void)
{
	struct noted *once = noted(), *many = noted();
	int fds[2], i;
	char c;

	if (pipe2(fds, O_NONBLOCK))
		abort();
	create(NULL);
	ring_poll(ring, &once->op, fds[0], POLLIN, false);
	ring_poll(ring, &many->op, fds[0], POLLIN, true);
	for (i = 0; i < 3; i++) {
		if (write(fds[1], "x", 1) != 1)
			abort();
		ok(result(many) & POLLIN, "poll, time %d", i);
		while (read(fds[0], &c, 1) == 1)
			;
	}
	ok(once->nr_calls == 1 && once->nr_last == 1, "once is once");
	ok(many->op.pending && !many->nr_last, "multishot goes on");
	ring_destroy(ring);
	ok(many->nr_last == 1 && many->res == -ECANCELED,
	   "until the ring is destroyed");
	close(fds[0]);
	close(fds[1]);
}

/* --- cancellation --------------------------------------------------------- */

static void test_cancel(void)
{
	struct noted *n = noted(), *m = noted();
	int fds[2];
	char c;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		abort();
	create(NULL);
	ring_cancel(ring, &n->op);
	ring_recv_once(ring, &n->op, fds[0], &c, 1);
	ring_cancel(ring, &n->op);
	ring_cancel(ring, &n->op);
	is_int(result(n), -ECANCELED, "cancelled in the turn of its start");
	ok(n->nr_calls == 1 && n->nr_last == 1 && !n->op.pending,
	   "one callback, cancelled twice");
	ring_recv_once(ring, &n->op, fds[0], &c, 1);
	if (write(fds[1], "x", 1) != 1)
		abort();
	is_int(result(n), 1, "and can be started again");
	ring_recv_once(ring, &n->op, fds[0], &c, 1);
	ring_recv_once(ring, &m->op, fds[1], &c, 1);
	ring_destroy(ring);
	ok(n->nr_last == 3 && n->res == -ECANCELED && m->nr_last == 1,
	   "the end of the ring ends what is pending");
	close(fds[0]);
	close(fds[1]);
}

/* --- timers --------------------------------------------------------------- */

struct note_timer {
	struct ring_timer timer;
	char name;
};

static char order[16];

static void append(struct ring_timer *timer)
{
	struct note_timer *t = container_of(timer, struct note_timer, timer);
	size_t n = strlen(order);

	order[n] = t->name;
	if (t->name == 'z')
		ring_stop(ring);
}

static void test_timers(void)
{
	struct note_timer t[5] = {
		{ { .fire = append }, 'a' }, { { .fire = append }, 'b' },
		{ { .fire = append }, 'c' }, { { .fire = append }, 'd' },
		{ { .fire = append }, 'z' },
	};
	uint64_t start;

	create(NULL);
	start = ring_now(ring);
	ring_timer_add(ring, &t[4].timer, 60);
	ring_timer_add(ring, &t[2].timer, 30);
	ring_timer_add(ring, &t[0].timer, 10);
	ring_timer_set(ring, &t[1].timer, t[0].timer.when);
	ring_timer_add(ring, &t[3].timer, 5);
	ring_timer_add(ring, &t[3].timer, 40);
	ring_timer_cancel(ring, &t[2].timer);
	ring_timer_cancel(ring, &t[2].timer);
	ring_run(ring);
	is_str(order, "abdz", "timers: by time, moved, cancelled");
	ok(ring_now(ring) - start >= 60000000, "and not too early");
	ok(!ring_timer_running(&t[0].timer) &&
	   ring_timer_running(&watchdog), "running or not");
	ring_destroy(ring);
}

/* --- work ----------------------------------------------------------------- */

struct counted_work {
	struct ring_work work;
	unsigned int nr_runs, limit;
	struct ring_work *victim;
};

static void count(struct ring_work *work)
{
	struct counted_work *w = container_of(work, struct counted_work, work);

	w->nr_runs++;
	if (w->victim)
		ring_defer_cancel(ring, w->victim);
	if (w->nr_runs < w->limit)
		ring_defer(ring, work);
	else
		ring_stop(ring);
}

static void test_defer(void)
{
	struct counted_work a = { .work.run = count },
			    b = { .work.run = count },
			    c = { .work.run = count, .limit = 5 };

	create(NULL);
	a.victim = &b.work;
	ring_defer(ring, &a.work);
	ring_defer(ring, &a.work);
	ring_defer(ring, &b.work);
	ring_defer(ring, &c.work);
	while (c.nr_runs < 5 && !is_hung)
		ring_run(ring);
	ok(a.nr_runs == 1 && b.nr_runs == 0 && c.nr_runs == 5,
	   "deferred: once, cancelled by another, deferring itself");
	ring_destroy(ring);
}

struct poster {
	pthread_t thread;
	struct counted_work work[1000];
};

static unsigned int nr_posted_runs;

static void posted(struct ring_work *work)
{
	(void)work;
	if (++nr_posted_runs == 4000)
		ring_stop(ring);
}

static void *post_all(void *arg)
{
	struct poster *p = arg;
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		p->work[i].work.run = posted;
		ring_post(ring, &p->work[i].work);
	}
	return NULL;
}

static void test_post(void)
{
	static struct poster p[4];
	unsigned int i;

	create(NULL);
	for (i = 0; i < 4; i++)
		pthread_create(&p[i].thread, NULL, post_all, &p[i]);
	ring_run(ring);
	for (i = 0; i < 4; i++)
		pthread_join(p[i].thread, NULL);
	is_int(nr_posted_runs, 4000, "posted from four threads");
	ring_destroy(ring);
}

struct noted_job {
	struct ring_job job;
	pthread_t blocked_on, done_on;
	unsigned int nr_done;
};

static void job_blocks(struct ring_job *job)
{
	usleep(20000);
	container_of(job, struct noted_job, job)->blocked_on = pthread_self();
}

static void job_done(struct ring_job *job)
{
	struct noted_job *j = container_of(job, struct noted_job, job);

	j->nr_done++;
	j->done_on = pthread_self();
	ring_stop(ring);
}

static void test_jobs(void)
{
	struct noted_job a = { .job = { job_blocks, job_done } }, b = a;

	create(NULL);
	is_int(ring_job_start(ring, &a.job), 0, "a job starts");
	ring_run(ring);
	ok(a.nr_done == 1 && a.done_on == pthread_self() &&
	   a.blocked_on != pthread_self(), "blocks elsewhere, ends here");
	ring_job_start(ring, &b.job);
	ring_destroy(ring);
	is_int(b.nr_done, 1, "the end of the ring waits for a job");
}

/* --- signals -------------------------------------------------------------- */

static int last_signal;

static void got_signal(struct ring_signal *sig, int signo)
{
	(void)sig;
	last_signal = signo;
	ring_stop(ring);
}

static void test_signals(void)
{
	struct ring_signal sig = { .signal = got_signal };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGHUP);
	create(NULL);
	is_int(ring_signal_start(ring, &sig, &set), 0, "signals are awaited");
	raise(SIGHUP);
	ring_run(ring);
	is_int(last_signal, SIGHUP, "one comes");
	raise(SIGUSR1);
	ring_run(ring);
	is_int(last_signal, SIGUSR1, "another comes");
	ring_signal_stop(ring, &sig);
	ring_destroy(ring);
}

int main(void)
{
	int ret = ring_create(&ring, NULL);

	if (ret == -ENOSYS)
		return tap_skip_all("io_uring is missing, disabled or too old");
	ring_destroy(ring);
	test_files();
	test_pool();
	test_overflow();
	test_sockets();
	test_recv_stop();
	test_poll();
	test_cancel();
	test_timers();
	test_defer();
	test_post();
	test_jobs();
	test_signals();
	ok(!is_hung, "nothing hung");
	return tap_done();
}
