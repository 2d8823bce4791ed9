// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A disk that is full from some call on: of each append, commit, checkpoint and
 * write to the base in turn. If this fails, a full disk costs the last image,
 * is not told in words, or is not got over when there is room again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-rig.h"
#include "tap.h"

#define EPOCHS		12
#define FOR_EVER	1000000
#define MOST_CALLS	1000
#define SPACE		(512 << 10)	/* of a log of 1 MiB */

static struct model m;
static struct client c;

static const struct stage_options keep = { .history_ms = 3600000 };
static const struct stage_options at_once = { .history_ms = 0 };

struct seen {
	unsigned int refused;		/* epochs, or their sessions */
	unsigned int not_applied;
	unsigned int bad;
};

static bool complain(const char *what, uint64_t epoch)
{
	printf("# epoch %llu: %s: %s\n", (unsigned long long)epoch, what,
	       c.err.text);
	return false;
}

static bool is_refusal(int err)
{
	return (err == -ENOSPC || err == -EIO) && c.err.text[0];
}

/* Whatever is wrong with the disk. */
static bool shows_newest(struct stage *s, uint64_t epoch)
{
	struct client reader;
	bool is_good;

	if (!m.clean)
		return true;
	if (client_connect(&reader, s, "a"))
		return complain("no connection for a reader", epoch);
	is_good = reader.h.last_clean == m.clean &&
		  shows(&reader, m.image[m.clean]);
	client_close(&reader);
	if (!is_good)
		printf("# clean %llu, not %llu\n",
		       (unsigned long long)reader.h.last_clean,
		       (unsigned long long)m.clean);
	return is_good || complain("another image", epoch);
}

/* A session, if there is none, and the epoch: 0 or why not. */
static int try_epoch(struct stage *s, uint64_t epoch, bool *has_session)
{
	int ret = 0;

	model_drop(&m);
	if (!*has_session) {
		if (c.conn)
			client_close(&c);
		ret = client_connect(&c, s, "a");
		if (!ret)
			ret = client_hello(&c, 1, epoch);
	}
	if (!ret)
		ret = client_epoch(&c, &m, epoch, epoch, epoch % 4 != 2);
	*has_session = !ret;
	if (ret)
		model_drop(&m);
	return ret;
}

static bool run_epochs(struct stage *s, const struct stage_options *o,
		       struct seen *seen)
{
	bool has_session = false, is_good = true;

	for (uint64_t e = 1; is_good && e <= EPOCHS; e++) {
		int ret = try_epoch(s, e, &has_session);

		if (ret && !is_refusal(ret))
			is_good = complain("no refusal", e);
		seen->refused += !!ret;
		if (!o->history_ms && e % 3 == 0) {
			struct error err = { 0 };

			if (stage_settle(c.v, true, &err))
				seen->not_applied++;
			if (err.code && !err.text[0])
				is_good = complain("no word", e);
		}
		is_good = is_good && shows_newest(s, e);
	}
	return is_good;
}

/* There is room again. */
static bool gets_over_it(struct stage *s, const struct stage_options *o)
{
	bool has_session = false;
	struct stage_info info;
	int ret = try_epoch(s, EPOCHS + 1, &has_session);

	if (ret)
		return complain("not got over", EPOCHS + 1);
	if (stage_settle(c.v, !o->history_ms, &c.err))
		return complain("not applied", EPOCHS + 1);
	stage_get_info(c.v, &info);
	if (info.state != STAGE_OK)
		return complain("not told to be well", EPOCHS + 1);
	return shows_newest(s, EPOCHS + 1) && shows_all(c.v, &m);
}

static bool is_there(struct disk *d, const struct stage_options *o)
{
	struct error err = { 0 };
	struct stage *s = rig_open(d, o, &err);
	bool is_good;

	if (!s) {
		printf("# %s\n", err.text);
		return false;
	}
	is_good = shows_newest(s, EPOCHS + 2) &&
		  shows_all(stage_find(s, "a"), &m);
	stage_close(s);
	return is_good;
}

/* True: it ran to its end before that call. */
static bool try_full(const struct stage_options *o, uint64_t nth,
		     struct seen *seen)
{
	struct disk *d = disk_create(), *cut;
	struct stage *s = rig_create(d, o, 1);
	bool is_good, is_end;

	memset(&m, 0, sizeof(m));
	memset(&c, 0, sizeof(c));
	disk_fail(d, nth, -ENOSPC, FOR_EVER);
	is_good = run_epochs(s, o, seen);
	is_end = disk_calls(d) < nth;
	cut = disk_cut(d, disk_moment(d), 0);
	is_good = is_there(cut, o) && is_good;
	disk_destroy(cut);
	disk_fail(d, 0, 0, 0);
	is_good = is_good && gets_over_it(s, o);
	if (c.conn)
		client_close(&c);
	stage_close(s);
	cut = disk_cut(d, disk_moment(d), 0);
	is_good = is_good && is_there(d, o) && is_there(cut, o);
	disk_destroy(cut);
	disk_destroy(d);
	if (!is_good)
		printf("# full from call %llu on\n", (unsigned long long)nth);
	seen->bad += !is_good;
	return is_end;
}

/* From each call on, until it was bad so often; the number of calls. */
static uint64_t try_each(const struct stage_options *o, unsigned int most,
			 struct seen *seen)
{
	uint64_t n = 1;

	while (n < MOST_CALLS && seen->bad < most && !try_full(o, n, seen))
		n++;
	printf("# %llu calls; %u epochs refused, %u not applied\n",
	       (unsigned long long)n, seen->refused, seen->not_applied);
	return n;
}

static void test_full(const struct stage_options *o, const char *what)
{
	struct seen seen = { 0 };
	uint64_t n = try_each(o, 3, &seen);

	is_int(seen.bad, 0, "full from each call on, %s", what);
	ok(n > 40 && seen.refused > n, "which was felt");
	if (!o->history_ms)
		ok(seen.not_applied > n, "by the applier, too");
}

/* --- fewer bytes than the budget ------------------------------------------ */

static int note_oldest(void *arg, const struct stage_epoch *e)
{
	uint64_t *oldest = arg;

	if (!*oldest)
		*oldest = e->epoch;
	return 0;
}

static uint64_t oldest_epoch(void)
{
	uint64_t oldest = 0;

	stage_history(c.v, note_oldest, &oldest);
	return oldest;
}

/* A half of the volume in each epoch, which is most of a segment. */
static int many_epochs(uint64_t most)
{
	int ret = 0;

	for (uint64_t e = 2; !ret && e <= most; e++) {
		ret = client_open(&c, e);
		if (!ret)
			ret = client_write(&c, &m, e % 2 * 12, 12, e);
		if (!ret)
			ret = client_commit(&c, &m, e, true);
	}
	return ret;
}

/* S6: segments are sparse; it is the disk that is full, not the budget. */
static void test_space(uint64_t min_ms)
{
	const struct stage_options o = {
		.history_ms = 3600000, .history_min_ms = min_ms,
	};
	struct disk *d = disk_create();
	struct stage *s = rig_create(d, &o, 1);
	int ret;

	memset(&m, 0, sizeof(m));
	disk_set_space(d, SPACE);
	client_connect(&c, s, "a");
	client_hello(&c, 1, 1);
	client_open(&c, 1);
	client_write(&c, &m, 0, 24, 1);
	client_commit(&c, &m, 1, true);
	stage_settle(c.v, true, NULL);		/* the base has its room */
	ret = many_epochs(RIG_EPOCHS - 1);
	if (min_ms) {
		is_int(ret, -ENOSPC, "with history_min it costs the epoch: %s",
		       c.err.text);
		is_int(oldest_epoch(), 1, "not the history");
	} else {
		is_int(ret, 0, "less room than the log may have: %s",
		       c.err.text);
		ok(oldest_epoch() > RIG_EPOCHS / 2, "costs history");
	}
	ok(shows_all(c.v, &m), "all that is listed is there");
	client_close(&c);
	stage_close(s);
	disk_destroy(d);
}

static uint32_t kind_now(void)
{
	struct stage_info info;

	stage_get_info(c.v, &info);
	return info.header.kind;
}

static uint32_t kind_after_a_cut(struct disk *d)
{
	struct disk *cut = disk_cut(d, disk_moment(d), 0);
	struct stage *after = rig_open(cut, &keep, NULL);
	struct stage_info info;

	stage_get_info(stage_find(after, "a"), &info);
	stage_close(after);
	disk_destroy(cut);
	return info.header.kind;
}

/* Session Y6: what is answered is there after a power cut. */
static void test_handover(void)
{
	struct disk *d = disk_create();
	struct stage *s = rig_create(d, &keep, 1);

	memset(&m, 0, sizeof(m));
	client_connect(&c, s, "a");
	client_hello(&c, 1, 1);
	client_epoch(&c, &m, 1, 1, true);
	disk_fail(d, 1, -ENOSPC, FOR_EVER);
	is_int(client_header(&c, REPLICA_KIND_HANDOVER, 1), -ENOSPC,
	       "a handover on a full disk: %s", c.err.text);
	is_int(kind_now(), REPLICA_KIND_CLEAN, "is none");
	disk_fail(d, 0, 0, 0);
	is_int(client_header(&c, REPLICA_KIND_HANDOVER, 1), 0, "with room: %s",
	       c.err.text);
	is_int(kind_after_a_cut(d), REPLICA_KIND_HANDOVER, "it is one");
	client_close(&c);
	stage_close(s);
	disk_destroy(d);
}

/*
 * To go in place was asked for and has failed, then history made room: who ends
 * the epoch that is open does not wait for it. Inside, since the applier gives
 * it up as soon as it can.
 */
static void test_asked_in_vain(void)
{
	struct disk *d = disk_create();
	struct stage *s = rig_create(d, &keep, 1);
	struct stage_group *g;

	memset(&m, 0, sizeof(m));
	client_connect(&c, s, "a");
	client_hello(&c, 1, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_open(&c, 2);
	client_write(&c, &m, 0, 3, 2);
	g = c.v->g;
	pthread_mutex_lock(&g->lock);
	g->is_in_place_asked = g->has_announce_failed = true;
	error_set(&g->apply_error, -ENOSPC, "the checkpoint");
	pthread_mutex_unlock(&g->lock);
	is_int(stage_settle(c.v, true, NULL), 0, "history makes room");
	is_int(client_commit(&c, &m, 2, true), 0, "the open epoch is taken");
	ok(shows(&c, m.image[2]), "and shown");
	client_close(&c);
	stage_close(s);
	disk_destroy(d);
}

int main(void)
{
	test_asked_in_vain();
	test_handover();
	test_space(0);
	test_space(3600000);

	test_full(&keep, "with a long history");
	test_full(&at_once, "with none, applying");
	return tap_done();
}
