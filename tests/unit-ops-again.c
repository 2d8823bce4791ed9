/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * If this failed (A2 to A4 in ops-again.c): "recover", said again and again of
 * volumes whose targets do not answer, would keep all other verbs waiting, the
 * one that helps, too, and a stop; or would say that it had tried what it had
 * not.
 */
#include <stdlib.h>
#include <string.h>

#include "config-target.h"
#include "daemon.h"
#include "ops-impl.h"
#include "tap.h"

static struct reactor reactor;
static struct daemon daemon_ = { .reactors = &reactor, .nr_reactors = 1 };
static unsigned int nr_under_way, nr_late, nr_joined;
static char order[100];			/* a letter for each that has ended */
static int err_of_joined;

static void on_done(struct op *op)
{
	size_t len = strlen(order);

	order[len] = *(const char *)op->arg;
	order[len + 1] = '\0';
	nr_late += op->is_late;
	nr_joined += op->is_joined;
	if (op->is_joined)
		err_of_joined = op->err;
	op_free(op);
	if (!--nr_under_way)
		ring_stop(reactor.ring);
}

static struct op *count(struct op *op)
{
	nr_under_way++;
	return op;
}

static struct op *take_out(const char *name, const char *letter)
{
	return count(op_take_out(&daemon_, name, on_done, (void *)letter));
}

static struct op *try_now(const char *name, const char *letter)
{
	return count(op_try_now(&daemon_, name, on_done, (void *)letter));
}

static void wait_for_finish(struct op *op)
{
}

/* A verb; @start: how it begins. */
static struct op *verb(const char *letter, void (*start)(struct op *op))
{
	return count(op_put_in_line(op_create(&daemon_, "a", start, on_done,
					      (void *)letter)));
}

static void run_line(void)
{
	order[0] = '\0';
	nr_late = nr_joined = 0;
	err_of_joined = 0;
	ring_run(reactor.ring);
	ok(!daemon_.ops && daemon_.last_op == &daemon_.ops,
	   "  the line is empty");
}

static void test_order(void)
{
	struct op *first = verb("1", wait_for_finish);

	take_out("a", "t");
	verb("2", op_finish);
	try_now("a", "n");
	verb("3", op_finish);
	op_finish(first);
	run_line();
	ok(!strcmp(order, "123tn"), "verbs go first, each in its order: %s",
	   order);
	is_int(nr_late, 2, "  of what is not there nothing is tried");
}

/* The last one stands behind all when the line goes on after them. */
static void test_order_at_end(void)
{
	struct op *first = verb("1", wait_for_finish);

	verb("2", op_finish);
	verb("3", op_finish);
	take_out("a", "t");
	op_finish(first);
	run_line();
	ok(!strcmp(order, "123t"), "what comes last goes last: %s", order);
}

static void test_joined(void)
{
	struct op *first = verb("1", wait_for_finish);
	const struct op *waits = take_out("a", "w");

	ok(take_out("a", "x")->is_joined, "a second one of that name waits "
	   "for the first");
	ok(take_out("a", "y")->is_joined, "  and a third");
	ok(!take_out("b", "b")->is_joined, "  but not of another name");
	ok(!try_now("a", "n")->is_joined, "  nor of another kind");
	ok(!waits->is_joined, "  nor the first itself");
	op_finish(first);
	run_line();
	ok(!strcmp(order, "1yxwbn"), "they end together: %s", order);
	is_int(nr_joined, 2, "  as joined ones");
	is_int(nr_late, 5, "  and know that nothing was tried");
}

/* It looked already. */
static void test_running(void)
{
	ok(!take_out("a", "1")->is_joined && daemon_.ops, "one runs");
	ok(!take_out("a", "2")->is_joined, "  which nobody joins");
	ok(take_out("a", "3")->is_joined, "  but one that waits");
	run_line();
	ok(!strcmp(order, "132"), "  they end in their order: %s", order);
}

static void fail(struct op *op)
{
	op->err = -5;
	op_finish(op);
}

static void test_error(void)
{
	struct op *first = verb("1", wait_for_finish);

	take_out("a", "w")->start = fail;
	daemon_.ops->next->joined = op_create(&daemon_, "a", fail, on_done,
					      "x");
	count(daemon_.ops->next->joined)->is_joined = true;
	op_finish(first);
	run_line();
	is_int(err_of_joined, -5, "an error is told to all");
}

/* Without that, each would be begun, without a kernel. */
static void test_stopping(void)
{
	struct op *first = verb("1", wait_for_finish);
	struct entry *entry = daemon_.entries;

	count(op_start_asking(&daemon_, "a", on_done, "s"));
	daemon_.is_stopping = true;
	op_finish(first);
	run_line();
	is_int(nr_late, 1, "when replicad stops, nothing is tried");
	ok(!daemon_.may_ask, "  and no target is asked");
	entry->is_disabled = true;
	take_out("a", "t");
	run_line();
	is_int(nr_late, 1, "  and nothing is taken out");
	daemon_.is_stopping = false;
}

int main(void)
{
	struct volume_config *config = calloc(1, sizeof(*config));

	if (!config || ring_create(&reactor.ring, NULL))
		return 1;
	daemon_.last_op = &daemon_.ops;
	config->name = strdup("a");
	config->target = strdup("local:/a");
	test_order();
	test_order_at_end();
	test_joined();
	test_running();
	test_error();
	daemon_add(&daemon_, config);
	test_stopping();
	daemon_remove(&daemon_, daemon_.entries);
	ring_destroy(reactor.ring);
	return tap_done();
}
