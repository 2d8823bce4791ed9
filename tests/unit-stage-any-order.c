// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * unit-stage-any-order [SEED]
 *
 * Several clients, right and wrong ones, in any order and two at a time, with
 * kills and power cuts between. If this fails, there is an order of requests in
 * which a stage takes what it must refuse, refuses what it must take, crashes,
 * hangs, or has another image, or other epochs, than what was committed.
 *
 * With SEED (or DMR_SEED) that walk; without, WALKS of them by chance (100
 * times as many with DMR_SOAK), and then each rule of the stage is switched off
 * until a walk notices. A walk that fails prints its seed and its last
 * requests. What two threads do at once need not come again with the seed.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client-look.h"
#include "stage-device.h"
#include "stage-rig.h"
#include "tap.h"

#define WALKS		8	/* each of choose_options() */
#define SMALL_LOG	(1U << 20)

/* --- requests ------------------------------------------------------------- */

struct call {
	struct stage_conn *conn;
	const struct request *r;
	char *buf;
	struct error err;
	int ret;
};

static void begin_call(struct walk *w, const struct request *r, struct call *c)
{
	*c = (struct call) { .conn = w->conns[r->conn], .r = r };
	if (r->type == REQUEST_HEADER) {
		c->buf = calloc(1, REPLICA_SLOT_BYTES);
		encode_request(r, c->buf);
	} else if (r->type == REQUEST_WRITE) {
		c->buf = calloc(1, r->len);
		fill_request(r, c->buf);
	}
}

static void *call(void *arg)
{
	struct call *c = arg;

	if (c->r->type == REQUEST_HEADER)
		c->ret = stage_conn_write(c->conn, c->buf, REPLICA_SLOT_BYTES,
					  c->r->off, &c->err);
	else if (c->r->type == REQUEST_WRITE)
		c->ret = stage_conn_write(c->conn, c->buf, c->r->len,
					  c->r->off, &c->err);
	else
		c->ret = stage_conn_zero(c->conn, c->r->len, c->r->off,
					 &c->err);
	free(c->buf);
	return NULL;
}

static void note_request(struct walk *w, const struct request *r)
{
	char text[200];

	describe_request(r, text, sizeof(text));
	note(w, text);
}

/* Is that answer one of those? */
static bool is_allowed(unsigned int refusals, const struct call *c)
{
	unsigned int got = refusal_of(c->ret);

	return refusals ? got && !(got & ~refusals) : !got;
}

static void count(struct walk *w, const struct call *c)
{
	if (c->ret)
		w->nr_refused++;
	else
		w->nr_taken++;
	if (c->ret && !c->err.text[0])
		wrong(w, "refused without a word");
}

static void do_call(struct walk *w, const struct request *r)
{
	struct client_model before = w->m;
	unsigned int refusals = model_step(&w->m, r);
	struct call c;

	begin_call(w, r, &c);
	call(&c);
	count(w, &c);
	if (c.ret == -ENOSPC && !refusals &&
	    w->opts.log_bytes == SMALL_LOG) {
		w->m = before;
		model_full(&w->m, r);
	} else if (!is_allowed(refusals, &c)) {
		wrong(w, "%s%s, and that is none of %x",
		      c.ret ? "refused: " : "taken", c.err.text, refusals);
	}
}

static void do_request(struct walk *w, const struct request *r)
{
	struct error err = { 0 };

	note_request(w, r);
	if (r->type == REQUEST_CONNECT) {
		if (stage_conn_create(&w->conns[r->conn],
				      volume(w, r->member), &err))
			wrong(w, "no connection: %s", err.text);
		model_step(&w->m, r);
	} else if (r->type == REQUEST_CLOSE) {
		stage_conn_destroy(w->conns[r->conn]);
		w->conns[r->conn] = NULL;
		model_step(&w->m, r);
	} else {
		do_call(w, r);
	}
}

/* --- two at a time -------------------------------------------------------- */

static bool is_kind(const struct request *r, uint32_t kind)
{
	return r->type == REQUEST_HEADER && r->h.kind == kind;
}

/* As if one had come after the other; false: not in this order. A heartbeat is
 * not in line: it comes while the other is under way, whatever its number. */
static bool try_order(const struct client_model *before,
		      const struct call *first, const struct call *second,
		      struct client_model *after)
{
	bool is_beat = is_kind(first->r, REPLICA_KIND_HEARTBEAT);
	struct member_model *v;
	uint64_t seq;
	bool is_good;

	*after = *before;
	if (!is_allowed(model_step(after, first->r), first))
		return false;
	v = &after->members[after->conns[first->r->conn].member];
	seq = v->seq;
	if (is_beat && !second->ret)
		v->seq = before->members[v - after->members].seq;
	is_good = is_allowed(model_step(after, second->r), second);
	if (seq > v->seq)
		v->seq = seq;
	return is_good;
}

/* In that order, and so that it is what the stage says now? */
static bool take_order(struct walk *w, const struct call *first,
		       const struct call *second)
{
	static struct client_model before, after;
	char why[MODEL_WHY];

	before = w->m;
	if (try_order(&before, first, second, &after) &&
	    is_served(w, &after, why)) {
		w->m = after;
		return true;
	}
	/* What an open gives up is gone before its own epoch is there. */
	if (!is_kind(second->r, REPLICA_KIND_OPEN) || second->ret)
		return false;
	model_drop_open(&before);
	if (!try_order(&before, first, second, &after) ||
	    !is_served(w, &after, why))
		return false;
	w->m = after;
	return true;
}

static void judge_both(struct walk *w, const struct call *a,
		       const struct call *b)
{
	if (!take_order(w, a, b) && !take_order(w, b, a))
		wrong(w, "two at a time: %d %s, %d %s: in no order", a->ret,
		      a->err.text, b->ret, b->err.text);
}

static void do_both(struct walk *w, const struct request *a,
		    const struct request *b)
{
	struct call first, second;
	pthread_t thread;

	note_request(w, a);
	note_request(w, b);
	begin_call(w, a, &first);
	begin_call(w, b, &second);
	disk_slow(w->d, ".seg", roll(&w->dice, 2));
	if (pthread_create(&thread, NULL, call, &first))
		abort();
	if (roll(&w->dice, 2))
		usleep(roll(&w->dice, 800));
	call(&second);
	pthread_join(thread, NULL);
	disk_slow(w->d, ".seg", 0);
	count(w, &first);
	count(w, &second);
	w->nr_races++;
	judge_both(w, &first, &second);
}

static bool is_call(const struct request *r)
{
	return r->type != REQUEST_CONNECT && r->type != REQUEST_CLOSE;
}

/*
 * One that may come together with it, as of now, or as of then: a client that
 * does not wait for the answer. False: there is none just now.
 */
static bool find_other(struct walk *w, const struct request *r,
		       struct request *with)
{
	static struct client_model then;

	then = w->m;
	if (roll(&w->dice, 2))
		model_step(&then, r);
	for (int i = 0; i < 20; i++) {
		next_request(&w->dice, &then, with);
		if (is_call(with) && with->conn != r->conn &&
		    !is_race(&w->m, r, with))
			return true;
	}
	return false;
}

static void step(struct walk *w)
{
	bool may_race = w->opts.log_bytes != SMALL_LOG;
	struct request r, with;

	next_request(&w->dice, &w->m, &r);
	if (may_race && is_call(&r) && !roll(&w->dice, 6) &&
	    find_other(w, &r, &with))
		do_both(w, &r, &with);
	else
		do_request(w, &r);
}

/* --- opening again -------------------------------------------------------- */

static void close_conns(struct walk *w)
{
	for (unsigned int i = 0; i < WALK_CONNS; i++) {
		stage_conn_destroy(w->conns[i]);
		w->conns[i] = NULL;
	}
}

static void adopt(struct walk *w)
{
	struct replica_header h[WALK_MEMBERS];
	struct stage_info info;

	for (unsigned int i = 0; i < w->m.nr_members; i++) {
		stage_get_info(volume(w, i), &info);
		h[i] = info.header;
	}
	if (!model_reopen(&w->m, h))
		wrong(w, "header %llu, highest seen %llu: neither as it was, "
		      "nor what is durable", (unsigned long long)h[0].seq,
		      (unsigned long long)h[0].highest_seen);
}

static void open_again(struct walk *w)
{
	struct disk *before = w->d;
	struct error err = { 0 };
	uint64_t how = roll(&w->dice, 5);

	note(w, how ? "a kill or a power cut" : "the stage is opened again");
	close_conns(w);
	if (how == 1)
		w->d = disk_kill(before, disk_moment(before));
	else if (how)
		w->d = disk_cut(before, disk_moment(before),
				roll(&w->dice, 1 << 20));
	stage_close(w->s);
	if (w->d != before)
		disk_destroy(before);
	w->s = rig_open(w->d, &w->opts, &err);
	w->nr_opened++;
	if (!w->s || !volume(w, w->m.nr_members - 1))
		wrong(w, "cannot be opened: %s", err.text);
	else
		adopt(w);
}

/* --- a walk --------------------------------------------------------------- */

/* All is kept; or history goes at once; or epochs do not fit. Each also with
 * the log on a device. */
static void choose_options(struct walk *w, uint64_t seed)
{
	w->opts = (struct stage_options) {
		.history_ms = seed % 4 < 2 ? HOUR_MS : 0,
		.log_bytes = seed % 4 == 3 ? SMALL_LOG : 16 << 20,
		.segment_bytes = 128 << 10,
		.volume_bytes = WALK_BYTES_MAX,
	};
	if (seed % 8 < 4)
		return;
	strcpy(w->opts.log_device, RIG_DEVICE);
	rig_make_device(w->d, RIG_DEVICE, STAGE_DEVICE_HEAD +
			w->opts.log_bytes / w->opts.segment_bytes *
			(w->opts.segment_bytes + STAGE_BLOCK_BYTES));
}

static void begin_walk(struct walk *w, uint64_t seed)
{
	struct error err = { 0 };

	memset(w, 0, sizeof(*w));
	w->dice.state = seed * 0x9e3779b97f4a7c15ULL | 1;
	for (int i = 0; i < 8; i++)
		roll(&w->dice, 2);
	w->d = disk_create();
	choose_options(w, seed);
	model_begin(&w->m, 1 + roll(&w->dice, WALK_MEMBERS));
	w->s = rig_open(w->d, &w->opts, &err);
	for (unsigned int i = 0; w->s && i < w->m.nr_members; i++) {
		char name[2] = { 'a' + i };

		if (rig_add_volume(w->s, name, w->m.nr_members > 1 ? "group" :
				   NULL, WALK_BYTES, &err))
			wrong(w, "no volume: %s", err.text);
	}
	if (!w->s)
		wrong(w, "no stage: %s", err.text);
}

static void end_walk(struct walk *w)
{
	close_conns(w);
	stage_close(w->s);
	disk_destroy(w->d);
	model_free_all();
}

/* Right to the end? */
static bool take_walk(struct walk *w, uint64_t seed)
{
	bool may_reopen;

	begin_walk(w, seed);
	may_reopen = w->opts.log_bytes != SMALL_LOG;
	for (int i = 0; i < WALK_STEPS && !w->is_wrong; i++) {
		if (may_reopen && !roll(&w->dice, 60))
			open_again(w);
		else
			step(w);
		check_served(w);
		if (!w->is_wrong && !roll(&w->dice, 10))
			check_all(w, false);
	}
	if (!w->is_wrong && may_reopen)
		open_again(w);
	if (!w->is_wrong)
		check_all(w, true);
	if (w->is_wrong)
		printf("# DMR_SEED=%llu\n", (unsigned long long)seed);
	return !w->is_wrong;
}

/* In a process of its own: it may crash, or hang. */
static bool is_right(uint64_t seed, unsigned long long fault)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		static struct walk w;

		alarm(600);
		if (fault && (!freopen("/dev/null", "w", stdout) ||
			      !freopen("/dev/null", "w", stderr)))
			_exit(0);
		stage_faults = fault;
		status = !take_walk(&w, seed);
		printf("# walk %llu: %u taken, %u refused, %u at once, opened "
		       "again %u times\n", (unsigned long long)seed,
		       w.nr_taken, w.nr_refused, w.nr_races, w.nr_opened);
		end_walk(&w);
		fflush(stdout);
		_exit(status);
	}
	waitpid(pid, &status, 0);
	if (status && !fault)
		printf("# status %x; DMR_SEED=%llu to see it again\n", status,
		       (unsigned long long)seed);
	return !status;
}

/* --- each rule that is switched off --------------------------------------- */

static const struct {
	unsigned long long fault;
	const char *name;
} rules[] = {
	{ STAGE_FAULT_S1, "S1" },
	{ STAGE_FAULT_S2, "S2" },
	{ STAGE_FAULT_S5, "S5" },
	{ STAGE_FAULT_S7, "S7" },
	{ STAGE_FAULT_S8, "S8" },
	{ STAGE_FAULT_W2, "W2" },
	{ STAGE_FAULT_W4, "W4" },
	{ STAGE_FAULT_NUMBER, "C5" },
	{ STAGE_FAULT_IMAGE, "images" },
};

static bool is_noticed(unsigned long long fault)
{
	for (uint64_t seed = 1; seed < 40; seed++)
		if (!is_right(seed, fault))
			return true;
	return false;
}

static void test_rules(void)
{
	for (unsigned int i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		ok(is_noticed(rules[i].fault), "without %s it is noticed",
		   rules[i].name);
}

int main(int argc, char **argv)
{
	const char *given = argc > 1 ? argv[1] : getenv("DMR_SEED");
	uint64_t walks = getenv("DMR_SOAK") ? 100 * WALKS : WALKS;
	uint64_t seed = given ? strtoull(given, NULL, 0) :
				(uint64_t)time(NULL) << 8;
	unsigned int nr_wrong = 0;

	if (given)
		walks = 1;
	for (uint64_t i = 0; i < walks && nr_wrong < 3; i++)
		nr_wrong += !is_right(seed + i, 0);
	is_int(nr_wrong, 0, "in any order from seed %llu on, what is taken and "
	       "shown is right", (unsigned long long)seed);
	if (!given)
		test_rules();
	return tap_done();
}
