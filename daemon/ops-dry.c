// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ops of --dry-run: what enable and disable would begin with. Nothing is
 * changed: no entry, no record, no device. Those of volumes that drivers make
 * are in ops-make.c (->is_dry).
 */
#include "ops-impl.h"

#include <jansson.h>
#include <stdlib.h>

#include "config-impl.h"
#include "insertion.h"

static json_t *describe(const struct volume_config *v)
{
	char *target = config_masked(v->target);
	json_t *o = json_pack("{si sb ss ss* ss* ss* ss* ss*}",
			      "schema_version", 1, "dry_run", 1,
			      "volume", v->name, "device", v->device,
			      "origin", v->origin, "metadata", v->metadata,
			      "group", v->group, "target", target);

	free(target);
	return o;
}

static void look_enable_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);

	op->err = insertion_look(op->daemon->kernel_ops, op->config,
				 op->error);
}

static void start_look_enable(struct op *op)
{
	if (!op_check_enable(op))
		return;
	op->result = describe(op->config);
	op_run_job(op, look_enable_blocking, op_finish);
}

struct op *op_look_enable(struct daemon *daemon, struct volume_config *config,
			  op_done_fn *done, void *arg)
{
	struct op *op = op_create(daemon, config->name, start_look_enable,
				  done, arg);

	if (!op) {
		volume_config_destroy(config);
		return NULL;
	}
	op->config = config;
	return op_put_in_line(op);
}

static void look_disable_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);

	op->err = insertion_check_undo(op->daemon->kernel_ops,
				       op->entry->config, op->error);
}

static void start_look_disable(struct op *op)
{
	if (!op_find_entry(op))
		return;
	op->result = describe(op->entry->config);
	op_run_job(op, look_disable_blocking, op_finish);
}

struct op *op_look_disable(struct daemon *daemon, const char *name,
			   op_done_fn *done, void *arg)
{
	struct op *op = op_create(daemon, name, start_look_disable, done, arg);

	return op ? op_put_in_line(op) : NULL;
}
