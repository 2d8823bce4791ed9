// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugin-quota.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define NS_PER_S	1000000000ULL

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

void quota_touch(struct quota_user *u)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	__atomic_store_n(&u->last_ms, ts.tv_sec * 1000ULL +
			 ts.tv_nsec / 1000000, __ATOMIC_RELAXED);
}

/* Q1 */
static bool counts(const struct quota_user *u, uint64_t now_ms)
{
	uint64_t last = __atomic_load_n(&u->last_ms, __ATOMIC_RELAXED);

	return !u->is_fenced && now_ms < last + QUOTA_SILENT_MS;
}

int quota_join(struct quota *q, struct quota_user *u, const void *volume,
	       struct error *err)
{
	uint64_t now_ms = now_ns() / 1000000;
	unsigned int nr = 0;
	int ret = 0;

	memset(u, 0, sizeof(*u));
	u->volume = volume;
	quota_touch(u);
	pthread_mutex_lock(&q->lock);
	for (struct quota_user *other = q->users; other; other = other->next)
		nr += counts(other, now_ms);
	if (q->max_users && nr >= q->max_users) {
		ret = error_set(err, -EUSERS, "%u connections are open, no "
				"more are allowed (connections=)", nr);
	} else {
		u->next = q->users;
		q->users = u;
	}
	pthread_mutex_unlock(&q->lock);
	return ret;
}

void quota_leave(struct quota *q, struct quota_user *u)
{
	struct quota_user **at = &q->users;

	pthread_mutex_lock(&q->lock);
	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	pthread_mutex_unlock(&q->lock);
}

void quota_hello(struct quota *q, struct quota_user *u,
		 const struct replica_session *session)
{
	pthread_mutex_lock(&q->lock);
	u->has_session = true;
	u->session = *session;
	u->is_fenced = false;
	for (struct quota_user *other = q->users; other; other = other->next)
		if (other->volume == u->volume && other->has_session &&
		    replica_session_compare(&other->session, session) < 0)
			other->is_fenced = true;
	pthread_mutex_unlock(&q->lock);
}

static void sleep_until(uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = ns / NS_PER_S,
		.tv_nsec = ns % NS_PER_S,
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) ==
	       EINTR)
		;
}

/* Each takes its slice of time behind those of the others. */
void quota_sum(struct quota *q, uint64_t bytes)
{
	uint64_t now = now_ns(), from;

	if (!q->sum_rate)
		return;
	pthread_mutex_lock(&q->lock);
	from = q->sum_free_ns > now ? q->sum_free_ns : now;
	q->sum_free_ns = from + (uint64_t)((double)bytes * NS_PER_S /
					   q->sum_rate);
	pthread_mutex_unlock(&q->lock);
	if (from > now)
		sleep_until(from);
}
