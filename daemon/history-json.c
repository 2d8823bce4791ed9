// SPDX-License-Identifier: GPL-2.0-or-later
#include "history-json.h"

#include "history.h"

#define NS	1e9
#define CLOCKS_AGREE_NS	1000000000ULL	/* as well as those of two sites do */

static json_t *seconds_of(uint64_t ns)
{
	return ns ? json_real(ns / NS) : json_null();
}

static json_t *epoch_json(const struct stage_epoch *e)
{
	return json_pack("{sI ss so so sI sb sb si}",
			 "epoch", (json_int_t)e->epoch,
			 "kind", e->is_clean ? "clean" : "partial",
			 "cut_time", seconds_of(e->cut_time),
			 "commit_time", seconds_of(e->commit_time),
			 "bytes", (json_int_t)e->bytes,
			 "applied", (int)e->is_base,
			 "pinned", e->nr_images != 0,
			 "images", (int)e->nr_images);
}

static json_t *epochs_json(const struct history *h)
{
	json_t *all = json_array();

	for (size_t i = 0; i < h->nr; i++)
		json_array_append_new(all, epoch_json(&h->epochs[i]));
	return all;
}

/* What is staged, and becomes visible with the next clean epoch. */
static uint64_t staged_bytes(const struct history *h)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < h->nr; i++)
		if (!h->epochs[i].is_clean &&
		    h->epochs[i].epoch > h->last_clean)
			sum += h->epochs[i].bytes;
	return sum;
}

static bool has_image(const struct history *h)
{
	return h->last_clean && h->state != STAGE_IN_PLACE && h->cut_time;
}

/* Of two clocks: by how much the image is younger than now. */
static uint64_t ahead_ns(const struct history *h)
{
	return has_image(h) && h->cut_time > h->now ? h->cut_time - h->now : 0;
}

/* Clocks that differ do not tell it. */
static json_t *lag_json(const struct history *h)
{
	uint64_t lag = h->now > h->cut_time ? h->now - h->cut_time : 0;

	return has_image(h) && ahead_ns(h) < CLOCKS_AGREE_NS ?
	       json_real(lag / NS) : json_null();
}

/* What the primary said last. */
static json_t *unsent_json(const struct history *h)
{
	return h->unsent_time ? json_integer(h->unsent) : json_null();
}

static const char *reason_of(const struct history *h)
{
	if (h->state == STAGE_LOG_FULL)
		return "the log cannot hold the newest epoch, and no more "
		       "history may go: it was refused";
	if (h->state == STAGE_IN_PLACE)
		return "the log could not hold an epoch, it is applied in "
		       "place: there is no consistent image until a clean one "
		       "has ended";
	return h->error.text;
}

static const char *next_step_of(const struct history *h)
{
	if (h->state == STAGE_LOG_FULL || h->state == STAGE_IN_PLACE)
		return "give the log more room (log=), or keep less of it "
		       "(history_min=)";
	return "";
}

static void add_notice(json_t *all, const char *text, const char *next_step)
{
	if (text[0])
		json_array_append_new(all, json_pack("{ss ss}", "text", text,
						     "next_step", next_step));
}

static json_t *notices_json(const struct history *h)
{
	json_t *all = json_array();

	add_notice(all, h->notices.log, h->notices.step);
	add_notice(all, h->notices.device, "put the device right if that can "
		   "be, and have the stage opened again; else compare the "
		   "replica with its volume (verify, at the primary): this is "
		   "told until every slot is good");
	return all;
}

json_t *history_json(const struct history *h, const char *target)
{
	return json_pack("{si ss ss ss ss ss ss so sI si so so so sf so so sI sI "
			 "sI sI sI sI so}",
			 "schema_version", 1, "volume", h->name,
			 "group", h->group, "target", target,
			 "state", stage_state_name(h->state),
			 "reason", reason_of(h),
			 "next_step", next_step_of(h),
			 "notices", notices_json(h),
			 "size_bytes", (json_int_t)h->bytes,
			 "chunk_bytes", (int)h->chunk_bytes,
			 "time", seconds_of(h->now),
			 "cut_time", seconds_of(h->cut_time),
			 "lag_s", lag_json(h),
			 "clock_ahead_s", ahead_ns(h) / NS,
			 "lag_bytes", unsent_json(h),
			 "lag_bytes_time", seconds_of(h->unsent_time),
			 "staged_bytes", (json_int_t)staged_bytes(h),
			 "log_bytes", (json_int_t)h->log_bytes,
			 "log_needed_bytes", (json_int_t)h->log_needed,
			 "last_committed", (json_int_t)h->last_clean,
			 "last_partial", (json_int_t)h->last_partial,
			 "highest_seen", (json_int_t)h->highest_seen,
			 "epochs", epochs_json(h));
}
