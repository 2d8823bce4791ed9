// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel-print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "print.h"

static void put(json_t *o, const char *key, uint64_t value)
{
	json_object_set_new(o, key, json_integer(value));
}

static void put_seconds(json_t *o, const char *key, uint64_t ns)
{
	json_object_set_new(o, key, json_real(ns / 1e9));
}

/* Ids are random 64-bit numbers: as text, for JSON's numbers are not exact. */
static void put_id(json_t *o, const char *key, uint64_t id)
{
	json_object_set_new(o, key, json_sprintf("%016" PRIx64, id));
}

static json_t *new_object(void)
{
	return json_pack("{si}", "schema_version", SCHEMA_VERSION);
}

static void print_and_free(json_t *o)
{
	print_json(o);
	json_decref(o);
}

static void put_flags(json_t *o, uint32_t flags)
{
	static const struct {
		const char *key;
		uint32_t flag;
	} keys[] = {
		{ "volatile", DMR_DEV_F_VOLATILE },
		{ "suspended", DMR_DEV_F_SUSPENDED },
		{ "held", DMR_DEV_F_HOLD },
		{ "suspect", DMR_DEV_F_SUSPECT },
		{ "meta_failed", DMR_DEV_F_META_FAILED },
		{ "meta_pending", DMR_DEV_F_META_PENDING },
	};
	size_t k;

	for (k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
		json_object_set_new(o, keys[k].key,
				    json_boolean(flags & keys[k].flag));
}

static void put_identity(json_t *o, const struct dmr_info *i)
{
	json_object_set_new(o, "name", json_string(i->name));
	json_object_set_new(o, "uuid", json_string(i->uuid));
	json_object_set_new(o, "device", json_sprintf("%u:%u",
			    dmr_major(i->dev), dmr_minor(i->dev)));
	json_object_set_new(o, "origin", json_sprintf("%u:%u",
			    dmr_major(i->origin), dmr_minor(i->origin)));
	json_object_set_new(o, "role", json_string(dmr_role_name(i->role)));
	json_object_set_new(o, "state", json_string(dmr_state_name(i->state)));
	put_flags(o, i->dev_flags);
	put_id(o, "generation", i->generation);
	put_id(o, "incarnation", i->incarnation);
	put(o, "loads", i->loads);
	put(o, "attaches", i->attaches);
	put(o, "owner_port", i->owner);
	put_id(o, "group", i->group);
	put(o, "members", i->members);
}

static void put_epochs(json_t *o, const struct dmr_info *i)
{
	uint64_t chunk = i->chunk_sectors * 512ULL;

	put(o, "size_bytes", i->sectors * 512);
	put(o, "chunk_bytes", chunk);
	put(o, "region_bytes", i->region_sectors * 512ULL);
	put(o, "epoch", i->epoch);
	json_object_set_new(o, "fuzzy",
			    json_boolean(i->epoch_flags & DMR_EPOCH_F_FUZZY));
	put(o, "last_committed", i->last_committed);
	put(o, "highest_seen", i->highest_seen);
	put_seconds(o, "cut_time_s", i->cut_time);
	put(o, "dirty_bytes", i->nr_dirty * chunk);
	put(o, "frozen_bytes", i->nr_frozen * chunk);
	put(o, "held_bytes", i->nr_held * chunk);
	put(o, "preserved_bytes", i->nr_preserved * chunk);
	put(o, "hot_regions", i->nr_hot);
	put(o, "regions", i->nr_regions);
}

static void put_counters(json_t *o, const struct dmr_info *i)
{
	put(o, "cuts", i->nr_cuts);
	put(o, "commits", i->nr_commits);
	put(o, "aborts", i->nr_aborts);
	put(o, "keeps", i->nr_keeps);
	put(o, "degraded", i->nr_degraded);
	put(o, "copied_bytes", i->nr_copies * i->chunk_sectors * 512ULL);
	put_seconds(o, "cut_pause_last_s", i->gate_last_ns);
	put_seconds(o, "cut_pause_max_s", i->gate_max_ns);
	put_seconds(o, "cut_pause_sum_s", i->gate_sum_ns);
	put(o, "bytes_written", i->written_sectors * 512);
}

static json_t *ancestors_json(const struct dmr_info *i)
{
	json_t *list = json_array();
	uint32_t k;

	for (k = 0; k < i->nr_ancestors; k++) {
		json_t *o = json_object();

		put_id(o, "generation", i->ancestors[k].generation);
		put(o, "end_epoch", i->ancestors[k].end_epoch);
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *incarnations_json(const struct dmr_info *i)
{
	json_t *list = json_array();
	uint32_t k;

	for (k = 0; k < i->nr_incarnations; k++)
		json_array_append_new(list, json_sprintf("%016" PRIx64,
						i->incarnations[k]));
	return list;
}

/* What only a volume with a metadata device has. */
static void put_meta(json_t *o, const struct dmr_info *i)
{
	if (!i->meta_dev)
		return;
	json_object_set_new(o, "meta_device", json_sprintf("%u:%u",
			    dmr_major(i->meta_dev), dmr_minor(i->meta_dev)));
	put(o, "hot_limit", i->hot_limit);
	put(o, "last_write_s", i->last_write);
	put(o, "last_contact_s", i->last_contact);
	put(o, "last_named", i->last_named);
	json_object_set_new(o, "ancestors", ancestors_json(i));
	json_object_set_new(o, "incarnations", incarnations_json(i));
}

static json_t *info_json(const struct dmr_info *info)
{
	json_t *o = json_object();

	put_identity(o, info);
	put_epochs(o, info);
	put_counters(o, info);
	put_meta(o, info);
	return o;
}

/* One line each: an id, or a generation and the epoch at which it ended. */
static void print_list(const json_t *list)
{
	const json_t *one;
	size_t i;

	if (!json_array_size(list))
		puts("none");
	json_array_foreach(list, i, one) {
		printf("%*s", i ? 19 : 0, "");
		if (json_is_string(one))
			puts(json_string_value(one));
		else
			printf("%s ended %lld\n", json_string_value(
			       json_object_get(one, "generation")), (long long)
			       json_integer_value(json_object_get(one,
							"end_epoch")));
	}
}

static void print_value(const char *key, const json_t *value)
{
	char text[PRINT_LEN];
	size_t len = strlen(key);

	printf("%-18s ", key);
	if (json_is_integer(value) && len > 6 &&
	    !strcmp(key + len - 6, "_bytes"))
		puts(print_bytes(text, json_integer_value(value)));
	else if (json_is_array(value))
		print_list(value);
	else if (json_is_string(value))
		puts(json_string_value(value));
	else if (json_is_boolean(value))
		puts(json_is_true(value) ? "yes" : "no");
	else if (json_is_real(value))
		printf("%.6f\n", json_real_value(value));
	else
		printf("%lld\n", (long long)json_integer_value(value));
}

void kernel_info_print(const struct dmr_info *info, bool is_json)
{
	json_t *o = info_json(info), *value;
	const char *key;

	if (is_json) {
		json_object_set_new(o, "schema_version",
				    json_integer(SCHEMA_VERSION));
		print_and_free(o);
		return;
	}
	json_object_foreach(o, key, value)
		print_value(key, value);
	json_decref(o);
}

void kernel_event_print(const struct dmr_nl_event *ev, bool is_json)
{
	json_t *o;

	if (!is_json) {
		printf("%-12s %-12s", ev->name, dmr_event_name(ev->type));
		if (ev->epoch)
			printf(" epoch %" PRIu64 "%s", ev->epoch,
			       ev->epoch_flags & DMR_EPOCH_F_FUZZY ?
			       " (fuzzy)" : "");
		if (ev->type == DMR_EVENT_FROZEN)
			printf(", %" PRIu64 " chunks", ev->nr_frozen);
		if (ev->error)
			printf(" %s", strerror(ev->error));
		printf("%s%s\n", ev->request[0] ? " " : "", ev->request);
		return;
	}
	o = json_pack("{si ss ss sI sb}", "schema_version", SCHEMA_VERSION,
		      "volume", ev->name, "kind", dmr_event_name(ev->type),
		      "epoch", (json_int_t)ev->epoch, "fuzzy",
		      (ev->epoch_flags & DMR_EPOCH_F_FUZZY) != 0);
	if (ev->type == DMR_EVENT_FROZEN)
		put(o, "frozen_chunks", ev->nr_frozen);
	if (ev->request[0])
		json_object_set_new(o, "request", json_string(ev->request));
	print_json_line(o);
	json_decref(o);
}

void kernel_marked_print(const struct dmr_info *info,
			 const struct dmr_extent *e, bool is_json)
{
	uint64_t chunk = info->chunk_sectors * 512ULL;
	uint64_t bytes = e ? e->count * chunk : info->sectors * 512;
	char text[PRINT_LEN];
	json_t *o;

	if (!is_json) {
		printf("%s: %s will be shipped again.\n", info->name,
		       print_bytes(text, bytes));
		return;
	}
	o = new_object();
	json_object_set_new(o, "volume", json_string(info->name));
	put(o, "offset_bytes", e ? e->start * chunk : 0);
	put(o, "marked_bytes", bytes);
	print_and_free(o);
}

void kernel_held_print(const struct dmr_info *info, bool is_json)
{
	json_t *o;

	if (!is_json) {
		printf("%s: writes go on.\n", info->name);
		return;
	}
	o = new_object();
	json_object_set_new(o, "volume", json_string(info->name));
	json_object_set_new(o, "held", json_false());
	print_and_free(o);
}

void kernel_meta_size_print(uint64_t bytes, bool is_json)
{
	json_t *o;

	if (!is_json) {
		printf("%" PRIu64 " sectors\n", bytes / 512);
		return;
	}
	o = new_object();
	put(o, "meta_bytes", bytes);
	print_and_free(o);
}

/* --- the list ------------------------------------------------------------- */

struct kernel_list {
	json_t *devices;
	struct table *table;
};

struct kernel_list *kernel_list_create(void)
{
	static const char *const heading[] = {
		"VOLUME", "DEVICE", "ROLE", "STATE", "EPOCH", "DIRTY", "SIZE",
		"OWNER",
	};
	struct kernel_list *list = calloc(1, sizeof(*list));

	if (!list)
		return NULL;
	list->devices = json_array();
	list->table = table_create(8);
	if (!list->devices || !list->table ||
	    table_add(list->table, heading)) {
		kernel_list_destroy(list);
		return NULL;
	}
	return list;
}

void kernel_list_destroy(struct kernel_list *list)
{
	if (!list)
		return;
	json_decref(list->devices);
	table_destroy(list->table);
	free(list);
}

int kernel_list_add(void *arg, const struct dmr_info *info)
{
	struct kernel_list *list = arg;
	char dev[32], epoch[32], dirty[PRINT_LEN], size[PRINT_LEN];
	const char *const cells[] = {
		info->name, dev, dmr_role_name(info->role),
		dmr_state_name(info->state), epoch, dirty, size,
		info->owner ? "yes" : "-",
	};

	snprintf(dev, sizeof(dev), "%u:%u", dmr_major(info->dev),
		 dmr_minor(info->dev));
	snprintf(epoch, sizeof(epoch), "%" PRIu64, info->epoch ?
		 info->epoch : info->last_committed);
	print_bytes(dirty, info->nr_dirty * info->chunk_sectors * 512.0);
	print_bytes(size, info->sectors * 512.0);
	json_array_append_new(list->devices, info_json(info));
	return table_add(list->table, cells) ? -ENOMEM : 0;
}

void kernel_list_print(const struct kernel_list *list, bool is_json)
{
	json_t *o;

	if (is_json) {
		o = new_object();
		json_object_set(o, "devices", list->devices);
		print_and_free(o);
	} else if (json_array_size(list->devices)) {
		table_print(list->table);
	} else {
		puts("The kernel has no replica device.");
	}
}

/* --- extents -------------------------------------------------------------- */

void kernel_extents_begin(struct kernel_extents *x)
{
	if (x->is_json)
		printf("{\"schema_version\": %d, \"extents\": [",
		       SCHEMA_VERSION);
}

/* The last chunk of a volume may be shorter. */
int kernel_extents_add(void *arg, const struct dmr_extent *v, size_t nr)
{
	struct kernel_extents *x = arg;
	size_t i;

	for (i = 0; i < nr; i++) {
		uint64_t offset = v[i].start * x->chunk_bytes;
		uint64_t length = v[i].count * x->chunk_bytes;

		if (length > x->volume_bytes - offset)
			length = x->volume_bytes - offset;
		if (x->is_json)
			printf("%s{\"offset_bytes\": %" PRIu64
			       ", \"length_bytes\": %" PRIu64 "}",
			       x->nr ? ",\n" : "\n", offset, length);
		else
			printf("%" PRIu64 " %" PRIu64 "\n", offset, length);
		x->nr++;
		x->bytes += length;
	}
	return 0;
}

void kernel_extents_end(struct kernel_extents *x)
{
	if (x->is_json)
		printf("], \"dirty_bytes\": %" PRIu64 "}\n", x->bytes);
	else
		fprintf(stderr, "%" PRIu64 " bytes in %" PRIu64 " runs\n",
			x->bytes, x->nr);
}
