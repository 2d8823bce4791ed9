// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A volume gets another configuration, or none any more, while its device is in
 * use:
 *	main: found ─> reactor: may it, if its target is another one? ─>
 *	main ─> job, if it has none any more: its record is settled ─>
 *	reactor: group stops, volume leaves, group starts ─>
 *	main: the entry is changed ─> as a start
 * The entry is changed between two steps of one op, so that no other op ever
 * holds one that goes (O2).
 *
 * P1 what was disabled while this waited stays so; of a file, if its entry is
 *    there still.
 * P2 what is known to be taken over by another site is not sent elsewhere
 *    before an operator has decided: there it would be a primary again. Where
 *    this does not see it, the target itself is not taken (takeover.h).
 */
#include "ops-impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "group.h"
#include "reactor.h"
#include "takeover.h"
#include "volume.h"

static void change_entry(struct op *op)
{
	struct entry *entry = op->entry;

	entry->reactor = NULL;
	if (!op->next_config) {
		daemon_remove(op->daemon, entry);
		op_finish(op);
		return;
	}
	volume_config_destroy(entry->config);
	entry->config = op->next_config;
	op->next_config = NULL;
	snprintf(entry->error, sizeof(entry->error), "its configuration was "
		 "changed");
	op_start_entry(op);
}

static void leave(struct op *op)
{
	if (op->err)
		op_finish(op);
	else if (op->entry->reactor)
		op_leave(op, change_entry);
	else
		change_entry(op);
}

/* P2 */
static void judge_on_reactor(struct op *op)
{
	const struct volume *v = reactor_find(op->reactor, op->name);
	bool is_ours = v && v->identity.given_up != GIVEN_UP_DONE;

	if (is_ours && takeover_forbids(&v->identity,
					op->next_config->target)) {
		op->err = -EPERM;
		op->is_late = true;
		snprintf(op->error, sizeof(op->error), "%s, so its target stays "
			 "what it is: %s", takeover_word(&v->identity),
			 takeover_advice);
	}
	op_run_on_main(op, leave);
}

static bool goes_elsewhere(const struct op *op)
{
	const char *now = op->entry->config->target;
	const char *next = op->next_config->target;

	return !now || !next ? now != next : strcmp(now, next) != 0;
}

/* P1 */
static bool was_disabled(const struct op *op)
{
	return op->entry ? op->entry->is_disabled : op->next_config->is_runtime;
}

static void settle_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);

	op->err = op_settle_record(op);
}

/* It may have come or gone while the op was in the line. */
static void start_replace(struct op *op)
{
	op->entry = daemon_find(op->daemon, op->name);
	if (op->next_config && was_disabled(op)) {
		op->is_late = true;
		op_finish(op);
		return;
	}
	if (!op->entry && op->next_config) {
		op->entry = daemon_add(op->daemon, op->next_config);
		op->next_config = NULL;
		op->err = op->entry ? 0 : -ENOMEM;
		if (op->entry)
			op_start_entry(op);
		else
			op_finish(op);
		return;
	}
	if (!op->entry)
		op_finish(op);
	else if (op->next_config && op->entry->reactor && goes_elsewhere(op))
		op_run_on(op, op->entry->reactor, judge_on_reactor);
	else if (op->next_config)
		leave(op);
	else
		op_run_job(op, settle_blocking, leave);
}

struct op *op_replace(struct daemon *daemon, const char *name,
		      struct volume_config *config, op_done_fn *done, void *arg)
{
	struct op *op = op_create(daemon, name, start_replace, done, arg);

	if (!op) {
		volume_config_destroy(config);
		return NULL;
	}
	op->next_config = config;
	return op_put_in_line(op);
}
