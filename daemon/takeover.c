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
"decide whose data count: if the other site's, replicactl resolve --keep peer; to "
"be the primary again, sending to this target: replicactl disable, then enable";

const char *takeover_word(const struct identity *id)
{
	return id->taken_over == TAKEN_OVER_SUPERSEDED ?
	       "another site has taken over" :
	       id->taken_over == TAKEN_OVER_SPLIT_BRAIN ?
	       "it is in a split brain" : NULL;
}

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

int takeover_forbids(const struct identity *id, const char *target)
{
	uint8_t by[16] = { 0 };

	if (target)
		identity_hash(by, target);
	if (!id->taken_over || !memcmp(by, id->taken_over_by, sizeof(by)))
		return 0;
	return id->taken_over == TAKEN_OVER_SUPERSEDED ? -ESTALE : -ENOTUNIQ;
}

static int forget(struct volume *v)
{
	return !v->identity.taken_over ? 0 :
	       identity_note_taken_over(&v->identity, v->reactor->state_dir,
					v->config->name, TAKEN_OVER_NO, NULL);
}

void takeover_forget(struct volume *v)
{
	int err = forget(v);

	if (err)
		log_err(v->config->name, "the state folder %s: %s: it is still "
			"held to be taken over", v->reactor->state_dir,
			strerror(-err));
}

int takeover_check(struct volume *v, struct replica_why *why)
{
	int err = takeover_forbids(&v->identity, v->config->target);

	if (err) {
		v->refusal = err;
		v->advice = takeover_advice;
		snprintf(why->text, sizeof(why->text), "%s, as its target of "
			 "that time has said: nothing is sent to another one",
			 takeover_word(&v->identity));
		return err;
	}
	err = forget(v);
	if (err)
		snprintf(why->text, sizeof(why->text), "the state folder "
			 "%.80s: %.50s", v->reactor->state_dir, strerror(-err));
	return err;
}
