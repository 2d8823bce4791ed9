// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "direct.h"
#include "print.h"
#include "when.h"

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static double number_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static const char *cell_pinned(char buf[PRINT_LEN], const json_t *e)
{
	if (!json_is_true(json_object_get(e, "pinned")))
		return "";
	snprintf(buf, PRINT_LEN, "by %.0f", number_of(e, "images"));
	return buf;
}

static int add_epoch(struct table *table, const json_t *e)
{
	char epoch[PRINT_LEN], cut[WHEN_LEN], size[PRINT_LEN];
	char pinned[PRINT_LEN];
	bool is_base = json_is_true(json_object_get(e, "applied"));
	const char *const cells[] = {
		epoch, when_print(cut, number_of(e, "cut_time")),
		text_of(e, "kind"), is_base ? "in the base" :
		print_bytes(size, number_of(e, "bytes")),
		cell_pinned(pinned, e),
	};
	bool is_partial = !strcmp(text_of(e, "kind"), "partial");
	int ret;

	snprintf(epoch, sizeof(epoch), "%.0f", number_of(e, "epoch"));
	ret = table_add(table, cells);
	if (is_partial)
		table_color(table, 2, COLOR_DIM);
	return ret;
}

static void print_notices(const json_t *all)
{
	json_t *one;
	size_t i;

	json_array_foreach(all, i, one)
		printf("notice: %s\nnext step: %s\n", text_of(one, "text"),
		       text_of(one, "next_step"));
}

void history_print_head(const json_t *h)
{
	char cut[WHEN_LEN], lag[PRINT_LEN], size[PRINT_LEN];

	printf("%s at %s\n", text_of(h, "volume"), text_of(h, "target"));
	printf("state: %s%s%s", text_of(h, "state"),
	       *text_of(h, "reason") ? ": " : "", text_of(h, "reason"));
	if (number_of(h, "log_needed_bytes") > 0)
		printf(", it needs %s more", print_bytes(size,
		       number_of(h, "log_needed_bytes")));
	putchar('\n');
	if (*text_of(h, "next_step"))
		printf("next step: %s\n", text_of(h, "next_step"));
	print_notices(json_object_get(h, "notices"));
	if (json_is_number(json_object_get(h, "lag_s")))
		printf("image: epoch %.0f, as of %s, %s old\n",
		       number_of(h, "last_committed"),
		       when_print(cut, number_of(h, "cut_time")),
		       print_seconds(lag, number_of(h, "lag_s")));
	else if (number_of(h, "clock_ahead_s") > 0)
		printf("image: epoch %.0f, as of %s by the primary's clock, "
		       "which is ahead of the replica's by at least %s\n",
		       number_of(h, "last_committed"),
		       when_print(cut, number_of(h, "cut_time")),
		       print_seconds(lag, number_of(h, "clock_ahead_s")));
	else
		puts("image: there is none now");
	if (number_of(h, "lag_bytes") > 0)
		printf("not sent: %s, as of %s by the primary's clock\n",
		       print_bytes(size, number_of(h, "lag_bytes")),
		       when_print(cut, number_of(h, "lag_bytes_time")));
	if (number_of(h, "staged_bytes") > 0)
		printf("on its way: %s, visible with the next clean epoch\n",
		       print_bytes(size, number_of(h, "staged_bytes")));
	printf("log: %s\n", print_bytes(size, number_of(h, "log_bytes")));
}

/* Newest first; at most @most. */
static void print_epochs(const json_t *epochs, size_t most)
{
	static const char *const heading[] = {
		"EPOCH", "TIME", "KIND", "SIZE", "PINNED"
	};
	struct table *table = table_create(5);
	size_t nr = json_array_size(epochs), shown = 0;

	if (!table || table_add(table, heading)) {
		table_destroy(table);
		return;
	}
	while (nr && shown < most) {
		if (add_epoch(table, json_array_get(epochs, --nr)))
			break;
		shown++;
	}
	table_print(table);
	table_destroy(table);
	if (nr)
		printf("… and %zu older ones\n", nr);
}

static int get_most(const struct args *args, size_t *most)
{
	const char *text = args_value(args, "last");
	char *end;

	*most = SIZE_MAX;
	if (!text)
		return STATUS_OK;
	*most = strtoul(text, &end, 10);
	if (*most && !*end && text[0] != '-')
		return STATUS_OK;
	return ctl_fail(args, STATUS_USAGE, "--last=%.20s is not a number",
			text);
}

/* In the answer too: the oldest go. */
static void cut_off(json_t *epochs, size_t most)
{
	while (json_array_size(epochs) > most)
		json_array_remove(epochs, 0);
}

static int run(const struct args *args)
{
	json_t *result;
	size_t most;
	int status = get_most(args, &most);

	if (status)
		return status;
	result = history_get(args, &status);
	if (!result)
		return status;
	if (args_has(args, "json")) {
		cut_off(json_object_get(result, "epochs"), most);
		print_json(result);
	} else {
		history_print_head(result);
		putchar('\n');
		print_epochs(json_object_get(result, "epochs"), most);
	}
	json_decref(result);
	return STATUS_OK;
}

static const struct option_spec options[] = {
	{ "last", "N", "only the N newest epochs" },
	{ "target", "URI", "ask this server or stage, without replicad" },
	{ NULL }
};

const struct command cmd_history = {
	.name = "history",
	.words = "[VOLUME]",
	.max_words = 1,
	.summary = "list the epochs that the replica can be opened at",
	.examples =
	"    replicactl history vol\n"
	"    replicactl history vol --last 1 --json | jq .epochs[0].cut_time\n"
	"    replicactl history --target 'nbd+unix:///vol?socket=/run/vol.sock'\n",
	.text =
	"Lists what the target keeps of the volume, newest first: each epoch with\n"
	"the time of its cut, its kind (an image only if it is clean) and the size\n"
	"of its data. An epoch that is pinned is open as an image, and stays.\n"
	"With --target it asks a server that replicad does not know, as at the site\n"
	"that receives, or looks at a stage on this machine (stage:DIR/VOLUME), which\n"
	"may be in use or not, and stays as it is.\n",
	.options = options,
	.run = run,
};
