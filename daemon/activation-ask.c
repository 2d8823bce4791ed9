// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B1 (L3, P5) A device that we make is not made while it is not known whether
 *    the other site has taken over, or when it has. One that is there is not
 *    asked about: it was the primary all the time.
 * B2 Asking writes nothing there, not even a hello: the site that asks may be
 *    the wrong one. Here it is noted, and no other target is asked any more.
 * B3 A target that does not answer takes seconds, in which no other verb can go
 *    on: one volume asks in a round, in turn, and none while others start.
 *    Where recover has each ask, verbs go in between (A2 in ops-again.c).
 */
#include "activation-ask.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format.h"
#include "giving-up.h"
#include "identity.h"
#include "lineage.h"
#include "log.h"
#include "lvm.h"
#include "pairing-file.h"
#include "promotion-record.h"
#include "state-file.h"
#include "takeover.h"
#include "target.h"

#define LONGEST_MS	5000

struct asking {
	const struct volume_config *config;
	struct ring *ring;
	struct target target;
	struct identity id;
	struct dmr_super super;
	struct replica_ancestor own[DMR_MAX_ANCESTORS];
	struct lineage_side mine;
	uint64_t bytes;
	bool is_given_up;		/* it comes up closed */
	bool is_answered;
	int verdict;
	char *error;
};

/* --- who we are ----------------------------------------------------------- */

static uint64_t size_of(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t bytes = 0;
	struct stat st;

	if (fd < 0)
		return 0;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		bytes = st.st_size;
	else if (ioctl(fd, BLKGETSIZE64, &bytes))
		bytes = 0;
	close(fd);
	return bytes;
}

static bool read_super(const char *path, struct dmr_super *super)
{
	char slots[DMR_NR_SUPERS][DMR_BLOCK_SIZE];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *why;
	bool is_good;

	if (fd < 0)
		return false;
	is_good = pread(fd, slots, sizeof(slots), 0) == sizeof(slots) &&
		  dmr_super_choose(slots[0], slots[1], super, &why) >= 0;
	close(fd);
	return is_good;
}

static int say(struct asking *a, int verdict, const char *what)
{
	snprintf(a->error, CONFIG_ERROR_SIZE, "volume %s is not activated: %s",
		 a->config->name, what);
	return verdict;
}

/* A private origin is activated by nobody but us. */
static int learn_size(struct asking *a)
{
	char error[KERNEL_ERROR_SIZE] = "";
	int err = lvm_activate(a->config->origin, error);

	if (err)
		return say(a, err, error);
	a->bytes = size_of(a->config->origin);
	return a->bytes ? 0 : say(a, -EIO, "its size cannot be found out");
}

/* What the superblock, if there is one, knows better. */
static bool learn_super(struct asking *a, const char *metadata)
{
	if (!read_super(metadata, &a->super))
		return false;
	a->bytes = a->super.sectors * 512;
	a->mine.generation = a->super.generation;
	for (uint32_t i = 0; i < a->super.nr_ancestors; i++) {
		a->own[i].generation = a->super.ancestors[i].generation;
		a->own[i].end_epoch = a->super.ancestors[i].end_epoch;
	}
	a->mine.nr_ancestors = a->super.nr_ancestors;
	return true;
}

/* It was promoted here, and has no origin in its configuration. */
static int learn_promoted(struct asking *a, const char *state_dir)
{
	struct promotion_record r;
	int err = promotion_load(state_dir, a->config->name, &r);

	if (err)
		return say(a, err, "the record of its failover cannot be "
			   "read");
	if (!learn_super(a, r.metadata))
		a->bytes = a->id.target_bytes ? a->id.target_bytes : r.bytes;
	return 0;
}

/* The metadata know more, and better, than NAME.id. */
static int learn(struct asking *a, const char *state_dir)
{
	int err = identity_load(&a->id, state_dir, a->config->name);

	if (err) {
		snprintf(a->error, CONFIG_ERROR_SIZE, "%.200s/%s.id: %s",
			 state_dir, a->config->name, state_error(err));
		return err;
	}
	a->is_given_up = giving_up_is_noted(state_dir, a->config->name) > 0;
	a->mine = (struct lineage_side){
		.generation = a->id.generation, .ancestors = a->own,
		.is_primary = true,
	};
	if (!a->config->origin)
		return learn_promoted(a, state_dir);
	return learn_super(a, a->config->metadata) ? 0 : learn_size(a);
}

/* --- what the target says ------------------------------------------------- */

static int judge(struct asking *a, const struct replica_header *h)
{
	const struct lineage_side peer = { .generation = h->generation,
					   .ancestors = h->ancestors,
					   .nr_ancestors = h->nr_ancestors };

	if (memcmp(h->pair_id, a->id.pair_id, 16) ||
	    memcmp(h->volume_id, a->id.volume_id, 16))
		return say(a, -EPERM, "its target belongs to another pair or "
			   "volume");
	switch (lineage_judge(&a->mine, &peer)) {
	case LINEAGE_SUPERSEDED:
		return say(a, -ESTALE, "the other site has taken over (with "
			   "activation=force it comes up, superseded, and can "
			   "be given up: replicactl resolve --keep peer)");
	case LINEAGE_SPLIT_BRAIN:
		return say(a, -ENOTUNIQ, "split brain: both sites have been "
			   "primary since they went apart");
	case LINEAGE_UNRELATED:
		return say(a, -EPERM, "the target is of another generation "
			   "that this volume has nothing to do with");
	default:
		break;
	}
	return h->kind == REPLICA_KIND_HANDOVER ?
	       say(a, -ESTALE, "it was handed over to the other site") : 0;
}

/* @refusal: of takeover.h, because of what another target has said. */
static int judge_other(struct asking *a, int refusal)
{
	if (!refusal || a->is_given_up)
		return 0;	/* what is given up comes up closed */
	snprintf(a->error, CONFIG_ERROR_SIZE, "volume %s is not activated: %s, "
		 "as its target of that time has said (with activation=force "
		 "it comes up, superseded: then %s)", a->config->name,
		 takeover_word(&a->id), takeover_advice);
	return -EKEYREVOKED;	/* not its own word, as -ESTALE would be */
}

/* B2: whatever it is, nothing is written. */
static int on_judge(struct target *t, struct replica_header *h, bool is_new,
		    struct replica_why *why)
{
	struct asking *a = container_of(t, struct asking, target);

	a->is_answered = true;
	a->verdict = is_new ? judge_other(a, takeover_forbids_new(&a->id)) :
			      judge(a, h);
	snprintf(why->text, sizeof(why->text), "it was only asked");
	return -ECANCELED;
}

static void on_ready(struct target *t)
{
	target_close(t);
}

static void on_failed(struct target *t, bool is_refused, const char *text)
{
	struct asking *a = container_of(t, struct asking, target);

	if (!a->is_answered) {
		snprintf(a->error, CONFIG_ERROR_SIZE, "volume %s is not "
			 "activated: its target does not say whether the other "
			 "site has taken over: %.200s", a->config->name, text);
		a->verdict = -EAGAIN;
	}
	target_close(t);
}

static void on_closed(struct target *t)
{
	ring_stop(t->ring);
}

/* --- asking --------------------------------------------------------------- */

static int open_target(struct asking *a, const char *state_dir)
{
	static const struct target_events events = {
		.judge = on_judge, .ready = on_ready, .failed = on_failed,
		.closed = on_closed,
	};
	const struct volume_config *c = a->config;
	const struct backend_options opts = {
		.volume_bytes = a->bytes,
		.connections = 1,
		.deadline_ms = c->timeout_ms < LONGEST_MS ? c->timeout_ms :
			       LONGEST_MS,
		.unsafe = c->is_unsafe,
		.no_clear_tcp = !c->tls || strcmp(c->tls, "off"),
		.apply = c->apply,
		.group = c->group,
	};
	struct error err = { 0 };
	const char *uri = c->target;
	char resolved[512];
	int ret;

	if (pairing_is_target(uri)) {
		ret = pairing_resolve(state_dir, uri, c->name, resolved,
				      sizeof(resolved), a->id.pair_id, &err);
		if (ret)
			return say(a, ret, err.text);
		uri = resolved;
	}
	ret = judge_other(a, takeover_forbids(&a->id, c->target));
	if (ret)
		return ret;
	ret = target_init(&a->target, a->ring, c->name, a->bytes, &events);
	if (ret)
		return say(a, ret, "no memory");
	a->target.old_bytes = a->id.target_bytes;
	target_open(&a->target, uri, &opts, true);
	ret = ring_run(a->ring);
	target_clear(&a->target);
	return ret ? say(a, ret, "the ring failed") : a->verdict;
}

/* By another target, perhaps. One that cannot be read is looked at then. */
static bool is_taken_over(const char *state_dir, const char *name)
{
	struct identity id;

	return identity_load(&id, state_dir, name) || id.taken_over;
}

bool activation_asks(const char *state_dir, const struct volume_config *config)
{
	return config->activation == ACTIVATION_ASK &&
	       ((strncmp(config->target, "local:", 6) &&
		 strncmp(config->target, "stage:", 6)) ||
		is_taken_over(state_dir, config->name));
}

bool activation_has_to_ask(const struct kernel_ops *ops, const char *state_dir,
			   const struct volume_config *config)
{
	const struct kernel_form form = {
		.device = config->name, .origin = config->origin,
		.metadata = config->metadata,
	};
	char error[KERNEL_ERROR_SIZE];

	return activation_asks(state_dir, config) && config->origin &&
	       ops->is_plain(&form, error);	/* < 0: who knows? B1 */
}

int activation_ask(const char *state_dir, const struct volume_config *config,
		   char error[CONFIG_ERROR_SIZE])
{
	struct asking a = { .config = config, .error = error };
	int ret = learn(&a, state_dir), err;

	if (ret)
		return ret;
	ret = ring_create(&a.ring, NULL);
	if (ret)
		return say(&a, ret, strerror(-ret));
	ret = open_target(&a, state_dir);
	ring_destroy(a.ring);
	err = takeover_note(&a.id, state_dir, config, ret);
	if (err)
		log_err(config->name, "the state folder %s: %s: what its "
			"target said is not noted", state_dir, strerror(-err));
	return ret;
}
