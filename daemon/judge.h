/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a target's header says about who it is, before anything is written to
 * it (W1, W5). Pure.
 */
#ifndef REPLICAD_JUDGE_H
#define REPLICAD_JUDGE_H

#include "header.h"
#include "identity.h"
#include "netlink.h"

/* What to do after -EUCLEAN: this primary was rolled back or cloned. */
extern const char judge_advice[];

enum judgement {
	JUDGE_NEW,		/* never written: ours to take */
	JUDGE_OURS,		/* go on where it stands */
	JUDGE_RESYNC,		/* ours, but everything must be sent again */
};

/*
 * @h: the newest header, NULL where both slots are zero. @id with the session
 * that is about to say hello. Returns a judgement, or -errno and the reason: no
 * byte may be written then; -ESTALE: superseded, -ENOTUNIQ: split brain. With
 * JUDGE_RESYNC @why tells the reason too.
 */
int judge_target(const struct replica_header *h, const struct identity *id,
		 const struct dmr_info *info, struct replica_why *why);

#endif
