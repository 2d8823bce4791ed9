/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Verbs from side to side (route.h). If this failed, a verb could be done twice
 * when a message was lost, be done by a process that knows nothing of it, or be
 * said to have done nothing when it was done.
 */
#include "route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define NS_PER_MS	1000000ULL
#define ROUNDS		5
#define LONGEST		3	/* what may become of an exchange */

enum fate { WHOLE, REQUEST_LOST, REPLY_LOST };

/* One who asks, and is asked. */
struct side {
	struct route route;
	bool is_slow;			/* its jobs end when they are told to */
	struct route_job *running;
	unsigned int nr_done;		/* how often the verb was */
};

static struct {
	struct side a, b;
	uint64_t now;
	unsigned int nr_answers;
	int exit_status;
	char text[400];
} the;

static void run(struct route_job *job, const char *verb, const json_t *params,
		void *arg)
{
	struct side *s = arg;

	s->nr_done++;
	if (s->is_slow)
		s->running = job;
	else
		route_job_end(job, 0, NULL, json_pack("{ss}", "verb", verb));
}

static void finish(struct side *s)
{
	if (s->running)
		route_job_end(s->running, 0, NULL, json_object());
	s->running = NULL;
}

static void on_done(void *arg, int exit_status, const char *text,
		    json_t *result)
{
	the.nr_answers++;
	the.exit_status = exit_status;
	snprintf(the.text, sizeof(the.text), "%s", text ?: "");
}

static void side_init(struct side *s)
{
	memset(s, 0, sizeof(*s));
	route_init(&s->route);
	s->route.run = run;
	s->route.arg = s;
}

static void side_clear(struct side *s)
{
	finish(s);
	route_end_asks(&s->route, "over");
	route_clear(&s->route);
}

static void begin(void)
{
	side_init(&the.a);
	side_init(&the.b);
	the.nr_answers = 0;
	the.exit_status = -1;
	the.now = 1000 * NS_PER_MS;
}

static void clear(void)
{
	side_clear(&the.a);
	side_clear(&the.b);
}

static int asks(struct side *s)
{
	return route_ask(&s->route, the.now, "extend", false,
			 json_pack("{ss}", "volume", "v"), on_done, NULL, NULL);
}

static int hear(struct side *s, json_t *message)
{
	int ret = route_take(&s->route, message, the.now, NULL);

	json_decref(message);
	return ret;
}

/* The sender, A, speaks. */
static void exchange(enum fate fate)
{
	json_t *request = route_tell(&the.a.route), *reply;

	the.now += 100 * NS_PER_MS;
	if (fate == REQUEST_LOST) {
		json_decref(request);
		return;
	}
	hear(&the.b, request);
	reply = route_tell(&the.b.route);
	if (fate == REPLY_LOST)
		json_decref(reply);
	else
		hear(&the.a, reply);
}

static bool is_idle(void)
{
	return !route_is_busy(&the.a.route) && !route_is_busy(&the.b.route);
}

/* --- whatever is lost (O1) ------------------------------------------------ */

/* Of @code, a digit for each round. */
static bool survives(bool is_sender, bool is_slow, unsigned int code)
{
	struct side *asker, *other;
	bool is_well;

	begin();
	asker = is_sender ? &the.a : &the.b;
	other = is_sender ? &the.b : &the.a;
	other->is_slow = is_slow;
	asks(asker);
	for (unsigned int i = 0; i < ROUNDS; i++, code /= LONGEST) {
		exchange(code % LONGEST);
		if (i == ROUNDS / 2)
			finish(other);
	}
	exchange(WHOLE);
	exchange(WHOLE);
	finish(other);
	for (unsigned int i = 0; i < 4; i++)
		exchange(WHOLE);
	is_well = other->nr_done == 1 && !asker->nr_done &&
		  the.nr_answers == 1 && !the.exit_status && is_idle();
	clear();
	return is_well;
}

static void test_losses(bool is_sender, bool is_slow)
{
	unsigned int most = 1, nr_wrong = 0;

	for (unsigned int i = 0; i < ROUNDS; i++)
		most *= LONGEST;
	for (unsigned int code = 0; code < most; code++)
		nr_wrong += !survives(is_sender, is_slow, code);
	is_int(nr_wrong, 0, "done once, answered once, whatever is lost "
	       "(%s, %s)", is_sender ? "of the sender" : "of the receiver",
	       is_slow ? "slow" : "fast");
}

/* --- another process (O2, O4) --------------------------------------------- */

/*
 * One side is another process after @round exchanges, of which the last was
 * not whole. False: what is said of it is not true.
 */
static bool is_true_after(bool is_sender, bool asker_dies, unsigned int round,
			  enum fate fate)
{
	struct side *asker, *other, *dies;
	unsigned int nr_done, nr_answers;
	bool is_well;

	begin();
	asker = is_sender ? &the.a : &the.b;
	other = is_sender ? &the.b : &the.a;
	dies = asker_dies ? asker : other;
	asks(asker);
	for (unsigned int i = 0; i < round; i++)
		exchange(i + 1 < round ? WHOLE : fate);
	nr_answers = the.nr_answers;
	nr_done = other->nr_done;
	side_clear(dies);
	if (asker_dies)
		the.nr_answers = nr_answers;
	side_init(dies);
	for (unsigned int i = 0; i < 6; i++)
		exchange(WHOLE);
	nr_done += asker_dies ? 0 : other->nr_done;
	if (asker_dies)
		is_well = other->nr_done <= 1;
	else
		is_well = the.nr_answers == 1 && nr_done <= 1 &&
			  (the.exit_status == ROUTE_NOT_KNOWN ||
			   nr_done == !the.exit_status);
	is_well = is_well && is_idle();
	clear();
	return is_well;
}

static void test_restarts(void)
{
	unsigned int nr_wrong = 0;

	for (int who = 0; who < 4; who++)
		for (unsigned int round = 0; round < 5; round++)
			for (int fate = 0; fate < LONGEST; fate++)
				nr_wrong += !is_true_after(who & 1, who & 2,
							   round, fate);
	is_int(nr_wrong, 0, "another process does nothing twice, and nothing "
	       "that is not true is said of it");
}

/*
 * It is told to one that was killed before it heard that: what is lost of the
 * first telling, and whether the next process does it.
 */
static bool is_done_by_next(enum fate fate, bool was_heard)
{
	bool is_well;

	begin();
	exchange(WHOLE);
	the.b.is_slow = was_heard;
	asks(&the.a);
	if (was_heard || fate != WHOLE)
		exchange(fate);
	side_clear(&the.b);
	side_init(&the.b);
	for (unsigned int i = 0; i < 4; i++)
		exchange(WHOLE);
	is_well = the.nr_answers == 1 && the.b.nr_done == !the.exit_status &&
		  is_idle();
	clear();
	return is_well && !the.exit_status;
}

static void test_next_process(void)
{
	ok(is_done_by_next(WHOLE, false), "what the one before never had is "
	   "done by the next process");
	ok(!is_done_by_next(REQUEST_LOST, false), "not where it may have had "
	   "it: the message was lost");
	is_int(the.exit_status, ROUTE_NOT_KNOWN, "nobody knows then");
	ok(!is_done_by_next(WHOLE, true), "nor where it had it");
	is_int(the.exit_status, ROUTE_NOT_KNOWN, "nobody knows then, either");
}

static void test_orphans(void)
{
	begin();
	the.b.is_slow = true;
	exchange(WHOLE);
	asks(&the.a);
	exchange(WHOLE);
	is_int(the.b.nr_done, 1, "a job runs");
	side_clear(&the.a);
	side_init(&the.a);
	exchange(WHOLE);
	asks(&the.a);
	exchange(WHOLE);
	is_int(the.b.nr_done, 2, "one of the next process, too, with its id");
	route_job_end(the.b.route.jobs, 0, NULL, NULL);
	finish(&the.b);
	exchange(WHOLE);
	ok(the.nr_answers == 2 && !the.exit_status && !is_idle(),
	   "and that has its answer");
	exchange(WHOLE);
	ok(is_idle(), "of neither anything is left");
	clear();
}

/* --- late messages (O3) --------------------------------------------------- */

static void test_late(void)
{
	json_t *late, *other;

	begin();
	exchange(WHOLE);
	asks(&the.a);
	late = route_tell(&the.a.route);
	exchange(WHOLE);
	exchange(WHOLE);
	is_int(the.b.nr_done, 1, "it was done");
	is_int(hear(&the.b, json_incref(late)), -ESTALE, "a message that comes "
	       "late is refused");
	side_clear(&the.a);
	side_init(&the.a);
	exchange(WHOLE);
	is_int(hear(&the.b, late), -ESTALE, "also when its sender is gone");
	is_int(the.b.nr_done, 1, "and does nothing");
	exchange(WHOLE);
	asks(&the.a);
	exchange(WHOLE);
	is_int(the.b.nr_done, 2, "the next process goes on");
	other = route_tell(&the.b.route);
	is_int(hear(&the.b, other), -EPROTO, "nobody hears himself");
	clear();
}

/* O1: an id that was seen, and of which nothing is known. */
static void test_forgotten(void)
{
	json_t *message;

	begin();
	exchange(WHOLE);
	asks(&the.a);
	exchange(WHOLE);
	exchange(WHOLE);
	message = json_pack("{si ss sI s[{sI ss ss s{ss}}] s[]}",
			    "dm_replica_verbs", ROUTE_VERSION, "from",
			    the.a.route.self, "seq",
			    (json_int_t)(the.a.route.seq + 1), "asks", "id",
			    (json_int_t)1, "to", the.b.route.self, "verb",
			    "extend", "params", "volume", "v", "answers");
	is_int(hear(&the.b, message), 0, "what was answered is asked for again");
	is_int(the.b.nr_done, 1, "it is not done again");
	is_int(the.b.route.jobs->exit_status, ROUTE_NOT_KNOWN, "but answered");
	clear();
}

/* --- nobody there (O4) ---------------------------------------------------- */

static void wait_ms(unsigned int ms)
{
	the.now += ms * NS_PER_MS;
	route_check(&the.a.route, the.now, "it does not answer");
}

static void test_silence(void)
{
	begin();
	asks(&the.a);
	wait_ms(ROUTE_REACH_MS);
	is_int(the.nr_answers, 0, "one who was not met is waited for");
	wait_ms(1);
	is_int(the.exit_status, ROUTE_UNREACHABLE, "but not for ever");
	ok(strstr(the.text, "nothing was done"), "nothing was done");
	exchange(WHOLE);
	asks(&the.a);
	exchange(REQUEST_LOST);
	wait_ms(ROUTE_REACH_MS + 1);
	is_int(the.nr_answers, 1, "what may be under way is waited for longer");
	wait_ms(ROUTE_SILENT_MS);
	is_int(the.exit_status, ROUTE_NOT_KNOWN, "then nobody knows");
	ok(strstr(the.text, "may have been done"), "and that is said");
	route_ask(&the.a.route, the.now, "path", true, json_object(), on_done,
		  NULL, NULL);
	exchange(REQUEST_LOST);
	wait_ms(ROUTE_REACH_MS + 1);
	is_int(the.exit_status, ROUTE_UNREACHABLE, "what changes nothing has "
	       "not done anything");
	the.b.is_slow = true;
	asks(&the.a);
	for (unsigned int ms = 0; ms < ROUTE_LIMIT_MS - 1000; ms += 1000) {
		exchange(WHOLE);
		wait_ms(900);
	}
	is_int(the.nr_answers, 3, "one who is met is waited for");
	exchange(WHOLE);
	wait_ms(1000);
	is_int(the.nr_answers, 4, "half an hour");
	finish(&the.b);
	exchange(WHOLE);
	ok(is_idle(), "and what it did then is forgotten");
	clear();
}

/* --- too much (O5) -------------------------------------------------------- */

static void test_limits(void)
{
	char *text = malloc(ROUTE_ANSWER + 1);
	struct error err = { 0 };
	unsigned int nr = 0;

	begin();
	exchange(WHOLE);
	the.b.is_slow = true;
	while (!asks(&the.a))
		nr++;
	is_int(nr, ROUTE_MOST, "so many at a time");
	exchange(WHOLE);
	is_int(the.b.nr_done, nr, "they run");
	while (the.b.route.jobs && route_has_jobs(&the.b.route))
		for (struct route_job *j = the.b.route.jobs; j; j = j->next)
			if (!j->is_ended)
				route_job_end(j, 0, NULL, json_object());
	the.b.running = NULL;
	exchange(WHOLE);
	is_int(the.nr_answers, nr, "all are answered");

	memset(text, 'x', ROUTE_ANSWER);
	text[ROUTE_ANSWER] = 0;
	exchange(WHOLE);
	asks(&the.a);
	exchange(WHOLE);
	route_job_end(the.b.running, 0, NULL, json_pack("{ss}", "t", text));
	the.b.running = NULL;
	exchange(WHOLE);
	is_int(the.exit_status, ROUTE_NOT_KNOWN, "an answer that is too long");
	ok(strstr(the.text, "what it was to do is done"), "is not taken for a failure");
	is_int(route_ask(&the.a.route, the.now, "extend", false,
			 json_pack("{ss}", "volume", text), on_done, NULL, &err), -ENOMEM,
	       "nor is more said than there is room for");
	clear();
	free(text);
}

/* Two that say much leave no room for a third. */
static void test_long_asks(void)
{
	char *text = malloc(ROUTE_PARAMS);
	struct error err = { 0 };
	int ret[3];

	begin();
	exchange(WHOLE);
	memset(text, 'x', ROUTE_PARAMS);
	text[ROUTE_PARAMS - 20] = 0;
	for (int i = 0; i < 3; i++)
		ret[i] = route_ask(&the.a.route, the.now, "extend", false,
				   json_pack("{ss}", "volume", text), on_done,
				   NULL, &err);
	ok(!ret[0] && !ret[1], "as much as one may say, twice");
	is_int(ret[2], -EAGAIN, "not more than there is room for in all");
	exchange(WHOLE);
	is_int(the.b.nr_done, 2, "both are done");
	exchange(WHOLE);
	is_int(the.nr_answers, 2, "and answered");
	clear();
	free(text);
}

/* What JSON cannot have in it is told in other words, and not kept for ever. */
static void test_letters(void)
{
	json_t *message;

	begin();
	the.b.is_slow = true;
	exchange(WHOLE);
	asks(&the.a);
	exchange(WHOLE);
	route_job_end(the.b.running, 5, "no \xc3", NULL);
	the.b.running = NULL;
	exchange(WHOLE);
	is_int(the.nr_answers, 1, "a reason that is not UTF-8 is answered");
	is_int(the.exit_status, 5, "with its status");
	message = route_refuse("no \xc3");
	ok(message, "so is a message that was not taken");
	json_decref(message);
	clear();
}

/* --- nonsense (P6) -------------------------------------------------------- */

static void is_refused(const char *text, int want, const char *why)
{
	json_t *message = json_loads(text, JSON_DECODE_ANY, NULL);
	struct error err = { 0 };

	is_int(route_take(&the.b.route, message, the.now, &err), want, "%s: %s",
	       why, err.text);
	json_decref(message);
}

static void test_nonsense(void)
{
	begin();
	is_refused("nothing", -EPROTO, "no JSON");
	is_refused("[]", -EPROTO, "a list");
	is_refused("{\"dm_replica_verbs\":\"1\"}", -EPROTO, "a text for a "
		   "version");
	is_refused("{\"dm_replica_verbs\":2}", -EPROTONOSUPPORT, "another "
		   "version");
	is_refused("{\"dm_replica_verbs\":1,\"error\":\"no\"}", -EACCES,
		   "a refusal");
	is_refused("{\"dm_replica_verbs\":1}", -EPROTO, "nobody's");
	is_refused("{\"dm_replica_verbs\":1,\"from\":\"0011\",\"seq\":1,"
		   "\"asks\":[],\"answers\":[]}", -EPROTO, "a short name");
	is_refused("{\"dm_replica_verbs\":1,\"from\":\"0011223344556677\","
		   "\"asks\":[],\"answers\":[]}", -EPROTO, "without a number");
	is_refused("{\"dm_replica_verbs\":1,\"from\":\"0011223344556677\","
		   "\"seq\":1,\"asks\":[1,{},{\"id\":-1},{\"id\":\"x\"},"
		   "{\"id\":3,\"to\":7}],\"answers\":[1,{},{\"id\":1}]}", 0,
		   "nonsense in it");
	is_int(the.b.nr_done, 0, "nothing was done for that");
	ok(!the.b.route.jobs, "nor is anything kept");
	clear();
}

int main(void)
{
	json_object_seed(1);
	for (int i = 0; i < 4; i++)
		test_losses(i & 1, i & 2);
	test_restarts();
	test_next_process();
	test_orphans();
	test_late();
	test_forgotten();
	test_silence();
	test_limits();
	test_long_asks();
	test_letters();
	test_nonsense();
	return tap_done();
}
