// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * M1 the samples of a family stand together, below its TYPE, UNIT and HELP;
 * M2 a family with a unit ends with it, a counter's sample with _total;
 * M3 what the status does not have (a volume that does not run) has no sample:
 *    never a 0 that looks like a measurement;
 * M4 the last line is "# EOF", so that a text that was cut short is noticed.
 */
#include "metrics.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { GAUGE, COUNTER };

struct family {
	const char *name;
	enum kind kind;
	const char *unit;		/* "" = none */
	const char *key;		/* of a volume in the status */
	const char *help;
};

static const struct family families[] = {
	{ "replica_volume_size_bytes", GAUGE, "bytes", "size_bytes",
	  "Size of the volume." },
	{ "replica_volume_lag_seconds", GAUGE, "seconds", "lag_s",
	  "Age of the newest image that the target has committed." },
	{ "replica_volume_lag_bytes", GAUGE, "bytes", "lag_bytes",
	  "What that image lacks." },
	{ "replica_volume_lag_recent_median_seconds", GAUGE, "seconds",
	  "lag_median_s", "Median lag of the last 600 samples." },
	{ "replica_volume_lag_recent_max_seconds", GAUGE, "seconds",
	  "lag_max_s", "Largest lag of the last 600 samples." },
	{ "replica_volume_dirty_bytes", GAUGE, "bytes", "dirty_bytes",
	  "Written since the last cut." },
	{ "replica_volume_frozen_bytes", GAUGE, "bytes", "frozen_bytes",
	  "In the epoch that is being shipped." },
	{ "replica_volume_held_bytes", GAUGE, "bytes", "held_bytes",
	  "Frozen, and not read yet." },
	{ "replica_volume_preserved_bytes", GAUGE, "bytes", "preserved_bytes",
	  "Old content that is kept in memory." },
	{ "replica_volume_ship_rate_bytes_per_second", GAUGE, "",
	  "rate_bytes_s", "How fast it is shipped now." },
	{ "replica_volume_eta_seconds", GAUGE, "seconds", "eta_s",
	  "Time until all of it is shipped, at that rate." },
	{ "replica_volume_committed_epoch", GAUGE, "", "last_committed",
	  "Number of the last clean epoch at the target." },
	{ "replica_volume_commit_seconds", GAUGE, "seconds", "commit_last_s",
	  "How long the last commit took." },
	{ "replica_volume_cut_pause_seconds", GAUGE, "seconds",
	  "cut_pause_last_s", "How long the last cut parked new writes." },
	{ "replica_volume_cut_pause_max_seconds", GAUGE, "seconds",
	  "cut_pause_max_s", "Longest such pause since the module was loaded." },
	{ "replica_volume_synced", GAUGE, "", "synced",
	  "1 if the target has ever had a clean epoch of it." },
	{ "replica_volume_consistent", GAUGE, "", "replica_consistent",
	  "1 if the target has a consistent image now." },
	{ "replica_volume_applying", GAUGE, "", "applying",
	  "1 if the target is written in place and half of an epoch is there." },
	{ "replica_volume_suspect", GAUGE, "", "suspect",
	  "1 if it may have been written without being tracked." },
	{ "replica_volume_connections", GAUGE, "", "connections",
	  "Connections to the target." },
	{ "replica_volume_written_bytes", COUNTER, "bytes", "bytes_written",
	  "Written by its users since the module was loaded." },
	{ "replica_volume_shipped_bytes", COUNTER, "bytes", "bytes_shipped",
	  "Sent to the target since replicad was started." },
	{ "replica_volume_shipped_zero_bytes", COUNTER, "bytes", "bytes_zero",
	  "Of that, zeros, which cost nothing." },
	{ "replica_volume_reconnects", COUNTER, "", "reconnects",
	  "Connections to the target that were lost and made again." },
	{ "replica_volume_degraded_epochs", COUNTER, "", "degraded",
	  "Clean epochs that ran out of memory and became partial." },
	{ "replica_volume_clean_epochs", COUNTER, "", "epochs_clean",
	  "Clean epochs of its group." },
	{ "replica_volume_partial_epochs", COUNTER, "", "epochs_partial",
	  "Partial epochs of its group." },
	{ "replica_volume_aborted_epochs", COUNTER, "", "epochs_aborted",
	  "Epochs of its group that were not committed." },
};

static const char *const states[] = {
	"disabled", "connecting", "syncing", "replicating", "catching-up",
	"falling-behind", "paused", "failing-over", "promoted", "diverged",
	"superseded", "split-brain", "error",
};

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static void begin(FILE *out, const char *name, const char *type,
		  const char *unit, const char *help)
{
	fprintf(out, "# TYPE %s %s\n", name, type);
	if (unit[0])
		fprintf(out, "# UNIT %s %s\n", name, unit);
	fprintf(out, "# HELP %s %s\n", name, help);
}

static void put_label(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '"' || *value == '\\')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

/* "{volume="…",group="…"" without the brace at the end */
static void put_labels(FILE *out, const json_t *volume)
{
	fputc('{', out);
	put_label(out, "volume", text_of(volume, "name"));
	if (text_of(volume, "group")[0]) {
		fputc(',', out);
		put_label(out, "group", text_of(volume, "group"));
	}
}

/* "." whatever the locale says: printf's %g would not. */
static void put_number(FILE *out, double value)
{
	char text[40];

	if (value == (double)(long long)value && value < 1e15 && value > -1e15)
		snprintf(text, sizeof(text), "%lld", (long long)value);
	else
		snprintf(text, sizeof(text), "%.9g", value);
	for (char *c = text; *c; c++)
		if (*c == ',')
			*c = '.';
	fputs(text, out);
}

static bool get_value(const json_t *volume, const char *key, double *value)
{
	const json_t *field = json_object_get(volume, key);

	if (json_is_boolean(field))
		*value = json_is_true(field);
	else if (json_is_number(field))
		*value = json_number_value(field);
	else
		return false;
	return true;
}

static void put_family(FILE *out, const struct family *f,
		       const json_t *volumes)
{
	bool is_counter = f->kind == COUNTER;
	double value;
	json_t *v;
	size_t i;

	begin(out, f->name, is_counter ? "counter" : "gauge", f->unit, f->help);
	json_array_foreach(volumes, i, v) {
		if (!get_value(v, f->key, &value))
			continue;
		fprintf(out, "%s%s", f->name, is_counter ? "_total" : "");
		put_labels(out, v);
		fputs("} ", out);
		put_number(out, value);
		fputc('\n', out);
	}
}

static void put_states(FILE *out, const json_t *volumes)
{
	static const char name[] = "replica_volume_state";
	json_t *v;
	size_t i, s;

	begin(out, name, "stateset", "", "State of the volume: one is 1.");
	json_array_foreach(volumes, i, v)
		for (s = 0; s < sizeof(states) / sizeof(states[0]); s++) {
			fputs(name, out);
			put_labels(out, v);
			fprintf(out, ",%s=\"%s\"} %d\n", name, states[s],
				!strcmp(states[s], text_of(v, "state")));
		}
}

/* What "persistence" says in words. */
static void put_metadata(FILE *out, const json_t *volumes)
{
	static const char name[] = "replica_volume_metadata_failed";
	json_t *v;
	size_t i;

	begin(out, name, "gauge", "",
	      "1 if its metadata device does not work now.");
	json_array_foreach(volumes, i, v) {
		if (!text_of(v, "persistence")[0])
			continue;
		fputs(name, out);
		put_labels(out, v);
		fprintf(out, "} %d\n",
			!strcmp(text_of(v, "persistence"), "failed"));
	}
}

static void put_daemon(FILE *out, const json_t *status)
{
	const json_t *daemon = json_object_get(status, "daemon");
	double uptime;

	begin(out, "replica_up", "gauge", "", "1 if replicad answers.");
	fprintf(out, "replica_up %d\n", status != NULL);
	if (!status)
		return;
	begin(out, "replica_daemon", "info", "", "The replicad that runs.");
	fputs("replica_daemon_info{", out);
	put_label(out, "version", text_of(daemon, "version"));
	fputs("} 1\n", out);
	begin(out, "replica_daemon_uptime_seconds", "gauge", "seconds",
	      "Since it was started.");
	if (!get_value(daemon, "uptime_s", &uptime))
		return;
	fputs("replica_daemon_uptime_seconds ", out);
	put_number(out, uptime);
	fputc('\n', out);
}

char *metrics_render(const json_t *status, size_t *len)
{
	const json_t *volumes = json_object_get(status, "volumes");
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	if (!out)
		return NULL;
	put_daemon(out, status);
	if (status) {
		put_states(out, volumes);
		put_metadata(out, volumes);
		for (size_t i = 0; i < sizeof(families) / sizeof(families[0]);
		     i++)
			put_family(out, &families[i], volumes);
	}
	fputs("# EOF\n", out);
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}
