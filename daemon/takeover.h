/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another site has taken over, or both were primary: that is remembered,
 * durably, until it is decided, for the state of a group does not outlive a
 * pause, another configuration or the process.
 *
 *	no -[a target says so]-> noted -[it is ours again; enable, resync]-> no
 *
 * T1 While it is noted, no other target gets a hello: there this volume would
 *    be a second primary, whose writes nobody had to give up. Nor does one of
 *    the same name that is not of the same pair, or has no header: who was
 *    there is not.
 * T2 Who says so first counts. That one may say something else later: it knows
 *    of the site that has taken over, and another one does not.
 * T3 A group is taken over as a whole: it is noted of all of its members, and
 *    over when the targets of all are ours.
 * T4 What cannot be written is known to this process all the same, until its
 *    configuration changes, and written with whatever is noted next.
 * T5 An operator ends it who says that this copy counts: by resync, where it
 *    is in use, or by enable.
 */
#ifndef REPLICAD_TAKEOVER_H
#define REPLICAD_TAKEOVER_H

#include <stdbool.h>

#include "header.h"
#include "identity.h"

struct group;
struct volume;
struct volume_config;

extern const char takeover_advice[];

/*
 * A target of @config has said so: @refusal is -ESTALE or -ENOTUNIQ; nothing is
 * done for any other (T2). 0, or -errno of the state folder. A volume that
 * runs: on the thread of its group, which logs that.
 */
int takeover_note(struct identity *id, const char *state_dir,
		  const struct volume_config *config, int refusal);
void takeover_note_group(struct group *g, int refusal);	/* T3 */

/*
 * Before @volume's target is opened, and before it gets a hello, when it was
 * judged to be fit for one. 0, or -ESTALE, -ENOTUNIQ with a sentence, and the
 * volume's advice (T1). @is_new: it has no header.
 */
int takeover_check(struct volume *volume, bool is_new, struct replica_why *why);

/* All are ours (T3); or an operator says so (T5). 0 or -errno, logged. */
int takeover_forget(struct group *g);
/* The same of one that is enabled, before it joins. */
void takeover_forget_one(struct volume *volume);

/*
 * A volume with @id would be sent to @target, as its configuration names it. 0;
 * -ESTALE or -ENOTUNIQ: another one has said so (T1). Any thread.
 */
int takeover_forbids(const struct identity *id, const char *target);
/* The same of a target that has no header. */
int takeover_forbids_new(const struct identity *id);
/* Who has said so of @volume is not the target that it has now. */
bool takeover_is_elsewhere(const struct volume *volume);

/* "another site has taken over" …, NULL: nothing is noted. */
const char *takeover_word(const struct identity *id);
/* "superseded", "split-brain", or "no". */
const char *takeover_name(const struct identity *id);

#endif
