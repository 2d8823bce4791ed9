// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "confirm.h"
#include "print.h"
#include "salvage-file.h"
#include "when.h"

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static double number_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

/* What the daemon knows, also of --dir. */
static json_t *get_list(const struct args *args, int *status)
{
	json_t *params = json_object();

	if (args_has(args, "dir"))
		json_object_set_new(params, "dir",
				    json_string(args_value(args, "dir")));
	return ctl_call(args, "salvage_list", params, status);
}

/* --- list ----------------------------------------------------------------- */

static int add_salvage(struct table *table, const json_t *s)
{
	char size[PRINT_LEN], epoch[PRINT_LEN], time[WHEN_LEN];
	const char *const cells[] = {
		text_of(s, "name"), text_of(s, "volume"), epoch,
		when_print(time, number_of(s, "time")),
		print_bytes(size, number_of(s, "bytes")), text_of(s, "error"),
	};

	snprintf(epoch, sizeof(epoch), "%.0f",
		 number_of(s, "last_clean") > number_of(s, "last_partial") ?
		 number_of(s, "last_clean") : number_of(s, "last_partial"));
	return table_add(table, cells);
}

static void print_list(const json_t *salvages)
{
	static const char *const heading[] = {
		"NAME", "VOLUME", "UP TO EPOCH", "MADE", "SIZE", ""
	};
	struct table *table = table_create(6);
	json_t *s;
	size_t i;

	if (!table || table_add(table, heading)) {
		table_destroy(table);
		return;
	}
	json_array_foreach(salvages, i, s)
		if (add_salvage(table, s))
			break;
	table_print(table);
	table_destroy(table);
}

static int list(const struct args *args)
{
	int status;
	json_t *result = get_list(args, &status);
	const json_t *salvages = json_object_get(result, "salvages");

	if (!result)
		return status;
	if (args_has(args, "names"))
		print_names(salvages, "name");
	else if (args_has(args, "json"))
		print_json(result);
	else if (json_array_size(salvages))
		print_list(salvages);
	else
		puts("There is no salvage.");
	json_decref(result);
	return STATUS_OK;
}

/* --- show, export --------------------------------------------------------- */

static int show(const struct args *args, const struct salvage *s)
{
	json_t *o = json_pack("{si ss sI s[]}", "schema_version",
			      SCHEMA_VERSION, "volume", s->info.volume,
			      "bytes", (json_int_t)s->info.data_bytes,
			      "extents");

	for (uint64_t i = 0; i < s->info.nr_extents; i++) {
		const struct salvage_extent *e = &s->extents[i];

		if (!args_has(args, "json"))
			printf("%llu %llu\n", (unsigned long long)e->off,
			       (unsigned long long)e->len);
		json_array_append_new(json_object_get(o, "extents"),
				      json_pack("[II]", (json_int_t)e->off,
						(json_int_t)e->len));
	}
	if (args_has(args, "json"))
		print_json(o);
	json_decref(o);
	return STATUS_OK;
}

static int export(const struct args *args, const struct salvage *s)
{
	const char *path = args_value(args, "export");
	struct error err = { 0 };

	if (salvage_export(s, path, &err))
		return ctl_fail(args, STATUS_FAILED, "%s", err.text);
	if (!args_has(args, "json"))
		printf("%s has what was dropped, each piece at its place; "
		       "the rest is a hole.\n", path);
	return args_has(args, "json") ? show(args, s) : STATUS_OK;
}

static int with_salvage(const struct args *args,
			int (*fn)(const struct args *args,
				  const struct salvage *s))
{
	json_t *result, *one;
	const char *path = NULL;
	struct error err = { 0 };
	struct salvage s;
	int status;
	size_t i;

	result = get_list(args, &status);
	if (!result)
		return status;
	json_array_foreach(json_object_get(result, "salvages"), i, one)
		if (!strcmp(text_of(one, "name"), args->words[0]))
			path = text_of(one, "path");
	if (!path)
		status = ctl_fail(args, STATUS_NOT_FOUND, "there is no salvage "
				  "%.100s", args->words[0]);
	else if (salvage_open(&s, path, &err))
		status = ctl_fail(args, STATUS_FAILED, "%s", err.text);
	json_decref(result);
	if (status)
		return status;
	status = fn(args, &s);
	salvage_close(&s);
	return status;
}

/* --- device --------------------------------------------------------------- */

static void print_device(const json_t *device)
{
	const char *name = text_of(device, "name");

	puts(*text_of(device, "device") ? text_of(device, "device") :
					  text_of(device, "uri"));
	fprintf(stderr, "%s has what was dropped of %s, each piece at its "
		"place, and zeros elsewhere.\nIt can be written; the salvage "
		"stays as it is. End it with: replicactl test --drop %s\n",
		name, text_of(device, "volume"), name);
}

static int device(const struct args *args)
{
	json_t *params = json_pack("{ss}", "name", args->words[0]), *result;
	int status;

	if (args_has(args, "dir"))
		json_object_set_new(params, "dir",
				    json_string(args_value(args, "dir")));
	if (args_has(args, "name"))
		json_object_set_new(params, "as",
				    json_string(args_value(args, "name")));
	if (args_has(args, "no-attach"))
		json_object_set_new(params, "attach", json_false());
	result = ctl_call(args, "salvage_device", params, &status);
	if (!result)
		return status;
	if (args_has(args, "json"))
		print_json(result);
	else
		print_device(result);
	json_decref(result);
	return STATUS_OK;
}

/* --- drop ----------------------------------------------------------------- */

static int drop(const struct args *args)
{
	const char *name = args_value(args, "drop");
	json_t *params = json_pack("{ss}", "name", name);
	char done[200];
	int status = confirm(args, CONFIRM_ALWAYS, "%.100s may be the only copy "
			     "of what it has. It will be gone for good.", name);

	if (status) {
		json_decref(params);
		return status;
	}
	if (args_has(args, "dir"))
		json_object_set_new(params, "dir",
				    json_string(args_value(args, "dir")));
	snprintf(done, sizeof(done), "%.100s is gone.", name);
	return ctl_do(args, "salvage_drop", params, done);
}

static int run(const struct args *args)
{
	if (args_has(args, "drop") + args_has(args, "export") +
	    args_has(args, "device") > 1)
		return ctl_fail(args, STATUS_USAGE, "--drop, --export, "
				"--device: one of them");
	if (args_has(args, "drop"))
		return drop(args);
	if (!args->nr_words && (args_has(args, "export") ||
				args_has(args, "device")))
		return ctl_fail(args, STATUS_USAGE, "--%s: of which salvage? "
				"Its NAME is missing",
				args_has(args, "export") ? "export" : "device");
	if (!args->nr_words)
		return list(args);
	if (args_has(args, "device"))
		return device(args);
	return with_salvage(args, args_has(args, "export") ? export : show);
}

static const struct option_spec options[] = {
	{ "export", "FILE", "write what was dropped to a new file" },
	{ "device", NULL, "show it as a block device, or over NBD" },
	{ "no-attach", NULL, "with --device: a Unix socket only" },
	{ "name", "NAME", "what that device is called" },
	{ "drop", "NAME", "remove one for good" },
	{ "dir", "DIR", "of this stage, which no pair of this site has" },
	{ "names", NULL, "only their names, one a line" },
	CONFIRM_OPTION,
	{ NULL }
};

const struct command cmd_salvage = {
	.name = "salvage",
	.words = "[NAME]",
	.max_words = 1,
	.summary = "what a failover has dropped",
	.examples =
	"    replicactl salvage\n"
	"    replicactl salvage vol-1041-0c55d2aa\n"
	"    replicactl salvage vol-1041-0c55d2aa --export newer.img\n"
	"    hexdump -C $(replicactl salvage vol-1041-0c55d2aa --device)\n"
	"    replicactl salvage --drop vol-1041-0c55d2aa --yes\n",
	.text =
	"Lists what was kept aside when a replica went back to an older epoch: the\n"
	"data that it had received after that. With NAME it prints where in the\n"
	"volume that is, a line with offset and length, in bytes, for each piece;\n"
	"--export writes them to a file of the volume's size, at their places;\n"
	"--device shows the same as a device, without any copy, until it is dropped\n"
	"like a test device.\n",
	.options = options,
	.run = run,
};
