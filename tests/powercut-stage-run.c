// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * powercut-stage-run DIR BASE SEED MARK-COMMAND: a stage in DIR with a volume
 * on BASE, and a primary that sends it epochs (powercut-stage.h): clean,
 * partial, dropped. From PLAN_TURN on there is no history: they are applied,
 * and segments dropped. Before a commit is sent, and when it was answered,
 * "MARK-COMMAND sent-N" and "acked-N" are run.
 *
 * For powercut-stage-check, with the stage's disks below dm-log-writes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "powercut-stage.h"

static struct {
	const char *dir, *base, *mark;
	unsigned int seed;
	struct stage *stage;
	struct client client;
	uint64_t attaches;
} run;

static void die(const char *what, const struct error *err)
{
	fprintf(stderr, "powercut-stage-run: %s: %s\n", what, err->text);
	exit(1);
}

static void mark(const char *what, uint64_t epoch)
{
	char command[200];

	snprintf(command, sizeof(command), "%s %s-%llu", run.mark, what,
		 (unsigned long long)epoch);
	if (system(command)) {
		fprintf(stderr, "powercut-stage-run: %s failed\n", command);
		exit(1);
	}
}

static void open_stage(uint64_t history_ms, bool is_new)
{
	const struct stage_options o = {
		.history_ms = history_ms,
		.log_bytes = PLAN_LOG,
		.segment_bytes = PLAN_SEGMENT,
	};
	const struct stage_volume_config c = {
		.name = "a", .base = run.base, .bytes = RIG_BYTES,
		.chunk_bytes = RIG_CHUNK,
	};
	struct error err = { 0 };

	if (stage_open(&run.stage, run.dir, &o, &err) ||
	    (is_new && stage_create_volume(run.stage, &c, NULL, &err)))
		die("no stage", &err);
}

static void attach(void)
{
	struct client *c = &run.client;

	if (c->conn)
		client_close(c);
	if (client_connect(c, run.stage, "a") ||
	    client_hello(c, 1, ++run.attaches))
		die("hello", &c->err);
}

static int send_write(struct client *c, const struct plan_write *w)
{
	return w->is_zero ? client_zero(c, NULL, w->chunk, w->nr) :
	       client_write(c, NULL, w->chunk, w->nr, w->fill);
}

static void send_epoch(uint64_t epoch)
{
	struct client *c = &run.client;
	int ret = client_open(c, epoch);

	for (unsigned int n = 0; !ret && n < PLAN_WRITES; n++) {
		struct plan_write w = plan_write(run.seed, epoch, n);

		ret = send_write(c, &w);
	}
	if (ret)
		die("data", &c->err);
	if (plan_fate(epoch) == PLAN_ABORT) {
		attach();
		return;
	}
	mark("sent", epoch);
	if (client_commit(c, NULL, epoch, plan_fate(epoch) == PLAN_CLEAN))
		die("commit", &c->err);
	mark("acked", epoch);
}

static void close_stage(void)
{
	client_close(&run.client);
	stage_close(run.stage);
}

/* As the applier does it, but at a known moment. */
static void settle(void)
{
	struct error err = { 0 };

	if (stage_settle(run.client.v, true, &err))
		die("applying", &err);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr,
			"usage: powercut-stage-run DIR BASE SEED MARK\n");
		return 2;
	}
	run.dir = argv[1];
	run.base = argv[2];
	run.seed = atoi(argv[3]);
	run.mark = argv[4];
	open_stage(3600000, true);
	attach();
	mark("begin", 0);
	for (uint64_t e = 1; e <= PLAN_EPOCHS; e++) {
		if (e == PLAN_TURN) {
			mark("turn", e);
			close_stage();
			open_stage(0, false);
			attach();
		}
		send_epoch(e);
		if (e > PLAN_TURN && e % 5 == 0)
			settle();
	}
	settle();
	mark("end", 0);
	close_stage();
	return 0;
}
