// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The volume's name towards targets (pair, volume, generation) stands in
 * NAME.id; its metadata device has an id of its own, and the generation.
 *
 * U1 (insertion.c) a suspicion is on disk from before the insertion until "mark
 *    all" is durable in the metadata.
 * U2 No epoch is cut while a mark or a setting that it counts on is not durable
 *    there: else a crash would forget the mark, and the target's header, now of
 *    a later epoch, would not bring it back.
 * U3 A metadata device that epochs were committed with is known by its id;
 *    NAME.id keeps it from then on; its generation is the volume's. Another one
 *    gets the volume's generation. If it has been loaded before, it remembers
 *    what happened to another volume, or to this one before: suspect.
 * U5 Where another tool takes the target out, the kernel records that, if it
 *    can; we note it too: the state folder need not fail with the metadata.
 * U6 Whoever asks for a mark has an answer only when a crash leaves it marked.
 *
 * Without metadata a load begins wholly dirty: nothing is trusted there.
 */
#include "continuity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "compare.h"
#include "events.h"
#include "kernel.h"
#include "log.h"
#include "reactor.h"
#include "volume.h"

static bool is_kept(const struct volume *v)
{
	return !(v->info.dev_flags & DMR_DEV_F_VOLATILE);
}

static bool is_known(const struct volume *v)
{
	return !memcmp(v->identity.kernel_volume, v->info.volume_id, 16);
}

static int fail(struct volume *v, int err, const char *what,
		char error[CONFIG_ERROR_SIZE])
{
	snprintf(error, CONFIG_ERROR_SIZE, "%s: %.300s", what,
		 kernel_error(v->reactor->kernel));
	return err;
}

static void warn_state_folder(struct volume *v, int err, const char *then)
{
	log_warn(v->config->name, "the state folder %s: %s: %s",
		 v->reactor->state_dir, strerror(-err), then);
}

/* U3. Once: SET would need all members of a group that is there already. */
static int give_generation(struct volume *v, char error[CONFIG_ERROR_SIZE])
{
	static const struct dmr_nl_ancestor none;
	const struct dmr_set set = {
		.generation = &v->identity.generation,
		.ancestors = &none,
		.nr_ancestors = 0,
	};
	int err;

	v->waits_durable = true;
	if (v->info.generation == v->identity.generation)
		return 0;
	err = kernel_set(v->reactor->kernel, v->device.dev, &set);
	return err ? fail(v, err, "set the generation", error) : 0;
}

static void tell(struct volume *v, const char *why)
{
	log_warn(v->config->name, "%s: all of it is looked at again", why);
	events_tell(v->reactor->events, v->config->name, "resync", "%s", why);
}

static int suspect_all(struct volume *v, const char *why,
		       char error[CONFIG_ERROR_SIZE])
{
	int err = compare_all(v);

	if (err)
		return fail(v, err, "mark", error);
	v->waits_durable = true;
	tell(v, why);
	return 0;
}

static void end_suspicion(struct volume *v)
{
	int err = v->identity.is_suspect ?
		  identity_note_suspect(&v->identity, v->reactor->state_dir,
					v->config->name, false) : 0;

	if (err)
		warn_state_folder(v, err, "the next start will send "
				  "everything again");
}

static int begin_kept(struct volume *v, char error[CONFIG_ERROR_SIZE])
{
	bool is_new = !is_known(v), is_used = v->info.loads > 1;
	int err = 0;

	if (!is_new)
		v->identity.generation = v->info.generation;
	else
		err = give_generation(v, error);
	if (err)
		return err;
	if (v->identity.is_suspect)
		return suspect_all(v, "the device had no replica target and "
				   "may have been written meanwhile", error);
	if (is_new && is_used)
		return suspect_all(v, "the metadata device is not the one that "
				   "this volume had, but was used before",
				   error);
	if (v->info.dev_flags & DMR_DEV_F_SUSPECT)
		tell(v, "the origin was written without us (the kernel's log "
		     "says how that is known)");
	return 0;
}

int continuity_begin(struct volume *v, char error[CONFIG_ERROR_SIZE])
{
	v->waits_durable = false;
	if (is_kept(v))
		return begin_kept(v, error);
	end_suspicion(v);
	return 0;
}

/* U2 */
bool continuity_is_settled(struct volume *v)
{
	if (!v->waits_durable)
		return true;
	if (v->info.dev_flags & DMR_DEV_F_META_PENDING)
		return false;
	v->waits_durable = false;
	end_suspicion(v);
	return true;
}

/* U6 */
int continuity_marks(const struct volume *v, char error[CONFIG_ERROR_SIZE])
{
	if (!(v->info.dev_flags & DMR_DEV_F_META_PENDING))
		return 0;
	if (!(v->info.dev_flags & DMR_DEV_F_META_FAILED))
		return -EAGAIN;
	snprintf(error, CONFIG_ERROR_SIZE, "the metadata device has failed: "
		 "it is sent again, but a crash before the device works again "
		 "would forget that");
	return -EIO;
}

void continuity_committed(struct volume *v)
{
	int err;

	if (!is_kept(v) || is_known(v))
		return;
	err = identity_note_metadata(&v->identity, v->reactor->state_dir,
				     v->config->name, v->info.volume_id);
	if (err)
		warn_state_folder(v, err, "the next start will not know the "
				  "metadata device");
}

void continuity_lost(struct volume *v)
{
	int err;

	if (!v->info.incarnation || !is_kept(v) || v->identity.is_suspect)
		return;
	err = identity_note_suspect(&v->identity, v->reactor->state_dir,
				    v->config->name, true);
	if (err)
		warn_state_folder(v, err, "only the metadata device may know "
				  "that the volume lost its target");
}

void continuity_look(struct volume *v)
{
	bool has_failed = v->info.dev_flags & DMR_DEV_F_META_FAILED;

	if (has_failed == v->has_meta_failed)
		return;
	v->has_meta_failed = has_failed;
	if (has_failed)
		log_err(v->config->name, "the metadata device has failed: "
			"writes to regions that are not hot get an I/O error");
	else
		log_info(v->config->name, "the metadata device works again");
	events_tell(v->reactor->events, v->config->name,
		    has_failed ? "alarm" : "state", has_failed ?
		    "the metadata device has failed" :
		    "the metadata device works again");
}

const char *continuity_persistence(const struct volume *v)
{
	if (!is_kept(v))
		return "none";
	return v->info.dev_flags & DMR_DEV_F_META_FAILED ? "failed" :
							   "durable";
}
