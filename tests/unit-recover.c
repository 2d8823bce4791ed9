/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The method recover where there is no memory for the status that it asks for:
 * if this failed, replicad would use what it has freed, or never answer, and
 * then could not stop.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "daemon.h"
#include "methods.h"
#include "ops.h"
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
	daemon_remove(&daemon_, daemon_.entries);
	ring_destroy(reactor.ring);
	rmdir(dir);
	return tap_done();
}
