/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The method recover. If this failed: replicad, without memory for the status
 * that it asks for, would use what it has freed, or never answer, and then
 * could not stop; and who asks would be told that all is well of what is not
 * known to be so.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config-target.h"
#include "control.h"
#include "daemon.h"
#include "group.h"
#include "methods.h"
#include "ops.h"
#include "pairing.h"
#include "recovery.h"
#include "tap.h"

static struct reactor reactor;
static struct daemon daemon_ = { .reactors = &reactor };
static unsigned int nr_asked, failing;	/* which of them has no memory */
static unsigned int nr_answers;
static int answer_status;

struct op *__real_op_status(struct daemon *daemon, const char *only,
			    op_done_fn *done, void *arg);
struct op *__wrap_op_status(struct daemon *daemon, const char *only,
			    op_done_fn *done, void *arg);

struct op *__wrap_op_status(struct daemon *daemon, const char *only,
			    op_done_fn *done, void *arg)
{
	return ++nr_asked == failing ? NULL :
	       __real_op_status(daemon, only, done, arg);
}

static void on_answer(void *arg, int exit_status, const char *text,
		      json_t *result)
{
	nr_answers++;
	answer_status = exit_status;
	ring_stop(reactor.ring);
}

/* One entry that has not been started yet: it is waited for. */
static void ask(unsigned int which)
{
	json_t *params = json_pack("{sb sf}", "host", 1, "wait_s", 0.6);
	struct request *request = request_create(&daemon_, params, on_answer,
						 NULL);

	nr_asked = nr_answers = 0;
	failing = which;
	answer_status = -1;
	do_recover(request);
	ring_run(reactor.ring);
	is_int(nr_answers, 1, "  one answer");
	is_int(daemon_.nr_methods, 0, "  nothing is under way");
	is_int(daemon_.nr_recoveries, 0, "  nor counted");
}

/* --- what is well --------------------------------------------------------- */

static struct recovery_state judge(const char *name, const char *state,
				   bool was_error)
{
	struct recovery_item item = { .kind = RECOVER_VOLUME,
				      .was_error = was_error };
	static json_t *status;
	struct recovery_state s;

	json_decref(status);
	status = state ? json_pack("{s[{ss ss}]}", "volumes", "name", name,
				   "state", state) : json_object();
	snprintf(item.name, sizeof(item.name), "%s", name);
	recovery_judge(&daemon_, status, &item, &s);
	return s;
}

static void is_judged(struct recovery_state s, bool is_well, bool is_at_rest,
		      const char *what)
{
	is_int(s.is_well, is_well, "%s: well", what);
	is_int(s.is_at_rest, is_at_rest, "%s: at rest", what);
}

/* The entry runs. */
static void test_judge(void)
{
	daemon_.entries->reactor = &reactor;
	is_judged(judge("a", "replicating", true), true, true, "replicating");
	is_judged(judge("a", "catching-up", false), true, true,
		  "catching up after a break");
	is_judged(judge("a", "catching-up", true), false, false,
		  "after an error");
	is_judged(judge("a", "syncing", true), false, false,
		  "a first copy after an error");
	is_judged(judge("a", "paused", true), true, true, "paused");
	is_judged(judge("a", "disabled", false), false, false,
		  "while its group changes");
	is_judged(judge("a", "error", true), false, true, "an error");
	is_judged(judge("a", NULL, true), false, false,
		  "in no status, but there");
	is_judged(judge("b", NULL, true), true, true, "gone");
}

static void test_unproven(void)
{
	struct group g = { .pair.state = PAIR_ERROR };

	group_note_error(&g, PAIR_EV_REFUSED);
	g.pair.state = PAIR_CATCHING_UP;
	group_note_error(&g, PAIR_EV_CONNECTED);
	group_note_error(&g, PAIR_EV_PARTIAL);
	ok(g.is_unproven, "an error is not over when it ships again");
	group_note_error(&g, PAIR_EV_CLEAN);
	ok(!g.is_unproven, "  but after a clean epoch");
	g.is_log_full = true;
	group_note_error(&g, PAIR_EV_FULL);
	g.is_log_full = false;
	group_note_error(&g, PAIR_EV_PARTIAL);
	ok(g.is_unproven, "a full log likewise");
}

/* It is looked at, and is not "there is no volume a". */
static void test_unseen(void)
{
	struct recovery_item *items;
	struct scope scope = { NULL };
	json_t *status = json_object();
	unsigned int nr;

	is_int(recovery_look(&daemon_, status, "a", &scope, &items, &nr), 0,
	       "one that the status has missed");
	is_int(nr, 1, "  is there");
	ok(items && items->try == TRY_NOTHING, "  is not tried, and waited for");
	recovery_free(items);
	json_decref(status);
}

/* --- what is told --------------------------------------------------------- */

static json_int_t nr_remaining, nr_items;

static void on_told(void *arg, int exit_status, const char *text,
		    json_t *result)
{
	nr_remaining = json_integer_value(json_object_get(result, "remaining"));
	nr_items = json_array_size(json_object_get(result, "items"));
	ring_stop(reactor.ring);
}

static void test_told(void)
{
	struct pairing p = {
		.daemon = &daemon_, .state = PAIRING_SERVING,
		.record.name = "p", .reason = "cut in \xc3",
	};
	json_t *params = json_pack("{sb sb}", "host", 1, "dry_run", 1);

	daemon_.pairings = &p;
	failing = 0;
	do_recover(request_create(&daemon_, params, on_told, NULL));
	ring_run(reactor.ring);
	daemon_.pairings = NULL;
	is_int(nr_remaining, 1, "one whose reason is cut counts");
	is_int(nr_items, 1, "  and is told");
}

int main(void)
{
	char dir[] = "/tmp/unit-recover.XXXXXX";
	struct volume_config *config = calloc(1, sizeof(*config));

	if (!mkdtemp(dir) || !config || ring_create(&reactor.ring, NULL))
		return 1;
	daemon_.config.state_dir = dir;
	daemon_.last_op = &daemon_.ops;
	daemon_.nr_reactors = 1;
	config->name = strdup("a");
	config->target = strdup("local:/a");
	daemon_add(&daemon_, config);
	for (unsigned int i = 1; i <= 3; i++) {
		ask(i);
		is_int(answer_status, 1, "no memory for status %u", i);
	}
	ask(0);
	is_int(answer_status, 0, "with memory, it is waited for");
	ok(nr_asked > 2, "  and looked at");
	test_judge();
	test_unproven();
	test_unseen();
	daemon_remove(&daemon_, daemon_.entries);
	test_told();
	ring_destroy(reactor.ring);
	rmdir(dir);
	return tap_done();
}
