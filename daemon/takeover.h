/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another site has taken over, or both were primary: that is remembered,
 * durably, until it is decided, for the state of a group does not outlive a
 * pause, another configuration or the process.
 *
 *	no -[a target says so]-> noted -[that target is ours again; enable]-> no
 *
 * T1 While it is noted, no other target gets a hello: there this volume would
 *    be a second primary, whose writes nobody had to give up.
 * T2 Who says so first counts. That one may say something else later: it knows
 *    of the site that has taken over, and another one does not.
 * T3 A group is taken over as a whole: it is noted of all of its members.
 */
#ifndef REPLICAD_TAKEOVER_H
#define REPLICAD_TAKEOVER_H

#include "header.h"
#include "identity.h"

struct group;
struct volume;
struct volume_config;

extern const char takeover_advice[];

/*
 * @refusal: -ESTALE or -ENOTUNIQ of who was asked; nothing is done for any
 * other (T2). 0, or -errno of the state folder. A volume that runs: on the
 * thread of its group, which logs that.
 */
int takeover_note(struct identity *id, const char *state_dir,
		  const struct volume_config *config, int refusal);
void takeover_note_group(struct group *g, int refusal);	/* T3 */

/*
 * @volume's target was judged to be fit for a hello. 0; -ESTALE, -ENOTUNIQ, or
 * -errno of the state folder, with a sentence: it gets none (T1).
 */
int takeover_check(struct volume *volume, struct replica_why *why);

/* An operator enables it: before it joins. */
void takeover_forget(struct volume *volume);

/*
 * A volume with @id would be sent to @target, as its configuration names it. 0;
 * -ESTALE or -ENOTUNIQ: another one has said so (T1). Any thread.
 */
int takeover_forbids(const struct identity *id, const char *target);

/* "another site has taken over" …, NULL: nothing is noted. */
const char *takeover_word(const struct identity *id);

#endif
