// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "compare.h"
#include "continuity.h"
#include "events.h"
#include "extents.h"
#include "giving-up.h"
#include "group.h"
#include "log.h"
#include "pairing-file.h"
#include "place.h"
#include "reactor.h"
#include "state-file.h"
#include "takeover.h"
#include "verify.h"

#define NS_PER_MS	1000000ULL

const char volume_lost[] =
"the device has lost its replica target: another tool has replaced its table, "
"or removed it";
const char volume_lost_advice[] =
"disable it and enable it again: all of it is looked at then";

uint64_t volume_bytes(const struct volume *volume)
{
	return volume->target.volume_bytes;
}

uint64_t volume_kernel_bytes(const struct volume *volume)
{
	return volume->info.sectors * 512;
}

uint64_t volume_chunk_bytes(const struct volume *volume)
{
	return (uint64_t)volume->info.chunk_sectors * 512;
}

uint64_t volume_dirty_bytes(const struct volume *volume)
{
	return volume->info.nr_dirty * volume_chunk_bytes(volume);
}

bool volume_is_local(const struct volume *volume)
{
	return !strncmp(volume->config->target, "local:", 6);
}

bool volume_is_in_place(const struct volume *volume)
{
	const struct target *t = &volume->target;

	return t->state == TARGET_READY && t->is_staged &&
	       t->header.last_clean &&
	       t->header.state == REPLICA_STATE_APPLYING;
}

bool volume_needs_clean(const struct volume *volume)
{
	const struct replica_header *h = &volume->target.header;

	return h->state == REPLICA_STATE_APPLYING ||
	       h->last_partial > h->last_clean;
}

void volume_fill_unsent(const struct volume *volume, struct replica_header *h)
{
	const struct dmr_info *info = &volume->info;
	const struct shipment *s = &volume->shipment;
	uint64_t chunks = info->nr_dirty;

	if (h->kind == REPLICA_KIND_PARTIAL)	/* END makes them dirty again */
		chunks += dmr_extents_chunks(s->frozen) -
			  dmr_extents_chunks(s->window);
	else if (h->kind != REPLICA_KIND_CLEAN)
		chunks += info->nr_frozen;
	h->unsent = chunks * volume_chunk_bytes(volume);
	h->unsent_time = volume->info_ns;
}

int volume_refresh(struct volume *volume)
{
	int err = kernel_get(volume->reactor->kernel, volume->device.dev,
			     &volume->info);

	if (!err) {
		volume->info_ns = group_realtime();
		continuity_look(volume);
		giving_up_look(volume);
	} else if (err == -ENODEV) {
		continuity_lost(volume);
	}
	return err;
}

/* --- the target's first words ------------------------------------------ */

static struct volume *volume_of(struct target *t)
{
	return container_of(t, struct volume, target);
}

static void fill_ancestors(const struct volume *v, struct replica_header *h)
{
	for (uint32_t i = 0; i < v->info.nr_ancestors; i++) {
		h->ancestors[i].generation = v->info.ancestors[i].generation;
		h->ancestors[i].end_epoch = v->info.ancestors[i].end_epoch;
	}
	h->nr_ancestors = v->info.nr_ancestors;
}

static void fill_new(const struct volume *v, struct replica_header *h)
{
	fill_ancestors(v, h);
	memcpy(h->pair_id, v->identity.pair_id, 16);
	memcpy(h->volume_id, v->identity.volume_id, 16);
	h->generation = v->identity.generation;
	h->incarnation = v->info.incarnation;
	h->chunk_bytes = volume_chunk_bytes(v);
	h->volume_bytes = volume_bytes(v);
	h->role = REPLICA_ROLE_PRIMARY;
	h->state = REPLICA_STATE_APPLYING;
}

static void fill_hello(const struct volume *v, struct replica_header *h)
{
	if (v->judgement == JUDGE_NEW || !h->volume_bytes)
		fill_new(v, h);
	if ((v->judgement == JUDGE_RESYNC ||
	     h->volume_bytes != volume_bytes(v)) && !v->target.is_staged)
		h->state = REPLICA_STATE_APPLYING;
	h->volume_bytes = volume_bytes(v);
	group_fill_header(v->group, h);
	h->session = v->identity.session;
	h->kind = REPLICA_KIND_HELLO;
	h->hints = 0;
	volume_fill_unsent(v, h);
}

static int look_at_volume(struct volume *v, struct replica_why *why)
{
	int err = volume_refresh(v);

	v->advice = NULL;
	if (err == -ENODEV) {
		snprintf(why->text, sizeof(why->text), "%s", volume_lost);
		v->advice = volume_lost_advice;
	} else if (err) {
		snprintf(why->text, sizeof(why->text), "volume: %.140s",
			 kernel_error(v->reactor->kernel));
	}
	return err;
}

/* A session that is newer than all, only for a target that is ours. */
static int begin_session(struct volume *v, struct replica_why *why)
{
	int err = kernel_attach(v->reactor->kernel, v->device.dev, &v->info);

	if (err) {
		snprintf(why->text, sizeof(why->text), "attach: %.140s",
			 kernel_error(v->reactor->kernel));
		return err;
	}
	err = identity_begin_session(&v->identity, v->reactor->state_dir,
				     v->config->name, v->info.incarnation,
				     v->info.loads, v->info.attaches);
	if (err)
		snprintf(why->text, sizeof(why->text),
			 "the state folder %.80s: %.50s",
			 v->reactor->state_dir, strerror(-err));
	return err;
}

/* J2: the bits that would name what the target lacks are gone. */
static int begin_resync(struct volume *v, struct replica_why *why)
{
	int err = compare_all(v);

	if (err) {
		snprintf(why->text, sizeof(why->text), "mark: %.140s",
			 kernel_error(v->reactor->kernel));
		return err;
	}
	v->waits_durable = true;
	log_warn(v->config->name, "%s: everything is shipped again",
		 why->text);
	events_tell(v->reactor->events, v->config->name, "resync", "%s",
		    why->text);
	if (!v->target.is_staged) {
		v->is_synced = false;
		v->group->lag.committed_ns = 0;
	}
	return 0;
}

/*
 * W6: a connection that has ended may write until then. A stage shuts it out
 * (W1), and a local target has ended it.
 */
static void note_stale(struct volume *v)
{
	uint64_t until = ring_now(v->reactor->ring) +
			 v->config->stale_wait_ms * NS_PER_MS;

	if (!volume_is_local(v) && !v->target.is_staged &&
	    until > v->stale_until_ns)
		v->stale_until_ns = until;
}

/* A session that we know nothing of becomes an older one. */
static int take_anyway(struct volume *v, const struct replica_header *h)
{
	struct replica_session *s = &v->identity.session;

	if (h->session.loads > s->loads)
		s->loads = h->session.loads;
	if (h->session.attaches > s->attaches)
		s->attaches = h->session.attaches;
	return JUDGE_RESYNC;
}

void volume_accept(struct volume *v)
{
	v->is_accepted = v->is_rolled_back;
}

static int on_judge(struct target *t, struct replica_header *h, bool is_new,
		    struct replica_why *why)
{
	struct volume *v = volume_of(t);
	int ret = look_at_volume(v, why), err;

	if (ret)
		return ret;
	ret = judge_target(is_new ? NULL : h, &v->identity, &v->info, why);
	v->refusal = ret < 0 ? ret : 0;
	v->is_rolled_back = ret == -EUCLEAN;
	takeover_note_group(v->group, ret);
	if (v->is_rolled_back && v->is_accepted)
		ret = take_anyway(v, h);
	v->is_accepted = false;
	if (ret < 0) {
		v->is_synced = false;
		v->advice = v->is_rolled_back ? judge_advice : NULL;
		return ret;
	}
	err = takeover_check(v, is_new, why);
	if (err)
		return err;
	err = place_check(v, why);
	if (err) {
		v->advice = place_advice;
		return err;
	}
	v->judgement = ret;
	if (!is_new && !v->was_open)
		compare_dirty(v); /* nobody knows what came before us */
	if (!is_new && !v->was_open && !v->identity.is_closed)
		note_stale(v);
	err = begin_session(v, why);
	if (!err && ret == JUDGE_RESYNC)
		err = begin_resync(v, why);
	if (!err)
		fill_hello(v, h);
	return err;
}

/* Since the volume was wholly dirty. */
static bool has_committed(const struct volume *v)
{
	return v->info.dev_flags & DMR_DEV_F_VOLATILE ? v->info.nr_commits :
							v->info.last_committed;
}

/* What a stage has committed stays whole, whatever comes after it. */
static bool has_image(const struct volume *v)
{
	const struct target *t = &v->target;

	return t->header.last_clean &&
	       (t->is_staged || (v->judgement == JUDGE_OURS &&
				 has_committed(v)));
}

static const char in_place[] =
"the target's log was full, and it applies in place: there is no consistent image "
"until a clean epoch has ended";

/* T6 in target.c. Not noted, a volume that grows finds it no more. */
static void note_size(struct volume *v)
{
	int err = v->identity.target_bytes == volume_bytes(v) ? 0 :
		  identity_note_target_bytes(&v->identity,
					     v->reactor->state_dir,
					     v->config->name, volume_bytes(v));

	if (err)
		log_warn(v->config->name, "the state folder %s: %s: the "
			 "target's size is not noted", v->reactor->state_dir,
			 strerror(-err));
}

static void on_ready(struct target *t)
{
	struct volume *v = volume_of(t);

	note_size(v);
	v->reconnects += v->was_open;
	v->was_open = true;
	v->config->may_overwrite = false;
	v->is_synced = has_image(v);
	if (volume_is_in_place(v)) {
		v->group->pace.has_no_room = false;
		log_warn(v->config->name, "%s", in_place);
		events_tell(v->reactor->events, v->config->name, "in-place",
			    "%s", in_place);
	}
	group_target_ready(v->group, v);
}

static void on_failed(struct target *t, bool is_refused, const char *text)
{
	group_target_failed(volume_of(t)->group, volume_of(t), is_refused,
			    text);
}

/* Unless an earlier connection may write still. */
static void note_closed(struct volume *v)
{
	int err = 0;

	if (v->stale_until_ns <= ring_now(v->reactor->ring))
		err = identity_note_closed(&v->identity, v->reactor->state_dir,
					   v->config->name);
	if (err)
		log_warn(v->config->name, "the state folder %s: %s: the next "
			 "start will wait for stale writes",
			 v->reactor->state_dir, strerror(-err));
}

static void on_closed(struct target *t)
{
	struct volume *v = volume_of(t);

	if (t->was_unclean)
		note_stale(v);
	else if (t->had_hello)
		note_closed(v);
	group_target_closed(v->group, v);
}

static const struct target_events target_events = {
	.judge = on_judge,
	.ready = on_ready,
	.failed = on_failed,
	.closed = on_closed,
};

void volume_forget_pause(struct volume *v)
{
	int err = v->identity.is_paused ?
		  identity_note_paused(&v->identity, v->reactor->state_dir,
				       v->config->name, false) : 0;

	v->identity.is_paused = false;
	if (err)
		log_warn(v->config->name, "the state folder %s: %s: a restart "
			 "will find it paused", v->reactor->state_dir,
			 strerror(-err));
	giving_up_forget(v);
	takeover_forget_one(v);
}

/*
 * A pairing may come, go and come back as another: it is looked up each time.
 * What cannot be resolved is opened as it is, and refused there by name.
 */
static const char *find_target(struct volume *v)
{
	const char *target = v->config->target;
	struct error err = { 0 };

	if (!pairing_is_target(target))
		return target;
	if (!pairing_resolve(v->reactor->state_dir, target, v->config->name,
			     v->uri, sizeof(v->uri), v->identity.pair_id, &err))
		return v->uri;
	snprintf(v->uri, sizeof(v->uri), "pair:%s", err.text);
	return v->uri;
}

void volume_open_target(struct volume *v)
{
	const struct backend_options opts = {
		.volume_bytes = volume_bytes(v),
		.connections = v->config->connections,
		.deadline_ms = v->config->timeout_ms,
		.unsafe = v->config->is_unsafe,
		.no_clear_tcp = !v->config->tls ||
				strcmp(v->config->tls, "off"),
		.congestion = v->config->congestion,
		.apply = v->config->apply,
		.chunk_bytes = volume_chunk_bytes(v),
		.group = v->config->group,
	};
	struct replica_why why;
	uint8_t pair_id[16];

	if (v->identity.given_up == GIVEN_UP_DONE) {
		giving_up_tell(v);
		return;
	}
	v->advice = NULL;
	v->refusal = 0;
	v->target.old_bytes = v->identity.target_bytes;
	memcpy(pair_id, v->identity.pair_id, sizeof(pair_id));
	v->opened = find_target(v);
	v->is_placed = false;
	v->is_elsewhere = takeover_check(v, false, &why);
	if (v->is_elsewhere) {	/* who it is the pair's of is not decided */
		memcpy(v->identity.pair_id, pair_id, sizeof(pair_id));
		group_target_failed(v->group, v, true, why.text);
		return;
	}
	target_open(&v->target, v->opened, &opts, v->config->may_overwrite);
}

/* --- life -------------------------------------------------------------- */

/* One of before the device became larger has no more than that had. */
static int check_view(const struct volume *v, char error[CONFIG_ERROR_SIZE])
{
	off_t bytes = lseek(v->view_fd, 0, SEEK_END);

	if (bytes >= 0 && (uint64_t)bytes >= volume_kernel_bytes(v))
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "the view %.200s has %lld bytes, "
		 "the volume %" PRIu64, v->device.view, (long long)bytes,
		 volume_kernel_bytes(v));
	return -EBUSY;
}

static int open_view(struct volume *v, char error[CONFIG_ERROR_SIZE])
{
	v->view_fd = open(v->device.view, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (v->view_fd < 0 && errno == EINVAL) /* a filesystem without it */
		v->view_fd = open(v->device.view, O_RDONLY | O_CLOEXEC);
	if (v->view_fd >= 0)
		return check_view(v, error);
	snprintf(error, CONFIG_ERROR_SIZE, "the view %.200s: %s",
		 v->device.view, strerror(errno));
	return -errno;
}

static int open_identity(struct volume *v, char error[CONFIG_ERROR_SIZE])
{
	int err = identity_load(&v->identity, v->reactor->state_dir,
				v->config->name);

	if (!err)
		giving_up_load(v);
	else
		snprintf(error, CONFIG_ERROR_SIZE, "%.200s/%s.id: %s",
			 v->reactor->state_dir, v->config->name,
			 err == -EBADMSG ? "damaged, it has the volume's "
			 "identity" : state_error(err));
	return err;
}

static int open_pump(struct volume *v, char error[CONFIG_ERROR_SIZE])
{
	uint32_t chunk_bytes = volume_chunk_bytes(v);
	const struct pump_options opts = {
		.chunk_bytes = chunk_bytes,
		.io_bytes = chunk_bytes > REACTOR_BUF_BYTES ? chunk_bytes :
			    REACTOR_BUF_BYTES,
		.ring_buffers = chunk_bytes <= REACTOR_BUF_BYTES,
		.memory = v->config->memory,
		.spool_path = v->config->spool,
		.spool_bytes = v->config->spool_size,
		.limit = &v->limit,
	};
	int err;

	limiter_set(&v->limit, v->config->bandwidth,
		    ring_now(v->reactor->ring));
	err = pump_create(&v->pump, v->reactor->ring, &opts);
	if (err)
		snprintf(error, CONFIG_ERROR_SIZE, "buffers: %s",
			 strerror(-err));
	return err;
}

static int open_kernel(struct volume *v, char error[CONFIG_ERROR_SIZE])
{
	int err = kernel_get(v->reactor->kernel, v->device.dev, &v->info);

	if (err)
		snprintf(error, CONFIG_ERROR_SIZE, "%s",
			 kernel_error(v->reactor->kernel));
	return err;
}

void volume_close_view(struct volume *v)
{
	if (v->view_fd >= 0)
		close(v->view_fd);
	v->view_fd = -1;
}

/* A view that is too short does for what it has: it is opened in any case. */
int volume_resize(struct volume *v, char error[CONFIG_ERROR_SIZE])
{
	int err = open_kernel(v, error);

	if (v->view_fd < 0)
		err = open_view(v, error) ?: err;
	if (err || volume_kernel_bytes(v) == volume_bytes(v))
		return err;
	log_info(v->config->name, "it has grown from %" PRIu64 " to %" PRIu64
		 " bytes", volume_bytes(v), volume_kernel_bytes(v));
	events_tell(v->reactor->events, v->config->name, "grown", "%" PRIu64
		    " bytes", volume_kernel_bytes(v));
	v->target.volume_bytes = volume_kernel_bytes(v);
	return 0;
}

int volume_create(struct volume **volume, struct reactor *reactor,
		  struct volume_config *config,
		  const struct kernel_device *device,
		  char error[CONFIG_ERROR_SIZE])
{
	static int (*const rungs[])(struct volume *v, char *error) = {
		open_identity, open_kernel, open_view, open_pump,
	};
	struct volume *v = calloc(1, sizeof(*v));
	int err = v ? 0 : -ENOMEM;

	if (err) {
		volume_config_destroy(config);
		return err;
	}
	v->reactor = reactor;
	v->config = config;
	v->device = *device;
	v->view_fd = -1;
	v->shipment.frozen = dmr_extents_create();
	v->shipment.window = dmr_extents_create();
	for (size_t i = 0; !err && i < sizeof(rungs) / sizeof(rungs[0]); i++)
		err = rungs[i](v, error);
	if (!err && (!v->shipment.frozen || !v->shipment.window))
		err = -ENOMEM;
	if (!err)
		err = target_init(&v->target, reactor->ring, config->name,
				  volume_kernel_bytes(v), &target_events);
	if (err) {
		volume_destroy(v);
		return err;
	}
	*volume = v;
	return 0;
}

void volume_destroy(struct volume *v)
{
	if (!v)
		return;
	if (v->target.ring)
		target_clear(&v->target);
	verify_free(v);
	pump_destroy(v->pump);
	volume_close_view(v);
	dmr_extents_destroy(v->shipment.frozen);
	dmr_extents_destroy(v->shipment.window);
	volume_config_destroy(v->config);
	free(v);
}
