// SPDX-License-Identifier: GPL-2.0-or-later
#include "takeover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "group.h"
#include "log.h"
#include "reactor.h"
#include "volume.h"

const char takeover_advice[] =
"decide whose data count: if the other site's, replicactl resolve --keep peer; if "
"this one's, have the other one given up there, then here replicactl resync, and "
"resume";

const char *takeover_word(const struct identity *id)
{
	return id->taken_over == TAKEN_OVER_SUPERSEDED ?
	       "another site has taken over" :
	       id->taken_over == TAKEN_OVER_SPLIT_BRAIN ?
	       "it is in a split brain" : NULL;
}

const char *takeover_name(const struct identity *id)
{
	return id->taken_over == TAKEN_OVER_SUPERSEDED ? "superseded" :
	       id->taken_over == TAKEN_OVER_SPLIT_BRAIN ? "split-brain" : "no";
}

/* --- it is said ----------------------------------------------------------- */

int takeover_note(struct identity *id, const char *state_dir,
		  const struct volume_config *config, int refusal)
{
	enum taken_over taken_over = refusal == -ESTALE ?
		TAKEN_OVER_SUPERSEDED : refusal == -ENOTUNIQ ?
		TAKEN_OVER_SPLIT_BRAIN : TAKEN_OVER_NO;

	return !taken_over || id->taken_over || !config->target ? 0 :
	       identity_note_taken_over(id, state_dir, config->name,
					taken_over, config->target);
}

void takeover_note_group(struct group *g, int refusal)
{
	for (struct volume *v = g->volumes; v; v = v->next) {
		int err = takeover_note(&v->identity, v->reactor->state_dir,
					v->config, refusal);

		if (err)
			log_err(v->config->name, "the state folder %s: %s: "
				"that another site has taken over will not be "
				"known after a restart", v->reactor->state_dir,
				strerror(-err));
	}
}

/* --- it is over ----------------------------------------------------------- */

static int forget(struct volume *v)
{
	int err = !v->identity.taken_over ? 0 :
		  identity_note_taken_over(&v->identity, v->reactor->state_dir,
					   v->config->name, TAKEN_OVER_NO,
					   NULL);

	if (err)
		log_err(v->config->name, "the state folder %s: %s: it is still "
			"held to be taken over", v->reactor->state_dir,
			strerror(-err));
	return err;
}

int takeover_forget(struct group *g)
{
	int first = 0;

	for (struct volume *v = g->volumes; v; v = v->next) {
		int err = forget(v);

		first = first ? first : err;
	}
	return first;
}

void takeover_forget_one(struct volume *v)
{
	forget(v);
}

/* --- meanwhile ------------------------------------------------------------ */

int takeover_forbids_new(const struct identity *id)
{
	return id->taken_over == TAKEN_OVER_SUPERSEDED ? -ESTALE :
	       id->taken_over == TAKEN_OVER_SPLIT_BRAIN ? -ENOTUNIQ : 0;
}

int takeover_forbids(const struct identity *id, const char *target)
{
	uint8_t by[16] = { 0 };

	if (!id->taken_over)
		return 0;
	if (target)
		identity_hash_target(by, id, target);
	return memcmp(by, id->taken_over_by, sizeof(by)) ?
	       takeover_forbids_new(id) : 0;
}

bool takeover_is_elsewhere(const struct volume *v)
{
	return v->is_elsewhere ||
	       takeover_forbids(&v->identity, v->config->target);
}

int takeover_check(struct volume *v, bool is_new, struct replica_why *why)
{
	const struct identity *id = &v->identity;
	int err = is_new ? takeover_forbids_new(id) :
			   takeover_forbids(id, v->config->target);

	if (!err)
		return 0;
	v->refusal = err;
	v->advice = takeover_advice;
	snprintf(why->text, sizeof(why->text), "%s, as its target of that time "
		 "has said: nothing is sent to another one", takeover_word(id));
	return err;
}
