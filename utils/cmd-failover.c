// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "confirm.h"
#include "many.h"
#include "print.h"
#include "when.h"

#define CLOCKS_AGREE_S	1	/* as well as clocks of two sites do */

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static double number_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

/* Of all that go together, or of the one. */
static double dropped_bytes(const json_t *p)
{
	json_t *all = json_object_get(p, "volumes"), *one;
	double sum = all ? 0 : number_of(p, "dropped_bytes");
	size_t i;

	json_array_foreach(all, i, one)
		sum += number_of(one, "dropped_bytes");
	return sum;
}

static void print_image(const json_t *p)
{
	char cut[WHEN_LEN], came[WHEN_LEN];

	printf("image: epoch %.0f, as of %s", number_of(p, "epoch"),
	       when_print(cut, number_of(p, "cut_time")));
	if (json_is_number(json_object_get(p, "commit_time")))
		printf(" by the clock there; it was committed here at %s",
		       when_print(came, number_of(p, "commit_time")));
	printf("\n");
}

/* Of two clocks: where they are known to differ, there is no "at most". */
static void print_lost(const json_t *p)
{
	char lost[PRINT_LEN], ahead[PRINT_LEN];

	print_seconds(lost, number_of(p, "lost_s"));
	if (number_of(p, "clock_ahead_s") < CLOCKS_AGREE_S)
		printf("lost, at most: what was written after that, %s by the "
		       "clocks of both sites\n", lost);
	else
		printf("lost: what was written after that, %s or more: the "
		       "clocks of the sites differ,\nthe other site's is "
		       "ahead by at least %s\n", lost,
		       print_seconds(ahead, number_of(p, "clock_ahead_s")));
}

static void print_loss(const json_t *p)
{
	char size[PRINT_LEN];
	double dropped = dropped_bytes(p);

	print_image(p);
	print_lost(p);
	if (dropped > 0)
		printf("dropped here: %s that are newer\n",
		       print_bytes(size, dropped));
}

static void print_one(const json_t *p, bool is_dry)
{
	if (is_dry)
		printf("%s would become a primary here\n",
		       text_of(p, "volume"));
	else
		printf("%s is a primary here: %s\n", text_of(p, "volume"),
		       text_of(p, "device"));
}

static void print_salvage(const json_t *p, bool is_dry)
{
	if (!is_dry && *text_of(p, "salvage"))
		printf("salvaged: %s\n", text_of(p, "salvage"));
}

static void print_result(const json_t *p)
{
	print_each(p, print_one);
	print_loss(p);
	print_each(p, print_salvage);
}

static void put_text(const struct args *args, json_t *params, const char *key)
{
	if (args_has(args, key))
		json_object_set_new(params, key,
				    json_string(args_value(args, key)));
}

static int check_who(const struct args *args)
{
	bool is_many = args_has(args, "pool") || args_has(args, "host");

	if (args->nr_words + args_has(args, "pool") + args_has(args, "host") !=
	    1)
		return ctl_fail(args, STATUS_USAGE, "failover needs VOLUME, "
				"--pool or --host: one of them");
	if (is_many && (args_has(args, "group") || args_has(args, "epoch") ||
			args_has(args, "dir") || args_has(args, "metadata")))
		return ctl_fail(args, STATUS_USAGE, "failover: --group, "
				"--epoch, --dir and --metadata are of one "
				"VOLUME (groups go as a whole in any case)");
	return STATUS_OK;
}

static int check(const struct args *args)
{
	bool is_planned = args_has(args, "planned");
	int status = check_who(args);

	if (status)
		return status;
	if (is_planned && (args_has(args, "force") || args_has(args, "epoch") ||
			   args_has(args, "at") || args_has(args, "dir") ||
			   args_has(args, "metadata")))
		return ctl_fail(args, STATUS_USAGE, "failover: with --planned "
				"go --to, --group and --dry-run, and no other "
				"option");
	if (args_has(args, "to") && !is_planned)
		return ctl_fail(args, STATUS_USAGE, "failover: --to is of "
				"--planned: who takes over does it where it is "
				"said");
	if (is_planned || args_has(args, "force") || args_has(args, "dry-run"))
		return STATUS_OK;
	return ctl_fail(args, STATUS_USAGE, "failover: --planned, at the "
			"primary, hands over; --force, at the other site, "
			"takes over; --dry-run tells what that would cost");
}

static void print_handed(const json_t *r, bool is_dry)
{
	if (is_dry)
		printf("%s: all of it is at the other site\n",
		       text_of(r, "volume"));
	else
		printf("%s: all of it is at the other site, up to epoch %.0f, "
		       "and nobody writes to it here any more.\n",
		       text_of(r, "volume"), number_of(r, "last_committed"));
}

static void print_handover(const struct args *args, const json_t *r)
{
	print_each(r, print_handed);
	if (!json_is_true(json_object_get(r, "dry_run")))
		printf("There: replicactl failover %s %s--force\n",
		       args->words[0],
		       json_object_get(r, "volumes") ? "--group " : "");
}

/* NULL: the failure has been told. */
static json_t *call(const struct args *args, bool is_dry, int *status)
{
	json_t *params = json_pack("{sb sb sb sb}", "force",
				   args_has(args, "force"), "planned",
				   args_has(args, "planned"), "dry_run",
				   is_dry, "group", args_has(args, "group"));

	if (args->nr_words)
		json_object_set_new(params, "volume",
				    json_string(args->words[0]));
	if (args_has(args, "host"))
		json_object_set_new(params, "host", json_true());
	put_text(args, params, "pool");
	put_text(args, params, "to");
	put_text(args, params, "dir");
	put_text(args, params, "metadata");
	*status = moment_put(args, params);
	if (*status) {
		json_decref(params);
		return NULL;
	}
	return ctl_call(args, "failover", params, status);
}

/* --- a pool, or this host ------------------------------------------------- */

static void tell_one(const struct args *args, json_t *one, bool is_dry)
{
	if (json_object_get(one, "error"))
		printf("%s: %s\n", text_of(one, "name"), text_of(one, "error"));
	else if (json_is_true(json_object_get(one, "already")))
		printf("%s was a primary here already\n", text_of(one, "name"));
	else if (args_has(args, "planned"))
		print_handed(one, is_dry);
	else
		print_result(one);
}

/* STATUS_FAILED if any has failed. */
static int tell_many(const struct args *args, const json_t *result, bool is_dry,
		     bool is_told)
{
	int status = STATUS_OK;
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(result, "volumes"), i, one) {
		if (json_object_get(one, "error"))
			status = STATUS_FAILED;
		if (is_told)
			tell_one(args, one, is_dry);
	}
	return status;
}

/* --- the verb ------------------------------------------------------------- */

/* Who is asked sees first what it costs. */
static int confirm_loss(const struct args *args)
{
	const char *pool = args_value(args, "pool");
	int status = STATUS_OK;
	json_t *cost;

	if (args_has(args, "planned") || args_has(args, "dry-run"))
		return STATUS_OK;
	if (confirm_asks(args)) {
		cost = call(args, true, &status);
		if (!cost)
			return status;
		if (many_is_meant(args))
			tell_many(args, cost, true, true);
		else
			print_loss(cost);
		json_decref(cost);
	}
	if (many_is_meant(args))
		return confirm(args, CONFIRM_PEOPLE, "All replicas here%s%.60s "
			       "become primaries. The other sites are shut out "
			       "for good, and what they have not sent\nis lost, "
			       "as told above.", pool ? ", of pool " : "",
			       pool ?: "");
	return confirm(args, CONFIRM_PEOPLE, "%.60s%s becomes a primary here. "
		       "The other site is shut out for good, and what it has "
		       "not sent\nis lost, as told above.", args->words[0],
		       args_has(args, "group") ? ", with its group," : "");
}

static int run(const struct args *args)
{
	json_t *result;
	int status = check(args);

	if (!status)
		status = confirm_loss(args);
	if (status)
		return status;
	result = call(args, args_has(args, "dry-run"), &status);
	if (!result)
		return status;
	if (many_is_meant(args))
		status = tell_many(args, result, args_has(args, "dry-run"),
				   !args_has(args, "json"));
	if (args_has(args, "json"))
		print_json(result);
	else if (many_is_meant(args))
		;	/* each was told */
	else if (args_has(args, "planned"))
		print_handover(args, result);
	else
		print_result(result);
	json_decref(result);
	return status;
}

static const struct option_spec options[] = {
	{ "planned", NULL, "here is the primary: hand over, lose nothing" },
	{ "force", NULL, "the other site is lost, or may be cut off" },
	{ "to", "TARGET", "of --planned: only if it goes there" },
	{ "group", NULL, "and all others of its group, at one epoch" },
	MANY_OPTIONS,
	{ "epoch", "E", "as of this epoch (the newest image)" },
	{ "at", "TIME", "as of the newest image that is not younger" },
	{ "dry-run", NULL, "only tell what would be lost" },
	{ "dir", "DIR", "the stage, if no pair of this site has it" },
	{ "metadata", "PATH", "where to remember what is written: a file, a "
			      "device, or none (DIR/VOLUME.meta)" },
	CONFIRM_OPTION,
	{ NULL }
};

const struct command cmd_failover = {
	.name = "failover",
	.words = "[VOLUME]",
	.min_words = 0,
	.max_words = 1,
	.summary = "hand volumes over, or take them over",
	.examples =
	"    replicactl failover vol --dry-run\n"
	"    replicactl failover vol --force && mount /dev/mapper/vol /mnt\n"
	"    replicactl failover vol --force --at '10m ago'\n"
	"    replicactl failover db-log --group --force\n"
	"    replicactl failover --host --force                 # all replicas here\n"
	"    umount /srv && replicactl failover vol --planned   # at the primary\n"
	"    replicactl failover db-log --group --planned       # and its group\n",
	.text =
	"With --force, for the site that receives, when the other is lost. The replica is closed\n"
	"to it for good: whatever it still sends is refused. It becomes what it was\n"
	"at the newest consistent image, or at the one that is asked for, and gets\n"
	"/dev/mapper/VOLUME, which remembers what is written to it. What the site\n"
	"had that is newer is kept aside (replicactl salvage).\n"
	"\n"
	"The volumes of a group go together (--group), as of one epoch, both ways.\n"
	"Those of a pool or of this host go one after the other, groups as a whole, and\n"
	"one that fails stops none of the others: ask for the same again.\n"
	"\n"
	"Where it was interrupted, it goes on by itself when replicad is started,\n"
	"or when it is asked for again.\n"
	"\n"
	"With --planned, for the primary: nobody may have the volume open. Who opens it\n"
	"meanwhile waits to write. When the other site has all of it, nobody can write\n"
	"here any more; then take it over there. \"replicactl failback\" is the same: the\n"
	"way back, at the site that took over.\n",
	.options = options,
	.run = run,
};
