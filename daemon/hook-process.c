// SPDX-License-Identifier: GPL-2.0-or-later
#include "hook-process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define NR_ENV		12
#define GRACE_MS	2000	/* from SIGTERM to SIGKILL */
#define LOOK_MS		100	/* at what may tell us to stop */
#define MAX_LINES	200	/* in the log, of one run */

struct run {
	const struct hooks *hooks;
	const struct hook_call *call;
	pid_t pid;
	int pidfd, out;
	uint64_t begin_ms, term_ms;	/* 0: not yet asked to end */
	bool is_late, is_stopped;
	unsigned int nr_lines;
	size_t len;
	char line[300], last[150];
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/* --- what it is given ----------------------------------------------------- */

struct environment {
	char *names[NR_ENV + 1];
	unsigned int nr;
	bool is_short;
};

static void add(struct environment *env, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct environment *env, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&env->names[env->nr], fmt, args) < 0)
		env->is_short = true;
	else
		env->nr++;
	va_end(args);
	env->names[env->nr] = NULL;
}

static void fill(struct environment *env, const struct run *r)
{
	const struct hook_call *c = r->call;

	add(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
	    "/sbin:/bin");
	add(env, "REPLICA_SOCKET=%s", r->hooks->socket ?: "");
	add(env, "REPLICA_HOOK=%s", hook_name(c->hook));
	add(env, "REPLICA_VOLUME=%s", c->volume);
	add(env, "REPLICA_VOLUMES=%s", c->volumes ?: c->volume);
	add(env, "REPLICA_GROUP=%s", c->group);
	add(env, "REPLICA_DEVICE=%s", c->device);
	add(env, "REPLICA_EPOCH=%" PRIu64, c->epoch);
	add(env, "REPLICA_GENERATION=%016" PRIx64, c->generation);
	add(env, "REPLICA_REASON=%s", c->reason);
}

static void clear(struct environment *env)
{
	while (env->nr)
		free(env->names[--env->nr]);
}

/* --- beginning ------------------------------------------------------------ */

/* In the child: async-signal-safe calls only. */
static void become(const char *path, char *const *env, int out, pid_t parent)
{
	char *const argv[] = { (char *)path, NULL };
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(127);
	sigemptyset(&none);
	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	if (chdir("/") || null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 ||
	    dup2(out, 2) < 0 || close_range(3, ~0U, CLOSE_RANGE_CLOEXEC))
		_exit(127);
	execve(path, argv, env);
	_exit(127);
}

static int start(struct run *r, const char *path, char *const *env)
{
	pid_t parent = getpid();
	int pipes[2], err = 0;

	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	r->pid = fork();
	if (!r->pid)
		become(path, env, pipes[1], parent);
	close(pipes[1]);
	if (r->pid > 0) {
		setpgid(r->pid, r->pid);	/* whoever is first */
		r->pidfd = syscall(SYS_pidfd_open, r->pid, 0);
	}
	if (r->pid < 0 || r->pidfd < 0) {
		err = -errno;
		if (r->pid > 0 && !kill(r->pid, SIGKILL))
			waitpid(r->pid, NULL, 0);
		close(pipes[0]);
		return err;
	}
	r->out = pipes[0];
	fcntl(r->out, F_SETFL, O_NONBLOCK);
	return 0;
}

/* --- what it says --------------------------------------------------------- */

static void end_line(struct run *r)
{
	r->line[r->len] = 0;
	r->len = 0;
	if (!r->line[0])
		return;
	snprintf(r->last, sizeof(r->last), "%.149s", r->line);
	if (r->nr_lines++ < MAX_LINES)
		log_info(r->call->volume, "hook %s: %s",
			 hook_name(r->call->hook), r->line);
	else if (r->nr_lines == MAX_LINES + 1)
		log_info(r->call->volume, "hook %s: it says more than is "
			 "logged", hook_name(r->call->hook));
}

/* False: there is no more. */
static bool take_output(struct run *r)
{
	char buf[4096];
	ssize_t n = read(r->out, buf, sizeof(buf));

	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] == '\n' || r->len == sizeof(r->line) - 1)
			end_line(r);
		if (buf[i] != '\n')
			r->line[r->len++] = buf[i];
	}
	return n > 0;
}

/* --- how it ends ---------------------------------------------------------- */

static bool is_to_stop(const struct run *r)
{
	const bool *all = r->hooks->is_stopping, *one = r->call->stop;

	return (all && __atomic_load_n(all, __ATOMIC_RELAXED)) ||
	       (one && __atomic_load_n(one, __ATOMIC_RELAXED));
}

/* Q2 */
static void watch_time(struct run *r)
{
	uint64_t now = now_ms();

	if (r->term_ms) {
		if (now - r->term_ms > GRACE_MS)
			kill(-r->pid, SIGKILL);
		return;
	}
	r->is_stopped = is_to_stop(r);
	r->is_late = !r->is_stopped &&
		     now - r->begin_ms > r->hooks->limit_ms;
	if (!r->is_stopped && !r->is_late)
		return;
	r->term_ms = now;
	kill(-r->pid, SIGTERM);
}

static void wait_for_end(struct run *r)
{
	struct pollfd fds[] = {
		{ .fd = r->pidfd, .events = POLLIN },
		{ .fd = r->out, .events = POLLIN },
	};

	while (!fds[0].revents) {
		if (poll(fds, 2, LOOK_MS) < 0 && errno != EINTR)
			break;
		if (fds[1].revents && !take_output(r))
			fds[1].fd = -1;
		watch_time(r);
	}
}

/* The whole group, where it was ended: its leader may have gone first. */
static int reap(struct run *r)
{
	int status = 0;

	if (r->term_ms)
		kill(-r->pid, SIGKILL);
	waitpid(r->pid, &status, 0);
	for (int i = 0; i < MAX_LINES && take_output(r); i++)
		;
	end_line(r);
	close(r->out);
	close(r->pidfd);
	return status;
}

static int judge(const struct run *r, int status, struct error *err)
{
	const char *last = r->last[0] ? r->last : NULL;

	if (r->is_stopped)
		return error_set(err, -ECANCELED, "it was ended: replicad "
				 "stops, or the volume");
	if (r->is_late)
		return error_set(err, -EPERM, "not ended within %" PRIu64
				 " ms (hook_timeout)%s%s", r->hooks->limit_ms,
				 last ? ": " : "", last ?: "");
	if (WIFSIGNALED(status))
		return error_set(err, -EPERM, "killed by signal %d%s%s",
				 WTERMSIG(status), last ? ": " : "",
				 last ?: "");
	if (WEXITSTATUS(status))
		return error_set(err, -EPERM, "exit status %d%s%s",
				 WEXITSTATUS(status), last ? ": " :
				 WEXITSTATUS(status) == 127 ?
				 ": it could not be run" : "", last ?: "");
	return 0;
}

int hook_process_run(const struct hooks *hooks, const struct hook_call *call,
		     const char *path, struct error *err)
{
	struct run r = { .hooks = hooks, .call = call, .begin_ms = now_ms() };
	struct environment env = { .nr = 0 };
	int ret;

	fill(&env, &r);
	ret = env.is_short ? -ENOMEM : start(&r, path, env.names);
	clear(&env);
	if (ret)
		return error_set(err, ret, "%.150s: %s", path, strerror(-ret));
	wait_for_end(&r);
	return judge(&r, reap(&r), err);
}
