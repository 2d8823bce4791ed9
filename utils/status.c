// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What "status" prints: a verdict in one line, a table, progress of what is
 * being copied, and what to do next. Everything comes from the daemon's answer;
 * what it lacks (a volume that has not started) is shown as "-".
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "print.h"

#define BAR_LETTERS	24

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static double number_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static bool has(const json_t *o, const char *key)
{
	return json_is_number(json_object_get(o, key));
}

static enum color color_of(const char *state)
{
	static const char *const bad[] = {
		"error", "split-brain", "diverged", "superseded",
		"falling-behind", NULL
	};
	int i;

	if (!strcmp(state, "replicating"))
		return COLOR_GOOD;
	for (i = 0; bad[i]; i++)
		if (!strcmp(state, bad[i]))
			return COLOR_BAD;
	return COLOR_WARN;
}

static bool is_good(const json_t *volume)
{
	return !strcmp(text_of(volume, "state"), "replicating");
}

static bool is_persistence(const json_t *volume, const char *word)
{
	return !strcmp(text_of(volume, "persistence"), word);
}

/* --- the verdict ---------------------------------------------------------- */

static void verdict_good(size_t nr, double lag, double bytes)
{
	char text[200], time[PRINT_LEN], size[PRINT_LEN];

	print_seconds(time, lag);
	print_bytes(size, bytes);
	if (nr == 1)
		snprintf(text, sizeof(text), "The volume is replicated; the "
			 "replica is %s and %s behind.", time, size);
	else
		snprintf(text, sizeof(text), "All %zu volumes are replicated; "
			 "the replicas are at most %s, together %s behind.",
			 nr, time, size);
	print_colored(COLOR_GOOD, text);
}

static void verdict_mixed(const json_t *volumes, size_t nr, size_t nr_good)
{
	enum color color = COLOR_WARN;
	char text[200];
	json_t *v;
	size_t i;

	json_array_foreach(volumes, i, v)
		if (color_of(text_of(v, "state")) == COLOR_BAD)
			color = COLOR_BAD;
	snprintf(text, sizeof(text),
		 "%zu of %zu volumes %s not up to date at the target.",
		 nr - nr_good, nr, nr - nr_good == 1 ? "is" : "are");
	print_colored(color, text);
}

static void verdict_failed(size_t nr, size_t nr_failed)
{
	char text[200];

	snprintf(text, sizeof(text), "All is replicated, but the metadata "
		 "device of %zu of %zu volumes has failed.", nr_failed, nr);
	print_colored(COLOR_BAD, text);
}

static void print_verdict(const json_t *volumes)
{
	size_t nr = json_array_size(volumes), nr_good = 0, nr_failed = 0, i;
	double lag = 0, bytes = 0;
	json_t *v;

	json_array_foreach(volumes, i, v) {
		nr_good += is_good(v);
		nr_failed += is_persistence(v, "failed");
		bytes += number_of(v, "lag_bytes");
		if (number_of(v, "lag_s") > lag)
			lag = number_of(v, "lag_s");
	}
	if (!nr)
		fputs("No volume is replicated.", stdout);
	else if (nr == nr_good && nr_failed)
		verdict_failed(nr, nr_failed);
	else if (nr == nr_good)
		verdict_good(nr, lag, bytes);
	else
		verdict_mixed(volumes, nr, nr_good);
	putchar('\n');
}

/* --- the table ------------------------------------------------------------ */

static char *cell_bytes(char buf[PRINT_LEN], const json_t *v, const char *key)
{
	if (has(v, key))
		return print_bytes(buf, number_of(v, key));
	return strcpy(buf, "-");
}

static char *cell_rate(char buf[PRINT_LEN], const json_t *v)
{
	cell_bytes(buf, v, "rate_bytes_s");
	if (has(v, "rate_bytes_s"))
		strcat(buf, "/s");
	return buf;
}

static char *cell_lag(char buf[PRINT_LEN], const json_t *v)
{
	if (has(v, "lag_s"))
		return print_seconds(buf, number_of(v, "lag_s"));
	return strcpy(buf, "never");
}

static char *cell_epoch(char buf[PRINT_LEN], const json_t *v)
{
	if (!has(v, "last_committed"))
		return strcpy(buf, "-");
	snprintf(buf, PRINT_LEN, "%.0f", number_of(v, "last_committed"));
	return buf;
}

static const char *cell_replica(const json_t *v)
{
	if (json_is_true(json_object_get(v, "replica_consistent")))
		return "consistent";
	if (!json_is_true(json_object_get(v, "synced")))
		return "none yet";
	if (json_is_true(json_object_get(v, "applying")))
		return "applying";
	return "unknown";
}

static int add_volume(struct table *table, const json_t *v)
{
	char size[PRINT_LEN], lag[PRINT_LEN], dirty[PRINT_LEN];
	char rate[PRINT_LEN], epoch[PRINT_LEN];
	const char *const cells[] = {
		text_of(v, "name"), text_of(v, "state"), cell_lag(lag, v),
		cell_replica(v), cell_epoch(epoch, v),
		cell_bytes(dirty, v, "dirty_bytes"), cell_rate(rate, v),
		cell_bytes(size, v, "size_bytes"), text_of(v, "target"),
	};
	int ret = table_add(table, cells);

	table_color(table, 1, color_of(text_of(v, "state")));
	return ret;
}

static void print_table(const json_t *volumes)
{
	static const char *const heading[] = {
		"VOLUME", "STATE", "LAG", "REPLICA", "EPOCH", "DIRTY", "RATE",
		"SIZE", "TARGET",
	};
	struct table *table = table_create(9);
	json_t *v;
	size_t i;

	if (!table || !json_array_size(volumes) || table_add(table, heading)) {
		table_destroy(table);
		return;
	}
	json_array_foreach(volumes, i, v)
		if (add_volume(table, v))
			break;
	putchar('\n');
	table_print(table);
	table_destroy(table);
}

/* --- progress, next steps ------------------------------------------------- */

static bool is_copying(const json_t *v)
{
	const char *state = text_of(v, "state");

	return (!strcmp(state, "syncing") || !strcmp(state, "catching-up")) &&
	       number_of(v, "sync_total_bytes") > 0;
}

static void print_progress(const json_t *v)
{
	char done[PRINT_LEN], total[PRINT_LEN], rate[PRINT_LEN];
	char eta[PRINT_LEN];
	double all = number_of(v, "sync_total_bytes");
	double is = number_of(v, "sync_done_bytes");

	printf("%-12s ", text_of(v, "name"));
	print_bar(is / all, BAR_LETTERS);
	printf("  %s of %s  %s", print_bytes(done, is),
	       print_bytes(total, all), cell_rate(rate, v));
	if (has(v, "eta_s"))
		printf("  %s left", print_seconds(eta, number_of(v, "eta_s")));
	putchar('\n');
}

static bool is_verifying(const json_t *v)
{
	return json_is_true(json_object_get(json_object_get(v, "verify"),
					    "running"));
}

static void print_verifying(const json_t *v)
{
	const json_t *verify = json_object_get(v, "verify");
	char done[PRINT_LEN], total[PRINT_LEN], differing[PRINT_LEN];
	double all = number_of(verify, "total_bytes");
	double is = number_of(verify, "done_bytes");

	printf("%-12s ", text_of(v, "name"));
	print_bar(all > 0 ? is / all : 0, BAR_LETTERS);
	printf("  verifying: %s of %s, %s differ\n", print_bytes(done, is),
	       print_bytes(total, all),
	       print_bytes(differing, number_of(verify, "differing_bytes")));
}

static void print_comparing(const json_t *v)
{
	char compared[PRINT_LEN], equal[PRINT_LEN];

	if (!json_is_true(json_object_get(v, "comparing")))
		return;
	printf("%s: comparing before it sends: %s compared, %s were equal\n",
	       text_of(v, "name"),
	       print_bytes(compared, number_of(v, "bytes_compared")),
	       print_bytes(equal, number_of(v, "bytes_equal")));
}

static void print_clear_text(const json_t *v)
{
	if (!json_is_true(json_object_get(v, "clear_text")))
		return;
	printf("%s: ", text_of(v, "name"));
	print_colored(COLOR_WARN, "not encrypted (tls=off)");
	putchar('\n');
}

static void print_next_step(const json_t *v)
{
	const char *reason = text_of(v, "reason");
	const char *next = text_of(v, "next_step");

	if (is_good(v) && !reason[0])
		return;
	printf("%s: ", text_of(v, "name"));
	print_colored(color_of(text_of(v, "state")), text_of(v, "state"));
	printf("%s%s\n", reason[0] ? ": " : "", reason);
	if (next[0])
		printf("    next: %s\n", next);
}

static void print_no_persistence(const json_t *volumes)
{
	json_t *v;
	size_t i;

	json_array_foreach(volumes, i, v)
		if (is_persistence(v, "none"))
			printf("%s: no persistence (metadata=none): after a "
			       "reboot everything is sent again\n",
			       text_of(v, "name"));
}

void status_print(const json_t *status)
{
	const json_t *made = json_object_get(status, "not_replicated");
	const json_t *volumes = json_object_get(status, "volumes");
	bool is_first = true;
	json_t *v;
	size_t i;

	print_verdict(volumes);
	print_table(volumes);
	json_array_foreach(volumes, i, v) {
		if (!is_copying(v) && !is_verifying(v))
			continue;
		if (is_first)
			putchar('\n');
		is_first = false;
		if (is_copying(v))
			print_progress(v);
		if (is_verifying(v))
			print_verifying(v);
	}
	json_array_foreach(made, i, v)
		made_print(v);
	if (!json_array_size(volumes)) {
		puts("    next: replicactl enable VOLUME --target URI");
		return;
	}
	if (strcmp(text_of(status, "verdict"), "ok"))
		putchar('\n');
	json_array_foreach(volumes, i, v)
		print_next_step(v);
	json_array_foreach(volumes, i, v)
		print_comparing(v);
	json_array_foreach(volumes, i, v)
		print_clear_text(v);
	print_no_persistence(volumes);
}
