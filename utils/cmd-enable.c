// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "confirm.h"
#include "many.h"
#include "print.h"

/* Options that go to the daemon as they are, under these keys. */
static const struct {
	const char *option, *key;
} keys[] = {
	{ "origin", "origin" }, { "metadata", "metadata" },
	{ "interval", "interval" }, { "window", "window" },
	{ "memory", "memory" }, { "spool", "spool" },
	{ "spool-size", "spool_size" }, { "bandwidth", "bandwidth" },
	{ "connections", "connections" }, { "congestion", "congestion" },
	{ "stale-wait", "stale_wait" },
	{ "heartbeat", "heartbeat" }, { "target-timeout", "timeout" },
	{ "retry-max", "retry_max" },
	{ "apply", "apply" }, { "tls", "tls" },
	{ "on-superseded", "on_superseded" }, { "activation", "activation" },
	{ "type", "type" },
};

static void put(json_t *object, const char *key, const char *value)
{
	if (value)
		json_object_set_new(object, key, json_string(value));
}

static int tell(const struct args *args, const json_t *result)
{
	const char *boot = json_string_value(json_object_get(result, "boot"));
	json_t *o;

	if (args_has(args, "dry-run")) {
		if (args_has(args, "json"))
			print_json(result);
		else
			printf("%.60s would be replicated to %s. That was not "
			       "asked: replicactl target check\n",
			       args->words[0],
			       json_string_value(json_object_get(result,
								 "target")));
		return STATUS_OK;
	}
	if (args_has(args, "json")) {
		o = json_pack("{si sb ss*}", "schema_version", SCHEMA_VERSION,
			      "ok", 1, "boot", boot);
		print_json(o);
		json_decref(o);
		return STATUS_OK;
	}
	printf("%.60s is replicated from now on. The first copy is under way:"
	       " replicactl status --watch\n", args->words[0]);
	if (boot)
		puts(boot);
	return STATUS_OK;
}

static int confirm_overwrite(const struct args *args)
{
	if (!args_has(args, "overwrite") || args_has(args, "dry-run"))
		return STATUS_OK;
	return confirm(args, CONFIRM_ALWAYS, "What the target of %.60s has now "
		       "will be overwritten.", args->words[0]);
}

static bool is_about_one(const char *option)
{
	static const char *const others[] = { "group", "pool", "host", "json",
		"socket", "timeout", "dry-run" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strcmp(option, others[i]))
			return false;
	return true;
}

/* Of the files; so nothing else can be said of them. */
static int enable_many(const struct args *args)
{
	json_t *params = json_object();
	int status = STATUS_OK;
	int i;

	for (i = 0; !status && i < args->nr_options; i++) {
		const char *name = args->options[i].spec->name;

		if (is_about_one(name))
			status = ctl_fail(args, STATUS_USAGE, "enable: --%s is "
					  "for one VOLUME", name);
	}
	if (!status)
		status = many_put(args, "enable", params);
	if (!status)
		return many_call(args, "enable", params,
				 args_has(args, "dry-run") ? "would be "
				 "replicated." : "is replicated from now on.",
				 "is replicated already.");
	json_decref(params);
	return status;
}

static int run(const struct args *args)
{
	json_t *params, *more, *result;
	int status;
	size_t i;

	if (many_is_meant(args))
		return enable_many(args);
	status = confirm_overwrite(args);
	if (status)
		return status;
	params = json_object();
	more = json_object();
	put(params, "volume", args->words[0]);
	put(params, "device", args_value(args, "device"));
	put(params, "target", args_value(args, "target"));
	put(params, "group", args_value(args, "group"));
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		put(more, keys[i].key, args_value(args, keys[i].option));
	if (args_has(args, "trust-boot"))
		put(more, "trust_boot", "yes");
	if (args_has(args, "unsafe"))
		put(more, "unsafe", "yes");
	if (args_has(args, "overwrite"))
		put(more, "overwrite", "yes");
	json_object_set_new(params, "options", more);
	if (args_has(args, "dry-run"))
		json_object_set_new(params, "dry_run", json_true());
	result = ctl_call(args, "enable", params, &status);
	if (!result)
		return status;
	status = tell(args, result);
	json_decref(result);
	return status;
}

static const struct option_spec options[] = {
	{ "target", "URI", "where to: nbds://NAME@HOST[:PORT]/EXPORT?tls-psk-file=F" },
	{ "tls", "off", "accept nbd://, which anybody on the way can read" },
	{ "device", "PATH", "the device-mapper device (default: VOLUME)" },
	{ "origin", "PATH", "make the device above this one; nobody else uses it" },
	{ "activation", "HOW", "of an --origin at boot: force, or ask the target"
	  " whether the other site has taken over" },
	{ "trust-boot", NULL, "no other system writes it between two boots" },
	{ "metadata", "PATH", "the block device that remembers what was written;"
	  " or none" },
	{ "group", "NAME", "volumes of one group are cut in one instant; "
	  "without VOLUME: all of the files that are in it" },
	MANY_OPTIONS,
	{ "type", "TYPE", "of the configuration: where to, and how" },
	{ "interval", "TIME", "shortest time between two epochs (100ms)" },
	{ "window", "SIZE", "biggest clean epoch (64MiB)" },
	{ "memory", "SIZE", "for data on its way (64MiB)" },
	{ "spool", "PATH", "a file for what the link cannot take at once" },
	{ "spool-size", "SIZE", "how big it may become (1GiB)" },
	{ "bandwidth", "SIZE", "most bytes a second; 0 = no limit" },
	{ "connections", "N", "to the target (4)" },
	{ "congestion", "NAME", "TCP's congestion control, for example bbr" },
	{ "stale-wait", "TIME", "how long a lost connection may still write" },
	{ "heartbeat", "TIME", "sign of life when nothing is written (2s)" },
	{ "target-timeout", "TIME", "when a silent target counts as lost (30s)" },
	{ "retry-max", "TIME", "longest wait between two attempts to reach it "
	  "(15s)" },
	{ "apply", "KIND", "what the target must be: auto, staged, direct" },
	{ "on-superseded", "POLICY", "of writes when another site has taken"
	  " over: continue, readonly, suspend" },
	{ "unsafe", NULL, "accept a target that cannot flush" },
	{ "overwrite", NULL, "accept a target that has other data" },
	DRY_RUN_OPTION,
	CONFIRM_OPTION,
	{ NULL }
};

const struct command cmd_enable = {
	.name = "enable",
	.words = "[VOLUME]",
	.min_words = 0,
	.max_words = 1,
	.summary = "start replicating a volume",
	.examples =
	"    replicactl enable vol --target 'nbds://me@backup/vol?tls-psk-file=/k'\n"
	"    replicactl enable db --device /dev/vg/db --target local:/mnt/db\n"
	"    replicactl enable db --origin /dev/vg/db-dmr-origin"
	" --metadata /dev/vg/m \\\n"
	"        --target pair:paris\n"
	"    replicactl enable v --target 'stage:/srv/replica/v?base=/dev/vg/v'\n"
	"    replicactl enable a --group g --target nbd+unix:///a?socket=/s\n"
	"    replicactl enable --pool fast\n",
	.text =
	"Puts replication below a device that is in use: its users notice\n"
	"nothing. Then everything is copied once, and from then on what changes.\n"
	"A volume of the configuration files needs no options; they are read again. So\n"
	"are all of a group, of a pool, or of this host: each is told, and one that\n"
	"fails stops none of the others. Where one could not be, nothing is begun.\n",
	.options = options,
	.run = run,
};
