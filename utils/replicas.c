// SPDX-License-Identifier: GPL-2.0-or-later
#include "replicas.h"

#include <stdio.h>
#include <string.h>

#include "print.h"

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static double number_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static bool has(const json_t *o, const char *key)
{
	return json_is_number(json_object_get(o, key));
}

static const char *cell_lag(char buf[PRINT_LEN], const json_t *r)
{
	if (has(r, "lag_s"))
		return print_seconds(buf, number_of(r, "lag_s"));
	if (!json_object_get(r, "lag_s"))
		return "-";
	return number_of(r, "clock_ahead_s") > 0 ? "clocks differ" :
						   "no image";
}

static const char *cell_bytes(char buf[PRINT_LEN], const json_t *r,
			      const char *key)
{
	return has(r, key) ? print_bytes(buf, number_of(r, key)) : "-";
}

static int add_replica(struct table *table, const json_t *r)
{
	char lag[PRINT_LEN], unsent[PRINT_LEN], epoch[PRINT_LEN] = "-";
	char size[PRINT_LEN], log[PRINT_LEN];
	const char *const cells[] = {
		text_of(r, "volume"), text_of(r, "pair"), text_of(r, "state"),
		cell_lag(lag, r), cell_bytes(unsent, r, "lag_bytes"), epoch,
		cell_bytes(size, r, "size_bytes"),
		cell_bytes(log, r, "log_bytes"), text_of(r, "dir"),
	};

	if (number_of(r, "last_committed") > 0)
		snprintf(epoch, sizeof(epoch), "%.0f",
			 number_of(r, "last_committed"));
	return table_add(table, cells);
}

static void print_reason(const json_t *r)
{
	json_t *notices = json_object_get(r, "notices"), *one;
	size_t i;

	if (*text_of(r, "reason"))
		printf("%s: %s\n", text_of(r, "volume"), text_of(r, "reason"));
	if (*text_of(r, "next_step"))
		printf("%s: next step: %s\n", text_of(r, "volume"),
		       text_of(r, "next_step"));
	json_array_foreach(notices, i, one)
		printf("%s: %s: %s\n", text_of(r, "volume"),
		       text_of(one, "text"), text_of(one, "next_step"));
}

void replicas_print(const json_t *replicas)
{
	static const char *const heading[] = {
		"REPLICA", "PAIR", "STATE", "LAG", "NOT SENT", "EPOCH", "SIZE",
		"LOG", "STAGE",
	};
	struct table *table = table_create(9);
	json_t *r;
	size_t i;

	if (!table || table_add(table, heading)) {
		table_destroy(table);
		return;
	}
	json_array_foreach(replicas, i, r)
		if (add_replica(table, r))
			break;
	table_print(table);
	table_destroy(table);
	json_array_foreach(replicas, i, r)
		print_reason(r);
}
